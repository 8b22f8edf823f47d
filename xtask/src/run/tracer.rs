//! Follows a program, its threads, its children and what they execute, until the last of them has ended.

use super::count;
use super::inject::{self, Injected};
use super::ptrace::{self, Event, Poll, Resume};
use super::remote::Failure;
use super::say;
use super::shared::Shared;
use super::signals::{self, Received, Signals};
use anyhow::Context;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// What the tracer shall do beside mapping the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    /// Count the system calls that read clocks: every system call stops the program then.
    pub(super) count: bool,
    /// Let go of the program after its first exec.
    pub(super) detach: bool,
    /// Say what only matters to debuggers.
    pub(super) verbose: bool,
}

/// How the whole ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The program exited with this status.
    Exited(i32),
    /// The program, or the runner while it waited for the program's children, was killed by this signal.
    Killed(i32),
}

/// What [`follow`] has seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// The end of the program.
    pub(super) end: End,
    /// True if the program was executed at all.
    pub(super) executed: bool,
    /// System calls that read clocks, of the program and of all that it started.
    pub(super) clock_calls: u64,
}

/// Follows `program`, a child that was seized and is about to execute, to the end of it and of all its children.
pub(super) fn follow(program: Pid, shared: &Shared, signals: &Signals, wishes: Wishes) -> anyhow::Result<Outcome> {
    let mut tracer = Tracer::new(program, shared, wishes);
    loop {
        match ptrace::poll().context("waiting for the program")? {
            Poll::Event(pid, event) => tracer.on_event(pid, event).context("following the program")?,
            Poll::NobodyLeft => break,
            Poll::Nothing => {
                let received = signals.next().context("waiting for signals")?;
                if tracer.on_signal(received).context("passing a signal on")?.is_break() {
                    break;
                }
            }
        }
    }
    let end = tracer.end.context("the program vanished without an exit status")?;
    Ok(Outcome { end, executed: tracer.executed, clock_calls: tracer.clock_calls })
}

struct Tracer<'a> {
    program: Pid,
    shared: &'a Shared,
    wishes: Wishes,
    end: Option<End>,
    executed: bool,
    detached: bool,
    clock_calls: u64,
    /// The program is stopped.
    stopped: bool,
    /// The runner's process group was told to stop, by this signal; it does so once the program has stopped.
    stop: Option<Signal>,
    /// Notices that were given, so that each is given once.
    told: HashSet<String>,
}

impl<'a> Tracer<'a> {
    fn new(program: Pid, shared: &'a Shared, wishes: Wishes) -> Self {
        Tracer {
            program,
            shared,
            wishes,
            end: None,
            executed: false,
            detached: false,
            clock_calls: 0,
            stopped: false,
            stop: None,
            told: HashSet::new(),
        }
    }

    fn on_event(&mut self, pid: Pid, event: Event) -> Result<(), Errno> {
        let done = match event {
            Event::Exited(status) => self.on_end(pid, End::Exited(status)),
            Event::Killed(signal) => self.on_end(pid, End::Killed(signal)),
            // Not a signal about to be delivered, but the stop of a child that is no longer followed.
            Event::Signal(_) if self.detached => self.on_stop(pid),
            Event::Signal(signal) => self.resume(pid, signal),
            Event::GroupStop(_) => ptrace::listen(pid).and_then(|()| self.on_stop(pid)),
            Event::Syscall => self.on_syscall(pid).and_then(|()| self.resume(pid, 0)),
            Event::Exec => self.on_exec(pid),
            Event::Trap => self.on_trap(pid),
            Event::Fork => self.resume(pid, 0),
        };
        match done {
            // It is being killed; its end is reported in its turn.
            Err(Errno::ESRCH) => Ok(()),
            done => done,
        }
    }

    fn resume(&self, pid: Pid, signal: i32) -> Result<(), Errno> {
        ptrace::resume(pid, if self.wishes.count { Resume::ToSyscall } else { Resume::Run }, signal)
    }

    fn on_end(&mut self, pid: Pid, end: End) -> Result<(), Errno> {
        if pid == self.program {
            self.end = Some(end);
        }
        Ok(())
    }

    fn on_syscall(&mut self, pid: Pid) -> Result<(), Errno> {
        self.clock_calls += u64::from(count::reads_clock(ptrace::edge(pid)?));
        Ok(())
    }

    fn on_stop(&mut self, pid: Pid) -> Result<(), Errno> {
        if pid != self.program {
            return Ok(());
        }
        self.stopped = true;
        self.stop_with_program()
    }

    fn on_trap(&mut self, pid: Pid) -> Result<(), Errno> {
        if pid == self.program {
            (self.stopped, self.stop) = (false, None);
        }
        self.resume(pid, 0)
    }

    /// Where the terminal stopped the program, the shell waits for the runner to stop.
    fn stop_with_program(&mut self) -> Result<(), Errno> {
        let stop = self.stop.take_if(|_| self.stopped);
        stop.map_or(Ok(()), signals::stop_self)
    }

    fn on_exec(&mut self, pid: Pid) -> Result<(), Errno> {
        self.executed = true;
        match inject::inject(pid, self.shared) {
            Ok(Injected::Done { saved_vector_kept: None }) => {}
            Ok(Injected::Done { saved_vector_kept: Some(reason) }) if self.wishes.verbose => {
                self.tell(pid, &format!("debuggers will find the host's vDSO: {reason}"));
            }
            Ok(Injected::Done { .. }) => {}
            Ok(Injected::Left(reason)) => self.tell(pid, &format!("left on the host's vDSO: {reason}")),
            Err(Failure::Ended(event)) => return self.on_event(pid, event),
            Err(Failure::Refused(reason)) => {
                // Half-way in somebody else's system call there is nothing to go on with.
                self.tell(pid, &format!("killed, because it could not be put back to its start: {reason}"));
                signals::send(pid, libc::SIGKILL);
                return Ok(());
            }
        }
        if self.wishes.detach {
            ptrace::detach(pid)?;
            self.detached = true;
            say(format_args!("detached: pid {pid}"));
            return Ok(());
        }
        self.resume(pid, 0)
    }

    /// Says something of a program, once.
    fn tell(&mut self, pid: Pid, what: &str) {
        let program = std::fs::read_link(format!("/proc/{pid}/exe"));
        let program = program.map_or_else(|_| format!("pid {pid}"), |path| path.display().to_string());
        let line = format!("{program}: {what}");
        if !self.told.contains(&line) {
            say(format_args!("xtask run: {line}"));
            self.told.insert(line);
        }
    }

    /// Passes a signal on; breaks if the runner is to end.
    fn on_signal(&mut self, received: Received) -> Result<ControlFlow<()>, Errno> {
        let signal = match received {
            Received::Child => return Ok(ControlFlow::Continue(())),
            Received::Group(signal) | Received::Process(signal, _) => signal,
        };
        if self.end.is_some() {
            // Only children of the program are left, which nobody waits for but the runner.
            if [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM].contains(&signal) {
                self.end = Some(End::Killed(signal));
                return Ok(ControlFlow::Break(()));
            }
            return Ok(ControlFlow::Continue(()));
        }
        let for_runner_alone = matches!(received, Received::Process(_, sender) if !is_followed(sender));
        // A shell continues the whole process group. The program need not be told twice.
        let is_told = signal == libc::SIGCONT && !self.stopped;
        if for_runner_alone && !is_told {
            signals::send(self.program, signal);
        }
        // The program's own stop may be yet to come, or have come already.
        if let Some(stop) = signals::as_stop(signal) {
            self.stop = Some(stop);
            self.stop_with_program()?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// True if the runner traces `pid`: a signal from there was sent to the process group, as by `kill 0`.
fn is_followed(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() == std::process::id().to_string())
}
