//! The rule on the functions that signal handlers return to.
//!
//! A handler's return address is such a function, which the kernel or the libc put there; nothing called the handler from
//! it. What lies on the stack is the kernel's frame, not a function's. Unwinders recognise that by the description's
//! augmentation `S`, or without a description by the instructions, which therefore are part of the interface.
//!
//! Nothing else may be described so. The description's rules are not looked at, neither here nor by [`super::unwind`] and
//! [`super::stack`], which leave signal frames out: not how the frame address is made, not where each register lies, and not
//! in which column the return address is. They are expressions on the kernel's `rt_sigframe`, which is the C library's to lay
//! out and not the convention's. The test `the_description_restores_every_register` in `tests/foreign/unwinding.rs` evaluates
//! them for the images that ship; an embedder who writes a trampoline of his own needs such a test, too.

use super::code::Code;
use super::{Gate, Rule};
use crate::arch::{Instruction, Trampoline};
use crate::inspect::{Frame, Symbol};

pub(super) fn check(gate: &mut Gate<'_>) {
    let (facts, architecture) = (gate.facts, gate.architecture());
    for symbol in facts.symbols.iter().filter(|symbol| symbol.is_function() && symbol.is_defined()) {
        let Some(trampoline) = architecture.trampolines.iter().find(|it| it.names.contains(&symbol.name.as_str()))
        else {
            continue;
        };
        let place = format!("dynamic symbol {} (`{}`)", symbol.index, symbol.name);
        if let Some(what) = code_fault(gate, symbol, trampoline) {
            let remedy =
                format!("write exactly `{}`, which is what {} look for", trampoline.assembly, trampoline.clients);
            gate.refuse(Rule::SignalTrampoline, &place, what, remedy);
        }
        if let Some(what) = frame_fault(gate, symbol, trampoline) {
            let remedy = "put `.cfi_startproc` and `.cfi_signal_frame`, then a `nop`, before the function's label";
            gate.refuse(Rule::SignalTrampoline, &place, what, remedy);
        }
    }
}

/// Since the rules on the stack leave signal frames out, nothing else may be described as one: each description holds a
/// trampoline and at most one instruction before it, which does nothing.
pub(super) fn frames(gate: &mut Gate<'_>, code: &Code<'_>) {
    for frame in code.frames().filter(|frame| frame.signal) {
        if let Some(what) = other_code(gate, code, frame) {
            let place = format!("frame description of {}", gate.facts.function_name(frame.start));
            let remedy = "leave out `.cfi_signal_frame`, or put nothing into the description but the trampoline and a \
                          `nop` before it";
            gate.refuse(Rule::SignalTrampoline, place, what, remedy);
        }
    }
}

/// What a signal frame's description covers besides a trampoline.
fn other_code(gate: &Gate<'_>, code: &Code<'_>, frame: &Frame) -> Option<String> {
    let trampolines = gate.architecture().trampolines;
    let functions = gate.facts.symbols.iter().filter(|symbol| symbol.is_function() && symbol.is_defined());
    let inside: Vec<&Symbol> = functions.filter(|symbol| frame.contains(symbol.value)).collect();
    let known = |symbol: &Symbol| trampolines.iter().find(|it| it.names.contains(&symbol.name.as_str()));
    let Some((symbol, trampoline)) = inside.iter().find_map(|symbol| Some((*symbol, known(symbol)?))) else {
        let names: Vec<&str> = trampolines.iter().flat_map(|it| it.names).copied().collect();
        let names = if names.is_empty() { "of which the architecture has none".to_owned() } else { names.join(", ") };
        return Some(format!("it says that it is a signal frame, and covers no signal trampoline ({names})"));
    };
    let is_alias = |it: &Symbol| it.value == symbol.value && trampoline.names.contains(&it.name.as_str());
    if let Some(other) = inside.iter().find(|it| !is_alias(it)) {
        return Some(format!("it says that it is a signal frame, and covers `{}`, too", other.name));
    }
    // Where clients look for an instruction before it, what that must be is checked with the trampoline's bytes.
    let leads = |it: &Instruction| it.end() == symbol.value && (it.padding || !trampoline.before.is_empty());
    let starts = frame.start == symbol.value || code.instructions.get(&frame.start).is_some_and(leads);
    let end = symbol.value.saturating_add(symbol.size);
    (!starts || frame.end != end).then(|| {
        format!(
            "it says that it is a signal frame, and covers {:#x}..{:#x}, where `{}` is {:#x}..{end:#x}",
            frame.start, frame.end, symbol.name, symbol.value
        )
    })
}

/// What is wrong with its bytes.
fn code_fault(gate: &Gate<'_>, symbol: &Symbol, trampoline: &Trampoline) -> Option<String> {
    let found = bytes(gate, symbol.value, symbol.size);
    if found != Some(trampoline.bytes) {
        return Some(format!("{} instead of {}", show(found), show(Some(trampoline.bytes))));
    }
    let size = trampoline.before.len() as u64;
    let found = symbol.value.checked_sub(size).and_then(|start| bytes(gate, start, size));
    (found != Some(trampoline.before))
        .then(|| format!("behind {}, where the frame description needs {}", show(found), show(Some(trampoline.before))))
}

/// What is wrong with its description.
fn frame_fault(gate: &Gate<'_>, symbol: &Symbol, trampoline: &Trampoline) -> Option<String> {
    let at = |address: u64| gate.facts.unwind.frames.iter().find(|frame| frame.contains(address));
    let frame = at(symbol.value)?; // that there is none is reported as missing coverage
    if !frame.signal {
        return Some("its frame description does not say that it is a signal frame".to_owned());
    }
    let before = symbol.value.checked_sub(1).and_then(at);
    match before {
        Some(before) if before.address == frame.address => None,
        Some(_) => Some("the byte before it has the frame description of another function".to_owned()),
        None if trampoline.before.is_empty() => None, // then unwinders go by the instructions
        None => Some("its frame description does not cover the byte before it".to_owned()),
    }
}

fn bytes<'a>(gate: &Gate<'a>, address: u64, size: u64) -> Option<&'a [u8]> {
    let section = gate.facts.sections.iter().find(|section| section.is_code() && section.contains(address))?;
    let start = section.offset.checked_add(address - section.address)?;
    let range = usize::try_from(start).ok()?..usize::try_from(start.checked_add(size)?).ok()?;
    gate.bytes.get(range)
}

fn show(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "no code".to_owned() };
    let digits: Vec<String> = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > 16 { format!(" and {} bytes more", bytes.len() - 16) } else { String::new() };
    format!("`{}`{more}", digits.join(" "))
}
