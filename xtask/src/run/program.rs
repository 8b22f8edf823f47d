//! The program to run: found as a shell finds it, started stopped, and the reason given where it cannot be started.

use super::ptrace;
use super::signals::Signals;
use anyhow::Context;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::{ForkResult, Pid};
use std::ffi::{CString, OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A program that cannot be run.
#[derive(Debug)]
pub(super) struct Unusable {
    /// The exit status that shells give: 127 "not found", 126 "found but not usable" (POSIX, Shell Command Language, 2.8.2).
    pub(super) status: u8,
    what: String,
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Unusable {}

fn not_found(what: String) -> Unusable {
    Unusable { status: 127, what }
}

fn not_usable(what: String) -> Unusable {
    Unusable { status: 126, what }
}

/// A program and its arguments.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<CString>,
}

impl Program {
    /// Finds the program that `command` names by its first word.
    pub(super) fn find(command: &[OsString]) -> Result<Program, Unusable> {
        let name = command.first().ok_or_else(|| not_found("no program given".into()))?;
        let arguments = command.iter().map(|argument| CString::new(argument.as_bytes())).collect::<Result<_, _>>();
        let arguments = arguments.map_err(|_| not_usable(format!("{}: a NUL in an argument", name.display())))?;
        Ok(Program { path: find(name)?, arguments })
    }

    /// Starts the program in a new process that waits until it is followed by the calling thread. [`Starting::go`]
    /// lets it execute.
    ///
    /// # Errors
    /// No process, or no leave to trace it.
    pub(super) fn start(&self, signals: &Signals, outlives_tracing: bool) -> anyhow::Result<Starting> {
        let path = CString::new(self.path.as_os_str().as_bytes()).context("the program's path")?;
        let arguments = pointers(&self.arguments);
        let (ours, theirs) = UnixStream::pair().context("socketpair")?;
        // SAFETY: this process has one thread, so that the new one finds every lock free; it allocates nothing.
        match unsafe { nix::unistd::fork() }.context("fork")? {
            ForkResult::Child => {
                drop(ours);
                let error = execute(&path, &arguments, signals, outlives_tracing, &theirs);
                let _ = (&theirs).write_all(&(error as i32).to_ne_bytes());
                // SAFETY: ends this process at once; nothing of the runner's runs a second time.
                unsafe { libc::_exit(127) }
            }
            ForkResult::Parent { child } => {
                drop(theirs);
                let starting = Starting { pid: child, channel: ours };
                match ptrace::seize(child) {
                    Ok(()) => Ok(starting),
                    Err(error) => Err(starting.give_up(error)),
                }
            }
        }
    }

    /// Why exec refused the program.
    pub(super) fn refused(&self, error: Errno) -> Unusable {
        let path = self.path.display();
        match error {
            // The file itself was there a moment ago.
            Errno::ENOENT => not_found(format!("{path}: the interpreter that it names does not exist")),
            Errno::ENOEXEC => {
                not_usable(format!("{path}: neither a program for this machine (ELF) nor a script with a `#!` line"))
            }
            error => not_usable(format!("{path}: {error}")),
        }
    }
}

/// A process that is about to execute a program.
#[derive(Debug)]
pub(super) struct Starting {
    /// Its number.
    pub(super) pid: Pid,
    channel: UnixStream,
}

impl Starting {
    /// Lets it execute.
    pub(super) fn go(&self) -> anyhow::Result<()> {
        (&self.channel).write_all(&[0]).context("starting the program")
    }

    /// The error of exec, once the process has ended without having executed the program.
    pub(super) fn exec_error(&self) -> Option<Errno> {
        let mut error = [0; 4];
        (&self.channel).read_exact(&mut error).ok()?;
        Some(Errno::from_raw(i32::from_ne_bytes(error)))
    }

    /// Ends the process, which cannot be traced.
    fn give_up(self, error: Errno) -> anyhow::Error {
        // It waits for a byte, and ends for want of one.
        drop(self.channel);
        let _ = ptrace::wait(self.pid);
        anyhow::anyhow!(error).context(
            "ptrace(PTRACE_SEIZE) was refused; the runner must be allowed to trace its own child: see \
             /proc/sys/kernel/yama/ptrace_scope (3 forbids it) and the container's seccomp profile",
        )
    }
}

/// In the new process: waits to be followed, then becomes the program. Returns only with the error.
fn execute(
    path: &CString,
    arguments: &[*const libc::c_char],
    signals: &Signals,
    outlives_tracing: bool,
    channel: &UnixStream,
) -> Errno {
    let mut go = [0];
    let mut channel = channel;
    if channel.read_exact(&mut go).is_err() {
        return Errno::ECANCELED;
    }
    if outlives_tracing {
        // Nothing is to be left behind when the runner is killed; a followed process has PTRACE_O_EXITKILL for it.
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    }
    if let Err(error) = signals.restore_for_program() {
        return error;
    }
    // SAFETY: both are NUL-terminated strings and a null-terminated list of them, which live until exec or return.
    unsafe { libc::execv(path.as_ptr(), arguments.as_ptr()) };
    Errno::last()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// As a shell: a name with a slash is a path; any other is looked for in the folders of `PATH`.
fn find(name: &OsStr) -> Result<PathBuf, Unusable> {
    if name.as_bytes().contains(&b'/') {
        return check(Path::new(name));
    }
    let mut found_but = None;
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        match check(&folder.join(name)) {
            Ok(path) => return Ok(path),
            Err(unusable) if unusable.status == 126 => found_but = found_but.or(Some(unusable)),
            Err(_) => {}
        }
    }
    Err(found_but.unwrap_or_else(|| not_found(format!("{}: no such program in any folder of PATH", name.display()))))
}

fn check(path: &Path) -> Result<PathBuf, Unusable> {
    let meta = path.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => not_found(format!("{}: no such program", path.display())),
        _ => not_usable(format!("{}: {error}", path.display())),
    })?;
    if meta.is_dir() {
        return Err(not_usable(format!("{}: is a folder, not a program", path.display())));
    }
    if meta.permissions().mode() & 0o111 == 0 {
        return Err(not_usable(format!("{}: not executable (chmod +x)", path.display())));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_one(name: &str) -> Result<PathBuf, Unusable> {
        Program::find(&[name.into()]).map(|program| program.path)
    }

    #[test]
    fn finds_a_program_as_a_shell_does() {
        assert!(find_one("sh").unwrap().ends_with("sh"));
        assert_eq!(find_one("/bin/sh").unwrap(), Path::new("/bin/sh"));
    }

    #[test]
    fn says_why_there_is_none() {
        let error = find_one("no-such-program-anywhere").unwrap_err();
        assert_eq!((error.status, error.to_string().contains("no-such-program-anywhere")), (127, true));
        assert_eq!(find_one("/no/such/program").unwrap_err().status, 127);
        assert_eq!(find_one("/tmp/").unwrap_err().status, 126);
        assert_eq!(find_one("/etc/passwd").unwrap_err().status, 126);
        assert_eq!(Program::find(&[]).unwrap_err().status, 127);
    }
}
