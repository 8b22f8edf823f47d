//! bionic, Android's C library: libc/bionic/vdso.cpp.
//!
//! It counts the symbols by the section header of .dynsym, so it needs the section headers in memory, and looks at neither
//! hash tables nor versions. Up to Android 10 it looked two functions up, on two architectures, and took the load bias from
//! the last PT_LOAD.

use super::{Answer, Client, Failure};
use crate::elf::*;
use crate::memory::{Fault, Memory};

pub(super) const BIONIC_OLD: Client = Client {
    name: "bionic of Android 10",
    row: "bionic of Android 10",
    look_up: |memory, _, names| look_up(memory, names, Which::Last),
};

pub(super) const BIONIC: Client =
    Client { name: "bionic", row: "bionic", look_up: |memory, _, names| look_up(memory, names, Which::First) };

/// Which of several counts.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    First,
    Last,
}

impl Which {
    fn keep<T>(self, kept: &mut Option<T>, found: T) {
        if kept.is_none() || self == Which::Last {
            *kept = Some(found);
        }
    }
}

fn look_up(memory: &Memory, names: &[&str], which: Which) -> Answer {
    let mut symbol_count = None;
    for section in sections(memory)? {
        if section.kind()? == SHT_DYNSYM {
            which.keep(&mut symbol_count, section.size()? / SYMBOL);
        }
    }
    let Some(symbol_count) = symbol_count else { return Err(Failure::Rejects("no section header of .dynsym")) };
    let (mut bias, mut dynamic) = (None, None);
    for segment in segments(memory)? {
        let place = memory.base().wrapping_add(segment.offset()?);
        match segment.kind()? {
            PT_LOAD => which.keep(&mut bias, place.wrapping_sub(segment.vaddr()?)),
            PT_DYNAMIC => which.keep(&mut dynamic, place),
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
    let find = |name: &&str| -> Result<Option<u64>, Fault> {
        let mut found = None;
        for index in 0..symbol_count {
            let symbol = Symbol::at(memory, symbols.wrapping_add(index * SYMBOL));
            if memory.is_string(strings.wrapping_add(symbol.name()?.into()), name)? {
                which.keep(&mut found, bias.wrapping_add(symbol.value()?));
            }
        }
        Ok(found)
    };
    Ok(names.iter().map(find).collect::<Result<_, _>>()?)
}
