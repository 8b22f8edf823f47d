//! Follows the control flow and adds up the stack.
//!
//! From each export and each target of a call, the distance of stack pointer and frame pointer from the canonical frame
//! address, and the place of every saved register, are carried along all paths. At each instruction they must be what the
//! unwind information says there (but for [epilogues](Convention::epilogues_described)); where paths meet they must agree.
//! A jump to another function (a tail call) carries on with the caller's frame, a call starts a new one. The depth of a
//! function is that of its own frame, or of a call it makes. What lies below the stack pointer counts where it is addressed
//! by the stack pointer; compilers address it in no other way in frames of a fixed size.

use super::code::Code;
use super::{unwind, Function, Gate, Rule, STACK_LIMIT};
use crate::arch::{Convention, Flow, Instruction, OrderKind};
use crate::inspect::{Cfa, Row, Saved};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What to do about a store to the place of the return address.
const KEEP_RETURN_ADDRESS: &str = "store nothing where the return address is: make a frame first";

/// Calls within calls that the gate follows. Each takes stack, so an image within the limit has far fewer.
const MAX_NESTED_CALLS: usize = STACK_LIMIT as usize / 4;

pub(super) fn check(gate: &mut Gate<'_>, code: &Code<'_>) {
    let convention = gate.convention();
    red_zone(gate, code, convention);
    let mut walk = Walk { gate, code, convention, states: HashMap::new(), work: Vec::new(), reported: HashSet::new() };
    let entries = walk.all();
    let mut depths = Depths { code, states: &walk.states, entries: &entries, known: HashMap::new(), open: Vec::new() };
    let mut recursions = Vec::new();
    let mut functions = Vec::new();
    for &entry in &entries {
        let depth = depths.of(entry, &mut recursions);
        functions.push((entry, depth));
    }
    for (caller, callee) in recursions {
        let what = format!("calls {} again before that has returned", code.facts.function_name(callee));
        gate.refuse(Rule::Recursion, code.place(caller), what, "write it as a loop");
    }
    for (entry, depth) in functions {
        report(gate, code, entry, depth);
    }
}

/// Reports for each function the first use of memory below the stack pointer that a signal handler may overwrite.
fn red_zone(gate: &mut Gate<'_>, code: &Code<'_>, convention: &Convention) {
    let mut reported = HashSet::new();
    for instruction in code.instructions.values() {
        let effect = &instruction.stack;
        // What an instruction pushes is above the stack pointer when it is done.
        let below = effect.adjust.unwrap_or(0).min(0).saturating_sub(effect.lowest);
        let Some(below) = u64::try_from(below).ok().filter(|below| *below > convention.red_zone) else { continue };
        if reported.insert(code.frame(instruction.address).map(|frame| frame.start)) {
            let what = format!("uses {below} bytes below the stack pointer, the red zone has {}", convention.red_zone);
            let remedy = "move the stack pointer first";
            gate.refuse(Rule::RedZone, code.place(instruction.address), what, remedy);
        }
    }
}

fn report(gate: &mut Gate<'_>, code: &Code<'_>, address: u64, depth: Depth) {
    let name = code.facts.function_name(address);
    let symbol = code.facts.symbols.iter().find(|symbol| symbol.is_function() && symbol.value == address);
    let described_size = code.frame(address).map_or(0, |frame| frame.end - frame.start);
    let size = symbol.map_or(described_size, |symbol| symbol.size);
    let described = code.frame(address).map_or(0, unwind::largest_frame); // refused where it stands, if it is too large
    if depth.frame > STACK_LIMIT && described <= STACK_LIMIT {
        let what = format!("uses {} bytes of stack, {STACK_LIMIT} are allowed", depth.frame);
        gate.refuse(Rule::FrameSize, &name, what, "use smaller or fewer local variables");
    } else if depth.total > STACK_LIMIT && depth.widest <= STACK_LIMIT {
        let what = format!("uses {} bytes of stack with all that it calls, {STACK_LIMIT} are allowed", depth.total);
        gate.refuse(Rule::StackDepth, &name, what, "nest fewer calls, inline, or use smaller local variables");
    }
    gate.report.functions.push(Function { name, address, size, frame: depth.frame, depth: depth.total });
}

/// What is known before an instruction is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// Canonical frame address minus stack pointer.
    offset: i64,
    /// Canonical frame address minus frame pointer, where that was set from the stack pointer.
    frame_pointer: Option<i64>,
    /// Where the caller's values of callee-saved registers lie, from the canonical frame address, and the return address,
    /// if that is on the stack from the start. What is below the stack pointer and its red zone lies nowhere.
    saved: BTreeMap<u16, i64>,
    /// Callee-saved registers that do not hold the caller's value.
    changed: BTreeSet<u16>,
}

impl State {
    fn entry(convention: &Convention) -> State {
        let offset = convention.entry_offset;
        let saved = convention.return_address_at.map(|at| (convention.return_address, at)).into_iter().collect();
        State { offset, frame_pointer: None, saved, changed: BTreeSet::new() }
    }

    /// The state behind an instruction; none if the stack pointer cannot be known there.
    fn after(&self, instruction: &Instruction, convention: &Convention) -> Option<State> {
        let effect = &instruction.stack;
        let mut next = self.clone();
        let place = |offset: i64| offset.wrapping_sub(self.offset);
        for store in &effect.stores {
            let start = place(store.offset);
            let end = start.saturating_add_unsigned(store.size);
            next.saved.retain(|_, at| *at >= end || at.saturating_add_unsigned(convention.register_size) <= start);
            if let Some(register) = store.register.filter(|register| !self.changed.contains(register)) {
                if convention.callee_saved.iter().any(|(number, _)| *number == register) {
                    next.saved.insert(register, start);
                }
            }
        }
        let frame_pointer = |register: &u16| convention.frame_pointer == Some(*register);
        if effect.writes.iter().any(frame_pointer) || effect.loads.iter().any(|(register, _)| frame_pointer(register)) {
            next.frame_pointer = effect.frame_pointer.and_then(|offset| self.offset.checked_sub(offset));
        }
        next.changed.extend(&effect.writes);
        for &(register, offset) in &effect.loads {
            if self.saved.get(&register) == Some(&place(offset)) {
                next.changed.remove(&register);
            } else {
                next.changed.insert(register);
            }
        }
        next.offset = self.offset.checked_sub(effect.adjust?)?;
        let offset = next.offset;
        next.saved.retain(|_, at| below_stack_pointer(*at, offset) <= convention.red_zone);
        Some(next)
    }

    /// Whether the place of the return address on the stack holds something else.
    fn lost_return_address(&self, convention: &Convention) -> bool {
        convention.return_address_at.is_some_and(|at| self.saved.get(&convention.return_address) != Some(&at))
    }

    /// Joins what another path knows. Returns whether anything changed.
    fn join(&mut self, other: &State) -> bool {
        let before = (self.frame_pointer, self.saved.len(), self.changed.len());
        self.frame_pointer = self.frame_pointer.filter(|offset| other.frame_pointer == Some(*offset));
        self.saved.retain(|register, at| other.saved.get(register) == Some(at));
        self.changed.extend(&other.changed);
        before != (self.frame_pointer, self.saved.len(), self.changed.len())
    }
}

/// How many bytes below the stack pointer a place is that is `at` bytes from the canonical frame address, which is
/// `offset` bytes above the stack pointer.
fn below_stack_pointer(at: i64, offset: i64) -> u64 {
    at.saturating_add(offset).min(0).unsigned_abs()
}

struct Walk<'a, 'g, 'f> {
    gate: &'g mut Gate<'f>,
    code: &'g Code<'a>,
    convention: &'static Convention,
    states: HashMap<u64, State>,
    work: Vec<u64>,
    /// Function and rule of what was reported, since one mistake shows at every instruction behind it.
    reported: HashSet<(u64, Rule)>,
}

impl Walk<'_, '_, '_> {
    /// Walks all functions; returns where they start.
    fn all(&mut self) -> BTreeSet<u64> {
        let code = self.code;
        // Where the rules start from something else, that is refused already, and the stack pointer moves in other ways.
        let refused = code.frames().filter(|frame| !unwind::is_from_stack(frame, self.convention));
        self.reported.extend(refused.map(|frame| (frame.start, Rule::StackPointer)));
        let exports = code.facts.symbols.iter().filter(|symbol| symbol.is_function() && symbol.is_defined());
        let calls = code.instructions.values().filter_map(|instruction| match instruction.flow {
            Flow::Call(target) => Some(target),
            _ => None,
        });
        let mut entries: BTreeSet<u64> = exports.map(|symbol| symbol.value).chain(calls).collect();
        // A signal trampoline is entered by a return, in a frame that the kernel made.
        entries.retain(|entry| code.instructions.contains_key(entry) && code.frame(*entry).is_none_or(|f| !f.signal));
        for &entry in &entries {
            self.enter(entry, State::entry(self.convention), entry);
        }
        self.run();
        for frame in code.frames().filter(|frame| !frame.signal) {
            if code.instructions.contains_key(&frame.start) && !self.states.contains_key(&frame.start) {
                entries.insert(frame.start);
                self.enter(frame.start, State::entry(self.convention), frame.start);
                self.run();
            }
        }
        self.unwind_rules();
        entries
    }

    fn run(&mut self) {
        let code = self.code;
        while let Some(address) = self.work.pop() {
            let (Some(instruction), Some(state)) = (code.instructions.get(&address), self.states.get(&address)) else {
                continue;
            };
            let next = match instruction.flow {
                Flow::Return => {
                    let state = state.clone();
                    self.returns(address, &state);
                    continue;
                }
                Flow::Stop => continue,
                _ => state.after(instruction, self.convention),
            };
            let Some(next) = next else {
                let what = "the stack pointer moves by an amount that cannot be added up";
                let remedy = "move it by pushes and pops, and by additions of constants, only";
                self.refuse(address, Rule::StackPointer, what.to_owned(), remedy);
                continue;
            };
            let alignment = self.convention.stack_alignment;
            if next.offset != state.offset && next.offset.unsigned_abs() % alignment != 0 {
                let what = format!(
                    "moves the stack pointer to {} bytes below the frame address, no multiple of {alignment}",
                    next.offset
                );
                let remedy = "keep the stack pointer aligned as the calling convention says: round the frame's size up";
                self.refuse(address, Rule::StackPointer, what, remedy);
            }
            if let Flow::Call(target) = instruction.flow {
                self.leads_into_signal_frame(target, address);
            }
            if let Flow::Jump(target) | Flow::Branch(target) = instruction.flow {
                if code.instructions.contains_key(&target) {
                    self.enter(target, next.clone(), address);
                }
            }
            if !matches!(instruction.flow, Flow::Jump(_)) {
                self.fall_through(instruction, next);
            }
        }
    }

    fn fall_through(&mut self, instruction: &Instruction, state: State) {
        let code = self.code;
        let into = code.instructions.get(&instruction.end());
        let into_gap = |next: &Instruction| next.padding && code.frame(next.address).is_none();
        if into.is_none_or(into_gap) && code.frame(instruction.address).is_some() {
            let what = format!("control runs on to {:#x}, where no code of the image is", instruction.end());
            let remedy = "end the function with `ret`, or with a trap behind a call that does not return";
            self.refuse(instruction.address, Rule::BranchTarget, what, remedy);
            return;
        }
        self.enter(instruction.end(), state, instruction.address);
    }

    /// Whether a function's code leads into a signal frame, which is refused: the frame that the description is of is made
    /// by the kernel.
    fn leads_into_signal_frame(&mut self, address: u64, from: u64) -> bool {
        let leads = self.code.frame(address).is_some_and(|frame| frame.signal);
        if leads {
            let what = format!("control goes on to {address:#x}, which is described as a signal frame");
            let remedy = "let nothing but a signal handler's return lead to the trampoline";
            self.refuse(from, Rule::SignalTrampoline, what, remedy);
        }
        leads
    }

    fn enter(&mut self, address: u64, state: State, from: u64) {
        if self.leads_into_signal_frame(address, from) {
            return;
        }
        let Some(known) = self.states.get_mut(&address) else {
            self.states.insert(address, state);
            self.work.push(address);
            return;
        };
        let (had, has) = (known.offset, state.offset);
        if known.join(&state) {
            self.work.push(address);
        }
        if had != has {
            let what = format!("reached from {from:#x} with {has} bytes of stack, on another path with {had}");
            let remedy = "make every path to it push and pop alike";
            self.refuse(address, Rule::StackPointer, what, remedy);
        }
    }

    fn returns(&mut self, address: u64, state: &State) {
        if state.offset != self.convention.entry_offset {
            let excess = state.offset.wrapping_sub(self.convention.entry_offset);
            let what = format!("returns with {excess} bytes still on the stack");
            self.refuse(address, Rule::StackPointer, what, "pop what was pushed");
        }
        if state.lost_return_address(self.convention) {
            let what = "returns to what was stored in the place of the return address".to_owned();
            self.refuse(address, Rule::SavedRegister, what, KEEP_RETURN_ADDRESS);
        }
        if let Some(register) = state.changed.first() {
            let what = format!("returns with {} changed", self.name(*register));
            self.refuse(
                address,
                Rule::SavedRegister,
                what,
                "save the register at the start, restore it before the return",
            );
        }
    }

    fn name(&self, register: u16) -> &'static str {
        let named = self.convention.callee_saved.iter().find(|(number, _)| *number == register);
        named.map_or("a register", |(_, name)| name)
    }

    /// Compares what is known at each instruction with what the unwind information says there.
    fn unwind_rules(&mut self) {
        let code = self.code;
        for address in code.instructions.keys().copied() {
            let (Some(state), Some(frame)) = (self.states.get(&address), code.frame(address)) else { continue };
            if self.reported.contains(&(frame.start, Rule::StackPointer)) {
                continue; // what the stack is there is not known
            }
            let Some(row) = frame.row(address) else { continue };
            let fault = self.frame_address_fault(state, row);
            let undescribed = fault.is_some() && self.is_undescribed_epilogue(state, row, address);
            if let Some(what) = fault.filter(|_| !undescribed) {
                let remedy = "in assembly, follow each push, pop, add and sub of the stack pointer with \
                              `.cfi_adjust_cfa_offset`; if a compiler made the function, its description of the \
                              prologue or epilogue is not exact: give the function no frame (fewer values alive at a \
                              time, no call), compile C with `-fasynchronous-unwind-tables`, or take another compiler";
                self.refuse(address, Rule::CfaMismatch, what, remedy);
            } else if state.lost_return_address(self.convention) {
                let what = "something else was stored in the place of the return address".to_owned();
                self.refuse(address, Rule::SavedRegister, what, KEEP_RETURN_ADDRESS);
            } else if let Some(what) = self.register_fault(state, row, undescribed) {
                let remedy =
                    "in assembly, follow the push or store of the register with `.cfi_rel_offset` or `.cfi_offset`, the \
                     load that gives it back with `.cfi_restore`";
                self.refuse(address, Rule::SavedRegister, what, remedy);
            }
        }
    }

    /// Whether an instruction is one of the few between that which gives the frame up and the function's end, on an
    /// architecture whose compilers leave these undescribed ([`Convention::epilogues_described`]): the row in force was right
    /// where it began, the stack pointer has just moved up to where it was at the start, and from there straight on, without
    /// a call or a branch, the function ends.
    fn is_undescribed_epilogue(&self, state: &State, row: &Row, address: u64) -> bool {
        let convention = self.convention;
        if convention.epilogues_described || state.offset != convention.entry_offset {
            return false;
        }
        let is_right = |state: &State| self.frame_address_fault(state, row).is_none();
        if !self.states.get(&row.start).is_some_and(is_right) {
            return false;
        }
        let passes = |it: &Instruction| {
            it.flow == Flow::Next && it.stack.adjust == Some(0) && it.order.kind != OrderKind::SystemCall
        };
        let instructions = &self.code.instructions;
        let given_up = instructions.range(row.start..address).rev().map(|(_, it)| it).find(|it| !passes(it));
        if !given_up.is_some_and(|it| it.flow == Flow::Next && it.stack.adjust.is_some_and(|up| up > 0)) {
            return false;
        }
        let function = |address: u64| self.code.frame(address).map(|frame| frame.start);
        let end = instructions.range(address..).map(|(_, it)| it).find(|it| !passes(it));
        match end.filter(|end| function(end.address) == function(address)).map(|end| end.flow) {
            Some(Flow::Return) => true,
            Some(Flow::Jump(target)) => function(target) != function(address),
            _ => false,
        }
    }

    fn frame_address_fault(&self, state: &State, row: &Row) -> Option<String> {
        let Cfa::Register { register, offset } = row.cfa else { return None };
        let (name, made) = if self.convention.frame_pointer == Some(register) {
            ("frame pointer", state.frame_pointer)
        } else {
            ("stack pointer", Some(state.offset))
        };
        let found = made.map_or_else(|| "an unknown number".to_owned(), |made| made.to_string());
        (made != Some(offset)).then(|| {
            format!(
                "the unwind information says {name} plus {offset} for the frame address, the instructions make {found}"
            )
        })
    }

    /// What is wrong with the rules of the callee-saved registers. An epilogue that is not described gives them back, too,
    /// and the places that its row still names are below the stack pointer.
    fn register_fault(&self, state: &State, row: &Row, undescribed: bool) -> Option<String> {
        self.convention.callee_saved.iter().find_map(|&(number, name)| {
            let rule = row.registers.iter().find(|(register, _)| *register == number).map(|(_, saved)| *saved);
            let at = state.saved.get(&number);
            let right = match rule {
                Some(Saved::AtCfa(offset)) => at == Some(&offset) || (undescribed && !state.changed.contains(&number)),
                None | Some(Saved::Same) => !state.changed.contains(&number),
                Some(Saved::Undefined | Saved::Other) => false,
            };
            let known = at.map_or_else(|| "nowhere".to_owned(), |at| format!("at frame address {at:+}"));
            let changed = if state.changed.contains(&number) { "changed" } else { "unchanged" };
            let below = match rule {
                Some(Saved::AtCfa(offset)) => below_stack_pointer(offset, state.offset),
                _ => 0,
            };
            let lost = if below > self.convention.red_zone {
                format!(", {below} bytes below the stack pointer, where a signal handler overwrites it")
            } else {
                String::new()
            };
            (!right).then(|| {
                format!("{name} is {changed} and saved {known}, the unwind information says {}{lost}", show(rule))
            })
        })
    }

    fn refuse(&mut self, address: u64, rule: Rule, what: String, remedy: &'static str) {
        let function = self.code.frame(address).map_or(address, |frame| frame.start);
        if self.reported.insert((function, rule)) {
            self.gate.refuse(rule, self.code.place(address), what, remedy);
        }
    }
}

fn show(rule: Option<Saved>) -> String {
    match rule {
        Some(Saved::AtCfa(offset)) => format!("frame address {offset:+}"),
        Some(Saved::Undefined) => "it is lost".to_owned(),
        Some(Saved::Other) => "it is computed".to_owned(),
        None | Some(Saved::Same) => "it is unchanged".to_owned(),
    }
}

/// The stack that a function uses, in bytes from the canonical frame address down.
#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    /// By itself.
    frame: u64,
    /// With all that it calls.
    total: u64,
    /// The largest frame of itself and of all that it calls.
    widest: u64,
}

struct Depths<'a, 'f> {
    code: &'a Code<'f>,
    states: &'a HashMap<u64, State>,
    entries: &'a BTreeSet<u64>,
    known: HashMap<u64, Depth>,
    /// The functions on the way from the outermost one.
    open: Vec<u64>,
}

impl Depths<'_, '_> {
    /// The depth of the function at `entry`. Calls that close a circle are added to `recursions`.
    fn of(&mut self, entry: u64, recursions: &mut Vec<(u64, u64)>) -> Depth {
        if let Some(depth) = self.known.get(&entry) {
            return *depth;
        }
        self.open.push(entry);
        let mut depth = Depth::default();
        let mut calls = Vec::new();
        for (state, instruction) in self.body(entry) {
            let lowest = state.offset.saturating_sub(instruction.stack.lowest.min(0));
            depth.frame = depth.frame.max(u64::try_from(lowest).unwrap_or(0));
            if let Flow::Call(target) = instruction.flow {
                calls.push((instruction.address, target, u64::try_from(state.offset).unwrap_or(0)));
            }
        }
        depth.total = depth.frame;
        depth.widest = depth.frame;
        for (caller, target, offset) in calls {
            if self.open.contains(&target) {
                recursions.push((caller, target));
            } else if self.entries.contains(&target) && self.open.len() < MAX_NESTED_CALLS {
                let callee = self.of(target, recursions);
                depth.total = depth.total.max(offset.saturating_add(callee.total));
                depth.widest = depth.widest.max(callee.widest);
            } else if self.entries.contains(&target) {
                depth.total = depth.total.max(STACK_LIMIT + 1);
            }
        }
        self.open.pop();
        self.known.insert(entry, depth);
        depth
    }

    /// The instructions that run in the frame of the function at `entry`, those of functions that it jumps to included.
    fn body(&self, entry: u64) -> Vec<(&State, &Instruction)> {
        let mut seen = HashSet::from([entry]);
        let mut work = vec![entry];
        let mut body = Vec::new();
        while let Some(address) = work.pop() {
            let (Some(state), Some(instruction)) = (self.states.get(&address), self.code.instructions.get(&address))
            else {
                continue;
            };
            let end = instruction.end();
            let next = match instruction.flow {
                Flow::Next | Flow::Call(_) => [Some(end), None],
                Flow::Jump(target) => [Some(target), None],
                Flow::Branch(target) => [Some(end), Some(target)],
                Flow::Return | Flow::Stop => [None, None],
            };
            work.extend(next.into_iter().flatten().filter(|address| seen.insert(*address)));
            body.push((state, instruction));
        }
        body
    }
}
