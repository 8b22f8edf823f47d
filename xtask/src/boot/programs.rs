//! Builds the C program, once for each C library and way to link it.

use super::kernel_folder;
use anyhow::{bail, Context, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A way to build it.
struct Variant {
    name: &'static str,
    compiler: &'static str,
    /// The Debian packages that bring the compiler and its static library.
    packages: &'static str,
    link: &'static [&'static str],
}

const VARIANTS: [Variant; 3] = [
    Variant { name: "musl", compiler: "musl-gcc", packages: "musl-tools", link: &["-static"] },
    Variant { name: "glibc", compiler: "gcc", packages: "gcc and libc6-dev", link: &["-static"] },
    Variant { name: "glibc-pie", compiler: "gcc", packages: "gcc and libc6-dev", link: &["-static-pie", "-fPIE"] },
];

const FLAGS: [&str; 5] = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"];

/// A program: its name in the archive, and the file.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) file: PathBuf,
}

/// Builds every variant whose compiler is there, into `folder`; says which are left out.
pub(super) fn build(folder: &Path) -> Result<Vec<Program>> {
    let sources = sources(&kernel_folder().join("programs"))?;
    let mut programs = Vec::new();
    for variant in VARIANTS {
        match build_variant(&variant, &sources, folder)? {
            Some(file) => programs.push(Program { name: variant.name, file }),
            None => println!(
                "left out: the program with {}, which needs {} (Debian packages {})",
                variant.name, variant.compiler, variant.packages
            ),
        }
    }
    if programs.is_empty() {
        bail!("no C compiler for static programs: install gcc and libc6-dev, or musl-tools");
    }
    Ok(programs)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut sources = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

/// `None` where the compiler is missing.
fn build_variant(variant: &Variant, sources: &[PathBuf], folder: &Path) -> Result<Option<PathBuf>> {
    let file = folder.join(variant.name);
    let output =
        Command::new(variant.compiler).args(FLAGS).args(variant.link).arg("-o").arg(&file).args(sources).output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        output => output.with_context(|| format!("cannot start {}", variant.compiler))?,
    };
    if !output.status.success() {
        bail!(
            "{} does not build the program with {} (Debian packages {}):\n{}",
            variant.compiler,
            variant.name,
            variant.packages,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(Some(file))
}
