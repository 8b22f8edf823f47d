//! x86-64 instructions, each judged by itself.

use super::order;
use crate::arch::{Fault, Flow, Instruction, Slot, StackEffect, Surroundings, VECTOR_REMEDY};
use crate::gate::Rule;
use iced_x86::{
    Code, CpuidFeature, Decoder, DecoderOptions, FlowControl, Formatter, Instruction as Decoded, InstructionInfo,
    InstructionInfoFactory, IntelFormatter, MemorySize, Mnemonic, OpAccess, OpKind, Register,
};

/// The DWARF number of a callee-saved register, whichever part of it is named.
fn callee_saved(register: Register) -> Option<u16> {
    match register.full_register() {
        Register::RBX => Some(3),
        Register::RBP => Some(6),
        Register::R12 => Some(12),
        Register::R13 => Some(13),
        Register::R14 => Some(14),
        Register::R15 => Some(15),
        _ => None,
    }
}

/// Decodes bytes that lie at `address`, up to the first that are no instruction.
pub(super) fn decode(bytes: &[u8], address: u64, surroundings: &Surroundings) -> Vec<Instruction> {
    let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    let mut info = InstructionInfoFactory::new();
    let mut formatter = formatter();
    let mut instructions = Vec::new();
    let mut previous = None;
    while decoder.can_decode() {
        let decoded = decoder.decode();
        let mut text = String::new();
        formatter.format(&decoded, &mut text);
        let invalid = decoded.is_invalid();
        let start = decoded.ip().wrapping_sub(address) as usize;
        let encoding = bytes.get(start..start + decoded.len()).unwrap_or_default();
        let judge = Judge {
            decoded: &decoded,
            encoding,
            info: info.info(&decoded),
            previous,
            surroundings,
            faults: Vec::new(),
        };
        instructions.push(judge.instruction(text));
        if invalid {
            break;
        }
        previous = Some(decoded.mnemonic());
    }
    instructions
}

/// Text as other tools print it: `mov eax, [rip+0x10]`.
fn formatter() -> IntelFormatter {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_space_after_operand_separator(true);
    options.set_rip_relative_addresses(true);
    formatter
}

/// An instruction under judgement.
struct Judge<'a> {
    decoded: &'a Decoded,
    /// Its bytes.
    encoding: &'a [u8],
    info: &'a InstructionInfo,
    /// The mnemonic of the instruction right before it.
    previous: Option<Mnemonic>,
    surroundings: &'a Surroundings,
    faults: Vec<Fault>,
}

impl Judge<'_> {
    fn instruction(mut self, text: String) -> Instruction {
        let decoded = self.decoded;
        let flow = if decoded.is_invalid() {
            self.refuse(Rule::Undecodable, "these bytes are no instruction", "move data to .rodata");
            Flow::Stop
        } else {
            self.feature();
            self.flags();
            self.operands();
            self.branch_encoding();
            self.flow()
        };
        let branch_fault = self.counter();
        Instruction {
            flow,
            stack: self.stack(),
            padding: matches!(decoded.mnemonic(), Mnemonic::Nop | Mnemonic::Int3),
            faults: self.faults,
            branch_fault,
            ..Instruction::new(decoded.ip(), decoded.len() as u64, text)
        }
    }

    fn refuse(&mut self, rule: Rule, what: impl Into<String>, remedy: &'static str) {
        self.faults.push(Fault { rule, what: what.into(), remedy });
    }

    /// Vector and x87 instructions, instructions of the kernel, instructions that not every CPU has.
    fn feature(&mut self) {
        let features = self.decoded.cpuid_features();
        if self.is_vector() {
            let what = format!("vector or x87 instruction ({features:?})");
            self.refuse(Rule::VectorInstruction, what, VECTOR_REMEDY);
        } else if self.is_system() {
            let remedy = "leave it to the kernel: make the system call";
            self.refuse(
                Rule::SystemInstruction,
                "only kernels may run it, or its result is the kernel's to define",
                remedy,
            );
        } else if matches!(self.decoded.mnemonic(), Mnemonic::Lahf | Mnemonic::Sahf) {
            // Instructions of the 8086, which the first x86-64 processors do not have in 64-bit mode (Intel SDM, LAHF:
            // "if CPUID.80000001H:ECX.LAHF-SAHF[bit 0] = 1").
            let remedy = "keep a condition in a register (SETcc), not in the flags";
            self.refuse(Rule::CpuFeature, "needs the CPU feature LAHF_SAHF", remedy);
        } else if let Some(feature) = features.iter().find(|feature| !is_baseline(**feature)) {
            let what = format!("needs the CPU feature {feature:?}");
            self.refuse(Rule::CpuFeature, what, "compile for `x86-64` without further target features");
        }
    }

    /// Whether it touches vector or x87 state. LFENCE, PAUSE and PREFETCH came with SSE and do not.
    fn is_vector(&self) -> bool {
        let state = |register: Register| {
            register.is_vector_register()
                || register.is_mm()
                || register.is_st()
                || register.is_k()
                || register.is_tmm()
                || register.is_bnd()
        };
        let save = |feature: &CpuidFeature| {
            matches!(
                feature,
                CpuidFeature::FPU
                    | CpuidFeature::FPU287
                    | CpuidFeature::FPU387
                    | CpuidFeature::MMX
                    | CpuidFeature::FXSR
                    | CpuidFeature::XSAVE
                    | CpuidFeature::XSAVEC
                    | CpuidFeature::XSAVEOPT
                    | CpuidFeature::XSAVES
                    | CpuidFeature::AVX
            )
        };
        let control = matches!(
            self.decoded.mnemonic(),
            Mnemonic::Ldmxcsr | Mnemonic::Stmxcsr | Mnemonic::Wait | Mnemonic::Emms | Mnemonic::Femms
        );
        let used = self.info.used_registers().iter().any(|used| state(used.register()));
        used || control || self.decoded.cpuid_features().iter().any(save)
    }

    /// Whether it is privileged, enters the kernel by another way than SYSCALL, or answers from a table of the kernel's
    /// or from the hypervisor.
    fn is_system(&self) -> bool {
        let answers = matches!(
            self.decoded.mnemonic(),
            Mnemonic::Lsl
                | Mnemonic::Lar
                | Mnemonic::Verr
                | Mnemonic::Verw
                | Mnemonic::Sgdt
                | Mnemonic::Sidt
                | Mnemonic::Sldt
                | Mnemonic::Str
                | Mnemonic::Smsw
                | Mnemonic::Cpuid
        );
        let enters = match self.decoded.flow_control() {
            FlowControl::Call => !matches!(self.decoded.mnemonic(), Mnemonic::Call | Mnemonic::Syscall),
            FlowControl::Interrupt => self.decoded.mnemonic() != Mnemonic::Int3,
            _ => false,
        };
        self.decoded.is_privileged() || answers || enters
    }

    /// Flags that belong to the program: "the direction flag DF must be clear ... on function entry and return" (System V
    /// ABI, 3.2.1), and POPF loads it together with those that trap each instruction and each misaligned access.
    fn flags(&mut self) {
        let what = match self.decoded.mnemonic() {
            Mnemonic::Std => "sets the direction flag, which is clear where functions are entered and left",
            Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Popfq => {
                "loads the flags of direction, single steps and alignment, which belong to the program"
            }
            _ => return,
        };
        self.refuse(
            Rule::SavedRegister,
            what,
            "copy upwards; keep a condition in a register (SETcc), not in the flags",
        );
    }

    /// Intel's processors ignore a prefix for operands of 16 bits at a near branch (SDM, volume 2, appendix A, superscript
    /// f64), AMD's jump to the lowest 16 bits of the target (AMD64 Architecture Programmer's Manual, volume 3, "JMP (Near)").
    fn branch_encoding(&mut self) {
        if matches!(self.decoded.flow_control(), FlowControl::Next) {
            return;
        }
        let other = Decoder::with_ip(64, self.encoding, self.decoded.ip(), DecoderOptions::AMD).decode();
        if other.code() != self.decoded.code() || other.len() != self.decoded.len() {
            let remedy = "leave out the prefix 0x66 (`data16`)";
            self.refuse(Rule::BranchTarget, "a branch that leads elsewhere on AMD's processors", remedy);
        }
    }

    /// Segment registers and overrides, absolute addresses, addresses relative to the instruction.
    fn operands(&mut self) {
        let decoded = self.decoded;
        let segment = |register| matches!(register, Register::FS | Register::GS);
        let written = self.info.used_registers().iter().filter(|used| is_write(used.access()));
        let loaded = written.map(|used| used.register()).find(|register| register.is_segment_register());
        if let Some(loaded) = loaded.filter(|register| !segment(*register)) {
            let what = format!("loads {loaded:?}");
            self.refuse(Rule::SegmentAccess, what, "leave the segments to the kernel");
            return;
        }
        let named = decoded
            .op_kinds()
            .enumerate()
            .any(|(operand, kind)| kind == OpKind::Register && segment(decoded.op_register(operand as u32)));
        if segment(decoded.segment_prefix()) || named || loaded.is_some() {
            let remedy = "use no thread-local variable; compile C with `-fno-stack-protector`";
            self.refuse(Rule::SegmentAccess, "uses FS or GS", remedy);
            return; // the address is then relative to the segment
        }
        for (operand, kind) in decoded.op_kinds().enumerate() {
            if kind != OpKind::Memory || decoded.mnemonic() == Mnemonic::Nop {
                continue;
            }
            let access = self.info.op_access(operand as u32);
            if decoded.is_ip_rel_memory_operand() {
                let target = decoded.ip_rel_memory_address() as i64;
                self.faults.extend(self.surroundings.fault(target, is_write(access)));
            } else if decoded.memory_base() == Register::None && access != OpAccess::NoMemAccess {
                let what = format!("accesses the absolute address {:#x}", decoded.memory_displacement64());
                let remedy = "compile position-independent (`-C relocation-model=pic`, `-fPIC`); in assembly, write \
                              `[rip + NAME]`";
                self.refuse(Rule::AbsoluteAddress, what, remedy);
            }
        }
    }

    fn flow(&mut self) -> Flow {
        let decoded = self.decoded;
        let near = decoded.op_count() > 0 && decoded.op0_kind() == OpKind::NearBranch64;
        let indirect = "resolve the target at compile time: no function pointer, no trait object, no jump table \
                        (`-Z no-jump-tables`, or fewer than four arms in a match)";
        match decoded.flow_control() {
            FlowControl::UnconditionalBranch if near => Flow::Jump(decoded.near_branch_target()),
            FlowControl::ConditionalBranch if near => Flow::Branch(decoded.near_branch_target()),
            FlowControl::Call if near => Flow::Call(decoded.near_branch_target()),
            FlowControl::Call | FlowControl::Next | FlowControl::XbeginXabortXend => Flow::Next,
            FlowControl::IndirectCall => {
                self.refuse(Rule::IndirectBranch, "the target is not in the instruction", indirect);
                Flow::Next
            }
            FlowControl::IndirectBranch | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
                self.refuse(Rule::IndirectBranch, "the target is not in the instruction", indirect);
                Flow::Stop
            }
            FlowControl::Return if decoded.code() == Code::Retnq => Flow::Return,
            FlowControl::Return => {
                self.refuse(Rule::StackPointer, "not the plain return", "return by `ret` without operand");
                Flow::Stop
            }
            FlowControl::Interrupt | FlowControl::Exception => Flow::Stop,
        }
    }

    /// What is wrong with a branch to it, if it is a counter read that is right as it stands.
    fn counter(&mut self) -> Option<Fault> {
        if self.decoded.mnemonic() != Mnemonic::Rdtsc {
            return None;
        }
        match order::fault(self.previous) {
            Some(fault) => {
                self.faults.push(fault);
                None
            }
            None => Some(order::branch_fault()),
        }
    }

    fn stack(&self) -> StackEffect {
        let mut effect = StackEffect { adjust: self.stack_adjustment(), ..StackEffect::default() };
        if self.decoded.is_invalid() || self.decoded.mnemonic() == Mnemonic::Call {
            return effect; // what a call pushes belongs to the callee's frame
        }
        for memory in self.info.used_memory() {
            if memory.base() != Register::RSP {
                continue;
            }
            let offset = memory.displacement() as i64;
            effect.lowest = effect.lowest.min(offset);
            if memory.index() == Register::None && is_write(memory.access()) {
                let size = memory.memory_size().size() as u64;
                effect.stores.push(Slot { offset, size, register: self.stored_register(memory.memory_size()) });
            }
        }
        if self.decoded.mnemonic() == Mnemonic::Lea && self.decoded.memory_base() == Register::RSP {
            effect.lowest = effect.lowest.min(self.decoded.memory_displacement64() as i64);
        }
        let loaded = self.loaded_register();
        effect.loads.extend(loaded);
        for used in self.info.used_registers().iter().filter(|used| is_write(used.access())) {
            effect.writes.extend(callee_saved(used.register()).filter(|number| loaded.is_none_or(|l| l.0 != *number)));
        }
        effect
    }

    /// By how much the stack pointer moves. A call moves it back.
    fn stack_adjustment(&self) -> Option<i64> {
        let decoded = self.decoded;
        let constant = |operand| matches!(decoded.op_kind(operand), OpKind::Immediate8to64 | OpKind::Immediate32to64);
        let to_stack_pointer =
            decoded.op_count() > 0 && decoded.op0_kind() == OpKind::Register && decoded.op0_register() == Register::RSP;
        match decoded.mnemonic() {
            Mnemonic::Call => Some(0),
            Mnemonic::Pop if to_stack_pointer => None,
            Mnemonic::Push | Mnemonic::Pop | Mnemonic::Pushfq | Mnemonic::Popfq => {
                Some(decoded.stack_pointer_increment().into())
            }
            Mnemonic::Add if to_stack_pointer && constant(1) => Some(decoded.immediate(1) as i64),
            Mnemonic::Sub if to_stack_pointer && constant(1) => (decoded.immediate(1) as i64).checked_neg(),
            Mnemonic::Lea
                if to_stack_pointer
                    && decoded.memory_base() == Register::RSP
                    && decoded.memory_index() == Register::None =>
            {
                Some(decoded.memory_displacement64() as i64)
            }
            _ => {
                let stack_pointer = |register: Register| register.full_register() == Register::RSP;
                let mut used = self.info.used_registers().iter();
                let moved = used.any(|used| is_write(used.access()) && stack_pointer(used.register()));
                (!moved).then_some(0)
            }
        }
    }

    /// The callee-saved register that a push or a whole store puts on the stack.
    fn stored_register(&self, size: MemorySize) -> Option<u16> {
        let source = match self.decoded.code() {
            Code::Push_r64 => self.decoded.op0_register(),
            Code::Mov_rm64_r64 => self.decoded.op1_register(),
            _ => return None,
        };
        callee_saved(source).filter(|_| size.size() == 8)
    }

    /// The callee-saved register that a pop or a whole load takes from the stack, and from where.
    fn loaded_register(&self) -> Option<(u16, i64)> {
        let decoded = self.decoded;
        let offset = match decoded.code() {
            Code::Pop_r64 => 0,
            Code::Mov_r64_rm64
                if decoded.op1_kind() == OpKind::Memory
                    && decoded.memory_base() == Register::RSP
                    && decoded.memory_index() == Register::None =>
            {
                decoded.memory_displacement64() as i64
            }
            _ => return None,
        };
        Some((callee_saved(decoded.op0_register())?, offset))
    }
}

fn is_write(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

/// Whether every x86-64 CPU has it, or runs it as a no-operation, or the page says whether to use it (RDTSCP, RDPID).
fn is_baseline(feature: CpuidFeature) -> bool {
    matches!(
        feature,
        CpuidFeature::INTEL8086
            | CpuidFeature::INTEL186
            | CpuidFeature::INTEL286
            | CpuidFeature::INTEL386
            | CpuidFeature::INTEL486
            | CpuidFeature::X64
            | CpuidFeature::CMOV
            | CpuidFeature::CX8
            | CpuidFeature::TSC
            | CpuidFeature::MULTIBYTENOP
            | CpuidFeature::SSE
            | CpuidFeature::SSE2
            | CpuidFeature::PAUSE
            | CpuidFeature::SYSCALL
            | CpuidFeature::CET_IBT
            | CpuidFeature::RDTSCP
            | CpuidFeature::RDPID
    )
}
