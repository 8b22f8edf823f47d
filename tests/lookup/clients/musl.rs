//! musl: src/internal/vdso.c.
//!
//! It goes through the symbols one by one and needs a hash table only to know how many there are. Releases up to 1.2.5 take
//! the number from DT_HASH and from nowhere else.

use super::{Answer, Client, Failure};
use crate::elf::*;
use crate::memory::{Fault, Memory};

pub(super) const MUSL: Client = Client {
    name: "musl 1.2.5",
    row: "musl",
    look_up: |memory, arch, names| look_up(memory, arch.version, names, |_, _| Ok(None)),
};

pub(super) const MUSL_GNU_HASH: Client =
    Client { name: "musl", row: "musl", look_up: |memory, arch, names| look_up(memory, arch.version, names, count) };

/// How many symbols a table DT_GNU_HASH tells of: up to the last one of the last bucket.
fn count(memory: &Memory, table: u64) -> Result<Option<u32>, Fault> {
    let table = GnuHash::at(memory, table);
    let mut last = 0;
    for bucket in 0..table.buckets()? {
        last = last.max(table.bucket(bucket)?);
    }
    if last == 0 {
        return Ok(Some(0));
    }
    while table.value(last)? & 1 == 0 {
        last += 1;
    }
    Ok(Some(last + 1))
}

fn look_up(
    memory: &Memory,
    version: &str,
    names: &[&str],
    count: fn(&Memory, u64) -> Result<Option<u32>, Fault>,
) -> Answer {
    let (mut bias, mut dynamic) = (None, None);
    for segment in segments(memory)? {
        match segment.kind()? {
            // The last one.
            PT_LOAD => bias = Some(memory.base().wrapping_add(segment.offset()?).wrapping_sub(segment.vaddr()?)),
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
    let symbol_count = match (table(DT_HASH), table(DT_GNU_HASH)) {
        (Some(table), _) => Some(SysvHash::at(memory, table).chains()?),
        (None, Some(table)) => count(memory, table)?,
        (None, None) => None,
    };
    let Some(symbol_count) = symbol_count else { return Err(Failure::Rejects("no hash table")) };
    let versions = table(DT_VERDEF).zip(table(DT_VERSYM));
    let image = Image { memory, bias, strings, symbols, symbol_count, versions };
    let found = names.iter().map(|name| image.find(name, version));
    Ok(found.collect::<Result<_, _>>()?)
}

struct Image<'a> {
    memory: &'a Memory,
    bias: u64,
    strings: u64,
    symbols: u64,
    symbol_count: u32,
    /// The definitions, and the index for each symbol.
    versions: Option<(u64, u64)>,
}

impl Image<'_> {
    fn find(&self, name: &str, version: &str) -> Result<Option<u64>, Fault> {
        for index in 0..u64::from(self.symbol_count) {
            let symbol = Symbol::at(self.memory, self.symbols.wrapping_add(index * SYMBOL));
            let kind = [STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_COMMON].contains(&symbol.kind()?);
            let binding = [STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE].contains(&symbol.binding()?);
            if kind
                && binding
                && symbol.section()? != SHN_UNDEF
                && self.memory.is_string(self.strings.wrapping_add(symbol.name()?.into()), name)?
                && self.is_version(index, version)?
            {
                return Ok(Some(self.bias.wrapping_add(symbol.value()?)));
            }
        }
        Ok(None)
    }

    /// By the name alone: the hash value is not looked at.
    fn is_version(&self, index: u64, name: &str) -> Result<bool, Fault> {
        let Some((definitions, indices)) = self.versions else { return Ok(true) };
        let index = self.memory.u16(indices.wrapping_add(index * 2))? & !VERSYM_HIDDEN;
        let mut next = Some(VersionDefinition::at(self.memory, definitions));
        while let Some(definition) = next {
            if definition.flags()? & VER_FLG_BASE == 0 && definition.index()? & !VERSYM_HIDDEN == index {
                return self.memory.is_string(self.strings.wrapping_add(definition.name()?), name);
            }
            next = definition.following()?;
        }
        Ok(false)
    }
}
