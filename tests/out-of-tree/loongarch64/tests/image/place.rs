//! Nothing outside this folder knows the architecture.

use std::fs;
use std::path::{Path, PathBuf};
use vdso_loongarch64::image;
use vdso_tests::workspace;

/// The endings of the files in which an architecture's name is part of the sources. Documents may name whatever there is; so may
/// the lists of what is installed or locked: `.ci/run` (core for the target, a disassembler), which has no ending and is thereby
/// excepted, and `Cargo.lock` (this crate).
const SOURCES: [&str; 13] = ["rs", "toml", "in", "ld", "c", "h", "s", "S", "py", "go", "litmus", "sh", "yml"];

/// The sources below a folder, but for what is built there and what is this crate's.
fn sources(folder: &Path, list: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            // Cargo marks the folder that it builds in, but not if that was there before.
            let is_built = path.ends_with("target") || path.join("CACHEDIR.TAG").exists();
            if !is_built && !path.ends_with(".git") && path != Path::new(env!("CARGO_MANIFEST_DIR")) {
                sources(&path, list);
            }
        } else if path.extension().is_some_and(|it| SOURCES.iter().any(|source| it == *source)) {
            list.push(path);
        }
    }
}

/// The lines of code that hold the name, with their numbers. What a comment says of the architecture is no knowledge that
/// anything is built on.
fn naming_lines<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    lines.filter(move |(_, line)| {
        let is_comment = ["//", "#", "* ", "/*"].iter().any(|start| line.starts_with(start)) && !line.starts_with("#[");
        !is_comment && line.to_ascii_lowercase().contains(name)
    })
}

#[test]
fn no_code_outside_this_folder_names_the_architecture() {
    let name = image::ARCH.name().trim_end_matches("64"); // of its 32 bits, too
    let mut files = Vec::new();
    sources(workspace(), &mut files);
    assert!(files.contains(&workspace().join("linker/src/arch/mod.rs")), "the workspace's sources are found");
    let mut naming = String::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("a source is text");
        for (at, line) in naming_lines(&text, name) {
            naming += &format!("{}:{at}: {line}\n", path.display());
        }
    }
    assert!(naming.is_empty(), "code outside this folder names {name}:\n{naming}");
}

#[test]
fn a_name_in_code_is_found_and_one_in_a_comment_is_not() {
    let text = "// As on pdp11.\nmod vax;\n#[cfg(target_arch = \"PDP11\")]\n# pdp11\nlet x = pdp11(); // of it\n";
    assert_eq!(naming_lines(text, "pdp11").map(|(at, _)| at).collect::<Vec<_>>(), [3, 5]);
}
