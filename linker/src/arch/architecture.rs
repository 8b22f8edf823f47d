//! What an architecture is made of.

use super::{Fault, Instruction, Paths, Registers, Surroundings};
use crate::Error;
use std::ops::RangeInclusive;

/// What is particular to an architecture.
///
/// All of it is to be filled in; a variant of another one takes the rest from it by `..`. A new version of this crate (0.x) may
/// ask for more.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// See [`Arch::name`](super::Arch::name): letters, digits, `_` and `-`.
    pub name: &'static str,
    /// See [`Arch::target`](super::Arch::target).
    pub target: &'static str,
    /// See [`Arch::page_sizes`](super::Arch::page_sizes): powers of two from 4096 to 65536, at least one. The vvar page has 4096 bytes.
    pub page_sizes: &'static [u64],
    /// `e_machine` of its objects and images.
    pub machine: u16,
    /// `e_flags` of its images, by which a libc tells one ABI of the machine from another.
    pub flags: u32,
    /// The tags in the dynamic table that only its images have.
    pub dynamic_tags: &'static [i64],
    /// How Rust is compiled for it, besides what holds for all: among other things without the vector features that the
    /// target turns on and its ABI does not need, as `-Ctarget-feature=-NAME`.
    pub rust_flags: &'static [&'static str],
    /// The options of `global_asm!` by which no name of a function can be taken for a register or an operator, if it takes any.
    pub assembly_options: &'static str,
    /// How C is compiled for it, besides what holds for all.
    pub c_flags: &'static [&'static str],
    /// How its images are linked, besides what holds for all.
    pub linker_flags: &'static [&'static str],
    /// Sections that the image leaves out, besides what holds for all: of its objects, or made by the linker though nobody
    /// needs them. Lines of the linker script, each with its end, as `"    *(.riscv.attributes)\n"`.
    pub discarded: &'static str,
    /// The property that says that indirect branches lead to landing pads only, where the processor can check that.
    pub landing_pads: Option<LandingPads>,
    /// The functions that signal handlers return to.
    pub trampolines: &'static [Trampoline],
    /// The calling convention.
    pub convention: Convention,
    /// Decodes bytes that lie at an address, where a frame description or a section begins: one instruction right behind the other, up to their end or up to the first that
    /// are no instruction, which is returned as one that breaks [`Rule::Undecodable`](crate::gate::Rule::Undecodable).
    pub decode: fn(&[u8], u64, &Surroundings) -> Vec<Instruction>,
    /// Finds counter reads that are not in order with the loads around them, with their addresses.
    pub counter_order: fn(&Paths<'_>) -> Vec<(u64, Fault)>,
}

impl Architecture {
    /// Refuses what the build or the gate could not work with, or would take for a fault of the image.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse =
            |field, value, problem, remedy| Err(Error::Architecture { name: self.name, field, value, problem, remedy });
        let convention = &self.convention;
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
            let problem = "a name is one or more letters, digits, `_` and `-`";
            return refuse("name", format!("{:?}", self.name), problem, "call it as its Rust target does");
        }
        let is_size = |size: &u64| size.is_power_of_two() && PAGE_SIZES.contains(size);
        if self.page_sizes.is_empty() || !self.page_sizes.iter().all(is_size) {
            let problem = "page sizes are powers of two from 4096 to 65536, and there is at least one";
            return refuse("page_sizes", format!("{:?}", self.page_sizes), problem, "name those that its kernels use");
        }
        if u32::from(convention.stack_pointer) >= Registers::BITS {
            let problem = "the stack pointer has no bit in a set of registers";
            let remedy = "number the registers that can be it below 64, in `order` as in `stack`";
            return refuse("convention.stack_pointer", convention.stack_pointer.to_string(), problem, remedy);
        }
        if !convention.stack_alignment.is_power_of_two() {
            let problem = "an alignment is a power of two";
            let remedy = "give the bytes that the calling convention has the stack pointer be a multiple of, or 1";
            return refuse("convention.stack_alignment", convention.stack_alignment.to_string(), problem, remedy);
        }
        let saved = |register: u16| convention.callee_saved.iter().any(|(number, _)| *number == register);
        if convention.return_address_at.is_none() && !saved(convention.return_address) {
            let problem = "it starts out in a register that no function has to keep";
            let remedy = "put it among `callee_saved`, or say in `return_address_at` where on the stack it is";
            return refuse("convention.return_address", convention.return_address.to_string(), problem, remedy);
        }
        Ok(())
    }
}

/// The page sizes that an image can have, in bytes: the vvar page has as many as the smallest.
const PAGE_SIZES: RangeInclusive<u64> = 4096..=65536;

/// The landing pads of an architecture.
#[derive(Debug, Clone, Copy)]
pub struct LandingPads {
    /// The property of `.note.gnu.property` that holds the mark.
    pub property: u32,
    /// The bit of that property.
    pub bit: u32,
    /// The mark's name.
    pub name: &'static str,
    /// What a function is to start with.
    pub instruction: &'static str,
    /// The option by which C compilers start each function with it.
    pub c_flag: &'static str,
}

/// A function that a signal handler returns to. The kernel has left a frame on the stack, which unwinders recognise by
/// the function's instructions.
#[derive(Debug, Clone, Copy)]
pub struct Trampoline {
    /// The exports that are this function.
    pub names: &'static [&'static str],
    /// Its instructions in assembly.
    pub assembly: &'static str,
    /// Its bytes, which are all of it.
    pub bytes: &'static [u8],
    /// What stands before it, in the same frame description: one instruction, for unwinders that look a return address up
    /// by the byte before it. Empty where clients do not count on one, since Linux's own image has none: whoever then finds
    /// no description by that byte goes by the function's bytes. The image may have an instruction there all the same; what
    /// is checked is that the byte before has no description of another function.
    pub before: &'static [u8],
    /// Who looks for them.
    pub clients: &'static str,
}

/// The parts of an architecture's calling convention that the rules need, in DWARF numbers.
#[derive(Debug, Clone, Copy)]
pub struct Convention {
    /// The stack pointer, below 64: it has a bit in [`Registers`](super::Registers).
    pub stack_pointer: u16,
    /// The frame pointer, where compilers set it up whether it is asked for or not: then the canonical frame address may
    /// be this register plus a number.
    pub frame_pointer: Option<u16>,
    /// The column of the return address.
    pub return_address: u16,
    /// Where the return address is throughout a function, as offset from the canonical frame address; none if it starts
    /// out in a register, which then is among `callee_saved`.
    pub return_address_at: Option<i64>,
    /// Canonical frame address minus stack pointer at a function's first instruction.
    pub entry_offset: i64,
    /// What the stack pointer is a multiple of throughout a function, in bytes: a power of two. The canonical frame address
    /// is a multiple of it.
    pub stack_alignment: u64,
    /// Bytes of a register.
    pub register_size: u64,
    /// Bytes below the stack pointer that belong to the function: no signal handler overwrites them.
    pub red_zone: u64,
    /// Whether the compilers' unwind tables are right at every instruction, epilogues included (GCC and Clang:
    /// `-fasynchronous-unwind-tables`; LLVM does not describe epilogues for every target). If not, the frame's description may
    /// stay in force behind the instruction that gives the frame up, straight on to the function's end: there, an unwinder that
    /// a signal starts goes astray.
    pub epilogues_described: bool,
    /// Registers that a function must preserve, the stack pointer aside, with their names. What of them has a number of 64
    /// or more is followed on the stack, and not by the rules on the counter read.
    pub callee_saved: &'static [(u16, &'static str)],
}
