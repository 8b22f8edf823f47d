//! Rules on the instructions that are alike on every architecture.
//!
//! A decoder for each architecture ([`crate::arch`]) turns the bytes of the executable sections into
//! [`Instruction`]s: where control goes on, what happens to the stack, and which rules the
//! instruction breaks on its own. This file holds them against the unwind information and against each other;
//! [`super::stack`] follows the control flow.

use super::{stack, trampoline, Gate, Rule};
use crate::arch::{Fault, Flow, Instruction, Instructions, Paths, Surroundings};
use crate::inspect::{Frame, Inspection, Section};
use std::collections::{BTreeMap, BTreeSet};

/// The instructions of the image by address, and the frame descriptions that cover them.
pub(super) struct Code<'a> {
    pub(super) facts: &'a Inspection,
    pub(super) instructions: Instructions,
    /// The frame descriptions by their first address.
    frames: BTreeMap<u64, &'a Frame>,
}

impl<'a> Code<'a> {
    /// The frame description that covers an address.
    pub(super) fn frame(&self, address: u64) -> Option<&'a Frame> {
        let (_, frame) = self.frames.range(..=address).next_back()?;
        frame.contains(address).then_some(*frame)
    }

    /// The frame descriptions, by address.
    pub(super) fn frames(&self) -> impl Iterator<Item = &'a Frame> + '_ {
        self.frames.values().copied()
    }

    /// How messages call an address of the code.
    pub(super) fn place(&self, address: u64) -> String {
        let text = self.instructions.get(&address).map_or("?", |instruction| &instruction.text);
        match self.frame(address) {
            Some(frame) => {
                let name = self.facts.function_name(frame.start);
                format!("{name} + {:#x} ({address:#x}: `{text}`)", address - frame.start)
            }
            None => format!("{address:#x}: `{text}`"),
        }
    }
}

pub(super) fn check(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    let frames = facts.unwind.frames.iter().map(|frame| (frame.start, frame)).collect();
    let mut code = Code { facts, instructions: Instructions::new(), frames };
    let surroundings = Surroundings::new(gate.manifest, gate.report.size);
    for section in facts.sections.iter().filter(|section| section.is_code()) {
        decode(gate, &mut code, section, &surroundings);
    }
    measure(gate, &code);
    instruction_faults(gate, &code);
    branches(gate, &code);
    counter_order(gate, &code);
    export_addresses(gate, &code);
    landing_pads(gate, &code);
    coverage(gate, &code);
    trampoline::frames(gate, &code);
    stack::check(gate, &code);
}

/// Decodes a section. Each frame description starts anew, so that an instruction cannot hide in another.
fn decode(gate: &mut Gate<'_>, code: &mut Code<'_>, section: &Section, surroundings: &Surroundings) {
    let range = usize::try_from(section.offset).ok().zip(usize::try_from(section.size).ok());
    let bytes = range.and_then(|(offset, size)| gate.bytes.get(offset..offset.checked_add(size)?)).unwrap_or_default();
    let mut cuts: BTreeSet<u64> = code.frames.keys().copied().filter(|start| section.contains(*start)).collect();
    cuts.insert(section.address);
    cuts.insert(section.address.saturating_add(bytes.len() as u64));
    let cuts: Vec<u64> = cuts.into_iter().collect();
    for piece in cuts.windows(2) {
        let (from, to) = ((piece[0] - section.address) as usize, (piece[1] - section.address) as usize);
        let piece_bytes = bytes.get(from..to).unwrap_or_default();
        let decoded = (gate.architecture().decode)(piece_bytes, piece[0], surroundings);
        if let Some(what) = decoder_fault(&decoded, piece[0], piece_bytes.len() as u64) {
            let remedy =
                "mend the architecture's `decode`, see `vdso_linker::arch::Architecture`: it is not the image's fault";
            gate.refuse(Rule::Undecodable, format!("{:#x}", piece[0]), what, remedy);
        }
        code.instructions.extend(decoded.into_iter().map(|instruction| (instruction.address, instruction)));
    }
}

/// What is wrong with a decoder that does not take bytes one after the other, up to their end or to what it cannot decode:
/// what it leaves out nobody would judge.
fn decoder_fault(decoded: &[Instruction], address: u64, size: u64) -> Option<String> {
    let mut done = 0;
    for instruction in decoded {
        let next = address.wrapping_add(done);
        if instruction.address != next || instruction.length == 0 || instruction.length > size - done {
            let (found, length) = (instruction.address, instruction.length);
            return Some(format!("the decoder gives {length} bytes at {found:#x} for an instruction at {next:#x}"));
        }
        done += instruction.length;
    }
    let gave_up = decoded.last().is_some_and(|last| last.faults.iter().any(|fault| fault.rule == Rule::Undecodable));
    (done != size && !gave_up).then(|| format!("the decoder ends {} bytes before the code does", size - done))
}

fn measure(gate: &mut Gate<'_>, code: &Code<'_>) {
    gate.report.instructions = code.instructions.len();
    for instruction in code.instructions.values() {
        let covered = code.frame(instruction.address).is_some();
        if covered || !instruction.padding {
            gate.report.code_bytes = gate.report.code_bytes.saturating_add(instruction.length);
        }
        if covered {
            gate.report.covered_bytes = gate.report.covered_bytes.saturating_add(instruction.length);
        }
    }
}

/// Reports for each function the first breach of a rule, and how many more there are.
fn instruction_faults(gate: &mut Gate<'_>, code: &Code<'_>) {
    let mut first: BTreeMap<(u64, Rule), (u64, &Fault, usize)> = BTreeMap::new();
    for instruction in code.instructions.values() {
        let function = code.frame(instruction.address).map_or(0, |frame| frame.start);
        for fault in &instruction.faults {
            let found = first.entry((function, fault.rule)).or_insert((instruction.address, fault, 0));
            found.2 += 1;
        }
    }
    for ((_, rule), (address, fault, count)) in first {
        let more = if count > 1 { format!(" (and {} more in this function)", count - 1) } else { String::new() };
        gate.refuse(rule, code.place(address), format!("{}{more}", fault.what), fault.remedy);
    }
}

fn branches(gate: &mut Gate<'_>, code: &Code<'_>) {
    for instruction in code.instructions.values() {
        let (Flow::Jump(target) | Flow::Branch(target) | Flow::Call(target)) = instruction.flow else { continue };
        match code.instructions.get(&target) {
            None => {
                let inside = code.facts.sections.iter().any(|section| section.is_code() && section.contains(target));
                let where_to =
                    if inside { "into the middle of an instruction" } else { "out of the executable sections" };
                let what = format!("leads to {target:#x}, {where_to}");
                let remedy = "call only functions of the image, by their symbols";
                gate.refuse(Rule::BranchTarget, code.place(instruction.address), what, remedy);
            }
            Some(target) => {
                if let Some(fault) = &target.branch_fault {
                    let what = format!("{}, by the branch at {:#x}", fault.what, instruction.address);
                    gate.refuse(fault.rule, code.place(target.address), what, fault.remedy);
                }
            }
        }
    }
}

/// Reports for each counter read the first load that is not in order with it.
fn counter_order(gate: &mut Gate<'_>, code: &Code<'_>) {
    let exports = code.facts.symbols.iter().filter(|symbol| symbol.is_function() && symbol.is_defined());
    let paths = Paths::new(&code.instructions, exports.map(|symbol| symbol.value), gate.convention());
    for (address, fault) in (gate.architecture().counter_order)(&paths) {
        gate.refuse(fault.rule, code.place(address), fault.what, fault.remedy);
    }
}

/// An export must be the start of an instruction; that it is in an executable section is checked with the symbols.
fn export_addresses(gate: &mut Gate<'_>, code: &Code<'_>) {
    for symbol in code.facts.symbols.iter().filter(|symbol| symbol.is_function() && symbol.is_defined()) {
        let in_code = code.facts.sections.iter().any(|section| section.is_code() && section.contains(symbol.value));
        if in_code && !code.instructions.contains_key(&symbol.value) {
            let what = format!("{:#x} is in the middle of an instruction", symbol.value);
            let remedy = "let the symbol's label stand before the function's first instruction";
            gate.refuse(Rule::ExportAddress, format!("dynamic symbol `{}`", symbol.name), what, remedy);
        }
    }
}

/// Each export that is called starts with a landing pad. Within the image nothing branches indirectly.
fn landing_pads(gate: &mut Gate<'_>, code: &Code<'_>) {
    let architecture = gate.architecture();
    let Some(pads) = &architecture.landing_pads else { return };
    let called = code.facts.symbols.iter().filter(|symbol| {
        let returned_to = architecture.trampolines.iter().any(|it| it.names.contains(&symbol.name.as_str()));
        symbol.is_function() && symbol.is_defined() && !returned_to
    });
    let entries: BTreeSet<u64> = called.map(|symbol| symbol.value).collect();
    for entry in entries.into_iter().filter_map(|entry| code.instructions.get(&entry)) {
        if !entry.landing_pad {
            let what = format!("clients call it by a pointer, and it starts without a landing pad of {}", pads.name);
            let remedy = format!(
                "write the entry in assembly and start it with `{}`; compile C with `{}`",
                pads.instruction, pads.c_flag
            );
            gate.refuse(Rule::LandingPad, code.place(entry.address), what, remedy);
        }
    }
}

/// Reports each run of instructions that no frame description covers, once.
fn coverage(gate: &mut Gate<'_>, code: &Code<'_>) {
    if code.frames.is_empty() {
        return; // refused as a whole
    }
    let mut gap_end = None;
    for instruction in code.instructions.values() {
        if code.frame(instruction.address).is_some() {
            continue;
        }
        let continues = gap_end == Some(instruction.address);
        if !instruction.padding && !continues {
            let name = code.facts.function_name(instruction.address);
            let what = format!("no frame description covers it (in {name})");
            let remedy = "in assembly, put the function between `.cfi_startproc` and `.cfi_endproc`; compile C with \
                          `-fasynchronous-unwind-tables`, Rust with `-C force-unwind-tables=yes`";
            gate.refuse(Rule::UnwindCoverage, code.place(instruction.address), what, remedy);
        }
        if !instruction.padding || continues {
            gap_end = Some(instruction.end());
        }
    }
}
