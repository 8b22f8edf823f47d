//! An architecture is one folder in each part of the tree: without it, and its lines in the files beside it, all the rest
//! builds, and builds the same images.
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
#[allow(dead_code)] // the folder of `xtask`'s own build of it
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

/// Cargo in a copy, with a target folder that all copies share, and `core` from where this tree has it.
fn cargo(copy: &Path, sysroot: Option<&Path>, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(copy).args(arguments);
    if let Some(sysroot) = sysroot {
        command.env(core_library::SYSROOT, sysroot);
    }
    command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("architectures"));
    let output = command.output().expect("cargo, which built this test, starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {}\n{errors}", arguments.join(" "), output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_rest_builds_without_one() {
    // The runner and the benchmarks are programs for the host.
    let removable = || Arch::ALL.iter().filter(|arch| arch.name() != std::env::consts::ARCH);
    let mut sysroot = None;
    for arch in Arch::ALL {
        match core_library::sysroot(arch.target(), &core_library::folder()) {
            Ok(found) => sysroot = sysroot.or(found),
            Err(error) => skip!(error.to_string()),
        }
    }
    for arch in removable() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let copy = folder.path().join("copy");
        let left = copy_without(arch.name(), &copy);
        assert!(left.is_empty(), "generic code names {arch}:\n{}", left.join("\n"));

        cargo(&copy, sysroot.as_deref(), &["check", "--quiet", "--locked", "--workspace", "--all-targets"]);
        let said = cargo(&copy, sysroot.as_deref(), &["xtask", "build-vdso", "--arch", "all", "--check"]);
        for other in Arch::ALL {
            let line = format!("{other}: the committed image is what the sources make");
            assert_eq!(said.contains(&line), other != arch, "without {arch}: {said}");
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
