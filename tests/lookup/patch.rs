//! Changes single fields of an image.

use crate::elf::*;
use crate::images::Image;
use crate::memory::{Fault, Memory};

/// An image under change.
pub(crate) struct Patched {
    pub(crate) bytes: Vec<u8>,
    page_size: usize,
}

/// Fields of the ELF header.
pub(crate) mod header {
    pub(crate) const OS_ABI: usize = 7;
    pub(crate) const KIND: usize = 16;
    pub(crate) const MACHINE: usize = 18;
    pub(crate) const SECTIONS: usize = 40;
    pub(crate) const SECTION_COUNT: usize = 60;
}

/// Fields of a program header.
pub(crate) mod segment {
    pub(crate) const FLAGS: usize = 4;
    pub(crate) const OFFSET: usize = 8;
    pub(crate) const VADDR: usize = 16;
    pub(crate) const FILE_SIZE: usize = 32;
    pub(crate) const MEMORY_SIZE: usize = 40;
}

/// A tag that no client knows: DT_LOOS + 1.
const UNKNOWN_TAG: u64 = 0x6000_000e;

const SOUND: &str = "the image that ships is sound";

impl Patched {
    pub(crate) fn new(image: &Image) -> Patched {
        Patched { bytes: image.bytes.to_vec(), page_size: image.page_size }
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::map(&self.bytes, self.page_size)
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn write_u16(&mut self, offset: usize, value: u16) {
        self.write(offset, &value.to_le_bytes());
    }

    pub(crate) fn write_u32(&mut self, offset: usize, value: u32) {
        self.write(offset, &value.to_le_bytes());
    }

    pub(crate) fn write_u64(&mut self, offset: usize, value: u64) {
        self.write(offset, &value.to_le_bytes());
    }

    /// The offset of the first structure for which the test holds, of those that `list` gives in order.
    fn position(&self, list: impl FnOnce(&Memory) -> Result<Option<u64>, Fault>) -> usize {
        let memory = self.memory();
        (list(&memory).expect(SOUND).expect(SOUND) - memory.base()) as usize
    }

    /// The offset of the first program header of a type.
    pub(crate) fn segment(&self, kind: u32) -> usize {
        self.position(|memory| {
            Ok(segments(memory)?.iter().find(|segment| segment.kind() == Ok(kind)).map(|segment| segment.address))
        })
    }

    /// The offset of the section header of a type.
    pub(crate) fn section(&self, kind: u32) -> usize {
        self.position(|memory| {
            Ok(sections(memory)?.iter().find(|section| section.kind() == Ok(kind)).map(|section| section.address))
        })
    }

    /// The dynamic table: where it is, and its entries.
    fn dynamic_table(&self) -> (usize, Vec<(u64, u64)>) {
        let memory = self.memory();
        let segment = Segment::at(&memory, memory.base() + self.segment(PT_DYNAMIC) as u64);
        let start = segment.offset().expect(SOUND);
        (start as usize, dynamic_table(&memory, memory.base() + start, u64::MAX).expect(SOUND))
    }

    /// The offset of the dynamic table.
    pub(crate) fn table_start(&self) -> usize {
        self.dynamic_table().0
    }

    /// The offset of the entry DT_NULL.
    pub(crate) fn end_of_dynamic_table(&self) -> usize {
        let (start, entries) = self.dynamic_table();
        start + entries.len() * DYNAMIC as usize
    }

    /// The offset of a dynamic entry.
    pub(crate) fn dynamic(&self, tag: u64) -> usize {
        let (start, entries) = self.dynamic_table();
        start + entries.iter().position(|(found, _)| *found == tag).expect(SOUND) * DYNAMIC as usize
    }

    /// The value of a dynamic entry: for a table its offset, as addresses in the image are offsets.
    pub(crate) fn table(&self, tag: u64) -> usize {
        entry(&self.dynamic_table().1, tag).expect(SOUND) as usize
    }

    /// Makes a dynamic entry one that no client looks at.
    pub(crate) fn forget(&mut self, tag: u64) {
        self.write_u64(self.dynamic(tag), UNKNOWN_TAG);
    }

    /// Makes the program header for unwinders, which no client here reads, another one. Returns its offset.
    pub(crate) fn replace_segment(&mut self, kind: u32) -> usize {
        let offset = self.segment(PT_GNU_EH_FRAME);
        self.write_u32(offset, kind);
        offset
    }

    /// The number of symbols.
    pub(crate) fn symbol_count(&self) -> usize {
        let memory = self.memory();
        SysvHash::at(&memory, memory.base() + self.table(DT_HASH) as u64).chains().expect(SOUND) as usize
    }

    /// The offset of each symbol but the first, which is none.
    pub(crate) fn symbols(&self) -> Vec<usize> {
        let start = self.table(DT_SYMTAB);
        (1..self.symbol_count()).map(|index| start + index * SYMBOL as usize).collect()
    }

    /// The offset of a symbol.
    pub(crate) fn symbol(&self, name: &str) -> usize {
        let memory = self.memory();
        let strings = memory.base() + self.table(DT_STRTAB) as u64;
        let is_it = |offset: &usize| {
            let symbol = Symbol::at(&memory, memory.base() + *offset as u64);
            memory.is_string(strings + u64::from(symbol.name().expect(SOUND)), name).expect(SOUND)
        };
        self.symbols().into_iter().find(is_it).expect(SOUND)
    }

    /// Gives every symbol another st_info and st_other, by the old ones.
    pub(crate) fn rewrite_symbols(&mut self, new: fn(u8, u8) -> (u8, u8)) {
        for symbol in self.symbols() {
            let (info, other) = new(self.bytes[symbol + 4], self.bytes[symbol + 5]);
            self.write(symbol + 4, &[info, other]);
        }
    }

    /// The offset of the definition of the first version that is not the base.
    pub(crate) fn version(&self) -> usize {
        self.position(|memory| {
            let mut next = Some(VersionDefinition::at(memory, memory.base() + self.table(DT_VERDEF) as u64));
            while let Some(definition) = next {
                if definition.flags()? & VER_FLG_BASE == 0 {
                    return Ok(Some(definition.address));
                }
                next = definition.following()?;
            }
            Ok(None)
        })
    }

    /// The offset of that version's name.
    pub(crate) fn version_name(&self) -> usize {
        let memory = self.memory();
        let definition = VersionDefinition::at(&memory, memory.base() + self.version() as u64);
        self.table(DT_STRTAB) + definition.name().expect(SOUND) as usize
    }

    /// Puts another table DT_GNU_HASH behind the image: right, but with so many words of Bloom filter, all ones, and with
    /// one bucket.
    pub(crate) fn append_gnu_hash(&mut self, bloom_words: u32) {
        let memory = self.memory();
        let old = GnuHash::at(&memory, memory.base() + self.table(DT_GNU_HASH) as u64);
        let first = old.first_symbol().expect(SOUND);
        let last = self.symbol_count() as u32 - 1;
        let mut words = vec![1, first, bloom_words, old.bloom_shift().expect(SOUND)];
        words.extend((0..bloom_words * 2).map(|_| u32::MAX));
        words.push(first);
        words.extend((first..=last).map(|index| old.value(index).expect(SOUND) & !1 | u32::from(index == last)));
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let offset = self.bytes.len() as u64;
        self.bytes.extend(words.into_iter().flat_map(u32::to_le_bytes));
        self.write_u64(self.dynamic(DT_GNU_HASH) + 8, offset);
        let load = self.segment(PT_LOAD);
        let size = self.bytes.len() as u64;
        self.write_u64(load + segment::FILE_SIZE, size);
        self.write_u64(load + segment::MEMORY_SIZE, size);
    }
}
