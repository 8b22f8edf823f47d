//! The unwind information: `.eh_frame_hdr`, `.eh_frame`, and how much of the code they cover.
//!
//! Sources: Linux Standard Base, "Exception Frames"; DWARF 5, section 6.4; the System V ABI of the architecture for the
//! register numbers.

use super::file::{Section, Source};
use super::symbols::Symbol;
use super::{Part, Problems};
use gimli::{BaseAddresses, CfaRule, CieOrFde, EhFrame, EhFrameHdr, EndianSlice, RegisterRule, RunTimeEndian};
use gimli::{UnwindContext, UnwindSection};
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};
use object::Endianness;
use serde::Serialize;

/// The unwind information of a file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Unwind {
    /// `.eh_frame_hdr`, found through PT_GNU_EH_FRAME.
    pub table: Option<FrameTable>,
    /// The frame descriptions of `.eh_frame`, in the order in which they stand there. Where no section header says how
    /// long `.eh_frame` is, those that the table leads to.
    pub frames: Vec<Frame>,
    /// How much of the code they cover.
    pub coverage: Coverage,
}

/// `.eh_frame_hdr`.
#[derive(Debug, Clone, Serialize)]
pub struct FrameTable {
    /// Its address.
    pub address: u64,
    /// The address of `.eh_frame` that it gives.
    pub frames_address: u64,
    /// The table that unwinders search by bisection.
    pub entries: Vec<FrameTableEntry>,
}

/// An entry of the table of `.eh_frame_hdr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FrameTableEntry {
    /// The first address of the code.
    pub start: u64,
    /// The address of its frame description.
    pub frame: u64,
}

/// A frame description (FDE).
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    /// The address of the description itself.
    pub address: u64,
    /// The first address of the code that it describes.
    pub start: u64,
    /// The first address behind that code.
    pub end: u64,
    /// DWARF number of the return address column.
    pub return_register: u16,
    /// Whether it describes a signal trampoline (augmentation `S`).
    pub signal: bool,
    /// Whether it names a personality routine or language-specific data.
    pub personality: bool,
    /// The rules, by address.
    pub rows: Vec<Row>,
}

impl Frame {
    /// Whether the address lies in the code that it describes.
    pub fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// The rules at an address.
    pub fn row(&self, address: u64) -> Option<&Row> {
        self.rows.iter().find(|row| row.start <= address && address < row.end)
    }
}

/// The unwind rules for a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// How to compute the canonical frame address.
    pub cfa: Cfa,
    /// The registers that are to be restored, by DWARF number, in ascending order.
    pub registers: Vec<(u16, Saved)>,
}

/// How to compute the canonical frame address: the value of the stack pointer before the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cfa {
    /// Register plus offset.
    Register {
        /// DWARF number of the register.
        register: u16,
        /// Bytes to add to it.
        offset: i64,
    },
    /// A DWARF expression.
    Expression,
}

/// Where a register of the caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Saved {
    /// In memory, at this distance from the canonical frame address.
    AtCfa(i64),
    /// Still in its register.
    Same,
    /// Lost.
    Undefined,
    /// Anything else: another register, a computed value, an expression.
    Other,
}

/// How much of the code has unwind information.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Functions of the dynamic symbol table, each address counted once.
    pub functions: usize,
    /// Those of them that one frame description covers from the first byte to the last.
    pub covered_functions: usize,
    /// Bytes of the executable sections, padding between functions included; or of the functions, if there are no
    /// section headers.
    pub bytes: u64,
    /// Those of them that a frame description covers.
    pub covered_bytes: u64,
}

type Bytes<'a> = EndianSlice<'a, RunTimeEndian>;

pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(
    source: &Source<'_, Elf>,
    sections: &[Section],
    symbols: &[Symbol],
    problems: &mut Problems,
) -> Unwind {
    let reader = Reader::new(source, sections);
    let table = reader.table(problems);
    let frames = reader.frames(table.as_ref(), problems);
    let coverage = coverage(&frames, sections, symbols);
    Unwind { table, frames, coverage }
}

struct Reader<'a, 'f, Elf: FileHeader> {
    source: &'f Source<'a, Elf>,
    /// Address and size of `.eh_frame_hdr`, by PT_GNU_EH_FRAME.
    table: Option<(u64, u64)>,
    /// `.eh_frame`, by its section header.
    section: Option<&'f Section>,
    bases: BaseAddresses,
    endian: RunTimeEndian,
    address_size: u8,
}

impl<'a, 'f, Elf: FileHeader<Endian = Endianness>> Reader<'a, 'f, Elf> {
    fn new(source: &'f Source<'a, Elf>, sections: &'f [Section]) -> Self {
        let endian = source.endian;
        let segment = source.program_headers.iter().find(|segment| segment.p_type(endian) == elf::PT_GNU_EH_FRAME);
        let table = segment.map(|segment| (segment.p_vaddr(endian).into(), segment.p_memsz(endian).into()));
        let section = sections.iter().find(|section| section.name == ".eh_frame");
        let text = sections.iter().find(|section| section.is_code()).map_or(0, |section| section.address);
        let mut bases = BaseAddresses::default().set_text(text);
        if let Some((address, _)) = table {
            bases = bases.set_eh_frame_hdr(address);
        }
        let endian = if endian == Endianness::Little { RunTimeEndian::Little } else { RunTimeEndian::Big };
        let address_size = if source.is_64() { 8 } else { 4 };
        Reader { source, table, section, bases, endian, address_size }
    }

    fn table(&self, problems: &mut Problems) -> Option<FrameTable> {
        let (address, size) = self.table?;
        let Some(bytes) = self.source.range(address, size) else {
            let what = format!("{size:#x} bytes at {address:#x} do not lie in a PT_LOAD of the file");
            problems.add(Part::FrameTable, "PT_GNU_EH_FRAME", what);
            return None;
        };
        match self.parse_table(address, bytes) {
            Ok(table) => Some(table),
            Err(error) => {
                problems.add(Part::FrameTable, ".eh_frame_hdr", error.to_string());
                None
            }
        }
    }

    fn parse_table(&self, address: u64, bytes: &[u8]) -> gimli::Result<FrameTable> {
        let parsed = EhFrameHdr::new(bytes, self.endian).parse(&self.bases, self.address_size)?;
        let mut entries = Vec::new();
        if let Some(table) = parsed.table() {
            let mut iterator = table.iter(&self.bases);
            while let Some((start, frame)) = iterator.next()? {
                entries.push(FrameTableEntry { start: start.direct()?, frame: frame.direct()? });
            }
        }
        Ok(FrameTable { address, frames_address: parsed.eh_frame_ptr().direct()?, entries })
    }

    fn frames(&self, table: Option<&FrameTable>, problems: &mut Problems) -> Vec<Frame> {
        let mut frames = Vec::new();
        let result = match (self.section, table) {
            (Some(section), _) => match self.source.section_bytes(section) {
                Some(bytes) => self.frames_of_section(section.address, bytes, &mut frames),
                None => Ok(()), // reported with the section
            },
            (None, Some(table)) => self.frames_of_table(table, &mut frames),
            (None, None) => Ok(()),
        };
        if let Err((place, error)) = result {
            problems.add(Part::Frames, place, error.to_string());
        }
        frames
    }

    fn frames_of_section(
        &self,
        address: u64,
        bytes: &[u8],
        frames: &mut Vec<Frame>,
    ) -> Result<(), (String, gimli::Error)> {
        let (section, bases) = self.section_at(address, bytes);
        let mut context = UnwindContext::new();
        let mut entries = section.entries(&bases);
        let place = |last: Option<&Frame>| match last {
            Some(frame) => format!(".eh_frame, behind the description of {:#x}", frame.start),
            None => ".eh_frame".to_owned(),
        };
        loop {
            match entries.next() {
                Ok(Some(CieOrFde::Cie(_))) => {}
                Ok(Some(CieOrFde::Fde(partial))) => {
                    let frame = partial
                        .parse(EhFrame::cie_from_offset)
                        .and_then(|fde| frame(&section, &bases, address, &fde, &mut context));
                    frames.push(frame.map_err(|error| (place(frames.last()), error))?);
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err((place(frames.last()), error)),
            }
        }
    }

    fn frames_of_table(&self, table: &FrameTable, frames: &mut Vec<Frame>) -> Result<(), (String, gimli::Error)> {
        let address = table.frames_address;
        let bytes = self.source.at(address).unwrap_or_default();
        let (section, bases) = self.section_at(address, bytes);
        let mut context = UnwindContext::new();
        for entry in &table.entries {
            let offset = entry.frame.checked_sub(address).and_then(|offset| usize::try_from(offset).ok());
            let frame = offset
                .ok_or(gimli::Error::OffsetOutOfBounds(entry.frame))
                .and_then(|offset| section.fde_from_offset(&bases, offset.into(), EhFrame::cie_from_offset))
                .and_then(|fde| frame(&section, &bases, address, &fde, &mut context));
            frames.push(frame.map_err(|error| (format!("frame description at {:#x}", entry.frame), error))?);
        }
        Ok(())
    }

    fn section_at<'b>(&self, address: u64, bytes: &'b [u8]) -> (EhFrame<Bytes<'b>>, BaseAddresses) {
        let mut section = EhFrame::new(bytes, self.endian);
        section.set_address_size(self.address_size);
        (section, self.bases.clone().set_eh_frame(address))
    }
}

fn frame(
    section: &EhFrame<Bytes<'_>>,
    bases: &BaseAddresses,
    address: u64,
    fde: &gimli::FrameDescriptionEntry<Bytes<'_>>,
    context: &mut UnwindContext<usize>,
) -> gimli::Result<Frame> {
    let mut rows = Vec::new();
    let mut table = fde.rows(section, bases, context)?;
    while let Some(row) = table.next_row()? {
        let cfa = match *row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => Cfa::Register { register: register.0, offset },
            CfaRule::Expression(_) => Cfa::Expression,
        };
        let mut registers: Vec<_> = row.registers().map(|(register, rule)| (register.0, saved(rule))).collect();
        registers.sort_unstable_by_key(|(register, _)| *register);
        rows.push(Row { start: row.start_address(), end: row.end_address(), cfa, registers });
    }
    Ok(Frame {
        address: address.wrapping_add(fde.offset() as u64),
        start: fde.initial_address(),
        end: fde.end_address(),
        return_register: fde.cie().return_address_register().0,
        signal: fde.is_signal_trampoline(),
        personality: fde.personality().is_some() || fde.lsda().is_some(),
        rows,
    })
}

fn saved(rule: &RegisterRule<usize>) -> Saved {
    match rule {
        RegisterRule::Offset(offset) => Saved::AtCfa(*offset),
        RegisterRule::SameValue => Saved::Same,
        RegisterRule::Undefined => Saved::Undefined,
        _ => Saved::Other,
    }
}

fn coverage(frames: &[Frame], sections: &[Section], symbols: &[Symbol]) -> Coverage {
    let mut functions: Vec<(u64, u64)> = symbols
        .iter()
        .filter(|symbol| symbol.is_function() && symbol.is_defined())
        .map(|symbol| (symbol.value, symbol.value.saturating_add(symbol.size)))
        .collect();
    functions.sort_unstable();
    functions.dedup();
    let mut code: Vec<(u64, u64)> = sections.iter().filter(|s| s.is_code()).map(|s| (s.address, s.end())).collect();
    if sections.is_empty() {
        code.clone_from(&functions);
    }
    let code = union(code);
    let covered = union(frames.iter().map(|frame| (frame.start, frame.end)).collect());
    // By one description or by several, one after the other.
    let covers =
        |&&(start, end): &&(u64, u64)| covered.iter().any(|&(from, to)| from <= start && start < to && end <= to);
    let covered_functions = functions.iter().filter(covers).count();
    let bytes = code.iter().map(|(start, end)| end - start).fold(0, u64::saturating_add);
    let overlap = |&(start, end): &(u64, u64)| {
        covered.iter().map(|&(from, to)| to.min(end).saturating_sub(from.max(start))).fold(0, u64::saturating_add)
    };
    let covered_bytes = code.iter().map(overlap).fold(0, u64::saturating_add);
    Coverage { functions: functions.len(), covered_functions, bytes, covered_bytes }
}

/// The ranges sorted, with those that touch or overlap joined; empty and reversed ones are dropped.
fn union(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.retain(|(start, end)| start < end);
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}
