//! `docs/embedding.md`: what it quotes is in the example, and what it links to is there.

use std::fs;
use std::path::Path;
use vdso_tests::workspace;

const GUIDE: &str = "docs/embedding.md";

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
    let guide = guide();
    let headings: Vec<String> =
        guide.lines().filter(|line| line.starts_with("## ")).map(|line| anchor(line.trim_start_matches('#'))).collect();
    let targets = guide.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let mut count = 0;
    for target in targets.filter(|target| !target.starts_with("http")) {
        let found = match target.strip_prefix('#') {
            Some(heading) => headings.iter().any(|it| it == heading),
            None => workspace().join("docs").join(Path::new(target)).exists(),
        };
        assert!(found, "{GUIDE} links to {target}, which is not there");
        count += 1;
    }
    assert!(count >= 10, "{count} links");
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
