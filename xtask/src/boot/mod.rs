//! `cargo xtask boot`: the test kernel in QEMU, with programs that check its clocks.
//!
//! | module | what |
//! |---|---|
//! | [`arch`] | what differs between the architectures |
//! | [`kernel`] | builds `tests/kernel` for its bare target |
//! | [`programs`] | builds the C program of `tests/kernel/programs`, once for each C library |
//! | [`archive`] | packs them as the kernel reads them |
//! | [`qemu`] | runs it, answers its questions, and judges how it ended |

mod arch;
mod archive;
mod kernel;
mod programs;
mod qemu;

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Boots a small kernel that embeds the vDSO in QEMU, runs static Linux programs on it in user mode, and prints what they
/// and the kernel found. Needs the architecture's qemu-system and C compiler.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The architecture.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(arch::names()))]
    arch: String,
    /// The processor, as QEMU's -cpu has it, instead of the one with all that QEMU knows. On aarch64 for one
    /// `cortex-a72,cntfrq=25000000`: no landing pads, and a counter of 25 MHz.
    #[arg(long, value_name = "MODEL")]
    cpu: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let arch = arch::find(&options.arch)?;
    let machine = qemu::Machine::find(arch)?;
    let kernel = kernel::build(arch)?;
    let folder = tempfile::Builder::new().prefix("vdso-boot-").tempdir().context("a folder for the programs")?;
    let programs = programs::build(arch, folder.path())?;
    let archive = folder.path().join("programs.cpio");
    std::fs::write(&archive, archive::pack(&programs)?)
        .with_context(|| format!("cannot write {}", archive.display()))?;
    machine.run(options.cpu.as_deref(), &kernel, &archive)
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
