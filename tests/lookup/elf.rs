//! The structures of an ELF64 file in memory, one accessor a field. Offsets are those of the System V gABI, of its GNU
//! extensions (version definitions: LSB 5.0, "Symbol Versioning") and of the GNU hash table.
//!
//! Nothing here decides anything: what a client makes of a field is in its file.

use crate::memory::{Fault, Memory};

pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_DYNAMIC: u32 = 2;
pub(crate) const PT_INTERP: u32 = 3;
pub(crate) const PT_NOTE: u32 = 4;
pub(crate) const PT_TLS: u32 = 7;
pub(crate) const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
pub(crate) const PT_GNU_RELRO: u32 = 0x6474_e552;

pub(crate) const PF_X: u32 = 1;
pub(crate) const PF_R: u32 = 4;

pub(crate) const SHT_PROGBITS: u32 = 1;
pub(crate) const SHT_STRTAB: u32 = 3;
pub(crate) const SHT_DYNSYM: u32 = 11;
pub(crate) const SHT_GNU_VERDEF: u32 = 0x6fff_fffd;
pub(crate) const SHT_GNU_VERSYM: u32 = 0x6fff_ffff;

pub(crate) const DT_NULL: u64 = 0;
pub(crate) const DT_HASH: u64 = 4;
pub(crate) const DT_STRTAB: u64 = 5;
pub(crate) const DT_SYMTAB: u64 = 6;
pub(crate) const DT_STRSZ: u64 = 10;
pub(crate) const DT_SYMENT: u64 = 11;
pub(crate) const DT_SONAME: u64 = 14;
pub(crate) const DT_GNU_HASH: u64 = 0x6fff_fef5;
pub(crate) const DT_VERSYM: u64 = 0x6fff_fff0;
pub(crate) const DT_VERDEF: u64 = 0x6fff_fffc;

pub(crate) const STB_LOCAL: u8 = 0;
pub(crate) const STB_GLOBAL: u8 = 1;
pub(crate) const STB_WEAK: u8 = 2;
pub(crate) const STB_GNU_UNIQUE: u8 = 10;
pub(crate) const STT_NOTYPE: u8 = 0;
pub(crate) const STT_OBJECT: u8 = 1;
pub(crate) const STT_FUNC: u8 = 2;
pub(crate) const STT_COMMON: u8 = 5;
pub(crate) const STT_TLS: u8 = 6;
pub(crate) const STT_GNU_IFUNC: u8 = 10;
pub(crate) const STV_DEFAULT: u8 = 0;
pub(crate) const STV_HIDDEN: u8 = 2;
pub(crate) const SHN_UNDEF: u16 = 0;

pub(crate) const VER_FLG_BASE: u16 = 1;
/// The bit of a version index that says that only a request for this version finds the symbol.
pub(crate) const VERSYM_HIDDEN: u16 = 0x8000;

/// Sizes of the structures.
pub(crate) const HEADER: u64 = 64;
pub(crate) const SEGMENT: u64 = 56;
pub(crate) const SECTION: u64 = 64;
pub(crate) const DYNAMIC: u64 = 16;
pub(crate) const SYMBOL: u64 = 24;

/// Declares a structure at an address: field, width, offset.
macro_rules! structure {
    ($(#[$documentation:meta])* $name:ident { $($field:ident: $width:ident at $offset:literal,)* }) => {
        $(#[$documentation])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name<'a> {
            memory: &'a Memory,
            pub(crate) address: u64,
        }

        #[allow(dead_code)] // the structure is declared as a whole
        impl<'a> $name<'a> {
            pub(crate) fn at(memory: &'a Memory, address: u64) -> Self {
                $name { memory, address }
            }

            $(pub(crate) fn $field(&self) -> Result<$width, Fault> {
                self.memory.$width(self.address.wrapping_add($offset))
            })*
        }
    };
}

structure! {
    /// The ELF header.
    Header {
        class: u8 at 4,
        data: u8 at 5,
        ident_version: u8 at 6,
        os_abi: u8 at 7,
        abi_version: u8 at 8,
        kind: u16 at 16,
        machine: u16 at 18,
        segments: u64 at 32,
        sections: u64 at 40,
        size: u16 at 52,
        segment_size: u16 at 54,
        segment_count: u16 at 56,
        section_count: u16 at 60,
    }
}

structure! {
    /// A program header.
    Segment {
        kind: u32 at 0,
        flags: u32 at 4,
        offset: u64 at 8,
        vaddr: u64 at 16,
        file_size: u64 at 32,
        memory_size: u64 at 40,
    }
}

structure! {
    /// A section header.
    Section {
        kind: u32 at 4,
        offset: u64 at 24,
        size: u64 at 32,
    }
}

structure! {
    /// An entry of the dynamic table.
    Dynamic {
        tag: u64 at 0,
        value: u64 at 8,
    }
}

structure! {
    /// A symbol.
    Symbol {
        name: u32 at 0,
        info: u8 at 4,
        other: u8 at 5,
        section: u16 at 6,
        value: u64 at 8,
    }
}

structure! {
    /// A version definition.
    VersionDefinition {
        revision: u16 at 0,
        flags: u16 at 2,
        index: u16 at 4,
        hash: u32 at 8,
        auxiliary: u32 at 12,
        next: u32 at 16,
    }
}

impl Symbol<'_> {
    pub(crate) fn kind(&self) -> Result<u8, Fault> {
        Ok(self.info()? & 0xf)
    }

    pub(crate) fn binding(&self) -> Result<u8, Fault> {
        Ok(self.info()? >> 4)
    }

    pub(crate) fn visibility(&self) -> Result<u8, Fault> {
        Ok(self.other()? & 3)
    }
}

impl VersionDefinition<'_> {
    /// The place of its name in the string table: the first field of its first auxiliary entry.
    pub(crate) fn name(&self) -> Result<u64, Fault> {
        self.memory.u32(self.address.wrapping_add(u64::from(self.auxiliary()?))).map(u64::from)
    }

    /// The definition behind it, if there is one.
    pub(crate) fn following(&self) -> Result<Option<Self>, Fault> {
        let next = self.next()?;
        Ok((next != 0).then(|| VersionDefinition { address: self.address.wrapping_add(next.into()), ..*self }))
    }
}

/// The hash function of DT_HASH and of version names (gABI, "Hash Table").
pub(crate) fn sysv_hash(name: &str) -> u32 {
    name.bytes().fold(0u32, |hash, byte| {
        let hash = (hash << 4).wrapping_add(byte.into());
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}

/// The hash function of DT_GNU_HASH: times 33, from 5381.
pub(crate) fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(byte.into()))
}

/// A table DT_HASH: two counts, the buckets, the chains.
#[derive(Clone, Copy)]
pub(crate) struct SysvHash<'a> {
    memory: &'a Memory,
    address: u64,
}

impl<'a> SysvHash<'a> {
    pub(crate) fn at(memory: &'a Memory, address: u64) -> Self {
        SysvHash { memory, address }
    }

    fn word(&self, index: u64) -> Result<u32, Fault> {
        self.memory.u32(self.address.wrapping_add(index.wrapping_mul(4)))
    }

    pub(crate) fn buckets(&self) -> Result<u32, Fault> {
        self.word(0)
    }

    /// The number of chains, which is that of the symbols.
    pub(crate) fn chains(&self) -> Result<u32, Fault> {
        self.word(1)
    }

    /// The symbols of a hash value's bucket, in order, up to the first for which `is_it` holds.
    pub(crate) fn find(
        &self,
        hash: u32,
        mut is_it: impl FnMut(u32) -> Result<bool, Fault>,
    ) -> Result<Option<u32>, Fault> {
        let (buckets, chains) = (self.buckets()?, self.chains()?);
        if buckets == 0 {
            return Ok(None); // clients divide by it, and none of our images has it
        }
        let mut index = self.word(2 + u64::from(hash % buckets))?;
        // A chain of more links than there are symbols runs in a circle.
        for _ in 0..=chains {
            if index == 0 {
                return Ok(None);
            }
            if is_it(index)? {
                return Ok(Some(index));
            }
            index = self.word(2 + u64::from(buckets) + u64::from(index))?;
        }
        Ok(None)
    }
}

/// A table DT_GNU_HASH: four counts, a Bloom filter of 64-bit words, the buckets, a hash value for each symbol.
#[derive(Clone, Copy)]
pub(crate) struct GnuHash<'a> {
    memory: &'a Memory,
    address: u64,
}

impl<'a> GnuHash<'a> {
    pub(crate) fn at(memory: &'a Memory, address: u64) -> Self {
        GnuHash { memory, address }
    }

    fn word(&self, index: u64) -> Result<u32, Fault> {
        self.memory.u32(self.address.wrapping_add(index.wrapping_mul(4)))
    }

    pub(crate) fn buckets(&self) -> Result<u32, Fault> {
        self.word(0)
    }

    /// The index of the first symbol in the table.
    pub(crate) fn first_symbol(&self) -> Result<u32, Fault> {
        self.word(1)
    }

    pub(crate) fn bloom_words(&self) -> Result<u32, Fault> {
        self.word(2)
    }

    pub(crate) fn bloom_shift(&self) -> Result<u32, Fault> {
        self.word(3)
    }

    pub(crate) fn bloom_word(&self, index: u32) -> Result<u64, Fault> {
        self.memory.u64(self.address.wrapping_add(16 + u64::from(index) * 8))
    }

    fn first_bucket(&self) -> Result<u64, Fault> {
        Ok(4 + u64::from(self.bloom_words()?) * 2)
    }

    /// The first symbol of a bucket; 0 if it is empty.
    pub(crate) fn bucket(&self, index: u32) -> Result<u32, Fault> {
        self.word(self.first_bucket()?.wrapping_add(index.into()))
    }

    /// The hash value of a symbol. Its lowest bit is set for the last one of a bucket.
    pub(crate) fn value(&self, symbol: u32) -> Result<u32, Fault> {
        let values = self.first_bucket()?.wrapping_add(self.buckets()?.into());
        self.word(values.wrapping_add(u64::from(symbol).wrapping_sub(self.first_symbol()?.into())))
    }

    /// The first symbol of a hash value's bucket that has this hash value and for which `is_it` holds.
    pub(crate) fn find(
        &self,
        hash: u32,
        mut is_it: impl FnMut(u32) -> Result<bool, Fault>,
    ) -> Result<Option<u32>, Fault> {
        let buckets = self.buckets()?;
        if buckets == 0 {
            return Ok(None); // clients divide by it, and none of our images has it
        }
        let first = self.bucket(hash % buckets)?;
        if first < self.first_symbol()? || first == 0 {
            return Ok(None);
        }
        for index in first.. {
            let value = self.value(index)?;
            if value | 1 == hash | 1 && is_it(index)? {
                return Ok(Some(index));
            }
            if value & 1 != 0 {
                break;
            }
        }
        Ok(None)
    }
}

/// The program headers, each behind the other at their size in the ELF64 format.
pub(crate) fn segments(memory: &Memory) -> Result<Vec<Segment<'_>>, Fault> {
    let header = Header::at(memory, memory.base());
    let first = memory.base().wrapping_add(header.segments()?);
    let count = u64::from(header.segment_count()?);
    Ok((0..count).map(|index| Segment::at(memory, first.wrapping_add(index * SEGMENT))).collect())
}

/// The section headers, likewise.
pub(crate) fn sections(memory: &Memory) -> Result<Vec<Section<'_>>, Fault> {
    let header = Header::at(memory, memory.base());
    let first = memory.base().wrapping_add(header.sections()?);
    let count = u64::from(header.section_count()?);
    Ok((0..count).map(|index| Section::at(memory, first.wrapping_add(index * SECTION))).collect())
}

/// The entries of a dynamic table up to DT_NULL, `limit` at most.
pub(crate) fn dynamic_table(memory: &Memory, address: u64, limit: u64) -> Result<Vec<(u64, u64)>, Fault> {
    let mut entries = Vec::new();
    for index in 0..limit {
        let entry = Dynamic::at(memory, address.wrapping_add(index.wrapping_mul(DYNAMIC)));
        let tag = entry.tag()?;
        if tag == DT_NULL {
            break;
        }
        entries.push((tag, entry.value()?));
    }
    Ok(entries)
}

/// The value of a tag in a dynamic table; clients take the last one.
pub(crate) fn entry(table: &[(u64, u64)], tag: u64) -> Option<u64> {
    table.iter().rev().find(|(found, _)| *found == tag).map(|(_, value)| *value)
}
