//! LA64 instructions, each judged by itself and by the addresses that the ones before it made.
//!
//! Every instruction that is not known here is refused, so that none passes for something harmless.

use super::encoding::{self, Decoded, Format};
use super::operands::{self, register_set};
use super::{barrier, groups, text, RA, RESERVED, SP, TP};
use vdso_linker::arch::{
    Fault, Flow, Instruction, Order, OrderKind, Registers, Slot, StackEffect, Surroundings, Value, Values,
    VECTOR_REMEDY,
};
use vdso_linker::gate::Rule;

/// Bytes of an instruction.
const LENGTH: u64 = 4;

/// `break 0`: what lld fills gaps with.
const TRAP: u32 = 0x002a_0000;

/// Decodes bytes that lie at `address`, up to the first that are no instruction.
pub(crate) fn decode(bytes: &[u8], address: u64, surroundings: &Surroundings) -> Vec<Instruction> {
    let mut instructions: Vec<Instruction> = Vec::new();
    let mut values = Values::new(Some(0));
    let mut previous = None;
    let mut address = address;
    for unit in bytes.chunks(LENGTH as usize) {
        let word = <[u8; LENGTH as usize]>::try_from(unit).map(u32::from_le_bytes);
        let decoded = word.ok().and_then(encoding::decode);
        let instruction = match (word, &decoded) {
            (Ok(_), Some(decoded)) => {
                let judge = Judge { decoded, address, values: &values, previous, surroundings, faults: Vec::new() };
                judge.instruction()
            }
            (Ok(word), None) => unlisted(word, address),
            (Err(_), _) => unknown(unit, address),
        };
        let made = decoded.as_ref().and_then(|decoded| made(&values, decoded, instruction.address));
        values.follow(&instruction, made);
        previous = decoded;
        address = instruction.end();
        let known = instruction.faults.iter().all(|fault| fault.rule != Rule::Undecodable);
        instructions.push(instruction);
        if !known {
            break;
        }
    }
    instructions
}

fn unknown(bytes: &[u8], address: u64) -> Instruction {
    let what = "these bytes are no basic integer instruction of LA64";
    let remedy = "move data to .rodata; compile for `loongarch64` without further extensions (LBT, LVZ)";
    Instruction::undecodable(address, bytes, what, remedy)
}

/// An instruction that is not in the tables: of floating point, of the kernel, of an extension, or none.
fn unlisted(word: u32, address: u64) -> Instruction {
    let (rule, what, remedy) = if groups::is_floating_point_or_vector(word) {
        (Rule::VectorInstruction, "floating-point or vector instruction", VECTOR_REMEDY)
    } else if groups::is_privileged(word) {
        (Rule::SystemInstruction, "only kernels may run it", "leave it to the kernel: make the system call")
    } else if groups::is_checksum(word) {
        (Rule::CpuFeature, "a processor may lack the checksums (CPUCFG.1.CRC)", "compute it by other instructions")
    } else {
        return unknown(&word.to_le_bytes(), address);
    };
    let faults = vec![Fault { rule, what: what.to_owned(), remedy }];
    Instruction { faults, ..Instruction::new(address, LENGTH, format!(".word {word:#010x}")) }
}

/// What an instruction makes of what is known.
fn made(values: &Values, decoded: &Decoded, address: u64) -> Option<Value> {
    let value = decoded.immediate();
    let constant = |value: &Value| *value == Value::Constant;
    match decoded.encoding.mnemonic {
        "lu12i.w" => Some(Value::Constant),
        "addi.d" => Some(values.of(decoded.rj())?.plus(value)),
        "addu16i.d" => Some(values.of(decoded.rj())?.plus(value << 16)),
        "addi.w" | "ori" | "lu52i.d" => values.of(decoded.rj()).filter(constant),
        "lu32i.d" => values.of(decoded.rd()).filter(constant),
        "or" | "add.d" if decoded.rk() == 0 => values.of(decoded.rj()),
        "or" | "add.d" if decoded.rj() == 0 => values.of(decoded.rk()),
        _ => relative(decoded, address).map(Value::Address),
    }
}

/// The address that an instruction makes relative to its own, if it does (2.2.1.7). A code's distance from its
/// page's start is the same wherever the image is mapped.
fn relative(decoded: &Decoded, address: u64) -> Option<i64> {
    let (address, value) = (address as i64, decoded.immediate());
    Some(match decoded.encoding.mnemonic {
        "pcaddi" => address.wrapping_add(value << 2),
        "pcaddu12i" => address.wrapping_add(value << 12),
        "pcaddu18i" => address.wrapping_add(value << 18),
        "pcalau12i" => address.wrapping_add(value << 12) & !0xfff,
        _ => return None,
    })
}

/// An instruction under judgement.
struct Judge<'a> {
    decoded: &'a Decoded,
    address: u64,
    values: &'a Values,
    surroundings: &'a Surroundings,
    /// The instruction right before it.
    previous: Option<Decoded>,
    faults: Vec<Fault>,
}

impl Judge<'_> {
    fn instruction(mut self) -> Instruction {
        let text = text::text(self.decoded, self.address);
        let order = self.order();
        self.system();
        self.reserved_registers(register_set(self.decoded.rd()) & order.writes | operands::named(self.decoded));
        self.memory();
        let flow = self.flow();
        Instruction {
            flow,
            stack: stack(self.decoded, &order),
            padding: text == "nop" || self.decoded.word == TRAP,
            branch_fault: self.branch_fault(),
            order,
            faults: self.faults,
            ..Instruction::new(self.address, LENGTH, text)
        }
    }

    fn refuse(&mut self, rule: Rule, what: impl Into<String>, remedy: &'static str) {
        self.faults.push(Fault { rule, what: what.into(), remedy });
    }

    /// What is the kernel's to know, or the processor's.
    fn system(&mut self) {
        match self.decoded.format() {
            Format::Configuration => {
                let remedy = "let the kernel find out, and say it in the page";
                self.refuse(Rule::SystemInstruction, "its answer is the processor's that it happens to run on", remedy);
            }
            Format::Counter if self.decoded.rj() != 0 => {
                let what = "reads the counter's number too, of which nothing says that it waits for the counter";
                self.refuse(Rule::UnorderedCounter, what, "give `$zero` as second register");
            }
            // Those of the other new instructions of version 1.1 store, which is refused of all.
            Format::LoadAcquire => {
                let what = "a processor may lack it (CPUCFG.2.LLACQ_SCREL)";
                self.refuse(Rule::CpuFeature, what, "read by a plain load, and `dbar` behind it");
            }
            _ => {}
        }
    }

    /// Registers that belong to the program and its threads.
    fn reserved_registers(&mut self, used: Registers) {
        for register in [TP, RESERVED].into_iter().filter(|register| used & register_set(*register) != 0) {
            let remedy = "use no thread-local variable; compile C with `-fno-stack-protector`";
            self.refuse(Rule::SegmentAccess, format!("uses {}", text::register(register)), remedy);
        }
    }

    /// Where it loads from or stores to, if that is known.
    fn accessed(&self) -> Option<Value> {
        let base = self.values.of(self.decoded.rj());
        match self.decoded.format() {
            Format::Load12 | Format::Load14 | Format::LoadAcquire => Some(base?.plus(self.decoded.immediate())),
            Format::Store12 | Format::Store14 | Format::StoreConditional | Format::StoreRelease | Format::Atomic => {
                Some(base?.plus(self.decoded.immediate()))
            }
            Format::LoadIndexed | Format::StoreIndexed => {
                let index = self.values.of(self.decoded.rk());
                let constant = [base, index].iter().all(|value| *value == Some(Value::Constant));
                constant.then_some(Value::Constant)
            }
            _ => None,
        }
    }

    /// Addresses that are relative to the code, and absolute ones.
    fn memory(&mut self) {
        let decoded = self.decoded;
        let exclusive = matches!(decoded.format(), Format::StoreConditional | Format::StoreRelease | Format::Atomic);
        let stores = exclusive || matches!(decoded.format(), Format::Store12 | Format::Store14 | Format::StoreIndexed);
        if exclusive {
            let remedy =
                "read by plain loads and barriers (`Relaxed` loads of up to 8 bytes), keep state in the kernel";
            let what = "an atomic operation that writes, where all that is shared is read-only";
            self.refuse(Rule::ReadOnlyStore, what, remedy);
        }
        let formed = match decoded.encoding.mnemonic {
            // The others make the upper part of an address only.
            "pcaddi" => relative(decoded, self.address),
            "addi.d" => match self.values.of(decoded.rj()) {
                Some(Value::Address(base)) => Some(base.wrapping_add(decoded.immediate())),
                _ => None,
            },
            _ => None,
        };
        match self.accessed() {
            Some(Value::Address(target)) => self.faults.extend(self.surroundings.fault(target, stores)),
            Some(Value::Constant) => {
                let what = format!("accesses an absolute address, {} and a constant", text::register(decoded.rj()));
                let remedy = "compile position-independent (`-C relocation-model=pic`, `-fPIC`); in assembly, use \
                              `la.pcrel`";
                self.refuse(Rule::AbsoluteAddress, what, remedy);
            }
            None => self.faults.extend(formed.and_then(|target| self.surroundings.fault(target, false))),
        }
    }

    fn flow(&mut self) -> Flow {
        let target = self.address.wrapping_add_signed(self.decoded.immediate());
        match self.decoded.format() {
            Format::Branch | Format::BranchZero => Flow::Branch(target),
            Format::Jump if self.decoded.is("bl") => Flow::Call(target),
            Format::Jump => Flow::Jump(target),
            Format::JumpRegister => self.jump_register(),
            Format::Code if self.decoded.is("break") => Flow::Stop,
            _ => Flow::Next,
        }
    }

    fn jump_register(&mut self) -> Flow {
        let (link, base) = (self.decoded.rd(), self.decoded.rj());
        match (link, self.pair()) {
            (0, Some(target)) => Flow::Jump(target),
            (RA, Some(target)) => Flow::Call(target),
            (_, Some(target)) => {
                let what = format!("returns by {}, which is an indirect branch", text::register(link));
                self.refuse(Rule::IndirectBranch, what, "call by `bl` or `call36`");
                Flow::Call(target)
            }
            (0, None) if base == RA && self.decoded.immediate() == 0 => Flow::Return,
            (_, None) => {
                let remedy = "resolve the target at compile time: no function pointer, no trait object, no jump table \
                              (C: `-fno-jump-tables`)";
                self.refuse(Rule::IndirectBranch, "the target is not in the instruction", remedy);
                match link {
                    0 => Flow::Stop,
                    _ => Flow::Next,
                }
            }
        }
    }

    /// The target of PCADDU18I and JIRL, which together reach where a BL does not.
    fn pair(&self) -> Option<u64> {
        let upper = self.previous.filter(|it| it.is("pcaddu18i") && it.rd() == self.decoded.rj() && it.rd() != 0)?;
        let base = relative(&upper, self.address.wrapping_sub(LENGTH))?;
        Some(base.wrapping_add(self.decoded.immediate()) as u64)
    }

    /// A branch to the second half of such a pair would go elsewhere.
    fn branch_fault(&self) -> Option<Fault> {
        let second = self.decoded.format() == Format::JumpRegister && self.pair().is_some();
        second.then(|| Fault {
            rule: Rule::IndirectBranch,
            what: "is reached without the PCADDU18I that it belongs to".to_owned(),
            remedy: "write `call36` or `tail36`, and no label between their two instructions",
        })
    }

    fn order(&self) -> Order {
        let decoded = self.decoded;
        let [rd, rj, rk] = [decoded.rd(), decoded.rj(), decoded.rk()].map(register_set);
        let reads = match decoded.format() {
            // What a load's address is made of is not among what it reads.
            Format::Load12 | Format::Load14 | Format::LoadAcquire | Format::LoadIndexed => 0,
            Format::Atomic => rd | rk,
            _ => operands::effective(decoded),
        };
        let writes = match decoded.format() {
            Format::Counter => rd | rj,
            Format::Jump if decoded.is("bl") => register_set(RA),
            Format::Code if decoded.is("syscall") => SYSTEM_CALL,
            Format::Store12 | Format::Store14 | Format::StoreIndexed | Format::Prefetch => 0,
            Format::PrefetchIndexed | Format::Branch | Format::BranchZero | Format::Jump | Format::Code => 0,
            _ => rd,
        };
        let is_constant = matches!(self.accessed(), Some(Value::Address(at)) if self.surroundings.image.contains(&at));
        let kind = match decoded.format() {
            Format::Load12 | Format::Load14 | Format::LoadAcquire if is_constant => OrderKind::Other,
            Format::Load12 | Format::Load14 | Format::LoadAcquire | Format::Atomic => OrderKind::Load { address: rj },
            Format::LoadIndexed => OrderKind::Load { address: rj | rk },
            Format::Counter => OrderKind::Counter { register: decoded.word >> 10 },
            Format::Code => match decoded.encoding.mnemonic {
                "syscall" => OrderKind::SystemCall,
                "dbar" => OrderKind::Barrier(decoded.immediate() as u32),
                "ibar" => OrderKind::Barrier(barrier::IBAR | decoded.immediate() as u32),
                _ => OrderKind::Other,
            },
            _ => OrderKind::Other,
        };
        Order { reads, writes, kind }
    }
}

/// What a system call of Linux leaves in other registers than before: the result in a0, and anything in t0 to t8.
const SYSTEM_CALL: Registers = 1 << 4 | 0x1ff << 12;

fn stack(decoded: &Decoded, order: &Order) -> StackEffect {
    let adjust = (order.writes & register_set(SP) == 0).then_some(0);
    let callee_saved = super::ARCHITECTURE.convention.callee_saved.iter().map(|(number, _)| *number);
    let writes = callee_saved.filter(|number| order.writes & register_set((*number).into()) != 0).collect();
    let mut effect = StackEffect { adjust, writes, ..StackEffect::default() };
    if decoded.rj() != SP {
        return effect;
    }
    let offset = decoded.immediate();
    match decoded.format() {
        Format::Signed12 if decoded.is("addi.d") => {
            effect.lowest = offset.min(0);
            if decoded.rd() == SP {
                (effect.adjust, effect.lowest) = (Some(offset), 0);
            }
        }
        Format::Store12 | Format::Store14 | Format::StoreConditional | Format::StoreRelease => {
            effect.lowest = offset.min(0);
            let register = matches!(decoded.encoding.mnemonic, "st.d" | "stptr.d").then_some(decoded.rd() as u16);
            effect.stores.push(Slot { offset, size: decoded.size(), register });
        }
        Format::Load12 | Format::Load14 => {
            effect.lowest = offset.min(0);
            // A whole register comes back from where it was saved.
            if matches!(decoded.encoding.mnemonic, "ld.d" | "ldptr.d") {
                effect.loads.extend(effect.writes.drain(..).map(|number| (number, offset)));
            }
        }
        _ => {}
    }
    effect
}
