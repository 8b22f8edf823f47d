//! The runner's own signals: what is sent to it is meant for the program.
//!
//! All of them are blocked and taken one by one between two events of the program, so that no handler runs.
//!
//! - What the terminal sends (^C, ^\, ^Z, a change of its size) it sends to the whole process group: the program has
//!   got its own, and the runner drops it.
//! - What somebody sends to the runner alone is passed on.
//! - A stop from the terminal (^Z) stops the program; the shell waits for the runner, so that the runner has to stop
//!   as well, after the program.

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::unistd::Pid;
use rustix::process::DumpableBehavior;
use std::mem::MaybeUninit;

/// The blocked signals, and what was in force before.
pub(super) struct Signals {
    blocked: SigSet,
    mask_before: SigSet,
    child_before: SigAction,
}

/// A signal that was sent to the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// Something happened to a child.
    Child,
    /// The terminal, or the kernel for another reason, sent this to the whole process group.
    Group(i32),
    /// That process sent this, to the runner or to its process group.
    Process(i32, Pid),
}

/// The signals by which a terminal stops a process group.
const STOPS: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// The signal as one of [`STOPS`].
pub(super) fn as_stop(signal: i32) -> Option<Signal> {
    STOPS.into_iter().find(|&stop| stop as i32 == signal)
}

/// The signals that report a fault of the runner itself. Blocking them would not hold them back.
const FAULTS: [Signal; 7] =
    [Signal::SIGABRT, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGSEGV, Signal::SIGSYS, Signal::SIGTRAP];

impl Signals {
    /// Blocks all signals of the calling thread and of the threads that it starts later.
    pub(super) fn block() -> Result<Self, Errno> {
        let mut blocked = SigSet::all();
        for fault in FAULTS {
            blocked.remove(fault);
        }
        // An ignored SIGCHLD, which is inherited, would never be reported.
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: the default disposition runs no code.
        let child_before = unsafe { signal::sigaction(Signal::SIGCHLD, &default) }?;
        let mask_before = blocked.thread_swap_mask(signal::SigmaskHow::SIG_BLOCK)?;
        Ok(Signals { blocked, mask_before, child_before })
    }

    /// Puts back what the program is to inherit. To be called in the new process, before exec.
    pub(super) fn restore_for_program(&self) -> Result<(), Errno> {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: what was in force before the runner set anything; this process runs no handler before exec.
        unsafe { signal::sigaction(Signal::SIGCHLD, &self.child_before) }?;
        // Rust's runtime ignores SIGPIPE; programs expect the default, as std::process::Command gives them.
        // SAFETY: the default disposition runs no code.
        unsafe { signal::sigaction(Signal::SIGPIPE, &default) }?;
        self.mask_before.thread_set_mask()
    }

    /// Waits for the next signal to the runner.
    pub(super) fn next(&self) -> Result<Received, Errno> {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        loop {
            // SAFETY: both point to values of the types asked for that live across the call.
            let signal = unsafe { libc::sigwaitinfo(self.blocked.as_ref(), info.as_mut_ptr()) };
            match Errno::result(signal) {
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
                // SAFETY: zero is a value of each of its fields, and sigwaitinfo has filled it.
                Ok(signal) => return Ok(Self::classify(signal, unsafe { info.assume_init_ref() })),
            }
        }
    }

    fn classify(signal: i32, info: &libc::siginfo_t) -> Received {
        if signal == libc::SIGCHLD {
            return Received::Child;
        }
        // Codes above zero are the kernel's (sigaction(2), "The si_code field").
        if info.si_code > 0 {
            return Received::Group(signal);
        }
        // SAFETY: the codes up to zero are those of kill, sigqueue, timers and the like, which set a sender or leave 0.
        Received::Process(signal, Pid::from_raw(unsafe { info.si_pid() }))
    }
}

/// Passes a signal on to a child that was not waited for yet (so that the number is still its own).
pub(super) fn send(pid: Pid, signal: i32) {
    // SAFETY: kill(2) touches no memory. That the child may have ended meanwhile is no error.
    let _ = unsafe { libc::kill(pid.as_raw(), signal) };
}

/// Stops the runner by the signal that stopped the program, until SIGCONT.
pub(super) fn stop_self(signal: Signal) -> Result<(), Errno> {
    signal::raise(signal)?;
    let only = SigSet::from(signal);
    // Here it is delivered: its disposition is the default one.
    only.thread_unblock()?;
    only.thread_block()
}

/// Ends the runner by the signal that ended the program, without a core of its own.
pub(super) fn die_of(signal: i32) -> ! {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // SAFETY: all-zero is a valid sigaction and set; the default disposition runs no code; every pointer is to a local.
    unsafe {
        let mut only = std::mem::zeroed();
        libc::sigemptyset(&mut only);
        libc::sigaddset(&mut only, signal);
        let default: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, &default, std::ptr::null_mut());
        libc::raise(signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &only, std::ptr::null_mut());
    }
    // What a shell reports for a signal, should this one not have ended us.
    std::process::exit(128 + signal)
}
