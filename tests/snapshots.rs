//! What clients depend on in the images that ship, as text to be compared: a change of it is a change for every program.
//!
//! Addresses and sizes of code are left out, as any change of the functions moves them. `cargo insta review` shows what
//! has changed, or `INSTA_UPDATE=always cargo test -p vdso-tests --test snapshots` and a diff.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use vdso_image::{aarch64, riscv64, x86_64, Mapping};
use vdso_linker::inspect::{inspect, Inspection, NoteContent};
use vdso_linker::PageAbi;
use vdso_tests::need;
use vvar::page::Encoding;

/// An image as `vdso-image` has it.
struct Shipped {
    name: &'static str,
    /// The file, and what it is padded with.
    bytes: &'static [u8],
    size: usize,
    build_id: [u8; 20],
    page: PageAbi,
    plan: &'static [Mapping],
    soname: &'static str,
    /// The constants: name, alias and offset of each function.
    functions: &'static [(&'static str, Option<&'static str>, usize)],
}

macro_rules! shipped {
    ($module:ident, $($function:literal $(= $alias:literal)?: $symbol:ident),*) => {
        Shipped {
            name: stringify!($module),
            bytes: $module::IMAGE.as_bytes(),
            size: $module::IMAGE_SIZE,
            build_id: $module::BUILD_ID,
            page: PageAbi { abi: $module::PAGE_ABI, layout: $module::PAGE_LAYOUT },
            plan: &$module::MAP_PLAN,
            soname: $module::SONAME,
            functions: &[$(($function, shipped!(@alias $($alias)?), $module::symbol::$symbol)),*],
        }
    };
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };
}

static X86_64: Shipped = shipped!(
    x86_64,
    "__vdso_clock_gettime" = "clock_gettime": __VDSO_CLOCK_GETTIME,
    "__vdso_gettimeofday" = "gettimeofday": __VDSO_GETTIMEOFDAY,
    "__vdso_time" = "time": __VDSO_TIME,
    "__vdso_clock_getres" = "clock_getres": __VDSO_CLOCK_GETRES,
    "__vdso_getcpu" = "getcpu": __VDSO_GETCPU
);
static RISCV64: Shipped = shipped!(
    riscv64,
    "__vdso_clock_gettime": __VDSO_CLOCK_GETTIME,
    "__vdso_gettimeofday": __VDSO_GETTIMEOFDAY,
    "__vdso_clock_getres": __VDSO_CLOCK_GETRES,
    "__vdso_getcpu": __VDSO_GETCPU,
    "__vdso_flush_icache": __VDSO_FLUSH_ICACHE,
    "__vdso_rt_sigreturn": __VDSO_RT_SIGRETURN
);
static AARCH64: Shipped = shipped!(
    aarch64,
    "__kernel_clock_gettime": __KERNEL_CLOCK_GETTIME,
    "__kernel_gettimeofday": __KERNEL_GETTIMEOFDAY,
    "__kernel_clock_getres": __KERNEL_CLOCK_GETRES,
    "__kernel_rt_sigreturn": __KERNEL_RT_SIGRETURN
);

/// One test for each image, in a module of its architecture's name.
macro_rules! for_each_image {
    ($($test:ident),* $(,)?) => {
        mod x86_64_image {
            $( #[test] fn $test() { super::$test(&super::X86_64) } )*
        }
        mod riscv64_image {
            $( #[test] fn $test() { super::$test(&super::RISCV64) } )*
        }
        mod aarch64_image {
            $( #[test] fn $test() { super::$test(&super::AARCH64) } )*
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

impl Shipped {
    fn inspect(&self) -> Inspection {
        let inspection = inspect(&self.bytes[..self.size]).expect("an ELF file");
        assert!(inspection.problems.is_empty(), "{:?}", inspection.problems);
        inspection
    }

    fn file(&self) -> PathBuf {
        vdso_tests::workspace().join("vdso-image/arch").join(self.name).join("vdso.so")
    }

    fn snapshot(&self, what: &str, text: &str) {
        insta::assert_snapshot!(format!("{what}_{}", self.name), text);
    }
}

/// Lines of text, one a thing.
fn lines<T>(things: impl IntoIterator<Item = T>, mut line: impl FnMut(&T) -> String) -> String {
    things.into_iter().fold(String::new(), |mut text, thing| {
        writeln!(text, "{}", line(&thing)).expect("a string takes all");
        text
    })
}

fn symbols(shipped: &Shipped) {
    let mut symbols = shipped.inspect().symbols;
    symbols.sort_by(|a, b| a.name.cmp(&b.name));
    let text = lines(&symbols, |symbol| {
        assert!(symbol.size > 0 && symbol.value > 0, "{} is no function with code", symbol.name);
        let version = symbol.version.as_deref().unwrap_or("none");
        let hidden = if symbol.version_hidden { " hidden" } else { "" };
        format!("{} {version}{hidden} {} {} {}", symbol.name, symbol.kind, symbol.binding, symbol.visibility)
    });
    shipped.snapshot("symbols", &text);
}

fn a_constant_is_the_symbols_and_an_alias_the_function_itself(shipped: &Shipped) {
    let image = shipped.inspect();
    let value = |name: &str| image.symbols.iter().find(|symbol| symbol.name == name).map(|symbol| symbol.value);
    for &(name, alias, offset) in shipped.functions {
        assert_eq!(value(name), Some(offset as u64), "{name}: the constant is the symbol's");
        if let Some(alias) = alias {
            assert_eq!(value(alias), value(name), "{alias}");
        }
    }
    let names = shipped.functions.iter().map(|(_, alias, _)| 1 + usize::from(alias.is_some())).sum::<usize>();
    assert_eq!(image.symbols.len(), names, "no function without a constant");
}

fn versions(shipped: &Shipped) {
    let text = lines(shipped.inspect().versions, |version| {
        let base = if version.base { " base" } else { "" };
        format!("{} {} {:#x}{base} {:?}", version.index, version.name, version.hash, version.parents)
    });
    shipped.snapshot("versions", &text);
}

fn segments(shipped: &Shipped) {
    let image = shipped.inspect();
    let text = lines(&image.segments, |segment| {
        assert_eq!(segment.file_size, segment.memory_size, "{}: nothing to be filled with zeroes", segment.kind);
        assert_eq!(segment.offset, segment.address, "{}: at its place in the file", segment.kind);
        let whole = segment.offset == 0 && segment.file_size == image.size;
        let extent = if whole { "the whole file" } else { "a part" };
        format!("{} flags {:#x} align {:#x} {extent}", segment.kind, segment.flags, segment.align)
    });
    shipped.snapshot("segments", &text);
}

fn dynamic_section(shipped: &Shipped) {
    let text = lines(shipped.inspect().dynamic, |entry| {
        // Addresses and sizes of tables move; what is counted in entries, and the name, do not.
        let tag = entry.tag.to_string();
        let value = match (&entry.text, tag.as_str()) {
            (Some(text), _) => text.clone(),
            (None, "DT_SYMENT" | "DT_VERDEFNUM") => entry.value.to_string(),
            (None, _) => "-".into(),
        };
        format!("{tag} {value}")
    });
    shipped.snapshot("dynamic_section", &text);
}

fn notes(shipped: &Shipped) {
    let encoding = Encoding::of_architecture(shipped.name).expect("an architecture with an image");
    let expected = PageAbi { abi: vvar::page::ABI, layout: encoding.layout() };
    assert_eq!(shipped.page, expected, "the constants");
    let text = lines(shipped.inspect().notes, |note| {
        let content = match &note.content {
            NoteContent::BuildId { id } => {
                let constant: String = shipped.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
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
    shipped.snapshot("notes", &text);
}

fn map_plan(shipped: &Shipped) {
    assert_eq!(shipped.inspect().soname.as_deref(), Some(shipped.soname));
    shipped.snapshot("map_plan", &lines(shipped.plan, |part| format!("{part:?}")));
}

/// The bytes that are compiled in are those of the file that ships.
fn the_file_is_the_constant(shipped: &Shipped) {
    let file = std::fs::read(shipped.file()).expect("the image that ships");
    assert!(file == shipped.bytes[..shipped.size]);
    assert!(shipped.bytes[shipped.size..].iter().all(|&byte| byte == 0), "padded with zeroes");
    assert_eq!(shipped.bytes.as_ptr() as usize % 4096, 0, "at the start of a page");
}

/// As another program sees it.
fn readelf_finds_no_relocation(shipped: &Shipped) {
    let readelf = need!("readelf", "binutils");
    let output =
        Command::new(readelf).arg("-rW").arg(shipped.file()).env("LC_ALL", "C").output().expect("readelf starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(text.trim(), "There are no relocations in this file.");
}
