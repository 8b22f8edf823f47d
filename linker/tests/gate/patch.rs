//! Changes single fields of a finished image. Offsets of fields are those of the ELF64 structures (System V gABI).

use object::elf;
use vdso_linker::inspect::{inspect, Inspection};

/// Sizes of the ELF64 structures.
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;
const DYNAMIC_ENTRY: usize = 16;
const SYMBOL: usize = 24;

fn facts(image: &[u8]) -> Inspection {
    inspect(image).expect("the good image can be read")
}

/// Overwrites bytes.
pub(crate) fn write(image: &mut [u8], offset: usize, bytes: &[u8]) {
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// The file offset of the first program header of a type.
pub(crate) fn segment(image: &[u8], kind: elf::ProgramType) -> usize {
    let facts = facts(image);
    let segment = facts.segments.iter().find(|segment| segment.is(kind)).expect("a program header of that type");
    facts.header.segments_offset as usize + segment.index * PROGRAM_HEADER
}

/// The file offset of a section header.
pub(crate) fn section(image: &[u8], name: &str) -> usize {
    let facts = facts(image);
    let section = facts.sections.iter().find(|section| section.name == name).expect("a section of that name");
    facts.header.sections_offset as usize + section.index * SECTION_HEADER
}

/// The file offset of a section's bytes.
pub(crate) fn section_bytes(image: &[u8], name: &str) -> usize {
    facts(image).sections.iter().find(|section| section.name == name).expect("a section of that name").offset as usize
}

/// The file offset of an entry of the dynamic table.
pub(crate) fn dynamic(image: &[u8], tag: elf::DynamicTag) -> usize {
    let facts = facts(image);
    let index = facts.dynamic.iter().position(|entry| entry.tag.value == tag.0 as u64).expect("an entry with that tag");
    section_bytes(image, ".dynamic") + index * DYNAMIC_ENTRY
}

/// The file offset of a dynamic symbol.
pub(crate) fn symbol(image: &[u8], name: &str) -> usize {
    section_bytes(image, ".dynsym") + symbol_index(image, name) * SYMBOL
}

/// The index of a dynamic symbol.
pub(crate) fn symbol_index(image: &[u8], name: &str) -> usize {
    facts(image).symbols.iter().find(|symbol| symbol.name == name).expect("a symbol of that name").index
}

/// Turns the stack segment, which no client reads, into one of another type.
pub(crate) fn segment_type(mut image: Vec<u8>, kind: elf::ProgramType) -> Vec<u8> {
    let offset = segment(&image, elf::PT_GNU_STACK);
    write(&mut image, offset, &kind.0.to_le_bytes());
    image
}

/// Turns the entry DT_FLAGS, which no client of a vDSO needs, into another one.
pub(crate) fn dynamic_tag(mut image: Vec<u8>, tag: elf::DynamicTag, value: u64) -> Vec<u8> {
    let offset = dynamic(&image, elf::DT_FLAGS);
    write(&mut image, offset, &tag.0.to_le_bytes());
    write(&mut image, offset + 8, &value.to_le_bytes());
    image
}
