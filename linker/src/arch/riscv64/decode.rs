//! RV64GC instructions, each judged by itself and by the addresses that the ones before it made.
//!
//! Every instruction that is not known here is refused, so that none passes for something harmless.

use super::encoding::{self, csr, Decoded, Format};
use super::{compressed, order, text, RA, SP};
use crate::arch::{
    Fault, Flow, Instruction, Order, OrderKind, Registers, Slot, StackEffect, Surroundings, Value, Values,
    VECTOR_REMEDY,
};
use crate::gate::Rule;

/// The global pointer and the thread pointer (calling convention, "Integer Register Convention").
const GP: u32 = 3;
const TP: u32 = 4;

/// An instruction that no processor has: what linkers fill gaps with.
const ZERO: u16 = 0;

/// `unimp`: a write to a register that cannot be written (`csrrw zero, cycle, zero`). Compilers trap by it.
const UNIMP: u32 = 0xc000_1073;

/// Bytes of an AUIPC, which has no 16-bit encoding.
const UPPER_LENGTH: u64 = 4;

/// Decodes bytes that lie at `address`, up to the first that are no instruction.
pub(super) fn decode(bytes: &[u8], address: u64, surroundings: &Surroundings) -> Vec<Instruction> {
    let mut instructions: Vec<Instruction> = Vec::new();
    let mut values = Values::new(Some(0));
    let mut previous = None;
    let mut rest = bytes;
    let mut address = address;
    while !rest.is_empty() {
        let fetched = fetch(rest);
        let decoded = match fetched {
            Fetched::Word { word, .. } => encoding::decode(word),
            _ => None,
        };
        let instruction = match fetched {
            Fetched::Zero => zero(address),
            Fetched::Unknown(length) => unknown(address, &rest[..length]),
            Fetched::Word { word, length } => {
                let judge =
                    Judge { word, length, address, values: &values, previous, surroundings, faults: Vec::new() };
                judge.instruction(decoded.as_ref())
            }
        };
        let made = decoded.as_ref().and_then(|decoded| made(&values, decoded, instruction.address));
        values.follow(&instruction, made);
        previous = decoded;
        rest = &rest[instruction.length as usize..];
        address = instruction.end();
        let known = instruction.faults.iter().all(|fault| fault.rule != Rule::Undecodable);
        instructions.push(instruction);
        if !known {
            break;
        }
    }
    instructions
}

/// What bytes begin with.
enum Fetched {
    /// The halfword 0.
    Zero,
    /// An instruction as a 32-bit one, and how long it is.
    Word { word: u32, length: u64 },
    /// So many bytes that are none.
    Unknown(usize),
}

/// An instruction's length is in its lowest bits (manual, "Expanded Instruction-Length Encoding").
fn fetch(bytes: &[u8]) -> Fetched {
    let [low, high, ..] = bytes else { return Fetched::Unknown(bytes.len()) };
    let half = u16::from_le_bytes([*low, *high]);
    if half == ZERO {
        return Fetched::Zero;
    }
    if compressed::is_compressed(half) {
        return compressed::expand(half).map_or(Fetched::Unknown(2), |word| Fetched::Word { word, length: 2 });
    }
    match bytes {
        [a, b, c, d, ..] if half & 0x1f != 0x1f => {
            Fetched::Word { word: u32::from_le_bytes([*a, *b, *c, *d]), length: 4 }
        }
        _ => Fetched::Unknown(bytes.len().min(4)),
    }
}

fn zero(address: u64) -> Instruction {
    Instruction { flow: Flow::Stop, padding: true, ..Instruction::new(address, 2, "unimp".to_owned()) }
}

fn unknown(address: u64, bytes: &[u8]) -> Instruction {
    let remedy = "move data to .rodata; compile for `rv64gc`";
    Instruction::undecodable(address, bytes, "these bytes are no instruction of RV64GC", remedy)
}

/// What an instruction makes of what is known.
fn made(values: &Values, decoded: &Decoded, address: u64) -> Option<Value> {
    match decoded.encoding.mnemonic {
        "auipc" => Some(Value::Address(address.wrapping_add_signed(decoded.immediate()) as i64)),
        "lui" => Some(Value::Constant),
        "addi" | "addiw" => Some(values.of(decoded.rs1())?.plus(decoded.immediate())),
        "add" if decoded.rs1() == 0 => values.of(decoded.rs2()),
        _ => None,
    }
}

/// An instruction under judgement.
struct Judge<'a> {
    word: u32,
    length: u64,
    address: u64,
    values: &'a Values,
    surroundings: &'a Surroundings,
    /// The instruction right before it.
    previous: Option<Decoded>,
    faults: Vec<Fault>,
}

impl Judge<'_> {
    fn instruction(mut self, decoded: Option<&Decoded>) -> Instruction {
        let Some(decoded) = decoded else { return self.unlisted() };
        let text = text::text(decoded, self.address);
        let order = order_of(decoded);
        self.system(decoded);
        self.reserved_registers(order.reads | order.writes | address_registers(decoded));
        self.memory(decoded);
        let flow = self.flow(decoded);
        Instruction {
            flow,
            stack: stack(decoded, &order),
            padding: text == "nop",
            branch_fault: self.branch_fault(decoded),
            order,
            faults: self.faults,
            ..Instruction::new(self.address, self.length, text)
        }
    }

    fn refuse(&mut self, rule: Rule, what: impl Into<String>, remedy: &'static str) {
        self.faults.push(Fault { rule, what: what.into(), remedy });
    }

    /// An instruction that is not in the tables: of floating point, of the kernel, of an extension, or none.
    fn unlisted(mut self) -> Instruction {
        let instruction =
            Instruction::new(self.address, self.length, format!(".insn {}, {:#010x}", self.length, self.word));
        if encoding::is_floating_point_or_vector(self.word) {
            self.floating_point();
            return Instruction { faults: self.faults, ..instruction };
        }
        if encoding::opcode(self.word) == encoding::opcode::SYSTEM {
            self.privileged();
            return Instruction { faults: self.faults, ..instruction };
        }
        if encoding::is_in_base_group(self.word) {
            self.refuse(
                Rule::CpuFeature,
                "no instruction of RV64GC",
                "compile for `rv64gc` without further extensions",
            );
            let writes = register_set(encoding::rd(self.word));
            let order = Order { writes, ..Order::default() };
            return Instruction { stack: written(writes), order, faults: self.faults, ..instruction };
        }
        unknown(self.address, &self.word.to_le_bytes())
    }

    fn floating_point(&mut self) {
        self.refuse(Rule::VectorInstruction, "floating-point or vector instruction", VECTOR_REMEDY);
    }

    fn privileged(&mut self) {
        let remedy = "leave it to the kernel: make the system call";
        self.refuse(
            Rule::SystemInstruction,
            "only kernels may run it, or its result is the kernel's to define",
            remedy,
        );
    }

    /// Registers of the system, and what belongs to the kernel.
    fn system(&mut self, decoded: &Decoded) {
        match decoded.encoding.format {
            Format::Csr if is_counter(decoded) => {}
            Format::Csr | Format::CsrImmediate if self.word == UNIMP => {}
            Format::Csr | Format::CsrImmediate => {
                let csr = decoded.csr();
                if csr::FLOATING_POINT.contains(&csr) || csr::VECTOR.contains(&csr) || csr::VECTOR_STATE.contains(&csr)
                {
                    self.floating_point();
                } else {
                    self.privileged();
                }
            }
            _ if decoded.is("fence.i") => {
                // It is for the hart that runs it, and the thread may move to another one (manual, "Zifencei").
                let remedy = "make the system call riscv_flush_icache";
                self.refuse(Rule::SystemInstruction, "orders the fetches of this hart only", remedy);
            }
            _ => {}
        }
    }

    /// Registers that belong to the program and its threads.
    fn reserved_registers(&mut self, used: Registers) {
        for register in [GP, TP].into_iter().filter(|register| used & register_set(*register) != 0) {
            let remedy = "use no thread-local variable; compile C with `-fno-stack-protector -msmall-data-limit=0`";
            self.refuse(Rule::SegmentAccess, format!("uses {}", text::register(register)), remedy);
        }
    }

    /// Addresses that are relative to the code, and absolute ones.
    fn memory(&mut self, decoded: &Decoded) {
        let format = decoded.encoding.format;
        let stores = matches!(format, Format::Store | Format::Atomic);
        let accesses = stores || matches!(format, Format::Load | Format::LoadReserved);
        if format == Format::Atomic {
            let remedy = "read by plain loads and fences (`Relaxed` loads of up to 8 bytes), keep state in the kernel";
            self.refuse(
                Rule::ReadOnlyStore,
                "an atomic operation that writes, where all that is shared is read-only",
                remedy,
            );
        }
        match self.values.of(decoded.rs1()) {
            Some(Value::Address(base)) if accesses || decoded.is("addi") => {
                let target = base.wrapping_add(decoded.immediate());
                self.faults.extend(self.surroundings.fault(target, stores));
            }
            Some(Value::Constant) if accesses => {
                let what = format!("accesses an absolute address, {} and a constant", text::register(decoded.rs1()));
                let remedy =
                    "compile position-independent (`-C relocation-model=pic`, `-fPIC`); in assembly, use `lla`";
                self.refuse(Rule::AbsoluteAddress, what, remedy);
            }
            _ => {}
        }
    }

    fn flow(&mut self, decoded: &Decoded) -> Flow {
        let target = self.address.wrapping_add_signed(decoded.immediate());
        match decoded.encoding.format {
            Format::Branch => Flow::Branch(target),
            Format::Jump => self.linked(decoded.rd(), target),
            Format::JumpRegister => match self.pair(decoded) {
                Some(target) => self.linked(decoded.rd(), target),
                None if decoded.rd() == 0 && decoded.rs1() == RA && decoded.immediate() == 0 => Flow::Return,
                None => {
                    let remedy = "resolve the target at compile time: no function pointer, no trait object, no jump \
                                  table (`-Z no-jump-tables`, or fewer than four arms in a match)";
                    self.refuse(Rule::IndirectBranch, "the target is not in the instruction", remedy);
                    if decoded.rd() == 0 {
                        Flow::Stop
                    } else {
                        Flow::Next
                    }
                }
            },
            _ if decoded.is("ebreak") || self.word == UNIMP => Flow::Stop,
            _ => Flow::Next,
        }
    }

    /// A jump that keeps its return address in a register, or in none.
    fn linked(&mut self, link: u32, target: u64) -> Flow {
        match link {
            0 => Flow::Jump(target),
            RA => Flow::Call(target),
            _ => {
                let what = format!("returns by {}, which is an indirect branch", text::register(link));
                self.refuse(Rule::IndirectBranch, what, "call by `call` or `jal ra`; compile without `-msave-restore`");
                Flow::Call(target)
            }
        }
    }

    /// The target of AUIPC and JALR, which together reach where a JAL does not.
    fn pair(&self, decoded: &Decoded) -> Option<u64> {
        let upper = self.previous.filter(|previous| previous.is("auipc") && previous.rd() == decoded.rs1())?;
        let base = self.address.wrapping_sub(UPPER_LENGTH).wrapping_add_signed(upper.immediate());
        Some(base.wrapping_add_signed(decoded.immediate()) & !1)
    }

    /// A branch to the second half of such a pair would go elsewhere.
    fn branch_fault(&self, decoded: &Decoded) -> Option<Fault> {
        let second = decoded.encoding.format == Format::JumpRegister && self.pair(decoded).is_some();
        second.then(|| Fault {
            rule: Rule::IndirectBranch,
            what: "is reached without the AUIPC that it belongs to".to_owned(),
            remedy: "write `call` or `tail`, and no label between their two instructions",
        })
    }
}

/// The set of one register; x0 is none.
fn register_set(register: u32) -> Registers {
    1 << register & !1
}

/// Whether it reads the counter and does nothing else.
fn is_counter(decoded: &Decoded) -> bool {
    decoded.is("csrrs") && decoded.csr() == csr::TIME && decoded.rs1() == 0
}

/// The registers that an address in memory is made of.
fn address_registers(decoded: &Decoded) -> Registers {
    match decoded.encoding.format {
        Format::Load | Format::Store | Format::LoadReserved | Format::Atomic => register_set(decoded.rs1()),
        _ => 0,
    }
}

fn order_of(decoded: &Decoded) -> Order {
    let [rd, rs1, rs2] = [decoded.rd(), decoded.rs1(), decoded.rs2()].map(register_set);
    let (reads, writes) = match decoded.encoding.format {
        Format::Upper | Format::Jump | Format::CsrImmediate | Format::Load | Format::LoadReserved => (0, rd),
        Format::JumpRegister | Format::Immediate | Format::Shift | Format::ShiftWord | Format::Csr => (rs1, rd),
        Format::Branch | Format::Store => (rs1 | rs2, 0),
        Format::Register => (rs1 | rs2, rd),
        Format::Atomic => (rs2, rd),
        Format::Fence | Format::Whole => (0, 0),
    };
    let kind = match decoded.encoding.format {
        Format::Load | Format::LoadReserved | Format::Atomic => OrderKind::Load { address: rs1 },
        Format::Csr if is_counter(decoded) => OrderKind::Counter { register: decoded.csr() },
        // FENCE.TSO leaves writes that come before reads that come behind, and device input, to no order.
        Format::Fence if decoded.fence_mode() == 0 => {
            OrderKind::Barrier(order::number(decoded.predecessors(), decoded.successors()))
        }
        Format::Whole if decoded.is("ecall") => OrderKind::SystemCall,
        _ => OrderKind::Other,
    };
    Order { reads, writes, kind }
}

/// What a write to these registers does to the stack.
fn written(writes: Registers) -> StackEffect {
    let adjust = (writes & register_set(SP) == 0).then_some(0);
    let callee_saved = super::ARCHITECTURE.convention.callee_saved.iter().map(|(number, _)| *number);
    let writes = callee_saved.filter(|number| writes & register_set((*number).into()) != 0).collect();
    StackEffect { adjust, writes, ..StackEffect::default() }
}

fn stack(decoded: &Decoded, order: &Order) -> StackEffect {
    let mut effect = written(order.writes);
    if decoded.rs1() != SP {
        return effect;
    }
    let offset = decoded.immediate();
    match decoded.encoding.format {
        Format::Immediate if decoded.is("addi") => {
            effect.lowest = offset.min(0);
            if decoded.rd() == SP {
                (effect.adjust, effect.lowest) = (Some(offset), 0);
            }
        }
        Format::Store => {
            effect.lowest = offset.min(0);
            let register = decoded.is("sd").then_some(decoded.rs2() as u16);
            effect.stores.push(Slot { offset, size: decoded.size(), register });
        }
        Format::Load => {
            effect.lowest = offset.min(0);
            // A whole register comes back from where it was saved.
            if decoded.is("ld") {
                effect.loads.extend(effect.writes.drain(..).map(|number| (number, offset)));
            }
        }
        _ => {}
    }
    effect
}
