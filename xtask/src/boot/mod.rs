//! `cargo xtask boot`: the test kernel in QEMU, with programs that check its clocks.
//!
//! | module | what |
//! |---|---|
//! | [`arch`] | what differs between the architectures |
//! | [`kernel`] | builds `tests/kernel` for its bare target |
//! | [`programs`] | builds the C program of `tests/kernel`, once for each C library |
//! | [`archive`] | packs them as the kernel reads them |
//! | [`qemu`] | runs it, answers its questions, and judges how it ended |
//! | [`needs`] | what is missing for all that, and which package brings it |

mod arch;
mod archive;
mod kernel;
mod needs;
mod programs;
mod qemu;

pub(crate) use arch::{Architecture, ALL as ARCHITECTURES};
pub(crate) use kernel::lint;
pub(crate) use needs::missing_core;

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Boots a small kernel that embeds the vDSO in QEMU, runs static Linux programs on it in user mode, and prints what they
/// and the kernel found. Needs the architecture's qemu-system and C compiler.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The architecture.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(arch::names()))]
    arch: String,
    /// The processor, as QEMU's -cpu has it, instead of the one with all that QEMU knows: one that lacks something, or whose
    /// counter has another frequency.
    #[arg(long, value_name = "MODEL")]
    cpu: Option<String>,
    /// Boots nothing, and says what is missing for it, a line each: programs, firmware, C libraries and Rust's targets, with
    /// what brings them. (A `core` that only has to be built is built.)
    #[arg(long)]
    missing: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let arch = arch::find(&options.arch)?;
    if options.missing {
        needs::missing(arch)?.iter().for_each(|missing| println!("{missing}"));
        return Ok(());
    }
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

/// What it has for one architecture alone.
fn architecture_folder(arch: &Architecture) -> PathBuf {
    kernel_folder().join("arch").join(arch.name())
}
