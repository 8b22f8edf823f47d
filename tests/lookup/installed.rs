//! The table held against the clients themselves: programs that read a clock, run on each broken image.

use crate::broken::{Case, Expect, CASES};
use crate::images::images;
use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vdso_tests::{clock_calls, need, need_clocks, run};

/// How often the programs read a clock.
const READS: u64 = 1000;

/// What `xtask run` ends with if it does not start the program.
const REFUSED: Option<i32> = Some(125);

/// What a program shows of how it looked `clock_gettime` up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Found,
    SystemCalls,
    Died,
}

impl From<Expect> for Seen {
    fn from(expect: Expect) -> Seen {
        match expect {
            Expect::Finds => Seen::Found,
            Expect::Nothing | Expect::AllButClock | Expect::Rejects(_) => Seen::SystemCalls,
            Expect::Aborts(_) | Expect::Faults => Seen::Died,
        }
    }
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lookup/programs")
}

fn build(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn compile(cc: &Path, name: &str, options: &[&str]) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut command = Command::new(cc);
    command.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]).args(options);
    command.arg("-o").arg(&program).arg(programs().join("reads.c"));
    build(command);
    program
}

/// What a program shows, and what it and the runner said; none if the runner does not take the image.
type Observation = (Option<Seen>, Output);

/// Runs the program on the image of a case.
fn observe(program: &Path, case: &Case, folder: &Path) -> Observation {
    let image = images().into_iter().find(|image| image.arch.name() == ARCH).expect("an image for this machine");
    let file = folder.join("vdso.so");
    std::fs::write(&file, case.image(&image).bytes).expect("a file in the temporary folder");
    let options = ["--count-syscalls", "--image", file.to_str().expect("UTF-8")];
    let output = run(&options).arg(program).output().expect("xtask starts");
    let seen = match clock_calls(&output.stderr) {
        _ if output.status.code() == REFUSED => None,
        _ if !output.status.success() => Some(Seen::Died),
        Some(0) => Some(Seen::Found),
        Some(READS..) => Some(Seen::SystemCalls),
        calls => panic!("{}: {calls:?} clock system calls: {output:?}", case.name),
    };
    (seen, output)
}

/// Whether one of the table's clients does on every image what this program does.
fn agrees(program: &Path, clients: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let observed: Vec<(&Case, Observation)> =
        CASES.iter().map(|case| (case, observe(program, case, folder.path()))).collect();
    let line = |case: &Case, output: &Output| {
        format!("{}: {} {}", case.name, output.status, String::from_utf8_lossy(&output.stderr))
    };
    let refused: Vec<String> =
        observed.iter().filter(|(_, (seen, _))| seen.is_none()).map(|(case, (_, output))| line(case, output)).collect();
    assert!(refused.len() * 4 < CASES.len(), "the runner refuses too many images: {refused:#?}");
    let differences = |client: &&str| -> Vec<String> {
        let differs = observed
            .iter()
            .filter(|(case, (seen, _))| seen.is_some_and(|seen| seen != Seen::from(case.expected(client))));
        differs
            .map(|(case, (seen, output))| {
                format!("{client}: expected {:?}, is {seen:?}: {}", case.expected(client), line(case, output))
            })
            .collect()
    };
    let all: Vec<Vec<String>> = clients.iter().map(differences).collect();
    assert!(all.iter().any(Vec::is_empty), "{}: {all:#?}", program.display());
}

#[test]
fn glibc_dynamic() {
    let cc = need!("gcc", "gcc");
    need_clocks!();
    agrees(&compile(&cc, "reads-glibc-dynamic", &[]), &["glibc", "glibc 2.30"]);
}

#[test]
fn glibc_static() {
    let cc = need!("gcc", "gcc");
    need_clocks!();
    agrees(&compile(&cc, "reads-glibc-static", &["-static"]), &["glibc"]);
}

#[test]
fn musl_static() {
    let cc = need!("musl-gcc", "musl-tools");
    need_clocks!();
    agrees(&compile(&cc, "reads-musl-static", &["-static"]), &["musl 1.2.5", "musl"]);
}

#[test]
fn go_static() {
    let go = need!("go", "golang-go");
    need_clocks!();
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reads-go");
    let mut command = Command::new(go);
    command.args(["build", "-o"]).arg(&program).arg(programs().join("reads.go"));
    // Static, by this installation alone, and with nothing of the user's settings.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    command.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local").env("GOENV", "off").env("GOCACHE", cache);
    command.env_remove("GOFLAGS").env_remove("GOOS").env_remove("GOARCH");
    build(command);
    agrees(&program, &["Go"]);
}
