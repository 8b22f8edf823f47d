//! CRIU: criu/pie/util-vdso.c.
//!
//! It moves the vDSO of a restored process and patches jumps into it, so it checks every bound. It knows the size of the
//! mapping, other than the rest. Up to release 4.0 it knew DT_HASH only; it still prefers it.

use super::{Answer, Client, Failure};
use crate::elf::*;
use crate::memory::{Fault, Memory};

pub(super) const CRIU_4_0: Client =
    Client { name: "CRIU 4.0", row: "CRIU", look_up: |memory, _, names| look_up(memory, names, &[DT_HASH]) };

pub(super) const CRIU: Client =
    Client { name: "CRIU", row: "CRIU", look_up: |memory, _, names| look_up(memory, names, &[DT_HASH, DT_GNU_HASH]) };

const ELFCLASS64: u8 = 2;
const ELFDATA2LSB: u8 = 1;
const EV_CURRENT: u8 = 1;
const ELFOSABI_SYSV: u8 = 0;
const ELFOSABI_LINUX: u8 = 3;

const OUT_OF_BOUNDS: Failure = Failure::Rejects("something out of the mapping");

/// A read that it checks first.
fn checked<T>(read: Result<T, Fault>) -> Result<T, Failure> {
    read.map_err(|_| OUT_OF_BOUNDS)
}

fn look_up(memory: &Memory, names: &[&str], tables: &[u64]) -> Answer {
    check_identity(memory)?;
    let (load, dynamic) = checked(one_of_each(memory))??;
    let limit = checked(dynamic.file_size())? / DYNAMIC;
    let dynamic = checked(dynamic_table(memory, memory.base().wrapping_add(checked(dynamic.offset())?), limit))?;
    let vaddr = checked(load.vaddr())?;
    let table = |tag| entry(&dynamic, tag).map(|value| memory.base().wrapping_add(value).wrapping_sub(vaddr));
    let hash = tables.iter().find_map(|tag| Some((*tag, table(*tag)?)));
    let sizes = table(DT_STRSZ).is_some() && table(DT_SYMENT).is_some();
    let (Some(strings), Some(symbols), Some((kind, hash)), true) = (table(DT_STRTAB), table(DT_SYMTAB), hash, sizes)
    else {
        return Err(Failure::Rejects("not every dynamic entry that it needs"));
    };
    if !memory.range().contains(&strings) || !memory.range().contains(&hash) {
        return Err(OUT_OF_BOUNDS);
    }
    let symbol = |index| Symbol::at(memory, symbols.wrapping_add(u64::from(index) * SYMBOL));
    let find = |name: &&str| {
        let matches = |index| Ok(matches(memory, symbol(index), strings, name).unwrap_or(false));
        let index = match kind {
            DT_HASH => {
                let table = SysvHash::at(memory, hash);
                table.find(sysv_hash(name), |index| Ok(index < table.chains()? && matches(index)?))?
            }
            _ => GnuHash::at(memory, hash).find(gnu_hash(name), matches)?,
        };
        let Some(index) = index else { return Ok(None) };
        let address = symbol(index).value()?.wrapping_sub(vaddr);
        Ok((address != 0).then(|| memory.base().wrapping_add(address)))
    };
    names.iter().map(find).collect()
}

fn check_identity(memory: &Memory) -> Result<(), Failure> {
    let header = Header::at(memory, memory.base());
    let right = checked(header.class())? == ELFCLASS64
        && checked(header.data())? == ELFDATA2LSB
        && checked(header.ident_version())? == EV_CURRENT
        && [ELFOSABI_SYSV, ELFOSABI_LINUX].contains(&checked(header.os_abi())?);
    right.then_some(()).ok_or(Failure::Rejects("the ELF header"))
}

/// The PT_LOAD and the PT_DYNAMIC.
type Both<'a> = (Segment<'a>, Segment<'a>);

fn one_of_each(memory: &Memory) -> Result<Result<Both<'_>, Failure>, Fault> {
    let (mut load, mut dynamic) = (None, None);
    for segment in segments(memory)? {
        let second = match segment.kind()? {
            PT_LOAD => load.replace(segment).map(|_| "a second PT_LOAD"),
            PT_DYNAMIC => dynamic.replace(segment).map(|_| "a second PT_DYNAMIC"),
            _ => None,
        };
        if let Some(second) = second {
            return Ok(Err(Failure::Rejects(second)));
        }
    }
    Ok(load.zip(dynamic).ok_or(Failure::Rejects("no PT_LOAD or no PT_DYNAMIC")))
}

/// A function, or anything global, of that name.
fn matches(memory: &Memory, symbol: Symbol<'_>, strings: u64, name: &str) -> Result<bool, Fault> {
    Ok((symbol.kind()? == STT_FUNC || symbol.binding()? == STB_GLOBAL)
        && memory.is_string(strings.wrapping_add(symbol.name()?.into()), name)?)
}
