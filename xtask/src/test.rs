//! `cargo xtask test`: every check of the project, one after the other, and what was skipped.
//!
//! A check whose tool is missing is skipped, and so is a test that says so (see `vdso_tests::skipped`). Both are listed at
//! the end with the package that brings the tool. With `CI=true` nothing may be skipped.

use crate::boot;
use anyhow::{bail, Context};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;
use vdso_linker::manifest::Arch;

/// Names the file to which each skipped test adds a line: `vdso_tests::SKIPPED`.
const SKIPPED: &str = "VDSO_SKIPPED";

/// One check.
struct Step {
    name: &'static str,
    work: Work,
    needs: Option<Tool>,
    verdict: Verdict,
}

/// What a step runs.
enum Work {
    /// Cargo, with arguments and environment.
    Cargo(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// rustfmt on every source file. Cargo by itself would leave out those of the test kernel, which is a workspace of its own,
    /// and those whose `mod` a macro makes.
    Format,
    /// Clippy on the test kernel: a check an architecture.
    KernelLints,
    /// `build-vdso --check`: a check an architecture.
    Images,
}

/// A program that a step needs besides cargo itself.
struct Tool {
    /// Arguments with which cargo succeeds only where the tool is installed.
    probe: &'static [&'static str],
    name: &'static str,
    /// How to install it.
    remedy: &'static str,
}

/// How a step's outcome is told.
enum Verdict {
    /// By the exit status: one check.
    Status,
    /// By the lines `test result: ...` of its test programs as well: a check a test.
    TestResults,
    /// By the exit status, and by the output being one line long.
    OneLine,
}

const RUSTFMT: Tool = Tool { probe: &["fmt", "--version"], name: "rustfmt", remedy: "rustup component add rustfmt" };
const CLIPPY: Tool = Tool { probe: &["clippy", "--version"], name: "clippy", remedy: "rustup component add clippy" };
const DENY: Tool =
    Tool { probe: &["deny", "--version"], name: "cargo-deny", remedy: "cargo install --locked cargo-deny" };

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Work::Cargo(arguments, _) => write!(f, "cargo {}", arguments.join(" ")),
            Work::Format => write!(f, "cargo fmt --all --check -- FILES"),
            Work::KernelLints => write!(f, "cargo clippy, in tests/kernel"),
            Work::Images => write!(f, "cargo xtask build-vdso --check"),
        }
    }
}

/// In the order in which they run: what is quickly told first.
const STEPS: &[Step] = &[
    Step { name: "format", work: Work::Format, needs: Some(RUSTFMT), verdict: Verdict::Status },
    Step {
        name: "vvar depends on nothing",
        work: Work::Cargo(&["tree", "--locked", "--edges", "normal", "--all-features", "--package", "vvar"], &[]),
        needs: None,
        verdict: Verdict::OneLine,
    },
    // Not the advisories: their list is fetched from the network, and changes without a change here. The workflow in
    // .github checks them.
    Step {
        name: "licences and sources of dependencies",
        work: Work::Cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"], &[]),
        needs: Some(DENY),
        verdict: Verdict::Status,
    },
    Step {
        name: "lints",
        work: Work::Cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"], &[]),
        needs: Some(CLIPPY),
        verdict: Verdict::Status,
    },
    Step { name: "lints of the test kernel", work: Work::KernelLints, needs: Some(CLIPPY), verdict: Verdict::Status },
    Step {
        name: "the committed images are what the sources make",
        work: Work::Images,
        needs: None,
        verdict: Verdict::Status,
    },
    Step {
        name: "tests",
        work: Work::Cargo(&["test", "--locked", "--workspace", "--no-fail-fast"], &[]),
        needs: None,
        verdict: Verdict::TestResults,
    },
    Step {
        name: "tests of the image built from source",
        work: Work::Cargo(
            &["test", "--locked", "--package", "vdso-image", "--features", "from-source,source", "--no-fail-fast"],
            &[],
        ),
        needs: None,
        verdict: Verdict::TestResults,
    },
    Step {
        name: "documentation",
        work: Work::Cargo(&["doc", "--locked", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "--deny warnings")]),
        needs: None,
        verdict: Verdict::Status,
    },
];

/// Counts of checks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    const PASSED: Tally = Tally { passed: 1, failed: 0, skipped: 0 };
    const FAILED: Tally = Tally { passed: 0, failed: 1, skipped: 0 };
    const SKIPPED: Tally = Tally { passed: 0, failed: 0, skipped: 1 };

    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// What the whole run found.
#[derive(Default)]
struct Summary {
    tally: Tally,
    /// Names of the steps that failed.
    failures: Vec<&'static str>,
    /// A line each: what was skipped, and what it needs.
    skipped: Vec<String>,
}

/// Runs every check, in the workspace that this program was built from.
///
/// # Errors
///
/// If a check fails, or with `CI=true` if one was skipped.
pub(crate) fn run() -> anyhow::Result<()> {
    let list = tempfile::NamedTempFile::new().context("a file for the names of skipped tests")?;
    let mut summary = Summary::default();
    for step in STEPS {
        let started = Instant::now();
        println!("== {}: {}", step.name, step.work);
        let tally = run_step(step, list.path(), &mut summary.skipped)?;
        println!("== {}: {} ({:.1?})\n", step.name, outcome(tally), started.elapsed());
        if tally.failed > 0 {
            summary.failures.push(step.name);
        }
        summary.tally.add(tally);
    }
    count_skipped_tests(&mut summary, list.path())?;
    report(&summary);
    judge(&summary, std::env::var("CI").is_ok_and(|ci| ci == "true"))
}

fn outcome(tally: Tally) -> &'static str {
    match tally {
        Tally { failed: 1.., .. } => "FAILED",
        Tally { passed: 0, skipped: 1.., .. } => "skipped",
        _ => "passed",
    }
}

fn run_step(step: &Step, list: &Path, skipped: &mut Vec<String>) -> anyhow::Result<Tally> {
    if let Some(tool) = step.needs.as_ref().filter(|tool| !is_installed(tool)) {
        skipped.push(format!("SKIPPED {}: needs {} ({})", step.name, tool.name, tool.remedy));
        return Ok(Tally::SKIPPED);
    }
    let mut command = match step.work {
        Work::Cargo(arguments, environment) => {
            let mut command = cargo(arguments);
            command.envs(environment.iter().copied());
            command
        }
        Work::Format => format_command()?,
        Work::KernelLints => return lint_kernels(skipped),
        Work::Images => return check_images(skipped),
    };
    command.env(SKIPPED, list);
    match step.verdict {
        Verdict::Status => Ok(by_status(command.status().context("starting cargo")?)),
        Verdict::OneLine => {
            let mut lines = 0;
            let status = stream(&mut command, |_| lines += 1)?;
            Ok(if lines == 1 { by_status(status) } else { Tally::FAILED })
        }
        Verdict::TestResults => {
            let mut tally = Tally::default();
            let status = stream(&mut command, |line| tally.add(test_result(line).unwrap_or_default()))?;
            // A failure without a failed test: one that did not compile, or that ended its own program.
            if !status.success() && tally.failed == 0 {
                tally.add(Tally::FAILED);
            }
            Ok(tally)
        }
    }
}

/// Lints the test kernel for each architecture for which it can be compiled here.
fn lint_kernels(skipped: &mut Vec<String>) -> anyhow::Result<Tally> {
    let needs = |it: &boot::Architecture| (it.name(), it.targets().to_vec());
    each(boot::ARCHITECTURES, needs, skipped, "lints of the test kernel", boot::lint)
}

/// Compares each image that can be compiled here.
fn check_images(skipped: &mut Vec<String>) -> anyhow::Result<Tally> {
    each(
        Arch::ALL,
        |it| (it.name(), vec![it.target()]),
        skipped,
        "the committed image",
        |it| Ok(cargo(&["xtask", "build-vdso", "--check", "--arch", it.name()])),
    )
}

/// One check for each of the architectures, of the given names, whose targets there is a `core` for.
fn each<T: Copy>(
    architectures: &[T],
    needs: impl Fn(T) -> (&'static str, Vec<&'static str>),
    skipped: &mut Vec<String>,
    what: &str,
    check: impl Fn(T) -> anyhow::Result<Command>,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    for &architecture in architectures {
        let (name, targets) = needs(architecture);
        match boot::missing_core(&targets) {
            Ok(missing) if missing.is_empty() => {
                println!("for {name}");
                tally.add(by_status(check(architecture)?.status().context("starting cargo")?));
            }
            Ok(missing) => {
                let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
                skipped.push(format!("SKIPPED {what} for {name}: {}", missing.join("; ")));
                tally.add(Tally::SKIPPED);
            }
            Err(error) => {
                println!("for {name}: {error:#}");
                tally.add(Tally::FAILED);
            }
        }
    }
    Ok(tally)
}

fn format_command() -> anyhow::Result<Command> {
    let mut files = Vec::new();
    source_files(workspace(), &mut files)?;
    files.sort();
    let mut command = cargo(&["fmt", "--all", "--check", "--"]);
    command.args(files);
    Ok(command)
}

/// The Rust files below a folder that somebody has written: nothing of cargo's, and not what `vdso-linker` writes beside an image.
fn source_files(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("reading {}", folder.display());
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().with_context(unreadable)?.is_dir() {
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            // Cargo marks the folder that it builds in, but not if that was there before.
            let is_built = name == "target" || path.join("CACHEDIR.TAG").exists();
            if !is_hidden && !is_built {
                source_files(&path, files)?;
            }
        } else if path.extension().is_some_and(|it| it == "rs") && !path.with_extension("so").exists() {
            files.push(path);
        }
    }
    Ok(())
}

fn by_status(status: ExitStatus) -> Tally {
    if status.success() {
        Tally::PASSED
    } else {
        Tally::FAILED
    }
}

/// The cargo that runs this program, in the workspace.
fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace());
    command
}

fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

fn is_installed(tool: &Tool) -> bool {
    let probe = cargo(tool.probe).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}

/// Runs a command, passes its standard output on as it comes, and shows each line to `look`.
fn stream(command: &mut Command, mut look: impl FnMut(&str)) -> anyhow::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting cargo")?;
    let output = child.stdout.take().context("cargo's standard output")?;
    // A test may print anything, hence bytes.
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("reading cargo's output")?;
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&line).and_then(|()| stdout.write_all(b"\n")).context("writing cargo's output")?;
        look(&String::from_utf8_lossy(&line));
    }
    child.wait().context("waiting for cargo")
}

/// The counts of a line like `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; ...`, as libtest ends with.
fn test_result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |word: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

/// A test that skips itself has passed for libtest: moves it to where it belongs.
fn count_skipped_tests(summary: &mut Summary, list: &Path) -> anyhow::Result<()> {
    let ignored = summary.tally.skipped - summary.skipped.len() as u64;
    if ignored > 0 {
        summary.skipped.push(format!("SKIPPED {ignored} tests marked as ignored"));
    }
    let text = fs::read_to_string(list).context("reading the names of skipped tests")?;
    let count = text.lines().count() as u64;
    summary.skipped.extend(text.lines().map(str::to_owned));
    summary.tally.passed = summary.tally.passed.saturating_sub(count);
    summary.tally.skipped += count;
    Ok(())
}

fn report(summary: &Summary) {
    for line in &summary.skipped {
        println!("{line}");
    }
    for name in &summary.failures {
        println!("FAILED {name}");
    }
    let Tally { passed, failed, skipped } = summary.tally;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
}

fn judge(summary: &Summary, ci: bool) -> anyhow::Result<()> {
    if summary.tally.failed > 0 {
        bail!("failed: {}", summary.failures.join(", "));
    }
    if ci && summary.tally.skipped > 0 {
        bail!("with CI=true nothing may be skipped");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_counts_of_a_test_program() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s";
        assert_eq!(test_result(line), Some(Tally { passed: 12, failed: 3, skipped: 1 }));
        assert_eq!(test_result("test client::runs ... ok"), None);
        assert_eq!(test_result("test result: nonsense"), None);
    }

    #[test]
    fn a_test_that_skipped_itself_counts_as_skipped() {
        let mut list = tempfile::NamedTempFile::new().unwrap();
        writeln!(list, "SKIPPED clients::go: needs go (Debian package golang-go)").unwrap();
        let mut summary = Summary { tally: Tally { passed: 5, failed: 0, skipped: 0 }, ..Summary::default() };
        count_skipped_tests(&mut summary, list.path()).unwrap();
        assert_eq!(summary.tally, Tally { passed: 4, failed: 0, skipped: 1 });
        assert!(summary.skipped[0].contains("golang-go"));
        assert!(judge(&summary, false).is_ok());
        assert!(judge(&summary, true).is_err(), "nothing may be skipped in CI");
    }

    #[test]
    fn ignored_tests_are_listed_beside_skipped_steps() {
        let list = tempfile::NamedTempFile::new().unwrap();
        let mut summary = Summary { skipped: vec!["SKIPPED lints: ...".into()], ..Summary::default() };
        summary.tally = Tally { passed: 1, failed: 0, skipped: 3 };
        count_skipped_tests(&mut summary, list.path()).unwrap();
        assert_eq!(summary.skipped[1], "SKIPPED 2 tests marked as ignored");
        assert_eq!(summary.tally.skipped, 3);
    }

    #[test]
    fn source_files_are_those_that_somebody_has_written() {
        let folder = tempfile::tempdir().unwrap();
        let ours = ["a.rs", "arch/x/mod.rs", "arch/x/vdso.rs", "arch/x/vdso.so", "c.c", ".hidden/d.rs"];
        for name in ours.iter().chain(&["target/b.rs", "built/CACHEDIR.TAG", "built/b.rs"]) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut files = Vec::new();
        source_files(folder.path(), &mut files).unwrap();
        files.sort();
        assert_eq!(files, ["a.rs", "arch/x/mod.rs"].map(|name| folder.path().join(name)));
    }

    #[test]
    fn a_failure_is_an_error_that_names_the_step() {
        let summary = Summary { tally: Tally::FAILED, failures: vec!["lints"], skipped: vec![] };
        assert!(judge(&summary, false).unwrap_err().to_string().contains("lints"));
    }

    #[test]
    fn a_program_that_ends_badly_without_a_failed_test_is_a_failure() {
        let step = Step {
            name: "no such package",
            work: Work::Cargo(&["test", "--package", "no-such-package"], &[]),
            needs: None,
            verdict: Verdict::TestResults,
        };
        let list = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(run_step(&step, list.path(), &mut Vec::new()).unwrap(), Tally::FAILED);
    }

    #[test]
    fn a_missing_tool_is_skipped_with_its_remedy() {
        let missing = Tool { probe: &["no-such-command"], name: "nothing", remedy: "cargo install nothing" };
        let step =
            Step { name: "x", work: Work::Cargo(&["version"], &[]), needs: Some(missing), verdict: Verdict::Status };
        let mut skipped = Vec::new();
        let list = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(run_step(&step, list.path(), &mut skipped).unwrap(), Tally::SKIPPED);
        assert_eq!(skipped, ["SKIPPED x: needs nothing (cargo install nothing)"]);
    }
}
