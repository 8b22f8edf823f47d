//! What is done to the linked images: read what the link decided, compare them, map the section headers.

use crate::{Error, PageAbi};
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol, SymbolKind};
use std::collections::{BTreeMap, HashMap};
use std::mem::{offset_of, size_of};
use std::ops::Range;

type Header = FileHeader64<Endianness>;
type Segment = ProgramHeader64<Endianness>;

/// Size of a build id made by SHA-1, in bytes.
pub(crate) const BUILD_ID_SIZE: usize = 20;

/// An ELF file, with its program headers found.
struct Elf<'a> {
    bytes: &'a [u8],
    what: &'a str,
    endian: Endianness,
    header: &'a Header,
    segments: &'a [Segment],
}

impl<'a> Elf<'a> {
    fn parse(bytes: &'a [u8], what: &'a str) -> Result<Self, Error> {
        let malformed = |error: object::Error| Error::image(what, error.to_string());
        let header = Header::parse(bytes).map_err(malformed)?;
        let endian = header.endian().map_err(malformed)?;
        let segments = header.program_headers(endian, bytes).map_err(malformed)?;
        Ok(Elf { bytes, what, endian, header, segments })
    }

    /// Index of the one PT_LOAD.
    fn load(&self) -> Result<usize, Error> {
        let mut loads = (0..self.segments.len()).filter(|&i| self.segments[i].p_type(self.endian) == elf::PT_LOAD);
        match (loads.next(), loads.next()) {
            (Some(load), None) => Ok(load),
            _ => Err(Error::image(self.what, "the link made not exactly one PT_LOAD")),
        }
    }

    /// The bytes that a kernel maps.
    fn loaded(&self) -> Result<&'a [u8], Error> {
        let load = &self.segments[self.load()?];
        load.data(self.endian, self.bytes).map_err(|()| Error::image(self.what, "its PT_LOAD is longer than the file"))
    }

    /// Descriptor of the first note of an owner and type.
    fn note(&self, owner: &[u8], kind: elf::NoteType) -> Result<Option<&'a [u8]>, Error> {
        let malformed = |error: object::Error| Error::image(self.what, error.to_string());
        for segment in self.segments {
            let Some(mut notes) = segment.notes(self.endian, self.bytes).map_err(malformed)? else { continue };
            while let Some(note) = notes.next().map_err(malformed)? {
                if note.name() == owner && note.n_type(self.endian) == kind {
                    return Ok(Some(note.desc()));
                }
            }
        }
        Ok(None)
    }
}

/// The build id that the link made.
pub(crate) fn build_id(image: &[u8]) -> Result<[u8; BUILD_ID_SIZE], Error> {
    let what = "vdso.so";
    let id = Elf::parse(image, what)?.note(elf::ELF_NOTE_GNU, elf::NT_GNU_BUILD_ID)?;
    let id = id.ok_or_else(|| Error::image(what, "the link made no build id"))?;
    id.try_into().map_err(|_| Error::image(what, format!("its build id has {} bytes, not {BUILD_ID_SIZE}", id.len())))
}

/// The page that the image says it reads; none if it has no such note.
pub(crate) fn page_abi(image: &[u8]) -> Result<Option<PageAbi>, Error> {
    let what = "vdso.so";
    match Elf::parse(image, what)?.note(PageAbi::NOTE_OWNER.as_bytes(), elf::NoteType(PageAbi::NOTE_TYPE))? {
        None => Ok(None),
        Some(note) => PageAbi::from_note(note)
            .map(Some)
            .ok_or_else(|| Error::image(what, format!("its page note holds {note:02x?}, which is no ABI and layout"))),
    }
}

/// Offsets of the dynamic symbols from the ELF header, which lies at address 0.
pub(crate) fn symbols(image: &[u8]) -> Result<HashMap<String, u64>, Error> {
    let file = object::File::parse(image).map_err(|error| Error::image("vdso.so", error.to_string()))?;
    let defined = file.dynamic_symbols().filter(|symbol| symbol.is_definition());
    Ok(defined.filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.address()))).collect())
}

/// The names of the functions in the unstripped image by address, as they are written in the source.
pub(crate) fn function_names(unstripped: &[u8]) -> Result<BTreeMap<u64, String>, Error> {
    let file = object::File::parse(unstripped).map_err(|error| Error::image("vdso.so.dbg", error.to_string()))?;
    let functions = file.symbols().filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text);
    // Without the hash that rustc appends to each path.
    let named = |name: &str| format!("{:#}", rustc_demangle::demangle(name));
    Ok(functions.filter_map(|symbol| Some((symbol.address(), named(symbol.name().ok()?)))).collect())
}

/// Refuses a pair of images that differ in a loaded byte. A debugger takes the unstripped one for the mapped one.
///
/// Only where the section headers are, how many, and which holds their names may differ.
pub(crate) fn require_same_loaded(stripped: &[u8], unstripped: &[u8]) -> Result<(), Error> {
    let stripped = Elf::parse(stripped, "vdso.so")?.loaded()?;
    let unstripped = Elf::parse(unstripped, "vdso.so.dbg")?.loaded()?;
    if stripped.len() != unstripped.len() {
        let problem = format!("{} loaded bytes, where the stripped image has {}", unstripped.len(), stripped.len());
        return Err(Error::image("vdso.so.dbg", problem));
    }
    let may_differ = [
        field(offset_of!(Header, e_shoff), size_of::<u64>()),
        field(offset_of!(Header, e_shnum), size_of::<u16>()),
        field(offset_of!(Header, e_shstrndx), size_of::<u16>()),
    ];
    let differs = |&i: &usize| stripped[i] != unstripped[i] && !may_differ.iter().any(|field| field.contains(&i));
    match (0..stripped.len()).find(differs) {
        None => Ok(()),
        Some(i) => Err(Error::image(
            "vdso.so.dbg",
            format!("byte {i:#x} is {:#04x}, where the stripped image has {:#04x}", unstripped[i], stripped[i]),
        )),
    }
}

fn field(start: usize, size: usize) -> Range<usize> {
    start..start + size
}

/// Extends the PT_LOAD over the whole file, so that the section headers, which the linker puts last, are mapped too.
pub(crate) fn map_section_headers(image: &mut [u8]) -> Result<(), Error> {
    let what = "vdso.so";
    let size = image.len() as u64;
    let (endian, at) = {
        let elf = Elf::parse(image, what)?;
        let at = elf.header.e_phoff(elf.endian) as usize + elf.load()? * size_of::<Segment>();
        (elf.endian, at)
    };
    let header = image.get_mut(at..).and_then(|bytes| object::pod::from_bytes_mut::<Segment>(bytes).ok());
    let (load, _) = header.ok_or_else(|| Error::image(what, "its program headers lie outside of the file"))?;
    load.p_filesz.set(endian, size);
    load.p_memsz.set(endian, size);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const E_SHOFF: usize = 0x28;
    const E_SHNUM: usize = 0x3c;
    const E_SHSTRNDX: usize = 0x3e;
    const P_FILESZ: usize = 0x40 + 0x20;
    const P_MEMSZ: usize = 0x40 + 0x28;

    /// An ELF file of `size` bytes whose one program header loads the first `loaded`.
    fn file(size: usize, loaded: u64) -> Vec<u8> {
        // Magic, 64 bits, little-endian, version 1 (ELF-64 object file format, version 1.5, tables 1 and 2).
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(size, 0);
        bytes[0x20] = 0x40; // e_phoff
        bytes[0x36] = 56; // e_phentsize
        bytes[0x38] = 1; // e_phnum
        bytes[0x40] = 1; // PT_LOAD
        bytes[P_FILESZ..P_FILESZ + 8].copy_from_slice(&loaded.to_le_bytes());
        bytes
    }

    fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn the_segment_grows_over_the_section_headers() {
        let before = file(0x300, 0x100);
        let mut after = before.clone();
        map_section_headers(&mut after).unwrap();
        let changed: Vec<usize> = (0..0x300).filter(|&i| before[i] != after[i]).collect();
        assert_eq!(changed, [P_FILESZ + 1, P_MEMSZ + 1]);
        assert_eq!((after[P_FILESZ + 1], after[P_MEMSZ + 1]), (3, 3));
    }

    #[test]
    fn an_image_needs_one_segment() {
        let mut none = file(0x300, 0x100);
        none[0x40] = 2;
        assert_eq!(message(map_section_headers(&mut none)), "vdso.so: the link made not exactly one PT_LOAD");
        let mut cut = file(0x300, 0x100);
        cut.truncate(0x50);
        assert!(message(map_section_headers(&mut cut)).starts_with("vdso.so: "));
    }

    #[test]
    fn images_may_differ_in_their_section_headers_only() {
        let stripped = file(0x300, 0x100);
        let mut unstripped = stripped.clone();
        for allowed in [E_SHOFF, E_SHOFF + 7, E_SHNUM, E_SHSTRNDX + 1, 0x100] {
            unstripped[allowed] = 0xaa;
        }
        require_same_loaded(&stripped, &unstripped).unwrap();
        unstripped[0xff] = 1;
        assert_eq!(
            message(require_same_loaded(&stripped, &unstripped)),
            "vdso.so.dbg: byte 0xff is 0x01, where the stripped image has 0x00"
        );
        assert_eq!(
            message(require_same_loaded(&stripped, &file(0x300, 0x101))),
            "vdso.so.dbg: 257 loaded bytes, where the stripped image has 256"
        );
        assert_eq!(
            message(require_same_loaded(&stripped, &file(0x300, 0x301))),
            "vdso.so.dbg: its PT_LOAD is longer than the file"
        );
    }

    #[test]
    fn an_image_without_notes_has_no_ids() {
        let image = file(0x300, 0x100);
        assert_eq!(message(build_id(&image)), "vdso.so: the link made no build id");
        assert_eq!(page_abi(&image).unwrap(), None);
    }
}
