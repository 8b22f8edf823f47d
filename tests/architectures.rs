//! An architecture is one folder in each part of the tree: without it, and its lines in the files beside it, all the rest
//! builds, makes the same images, and boots.
//!
//! So whoever adds one writes that folder and those lines, and changes nothing else. The rule (`docs/architectures.md`): all
//! that is an architecture's own is called `arch/ARCH` or `arch/ARCH.rs`, and is registered in the files of that folder `arch`.

#![cfg(target_arch = "x86_64")] // the host of the runner and the benchmarks, which are programs for it

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vdso_linker::manifest::Arch;
use vdso_tests::{skip, workspace};

#[path = "../xtask/src/core_library.rs"]
mod core_library;

/// The files in which an architecture's name is part of the sources. Documentation, snapshots, and the scripts that install
/// cross compilers may name whatever there is.
const SOURCES: [&str; 10] = ["rs", "toml", "in", "ld", "c", "h", "s", "S", "py", "go"];

fn files(folder: &Path, list: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            // Cargo marks the folder that it builds in, but not if that was there before.
            let is_built = path.ends_with("target") || path.join("CACHEDIR.TAG").exists();
            if !is_built && !path.ends_with(".git") {
                files(&path, list);
            }
        } else {
            list.push(path);
        }
    }
}

/// Whether the file is the architecture's own: below a folder `arch/ARCH`, or `arch/ARCH.rs`.
fn is_own(path: &Path, name: &str) -> bool {
    let parts: Vec<_> = path.iter().collect();
    parts.windows(2).any(|pair| pair[0] == "arch" && (pair[1] == name || pair[1] == OsStr::new(&format!("{name}.rs"))))
}

/// Whether the file may register architectures: it lies in a folder `arch`.
fn is_registry(path: &Path) -> bool {
    path.parent().and_then(Path::file_name) == Some(OsStr::new("arch"))
}

fn mentions(text: &str, name: &str) -> bool {
    text.to_ascii_lowercase().contains(name)
}

/// The text without the entries of that name: each a line, with the attributes and the documentation above it.
fn without_entries(text: &str, name: &str) -> String {
    let mut kept = String::new();
    let (mut entry, mut is_named) = (String::new(), false);
    for line in text.split_inclusive('\n') {
        let (is_documentation, is_attribute) =
            (line.trim_start().starts_with("//"), line.trim_start().starts_with("#["));
        entry += line;
        is_named |= !is_documentation && mentions(line, name);
        if !is_documentation && !is_attribute {
            if !is_named {
                kept += &entry;
            }
            (entry, is_named) = (String::new(), false);
        }
    }
    kept + &entry
}

/// The lines of a source that name the architecture, with their numbers: code, and code in documentation.
fn naming_lines<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    let mut is_in_example = false;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    lines.filter(move |(_, line)| {
        let is_comment = ["//", "# ", "* ", "/*"].iter().any(|start| line.starts_with(start));
        is_in_example ^= is_comment && line.contains("```");
        (!is_comment || is_in_example) && mentions(line, name)
    })
}

/// A file of the workspace, as it is without the architecture of that name.
enum Without {
    /// It is the architecture's.
    Nothing,
    /// It registers architectures.
    Text(String),
    /// It is what it was.
    Same,
}

fn without(place: &Path, name: &str) -> Without {
    if is_own(place, name) {
        return Without::Nothing;
    }
    if is_registry(place) {
        let text = fs::read_to_string(workspace().join(place)).expect("a source is text");
        return Without::Text(without_entries(&text, name));
    }
    Without::Same
}

/// Every file, by its place in the workspace.
fn places() -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(workspace(), &mut all);
    let place = |path: PathBuf| path.strip_prefix(workspace()).expect("a path of the workspace").to_owned();
    all.into_iter().map(place).collect()
}

/// Copies the workspace to `to` without the architecture of that name.
fn copy_without(name: &str, to: &Path) {
    for place in places() {
        let target = to.join(&place);
        fs::create_dir_all(target.parent().expect("a file has a folder")).expect("a folder of ours");
        match without(&place, name) {
            Without::Nothing => {}
            Without::Text(text) => fs::write(&target, text).expect("a file of ours"),
            Without::Same => drop(fs::copy(workspace().join(&place), &target).expect("a file of the workspace")),
        }
    }
}

/// Where the copy is and builds: below `target`, so that a second run finds the dependencies built.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("architectures")
}

/// Cargo in the copy, with `core` from where this tree has it.
fn cargo(copy: &Path, sysroot: Option<&Path>, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(copy).args(arguments);
    if let Some(sysroot) = sysroot {
        command.env(core_library::SYSROOT, sysroot);
    }
    // Neither is of use to what is built once: a gigabyte.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
    command.env("CARGO_TARGET_DIR", folder().join("target")).env(core_library::BUILD_CORE, core_library::script());
    let output = command.output().expect("cargo, which built this test, starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {}\n{errors}", arguments.join(" "), output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The architectures that can be taken away: the runner and the benchmarks are programs for the host's.
fn removable() -> impl Iterator<Item = Arch> {
    Arch::ALL.iter().copied().filter(|arch| arch.name() != std::env::consts::ARCH)
}

#[test]
fn generic_code_names_none() {
    let mut naming = String::new();
    for place in places() {
        if !place.extension().is_some_and(|it| SOURCES.iter().any(|source| it == *source)) {
            continue;
        }
        for arch in removable() {
            let text = match without(&place, arch.name()) {
                Without::Nothing => continue,
                Without::Text(text) => text,
                Without::Same => fs::read_to_string(workspace().join(&place)).expect("a source is text"),
            };
            for (at, line) in naming_lines(&text, arch.name()) {
                naming += &format!("{}:{at}: {line}\n", place.display());
            }
        }
    }
    assert!(naming.is_empty(), "generic code names architectures:\n{naming}");
}

#[test]
fn the_rest_builds_and_boots_without_one() {
    let mut sysroot = None;
    for arch in Arch::ALL {
        match core_library::sysroot(arch.target(), &core_library::folder()) {
            Ok(found) => sysroot = sysroot.or(found),
            Err(error) if error.is::<core_library::NoCore>() => skip!(error.to_string()),
            Err(error) => panic!("{error:#}"),
        }
    }
    for arch in removable() {
        let copy = folder().join("copy");
        let _ = fs::remove_dir_all(&copy);
        copy_without(arch.name(), &copy);
        let others = || Arch::ALL.iter().filter(|other| **other != arch);
        let cargo = |arguments: &[&str]| cargo(&copy, sysroot.as_deref(), arguments);

        cargo(&["check", "--quiet", "--locked", "--workspace", "--all-targets"]);
        let said = cargo(&["xtask", "build-vdso", "--arch", "all", "--check"]);
        let images: Vec<&str> = said.lines().filter(|line| line.contains("image is what the sources make")).collect();
        let expected: Vec<String> = others().map(|other| format!("{other}: ")).collect();
        let same = images.iter().zip(&expected).all(|(image, other)| image.starts_with(other));
        assert!(images.len() == expected.len() && same, "without {arch}: {said}");

        // The test kernel is a workspace of its own, and each architecture compiles other parts of it.
        for other in others() {
            let boot = ["xtask", "boot", other.name()];
            let missing = cargo(&[&boot[..], &["--missing"]].concat());
            if !missing.is_empty() {
                skip!(missing.trim_end().replace('\n', "; "));
            }
            let said = cargo(&boot);
            let runs = said.lines().find_map(|line| line.split_once(" runs, 0 failed")?.0.parse().ok());
            assert!(runs > Some(0), "without {arch}: {said}");
        }
    }
}

#[test]
fn an_entry_goes_with_its_attributes_and_nothing_else_does() {
    let documented = "/// As on pdp11.\nfield: u32,\n";
    assert_eq!(without_entries(documented, "pdp11"), documented);
    let example = "/// Not on pdp11.\n/// ```\n/// pdp11();\n/// ```\n// pdp11\npdp11!();\n";
    assert_eq!(naming_lines(example, "pdp11").map(|(at, _)| at).collect::<Vec<_>>(), [3, 6]);
    let text = "//! About pdp11.\nmod vax;\n#[cfg(pdp11)]\n#[path = \"x\"]\nmod x;\n/// One.\nlist!(Pdp11);\n    (\"vax\", 1),\n";
    assert_eq!(without_entries(text, "pdp11"), "//! About pdp11.\nmod vax;\n    (\"vax\", 1),\n");
    assert!(is_own(Path::new("a/arch/vax/b.rs"), "vax") && is_own(Path::new("a/arch/vax.rs"), "vax"));
    assert!(!is_own(Path::new("a/arch/vax2.rs"), "vax") && !is_own(Path::new("a/vax/b.rs"), "vax"));
    assert!(is_registry(Path::new("a/arch/mod.rs")) && !is_registry(Path::new("a/arch/vax/mod.rs")));
}
