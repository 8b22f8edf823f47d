//! The order of a counter read and the loads before it by control: a branch that depends on the last of them, and behind it a
//! barrier that lets nothing start before it is known that control gets there.
//!
//! That is how architectures order them on which no barrier for memory waits for loads and holds the counter back: the branch
//! waits for the load, the barrier for the branch, the counter for the barrier. On each way that leads to a counter read they come
//! in this order behind the last load. Loads from the function's own stack are not meant: nobody else stores there.
//!
//! A branch counts whether its ways lead to different places or meet before the barrier; a decoder whose architecture wants more
//! leaves the registers of a branch that decides nothing out of `reads`.
//!
//! Whether the loads before the last one are done when that is, is not asked: the page's reader has a barrier between its first
//! load and this (`vvar`), and whoever reads the counter for himself needs one, too.

use super::{Flow, Instruction, OrderKind, Paths, Registers, Step};
use std::collections::HashMap;

/// What an architecture says about it.
#[derive(Debug)]
pub struct ControlDependency {
    /// Whether a barrier of this number holds the counter back until control gets there.
    pub synchronises: fn(u32) -> bool,
    /// What messages call that barrier.
    pub barrier: &'static str,
    /// Whether a barrier of this number waits for the loads before it, so that what waits for it needs no branch.
    pub completes_loads: fn(u32) -> bool,
}

/// The registers and flags that on every way to an instruction hold something made from the last load.
#[derive(Debug)]
pub struct LastLoad(HashMap<u64, Registers>);

impl LastLoad {
    /// Of all instructions.
    pub fn new(paths: &Paths<'_>) -> Self {
        // The largest solution: from everything down, until it agrees with itself.
        let mut known: HashMap<u64, Registers> = paths.instructions().map(|it| (it.address, Registers::MAX)).collect();
        let mut changed = true;
        while changed {
            changed = false;
            for instruction in paths.instructions() {
                let address = instruction.address;
                let mut ways = paths.before(address).map(|way| behind(paths, way, known[&way.address])).peekable();
                let entered = paths.is_entry(address) || ways.peek().is_none();
                let now = if entered { 0 } else { ways.fold(Registers::MAX, |all, way| all & way) };
                changed |= known.insert(address, now) != Some(now);
            }
        }
        LastLoad(known)
    }

    /// Those at the instruction at `address`.
    pub fn at(&self, address: u64) -> Registers {
        self.0.get(&address).copied().unwrap_or(0)
    }
}

/// The registers made from the last load behind an instruction before which `before` are.
fn behind(paths: &Paths<'_>, instruction: &Instruction, before: Registers) -> Registers {
    let order = &instruction.order;
    match paths.shared_load(instruction) {
        _ if instruction.is_call() => 0,
        Some(_) => order.writes,
        None if order.reads & before != 0 => before | order.writes,
        None => before & !order.writes,
    }
}

impl ControlDependency {
    /// What is missing before a counter read; `synchronised` if the counter needs no barrier, as it waits by itself.
    pub fn fault(
        &self,
        paths: &Paths<'_>,
        counter: &Instruction,
        synchronised: bool,
        last_load: &LastLoad,
    ) -> Option<String> {
        let mut barriers = Vec::new();
        if synchronised {
            barriers.push(counter.address);
        } else {
            let missing = search_back(paths, counter.address, |instruction| {
                let found = matches!(instruction.order.kind, OrderKind::Barrier(number) if (self.synchronises)(number));
                if found {
                    barriers.push(instruction.address);
                }
                found
            });
            if let Some(other) = missing {
                return Some(format!("no {} between it and {other}", self.barrier));
            }
        }
        let waits = |instruction: &Instruction| match (instruction.flow, instruction.order.kind) {
            (Flow::Branch(_), _) => instruction.order.reads & last_load.at(instruction.address) != 0,
            (_, OrderKind::Barrier(number)) => (self.completes_loads)(number),
            _ => false,
        };
        let missing = barriers.into_iter().find_map(|barrier| search_back(paths, barrier, waits))?;
        Some(format!("no branch that depends on the last load between it and {missing}"))
    }
}

/// Searches all ways back from `from`; what was met on one of them before what is searched for.
fn search_back(paths: &Paths<'_>, from: u64, mut found: impl FnMut(&Instruction) -> bool) -> Option<String> {
    paths.search_back(from, |instruction| match paths.loads(instruction) {
        _ if found(instruction) => Step::Ordered,
        Some(kind) => Step::Unordered(kind),
        None => Step::Further,
    })
}
