//! glibc: elf/setup-vdso.h, elf/dl-setup_hash.c, elf/dl-lookup.c, elf/dl-version.c.
//!
//! It makes the image one of its link maps and looks functions up as in any library. Since release 2.31 it does so before
//! it reads the version tables, so it takes a function of any version; before, version name and hash had to be right.

use super::{Answer, Client, Failure};
use crate::elf::*;
use crate::memory::{Fault, Memory};

pub(super) const GLIBC: Client =
    Client { name: "glibc", row: "glibc", look_up: |memory, _, names| look_up(memory, None, names) };

pub(super) const GLIBC_2_30: Client = Client {
    name: "glibc 2.30",
    row: "glibc",
    look_up: |memory, arch, names| look_up(memory, Some(arch.version), names),
};

/// A version to ask for: its name and its hash value.
type Version<'v> = Option<&'v str>;

fn look_up(memory: &Memory, version: Version<'_>, names: &[&str]) -> Answer {
    let map = LinkMap::new(memory)?;
    let found = names.iter().map(|name| map.find(name, version));
    Ok(found.collect::<Result<_, _>>()?)
}

struct LinkMap<'a> {
    memory: &'a Memory,
    bias: u64,
    dynamic: Vec<(u64, u64)>,
}

impl<'a> LinkMap<'a> {
    fn new(memory: &'a Memory) -> Result<LinkMap<'a>, Failure> {
        let (mut load, mut dynamic) = (0, 0);
        for segment in segments(memory)? {
            match segment.kind()? {
                PT_DYNAMIC => dynamic = segment.vaddr()?,
                // The first address that is not 0.
                PT_LOAD if load == 0 => load = segment.vaddr()?,
                PT_TLS => return Err(Failure::Aborts("PT_TLS")),
                _ => {}
            }
        }
        let bias = memory.base().wrapping_sub(load);
        let dynamic = dynamic_table(memory, bias.wrapping_add(dynamic), u64::MAX)?;
        let map = LinkMap { memory, bias, dynamic };
        if let Some(table) = map.gnu_hash() {
            let words = table.bloom_words()?;
            if words & words.wrapping_sub(1) != 0 {
                return Err(Failure::Aborts("the Bloom filter's words are no power of two"));
            }
        }
        Ok(map)
    }

    fn table(&self, tag: u64) -> Option<u64> {
        entry(&self.dynamic, tag).map(|value| self.bias.wrapping_add(value))
    }

    fn gnu_hash(&self) -> Option<GnuHash<'a>> {
        self.table(DT_GNU_HASH).map(|address| GnuHash::at(self.memory, address))
    }

    fn find(&self, name: &str, version: Version<'_>) -> Result<Option<u64>, Fault> {
        let matches = |index| self.matches(index, name, version);
        let index = match (self.gnu_hash(), self.table(DT_HASH)) {
            (Some(table), _) if !may_have(table, gnu_hash(name))? => None,
            (Some(table), _) => table.find(gnu_hash(name), matches)?,
            (None, Some(table)) => SysvHash::at(self.memory, table).find(sysv_hash(name), matches)?,
            (None, None) => None,
        };
        let Some(index) = index else { return Ok(None) };
        let symbol = self.symbol(index);
        // What hides itself, or is local, is looked at and not taken.
        let visible = symbol.visibility()? != STV_HIDDEN && symbol.visibility()? != 1;
        let public = [STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE].contains(&symbol.binding()?);
        let address = self.bias.wrapping_add(symbol.value()?);
        Ok((visible && public).then_some(address))
    }

    fn symbol(&self, index: u32) -> Symbol<'a> {
        let table = self.table(DT_SYMTAB).unwrap_or_default();
        Symbol::at(self.memory, table.wrapping_add(u64::from(index).wrapping_mul(SYMBOL)))
    }

    fn is_string(&self, offset: u64, text: &str) -> Result<bool, Fault> {
        self.memory.is_string(self.table(DT_STRTAB).unwrap_or_default().wrapping_add(offset), text)
    }

    fn matches(&self, index: u32, name: &str, version: Version<'_>) -> Result<bool, Fault> {
        let symbol = self.symbol(index);
        let kinds = [STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_COMMON, STT_TLS, STT_GNU_IFUNC];
        if symbol.value()? == 0 || !kinds.contains(&symbol.kind()?) || !self.is_string(symbol.name()?.into(), name)? {
            return Ok(false);
        }
        let Some(version) = version else { return Ok(true) };
        match (self.table(DT_VERDEF), self.table(DT_VERSYM)) {
            (Some(definitions), Some(indices)) => {
                let index = self.memory.u16(indices.wrapping_add(u64::from(index) * 2))? & !VERSYM_HIDDEN;
                self.is_version(definitions, index, version)
            }
            _ => Ok(true), // an image without versions
        }
    }

    fn is_version(&self, definitions: u64, index: u16, name: &str) -> Result<bool, Fault> {
        let mut next = Some(VersionDefinition::at(self.memory, definitions));
        while let Some(definition) = next {
            if definition.flags()? & VER_FLG_BASE == 0 && definition.index()? & !VERSYM_HIDDEN == index {
                return Ok(definition.hash()? == sysv_hash(name) && self.is_string(definition.name()?, name)?);
            }
            next = definition.following()?;
        }
        Ok(false)
    }
}

/// What the Bloom filter says: two bits of one word.
fn may_have(table: GnuHash<'_>, hash: u32) -> Result<bool, Fault> {
    let mask = table.bloom_words()?.wrapping_sub(1);
    let word = table.bloom_word((hash / 64) & mask)?;
    Ok((word >> (hash & 63)) & (word >> ((hash >> table.bloom_shift()?) & 63)) & 1 != 0)
}
