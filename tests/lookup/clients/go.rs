//! Go: src/runtime/vdso_linux.go.
//!
//! It reads the version definitions without asking whether there are any.

use super::{Answer, Client, Failure};
use crate::elf::*;
use crate::memory::{Fault, Memory};
use vdso_tests::Architecture;

pub(super) const GO: Client = Client { name: "Go", row: "Go", look_up };

fn look_up(memory: &Memory, arch: &Architecture, names: &[&str]) -> Answer {
    let (mut bias, mut dynamic) = (None, None);
    for segment in segments(memory)? {
        match segment.kind()? {
            PT_LOAD if bias.is_none() => {
                bias = Some(memory.base().wrapping_add(segment.offset()?).wrapping_sub(segment.vaddr()?));
            }
            PT_DYNAMIC => dynamic = Some(memory.base().wrapping_add(segment.offset()?)),
            _ => {}
        }
    }
    let (Some(bias), Some(dynamic)) = (bias, dynamic) else {
        return Err(Failure::Rejects("no PT_LOAD or no PT_DYNAMIC"));
    };
    let dynamic = dynamic_table(memory, dynamic, u64::MAX)?;
    let table = |tag| entry(&dynamic, tag).map(|value| bias.wrapping_add(value));
    let (Some(strings), Some(symbols)) = (table(DT_STRTAB), table(DT_SYMTAB)) else {
        return Err(Failure::Rejects("no DT_STRTAB or no DT_SYMTAB"));
    };
    let hash = match (table(DT_GNU_HASH), table(DT_HASH)) {
        (Some(table), _) => Hash::Gnu(GnuHash::at(memory, table)),
        (None, Some(table)) => Hash::Sysv(SysvHash::at(memory, table)),
        (None, None) => return Err(Failure::Rejects("no hash table")),
    };
    // The null pointer where there are none.
    let definitions = table(DT_VERDEF).unwrap_or_default();
    let version = find_version(memory, definitions, strings, arch.version)?;
    let version = table(DT_VERSYM).map(|indices| (indices, version));
    let image = Image { memory, strings, symbols, version };
    let found = names.iter().map(|name| {
        let matches = |index| image.matches(index, name);
        let index = match hash {
            Hash::Gnu(table) => table.find(gnu_hash(name), matches)?,
            Hash::Sysv(table) => table.find(sysv_hash(name), matches)?,
        };
        index.map(|index| Ok(bias.wrapping_add(image.symbol(index).value()?))).transpose()
    });
    Ok(found.collect::<Result<_, Fault>>()?)
}

/// The table that it uses: the GNU one if there are both.
#[derive(Clone, Copy)]
enum Hash<'a> {
    Gnu(GnuHash<'a>),
    Sysv(SysvHash<'a>),
}

/// The index of a version, none if it is not defined.
fn find_version(memory: &Memory, definitions: u64, strings: u64, name: &str) -> Result<Option<u16>, Fault> {
    let mut next = Some(VersionDefinition::at(memory, definitions));
    while let Some(definition) = next {
        if definition.flags()? & VER_FLG_BASE == 0
            && definition.hash()? == sysv_hash(name)
            && memory.is_string(strings.wrapping_add(definition.name()?), name)?
        {
            return Ok(Some(definition.index()? & !VERSYM_HIDDEN));
        }
        next = definition.following()?;
    }
    Ok(None)
}

struct Image<'a> {
    memory: &'a Memory,
    strings: u64,
    symbols: u64,
    /// Where the index of each symbol's version is, and which one it has to be.
    version: Option<(u64, Option<u16>)>,
}

impl<'a> Image<'a> {
    fn symbol(&self, index: u32) -> Symbol<'a> {
        Symbol::at(self.memory, self.symbols.wrapping_add(u64::from(index).wrapping_mul(SYMBOL)))
    }

    fn matches(&self, index: u32, name: &str) -> Result<bool, Fault> {
        let symbol = self.symbol(index);
        if ![STT_FUNC, STT_NOTYPE].contains(&symbol.kind()?)
            || ![STB_GLOBAL, STB_WEAK].contains(&symbol.binding()?)
            || symbol.section()? == SHN_UNDEF
            || !self.memory.is_string(self.strings.wrapping_add(symbol.name()?.into()), name)?
        {
            return Ok(false);
        }
        let Some((indices, version)) = self.version else { return Ok(true) };
        let found = self.memory.u16(indices.wrapping_add(u64::from(index) * 2))? & !VERSYM_HIDDEN;
        Ok(Some(found) == version)
    }
}
