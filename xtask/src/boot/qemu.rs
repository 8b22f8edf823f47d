//! Runs the kernel in QEMU.

use super::arch::{Architecture, Firmware};
use super::needs::Missing;
use anyhow::{bail, Context, Result};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the kernel asks on a line of its own: see `host.rs` there.
const QUESTION: &[u8] = b"host: time of day?";

/// QEMU's status when the kernel says that all is well: see `exit.rs` there.
const SUCCESS: i32 = 33;
/// And when it says that something is not.
const FAILURE: i32 = 35;

/// A kernel that has not ended by then hangs. It takes some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// The emulated machine.
pub(super) struct Machine {
    arch: &'static Architecture,
}

/// Of every machine: two CPUs, emulated, and nothing but a serial port and what the architecture adds.
const ARGUMENTS: [&str; 13] = [
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    "-smp",
    "2",
    "-m",
    "128M",
    "-accel",
    "tcg",
    "-display",
    "none",
    "-serial",
    "stdio",
];

impl Machine {
    /// The emulator for an architecture, with the machine's firmware.
    ///
    /// # Errors
    ///
    /// [`Missing`], if it is not installed.
    pub(super) fn find(arch: &'static Architecture) -> Result<Machine> {
        let program = arch.emulator;
        // Prints the folders that QEMU takes firmware from, a line each.
        let output = match Command::new(program).args(["-L", "help"]).output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Missing::in_debian(program, arch.package).into());
            }
            output => output.with_context(|| format!("cannot start {program}"))?,
        };
        if !output.status.success() {
            bail!("{program} -L help: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
        }
        if let Some(Firmware { file, packages }) = arch.firmware {
            if !is_in_one_of(&String::from_utf8_lossy(&output.stdout), file) {
                return Err(Missing::in_debian(format!("{file}, the firmware of {program},"), packages).into());
            }
        }
        Ok(Machine { arch })
    }

    /// Boots `kernel` on `cpu` with `archive` as its initial file, passes its output on, and waits until it ends.
    ///
    /// # Errors
    ///
    /// If it ends otherwise than by saying that all is well, or not in time.
    pub(super) fn run(&self, cpu: Option<&str>, kernel: &Path, archive: &Path) -> Result<()> {
        let started = Instant::now();
        let mut child = Command::new(self.arch.emulator)
            .args(ARGUMENTS)
            .args(self.arch.machine)
            .args(self.arch.firmware.iter().flat_map(|firmware| ["-bios", firmware.file]))
            .args(["-cpu", cpu.unwrap_or(self.arch.cpu)])
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(archive)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.arch.emulator))?;
        let answers = child.stdin.take().context("the emulator's input")?;
        let output = child.stdout.take().context("the emulator's output")?;
        let (sender, lines) = channel();
        let console = std::thread::spawn(move || serve(output, answers, &sender));
        loop {
            match lines.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
                Ok(line) => println!("{line}"),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    stop(&mut child);
                    bail!("the kernel did not end within {} s", PATIENCE.as_secs());
                }
            }
        }
        let status = child.wait().context("waiting for the emulator")?;
        // Its output has ended, so it has too.
        let served = console.join().unwrap_or(Ok(()));
        judge(status)?;
        served.context("the kernel's console")?;
        println!("{:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }
}

/// Whether one of the folders, a line each, has the file.
fn is_in_one_of(folders: &str, file: &str) -> bool {
    folders.lines().any(|folder| Path::new(folder).join(file).is_file())
}

fn stop(child: &mut Child) {
    // It may have ended by itself just now.
    let _ = child.kill();
    let _ = child.wait();
}

/// Passes the kernel's lines on, and answers its questions at once.
fn serve(output: impl Read, mut answers: impl Write, lines: &Sender<String>) -> std::io::Result<()> {
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        if line == QUESTION {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            // One write, so that it arrives as one.
            answers.write_all(format!("{}.{:09}\n", now.as_secs(), now.subsec_nanos()).as_bytes())?;
            answers.flush()?;
        } else if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
            break;
        }
    }
    Ok(())
}

fn judge(status: ExitStatus) -> Result<()> {
    match status.code() {
        Some(SUCCESS) => Ok(()),
        Some(FAILURE) => bail!("the kernel says that something is wrong: see its output"),
        Some(0) => {
            bail!("the machine was reset without a word from the kernel, as by an exception that it could not take")
        }
        _ => bail!("the emulator failed: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn questions_are_answered_and_not_shown() {
        let (sender, lines) = channel();
        let mut answers = Vec::new();
        serve(&b"one\nhost: time of day?\ntwo"[..], &mut answers, &sender).unwrap();
        drop(sender);
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["one", "two"]);
        let answer = String::from_utf8(answers).unwrap();
        let (sec, nsec) = answer.strip_suffix('\n').unwrap().split_once('.').unwrap();
        assert!(sec.parse::<u64>().unwrap() > 1_700_000_000);
        assert_eq!(nsec.len(), 9);
    }

    #[test]
    fn firmware_is_looked_for_where_the_emulator_looks() {
        let folder = tempfile::tempdir().unwrap();
        let folders = format!("/nowhere\n{}\n", folder.path().display());
        assert!(!is_in_one_of(&folders, "firmware.bin"));
        std::fs::write(folder.path().join("firmware.bin"), "").unwrap();
        assert!(is_in_one_of(&folders, "firmware.bin"));
        assert!(!is_in_one_of("/nowhere\n", "firmware.bin"));
    }

    #[test]
    fn one_status_only_means_success() {
        let exit = |code: i32| judge(ExitStatus::from_raw(code << 8));
        assert!(exit(33).is_ok());
        for code in [0, 1, 3, 32, 34, 35, 255] {
            assert!(exit(code).is_err(), "{code}");
        }
        assert!(judge(ExitStatus::from_raw(9)).is_err(), "killed");
        assert!(exit(0).unwrap_err().to_string().contains("was reset"));
    }
}
