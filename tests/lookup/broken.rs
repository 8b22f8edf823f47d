//! Images with one flaw each, and which client stumbles over it and how.

use crate::elf::*;
use crate::images::Image;
use crate::patch::{header, segment, Patched};
use vdso_tests::Architecture;

/// What a client is to make of a broken image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// It finds every function.
    Finds,
    /// It finds none of the functions, each by itself.
    Nothing,
    /// It finds all but `clock_gettime`.
    AllButClock,
    /// It does not take the image, for this reason.
    Rejects(&'static str),
    /// It ends the process, for this reason.
    Aborts(&'static str),
    /// It reads memory that is not mapped.
    Faults,
}

/// A flaw.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    make: fn(&mut Patched, &Architecture),
    /// The clients that stumble. To all others it is a good image.
    stumbles: &'static [(&'static [&'static str], Expect)],
}

impl Case {
    pub(crate) fn image(&self, image: &Image) -> Patched {
        let mut patched = Patched::new(image);
        (self.make)(&mut patched, image.arch);
        patched
    }

    pub(crate) fn expected(&self, client: &str) -> Expect {
        let stumbles = self.stumbles.iter().find(|(clients, _)| clients.contains(&client));
        stumbles.map_or(Expect::Finds, |(_, expect)| *expect)
    }

    pub(crate) fn clients(&self) -> impl Iterator<Item = &'static str> {
        self.stumbles.iter().flat_map(|(clients, _)| clients.iter().copied())
    }
}

use Expect::{Aborts, AllButClock, Faults, Nothing, Rejects};

const GLIBC: &[&str] = &["glibc", "glibc 2.30"];
const MUSL: &[&str] = &["musl 1.2.5", "musl"];
const BIONIC: &[&str] = &["bionic of Android 10", "bionic"];
const RAW: &[&str] = &["linux-raw-vdso"];
const CRIU: &[&str] = &["CRIU 4.0", "CRIU"];

const NO_SEGMENT: Expect = Rejects("no PT_LOAD or no PT_DYNAMIC");
const NO_TABLE: Expect = Rejects("no DT_STRTAB or no DT_SYMTAB");
const NO_HASH: Expect = Rejects("no hash table");
const NO_ENTRY: Expect = Rejects("not every dynamic entry that it needs");
const NO_VERSION: Expect = Rejects("the version is not defined");
const NO_FUNCTION: Expect = Rejects("a function is missing");
const NO_SECTION: Expect = Rejects("no section header of .dynsym");
const NO_STRINGS: Expect = Rejects("no section header of .dynsym or of a string table");
const BAD_HEADER: Expect = Rejects("the ELF header");

/// Far from everything, also from what a program has mapped elsewhere: half the address space of a process.
const FAR: u64 = 1 << 46;

pub(crate) const CASES: &[Case] = &[
    // Hash tables.
    Case {
        name: "no DT_HASH",
        make: |image, _| image.forget(DT_HASH),
        stumbles: &[(&["musl 1.2.5"], NO_HASH), (&["CRIU 4.0"], NO_ENTRY)],
    },
    Case {
        name: "no DT_GNU_HASH", // as Linux's own images were for long
        make: |image, _| image.forget(DT_GNU_HASH),
        stumbles: &[],
    },
    Case {
        name: "no hash table",
        make: |image, _| {
            image.forget(DT_HASH);
            image.forget(DT_GNU_HASH);
        },
        stumbles: &[(GLIBC, Nothing), (MUSL, NO_HASH), (&["Go", "rustix", "parse_vdso.c"], NO_HASH), (CRIU, NO_ENTRY)],
    },
    Case {
        name: "DT_HASH that counts no symbols",
        make: |image, _| image.write_u32(image.table(DT_HASH) + 4, 0),
        stumbles: &[(MUSL, Nothing), (CRIU, Nothing)],
    },
    Case {
        name: "three words of Bloom filter",
        make: |image, _| image.append_gnu_hash(3),
        stumbles: &[(GLIBC, Aborts("the Bloom filter's words are no power of two"))],
    },
    Case {
        name: "four words of Bloom filter", // what the case above differs from by the number alone
        make: |image, _| image.append_gnu_hash(4),
        stumbles: &[],
    },
    Case {
        name: "an empty Bloom filter",
        make: |image, _| {
            image.append_gnu_hash(1);
            image.write_u64(image.table(DT_GNU_HASH) + 16, 0);
        },
        stumbles: &[(GLIBC, Nothing)],
    },
    Case {
        name: "an empty bucket",
        make: |image, _| {
            image.append_gnu_hash(1);
            image.write_u32(image.table(DT_GNU_HASH) + 24, 0);
        },
        stumbles: &[(GLIBC, Nothing), (&["Go", "rustix", "parse_vdso.c"], Nothing)],
    },
    // Versions.
    Case { name: "no DT_VERDEF", make: |image, _| image.forget(DT_VERDEF), stumbles: &[(&["Go"], Faults)] },
    Case {
        name: "a version of another name",
        make: |image, _| {
            image.write(image.version_name(), b"OTHER");
            let name = image.version_name();
            let length = image.bytes[name..].iter().position(|&byte| byte == 0).expect("a string");
            let name = String::from_utf8(image.bytes[name..name + length].to_vec()).expect("a name");
            image.write_u32(image.version() + 8, sysv_hash(&name));
        },
        stumbles: &[
            (&["glibc 2.30"], Nothing),
            (MUSL, Nothing),
            (&["Go", "rustix", "parse_vdso.c"], Nothing),
            (RAW, NO_VERSION),
        ],
    },
    Case {
        name: "a version with a wrong hash value",
        make: |image, _| image.write_u32(image.version() + 8, 1),
        stumbles: &[(&["glibc 2.30"], Nothing), (&["Go", "rustix", "parse_vdso.c"], Nothing), (RAW, NO_VERSION)],
    },
    Case {
        name: "functions without a version",
        make: |image, _| {
            for index in 1..image.symbol_count() {
                image.write_u16(image.table(DT_VERSYM) + 2 * index, 1);
            }
        },
        stumbles: &[
            (&["glibc 2.30"], Nothing),
            (MUSL, Nothing),
            (&["Go", "rustix", "parse_vdso.c"], Nothing),
            (RAW, NO_FUNCTION),
        ],
    },
    // Segments.
    Case { name: "PT_TLS", make: |image, _| _ = image.replace_segment(PT_TLS), stumbles: &[(GLIBC, Aborts("PT_TLS"))] },
    Case {
        name: "PT_GNU_RELRO",
        make: |image, _| _ = image.replace_segment(PT_GNU_RELRO),
        stumbles: &[(&["rustix"], Rejects("PT_GNU_RELRO"))],
    },
    Case {
        name: "PT_INTERP",
        make: |image, _| _ = image.replace_segment(PT_INTERP),
        stumbles: &[(&["rustix"], Rejects("PT_INTERP"))],
    },
    Case {
        name: "a second PT_LOAD, as far in the file as in memory",
        make: |image, _| {
            let second = image.replace_segment(PT_LOAD);
            image.write_u64(second + segment::OFFSET, FAR);
            image.write_u64(second + segment::VADDR, FAR);
        },
        stumbles: &[(GLIBC, Faults), (CRIU, Rejects("a second PT_LOAD"))],
    },
    Case {
        name: "a second PT_LOAD, further away in memory", // writable data, as a shared library has them
        make: |image, _| {
            let second = image.replace_segment(PT_LOAD);
            image.write_u64(second + segment::VADDR, FAR);
        },
        stumbles: &[
            (GLIBC, Faults),
            (MUSL, Faults),
            (&["bionic of Android 10"], Faults),
            (CRIU, Rejects("a second PT_LOAD")),
        ],
    },
    Case {
        name: "no PT_LOAD",
        make: |image, _| image.write_u32(image.segment(PT_LOAD), PT_NOTE),
        stumbles: &[
            (MUSL, NO_SEGMENT),
            (BIONIC, NO_SEGMENT),
            (CRIU, NO_SEGMENT),
            (&["Go", "rustix", "parse_vdso.c"], NO_SEGMENT),
        ],
    },
    Case {
        name: "a PT_LOAD that is not executable",
        make: |image, _| image.write_u32(image.segment(PT_LOAD) + segment::FLAGS, PF_R),
        stumbles: &[(&["rustix"], Rejects("a PT_LOAD that is not both readable and executable"))],
    },
    Case {
        name: "PT_DYNAMIC at another address",
        make: |image, _| {
            let end = image.end_of_dynamic_table() as u64;
            image.write_u64(image.segment(PT_DYNAMIC) + segment::VADDR, end);
        },
        stumbles: &[(GLIBC, Nothing)],
    },
    Case {
        name: "PT_DYNAMIC at another file offset",
        make: |image, _| {
            let end = image.end_of_dynamic_table() as u64;
            image.write_u64(image.segment(PT_DYNAMIC) + segment::OFFSET, end);
        },
        stumbles: &[
            (MUSL, NO_TABLE),
            (BIONIC, NO_TABLE),
            (CRIU, NO_ENTRY),
            (&["Go", "rustix", "parse_vdso.c"], NO_TABLE),
        ],
    },
    Case {
        name: "a second PT_DYNAMIC",
        make: |image, _| {
            let first = image.segment(PT_DYNAMIC);
            let copy = image.bytes[first..first + SEGMENT as usize].to_vec();
            image.write(image.segment(PT_GNU_EH_FRAME), &copy);
        },
        stumbles: &[(CRIU, Rejects("a second PT_DYNAMIC"))],
    },
    // The dynamic table.
    Case {
        name: "a PT_DYNAMIC that leaves DT_NULL out",
        make: |image, _| {
            let dynamic = image.segment(PT_DYNAMIC);
            let size = image.end_of_dynamic_table() - image.table_start();
            image.write_u64(dynamic + segment::FILE_SIZE, size as u64);
            image.write_u64(dynamic + segment::MEMORY_SIZE, size as u64);
        },
        stumbles: &[(&["rustix"], Rejects("a dynamic table without an end"))],
    },
    Case {
        name: "a PT_DYNAMIC of no size in the file",
        make: |image, _| image.write_u64(image.segment(PT_DYNAMIC) + segment::FILE_SIZE, 0),
        stumbles: &[(CRIU, NO_ENTRY)],
    },
    Case { name: "no DT_STRSZ", make: |image, _| image.forget(DT_STRSZ), stumbles: &[(CRIU, NO_ENTRY)] },
    Case { name: "no DT_SYMENT", make: |image, _| image.forget(DT_SYMENT), stumbles: &[(CRIU, NO_ENTRY)] },
    Case {
        name: "symbols of another size",
        make: |image, _| image.write_u64(image.dynamic(DT_SYMENT) + 8, 16),
        stumbles: &[(&["rustix"], Rejects("DT_SYMENT is not the size of a symbol"))],
    },
    // Section headers.
    Case {
        name: "no section headers",
        make: |image, _| {
            image.write_u64(header::SECTIONS, 0);
            image.write_u16(header::SECTION_COUNT, 0);
        },
        stumbles: &[(BIONIC, NO_SECTION), (RAW, NO_STRINGS)],
    },
    Case {
        name: "section headers behind the mapping", // where linkers put them, and Linux does not map them
        make: |image, _| image.write_u64(header::SECTIONS, FAR),
        stumbles: &[(BIONIC, Faults), (RAW, Faults)],
    },
    Case {
        name: "no section header of .dynsym",
        make: |image, _| image.write_u32(image.section(SHT_DYNSYM) + 4, SHT_PROGBITS),
        stumbles: &[(BIONIC, NO_SECTION), (RAW, NO_STRINGS)],
    },
    Case {
        name: "no section header of .gnu.version_d",
        make: |image, _| image.write_u32(image.section(SHT_GNU_VERDEF) + 4, SHT_PROGBITS),
        stumbles: &[(RAW, NO_VERSION)],
    },
    // Symbols.
    Case {
        name: "no clock_gettime",
        make: |image, arch| {
            let soname = image.table(DT_SONAME) as u32;
            image.write_u32(image.symbol(arch.clock_gettime), soname);
        },
        stumbles: &[
            (GLIBC, AllButClock),
            (MUSL, AllButClock),
            (BIONIC, AllButClock),
            (CRIU, AllButClock),
            (&["Go", "rustix", "parse_vdso.c"], AllButClock),
            (RAW, NO_FUNCTION),
        ],
    },
    Case {
        name: "functions that are data",
        make: |image, _| image.rewrite_symbols(|info, other| (info & 0xf0 | STT_OBJECT, other)),
        stumbles: &[(&["Go", "rustix", "parse_vdso.c"], Nothing), (RAW, NO_FUNCTION)],
    },
    Case {
        name: "local functions",
        make: |image, _| image.rewrite_symbols(|info, other| (info & 0xf | STB_LOCAL << 4, other)),
        stumbles: &[
            (GLIBC, Nothing),
            (MUSL, Nothing),
            (&["Go", "rustix", "parse_vdso.c"], Nothing),
            (RAW, NO_FUNCTION),
        ],
    },
    Case {
        name: "hidden functions",
        make: |image, _| image.rewrite_symbols(|info, _| (info, STV_HIDDEN)),
        stumbles: &[(GLIBC, Nothing), (RAW, NO_FUNCTION)],
    },
    // The ELF header.
    Case {
        name: "the ABI of another system",
        make: |image, _| image.write(header::OS_ABI, &[9]), // ELFOSABI_FREEBSD
        stumbles: &[(CRIU, BAD_HEADER), (RAW, BAD_HEADER)],
    },
    Case {
        name: "an executable",
        make: |image, _| image.write_u16(header::KIND, 2), // ET_EXEC
        stumbles: &[(RAW, BAD_HEADER)],
    },
    Case {
        name: "another machine",
        make: |image, _| image.write_u16(header::MACHINE, 22), // EM_S390
        stumbles: &[(RAW, BAD_HEADER)],
    },
];
