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

/// Turns the stack segment, which no client reads, into one of another type that is to be read.
pub(crate) fn segment_type(mut image: Vec<u8>, kind: elf::ProgramType) -> Vec<u8> {
    let offset = segment(&image, elf::PT_GNU_STACK);
    write(&mut image, offset, &kind.0.to_le_bytes());
    write(&mut image, offset + 4, &elf::PF_R.0.to_le_bytes());
    image
}

/// Takes the entry DT_FLAGS, which no client of a vDSO needs, out of the dynamic table, and puts another one at its end.
pub(crate) fn last_dynamic_tag(image: &mut [u8], tag: elf::DynamicTag, value: u64) {
    let flags = dynamic(image, elf::DT_FLAGS);
    let end = section_bytes(image, ".dynamic") + facts(image).dynamic.len() * DYNAMIC_ENTRY;
    image.copy_within(flags + DYNAMIC_ENTRY..end, flags);
    write(image, end - DYNAMIC_ENTRY, &tag.0.to_le_bytes());
    write(image, end - DYNAMIC_ENTRY + 8, &value.to_le_bytes());
}

/// The file offset of the first word of the buckets, or of the chains, of DT_HASH that is 0: of a bucket without a
/// symbol, of the end of a chain. The chain of the empty first symbol does not count.
pub(crate) fn zero_in_hash(image: &[u8], chains: bool) -> (usize, u32) {
    let table = section_bytes(image, ".hash");
    let word = |index: usize| u32::from_le_bytes(*image[table + 4 * index..].first_chunk().expect("four bytes"));
    let (buckets, symbols) = (word(0) as usize, word(1) as usize);
    let (start, count, first) = if chains { (2 + buckets, symbols, 1) } else { (2, buckets, 0) };
    let index = (first..count).find(|index| word(start + index) == 0).expect("a 0 in the table");
    (table + 4 * (start + index), index as u32)
}

/// Turns the entry DT_FLAGS, which no client of a vDSO needs, into another one.
pub(crate) fn dynamic_tag(mut image: Vec<u8>, tag: elf::DynamicTag, value: u64) -> Vec<u8> {
    let offset = dynamic(&image, elf::DT_FLAGS);
    write(&mut image, offset, &tag.0.to_le_bytes());
    write(&mut image, offset + 8, &value.to_le_bytes());
    image
}
