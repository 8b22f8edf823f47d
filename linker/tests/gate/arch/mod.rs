//! What the gate's tests know of an architecture, one folder each:
//!
//! | in `ARCH/` | what |
//! |---|---|
//! | `mod.rs` | its [`Architecture`] |
//! | `fixture.s` | the good image |
//! | `corpus.rs` | images that are broken in its own ways |
//! | `accepted.rs` | images that are right in its own ways |
//! | `snapshots/` | what the gate and the inspection say of these images |
//!
//! To add one, write the folder, and its two lines here.

mod aarch64;
mod riscv64;
mod x86_64;

use crate::corpus::Corpus;
use std::path::Path;
use vdso_linker::gate::Rule;
use vdso_linker::manifest::Arch;

static ARCHITECTURES: &[Architecture] = &[
    // By name.
    aarch64::ARCHITECTURE,
    riscv64::ARCHITECTURE,
    x86_64::ARCHITECTURE,
];

/// What the tests know of an architecture.
pub(crate) struct Architecture {
    pub(crate) arch: Arch,
    /// The good image: two exports, a local function that both call, and the trampoline. `// BODY` and `// BEHIND` are
    /// places for more.
    pub(crate) assembly: &'static str,
    /// What signal handlers return to.
    pub(crate) trampoline: Option<&'static str>,
    /// More segments, sections and options for the good image's linker.
    pub(crate) segments: &'static str,
    pub(crate) sections: &'static str,
    pub(crate) options: &'static [&'static str],
    /// Adds the images that are broken in the architecture's own ways.
    pub(crate) broken: fn(&mut Corpus),
    /// The rules about something that it does not have.
    pub(crate) without: &'static [Rule],
    /// The page sizes that its processors have, in bytes.
    pub(crate) page_sizes: &'static [u64],
    /// The entry of an export: assembly that goes on in the function `f` with the address of the page.
    pub(crate) entry: &'static str,
    /// Its C compiler. None if Debian has none: then nobody tests that functions in C can be in its images.
    pub(crate) c_compiler: Option<Program>,
    /// Its disassemblers, of which one has to be installed: GNU's or LLVM's, with the options by which it knows
    /// all instructions that an image may have.
    pub(crate) objdump: &'static [(Program, &'static [&'static str])],
    /// Every integer division that it has, in assembly.
    pub(crate) divisions: &'static [&'static str],
}

/// A program that a test needs.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
}

/// LLVM's disassembler for all architectures.
pub(crate) const LLVM_OBJDUMP: Program = Program { name: "llvm-objdump", package: "llvm" };

/// What the tests know of `arch`.
pub(crate) fn of(arch: Arch) -> &'static Architecture {
    let found = ARCHITECTURES.iter().find(|architecture| architecture.arch == arch);
    found.unwrap_or_else(|| panic!("the gate's tests know nothing of {arch}: add it to linker/tests/gate/arch/mod.rs"))
}

/// Settings by which a snapshot lies in the architecture's own folder.
pub(crate) fn snapshots(arch: Arch) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new("arch").join(arch.name()).join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings
}
