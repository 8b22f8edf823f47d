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
use crate::arch::{Fault, Flow, Instruction, OrderKind, Paths, Step};
use crate::gate::Rule;

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

/// A search for a fence from the loads before it, and to those behind it.
fn step(paths: &Paths<'_>, instruction: &Instruction, predecessors: u32, successors: u32) -> Step {
    match instruction.order.kind {
        OrderKind::Barrier(barrier) if orders(barrier, predecessors, successors) => Step::Ordered,
        OrderKind::SystemCall => Step::Unordered("a system call"),
        _ if instruction.flow == Flow::Return => Step::Unordered("the return"),
        _ => paths.loads(instruction).map_or(Step::Further, Step::Unordered),
    }
}

fn before(paths: &Paths<'_>, counter: &Instruction) -> Option<(u64, Fault)> {
    let found = paths.search_back(counter.address, |it| step(paths, it, fence::READ, fence::INPUT))?;
    let remedy = "write `fence r, i` right before `rdtime`, in one `asm!` block";
    let what = format!("nothing orders the counter behind {found}: no `fence r, i` stands between them");
    Some((counter.address, Fault { rule: Rule::UnorderedCounter, what, remedy }))
}

fn behind(paths: &Paths<'_>, counter: &Instruction) -> Option<(u64, Fault)> {
    let found = paths.search_on(counter, |it| step(paths, it, fence::INPUT, fence::READ))?;
    let remedy = "write `fence i, r` right behind `rdtime`, in one `asm!` block";
    let what = format!("nothing orders the counter before {found}: no `fence i, r` stands between them");
    Some((counter.address, Fault { rule: Rule::UnorderedCounter, what, remedy }))
}
