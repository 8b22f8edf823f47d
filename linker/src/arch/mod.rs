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
//! | [`Values`] | what registers hold: addresses that are made in several steps |
//! | [`Paths`] | the ways through the code, for rules on the order of counter reads |
//! | [`ControlDependency`], [`LastLoad`] | such a rule, where a branch that depends on a load orders the counter behind it |
//! | [`AddressDependency`], [`Liveness`] | such a rule, where addresses made from the counter's value order the loads behind it |
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

mod address_dependency;
mod architecture;
mod control_dependency;
mod instruction;
mod liveness;
mod paths;
#[cfg(test)]
mod shipped;
mod surroundings;
mod values;

pub use address_dependency::AddressDependency;
pub use architecture::{Architecture, Convention, LandingPads, Trampoline};
pub use control_dependency::{ControlDependency, LastLoad};
pub use instruction::{
    Fault, Flow, Instruction, Instructions, Order, OrderKind, Registers, Slot, StackEffect, VECTOR_REMEDY,
};
pub use liveness::Liveness;
pub use paths::{Paths, Step};
pub use surroundings::Surroundings;
pub use values::{Value, Values};

use std::fmt;
use std::hash::{Hash, Hasher};

/// An architecture that images can be built for, by its name; what there is to it says its [`Architecture`].
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

/// By name: a manifest is never read with two architectures of one name.
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
