//! The 16-bit encodings of the C extension: each is a 32-bit instruction with restricted operands.
//!
//! Source: unprivileged manual, chapter "C Extension for Compressed Instructions", tables "Instruction listing for RVC,
//! Quadrant 0" to 2. What is reserved there, a hint, or for 32-bit processors only, is none here.

use super::encoding::opcode::*;

/// The stack pointer and the link register.
const SP: u32 = 2;
const RA: u32 = 1;

/// Length of a 32-bit instruction whose first half is this one's: the lowest two bits set, but not the lowest five.
pub(super) fn is_compressed(half: u16) -> bool {
    half & 3 != 3
}

/// The 32-bit instruction that a 16-bit one stands for.
pub(super) fn expand(half: u16) -> Option<u32> {
    let half = Half(half.into());
    match (half.0 & 3, half.bits(13, 3)) {
        (0, funct3) => quadrant_0(half, funct3),
        (1, funct3) => quadrant_1(half, funct3),
        (2, funct3) => quadrant_2(half, funct3),
        _ => None,
    }
}

/// A 16-bit encoding.
#[derive(Clone, Copy)]
struct Half(u32);

impl Half {
    fn bits(self, low: u32, count: u32) -> u32 {
        self.0 >> low & ((1 << count) - 1)
    }

    fn bit(self, low: u32, to: u32) -> u32 {
        self.bits(low, 1) << to
    }

    /// The bit 12 as the sign of a number whose other bits are `rest`, of `count` bits with the sign.
    fn signed(self, rest: u32, count: u32) -> i32 {
        let sign = self.bits(12, 1);
        (rest | sign << (count - 1)) as i32 - ((sign as i32) << count)
    }

    /// rd, or rd and rs1 in one.
    fn rd(self) -> u32 {
        self.bits(7, 5)
    }

    fn rs2(self) -> u32 {
        self.bits(2, 5)
    }

    /// One of the eight popular registers, x8 to x15.
    fn low(self) -> u32 {
        8 + self.bits(2, 3)
    }

    fn high(self) -> u32 {
        8 + self.bits(7, 3)
    }

    /// The six bits of most immediates.
    fn immediate(self) -> i32 {
        self.signed(self.bits(2, 5), 6)
    }

    /// The six bits of a shift amount.
    fn amount(self) -> u32 {
        self.bits(2, 5) | self.bit(12, 5)
    }

    /// Offset of a word relative to a popular register, and of a double word.
    fn offset_word(self) -> u32 {
        self.bit(6, 2) | self.bits(10, 3) << 3 | self.bit(5, 6)
    }

    fn offset_double(self) -> u32 {
        self.bits(10, 3) << 3 | self.bits(5, 2) << 6
    }
}

fn quadrant_0(half: Half, funct3: u32) -> Option<u32> {
    let (low, high) = (half.low(), half.high());
    Some(match funct3 {
        // c.addi4spn
        0 => {
            let offset = half.bit(6, 2) | half.bit(5, 3) | half.bits(11, 2) << 4 | half.bits(7, 4) << 6;
            immediate(OP_IMM, 0, low, SP, nonzero(offset)? as i32)
        }
        1 => immediate(LOAD_FP, 3, low, high, half.offset_double() as i32),
        2 => immediate(LOAD, 2, low, high, half.offset_word() as i32),
        3 => immediate(LOAD, 3, low, high, half.offset_double() as i32),
        5 => store(STORE_FP, 3, high, low, half.offset_double()),
        6 => store(STORE, 2, high, low, half.offset_word()),
        7 => store(STORE, 3, high, low, half.offset_double()),
        _ => return None,
    })
}

fn quadrant_1(half: Half, funct3: u32) -> Option<u32> {
    let rd = half.rd();
    Some(match funct3 {
        // c.nop, c.addi
        0 if rd == 0 => immediate(OP_IMM, 0, 0, 0, (half.immediate() == 0).then_some(0)?),
        0 => immediate(OP_IMM, 0, rd, rd, nonzero_signed(half.immediate())?),
        // c.addiw
        1 => immediate(OP_IMM_32, 0, nonzero(rd)?, rd, half.immediate()),
        // c.li
        2 => immediate(OP_IMM, 0, nonzero(rd)?, 0, half.immediate()),
        // c.addi16sp, c.lui
        3 if rd == SP => {
            let rest = half.bit(6, 4) | half.bit(2, 5) | half.bit(5, 6) | half.bits(3, 2) << 7;
            immediate(OP_IMM, 0, SP, SP, nonzero_signed(half.signed(rest, 10))?)
        }
        3 => LUI | nonzero(rd)? << 7 | (nonzero_signed(half.immediate())? as u32) << 12,
        4 => return arithmetic(half),
        // c.j
        5 => {
            let rest = half.bits(3, 3) << 1
                | half.bit(11, 4)
                | half.bit(2, 5)
                | half.bit(7, 6)
                | half.bit(6, 7)
                | half.bits(9, 2) << 8
                | half.bit(8, 10);
            let offset = half.signed(rest, 12) as u32;
            let field = |low: u32, count: u32, to: u32| (offset >> low & ((1 << count) - 1)) << to;
            JAL | field(20, 1, 31) | field(1, 10, 21) | field(11, 1, 20) | field(12, 8, 12)
        }
        // c.beqz, c.bnez
        _ => {
            let rest = half.bits(3, 2) << 1 | half.bit(2, 5) | half.bits(10, 2) << 3 | half.bits(5, 2) << 6;
            let offset = half.signed(rest, 9) as u32;
            let field = |low: u32, count: u32, to: u32| (offset >> low & ((1 << count) - 1)) << to;
            let target = field(12, 1, 31) | field(5, 6, 25) | field(1, 4, 8) | field(11, 1, 7);
            BRANCH | (funct3 - 6) << 12 | half.high() << 15 | target
        }
    })
}

/// c.srli, c.srai, c.andi, and what works on two popular registers.
fn arithmetic(half: Half) -> Option<u32> {
    let (rd, rs2) = (half.high(), half.low());
    let amount = || nonzero(half.amount());
    Some(match (half.bits(10, 2), half.bits(12, 1), half.bits(5, 2)) {
        (0, ..) => immediate(OP_IMM, 5, rd, rd, amount()? as i32),
        (1, ..) => immediate(OP_IMM, 5, rd, rd, amount()? as i32 | 0x400),
        (2, ..) => immediate(OP_IMM, 7, rd, rd, half.immediate()),
        (_, 0, 0) => register(OP, 0, 0x20, rd, rd, rs2),
        (_, 0, 1) => register(OP, 4, 0, rd, rd, rs2),
        (_, 0, 2) => register(OP, 6, 0, rd, rd, rs2),
        (_, 0, _) => register(OP, 7, 0, rd, rd, rs2),
        (_, _, 0) => register(OP_32, 0, 0x20, rd, rd, rs2),
        (_, _, 1) => register(OP_32, 0, 0, rd, rd, rs2),
        _ => return None,
    })
}

fn quadrant_2(half: Half, funct3: u32) -> Option<u32> {
    let (rd, rs2) = (half.rd(), half.rs2());
    let load_double = half.bits(5, 2) << 3 | half.bit(12, 5) | half.bits(2, 3) << 6;
    let load_word = half.bits(4, 3) << 2 | half.bit(12, 5) | half.bits(2, 2) << 6;
    let store_double = half.bits(10, 3) << 3 | half.bits(7, 3) << 6;
    let store_word = half.bits(9, 4) << 2 | half.bits(7, 2) << 6;
    Some(match funct3 {
        // c.slli
        0 => immediate(OP_IMM, 1, nonzero(rd)?, rd, nonzero(half.amount())? as i32),
        1 => immediate(LOAD_FP, 3, rd, SP, load_double as i32),
        2 => immediate(LOAD, 2, nonzero(rd)?, SP, load_word as i32),
        3 => immediate(LOAD, 3, nonzero(rd)?, SP, load_double as i32),
        4 => match (half.bits(12, 1), rd, rs2) {
            // c.jr
            (0, _, 0) => immediate(JALR, 0, 0, nonzero(rd)?, 0),
            // c.mv
            (0, ..) => register(OP, 0, 0, nonzero(rd)?, 0, rs2),
            // c.ebreak
            (_, 0, 0) => SYSTEM | 1 << 20,
            // c.jalr
            (_, _, 0) => immediate(JALR, 0, RA, rd, 0),
            // c.add
            _ => register(OP, 0, 0, nonzero(rd)?, rd, rs2),
        },
        5 => store(STORE_FP, 3, SP, rs2, store_double),
        6 => store(STORE, 2, SP, rs2, store_word),
        _ => store(STORE, 3, SP, rs2, store_double),
    })
}

fn nonzero(value: u32) -> Option<u32> {
    (value != 0).then_some(value)
}

fn nonzero_signed(value: i32) -> Option<i32> {
    (value != 0).then_some(value)
}

fn immediate(opcode: u32, funct3: u32, rd: u32, rs1: u32, value: i32) -> u32 {
    opcode | rd << 7 | funct3 << 12 | rs1 << 15 | (value as u32) << 20
}

fn register(opcode: u32, funct3: u32, funct7: u32, rd: u32, rs1: u32, rs2: u32) -> u32 {
    opcode | rd << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 | funct7 << 25
}

fn store(opcode: u32, funct3: u32, rs1: u32, rs2: u32, offset: u32) -> u32 {
    opcode | (offset & 31) << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 | (offset >> 5) << 25
}
