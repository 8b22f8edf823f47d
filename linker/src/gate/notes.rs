//! Rules on the notes: build id, the page that the image reads, and the mark of an image with landing pads.

use super::{Gate, PageAbi, Rule};
use crate::arch::LandingPads;
use crate::inspect::{NoteContent, Segment};
use object::elf;

/// The fewest bytes of a build id that tell images apart; the linker's shortest kind has 8.
const BUILD_ID_MIN: u64 = 8;

pub(super) fn check(gate: &mut Gate<'_>) {
    build_id(gate);
    page(gate);
    if let Some(pads) = &gate.architecture().landing_pads {
        properties(gate, pads);
    }
}

fn build_id(gate: &mut Gate<'_>) {
    let mut ids = gate.facts.notes.iter().filter(|note| matches!(note.content, NoteContent::BuildId { .. }));
    let what = match (ids.next(), ids.next()) {
        (Some(id), None) if id.size >= BUILD_ID_MIN => return,
        (Some(id), None) => format!("a build id of {} bytes", id.size),
        (Some(_), Some(_)) => "more than one build id".to_owned(),
        (None, _) => "no build id".to_owned(),
    };
    let remedy = "link with `--build-id=sha1`, and put `.note.*` into a PT_NOTE segment";
    gate.refuse(Rule::BuildId, "notes", what, remedy);
}

fn page(gate: &mut Gate<'_>) {
    let Some(wanted) = gate.page else { return };
    let pages: Vec<PageAbi> = gate
        .facts
        .notes
        .iter()
        .filter_map(|note| match note.content {
            NoteContent::Page(page) => Some(page),
            _ => None,
        })
        .collect();
    let what = match pages[..] {
        [page] if page == wanted => return,
        [page] => format!("{page}, expected {wanted}"),
        [] => format!("no note of owner `{}`, type {}, expected {wanted}", PageAbi::NOTE_OWNER, PageAbi::NOTE_TYPE),
        _ => format!("{} notes of owner `{}`, expected one", pages.len(), PageAbi::NOTE_OWNER),
    };
    let remedy = "build the image and the kernel with the same version of `vvar`";
    gate.refuse(Rule::PageNote, "notes, `vvar`", what, remedy);
}

fn properties(gate: &mut Gate<'_>, pads: &LandingPads) {
    let facts = gate.facts;
    let remedy =
        "link with `-z force-bti`, and put `.note.gnu.property` into a PT_GNU_PROPERTY and a PT_NOTE, each its own";
    let segments = |kind| facts.segments.iter().filter(move |segment| segment.is(kind));
    let range = |segment: &Segment| (segment.offset, segment.file_size);
    let marks: Vec<_> = segments(elf::PT_GNU_PROPERTY).collect();
    let what = match marks[..] {
        [mark] if segments(elf::PT_NOTE).any(|note| range(note) == range(mark)) => None,
        [_] => Some("the PT_GNU_PROPERTY is no PT_NOTE too".to_owned()),
        _ => Some(format!("{} PT_GNU_PROPERTY segments instead of one", marks.len())),
    };
    if let Some(what) = what {
        gate.refuse(Rule::PropertyNote, "program headers", what, remedy);
        return;
    }
    let value = facts.notes.iter().find_map(|note| match &note.content {
        NoteContent::Properties { properties } => properties.iter().find(|it| it.kind == pads.property)?.value,
        _ => None,
    });
    if value.is_none_or(|value| value & pads.bit == 0) {
        let found = value.map_or_else(|| "there is none".to_owned(), |value| format!("it is {value:#x}"));
        let what = format!("no mark of {}: bit {:#x} of property {:#x}; {found}", pads.name, pads.bit, pads.property);
        gate.refuse(Rule::PropertyNote, "notes, `GNU` properties", what, remedy);
    }
}
