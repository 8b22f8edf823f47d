//! Every mistake in a manifest is answered with the file, the key, the value and the remedy.

use std::path::Path;
use vdso_linker::arch::{Architecture, Convention};
use vdso_linker::manifest::{Arch, Fallback, Placement};
use vdso_linker::{Error, Manifest};

/// A good manifest, but for the architecture's name.
const TEMPLATE: &str = r#"
[image]
arch = "ARCH"
soname = "linux-vdso.so.1"
page-size = 4096
size-limit = 4096
fallback = "linux-syscall"

[vvar]
placement = "before"
pages = 1

[[version]]
name = "LINUX_2.6"

[[export]]
name = "__vdso_time"
alias = "time"
version = "LINUX_2.6"

[[source]]
path = "extra.rs"
"#;

/// The architecture of the good manifest: any has pages of 4096 bytes.
const ARCH: Arch = Arch::ALL[0];

fn good() -> String {
    TEMPLATE.replace("ARCH", ARCH.name())
}

fn parse(text: &str) -> Result<Manifest, Error> {
    Manifest::parse(text, Path::new("images/vdso.toml"))
}

/// The message for the good manifest with one piece of text replaced.
fn message(from: &str, to: &str) -> String {
    let good = good();
    assert!(good.contains(from), "{from}");
    let error = parse(&good.replacen(from, to, 1)).expect_err(to);
    let message = error.to_string();
    assert!(message.starts_with("images/vdso.toml: "), "{message}");
    message
}

#[test]
fn a_good_manifest_is_read() {
    let manifest = parse(&good()).unwrap();
    assert_eq!(manifest.image.arch, ARCH);
    assert_eq!(manifest.image.fallback, Fallback::LinuxSyscall);
    assert_eq!(manifest.vvar.placement, Placement::Before);
    assert_eq!(manifest.exports[0].alias.as_deref(), Some("time"));
    assert_eq!((manifest.image_pages(), manifest.vvar_offset()), (1, -4096));
    assert_eq!(manifest.source_path(&manifest.sources[0]), Path::new("images/extra.rs"));
}

#[test]
fn architectures_are_called_by_their_names() {
    let unknown = parse(TEMPLATE).unwrap_err().to_string();
    assert!(unknown.contains("[image] arch = \"ARCH\": no architecture of that name is known"), "{unknown}");
    for &arch in Arch::ALL {
        assert!(unknown.contains(&format!("{:?}", arch.name())), "{unknown}");
        let manifest = parse(&TEMPLATE.replace("ARCH", arch.name())).unwrap();
        assert_eq!(manifest.image.arch, arch);
    }
}

const OWN: Architecture = Architecture { name: "own", page_sizes: &[65536], ..*ARCH.architecture() };

/// The text of a manifest, read where these architectures are known.
fn parse_with(text: &str, known: &[&'static Architecture]) -> Result<Manifest, Error> {
    let known: Vec<Arch> = known.iter().map(|architecture| Arch::new(architecture)).collect();
    Manifest::parse_with(text, Path::new("images/vdso.toml"), &known)
}

#[test]
fn architectures_of_ones_own() {
    static KNOWN: Architecture = OWN;
    let text = TEMPLATE.replace("ARCH", "own").replace("4096", "65536");
    let manifest = parse_with(&text, &[&KNOWN]).unwrap();
    assert_eq!((manifest.image.arch, manifest.vvar_offset()), (Arch::new(&KNOWN), -65536));
    // This crate's are known beside it.
    assert_eq!(parse_with(&good(), &[&KNOWN]).unwrap().image.arch, ARCH);
    let message = parse(&text).unwrap_err().to_string();
    assert!(message.starts_with("images/vdso.toml: [image] arch = \"own\": no architecture of that name"), "{message}");
    assert!(message.contains("`Manifest::load_with`") && !message.contains(", \"own\""), "{message}");
    let message = parse_with(TEMPLATE, &[&KNOWN]).unwrap_err().to_string();
    assert!(message.contains(&format!("use one of: {:?}", Arch::ALL[0].name())), "{message}");
    assert!(message.contains(", \"own\";"), "{message}");
}

/// Whether the manifest is for one of them or not.
#[test]
fn architectures_that_cannot_be() {
    static KNOWN: Architecture = OWN;
    static UNNAMED: Architecture = Architecture { name: "", ..OWN };
    static PATH: Architecture = Architecture { name: "a/b", ..OWN };
    static NO_PAGES: Architecture = Architecture { page_sizes: &[], ..OWN };
    static SMALL_PAGES: Architecture = Architecture { page_sizes: &[4096, 2048], ..OWN };
    static ODD_PAGES: Architecture = Architecture { page_sizes: &[5000], ..OWN };
    static EMPTY_PAGES: Architecture = Architecture { page_sizes: &[0], ..OWN };
    static HUGE_PAGES: Architecture = Architecture { page_sizes: &[1 << 62], ..OWN };
    const CONVENTION: Convention = OWN.convention;
    static STACK: Architecture = Architecture { convention: Convention { stack_pointer: 64, ..CONVENTION }, ..OWN };
    static UNALIGNED: Architecture =
        Architecture { convention: Convention { stack_alignment: 0, ..CONVENTION }, ..OWN };
    static LINK: Architecture =
        Architecture { convention: Convention { return_address: 99, return_address_at: None, ..CONVENTION }, ..OWN };
    let cases: &[(&[&'static Architecture], &str)] = &[
        (&[ARCH.architecture()], "name = "),
        (&[&KNOWN, &KNOWN], "architecture \"own\": name = \"own\": another one has that name; give it"),
        (&[&UNNAMED], "architecture \"\": name = \"\": a name is"),
        (&[&PATH], "name = \"a/b\": a name is"),
        (&[&NO_PAGES], "page_sizes = []: page sizes are powers of two from 4096 to 65536"),
        (&[&SMALL_PAGES], "page_sizes = [4096, 2048]: "),
        (&[&ODD_PAGES], "page_sizes = [5000]: "),
        (&[&EMPTY_PAGES], "page_sizes = [0]: "),
        (&[&HUGE_PAGES], "page_sizes = [4611686018427387904]: "),
        (&[&STACK], "architecture \"own\": convention.stack_pointer = 64: the stack pointer has no bit"),
        (&[&UNALIGNED], "convention.stack_alignment = 0: an alignment is a power of two"),
        (&[&LINK], "convention.return_address = 99: it starts out in a register that no function has to keep"),
    ];
    for (known, says) in cases {
        match parse_with(&good(), known) {
            Err(error @ Error::Architecture { .. }) => assert!(error.to_string().contains(says), "{says}?\n{error}"),
            other => panic!("{says}: {other:?}"),
        }
    }
}

#[test]
fn what_may_be_left_out_has_its_default() {
    let text = good().replace("page-size = 4096\n", "").replace("fallback = \"linux-syscall\"\n", "");
    let text = text.replace("[vvar]\nplacement = \"before\"\npages = 1\n", "").replace("alias = \"time\"\n", "");
    let manifest = parse(text.split("[[source]]").next().unwrap()).unwrap();
    assert_eq!((manifest.image.page_size, manifest.image.fallback), (4096, Fallback::LinuxSyscall));
    assert_eq!((manifest.vvar.placement, manifest.vvar.pages), (Placement::Before, 1));
    assert!(manifest.exports[0].alias.is_none() && manifest.sources.is_empty());
}

#[test]
fn the_image_takes_whole_pages() {
    for (limit, pages) in [(1, 1), (4096, 1), (4097, 2), (65536, 16)] {
        let text = good().replace("size-limit = 4096", &format!("size-limit = {limit}")).replace("before", "after");
        let manifest = parse(&text).unwrap();
        assert_eq!((manifest.image_pages(), manifest.vvar_offset()), (pages, 4096 * pages as i64));
    }
}

/// TOML's own messages: with line, column, and the line itself.
#[test]
fn unknown_keys_and_wrong_types_are_shown_in_their_line() {
    let arch = format!("{:?}", ARCH.name());
    for (from, to, line, says) in [
        ("size-limit = 4096", "size-limt = 4096", 6, "unknown field `size-limt`, expected one of `arch`"),
        ("pages = 1", "page = 1", 11, "unknown field `page`, expected `placement` or `pages`"),
        ("[vvar]", "[vvars]", 9, "unknown field `vvars`"),
        ("alias = ", "aliases = ", 18, "unknown field `aliases`"),
        (&arch, "3", 3, "invalid type: integer `3`, expected a string"),
        ("\"linux-syscall\"", "\"svc\"", 7, "unknown variant `svc`, expected `linux-syscall` or `enosys`"),
        ("\"before\"", "\"below\"", 10, "unknown variant `below`, expected `before` or `after`"),
        ("pages = 1", "pages = -1", 11, "invalid value: integer `-1`, expected u64"),
        ("pages = 1", "pages = \"1\"", 11, "invalid type: string \"1\", expected u64"),
        ("pages = 1", "pages =", 11, "string values must be quoted"),
        ("soname = \"linux-vdso.so.1\"\n", "", 2, "missing field `soname`"),
    ] {
        let message = message(from, to);
        assert!(message.contains(&format!("at line {line}, column")), "{to}: line {line}?\n{message}");
        assert!(message.contains(says), "{to}: {says}?\n{message}");
    }
}

#[test]
fn values_that_cannot_be_are_named_with_their_remedy() {
    let twice = "name = \"LINUX_2.6\"\n[[version]]\nname = \"LINUX_2.6\"";
    let unused = "name = \"LINUX_2.6\"\n[[version]]\nname = \"LINUX_2.5\"";
    let again = |name: &str| format!("[[export]]\nname = {name:?}\nversion = \"LINUX_2.6\"\n[[source]]");
    let second = |path: &str| format!("path = \"extra.rs\"\n[[source]]\npath = {path:?}");
    let cases: &[(&str, &str, &[&str])] = &[
        ("\"linux-vdso.so.1\"", "\"\"", &["[image] soname = \"\"", "`linux-vdso.so.1` is the name"]),
        ("\"linux-vdso.so.1\"", "\"a/b\"", &["[image] soname = \"a/b\"", "without `/`"]),
        ("\"linux-vdso.so.1\"", "\"a\\u0000\"", &["[image] soname = \"a\\0\"", "printable"]),
        ("\"linux-vdso.so.1\"", "\"a b\"", &["[image] soname = \"a b\"", "spaces"]),
        ("page-size = 4096", "page-size = 2048", &["[image] page-size = 2048", "has no pages", "one of: 4096"]),
        ("size-limit = 4096", "size-limit = 0", &["[image] size-limit = 0", "between 1 and 65536"]),
        ("size-limit = 4096", "size-limit = 65537", &["[image] size-limit = 65537", "between 1 and 65536"]),
        ("pages = 1", "pages = 0", &["[vvar] pages = 0", "1 to 16"]),
        ("pages = 1", "pages = 17", &["[vvar] pages = 17", "1 to 16"]),
        ("[[version]]\nname = \"LINUX_2.6\"", "", &["[[version]] = (none)", "add one"]),
        ("name = \"LINUX_2.6\"", "name = \"2.6\"", &["[[version]] name = \"2.6\"", "as in `LINUX_2.6`"]),
        ("name = \"LINUX_2.6\"", "name = \"\"", &["[[version]] name = \"\"", "as in `LINUX_2.6`"]),
        ("name = \"LINUX_2.6\"", "name = \".x\"", &["[[version]] name = \".x\"", "as in `LINUX_2.6`"]),
        ("name = \"LINUX_2.6\"", "name = \"A; B\"", &["[[version]] name = \"A; B\"", "as in `LINUX_2.6`"]),
        ("name = \"LINUX_2.6\"", twice, &["[[version]] name = \"LINUX_2.6\"", "declared twice"]),
        ("name = \"LINUX_2.6\"", unused, &["[[version]] name = \"LINUX_2.5\"", "no export has this version"]),
        ("\"__vdso_time\"", "\"1time\"", &["[[export]] name = \"1time\"", "C identifier"]),
        ("\"__vdso_time\"", "\"tim\u{e9}\"", &["[[export]] name = \"tim\u{e9}\"", "C identifier"]),
        ("alias = \"time\"", "alias = \"a.b\"", &["[[export]] alias = \"a.b\"", "C identifier"]),
        ("alias = \"time\"", "alias = \"vvar_page\"", &["[[export]] alias = \"vvar_page\"", "choose another name"]),
        ("alias = \"time\"", "alias = \"__vdso_time\"", &["[[export]] alias = \"__vdso_time\"", "another export"]),
        ("[[source]]", &again("time"), &["[[export]] name = \"time\"", "another export has this name"]),
        ("[[source]]", &again("Time"), &["[[export]] name = \"Time\"", "`time` differs from it only in case"]),
        ("alias = \"time\"", "align = 24", &["[[export]] \"__vdso_time\" align = 24", "one of: 16, 32, 64"]),
        (
            "version = \"LINUX_2.6\"",
            "version = \"LINUX_9\"",
            &["[[version]] name = \"LINUX_2.6\"", "no export has this version"],
        ),
        ("\"extra.rs\"", "\"/extra.rs\"", &["[[source]] path = \"/extra.rs\"", "relative to the manifest's folder"]),
        ("\"extra.rs\"", "\"extra.cpp\"", &["[[source]] path = \"extra.cpp\"", "use one of: .rs, .c, .S"]),
        ("\"extra.rs\"", "\"extra\"", &["[[source]] path = \"extra\"", "use one of: .rs, .c, .S"]),
        ("\"extra.rs\"", "\"a-b.rs\"", &["[[source]] path = \"a-b.rs\"", "rename the file"]),
        ("\"extra.rs\"", "\"match.rs\"", &["[[source]] path = \"match.rs\"", "rename the file"]),
        ("\"extra.rs\"", "\"functions.rs\"", &["[[source]] path = \"functions.rs\"", "rename the file"]),
        ("path = \"extra.rs\"", &second("b/extra.rs"), &["[[source]] path = \"b/extra.rs\"", "same module `extra`"]),
    ];
    for (from, to, says) in cases {
        let message = message(from, to);
        for part in *says {
            assert!(message.contains(part), "{to}: {part}?\n{message}");
        }
    }
}

#[test]
fn an_export_of_an_unknown_version_is_named_with_the_known_ones() {
    let another = "[[export]]\nname = \"f\"\nversion = \"LINUX_9\"\n[[source]]";
    assert_eq!(
        message("[[source]]", another),
        "images/vdso.toml: [[export]] \"f\" version = \"LINUX_9\": there is no such [[version]]; \
         declare it, or use one of: LINUX_2.6"
    );
}

#[test]
fn a_manifest_without_exports_is_refused() {
    let good = good();
    let text = good.split("[[export]]").next().unwrap();
    let message = parse(text).unwrap_err().to_string();
    assert!(message.contains("[[export]] = (none)"), "{message}");
}

#[test]
fn files_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vdso.toml");
    let message = Manifest::load(&path).unwrap_err().to_string();
    assert!(message.contains(&format!("cannot read {}", path.display())), "{message}");

    std::fs::write(&path, good()).unwrap();
    let message = Manifest::load(&path).unwrap_err().to_string();
    let source = folder.path().join("extra.rs");
    assert!(message.contains("[[source]] path = \"extra.rs\""), "{message}");
    assert!(message.contains(&format!("there is no file {}", source.display())), "{message}");

    std::fs::write(&source, "").unwrap();
    Manifest::load(&path).unwrap();
}
