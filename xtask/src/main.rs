//! The project's commands: `cargo xtask COMMAND`.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

mod bench;
mod boot;
mod build_vdso;
mod compare;
mod core_library;
mod demo;
mod host_vdso;
mod inspect;
mod run;
mod test;

/// The commands of the vDSO project.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    BuildVdso(build_vdso::Options),
    Inspect(inspect::Options),
    Run(run::Options),
    Demo(demo::Options),
    Bench(bench::Options),
    Boot(boot::Options),
    /// Runs every check of the project, and lists what was skipped and which package brings it.
    Test,
    #[command(name = compare::COMMAND, hide = true)]
    CompareCalls,
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::BuildVdso(options) => build_vdso::run(&options),
        Command::Inspect(options) => inspect::run(&options),
        Command::Run(options) => return run::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Boot(options) => boot::run(&options),
        Command::Test => test::run(),
        Command::CompareCalls => compare::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
