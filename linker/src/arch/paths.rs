//! The ways through the code, for rules on what must come before or behind an instruction.

use super::{Flow, Instruction, Instructions};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The instructions with the ways between them. A call is passed over: its way goes on behind it.
pub(crate) struct Paths<'a> {
    instructions: &'a Instructions,
    /// From where control gets to an address, calls excluded.
    predecessors: HashMap<u64, Vec<u64>>,
    /// Where functions start that are called, from without or within.
    entries: BTreeSet<u64>,
}

impl<'a> Paths<'a> {
    /// The ways through `instructions`, of which those at `exports` are called from without.
    pub(crate) fn new(instructions: &'a Instructions, exports: impl Iterator<Item = u64>) -> Self {
        let mut predecessors: HashMap<u64, Vec<u64>> = HashMap::new();
        let mut entries: BTreeSet<u64> = exports.collect();
        for instruction in instructions.values() {
            for next in successors(instruction) {
                predecessors.entry(next).or_default().push(instruction.address);
            }
            if let Flow::Call(target) = instruction.flow {
                entries.insert(target);
            }
        }
        Paths { instructions, predecessors, entries }
    }

    /// All instructions, by address.
    pub(crate) fn instructions(&self) -> impl Iterator<Item = &'a Instruction> + '_ {
        self.instructions.values()
    }

    /// Whether a function that is called starts there.
    pub(crate) fn is_entry(&self, address: u64) -> bool {
        self.entries.contains(&address)
    }

    /// The instructions that control may get to from this one.
    pub(crate) fn behind(&self, instruction: &Instruction) -> impl Iterator<Item = &'a Instruction> + '_ {
        successors(instruction).filter_map(|address| self.instructions.get(&address))
    }

    /// The instructions from which control may get to this address.
    pub(crate) fn before(&self, address: u64) -> impl Iterator<Item = &'a Instruction> + '_ {
        let found = self.predecessors.get(&address).map_or(&[][..], Vec::as_slice);
        found.iter().filter_map(|address| self.instructions.get(address))
    }

    /// Goes back from `from` along all ways. `visit` sees each instruction before it once, and none where a function
    /// begins (or what leads to the code cannot be known); it says whether to go on back from there.
    pub(crate) fn walk_back(&self, from: u64, mut visit: impl FnMut(Option<&'a Instruction>) -> bool) {
        let mut seen = HashSet::new();
        let mut work = vec![from];
        while let Some(address) = work.pop() {
            let mut alone = true;
            for instruction in self.before(address) {
                alone = false;
                if seen.insert(instruction.address) && visit(Some(instruction)) {
                    work.push(instruction.address);
                }
            }
            if alone || self.is_entry(address) {
                visit(None);
            }
        }
    }
}

fn successors(instruction: &Instruction) -> impl Iterator<Item = u64> {
    let end = instruction.end();
    let next = match instruction.flow {
        Flow::Next | Flow::Call(_) => [Some(end), None],
        Flow::Jump(target) => [Some(target), None],
        Flow::Branch(target) => [Some(end), Some(target)],
        Flow::Return | Flow::Stop => [None, None],
    };
    next.into_iter().flatten()
}
