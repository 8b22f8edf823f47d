//! RISC-V, RV64GC: how images are compiled, linked and recognised.
//!
//! | module | what |
//! |---|---|
//! | [`decode`] | judges each instruction by itself |
//! | [`encoding`] | the 32-bit encodings |
//! | [`compressed`] | the 16-bit encodings |
//! | [`text`] | how messages call an instruction |
//! | [`order`] | the order of counter reads |
//!
//! Sources: "The RISC-V Instruction Set Manual, Volume I: Unprivileged Architecture"; "RISC-V ABIs Specification",
//! chapters on calling conventions, ELF (`e_flags`) and DWARF (register numbers).

mod compressed;
mod decode;
mod encoding;
mod order;
#[cfg(test)]
mod tests;
mod text;

use super::{Architecture, Convention, Trampoline};
use object::elf;

/// Registers by their numbers, which DWARF shares: the return address.
const RA: u32 = 1;
/// The stack pointer.
const SP: u32 = 2;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "riscv64",
    target: "riscv64gc-unknown-linux-gnu",
    page_sizes: &[4096],
    machine: elf::EM_RISCV.0,
    // Compressed instructions and the LP64D calling convention: a libc of another one would pass arguments elsewhere.
    flags: elf::EF_RISCV_RVC.0 | elf::EF_RISCV_FLOAT_ABI_DOUBLE.0,
    dynamic_tags: &[],
    rust_flags: &[],
    assembly_options: "",
    // There is no option for general registers only that keeps the calling convention. No small data: there is no `gp`
    // in a shared object.
    c_flags: &["-march=rv64gc", "-mabi=lp64d", "-msmall-data-limit=0"],
    linker_flags: &[],
    // What they were compiled for, for linkers and disassemblers (RISC-V ABIs Specification, "Attributes").
    discarded: "    *(.riscv.attributes)\n",
    landing_pads: None,
    trampolines: &[Trampoline {
        names: &["__vdso_rt_sigreturn"],
        assembly: "li a7, 139; ecall",
        bytes: &[0x93, 0x08, 0xb0, 0x08, 0x73, 0x00, 0x00, 0x00],
        // Linux's own image has nothing before it. Ours has a NOP in the same description, whose rules are complete.
        before: &[],
        clients: "libgcc, LLVM's libunwind and gdb",
    }],
    convention: Convention {
        stack_pointer: 2,
        frame_pointer: None,
        return_address: 1,
        return_address_at: None,
        entry_offset: 0,
        // "The stack pointer must remain aligned throughout procedure execution" (calling conventions, "Integer Calling
        // Convention").
        stack_alignment: 16,
        register_size: 8,
        red_zone: 0,
        epilogues_described: true,
        callee_saved: &[
            (1, "ra"),
            (8, "s0"),
            (9, "s1"),
            (18, "s2"),
            (19, "s3"),
            (20, "s4"),
            (21, "s5"),
            (22, "s6"),
            (23, "s7"),
            (24, "s8"),
            (25, "s9"),
            (26, "s10"),
            (27, "s11"),
        ],
    },
    decode: decode::decode,
    counter_order: order::check,
};
