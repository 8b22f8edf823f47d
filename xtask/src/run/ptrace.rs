//! ptrace(2) and wait4(2) for a tracer that passes every signal through, the real-time ones included (nix's wrappers
//! know the signals that have names, and fail on the others).

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;
use rustix::process::WaitOptions;

/// What `wait` reports of a process or thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It ended by exit(2), with this status.
    Exited(i32),
    /// It was killed by this signal.
    Killed(i32),
    /// A signal is about to be delivered: "signal-delivery-stop".
    Signal(i32),
    /// It takes part in the stop of its whole process by this signal: "group-stop".
    GroupStop(i32),
    /// The first stop of a new process or thread, or the end of a group-stop.
    Trap,
    /// It enters or leaves the kernel.
    Syscall,
    /// It runs a new program: the first instruction is about to be executed.
    Exec,
    /// It has started another process or thread.
    Fork,
}

/// How a stopped thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// To the next signal or event.
    Run,
    /// To the next signal, event, or edge of a system call.
    ToSyscall,
}

/// Which edge of a system call a [`Event::Syscall`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// The call is about to be made.
    Entry {
        /// The `AUDIT_ARCH_*` value of the system-call table (linux/audit.h).
        arch: u32,
        /// The number in that table.
        number: u64,
    },
    /// The call was made.
    Exit {
        /// What it returned.
        value: i64,
    },
}

/// An event that libc names for other targets only (linux/ptrace.h).
const PTRACE_EVENT_STOP: i32 = 128;

/// Follows `pid` from now on, without stopping it: its threads, its children and the programs that they execute.
/// Everything that is followed dies with the calling thread.
pub(super) fn seize(pid: Pid) -> Result<(), Errno> {
    use ptrace::Options;
    let options = Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACESYSGOOD;
    ptrace::seize(pid, options)
}

/// What [`poll`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Poll {
    /// This happened to that child or followed thread.
    Event(Pid, Event),
    /// Nothing has happened since the last call.
    Nothing,
    /// There is no child and no followed thread any more.
    NobodyLeft,
}

/// Looks whether something has happened to any child or followed thread.
pub(super) fn poll() -> Result<Poll, Errno> {
    // UNTRACED: stops of a child that is no longer followed.
    match wait_for(None, WaitOptions::UNTRACED | WaitOptions::NOHANG) {
        Err(Errno::ECHILD) => Ok(Poll::NobodyLeft),
        Err(error) => Err(error),
        Ok(None) => Ok(Poll::Nothing),
        Ok(Some((pid, event))) => Ok(Poll::Event(pid, event)),
    }
}

/// Waits until something happens to `pid`. `ECHILD`: it is gone.
pub(super) fn wait(pid: Pid) -> Result<Event, Errno> {
    loop {
        if let Some((_, event)) = wait_for(Some(pid), WaitOptions::empty())? {
            return Ok(event);
        }
    }
}

fn wait_for(pid: Option<Pid>, options: WaitOptions) -> Result<Option<(Pid, Event)>, Errno> {
    // __WALL: threads too.
    let options = options | WaitOptions::from_bits_retain(libc::__WALL as u32);
    let pid = pid.and_then(|pid| rustix::process::Pid::from_raw(pid.as_raw()));
    let reported = loop {
        match rustix::process::waitpid(pid, options) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Errno::from_raw(error.raw_os_error())),
            Ok(reported) => break reported,
        }
    };
    Ok(reported.map(|(pid, status)| (Pid::from_raw(pid.as_raw_nonzero().get()), decode(status.as_raw()))))
}

/// The status word of wait4(2) as an event (ptrace(2), "Stopped states").
fn decode(status: i32) -> Event {
    if libc::WIFEXITED(status) {
        return Event::Exited(libc::WEXITSTATUS(status));
    }
    if libc::WIFSIGNALED(status) {
        return Event::Killed(libc::WTERMSIG(status));
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        0 if signal == libc::SIGTRAP | 0x80 => Event::Syscall,
        0 => Event::Signal(signal),
        libc::PTRACE_EVENT_EXEC => Event::Exec,
        PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Event::GroupStop(signal),
        PTRACE_EVENT_STOP => Event::Trap,
        _ => Event::Fork,
    }
}

/// Lets a stopped thread go on, with a signal (0: none). The signal keeps its siginfo if it is the one that is being
/// delivered.
pub(super) fn resume(pid: Pid, how: Resume, signal: i32) -> Result<(), Errno> {
    let request = match how {
        Resume::Run => libc::PTRACE_CONT,
        Resume::ToSyscall => libc::PTRACE_SYSCALL,
    };
    request_with_signal(request, pid, signal)
}

/// Leaves a thread in its group-stop, where SIGCONT finds it.
pub(super) fn listen(pid: Pid) -> Result<(), Errno> {
    request_with_signal(libc::PTRACE_LISTEN, pid, 0)
}

/// Lets go of a stopped thread, for good.
pub(super) fn detach(pid: Pid) -> Result<(), Errno> {
    request_with_signal(libc::PTRACE_DETACH, pid, 0)
}

fn request_with_signal(request: libc::c_uint, pid: Pid, signal: i32) -> Result<(), Errno> {
    // SAFETY: these requests take their last argument as a number and touch no memory of ours.
    let result = unsafe { libc::ptrace(request, pid.as_raw(), 0usize, signal as usize) };
    Errno::result(result).map(drop)
}

/// The edge of the system call at which the thread is stopped.
pub(super) fn edge(pid: Pid) -> Result<Edge, Errno> {
    let info = ptrace::syscall_info(pid)?;
    if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
        // SAFETY: `op` says that the kernel filled this member of the union.
        let number = unsafe { info.u.entry.nr };
        return Ok(Edge::Entry { arch: info.arch, number });
    }
    if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
        // SAFETY: `op` says that the kernel filled this member of the union.
        let value = unsafe { info.u.exit.sval };
        return Ok(Edge::Exit { value });
    }
    Err(Errno::EINVAL)
}

/// The signals that a stopped thread blocks, a bit each, signal 1 lowest.
pub(super) fn signal_mask(pid: Pid) -> Result<u64, Errno> {
    let mut mask = 0u64;
    // SAFETY: the kernel writes as many bytes as the third argument says, to a word that lives across the call.
    let result =
        unsafe { libc::ptrace(libc::PTRACE_GETSIGMASK, pid.as_raw(), size_of::<u64>(), &mut mask as *mut u64) };
    Errno::result(result).map(|_| mask)
}

/// Sets the signals that a stopped thread blocks. SIGKILL and SIGSTOP stay open.
pub(super) fn set_signal_mask(pid: Pid, mask: u64) -> Result<(), Errno> {
    // SAFETY: the kernel reads as many bytes as the third argument says, from a word that lives across the call.
    let result = unsafe { libc::ptrace(libc::PTRACE_SETSIGMASK, pid.as_raw(), size_of::<u64>(), &mask as *const u64) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(event: i32, signal: i32) -> i32 {
        event << 16 | signal << 8 | 0x7f
    }

    #[test]
    fn status_words() {
        assert_eq!(decode(7 << 8), Event::Exited(7));
        assert_eq!(decode(libc::SIGTERM), Event::Killed(libc::SIGTERM));
        assert_eq!(decode(libc::SIGSEGV | 0x80), Event::Killed(libc::SIGSEGV), "with a core");
        assert_eq!(decode(stopped(0, libc::SIGTERM)), Event::Signal(libc::SIGTERM));
        assert_eq!(decode(stopped(0, 64)), Event::Signal(64), "a real-time signal");
        assert_eq!(
            decode(stopped(0, libc::SIGTRAP)),
            Event::Signal(libc::SIGTRAP),
            "a breakpoint of the program's own"
        );
        assert_eq!(decode(stopped(0, libc::SIGTRAP | 0x80)), Event::Syscall);
        assert_eq!(decode(stopped(PTRACE_EVENT_STOP, libc::SIGTRAP)), Event::Trap);
        assert_eq!(decode(stopped(PTRACE_EVENT_STOP, libc::SIGTSTP)), Event::GroupStop(libc::SIGTSTP));
        assert_eq!(decode(stopped(libc::PTRACE_EVENT_EXEC, libc::SIGTRAP)), Event::Exec);
        assert_eq!(decode(stopped(libc::PTRACE_EVENT_VFORK, libc::SIGTRAP)), Event::Fork);
        assert_eq!(decode(stopped(libc::PTRACE_EVENT_CLONE, libc::SIGTRAP)), Event::Fork);
    }
}
