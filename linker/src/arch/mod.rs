//! What is particular to an architecture: how its images are compiled, linked and recognised, and how the gate reads their
//! instructions.
//!
//! This crate has some ([`Arch::ALL`]). **One of your own** needs no change here: fill in an [`Architecture`], make an
//! [`Arch`] of it, and give that to [`Manifest::load_with`](crate::Manifest::load_with); everything else is as for the others.
//!
//! ```
//! use vdso_linker::arch::{Arch, Architecture};
//! use vdso_linker::Manifest;
//!
//! /// One that differs from a known one in a few things; of another processor, all fields are to be filled in.
//! static LARGE_PAGES: Architecture =
//!     Architecture { name: "large-pages", page_sizes: &[65536], ..*Arch::ALL[0].architecture() };
//!
//! # let text = r#"
//! # [image]
//! # arch = "large-pages"
//! # soname = "linux-vdso.so.1"
//! # page-size = 65536
//! # size-limit = 65536
//! # [[version]]
//! # name = "LINUX_2.6"
//! # [[export]]
//! # name = "__vdso_time"
//! # version = "LINUX_2.6"
//! # "#;
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("vdso.toml");
//! # std::fs::write(&path, text)?;
//! let manifest = Manifest::load_with(&path, &[Arch::new(&LARGE_PAGES)])?;
//! assert_eq!(manifest.image.arch.name(), "large-pages");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a decoder makes of the instructions, and what helps with the rule on counter reads:
//!
//! | item | what |
//! |---|---|
//! | [`Instruction`] | an instruction, as far as the rules need to know it |
//! | [`Surroundings`] | what lies at a fixed distance from the code: judges addresses |
//! | [`Paths`] | the ways through the code, for rules on the order of counter reads |
//! | [`ControlDependence`], [`LastLoad`] | such a rule, where a branch that depends on a load orders the counter behind it |
//! | [`Dependence`], [`Liveness`] | such a rule, where addresses made from the counter's value order the loads behind it |
//!
//! # The architectures of this crate
//!
//! Each has a folder; to add one, write it and its two lines here. Nothing else in this crate names an architecture.
//!
//! | in the folder | what |
//! |---|---|
//! | `mod.rs` | its [`Architecture`] |
//! | `decode.rs` | judges each instruction by itself |
//! | `order.rs` | the order of counter reads |
//! | `tests.rs` | the decoder against the GNU disassembler |

mod aarch64;
mod riscv64;
mod x86_64;

mod control;
mod dependence;
mod instruction;
mod liveness;
mod paths;
#[cfg(test)]
mod shipped;

pub use control::{ControlDependence, LastLoad};
pub use dependence::Dependence;
pub use instruction::{
    Fault, Flow, Instruction, Instructions, Order, OrderKind, Registers, Slot, StackEffect, Surroundings, VECTOR_REMEDY,
};
pub use liveness::Liveness;
pub use paths::{Paths, Step};

use std::fmt;
use std::hash::{Hash, Hasher};

/// An architecture that images can be built for.
///
/// The ones of this crate are constants. For another, fill in an [`Architecture`] of your own: see the [module](self).
#[derive(Clone, Copy)]
pub struct Arch(&'static Architecture);

/// Declares this crate's architectures: constant, module, documentation.
macro_rules! architectures {
    ($( $constant:ident = $module:ident, $doc:literal; )*) => {
        impl Arch {
            $( #[doc = $doc] pub const $constant: Arch = Arch(&$module::ARCHITECTURE); )*

            /// Every architecture of this crate's.
            pub const ALL: &'static [Arch] = &[$( Arch::$constant, )*];
        }
    };
}

architectures! {
    X86_64 = x86_64, "x86-64, System V ABI.";
    RISCV64 = riscv64, "RV64GC, little-endian, double-precision floating-point calling convention (LP64D).";
    AARCH64 = aarch64, "AArch64, little-endian, LP64 procedure call standard (AAPCS64).";
}

impl Arch {
    /// An architecture of your own, for [`Manifest::load_with`](crate::Manifest::load_with).
    pub const fn new(architecture: &'static Architecture) -> Arch {
        Arch(architecture)
    }

    /// Its name, as in the manifest and in the folder names of built images.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The Rust target that images are compiled for: the ABI of the *user's* side, whatever the kernel is compiled for.
    pub fn target(self) -> &'static str {
        self.0.target
    }

    /// The architecture of this crate's that a file is for, by its ELF header's `e_machine`.
    pub fn of_machine(machine: u64) -> Option<Arch> {
        Arch::ALL.iter().copied().find(|arch| u64::from(arch.0.machine) == machine)
    }

    /// The page sizes in bytes that the processor has.
    pub fn page_sizes(self) -> &'static [u64] {
        self.0.page_sizes
    }

    /// What is particular to it.
    pub const fn architecture(self) -> &'static Architecture {
        self.0
    }
}

/// By name: there is one architecture of a name, wherever it was put in memory.
impl PartialEq for Arch {
    fn eq(&self, other: &Arch) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Arch {}

impl Hash for Arch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arch({})", self.name())
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is particular to an architecture.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// See [`Arch::name`].
    pub name: &'static str,
    /// See [`Arch::target`].
    pub target: &'static str,
    /// See [`Arch::page_sizes`].
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
    /// How C is compiled for it, besides what holds for all.
    pub c_flags: &'static [&'static str],
    /// How its images are linked, besides what holds for all.
    pub linker_flags: &'static [&'static str],
    /// Sections of its objects that the image leaves out, besides what holds for all: lines of the linker script.
    pub discarded: &'static str,
    /// The property that says that indirect branches lead to landing pads only, where the processor can check that.
    pub landing_pads: Option<LandingPads>,
    /// The functions that signal handlers return to.
    pub trampolines: &'static [Trampoline],
    /// The calling convention.
    pub convention: Convention,
    /// Decodes bytes that lie at an address, up to the first that are no instruction, which is returned as one that
    /// breaks [`Rule::Undecodable`](crate::gate::Rule::Undecodable).
    pub decode: fn(&[u8], u64, &Surroundings) -> Vec<Instruction>,
    /// Finds counter reads that are not in order with the loads around them, with their addresses.
    pub counter_order: fn(&Paths<'_>) -> Vec<(u64, Fault)>,
}

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
    /// The stack pointer.
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
    /// Bytes of a register.
    pub register_size: u64,
    /// Bytes below the stack pointer that belong to the function: no signal handler overwrites them.
    pub red_zone: u64,
    /// Whether compilers describe the frame behind the instruction that gives it up, up to the return. Where they do not
    /// (LLVM does for some targets only), a description of the whole frame may stay in force there: an unwinder that is asked at one of
    /// these few instructions, by a signal in the middle of an epilogue, goes astray, as it does in all other code of that
    /// compiler's.
    pub epilogues_described: bool,
    /// Registers that a function must preserve, the stack pointer aside, with their names.
    pub callee_saved: &'static [(u16, &'static str)],
}
