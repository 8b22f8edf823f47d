//! Rules on the notes: build id, and the page that the image reads.

use super::{Gate, PageAbi, Rule};
use crate::inspect::NoteContent;

/// The fewest bytes of a build id that tell images apart; the linker's shortest kind has 8.
const BUILD_ID_MIN: u64 = 8;

pub(super) fn check(gate: &mut Gate<'_>) {
    build_id(gate);
    page(gate);
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
