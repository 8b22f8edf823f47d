//! The encodings of LA64's basic integer instructions: which bits make an instruction, and where its operands are.
//!
//! Source: manual, chapter 2 and appendix B, "Table of Instruction Encoding".

use Format::*;

/// An instruction's name, the bits that make it, and its format.
#[derive(Debug)]
pub(crate) struct Encoding {
    pub(crate) mnemonic: &'static str,
    pub(crate) format: Format,
    bits: u32,
}

/// Where an instruction's operands are, and what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// rd, and 20 bits for a part of a register.
    Upper,
    /// The same, where the rest of rd stays as it is.
    UpperInto,
    /// rd, rj.
    Unary,
    /// rd, rj, rk.
    Register,
    /// rd, rj, rk, and two bits, of which an amount is one more.
    Scaled,
    /// rd, rj, rk, and a number of bytes in two bits.
    Bytes2,
    /// The same in three bits.
    Bytes3,
    /// rd, rj, and an amount of up to 31.
    Shift5,
    /// rd, rj, and an amount of up to 63.
    Shift6,
    /// rd, rj, and 12 bits with sign.
    Signed12,
    /// rd, rj, and 12 bits.
    Unsigned12,
    /// rd, rj, and 16 bits with sign.
    Signed16,
    /// rd, rj, and the first and last of some bits of 32, which go from one into the other.
    Insert5,
    /// The same of 64.
    Insert6,
    /// As [`Insert5`], with all other bits of the result 0.
    Extract5,
    /// The same of 64.
    Extract6,
    /// rd, and an address: rj, and 12 bits with sign.
    Load12,
    /// rd, and an address: rj, and 14 bits with sign, times 4.
    Load14,
    /// rd, and the address rj.
    LoadAcquire,
    /// rd, and an address: the sum of rj and rk.
    LoadIndexed,
    /// As the loads.
    Store12,
    Store14,
    StoreIndexed,
    /// Stores rd if nobody else did, and says in rd whether.
    StoreConditional,
    /// The same, at the address rj.
    StoreRelease,
    /// rd, rk, and the address rj: loads, and stores.
    Atomic,
    /// A hint that something is loaded: five bits, rj, and 12 bits with sign.
    Prefetch,
    /// Five bits, and the sum of rj and rk.
    PrefetchIndexed,
    /// rd, and rj, which gets the counter's number.
    Counter,
    /// rd, rj: what the processor is.
    Configuration,
    /// rj, rd, and a target.
    Branch,
    /// rj, and a target.
    BranchZero,
    /// A target.
    Jump,
    /// rd, and a target relative to rj.
    JumpRegister,
    /// 15 bits.
    Code,
}

impl Format {
    /// The bits that are no operands.
    const fn mask(self) -> u32 {
        match self {
            Branch | BranchZero | Jump | JumpRegister | Signed16 => 0xfc00_0000,
            Upper | UpperInto => 0xfe00_0000,
            Load14 | Store14 | StoreConditional => 0xff00_0000,
            Signed12 | Unsigned12 | Load12 | Store12 | Prefetch | Insert6 | Extract6 => 0xffc0_0000,
            Insert5 | Extract5 => 0xffe0_8000,
            Bytes3 => 0xfffc_0000,
            Scaled | Bytes2 => 0xfffe_0000,
            Shift6 => 0xffff_0000,
            Register | Shift5 | LoadIndexed | StoreIndexed | Atomic | PrefetchIndexed | Code => 0xffff_8000,
            Unary | LoadAcquire | StoreRelease | Counter | Configuration => 0xffff_fc00,
        }
    }
}

const fn row(bits: u32, mnemonic: &'static str, format: Format) -> Encoding {
    assert!(bits & !format.mask() == 0, "a bit among the operands");
    Encoding { mnemonic, format, bits }
}

const ENCODINGS: &[Encoding] = &[
    // 2.2.1: arithmetic.
    row(0x0010_0000, "add.w", Register),
    row(0x0010_8000, "add.d", Register),
    row(0x0011_0000, "sub.w", Register),
    row(0x0011_8000, "sub.d", Register),
    row(0x0280_0000, "addi.w", Signed12),
    row(0x02c0_0000, "addi.d", Signed12),
    row(0x1000_0000, "addu16i.d", Signed16),
    row(0x0004_0000, "alsl.w", Scaled),
    row(0x0006_0000, "alsl.wu", Scaled),
    row(0x002c_0000, "alsl.d", Scaled),
    row(0x1400_0000, "lu12i.w", Upper),
    row(0x1600_0000, "lu32i.d", UpperInto),
    row(0x0300_0000, "lu52i.d", Signed12),
    row(0x0012_0000, "slt", Register),
    row(0x0012_8000, "sltu", Register),
    row(0x0200_0000, "slti", Signed12),
    row(0x0240_0000, "sltui", Signed12),
    row(0x1800_0000, "pcaddi", Upper),
    row(0x1a00_0000, "pcalau12i", Upper),
    row(0x1c00_0000, "pcaddu12i", Upper),
    row(0x1e00_0000, "pcaddu18i", Upper),
    row(0x0014_0000, "nor", Register),
    row(0x0014_8000, "and", Register),
    row(0x0015_0000, "or", Register),
    row(0x0015_8000, "xor", Register),
    row(0x0016_0000, "orn", Register),
    row(0x0016_8000, "andn", Register),
    row(0x0340_0000, "andi", Unsigned12),
    row(0x0380_0000, "ori", Unsigned12),
    row(0x03c0_0000, "xori", Unsigned12),
    row(0x001c_0000, "mul.w", Register),
    row(0x001c_8000, "mulh.w", Register),
    row(0x001d_0000, "mulh.wu", Register),
    row(0x001d_8000, "mul.d", Register),
    row(0x001e_0000, "mulh.d", Register),
    row(0x001e_8000, "mulh.du", Register),
    row(0x001f_0000, "mulw.d.w", Register),
    row(0x001f_8000, "mulw.d.wu", Register),
    row(0x0020_0000, "div.w", Register),
    row(0x0020_8000, "mod.w", Register),
    row(0x0021_0000, "div.wu", Register),
    row(0x0021_8000, "mod.wu", Register),
    row(0x0022_0000, "div.d", Register),
    row(0x0022_8000, "mod.d", Register),
    row(0x0023_0000, "div.du", Register),
    row(0x0023_8000, "mod.du", Register),
    // 2.2.2: shifts.
    row(0x0017_0000, "sll.w", Register),
    row(0x0017_8000, "srl.w", Register),
    row(0x0018_0000, "sra.w", Register),
    row(0x0018_8000, "sll.d", Register),
    row(0x0019_0000, "srl.d", Register),
    row(0x0019_8000, "sra.d", Register),
    row(0x001b_0000, "rotr.w", Register),
    row(0x001b_8000, "rotr.d", Register),
    row(0x0040_8000, "slli.w", Shift5),
    row(0x0041_0000, "slli.d", Shift6),
    row(0x0044_8000, "srli.w", Shift5),
    row(0x0045_0000, "srli.d", Shift6),
    row(0x0048_8000, "srai.w", Shift5),
    row(0x0049_0000, "srai.d", Shift6),
    row(0x004c_8000, "rotri.w", Shift5),
    row(0x004d_0000, "rotri.d", Shift6),
    // 2.2.3: bits.
    row(0x0000_5800, "ext.w.h", Unary),
    row(0x0000_5c00, "ext.w.b", Unary),
    row(0x0000_1000, "clo.w", Unary),
    row(0x0000_1400, "clz.w", Unary),
    row(0x0000_1800, "cto.w", Unary),
    row(0x0000_1c00, "ctz.w", Unary),
    row(0x0000_2000, "clo.d", Unary),
    row(0x0000_2400, "clz.d", Unary),
    row(0x0000_2800, "cto.d", Unary),
    row(0x0000_2c00, "ctz.d", Unary),
    row(0x0008_0000, "bytepick.w", Bytes2),
    row(0x000c_0000, "bytepick.d", Bytes3),
    row(0x0000_3000, "revb.2h", Unary),
    row(0x0000_3400, "revb.4h", Unary),
    row(0x0000_3800, "revb.2w", Unary),
    row(0x0000_3c00, "revb.d", Unary),
    row(0x0000_4000, "revh.2w", Unary),
    row(0x0000_4400, "revh.d", Unary),
    row(0x0000_4800, "bitrev.4b", Unary),
    row(0x0000_4c00, "bitrev.8b", Unary),
    row(0x0000_5000, "bitrev.w", Unary),
    row(0x0000_5400, "bitrev.d", Unary),
    row(0x0060_0000, "bstrins.w", Insert5),
    row(0x0060_8000, "bstrpick.w", Extract5),
    row(0x0080_0000, "bstrins.d", Insert6),
    row(0x00c0_0000, "bstrpick.d", Extract6),
    row(0x0013_0000, "maskeqz", Register),
    row(0x0013_8000, "masknez", Register),
    // 2.2.4: branches.
    row(0x4000_0000, "beqz", BranchZero),
    row(0x4400_0000, "bnez", BranchZero),
    row(0x4c00_0000, "jirl", JumpRegister),
    row(0x5000_0000, "b", Jump),
    row(0x5400_0000, "bl", Jump),
    row(0x5800_0000, "beq", Branch),
    row(0x5c00_0000, "bne", Branch),
    row(0x6000_0000, "blt", Branch),
    row(0x6400_0000, "bge", Branch),
    row(0x6800_0000, "bltu", Branch),
    row(0x6c00_0000, "bgeu", Branch),
    // 2.2.5: memory.
    row(0x2800_0000, "ld.b", Load12),
    row(0x2840_0000, "ld.h", Load12),
    row(0x2880_0000, "ld.w", Load12),
    row(0x28c0_0000, "ld.d", Load12),
    row(0x2a00_0000, "ld.bu", Load12),
    row(0x2a40_0000, "ld.hu", Load12),
    row(0x2a80_0000, "ld.wu", Load12),
    row(0x2900_0000, "st.b", Store12),
    row(0x2940_0000, "st.h", Store12),
    row(0x2980_0000, "st.w", Store12),
    row(0x29c0_0000, "st.d", Store12),
    row(0x3800_0000, "ldx.b", LoadIndexed),
    row(0x3804_0000, "ldx.h", LoadIndexed),
    row(0x3808_0000, "ldx.w", LoadIndexed),
    row(0x380c_0000, "ldx.d", LoadIndexed),
    row(0x3820_0000, "ldx.bu", LoadIndexed),
    row(0x3824_0000, "ldx.hu", LoadIndexed),
    row(0x3828_0000, "ldx.wu", LoadIndexed),
    row(0x3810_0000, "stx.b", StoreIndexed),
    row(0x3814_0000, "stx.h", StoreIndexed),
    row(0x3818_0000, "stx.w", StoreIndexed),
    row(0x381c_0000, "stx.d", StoreIndexed),
    row(0x2400_0000, "ldptr.w", Load14),
    row(0x2600_0000, "ldptr.d", Load14),
    row(0x2500_0000, "stptr.w", Store14),
    row(0x2700_0000, "stptr.d", Store14),
    row(0x2ac0_0000, "preld", Prefetch),
    row(0x382c_0000, "preldx", PrefetchIndexed),
    // 2.2.7: atomic operations.
    row(0x2000_0000, "ll.w", Load14),
    row(0x2200_0000, "ll.d", Load14),
    row(0x3857_8000, "llacq.w", LoadAcquire),
    row(0x3857_8800, "llacq.d", LoadAcquire),
    row(0x2100_0000, "sc.w", StoreConditional),
    row(0x2300_0000, "sc.d", StoreConditional),
    row(0x3857_8400, "screl.w", StoreRelease),
    row(0x3857_8c00, "screl.d", StoreRelease),
    row(0x3857_0000, "sc.q", Atomic),
    row(0x3858_0000, "amcas.b", Atomic),
    row(0x3858_8000, "amcas.h", Atomic),
    row(0x3859_0000, "amcas.w", Atomic),
    row(0x3859_8000, "amcas.d", Atomic),
    row(0x385a_0000, "amcas_db.b", Atomic),
    row(0x385a_8000, "amcas_db.h", Atomic),
    row(0x385b_0000, "amcas_db.w", Atomic),
    row(0x385b_8000, "amcas_db.d", Atomic),
    row(0x385c_0000, "amswap.b", Atomic),
    row(0x385c_8000, "amswap.h", Atomic),
    row(0x385d_0000, "amadd.b", Atomic),
    row(0x385d_8000, "amadd.h", Atomic),
    row(0x385e_0000, "amswap_db.b", Atomic),
    row(0x385e_8000, "amswap_db.h", Atomic),
    row(0x385f_0000, "amadd_db.b", Atomic),
    row(0x385f_8000, "amadd_db.h", Atomic),
    row(0x3860_0000, "amswap.w", Atomic),
    row(0x3860_8000, "amswap.d", Atomic),
    row(0x3861_0000, "amadd.w", Atomic),
    row(0x3861_8000, "amadd.d", Atomic),
    row(0x3862_0000, "amand.w", Atomic),
    row(0x3862_8000, "amand.d", Atomic),
    row(0x3863_0000, "amor.w", Atomic),
    row(0x3863_8000, "amor.d", Atomic),
    row(0x3864_0000, "amxor.w", Atomic),
    row(0x3864_8000, "amxor.d", Atomic),
    row(0x3865_0000, "ammax.w", Atomic),
    row(0x3865_8000, "ammax.d", Atomic),
    row(0x3866_0000, "ammin.w", Atomic),
    row(0x3866_8000, "ammin.d", Atomic),
    row(0x3867_0000, "ammax.wu", Atomic),
    row(0x3867_8000, "ammax.du", Atomic),
    row(0x3868_0000, "ammin.wu", Atomic),
    row(0x3868_8000, "ammin.du", Atomic),
    row(0x3869_0000, "amswap_db.w", Atomic),
    row(0x3869_8000, "amswap_db.d", Atomic),
    row(0x386a_0000, "amadd_db.w", Atomic),
    row(0x386a_8000, "amadd_db.d", Atomic),
    row(0x386b_0000, "amand_db.w", Atomic),
    row(0x386b_8000, "amand_db.d", Atomic),
    row(0x386c_0000, "amor_db.w", Atomic),
    row(0x386c_8000, "amor_db.d", Atomic),
    row(0x386d_0000, "amxor_db.w", Atomic),
    row(0x386d_8000, "amxor_db.d", Atomic),
    row(0x386e_0000, "ammax_db.w", Atomic),
    row(0x386e_8000, "ammax_db.d", Atomic),
    row(0x386f_0000, "ammin_db.w", Atomic),
    row(0x386f_8000, "ammin_db.d", Atomic),
    row(0x3870_0000, "ammax_db.wu", Atomic),
    row(0x3870_8000, "ammax_db.du", Atomic),
    row(0x3871_0000, "ammin_db.wu", Atomic),
    row(0x3871_8000, "ammin_db.du", Atomic),
    // 2.2.8: barriers.
    row(0x3872_0000, "dbar", Code),
    row(0x3872_8000, "ibar", Code),
    // 2.2.10: others.
    row(0x002b_0000, "syscall", Code),
    row(0x002a_0000, "break", Code),
    row(0x0000_6000, "rdtimel.w", Counter),
    row(0x0000_6400, "rdtimeh.w", Counter),
    row(0x0000_6800, "rdtime.d", Counter),
    row(0x0000_6c00, "cpucfg", Configuration),
];

/// An instruction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoded {
    pub(crate) encoding: &'static Encoding,
    pub(crate) word: u32,
}

/// The instruction that a word is; none if the basic integer instructions have none.
///
/// Bits that end before they begin are no operands of BSTRINS and BSTRPICK: no description of these (2.2.3.8, 2.2.3.9) says
/// what is then copied.
pub(crate) fn decode(word: u32) -> Option<Decoded> {
    let encoding = ENCODINGS.iter().find(|encoding| word & encoding.format.mask() == encoding.bits)?;
    let decoded = Decoded { encoding, word };
    let copies = matches!(encoding.format, Insert5 | Insert6 | Extract5 | Extract6);
    Some(decoded).filter(|decoded| !copies || decoded.first() <= decoded.last())
}

/// The bits from `low` on, so many, as a signed number.
fn signed(word: u32, low: u32, count: u32) -> i64 {
    i64::from((word << (32 - low - count)) as i32 >> (32 - count))
}

impl Decoded {
    pub(crate) fn is(&self, mnemonic: &str) -> bool {
        self.encoding.mnemonic == mnemonic
    }

    pub(crate) fn format(&self) -> Format {
        self.encoding.format
    }

    pub(crate) fn rd(&self) -> u32 {
        self.word & 31
    }

    pub(crate) fn rj(&self) -> u32 {
        self.word >> 5 & 31
    }

    pub(crate) fn rk(&self) -> u32 {
        self.word >> 10 & 31
    }

    /// Some bits as a number without sign.
    fn bits(&self, low: u32, count: u32) -> u32 {
        self.word >> low & ((1 << count) - 1)
    }

    /// The first of some bits.
    pub(crate) fn first(&self) -> u32 {
        match self.format() {
            Insert5 | Extract5 => self.bits(10, 5),
            _ => self.bits(10, 6),
        }
    }

    /// The last of some bits.
    pub(crate) fn last(&self) -> u32 {
        match self.format() {
            Insert5 | Extract5 => self.bits(16, 5),
            _ => self.bits(16, 6),
        }
    }

    /// The constant among the operands: a value, an amount, or an offset in bytes.
    pub(crate) fn immediate(&self) -> i64 {
        let word = self.word;
        match self.format() {
            Upper | UpperInto => signed(word, 5, 20),
            Signed12 | Load12 | Store12 | Prefetch => signed(word, 10, 12),
            Load14 | Store14 | StoreConditional => signed(word, 10, 14) << 2,
            Signed16 => signed(word, 10, 16),
            Unsigned12 => self.bits(10, 12).into(),
            Shift5 => self.bits(10, 5).into(),
            Shift6 => self.bits(10, 6).into(),
            Scaled => i64::from(self.bits(15, 2)) + 1,
            Bytes2 => self.bits(15, 2).into(),
            Bytes3 => self.bits(15, 3).into(),
            Code => self.bits(0, 15).into(),
            Branch | JumpRegister => signed(word, 10, 16) << 2,
            BranchZero => (signed(word, 0, 5) << 16 | i64::from(self.bits(10, 16))) << 2,
            Jump => (signed(word, 0, 10) << 16 | i64::from(self.bits(10, 16))) << 2,
            Unary | Register | LoadAcquire | LoadIndexed | StoreIndexed | StoreRelease | Atomic | PrefetchIndexed
            | Counter | Configuration | Insert5 | Insert6 | Extract5 | Extract6 => 0,
        }
    }

    /// Bytes that a load or a store is about.
    pub(crate) fn size(&self) -> u64 {
        match self.encoding.mnemonic.rsplit('.').next() {
            Some("b" | "bu") => 1,
            Some("h" | "hu") => 2,
            Some("w" | "wu") => 4,
            _ => 8,
        }
    }
}
