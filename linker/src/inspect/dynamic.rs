//! The dynamic table, as a client finds it: through PT_DYNAMIC.

use super::file::Source;
use super::{Code, Part, Problems};
use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::ReadRef;
use object::Endianness;
use serde::Serialize;

/// An entry of the dynamic table.
#[derive(Debug, Clone, Serialize)]
pub struct DynamicEntry {
    /// `d_tag`.
    pub tag: Code,
    /// `d_un`: an address, a size or a number, as the tag says.
    pub value: u64,
    /// The string, where the tag says that the value is an offset into DT_STRTAB.
    pub text: Option<String>,
}

/// A tag as it is compared here.
pub(super) fn tag_number(tag: elf::DynamicTag) -> u64 {
    tag.0 as u64
}

/// The value of the first entry with this tag.
pub(super) fn value(dynamic: &[DynamicEntry], tag: elf::DynamicTag) -> Option<u64> {
    dynamic.iter().find(|entry| entry.tag.value == tag_number(tag)).map(|entry| entry.value)
}

pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_, Elf>,
    problems: &mut Problems,
) -> Vec<DynamicEntry> {
    let endian = source.endian;
    let Some(segment) = source.program_headers.iter().find(|segment| segment.p_type(endian) == elf::PT_DYNAMIC) else {
        return Vec::new();
    };
    let raw = match segment.dynamic(endian, source.bytes) {
        Ok(raw) => raw.unwrap_or_default(),
        Err(error) => {
            problems.add(Part::Dynamic, "PT_DYNAMIC", error.to_string());
            return Vec::new();
        }
    };
    let used = raw.iter().take_while(|entry| entry.d_tag(endian) != elf::DT_NULL).count();
    if used == raw.len() {
        let what = format!("{used} entries and no DT_NULL at their end: a client reads on into what follows");
        problems.add(Part::Dynamic, "PT_DYNAMIC", what);
    }
    let mut entries: Vec<DynamicEntry> = raw[..used]
        .iter()
        .map(|entry| DynamicEntry {
            tag: Code::new(tag_number(entry.tag(endian)), source.names.dt.name(entry.tag(endian))),
            value: entry.val(endian),
            text: None,
        })
        .collect();
    let strings = Strings::new(source, &entries);
    for (entry, raw) in entries.iter_mut().zip(raw) {
        if raw.is_string(endian) {
            entry.text = strings.get(entry.value);
            if entry.text.is_none() {
                let what = format!("the string at offset {:#x} lies outside of DT_STRTAB", entry.value);
                problems.add(Part::Dynamic, entry.tag.to_string(), what);
            }
        }
    }
    entries
}

/// The dynamic string table.
pub(super) struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    pub(super) fn new<Elf: FileHeader<Endian = Endianness>>(
        source: &Source<'a, Elf>,
        dynamic: &[DynamicEntry],
    ) -> Self {
        let bytes = value(dynamic, elf::DT_STRTAB).and_then(|address| {
            let all = source.at(address)?;
            let size = value(dynamic, elf::DT_STRSZ).and_then(|size| usize::try_from(size).ok());
            all.get(..size.unwrap_or(all.len()).min(all.len()))
        });
        Strings(bytes.unwrap_or_default())
    }

    pub(super) fn get(&self, offset: u64) -> Option<String> {
        let end = self.0.len() as u64;
        let text = self.0.read_bytes_at_until(offset..end, 0).ok()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}
