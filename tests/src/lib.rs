//! What the tests of the whole share: a way to say that a tool is missing, a way to start `cargo xtask run`, and what there
//! is to know of each architecture.
//!
//! | module | what |
//! |---|---|
//! | [`arch`] | the architectures, one folder each |
//! | [`architecture`] | the form of what is known of one |
//! | [`calls`] | what the clock functions of every image do, as checks of a guest |
//! | [`clocks`] | clocks that tell a time of their own |
//! | [`guest`] | an image for another architecture, called under QEMU's user mode |
//! | [`machine`] | instructions as the checker of memory models takes them |
//! | [`random`] | numbers that are the same in every run |
//! | [`unwinding`] | frame descriptions, evaluated as an unwinder does it |
//!
//! A test that needs a program of the machine asks for it by [`need!`]. Where the program is missing the test is
//! *skipped*: one line on standard error and, if `VDSO_SKIPPED` names a file, the same line at its end, from where
//! `cargo xtask test` lists it. With `CI=true` nothing may be skipped, and the test fails instead.
//!
//! ```no_run
//! // #[test]
//! fn gdb_prints_a_backtrace() {
//!     let gdb = vdso_tests::need!("gdb", "gdb");
//!     let output = vdso_tests::run(&["--count-syscalls"]).arg("date").output().unwrap();
//!     assert_eq!(vdso_tests::clock_calls(&output.stderr), Some(0));
//! #   let _ = gdb;
//! }
//! ```

#[path = "../arch/mod.rs"]
pub mod arch;
pub mod architecture;
pub mod calls;
pub mod clocks;
pub mod guest;
pub mod machine;
pub mod random;
pub mod unwinding;

pub use architecture::{Architecture, Emulated};

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Names a file to which a line is added for every skipped test.
pub const SKIPPED: &str = "VDSO_SKIPPED";

/// Names an `xtask` program to test, instead of the one that cargo builds from this tree.
pub const XTASK: &str = "VDSO_XTASK";

/// The path of a program, or an early `return` from the test that needs it.
///
/// `need!("gdb", "gdb")`: the program's name as one would type it, then the Debian package that brings it.
#[macro_export]
macro_rules! need {
    ($name:expr, $package:expr) => {
        match $crate::tool($name) {
            Some(path) => path,
            None => $crate::skip!(format!("needs {} (Debian package {})", $name, $package)),
        }
    };
}

/// An early `return` from a test that needs clocks in the page, on a machine where the runner leaves them to the system
/// call: see [`clocks_missing`].
#[macro_export]
macro_rules! need_clocks {
    () => {
        if let Some(reason) = $crate::clocks_missing() {
            $crate::skip!(reason);
        }
    };
}

/// Leaves the test, counted as skipped for the reason given. With `CI=true` the test fails.
#[macro_export]
macro_rules! skip {
    ($reason:expr) => {{
        fn here() {}
        $crate::skipped($crate::enclosing(std::any::type_name_of_val(&here)), &$reason);
        return;
    }};
}

/// The path of the program `name`: as it stands if it has a `/`, else the first one on `PATH`.
pub fn tool(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_program(path));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Records that `test` was skipped. [`skip!`] calls it with the name of the function that it stands in.
///
/// # Panics
/// With `CI=true`, where nothing may be skipped.
pub fn skipped(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}\n");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "with CI=true nothing may be skipped: {line}");
    // Past the capture of the test harness: a skipped test passes, and the output of one that passes is not shown.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(list) = std::env::var_os(SKIPPED) {
        let list = PathBuf::from(list);
        // One write to a file opened for appending: lines of tests that run side by side do not mix.
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&list)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            panic!("{SKIPPED}={}: {error}", list.display());
        }
    }
}

/// `file::test` of `file::test::here` or `file::test::{{closure}}::here`.
#[doc(hidden)]
pub fn enclosing(here: &'static str) -> &'static str {
    here.trim_end_matches("::here").trim_end_matches("::{{closure}}")
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a member of a workspace")
}

/// The `xtask` program of this tree, built on first use.
///
/// # Panics
/// If it cannot be built; the compiler's messages are on standard error then.
pub fn xtask() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| std::env::var_os(XTASK).map_or_else(build_xtask, PathBuf::from))
}

fn build_xtask() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "xtask", "--bin", "xtask", "--message-format=json-render-diagnostics"])
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo, which built this test, starts");
    assert!(output.status.success(), "cargo build --package xtask: {}", output.status);
    let messages = String::from_utf8_lossy(&output.stdout);
    let path = messages.lines().find_map(executable_of).expect("cargo names the program that it built");
    PathBuf::from(path)
}

/// The program that one of cargo's messages announces (cargo book, "External tools", `compiler-artifact`).
fn executable_of(message: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    Some(message.get("executable")?.as_str()?.to_owned())
}

/// Lets the program start as from a login shell, whatever this test was itself started by (`nohup`, a script's `&`, a CI
/// runner): no signal ignored or blocked, no file open but 0, 1 and 2.
pub fn afresh(command: &mut Command) -> &mut Command {
    // SAFETY: each of these is one system call, which may be made between fork and exec, and touches no memory of ours but
    // `none`, on the child's own stack.
    unsafe {
        command.pre_exec(|| {
            for signal in 1..libc::SIGRTMIN() {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        })
    }
}

/// `xtask run OPTIONS --`: the caller adds the program and its arguments.
pub fn run(options: &[&str]) -> Command {
    let mut command = Command::new(xtask());
    command.arg("run").args(options).arg("--");
    afresh(&mut command);
    command
}

/// Why the runner leaves the clocks to the system call on this machine: its TSC is of no use, for one reason or another.
/// `None`: it publishes them.
pub fn clocks_missing() -> Option<&'static str> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let missing = || {
        let output = run(&[]).arg("true").output().expect("xtask starts");
        let text = String::from_utf8_lossy(&output.stderr);
        let reason =
            text.lines().find_map(|line| line.strip_prefix("xtask run: clocks are left to the system call: "))?;
        Some(format!("needs a machine whose clocks count by the TSC: {reason}"))
    };
    MISSING.get_or_init(missing).as_deref()
}

/// N of the line `clock system calls: N`, with which `run --count-syscalls` ends its standard error.
pub fn clock_calls(stderr: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(stderr);
    text.lines().next_back()?.strip_prefix("clock system calls: ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_as_a_shell_does() {
        assert!(tool("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(tool("/bin/sh"), Some(PathBuf::from("/bin/sh")));
        assert_eq!(tool("no-such-program-anywhere"), None);
        assert_eq!(tool("/"), None, "a folder is no program");
    }

    #[test]
    fn a_skip_names_the_test_that_it_stands_in() {
        fn here() {}
        let name = enclosing(std::any::type_name_of_val(&here));
        assert!(name.ends_with("tests::a_skip_names_the_test_that_it_stands_in"), "{name}");
    }

    #[test]
    fn reads_the_count_from_the_last_line_only() {
        assert_eq!(clock_calls(b"noise\nclock system calls: 12\n"), Some(12));
        assert_eq!(clock_calls(b"clock system calls: 12\nnoise\n"), None);
        assert_eq!(clock_calls(b""), None);
    }
}
