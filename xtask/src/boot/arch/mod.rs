//! What differs between the architectures: a file each, and its lines here.

mod aarch64;
mod riscv64;
mod x86_64;

use super::programs::Variant;
use anyhow::{bail, Result};
use vdso_linker::manifest::Arch;

/// An architecture that the kernel runs on.
#[derive(Clone, Copy)]
pub(crate) struct Architecture {
    /// The one that the kernel's own image is built for. It has the name.
    pub(super) image: Arch,
    /// The bare target that the kernel is compiled for.
    pub(super) target: &'static str,
    /// The emulator, and the Debian package that brings it.
    pub(super) emulator: &'static str,
    pub(super) package: &'static str,
    /// What starts the kernel, where the emulator does not do that itself.
    pub(super) firmware: Option<Firmware>,
    /// The processor, unless another is asked for.
    pub(super) cpu: &'static str,
    /// The machine: two CPUs, 128 MiB, a serial port on standard input and output, and a way to end with a status.
    pub(super) machine: &'static [&'static str],
    /// The ways to build the programs.
    pub(super) variants: &'static [Variant],
}

/// A machine's firmware.
#[derive(Clone, Copy)]
pub(super) struct Firmware {
    /// The file, in one of QEMU's folders for such files.
    pub(super) file: &'static str,
    /// The Debian packages that bring it.
    pub(super) packages: &'static str,
}

impl Architecture {
    /// Its name on the command line, and its folders'.
    pub(crate) fn name(&self) -> &'static str {
        self.image.name()
    }

    /// The targets that it takes to build the kernel: its own, and that of the image which it builds for itself.
    pub(crate) fn targets(&self) -> [&'static str; 2] {
        [self.target, self.image.target()]
    }
}

/// All of them.
pub(crate) static ALL: &[&Architecture] = &[
    // By name.
    &aarch64::ARCHITECTURE,
    &riscv64::ARCHITECTURE,
    &x86_64::ARCHITECTURE,
];

/// Their names.
pub(super) fn names() -> Vec<&'static str> {
    ALL.iter().map(|architecture| architecture.name()).collect()
}

pub(super) fn find(name: &str) -> Result<&'static Architecture> {
    match ALL.iter().find(|it| it.name() == name) {
        Some(architecture) => Ok(architecture),
        None => bail!("no test kernel for {name}: there is one for {}", names().join(", ")),
    }
}
