//! Linux's reference parser, from which Go's and rustix's descend: tools/testing/selftests/vDSO/parse_vdso.c (CC0).

use super::{Answer, Client, Failure};
use crate::elf::*;
use crate::memory::{Fault, Memory};
use vdso_tests::Architecture;

pub(super) const PARSE_VDSO: Client = Client { name: "parse_vdso.c", row: "parse_vdso.c", look_up };

const ELFCLASS64: u8 = 2;

fn look_up(memory: &Memory, arch: &Architecture, names: &[&str]) -> Answer {
    if Header::at(memory, memory.base()).class()? != ELFCLASS64 {
        return Err(Failure::Rejects("another ELF class"));
    }
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
    let versions = table(DT_VERDEF).zip(table(DT_VERSYM));
    let image = Image { memory, strings, symbols, versions };
    let found = names.iter().map(|name| {
        let matches = |index| image.matches(index, name, arch.version);
        let index = match (table(DT_GNU_HASH), table(DT_HASH)) {
            (Some(table), _) => GnuHash::at(memory, table).find(gnu_hash(name), matches)?,
            (None, Some(table)) => SysvHash::at(memory, table)
                .find(sysv_hash(name), |index| Ok(image.symbol(index).section()? != SHN_UNDEF && matches(index)?))?,
            (None, None) => return Err(Failure::Rejects("no hash table")),
        };
        Ok(index.map(|index| image.symbol(index).value()).transpose()?.map(|value| bias.wrapping_add(value)))
    });
    found.collect()
}

struct Image<'a> {
    memory: &'a Memory,
    strings: u64,
    symbols: u64,
    /// The definitions, and the index for each symbol.
    versions: Option<(u64, u64)>,
}

impl<'a> Image<'a> {
    fn symbol(&self, index: u32) -> Symbol<'a> {
        Symbol::at(self.memory, self.symbols.wrapping_add(u64::from(index).wrapping_mul(SYMBOL)))
    }

    fn matches(&self, index: u32, name: &str, version: &str) -> Result<bool, Fault> {
        let symbol = self.symbol(index);
        Ok([STT_FUNC, STT_NOTYPE].contains(&symbol.kind()?)
            && [STB_GLOBAL, STB_WEAK].contains(&symbol.binding()?)
            && self.memory.is_string(self.strings.wrapping_add(symbol.name()?.into()), name)?
            && self.is_version(index, version)?)
    }

    fn is_version(&self, index: u32, name: &str) -> Result<bool, Fault> {
        let Some((definitions, indices)) = self.versions else { return Ok(true) };
        let index = self.memory.u16(indices.wrapping_add(u64::from(index) * 2))? & !VERSYM_HIDDEN;
        let mut next = Some(VersionDefinition::at(self.memory, definitions));
        while let Some(definition) = next {
            if definition.flags()? & VER_FLG_BASE == 0 && definition.index()? & !VERSYM_HIDDEN == index {
                return Ok(definition.hash()? == sysv_hash(name)
                    && self.memory.is_string(self.strings.wrapping_add(definition.name()?), name)?);
            }
            next = definition.following()?;
        }
        Ok(false)
    }
}
