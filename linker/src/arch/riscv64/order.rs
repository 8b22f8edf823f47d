//! The order of counter reads on RISC-V.
//!
//! A read of a control and status register is in no order with loads; to a FENCE it is device input (unprivileged manual,
//! chapter "Zicsr", "CSR Access Ordering"). So `fence r, i` must stand between the loads before and a read of `time`, and
//! `fence i, r` between it and the loads behind. A fence that orders more than that will do.
//!
//! What a call loads is not looked at, so no call may stand between a fence and its counter either, and neither may the
//! function's own bounds: its caller loads too. Loads from the function's own stack need no order, as nobody else writes
//! there.

use super::encoding::fence;
use super::SP;
use crate::arch::{Fault, Flow, Instruction, OrderKind, Paths};
use crate::gate::Rule;
use std::collections::HashSet;

pub(super) fn check(paths: &Paths<'_>) -> Vec<(u64, Fault)> {
    let counters = paths.instructions().filter(|it| matches!(it.order.kind, OrderKind::Counter { .. }));
    counters.flat_map(|counter| [before(paths, counter), behind(paths, counter)]).flatten().collect()
}

/// A fence's number among barriers: what must come before it, and what behind.
pub(super) fn number(predecessors: u32, successors: u32) -> u32 {
    predecessors << 4 | successors
}

fn orders(barrier: u32, predecessors: u32, successors: u32) -> bool {
    let wanted = number(predecessors, successors);
    barrier & wanted == wanted
}

/// What ends the search of a fence.
enum Step {
    /// It is there.
    Ordered,
    /// This is not ordered with the counter.
    Unordered(&'static str),
    /// It is further on.
    Further,
}

fn step(instruction: &Instruction, predecessors: u32, successors: u32) -> Step {
    match instruction.order.kind {
        OrderKind::Barrier(barrier) if orders(barrier, predecessors, successors) => Step::Ordered,
        OrderKind::Load { address } if address != 1 << SP => Step::Unordered("a load"),
        OrderKind::SystemCall => Step::Unordered("a system call"),
        _ if matches!(instruction.flow, Flow::Call(_)) => Step::Unordered("a call"),
        _ if instruction.flow == Flow::Return => Step::Unordered("the return"),
        _ => Step::Further,
    }
}

fn before(paths: &Paths<'_>, counter: &Instruction) -> Option<(u64, Fault)> {
    let mut found = None;
    paths.walk_back(counter.address, |instruction| {
        let step = instruction.map_or(Step::Unordered("the function's start"), |instruction| {
            step(instruction, fence::READ, fence::INPUT)
        });
        note(&mut found, step, instruction)
    });
    found.map(|what| {
        let remedy = "write `fence r, i` right before `rdtime`, in one `asm!` block";
        let what = format!("nothing orders the counter behind {what}: no `fence r, i` stands between them");
        (counter.address, Fault { rule: Rule::UnorderedCounter, what, remedy })
    })
}

fn behind(paths: &Paths<'_>, counter: &Instruction) -> Option<(u64, Fault)> {
    let mut found = None;
    walk_on(paths, counter, |instruction| {
        note(&mut found, step(instruction, fence::INPUT, fence::READ), Some(instruction))
    });
    found.map(|what| {
        let remedy = "write `fence i, r` right behind `rdtime`, in one `asm!` block";
        let what = format!("nothing orders the counter before {what}: no `fence i, r` stands between them");
        (counter.address, Fault { rule: Rule::UnorderedCounter, what, remedy })
    })
}

/// Goes on behind `from` along all ways. `visit` sees each instruction once, and says whether to go on behind it.
fn walk_on(paths: &Paths<'_>, from: &Instruction, mut visit: impl FnMut(&Instruction) -> bool) {
    let mut seen = HashSet::new();
    let mut work: Vec<&Instruction> = paths.behind(from).collect();
    while let Some(instruction) = work.pop() {
        if seen.insert(instruction.address) && visit(instruction) {
            work.extend(paths.behind(instruction));
        }
    }
}

/// Keeps the first place without order; says whether to go on.
fn note(found: &mut Option<String>, step: Step, instruction: Option<&Instruction>) -> bool {
    match step {
        Step::Ordered => false,
        Step::Further => true,
        Step::Unordered(what) => {
            let at = instruction.map(|it| format!(" at {:#x}", it.address)).unwrap_or_default();
            found.get_or_insert_with(|| format!("{what}{at}"));
            false
        }
    }
}
