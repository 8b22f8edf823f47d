//! An instruction, as far as the gate's rules need to know it: what every decoder makes.

use crate::gate::Rule;
use crate::manifest::Manifest;
use std::collections::BTreeMap;
use std::ops::Range;

/// The instructions of an image by address.
pub(crate) type Instructions = BTreeMap<u64, Instruction>;

/// An instruction.
#[derive(Debug)]
pub(crate) struct Instruction {
    /// Its address.
    pub(crate) address: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Its text in the manual's syntax, for messages.
    pub(crate) text: String,
    /// Where control goes on.
    pub(crate) flow: Flow,
    /// What it does to the stack and to the registers that a function must preserve.
    pub(crate) stack: StackEffect,
    /// What it is to the order of counter reads.
    pub(crate) order: Order,
    /// Whether it may fill the space between functions.
    pub(crate) padding: bool,
    /// Whether an indirect branch may lead to it, where the processor checks that.
    pub(crate) landing_pad: bool,
    /// The rules that it breaks on its own.
    pub(crate) faults: Vec<Fault>,
    /// The rule that a branch to it breaks: it belongs to the instruction before it.
    pub(crate) branch_fault: Option<Fault>,
}

impl Instruction {
    /// The address behind it.
    pub(crate) fn end(&self) -> u64 {
        self.address.wrapping_add(self.length)
    }

    /// Whether it calls a function.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self.flow, Flow::Call(_))
    }

    /// Its address and text, for messages.
    pub(crate) fn named(&self) -> String {
        format!("{:#x} (`{}`)", self.address, self.text)
    }
}

/// A breach of a rule, found on the instructions; the gate adds the place.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) rule: Rule,
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

/// What to do about a vector or floating-point instruction.
pub(crate) const VECTOR_REMEDY: &str =
    "write no floating-point arithmetic, and copy small structures field by field; compile Rust with `-C \
     no-vectorize-loops -C no-vectorize-slp` and without each vector feature that the target turns on and its ABI does not \
     need (`-C target-feature=-NAME`), C with `-mgeneral-regs-only` where the compiler knows it";

/// Where control goes on behind an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// At the next instruction.
    Next,
    /// At the target.
    Jump(u64),
    /// At the next instruction or at the target.
    Branch(u64),
    /// At the target, and then at the next instruction.
    Call(u64),
    /// At the caller.
    Return,
    /// Nowhere that can be known.
    Stop,
}

/// What an instruction does to the stack. Offsets are bytes from the stack pointer as it was before the instruction;
/// registers are DWARF numbers.
///
/// A register that an instruction changes is either among `loads`, if the whole of it comes from a place on the stack that
/// the instruction names, or among `writes`, and never among both: a load may give the caller's value back, a write makes it
/// another.
#[derive(Debug, Default)]
pub(crate) struct StackEffect {
    /// By how much the stack pointer moves; none if that cannot be known.
    pub(crate) adjust: Option<i64>,
    /// The lowest offset that is used: by a load or store that the stack pointer addresses. What the instruction pushes
    /// counts, and is what `adjust` then moves over. 0 if it uses nothing below the stack pointer, as one that only moves
    /// it: the space that it makes counts by the stack pointer itself.
    pub(crate) lowest: i64,
    /// Stores, and which register is stored, if it is a whole one.
    pub(crate) stores: Vec<Slot>,
    /// Callee-saved registers that are loaded whole, and from where.
    pub(crate) loads: Vec<(u16, i64)>,
    /// Callee-saved registers that get another value, in part or whole, from anywhere else.
    pub(crate) writes: Vec<u16>,
    /// The offset that the frame pointer is set to; it is among `writes` too.
    pub(crate) frame_pointer: Option<i64>,
}

/// A store to the stack.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) offset: i64,
    pub(crate) size: u64,
    pub(crate) register: Option<u16>,
}

/// What an instruction is to the order of counter reads. A decoder whose counters are ordered by the instruction right
/// before them leaves it at its default.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// The registers and flags that it uses: its results, or the direction of a branch, depend on them. Those of a load's
    /// address are not among them but in its [`kind`](OrderKind::Load); those of a store's address are, and so is a
    /// register that an address moves.
    pub(crate) reads: Registers,
    /// The registers and flags that it writes.
    pub(crate) writes: Registers,
    /// What it does.
    pub(crate) kind: OrderKind,
}

/// A set of registers and flags, a bit each: a general register's is its DWARF number, by which the calling convention
/// names it; those of the flags and other state are the decoder's choice among the rest.
pub(crate) type Registers = u64;

/// The instructions that the order of counter reads is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OrderKind {
    /// None of the others.
    #[default]
    Other,
    /// Loads from memory, an atomic operation that also stores included.
    Load {
        /// The registers that its address is made of.
        address: Registers,
    },
    /// Reads the counter.
    Counter {
        /// Which one, in numbers of the architecture's decoder.
        register: u32,
    },
    /// Waits for earlier instructions; which and for what, in numbers of the architecture's decoder.
    Barrier(u32),
    /// Enters the kernel.
    SystemCall,
}

/// What lies at a fixed distance from the code.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The image itself.
    pub(crate) image: Range<i64>,
    /// The vvar pages.
    pub(crate) vvar: Range<i64>,
}

impl Surroundings {
    pub(crate) fn new(manifest: &Manifest, image_size: u64) -> Self {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let start = manifest.vvar_offset();
        let size = signed(manifest.vvar.pages.saturating_mul(manifest.image.page_size));
        Surroundings { image: 0..signed(image_size), vvar: start..start.saturating_add(size) }
    }

    /// Holds an address that an instruction forms relative to itself against what lies there, and a store to it against
    /// how that is mapped.
    pub(crate) fn fault(&self, target: i64, stores: bool) -> Option<Fault> {
        // One past the end is an address that pointer arithmetic may form.
        let within = |range: &Range<i64>| range.start <= target && target <= range.end;
        if !within(&self.image) && !within(&self.vvar) {
            return Some(Fault {
                rule: Rule::DataAddress,
                what: format!("address {target:#x} is neither in the image nor in the vvar pages"),
                remedy: "refer to symbols of the image or to `vvar_page`; match `vvar.pages` and `vvar.placement`",
            });
        }
        stores.then(|| Fault {
            rule: Rule::ReadOnlyStore,
            what: format!("stores to {target:#x}"),
            remedy: "keep state in the kernel or in memory of the caller",
        })
    }
}
