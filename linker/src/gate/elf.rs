//! Rules on the file: header, segments, sections, dynamic table.

use super::{Gate, Rule};
use crate::inspect::{Class, Inspection, Part, Section, Segment};
use object::{elf, Endianness};
use std::collections::BTreeMap;
use std::mem::size_of;

pub(super) fn check(gate: &mut Gate<'_>) {
    size_limit(gate);
    loads(gate);
    dynamic_segment(gate);
    segment_places(gate);
    other_segments(gate);
    sections(gate);
    relocation_sections(gate);
    section_headers(gate);
    dynamic_tags(gate);
    dynamic_addresses(gate);
    soname(gate);
}

/// Returns whether the image is of the manifest's class, byte order and machine, so that it can be held against the
/// rest.
pub(super) fn file_header(gate: &mut Gate<'_>) -> bool {
    let header = &gate.facts.header;
    let (machine, flags) = (gate.architecture().machine, gate.architecture().flags);
    let remedy = "link with `-shared` for the manifest's architecture, on which every object must have been compiled";
    if header.kind.value != u64::from(elf::ET_DYN.0) {
        gate.refuse(Rule::FileHeader, "e_type", format!("{} instead of ET_DYN", header.kind), remedy);
    }
    let right_class = header.class == Class::Elf64 && header.little_endian;
    if !right_class {
        let order = if header.little_endian { "little" } else { "big" };
        let what = format!("{:?}, {order}-endian, instead of Elf64, little-endian", header.class);
        gate.refuse(Rule::FileHeader, "e_ident", what, remedy);
    } else {
        header_constants(gate);
    }
    let right_machine = header.machine.value == u64::from(machine);
    if !right_machine {
        let expected = elf::Machine(machine).name().map_or_else(|| machine.to_string(), str::to_owned);
        let what = format!("{} instead of {expected}", header.machine);
        gate.refuse(Rule::FileHeader, "e_machine", what, remedy);
    } else if header.flags != flags {
        let what = format!("{:#x} instead of {flags:#x}", header.flags);
        gate.refuse(Rule::FileHeader, "e_flags", what, remedy);
    }
    right_class && right_machine
}

/// Fields that linkers write alike into every image: CRIU and linux-raw-vdso compare most of them.
fn header_constants(gate: &mut Gate<'_>) {
    let header = &gate.facts.header;
    let header_size = size_of::<elf::FileHeader64<Endianness>>() as u64;
    let fields = [
        ("e_ident, EI_OSABI", header.os_abi.value, u64::from(elf::ELFOSABI_NONE.0)),
        ("e_ident, EI_ABIVERSION", u64::from(header.abi_version), 0),
        ("e_version", u64::from(header.version), u64::from(elf::EV_CURRENT.0)),
        ("e_ehsize", header.size, header_size),
    ];
    for (field, found, right) in fields {
        if found != right {
            let remedy = "link for Linux, without GNU's own extensions (IFUNC, STB_GNU_UNIQUE); if a tool wrote into \
                          the image, that tool is at fault";
            gate.refuse(Rule::FileHeader, field, format!("{found} instead of {right}"), remedy);
        }
    }
}

fn size_limit(gate: &mut Gate<'_>) {
    let (size, limit) = (gate.report.size, gate.report.size_limit);
    if size > limit {
        let what = format!("{size} bytes, {} more than the manifest's size-limit {limit}", size - limit);
        gate.refuse(
            Rule::SizeLimit,
            "the file",
            what,
            "shorten the functions, or raise `image.size-limit` in the manifest",
        );
    }
}

fn place(segment: &Segment) -> String {
    format!("program header {} ({})", segment.index, segment.kind)
}

fn loads(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    let loads: Vec<&Segment> = facts.segments.iter().filter(|segment| segment.is(elf::PT_LOAD)).collect();
    let [load] = loads[..] else {
        let place = loads.get(1).map_or_else(|| "program headers".to_owned(), |second| place(second));
        let what = format!("{} PT_LOAD segments instead of one", loads.len());
        gate.refuse(Rule::OneLoad, place, what, "put every section into one segment by PHDRS in the linker script");
        return;
    };
    if load.flags != (elf::PF_R | elf::PF_X).0 {
        let what = format!("flags {:?} instead of RX", load.permissions());
        gate.refuse(Rule::LoadFlags, place(load), what, "set FLAGS(5) of the segment in the linker script");
    }
    let page = gate.manifest.image.page_size;
    if (load.offset, load.address, load.align) != (0, 0, page) {
        let what = format!(
            "p_offset {:#x}, p_vaddr {:#x}, p_align {:#x} instead of 0, 0 and the page size {page:#x}",
            load.offset, load.address, load.align
        );
        let remedy = "start the linker script at `. = SIZEOF_HEADERS` with FILEHDR PHDRS, link with `-z max-page-size`";
        gate.refuse(Rule::LoadAddress, place(load), what, remedy);
    }
    if load.file_size != load.memory_size {
        let what = format!("p_filesz {:#x} differs from p_memsz {:#x}", load.file_size, load.memory_size);
        gate.refuse(Rule::LoadSize, place(load), what, "remove the static variables that are zero at start (.bss)");
    }
    load_cover(gate, load);
}

fn load_cover(gate: &mut Gate<'_>, load: &Segment) {
    let header = &gate.facts.header;
    let tables = [
        ("the ELF header", 0, header.size),
        ("the program headers", header.segments_offset, header.segments_size),
        ("the section headers", header.sections_offset, header.sections_size),
        ("the end of the file", gate.report.size, 0),
    ];
    for (name, start, size) in tables {
        if !load.covers_file(start, start.saturating_add(size)) {
            let what = format!(
                "{name} at {start:#x}, {size:#x} bytes, not within the file bytes {:#x}..{:#x}",
                load.offset,
                load.offset.saturating_add(load.file_size)
            );
            let remedy = "after the link, raise p_filesz and p_memsz to the end of the section headers";
            gate.refuse(Rule::LoadCover, place(load), what, remedy);
            return;
        }
    }
}

fn dynamic_segment(gate: &mut Gate<'_>) {
    let count = gate.facts.segments.iter().filter(|segment| segment.is(elf::PT_DYNAMIC)).count();
    if count != 1 {
        let what = format!("{count} PT_DYNAMIC segments instead of one");
        let remedy = "name the segment once in PHDRS, and put `.dynamic` into it and into the PT_LOAD";
        gate.refuse(Rule::DynamicSegment, "program headers", what, remedy);
    }
}

/// Segments that clients read lie within the PT_LOAD, where file offset and address are the same, and ask for no more
/// than to be read: glibc adds the load bias to the dynamic table in place if its segment is writable, and faults.
fn segment_places(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    let read = [elf::PT_DYNAMIC, elf::PT_NOTE, elf::PT_GNU_EH_FRAME, elf::PT_GNU_PROPERTY];
    for segment in facts.segments.iter().filter(|segment| read.iter().any(|kind| segment.is(*kind))) {
        let end = segment.offset.saturating_add(segment.file_size);
        let mapped = facts.segments.iter().any(|load| load.is(elf::PT_LOAD) && load.covers_file(segment.offset, end));
        if segment.offset != segment.address || segment.file_size != segment.memory_size || !mapped {
            let what = format!(
                "p_offset {:#x}, p_vaddr {:#x}, p_filesz {:#x}, p_memsz {:#x}: unequal, or not within the PT_LOAD",
                segment.offset, segment.address, segment.file_size, segment.memory_size
            );
            let remedy = "give its sections to the segment and to the PT_LOAD (`:text :dynamic`) in the linker script";
            gate.refuse(Rule::SegmentPlace, place(segment), what, remedy);
        }
        if segment.flags != elf::PF_R.0 {
            let what = format!("flags {:#x} ({:?}) instead of R", segment.flags, segment.permissions());
            gate.refuse(Rule::SegmentPlace, place(segment), what, "set FLAGS(4) of the segment in the linker script");
        }
    }
}

fn other_segments(gate: &mut Gate<'_>) {
    for segment in &gate.facts.segments {
        let refused = match elf::ProgramType(segment.kind.value as u32) {
            elf::PT_TLS => Some((Rule::Tls, "remove thread-local variables")),
            elf::PT_INTERP => Some((Rule::Interp, "link with `-shared` and without `--dynamic-linker`")),
            elf::PT_GNU_RELRO => Some((Rule::Relro, "link with `-z norelro`")),
            elf::PT_GNU_STACK => (segment.flags & elf::PF_X.0 != 0).then_some((
                Rule::ExecutableStack,
                "link with `-z noexecstack`; give assembly a `.note.GNU-stack` section",
            )),
            elf::PT_LOAD
            | elf::PT_DYNAMIC
            | elf::PT_NOTE
            | elf::PT_GNU_EH_FRAME
            | elf::PT_GNU_PROPERTY
            | elf::PT_NULL => None,
            _ => Some((Rule::UnknownSegment, "name only known segments in PHDRS of the linker script")),
        };
        if let Some((rule, remedy)) = refused {
            let what = format!("segment of type {}, flags {:?}", segment.kind, segment.permissions());
            gate.refuse(rule, place(segment), what, remedy);
        }
    }
}

fn sections(gate: &mut Gate<'_>) {
    for section in &gate.facts.sections {
        let place = || format!("section {} ({})", section.index, section.name);
        if section.has(elf::SHF_WRITE) && section.has(elf::SHF_ALLOC) && section.size != 0 {
            let what = format!("{:#x} bytes at {:#x}, writable", section.size, section.address);
            let remedy = "remove `static mut`, atomics and other writable statics; link with `-z rodynamic`";
            gate.refuse(Rule::WritableSection, place(), what, remedy);
        }
        if is_got_or_plt(section) {
            let what = format!("{:#x} bytes at {:#x}", section.size, section.address);
            let remedy =
                "make every symbol hidden or local; link with `-Bsymbolic`; reach data relative to the instruction";
            gate.refuse(Rule::GotPlt, place(), what, remedy);
        }
    }
}

fn is_got_or_plt(section: &Section) -> bool {
    let table =
        |name: &str| section.name == name || section.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    section.size != 0 && (table(".got") || table(".plt") || table(".iplt"))
}

fn relocation_sections(gate: &mut Gate<'_>) {
    for section in &gate.facts.sections {
        let kinds =
            [elf::SHT_REL, elf::SHT_RELA, elf::SHT_RELR, elf::SHT_CREL, elf::SHT_ANDROID_REL, elf::SHT_ANDROID_RELA];
        if section.size != 0 && kinds.iter().any(|kind| section.is(*kind)) {
            let place = format!("section {} ({})", section.index, section.name);
            let what = format!("{:#x} bytes of relocations, type {}", section.size, section.kind);
            gate.refuse(Rule::Relocation, place, what, RELOCATION_REMEDY);
        }
    }
}

const RELOCATION_REMEDY: &str =
    "find with `readelf -rW` which symbol it is for: no table of pointers or function pointers in \
                                 a static, no call out of the image (a panic, a loop that became memcpy or memset)";

const UNSTRIPPED: &str = "do not strip the section headers (`--strip-all` keeps them, `--strip-sections` does not)";

/// A table that clients find by its section header, and what the dynamic table and the other headers say of it.
struct Table<'a> {
    name: &'static str,
    kind: elf::SectionType,
    section: Option<&'a Section>,
    /// By the dynamic table; none if that is broken, which is another rule's.
    address: Option<u64>,
    size: Option<u64>,
    entry_size: Option<usize>,
    /// The section that `sh_link` names.
    link: Option<&'a Section>,
}

impl Table<'_> {
    /// What is wrong with the section header, and the remedy.
    fn faults(&self) -> Vec<(String, &'static str)> {
        let Some(address) = self.address else { return Vec::new() };
        let Some(section) = self.section else {
            return vec![(format!("no section header for the table at {address:#x}"), UNSTRIPPED)];
        };
        if section.address != address {
            let own = section.address;
            let what = format!("at {own:#x} by its section header, at {address:#x} by the dynamic table");
            return vec![(what, UNSTRIPPED)];
        }
        let mut faults = Vec::new();
        let mut compare = |field, found: u64, right: Option<u64>| {
            if let Some(right) = right.filter(|right| *right != found) {
                let remedy = "build the image anew; if a tool wrote into it, that tool is at fault";
                faults.push((format!("{field} {found:#x} instead of {right:#x}"), remedy));
            }
        };
        compare("sh_size", section.size, self.size);
        compare("sh_entsize", section.entry_size, self.entry_size.map(|size| size as u64));
        compare("sh_link", section.link.into(), self.link.map(|section| section.index as u64));
        faults
    }
}

/// The tables that clients read, by type: by the first section of it, as the inspection does.
fn tables(facts: &Inspection) -> [Table<'_>; 7] {
    let table = |kind: elf::SectionType| facts.sections.iter().find(move |section| section.is(kind));
    let entry = |tag: elf::DynamicTag| facts.dynamic_entry(tag).map(|entry| entry.value);
    let symbols = table(elf::SHT_DYNSYM);
    let strings = facts.sections.iter().find(|section| section.name == ".dynstr" && section.is(elf::SHT_STRTAB));
    let dynamic = facts.segments.iter().find(|segment| segment.is(elf::PT_DYNAMIC));
    // That so many symbols are there is checked with the hash tables.
    let symbol_count = facts.symbols.len() as u64 + 1;
    let symbol_size = size_of::<elf::Sym64<Endianness>>();
    let version_size = size_of::<elf::Versym<Endianness>>();
    [
        Table {
            name: ".dynsym",
            kind: elf::SHT_DYNSYM,
            section: symbols,
            address: entry(elf::DT_SYMTAB),
            size: Some(symbol_count * symbol_size as u64),
            entry_size: Some(symbol_size),
            link: strings,
        },
        Table {
            name: ".dynstr",
            kind: elf::SHT_STRTAB,
            section: strings,
            address: entry(elf::DT_STRTAB),
            size: entry(elf::DT_STRSZ),
            entry_size: None,
            link: None,
        },
        Table {
            name: ".dynamic",
            kind: elf::SHT_DYNAMIC,
            section: table(elf::SHT_DYNAMIC),
            address: dynamic.map(|segment| segment.address),
            size: dynamic.map(|segment| segment.file_size),
            entry_size: Some(size_of::<elf::Dyn64<Endianness>>()),
            link: strings,
        },
        Table {
            name: ".hash",
            kind: elf::SHT_HASH,
            section: table(elf::SHT_HASH),
            address: entry(elf::DT_HASH),
            size: None,
            entry_size: None,
            link: symbols,
        },
        Table {
            name: ".gnu.hash",
            kind: elf::SHT_GNU_HASH,
            section: table(elf::SHT_GNU_HASH),
            address: entry(elf::DT_GNU_HASH),
            size: None,
            entry_size: None,
            link: symbols,
        },
        Table {
            name: ".gnu.version",
            kind: elf::SHT_GNU_VERSYM,
            section: table(elf::SHT_GNU_VERSYM),
            address: entry(elf::DT_VERSYM),
            size: Some(symbol_count * version_size as u64),
            entry_size: Some(version_size),
            link: symbols,
        },
        Table {
            name: ".gnu.version_d",
            kind: elf::SHT_GNU_VERDEF,
            section: table(elf::SHT_GNU_VERDEF),
            address: entry(elf::DT_VERDEF),
            size: versions_size(facts),
            entry_size: None,
            link: strings,
        },
    ]
}

/// Bytes of the version definitions, which linkers write one behind the other; none if not all could be read.
fn versions_size(facts: &Inspection) -> Option<u64> {
    if facts.problems.iter().any(|problem| problem.part == Part::Versions) {
        return None;
    }
    let (definition, name) = (size_of::<elf::Verdef<Endianness>>(), size_of::<elf::Verdaux<Endianness>>());
    let sizes = facts.versions.iter().map(|version| definition + name * (1 + version.parents.len()));
    Some(sizes.sum::<usize>() as u64)
}

/// Sections that must be there for clients that read section headers, and must agree with the dynamic table.
fn section_headers(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    if facts.sections.is_empty() {
        gate.refuse(Rule::SectionHeaders, "e_shoff", "the file has no section headers", UNSTRIPPED);
        return;
    }
    let section_place = |section: &Section| format!("section {} ({})", section.index, section.name);
    for table in tables(facts) {
        for (what, remedy) in table.faults() {
            gate.refuse(Rule::SectionHeaders, table.name, what, remedy);
        }
        // `.shstrtab` is a string table that is not mapped.
        let mapped = facts.sections.iter().filter(|section| section.is(table.kind) && section.has(elf::SHF_ALLOC));
        for section in mapped.filter(|section| table.section.is_some_and(|first| first.index != section.index)) {
            let what =
                format!("of type {} as is {}: some clients take the first, some the last", section.kind, table.name);
            let remedy = "put the input sections of each table into one output section in the linker script";
            gate.refuse(Rule::SectionHeaders, section_place(section), what, remedy);
        }
    }
    for section in &facts.sections {
        if section.has(elf::SHF_COMPRESSED) {
            let what = format!("sh_flags {:#x}, SHF_COMPRESSED", section.flags);
            let remedy = "link with `--compress-debug-sections=none`: nobody unpacks a section of a mapped image";
            gate.refuse(Rule::SectionHeaders, section_place(section), what, remedy);
        }
        let occupies = section.has(elf::SHF_ALLOC) && !section.is(elf::SHT_NOBITS);
        if occupies && section.address != section.offset {
            let what = format!("sh_addr {:#x} differs from sh_offset {:#x}", section.address, section.offset);
            let remedy = "start the linker script at `. = SIZEOF_HEADERS`, and put every section into the one PT_LOAD";
            gate.refuse(Rule::SectionHeaders, section_place(section), what, remedy);
        }
    }
}

fn dynamic_tags(gate: &mut Gate<'_>) {
    repeated_tags(gate);
    for entry in &gate.facts.dynamic {
        let tag = elf::DynamicTag(entry.tag.value as i64);
        let refused = match tag {
            elf::DT_REL
            | elf::DT_RELSZ
            | elf::DT_RELENT
            | elf::DT_RELCOUNT
            | elf::DT_RELA
            | elf::DT_RELASZ
            | elf::DT_RELAENT
            | elf::DT_RELACOUNT
            | elf::DT_RELR
            | elf::DT_RELRSZ
            | elf::DT_RELRENT
            | elf::DT_JMPREL
            | elf::DT_PLTREL
            | elf::DT_PLTRELSZ => Some((Rule::Relocation, RELOCATION_REMEDY)),
            elf::DT_PLTGOT => Some((Rule::GotPlt, "make every symbol hidden or local; link with `-Bsymbolic`")),
            elf::DT_NEEDED | elf::DT_AUXILIARY | elf::DT_FILTER => Some((Rule::Needed, "link no library")),
            elf::DT_TEXTREL => {
                Some((Rule::TextRel, "compile position-independent (`-C relocation-model=pic`, `-fPIC`)"))
            }
            elf::DT_RPATH | elf::DT_RUNPATH => Some((Rule::RunPath, "link without `-rpath`")),
            elf::DT_INIT
            | elf::DT_FINI
            | elf::DT_INIT_ARRAY
            | elf::DT_INIT_ARRAYSZ
            | elf::DT_FINI_ARRAY
            | elf::DT_FINI_ARRAYSZ
            | elf::DT_PREINIT_ARRAY
            | elf::DT_PREINIT_ARRAYSZ => {
                Some((Rule::InitFini, "remove constructors, destructors and `_init`, `_fini`"))
            }
            elf::DT_FLAGS => flags(entry.value),
            elf::DT_FLAGS_1 => flags_1(entry.value),
            elf::DT_SONAME
            | elf::DT_HASH
            | elf::DT_GNU_HASH
            | elf::DT_STRTAB
            | elf::DT_STRSZ
            | elf::DT_SYMTAB
            | elf::DT_SYMENT
            | elf::DT_VERSYM
            | elf::DT_VERDEF
            | elf::DT_VERDEFNUM
            | elf::DT_SYMBOLIC => None,
            tag if gate.architecture().dynamic_tags.contains(&tag.0) => None,
            _ => Some((
                Rule::UnknownDynamicTag,
                "drop the linker option that asks for it; if the linker makes it for every image of the architecture, name it \
                 in `Architecture::dynamic_tags`",
            )),
        };
        if let Some((rule, remedy)) = refused {
            let what = entry.text.clone().unwrap_or_else(|| format!("value {:#x}", entry.value));
            gate.refuse(rule, format!("dynamic table, {}", entry.tag), what, remedy);
        }
    }
}

/// Of two entries with one tag, glibc and Go take the last, the inspection and others the first.
fn repeated_tags(gate: &mut Gate<'_>) {
    let mut values = BTreeMap::new();
    for entry in &gate.facts.dynamic {
        if let Some(first) = values.insert(entry.tag.value, entry.value) {
            let what = format!("twice, with the values {first:#x} and {:#x}", entry.value);
            let remedy = "linkers name each tag once; if a tool wrote into the image, that tool is at fault";
            gate.refuse(Rule::DynamicEntry, format!("dynamic table, {}", entry.tag), what, remedy);
        }
    }
}

/// What DT_FLAGS may say: DF_SYMBOLIC (as DT_SYMBOLIC) and DF_BIND_NOW, both without an effect here.
fn flags(value: u64) -> Option<(Rule, &'static str)> {
    let flags = |flags: elf::DynamicFlags| flags.0;
    if value & flags(elf::DF_TEXTREL) != 0 {
        return Some((Rule::TextRel, "compile position-independent (`-C relocation-model=pic`, `-fPIC`)"));
    }
    if value & flags(elf::DF_STATIC_TLS) != 0 {
        return Some((Rule::Tls, "remove thread-local variables"));
    }
    let known = flags(elf::DF_SYMBOLIC) | flags(elf::DF_BIND_NOW);
    (value & !known != 0).then_some((Rule::UnknownDynamicTag, "drop the linker option that asks for the flag"))
}

/// What DT_FLAGS_1 may say: DF_1_NOW, which `-z now` sets and which has no effect without relocations.
fn flags_1(value: u64) -> Option<(Rule, &'static str)> {
    let known = elf::DF_1_NOW.0;
    (value & !known != 0).then_some((Rule::UnknownDynamicTag, "drop the linker option that asks for the flag"))
}

fn dynamic_addresses(gate: &mut Gate<'_>) {
    let facts = gate.facts;
    if !facts.segments.iter().any(|segment| segment.is(elf::PT_DYNAMIC)) {
        return; // reported by `dynamic_segment`
    }
    for tag in [elf::DT_STRTAB, elf::DT_STRSZ, elf::DT_SYMTAB, elf::DT_SYMENT] {
        if facts.dynamic_entry(tag).is_none() {
            let name = tag.name().unwrap_or("a tag");
            gate.refuse(Rule::DynamicEntry, "dynamic table", format!("no {name}"), "link with `-shared`");
        }
    }
    let symbol_size = size_of::<elf::Sym64<Endianness>>() as u64;
    if let Some(entry) = facts.dynamic_entry(elf::DT_SYMENT).filter(|entry| entry.value != symbol_size) {
        let what = format!("{} instead of {symbol_size} bytes a symbol", entry.value);
        gate.refuse(Rule::DynamicEntry, "dynamic table, DT_SYMENT", what, "build the image anew");
    }
    let mapped = |address: u64| {
        let holds = |s: &Segment| address.checked_sub(s.address).is_some_and(|within| within < s.memory_size);
        facts.segments.iter().any(|segment| segment.is(elf::PT_LOAD) && holds(segment))
    };
    // The hash and version tables' addresses are checked where the tables are read.
    for tag in [elf::DT_STRTAB, elf::DT_SYMTAB] {
        let Some(entry) = facts.dynamic_entry(tag).filter(|entry| !mapped(entry.value)) else { continue };
        let what = format!("address {:#x} is outside of the PT_LOAD", entry.value);
        let remedy = "put every section that is mapped into the one PT_LOAD";
        gate.refuse(Rule::DynamicEntry, format!("dynamic table, {}", entry.tag), what, remedy);
    }
}

fn soname(gate: &mut Gate<'_>) {
    let wanted = &gate.manifest.image.soname;
    let what = match &gate.facts.soname {
        Some(soname) if soname == wanted => return,
        Some(soname) => format!("`{soname}` instead of `{wanted}`"),
        None => format!("none instead of `{wanted}`"),
    };
    gate.refuse(Rule::Soname, "dynamic table, DT_SONAME", what, format!("link with `-soname={wanted}`"));
}
