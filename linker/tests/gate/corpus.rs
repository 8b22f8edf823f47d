//! The broken images: each is a good one with a single flaw.
//!
//! Here are the flaws that are alike on every architecture: those of the file. Those of the instructions are in the
//! architecture's folder.

use crate::arch;
use crate::fixture::{architectures, good, manifest, Fixture, PAGE};
use crate::patch::{self, write};
use object::elf;
use std::sync::OnceLock;
use vdso_linker::gate::{PageAbi, Rule};
use vdso_linker::manifest::{Arch, Manifest};

/// A broken image, and what the gate is to say of it.
pub(crate) struct Case {
    /// What is wrong, in a few words.
    pub(crate) name: String,
    /// The rules that are broken, and no other.
    pub(crate) rules: &'static [Rule],
    /// What the place of one of the violations contains.
    pub(crate) place: &'static str,
    pub(crate) image: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) page: PageAbi,
}

/// The broken images of an architecture.
pub(crate) struct Corpus {
    arch: Arch,
    cases: Vec<Case>,
}

impl Corpus {
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        rules: &'static [Rule],
        place: &'static str,
        image: Vec<u8>,
    ) -> &mut Case {
        let manifest = manifest(self.arch, &[]);
        self.cases.push(Case { name: name.into(), rules, place, image, manifest, page: PAGE });
        self.cases.last_mut().expect("just added")
    }

    /// The good image after a change of single bytes.
    pub(crate) fn patched(
        &mut self,
        name: &str,
        rules: &'static [Rule],
        place: &'static str,
        change: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut image = good(self.arch);
        change(&mut image);
        self.add(name, rules, place, image);
    }

    /// The good image with other instructions at the start of `__vdso_time`.
    pub(crate) fn body(
        &mut self,
        name: impl Into<String>,
        rules: &'static [Rule],
        place: &'static str,
        assembly: &str,
    ) {
        self.add(name, rules, place, Fixture::good(self.arch).body(assembly).build());
    }

    pub(crate) fn built(&mut self, name: &str, rules: &'static [Rule], place: &'static str, fixture: Fixture) {
        self.add(name, rules, place, fixture.build());
    }
}

/// All broken images, made once.
pub(crate) fn corpus() -> impl Iterator<Item = (Arch, &'static [Case])> {
    static CORPUS: OnceLock<Vec<Corpus>> = OnceLock::new();
    let all = CORPUS.get_or_init(|| architectures().iter().map(|arch| make(*arch)).collect());
    all.iter().map(|corpus| (corpus.arch, &*corpus.cases))
}

fn make(arch: Arch) -> Corpus {
    let mut corpus = Corpus { arch, cases: Vec::new() };
    file(&mut corpus);
    segments(&mut corpus);
    sections(&mut corpus);
    dynamic_table(&mut corpus);
    tables(&mut corpus);
    exports(&mut corpus);
    unwind(&mut corpus);
    (arch::of(arch).broken)(&mut corpus);
    corpus
}

/// Fields of the ELF header.
mod header {
    pub(super) const CLASS: usize = 4;
    pub(super) const IDENT_VERSION: usize = 6;
    pub(super) const OS_ABI: usize = 7;
    pub(super) const ABI_VERSION: usize = 8;
    pub(super) const TYPE: usize = 16;
    pub(super) const MACHINE: usize = 18;
    pub(super) const VERSION: usize = 20;
    pub(super) const SEGMENTS_OFFSET: usize = 32;
    pub(super) const SECTIONS_OFFSET: usize = 40;
    pub(super) const FLAGS: usize = 48;
    pub(super) const SIZE: usize = 52;
    pub(super) const SECTIONS_COUNT: usize = 60;
}

/// Fields of a program header.
mod segment {
    pub(super) const FLAGS: usize = 4;
    pub(super) const ADDRESS: usize = 16;
    pub(super) const FILE_SIZE: usize = 32;
    pub(super) const MEMORY_SIZE: usize = 40;
    pub(super) const ALIGN: usize = 48;
}

/// Fields of a section header.
mod section {
    pub(super) const TYPE: usize = 4;
    pub(super) const FLAGS: usize = 8;
    pub(super) const SIZE: usize = 32;
    pub(super) const LINK: usize = 40;
    pub(super) const ENTRY_SIZE: usize = 56;
}

fn file(corpus: &mut Corpus) {
    use Rule::{FileHeader, Malformed, SizeLimit};
    let arch = corpus.arch;
    let cut = |length: fn(usize) -> usize| good(arch)[..length(good(arch).len())].to_vec();
    corpus.add("empty file", &[Malformed], "ELF header", Vec::new());
    corpus.add("text file", &[Malformed], "ELF header", b"#!/bin/sh\n# not an image\n".to_vec());
    corpus.add("cut within the ELF header", &[Malformed], "ELF header", cut(|_| 40));
    corpus.add("cut within the program headers", &[Malformed], "program header", cut(|_| 100));
    corpus.add("cut by a quarter", &[Malformed], "program header 0", cut(|length| length / 4 * 3));
    corpus.add("cut by a byte", &[Malformed], "program header 0", cut(|length| length - 1));
    corpus.patched("no such class", &[Malformed], "ELF header", |image| write(image, header::CLASS, &[3]));
    corpus.patched("of no version, by e_ident", &[Malformed], "ELF header", |image| {
        write(image, header::IDENT_VERSION, &[2]);
    });
    corpus.patched("program headers out of the file", &[Malformed], "program header table", |image| {
        write(image, header::SEGMENTS_OFFSET, &0x10_0000u64.to_le_bytes());
    });
    corpus.patched("dynamic table without end", &[Malformed], "PT_DYNAMIC", |image| {
        let facts = vdso_linker::inspect::inspect(image).expect("the good image can be read");
        let size = 16 * facts.dynamic.len() as u64;
        let offset = patch::segment(image, elf::PT_DYNAMIC);
        write(image, offset + segment::FILE_SIZE, &size.to_le_bytes());
    });
    corpus.patched("name out of the string table", &[Malformed], "dynamic symbol", |image| {
        let offset = patch::symbol(image, "time");
        write(image, offset, &0xffffu32.to_le_bytes());
    });
    corpus.patched("an executable", &[FileHeader], "e_type", |image| {
        write(image, header::TYPE, &elf::ET_EXEC.0.to_le_bytes());
    });
    corpus.patched("of another machine", &[FileHeader], "e_machine", |image| {
        write(image, header::MACHINE, &elf::EM_MIPS.0.to_le_bytes());
    });
    corpus.patched("of another ABI of the machine", &[FileHeader], "e_flags", |image| image[header::FLAGS] ^= 8);
    corpus.patched("of another system", &[FileHeader], "EI_OSABI", |image| {
        write(image, header::OS_ABI, &[elf::ELFOSABI_FREEBSD.0]);
    });
    corpus.patched("of another ABI of the system", &[FileHeader], "EI_ABIVERSION", |image| {
        write(image, header::ABI_VERSION, &[1]);
    });
    corpus.patched("of no version", &[FileHeader], "e_version", |image| {
        write(image, header::VERSION, &2u32.to_le_bytes());
    });
    corpus.patched("an ELF header of the size of ELF32's", &[FileHeader], "e_ehsize", |image| {
        write(image, header::SIZE, &52u16.to_le_bytes());
    });
    corpus.add("too large", &[SizeLimit], "the file", good(arch)).manifest =
        manifest(arch, &[("size-limit = 8192", "size-limit = 2048")]);
}

fn segments(corpus: &mut Corpus) {
    use Rule::*;
    let arch = corpus.arch;
    let field = |offset: usize, value: u64| {
        move |image: &mut Vec<u8>| {
            let load = patch::segment(image, elf::PT_LOAD);
            write(image, load + offset, &value.to_le_bytes());
        }
    };
    corpus.add("two PT_LOAD", &[OneLoad], "(PT_LOAD)", patch::segment_type(good(arch), elf::PT_LOAD));
    corpus.patched("writable PT_LOAD", &[LoadFlags], "program header 0", |image| {
        let load = patch::segment(image, elf::PT_LOAD);
        write(image, load + segment::FLAGS, &7u32.to_le_bytes());
    });
    corpus.patched("PT_LOAD aligned to 16 KiB", &[LoadAddress], "program header 0", field(segment::ALIGN, 0x4000));
    corpus.patched("PT_LOAD larger in memory", &[LoadSize], "program header 0", field(segment::MEMORY_SIZE, 0x2000));
    corpus.add("section headers behind the PT_LOAD", &[LoadCover], "program header 0", Fixture::good(arch).link());
    corpus.add(
        "two PT_DYNAMIC",
        &[DynamicSegment],
        "program headers",
        patch::segment_type(good(arch), elf::PT_DYNAMIC),
    );
    corpus.patched("PT_DYNAMIC at another address", &[SegmentPlace, SectionHeaders], "(PT_DYNAMIC)", |image| {
        let dynamic = patch::segment(image, elf::PT_DYNAMIC);
        write(image, dynamic + segment::ADDRESS, &0x1000u64.to_le_bytes());
    });
    corpus.patched("PT_NOTE at another address", &[SegmentPlace], "(PT_NOTE)", |image| {
        let note = patch::segment(image, elf::PT_NOTE);
        write(image, note + segment::ADDRESS, &0x1000u64.to_le_bytes());
    });
    for (name, place, kind, flags) in [
        ("writable PT_DYNAMIC", "(PT_DYNAMIC)", elf::PT_DYNAMIC, elf::PF_R | elf::PF_W),
        ("executable PT_NOTE", "(PT_NOTE)", elf::PT_NOTE, elf::PF_R | elf::PF_X),
        ("unreadable PT_GNU_EH_FRAME", "(PT_GNU_EH_FRAME)", elf::PT_GNU_EH_FRAME, elf::ProgramFlags(0)),
    ] {
        corpus.patched(name, &[SegmentPlace], place, |image| {
            let segment = patch::segment(image, kind);
            write(image, segment + segment::FLAGS, &flags.0.to_le_bytes());
        });
    }
    corpus.add("PT_TLS", &[Tls], "(PT_TLS)", patch::segment_type(good(arch), elf::PT_TLS));
    corpus.add("PT_INTERP", &[Interp], "(PT_INTERP)", patch::segment_type(good(arch), elf::PT_INTERP));
    corpus.add("PT_GNU_RELRO", &[Relro], "(PT_GNU_RELRO)", patch::segment_type(good(arch), elf::PT_GNU_RELRO));
    corpus.add("a vendor's segment", &[UnknownSegment], "0x70001234", {
        patch::segment_type(good(arch), elf::ProgramType(0x7000_1234))
    });
    corpus.built("executable stack", &[ExecutableStack], "(PT_GNU_STACK)", {
        Fixture::good(arch).script("stack PT_GNU_STACK FLAGS(6)", "stack PT_GNU_STACK FLAGS(7)")
    });
}

/// What becomes of a number.
enum Wrong {
    Plus(i32),
    Is(u32),
}

fn sections(corpus: &mut Corpus) {
    use Rule::*;
    let arch = corpus.arch;
    corpus.patched("no section headers", &[SectionHeaders], "e_shoff", |image| {
        write(image, header::SECTIONS_OFFSET, &0u64.to_le_bytes());
        write(image, header::SECTIONS_COUNT, &0u16.to_le_bytes());
    });
    corpus.patched("no SHT_DYNSYM", &[SectionHeaders], ".dynsym", |image| {
        let section = patch::section(image, ".dynsym");
        write(image, section + 4, &elf::SHT_PROGBITS.0.to_le_bytes());
    });
    corpus.patched("a section header that disagrees with the dynamic table", &[SectionHeaders], ".hash", |image| {
        let section = patch::section(image, ".hash");
        write(image, section + 16, &0x8u64.to_le_bytes());
    });
    corpus.patched("a section header with another file offset", &[SectionHeaders], "(.rodata)", |image| {
        let section = patch::section(image, ".rodata");
        write(image, section + 24, &0x8u64.to_le_bytes());
    });
    for (name, place, field, wrong) in [
        ("symbols that are one byte longer", ".dynsym", section::SIZE, Wrong::Plus(1)),
        ("strings that are one byte longer", ".dynstr", section::SIZE, Wrong::Plus(1)),
        ("a dynamic table that lacks its end", ".dynamic", section::SIZE, Wrong::Plus(-16)),
        ("a version index too many", ".gnu.version", section::SIZE, Wrong::Plus(2)),
        ("version definitions that lack one", ".gnu.version_d", section::SIZE, Wrong::Plus(-28)),
        ("symbols of no size", ".dynsym", section::ENTRY_SIZE, Wrong::Is(0)),
        ("symbols with the names of the sections", ".dynsym", section::LINK, Wrong::Plus(1)),
        ("version indices of the strings", ".gnu.version", section::LINK, Wrong::Plus(1)),
    ] {
        corpus.patched(name, &[SectionHeaders], place, |image| {
            let offset = patch::section(image, place) + field;
            let old = u32::from_le_bytes(*image[offset..].first_chunk().expect("four bytes"));
            let new = match wrong {
                Wrong::Plus(difference) => old.wrapping_add_signed(difference),
                Wrong::Is(value) => value,
            };
            write(image, offset, &new.to_le_bytes());
        });
    }
    corpus.patched("two sections of dynamic symbols", &[SectionHeaders], "(.rodata)", |image| {
        let section = patch::section(image, ".rodata");
        write(image, section + section::TYPE, &elf::SHT_DYNSYM.0.to_le_bytes());
    });
    corpus.patched("two sections of dynamic strings", &[SectionHeaders], "(.rodata)", |image| {
        let section = patch::section(image, ".rodata");
        write(image, section + section::TYPE, &elf::SHT_STRTAB.0.to_le_bytes());
    });
    corpus.patched("a compressed section", &[SectionHeaders], "(.rodata)", |image| {
        let section = patch::section(image, ".rodata");
        let flags = (elf::SHF_ALLOC | elf::SHF_COMPRESSED).0;
        write(image, section + section::FLAGS, &flags.to_le_bytes());
    });
    corpus.built("a writable static", &[WritableSection], "(.data)", {
        let text = "    .text : { *(.text .text.*) } :text";
        Fixture::good(arch).behind(".data\n.quad 1").script(text, &format!("{text}\n.data : {{ *(.data) }} :text"))
    });
    corpus.built(
        "an offset table",
        &[GotPlt],
        "(.plt.sec)",
        Fixture::good(arch).script("    .rodata :", "    .plt.sec :"),
    );
    corpus.patched("a section of relocations", &[Relocation], "(.rodata)", |image| {
        let section = patch::section(image, ".rodata");
        write(image, section + 4, &elf::SHT_RELA.0.to_le_bytes());
    });
    corpus.built("a table of function pointers", &[Relocation, TextRel], "(.rela)", {
        let table = ".section .rodata\n.quad __vdso_time";
        Fixture::good(arch).behind(table).with_option("-znotext")
    });
}

fn dynamic_table(corpus: &mut Corpus) {
    use Rule::*;
    let arch = corpus.arch;
    let mut tag = |name, rule, place, tag, value| {
        corpus.add(name, rule, place, patch::dynamic_tag(good(arch), tag, value));
    };
    tag("DT_RELRSZ", &[Relocation], "DT_RELRSZ", elf::DT_RELRSZ, 8);
    tag("DT_JMPREL", &[Relocation], "DT_JMPREL", elf::DT_JMPREL, 0x200);
    tag("DT_PLTGOT", &[GotPlt], "DT_PLTGOT", elf::DT_PLTGOT, 0x200);
    tag("DT_NEEDED", &[Needed], "DT_NEEDED", elf::DT_NEEDED, 1);
    tag("DT_TEXTREL", &[TextRel], "DT_TEXTREL", elf::DT_TEXTREL, 0);
    tag("DF_TEXTREL", &[TextRel], "DT_FLAGS", elf::DT_FLAGS, elf::DF_TEXTREL.0);
    tag("DF_STATIC_TLS", &[Tls], "DT_FLAGS", elf::DT_FLAGS, elf::DF_STATIC_TLS.0);
    tag("DF_ORIGIN", &[UnknownDynamicTag], "DT_FLAGS", elf::DT_FLAGS, elf::DF_ORIGIN.0);
    tag("DF_1_NODELETE", &[UnknownDynamicTag], "DT_FLAGS_1", elf::DT_FLAGS_1, elf::DF_1_NODELETE.0);
    tag("DT_RUNPATH", &[RunPath], "DT_RUNPATH", elf::DT_RUNPATH, 1);
    tag("DT_RPATH", &[RunPath], "DT_RPATH", elf::DT_RPATH, 1);
    tag("DT_INIT_ARRAY", &[InitFini], "DT_INIT_ARRAY", elf::DT_INIT_ARRAY, 0x200);
    tag("DT_FINI", &[InitFini], "DT_FINI", elf::DT_FINI, 0x200);
    tag("DT_DEBUG", &[UnknownDynamicTag], "DT_DEBUG", elf::DT_DEBUG, 0);
    tag("a vendor's tag", &[UnknownDynamicTag], "0x6000abcd", elf::DynamicTag(0x6000_abcd), 0);
    corpus.patched("no DT_SYMENT", &[DynamicEntry], "dynamic table", |image| {
        let entry = patch::dynamic(image, elf::DT_SYMENT);
        write(image, entry, &elf::DT_SYMBOLIC.0.to_le_bytes());
    });
    corpus.patched("two DT_STRTAB", &[DynamicEntry], "DT_STRTAB", |image| {
        let hash = patch::section_bytes(image, ".hash") as u64;
        patch::last_dynamic_tag(image, elf::DT_STRTAB, hash);
    });
    corpus.patched("two DT_SYMENT that agree", &[DynamicEntry], "DT_SYMENT", |image| {
        patch::last_dynamic_tag(image, elf::DT_SYMENT, 24);
    });
    corpus.patched("DT_SYMENT of 32-bit symbols", &[DynamicEntry], "DT_SYMENT", |image| {
        let entry = patch::dynamic(image, elf::DT_SYMENT);
        write(image, entry + 8, &16u64.to_le_bytes());
    });
    corpus.built("another SONAME", &[Soname], "DT_SONAME", {
        Fixture::good(arch).option("-soname=linux-vdso.so.1", "-soname=linux-gate.so.1")
    });
    corpus.patched("an undefined symbol", &[UndefinedSymbol], "`time`", |image| {
        let symbol = patch::symbol(image, "time");
        write(image, symbol + 6, &elf::SHN_UNDEF.0.to_le_bytes());
    });
}

fn tables(corpus: &mut Corpus) {
    use Rule::*;
    let arch = corpus.arch;
    corpus.built(
        "GNU hash only",
        &[SysvHash],
        "dynamic table",
        Fixture::good(arch).option("--hash-style=both", "--hash-style=gnu"),
    );
    corpus.patched("an empty DT_HASH bucket", &[SysvHash], "DT_HASH", |image| {
        let table = patch::section_bytes(image, ".hash");
        let buckets = image[table] as usize;
        image[table + 8..table + 8 + 4 * buckets].fill(0);
    });
    corpus.patched("DT_HASH chains in a circle", &[SysvHash], "DT_HASH", |image| {
        let table = patch::section_bytes(image, ".hash");
        let (buckets, chains) = (image[table] as usize, image[table + 4] as usize);
        let first = table + 8 + 4 * buckets;
        for index in 1..chains {
            // Each symbol is its own successor, so a look-up ends only if it counts its steps.
            write(image, first + 4 * index, &(index as u32).to_le_bytes());
        }
    });
    // What follows, no look-up of a name of the image meets.
    corpus.patched("a DT_HASH chain that ends in a circle", &[SysvHash], "DT_HASH", |image| {
        let (end, index) = patch::zero_in_hash(image, true);
        write(image, end, &index.to_le_bytes());
    });
    corpus.patched("a DT_HASH chain that leads out of the table", &[SysvHash], "DT_HASH", |image| {
        let (end, _) = patch::zero_in_hash(image, true);
        write(image, end, &0x4000_0000u32.to_le_bytes());
    });
    corpus.patched("a DT_HASH bucket that leads out of the table", &[SysvHash], "DT_HASH", |image| {
        let (bucket, _) = patch::zero_in_hash(image, false);
        write(image, bucket, &0x4000_0000u32.to_le_bytes());
    });
    corpus.patched("DT_HASH out of the file", &[SysvHash, SectionHeaders], ".hash", |image| {
        let entry = patch::dynamic(image, elf::DT_HASH);
        write(image, entry + 8, &0x10_0000u64.to_le_bytes());
    });
    corpus.built(
        "SysV hash only",
        &[GnuHash],
        "dynamic table",
        Fixture::good(arch).option("--hash-style=both", "--hash-style=sysv"),
    );
    corpus.patched("three Bloom filter words", &[GnuHash], "DT_GNU_HASH", |image| {
        let table = patch::section_bytes(image, ".gnu.hash");
        write(image, table + 8, &3u32.to_le_bytes());
    });
    corpus.patched("a DT_GNU_HASH bucket before the first symbol", &[GnuHash], "DT_GNU_HASH", |image| {
        let table = patch::section_bytes(image, ".gnu.hash");
        write(image, table + 4, &2u32.to_le_bytes());
    });
    corpus.patched("a Bloom filter that lets nothing through", &[GnuHash], "DT_GNU_HASH", |image| {
        let table = patch::section_bytes(image, ".gnu.hash");
        image[table + 16..table + 24].fill(0);
    });
    corpus.patched("a Bloom filter shift past the hash", &[GnuHash], "DT_GNU_HASH", |image| {
        let table = patch::section_bytes(image, ".gnu.hash");
        write(image, table + 12, &64u32.to_le_bytes());
    });
    corpus.built("no version script", &[VersionDefinition, ExportExtra], "dynamic table", {
        Fixture::good(arch).versions(None).behind(".globl internal\n.set internal, helper")
    });
    corpus.built("another version node", &[VersionDefinition, ExportVersion], "DT_VERDEF", {
        Fixture::good(arch).versions(Some("vdso { global: *; };"))
    });
    corpus.patched("a wrong version hash", &[VersionDefinition], "`LINUX_2.6`", |image| {
        let table = patch::section_bytes(image, ".gnu.version_d");
        let second = table + 28; // behind the base definition (20 bytes) and its name entry (8)
        write(image, second + 8, &0x1234_5678u32.to_le_bytes());
    });
    for (name, place, offset) in [
        ("a base version definition of another format", "`linux-vdso.so.1`", 0),
        ("a version definition of another format", "`LINUX_2.6`", 28),
    ] {
        corpus.patched(name, &[VersionDefinition], place, |image| {
            let table = patch::section_bytes(image, ".gnu.version_d");
            write(image, table + offset, &2u16.to_le_bytes());
        });
    }
    corpus.patched("too many version definitions counted", &[VersionDefinition], "DT_VERDEFNUM", |image| {
        let entry = patch::dynamic(image, elf::DT_VERDEFNUM);
        write(image, entry + 8, &3u64.to_le_bytes());
    });
    corpus.built("no build id", &[BuildId], "notes", Fixture::good(arch).option("--build-id=sha1", "--build-id=none"));
    corpus.built(
        "a build id of two bytes",
        &[BuildId],
        "notes",
        Fixture::good(arch).option("--build-id=sha1", "--build-id=0xabcd"),
    );
    corpus.add("a page of another layout", &[PageNote], "`vvar`", good(arch)).page = PageAbi { abi: 1, layout: 2 };
    corpus.built("no page note", &[PageNote], "`vvar`", Fixture::good(arch).edit(".asciz \"vvar\"", ".asciz \"vvax\""));
}

fn exports(corpus: &mut Corpus) {
    use Rule::*;
    let arch = corpus.arch;
    let export = "name = \"__vdso_time\"\nalias = \"time\"";
    corpus.add("an export that is not there", &[ExportMissing], "`__vdso_getcpu`", good(arch)).manifest = manifest(
        arch,
        &[(export, &format!("name = \"__vdso_getcpu\"\nversion = \"LINUX_2.6\"\n\n[[export]]\n{export}"))],
    );
    corpus.add("an export that nobody asked for", &[ExportExtra], "`time`", good(arch)).manifest =
        manifest(arch, &[(export, "name = \"__vdso_time\"")]);
    corpus.patched("a hidden version", &[ExportVersion], "`time`", |image| {
        let versions = patch::section_bytes(image, ".gnu.version");
        let index = patch::symbol_index(image, "time");
        write(image, versions + 2 * index, &0x8002u16.to_le_bytes());
    });
    corpus.patched("an export without version", &[ExportVersion], "`__vdso_time`", |image| {
        let versions = patch::section_bytes(image, ".gnu.version");
        let index = patch::symbol_index(image, "__vdso_time");
        write(image, versions + 2 * index, &1u16.to_le_bytes());
    });
    corpus.patched("an export that is an object", &[ExportType], "`time`", |image| {
        let symbol = patch::symbol(image, "time");
        write(image, symbol + 4, &[(elf::STB_WEAK.0 << 4) | elf::STT_OBJECT.0]);
    });
    corpus.built("a strong alias", &[ExportBinding], "`time`", Fixture::good(arch).edit(".weak time", ".globl time"));
    corpus.built("a protected export", &[ExportVisibility], "`__vdso_time`", {
        Fixture::good(arch).edit(".globl __vdso_time", ".globl __vdso_time\n.protected __vdso_time")
    });
    corpus.built("an export without size", &[ExportSize], "`__vdso_time`", {
        Fixture::good(arch).edit(".size __vdso_time, . - __vdso_time", "")
    });
    corpus.built("an export of a part of its function", &[ExportSize], "`__vdso_time`", {
        Fixture::good(arch).edit(".size __vdso_time, . - __vdso_time", ".size __vdso_time, 1")
    });
    corpus.built("an export that goes on into padding", &[ExportSize], "`__vdso_clock_gettime`", {
        let size = ".size __vdso_clock_gettime, . - __vdso_clock_gettime";
        Fixture::good(arch).edit(size, &format!("{size} + 1"))
    });
    for (name, section) in [("an absolute export", elf::SHN_ABS.0), ("an export of another section", 1)] {
        corpus.patched(name, &[ExportAddress], "`time`", |image| {
            let symbol = patch::symbol(image, "time");
            write(image, symbol + 6, &section.to_le_bytes());
        });
    }
    corpus.add("two symbols of one name", &[ExportExtra], "`time`", {
        let second = ".globl second\n.type second, @function\n.set second, helper\n.size second, 4";
        let versions = "LINUX_2.6 { global: __vdso_*; clock_gettime; time; *rt_sigreturn; second; local: *; };";
        let mut image = Fixture::good(arch).behind(second).versions(Some(versions)).build();
        let name = *image[patch::symbol(&image, "time")..].first_chunk::<4>().expect("st_name");
        let second = patch::symbol(&image, "second");
        write(&mut image, second, &name);
        image
    });
    let moved = |by: fn(&[u8], u64) -> u64| {
        move |image: &mut Vec<u8>| {
            for name in ["time", "__vdso_time"] {
                let value = patch::symbol(image, name) + 8;
                let old = u64::from_le_bytes(*image[value..].first_chunk().expect("eight bytes"));
                let new = by(image, old).to_le_bytes();
                write(image, value, &new);
            }
        }
    };
    corpus.patched("an export in the data", &[ExportAddress], "`time`", {
        moved(|image, _| patch::section_bytes(image, ".rodata") as u64)
    });
    corpus.patched("an export within an instruction", &[ExportAddress, ExportSize], "`time`", moved(|_, old| old + 1));
    corpus.built("an alias of another function", &[ExportAlias], "`time`", {
        Fixture::good(arch).edit(".set time, __vdso_time", ".set time, __vdso_clock_gettime")
    });
}

fn unwind(corpus: &mut Corpus) {
    use Rule::*;
    let arch = corpus.arch;
    corpus.built("no unwind information", &[EhFrame, EhFrameHdr], ".eh_frame", {
        Fixture::good(arch).edit_all(".cfi_", "// .cfi_")
    });
    corpus.patched("an unknown call frame instruction", &[EhFrame], ".eh_frame", |image| {
        let frames = patch::section_bytes(image, ".eh_frame");
        let first_instruction = frames + 8 + 9; // length, id; version, "zR", alignments, return address, encoding
        write(image, first_instruction, &[0x3f]);
    });
    corpus.patched(
        "a description of other code",
        &[EhFrame, EhFrameHdr, UnwindCoverage],
        "frame description",
        |image| {
            let frames = patch::section_bytes(image, ".eh_frame");
            let cie_length = u32::from_le_bytes(*image[frames..].first_chunk().expect("four bytes"));
            let first = frames + 4 + cie_length as usize;
            write(image, first + 8, &0u32.to_le_bytes());
        },
    );
    corpus.patched("no PT_GNU_EH_FRAME", &[EhFrameHdr], "program headers", |image| {
        let segment = patch::segment(image, elf::PT_GNU_EH_FRAME);
        write(image, segment, &elf::PT_NULL.0.to_le_bytes());
    });
    corpus.patched("an unsorted .eh_frame_hdr", &[EhFrameHdr], ".eh_frame_hdr", |image| {
        let table = patch::section_bytes(image, ".eh_frame_hdr") + 12;
        let (first, second) = image[table..table + 16].split_at_mut(8);
        first.swap_with_slice(second);
    });
    corpus.patched("an .eh_frame_hdr that lacks a function", &[EhFrameHdr], ".eh_frame_hdr", |image| {
        let count = patch::section_bytes(image, ".eh_frame_hdr") + 8;
        image[count] -= 1;
    });
    corpus.patched("an .eh_frame_hdr of no version", &[EhFrameHdr], ".eh_frame_hdr", |image| {
        let version = patch::section_bytes(image, ".eh_frame_hdr");
        image[version] = 0;
    });
}
