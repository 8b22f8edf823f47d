//! rustix with its own system calls: src/backend/linux_raw/vdso.rs.
//!
//! It takes AT_SYSINFO_EHDR from a place that a program could have written, and so rejects what does not look like a vDSO.

use super::{Answer, Client, Failure};
use crate::elf::*;
use crate::memory::{Fault, Memory};
use std::ops::Range;
use vdso_tests::Architecture;

pub(super) const RUSTIX: Client = Client { name: "rustix", row: "rustix", look_up };

fn look_up(memory: &Memory, arch: &Architecture, names: &[&str]) -> Answer {
    let image = Image::new(memory)?;
    names.iter().map(|name| image.find(name, arch.version)).collect()
}

struct Image<'a> {
    memory: &'a Memory,
    bias: u64,
    load: Range<u64>,
    strings: u64,
    symbols: u64,
    gnu_hash: Option<GnuHash<'a>>,
    sysv_hash: Option<SysvHash<'a>>,
    /// The definitions, and the index for each symbol.
    versions: Option<(u64, u64)>,
}

impl<'a> Image<'a> {
    fn new(memory: &'a Memory) -> Result<Image<'a>, Failure> {
        let base = memory.base();
        let (mut load, mut dynamic) = (None, None);
        for segment in segments(memory)? {
            match segment.kind()? {
                PT_LOAD if load.is_none() => {
                    if segment.flags()? & (PF_R | PF_X) != PF_R | PF_X {
                        return Err(Failure::Rejects("a PT_LOAD that is not both readable and executable"));
                    }
                    let end = base.wrapping_add(segment.offset()?).wrapping_add(segment.memory_size()?);
                    load = Some((base.wrapping_add(segment.offset()?).wrapping_sub(segment.vaddr()?), base..end + 1));
                }
                PT_DYNAMIC if segment.offset()? < HEADER => return Err(Failure::Rejects("a PT_DYNAMIC in the header")),
                PT_DYNAMIC => dynamic = Some((base.wrapping_add(segment.offset()?), segment.memory_size()? / DYNAMIC)),
                PT_INTERP => return Err(Failure::Rejects("PT_INTERP")),
                PT_GNU_RELRO => return Err(Failure::Rejects("PT_GNU_RELRO")),
                _ => {}
            }
        }
        let (Some((bias, load)), Some((address, limit))) = (load, dynamic) else {
            return Err(Failure::Rejects("no PT_LOAD or no PT_DYNAMIC"));
        };
        let dynamic = dynamic_table(memory, address, limit)?;
        if dynamic.len() as u64 == limit {
            return Err(Failure::Rejects("a dynamic table without an end"));
        }
        if entry(&dynamic, DT_SYMENT).is_some_and(|size| size != SYMBOL) {
            return Err(Failure::Rejects("DT_SYMENT is not the size of a symbol"));
        }
        let table = |tag| entry(&dynamic, tag).map(|value| bias.wrapping_add(value));
        let (Some(strings), Some(symbols)) = (table(DT_STRTAB), table(DT_SYMTAB)) else {
            return Err(Failure::Rejects("no DT_STRTAB or no DT_SYMTAB"));
        };
        let gnu_hash = table(DT_GNU_HASH).map(|address| GnuHash::at(memory, address));
        let sysv_hash = table(DT_HASH).map(|address| SysvHash::at(memory, address));
        if gnu_hash.is_none() && sysv_hash.is_none() {
            return Err(Failure::Rejects("no hash table"));
        }
        let versions = table(DT_VERDEF).zip(table(DT_VERSYM));
        Ok(Image { memory, bias, load, strings, symbols, gnu_hash, sysv_hash, versions })
    }

    fn symbol(&self, index: u32) -> Symbol<'a> {
        Symbol::at(self.memory, self.symbols.wrapping_add(u64::from(index).wrapping_mul(SYMBOL)))
    }

    fn find(&self, name: &str, version: &str) -> Result<Option<u64>, Failure> {
        let matches = |index| self.matches(index, name, version);
        let index = match (self.gnu_hash, self.sysv_hash) {
            (Some(table), _) => table.find(gnu_hash(name), matches)?,
            (None, Some(table)) => table.find(sysv_hash(name), matches)?,
            (None, None) => None,
        };
        let Some(index) = index else { return Ok(None) };
        let address = self.bias.wrapping_add(self.symbol(index).value()?);
        if !self.load.contains(&address) {
            return Err(Failure::Aborts("a function outside of the PT_LOAD"));
        }
        Ok(Some(address))
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
            if definition.revision()? != 1 {
                return Ok(false);
            }
            if definition.flags()? & VER_FLG_BASE == 0 && definition.index()? & !VERSYM_HIDDEN == index {
                return Ok(definition.hash()? == sysv_hash(name)
                    && self.memory.is_string(self.strings.wrapping_add(definition.name()?), name)?);
            }
            next = definition.following()?;
        }
        Ok(false)
    }
}
