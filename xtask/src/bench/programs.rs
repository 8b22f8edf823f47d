//! Whole programs under `cargo xtask run`, against the same programs on the host's vDSO.

use super::row::{Row, Unit};
use super::statistics::Spread;
use super::{progress::Progress, Effort};
use anyhow::{bail, Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A program that prints how many nanoseconds one of its calls takes.
struct Program {
    name: &'static str,
    source: &'static str,
    text: &'static str,
    /// What makes or runs it, tried in this order.
    tool: &'static str,
    make: Make,
}

enum Make {
    /// The tool makes a program, with these arguments before the output's and the source's name.
    Compile(&'static [&'static str]),
    /// The tool runs the source.
    Interpret,
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "program/c/clock_gettime",
        source: "loop.c",
        text: include_str!("programs/loop.c"),
        tool: "cc",
        make: Make::Compile(&["-O2", "-o"]),
    },
    Program {
        name: "program/python/time.time",
        source: "loop.py",
        text: include_str!("programs/loop.py"),
        tool: "python3",
        make: Make::Interpret,
    },
    Program {
        name: "program/go/time.Now",
        source: "loop.go",
        text: include_str!("programs/loop.go"),
        tool: "go",
        make: Make::Compile(&["build", "-o"]),
    },
];

/// A row for each program whose tool is there. The short form leaves Go out, whose first build takes as long as the rest.
pub(crate) fn rows(effort: Effort, progress: &mut Progress) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir().context("a folder for the programs")?;
    let mut rows = vec![];
    for (done, program) in PROGRAMS.iter().enumerate() {
        if effort == Effort::Quick && program.tool == "go" {
            continue;
        }
        progress.show(program.name, done, PROGRAMS.len());
        match prepare(program, folder.path())? {
            Some(command) => rows.extend(measure(program.name, &command, effort.rounds(9))?),
            None => eprintln!("bench: {} is not installed; {} is left out", program.tool, program.name),
        }
    }
    Ok(rows)
}

/// The command that runs it; `None` without the tool.
fn prepare(program: &Program, folder: &Path) -> Result<Option<Vec<OsString>>> {
    let source = folder.join(program.source);
    fs::write(&source, program.text).with_context(|| format!("cannot write {}", source.display()))?;
    let binary = source.with_extension("out");
    let status = match program.make {
        Make::Compile(arguments) => Command::new(program.tool).args(arguments).arg(&binary).arg(&source).status(),
        Make::Interpret => Command::new(program.tool).arg("--version").stdout(Stdio::null()).status(),
    };
    match status {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot start {}", program.tool)),
        Ok(status) if !status.success() => bail!("{} {}: {status}", program.tool, program.source),
        Ok(_) => {}
    }
    Ok(Some(match program.make {
        Make::Compile(_) => vec![binary.into()],
        Make::Interpret => vec![program.tool.into(), source.into()],
    }))
}

fn measure(name: &str, command: &[OsString], rounds: usize) -> Result<Option<Row>> {
    let runner = std::env::current_exe().context("cannot find this program's own file")?;
    let on_ours: Vec<OsString> =
        [runner.into(), "run".into(), "--".into()].into_iter().chain(command.iter().cloned()).collect();
    let (mut ours, mut host) = (vec![], vec![]);
    for _ in 0..rounds {
        ours.push(output(&on_ours)?);
        host.push(output(command)?);
    }
    let ratio = Spread::of(ours.iter().zip(&host).map(|(ours, host)| ours / host).collect());
    Ok(Spread::of(ours).map(|ours| Row { host: Spread::of(host), ratio, ..Row::new(name, Unit::Ns, ours) }))
}

/// The number that the program prints.
fn output(command: &[OsString]) -> Result<f64> {
    let [program, arguments @ ..] = command else { bail!("an empty command") };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{} ended with {}", program.display(), output.status);
    }
    text.trim().parse().with_context(|| format!("{} printed {text:?} instead of a number", program.display()))
}
