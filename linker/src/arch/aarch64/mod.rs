//! AArch64: how images are compiled, linked and recognised.
//!
//! | module | what |
//! |---|---|
//! | [`decode`] | judges each instruction by itself |
//! | [`order`] | the order of counter reads |
//!
//! Sources: "Arm Architecture Reference Manual for A-profile architecture" (Arm DDI 0487), part C; "Procedure Call
//! Standard for the Arm 64-bit Architecture"; "DWARF for the Arm 64-bit Architecture"; "ELF for the Arm 64-bit
//! Architecture".

mod decode;
mod order;
#[cfg(test)]
mod tests;

use super::{Architecture, Convention, LandingPads, Trampoline};
use object::elf;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "aarch64",
    target: "aarch64-unknown-linux-gnu",
    page_sizes: &[4096, 16384, 65536],
    machine: elf::EM_AARCH64.0,
    flags: 0,
    // lld writes it into every image with the mark: the procedure linkage table, which is not there, has landing pads.
    dynamic_tags: &[elf::DT_AARCH64_BTI_PLT.0],
    // x18 is the platform's: where it holds the shadow call stack (Android) or belongs to the system, a function that is
    // called into may not change it (Procedure Call Standard, 6.1.1). rustc's own option for that is not stable.
    rust_flags: &["-Cllvm-args=-reserve-regs-for-regalloc=X18"],
    assembly_options: "",
    // No vector or floating-point instruction, no call of the helpers that choose between atomics at run time; the
    // landing pads that the image is marked to have.
    c_flags: &["-mgeneral-regs-only", "-mno-outline-atomics", "-mbranch-protection=bti", "-ffixed-x18"],
    // The mark is the linker's to make only if every object has it, and rustc gives it to none; that the image is as
    // the mark says is the gate's to prove.
    linker_flags: &["-z", "force-bti"],
    discarded: "",
    landing_pads: Some(LandingPads {
        property: elf::GNU_PROPERTY_AARCH64_FEATURE_1_AND.0,
        bit: elf::GNU_PROPERTY_AARCH64_FEATURE_1_BTI,
        name: "BTI",
        instruction: "bti c",
        c_flag: "-mbranch-protection=bti",
    }),
    trampolines: &[Trampoline {
        names: &["__kernel_rt_sigreturn"],
        assembly: "mov x8, #139; svc #0",
        bytes: &[0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4],
        before: &[0x1f, 0x20, 0x03, 0xd5],
        clients: "libgcc, LLVM's libunwind and gdb",
    }],
    convention: Convention {
        stack_pointer: 31,
        frame_pointer: Some(29),
        return_address: 30,
        return_address_at: None,
        entry_offset: 0,
        // "At any point at which memory is accessed via SP, the hardware requires that SP mod 16 = 0" (Procedure Call
        // Standard, 6.4.5.1).
        stack_alignment: 16,
        register_size: 8,
        red_zone: 0,
        epilogues_described: true,
        // The platform's register among them: no function of an image writes it at all.
        callee_saved: &[
            (18, "x18"),
            (19, "x19"),
            (20, "x20"),
            (21, "x21"),
            (22, "x22"),
            (23, "x23"),
            (24, "x24"),
            (25, "x25"),
            (26, "x26"),
            (27, "x27"),
            (28, "x28"),
            (29, "x29"),
            (30, "x30"),
        ],
    },
    decode: decode::decode,
    counter_order: order::check,
};
