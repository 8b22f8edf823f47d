//! The ELF header, the program headers, the section headers, and the bytes behind an address.

use super::{Code, Error, Part, Problems};
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::read::ReadRef;
use object::Endianness;
use serde::Serialize;

/// The width of addresses and offsets in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Class {
    /// ELFCLASS32.
    Elf32,
    /// ELFCLASS64.
    Elf64,
}

/// The ELF header.
#[derive(Debug, Clone, Serialize)]
pub struct Header {
    /// EI_CLASS.
    pub class: Class,
    /// Whether EI_DATA says little-endian.
    pub little_endian: bool,
    /// EI_OSABI.
    pub os_abi: Code,
    /// EI_ABIVERSION.
    pub abi_version: u8,
    /// `e_type`.
    pub kind: Code,
    /// `e_machine`.
    pub machine: Code,
    /// `e_version`.
    pub version: u32,
    /// `e_flags`.
    pub flags: u32,
    /// `e_entry`.
    pub entry: u64,
    /// `e_ehsize`, in bytes.
    pub size: u64,
    /// `e_phoff`, the file offset of the program headers.
    pub segments_offset: u64,
    /// Bytes of the program headers: `e_phnum` times `e_phentsize`.
    pub segments_size: u64,
    /// `e_shoff`, the file offset of the section headers; 0 if there are none.
    pub sections_offset: u64,
    /// Bytes of the section headers: `e_shnum` times `e_shentsize`.
    pub sections_size: u64,
}

/// A program header.
#[derive(Debug, Clone, Serialize)]
pub struct Segment {
    /// Its place in the table.
    pub index: usize,
    /// `p_type`.
    pub kind: Code,
    /// `p_flags`.
    pub flags: u32,
    /// `p_offset`.
    pub offset: u64,
    /// `p_vaddr`.
    pub address: u64,
    /// `p_filesz`, in bytes.
    pub file_size: u64,
    /// `p_memsz`, in bytes.
    pub memory_size: u64,
    /// `p_align`, in bytes.
    pub align: u64,
}

impl Segment {
    /// Whether this is a segment of the given type.
    pub fn is(&self, kind: elf::ProgramType) -> bool {
        self.kind.value == u64::from(kind.0)
    }

    /// `RWX`, each letter present if the segment has the permission.
    pub fn permissions(&self) -> String {
        [(elf::PF_R, 'R'), (elf::PF_W, 'W'), (elf::PF_X, 'X')]
            .iter()
            .filter(|(bit, _)| self.flags & bit.0 != 0)
            .map(|(_, letter)| letter)
            .collect()
    }

    /// Whether the file bytes `start..end` lie in the segment.
    pub fn covers_file(&self, start: u64, end: u64) -> bool {
        self.offset <= start && self.offset.checked_add(self.file_size).is_some_and(|own_end| end <= own_end)
    }
}

/// A section header.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// Its place in the table.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// `sh_type`.
    pub kind: Code,
    /// `sh_flags`.
    pub flags: u64,
    /// `sh_addr`.
    pub address: u64,
    /// `sh_offset`.
    pub offset: u64,
    /// `sh_size`, in bytes.
    pub size: u64,
    /// `sh_link`.
    pub link: u32,
    /// `sh_info`.
    pub info: u32,
    /// `sh_addralign`, in bytes.
    pub align: u64,
    /// `sh_entsize`, in bytes.
    pub entry_size: u64,
}

impl Section {
    /// Whether this is a section of the given type.
    pub fn is(&self, kind: elf::SectionType) -> bool {
        self.kind.value == u64::from(kind.0)
    }

    /// Whether all these flags are set.
    pub fn has(&self, flags: elf::SectionFlags) -> bool {
        self.flags & flags.0 == flags.0
    }

    /// Whether it is mapped and executable.
    pub fn is_code(&self) -> bool {
        self.has(elf::SHF_ALLOC) && self.has(elf::SHF_EXECINSTR)
    }

    /// The first address behind it; addresses that wrap end at the last one.
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: u64) -> bool {
        self.address <= address && address < self.end()
    }

    /// `AX`-style letters of the usual flags, as readelf prints them.
    pub fn flag_letters(&self) -> String {
        let letters = [
            (elf::SHF_WRITE, 'W'),
            (elf::SHF_ALLOC, 'A'),
            (elf::SHF_EXECINSTR, 'X'),
            (elf::SHF_MERGE, 'M'),
            (elf::SHF_STRINGS, 'S'),
            (elf::SHF_INFO_LINK, 'I'),
            (elf::SHF_LINK_ORDER, 'L'),
            (elf::SHF_GROUP, 'G'),
            (elf::SHF_TLS, 'T'),
        ];
        letters.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, letter)| letter).collect()
    }
}

/// A file under the reader: its bytes, its header, and where its segments lie.
pub(super) struct Source<'a, Elf: FileHeader> {
    pub(super) bytes: &'a [u8],
    pub(super) endian: Endianness,
    pub(super) header: &'a Elf,
    pub(super) names: &'static elf::Names,
    pub(super) program_headers: &'a [Elf::ProgramHeader],
    section_headers: &'a [Elf::SectionHeader],
}

impl<'a, Elf: FileHeader<Endian = Endianness>> Source<'a, Elf> {
    pub(super) fn new(bytes: &'a [u8], problems: &mut Problems) -> Result<Self, Error> {
        let header = Elf::parse(bytes).map_err(|_| Error::short(bytes.len(), std::mem::size_of::<Elf>()))?;
        let endian = if header.is_little_endian() { Endianness::Little } else { Endianness::Big };
        let names = elf::machine_names(header.e_machine(endian));
        let program_headers = header.program_headers(endian, bytes).unwrap_or_else(|error| {
            let what = format!(
                "{error}: e_phoff {:#x}, e_phnum {}, e_phentsize {}, the file has {:#x} bytes",
                header.e_phoff(endian).into(),
                header.e_phnum(endian),
                header.e_phentsize(endian),
                bytes.len()
            );
            problems.add(Part::Segments, "program header table", what);
            &[]
        });
        let section_headers = header.section_headers(endian, bytes).unwrap_or_else(|error| {
            let what = format!(
                "{error}: e_shoff {:#x}, e_shnum {}, e_shentsize {}, the file has {:#x} bytes",
                header.e_shoff(endian).into(),
                header.e_shnum(endian),
                header.e_shentsize(endian),
                bytes.len()
            );
            problems.add(Part::Sections, "section header table", what);
            &[]
        });
        let source = Source { bytes, endian, header, names, program_headers, section_headers };
        source.check_segments(problems);
        Ok(source)
    }

    fn check_segments(&self, problems: &mut Problems) {
        for segment in self.segments() {
            let end = segment.offset.checked_add(segment.file_size);
            if segment.file_size != 0 && end.is_none_or(|end| end > self.bytes.len() as u64) {
                let what = format!(
                    "p_offset {:#x} and p_filesz {:#x} reach past the end of the file, which has {:#x} bytes",
                    segment.offset,
                    segment.file_size,
                    self.bytes.len()
                );
                problems.add(Part::Segments, format!("program header {} ({})", segment.index, segment.kind), what);
            }
        }
    }

    /// The bytes from a virtual address to the end of what the file holds of its PT_LOAD.
    pub(super) fn at(&self, address: u64) -> Option<&'a [u8]> {
        let endian = self.endian;
        self.program_headers.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD).find_map(|segment| {
            let start: u64 = segment.p_vaddr(endian).into();
            let (offset, size) = segment.file_range(endian);
            let within = address.checked_sub(start).filter(|within| *within < size)?;
            let from = usize::try_from(offset.checked_add(within)?).ok()?;
            let to = usize::try_from(offset.checked_add(size)?).ok()?.min(self.bytes.len());
            self.bytes.get(from..to)
        })
    }

    /// `size` bytes at a virtual address, if the file holds all of them.
    pub(super) fn range(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        self.at(address)?.get(..usize::try_from(size).ok()?)
    }

    /// The bytes of a section, if the file holds all of them.
    pub(super) fn section_bytes(&self, section: &Section) -> Option<&'a [u8]> {
        self.bytes.read_bytes_at(section.offset, section.size).ok()
    }

    pub(super) fn is_64(&self) -> bool {
        self.header.is_type_64()
    }

    pub(super) fn file_header(&self) -> Header {
        let (header, endian) = (self.header, self.endian);
        let ident = header.e_ident();
        Header {
            class: if self.is_64() { Class::Elf64 } else { Class::Elf32 },
            little_endian: header.is_little_endian(),
            os_abi: Code::new(ident.os_abi.0, ident.os_abi.name()),
            abi_version: ident.abi_version,
            kind: Code::new(header.e_type(endian).0, self.names.et.name(header.e_type(endian))),
            machine: Code::new(header.e_machine(endian).0, header.e_machine(endian).name()),
            version: header.e_version(endian),
            flags: header.e_flags(endian).0,
            entry: header.e_entry(endian).into(),
            size: header.e_ehsize(endian).into(),
            segments_offset: header.e_phoff(endian).into(),
            segments_size: u64::from(header.e_phnum(endian)) * u64::from(header.e_phentsize(endian)),
            sections_offset: header.e_shoff(endian).into(),
            sections_size: u64::from(header.e_shnum(endian)) * u64::from(header.e_shentsize(endian)),
        }
    }

    pub(super) fn segments(&self) -> Vec<Segment> {
        let endian = self.endian;
        let read = |(index, segment): (usize, &Elf::ProgramHeader)| Segment {
            index,
            kind: Code::new(segment.p_type(endian).0, self.names.pt.name(segment.p_type(endian))),
            flags: segment.p_flags(endian).0,
            offset: segment.p_offset(endian).into(),
            address: segment.p_vaddr(endian).into(),
            file_size: segment.p_filesz(endian).into(),
            memory_size: segment.p_memsz(endian).into(),
            align: segment.p_align(endian).into(),
        };
        self.program_headers.iter().enumerate().map(read).collect()
    }

    pub(super) fn sections(&self, problems: &mut Problems) -> Vec<Section> {
        let endian = self.endian;
        let strings = self.header.section_strings(endian, self.bytes, self.section_headers).unwrap_or_else(|error| {
            problems.add(Part::Sections, "e_shstrndx", error.to_string());
            Default::default()
        });
        let mut sections = Vec::with_capacity(self.section_headers.len());
        for (index, section) in self.section_headers.iter().enumerate() {
            let name = section.name(endian, strings).map_or_else(
                |error| {
                    let what =
                        format!("{error}: sh_name {:#x} lies outside of the section names", section.sh_name(endian));
                    problems.add(Part::Sections, format!("section header {index}"), what);
                    String::new()
                },
                |name| String::from_utf8_lossy(name).into_owned(),
            );
            let section = Section {
                index,
                name,
                kind: Code::new(section.sh_type(endian).0, self.names.sht.name(section.sh_type(endian))),
                flags: section.sh_flags(endian).0,
                address: section.sh_addr(endian).into(),
                offset: section.sh_offset(endian).into(),
                size: section.sh_size(endian).into(),
                link: section.sh_link(endian),
                info: section.sh_info(endian),
                align: section.sh_addralign(endian).into(),
                entry_size: section.sh_entsize(endian).into(),
            };
            let occupies = !section.is(elf::SHT_NOBITS) && !section.is(elf::SHT_NULL);
            if occupies && self.section_bytes(&section).is_none() {
                let what = format!(
                    "sh_offset {:#x} and sh_size {:#x} reach past the end of the file, which has {:#x} bytes",
                    section.offset,
                    section.size,
                    self.bytes.len()
                );
                problems.add(Part::Sections, format!("section {index} ({})", section.name), what);
            }
            sections.push(section);
        }
        sections
    }
}
