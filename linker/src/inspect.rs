//! Reads what is in an image, and judges nothing.
//!
//! The reader takes any ELF file, of either class and either byte order: an image of ours, Linux's own, another shared
//! object, or a vDSO that was copied from the memory of a process. There the section headers may be missing or lie
//! outside of the bytes, so everything that a client needs is read as a client reads it, from the program headers and
//! the dynamic table. What cannot be read is a [`Problem`] among the facts; only bytes that are no ELF file at all are
//! an error.
//!
//! ```
//! # fn show(bytes: &[u8]) -> Result<(), vdso_linker::inspect::Error> {
//! let facts = vdso_linker::inspect::inspect(bytes)?;
//! for symbol in &facts.symbols {
//!     println!("{:#x} {}", symbol.value, symbol.name);
//! }
//! println!("{facts}"); // everything, as tables
//! # Ok(())
//! # }
//! ```

mod dynamic;
mod file;
mod hash;
mod notes;
mod symbols;
mod text;
mod unwind;

pub use dynamic::DynamicEntry;
pub use file::{Class, Header, Section, Segment};
pub use hash::{HashKind, HashTable};
pub use notes::{Note, NoteContent, Property};
pub use symbols::{Symbol, VersionDefinition};
pub use unwind::{Cfa, Coverage, Frame, FrameTable, FrameTableEntry, Row, Saved, Unwind};

use file::Source;
use object::elf;
use object::read::elf::FileHeader;
use object::Endianness;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The bytes are no ELF file that could be read further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}; remedy: {remedy}")]
pub struct Error {
    /// The field of the ELF header.
    pub place: &'static str,
    /// What is wrong there, with the value.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Error {
    fn short(size: usize, needed: usize) -> Error {
        let what = format!("the file has {size} bytes, an ELF header needs {needed}");
        Error { place: "ELF header", what, remedy: "pass the whole image" }
    }
}

/// A number of the ELF ABI and the name that the ABI gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Code {
    /// The number as it stands in the file.
    pub value: u64,
    /// Its name, such as `PT_LOAD`; none if the ABI does not name it.
    pub name: Option<&'static str>,
}

impl Code {
    fn new(value: impl Into<u64>, name: Option<&'static str>) -> Code {
        Code { value: value.into(), name }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.pad(name),
            None => f.pad(&format!("{:#x}", self.value)),
        }
    }
}

/// The part of the file that a [`Problem`] lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The program header table, or a segment's extent.
    Segments,
    /// The section header table, or a section's extent.
    Sections,
    /// The dynamic table.
    Dynamic,
    /// The dynamic symbol table.
    Symbols,
    /// The version definitions or the symbols' version indices.
    Versions,
    /// The table at DT_HASH.
    SysvHash,
    /// The table at DT_GNU_HASH.
    GnuHash,
    /// A PT_NOTE segment.
    Notes,
    /// `.eh_frame`: a CIE or an FDE.
    Frames,
    /// `.eh_frame_hdr`: the table that finds an FDE.
    FrameTable,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which part of the file it is in.
    pub part: Part,
    /// Where: a header's index, a field, a section, an address.
    pub place: String,
    /// What is wrong there, with the values.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What could not be read, in the order in which it was met.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, part: Part, place: impl Into<String>, what: impl Into<String>) {
        self.0.push(Problem { part, place: place.into(), what: what.into() });
    }
}

/// Everything that was read from a file. [`Display`](fmt::Display) prints it as tables.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Bytes that were given.
    pub size: u64,
    /// The ELF header.
    pub header: Header,
    /// DT_SONAME.
    pub soname: Option<String>,
    /// The program headers.
    pub segments: Vec<Segment>,
    /// The section headers, the empty first one included; none if there are none within the bytes.
    pub sections: Vec<Section>,
    /// The dynamic table up to DT_NULL, which is not among them.
    pub dynamic: Vec<DynamicEntry>,
    /// The dynamic symbol table, without the empty first symbol.
    pub symbols: Vec<Symbol>,
    /// The version definitions, the base definition (the file's own name) included.
    pub versions: Vec<VersionDefinition>,
    /// The hash tables over the symbols.
    pub hash_tables: Vec<HashTable>,
    /// The notes of all PT_NOTE segments.
    pub notes: Vec<Note>,
    /// The unwind information.
    pub unwind: Unwind,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Names of functions by address, from elsewhere: where the dynamic symbol table has none, messages use these.
    #[serde(skip)]
    pub(crate) function_names: BTreeMap<u64, String>,
}

impl Inspection {
    /// The first dynamic entry with this tag (a `DT_*` number).
    pub fn dynamic_entry(&self, tag: elf::DynamicTag) -> Option<&DynamicEntry> {
        self.dynamic.iter().find(|entry| entry.tag.value == dynamic::tag_number(tag))
    }

    /// The name of the function at this address: of a dynamic symbol if one has it, a weak one only if no other has it;
    /// else `function at 0x...`.
    pub fn function_name(&self, address: u64) -> String {
        let named = |symbol: &&Symbol| symbol.is_function() && symbol.is_defined() && symbol.value == address;
        let weak = |symbol: &&Symbol| symbol.binding.value == u64::from(elf::STB_WEAK.0);
        let symbol = self.symbols.iter().filter(named).min_by_key(weak).map(|symbol| &symbol.name);
        let name = symbol.or_else(|| self.function_names.get(&address));
        name.cloned().unwrap_or_else(|| format!("function at {address:#x}"))
    }

    /// The build id, as hexadecimal digits.
    pub fn build_id(&self) -> Option<&str> {
        self.notes.iter().find_map(|note| match &note.content {
            NoteContent::BuildId { id } => Some(id.as_str()),
            _ => None,
        })
    }
}

/// Reads an ELF file, or a vDSO that was copied from memory.
///
/// # Errors
/// If the bytes have no ELF header. Whatever else cannot be read is in [`Inspection::problems`].
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Error> {
    const IDENT: usize = std::mem::size_of::<elf::Ident>();
    let ident: &[u8; IDENT] = bytes.first_chunk().ok_or_else(|| Error::short(bytes.len(), IDENT))?;
    let [m0, m1, m2, m3, class, data, version, ..] = *ident;
    let magic = [m0, m1, m2, m3];
    if magic != elf::ELFMAG {
        let what = format!("{magic:02x?} is not the magic number of an ELF file");
        return Err(Error { place: "ELF header, e_ident", what, remedy: "pass a shared object or a vDSO" });
    }
    match (elf::FileClass(class), data, version) {
        (elf::ELFCLASS32, 1 | 2, 1) => read::<elf::FileHeader32<Endianness>>(bytes),
        (elf::ELFCLASS64, 1 | 2, 1) => read::<elf::FileHeader64<Endianness>>(bytes),
        _ => {
            let what = format!(
                "class {class}, data encoding {data}, version {version}; ELF defines class 1 or 2, encoding 1 or 2, \
                 version 1"
            );
            Err(Error { place: "ELF header, e_ident", what, remedy: "the file is damaged, build it anew" })
        }
    }
}

fn read<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Result<Inspection, Error> {
    let mut problems = Problems::default();
    let source = Source::<Elf>::new(bytes, &mut problems)?;
    let segments = source.segments();
    let sections = source.sections(&mut problems);
    let dynamic = dynamic::read(&source, &mut problems);
    let versions = symbols::versions(&source, &dynamic, &mut problems);
    let count = symbols::count(&source, &dynamic, &sections);
    let symbols = symbols::read(&source, &dynamic, &versions, count, &mut problems);
    let hash_tables = hash::read(&source, &dynamic, &symbols, &mut problems);
    let notes = notes::read(&source, &mut problems);
    let unwind = unwind::read(&source, &sections, &symbols, &mut problems);
    let soname =
        dynamic.iter().find(|e| e.tag.value == dynamic::tag_number(elf::DT_SONAME)).and_then(|e| e.text.clone());
    let header = source.file_header();
    let problems = problems.0;
    let size = bytes.len() as u64;
    Ok(Inspection {
        size,
        header,
        soname,
        segments,
        sections,
        dynamic,
        symbols,
        versions,
        hash_tables,
        notes,
        unwind,
        problems,
        function_names: BTreeMap::new(),
    })
}
