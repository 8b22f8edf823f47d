//! Images built from small sources: what comes out, and what each mistake of a function's author is answered with.
//!
//! They are for the machine that the tests run on: its own C compiler will do, and what is particular to an architecture
//! is tested with the gate.

use object::{Object, ObjectSection, ObjectSymbol};
use std::path::{Path, PathBuf};
use vdso_linker::inspect::inspect;
use vdso_linker::{gate::Rule, Artifacts, Build, Complaint, CrateSource, Error, Manifest, PageAbi};

const PAGE: CrateSource = CrateSource { name: "page", files: &[("lib.rs", include_str!("fixtures/page.rs"))] };
const CLOCK: CrateSource = CrateSource { name: "functions", files: &[("mod.rs", include_str!("fixtures/clock.rs"))] };

const HEAD: &str = r#"
    [image]
    arch = "x86_64"
    soname = "linux-vdso.so.1"
    size-limit = 4096
    [[version]]
    name = "LINUX_2.6"
"#;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn export(name: &str, alias: Option<&str>) -> String {
    let alias = alias.map(|alias| format!("alias = {alias:?}\n")).unwrap_or_default();
    format!("[[export]]\nname = {name:?}\nversion = \"LINUX_2.6\"\n{alias}")
}

fn parse(text: &str, folder: &Path) -> Manifest {
    Manifest::parse(text, &folder.join("vdso.toml")).unwrap_or_else(|error| panic!("{error}"))
}

/// A manifest for the clock fixture.
fn clock_manifest() -> String {
    [HEAD, &export("__vdso_time", Some("time")), &export("__vdso_getpid", None)].concat()
}

fn clock(manifest: &str) -> Result<Artifacts, Error> {
    Build::new(parse(manifest, &fixtures())).library(PAGE).functions(CLOCK).build()
}

/// A build of one function of the given source.
fn function(source: &'static str) -> Result<Artifacts, Error> {
    let files = Vec::leak(vec![("mod.rs", source)]);
    let manifest = parse(&[HEAD, &export("__vdso_f", None)].concat(), &fixtures());
    Build::new(manifest).functions(CrateSource { name: "functions", files }).build()
}

fn built(result: Result<Artifacts, Error>) -> Artifacts {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn complaints(result: Result<Artifacts, Error>) -> (Vec<Complaint>, String) {
    match result {
        Err(error) => {
            let message = error.to_string();
            match error {
                Error::Link { complaints } => (complaints, message),
                _ => panic!("not refused by the linker: {message}"),
            }
        }
        Ok(_) => panic!("not refused"),
    }
}

fn refused(result: Result<Artifacts, Error>) -> Vec<Rule> {
    match result {
        Err(Error::Refused(refusal)) => refusal.report.violations.iter().map(|violation| violation.rule).collect(),
        Err(error) => panic!("not refused by the gate: {error}"),
        Ok(_) => panic!("not refused"),
    }
}

/// The machine code of the functions.
fn code(image: &[u8]) -> Vec<u8> {
    let file = object::File::parse(image).unwrap();
    file.section_by_name(".text").unwrap().data().unwrap().to_vec()
}

fn symbol(image: &[u8], name: &str) -> u64 {
    let file = object::File::parse(image).unwrap();
    let found = file.symbols().find(|symbol| symbol.name() == Ok(name));
    found.unwrap_or_else(|| panic!("no symbol {name}")).address()
}

#[test]
fn an_image_has_its_exports_in_their_version_and_nothing_else() {
    let artifacts = built(clock(&clock_manifest()));
    let facts = inspect(&artifacts.image).unwrap();
    let mut exports: Vec<(&str, String)> =
        facts.symbols.iter().map(|symbol| (&*symbol.name, symbol.binding.to_string())).collect();
    exports.sort();
    let global = |name| (name, "STB_GLOBAL".to_owned());
    assert_eq!(exports, [global("__vdso_getpid"), global("__vdso_time"), ("time", "STB_WEAK".to_owned())]);
    assert_eq!(artifacts.warnings, "");
}

#[test]
fn the_section_headers_are_mapped_and_the_unstripped_image_has_the_same_build_id() {
    let artifacts = built(clock(&clock_manifest()));
    let (image, debug) = (&*artifacts.image, &*artifacts.debug);
    let build_id = |bytes| object::File::parse(bytes).unwrap().build_id().unwrap().unwrap().to_vec();
    assert_eq!(build_id(image), build_id(debug));
    assert_eq!(build_id(image).len(), 20);
    let file = object::File::parse(image).unwrap();
    assert_eq!(object::ObjectSegment::size(&file.segments().next().unwrap()), image.len() as u64);
    assert!(file.section_by_name(".symtab").is_none() && file.section_by_name(".debug_info").is_none());
    let file = object::File::parse(debug).unwrap();
    assert!(file.section_by_name(".symtab").is_some() && file.section_by_name(".debug_info").is_some());
}

#[test]
fn exports_lie_in_order_and_aligned_as_the_manifest_says() {
    for (first, second, align) in [("__vdso_time", "__vdso_getpid", 16), ("__vdso_getpid", "__vdso_time", 64)] {
        let aligned = export(second, None) + &format!("align = {align}\n");
        let artifacts = built(clock(&[HEAD, &export(first, None), &aligned].concat()));
        let (first, second) = (symbol(&artifacts.debug, first), symbol(&artifacts.debug, second));
        assert!(first % 16 == 0 && second % align == 0 && first < second, "{first:#x} {second:#x}");
    }
}

#[test]
fn the_page_lies_where_the_manifest_says() {
    let after = clock_manifest().replace("4096", "5000") + "[vvar]\nplacement = \"after\"\n";
    for (manifest, offset) in [
        (clock_manifest(), -4096),
        (clock_manifest() + "[vvar]\npages = 3\n", -3 * 4096),
        // 5000 bytes take two pages.
        (after, 2 * 4096),
    ] {
        let artifacts = built(clock(&manifest));
        assert_eq!(symbol(&artifacts.debug, "vvar_page") as i64, offset);
        let mapping = format!("Mapping {{ offset: {offset}, pages:");
        assert!(artifacts.constants.contains(&mapping), "{mapping}\n{}", artifacts.constants);
    }
}

#[test]
fn without_linux_system_calls_there_is_none() {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let count = |artifacts: Artifacts| code(&artifacts.image).windows(2).filter(|pair| *pair == SYSCALL).count();
    assert_eq!(count(built(clock(&clock_manifest()))), 1);
    let enosys = clock_manifest().replace("[[version]]", "fallback = \"enosys\"\n[[version]]");
    assert_eq!(count(built(clock(&enosys))), 0);
}

#[test]
fn a_kernel_adds_sources_in_rust_c_and_assembly() {
    vdso_tests::need!("cc", "gcc");
    let sources = ["extra.rs", "answer.c", "entry.S"].map(|path| format!("[[source]]\npath = {path:?}\n")).concat();
    let exports = [export("__vdso_later", Some("later")), export("__vdso_answer", Some("answer"))].concat();
    let manifest = [&clock_manifest(), &*exports, &export("__vdso_entry", None), &sources].concat();
    let artifacts = built(clock(&manifest));
    let offset = |name: &str| {
        let line = format!("pub const {name}: usize = ");
        let value = artifacts.constants.lines().find_map(|text| text.trim().strip_prefix(&*line));
        value.unwrap_or_else(|| panic!("no {name} in\n{}", artifacts.constants)).to_owned()
    };
    assert_eq!(offset("ANSWER"), offset("__VDSO_ANSWER"));
    assert_eq!(offset("LATER"), offset("__VDSO_LATER"));
    assert_ne!(offset("__VDSO_ENTRY"), offset("__VDSO_ANSWER"));
}

#[test]
fn the_bytes_depend_on_no_folder() {
    vdso_tests::need!("cc", "gcc");
    let names = ["clock.rs", "page.rs", "extra.rs", "answer.c", "answer.h", "entry.S"];
    let sources = ["extra.rs", "answer.c", "entry.S"].map(|path| format!("[[source]]\npath = {path:?}\n")).concat();
    let exports = ["__vdso_later", "__vdso_answer", "__vdso_entry"].map(|name| export(name, None)).concat();
    let text = [&clock_manifest(), &*exports, &sources].concat();
    let build = |deeper: &str| {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join(deeper);
        std::fs::create_dir_all(&inner).unwrap();
        for name in names {
            std::fs::copy(fixtures().join(name), inner.join(name)).unwrap();
        }
        let artifacts = built(Build::new(parse(&text, &inner)).library(PAGE).functions(CLOCK).build());
        (artifacts, folder.path().to_str().unwrap().to_owned())
    };
    let ((one, one_folder), (two, _)) = (build("a"), build("somewhere/else"));
    assert!(one.files() == two.files());
    for (name, bytes) in one.files() {
        for trace in [&*one_folder, "/tmp", env!("CARGO_MANIFEST_DIR")] {
            let found = bytes.windows(trace.len()).any(|window| window == trace.as_bytes());
            assert!(!found, "{name} names {trace}");
        }
    }
}

#[test]
fn a_page_of_another_abi_is_refused() {
    let page = PageAbi { abi: 7, layout: 0x1122_3344_5566_7788 };
    let build = |page| {
        let build = Build::new(parse(&clock_manifest(), &fixtures())).library(PAGE).functions(CLOCK);
        build.page_abi(page).build()
    };
    let constants = built(build(page)).constants;
    assert!(constants.contains("pub const PAGE_ABI: u32 = 7;"), "{constants}");
    assert!(constants.contains("pub const PAGE_LAYOUT: u64 = 0x1122_3344_5566_7788;"), "{constants}");
    assert_eq!(refused(build(PageAbi { abi: 8, ..page })), [Rule::PageNote]);
    assert_eq!(refused(build(PageAbi { layout: 1, ..page })), [Rule::PageNote]);
}

#[test]
fn an_image_without_a_note_has_no_page_constants() {
    let constants = built(function("#[no_mangle] pub extern \"C\" fn __vdso_f() -> u32 { 3 }")).constants;
    assert!(!constants.contains("pub const PAGE_ABI"), "{constants}");
}

#[test]
fn an_image_over_its_limit_is_refused() {
    assert_eq!(refused(clock(&clock_manifest().replace("4096", "1000"))), [Rule::SizeLimit]);
}

#[test]
fn a_panic_path_is_named() {
    let (complaints, message) = complaints(function(
        "#[no_mangle] pub extern \"C\" fn __vdso_f(table: &[u8; 4], index: usize) -> u8 { table[index] }",
    ));
    // The place of the panic, a structure with a pointer, is refused too.
    let [Complaint::Undefined { symbol, from }, Complaint::Misplaced { .. }] = &complaints[..] else {
        panic!("{complaints:?}")
    };
    assert!(symbol.contains("panic_bounds_check"), "{symbol}");
    assert!(from.iter().any(|from| from.contains("__vdso_f")), "{from:?}");
    assert!(message.contains("a function of the image can panic there"), "{message}");
}

#[test]
fn a_call_that_the_compiler_made_is_named() {
    let (complaints, message) = complaints(function(
        "#[no_mangle] pub extern \"C\" fn __vdso_f(to: &mut [u64; 100], from: &[u64; 100]) { *to = *from; }",
    ));
    let [Complaint::Undefined { symbol, .. }] = &complaints[..] else { panic!("{complaints:?}") };
    assert_eq!(symbol, "memcpy");
    assert!(message.contains("take the fields one by one"), "{message}");
}

#[test]
fn writable_data_are_named() {
    let source = "use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
        static COUNT: AtomicU32 = AtomicU32::new(5);
        #[no_mangle] pub extern \"C\" fn __vdso_f() -> u32 { COUNT.fetch_add(1, Relaxed) }";
    let (found, message) = complaints(function(source));
    let [Complaint::Misplaced { section, object }] = &found[..] else { panic!("{found:?}") };
    assert!(section.starts_with(".data.") && section.contains("COUNT"), "{section}");
    assert_eq!(object, "vdso.o");
    assert!(message.contains("mapped read-only"), "{message}");

    let (found, _) = complaints(function(Box::leak(source.replace("new(5)", "new(0)").into_boxed_str())));
    let [Complaint::Misplaced { section, .. }] = &found[..] else { panic!("{found:?}") };
    assert!(section.starts_with(".bss."), "{section}");
}

#[test]
fn pointers_in_data_are_named() {
    let (found, message) = complaints(function(
        "static NAMES: [&&str; 2] = [&\"one\", &\"two\"];
        #[no_mangle] pub extern \"C\" fn __vdso_f(i: bool) -> *const u8 { NAMES[i as usize].as_ptr() }",
    ));
    assert!(
        found
            .iter()
            .any(|it| matches!(it, Complaint::Misplaced { section, .. } if section.starts_with(".data.rel.ro"))),
        "{found:?}"
    );
    assert!(message.contains("it holds pointers"), "{message}");
}

#[test]
fn an_export_that_nobody_defines_is_named() {
    let manifest = [&clock_manifest(), &*export("__vdso_nothing", Some("nothing"))].concat();
    match clock(&manifest) {
        Err(Error::Exports { symbols }) => assert_eq!(symbols, ["__vdso_nothing", "nothing"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sources_that_do_not_compile_are_named() {
    let message = function("pub fn broken( {").unwrap_err().to_string();
    assert!(message.contains("the image does not compile") && message.contains("functions/mod.rs:1"), "{message}");
}

#[test]
fn c_sources_that_do_not_compile_are_named() {
    vdso_tests::need!("cc", "gcc");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.c"), "int f(void) { return missing; }\n").unwrap();
    let text = clock_manifest() + "[[source]]\npath = \"broken.c\"\n";
    let result = Build::new(parse(&text, folder.path())).library(PAGE).functions(CLOCK).build();
    let message = result.unwrap_err().to_string();
    assert!(message.contains("broken.c does not compile") && message.contains("missing"), "{message}");
}

#[test]
fn warnings_are_handed_out() {
    let artifacts = built(function("fn unused() {} #[no_mangle] pub extern \"C\" fn __vdso_f() {}"));
    assert!(artifacts.warnings.contains("`unused` is never used"), "{}", artifacts.warnings);
}

#[test]
fn sources_stay_in_their_folder() {
    for (files, says) in [
        (&[][..], "source `functions`: it has no files"),
        (&[("../mod.rs", "")][..], "the file name \"../mod.rs\" leaves its folder"),
        (&[("/mod.rs", "")][..], "the file name \"/mod.rs\" leaves its folder"),
    ] {
        let build = Build::new(parse(&clock_manifest(), &fixtures()));
        let message = build.functions(CrateSource { name: "functions", files }).build().unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}

/// As an architecture of one's own brings what the functions have of each.
#[test]
fn files_of_the_functions_can_be_added_and_replaced() {
    const MAIN: &str = "mod answer; #[no_mangle] pub extern \"C\" fn __vdso_f() -> u32 { answer::ANSWER }";
    const FILES: &[(&str, &str)] = &[("mod.rs", MAIN), ("answer.rs", "pub const ANSWER: u32 = 0x1234_5678;")];
    let build = |files: &[(&'static str, &'static str)]| {
        let manifest = parse(&[HEAD, &export("__vdso_f", None)].concat(), &fixtures());
        Build::new(manifest).functions(CrateSource { name: "functions", files: FILES }).function_files(files).build()
    };
    let has = |image: &[u8], answer: u32| image.windows(4).any(|bytes| bytes == answer.to_le_bytes());
    let plain = built(build(&[])).image;
    assert!(has(&plain, 0x1234_5678));
    let replaced =
        built(build(&[("answer.rs", "mod other; pub use other::ANSWER;"), ("answer/other.rs", OTHER)])).image;
    assert!(has(&replaced, 0x0055_aa66) && !has(&replaced, 0x1234_5678));

    let message = build(&[("../answer.rs", "")]).unwrap_err().to_string();
    assert!(message.contains("source `functions`: the file name \"../answer.rs\" leaves its folder"), "{message}");
    let alone = Build::new(parse(&clock_manifest(), &fixtures())).function_files(&[("answer.rs", "")]).build();
    let message = alone.unwrap_err().to_string();
    assert!(message.contains("source `answer.rs`: it belongs to the functions, and there are none"), "{message}");
}

const OTHER: &str = "pub const ANSWER: u32 = 0x0055_aa66;";

#[test]
fn missing_and_wrong_programs_are_named() {
    let build = || Build::new(parse(&clock_manifest(), &fixtures())).library(PAGE).functions(CLOCK);
    for (build, says) in [
        (build().rustc("/nonexistent/rustc"), "rustc (/nonexistent/rustc): does not start"),
        (build().rustc("/bin/false"), "rustc (/bin/false): `-vV` fails"),
        (build().linker("/nonexistent/lld"), "linker (/nonexistent/lld): does not start"),
        (build().linker("/bin/echo"), "linker (/bin/echo): is not lld"),
        (build().sysroot("/nonexistent"), "rustup target add x86_64-unknown-linux-gnu"),
    ] {
        match build.build() {
            Err(error @ Error::Tool { .. }) => assert!(error.to_string().contains(says), "{error}"),
            other => panic!("{says}: {other:?}"),
        }
    }
}

/// A function that the gate refuses by what is inside of a local function.
const REFUSED: &str = "#[inline(never)] fn halt(a: u32) -> u32 { unsafe { core::arch::asm!(\"hlt\") } a }
    #[no_mangle] pub extern \"C\" fn __vdso_f(a: u32) -> u32 { halt(a) + 1 }";

#[test]
fn a_refusal_names_local_functions_as_the_source_does() {
    let Err(error @ Error::Refused(_)) = function(REFUSED) else { panic!("not refused by the gate") };
    let message = error.to_string();
    assert!(message.contains("rule `system-instruction` at vdso::functions::halt + 0x"), "{message}");
    assert!(message.lines().any(|line| line.ends_with("  vdso::functions::halt")), "{message}");
    // As it is to be read, and without the image's bytes.
    assert!(format!("{error:?}").contains("rule `system-instruction`"), "{error:?}");
}

#[test]
fn a_refused_image_is_written_under_another_name() {
    let Err(Error::Refused(refusal)) = function(REFUSED) else { panic!("not refused by the gate") };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vdso.so"), "what was accepted before").unwrap();
    refusal.write_to(folder.path()).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["vdso.so", "vdso.so.dbg.refused", "vdso.so.refused"]);
    assert_eq!(std::fs::read(folder.path().join("vdso.so")).unwrap(), b"what was accepted before");
    // What a disassembler shows is at the addresses that the report names.
    let debug = std::fs::read(folder.path().join("vdso.so.dbg.refused")).unwrap();
    let image = std::fs::read(folder.path().join("vdso.so.refused")).unwrap();
    assert_eq!(code(&image), code(&debug));
    assert_eq!(
        symbol(&debug, "__vdso_f"),
        refusal.report.functions.iter().find(|it| it.name == "__vdso_f").unwrap().address
    );
    // It is gone when a build is accepted.
    built(clock(&clock_manifest())).write_to(folder.path()).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["vdso.rs", "vdso.so", "vdso.so.dbg"]);
}

#[test]
fn artifacts_are_written_whole_or_not_at_all() {
    let artifacts = built(clock(&clock_manifest()));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x86_64");
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    // Twice: what is there is replaced.
    for _ in 0..2 {
        artifacts.write_to(&out).unwrap();
        assert_eq!(names(), ["vdso.rs", "vdso.so", "vdso.so.dbg"]);
        for (name, content) in artifacts.files() {
            assert!(std::fs::read(out.join(name)).unwrap() == content, "{name}");
        }
    }
    let blocked = out.join("vdso.rs");
    let message = artifacts.write_to(&blocked).unwrap_err().to_string();
    assert!(message.contains(blocked.to_str().unwrap()), "{message}");
    assert_eq!(names(), ["vdso.rs", "vdso.so", "vdso.so.dbg"]);
}
