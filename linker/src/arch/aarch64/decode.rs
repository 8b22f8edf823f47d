//! A64 instructions, each judged by itself.
//!
//! The instructions of ARMv8.0-A's base set are known by name; every other one is refused, so that none passes for
//! something harmless.

use crate::arch::{
    Fault, Flow, Instruction, Order, OrderKind, Registers, Slot, StackEffect, Surroundings, VECTOR_REMEDY,
};
use crate::gate::Rule;
use system_register::{CNTVCTSS_EL0, CNTVCT_EL0, TPIDRRO_EL0, TPIDR_EL0};
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Instruction as Decoded, Opcode, Operand, SizeCode};

/// Bytes of an instruction.
const LENGTH: usize = 4;

/// The number of the stack pointer, in DWARF and where an operand cannot be the zero register.
const STACK_POINTER: u16 = 31;

/// The number of the platform's register, in DWARF and in operands.
const PLATFORM: u16 = 18;

/// The number of the frame pointer, in DWARF and in operands.
const FRAME_POINTER: u16 = 29;

/// The number of the link register, in DWARF and in operands.
const LINK: u16 = 30;

/// The condition flags, as a bit of a set of registers; below it, each register's number is its bit.
pub(super) const FLAGS: Registers = 1 << 32;

/// Memory, as a bit of such a set: what stores write.
pub(super) const MEMORY: Registers = 1 << 33;

/// The zero register, as a bit of such a set: only where an instruction may select it instead of another operand.
pub(super) const ZERO: Registers = 1 << 34;

/// System registers, as op0<0>:op1:CRn:CRm:op2 of MRS (C6.2, MRS).
pub(super) mod system_register {
    /// The virtual counter (D24.12).
    pub(in super::super) const CNTVCT_EL0: u32 = 0x5f02;
    /// The same, self-synchronised (FEAT_ECV).
    pub(in super::super) const CNTVCTSS_EL0: u32 = 0x5f06;
    /// The thread's own pointer.
    pub(super) const TPIDR_EL0: u32 = 0x5e82;
    /// The thread's own pointer that the kernel sets.
    pub(super) const TPIDRRO_EL0: u32 = 0x5e83;
}

/// Numbers of barriers: of DMB its CRm, of DSB the same with a bit more.
pub(super) mod barrier {
    /// Synchronises the context (B2.3, "Instruction Synchronization Barrier").
    pub(in super::super) const ISB: u32 = 0x100;
    /// Ends when what is before it has ended (B2.3, "Data Synchronization Barrier").
    pub(in super::super) const DSB: u32 = 0x200;

    /// Whether a DMB or DSB is for loads and for all CPUs that run the system: CRm is domain (01, non-shareable, being
    /// the CPU's own) and kind (01 loads, 11 all accesses; C6.2, DMB).
    pub(in super::super) fn is_for_loads(number: u32) -> bool {
        number != ISB && number >> 2 & 3 != 1 && number & 1 == 1
    }
}

/// Decodes bytes that lie at `address`, up to the first that are no instruction.
pub(super) fn decode(bytes: &[u8], address: u64, surroundings: &Surroundings) -> Vec<Instruction> {
    let mut instructions = Vec::new();
    let mut addresses = Addresses::default();
    for (index, piece) in bytes.chunks(LENGTH).enumerate() {
        let address = address.wrapping_add((index * LENGTH) as u64);
        let instruction = match piece.try_into().map(u32::from_le_bytes) {
            Ok(word) => decode_word(word, address, surroundings, &mut addresses),
            Err(_) => unknown(address, piece, "an instruction has four bytes"),
        };
        let unknown = instruction.faults.iter().any(|fault| fault.rule == Rule::Undecodable);
        instructions.push(instruction);
        if unknown {
            break;
        }
    }
    instructions
}

fn decode_word(word: u32, address: u64, surroundings: &Surroundings, addresses: &mut Addresses) -> Instruction {
    if is_vector(word) {
        return vector(word, address);
    }
    match InstDecoder::default().decode(&mut U8Reader::new(&word.to_le_bytes())) {
        Ok(decoded) if is_allocated(word) => {
            Judge { word, address, decoded: &decoded, surroundings, addresses, faults: Vec::new() }.instruction()
        }
        Ok(_) | Err(_) => unknown(address, &word.to_le_bytes(), "these bytes are no instruction of the base set"),
    }
}

fn unknown(address: u64, bytes: &[u8], what: &str) -> Instruction {
    Instruction::undecodable(address, bytes, what, "move data to .rodata")
}

/// Whether the encoding is of a group that works on vector or floating-point registers, or on those of SVE and SME
/// (C4.1, table C4-1, by op0, which is bits 28 to 25).
fn is_vector(word: u32) -> bool {
    match word >> 25 & 0xf {
        0b0111 | 0b1111 => true,   // scalar floating-point and advanced SIMD
        0b0110 | 0b1110 => true,   // loads and stores with V, bit 26, set
        0b0010 => true,            // SVE
        0b0000 => word >> 31 == 1, // SME
        _ => false,
    }
}

/// Whether the encoding is allocated, in the groups where the library takes more than the manual has (C4.1, "Reserved",
/// "Loads and Stores", "Data Processing -- Immediate" and "-- Register"): 32-bit operations with 64-bit amounts, and
/// fields that must be zero or one.
fn is_allocated(word: u32) -> bool {
    let bits = |high: u32, low: u32| word >> low & ((1 << (high - low + 1)) - 1);
    let wide = bits(31, 31) == 1;
    let exclusive = |first: u32, second: u32| bits(20, 16) | first == 31 && bits(14, 10) | second == 31;
    match (bits(28, 24), bits(23, 21)) {
        // Permanently undefined.
        (0b00000 | 0b00001, _) => word >> 16 == 0,
        // Exclusive and ordered: registers that are not used are named 31. One (L = 0) or two (o1 = 1) of them are.
        (0b01000, 0b000) if bits(29, 29) == 0 => exclusive(31, 0),
        (0b01000, 0b010 | 0b100 | 0b110) if bits(29, 29) == 0 => exclusive(0, 0),
        (0b01000, 0b011) if bits(29, 29) == 0 => exclusive(0, 31),
        // Logical and move wide with an immediate; bit field and extract.
        (0b10010, 0b000..=0b011) => (wide || bits(22, 22) == 0) && is_bit_mask(bits(22, 22), bits(15, 10)),
        (0b10010, _) => wide || bits(22, 22) == 0,
        (0b10011, 0b000..=0b011) => wide == (bits(22, 22) == 1) && (wide || bits(21, 21) | bits(15, 15) == 0),
        (0b10011, _) => wide == (bits(22, 22) == 1) && bits(21, 21) == 0 && (wide || bits(15, 15) == 0),
        // Addition of an extended register, then logical and addition with a shifted one.
        (0b01011, 0b001) => bits(12, 10) <= 4,
        (0b01011, 0b011 | 0b101 | 0b111) => false,
        (0b01010 | 0b01011, _) => wide || bits(15, 15) == 0,
        // Addition with carry, conditional compare, conditional select.
        (0b11010, 0b000) => bits(15, 10) == 0,
        (0b11010, 0b010) => bits(29, 29) == 1 && bits(10, 10) | bits(4, 4) == 0,
        (0b11010, 0b100) => bits(29, 29) | bits(11, 11) == 0,
        (0b11010, 0b001 | 0b011 | 0b101 | 0b111) => false,
        _ => true,
    }
}

/// Whether N and imms name a bit mask that is neither empty nor full (C4.1, DecodeBitMasks).
fn is_bit_mask(n: u32, imms: u32) -> bool {
    let pattern = n << 6 | !imms & 0x3f;
    let Some(length) = pattern.checked_ilog2().filter(|length| *length > 0) else { return false };
    let levels = (1 << length) - 1;
    imms & levels != levels
}

/// Whether a condition, the lowest four bits, holds whatever the flags are: AL, and NV, which is the same (C1.2.4).
fn is_always(word: u32) -> bool {
    word & 0xe == 0xe
}

fn vector(word: u32, address: u64) -> Instruction {
    let mut instruction = unknown(address, &word.to_le_bytes(), "");
    instruction.text = format!(".inst {word:#010x}");
    instruction.flow = Flow::Next;
    instruction.faults = vec![Fault {
        rule: Rule::VectorInstruction,
        what: "vector or floating-point instruction".to_owned(),
        remedy: VECTOR_REMEDY,
    }];
    instruction
}

/// The addresses of the image's surroundings that registers hold: made by ADR and ADRP, which reach them in parts. Only
/// straight on: a branch that leads between the parts of an address would not go unnoticed for long.
#[derive(Default)]
struct Addresses([Option<u64>; 31]);

impl Addresses {
    fn get(&self, register: u16) -> Option<u64> {
        self.0.get(usize::from(register)).copied().flatten()
    }

    fn set(&mut self, register: u16, address: Option<u64>) {
        if let Some(known) = self.0.get_mut(usize::from(register)) {
            *known = address;
        }
    }
}

/// What an instruction is, as far as its operands' parts in it go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Computes the first operand from the others.
    Compute,
    /// Changes part of the first operand.
    Change,
    /// Compares: sets the flags only.
    Compare,
    /// Loads the first operands from the last one's address: how many.
    Load(usize),
    /// Stores the first operands to the last one's address: how many, and bytes of each.
    Store(usize, u64),
    /// Stores as above the operands behind the first, which says whether it did.
    StoreExclusive(usize, u64),
    /// The address of something near the instruction.
    Address,
    /// Branches if the first operand, or the flags, say so.
    Branch,
    /// Neither reads nor writes registers that the rules are about, or is judged on its own.
    Other,
}

/// An instruction under judgement.
struct Judge<'a> {
    word: u32,
    address: u64,
    decoded: &'a Decoded,
    surroundings: &'a Surroundings,
    addresses: &'a mut Addresses,
    faults: Vec<Fault>,
}

impl Judge<'_> {
    fn instruction(mut self) -> Instruction {
        let Some(kind) = self.kind() else { return self.refused() };
        if self.is_unpredictable(kind) {
            let what = "writes one register twice, or one that it stores";
            return unknown(self.address, &self.word.to_le_bytes(), what);
        }
        let flow = self.flow();
        let order = self.order(kind);
        self.relative(kind);
        self.follow_addresses(kind, flow);
        Instruction {
            address: self.address,
            length: LENGTH as u64,
            text: self.decoded.to_string(),
            flow,
            stack: self.stack(kind),
            order,
            padding: self.is_padding(),
            landing_pad: self.is_landing_pad(),
            faults: self.faults,
            branch_fault: None,
        }
    }

    /// Whether it loads into one register twice, loads into or stores the base that it moves, or says whether it has stored
    /// in a register that it stores or that the address is in (C6.2, LDP, LDR, STR, STXR: "constrained unpredictable").
    fn is_unpredictable(&self, kind: Kind) -> bool {
        let base = self.memory().filter(|memory| memory.base != STACK_POINTER);
        let moved = base.as_ref().filter(|memory| memory.moves != 0).map(|memory| memory.base);
        let moves = |registers: &[u16]| moved.is_some_and(|moved| registers.contains(&moved));
        match kind {
            Kind::Load(count) => {
                let twice = count == 2 && self.decoded.operands[0] == self.decoded.operands[1];
                twice || moves(&self.registers(0..count))
            }
            Kind::Store(count, _) => moves(&self.registers(0..count)),
            Kind::StoreExclusive(count, _) => {
                let status = self.registers(0..1);
                let is_status = |register: &u16| status.contains(register);
                self.registers(1..1 + count).iter().any(is_status) || base.is_some_and(|it| is_status(&it.base))
            }
            _ => false,
        }
    }

    /// An instruction that no image may have.
    fn refused(self) -> Instruction {
        let (rule, what, remedy) = match self.decoded.opcode {
            Opcode::MRS
            | Opcode::MSR
            | Opcode::SYS(_)
            | Opcode::SYSL(_)
            | Opcode::HVC
            | Opcode::SMC
            | Opcode::SVC
            | Opcode::HLT
            | Opcode::DCPS1
            | Opcode::DCPS2
            | Opcode::DCPS3
            | Opcode::ERET
            | Opcode::DRPS => (
                Rule::SystemInstruction,
                "only kernels may run it, or its result is the kernel's to define",
                "leave it to the kernel: make the system call, by `svc #0`",
            ),
            _ => (
                Rule::CpuFeature,
                "not an instruction of ARMv8.0-A's base set that the gate knows",
                "compile for `armv8-a` without further target features, C without pointer authentication",
            ),
        };
        let mut instruction = unknown(self.address, &self.word.to_le_bytes(), "");
        instruction.text = format!("{} ({:#010x})", self.decoded.opcode, self.word);
        instruction.flow = Flow::Next;
        instruction.faults = vec![Fault { rule, what: what.to_owned(), remedy }];
        instruction
    }

    fn refuse(&mut self, rule: Rule, what: &str, remedy: &'static str) {
        self.faults.push(Fault { rule, what: what.to_owned(), remedy });
    }

    /// What it is; none if no image may have it.
    fn kind(&mut self) -> Option<Kind> {
        use Kind::*;
        Some(match self.decoded.opcode {
            Opcode::MOVN | Opcode::MOVZ | Opcode::ADC | Opcode::ADCS | Opcode::SBC | Opcode::SBCS => Compute,
            Opcode::AND | Opcode::ORR | Opcode::ORN | Opcode::EOR | Opcode::EON | Opcode::BIC => Compute,
            Opcode::BICS | Opcode::ANDS | Opcode::ADDS | Opcode::ADD | Opcode::SUBS | Opcode::SUB => Compute,
            Opcode::UBFM | Opcode::SBFM | Opcode::EXTR => Compute,
            Opcode::CSEL | Opcode::CSNEG | Opcode::CSINC | Opcode::CSINV => Compute,
            Opcode::RBIT | Opcode::REV16 | Opcode::REV | Opcode::REV32 | Opcode::CLZ | Opcode::CLS => Compute,
            Opcode::MADD | Opcode::MSUB | Opcode::SMADDL | Opcode::SMSUBL | Opcode::UMADDL | Opcode::UMSUBL => Compute,
            Opcode::SMULH | Opcode::UMULH | Opcode::UDIV | Opcode::SDIV => Compute,
            Opcode::LSLV | Opcode::LSRV | Opcode::ASRV | Opcode::RORV => Compute,
            Opcode::MOVK | Opcode::BFM => Change,
            Opcode::CCMN | Opcode::CCMP => Compare,
            Opcode::LDR | Opcode::LDRB | Opcode::LDRSB | Opcode::LDRSW | Opcode::LDRSH | Opcode::LDRH => Load(1),
            Opcode::LDUR | Opcode::LDURB | Opcode::LDURSB | Opcode::LDURSW | Opcode::LDURSH | Opcode::LDURH => Load(1),
            Opcode::LDAR | Opcode::LDARB | Opcode::LDARH => Load(1),
            Opcode::LDXR | Opcode::LDXRB | Opcode::LDXRH => Load(1),
            Opcode::LDAXR | Opcode::LDAXRB | Opcode::LDAXRH => Load(1),
            Opcode::LDP | Opcode::LDPSW | Opcode::LDNP | Opcode::LDXP | Opcode::LDAXP => Load(2),
            Opcode::STR | Opcode::STUR | Opcode::STLR => Store(1, self.width(0)),
            Opcode::STRB | Opcode::STURB | Opcode::STLRB => Store(1, 1),
            Opcode::STRH | Opcode::STURH | Opcode::STLRH => Store(1, 2),
            Opcode::STP | Opcode::STNP => Store(2, self.width(0)),
            Opcode::STXR | Opcode::STLXR => StoreExclusive(1, self.width(1)),
            Opcode::STXRB | Opcode::STLXRB => StoreExclusive(1, 1),
            Opcode::STXRH | Opcode::STLXRH => StoreExclusive(1, 2),
            Opcode::STXP | Opcode::STLXP => StoreExclusive(2, self.width(1)),
            Opcode::ADR | Opcode::ADRP => Address,
            Opcode::B | Opcode::BL | Opcode::Bcc(_) | Opcode::CBZ | Opcode::CBNZ | Opcode::TBZ | Opcode::TBNZ => Branch,
            Opcode::BR | Opcode::BLR | Opcode::RET => Other,
            Opcode::UDF | Opcode::BRK | Opcode::PRFM | Opcode::PRFUM | Opcode::CLREX => Other,
            Opcode::ISB | Opcode::DSB(_) | Opcode::DMB(_) | Opcode::HINT => Other,
            Opcode::SVC if self.decoded.operands[0] == Operand::Imm16(0) => Other,
            Opcode::MRS => return self.read_of_register(),
            _ => return None,
        })
    }

    /// The system register of an MRS.
    fn system_register(&self) -> u32 {
        self.word >> 5 & 0x7fff
    }

    /// The registers that a function may read: the counters.
    fn read_of_register(&mut self) -> Option<Kind> {
        match self.system_register() {
            CNTVCT_EL0 | CNTVCTSS_EL0 => Some(Kind::Compute),
            TPIDR_EL0 | TPIDRRO_EL0 => {
                let remedy = "use no thread-local variable; compile C with `-fno-stack-protector`";
                self.refuse(Rule::SegmentAccess, "uses a thread pointer", remedy);
                Some(Kind::Compute)
            }
            _ => None,
        }
    }

    fn target(&self) -> Option<u64> {
        let offset = self.decoded.operands.iter().find_map(|operand| match operand {
            Operand::PCOffset(offset) => Some(*offset),
            _ => None,
        })?;
        let from = if self.decoded.opcode == Opcode::ADRP { self.address & !0xfff } else { self.address };
        Some(from.wrapping_add_signed(offset))
    }

    fn flow(&mut self) -> Flow {
        let target = self.target();
        match (self.decoded.opcode, target) {
            (Opcode::B, Some(target)) => Flow::Jump(target),
            (Opcode::BL, Some(target)) => Flow::Call(target),
            (Opcode::Bcc(_), Some(target)) if is_always(self.word) => Flow::Jump(target),
            (Opcode::Bcc(_) | Opcode::CBZ | Opcode::CBNZ | Opcode::TBZ | Opcode::TBNZ, Some(target)) => {
                Flow::Branch(target)
            }
            (Opcode::RET, _) if self.decoded.operands[0] == Operand::Register(SizeCode::X, LINK) => Flow::Return,
            (Opcode::BR | Opcode::BLR | Opcode::RET, _) => {
                let remedy =
                    "resolve the target at compile time: no function pointer, no trait object, no jump table; \
                              return by `ret` without operand";
                self.refuse(Rule::IndirectBranch, "the target is not in the instruction", remedy);
                if self.decoded.opcode == Opcode::BLR {
                    Flow::Next
                } else {
                    Flow::Stop
                }
            }
            (Opcode::UDF | Opcode::BRK, _) => Flow::Stop,
            _ => Flow::Next,
        }
    }

    /// The gap filler of lld, and what assemblers align with.
    fn is_padding(&self) -> bool {
        self.word == 0 || (self.decoded.opcode == Opcode::HINT && self.hint() == 0)
    }

    /// `bti c` and `bti jc`: where a call by register may lead (C6.2, BTI). Pads for jumps are none for a caller.
    fn is_landing_pad(&self) -> bool {
        self.decoded.opcode == Opcode::HINT && matches!(self.hint(), 34 | 38)
    }

    /// CRm:op2 of a hint.
    fn hint(&self) -> u32 {
        self.word >> 5 & 0x7f
    }

    /// Bytes of the register that is the operand of this index.
    fn width(&self, index: usize) -> u64 {
        match self.decoded.operands[index] {
            Operand::Register(SizeCode::X, _) => 8,
            _ => 4,
        }
    }

    /// Registers by their number in the operands `range`; the zero register is none.
    fn registers(&self, range: std::ops::Range<usize>) -> Vec<u16> {
        let number = |operand: &Operand| match *operand {
            Operand::Register(_, number) | Operand::RegShift(_, _, _, number) => (number != 31).then_some(number),
            Operand::RegisterOrSP(_, number) => Some(number),
            _ => None,
        };
        self.decoded.operands[range].iter().filter_map(number).collect()
    }

    fn memory(&self) -> Option<Memory> {
        self.decoded.operands.iter().find_map(|operand| match *operand {
            Operand::RegPreIndex(base, offset, moves) => {
                let offset = i64::from(offset);
                Some(Memory { base, index: None, offset, moves: if moves { offset } else { 0 } })
            }
            Operand::RegPostIndex(base, by) => Some(Memory { base, index: None, offset: 0, moves: by.into() }),
            Operand::RegRegOffset(base, index, ..) => Some(Memory { base, index: Some(index), offset: 0, moves: 0 }),
            _ => None,
        })
    }

    /// The registers whose values come from memory or arithmetic, base registers that move excluded.
    fn results(&self, kind: Kind) -> Vec<u16> {
        match kind {
            Kind::Compute | Kind::Change | Kind::Address | Kind::StoreExclusive(..) => self.registers(0..1),
            Kind::Load(count) => self.registers(0..count),
            _ => Vec::new(),
        }
    }

    fn order(&self, kind: Kind) -> Order {
        let opcode = self.decoded.opcode;
        let memory = self.memory();
        let address = memory.as_ref().map_or(0, Memory::registers);
        let mut writes = set(&self.results(kind));
        let selects = matches!(opcode, Opcode::CSEL | Opcode::CSNEG | Opcode::CSINC | Opcode::CSINV);
        let is_always = match opcode {
            Opcode::Bcc(_) => is_always(self.word),
            Opcode::CCMN | Opcode::CCMP => is_always(self.word >> 12),
            _ => selects && is_always(self.word >> 12),
        };
        let mut reads = match kind {
            Kind::Compute if selects && is_always => set(&self.registers(1..2)),
            Kind::Compute => set(&self.registers(1..4)),
            Kind::Change | Kind::Compare | Kind::Branch => set(&self.registers(0..4)),
            Kind::Store(..) => set(&self.registers(0..2)) | address,
            Kind::StoreExclusive(..) => set(&self.registers(1..3)) | address,
            _ => 0,
        };
        let sets_flags =
            matches!(opcode, Opcode::ADCS | Opcode::SBCS | Opcode::BICS | Opcode::ANDS | Opcode::ADDS | Opcode::SUBS);
        if sets_flags || kind == Kind::Compare {
            writes |= FLAGS;
        }
        let uses_carry = matches!(opcode, Opcode::ADC | Opcode::ADCS | Opcode::SBC | Opcode::SBCS);
        let is_conditional = selects || kind == Kind::Compare || matches!(opcode, Opcode::Bcc(_));
        if uses_carry || is_conditional && !is_always {
            reads |= FLAGS;
        }
        if selects && !is_always && self.registers(1..3).len() < 2 {
            reads |= ZERO;
        }
        if matches!(kind, Kind::Store(..) | Kind::StoreExclusive(..)) {
            writes |= MEMORY;
        }
        if let Some(memory) = memory.filter(|memory| memory.moves != 0) {
            writes |= bit(memory.base);
            reads |= bit(memory.base);
        }
        let kind = match opcode {
            Opcode::MRS if matches!(self.system_register(), CNTVCT_EL0 | CNTVCTSS_EL0) => {
                OrderKind::Counter { register: self.system_register() }
            }
            Opcode::ISB => OrderKind::Barrier(barrier::ISB),
            Opcode::DMB(option) => OrderKind::Barrier(option.into()),
            Opcode::DSB(option) => OrderKind::Barrier(barrier::DSB | u32::from(option)),
            Opcode::SVC => OrderKind::SystemCall,
            _ if matches!(kind, Kind::Load(_)) && !self.is_constant() => OrderKind::Load { address },
            _ => OrderKind::Other,
        };
        Order { reads, writes, kind }
    }

    /// The address that it loads from or stores to, if that is known.
    fn accessed(&self) -> Option<u64> {
        match self.memory() {
            Some(memory) if memory.index.is_none() => {
                Some(self.addresses.get(memory.base)?.wrapping_add_signed(memory.offset))
            }
            Some(_) => None,
            None => self.target(),
        }
    }

    /// Whether a load is of a constant in the image, which no barrier is about.
    fn is_constant(&self) -> bool {
        self.accessed().is_some_and(|target| self.surroundings.image.contains(&(target as i64)))
    }

    /// What is known of the registers' addresses behind the instruction.
    fn follow_addresses(&mut self, kind: Kind, flow: Flow) {
        let sum = match self.decoded.operands[1] {
            Operand::RegisterOrSP(SizeCode::X, source) => {
                self.addresses.get(source).zip(self.distance(source)).map(|(from, by)| from.wrapping_add_signed(by))
            }
            _ => None,
        };
        for register in self.results(kind) {
            let address = match kind {
                Kind::Address => self.target(),
                Kind::Compute => sum,
                _ => None,
            };
            self.addresses.set(register, address);
        }
        if let Some(memory) = self.memory().filter(|memory| memory.moves != 0) {
            self.addresses.set(memory.base, None);
        }
        if !matches!(flow, Flow::Next | Flow::Branch(_)) {
            *self.addresses = Addresses::default();
        }
    }

    /// Addresses near the instruction, which it makes or uses. ADRP makes that of a 4 KiB page.
    fn relative(&mut self, kind: Kind) {
        let stores = matches!(kind, Kind::Store(..) | Kind::StoreExclusive(..));
        let target = match kind {
            Kind::Load(_) | Kind::Store(..) | Kind::StoreExclusive(..) => self.accessed(),
            Kind::Address => self.target(),
            _ => None,
        };
        let Some(target) = target.map(|target| target as i64) else { return };
        let fault = self.surroundings.fault(target, stores);
        // What lies in the page may begin behind the page's start.
        let page_end = || self.surroundings.fault(target.saturating_add(0xfff), false);
        self.faults.extend(fault.filter(|_| self.decoded.opcode != Opcode::ADRP || page_end().is_some()));
    }

    fn stack(&self, kind: Kind) -> StackEffect {
        let mut effect = StackEffect { adjust: Some(0), ..StackEffect::default() };
        let memory = self.memory();
        let results = self.results(kind);
        if results.contains(&STACK_POINTER) && !matches!(kind, Kind::Load(_)) {
            effect.adjust = self.distance(STACK_POINTER);
        }
        if results.contains(&FRAME_POINTER) && kind == Kind::Compute {
            effect.frame_pointer = self.distance(STACK_POINTER);
        }
        let on_stack = memory.as_ref().filter(|memory| memory.base == STACK_POINTER);
        if let Some(memory) = on_stack {
            effect.adjust = Some(memory.moves);
            effect.lowest = memory.offset.min(0);
            self.slots(kind, memory, &mut effect);
        }
        let callee_saved = |register: &u16| (PLATFORM..=LINK).contains(register);
        let restored: Vec<u16> = effect.loads.iter().map(|(register, _)| *register).collect();
        effect.writes.extend(results.iter().filter(|register| callee_saved(register) && !restored.contains(register)));
        effect.writes.extend(memory.filter(|memory| memory.moves != 0).map(|memory| memory.base).filter(callee_saved));
        if matches!(self.decoded.opcode, Opcode::BL | Opcode::BLR) {
            effect.writes.push(LINK);
        }
        effect
    }

    /// Stores to the stack and loads of whole callee-saved registers from it.
    fn slots(&self, kind: Kind, memory: &Memory, effect: &mut StackEffect) {
        let whole = |index: usize| self.width(index) == 8;
        let number = |index: usize| self.registers(index..index + 1).first().copied();
        match kind {
            Kind::Store(count, size) | Kind::StoreExclusive(count, size) if memory.index.is_none() => {
                let first = usize::from(matches!(kind, Kind::StoreExclusive(..)));
                for index in 0..count {
                    let register = number(first + index).filter(|_| size == 8);
                    let offset = memory.offset.saturating_add_unsigned(index as u64 * size);
                    effect.stores.push(Slot { offset, size, register });
                }
            }
            Kind::Load(count) if memory.index.is_none() && self.is_plain_load() => {
                for index in (0..count).filter(|index| whole(*index)) {
                    let offset = memory.offset.saturating_add_unsigned(index as u64 * 8);
                    let loaded = number(index).filter(|register| (19..=LINK).contains(register));
                    effect.loads.extend(loaded.map(|register| (register, offset)));
                }
            }
            _ => {}
        }
    }

    /// Whether a register that is loaded gets all its bytes from memory.
    fn is_plain_load(&self) -> bool {
        matches!(self.decoded.opcode, Opcode::LDR | Opcode::LDUR | Opcode::LDP | Opcode::LDNP)
    }

    /// What an addition or subtraction of a constant adds to register `from`; none if it is another instruction.
    fn distance(&self, from: u16) -> Option<i64> {
        let [_, Operand::RegisterOrSP(SizeCode::X, source), amount, Operand::Nothing] = self.decoded.operands else {
            return None;
        };
        let amount = match amount {
            Operand::Immediate(amount) => i64::from(amount),
            Operand::ImmShift(amount, shift) => i64::from(amount) << u32::from(shift).min(12),
            _ => return None,
        };
        match self.decoded.opcode {
            Opcode::ADD if source == from => Some(amount),
            Opcode::SUB if source == from => Some(-amount),
            _ => None,
        }
    }
}

/// An operand in memory.
struct Memory {
    base: u16,
    index: Option<u16>,
    /// Bytes from the base, as it was before the instruction, to the operand.
    offset: i64,
    /// By how much the base moves.
    moves: i64,
}

impl Memory {
    fn registers(&self) -> Registers {
        bit(self.base) | self.index.filter(|index| *index != 31).map_or(0, bit)
    }
}

fn bit(register: u16) -> Registers {
    1 << (register & 31)
}

/// The set of some registers.
pub(super) fn set(registers: &[u16]) -> Registers {
    registers.iter().fold(0, |set, register| set | bit(*register))
}
