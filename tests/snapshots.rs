//! What clients depend on in the images that ship, as text to be compared: a change of it is a change for every program.
//!
//! Addresses and sizes of code are left out, as any change of the functions moves them. `cargo insta review` shows what
//! has changed, or `INSTA_UPDATE=always cargo test -p vdso-tests --test snapshots` and a diff.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use vdso_linker::inspect::{inspect, Inspection, NoteContent};
use vdso_linker::PageAbi;
use vdso_tests::{need, Architecture};
use vvar::page::Encoding;

/// One test for each image, in a module of its architecture's name.
macro_rules! for_each_image {
    ($($test:ident),* $(,)?) => {
        vdso_tests::architectures! { tests_of [$($test)*] }
    };
}

macro_rules! tests_of {
    ([$($test:ident)*] $arch:ident $how:ident $own:tt) => {
        mod $arch {
            $( #[test] fn $test() { super::$test(&vdso_tests::arch::$arch::ARCHITECTURE) } )*
        }
    };
}

for_each_image! {
    symbols,
    a_constant_is_the_symbols_and_an_alias_the_function_itself,
    versions,
    segments,
    dynamic_section,
    notes,
    map_plan,
    the_file_is_the_constant,
    readelf_finds_no_relocation,
}

fn facts(shipped: &Architecture) -> Inspection {
    let image = shipped.image;
    let inspection = inspect(&image.bytes[..image.size]).expect("an ELF file");
    assert!(inspection.problems.is_empty(), "{:?}", inspection.problems);
    inspection
}

fn file(shipped: &Architecture) -> PathBuf {
    vdso_tests::workspace().join("vdso-image/arch").join(shipped.name()).join("vdso.so")
}

fn snapshot(shipped: &Architecture, what: &str, text: &str) {
    insta::with_settings!({ snapshot_path => shipped.snapshots(), prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(what, text);
    });
}

/// Lines of text, one a thing.
fn lines<T>(things: impl IntoIterator<Item = T>, mut line: impl FnMut(&T) -> String) -> String {
    things.into_iter().fold(String::new(), |mut text, thing| {
        writeln!(text, "{}", line(&thing)).expect("a string takes all");
        text
    })
}

fn symbols(shipped: &Architecture) {
    let mut symbols = facts(shipped).symbols;
    symbols.sort_by(|a, b| a.name.cmp(&b.name));
    let text = lines(&symbols, |symbol| {
        assert!(symbol.size > 0 && symbol.value > 0, "{} is no function with code", symbol.name);
        let version = symbol.version.as_deref().unwrap_or("none");
        let hidden = if symbol.version_hidden { " hidden" } else { "" };
        format!("{} {version}{hidden} {} {} {}", symbol.name, symbol.kind, symbol.binding, symbol.visibility)
    });
    snapshot(shipped, "symbols", &text);
}

fn a_constant_is_the_symbols_and_an_alias_the_function_itself(shipped: &Architecture) {
    let facts = facts(shipped);
    let value = |name: &str| facts.symbols.iter().find(|symbol| symbol.name == name).map(|symbol| symbol.value);
    for &(name, offset) in shipped.image.symbols {
        assert_eq!(value(name), Some(offset as u64), "{name}: the constant is the symbol's");
    }
    for &(alias, function) in shipped.aliases {
        assert!(value(alias).is_some() && value(alias) == value(function), "{alias}");
    }
    let addresses: BTreeSet<u64> = facts.symbols.iter().map(|symbol| symbol.value).collect();
    assert_eq!(facts.symbols.len(), addresses.len() + shipped.aliases.len(), "no alias but these");
    assert_eq!(facts.symbols.len(), shipped.image.symbols.len(), "no function without a constant");
}

fn versions(shipped: &Architecture) {
    let text = lines(facts(shipped).versions, |version| {
        let base = if version.base { " base" } else { "" };
        format!("{} {} {:#x}{base} {:?}", version.index, version.name, version.hash, version.parents)
    });
    snapshot(shipped, "versions", &text);
}

fn segments(shipped: &Architecture) {
    let image = facts(shipped);
    let text = lines(&image.segments, |segment| {
        assert_eq!(segment.file_size, segment.memory_size, "{}: nothing to be filled with zeroes", segment.kind);
        assert_eq!(segment.offset, segment.address, "{}: at its place in the file", segment.kind);
        let whole = segment.offset == 0 && segment.file_size == image.size;
        let extent = if whole { "the whole file" } else { "a part" };
        format!("{} flags {:#x} align {:#x} {extent}", segment.kind, segment.flags, segment.align)
    });
    snapshot(shipped, "segments", &text);
}

fn dynamic_section(shipped: &Architecture) {
    let text = lines(facts(shipped).dynamic, |entry| {
        // Addresses and sizes of tables move; what is counted in entries, and the name, do not.
        let tag = entry.tag.to_string();
        let value = match (&entry.text, tag.as_str()) {
            (Some(text), _) => text.clone(),
            (None, "DT_SYMENT" | "DT_VERDEFNUM") => entry.value.to_string(),
            (None, _) => "-".into(),
        };
        format!("{tag} {value}")
    });
    snapshot(shipped, "dynamic_section", &text);
}

fn notes(shipped: &Architecture) {
    let encoding = Encoding::of_architecture(shipped.name()).expect("an architecture with an image");
    let expected = PageAbi { abi: vvar::page::ABI, layout: encoding.layout() };
    let constants = PageAbi { abi: shipped.image.page_abi, layout: shipped.image.page_layout };
    assert_eq!(constants, expected);
    let text = lines(facts(shipped).notes, |note| {
        let content = match &note.content {
            NoteContent::BuildId { id } => {
                let constant: String = shipped.image.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(*id, constant);
                format!("build id of {} digits", id.len())
            }
            NoteContent::Page(page) => {
                assert_eq!(*page, expected);
                "page ABI and layout of vvar".into()
            }
            other => format!("{other:?}"),
        };
        format!("{} {:#x} {content}", note.owner, note.kind)
    });
    snapshot(shipped, "notes", &text);
}

fn map_plan(shipped: &Architecture) {
    assert_eq!(facts(shipped).soname.as_deref(), Some(shipped.image.soname));
    snapshot(shipped, "map_plan", &lines(shipped.image.map_plan, |part| format!("{part:?}")));
}

/// The bytes that are compiled in are those of the file that ships.
fn the_file_is_the_constant(shipped: &Architecture) {
    let file = std::fs::read(file(shipped)).expect("the image that ships");
    assert!(file == shipped.image.bytes[..shipped.image.size]);
    assert!(shipped.image.bytes[shipped.image.size..].iter().all(|&byte| byte == 0), "padded with zeroes");
    assert_eq!(shipped.image.bytes.as_ptr() as usize % shipped.image.page_size, 0, "at the start of a page");
}

/// As another program sees it.
fn readelf_finds_no_relocation(shipped: &Architecture) {
    let readelf = need!("readelf", "binutils");
    let output =
        Command::new(readelf).arg("-rW").arg(file(shipped)).env("LC_ALL", "C").output().expect("readelf starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(text.trim(), "There are no relocations in this file.");
}
