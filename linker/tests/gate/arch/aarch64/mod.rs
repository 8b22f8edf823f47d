//! aarch64.

mod accepted;
mod corpus;
mod landing_pads;

use super::{Architecture, Program, LLVM_OBJDUMP};
use vdso_linker::gate::Rule;
use vdso_linker::manifest::Arch;

const ARCH: Arch = Arch::AARCH64;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    arch: ARCH,
    assembly: include_str!("fixture.s"),
    trampoline: Some("__kernel_rt_sigreturn"),
    // PT_GNU_PROPERTY has no name in lld's scripts.
    segments: "property 0x6474e553 FLAGS(4); property_note PT_NOTE FLAGS(4);",
    sections: ".note.gnu.property : { *(.note.gnu.property) } :text :property :property_note",
    options: &["-zforce-bti"],
    broken: corpus::add,
    without: &[Rule::AbsoluteAddress], // it has no such addressing
    page_sizes: &[4096, 16384, 65536],
    entry: "bti c\nadrp x0, vvar_page\nb f",
    c_compiler: Some(Program { name: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu" }),
    objdump: &[
        (Program { name: "aarch64-linux-gnu-objdump", package: "binutils-aarch64-linux-gnu" }, &[]),
        (LLVM_OBJDUMP, &[]),
    ],
    divisions: &["udiv x0, x0, x1", "sdiv w0, w0, w1"],
};
