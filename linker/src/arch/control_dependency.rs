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
//! The branch waits for the last load alone. So a barrier for loads stands before that one, which lets it begin only when those
//! before it are done, the caller's included. Two loads that one instruction makes are in no order: neither is the last.
//!
//! What the kernel loads in a system call is not looked at, as little as what a function does that is called.

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
    /// Whether a barrier of this number lets loads behind it begin only when those before it are done.
    pub orders_loads: fn(u32) -> bool,
    /// What messages call that barrier.
    pub load_barrier: &'static str,
    /// The bit that instructions write which store to memory and load nothing; none if they write no register.
    pub memory: Registers,
}

/// The registers and flags that on every way to an instruction hold something made from the last load.
#[derive(Debug)]
pub struct LastLoad(HashMap<u64, Registers>);

impl LastLoad {
    /// Of all instructions; `memory` as in [`ControlDependency`].
    fn new(paths: &Paths<'_>, memory: Registers) -> Self {
        // The largest solution: from everything down, until it agrees with itself.
        let mut known: HashMap<u64, Registers> = paths.instructions().map(|it| (it.address, Registers::MAX)).collect();
        let mut changed = true;
        while changed {
            changed = false;
            for instruction in paths.instructions() {
                let address = instruction.address;
                let mut ways =
                    paths.before(address).map(|way| behind(paths, way, known[&way.address], memory)).peekable();
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
fn behind(paths: &Paths<'_>, instruction: &Instruction, before: Registers, memory: Registers) -> Registers {
    let order = &instruction.order;
    // An access that moves its base reads and writes that register, which gets nothing from memory. A store that says whether
    // it did says nothing of what it stores.
    let results = order.writes & !order.reads;
    match paths.shared_load(instruction) {
        _ if instruction.is_call() || order.kind == OrderKind::SystemCall => 0,
        Some(_) if results.count_ones() > 1 => 0,
        Some(_) => results,
        None if order.writes & memory != 0 || matches!(order.kind, OrderKind::Load { .. }) => before & !results,
        None if order.reads & before != 0 => before | order.writes,
        None => before & !order.writes,
    }
}

impl ControlDependency {
    /// What is made from the last load, at all instructions.
    pub fn last_load(&self, paths: &Paths<'_>) -> LastLoad {
        LastLoad::new(paths, self.memory)
    }

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
                let found = is_barrier(instruction, self.synchronises);
                if found {
                    barriers.push(instruction.address);
                }
                found
            });
            if let Some(other) = missing {
                return Some(format!("no {} between it and {other}", self.barrier));
            }
        }
        let mut branches = Vec::new();
        let mut waits = |instruction: &Instruction| {
            let depends = instruction.order.reads & last_load.at(instruction.address) != 0;
            let branches_by_it = depends && matches!(instruction.flow, Flow::Branch(_));
            if branches_by_it {
                branches.push(instruction.address);
            }
            branches_by_it || is_barrier(instruction, self.completes_loads)
        };
        if let Some(missing) = barriers.into_iter().find_map(|barrier| search_back(paths, barrier, &mut waits)) {
            return Some(format!("no branch that depends on the last load between it and {missing}"));
        }
        branches.into_iter().find_map(|branch| self.load_fault(paths, branch))
    }

    /// What is missing before the last load, which the branch at `branch` depends on.
    fn load_fault(&self, paths: &Paths<'_>, branch: u64) -> Option<String> {
        let mut loads = Vec::new();
        paths.search_back(branch, |instruction| match paths.shared_load(instruction) {
            Some(_) => {
                loads.push(instruction);
                Step::Ordered
            }
            None if is_barrier(instruction, self.completes_loads) => Step::Ordered,
            None => Step::Further,
        });
        loads.into_iter().find_map(|load| {
            let missing = search_back(paths, load.address, |instruction| is_barrier(instruction, self.orders_loads))?;
            Some(format!("no {} between the last load, at {}, and {missing}", self.load_barrier, load.named()))
        })
    }
}

fn is_barrier(instruction: &Instruction, of: fn(u32) -> bool) -> bool {
    matches!(instruction.order.kind, OrderKind::Barrier(number) if of(number))
}

/// Searches all ways back from `from`; what was met on one of them before what is searched for.
fn search_back(paths: &Paths<'_>, from: u64, mut found: impl FnMut(&Instruction) -> bool) -> Option<String> {
    paths.search_back(from, |instruction| match paths.loads(instruction) {
        _ if found(instruction) => Step::Ordered,
        Some(kind) => Step::Unordered(kind),
        None if instruction.order.kind == OrderKind::SystemCall => Step::Unordered("a system call"),
        None => Step::Further,
    })
}
