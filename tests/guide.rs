//! `docs/embedding.md`: what it quotes is in the example. And what any document links to is there.

use std::fs;
use std::path::{Path, PathBuf};
use vdso_tests::workspace;

const GUIDE: &str = "docs/embedding.md";

const DOCUMENTS: [&str; 6] =
    [GUIDE, "README.md", "CHANGELOG.md", "docs/architectures.md", "docs/performance.md", "tests/litmus/README.md"];

fn guide() -> String {
    fs::read_to_string(workspace().join(GUIDE)).expect("the guide is in the repository")
}

/// A block of code: its language, the file that it is quoted from, and its text.
struct Block<'a> {
    language: &'a str,
    quoted_from: Option<&'a str>,
    text: String,
}

/// The blocks of a text. A comment of its own before a block, `<!-- FILE -->`, says what it is quoted from.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let quoted_from = before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
            blocks.push(Block { language, quoted_from, text: code.join("\n") + "\n" });
        }
        before = line;
    }
    blocks
}

#[test]
fn quotations_are_in_the_example() {
    let guide = guide();
    let blocks = blocks(&guide);
    let mut quoted = 0;
    for Block { language, quoted_from, text } in &blocks {
        match quoted_from {
            Some(file) => {
                let source =
                    fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                assert!(source.contains(text.as_str()), "{file} does not have, as {GUIDE} says it has:\n{text}");
                quoted += 1;
            }
            None => assert!(!["rust", "c"].contains(language), "{GUIDE}: code that is quoted from nowhere:\n{text}"),
        }
    }
    assert!(quoted >= 10, "{quoted} quotations");
}

/// Each item of the example is in the guide, so that the file can be written from the guide alone.
#[test]
fn no_step_of_the_example_is_left_out() {
    let guide = guide();
    let example = fs::read_to_string(workspace().join("tests/kernel/src/embedding.rs")).expect("the example");
    let begins = ["pub ", "fn ", "const ", "static "];
    let items = example.lines().filter(|line| begins.iter().any(|begin| line.starts_with(begin)));
    let left_out: Vec<&str> = items.filter(|line| !guide.contains(line)).collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for document in DOCUMENTS {
        let path = workspace().join(document);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
        let folder = path.parent().expect("a file has a folder");
        for target in text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)) {
            if !target.starts_with("http") {
                assert!(leads_somewhere(target, &text, folder), "{document} links to {target}, which is not there");
                count += 1;
            }
        }
    }
    assert!(count >= 50, "{count} links");
}

/// Every source file below a folder.
fn sources(folder: &Path, list: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry of it").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, list);
            }
        } else if name.ends_with(".rs") {
            list.push(path);
        }
    }
}

/// Documents name files also without a link, by the ends of their paths.
#[test]
fn files_that_are_named_are_there() {
    let mut all = Vec::new();
    sources(workspace(), &mut all);
    let mut count = 0;
    for document in DOCUMENTS {
        let text = fs::read_to_string(workspace().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"));
        let words = text.split('`').flat_map(str::split_whitespace);
        for name in words.filter(|word| word.ends_with(".rs") && !word.contains(['(', 'A'])) {
            assert!(all.iter().any(|path| path.ends_with(name)), "{document} names {name}, which is not there");
            count += 1;
        }
    }
    assert!(count >= 50, "{count} files");
}

/// Whether a link from a document with this text in this folder has its file, and the file its heading.
fn leads_somewhere(target: &str, text: &str, folder: &Path) -> bool {
    let (file, heading) = target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
    let file = folder.join(file);
    let text = if target.starts_with('#') { Some(text.to_owned()) } else { fs::read_to_string(&file).ok() };
    match heading {
        Some(heading) => text.is_some_and(|text| {
            text.lines()
                .filter(|line| line.starts_with('#'))
                .any(|line| anchor(line.trim_start_matches('#')) == heading)
        }),
        None => file.exists(),
    }
}

/// The table of the architectures says what their images and their snapshots say.
#[test]
fn the_table_of_architectures_is_right() {
    let text = fs::read_to_string(workspace().join("docs/architectures.md")).expect("the document");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let row =
        |title: &str| rows.iter().find(|row| row.get(1).is_some_and(|it| it.starts_with(title))).expect("its row");
    let names = &rows.iter().find(|row| row.len() > 3).expect("the head of the table")[2..];
    for architecture in vdso_tests::arch::ARCHITECTURES {
        let name = architecture.name();
        let column = 2 + names.iter().position(|it| *it == name).unwrap_or_else(|| panic!("no column for {name}"));
        let counts = fs::read_to_string(architecture.snapshots().join("instructions.snap")).expect("the snapshot");
        let count = counts.lines().find_map(|line| line.strip_prefix("clock_gettime(Realtime) ")).expect("a hot clock");
        assert_eq!(row("instructions of a hot read")[column], count.trim(), "{name}");
        assert_eq!(row("version")[column], architecture.version, "{name}");
        let shipped = row("page size of the image")[column].split(';').next();
        assert_eq!(shipped, Some(&*architecture.image.page_size.to_string()), "{name}");
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn blocks_are_found() {
    let text = "a\n<!-- x/y.rs -->\n```rust\nlet a;\n```\n```sh\nls\n```\n";
    let blocks = blocks(text);
    assert_eq!(blocks.len(), 2);
    assert_eq!(
        (blocks[0].language, blocks[0].quoted_from, blocks[0].text.as_str()),
        ("rust", Some("x/y.rs"), "let a;\n")
    );
    assert_eq!((blocks[1].language, blocks[1].quoted_from), ("sh", None));
}
