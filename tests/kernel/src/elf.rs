//! Loads static executables (ELF-64 object file format): at fixed addresses, or position-independent.

use crate::arch::layout::{POSITION_INDEPENDENT_BASE, USER_END};
use crate::arch::ELF_MACHINE;
use crate::paging::{Access, AddressSpace, Error, PAGE_SIZE};

/// Why a program cannot be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not an ELF-64 executable for this machine, or damaged.
    NotExecutable,
    /// It asks for a program interpreter: this kernel loads static programs.
    Dynamic,
    /// The address space does not take it.
    Memory(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::Memory(error)
    }
}

/// What the program's start needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    /// Where it begins.
    pub entry: u64,
    /// Where its program headers are in memory: AT_PHDR.
    pub headers: u64,
    /// How many they are: AT_PHNUM.
    pub header_count: u64,
    /// End of its last segment, rounded up to a page: where its heap may begin.
    pub end: u64,
}

/// Size of a program header: AT_PHENT.
pub const HEADER_SIZE: u64 = 56;

const EXECUTABLE: u16 = 2;
const SHARED: u16 = 3;

const LOAD: u32 = 1;
const INTERPRETER: u32 = 3;

struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
}

fn bytes<const N: usize>(file: &[u8], offset: u64) -> Result<[u8; N], Refused> {
    let start = usize::try_from(offset).map_err(|_| Refused::NotExecutable)?;
    let end = start.checked_add(N).ok_or(Refused::NotExecutable)?;
    let part = file.get(start..end).ok_or(Refused::NotExecutable)?;
    part.try_into().map_err(|_| Refused::NotExecutable)
}

fn half(file: &[u8], offset: u64) -> Result<u16, Refused> {
    Ok(u16::from_le_bytes(bytes(file, offset)?))
}

fn word(file: &[u8], offset: u64) -> Result<u32, Refused> {
    Ok(u32::from_le_bytes(bytes(file, offset)?))
}

fn xword(file: &[u8], offset: u64) -> Result<u64, Refused> {
    Ok(u64::from_le_bytes(bytes(file, offset)?))
}

fn segment(file: &[u8], at: u64) -> Result<Segment, Refused> {
    Ok(Segment {
        kind: word(file, at)?,
        flags: word(file, at + 4)?,
        offset: xword(file, at + 8)?,
        address: xword(file, at + 16)?,
        file_size: xword(file, at + 32)?,
        memory_size: xword(file, at + 40)?,
    })
}

/// Loads a program into an empty address space.
pub fn load(file: &[u8], space: AddressSpace) -> Result<Loaded, Refused> {
    // Magic, 64 bits, little-endian, version 1.
    if !file.starts_with(b"\x7fELF\x02\x01\x01") || half(file, 18)? != ELF_MACHINE {
        return Err(Refused::NotExecutable);
    }
    let base = match half(file, 16)? {
        EXECUTABLE => 0,
        SHARED => POSITION_INDEPENDENT_BASE,
        _ => return Err(Refused::NotExecutable),
    };
    let (table, count) = (xword(file, 32)?, u64::from(half(file, 56)?));
    if u64::from(half(file, 54)?) != HEADER_SIZE {
        return Err(Refused::NotExecutable);
    }
    let entry = base.checked_add(xword(file, 24)?).filter(|&entry| entry < USER_END).ok_or(Refused::NotExecutable)?;
    let mut loaded = Loaded { entry, headers: 0, header_count: count, end: 0 };
    for index in 0..count {
        let at = table.checked_add(index * HEADER_SIZE).ok_or(Refused::NotExecutable)?;
        let segment = segment(file, at)?;
        match segment.kind {
            INTERPRETER => return Err(Refused::Dynamic),
            LOAD => {
                let end = load_segment(file, space, base, &segment)?;
                loaded.end = loaded.end.max(end.next_multiple_of(PAGE_SIZE));
                if (segment.offset..segment.offset + segment.file_size).contains(&table) {
                    loaded.headers = base + segment.address + (table - segment.offset);
                }
            }
            _ => {}
        }
    }
    Ok(loaded)
}

/// Maps and fills one segment; its end.
fn load_segment(file: &[u8], space: AddressSpace, base: u64, segment: &Segment) -> Result<u64, Refused> {
    let in_range = |start: u64, size: u64| start.checked_add(size).filter(|&end| end <= USER_END);
    let end = base
        .checked_add(segment.address)
        .and_then(|start| in_range(start, segment.memory_size))
        .filter(|_| segment.file_size <= segment.memory_size)
        .ok_or(Refused::NotExecutable)?;
    let start = base + segment.address;
    let content = usize::try_from(segment.offset)
        .ok()
        .and_then(|from| file.get(from..from.checked_add(segment.file_size as usize)?))
        .ok_or(Refused::NotExecutable)?;
    let access =
        Access { read: segment.flags & 4 != 0, write: segment.flags & 2 != 0, execute: segment.flags & 1 != 0 };
    for page in (start - start % PAGE_SIZE..end).step_by(PAGE_SIZE as usize) {
        // Segments may share a page; then it is as the last one wants it.
        if space.is_mapped(page) {
            space.protect(page, access)?;
        } else {
            space.map_new(page, access)?;
        }
    }
    space.load_bytes(start, content)?;
    Ok(end)
}
