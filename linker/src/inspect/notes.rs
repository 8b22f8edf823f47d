//! The notes of the PT_NOTE segments.

use super::file::Source;
use super::{Part, Problems};
use crate::gate::PageAbi;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};
use object::Endianness;
use serde::Serialize;

/// A note.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// The name of who defines its type: `GNU`, `Linux`, `vvar`.
    pub owner: String,
    /// Its type, a number of that owner's.
    pub kind: u32,
    /// Bytes of its descriptor.
    pub size: u64,
    /// What it says.
    pub content: NoteContent,
}

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteContent {
    /// `GNU`, NT_GNU_BUILD_ID.
    BuildId {
        /// The id in hexadecimal digits.
        id: String,
    },
    /// `vvar`, [`PageAbi::NOTE_TYPE`]: the page that the image reads.
    Page(PageAbi),
    /// `GNU`, NT_GNU_PROPERTY_TYPE_0: what the object was compiled for.
    Properties {
        /// The properties, in ascending order of their types.
        properties: Vec<Property>,
    },
    /// Any other note.
    Other {
        /// Its descriptor in hexadecimal digits.
        bytes: String,
    },
}

/// A property of a program, as the gABI's Linux extensions define them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Property {
    /// Its type; from 0xc0000000 to 0xdfffffff (GNU_PROPERTY_LOPROC to HIPROC) it is the architecture's own.
    pub kind: u32,
    /// Its value, if it has 4 bytes as all that are sets of bits do.
    pub value: Option<u32>,
}

pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_, Elf>,
    problems: &mut Problems,
) -> Vec<Note> {
    let endian = source.endian;
    let mut notes = Vec::new();
    for (index, segment) in source.program_headers.iter().enumerate() {
        let place = || format!("program header {index} (PT_NOTE)");
        let mut iterator = match segment.notes(endian, source.bytes) {
            Ok(Some(iterator)) => iterator,
            Ok(None) => continue,
            Err(error) => {
                problems.add(Part::Notes, place(), error.to_string());
                continue;
            }
        };
        loop {
            match iterator.next() {
                Ok(Some(note)) => {
                    let owner = String::from_utf8_lossy(note.name()).into_owned();
                    let kind = note.n_type(endian).0;
                    let content =
                        properties(&note, endian).unwrap_or_else(|| content(&owner, kind, note.desc(), endian));
                    notes.push(Note { owner, kind, size: note.desc().len() as u64, content });
                }
                Ok(None) => break,
                Err(error) => problems.add(Part::Notes, place(), error.to_string()),
            }
        }
    }
    notes
}

/// The properties that a note holds; none if it is another note, or malformed.
fn properties<Elf: FileHeader<Endian = Endianness>>(
    note: &object::read::elf::Note<'_, Elf>,
    endian: Endianness,
) -> Option<NoteContent> {
    let mut iterator = note.gnu_properties(endian)?;
    let mut properties = Vec::new();
    while let Some(property) = iterator.next().ok()? {
        let value = property.pr_data().try_into().ok().map(|bytes| match endian {
            Endianness::Little => u32::from_le_bytes(bytes),
            Endianness::Big => u32::from_be_bytes(bytes),
        });
        properties.push(Property { kind: property.pr_type().0, value });
    }
    Some(NoteContent::Properties { properties })
}

fn content(owner: &str, kind: u32, bytes: &[u8], endian: Endianness) -> NoteContent {
    if owner.as_bytes() == elf::ELF_NOTE_GNU && kind == elf::NT_GNU_BUILD_ID.0 {
        return NoteContent::BuildId { id: hex(bytes) };
    }
    if owner == PageAbi::NOTE_OWNER && kind == PageAbi::NOTE_TYPE && endian == Endianness::Little {
        if let Some(page) = PageAbi::from_note(bytes) {
            return NoteContent::Page(page);
        }
    }
    NoteContent::Other { bytes: hex(bytes) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
