//! riscv64.

mod accepted;
mod corpus;

use super::{Architecture, Program, LLVM_OBJDUMP};
use vdso_linker::gate::Rule;
use vdso_linker::manifest::Arch;

const ARCH: Arch = Arch::RISCV64;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    arch: ARCH,
    assembly: include_str!("fixture.s"),
    trampoline: Some("__vdso_rt_sigreturn"),
    segments: "",
    sections: "/DISCARD/ : { *(.riscv.attributes) }",
    options: &[],
    broken: corpus::add,
    without: &[Rule::PropertyNote, Rule::LandingPad],
    page_sizes: &[4096],
    entry: "lla a0, vvar_page\ntail f",
    c_compiler: Some(Program { name: "riscv64-linux-gnu-gcc", package: "gcc-riscv64-linux-gnu" }),
    objdump: &[
        (Program { name: "riscv64-linux-gnu-objdump", package: "binutils-riscv64-linux-gnu" }, &[]),
        (LLVM_OBJDUMP, &["--mattr=+m,+a,+c"]),
    ],
    divisions: &[
        "div a0, a0, a1",
        "divu a0, a0, a1",
        "rem a0, a0, a1",
        "remu a0, a0, a1",
        "divw a0, a0, a1",
        "divuw a0, a0, a1",
        "remw a0, a0, a1",
        "remuw a0, a0, a1",
    ],
};
