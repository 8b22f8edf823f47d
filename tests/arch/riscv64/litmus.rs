//! RISC-V, 64 bits.

use crate::machine::{
    Access, Address, Arithmetic, Effect, Fence, Instruction, Machine, Operand, Register, Source, Test,
};

/// The machine.
pub static MACHINE: &dyn Machine = &Riscv64;

#[derive(Debug)]
struct Riscv64;

/// By number, as the calling convention names them.
const NAMES: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2",
    "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

impl Machine for Riscv64 {
    fn checker_name(&self) -> &'static str {
        "RISCV"
    }
    fn model(&self) -> &'static str {
        "riscv.cat"
    }
    fn kernel_target(&self) -> &'static str {
        "riscv64gc-unknown-none-elf"
    }
    fn objdump(&self) -> (&'static str, &'static str) {
        ("riscv64-linux-gnu-objdump", "binutils-riscv64-linux-gnu")
    }
    fn qemu(&self) -> (&'static str, &'static str) {
        ("qemu-riscv64-static", "qemu-user-static")
    }
    fn registers(&self) -> usize {
        33
    }
    fn program_counter(&self) -> usize {
        32
    }
    fn link(&self) -> usize {
        1
    }

    fn effects(&self, instruction: &Instruction, taken: bool) -> Result<Vec<Effect>, String> {
        let operand = |at: usize| instruction.operands.get(at).map_or("", String::as_str);
        let mnemonic = instruction.mnemonic.as_str();
        if let Some(effect) = branch(instruction, taken)? {
            return Ok(vec![effect]);
        }
        if let Some(effect) = access(instruction)? {
            return Ok(vec![effect]);
        }
        Ok(match mnemonic {
            "nop" | "j" | "jr" | "ret" | "pause" => Vec::new(),
            // What these leave in a register depends on nothing.
            "auipc" | "lui" => vec![Effect::Opaque { to: vec![register(operand(0))?], from: Vec::new() }],
            "jal" | "jalr" => vec![Effect::Opaque { to: vec![1], from: Vec::new() }],
            "fence" => vec![Effect::Fence(fence(operand(0), operand(1))?)],
            "rdtime" => vec![Effect::Counter { to: register(operand(0))? }],
            _ => match compute(instruction)? {
                steps if steps.is_empty() => vec![opaque(instruction)?],
                steps => steps,
            },
        })
    }

    fn free_registers(&self) -> Vec<Register> {
        (5..=31).chain([1, 3, 4]).collect()
    }
    fn register(&self, register: Register) -> String {
        format!("x{register}")
    }
    fn immediate(&self, number: u64) -> bool {
        (number as i64) >= -2048 && (number as i64) < 2048
    }

    fn compute(&self, to: Register, by: &Arithmetic<Source>) -> Vec<String> {
        let name = |it| self.register(it);
        let two = |mnemonic: &str, a: Source, b: Source| match (a, b) {
            (Source::Register(a), Source::Register(b)) => format!("{mnemonic} {},{},{}", name(to), name(a), name(b)),
            (Source::Register(a), Source::Number(b)) => {
                format!("{mnemonic}i {},{},{}", name(to), name(a), b as i64)
            }
            (Source::Number(a), _) => unreachable!("{a} stands first"),
        };
        match *by {
            Arithmetic::Copy(Source::Number(number)) => vec![format!("li {},{}", name(to), number as i64)],
            Arithmetic::Copy(Source::Register(from)) => vec![format!("mv {},{}", name(to), name(from))],
            Arithmetic::Add(a, b, _) => vec![two("add", a, b)],
            Arithmetic::Sub(a, b) => vec![two("sub", a, b)],
            Arithmetic::And(a, b) => vec![two("and", a, b)],
            Arithmetic::Or(a, b) => vec![two("or", a, b)],
            Arithmetic::Xor(a, b) => vec![two("xor", a, b)],
            Arithmetic::ShiftLeft(a, by) => vec![two("sll", a, Source::Number(u64::from(by)))],
            Arithmetic::ShiftRight(a, by) => vec![two("srl", a, Source::Number(u64::from(by)))],
        }
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
        let size = if bytes == 8 { "d" } else { "w" };
        let from = |it: &Operand| match it {
            Operand::Register(register) => self.register(*register),
            Operand::Constant(_) => "x0".to_owned(),
        };
        let order = match (acquire, release) {
            (false, false) => "",
            (true, false) => ".aq",
            (false, true) => ".rl",
            (true, true) => ".aq.rl",
        };
        let base = self.register(base);
        vec![match access {
            Access::Load { to } => format!("l{size} {},{offset}({base})", self.register(*to)),
            Access::Store { from: it } => format!("s{size} {},{offset}({base})", from(it)),
            Access::LoadExclusive { to } => format!("lr.{size}{order} {},({base})", self.register(*to)),
            Access::StoreExclusive { status, from: it } => {
                format!("sc.{size}{order} {},{},({base})", self.register(*status), from(it))
            }
            Access::Modify { mnemonic, to, from: it } => {
                format!("{mnemonic}.{size}{order} {},{},({base})", self.register(*to), from(it))
            }
        }]
    }

    /// The checker has no unsigned order: below a power of two is no bit from there on.
    fn leave_unless(
        &self,
        test: Test,
        left: Register,
        right: Source,
        label: &str,
        spare: Register,
    ) -> Option<Vec<String>> {
        let (left, spare) = (self.register(left), self.register(spare));
        let bound = match (test, right) {
            (Test::Below, Source::Number(bound)) => Some(bound),
            (Test::NotAbove, Source::Number(bound)) => bound.checked_add(1),
            _ => None,
        };
        if let Some(bound) = bound.filter(|it| it.is_power_of_two()) {
            let shift = format!("srli {spare},{left},{}", bound.trailing_zeros());
            return Some(vec![shift, format!("bne {spare},x0,{label}")]);
        }
        let leave = match test {
            Test::Equal => "bne",
            Test::Differ => "beq",
            _ => return None,
        };
        let (mut lines, right) = match right {
            Source::Number(0) => (Vec::new(), "x0".to_owned()),
            Source::Number(number) => (vec![format!("li {spare},{}", number as i64)], spare),
            Source::Register(right) => (Vec::new(), self.register(right)),
        };
        lines.push(format!("{leave} {left},{right},{label}"));
        Some(lines)
    }

    fn branch_orders(&self) -> bool {
        false
    }
    fn full_fence(&self) -> String {
        "fence rw,rw".to_owned()
    }
    fn load_acquire(&self, to: Register, base: Register) -> Vec<String> {
        vec![format!("lw {},0({})", self.register(to), self.register(base)), "fence r,rw".to_owned()]
    }
    fn store_release(&self, from: Register, base: Register) -> Vec<String> {
        vec!["fence rw,w".to_owned(), format!("sw {},0({})", self.register(from), self.register(base))]
    }
    /// The checker's `lw` does not extend the sign. So numbers of 32 bits with their sign extended, the control words, are given
    /// without that; small negative ones are masks.
    fn constant(&self, number: u64) -> u64 {
        let small = -2048..0;
        match i32::try_from(number as i64) {
            Ok(word) if word < 0 && !small.contains(&word) => u64::from(word as u32),
            _ => number,
        }
    }
}

/// The model knows main memory only, so the counter stands there, and input is a load: see README.md.
fn fence(before: &str, after: &str) -> Result<Fence, String> {
    let memory = |it: &str| !it.is_empty() && it.chars().all(|it| matches!(it, 'r' | 'w'));
    match (before, after) {
        ("r", "i") => Ok(Fence::BeforeInput("fence r,r".to_owned())),
        ("i", "r") => Ok(Fence::AfterInput("fence r,r".to_owned())),
        _ if memory(before) && memory(after) => Ok(Fence::Memory(format!("fence {before},{after}"))),
        _ => Err(format!("`fence {before},{after}` is not known here")),
    }
}

fn branch(instruction: &Instruction, taken: bool) -> Result<Option<Effect>, String> {
    let (test, operands) = match instruction.mnemonic.as_str() {
        "beq" => (Test::Equal, 2),
        "bne" => (Test::Differ, 2),
        "bltu" => (Test::Below, 2),
        "bgeu" => (Test::NotBelow, 2),
        "bgtu" => (Test::Above, 2),
        "bleu" => (Test::NotAbove, 2),
        "beqz" => (Test::Equal, 1),
        "bnez" => (Test::Differ, 1),
        "blt" | "bge" | "bgt" | "ble" => (Test::Other, 2),
        "bltz" | "bgez" | "bgtz" | "blez" => (Test::Other, 1),
        _ => return Ok(None),
    };
    let operand = |at: usize| instruction.operands.get(at).map_or("", String::as_str);
    let left = value(operand(0))?;
    let right = if operands == 2 { value(operand(1))? } else { Operand::Constant(0) };
    Ok(Some(Effect::Branch { stay: if taken { test } else { test.negated() }, left, right }))
}

/// Loads, stores and atomics: register, then `offset(base)`.
fn access(instruction: &Instruction) -> Result<Option<Effect>, String> {
    let operand = |at: usize| instruction.operands.get(at).map_or("", String::as_str);
    let (name, order) = match instruction.mnemonic.split_once(".aq") {
        Some((name, "rl" | ".rl")) => (name, (true, true)),
        Some((name, _)) => (name, (true, false)),
        None => match instruction.mnemonic.split_once(".rl") {
            Some((name, _)) => (name, (false, true)),
            None => (instruction.mnemonic.as_str(), (false, false)),
        },
    };
    let bytes = match name {
        "lb" | "lbu" | "sb" => 1,
        "lh" | "lhu" | "sh" => 2,
        "lw" | "lwu" | "sw" => 4,
        "ld" | "sd" => 8,
        _ if name.starts_with("lr.") || name.starts_with("sc.") || name.starts_with("amo") => {
            if name.ends_with(".w") {
                4
            } else {
                8
            }
        }
        _ => return Ok(None),
    };
    let (access, address) = if name.starts_with("lr.") {
        (Access::LoadExclusive { to: result(operand(0))? }, operand(1))
    } else if name.starts_with("sc.") {
        (Access::StoreExclusive { status: result(operand(0))?, from: value(operand(1))? }, operand(2))
    } else if let Some((mnemonic, _)) = name.split_once('.').filter(|_| name.starts_with("amo")) {
        let access =
            Access::Modify { mnemonic: mnemonic.to_owned(), to: result(operand(0))?, from: value(operand(1))? };
        (access, operand(2))
    } else if name.starts_with('l') {
        (Access::Load { to: result(operand(0))? }, operand(1))
    } else {
        (Access::Store { from: value(operand(0))? }, operand(1))
    };
    let (offset, base) = address.split_once('(').ok_or_else(|| format!("`{address}` is no address"))?;
    let offset = if offset.is_empty() { 0 } else { number_of(offset)? as i64 };
    let address = Address { base: register(base.trim_end_matches(')'))?, index: None, offset };
    Ok(Some(Effect::Access { access, address, bytes, acquire: order.0, release: order.1 }))
}

/// Arithmetic that the checker has too; empty for any other.
fn compute(instruction: &Instruction) -> Result<Vec<Effect>, String> {
    use Arithmetic::{Add, And, Copy, Or, ShiftLeft, ShiftRight, Sub, Xor};
    let operands: Vec<&str> = instruction.operands.iter().map(String::as_str).collect();
    let Some((Ok(to), sources)) = operands.split_first().map(|(to, sources)| (register(to), sources)) else {
        return Ok(Vec::new());
    };
    let steps = match (instruction.mnemonic.as_str(), sources) {
        ("mv" | "li", [a]) => vec![Copy(value(a)?)],
        // The values are small: no word overflows.
        ("add" | "addi" | "addw" | "addiw", [a, b]) => vec![Add(value(a)?, value(b)?, 0)],
        ("sub", [a, b]) => vec![Sub(value(a)?, value(b)?)],
        ("and" | "andi", [a, b]) => vec![And(value(a)?, value(b)?)],
        ("or" | "ori", [a, b]) => vec![Or(value(a)?, value(b)?)],
        ("xor" | "xori", [a, b]) => vec![Xor(value(a)?, value(b)?)],
        ("not", [a]) => vec![Xor(value(a)?, Operand::Constant(u64::MAX))],
        ("sll" | "slli", [a, by]) if register(by).is_err() => vec![ShiftLeft(value(a)?, number_of(by)? as u32)],
        ("srl" | "srli", [a, by]) if register(by).is_err() => vec![ShiftRight(value(a)?, number_of(by)? as u32)],
        _ => Vec::new(),
    };
    Ok(steps.into_iter().map(|by| Effect::Compute { to, by }).collect())
}

/// The rule for what is not known: the first operand is written, the others are read.
fn opaque(instruction: &Instruction) -> Result<Effect, String> {
    if instruction.text.contains('(') {
        return Err(format!("`{}` accesses memory in a way that is not known here", instruction.text));
    }
    let registers: Vec<Register> = instruction.operands.iter().filter_map(|it| register(it).ok()).collect();
    match registers.split_first() {
        Some((to, from)) => Ok(Effect::Opaque { to: vec![*to], from: from.to_vec() }),
        None => Err(format!("`{}` is not known here", instruction.text)),
    }
}

fn register(name: &str) -> Result<Register, String> {
    let name = if name == "fp" { "s0" } else { name };
    match NAMES.iter().position(|it| *it == name) {
        Some(number) => Ok(number as Register),
        None => Err(format!("`{name}` is no register")),
    }
}

fn result(name: &str) -> Result<Register, String> {
    register(name)
}

fn value(text: &str) -> Result<Operand, String> {
    match register(text) {
        Ok(0) => Ok(Operand::Constant(0)),
        Ok(register) => Ok(Operand::Register(register)),
        Err(_) => Ok(Operand::Constant(number_of(text)?)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(text: &str) -> Result<Vec<Effect>, String> {
        Riscv64.effects(&Instruction::parse(text), false)
    }

    #[test]
    fn fences() {
        let fence = |fence| Ok(vec![Effect::Fence(fence)]);
        assert_eq!(effects("fence r,rw"), fence(Fence::Memory("fence r,rw".to_owned())));
        assert_eq!(effects("fence r,i"), fence(Fence::BeforeInput("fence r,r".to_owned())));
        assert_eq!(effects("fence i,r"), fence(Fence::AfterInput("fence r,r".to_owned())));
        assert!(effects("fence iorw,iorw").is_err());
    }

    #[test]
    fn atomics() {
        let [Effect::Access { access, acquire, release, .. }] = &effects("amoor.w.aqrl a3,a4,(a5)").expect("known")[..]
        else {
            panic!("one access");
        };
        let from = Operand::Register(14);
        assert_eq!(*access, Access::Modify { mnemonic: "amoor".to_owned(), to: 13, from });
        assert!(*acquire && *release);
        assert!(effects("fld fa0,8(a0)").is_err(), "a floating-point load is not known");
    }
}
