//! `cargo xtask demo`: builds the image, shows it, runs real programs on it, and compares one call three ways.

use crate::{build_vdso, compare, inspect};
use anyhow::{bail, Context, Result};
use std::path::Path;
use std::process::Command;

/// Builds the image from source, shows what is in it, runs programs that take every clock read from it, and compares our
/// call with the host's vDSO and with the system call.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {}

/// What a program of the demo shows.
struct Show {
    title: &'static str,
    command: &'static [&'static str],
}

const PROGRAMS: [Show; 2] = [
    Show { title: "date", command: &["date", "+%F %T.%N"] },
    Show {
        title: "Python, a million times time.time()",
        command: &["python3", "-c", "import time; t = [time.time() for _ in range(10**6)]; print(t[0], '..', t[-1])"],
    },
];

pub(crate) fn run(_: &Options) -> Result<()> {
    heading("The image, built from source and checked");
    let out = Path::new("target/vdso");
    build_vdso::run(&build_vdso::Options::into(out))?;
    heading("What is in it");
    inspect::run(&inspect::Options::of(&out.join("x86_64/vdso.so")))?;
    for show in PROGRAMS {
        heading(&format!("On the image and its page: {}", show.title));
        if find_program(show.command[0]) {
            on_the_image(&["--count-syscalls"], show.command)?;
        } else {
            println!("{} is not installed; left out", show.command[0]);
        }
    }
    heading("One call, three ways, side by side");
    // Counting would stop the program at each system call.
    on_the_image(&[], &[&current_exe()?, compare::COMMAND])
}

fn heading(text: &str) {
    println!("\n== {text}");
}

fn current_exe() -> Result<String> {
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    exe.into_os_string().into_string().map_err(|path| anyhow::anyhow!("{path:?} is no UTF-8 path"))
}

/// `cargo xtask run OPTIONS -- COMMAND`.
fn on_the_image(options: &[&str], command: &[&str]) -> Result<()> {
    let status = Command::new(current_exe()?)
        .arg("run")
        .args(options)
        .arg("--")
        .args(command)
        .status()
        .context("cannot start the runner")?;
    if !status.success() {
        bail!("`{}` ended with {status}", command.join(" "));
    }
    Ok(())
}

fn find_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}
