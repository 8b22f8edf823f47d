//! The order of a counter read and the loads behind it by dependence: their addresses are made from its value.
//!
//! That is how architectures order them whose barriers are for memory alone, which the counter is not. The loads have such
//! addresses until one of them and then a barrier for loads has come, or a synchronisation of the context, or the value is not
//! used any more. Each way gets there before it calls a function or returns to one: what those load is not looked at. Loads
//! from the function's own stack are not meant: nobody else stores there.

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
    /// What messages call the register or flag of this bit.
    pub name: fn(u32) -> String,
}

/// What is known behind a counter read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    /// The registers whose values are made from the counter's on every way: an address of these makes a load wait.
    made: Registers,
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
            touched: self.touched | other.touched,
            loaded: self.loaded && other.loaded,
        }
    }

    /// What is known behind an instruction; `load` are the registers of its address, if it loads what others may store.
    fn after(self, instruction: &Instruction, load: Option<Registers>) -> State {
        let order = &instruction.order;
        let passed_on = |from: Registers| {
            let depends = order.reads & from != 0 || load.is_some();
            if depends {
                from | order.writes
            } else {
                from & !order.writes
            }
        };
        State { made: passed_on(self.made), touched: passed_on(self.touched), loaded: self.loaded || load.is_some() }
    }
}

impl AddressDependency {
    /// Which registers are still in use.
    pub fn liveness(&self, paths: &Paths<'_>) -> Liveness {
        Liveness::new(paths, self.results, self.system_call)
    }

    /// What is out of order behind a counter read.
    pub fn fault(&self, paths: &Paths<'_>, counter: &Instruction, live: &Liveness) -> Option<String> {
        let first = State { made: counter.order.writes, touched: counter.order.writes, loaded: false };
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
            let what = match (load, instruction.flow) {
                (Some(address), _) if address & state.made == 0 => "a load",
                (_, Flow::Call(_)) => "a call",
                (_, Flow::Return) => "the return",
                _ => {
                    let state = state.after(instruction, load);
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
