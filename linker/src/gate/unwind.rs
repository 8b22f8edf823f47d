//! Rules on the unwind information itself; [`super::stack`] compares it with the instructions.

use super::{Gate, Rule, STACK_LIMIT};
use crate::arch::Convention;
use crate::inspect::{Cfa, Frame, Row, Saved};
use object::elf;

pub(super) fn check(gate: &mut Gate<'_>) {
    sections(gate);
    table(gate);
    frames(gate);
}

fn sections(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    let readable = |part| facts.problems.iter().all(|problem| problem.part != part);
    if facts.unwind.frames.is_empty() && readable(crate::inspect::Part::Frames) {
        let remedy = "compile with `-C force-unwind-tables=yes`, assembly with `.cfi_startproc`; keep `.eh_frame`";
        gate.refuse(Rule::EhFrame, ".eh_frame", "no frame description", remedy);
    }
    if !facts.segments.iter().any(|segment| segment.is(elf::PT_GNU_EH_FRAME)) {
        let remedy = "link with `--eh-frame-hdr`, and put `.eh_frame_hdr` into a PT_GNU_EH_FRAME segment";
        gate.refuse(Rule::EhFrameHdr, "program headers", "no PT_GNU_EH_FRAME", remedy);
    }
}

/// The table has each frame once, sorted, and knows where `.eh_frame` is.
fn table(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    let Some(table) = &facts.unwind.table else { return };
    let remedy = "link with `--eh-frame-hdr`; no tool may move code or frame descriptions after the link";
    let section = facts.sections.iter().find(|section| section.name == ".eh_frame");
    if let Some(section) = section.filter(|section| section.address != table.frames_address) {
        let what = format!("eh_frame_ptr leads to {:#x}, .eh_frame is at {:#x}", table.frames_address, section.address);
        gate.refuse(Rule::EhFrameHdr, ".eh_frame_hdr", what, remedy);
        return;
    }
    if let Some(pair) = table.entries.windows(2).find(|pair| pair[0].start >= pair[1].start) {
        let what = format!("entry for {:#x} stands before that for {:#x}", pair[0].start, pair[1].start);
        gate.refuse(Rule::EhFrameHdr, ".eh_frame_hdr", what, remedy);
    }
    for frame in &facts.unwind.frames {
        let entry = table.entries.iter().find(|entry| entry.start == frame.start);
        if entry.is_none_or(|entry| entry.frame != frame.address) {
            let found = entry.map_or_else(|| "no entry".to_owned(), |entry| format!("entry {:#x}", entry.frame));
            let name = facts.function_name(frame.start);
            let what = format!("{found} for {name}, whose frame description is at {:#x}", frame.address);
            gate.refuse(Rule::EhFrameHdr, ".eh_frame_hdr", what, remedy);
        }
    }
    if table.entries.len() > facts.unwind.frames.len() {
        let what = format!("{} entries for {} frame descriptions", table.entries.len(), facts.unwind.frames.len());
        gate.refuse(Rule::EhFrameHdr, ".eh_frame_hdr", what, remedy);
    }
}

fn frames(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    for frame in &facts.unwind.frames {
        let place = format!("frame description of {}", facts.function_name(frame.start));
        if let Some(fault) = frame_fault(gate, frame) {
            gate.refuse(Rule::EhFrame, place, fault, "give each function one `.cfi_startproc` and `.cfi_endproc`");
            continue;
        }
        if frame.signal {
            continue; // its rules restore what the kernel saved, by expressions: see `super::trampoline`
        }
        if let Some(fault) = rule_fault(gate, frame) {
            let remedy =
                "compile with `-C force-frame-pointers=no` or `-fomit-frame-pointer`; in assembly, describe the frame \
                          with `.cfi_def_cfa_offset` and `.cfi_adjust_cfa_offset`";
            gate.refuse(Rule::CfaRule, place, fault, remedy);
            continue;
        }
        let largest = largest_frame(frame);
        if largest > STACK_LIMIT {
            let what = format!("{largest} bytes of stack, {STACK_LIMIT} are allowed");
            gate.refuse(Rule::FrameSize, place, what, "use smaller or fewer local variables");
        }
    }
}

/// What makes a frame description useless as a whole.
fn frame_fault(gate: &Gate<'_>, frame: &Frame) -> Option<String> {
    let facts = gate.facts;
    let code = facts.sections.iter().filter(|section| section.is_code());
    if frame.start >= frame.end || !code.clone().any(|s| s.contains(frame.start) && frame.end <= s.end()) {
        return Some(format!(
            "it covers {:#x}..{:#x}, which is not within an executable section",
            frame.start, frame.end
        ));
    }
    let other =
        facts.unwind.frames.iter().find(|other| other.address != frame.address && other.contains(frame.start))?;
    Some(format!("{:#x} is also covered by the description at {:#x}", frame.start, other.address))
}

/// What is wrong with the rules for the canonical frame address and the return address.
fn rule_fault(gate: &Gate<'_>, frame: &Frame) -> Option<String> {
    let convention = gate.convention();
    if frame.return_register != convention.return_address {
        return Some(format!(
            "return address column {} instead of {}",
            frame.return_register, convention.return_address
        ));
    }
    if let Some(row) = frame.rows.iter().find(|row| !row_is_from_stack(row, convention)) {
        return Some(format!(
            "at {:#x} the frame address is {}, not the {} plus a number",
            row.start,
            show(row.cfa),
            if convention.frame_pointer.is_some() { "stack or frame pointer" } else { "stack pointer" }
        ));
    }
    let expected = convention.return_address_at.map(Saved::AtCfa);
    let found =
        |row: &Row| row.registers.iter().find(|(register, _)| *register == convention.return_address).map(|r| r.1);
    let row = frame.rows.iter().find(|row| expected.is_some() && found(row) != expected)?;
    Some(format!("at {:#x} the return address is {:?}, expected {expected:?}", row.start, found(row)))
}

fn row_is_from_stack(row: &Row, convention: &Convention) -> bool {
    let allowed = |register| register == convention.stack_pointer || convention.frame_pointer == Some(register);
    matches!(row.cfa, Cfa::Register { register, .. } if allowed(register))
}

/// Whether all rules of a frame compute the canonical frame address from the stack pointer, or from the frame pointer
/// where the convention has one.
pub(super) fn is_from_stack(frame: &Frame, convention: &Convention) -> bool {
    frame.rows.iter().all(|row| row_is_from_stack(row, convention))
}

fn show(cfa: Cfa) -> String {
    match cfa {
        Cfa::Register { register, offset } => format!("DWARF register {register} plus {offset}"),
        Cfa::Expression => "an expression".to_owned(),
    }
}

/// The largest distance from stack or frame pointer to canonical frame address that the rules of a frame give, in bytes.
pub(super) fn largest_frame(frame: &Frame) -> u64 {
    let offset = |row: &Row| match row.cfa {
        Cfa::Register { offset, .. } => u64::try_from(offset).unwrap_or(0),
        Cfa::Expression => 0,
    };
    frame.rows.iter().map(offset).max().unwrap_or(0)
}
