//! AArch64.

use crate::machine::{
    Access, Address, Arithmetic, Effect, Fence, Instruction, Machine, Operand, Register, Source, Test, FLAGS,
};

/// The machine.
pub static MACHINE: &dyn Machine = &Aarch64;

#[derive(Debug)]
struct Aarch64;

const STACK: Register = 31;

impl Machine for Aarch64 {
    fn checker_name(&self) -> &'static str {
        "AArch64"
    }
    fn model(&self) -> &'static str {
        "aarch64.cat"
    }
    fn kernel_target(&self) -> &'static str {
        "aarch64-unknown-none-softfloat"
    }
    fn objdump(&self) -> (&'static str, &'static str) {
        ("aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu")
    }
    fn qemu(&self) -> (&'static str, &'static str) {
        ("qemu-aarch64-static", "qemu-user-static")
    }
    fn registers(&self) -> usize {
        33
    }
    fn program_counter(&self) -> usize {
        32
    }
    fn link(&self) -> usize {
        30
    }

    fn effects(&self, instruction: &Instruction, taken: bool) -> Result<Vec<Effect>, String> {
        let operand = |at: usize| instruction.operands.get(at).map_or("", String::as_str);
        let all = || instruction.operands.iter().flat_map(|it| registers_in(it)).collect::<Vec<_>>();
        let mnemonic = instruction.mnemonic.as_str();
        let stay = |test: Test| if taken { test } else { test.negated() };
        if let Some(condition) = mnemonic.strip_prefix("b.") {
            return Ok(vec![Effect::BranchOnFlags { stay: stay(test_of(condition)) }]);
        }
        if let Some(effects) = accesses(instruction)? {
            return Ok(effects);
        }
        Ok(match mnemonic {
            "nop" | "bti" | "b" | "br" | "ret" | "yield" => Vec::new(),
            // What these leave in a register depends on nothing.
            "adr" | "adrp" => vec![Effect::Opaque { to: vec![register(operand(0))?], from: Vec::new() }],
            "bl" | "blr" => vec![Effect::Opaque { to: vec![30], from: Vec::new() }],
            "dmb" => vec![Effect::Fence(Fence::Memory(instruction.text.to_uppercase()))],
            "isb" => vec![Effect::Fence(Fence::Instructions("ISB".to_owned()))],
            "mrs" if matches!(operand(1), "cntvct_el0" | "cntvctss_el0" | "s3_3_c14_c0_6") => {
                vec![Effect::Counter { to: register(operand(0))? }]
            }
            "cbz" | "cbnz" => {
                let stay = stay(if mnemonic == "cbz" { Test::Equal } else { Test::Differ });
                vec![Effect::Branch { stay, left: value(operand(0))?, right: Operand::Constant(0) }]
            }
            "tbz" | "tbnz" => vec![
                Effect::Opaque { to: vec![FLAGS], from: registers_in(operand(0)) },
                Effect::BranchOnFlags { stay: Test::Other },
            ],
            "cmp" if instruction.operands.len() == 2 => {
                vec![Effect::Compare(value(operand(0))?, value(operand(1))?)]
            }
            "tst" if instruction.operands.len() == 2 => {
                vec![Effect::CompareBits(value(operand(0))?, value(operand(1))?)]
            }
            "cmp" | "cmn" | "tst" | "ccmp" | "ccmn" => {
                let from = all().into_iter().chain(mnemonic.starts_with("cc").then_some(FLAGS)).collect();
                vec![Effect::Opaque { to: vec![FLAGS], from }]
            }
            _ => match compute(instruction)? {
                steps if steps.is_empty() => vec![self.opaque(instruction, all())?],
                steps => steps,
            },
        })
    }

    fn free_registers(&self) -> Vec<Register> {
        (0..=30).collect()
    }
    fn register(&self, register: Register) -> String {
        format!("X{register}")
    }
    fn immediate(&self, number: u64) -> bool {
        number < 4096
    }

    fn compute(&self, to: Register, by: &Arithmetic<Source>) -> Vec<String> {
        let (name, source) = (|it| self.register(it), |it: &Source| self.source(*it));
        let to = name(to);
        vec![match by {
            Arithmetic::Copy(a) => format!("MOV {to},{}", source(a)),
            Arithmetic::Add(a, b, 0) => format!("ADD {to},{},{}", source(a), source(b)),
            Arithmetic::Add(a, b, shift) => format!("ADD {to},{},{},LSL #{shift}", source(a), source(b)),
            Arithmetic::Sub(a, b) => format!("SUB {to},{},{}", source(a), source(b)),
            Arithmetic::And(a, b) => format!("AND {to},{},{}", source(a), source(b)),
            Arithmetic::Or(a, b) => format!("ORR {to},{},{}", source(a), source(b)),
            Arithmetic::Xor(a, b) => format!("EOR {to},{},{}", source(a), source(b)),
            Arithmetic::ShiftLeft(a, by) => format!("LSL {to},{},#{by}", source(a)),
            Arithmetic::ShiftRight(a, by) => format!("LSR {to},{},#{by}", source(a)),
        }]
    }

    fn access(
        &self,
        access: &Access,
        base: Register,
        offset: i64,
        bytes: u64,
        acquire: bool,
        release: bool,
    ) -> Vec<String> {
        let sized = |register: Register| if bytes == 8 { format!("X{register}") } else { format!("W{register}") };
        let from = |it: &Operand| match it {
            Operand::Register(register) => sized(*register),
            Operand::Constant(_) => "WZR".to_owned(),
        };
        let at = if offset == 0 { format!("[X{base}]") } else { format!("[X{base},#{offset}]") };
        let (a, l) = (if acquire { "A" } else { "" }, if release { "L" } else { "" });
        vec![match access {
            Access::Load { to } => format!("LD{a}R {},{at}", sized(*to)),
            Access::Store { from: it } => format!("ST{l}R {},{at}", from(it)),
            Access::LoadExclusive { to } => format!("LD{a}XR {},{at}", sized(*to)),
            Access::StoreExclusive { status, from: it } => format!("ST{l}XR W{status},{},{at}", from(it)),
            Access::Modify { mnemonic, to, from: it } => format!("{mnemonic} {},{},{at}", from(it), sized(*to)),
        }]
    }

    fn leave_unless(&self, test: Test, left: Register, right: Source, label: &str, _: Register) -> Option<Vec<String>> {
        let leave = match test {
            Test::Equal if right == Source::Number(0) => return Some(vec![format!("CBNZ X{left},{label}")]),
            Test::Differ if right == Source::Number(0) => return Some(vec![format!("CBZ X{left},{label}")]),
            Test::Equal => "NE",
            Test::Differ => "EQ",
            Test::Below => "CS",
            Test::NotBelow => "CC",
            Test::Above => "LS",
            Test::NotAbove => "HI",
            Test::Other => return None,
        };
        Some(vec![format!("CMP X{left},{}", self.source(right)), format!("B.{leave} {label}")])
    }

    fn branch_orders(&self) -> bool {
        true
    }
    fn full_fence(&self) -> String {
        "DMB ISH".to_owned()
    }
    fn load_acquire(&self, to: Register, base: Register) -> Vec<String> {
        vec![format!("LDAR W{to},[X{base}]")]
    }
    fn store_release(&self, from: Register, base: Register) -> Vec<String> {
        vec![format!("STLR W{from},[X{base}]")]
    }
}

impl Aarch64 {
    fn source(&self, source: Source) -> String {
        match source {
            Source::Register(register) => self.register(register),
            Source::Number(number) => format!("#{number}"),
        }
    }

    /// The rule for what is not known: the first operand is written, the others are read.
    fn opaque(&self, instruction: &Instruction, all: Vec<Register>) -> Result<Effect, String> {
        if instruction.text.contains('[') {
            return Err(format!("`{}` accesses memory in a way that is not known here", instruction.text));
        }
        let Some((to, from)) = all.split_first() else {
            return Err(format!("`{}` is not known here", instruction.text));
        };
        let (mnemonic, mut from) = (instruction.mnemonic.as_str(), from.to_vec());
        let mut to = vec![*to];
        // Read what they write: movk, bfi, bfxil. Read the flags: csel, cinc, adc and their like. Write them: adds and its like.
        if mnemonic.starts_with("movk") || mnemonic.starts_with("bf") {
            from.push(to[0]);
        }
        if mnemonic.starts_with('c') || matches!(mnemonic, "adc" | "sbc" | "adcs" | "sbcs" | "ngc") {
            from.push(FLAGS);
        }
        if matches!(mnemonic, "adds" | "subs" | "ands" | "adcs" | "sbcs" | "bics" | "negs") {
            to.push(FLAGS);
        }
        Ok(Effect::Opaque { to, from })
    }
}

fn test_of(condition: &str) -> Test {
    match condition {
        "eq" => Test::Equal,
        "ne" => Test::Differ,
        "cc" | "lo" => Test::Below,
        "cs" | "hs" => Test::NotBelow,
        "hi" => Test::Above,
        "ls" => Test::NotAbove,
        _ => Test::Other,
    }
}

/// A register other than the zero register.
fn register(name: &str) -> Result<Register, String> {
    let number = match name {
        "sp" | "wsp" => Some(STACK),
        _ => name.strip_prefix(['x', 'w']).and_then(|it| it.parse().ok()).filter(|it| *it <= 30),
    };
    number.ok_or_else(|| format!("`{name}` is no register"))
}

fn value(text: &str) -> Result<Operand, String> {
    if matches!(text, "xzr" | "wzr") {
        return Ok(Operand::Constant(0));
    }
    match text.strip_prefix('#') {
        Some(number) => Ok(Operand::Constant(number_of(number)?)),
        None => Ok(Operand::Register(register(text)?)),
    }
}

fn number_of(text: &str) -> Result<u64, String> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |it| (true, it));
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let number = number.map_err(|_| format!("`{text}` is no number"))?;
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// Every general register that is named in an operand.
fn registers_in(operand: &str) -> Vec<Register> {
    operand.split(|it: char| !it.is_ascii_alphanumeric()).filter_map(|it| register(it).ok()).collect()
}

/// Loads and stores.
fn accesses(instruction: &Instruction) -> Result<Option<Vec<Effect>>, String> {
    let operands: Vec<&str> = instruction.operands.iter().map(String::as_str).collect();
    let (exclusive, pair) = match instruction.mnemonic.as_str() {
        "ldr" | "ldur" | "ldrb" | "ldurb" | "ldrh" | "ldurh" | "str" | "stur" | "strb" | "sturb" | "strh" | "sturh"
        | "ldar" | "stlr" | "ldapr" => (false, false),
        "ldp" | "stp" => (false, true),
        "ldxr" | "ldaxr" | "stxr" | "stlxr" => (true, false),
        "ldrsw" | "ldrsb" | "ldrsh" => (false, false),
        "swpal" | "ldsetal" | "ldclral" | "ldaddal" | "ldadd" | "casal" => return modify(instruction).map(Some),
        _ => return Ok(None),
    };
    let mnemonic = instruction.mnemonic.as_str();
    let loads = mnemonic.starts_with("ld");
    let values = if exclusive && !loads { 2 } else { 1 + usize::from(pair) };
    let (registers, rest) = operands.split_at_checked(values).ok_or_else(|| too_short(instruction))?;
    let [address, after @ ..] = rest else { return Err(too_short(instruction)) };
    let data = registers[registers.len() - 1];
    let bytes = match mnemonic.trim_start_matches(['l', 'd', 's', 't', 'u', 'p', 'x', 'a', 'r']) {
        "b" => 1,
        "h" => 2,
        _ if mnemonic.ends_with("sw") => 4,
        _ if data.starts_with('w') => 4,
        _ => 8,
    };
    let written_back = address.ends_with('!') || !after.is_empty();
    let mut at = address_of(address.trim_end_matches('!'))?;
    let base = at.base;
    let (acquire, release) = (matches!(mnemonic, "ldar" | "ldapr" | "ldaxr"), matches!(mnemonic, "stlr" | "stlxr"));
    let mut effects = Vec::new();
    let names = if exclusive { &registers[registers.len() - 1..] } else { registers };
    for name in names {
        let access = match (loads, exclusive) {
            (true, false) => Access::Load { to: register(name).unwrap_or(FLAGS) },
            (false, false) => Access::Store { from: value(name)? },
            (true, true) => Access::LoadExclusive { to: register(name)? },
            (false, true) => Access::StoreExclusive { status: register(registers[0])?, from: value(name)? },
        };
        effects.push(Effect::Access { access, address: at, bytes, acquire, release });
        at.offset += bytes as i64;
    }
    if written_back {
        effects.push(Effect::Opaque { to: vec![base], from: vec![base] });
    }
    Ok(Some(effects))
}

/// The single-instruction atomics of FEAT_LSE: data, result, address.
fn modify(instruction: &Instruction) -> Result<Vec<Effect>, String> {
    let [from, to, address] = instruction.operands.as_slice() else { return Err(too_short(instruction)) };
    let access =
        Access::Modify { mnemonic: instruction.mnemonic.to_uppercase(), to: register(to)?, from: value(from)? };
    let bytes = if from.starts_with('w') { 4 } else { 8 };
    Ok(vec![Effect::Access { access, address: address_of(address)?, bytes, acquire: true, release: true }])
}

/// `[base]`, `[base,#offset]`, `[base,index]`, `[base,index,lsl #shift]`.
fn address_of(text: &str) -> Result<Address, String> {
    let inner =
        text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).ok_or_else(|| format!("`{text}` is no address"))?;
    let parts: Vec<&str> = inner.split(',').collect();
    let base = register(parts.first().copied().unwrap_or(""))?;
    let (index, offset) = match parts.get(1..).unwrap_or(&[]) {
        [] => (None, 0),
        [offset] if offset.starts_with('#') => (None, number_of(&offset[1..])? as i64),
        [index] => (Some((register(index)?, 0)), 0),
        [index, extend] => {
            let shift = extend.rsplit_once('#').map_or(Ok(0), |(_, shift)| number_of(shift))?;
            (Some((register(index)?, shift as u32)), 0)
        }
        _ => return Err(format!("`{text}` is no address")),
    };
    Ok(Address { base, index, offset })
}

/// Arithmetic that the checker has too, in one step or two; empty for any other.
fn compute(instruction: &Instruction) -> Result<Vec<Effect>, String> {
    use Arithmetic::{Add, And, Copy, Or, ShiftLeft, ShiftRight, Sub, Xor};
    let operands: Vec<&str> = instruction.operands.iter().map(String::as_str).collect();
    let Some((Ok(to), sources)) = operands.split_first().map(|(to, sources)| (register(to), sources)) else {
        return Ok(Vec::new());
    };
    // The first step's result, for the second.
    let half = Operand::Register(to);
    let all_ones = Operand::Constant(u64::MAX);
    let ones = |count: u64| Operand::Constant(u64::MAX.checked_shr(64 - count as u32).unwrap_or(0));
    let steps = match (instruction.mnemonic.as_str(), sources) {
        ("mov", [a]) => vec![Copy(value(a)?)],
        ("add", [a, b]) => vec![Add(value(a)?, value(b)?, 0)],
        ("add", [a, b, shift]) => match (shift_of(shift), value(b)?) {
            (Some(shift), Operand::Constant(number)) => vec![Add(value(a)?, Operand::Constant(number << shift), 0)],
            (Some(shift), b) => vec![Add(value(a)?, b, shift)],
            (None, _) => Vec::new(),
        },
        ("sub", [a, b]) => vec![Sub(value(a)?, value(b)?)],
        ("and", [a, b]) => vec![And(value(a)?, value(b)?)],
        ("orr", [a, b]) => vec![Or(value(a)?, value(b)?)],
        ("eor", [a, b]) => vec![Xor(value(a)?, value(b)?)],
        ("lsl", [a, by]) if by.starts_with('#') => vec![ShiftLeft(value(a)?, immediate(by)? as u32)],
        ("lsr", [a, by]) if by.starts_with('#') => vec![ShiftRight(value(a)?, immediate(by)? as u32)],
        ("mvn", [a]) => vec![Xor(value(a)?, all_ones)],
        ("mvn", [a, shift]) => match shift_of(shift) {
            Some(shift) => vec![ShiftLeft(value(a)?, shift), Xor(half, all_ones)],
            None => Vec::new(),
        },
        ("ubfiz", [a, lsb, width]) => {
            vec![And(value(a)?, ones(immediate(width)?)), ShiftLeft(half, immediate(lsb)? as u32)]
        }
        ("ubfx", [a, lsb, width]) => {
            vec![ShiftRight(value(a)?, immediate(lsb)? as u32), And(half, ones(immediate(width)?))]
        }
        _ => Vec::new(),
    };
    Ok(steps.into_iter().map(|by| Effect::Compute { to, by }).collect())
}

fn shift_of(text: &str) -> Option<u32> {
    text.strip_prefix("lsl#")?.parse().ok()
}

fn immediate(text: &str) -> Result<u64, String> {
    number_of(text.trim_start_matches('#'))
}

fn too_short(instruction: &Instruction) -> String {
    format!("`{}` has another number of operands than its mnemonic", instruction.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(text: &str) -> Result<Vec<Effect>, String> {
        Aarch64.effects(&Instruction::parse(text), false)
    }

    #[test]
    fn arithmetic_in_two_steps() {
        let steps = effects("ubfiz x10, x9, #3, #1").expect("a known instruction");
        let first = Arithmetic::And(Operand::Register(9), Operand::Constant(1));
        let second = Arithmetic::ShiftLeft(Operand::Register(10), 3);
        assert_eq!(steps, [first, second].map(|by| Effect::Compute { to: 10, by }));
    }

    #[test]
    fn what_is_not_known_depends_on_all_that_it_names() {
        let opaque = |to: &[Register], from: &[Register]| vec![Effect::Opaque { to: to.to_vec(), from: from.to_vec() }];
        assert_eq!(effects("madd x8, x12, x14, x15"), Ok(opaque(&[8], &[12, 14, 15])));
        assert_eq!(effects("csel x1, x2, x3, eq"), Ok(opaque(&[1], &[2, 3, FLAGS])));
        assert_eq!(effects("adds x1, x2, x3"), Ok(opaque(&[1, FLAGS], &[2, 3])));
        assert_eq!(effects("movk x1, #0x9b2d, lsl #16"), Ok(opaque(&[1], &[1])));
    }

    #[test]
    fn an_access_that_is_not_known_is_refused() {
        assert!(effects("ldrsh w1, [x2]").is_ok());
        let error = effects("ld1 {v0.16b}, [x2]").expect_err("a vector load");
        assert!(error.contains("ld1 {v0.16b}, [x2]"), "{error}");
    }
}
