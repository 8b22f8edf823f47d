//! An architecture is one folder in each part of the tree: without it, and its lines in the files beside it, all the rest
//! builds, makes the same images, and boots.
//!
//! So whoever adds one writes that folder and those lines, and changes nothing else. The rule (`docs/architectures.md`): all
//! that is an architecture's own is called `arch/ARCH` or `arch/ARCH.rs`, and is registered in the files of that folder `arch`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vdso_linker::manifest::Arch;
use vdso_tests::{skip, workspace};

#[path = "../xtask/src/core_library.rs"]
mod core_library;

/// What is no source.
const NOT_COPIED: [&str; 3] = ["target", ".git", "node_modules"];

/// The files in which an architecture's name is part of the sources. Documentation, snapshots, and the scripts that install
/// cross compilers may name whatever there is.
const SOURCES: [&str; 10] = ["rs", "toml", "in", "ld", "c", "h", "s", "S", "py", "go"];

fn files(folder: &Path, list: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry of it").path();
        if path.file_name().is_some_and(|name| NOT_COPIED.iter().any(|it| name == *it)) {
            continue;
        }
        if path.is_dir() {
            files(&path, list);
        } else {
            list.push(path);
        }
    }
}

/// Whether the file is the architecture's own: below a folder `arch/ARCH`, or `arch/ARCH.rs`.
fn is_own(path: &Path, name: &str) -> bool {
    let parts: Vec<_> = path.iter().collect();
    parts.windows(2).any(|pair| pair[0] == "arch" && Path::new(pair[1]).with_extension("") == Path::new(name))
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
    let mut entry = String::new();
    for line in text.split_inclusive('\n') {
        entry += line;
        let belongs_to_the_next = ["#[", "///"].iter().any(|start| line.trim_start().starts_with(start));
        if !belongs_to_the_next {
            if !mentions(&entry, name) {
                kept += &entry;
            }
            entry.clear();
        }
    }
    kept + &entry
}

/// Copies the workspace to `to` without the architecture of that name; the sources that name it all the same.
fn copy_without(name: &str, to: &Path) -> Vec<String> {
    let mut all = Vec::new();
    files(workspace(), &mut all);
    let mut left = Vec::new();
    for path in all {
        let place = path.strip_prefix(workspace()).expect("a path of the workspace");
        if is_own(place, name) {
            continue;
        }
        let target = to.join(place);
        fs::create_dir_all(target.parent().expect("a file has a folder")).expect("a folder of ours");
        let text = fs::read_to_string(&path).ok().filter(|_| path.extension().is_some());
        match text {
            Some(text) if is_registry(place) => {
                fs::write(&target, without_entries(&text, name)).expect("a file of ours")
            }
            text => {
                fs::copy(&path, &target).expect("a file of the workspace");
                let is_source = path.extension().is_some_and(|it| SOURCES.iter().any(|source| it == *source));
                let code = text.into_iter().filter(|_| is_source).flat_map(|text| {
                    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim().to_owned()));
                    lines.collect::<Vec<_>>()
                });
                let code =
                    code.filter(|(_, line)| !["//", "# ", "*", "/*"].iter().any(|start| line.starts_with(start)));
                left.extend(
                    code.filter(|(_, line)| mentions(line, name))
                        .map(|(at, line)| format!("{}:{at}: {line}", place.display())),
                );
            }
        }
    }
    left
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
    for arch in removable() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let left = copy_without(arch.name(), folder.path());
        assert!(left.is_empty(), "generic code names {arch}:\n{}", left.join("\n"));
    }
}

#[test]
fn the_rest_builds_and_boots_without_one() {
    let mut sysroot = None;
    for arch in Arch::ALL {
        match core_library::sysroot(arch.target(), &core_library::folder()) {
            Ok(found) => sysroot = sysroot.or(found),
            Err(error) => skip!(error.to_string()),
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
            assert!(said.contains(" 0 failed"), "without {arch}: {said}");
        }
    }
}

#[test]
fn an_entry_goes_with_its_attributes_and_nothing_else_does() {
    let text = "//! About pdp11.\nmod vax;\n#[cfg(pdp11)]\n#[path = \"x\"]\nmod x;\n/// A Pdp11.\nlist!(a);\n    (\"vax\", 1),\n";
    assert_eq!(without_entries(text, "pdp11"), "mod vax;\n    (\"vax\", 1),\n");
    assert!(is_own(Path::new("a/arch/vax/b.rs"), "vax") && is_own(Path::new("a/arch/vax.rs"), "vax"));
    assert!(!is_own(Path::new("a/arch/vax2.rs"), "vax") && !is_own(Path::new("a/vax/b.rs"), "vax"));
    assert!(is_registry(Path::new("a/arch/mod.rs")) && !is_registry(Path::new("a/arch/vax/mod.rs")));
}
