//! What clients depend on in the image that ships, as text to be compared: a change of it is a change for every program.
//!
//! Addresses and sizes of code are left out, as any change of the functions moves them. `cargo insta review` shows what
//! has changed, or `INSTA_UPDATE=always cargo test -p vdso-tests --test snapshots` and a diff.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use vdso_image::x86_64::{symbol, BUILD_ID, IMAGE, IMAGE_SIZE, MAP_PLAN, SONAME};
use vdso_linker::inspect::{inspect, Inspection, NoteContent};
use vdso_linker::PageAbi;
use vdso_tests::need;

fn image() -> Inspection {
    let inspection = inspect(&IMAGE.as_bytes()[..IMAGE_SIZE]).expect("an ELF file");
    assert!(inspection.problems.is_empty(), "{:?}", inspection.problems);
    inspection
}

/// Lines of text, one a thing.
fn lines<T>(things: impl IntoIterator<Item = T>, mut line: impl FnMut(&T) -> String) -> String {
    things.into_iter().fold(String::new(), |mut text, thing| {
        writeln!(text, "{}", line(&thing)).expect("a string takes all");
        text
    })
}

#[test]
fn symbols() {
    let mut symbols = image().symbols;
    symbols.sort_by(|a, b| a.name.cmp(&b.name));
    let text = lines(&symbols, |symbol| {
        assert!(symbol.size > 0 && symbol.value > 0, "{} is no function with code", symbol.name);
        let version = symbol.version.as_deref().unwrap_or("none");
        let hidden = if symbol.version_hidden { " hidden" } else { "" };
        format!("{} {version}{hidden} {} {} {}", symbol.name, symbol.kind, symbol.binding, symbol.visibility)
    });
    insta::assert_snapshot!(text);
}

#[test]
fn an_alias_is_the_function_itself() {
    let image = image();
    let value = |name: &str| image.symbols.iter().find(|symbol| symbol.name == name).map(|symbol| symbol.value);
    for (name, alias, offset) in [
        ("__vdso_clock_gettime", "clock_gettime", symbol::__VDSO_CLOCK_GETTIME),
        ("__vdso_gettimeofday", "gettimeofday", symbol::__VDSO_GETTIMEOFDAY),
        ("__vdso_time", "time", symbol::__VDSO_TIME),
        ("__vdso_clock_getres", "clock_getres", symbol::__VDSO_CLOCK_GETRES),
        ("__vdso_getcpu", "getcpu", symbol::__VDSO_GETCPU),
    ] {
        assert_eq!(value(name), Some(offset as u64), "{name}: the constant is the symbol's");
        assert_eq!(value(alias), value(name), "{alias}");
    }
}

#[test]
fn versions() {
    let text = lines(image().versions, |version| {
        let base = if version.base { " base" } else { "" };
        format!("{} {} {:#x}{base} {:?}", version.index, version.name, version.hash, version.parents)
    });
    insta::assert_snapshot!(text);
}

#[test]
fn segments() {
    let image = image();
    let text = lines(&image.segments, |segment| {
        assert_eq!(segment.file_size, segment.memory_size, "{}: nothing to be filled with zeroes", segment.kind);
        assert_eq!(segment.offset, segment.address, "{}: at its place in the file", segment.kind);
        let whole = segment.offset == 0 && segment.file_size == image.size;
        let extent = if whole { "the whole file" } else { "a part" };
        format!("{} flags {:#x} align {:#x} {extent}", segment.kind, segment.flags, segment.align)
    });
    insta::assert_snapshot!(text);
}

#[test]
fn dynamic_section() {
    let text = lines(image().dynamic, |entry| {
        // Addresses and sizes of tables move; what is counted in entries, and the name, do not.
        let tag = entry.tag.to_string();
        let value = match (&entry.text, tag.as_str()) {
            (Some(text), _) => text.clone(),
            (None, "DT_SYMENT" | "DT_VERDEFNUM") => entry.value.to_string(),
            (None, _) => "-".into(),
        };
        format!("{tag} {value}")
    });
    insta::assert_snapshot!(text);
}

#[test]
fn notes() {
    let text = lines(image().notes, |note| {
        let content = match &note.content {
            NoteContent::BuildId { id } => {
                let constant: String = BUILD_ID.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(*id, constant);
                format!("build id of {} digits", id.len())
            }
            NoteContent::Page(page) => {
                assert_eq!(*page, PageAbi { abi: vvar::page::ABI, layout: vvar::page::LAYOUT });
                "page ABI and layout of vvar".into()
            }
            other => format!("{other:?}"),
        };
        format!("{} {:#x} {content}", note.owner, note.kind)
    });
    insta::assert_snapshot!(text);
}

#[test]
fn map_plan() {
    assert_eq!(image().soname.as_deref(), Some(SONAME));
    insta::assert_snapshot!(lines(MAP_PLAN, |part| format!("{part:?}")));
}

fn shipped() -> PathBuf {
    vdso_tests::workspace().join("vdso-image/images/x86_64/vdso.so")
}

/// The bytes that are compiled in are those of the file that ships.
#[test]
fn the_file_is_the_constant() {
    let file = std::fs::read(shipped()).expect("the image that ships");
    assert!(file == IMAGE.as_bytes()[..IMAGE_SIZE]);
    assert!(IMAGE.as_bytes()[IMAGE_SIZE..].iter().all(|&byte| byte == 0), "padded with zeroes");
}

/// As another program sees it.
#[test]
fn readelf_finds_no_relocation() {
    let readelf = need!("readelf", "binutils");
    let output = Command::new(readelf).arg("-rW").arg(shipped()).env("LC_ALL", "C").output().expect("readelf starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(text.trim(), "There are no relocations in this file.");
}
