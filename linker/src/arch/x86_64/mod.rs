//! x86-64: how images are compiled, linked and recognised.
//!
//! | module | what |
//! |---|---|
//! | [`decode`] | judges each instruction by itself |
//! | [`order`] | the order of counter reads |
//!
//! Sources: Intel, "64 and IA-32 Architectures Software Developer's Manual", volume 2; System V ABI, AMD64 supplement,
//! figures 3.4 (register usage) and 3.36 (DWARF register numbers).

mod decode;
mod order;
#[cfg(test)]
mod tests;

use super::{Architecture, Convention};
use object::elf;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "x86_64",
    target: "x86_64-unknown-linux-gnu",
    page_sizes: &[4096],
    machine: elf::EM_X86_64.0,
    flags: 0,
    dynamic_tags: &[],
    rust_flags: &[],
    assembly_options: "att_syntax",
    // No vector or x87 instruction. No `endbr64`: it is of use only if the whole image is marked for it.
    c_flags: &["-mgeneral-regs-only", "-fcf-protection=none"],
    linker_flags: &[],
    discarded: "",
    landing_pads: None,
    trampolines: &[], // Linux's image has none: the libc brings its own
    convention: Convention {
        stack_pointer: 7,
        frame_pointer: None,
        return_address: 16,
        return_address_at: Some(-8),
        entry_offset: 8,
        // The stack is made of eightbytes. The multiple of 16 at calls is for global functions only (3.2), GCC calls local
        // ones without it, and no instruction that an image may have needs it.
        stack_alignment: 8,
        register_size: 8,
        red_zone: 128,
        epilogues_described: true,
        callee_saved: &[(3, "rbx"), (6, "rbp"), (12, "r12"), (13, "r13"), (14, "r14"), (15, "r15")],
    },
    decode: decode::decode,
    counter_order: order::check,
};
