//! Which registers make a difference to an instruction, against what it computes of many values.
//!
//! The computation is by the instruction's text, which `disassembler` compares with LLVM's.

use super::one;
use std::collections::{BTreeMap, BTreeSet};
use vdso_linker::arch::Registers;

/// The registers that occur: their names and numbers.
const REGISTERS: [(&str, u32); 5] = [("$zero", 0), ("$ra", 1), ("$a0", 4), ("$a1", 5), ("$a2", 6)];

/// How many mnemonics compute something, with `move`.
const COMPUTING: usize = 94;

/// What registers may hold: among these are values that tell the bits apart which any instruction may use.
const VALUES: [u64; 14] = [
    0,
    1,
    2,
    31,
    63,
    64,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 63,
    u64::MAX >> 1,
    u64::MAX,
    0x0123_4567_89ab_cdef,
    0xfedc_ba98_7654_3210,
];

/// An instruction as its text says it, and the values of its registers.
struct Computation<'t> {
    mnemonic: &'t str,
    operands: &'t [&'t str],
    values: &'t BTreeMap<&'t str, u64>,
}

impl Computation<'_> {
    fn register(&self, at: usize) -> u64 {
        match self.operands[at] {
            "$zero" => 0,
            name => self.values[name],
        }
    }

    fn number(&self, at: usize) -> u64 {
        let text = self.operands[at];
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse::<i64>().ok().map(|number| number as u64),
        };
        number.unwrap_or_else(|| panic!("{}: {text}", self.mnemonic))
    }

    /// The value that it makes, or whether it goes to its target; none if that may be any.
    fn outcome(&self) -> Option<u64> {
        let (r, n) = (|at| self.register(at), |at| self.number(at));
        // What ends in `.w` works on the lower halves and extends the sign; in `.wu`, these without sign.
        let signed = |value: u64| i64::from(value as i32) as u64;
        let unsigned = |value: u64| u64::from(value as u32);
        let (wide, narrow) = (|at| i128::from(self.register(at) as i64), |at| i64::from(self.register(at) as i32));
        let field = |value: u64, high: u64, low: u64| value >> low & u64::MAX >> (63 - (high - low));
        let insert = || {
            let (high, low) = (n(2), n(3));
            let mask = u64::MAX >> (63 - (high - low)) << low;
            r(0) & !mask | r(1) << low & mask
        };
        let bytes = |width: u64, at: u64| match at * 8 {
            0 => r(2),
            bits => r(2) << bits | field(r(1), width - 1, width - bits),
        };
        Some(match self.mnemonic {
            "add.w" => signed(r(1).wrapping_add(r(2))),
            "add.d" => r(1).wrapping_add(r(2)),
            "sub.w" => signed(r(1).wrapping_sub(r(2))),
            "sub.d" => r(1).wrapping_sub(r(2)),
            "addi.w" => signed(r(1).wrapping_add(n(2))),
            "addi.d" => r(1).wrapping_add(n(2)),
            "addu16i.d" => r(1).wrapping_add(n(2) << 16),
            "alsl.w" => signed((r(1) << n(3)).wrapping_add(r(2))),
            "alsl.wu" => unsigned((r(1) << n(3)).wrapping_add(r(2))),
            "alsl.d" => (r(1) << n(3)).wrapping_add(r(2)),
            "lu32i.d" => n(1) << 32 | unsigned(r(0)),
            "lu52i.d" => n(2) << 52 | field(r(1), 51, 0),
            "slt" => (wide(1) < wide(2)).into(),
            "sltu" => (r(1) < r(2)).into(),
            "slti" => (wide(1) < i128::from(n(2) as i64)).into(),
            "sltui" => (r(1) < n(2)).into(),
            "nor" => !(r(1) | r(2)),
            "and" => r(1) & r(2),
            "or" => r(1) | r(2),
            "xor" => r(1) ^ r(2),
            "orn" => r(1) | !r(2),
            "andn" => r(1) & !r(2),
            "move" => r(1),
            "andi" => r(1) & n(2),
            "ori" => r(1) | n(2),
            "xori" => r(1) ^ n(2),
            "mul.w" => signed(r(1).wrapping_mul(r(2))),
            "mul.d" => r(1).wrapping_mul(r(2)),
            "mulw.d.w" => narrow(1).wrapping_mul(narrow(2)) as u64,
            "mulw.d.wu" => unsigned(r(1)).wrapping_mul(unsigned(r(2))),
            "mulh.w" => signed((narrow(1).wrapping_mul(narrow(2)) >> 32) as u64),
            "mulh.wu" => signed(unsigned(r(1)).wrapping_mul(unsigned(r(2))) >> 32),
            "mulh.d" => (wide(1).wrapping_mul(wide(2)) >> 64) as u64,
            "mulh.du" => (u128::from(r(1)).wrapping_mul(r(2).into()) >> 64) as u64,
            "div.d" => wide(1).checked_div(wide(2))? as u64,
            "mod.d" => wide(1).checked_rem(wide(2))? as u64,
            "div.du" => r(1).checked_div(r(2))?,
            "mod.du" => r(1).checked_rem(r(2))?,
            "div.w" => signed(narrow(1).checked_div(narrow(2))? as u64),
            "mod.w" => signed(narrow(1).checked_rem(narrow(2))? as u64),
            "div.wu" => signed(unsigned(r(1)).checked_div(unsigned(r(2)))?),
            "mod.wu" => signed(unsigned(r(1)).checked_rem(unsigned(r(2)))?),
            "sll.w" => signed(r(1) << (r(2) & 31)),
            "srl.w" => signed(unsigned(r(1)) >> (r(2) & 31)),
            "sra.w" => (narrow(1) >> (r(2) & 31)) as u64,
            "sll.d" => r(1) << (r(2) & 63),
            "srl.d" => r(1) >> (r(2) & 63),
            "sra.d" => (wide(1) >> (r(2) & 63)) as u64,
            "rotr.w" => signed((r(1) as u32).rotate_right(r(2) as u32 & 31).into()),
            "rotr.d" => r(1).rotate_right(r(2) as u32 & 63),
            "slli.w" => signed(r(1) << n(2)),
            "srli.w" => signed(unsigned(r(1)) >> n(2)),
            "srai.w" => (narrow(1) >> n(2)) as u64,
            "slli.d" => r(1) << n(2),
            "srli.d" => r(1) >> n(2),
            "srai.d" => (wide(1) >> n(2)) as u64,
            "rotri.w" => signed((r(1) as u32).rotate_right(n(2) as u32).into()),
            "rotri.d" => r(1).rotate_right(n(2) as u32),
            "ext.w.b" => (r(1) as i8) as u64,
            "ext.w.h" => (r(1) as i16) as u64,
            "clo.w" => (r(1) as u32).leading_ones().into(),
            "clz.w" => (r(1) as u32).leading_zeros().into(),
            "cto.w" => (r(1) as u32).trailing_ones().into(),
            "ctz.w" => (r(1) as u32).trailing_zeros().into(),
            "clo.d" => r(1).leading_ones().into(),
            "clz.d" => r(1).leading_zeros().into(),
            "cto.d" => r(1).trailing_ones().into(),
            "ctz.d" => r(1).trailing_zeros().into(),
            "bytepick.w" => signed(bytes(32, n(3))),
            "bytepick.d" => bytes(64, n(3)),
            // Each puts bits of the register in another order.
            "revb.2h" | "revb.4h" | "revb.2w" | "revb.d" | "revh.2w" | "revh.d" => r(1).swap_bytes(),
            "bitrev.4b" | "bitrev.8b" | "bitrev.w" | "bitrev.d" => r(1).reverse_bits(),
            "bstrins.w" => signed(insert()),
            "bstrins.d" => insert(),
            "bstrpick.w" => signed(field(r(1), n(2), n(3))),
            "bstrpick.d" => field(r(1), n(2), n(3)),
            "maskeqz" => [r(1), 0][usize::from(r(2) == 0)],
            "masknez" => [r(1), 0][usize::from(r(2) != 0)],
            "beqz" => (r(0) == 0).into(),
            "bnez" => (r(0) != 0).into(),
            "beq" => (r(0) == r(1)).into(),
            "bne" => (r(0) != r(1)).into(),
            "blt" => (wide(0) < wide(1)).into(),
            "bge" => (wide(0) >= wide(1)).into(),
            "bltu" => (r(0) < r(1)).into(),
            "bgeu" => (r(0) >= r(1)).into(),
            other => panic!("`{other}`: what does it compute?"),
        })
    }
}

/// Instructions that make no value of registers: they access memory, or make one of constants.
fn computes(mnemonic: &str) -> bool {
    const OTHERS: [&str; 17] = [
        "nop",
        "b",
        "bl",
        "jirl",
        "jr",
        "ret",
        "lu12i.w",
        "pcaddi",
        "pcalau12i",
        "pcaddu12i",
        "pcaddu18i",
        "dbar",
        "ibar",
        "syscall",
        "break",
        "cpucfg",
        "rdtime.d",
    ];
    let memory = ["ld", "st", "pre", "ll", "sc", "am", "rdtimel", "rdtimeh"];
    !OTHERS.contains(&mnemonic) && !memory.iter().any(|start| mnemonic.starts_with(start))
}

/// Those of the registers by which the outcome differs, for some values of the others.
fn by_trial(mnemonic: &str, operands: &[&str], target_is_next: bool) -> Registers {
    let named: BTreeSet<&str> = operands.iter().copied().filter(|it| it.starts_with('$') && *it != "$zero").collect();
    let named: Vec<&str> = named.into_iter().collect();
    let outcome = |numbers: &[usize]| {
        let values = named.iter().copied().zip(numbers.iter().map(|number| VALUES[*number])).collect();
        Computation { mnemonic, operands, values: &values }.outcome()
    };
    let count = VALUES.len();
    let mut found = 0;
    for (at, name) in named.iter().enumerate().filter(|_| !target_is_next) {
        let others = count.pow(named.len() as u32 - 1);
        let differs = (0..others).any(|others| {
            let outcomes = (0..count).filter_map(|own| {
                let mut rest = others;
                let numbers: Vec<usize> = (0..named.len())
                    .map(|which| {
                        if which == at {
                            return own;
                        }
                        let number = rest % count;
                        rest /= count;
                        number
                    })
                    .collect();
                outcome(&numbers)
            });
            outcomes.collect::<BTreeSet<_>>().len() > 1
        });
        if differs {
            found |= 1 << REGISTERS.iter().find(|(it, _)| it == name).expect("one of ours").1;
        }
    }
    found
}

/// Each instruction with its lowest and highest constants, and each choice of registers: `$zero`, twice the same, different ones.
#[test]
fn a_register_counts_if_and_only_if_it_makes_a_difference() {
    // Of the bits that are no registers' the first and the last ones that make each instruction.
    let mut prefixes: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for prefix in 0..1 << 17 {
        let text = one(prefix << 15 | 5 << 10 | 4 << 5 | 6).text;
        let mnemonic = text.split(' ').next().expect("a name").to_owned();
        let known = prefixes.entry(mnemonic).or_default();
        if known.len() == 4 {
            known.remove(2);
        }
        known.push(prefix);
    }
    prefixes.retain(|mnemonic, _| !mnemonic.starts_with('.') && computes(mnemonic));
    let mut wrong = Vec::new();
    let (mut tried, mut constant) = (BTreeSet::new(), BTreeSet::new());
    for &prefix in prefixes.values().flatten() {
        // rk, or the lower bits of a constant: with 1 a branch may lead to the next instruction. Behind 0 they tell instructions
        // of one operand apart.
        let rks = if prefix == 0 { (0..32).collect() } else { vec![0, 1, 4, 5, 31] };
        for low in rks.iter().flat_map(|rk| [0, 4, 5].map(|rj| rk << 10 | rj << 5)) {
            for rd in [0, 4, 6] {
                let instruction = one(prefix << 15 | low | rd);
                let (mnemonic, rest) = instruction.text.split_once(' ').unwrap_or((&instruction.text, ""));
                let operands: Vec<&str> = rest.split(", ").collect();
                // An unknown register: what was rk here is another constant elsewhere.
                let known = |it: &&str| !it.starts_with('$') || REGISTERS.iter().any(|(name, _)| name == it);
                if instruction.text.starts_with('.') || !computes(mnemonic) || !operands.iter().all(known) {
                    continue;
                }
                tried.insert(mnemonic.to_owned());
                let next = format!("{:#x}", instruction.end());
                let target_is_next = mnemonic.starts_with('b') && operands.last() == Some(&&next[..]);
                let found = by_trial(mnemonic, &operands, target_is_next);
                if instruction.order.reads != found {
                    let reads = instruction.order.reads;
                    wrong.push(format!(
                        "{}: counts {reads:#x}, what makes a difference is {found:#x}",
                        instruction.text
                    ));
                }
                if found == 0 && operands.iter().skip(1).any(|it| it.starts_with("$a")) {
                    constant.insert(mnemonic.to_owned());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    // What the comparison rests on: there are such instructions among these.
    assert!(tried.len() >= COMPUTING, "only {}: {tried:?}", tried.len());
    for mnemonic in ["sltu", "andn", "orn", "masknez", "maskeqz", "mul.d", "div.w", "mod.du", "sll.d", "rotr.w", "andi"]
    {
        assert!(constant.contains(mnemonic), "no {mnemonic} among {constant:?}");
    }
}
