//! Rules on the instructions that are alike on every architecture.
//!
//! A decoder for each architecture ([`super::code_x86_64`]) turns the bytes of the executable sections into
//! [`Instruction`]s: where control goes on, what happens to the stack, and which rules the instruction breaks on its
//! own. This file holds them against the unwind information and against each other; [`super::stack`] follows the
//! control flow.

use super::{code_x86_64, stack, Gate, Rule};
use crate::inspect::{Frame, Inspection, Section};
use crate::manifest::{Arch, Manifest};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// An instruction, as far as the rules need to know it.
#[derive(Debug)]
pub(super) struct Instruction {
    /// Its address.
    pub(super) address: u64,
    /// Its length in bytes.
    pub(super) length: u64,
    /// Its text in the manual's syntax, for messages.
    pub(super) text: String,
    /// Where control goes on.
    pub(super) flow: Flow,
    /// What it does to the stack and to the registers that a function must preserve.
    pub(super) stack: StackEffect,
    /// Whether it may fill the space between functions.
    pub(super) padding: bool,
    /// The rules that it breaks on its own.
    pub(super) faults: Vec<Fault>,
    /// The rule that a branch to it breaks: it belongs to the instruction before it.
    pub(super) branch_fault: Option<Fault>,
}

impl Instruction {
    /// The address behind it.
    pub(super) fn end(&self) -> u64 {
        self.address.wrapping_add(self.length)
    }
}

/// A breach found while decoding; the place is added later.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) rule: Rule,
    pub(super) what: String,
    pub(super) remedy: &'static str,
}

/// Where control goes on behind an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// At the next instruction.
    Next,
    /// At the target.
    Jump(u64),
    /// At the next instruction or at the target.
    Branch(u64),
    /// At the target, and then at the next instruction.
    Call(u64),
    /// At the caller.
    Return,
    /// Nowhere that can be known.
    Stop,
}

/// What an instruction does to the stack. Offsets are bytes from the stack pointer as it was before the instruction;
/// registers are DWARF numbers.
#[derive(Debug, Default)]
pub(super) struct StackEffect {
    /// By how much the stack pointer moves; none if that cannot be known.
    pub(super) adjust: Option<i64>,
    /// The lowest offset that is used.
    pub(super) lowest: i64,
    /// Stores, and which register is stored, if it is a whole one.
    pub(super) stores: Vec<Slot>,
    /// Callee-saved registers that are loaded, and from where.
    pub(super) loads: Vec<(u16, i64)>,
    /// Callee-saved registers that get another value.
    pub(super) writes: Vec<u16>,
}

/// A store to the stack.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) offset: i64,
    pub(super) size: u64,
    pub(super) register: Option<u16>,
}

/// The parts of an architecture's calling convention that the rules need, in DWARF numbers.
#[derive(Debug)]
pub(super) struct Convention {
    /// The stack pointer.
    pub(super) stack_pointer: u16,
    /// The column of the return address.
    pub(super) return_address: u16,
    /// Where the return address is throughout a function, as offset from the canonical frame address; none if it starts
    /// out in a register.
    pub(super) return_address_at: Option<i64>,
    /// Canonical frame address minus stack pointer at a function's first instruction.
    pub(super) entry_offset: i64,
    /// Bytes of a register.
    pub(super) register_size: u64,
    /// Registers that a function must preserve, the stack pointer aside, with their names.
    pub(super) callee_saved: &'static [(u16, &'static str)],
}

/// The calling convention of an architecture.
pub(super) fn convention(arch: Arch) -> &'static Convention {
    match arch {
        Arch::X86_64 => &code_x86_64::CONVENTION,
    }
}

/// What lies at a fixed distance from the code.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// The image itself.
    pub(super) image: Range<i64>,
    /// The vvar pages.
    pub(super) vvar: Range<i64>,
}

impl Surroundings {
    fn new(manifest: &Manifest, image_size: u64) -> Self {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let start = manifest.vvar_offset();
        let size = signed(manifest.vvar.pages.saturating_mul(manifest.image.page_size));
        Surroundings { image: 0..signed(image_size), vvar: start..start.saturating_add(size) }
    }
}

/// The instructions of the image by address, and the frame descriptions that cover them.
pub(super) struct Code<'a> {
    pub(super) facts: &'a Inspection,
    pub(super) instructions: BTreeMap<u64, Instruction>,
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
    let mut code = Code { facts, instructions: BTreeMap::new(), frames };
    let surroundings = Surroundings::new(gate.manifest, gate.report.size);
    for section in facts.sections.iter().filter(|section| section.is_code()) {
        decode(gate, &mut code, section, &surroundings);
    }
    measure(gate, &code);
    instruction_faults(gate, &code);
    branches(gate, &code);
    export_addresses(gate, &code);
    coverage(gate, &code);
    stack::check(gate, &code);
}

/// Decodes a section. Each frame description starts anew, so that an instruction cannot hide in another.
fn decode(gate: &Gate<'_>, code: &mut Code<'_>, section: &Section, surroundings: &Surroundings) {
    let range = usize::try_from(section.offset).ok().zip(usize::try_from(section.size).ok());
    let bytes = range.and_then(|(offset, size)| gate.bytes.get(offset..offset.checked_add(size)?)).unwrap_or_default();
    let mut cuts: BTreeSet<u64> = code.frames.keys().copied().filter(|start| section.contains(*start)).collect();
    cuts.insert(section.address);
    cuts.insert(section.address.saturating_add(bytes.len() as u64));
    let cuts: Vec<u64> = cuts.into_iter().collect();
    for piece in cuts.windows(2) {
        let (from, to) = ((piece[0] - section.address) as usize, (piece[1] - section.address) as usize);
        let piece_bytes = bytes.get(from..to).unwrap_or_default();
        let decoded = match gate.manifest.image.arch {
            Arch::X86_64 => code_x86_64::decode(piece_bytes, piece[0], surroundings),
        };
        code.instructions.extend(decoded.into_iter().map(|instruction| (instruction.address, instruction)));
    }
}

fn measure(gate: &mut Gate<'_>, code: &Code<'_>) {
    gate.report.instructions = code.instructions.len();
    for instruction in code.instructions.values() {
        let covered = code.frame(instruction.address).is_some();
        if covered || !instruction.padding {
            gate.report.code_bytes += instruction.length;
        }
        if covered {
            gate.report.covered_bytes += instruction.length;
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
