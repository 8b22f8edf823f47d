//! The dynamic symbols and their versions, read through the dynamic table.

use super::dynamic::{value, DynamicEntry, Strings};
use super::file::{Section, Source};
use super::hash;
use super::{Code, Part, Problems};
use object::elf;
use object::read::elf::{FileHeader, Sym};
use object::read::ReadRef;
use object::Endianness;
use serde::Serialize;
use std::mem::size_of;

/// A symbol of the dynamic symbol table.
#[derive(Debug, Clone, Serialize)]
pub struct Symbol {
    /// Its index in the table.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Index of its version definition, without the hidden bit: 0 is local, 1 global without a version.
    pub version_index: u16,
    /// The hidden bit of its version: a program that names no version does not get the symbol.
    pub version_hidden: bool,
    /// The name of its version definition.
    pub version: Option<String>,
    /// Type, as `STT_FUNC`.
    pub kind: Code,
    /// Binding, as `STB_GLOBAL`.
    pub binding: Code,
    /// Visibility, as `STV_DEFAULT`.
    pub visibility: Code,
    /// `st_shndx`: the section that defines it, or `SHN_UNDEF`, `SHN_ABS`.
    pub section: Code,
    /// `st_value`: its address relative to the image's load bias.
    pub value: u64,
    /// `st_size`, in bytes.
    pub size: u64,
}

impl Symbol {
    /// Whether the file defines it.
    pub fn is_defined(&self) -> bool {
        self.section.value != u64::from(elf::SHN_UNDEF.0)
    }

    /// Whether it is of type FUNC.
    pub fn is_function(&self) -> bool {
        self.kind.value == u64::from(elf::STT_FUNC.0)
    }
}

/// A version definition.
#[derive(Debug, Clone, Serialize)]
pub struct VersionDefinition {
    /// `vd_version`, the revision of the structure; the ABI has defined 1 alone.
    pub revision: u16,
    /// Its index, to which the symbols' version indices refer.
    pub index: u16,
    /// Whether it is the base definition, which names the file itself.
    pub base: bool,
    /// Its name.
    pub name: String,
    /// The hash of its name as the file holds it; glibc compares hash and name.
    pub hash: u32,
    /// The names of the versions that it inherits.
    pub parents: Vec<String>,
}

impl VersionDefinition {
    /// The hash that its name has (System V ABI, "Hash Table").
    pub fn right_hash(&self) -> u32 {
        elf::hash(self.name.as_bytes())
    }
}

/// How many symbols the table has. The dynamic table does not say, so: the section, else DT_HASH, else DT_GNU_HASH.
pub(super) fn count<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_, Elf>,
    dynamic: &[DynamicEntry],
    sections: &[Section],
) -> usize {
    let size = size_of::<Elf::Sym>() as u64;
    let table = value(dynamic, elf::DT_SYMTAB);
    let section = sections.iter().find(|section| section.is(elf::SHT_DYNSYM) && Some(section.address) == table);
    let count = section.map(|section| section.size / size);
    let count = count.or_else(|| hash::sysv_symbol_count(source, dynamic).map(u64::from));
    let count = count.or_else(|| hash::gnu_symbol_count(source, dynamic).map(u64::from));
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_, Elf>,
    dynamic: &[DynamicEntry],
    versions: &[VersionDefinition],
    count: usize,
    problems: &mut Problems,
) -> Vec<Symbol> {
    let endian = source.endian;
    let Some(address) = value(dynamic, elf::DT_SYMTAB) else { return Vec::new() };
    let Some(table) = source.at(address).and_then(|bytes| bytes.read_slice_at::<Elf::Sym>(0, count).ok()) else {
        let what = format!("{count} symbols at {address:#x} do not lie in a PT_LOAD of the file");
        problems.add(Part::Symbols, "DT_SYMTAB", what);
        return Vec::new();
    };
    let strings = Strings::new(source, dynamic);
    let indices = version_indices(source, dynamic, count, problems);
    let mut symbols = Vec::with_capacity(count);
    for (index, symbol) in table.iter().enumerate().skip(1) {
        let name = strings.get(symbol.st_name(endian).into()).unwrap_or_else(|| {
            let what = format!("st_name {:#x} lies outside of DT_STRTAB", symbol.st_name(endian));
            problems.add(Part::Symbols, format!("dynamic symbol {index}"), what);
            String::new()
        });
        let versym = indices.get(index).map_or(elf::VersymIndex(elf::VER_NDX_GLOBAL.0), |versym| versym.0.get(endian));
        let version_index = versym.index().0;
        let version = versions.iter().find(|version| version.index == version_index && !version.base);
        let shndx = symbol.st_shndx(endian);
        symbols.push(Symbol {
            index,
            name,
            version_index,
            version_hidden: versym.is_hidden(),
            version: version.map(|version| version.name.clone()),
            kind: Code::new(symbol.st_type().0, source.names.stt.name(symbol.st_type())),
            binding: Code::new(symbol.st_bind().0, source.names.stb.name(symbol.st_bind())),
            visibility: Code::new(symbol.st_visibility().0, symbol.st_visibility().name()),
            section: Code::new(shndx.0, source.names.shn.name(shndx)),
            value: symbol.st_value(endian).into(),
            size: symbol.st_size(endian).into(),
        });
    }
    symbols
}

/// DT_VERSYM: for each symbol the index of its version definition.
fn version_indices<'a, Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'a, Elf>,
    dynamic: &[DynamicEntry],
    count: usize,
    problems: &mut Problems,
) -> &'a [elf::Versym<Endianness>] {
    let Some(address) = value(dynamic, elf::DT_VERSYM) else { return &[] };
    source.at(address).and_then(|bytes| bytes.read_slice_at(0, count).ok()).unwrap_or_else(|| {
        let what = format!("{count} version indices at {address:#x} do not lie in a PT_LOAD of the file");
        problems.add(Part::Versions, "DT_VERSYM", what);
        &[]
    })
}

/// DT_VERDEF: DT_VERDEFNUM definitions, each with its own name first and the names of those that it inherits behind.
pub(super) fn versions<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_, Elf>,
    dynamic: &[DynamicEntry],
    problems: &mut Problems,
) -> Vec<VersionDefinition> {
    let Some(address) = value(dynamic, elf::DT_VERDEF) else { return Vec::new() };
    let Some(bytes) = source.at(address) else {
        problems.add(Part::Versions, "DT_VERDEF", format!("{address:#x} does not lie in a PT_LOAD of the file"));
        return Vec::new();
    };
    let strings = Strings::new(source, dynamic);
    let mut definitions = Vec::new();
    let mut offset = 0u64;
    // `vd_next` leads past the definition that it is in, so the bytes bound the chain.
    loop {
        match definition(bytes, offset, source.endian, &strings) {
            Ok((definition, next)) => {
                definitions.push(definition);
                if next == 0 {
                    return definitions;
                }
                offset += u64::from(next);
            }
            Err(what) => {
                problems.add(Part::Versions, format!("version definition at DT_VERDEF + {offset:#x}"), what);
                return definitions;
            }
        }
    }
}

/// The definition at an offset, and the distance to the next one.
fn definition(
    bytes: &[u8],
    offset: u64,
    endian: Endianness,
    strings: &Strings<'_>,
) -> Result<(VersionDefinition, u32), String> {
    let outside = |field: &str| format!("{field} lies outside of the PT_LOAD");
    let raw: &elf::Verdef<Endianness> = bytes.read_at(offset).map_err(|()| outside("it"))?;
    let mut names = Vec::new();
    let mut at = offset + u64::from(raw.vd_aux.get(endian));
    for _ in 0..raw.vd_cnt.get(endian) {
        let aux: &elf::Verdaux<Endianness> = bytes.read_at(at).map_err(|()| outside("a name entry (vd_aux)"))?;
        names.push(strings.get(aux.vda_name.get(endian).into()).ok_or_else(|| outside("a name (vda_name)"))?);
        let next = aux.vda_next.get(endian);
        if next == 0 {
            break;
        }
        if (next as usize) < size_of::<elf::Verdaux<Endianness>>() {
            return Err(format!("vda_next {next} leads into the name entry that it is in"));
        }
        at += u64::from(next);
    }
    if names.is_empty() {
        return Err("it has no name: vd_cnt is 0".into());
    }
    let next = raw.vd_next.get(endian);
    if next != 0 && (next as usize) < size_of::<elf::Verdef<Endianness>>() {
        return Err(format!("vd_next {next} leads into the definition that it is in"));
    }
    let definition = VersionDefinition {
        revision: raw.vd_version.get(endian),
        index: raw.vd_ndx.get(endian).0,
        base: raw.vd_flags.get(endian).contains(elf::VER_FLG_BASE),
        name: names.remove(0),
        hash: raw.vd_hash.get(endian),
        parents: names,
    };
    Ok((definition, next))
}
