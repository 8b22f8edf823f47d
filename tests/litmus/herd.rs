//! The committed tests and their verdicts, and herd7, which makes them.

use super::protocol::Case;
use super::trace::output;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use vdso_tests::machine::Machine;

/// What a model says of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    /// `Never` or `Sometimes` (or `Always`): whether executions that the model allows have the outcome.
    observation: String,
    /// Executions with the outcome and without it.
    executions: (u64, u64),
    /// The hash of what was judged.
    hash: u64,
}

/// The file with an architecture's verdicts.
const VERDICTS: &str = "verdicts.txt";

/// Compares the folder with what is generated, the verdicts with the tests that they were made for, and each verdict with what it
/// has to be. With `update` the files are written, and with `herd` the verdicts made again.
pub(crate) fn check(machine: &dyn Machine, folder: &Path, cases: &[Case], update: bool, herd: Option<PathBuf>) {
    if update {
        write_tests(machine, folder, cases);
    }
    let mut wrong = compare(machine, folder, cases);
    let committed = std::fs::read_to_string(folder.join(VERDICTS)).unwrap_or_default();
    let mut verdicts = parse(&committed);
    if let Some(herd) = herd {
        let (title, made) = judge(machine, folder, cases, &herd);
        if update {
            std::fs::write(folder.join(VERDICTS), print(&title, &made)).expect("the folder of the tests");
        } else if made != verdicts {
            writeln!(wrong, "other verdicts than the committed ones:\n{}", print(&title, &made)).expect("a string");
        }
        verdicts = made;
    }
    for case in cases {
        let name = &case.litmus.name;
        let (hash, expected) = (hash(&case.litmus.body()), if case.mutant { "Sometimes" } else { "Never" });
        match verdicts.get(name) {
            None => writeln!(wrong, "{name}: has no verdict"),
            Some(verdict) if verdict.hash != hash => writeln!(wrong, "{name}: its verdict was made for another text"),
            Some(Verdict { observation, .. }) if observation != expected => {
                writeln!(wrong, "{name}: {observation}, and should be {expected}")
            }
            Some(_) => Ok(()),
        }
        .expect("a string");
    }
    assert!(
        wrong.is_empty(),
        "{wrong}tests/litmus/README.md says how to write the tests anew (LITMUS=update) and how to have them judged (HERD7=...)"
    );
}

fn write_tests(machine: &dyn Machine, folder: &Path, cases: &[Case]) {
    std::fs::create_dir_all(folder).expect("the folder of the tests");
    for file in files(folder) {
        std::fs::remove_file(folder.join(file)).expect("a file of ours");
    }
    for case in cases {
        std::fs::write(folder.join(file_name(case)), case.litmus.text(machine)).expect("the folder of the tests");
    }
}

fn compare(machine: &dyn Machine, folder: &Path, cases: &[Case]) -> String {
    let mut wrong = String::new();
    for case in cases {
        let file = folder.join(file_name(case));
        let (committed, generated) = (std::fs::read_to_string(&file).unwrap_or_default(), case.litmus.text(machine));
        if committed != generated {
            let differs = committed.lines().zip(generated.lines()).find(|(a, b)| a != b);
            writeln!(wrong, "{} is not what is generated: {differs:?}", file.display()).expect("a string");
        }
    }
    for file in files(folder).iter().filter(|file| cases.iter().all(|case| file_name(case) != **file)) {
        writeln!(wrong, "{file} is not generated any more").expect("a string");
    }
    wrong
}

fn file_name(case: &Case) -> String {
    format!("{}.litmus", case.litmus.name)
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|it| it.file_name().into_string().ok());
    names.filter(|it| it.ends_with(".litmus")).collect()
}

/// Has every test judged; with the checker's version and the model as a title.
fn judge(machine: &dyn Machine, folder: &Path, cases: &[Case], herd: &Path) -> (String, BTreeMap<String, Verdict>) {
    let version = output(Command::new(herd).arg("-version")).unwrap_or_else(|it| panic!("{it}"));
    let title = format!("herd7 {}, {}", version.split(',').next().unwrap_or("").trim(), machine.model());
    let judge = |case: &Case| {
        let mut command = Command::new(herd);
        command.args(["-model", machine.model(), "-show", "none"]).arg(folder.join(file_name(case)));
        let text = output(&mut command).unwrap_or_else(|it| panic!("{it}"));
        let observation = text.lines().find_map(|it| it.strip_prefix("Observation "));
        let words: Vec<&str> = observation.unwrap_or("").split_whitespace().collect();
        let [_, observation, with, without] = words.as_slice() else {
            panic!("{}: herd7 makes no observation:\n{text}", case.litmus.name);
        };
        let number = |it: &str| it.parse().unwrap_or_else(|_| panic!("{it} is no number of executions"));
        let verdict = Verdict {
            observation: (*observation).to_owned(),
            executions: (number(with), number(without)),
            hash: hash(&case.litmus.body()),
        };
        (case.litmus.name.clone(), verdict)
    };
    (title, cases.iter().map(judge).collect())
}

fn print(title: &str, verdicts: &BTreeMap<String, Verdict>) -> String {
    let mut text = format!("# {title}: test, verdict, executions with the outcome and without, hash of the test\n");
    for (name, Verdict { observation, executions: (with, without), hash }) in verdicts {
        writeln!(text, "{name:<52} {observation:<9} {with:>6} {without:>6} {hash:016x}").expect("a string");
    }
    text
}

fn parse(text: &str) -> BTreeMap<String, Verdict> {
    let verdict = |line: &str| {
        let [name, observation, with, without, hash] = line.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
        let executions = (with.parse().ok()?, without.parse().ok()?);
        let hash = u64::from_str_radix(hash, 16).ok()?;
        Some((name.to_owned(), Verdict { observation: observation.to_owned(), executions, hash }))
    };
    text.lines().filter(|it| !it.starts_with('#')).filter_map(verdict).collect()
}

/// FNV-1a: tells a text from one that was changed since.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
