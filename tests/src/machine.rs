//! What an instruction does, as far as the order of memory accesses depends on it; and how such an effect is written for the
//! checker (`tests/litmus`). One file an architecture implements [`Machine`].

use std::convert::Infallible;

/// A general register by its number, 0 to 31.
pub type Register = u8;

/// The flags, as a register, where an architecture has them.
pub const FLAGS: Register = 32;

/// What an instruction reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// A register's value.
    Register(Register),
    /// A number in the instruction.
    Constant(u64),
}

/// An address: base, index times 2^shift, offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The register that it starts from.
    pub base: Register,
    /// A register that is added, shifted left by so many bits.
    pub index: Option<(Register, u32)>,
    /// A number of bytes that is added.
    pub offset: i64,
}

/// Arithmetic that the checker can do, on values or registers `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic<T> {
    /// The value itself.
    Copy(T),
    /// The second operand is shifted left.
    Add(T, T, u32),
    /// The first less the second.
    Sub(T, T),
    /// Bit by bit.
    And(T, T),
    /// Bit by bit.
    Or(T, T),
    /// Bit by bit, exclusive.
    Xor(T, T),
    /// By so many bits.
    ShiftLeft(T, u32),
    /// By so many bits, filled with zeroes.
    ShiftRight(T, u32),
}

impl<T: Copy> Arithmetic<T> {
    /// What it is made of, in order.
    pub fn operands(&self) -> Vec<T> {
        use Arithmetic::{Add, And, Copy, Or, ShiftLeft, ShiftRight, Sub, Xor};
        match *self {
            Copy(a) | ShiftLeft(a, _) | ShiftRight(a, _) => vec![a],
            Add(a, b, _) | Sub(a, b) | And(a, b) | Or(a, b) | Xor(a, b) => vec![a, b],
        }
    }

    /// The same with other operands.
    pub fn map<U>(&self, mut with: impl FnMut(T) -> U) -> Arithmetic<U> {
        match self.try_map(|it| Ok::<U, Infallible>(with(it))) {
            Ok(mapped) => mapped,
            Err(never) => match never {},
        }
    }

    /// The same with other operands, if there is one for each.
    ///
    /// # Errors
    ///
    /// The first of `with`.
    pub fn try_map<U, E>(&self, mut with: impl FnMut(T) -> Result<U, E>) -> Result<Arithmetic<U>, E> {
        use Arithmetic::{Add, And, Copy, Or, ShiftLeft, ShiftRight, Sub, Xor};
        Ok(match *self {
            Copy(a) => Copy(with(a)?),
            Add(a, b, shift) => Add(with(a)?, with(b)?, shift),
            Sub(a, b) => Sub(with(a)?, with(b)?),
            And(a, b) => And(with(a)?, with(b)?),
            Or(a, b) => Or(with(a)?, with(b)?),
            Xor(a, b) => Xor(with(a)?, with(b)?),
            ShiftLeft(a, by) => ShiftLeft(with(a)?, by),
            ShiftRight(a, by) => ShiftRight(with(a)?, by),
        })
    }
}

/// A comparison of two values; the order is unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// a = b
    Equal,
    /// a ≠ b
    Differ,
    /// a < b
    Below,
    /// a ≥ b
    NotBelow,
    /// a > b
    Above,
    /// a ≤ b
    NotAbove,
    /// Any other: whether it holds is left open.
    Other,
}

impl Test {
    /// The test that holds where this one does not.
    pub fn negated(self) -> Test {
        match self {
            Test::Equal => Test::Differ,
            Test::Differ => Test::Equal,
            Test::Below => Test::NotBelow,
            Test::NotBelow => Test::Below,
            Test::Above => Test::NotAbove,
            Test::NotAbove => Test::Above,
            Test::Other => Test::Other,
        }
    }

    /// The same with the operands exchanged.
    pub fn mirrored(self) -> Test {
        match self {
            Test::Below => Test::Above,
            Test::Above => Test::Below,
            Test::NotBelow => Test::NotAbove,
            Test::NotAbove => Test::NotBelow,
            same => same,
        }
    }
}

/// What an access does beside loading and storing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Loads a word.
    Load {
        /// Where the word goes.
        to: Register,
    },
    /// Stores a word.
    Store {
        /// The word.
        from: Operand,
    },
    /// Load-exclusive, load-reserved.
    LoadExclusive {
        /// Where the word goes.
        to: Register,
    },
    /// Store-exclusive, store-conditional.
    StoreExclusive {
        /// 0 there if it has stored.
        status: Register,
        /// The word.
        from: Operand,
    },
    /// A read-modify-write in one instruction.
    Modify {
        /// As the checker has it, with its ordering.
        mnemonic: String,
        /// Where the old word goes.
        to: Register,
        /// What the new word is made with.
        from: Operand,
    },
}

impl Access {
    /// The register that it leaves something in.
    pub fn result(&self) -> Option<Register> {
        match self {
            Access::Load { to } | Access::LoadExclusive { to } | Access::Modify { to, .. } => Some(*to),
            Access::StoreExclusive { status, .. } => Some(*status),
            Access::Store { .. } => None,
        }
    }

    /// What it stores.
    pub fn stored(&self) -> Option<Operand> {
        match self {
            Access::Store { from } | Access::StoreExclusive { from, .. } | Access::Modify { from, .. } => Some(*from),
            Access::Load { .. } | Access::LoadExclusive { .. } => None,
        }
    }
}

/// A barrier, in the checker's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    /// Orders memory accesses: one of the protocol's.
    Memory(String),
    /// Lets nothing behind it begin before the branches ahead of it are decided.
    Instructions(String),
    /// Orders memory accesses against input behind it: without a counter read there, nothing.
    BeforeInput(String),
    /// Orders input ahead of it against memory accesses.
    AfterInput(String),
}

/// What one instruction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Accesses memory.
    Access {
        /// How.
        access: Access,
        /// Where.
        address: Address,
        /// The word's size.
        bytes: u64,
        /// What follows comes after it.
        acquire: bool,
        /// It comes after what precedes it.
        release: bool,
    },
    /// A barrier.
    Fence(Fence),
    /// Reads the counter.
    Counter {
        /// Where its value goes.
        to: Register,
    },
    /// Computes something that the checker can compute too.
    Compute {
        /// Where the result goes.
        to: Register,
        /// How.
        by: Arithmetic<Operand>,
    },
    /// Computes something that depends on all of `from`, in a way that the checker has no arithmetic for.
    Opaque {
        /// Where results go.
        to: Vec<Register>,
        /// What they depend on.
        from: Vec<Register>,
    },
    /// Sets the flags by a comparison.
    Compare(Operand, Operand),
    /// Sets the flags by comparing the common bits of two values with 0.
    CompareBits(Operand, Operand),
    /// A conditional branch on the flags.
    BranchOnFlags {
        /// What holds on the traced path.
        stay: Test,
    },
    /// A conditional branch that compares.
    Branch {
        /// What holds on the traced path, of `left` and `right`.
        stay: Test,
        /// The first.
        left: Operand,
        /// The second.
        right: Operand,
    },
}

/// An instruction as the disassembler prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The first word.
    pub mnemonic: String,
    /// What stands behind it, without blanks; one in brackets is one operand.
    pub operands: Vec<String>,
    /// All of it, with single blanks.
    pub text: String,
}

impl Instruction {
    /// From a line of objdump's, after the address.
    pub fn parse(text: &str) -> Instruction {
        // Comments, and the symbol that an address lies in.
        let text = text.split("//").next().unwrap_or("").split(" # ").next().unwrap_or("");
        let text = text.split(" <").next().unwrap_or("").split_whitespace().collect::<Vec<_>>().join(" ");
        let (mnemonic, rest) = text.split_once(' ').unwrap_or((&text, ""));
        // A comma within brackets does not end an operand.
        let mut operands = vec![String::new()];
        let mut depth = 0;
        for character in rest.chars().filter(|it| *it != ' ') {
            match character {
                '[' | '(' => depth += 1,
                ']' | ')' => depth -= 1,
                _ => {}
            }
            match operands.last_mut() {
                Some(last) if character != ',' || depth > 0 => last.push(character),
                _ => operands.push(String::new()),
            }
        }
        operands.retain(|it| !it.is_empty());
        Instruction { mnemonic: mnemonic.to_owned(), operands, text }
    }
}

/// A register or a number, in the checker's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A register's value.
    Register(Register),
    /// A number in the instruction.
    Number(u64),
}

/// An architecture: how its instructions are read, and how they are written for the checker.
pub trait Machine: Sync {
    /// The checker's name for it, the first word of a test.
    fn checker_name(&self) -> &'static str;
    /// The memory model that the checker is to use.
    fn model(&self) -> &'static str;
    /// The target that kernels are compiled for.
    fn kernel_target(&self) -> &'static str;
    /// The disassembler, and the Debian package that brings it.
    fn objdump(&self) -> (&'static str, &'static str);
    /// QEMU's user mode, and the Debian package that brings it.
    fn qemu(&self) -> (&'static str, &'static str);
    /// How many registers of the stub's `g` packet are read; the general ones come first.
    fn registers(&self) -> usize;
    /// Where the program counter stands among them.
    fn program_counter(&self) -> usize;
    /// Where the return address is at a function's entry.
    fn link(&self) -> usize;

    /// What the instruction does. `taken`: the next one executed is not the one behind it.
    ///
    /// # Errors
    ///
    /// An access to memory whose form is not known.
    fn effects(&self, instruction: &Instruction, taken: bool) -> Result<Vec<Effect>, String>;

    /// Registers that a test may use for values of its own.
    fn free_registers(&self) -> Vec<Register>;
    /// The name of a register in the checker's program.
    fn register(&self, register: Register) -> String;
    /// Whether the number can stand in an instruction in the place of an operand of this arithmetic.
    fn immediate(&self, number: u64) -> bool;
    /// Arithmetic, in the checker's instructions.
    fn compute(&self, to: Register, by: &Arithmetic<Source>) -> Vec<String>;
    /// An access of so many bytes at `base` and `offset`, in the checker's instructions.
    fn access(
        &self,
        access: &Access,
        base: Register,
        offset: i64,
        bytes: u64,
        acquire: bool,
        release: bool,
    ) -> Vec<String>;
    /// Leaves for `label` unless the test holds. `None`: the checker cannot make this test.
    fn leave_unless(
        &self,
        test: Test,
        left: Register,
        right: Source,
        label: &str,
        spare: Register,
    ) -> Option<Vec<String>>;
    /// A branch is part of the order that a counter read has before it.
    fn branch_orders(&self) -> bool;
    /// A full fence.
    fn full_fence(&self) -> String;
    /// A load that what follows comes after, as a program receives a message.
    fn load_acquire(&self, to: Register, base: Register) -> Vec<String>;
    /// A store that comes after what precedes it, as a program sends a message.
    fn store_release(&self, from: Register, base: Register) -> Vec<String>;
    /// A register's value, as the checker's arithmetic needs it.
    fn constant(&self, number: u64) -> u64 {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::Instruction;

    #[test]
    fn parses_what_objdump_prints() {
        let parsed = |text: &str| {
            let Instruction { mnemonic, operands, .. } = Instruction::parse(text);
            (mnemonic, operands.join(" | "))
        };
        let expect = |mnemonic: &str, operands: &str| (mnemonic.to_owned(), operands.to_owned());
        assert_eq!(parsed("ldr\tx8, [x9, x10, lsl #3]"), expect("ldr", "x8 | [x9,x10,lsl#3]"));
        assert_eq!(parsed("b.cs\t68c <f+0x4c>  // b.hs, b.nlast"), expect("b.cs", "68c"));
        assert_eq!(parsed("add\ta5,a5,-64 # fc0 <.L0+0x3f>"), expect("add", "a5 | a5 | -64"));
        assert_eq!(parsed("ret"), expect("ret", ""));
    }
}
