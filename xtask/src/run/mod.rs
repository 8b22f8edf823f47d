//! `cargo xtask run`: any Linux program on our image and our page.
//!
//! | module | what |
//! |---|---|
//! | [`program`] | finds the program and starts it, followed |
//! | [`image`], [`shared`] | the image, checked; image and page as files in memory that the program maps |
//! | [`tracer`], [`ptrace`], [`signals`] | follows the program and its children; signals, stops and the end pass through |
//! | [`inject`], [`remote`], [`auxv`], [`x86_64`] | at each exec: maps image and page, rewrites the auxiliary vector |
//! | [`count`] | which system calls read clocks |
//! | [`publisher`], [`discipline`], [`host`] | keeps the page's clocks with the host's |

mod auxv;
mod count;
mod discipline;
mod host;
mod image;
mod inject;
mod program;
mod ptrace;
mod publisher;
mod remote;
mod shared;
mod signals;
mod tracer;
mod x86_64;

use image::Image;
use program::{Program, Unusable};
use publisher::Publisher;
use shared::Shared;
use signals::Signals;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tracer::{End, Outcome, Wishes};

/// Runs a Linux program, static or dynamic, on the image and the page, which a thread of the runner publishes from the
/// host's clocks. Threads, children and programs that it executes are followed; signals, the exit status and the
/// terminal pass through.
///
/// Exit status: the program's; 127 if there is no such program, 126 if it cannot be executed, 125 if the runner fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Run on the image in this file instead of the one of this tree.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// At the end, say on standard error how many system calls read a clock: `clock system calls: N`. Every system call
    /// stops the program then.
    #[arg(long, conflicts_with = "detach")]
    count_syscalls: bool,
    /// Let go of the program once it is mapped, so that a debugger can attach, and keep the clocks going until it ends.
    /// What it executes or starts later gets the host's vDSO.
    #[arg(long)]
    detach: bool,
    /// Say what only matters to debuggers.
    #[arg(long, short)]
    verbose: bool,
    /// The program and its arguments. (One that traces others, as gdb and strace do, cannot itself be traced: see
    /// --detach.)
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_names = ["PROGRAM", "ARGS"])]
    command: Vec<OsString>,
}

/// The runner's own failure, as timeout(1) and env(1) report theirs.
const FAILED: u8 = 125;

/// Prints a line on standard error. If that is closed, the program goes on all the same.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs the command and ends as the program ended.
pub(crate) fn run(options: &Options) -> ExitCode {
    match try_run(options) {
        Ok(End::Exited(status)) => ExitCode::from(status as u8),
        Ok(End::Killed(signal)) => signals::die_of(signal),
        Err(error) => {
            say(format_args!("xtask run: {error:#}"));
            ExitCode::from(error.downcast_ref::<Unusable>().map_or(FAILED, |unusable| unusable.status))
        }
    }
}

fn try_run(options: &Options) -> anyhow::Result<End> {
    let program = Program::find(&options.command)?;
    let image = options.image.as_deref().map_or_else(Image::ours, Image::from_file)?;
    let shared = Shared::new(&image.bytes, image.parts)?;
    let publisher = Publisher::new(shared.page())?;
    let signals = Signals::block()?;
    let starting = program.start(&signals, options.detach)?;
    let publishing = publisher.spawn()?;
    starting.go()?;
    let wishes = Wishes { count: options.count_syscalls, detach: options.detach, verbose: options.verbose };
    let outcome = tracer::follow(starting.pid, &shared, &signals, wishes);
    publishing.stop();
    let outcome = outcome?;
    let end = end_of(&program, &starting, &outcome)?;
    if options.count_syscalls {
        say(format_args!("clock system calls: {}", outcome.clock_calls));
    }
    Ok(end)
}

/// The end of the program, or why it never began.
fn end_of(program: &Program, starting: &program::Starting, outcome: &Outcome) -> anyhow::Result<End> {
    match starting.exec_error() {
        Some(error) if !outcome.executed => Err(program.refused(error).into()),
        _ => Ok(outcome.end),
    }
}
