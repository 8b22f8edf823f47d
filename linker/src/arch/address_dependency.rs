//! The order of a counter read and the loads behind it by dependence: their addresses are made from its value.
//!
//! That is how architectures order them whose barriers are for memory alone, which the counter is not. The loads have such
//! addresses until one of them and then a barrier for loads has come, or a synchronisation of the context, or the value is not
//! used any more. Each way gets there before it calls a function or returns to one: what those load is not looked at. Loads
//! from the function's own stack are not meant: nobody else stores there.
//!
//! Registers are followed, memory is not: so until then nothing is stored that the counter has a part in.

use super::{Flow, Instruction, Liveness, OrderKind, Paths, Registers};
use std::collections::HashMap;

/// What an architecture says about it.
#[derive(Debug)]
pub struct AddressDependency {
    /// The registers that a function returns something in.
    pub results: Registers,
    /// The registers that the kernel reads in a system call: the number and the arguments.
    pub system_call: Registers,
    /// Whether a barrier of this number synchronises the context: what is behind it starts when what is before it is done.
    pub synchronises: fn(u32) -> bool,
    /// Whether a barrier of this number is for the loads before it and behind it.
    pub orders_loads: fn(u32) -> bool,
    /// The bit that instructions write which store to memory and load nothing; none if only stores to the stack are known, by
    /// [`StackEffect`](super::StackEffect).
    pub memory: Registers,
    /// The flags by which instructions select one of their operands. A processor may predict which: so what such an
    /// instruction selects waits for a value only if it is made from that whichever operand it is.
    pub conditions: Registers,
    /// Whether reads of the counter are in program order with each other: what waits for a later one then waits for all.
    pub counters_in_order: bool,
    /// What messages call the register or flag of this bit.
    pub name: fn(u32) -> String,
}

/// What is known behind a counter read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    /// The registers whose values are made from the counter's on every way: an address of these makes a load wait.
    made: Registers,
    /// Those that on every way hold what the counter read right before this one has read. Of two readings one may be selected,
    /// by the other: what waits for either waits for the one that is used.
    other: Registers,
    /// Those whose values are made from it on one way or another: while one of these is used, so is the counter.
    touched: Registers,
    /// Whether on every way a load has had an address made from it.
    loaded: bool,
}

impl State {
    /// What is known where two ways meet.
    fn and(self, other: State) -> State {
        State {
            made: self.made & other.made,
            other: self.other & other.other,
            touched: self.touched | other.touched,
            loaded: self.loaded && other.loaded,
        }
    }
}

impl AddressDependency {
    /// Which registers are still in use.
    pub fn liveness(&self, paths: &Paths<'_>) -> Liveness {
        Liveness::new(paths, self.results, self.system_call)
    }

    /// What is out of order behind a counter read.
    pub fn fault(&self, paths: &Paths<'_>, counter: &Instruction, live: &Liveness) -> Option<String> {
        let value = counter.order.writes;
        let is_counter = |it: &Instruction| matches!(it.order.kind, OrderKind::Counter { .. });
        let before = paths.before(counter.address).map(|it| if is_counter(it) { it.order.writes } else { 0 });
        let other = before.reduce(|all, way| all & way).unwrap_or(0) & !value;
        let first = State { made: value, other, touched: value, loaded: false };
        let mut known: HashMap<u64, State> = HashMap::new();
        let mut work: Vec<(&Instruction, State)> = paths.behind(counter).map(|next| (next, first)).collect();
        while let Some((instruction, state)) = work.pop() {
            let old = known.get(&instruction.address);
            let state = old.map_or(state, |old| old.and(state));
            if old == Some(&state) {
                continue;
            }
            known.insert(instruction.address, state);
            let used = state.touched & live.at(instruction.address);
            if used == 0 || self.is_ordered(instruction, state) {
                continue;
            }
            let load = paths.shared_load(instruction);
            let order = &instruction.order;
            let stores = order.writes & self.memory != 0 || !instruction.stack.stores.is_empty();
            if stores && order.reads & state.touched != 0 {
                let (place, registers) = (instruction.named(), self.names(order.reads & state.touched));
                return Some(format!(
                    "its value, in {registers}, is stored at {place} before a load has waited for it"
                ));
            }
            let what = match (load, instruction.flow) {
                (Some(address), _) if address & state.made == 0 => "a load",
                (_, Flow::Call(_)) => "a call",
                (_, Flow::Return) => "the return",
                _ => {
                    let state = self.after(state, instruction, load);
                    work.extend(paths.behind(instruction).map(|instruction| (instruction, state)));
                    continue;
                }
            };
            let (place, registers) = (instruction.named(), self.names(used));
            return Some(format!(
                "{what} behind it, at {place}, need not wait for its value, still used in {registers}"
            ));
        }
        None
    }

    /// What is known behind an instruction; `load` are the registers of its address, if it loads what others may store: then
    /// one of them is made from the counter.
    fn after(&self, state: State, instruction: &Instruction, load: Option<Registers>) -> State {
        let order = &instruction.order;
        let operands = order.reads & !self.conditions;
        let accesses = order.writes & self.memory != 0 || matches!(order.kind, OrderKind::Load { .. });
        // An access that moves its base adds a constant to it: that register is made of what it was made of before.
        let results = if accesses { order.writes & !order.reads } else { order.writes };
        let depends = match load {
            Some(_) => true,
            None if accesses => false,
            None if matches!(order.kind, OrderKind::Counter { .. }) => self.counters_in_order,
            None if order.reads & self.conditions != 0 => {
                operands & state.made != 0 && operands & !(state.made | state.other) == 0
            }
            None => operands & state.made != 0,
        };
        let made = if depends { state.made | results } else { state.made & !results };
        let touches = load.is_some() || order.reads & state.touched != 0;
        let touched = if touches { state.touched | order.writes } else { state.touched & !order.writes };
        State { made, other: state.other & !order.writes, touched, loaded: state.loaded || load.is_some() }
    }

    /// Whether what is behind an instruction waits for the counter.
    fn is_ordered(&self, instruction: &Instruction, state: State) -> bool {
        match instruction.order.kind {
            OrderKind::SystemCall => true,
            OrderKind::Barrier(number) => (self.synchronises)(number) || state.loaded && (self.orders_loads)(number),
            _ => false,
        }
    }

    fn names(&self, registers: Registers) -> String {
        let set = (0..Registers::BITS).filter(|bit| registers >> bit & 1 != 0);
        set.map(self.name).collect::<Vec<_>>().join(", ")
    }
}
