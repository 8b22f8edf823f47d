//! From the trace of a call to its part of a thread: the accesses to shared memory, the barriers and the branches, with
//! everything on which an address, a stored value or a branch depends, and nothing else.
//!
//! A register whose value does not depend on shared memory is a constant, given with the test. Values that the checker has no
//! arithmetic for become 0 with the same dependencies, and a branch on such a value is never taken: the test's thread then goes
//! on where the real one might leave, so it can do more than the real one, not less.

use super::thread::{Kind, SharedAccess, Symbol, Thread, Value};
use super::trace::Step;
use std::collections::{HashMap, HashSet};
use vdso_tests::machine::{Access, Address, Arithmetic, Effect, Fence, Operand, Register, Source, Test, FLAGS};

/// Chooses words of shared memory, by their offset in it.
pub(crate) type Words = fn(&Symbol, u64) -> bool;

/// How a call is taken into a thread.
pub(crate) struct Call<'a> {
    pub(crate) steps: &'a [Step],
    /// What of its memory the test shares. Everything else is left out, which can only take order away.
    pub(crate) symbols: &'a [Symbol],
    /// Which words of it. The others are left out likewise.
    pub(crate) words: Words,
    /// Loads of these are constants, as they were in the run: the thread alone stores there.
    pub(crate) own: Words,
    /// Stands for each constant that is stored into such a word: a publish's own number.
    pub(crate) colour: Option<(u64, Words)>,
    /// Words of the page, by offset, that hold another value in each run.
    pub(crate) varies: fn(u64) -> bool,
    /// The counter is shared memory too; else it is a constant.
    pub(crate) counter: Option<Symbol>,
    /// The barriers that the call is to have, in its order, besides those of the counter.
    pub(crate) barriers: Vec<&'static str>,
    /// Those that are taken away.
    pub(crate) without: &'a [&'static str],
    /// The call is followed to this barrier only, as if it stopped there.
    pub(crate) until: Option<&'static str>,
    /// A condition asks for its loads, and the test lists its instructions.
    pub(crate) reads: bool,
}

/// The order that a counter read has before it and behind it, as [`Call::without`] names it.
pub(crate) const BEFORE_COUNTER: &str = "order-before-counter";
pub(crate) const AFTER_COUNTER: &str = "order-after-counter";
/// The branches before the counter read.
pub(crate) const BRANCH_BEFORE_COUNTER: &str = "branch-before-counter";

/// Stands for what is another number in each run, where it is a constant: the counter, and what slots hold of it.
const VARYING: u64 = 5;

/// What is known while a call is followed.
#[derive(Default)]
struct State {
    /// Registers with a value that depends on shared memory; the others are constants.
    registers: HashMap<Register, usize>,
    flags: Option<Flags>,
    /// Private memory with such a value, by address. Order goes through it as through a register: both models keep a load, a
    /// store of what depends on it, and a load of that in order.
    spilled: HashMap<u64, usize>,
    /// Registers with a constant that is another one in each run.
    varying: HashSet<Register>,
    /// How many of the call's barriers have been passed.
    barriers: usize,
    /// The counter read is still to come.
    before_counter: bool,
}

/// Flags that depend on shared memory.
#[derive(Clone)]
enum Flags {
    Compared(Value, Value),
    Opaque(Vec<Value>),
}

impl State {
    fn set(&mut self, register: Register, node: Option<usize>) {
        self.varying.remove(&register);
        match node {
            Some(node) => self.registers.insert(register, node),
            None => self.registers.remove(&register),
        };
    }

    fn flag_values(&self) -> Vec<Value> {
        match &self.flags {
            None => Vec::new(),
            Some(Flags::Compared(left, right)) => vec![*left, *right],
            Some(Flags::Opaque(values)) => values.clone(),
        }
    }
}

impl Thread<'_> {
    /// Follows a call.
    ///
    /// # Errors
    ///
    /// An instruction is used in a way that is not known here, or the call's barriers are not those expected.
    pub(crate) fn call(&mut self, call: &Call) -> Result<(), String> {
        let counter = call.steps.iter().rposition(|it| self.reads_counter(it));
        let mut state = State::default();
        for (at, step) in call.steps.iter().enumerate() {
            let first = self.nodes.len();
            state.before_counter = counter.is_some_and(|it| at < it);
            for effect in self.machine.effects(&step.instruction, step.taken)? {
                self.effect(&mut state, call, step, effect)
                    .map_err(|it| format!("{:#x} `{}`: {it}", step.at, step.instruction.text))?;
            }
            if call.until.is_some() && call.until == call.barriers[..state.barriers].last().copied() {
                self.nodes.truncate(first);
                break;
            }
            if call.reads {
                let origin = format!("{:4x}  {}", step.at, step.instruction.text);
                for node in &mut self.nodes[first..] {
                    node.origin = Some(origin.clone());
                    node.asked = node.loads().is_some();
                }
            }
        }
        if let Some(missing) = call.barriers.get(state.barriers).filter(|_| call.until.is_none()) {
            return Err(format!("the call has fewer barriers than expected: {missing} is missing"));
        }
        self.calls += 1;
        Ok(())
    }

    fn reads_counter(&self, step: &Step) -> bool {
        let effects = self.machine.effects(&step.instruction, step.taken).unwrap_or_default();
        effects.iter().any(|it| matches!(it, Effect::Counter { .. }))
    }

    fn value(&self, state: &State, step: &Step, operand: Operand) -> Value {
        let register = match operand {
            Operand::Constant(number) => return Value::Constant(number),
            Operand::Register(register) => register,
        };
        match state.registers.get(&register) {
            Some(node) => Value::Node(*node),
            None if state.varying.contains(&register) => Value::Constant(VARYING),
            None => Value::Constant(self.machine.constant(step.register(register))),
        }
    }

    fn effect(&mut self, state: &mut State, call: &Call, step: &Step, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Access { access, address, bytes, acquire, release } => {
                let at = step.address(&address);
                match call.symbols.iter().find(|it| (it.start..it.start + it.bytes).contains(&at)) {
                    Some(symbol) if (call.words)(symbol, at - symbol.start) => {
                        let (base, offset) = self.base(state, step, &address)?;
                        let from = access.stored().map(|it| self.value(state, step, it));
                        let (symbol, at) = (*symbol, at - symbol.start);
                        let shared = SharedAccess { access, from, base, offset, symbol, at, bytes, acquire, release };
                        self.shared(state, call, shared)?;
                    }
                    _ => self.private(state, call, step, &access, (at, bytes)),
                }
            }
            Effect::Fence(fence) => self.barrier(state, call, fence)?,
            Effect::Counter { to } => {
                let node = match call.counter {
                    Some(symbol) => Some(self.push(self.plain(Access::Load { to }, symbol, None))?),
                    None => None,
                };
                state.set(to, node);
                if node.is_none() {
                    state.varying.insert(to);
                }
            }
            Effect::Compute { to, by } => {
                let node = self.compute(call, by.map(|it| self.value(state, step, it)))?;
                state.set(to, node);
            }
            Effect::Opaque { to, from } => self.opaque(state, &to, &from)?,
            Effect::Compare(left, right) => {
                let (left, right) = (self.value(state, step, left), self.value(state, step, right));
                let depends = left.node().or(right.node()).is_some();
                state.flags = depends.then_some(Flags::Compared(left, right));
            }
            Effect::CompareBits(left, right) => {
                let by = Arithmetic::And(self.value(state, step, left), self.value(state, step, right));
                let node = self.compute(call, by)?;
                state.flags = node.map(|it| Flags::Compared(Value::Node(it), Value::Constant(0)));
            }
            Effect::BranchOnFlags { stay } => match state.flags.clone() {
                None => {}
                Some(Flags::Compared(left, right)) => self.branch(state, call, stay, left, right)?,
                Some(Flags::Opaque(values)) => self.opaque_branch(state, call, values)?,
            },
            Effect::Branch { stay, left, right } => {
                let (left, right) = (self.value(state, step, left), self.value(state, step, right));
                if left.node().or(right.node()).is_some() {
                    self.branch(state, call, stay, left, right)?;
                }
            }
        }
        Ok(())
    }

    /// The base of an address, and what is added to it; an index only if all of it is known.
    fn base(&self, state: &State, step: &Step, address: &Address) -> Result<(Value, i64), String> {
        let base = self.value(state, step, Operand::Register(address.base));
        let index = address.index.map(|(index, _)| self.value(state, step, Operand::Register(index)));
        match (base, index) {
            (_, None) => Ok((base, address.offset)),
            (Value::Constant(_), Some(Value::Constant(_))) => Ok((Value::Constant(step.address(address)), 0)),
            _ => Err("an index in an access whose address depends on shared memory".to_owned()),
        }
    }

    fn shared(&mut self, state: &mut State, call: &Call, mut shared: SharedAccess) -> Result<(), String> {
        let result = shared.access.result();
        if matches!(shared.access, Access::Load { .. }) && (call.own)(&shared.symbol, shared.at) {
            if let Some(to) = result {
                state.set(to, None);
            }
            return Ok(());
        }
        match (call.colour, shared.from) {
            (Some((colour, words)), Some(from)) if words(&shared.symbol, shared.at) => {
                if from.node().is_some() {
                    return Err("what is stored into the slot depends on shared memory".to_owned());
                }
                shared.from = Some(Value::Constant(colour));
            }
            _ => {}
        }
        let node = self.push(Kind::Access(shared))?;
        if let Some(to) = result {
            state.set(to, Some(node));
        }
        Ok(())
    }

    /// An access to memory that the test does not share: what was spilled comes back, everything else is a constant.
    fn private(&mut self, state: &mut State, call: &Call, step: &Step, access: &Access, (at, bytes): (u64, u64)) {
        if let Access::Store { from } = access {
            (at..at + bytes).for_each(|it| {
                state.spilled.remove(&it);
            });
            if let Value::Node(node) = self.value(state, step, *from) {
                state.spilled.insert(at, node);
            }
        }
        if let Some(to) = access.result() {
            state.set(to, state.spilled.get(&at).copied());
            if at.checked_sub(self.page).is_some_and(call.varies) {
                state.varying.insert(to);
            }
        }
    }

    fn barrier(&mut self, state: &mut State, call: &Call, fence: Fence) -> Result<(), String> {
        let (name, text) = match fence {
            Fence::BeforeInput(_) | Fence::AfterInput(_) if call.counter.is_none() => return Ok(()),
            Fence::BeforeInput(text) | Fence::Instructions(text) => (BEFORE_COUNTER, text),
            Fence::AfterInput(text) => (AFTER_COUNTER, text),
            Fence::Memory(text) => {
                let name = call.barriers.get(state.barriers).ok_or("a barrier more than expected")?;
                state.barriers += 1;
                (*name, text)
            }
        };
        if !call.without.contains(&name) {
            self.push(Kind::Fence(text))?;
        }
        Ok(())
    }

    fn compute(&mut self, call: &Call, by: Arithmetic<Value>) -> Result<Option<usize>, String> {
        if by.operands().iter().all(|it| it.node().is_none()) {
            return Ok(None);
        }
        if let Arithmetic::Copy(Value::Node(node)) = by {
            return Ok(Some(node));
        }
        // A value that is 0 whatever it depends on is there to tie an address to the counter.
        if call.without.contains(&AFTER_COUNTER) && matches!(by, Arithmetic::Xor(a, b) if a == b) {
            return Ok(None);
        }
        // Other arithmetic than additions makes no addresses here: an access by one is refused.
        let pointer = match by {
            Arithmetic::Add(a, b, _) => self.pointer(a).xor(self.pointer(b)),
            _ => None,
        };
        let node = self.push(Kind::Compute(by))?;
        if pointer.is_some() {
            self.nodes[node].pointer = pointer;
        }
        Ok(Some(node))
    }

    fn opaque(&mut self, state: &mut State, to: &[Register], from: &[Register]) -> Result<(), String> {
        let nodes = from.iter().filter_map(|it| state.registers.get(it));
        let mut values: Vec<Value> = nodes.map(|it| Value::Node(*it)).collect();
        if from.contains(&FLAGS) {
            values.extend(state.flag_values());
        }
        values.retain(|it| it.node().is_some());
        let node = if values.is_empty() { None } else { Some(self.push(Kind::Opaque(values))?) };
        for register in to {
            if *register == FLAGS {
                state.flags = node.map(|it| Flags::Opaque(vec![Value::Node(it)]));
            } else {
                state.set(*register, node);
            }
        }
        Ok(())
    }

    fn branch(&mut self, state: &State, call: &Call, stay: Test, left: Value, right: Value) -> Result<(), String> {
        let (stay, left, right) = match left {
            Value::Constant(_) => (stay.mirrored(), right, left),
            Value::Node(_) => (stay, left, right),
        };
        let source = match right {
            Value::Constant(number) if self.machine.immediate(number) => Source::Number(number),
            _ => Source::Register(0),
        };
        let possible = self.machine.leave_unless(stay, 0, source, "", 0).is_some();
        if !possible || self.is_opaque(left) || self.is_opaque(right) {
            return self.opaque_branch(state, call, vec![left, right]);
        }
        if !(state.before_counter && call.without.contains(&BRANCH_BEFORE_COUNTER)) {
            self.push(Kind::Branch { stay, left, right })?;
        }
        Ok(())
    }

    /// A branch that depends on these values, and is never taken.
    fn opaque_branch(&mut self, state: &State, call: &Call, mut values: Vec<Value>) -> Result<(), String> {
        if state.before_counter && call.without.contains(&BRANCH_BEFORE_COUNTER) {
            return Ok(());
        }
        values.retain(|it| it.node().is_some());
        let left = Value::Node(self.push(Kind::Opaque(values))?);
        let again =
            self.nodes.iter().any(|it| matches!(it.kind, Kind::Branch { left: earlier, .. } if earlier == left));
        if !again {
            self.push(Kind::Branch { stay: Test::Equal, left, right: Value::Constant(0) })?;
        }
        Ok(())
    }
}
