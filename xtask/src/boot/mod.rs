//! `cargo xtask boot`: the test kernel in QEMU, with programs that check its clocks.
//!
//! | module | what |
//! |---|---|
//! | [`kernel`] | builds `tests/kernel` for its bare target |
//! | [`programs`] | builds the C program of `tests/kernel/programs`, once for each C library |
//! | [`archive`] | packs them as the kernel reads them |
//! | [`qemu`] | runs it, answers its questions, and judges how it ended |

mod archive;
mod kernel;
mod programs;
mod qemu;

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Boots a small kernel that embeds the vDSO in QEMU, runs static Linux programs on it in user mode, and prints what they
/// and the kernel found. Needs qemu-system-x86_64 and a C compiler.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The architecture.
    #[arg(value_parser = ["x86_64"])]
    arch: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let machine = qemu::Machine::find(&options.arch)?;
    let kernel = kernel::build()?;
    let folder = tempfile::Builder::new().prefix("vdso-boot-").tempdir().context("a folder for the programs")?;
    let programs = programs::build(folder.path())?;
    let archive = folder.path().join("programs.cpio");
    std::fs::write(&archive, archive::pack(&programs)?)
        .with_context(|| format!("cannot write {}", archive.display()))?;
    machine.run(&kernel, &archive)
}

/// The root of the workspace.
fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Where the kernel is.
fn kernel_folder() -> PathBuf {
    workspace().join("tests/kernel")
}
