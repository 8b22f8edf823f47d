//! An instruction, as far as the gate's rules need to know it: what every decoder makes.

use crate::gate::Rule;
use std::collections::BTreeMap;

/// The instructions of an image by address.
pub type Instructions = BTreeMap<u64, Instruction>;

/// An instruction. Decoders make it by `..` from [`Instruction::new`], so that a new version of this crate can ask for more.
#[derive(Debug)]
pub struct Instruction {
    /// Its address.
    pub address: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Its text in the manual's syntax, for messages.
    pub text: String,
    /// Where control goes on.
    pub flow: Flow,
    /// What it does to the stack and to the registers that a function must preserve.
    pub stack: StackEffect,
    /// What it is to the order of counter reads.
    pub order: Order,
    /// Whether it may fill the space between functions.
    pub padding: bool,
    /// Whether an indirect branch may lead to it, where the processor checks that.
    pub landing_pad: bool,
    /// The rules that it breaks on its own.
    pub faults: Vec<Fault>,
    /// The rule that a branch to it breaks: it belongs to the instruction before it.
    pub branch_fault: Option<Fault>,
}

impl Instruction {
    /// One that does nothing: control goes on behind it, and the stack and the registers stay as they are.
    pub fn new(address: u64, length: u64, text: String) -> Self {
        Instruction {
            address,
            length,
            text,
            flow: Flow::Next,
            stack: StackEffect { adjust: Some(0), ..StackEffect::default() },
            order: Order::default(),
            padding: false,
            landing_pad: false,
            faults: Vec::new(),
            branch_fault: None,
        }
    }

    /// Bytes that are no instruction: a breach of [`Rule::Undecodable`], behind which nothing can be known.
    pub fn undecodable(address: u64, bytes: &[u8], what: &str, remedy: &'static str) -> Self {
        let text = format!(".byte {}", bytes.iter().map(|byte| format!("{byte:#04x}")).collect::<Vec<_>>().join(", "));
        let fault = Fault { rule: Rule::Undecodable, what: what.to_owned(), remedy };
        Instruction { flow: Flow::Stop, faults: vec![fault], ..Instruction::new(address, bytes.len() as u64, text) }
    }

    /// The address behind it.
    pub fn end(&self) -> u64 {
        self.address.wrapping_add(self.length)
    }

    /// Whether it calls a function.
    pub fn is_call(&self) -> bool {
        matches!(self.flow, Flow::Call(_))
    }

    /// Its address and text, for messages.
    pub fn named(&self) -> String {
        format!("{:#x} (`{}`)", self.address, self.text)
    }
}

/// A breach of a rule, found on the instructions; the gate adds the place.
#[derive(Debug)]
pub struct Fault {
    /// The rule.
    pub rule: Rule,
    /// What breaks it: in the report this stands behind the place.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What to do about a vector or floating-point instruction.
pub const VECTOR_REMEDY: &str =
    "write no floating-point arithmetic, and copy small structures field by field; compile Rust with `-C \
     no-vectorize-loops -C no-vectorize-slp` and without each vector feature that the target turns on and its ABI does not \
     need (`-C target-feature=-NAME`), C with `-mgeneral-regs-only` where the compiler knows it";

/// Where control goes on behind an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
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
pub struct StackEffect {
    /// By how much the stack pointer moves; none if that cannot be known.
    pub adjust: Option<i64>,
    /// The lowest offset that is used: by a load or store that the stack pointer addresses. What the instruction pushes
    /// counts, and is what `adjust` then moves over. 0 if it uses nothing below the stack pointer, as one that only moves
    /// it: the space that it makes counts by the stack pointer itself.
    pub lowest: i64,
    /// Stores, and which register is stored, if it is a whole one.
    pub stores: Vec<Slot>,
    /// Callee-saved registers that are loaded whole, and from where.
    pub loads: Vec<(u16, i64)>,
    /// Callee-saved registers that get another value, in part or whole, from anywhere else.
    pub writes: Vec<u16>,
    /// The offset that the frame pointer is set to; it is among `writes` too.
    pub frame_pointer: Option<i64>,
}

/// A store to the stack.
#[derive(Debug)]
pub struct Slot {
    /// Where: bytes from the stack pointer as it was before the instruction.
    pub offset: i64,
    /// How many bytes.
    pub size: u64,
    /// The register that is stored, if the whole of it is.
    pub register: Option<u16>,
}

/// What an instruction is to the order of counter reads. A decoder whose counters are ordered by the instruction right
/// before them leaves it at its default.
#[derive(Debug, Default)]
pub struct Order {
    /// The registers and flags that it uses: its results, or the direction of a branch, depend on them. Those of a load's
    /// address are not among them but in its [`kind`](OrderKind::Load); those of a store's address are, and so is a
    /// register that an address moves.
    pub reads: Registers,
    /// The registers and flags that it writes.
    pub writes: Registers,
    /// What it does.
    pub kind: OrderKind,
}

/// A set of registers and flags, a bit each: a general register's is its DWARF number, by which the calling convention
/// names it; those of the flags and other state are the decoder's choice among the rest. One whose DWARF number is 64 or
/// more is in no set by that number.
pub type Registers = u64;

/// The instructions that the order of counter reads is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OrderKind {
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
