//! x86-64.

mod accepted;
mod corpus;

use super::{Architecture, Program, LLVM_OBJDUMP};
use vdso_linker::gate::Rule;
use vdso_linker::manifest::Arch;

const ARCH: Arch = Arch::X86_64;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    arch: ARCH,
    assembly: include_str!("fixture.s"),
    trampoline: None, // the libc brings its own
    segments: "",
    sections: "",
    options: &[],
    broken: corpus::add,
    without: &[Rule::PropertyNote, Rule::LandingPad],
    page_sizes: &[4096],
    entry: "lea rdi, [rip + vvar_page]\njmp f",
    c_compiler: Some(Program { name: "cc", package: "gcc" }),
    objdump: &[(Program { name: "objdump", package: "binutils" }, &[]), (LLVM_OBJDUMP, &[])],
    divisions: &["div dil", "div rdi", "div qword ptr [rdi]", "idiv edi", "idiv dword ptr [rdi]"],
};
