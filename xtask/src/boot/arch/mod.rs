//! What differs between the architectures: one file each, and a line here.

mod aarch64;
mod riscv64;
mod x86_64;

use super::programs::Variant;
use anyhow::{bail, Result};
use vdso_linker::manifest::Arch;

/// An architecture that the kernel runs on.
pub(super) struct Architecture {
    /// The one that the kernel's own image is built for. It has the name.
    pub(super) image: Arch,
    /// The bare target that the kernel is compiled for.
    pub(super) target: &'static str,
    /// The emulator, and the Debian package that brings it.
    pub(super) emulator: &'static str,
    pub(super) package: &'static str,
    /// The processor, unless another is asked for.
    pub(super) cpu: &'static str,
    /// The machine: two CPUs, 128 MiB, a serial port on standard input and output, and a way to end with a status.
    pub(super) machine: &'static [&'static str],
    /// The ways to build the programs.
    pub(super) variants: &'static [Variant],
}

impl Architecture {
    /// Its name on the command line, and its folders'.
    pub(super) fn name(&self) -> &'static str {
        self.image.name()
    }
}

const ALL: [&Architecture; 3] = [&x86_64::X86_64, &riscv64::RISCV64, &aarch64::AARCH64];

/// Their names.
pub(super) fn names() -> Vec<&'static str> {
    ALL.map(Architecture::name).to_vec()
}

pub(super) fn find(name: &str) -> Result<&'static Architecture> {
    match ALL.into_iter().find(|it| it.name() == name) {
        Some(architecture) => Ok(architecture),
        None => bail!("no test kernel for {name}: there is one for {}", names().join(", ")),
    }
}
