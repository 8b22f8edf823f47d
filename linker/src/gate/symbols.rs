//! Rules on the dynamic symbols: hash tables, version definitions, exports.

use super::{Gate, Rule};
use crate::inspect::{HashKind, HashTable, Part, Section, Symbol};
use crate::manifest::Export;
use object::elf;
use std::collections::BTreeMap;

pub(super) fn check(gate: &mut Gate<'_>) {
    undefined(gate);
    hash_tables(gate);
    version_definitions(gate);
    let manifest = gate.manifest;
    for export in &manifest.exports {
        let target = check_export(gate, export, &export.name, elf::STB_GLOBAL, "GLOBAL");
        let Some(alias) = &export.alias else { continue };
        let alias = check_export(gate, export, alias, elf::STB_WEAK, "WEAK");
        if let (Some(target), Some(alias)) = (target, alias) {
            same_address(gate, target, alias);
        }
    }
    extra_exports(gate);
    same_names(gate);
}

fn place(symbol: &Symbol) -> String {
    format!("dynamic symbol {} (`{}`)", symbol.index, symbol.name)
}

fn undefined(gate: &mut Gate<'_>) {
    for symbol in gate.facts.symbols.iter().filter(|symbol| !symbol.is_defined()) {
        let what = format!("{}, undefined", symbol.binding);
        let remedy =
            "find who refers to it: a panic, a loop that became memcpy or memset, or a function that is not in the \
                      image; link with `--no-undefined`";
        gate.refuse(Rule::UndefinedSymbol, place(symbol), what, remedy);
    }
}

fn hash_tables(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    let count = facts.symbols.len() as u64 + 1;
    for (kind, rule, tag) in
        [(HashKind::Sysv, Rule::SysvHash, elf::DT_HASH), (HashKind::Gnu, Rule::GnuHash, elf::DT_GNU_HASH)]
    {
        let name = tag.name().unwrap_or("hash table");
        let remedy = "link with `--hash-style=both`";
        if facts.dynamic_entry(tag).is_none() {
            gate.refuse(rule, "dynamic table", format!("no {name}"), remedy);
        }
        let Some(table) = facts.hash_tables.iter().find(|table| table.kind == kind) else { continue };
        for what in hash_table_faults(table, count) {
            gate.refuse(rule, name, what, remedy);
        }
    }
}

fn hash_table_faults(table: &HashTable, count: u64) -> Vec<String> {
    let mut faults = Vec::new();
    if table.bloom_words.is_some_and(|words| !words.is_power_of_two()) {
        let words = table.bloom_words.unwrap_or_default();
        faults.push(format!("{words} Bloom filter words, which is no power of two"));
        return faults; // a look-up is meaningless then
    }
    if table.symbols.map(u64::from) != Some(count) {
        let found = table.symbols.map_or_else(|| "an unknown number of".to_owned(), |symbols| symbols.to_string());
        faults.push(format!("it counts {found} symbols, the symbol table has {count}"));
    }
    if !table.missing.is_empty() {
        faults.push(format!("looking up these names does not find them: {}", table.missing.join(", ")));
    }
    faults
}

fn version_definitions(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    let remedy = "link with `--version-script` made from the manifest, and not as a cdylib, whose own script wins";
    let mut missing = false;
    for tag in [elf::DT_VERDEF, elf::DT_VERDEFNUM, elf::DT_VERSYM] {
        if facts.dynamic_entry(tag).is_none() {
            missing = true;
            let what = format!("no {}", tag.name().unwrap_or("version table"));
            gate.refuse(Rule::VersionDefinition, "dynamic table", what, remedy);
        }
    }
    if missing {
        return;
    }
    let number = facts.dynamic_entry(elf::DT_VERDEFNUM).map_or(0, |entry| entry.value);
    if number != facts.versions.len() as u64 {
        let what = format!("{number}, but the chain has {} definitions", facts.versions.len());
        gate.refuse(Rule::VersionDefinition, "dynamic table, DT_VERDEFNUM", what, remedy);
    }
    for version in &facts.versions {
        let place = format!("version definition {} (`{}`)", version.index, version.name);
        if version.revision != elf::VER_DEF_CURRENT {
            let what = format!("vd_version {} instead of {}", version.revision, elf::VER_DEF_CURRENT);
            let remedy = "build the image anew: linkers write no other; if a tool wrote into it, that tool is at fault";
            gate.refuse(Rule::VersionDefinition, &place, what, remedy);
        }
        if version.hash != version.right_hash() {
            let what = format!("vd_hash {:#x}, but the hash of its name is {:#x}", version.hash, version.right_hash());
            gate.refuse(Rule::VersionDefinition, place, what, remedy);
        }
    }
    let found: Vec<&str> = facts.versions.iter().filter(|v| !v.base).map(|v| v.name.as_str()).collect();
    let wanted: Vec<&str> = gate.manifest.versions.iter().map(|version| version.name.as_str()).collect();
    if found != wanted {
        let what = format!("nodes {found:?} instead of the manifest's {wanted:?}");
        gate.refuse(Rule::VersionDefinition, "DT_VERDEF", what, remedy);
    }
}

/// Checks the symbol for one name of an export; returns it if there is one.
fn check_export<'a>(
    gate: &mut Gate<'a>,
    export: &Export,
    name: &str,
    binding: elf::SymbolBind,
    binding_name: &str,
) -> Option<&'a Symbol> {
    let facts = gate.facts;
    let Some(symbol) = facts.symbols.iter().find(|symbol| symbol.name == name && symbol.is_defined()) else {
        if !facts.symbols.iter().any(|symbol| symbol.name == name) {
            let remedy =
                "define it as `#[no_mangle] pub extern \"C\"` or with `.globl`, or take it out of the manifest; an \
                          alias is a `.weak` symbol that `.set` makes equal to the export";
            gate.refuse(Rule::ExportMissing, format!("export `{name}`"), "no such dynamic symbol", remedy);
        }
        return None;
    };
    let versioned = !facts.versions.is_empty(); // a missing table is reported as such
    if versioned && (symbol.version.as_deref() != Some(export.version.as_str()) || symbol.version_hidden) {
        let found = symbol.version.as_deref().unwrap_or("no version");
        let hidden = if symbol.version_hidden { ", hidden" } else { "" };
        let what = format!("{found}{hidden} instead of {} (version index {})", export.version, symbol.version_index);
        gate.refuse(Rule::ExportVersion, place(symbol), what, "name it under its node in the version script");
    }
    if !symbol.is_function() {
        let what = format!("{} instead of STT_FUNC", symbol.kind);
        gate.refuse(Rule::ExportType, place(symbol), what, "in assembly, add `.type NAME, @function`");
    }
    if symbol.binding.value != u64::from(binding.0) {
        let what = format!("{} instead of STB_{binding_name}", symbol.binding);
        gate.refuse(Rule::ExportBinding, place(symbol), what, "exports are `.globl`, aliases `.weak`");
    }
    if symbol.visibility.value != u64::from(elf::STV_DEFAULT.0) {
        let what = format!("{} instead of STV_DEFAULT", symbol.visibility);
        gate.refuse(Rule::ExportVisibility, place(symbol), what, "remove `.hidden`, `.protected` or the attribute");
    }
    code_behind(gate, symbol);
    Some(symbol)
}

fn code_behind(gate: &mut Gate<'_>, symbol: &Symbol) {
    let mut code = gate.facts.sections.iter().filter(|section| section.is_code());
    let Some(section) = code.find(|section: &&Section| section.contains(symbol.value)) else {
        let what = format!("value {:#x} is in no executable section", symbol.value);
        gate.refuse(Rule::ExportAddress, place(symbol), what, "put the function into `.text`");
        return;
    };
    // glibc adds no load bias to the value of an SHN_ABS symbol, so that the client calls an unmapped address.
    if symbol.section.value != section.index as u64 {
        let what = format!(
            "st_shndx {}, but {:#x} is in section {} ({})",
            symbol.section, symbol.value, section.index, section.name
        );
        let remedy = "define it as a label in `.text`, or by `.set` equal to one; not as a number";
        gate.refuse(Rule::ExportAddress, place(symbol), what, remedy);
    }
    if symbol.size == 0 || symbol.size > section.end() - symbol.value {
        let what = format!(
            "size {} at {:#x}, section {} ends at {:#x}",
            symbol.size,
            symbol.value,
            section.name,
            section.end()
        );
        gate.refuse(Rule::ExportSize, place(symbol), what, "in assembly, add `.size NAME, . - NAME`");
    } else {
        function_end(gate, symbol);
    }
}

/// An export ends where a frame description does: compilers give a function the same end in both, so that another size
/// is that of a part of it or of more than one.
fn function_end(gate: &mut Gate<'_>, symbol: &Symbol) {
    if gate.facts.problems.iter().any(|problem| problem.part == Part::Frames) {
        return; // not all descriptions could be read
    }
    let end = symbol.value + symbol.size; // not more than the section's
    let frame = |address: u64| gate.facts.unwind.frames.iter().find(|frame| frame.contains(address));
    if frame(symbol.value).is_none() {
        return; // reported with the code
    }
    let what = match frame(end - 1) {
        Some(frame) if frame.end == end => return,
        Some(frame) => format!("its frame description ends at {:#x}", frame.end),
        None => "no frame description covers its last byte".to_owned(),
    };
    let what = format!("size {} at {:#x}, that is, up to {end:#x}; {what}", symbol.size, symbol.value);
    let remedy = "in assembly, write `.size NAME, . - NAME` right behind `.cfi_endproc`";
    gate.refuse(Rule::ExportSize, place(symbol), what, remedy);
}

fn same_address(gate: &mut Gate<'_>, target: &Symbol, alias: &Symbol) {
    if target.value != alias.value {
        let what = format!("{:#x}, but `{}` is at {:#x}", alias.value, target.name, target.value);
        gate.refuse(Rule::ExportAlias, place(alias), what, "define it by `.set ALIAS, NAME`, in the object of NAME");
    }
}

fn extra_exports(gate: &mut Gate<'_>) {
    let manifest = gate.manifest;
    let names = || manifest.exports.iter().flat_map(|export| std::iter::once(&export.name).chain(&export.alias));
    for symbol in &gate.facts.symbols {
        if symbol.is_defined() && !names().any(|name| *name == symbol.name) && !is_version_symbol(gate, symbol) {
            let what = format!("{} {} at {:#x}", symbol.binding, symbol.kind, symbol.value);
            let remedy = "add `local: *` to the version script, or declare the export in the manifest";
            gate.refuse(Rule::ExportExtra, place(symbol), what, remedy);
        }
    }
}

/// Which of two symbols of one name a client gets depends on the table that it looks into, so only one is checked here.
fn same_names(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    let mut symbols = BTreeMap::new();
    for symbol in facts.symbols.iter().filter(|symbol| symbol.is_defined()) {
        let Some(first) = symbols.insert(symbol.name.as_str(), symbol) else { continue };
        let what = format!("at {:#x}; symbol {} has the name too, at {:#x}", symbol.value, first.index, first.value);
        let remedy =
            "define each name once, under one version node; if a tool wrote into the image, that tool is at fault";
        gate.refuse(Rule::ExportExtra, place(symbol), what, remedy);
    }
}

/// GNU ld defines an absolute symbol for each version node; Linux's own images have it.
fn is_version_symbol(gate: &Gate<'_>, symbol: &Symbol) -> bool {
    let absolute = symbol.section.value == u64::from(elf::SHN_ABS.0) && symbol.value == 0 && !symbol.is_function();
    absolute && gate.manifest.versions.iter().any(|version| version.name == symbol.name)
}
