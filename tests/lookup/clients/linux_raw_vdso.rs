//! The crate `linux-raw-vdso`: src/lib.rs.
//!
//! It reads section headers and nothing else, takes addresses for file offsets, and wants every function that it knows or
//! none at all.

use super::{Answer, Client, Failure};
use crate::elf::*;
use crate::memory::{Fault, Memory};
use vdso_tests::Architecture;

pub(super) const LINUX_RAW_VDSO: Client = Client { name: "linux-raw-vdso", row: "linux-raw-vdso", look_up };

const ELFCLASS64: u8 = 2;
const ELFDATA2LSB: u8 = 1;
const EV_CURRENT: u8 = 1;
const ELFOSABI_SYSV: u8 = 0;
const ELFOSABI_LINUX: u8 = 3;
const ET_DYN: u16 = 3;

fn look_up(memory: &Memory, arch: &Architecture, names: &[&str]) -> Answer {
    check_header(memory, arch)?;
    let tables = Tables::find(memory)?;
    let (Some(symbols), Some(strings)) = (tables.symbols, tables.strings) else {
        return Err(Failure::Rejects("no section header of .dynsym or of a string table"));
    };
    let versions = tables.versions.zip(tables.definitions);
    let version = match versions {
        Some((_, definitions)) => find_version(memory, definitions, strings, arch.version)?,
        None => None,
    };
    let (Some((indices, _)), Some(version)) = (versions, version) else {
        return Err(Failure::Rejects("the version is not defined"));
    };
    let (address, size) = symbols;
    let mut found = vec![None; names.len()];
    for index in 0..size / SYMBOL {
        let symbol = Symbol::at(memory, address.wrapping_add(index * SYMBOL));
        let its_version = memory.u16(indices.wrapping_add(index * 2))?;
        if !is_public_function(symbol)? || its_version != version {
            continue;
        }
        for (name, found) in names.iter().zip(&mut found) {
            if memory.is_string(strings.wrapping_add(symbol.name()?.into()), name)? {
                *found = Some(memory.base().wrapping_add(symbol.value()?));
            }
        }
    }
    if found.contains(&None) {
        return Err(Failure::Rejects("a function is missing"));
    }
    Ok(found)
}

fn check_header(memory: &Memory, arch: &Architecture) -> Result<(), Failure> {
    let header = Header::at(memory, memory.base());
    let right = header.class()? == ELFCLASS64
        && header.data()? == ELFDATA2LSB
        && header.ident_version()? == EV_CURRENT
        && [ELFOSABI_SYSV, ELFOSABI_LINUX].contains(&header.os_abi()?)
        && header.abi_version()? == 0
        && header.kind()? == ET_DYN
        && header.machine()? == arch.machine.0
        && u64::from(header.size()?) == HEADER
        && u64::from(header.segment_size()?) == SEGMENT
        && header.segments()? >= HEADER;
    right.then_some(()).ok_or(Failure::Rejects("the ELF header"))
}

/// Where the sections are that it knows.
#[derive(Default)]
struct Tables {
    /// Address and size.
    symbols: Option<(u64, u64)>,
    strings: Option<u64>,
    versions: Option<u64>,
    definitions: Option<u64>,
}

impl Tables {
    /// The last section of each type, up to where each type was seen: a string table behind the others does not count.
    fn find(memory: &Memory) -> Result<Tables, Fault> {
        let mut tables = Tables::default();
        for section in sections(memory)? {
            let address = memory.base().wrapping_add(section.offset()?);
            match section.kind()? {
                SHT_DYNSYM => tables.symbols = Some((address, section.size()?)),
                SHT_STRTAB => tables.strings = Some(address),
                SHT_GNU_VERSYM => tables.versions = Some(address),
                SHT_GNU_VERDEF => tables.definitions = Some(address),
                _ => continue,
            }
            let Tables { symbols, strings, versions, definitions } = &tables;
            if symbols.is_some() && strings.is_some() && versions.is_some() && definitions.is_some() {
                break;
            }
        }
        Ok(tables)
    }
}

fn find_version(memory: &Memory, definitions: u64, strings: u64, name: &str) -> Result<Option<u16>, Fault> {
    let mut next = Some(VersionDefinition::at(memory, definitions));
    while let Some(definition) = next {
        if definition.revision()? == 1
            && definition.flags()? & VER_FLG_BASE == 0
            && definition.hash()? == sysv_hash(name)
            && memory.is_string(strings.wrapping_add(definition.name()?), name)?
        {
            return definition.index().map(Some);
        }
        next = definition.following()?;
    }
    Ok(None)
}

fn is_public_function(symbol: Symbol<'_>) -> Result<bool, Fault> {
    Ok([STB_GLOBAL, STB_WEAK].contains(&symbol.binding()?)
        && [STT_FUNC, STT_NOTYPE].contains(&symbol.kind()?)
        && symbol.visibility()? == STV_DEFAULT)
}
