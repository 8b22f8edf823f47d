//! The ways through the code, for rules on what must come before or behind an instruction.

use super::{Convention, Flow, Instruction, Instructions, OrderKind, Registers};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The instructions with the ways between them. A call is passed over: its way goes on behind it.
#[derive(Debug)]
pub struct Paths<'a> {
    instructions: &'a Instructions,
    /// From where control gets to an address, calls excluded. Code that no function leads to leads nowhere: it fills space, as
    /// the instructions that align a function do.
    predecessors: HashMap<u64, Vec<u64>>,
    /// Where functions start that are called, from without or within.
    entries: BTreeSet<u64>,
    convention: &'static Convention,
}

/// What a search for what orders a counter read makes of an instruction.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// It is what is searched for, so that its way need not be followed further.
    Ordered,
    /// What is searched for had to come first. What kind of instruction it is, for messages.
    Unordered(&'static str),
    /// Neither.
    Further,
}

impl<'a> Paths<'a> {
    /// The ways through `instructions`, of which those at `exports` are called from without. What those and the functions
    /// that are called within do not lead to counts as code, but not as the way to any.
    pub fn new(
        instructions: &'a Instructions,
        exports: impl Iterator<Item = u64>,
        convention: &'static Convention,
    ) -> Self {
        let called = instructions.values().filter_map(|instruction| match instruction.flow {
            Flow::Call(target) => Some(target),
            _ => None,
        });
        let entries: BTreeSet<u64> = exports.chain(called).collect();
        let mut predecessors: HashMap<u64, Vec<u64>> = HashMap::new();
        let mut seen: HashSet<u64> = entries.iter().copied().collect();
        let mut work: Vec<u64> = entries.iter().copied().collect();
        while let Some(address) = work.pop() {
            let Some(instruction) = instructions.get(&address) else { continue };
            for next in successors(instruction) {
                predecessors.entry(next).or_default().push(address);
                if seen.insert(next) {
                    work.push(next);
                }
            }
        }
        Paths { instructions, predecessors, entries, convention }
    }

    /// All instructions, by address.
    pub fn instructions(&self) -> impl DoubleEndedIterator<Item = &'a Instruction> + '_ {
        self.instructions.values()
    }

    /// Whether a function that is called starts there.
    pub fn is_entry(&self, address: u64) -> bool {
        self.entries.contains(&address)
    }

    /// The instructions that control may get to from this one.
    pub fn behind(&self, instruction: &Instruction) -> impl Iterator<Item = &'a Instruction> + '_ {
        successors(instruction).filter_map(|address| self.instructions.get(&address))
    }

    /// The instructions from which control may get to this address.
    pub fn before(&self, address: u64) -> impl Iterator<Item = &'a Instruction> + '_ {
        let found = self.predecessors.get(&address).map_or(&[][..], Vec::as_slice);
        found.iter().filter_map(|address| self.instructions.get(address))
    }

    /// Goes back from `from` along all ways. `visit` sees each instruction before it once, and none where a function
    /// begins (or what leads to the code cannot be known); it says whether to go on back from there.
    fn walk_back(&self, from: u64, mut visit: impl FnMut(Option<&'a Instruction>) -> bool) {
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

    /// Goes on behind `from` along all ways. `visit` sees each instruction once, and says whether to go on behind it.
    fn walk_on(&self, from: &Instruction, mut visit: impl FnMut(&'a Instruction) -> bool) {
        let mut seen = HashSet::new();
        let mut work: Vec<&Instruction> = self.behind(from).collect();
        while let Some(instruction) = work.pop() {
            if seen.insert(instruction.address) && visit(instruction) {
                work.extend(self.behind(instruction));
            }
        }
    }

    /// Searches all ways that lead to `from`. Returns what, on one of them, it met first that is unordered: that may be
    /// the start of the function, behind which its caller has loaded.
    pub fn search_back(&self, from: u64, mut step: impl FnMut(&'a Instruction) -> Step) -> Option<String> {
        let mut found = None;
        self.walk_back(from, |instruction| match instruction {
            Some(instruction) => note(&mut found, instruction, step(instruction)),
            None => {
                found.get_or_insert_with(|| "the function's start".to_owned());
                false
            }
        });
        found
    }

    /// Searches all ways behind `from`. Returns what, on one of them, it met first that is unordered.
    pub fn search_on(&self, from: &Instruction, mut step: impl FnMut(&'a Instruction) -> Step) -> Option<String> {
        let mut found = None;
        self.walk_on(from, |instruction| note(&mut found, instruction, step(instruction)));
        found
    }

    /// The registers of the address, if it loads what others may store: nobody else stores to the function's stack.
    pub fn shared_load(&self, instruction: &Instruction) -> Option<Registers> {
        match instruction.order.kind {
            OrderKind::Load { address } if address != bit(self.convention.stack_pointer) => Some(address),
            _ => None,
        }
    }

    /// The kind of an instruction that may load what others store, for messages. What a call loads is not looked at.
    pub fn loads(&self, instruction: &Instruction) -> Option<&'static str> {
        match self.shared_load(instruction) {
            Some(_) => Some("a load"),
            None => instruction.is_call().then_some("a call"),
        }
    }

    /// The registers that a function must preserve, the stack pointer included.
    pub fn preserved(&self) -> Registers {
        let convention = self.convention;
        let saved = convention.callee_saved.iter().map(|(register, _)| bit(*register));
        saved.fold(bit(convention.stack_pointer), |set, register| set | register)
    }
}

/// The set of one register; none for one that has no bit in it.
fn bit(register: u16) -> Registers {
    1u64.checked_shl(register.into()).unwrap_or(0)
}

/// Keeps the first place without order; says whether to go on from there.
fn note(found: &mut Option<String>, instruction: &Instruction, step: Step) -> bool {
    if let Step::Unordered(kind) = step {
        found.get_or_insert_with(|| format!("{kind} at {}", instruction.named()));
    }
    matches!(step, Step::Further)
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
