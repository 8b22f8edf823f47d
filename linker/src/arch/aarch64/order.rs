//! The order of counter reads on Arm.
//!
//! A read of CNTVCT_EL0 is an access to a system register, which barriers for memory do not order: "the value may be
//! read speculatively and out of order" (Arm ARM, D12.2.1), so that an ISB alone leaves it free to go ahead of an
//! earlier load. What the manual gives instead (D12.2, example D12-4) is load, branch that depends on it, ISB, counter;
//! and behind the counter, loads whose address depends on its value. CNTVCTSS_EL0 (FEAT_ECV) is not read
//! speculatively, and stands for ISB and counter.
//!
//! So, on each way that leads to a counter read:
//!
//! 1. behind the last load there is a conditional branch that depends on that load (or a DSB, which waits for all), and
//!    between that and the counter an ISB, unless the counter synchronises itself;
//! 2. the loads behind it have addresses made from its value: see [`Dependence`].
//!
//! Loads from the function's own stack are not meant: nobody else stores there. Nor are those of constants in the image.

use super::decode::{barrier, system_register};
use crate::arch::{Dependence, Fault, Flow, Instruction, OrderKind, Paths, Registers, Step};
use crate::gate::Rule;
use std::collections::HashMap;

/// Behind the counter.
const DEPENDENCE: Dependence = Dependence {
    results: 0x3,       // X0 and X1 (AAPCS64, section 6.9)
    system_call: 0x13f, // arguments in X0 to X5, the number in X8
    synchronises: |barrier| barrier == barrier::ISB,
    orders_loads: barrier::is_for_loads,
    name,
};

/// What messages call a register.
fn name(bit: u32) -> String {
    match bit {
        0..=30 => format!("x{bit}"),
        31 => "sp".to_owned(),
        _ => "the flags".to_owned(),
    }
}

const REMEDY: &str = "read the counter by `vvar::arch`: load, branch that depends on it, then ISB, MRS and `EOR zero, \
                      value, value` in one `asm!` block, and zero added to the address of each later load, until a DMB \
                      ISHLD behind one of them; that comes before a call or the return";

pub(super) fn check(paths: &Paths<'_>) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    let mut facts = None;
    for counter in paths.instructions() {
        let OrderKind::Counter { register } = counter.order.kind else { continue };
        let (loaded, live) = facts.get_or_insert_with(|| (from_last_load(paths), DEPENDENCE.liveness(paths)));
        let synchronised = register == system_register::CNTVCTSS_EL0;
        let found = before(paths, counter, synchronised, loaded).into_iter();
        let found = found.chain(DEPENDENCE.fault(paths, counter, live));
        let fault = |what| (counter.address, Fault { rule: Rule::UnorderedCounter, what, remedy: REMEDY });
        faults.extend(found.map(fault));
    }
    faults
}

/// What is missing before the counter.
fn before(
    paths: &Paths<'_>,
    counter: &Instruction,
    synchronised: bool,
    loaded: &HashMap<u64, Registers>,
) -> Option<String> {
    let mut barriers = Vec::new();
    if synchronised {
        barriers.push(counter.address);
    } else {
        let missing = search_back(paths, counter.address, |instruction| {
            let found = instruction.order.kind == OrderKind::Barrier(barrier::ISB);
            if found {
                barriers.push(instruction.address);
            }
            found
        });
        if let Some(other) = missing {
            return Some(format!("no ISB between it and {other}"));
        }
    }
    let depends = |instruction: &Instruction| match (instruction.flow, instruction.order.kind) {
        (Flow::Branch(_), _) => instruction.order.reads & loaded.get(&instruction.address).unwrap_or(&0) != 0,
        (_, OrderKind::Barrier(number)) => number & barrier::DSB != 0 && barrier::is_for_loads(number),
        _ => false,
    };
    let missing = barriers.into_iter().find_map(|barrier| search_back(paths, barrier, depends))?;
    Some(format!("no branch that depends on the last load between it and {missing}"))
}

/// Searches all ways back from `from`; what was met on one of them before what is searched for.
fn search_back(paths: &Paths<'_>, from: u64, mut found: impl FnMut(&Instruction) -> bool) -> Option<String> {
    paths.search_back(from, |instruction| match paths.loads(instruction) {
        _ if found(instruction) => Step::Ordered,
        Some(kind) => Step::Unordered(kind),
        None => Step::Further,
    })
}

/// The registers and flags that on every way to an instruction hold something made from the last load, by its address.
fn from_last_load(paths: &Paths<'_>) -> HashMap<u64, Registers> {
    // The largest solution: from everything down, until it agrees with itself.
    let mut known: HashMap<u64, Registers> = paths.instructions().map(|it| (it.address, Registers::MAX)).collect();
    let behind = |instruction: &Instruction, before: Registers| {
        let order = &instruction.order;
        if instruction.is_call() {
            0
        } else if paths.shared_load(instruction).is_some() {
            order.writes
        } else if order.reads & before != 0 {
            before | order.writes
        } else {
            before & !order.writes
        }
    };
    let mut changed = true;
    while changed {
        changed = false;
        for instruction in paths.instructions() {
            let address = instruction.address;
            let mut ways = paths.before(address).map(|way| behind(way, known[&way.address])).peekable();
            let entered = paths.is_entry(address) || ways.peek().is_none();
            let now = if entered { 0 } else { ways.fold(Registers::MAX, |all, way| all & way) };
            changed |= known.insert(address, now) != Some(now);
        }
    }
    known
}
