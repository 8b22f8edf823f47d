//! The gate: refuses an image that a client, a kernel or a debugger would stumble over.
//!
//! An image is read by dozens of programs that nobody rebuilds: every libc, the Go runtime, unwinders, CRIU, gdb. Most
//! of them check nothing, so that a flaw in the image shows as a crash in each process, or as a clock that silently
//! makes system calls. [`check`] holds an image against its manifest and against [one rule](Rule) for each flaw that
//! broke somebody. A violation names the rule, the place and the remedy.
//!
//! The gate reads what [`inspect`](crate::inspect) found and the instructions of the executable sections. It finds
//! mistakes of compilers, linkers and people; it is no defence against an image that was made to deceive it.
//!
//! Whatever the bytes are, [`check`] returns.
//!
//! ```
//! # fn show(bytes: &[u8], manifest: &vdso_linker::manifest::Manifest) {
//! let report = vdso_linker::gate::check(bytes, manifest, None);
//! if !report.is_accepted() {
//!     eprint!("{report}");
//! }
//! # }
//! ```

mod code;
mod elf;
mod notes;
mod rule;
mod stack;
mod symbols;
mod trampoline;
mod unwind;

pub use rule::Rule;

use crate::arch::{Architecture, Convention};
use crate::inspect::{inspect, Inspection, Part};
use crate::manifest::Manifest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The largest frame of one function, and the most stack that a call into the image may take in all, in bytes: return
/// address included. Go calls the vDSO on small stacks (golang issue 20427).
pub const STACK_LIMIT: u64 = 256;

/// Which vvar page an image reads, or a kernel writes.
///
/// An image carries it as a note (owner [`NOTE_OWNER`](Self::NOTE_OWNER), type [`NOTE_TYPE`](Self::NOTE_TYPE)) whose 16
/// bytes are `abi` (4, little-endian), four zero bytes, and `layout` (8, little-endian).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct PageAbi {
    /// Version of the page's meaning (`vvar::page::ABI`).
    pub abi: u32,
    /// Hash of the page's layout (`vvar::page::LAYOUT`).
    pub layout: u64,
}

impl PageAbi {
    /// Owner name of the note.
    pub const NOTE_OWNER: &'static str = "vvar";
    /// Type of the note.
    pub const NOTE_TYPE: u32 = 1;

    /// Decodes the note's descriptor; none if it has another length or its reserved bytes are not zero.
    pub fn from_note(bytes: &[u8]) -> Option<PageAbi> {
        let [a0, a1, a2, a3, 0, 0, 0, 0, layout @ ..] = *<&[u8; 16]>::try_from(bytes).ok()? else { return None };
        Some(PageAbi { abi: u32::from_le_bytes([a0, a1, a2, a3]), layout: u64::from_le_bytes(layout) })
    }
}

impl fmt::Display for PageAbi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ABI {}, layout {:#018x}", self.abi, self.layout)
    }
}

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Where: a header, a section, a symbol, an instruction.
    pub place: String,
    /// What is wrong there, with the value.
    pub what: String,
    /// What to change.
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}` at {}: {}; remedy: {}", self.rule, self.place, self.what, self.remedy)
    }
}

/// An export or a function that is called, as the gate measured it. Code that is only jumped to counts with those that
/// jump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Function {
    /// Its dynamic symbol's name; else, in the report of a build, the name that the source gives it; else
    /// `function at 0x...`.
    pub name: String,
    /// Its address.
    pub address: u64,
    /// Its symbol's size in bytes, else how many bytes its unwind information covers.
    pub size: u64,
    /// Its own largest frame in bytes, from the stack pointer before the call down, what it uses below the stack
    /// pointer included.
    pub frame: u64,
    /// The same with everything that it calls.
    pub depth: u64,
}

/// What the gate says of an image.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Bytes of the image.
    pub size: u64,
    /// The most bytes that the manifest allows.
    pub size_limit: u64,
    /// Instructions in the executable sections, padding included.
    pub instructions: usize,
    /// Bytes of those instructions, padding between functions excluded.
    pub code_bytes: u64,
    /// Bytes of them that unwind information covers.
    pub covered_bytes: u64,
    /// The exports and the functions that are called, by address.
    pub functions: Vec<Function>,
    /// The breaches; an image that has any is refused.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Whether no rule is broken.
    pub fn is_accepted(&self) -> bool {
        self.violations.is_empty()
    }

    /// The deepest stack that a call into the image takes, in bytes.
    pub fn deepest(&self) -> u64 {
        self.functions.iter().map(|function| function.depth).max().unwrap_or(0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_accepted() { "accepted" } else { "refused" };
        writeln!(f, "gate: {verdict}, {} of at most {} bytes", self.size, self.size_limit)?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        for rule in self.violations.iter().map(|violation| violation.rule).collect::<BTreeSet<_>>() {
            writeln!(f, "  why `{rule}`: {}", rule.reason())?;
        }
        if self.instructions == 0 {
            return Ok(()); // refused before its code was read
        }
        writeln!(
            f,
            "  {} instructions, unwind information for {} of {} bytes of code, deepest stack {} of {STACK_LIMIT} bytes",
            self.instructions,
            self.covered_bytes,
            self.code_bytes,
            self.deepest()
        )?;
        for function in &self.functions {
            let Function { name, address, size, frame, depth } = function;
            writeln!(f, "  {address:#7x} {size:5} bytes, frame {frame:3}, stack {depth:3}  {name}")?;
        }
        Ok(())
    }
}

/// Holds an image against the rules, its manifest and, if given, the page that it is to read.
pub fn check(bytes: &[u8], manifest: &Manifest, page: Option<PageAbi>) -> Report {
    check_named(bytes, manifest, page, BTreeMap::new())
}

/// The same with names of functions by address, for those that the image has no symbol for.
pub(crate) fn check_named(
    bytes: &[u8],
    manifest: &Manifest,
    page: Option<PageAbi>,
    function_names: BTreeMap<u64, String>,
) -> Report {
    let mut report = Report {
        size: bytes.len() as u64,
        size_limit: manifest.image.size_limit,
        instructions: 0,
        code_bytes: 0,
        covered_bytes: 0,
        functions: Vec::new(),
        violations: Vec::new(),
    };
    match inspect(bytes) {
        Ok(facts) => {
            let facts = Inspection { function_names, ..facts };
            Gate { bytes, facts: &facts, manifest, page, report: &mut report }.run();
        }
        Err(error) => report.violations.push(Violation {
            rule: Rule::Malformed,
            place: error.place.into(),
            what: error.what,
            remedy: error.remedy.into(),
        }),
    }
    report
}

/// An image under check.
struct Gate<'a> {
    bytes: &'a [u8],
    facts: &'a Inspection,
    manifest: &'a Manifest,
    page: Option<PageAbi>,
    report: &'a mut Report,
}

impl Gate<'_> {
    fn architecture(&self) -> &'static Architecture {
        self.manifest.image.arch.architecture()
    }

    fn convention(&self) -> &'static Convention {
        &self.architecture().convention
    }

    fn run(mut self) {
        if self.unreadable() || !elf::file_header(&mut self) {
            return;
        }
        elf::check(&mut self);
        notes::check(&mut self);
        if self.facts.sections.is_empty() {
            return; // refused; without section headers nothing says which bytes are code
        }
        symbols::check(&mut self);
        if self.facts.problems.iter().all(|problem| problem.part != Part::Frames) {
            unwind::check(&mut self);
        }
        code::check(&mut self);
        trampoline::check(&mut self);
    }

    /// Reports what could not be read. Whether the file is cut or its headers lead astray: then no other rule is asked,
    /// since each would only report the same flaw again.
    fn unreadable(&mut self) -> bool {
        let facts = self.facts;
        let mut headers_lost = false;
        for problem in &facts.problems {
            let (rule, remedy) = match problem.part {
                Part::Segments | Part::Sections | Part::Dynamic | Part::Symbols | Part::Notes => {
                    headers_lost = true;
                    (Rule::Malformed, "build the image anew; if a tool wrote into it, that tool is at fault")
                }
                Part::Versions => (Rule::VersionDefinition, "link with `--version-script`"),
                Part::SysvHash => (Rule::SysvHash, "link with `--hash-style=both`"),
                Part::GnuHash => (Rule::GnuHash, "link with `--hash-style=both`"),
                Part::Frames => (Rule::EhFrame, "keep `.eh_frame` whole in the linker script"),
                Part::FrameTable => (Rule::EhFrameHdr, "link with `--eh-frame-hdr`"),
            };
            self.refuse(rule, &problem.place, &problem.what, remedy);
        }
        headers_lost
    }

    fn refuse(&mut self, rule: Rule, place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) {
        let violation = Violation { rule, place: place.into(), what: what.into(), remedy: remedy.into() };
        self.report.violations.push(violation);
    }
}
