//! The architectures that images exist for: all that differs between them.
//!
//! Each has a folder, whose `ARCHITECTURE` says how its images are compiled, linked and recognised, and how the gate
//! reads their instructions. To add one, write the folder and its two lines here; nothing else in this crate names an
//! architecture.
//!
//! | in the folder | what |
//! |---|---|
//! | `mod.rs` | its [`Architecture`] |
//! | `decode.rs` | judges each instruction by itself |
//! | `order.rs` | the order of counter reads |
//! | `tests.rs` | the decoder against the GNU disassembler |
//!
//! They share:
//!
//! | module | what |
//! |---|---|
//! | [`instruction`] | what a decoder makes of an instruction |
//! | [`paths`] | the ways through the code, for rules on the order of counter reads |
//! | [`dependence`] | such a rule, where addresses made from the counter's value order the loads behind it |
//! | [`liveness`] | which registers are still used |

mod aarch64;
mod riscv64;
mod x86_64;

mod dependence;
mod instruction;
mod liveness;
mod paths;
#[cfg(test)]
mod shipped;

pub(crate) use dependence::Dependence;
pub(crate) use instruction::{
    Fault, Flow, Instruction, Instructions, Order, OrderKind, Registers, Slot, StackEffect, Surroundings, VECTOR_REMEDY,
};
pub(crate) use liveness::Liveness;
pub(crate) use paths::{Paths, Step};

use object::elf;
use serde::Deserialize;
use std::fmt;

/// Declares the architectures: variant, module, documentation. The module's name is the architecture's.
macro_rules! architectures {
    ($( $variant:ident = $module:ident, $doc:literal; )*) => {
        /// The architectures that images exist for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
        #[serde(rename_all = "lowercase")]
        #[non_exhaustive]
        pub enum Arch {
            $( #[doc = $doc] $variant, )*
        }

        impl Arch {
            /// Every architecture that an image can be built for.
            pub const ALL: &'static [Arch] = &[$( Arch::$variant, )*];

            /// Its name, as in the manifest and in the folder names of built images.
            pub fn name(self) -> &'static str {
                match self { $( Arch::$variant => stringify!($module), )* }
            }

            /// What is particular to it.
            pub(crate) fn architecture(self) -> &'static Architecture {
                match self { $( Arch::$variant => &$module::ARCHITECTURE, )* }
            }
        }
    };
}

architectures! {
    X86_64 = x86_64, "x86-64, System V ABI.";
    Riscv64 = riscv64, "RV64GC, little-endian, double-precision floating-point calling convention (LP64D).";
    Aarch64 = aarch64, "AArch64, little-endian, LP64 procedure call standard (AAPCS64).";
}

impl Arch {
    /// The Rust target that images are compiled for: the ABI of the *user's* side, whatever the kernel is compiled for.
    pub fn target(self) -> &'static str {
        self.architecture().target
    }

    /// The architecture that a file is for, by its ELF header's `e_machine`.
    pub fn of_machine(machine: u64) -> Option<Arch> {
        Arch::ALL.iter().copied().find(|arch| u64::from(arch.architecture().machine.0) == machine)
    }

    /// The page sizes in bytes that the processor has.
    pub fn page_sizes(self) -> &'static [u64] {
        self.architecture().page_sizes
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is particular to an architecture.
#[derive(Debug)]
pub(crate) struct Architecture {
    /// See [`Arch::target`].
    pub(crate) target: &'static str,
    /// See [`Arch::page_sizes`].
    pub(crate) page_sizes: &'static [u64],
    /// `e_machine` of its objects and images.
    pub(crate) machine: elf::Machine,
    /// `e_flags` of its images, by which a libc tells one ABI of the machine from another.
    pub(crate) flags: u32,
    /// The tags in the dynamic table that only its images have.
    pub(crate) dynamic_tags: &'static [elf::DynamicTag],
    /// How Rust is compiled for it, besides what holds for all: among other things without the vector features that the
    /// target turns on and its ABI does not need, as `-Ctarget-feature=-NAME`.
    pub(crate) rust_flags: &'static [&'static str],
    /// How C is compiled for it, besides what holds for all.
    pub(crate) c_flags: &'static [&'static str],
    /// How its images are linked, besides what holds for all.
    pub(crate) linker_flags: &'static [&'static str],
    /// Sections of its objects that the image leaves out, besides what holds for all: lines of the linker script.
    pub(crate) discarded: &'static str,
    /// The property that says that indirect branches lead to landing pads only, where the processor can check that.
    pub(crate) landing_pads: Option<LandingPads>,
    /// The functions that signal handlers return to.
    pub(crate) trampolines: &'static [Trampoline],
    /// The calling convention.
    pub(crate) convention: Convention,
    /// Decodes bytes that lie at an address, up to the first that are no instruction, which is returned as one that
    /// breaks [`Rule::Undecodable`](crate::gate::Rule::Undecodable).
    pub(crate) decode: fn(&[u8], u64, &Surroundings) -> Vec<Instruction>,
    /// Finds counter reads that are not in order with the loads around them, with their addresses.
    pub(crate) counter_order: fn(&Paths<'_>) -> Vec<(u64, Fault)>,
}

/// The landing pads of an architecture.
#[derive(Debug)]
pub(crate) struct LandingPads {
    /// The property of `.note.gnu.property` that holds the mark.
    pub(crate) property: u32,
    /// The bit of that property.
    pub(crate) bit: u32,
    /// The mark's name.
    pub(crate) name: &'static str,
    /// What a function is to start with.
    pub(crate) instruction: &'static str,
    /// The option by which C compilers start each function with it.
    pub(crate) c_flag: &'static str,
}

/// A function that a signal handler returns to. The kernel has left a frame on the stack, which unwinders recognise by
/// the function's instructions.
#[derive(Debug)]
pub(crate) struct Trampoline {
    /// The exports that are this function.
    pub(crate) names: &'static [&'static str],
    /// Its instructions in assembly.
    pub(crate) assembly: &'static str,
    /// Its bytes, which are all of it.
    pub(crate) bytes: &'static [u8],
    /// What stands before it, in the same frame description: one instruction, for unwinders that look a return address up
    /// by the byte before it. Empty where clients do not count on one, since Linux's own image has none: whoever then finds
    /// no description by that byte goes by the function's bytes. The image may have an instruction there all the same; what
    /// is checked is that the byte before has no description of another function.
    pub(crate) before: &'static [u8],
    /// Who looks for them.
    pub(crate) clients: &'static str,
}

/// The parts of an architecture's calling convention that the rules need, in DWARF numbers.
#[derive(Debug)]
pub(crate) struct Convention {
    /// The stack pointer.
    pub(crate) stack_pointer: u16,
    /// The frame pointer, where compilers set it up whether it is asked for or not: then the canonical frame address may
    /// be this register plus a number.
    pub(crate) frame_pointer: Option<u16>,
    /// The column of the return address.
    pub(crate) return_address: u16,
    /// Where the return address is throughout a function, as offset from the canonical frame address; none if it starts
    /// out in a register, which then is among `callee_saved`.
    pub(crate) return_address_at: Option<i64>,
    /// Canonical frame address minus stack pointer at a function's first instruction.
    pub(crate) entry_offset: i64,
    /// Bytes of a register.
    pub(crate) register_size: u64,
    /// Bytes below the stack pointer that belong to the function: no signal handler overwrites them.
    pub(crate) red_zone: u64,
    /// Registers that a function must preserve, the stack pointer aside, with their names.
    pub(crate) callee_saved: &'static [(u16, &'static str)],
}
