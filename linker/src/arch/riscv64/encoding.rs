//! The 32-bit encodings of RV64IMA, Zicsr and Zifencei: which bits make an instruction, and where its operands are.
//!
//! Source: unprivileged manual, chapter "RV32/64G Instruction Set Listings".

use Format::*;

/// An instruction's name, the bits that make it, and its format.
#[derive(Debug)]
pub(super) struct Encoding {
    pub(super) mnemonic: &'static str,
    pub(super) format: Format,
    mask: u32,
    bits: u32,
}

/// Where an instruction's operands are, and what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// rd, and 20 bits for the upper part of a register.
    Upper,
    /// rd, and a target.
    Jump,
    /// rd, and a target relative to rs1.
    JumpRegister,
    /// rs1, rs2, and a target.
    Branch,
    /// rd, and an address relative to rs1.
    Load,
    /// rs2, and an address relative to rs1.
    Store,
    /// rd, rs1, and 12 bits.
    Immediate,
    /// rd, rs1, and an amount of up to 63.
    Shift,
    /// rd, rs1, and an amount of up to 31.
    ShiftWord,
    /// rd, rs1, rs2.
    Register,
    /// What must come before, and what behind.
    Fence,
    /// rd, and the address rs1.
    LoadReserved,
    /// rd, rs2, and the address rs1: loads, and stores.
    Atomic,
    /// rd, a control and status register, and rs1.
    Csr,
    /// rd, a control and status register, and 5 bits.
    CsrImmediate,
    /// No operands.
    Whole,
}

impl Format {
    /// The bits that are no operands.
    const fn mask(self) -> u32 {
        const OPCODE: u32 = 0x7f;
        const FUNCT3: u32 = 7 << 12;
        match self {
            Upper | Jump => OPCODE,
            JumpRegister | Branch | Load | Store | Immediate | Csr | CsrImmediate => OPCODE | FUNCT3,
            Shift => OPCODE | FUNCT3 | 0x3f << 26,
            ShiftWord | Register => OPCODE | FUNCT3 | 0x7f << 25,
            Fence => OPCODE | FUNCT3 | 0x1f << 7 | 0x1f << 15,
            LoadReserved => OPCODE | FUNCT3 | 0x1f << 27 | 0x1f << 20,
            Atomic => OPCODE | FUNCT3 | 0x1f << 27,
            Whole => u32::MAX,
        }
    }
}

const fn row(mnemonic: &'static str, format: Format, opcode: u32, funct3: u32, funct7: u32) -> Encoding {
    Encoding { mnemonic, format, mask: format.mask(), bits: opcode | funct3 << 12 | funct7 << 25 }
}

/// Major opcodes (table "RISC-V base opcode map").
pub(super) mod opcode {
    pub(in super::super) const LOAD: u32 = 0x03;
    pub(in super::super) const LOAD_FP: u32 = 0x07;
    pub(in super::super) const MISC_MEM: u32 = 0x0f;
    pub(in super::super) const OP_IMM: u32 = 0x13;
    pub(in super::super) const AUIPC: u32 = 0x17;
    pub(in super::super) const OP_IMM_32: u32 = 0x1b;
    pub(in super::super) const STORE: u32 = 0x23;
    pub(in super::super) const STORE_FP: u32 = 0x27;
    pub(in super::super) const AMO: u32 = 0x2f;
    pub(in super::super) const OP: u32 = 0x33;
    pub(in super::super) const LUI: u32 = 0x37;
    pub(in super::super) const OP_32: u32 = 0x3b;
    pub(in super::super) const MADD: u32 = 0x43;
    pub(in super::super) const MSUB: u32 = 0x47;
    pub(in super::super) const NMSUB: u32 = 0x4b;
    pub(in super::super) const NMADD: u32 = 0x4f;
    pub(in super::super) const OP_FP: u32 = 0x53;
    pub(in super::super) const OP_V: u32 = 0x57;
    pub(in super::super) const BRANCH: u32 = 0x63;
    pub(in super::super) const JALR: u32 = 0x67;
    pub(in super::super) const JAL: u32 = 0x6f;
    pub(in super::super) const SYSTEM: u32 = 0x73;
}
use opcode::*;

const ENCODINGS: &[Encoding] = &[
    row("lui", Upper, LUI, 0, 0),
    row("auipc", Upper, AUIPC, 0, 0),
    row("jal", Jump, JAL, 0, 0),
    row("jalr", JumpRegister, JALR, 0, 0),
    row("beq", Branch, BRANCH, 0, 0),
    row("bne", Branch, BRANCH, 1, 0),
    row("blt", Branch, BRANCH, 4, 0),
    row("bge", Branch, BRANCH, 5, 0),
    row("bltu", Branch, BRANCH, 6, 0),
    row("bgeu", Branch, BRANCH, 7, 0),
    row("lb", Load, LOAD, 0, 0),
    row("lh", Load, LOAD, 1, 0),
    row("lw", Load, LOAD, 2, 0),
    row("ld", Load, LOAD, 3, 0),
    row("lbu", Load, LOAD, 4, 0),
    row("lhu", Load, LOAD, 5, 0),
    row("lwu", Load, LOAD, 6, 0),
    row("sb", Store, STORE, 0, 0),
    row("sh", Store, STORE, 1, 0),
    row("sw", Store, STORE, 2, 0),
    row("sd", Store, STORE, 3, 0),
    row("addi", Immediate, OP_IMM, 0, 0),
    row("slti", Immediate, OP_IMM, 2, 0),
    row("sltiu", Immediate, OP_IMM, 3, 0),
    row("xori", Immediate, OP_IMM, 4, 0),
    row("ori", Immediate, OP_IMM, 6, 0),
    row("andi", Immediate, OP_IMM, 7, 0),
    row("slli", Shift, OP_IMM, 1, 0),
    row("srli", Shift, OP_IMM, 5, 0),
    row("srai", Shift, OP_IMM, 5, 0x20),
    row("add", Register, OP, 0, 0),
    row("sub", Register, OP, 0, 0x20),
    row("sll", Register, OP, 1, 0),
    row("slt", Register, OP, 2, 0),
    row("sltu", Register, OP, 3, 0),
    row("xor", Register, OP, 4, 0),
    row("srl", Register, OP, 5, 0),
    row("sra", Register, OP, 5, 0x20),
    row("or", Register, OP, 6, 0),
    row("and", Register, OP, 7, 0),
    row("addiw", Immediate, OP_IMM_32, 0, 0),
    row("slliw", ShiftWord, OP_IMM_32, 1, 0),
    row("srliw", ShiftWord, OP_IMM_32, 5, 0),
    row("sraiw", ShiftWord, OP_IMM_32, 5, 0x20),
    row("addw", Register, OP_32, 0, 0),
    row("subw", Register, OP_32, 0, 0x20),
    row("sllw", Register, OP_32, 1, 0),
    row("srlw", Register, OP_32, 5, 0),
    row("sraw", Register, OP_32, 5, 0x20),
    row("fence", Fence, MISC_MEM, 0, 0),
    row("fence.i", Whole, MISC_MEM, 1, 0),
    row("ecall", Whole, SYSTEM, 0, 0),
    Encoding { mnemonic: "ebreak", format: Whole, mask: u32::MAX, bits: 0x0010_0073 },
    // M
    row("mul", Register, OP, 0, 1),
    row("mulh", Register, OP, 1, 1),
    row("mulhsu", Register, OP, 2, 1),
    row("mulhu", Register, OP, 3, 1),
    row("div", Register, OP, 4, 1),
    row("divu", Register, OP, 5, 1),
    row("rem", Register, OP, 6, 1),
    row("remu", Register, OP, 7, 1),
    row("mulw", Register, OP_32, 0, 1),
    row("divw", Register, OP_32, 4, 1),
    row("divuw", Register, OP_32, 5, 1),
    row("remw", Register, OP_32, 6, 1),
    row("remuw", Register, OP_32, 7, 1),
    // A: the upper five bits of funct7 say what; the lower two are acquire and release.
    row("lr.w", LoadReserved, AMO, 2, 0x02 << 2),
    row("sc.w", Atomic, AMO, 2, 0x03 << 2),
    row("amoswap.w", Atomic, AMO, 2, 0x01 << 2),
    row("amoadd.w", Atomic, AMO, 2, 0x00 << 2),
    row("amoxor.w", Atomic, AMO, 2, 0x04 << 2),
    row("amoand.w", Atomic, AMO, 2, 0x0c << 2),
    row("amoor.w", Atomic, AMO, 2, 0x08 << 2),
    row("amomin.w", Atomic, AMO, 2, 0x10 << 2),
    row("amomax.w", Atomic, AMO, 2, 0x14 << 2),
    row("amominu.w", Atomic, AMO, 2, 0x18 << 2),
    row("amomaxu.w", Atomic, AMO, 2, 0x1c << 2),
    row("lr.d", LoadReserved, AMO, 3, 0x02 << 2),
    row("sc.d", Atomic, AMO, 3, 0x03 << 2),
    row("amoswap.d", Atomic, AMO, 3, 0x01 << 2),
    row("amoadd.d", Atomic, AMO, 3, 0x00 << 2),
    row("amoxor.d", Atomic, AMO, 3, 0x04 << 2),
    row("amoand.d", Atomic, AMO, 3, 0x0c << 2),
    row("amoor.d", Atomic, AMO, 3, 0x08 << 2),
    row("amomin.d", Atomic, AMO, 3, 0x10 << 2),
    row("amomax.d", Atomic, AMO, 3, 0x14 << 2),
    row("amominu.d", Atomic, AMO, 3, 0x18 << 2),
    row("amomaxu.d", Atomic, AMO, 3, 0x1c << 2),
    // Zicsr
    row("csrrw", Csr, SYSTEM, 1, 0),
    row("csrrs", Csr, SYSTEM, 2, 0),
    row("csrrc", Csr, SYSTEM, 3, 0),
    row("csrrwi", CsrImmediate, SYSTEM, 5, 0),
    row("csrrsi", CsrImmediate, SYSTEM, 6, 0),
    row("csrrci", CsrImmediate, SYSTEM, 7, 0),
];

/// Control and status registers (privileged manual, "CSR Listing").
pub(super) mod csr {
    /// The counter of the wall clock (unprivileged manual, "Zicntr").
    pub(in super::super) const TIME: u32 = 0xc01;
    /// `fflags`, `frm` and `fcsr`.
    pub(in super::super) const FLOATING_POINT: std::ops::RangeInclusive<u32> = 0x001..=0x003;
    /// `vstart`, `vxsat`, `vxrm`, `vcsr`.
    pub(in super::super) const VECTOR: [u32; 4] = [0x008, 0x009, 0x00a, 0x00f];
    /// `vl`, `vtype`, `vlenb`.
    pub(in super::super) const VECTOR_STATE: std::ops::RangeInclusive<u32> = 0xc20..=0xc22;
}

/// FENCE.TSO and, as it is a FENCE to processors that do not know it, PAUSE are FENCEs with these bits.
pub(super) mod fence {
    /// Device input, among what must come before or behind.
    pub(in super::super) const INPUT: u32 = 8;
    /// Memory reads.
    pub(in super::super) const READ: u32 = 2;
    /// The mode of FENCE.TSO; 0 is that of FENCE.
    pub(in super::super) const TSO: u32 = 8;
}

/// A 32-bit instruction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoded {
    pub(super) encoding: &'static Encoding,
    pub(super) word: u32,
}

/// The instruction that a word is; none if the base set has none.
pub(super) fn decode(word: u32) -> Option<Decoded> {
    let encoding = ENCODINGS.iter().find(|encoding| word & encoding.mask == encoding.bits)?;
    let decoded = Decoded { encoding, word };
    // Other modes, and FENCE.TSO of anything but RW,RW, are reserved (manual, "Memory Ordering Instructions").
    let reserved = encoding.format == Fence && decoded.fence_mode() != 0 && word != 0x8330_000f;
    (!reserved).then_some(decoded)
}

/// Whether the encoding is of a group that works on floating-point or vector registers.
pub(super) fn is_floating_point_or_vector(word: u32) -> bool {
    [LOAD_FP, STORE_FP, MADD, MSUB, NMSUB, NMADD, OP_FP, OP_V].contains(&opcode(word))
}

/// Whether the encoding is in a group of the base set, so that some extension may have filled it.
pub(super) fn is_in_base_group(word: u32) -> bool {
    [MISC_MEM, OP_IMM, OP_IMM_32, AMO, OP, OP_32].contains(&opcode(word))
}

/// The major opcode.
pub(super) fn opcode(word: u32) -> u32 {
    word & 0x7f
}

/// The register that an instruction of most formats writes.
pub(super) fn rd(word: u32) -> u32 {
    word >> 7 & 31
}

/// The bits from `low` on, so many, as a signed number.
fn signed(word: u32, low: u32, count: u32) -> i64 {
    i64::from((word << (32 - low - count)) as i32 >> (32 - count))
}

impl Decoded {
    pub(super) fn is(&self, mnemonic: &str) -> bool {
        self.encoding.mnemonic == mnemonic
    }

    pub(super) fn rd(&self) -> u32 {
        rd(self.word)
    }

    pub(super) fn rs1(&self) -> u32 {
        self.word >> 15 & 31
    }

    pub(super) fn rs2(&self) -> u32 {
        self.word >> 20 & 31
    }

    /// The control and status register.
    pub(super) fn csr(&self) -> u32 {
        self.word >> 20
    }

    pub(super) fn fence_mode(&self) -> u32 {
        self.word >> 28
    }

    /// What must come before a FENCE.
    pub(super) fn predecessors(&self) -> u32 {
        self.word >> 24 & 15
    }

    /// What must come behind a FENCE.
    pub(super) fn successors(&self) -> u32 {
        self.word >> 20 & 15
    }

    /// Acquire and release, as bits 1 and 0.
    pub(super) fn acquire_release(&self) -> u32 {
        self.word >> 25 & 3
    }

    /// The constant among the operands: an offset in bytes, or a value (chapter "Immediate Encoding Variants").
    pub(super) fn immediate(&self) -> i64 {
        let word = self.word;
        let bits = |low: u32, count: u32| i64::from(word >> low & ((1 << count) - 1));
        match self.encoding.format {
            Upper => signed(word, 12, 20) << 12,
            Jump => signed(word, 31, 1) << 20 | bits(12, 8) << 12 | bits(20, 1) << 11 | bits(21, 10) << 1,
            Branch => signed(word, 31, 1) << 12 | bits(7, 1) << 11 | bits(25, 6) << 5 | bits(8, 4) << 1,
            Store => signed(word, 25, 7) << 5 | bits(7, 5),
            JumpRegister | Load | Immediate => signed(word, 20, 12),
            Shift => bits(20, 6),
            ShiftWord => bits(20, 5),
            CsrImmediate => bits(15, 5),
            Register | Fence | LoadReserved | Atomic | Csr | Whole => 0,
        }
    }

    /// Bytes that a load or a store is about: funct3 is their logarithm, with the sign apart.
    pub(super) fn size(&self) -> u64 {
        1 << (self.word >> 12 & 3)
    }
}
