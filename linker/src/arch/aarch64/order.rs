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
//! 2. the loads behind it have addresses made from its value, until one of them and then a barrier for loads, or
//!    another synchronisation of the context, has come, or the value is not used any more.
//!
//! Loads from the function's own stack are not meant: nobody else stores there. Nor are those of constants in the image.

use super::decode::{barrier, system_register, FLAGS};
use crate::arch::{Fault, Flow, Instruction, OrderKind, Paths, Registers};
use crate::gate::Rule;
use std::collections::HashMap;

const STACK_POINTER: Registers = 1 << 31;

/// What a call may use: arguments in X0 to X7, the indirect result's address in X8, and what it must preserve (AAPCS64,
/// section 6.1.1).
const ARGUMENTS: Registers = 0x1ff | PRESERVED;

/// What a caller may use behind a return: results in X0 and X1, and what is preserved.
const RESULTS: Registers = 0x3 | PRESERVED;

/// X19 to X30 and the stack pointer.
const PRESERVED: Registers = 0xfff8_0000;

/// What a system call may use: arguments in X0 to X5, its number in X8, and all that it preserves is used only if the
/// instructions behind it do.
const SYSTEM_CALL: Registers = 0x13f;

const REMEDY: &str = "read the counter by `vvar::arch`: load, branch that depends on it, then ISB, MRS and `EOR zero, \
                      value, value` in one `asm!` block, and zero added to the address of each later load";

pub(super) fn check(paths: &Paths<'_>) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    let mut facts = None;
    for counter in paths.instructions() {
        let OrderKind::Counter { register } = counter.order.kind else { continue };
        let (loaded, live) = facts.get_or_insert_with(|| (from_last_load(paths), live(paths)));
        let synchronised = register == system_register::CNTVCTSS_EL0;
        let what = before(paths, counter, synchronised, loaded);
        faults.extend(
            what.into_iter()
                .chain(behind(paths, counter, live))
                .map(|what| (counter.address, Fault { rule: Rule::UnorderedCounter, what, remedy: REMEDY })),
        );
    }
    faults
}

/// Whether it loads what others may store.
fn shared_load(instruction: &Instruction) -> Option<Registers> {
    match instruction.order.kind {
        OrderKind::Load { address } if address != STACK_POINTER => Some(address),
        _ => None,
    }
}

fn is_call(instruction: &Instruction) -> bool {
    matches!(instruction.flow, Flow::Call(_))
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

/// Searches all ways back from `from`; the name of what was met on one of them before it was found.
fn search_back(paths: &Paths<'_>, from: u64, mut found: impl FnMut(&Instruction) -> bool) -> Option<String> {
    let mut missing = None;
    paths.walk_back(from, |instruction| {
        let Some(instruction) = instruction else {
            missing.get_or_insert_with(|| "the start of the function".to_owned());
            return false;
        };
        if found(instruction) {
            return false;
        }
        if shared_load(instruction).is_some() || is_call(instruction) {
            missing.get_or_insert_with(|| named(instruction));
            return false;
        }
        true
    });
    missing
}

fn named(instruction: &Instruction) -> String {
    format!("{:#x} (`{}`)", instruction.address, instruction.text)
}

/// What is known behind a counter read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Behind {
    /// The registers whose values are made from the counter's.
    made: Registers,
    /// Whether a load has had an address made from it.
    loaded: bool,
}

/// What is out of order behind the counter.
fn behind(paths: &Paths<'_>, counter: &Instruction, live: &HashMap<u64, Registers>) -> Option<String> {
    let first = Behind { made: counter.order.writes, loaded: false };
    let mut known: HashMap<u64, Behind> = HashMap::new();
    let mut work: Vec<(&Instruction, Behind)> = paths.behind(counter).map(|next| (next, first)).collect();
    while let Some((instruction, state)) = work.pop() {
        let state = match known.get(&instruction.address) {
            None => state,
            Some(old) => {
                let joined = Behind { made: old.made & state.made, loaded: old.loaded && state.loaded };
                if joined == *old {
                    continue;
                }
                joined
            }
        };
        known.insert(instruction.address, state);
        let in_use = live.get(&instruction.address).copied().unwrap_or(0);
        let order = &instruction.order;
        match order.kind {
            _ if state.made & in_use == 0 => continue,
            OrderKind::SystemCall | OrderKind::Barrier(barrier::ISB) => continue,
            OrderKind::Barrier(number) if state.loaded && barrier::is_for_loads(number) => continue,
            _ => {}
        }
        let load = shared_load(instruction);
        if load.is_some_and(|address| address & state.made == 0) || is_call(instruction) {
            return Some(format!("{} behind it does not depend on its value", named(instruction)));
        }
        let depends = order.reads & state.made != 0 || load.is_some();
        let made = if depends { state.made | order.writes } else { state.made & !order.writes };
        let next = Behind { made, loaded: state.loaded || load.is_some() };
        work.extend(paths.behind(instruction).map(|instruction| (instruction, next)));
    }
    None
}

/// The registers and flags that on every way to an instruction hold something made from the last load, by its address.
fn from_last_load(paths: &Paths<'_>) -> HashMap<u64, Registers> {
    // The largest solution: from everything down, until it agrees with itself.
    let mut known: HashMap<u64, Registers> = paths.instructions().map(|it| (it.address, Registers::MAX)).collect();
    let behind = |instruction: &Instruction, before: Registers| {
        let order = &instruction.order;
        if is_call(instruction) {
            0
        } else if shared_load(instruction).is_some() {
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

/// The registers and flags that are used at or behind an instruction before they get another value, by its address.
fn live(paths: &Paths<'_>) -> HashMap<u64, Registers> {
    let mut known: HashMap<u64, Registers> = HashMap::new();
    let mut changed = true;
    while changed {
        changed = false;
        for instruction in paths.instructions() {
            let order = &instruction.order;
            let mut used = order.reads;
            used |= match (instruction.flow, order.kind) {
                (Flow::Call(_), _) => ARGUMENTS,
                (Flow::Return, _) => RESULTS,
                (_, OrderKind::Load { address }) => address,
                (_, OrderKind::SystemCall) => SYSTEM_CALL,
                _ => 0,
            };
            let mut later = paths.behind(instruction).fold(0, |all, next| all | known.get(&next.address).unwrap_or(&0));
            if is_call(instruction) {
                later &= PRESERVED; // the others, and the flags, are the callee's to change
            }
            let now = used | later & !order.writes & !(if is_call(instruction) { FLAGS } else { 0 });
            changed |= known.insert(instruction.address, now) != Some(now);
        }
    }
    known
}
