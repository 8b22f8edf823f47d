//! LoongArch, LA64: how images are compiled, linked and recognised, for vdso-linker, which does not have it.
//!
//! | module | what |
//! |---|---|
//! | `decode` | judges each instruction by itself |
//! | `encoding` | the encodings |
//! | `groups` | the groups of encodings that no image may have |
//! | `operands` | the registers that make a difference to an instruction |
//! | `barrier` | the barriers, by their hints |
//! | `text` | how messages call an instruction |
//! | `order` | the order of counter reads |
//! | [`image`] | the image, for a kernel's build script |
//!
//! Sources: "LoongArch Reference Manual, Volume 1: Basic Architecture", version 1.10 ("the manual"); "LoongArch ELF ABI
//! specification", version 2.01 ("the psABI").

mod barrier;
mod decode;
mod encoding;
mod groups;
pub mod image;
mod operands;
mod order;
mod text;

use vdso_linker::arch::{Architecture, Convention, Trampoline};

/// LoongArch, LA64, little-endian, double-precision floating-point calling convention (LP64D).
pub static ARCHITECTURE: Architecture = Architecture {
    name: "loongarch64",
    target: "loongarch64-unknown-linux-gnu",
    // What the MMU offers (manual, section 5.4); Linux has any of the three, by default 16 KiB.
    page_sizes: &[4096, 16384, 65536],
    machine: 258, // EM_LOONGARCH
    // The calling convention LP64D, and version 1 of the object file's ABI (psABI, "e_flags").
    flags: 0x3 | 0x40,
    dynamic_tags: &[],
    // The target turns LSX on, which its ABI does not need. Calls within an image are near: its default code model, the
    // medium one, takes two instructions for each.
    rust_flags: &["-Ctarget-feature=-lsx", "-Ccode-model=small"],
    assembly_options: "",
    // There is no option for general registers only that keeps the calling convention. GCC knows that for LSX from 14
    // on, Clang from 18 on.
    c_flags: &["-mabi=lp64d", "-mno-lsx"],
    linker_flags: &[],
    discarded: "",
    landing_pads: None,
    trampolines: &[Trampoline {
        names: &["__vdso_rt_sigreturn"],
        assembly: "ori $a7, $zero, 139; syscall 0",
        bytes: &[0x0b, 0x2c, 0x82, 0x03, 0x00, 0x00, 0x2b, 0x00],
        // Linux's own image has nothing before it.
        before: &[],
        clients: "libgcc and gdb",
    }],
    convention: Convention {
        stack_pointer: SP as u16,
        frame_pointer: None,
        return_address: RA as u16,
        return_address_at: None,
        entry_offset: 0,
        // "Upon procedure entry, the stack pointer is required to be divisible by 16" ("Procedure Call Standard for the
        // LoongArch Architecture", "The stack"); compilers keep it so in between.
        stack_alignment: 16,
        register_size: 8,
        // "Procedures must not rely upon the persistence of stack-allocated data whose addresses lies below the stack
        // pointer" (psABI, "Calling conventions").
        red_zone: 0,
        epilogues_described: false,
        callee_saved: &[
            (RA as u16, "ra"),
            (22, "fp"),
            (23, "s0"),
            (24, "s1"),
            (25, "s2"),
            (26, "s3"),
            (27, "s4"),
            (28, "s5"),
            (29, "s6"),
            (30, "s7"),
            (31, "s8"),
        ],
    },
    decode: decode::decode,
    counter_order: order::check,
};

/// Registers by their numbers, which DWARF shares: the return address.
const RA: u32 = 1;
/// The thread pointer.
const TP: u32 = 2;
/// The stack pointer.
const SP: u32 = 3;
/// The register that no program may use (psABI, "Register Convention").
const RESERVED: u32 = 21;
