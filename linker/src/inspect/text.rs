//! An inspection as text: one heading and one aligned table for each part.

use super::{Cfa, Class, Frame, HashKind, HashTable, Inspection, NoteContent};
use std::fmt::{self, Display, Formatter};

/// How a column is aligned.
#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}
use Align::{Left, Right};

/// Rows under a heading, each column as wide as its widest cell.
struct Table<'a, const N: usize> {
    heading: &'a str,
    columns: [(&'a str, Align); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Display for Table<'_, N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        if self.rows.is_empty() {
            return writeln!(f, "  none");
        }
        let titles = self.columns.map(|(title, _)| title.to_owned());
        let lines = std::iter::once(&titles).chain(&self.rows);
        let width = |column: usize| lines.clone().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        for row in lines.clone() {
            let mut line = String::new();
            for ((cell, (_, align)), width) in row.iter().zip(self.columns).zip(widths) {
                match align {
                    Left => line += &format!("  {cell:<width$}"),
                    Right => line += &format!("  {cell:>width$}"),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_header(f)?;
        self.write_segments(f)?;
        self.write_sections(f)?;
        self.write_dynamic(f)?;
        write!(f, "\n{}", self.symbol_table())?;
        self.write_versions(f)?;
        self.write_hash_tables(f)?;
        self.write_notes(f)?;
        self.write_unwind(f)?;
        if !self.problems.is_empty() {
            writeln!(f, "\nNot readable")?;
            for problem in &self.problems {
                writeln!(f, "  {problem}")?;
            }
        }
        Ok(())
    }
}

impl Inspection {
    fn write_header(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let header = &self.header;
        let class = if header.class == Class::Elf64 { "ELF64" } else { "ELF32" };
        let order = if header.little_endian { "little-endian" } else { "big-endian" };
        writeln!(f, "{class} {order}, {}, {}, {} bytes", header.kind, header.machine, self.size)?;
        writeln!(f, "SONAME    {}", self.soname.as_deref().unwrap_or("none"))?;
        writeln!(f, "build id  {}", self.build_id().unwrap_or("none"))
    }

    fn write_segments(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.segments.iter().map(|s| {
            let hex = [s.offset, s.address, s.file_size, s.memory_size, s.align].map(|number| format!("{number:#x}"));
            let [offset, address, file_size, memory_size, align] = hex;
            [s.kind.to_string(), s.permissions(), offset, address, file_size, memory_size, align]
        });
        let columns = [
            ("type", Left),
            ("flags", Left),
            ("offset", Right),
            ("address", Right),
            ("in file", Right),
            ("in memory", Right),
            ("align", Right),
        ];
        write!(f, "\n{}", Table { heading: "Segments", columns, rows: rows.collect() })
    }

    fn write_sections(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.sections.iter().skip(1).map(|s| {
            let [address, offset, size] = [s.address, s.offset, s.size].map(|number| format!("{number:#x}"));
            [s.index.to_string(), s.name.clone(), s.kind.to_string(), s.flag_letters(), address, offset, size]
        });
        let columns = [
            ("", Right),
            ("name", Left),
            ("type", Left),
            ("flags", Left),
            ("address", Right),
            ("offset", Right),
            ("size", Right),
        ];
        write!(f, "\n{}", Table { heading: "Sections", columns, rows: rows.collect() })
    }

    fn write_dynamic(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = |value: u64, text: &Option<String>| text.clone().unwrap_or_else(|| format!("{value:#x}"));
        let rows = self.dynamic.iter().map(|entry| [entry.tag.to_string(), value(entry.value, &entry.text)]);
        let columns = [("tag", Left), ("value", Left)];
        write!(f, "\n{}", Table { heading: "Dynamic table", columns, rows: rows.collect() })
    }

    /// The table of the dynamic symbols alone.
    pub fn symbol_table(&self) -> impl Display + '_ {
        let rows = self.symbols.iter().map(|s| {
            let at = if s.version_hidden { "@" } else { "@@" };
            let version = s.version.as_ref().map_or_else(String::new, |version| format!("{at}{version}"));
            let short = |code: super::Code, prefix: &str| code.to_string().trim_start_matches(prefix).to_owned();
            [
                format!("{:#x}", s.value),
                s.size.to_string(),
                short(s.kind, "STT_"),
                short(s.binding, "STB_"),
                short(s.visibility, "STV_"),
                s.section
                    .name
                    .map_or_else(|| s.section.value.to_string(), |name| name.trim_start_matches("SHN_").into()),
                format!("{}{version}", s.name),
            ]
        });
        let columns = [
            ("offset", Right),
            ("size", Right),
            ("type", Left),
            ("binding", Left),
            ("visibility", Left),
            ("section", Right),
            ("symbol", Left),
        ];
        Table { heading: "Dynamic symbols", columns, rows: rows.collect() }
    }

    fn write_versions(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.versions.iter().map(|version| {
            let what = if version.base { "base".to_owned() } else { version.parents.join(", ") };
            [version.index.to_string(), format!("{:#010x}", version.hash), version.name.clone(), what]
        });
        let columns = [("index", Right), ("hash", Right), ("name", Left), ("inherits", Left)];
        write!(f, "\n{}", Table { heading: "Version definitions", columns, rows: rows.collect() })
    }

    fn write_hash_tables(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let rows = self.hash_tables.iter().map(|table: &HashTable| {
            let name = if table.kind == HashKind::Sysv { "DT_HASH" } else { "DT_GNU_HASH" };
            let lost =
                if table.missing.is_empty() { "all".to_owned() } else { format!("not {}", table.missing.join(", ")) };
            let (words, shift) = (number(table.bloom_words), number(table.bloom_shift));
            [name.to_owned(), table.buckets.to_string(), number(table.symbols), words, shift, lost]
        });
        let columns = [
            ("table", Left),
            ("buckets", Right),
            ("symbols", Right),
            ("bloom words", Right),
            ("bloom shift", Right),
            ("finds", Left),
        ];
        write!(f, "\n{}", Table { heading: "Hash tables", columns, rows: rows.collect() })
    }

    fn write_notes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.notes.iter().map(|note| {
            let content = match &note.content {
                NoteContent::BuildId { id } => format!("build id {id}"),
                NoteContent::Page(page) => format!("vvar page: {page}"),
                NoteContent::Properties { properties } => {
                    let value =
                        |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:#x}"));
                    let texts: Vec<String> =
                        properties.iter().map(|it| format!("property {:#x} = {}", it.kind, value(it.value))).collect();
                    texts.join(", ")
                }
                NoteContent::Other { bytes } => bytes.clone(),
            };
            [note.owner.clone(), format!("{:#x}", note.kind), content]
        });
        let columns = [("owner", Left), ("type", Right), ("content", Left)];
        write!(f, "\n{}", Table { heading: "Notes", columns, rows: rows.collect() })
    }

    fn write_unwind(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let frames = &self.unwind.frames;
        let rows = frames.iter().map(|frame| {
            let name = self.function_name(frame.start);
            let name = if frame.signal { format!("{name} (signal trampoline)") } else { name };
            [
                format!("{:#x}", frame.start),
                (frame.end.wrapping_sub(frame.start)).to_string(),
                largest_frame(frame),
                name,
            ]
        });
        let columns = [("start", Right), ("bytes", Right), ("frame", Right), ("function", Left)];
        write!(f, "\n{}", Table { heading: "Unwind information", columns, rows: rows.collect() })?;
        match &self.unwind.table {
            Some(table) => writeln!(f, "  .eh_frame_hdr has {} entries", table.entries.len())?,
            None => writeln!(f, "  no .eh_frame_hdr")?,
        }
        let covered = &self.unwind.coverage;
        writeln!(
            f,
            "  covered: {} of {} functions, {} of {} bytes of code and padding",
            covered.covered_functions, covered.functions, covered.covered_bytes, covered.bytes
        )
    }
}

/// The largest distance from stack pointer to canonical frame address, in bytes.
fn largest_frame(frame: &Frame) -> String {
    let offset = |cfa: Cfa| match cfa {
        Cfa::Register { offset, .. } => Some(offset),
        Cfa::Expression => None,
    };
    let largest = frame.rows.iter().filter_map(|row| offset(row.cfa)).max();
    largest.map_or_else(|| "-".to_owned(), |largest| largest.to_string())
}
