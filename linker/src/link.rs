//! The link, and what lld's complaints mean for somebody who writes a vDSO function.

use crate::manifest::Manifest;
use crate::toolchain::{command, run, Toolchain};
use crate::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// Names of the scripts in the work folder.
pub(crate) const LINKER_SCRIPT: &str = "vdso.ld";
pub(crate) const VERSION_SCRIPT: &str = "vdso.map";

/// One thing that the linker refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// Code calls or reads something that is not in the image.
    Undefined {
        /// The symbol.
        symbol: String,
        /// Who refers to it, as the linker says it; may be empty.
        from: Vec<String>,
    },
    /// A section has no place in an image.
    Misplaced {
        /// The section.
        section: String,
        /// The object file that brings it.
        object: String,
    },
    /// Anything else, in the linker's words.
    Other(String),
}

/// How an image is to be marked, and with what.
pub(crate) enum Kind<'a> {
    /// As it ships, with a build id made from its bytes.
    Stripped,
    /// With symbols and debug information, and a build id that is given.
    Unstripped { build_id: &'a [u8] },
}

/// Links `inputs` (paths in the work folder, objects first) by the scripts in it.
pub(crate) fn link(
    tools: &Toolchain,
    work: &Path,
    manifest: &Manifest,
    inputs: &[PathBuf],
    kind: &Kind<'_>,
) -> Result<Vec<u8>, Error> {
    let output = Path::new(match kind {
        Kind::Stripped => "vdso.so",
        Kind::Unstripped { .. } => "vdso.so.dbg",
    });
    let mut lld = command(&tools.linker, work);
    lld.args(["-flavor", "gnu", "-shared", "--color-diagnostics=never", "--error-limit=0"])
        .arg(format!("--script={LINKER_SCRIPT}"))
        .arg(format!("--version-script={VERSION_SCRIPT}"))
        .arg(format!("-soname={}", manifest.image.soname))
        // glibc takes either hash table; older musl knows DT_HASH only.
        .arg("--hash-style=both")
        // What would need a dynamic linker is refused, or not made.
        .args(["--orphan-handling=error", "--no-undefined", "-Bsymbolic-functions"])
        .args(["-z", "rodynamic", "-z", "norelro", "-z", "noexecstack", "-z"])
        .arg(format!("max-page-size={}", manifest.image.page_size))
        .args(["--gc-sections", "--eh-frame-hdr"])
        .args(manifest.image.arch.architecture().linker_flags);
    match kind {
        Kind::Stripped => lld.args(["--strip-all", "--build-id=sha1"]),
        Kind::Unstripped { build_id } => lld.arg(format!("--build-id=0x{}", hex(build_id))),
    };
    let result = run(lld.arg("-o").arg(output).args(inputs))?;
    if !result.status.success() {
        return Err(Error::Link { complaints: complaints(&String::from_utf8_lossy(&result.stderr)) });
    }
    let path = work.join(output);
    std::fs::read(&path).map_err(Error::io("read", &path))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes lld's messages apart. Each starts with `PROGRAM: error: ` and goes on in lines that start with `>>>`.
fn complaints(messages: &str) -> Vec<Complaint> {
    let mut found: Vec<Complaint> = Vec::new();
    for line in messages.lines() {
        if let Some((_, message)) = line.split_once(": error: ") {
            found.push(complaint(message));
        } else if let Some(detail) = line.strip_prefix(">>>") {
            add_detail(found.last_mut(), detail.trim());
        }
    }
    if found.iter().any(|complaint| !complaint.is_consequence()) {
        found.retain(|complaint| !complaint.is_consequence());
    }
    if found.is_empty() {
        found.push(Complaint::Other(messages.trim_end().to_owned()));
    }
    found
}

impl Complaint {
    /// Whether it is about a section that the linker itself adds, mostly for the sake of one that it complains of too.
    fn is_consequence(&self) -> bool {
        matches!(self, Complaint::Misplaced { object, .. } if object == INTERNAL)
    }
}

fn complaint(message: &str) -> Complaint {
    // `undefined symbol: memcpy`, `undefined hidden symbol: memcpy`
    if let Some((kind, symbol)) = message.split_once("symbol: ") {
        if kind.starts_with("undefined") {
            return Complaint::Undefined { symbol: symbol.to_owned(), from: Vec::new() };
        }
    }
    // `vdso.o:(.data.COUNT) is being placed in '.data.COUNT'`
    if let Some((input, _)) = message.split_once(" is being placed in ") {
        if let Some((object, section)) = input.strip_suffix(')').and_then(|input| input.split_once(":(")) {
            return Complaint::Misplaced { section: section.to_owned(), object: object.to_owned() };
        }
    }
    Complaint::Other(message.to_owned())
}

fn add_detail(complaint: Option<&mut Complaint>, detail: &str) {
    match complaint {
        Some(Complaint::Undefined { from, .. }) => {
            from.push(detail.strip_prefix("referenced by ").unwrap_or(detail).to_owned());
        }
        Some(Complaint::Other(message)) => {
            message.push_str("\n    ");
            message.push_str(detail);
        }
        _ => {}
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::Undefined { symbol, from } => {
                write!(f, "undefined symbol `{symbol}`")?;
                if !from.is_empty() {
                    write!(f, ", used by {}", from.join(", "))?;
                }
                write!(f, ": {}", undefined_remedy(symbol))
            }
            Complaint::Misplaced { section, object } => {
                write!(f, "section `{section}` of {object} has no place in an image: {}", misplaced_remedy(section))?;
                if object == INTERNAL {
                    f.write_str("; if the linker makes it for every image of the architecture, leave it out by `Architecture::discarded`")?;
                }
                Ok(())
            }
            Complaint::Other(message) => f.write_str(message),
        }
    }
}

/// What lld calls the object of the sections that it makes itself.
const INTERNAL: &str = "<internal>";

fn undefined_remedy(symbol: &str) -> &'static str {
    let is_builtin = |prefix| symbol.starts_with(prefix);
    if ["panic", "unwrap_failed", "expect_failed", "slice_index", "_fail"].iter().any(|part| symbol.contains(part)) {
        "a function of the image can panic there; leave out what panics: indexing (use `get`), unwrap and expect, \
         division by what may be zero, and arithmetic that a debug build checks"
    } else if ["memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"].contains(&symbol) {
        "the compiler made this call from a loop, a copy or a comparison of a whole structure; take the fields one by \
         one, or use volatile or atomic accesses"
    } else if ["__udiv", "__div", "__umod", "__mod", "__mul", "__ashl", "__lshr", "__float", "__fix"]
        .into_iter()
        .any(is_builtin)
    {
        "the processor has no such instruction, and the image no compiler runtime; use narrower numbers, or multiply \
         by a reciprocal instead of dividing"
    } else {
        "nothing outside the image can be called or read; define it in one of the image's sources"
    }
}

fn misplaced_remedy(section: &str) -> &'static str {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| section.starts_with(prefix));
    if starts(&[".data.rel.ro", ".rela.", ".rel.", ".relr."]) {
        "it holds pointers, which somebody would have to relocate; leave out trait objects, function tables and \
         statics that hold references"
    } else if starts(&[".got", ".plt", ".iplt", ".igot"]) {
        "nobody fills in its pointers; in Rust, make a `pub static` private or a `const`; in C and assembly, give the \
         symbol hidden visibility"
    } else if starts(&[".tdata", ".tbss"]) {
        "an image has no thread-local storage; keep the value in the caller's memory"
    } else if starts(&[".init", ".fini", ".preinit", ".ctors", ".dtors"]) {
        "nobody runs the constructors of an image; leave them out"
    } else if starts(&[".data", ".bss", ".sdata", ".sbss", "COMMON"]) {
        "the image is mapped read-only, one copy for all processes; make the value a constant, or keep it in the vvar page"
    } else {
        "put it in .text, .rodata or .note.*"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undefined(symbol: &str, from: &[&str]) -> Complaint {
        Complaint::Undefined { symbol: symbol.to_owned(), from: from.iter().map(|&from| from.to_owned()).collect() }
    }

    fn misplaced(section: &str, object: &str) -> Complaint {
        Complaint::Misplaced { section: section.to_owned(), object: object.to_owned() }
    }

    #[test]
    fn takes_messages_apart() {
        let messages = "\
rust-lld: error: undefined symbol: memcpy
>>> referenced by clock.rs:12 (functions/clock.rs:12)
>>>               vdso.o:(__vdso_time)
rust-lld: error: undefined hidden symbol: missing
rust-lld: error: vdso.o:(.data.COUNT) is being placed in '.data.COUNT'
rust-lld: error: <internal>:(.rela.dyn) is being placed in '.rela.dyn'
rust-lld: error: duplicate symbol: __vdso_time
>>> defined at answer.c
";
        let found = complaints(messages);
        assert_eq!(
            found,
            [
                undefined("memcpy", &["clock.rs:12 (functions/clock.rs:12)", "vdso.o:(__vdso_time)"]),
                undefined("missing", &[]),
                misplaced(".data.COUNT", "vdso.o"),
                Complaint::Other("duplicate symbol: __vdso_time\n    defined at answer.c".to_owned()),
            ]
        );
    }

    #[test]
    fn keeps_what_nothing_else_explains() {
        let got = "ld.lld: error: <internal>:(.got) is being placed in '.got'\n";
        assert_eq!(complaints(got), [misplaced(".got", "<internal>")]);
        assert_eq!(complaints("killed\n"), [Complaint::Other("killed".to_owned())]);
    }

    #[test]
    fn every_kind_of_symbol_and_section_has_its_remedy() {
        for (symbol, says) in [
            ("core::panicking::panic_bounds_check", "leave out what panics"),
            ("core::option::unwrap_failed", "leave out what panics"),
            ("core::slice::index::slice_index_fail", "leave out what panics"),
            ("memset", "take the fields one by one"),
            ("__udivdi3", "multiply by a reciprocal"),
            ("getpid", "define it in one of the image's sources"),
        ] {
            let message = undefined(symbol, &[]).to_string();
            assert!(message.contains(symbol) && message.contains(says), "{message}");
        }
        assert!(misplaced(".got", INTERNAL).to_string().contains("`Architecture::discarded`"));
        for (section, says) in [
            (".data.rel.ro.TABLE", "it holds pointers"),
            (".rela.dyn", "it holds pointers"),
            (".got", "hidden visibility"),
            (".tbss.VALUE", "no thread-local storage"),
            (".init_array", "constructors"),
            (".data.COUNT", "the image is mapped read-only"),
            ("COMMON", "the image is mapped read-only"),
            ("mine", "put it in .text"),
        ] {
            let message = misplaced(section, "vdso.o").to_string();
            assert!(message.contains(section) && message.contains(says), "{message}");
        }
    }
}
