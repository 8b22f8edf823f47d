//! System calls made inside a followed process that stands at the first instruction of a new program.
//!
//! The `syscall` instruction used is one that the host's vDSO contains, so that nothing of the program is overwritten.
//! Each call is watched from its entry to its exit by system-call stops: no breakpoint and no single step, hence no
//! SIGTRAP that the program could have blocked or ignored.

use super::ptrace::{self, Edge, Event, Resume};
use super::x86_64;
use nix::errno::Errno;
use nix::libc::{self, user_regs_struct as Registers};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

/// Why something could not be done inside a process.
#[derive(Debug)]
pub(super) enum Failure {
    /// The process has ended meanwhile, in this way.
    Ended(Event),
    /// It cannot be done; the text says what and why.
    Refused(String),
}

impl Failure {
    /// The failure of a ptrace request. A thread that is being killed is "no such process" to all of them.
    fn of_request(pid: Pid, what: &str, error: Errno) -> Failure {
        if error != Errno::ESRCH {
            return Failure::Refused(format!("{what}: {error}"));
        }
        loop {
            match ptrace::wait(pid) {
                Ok(event @ (Event::Exited(_) | Event::Killed(_))) => return Failure::Ended(event),
                Ok(_) => {}
                Err(error) => return Failure::Refused(format!("{what}: the process is gone: {error}")),
            }
        }
    }
}

/// The memory of a followed process.
pub(super) struct Memory(File);

impl Memory {
    pub(super) fn open(pid: Pid) -> io::Result<Memory> {
        OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem")).map(Memory)
    }

    /// Reads at most `buffer.len()` bytes; fewer where the mapping ends.
    pub(super) fn read_some(&self, buffer: &mut [u8], address: u64) -> io::Result<usize> {
        self.0.read_at(buffer, address)
    }

    /// Fills the buffer.
    pub(super) fn read(&self, buffer: &mut [u8], address: u64) -> Result<(), Failure> {
        self.0
            .read_exact_at(buffer, address)
            .map_err(|error| Failure::Refused(format!("reading its memory at {address:#x}: {error}")))
    }

    /// Writes, read-only memory included.
    pub(super) fn write(&self, bytes: &[u8], address: u64) -> Result<(), Failure> {
        self.0
            .write_all_at(bytes, address)
            .map_err(|error| Failure::Refused(format!("writing its memory at {address:#x}: {error}")))
    }
}

/// How many bytes [`Remote::put`] has room for.
const SCRATCH: usize = 256;

/// A process in which system calls are made. [`Remote::leave`] puts it back to where it was.
pub(super) struct Remote<'a> {
    pid: Pid,
    memory: &'a Memory,
    /// Address of a `syscall` instruction.
    instruction: u64,
    registers: Registers,
    mask: u64,
    scratch_before: [u8; SCRATCH],
    stop_owed: bool,
}

impl<'a> Remote<'a> {
    /// Takes over a process that stands at its exec stop.
    pub(super) fn enter(pid: Pid, memory: &'a Memory, instruction: u64) -> Result<Self, Failure> {
        let request = |what: &'static str| move |error| Failure::of_request(pid, what, error);
        let mask = ptrace::signal_mask(pid).map_err(request("reading its signal mask"))?;
        let registers = nix::sys::ptrace::getregs(pid).map_err(request("reading its registers"))?;
        let mut remote =
            Remote { pid, memory, instruction, registers, mask, scratch_before: [0; SCRATCH], stop_owed: false };
        let scratch = remote.scratch();
        memory.read(&mut remote.scratch_before, scratch)?;
        // No signal is to be delivered between two calls.
        ptrace::set_signal_mask(pid, u64::MAX).map_err(request("blocking its signals"))?;
        // At the exec stop it is still inside execve: to the exit of that.
        remote.run_to_syscall_stop()?;
        Ok(remote)
    }

    /// Below what the new program has on its stack. The kernel gives it at least 128 KiB there (fs/exec.c of Linux,
    /// `setup_arg_pages`).
    fn scratch(&self) -> u64 {
        (self.registers.rsp - x86_64::RED_ZONE - SCRATCH as u64) & !15
    }

    /// Puts `bytes` into the process's memory, in the place of what was put before, and gives their address.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<u64, Failure> {
        if bytes.len() > SCRATCH {
            return Err(Failure::Refused(format!("{} bytes do not fit the {SCRATCH} set aside", bytes.len())));
        }
        self.memory.write(bytes, self.scratch())?;
        Ok(self.scratch())
    }

    /// Makes a system call in the process. `name` is for messages.
    pub(super) fn call(&mut self, name: &str, number: i64, arguments: [u64; 6]) -> Result<u64, Failure> {
        let registers = x86_64::call(&self.registers, self.instruction, number, arguments);
        self.set_registers(registers)?;
        self.run_to_syscall_stop()?;
        self.run_to_syscall_stop()?;
        match ptrace::edge(self.pid) {
            Ok(Edge::Exit { value }) if (-4095..0).contains(&value) => {
                Err(Failure::Refused(format!("{name}: {}", Errno::from_raw(-value as i32))))
            }
            Ok(Edge::Exit { value }) => Ok(value as u64),
            Ok(Edge::Entry { .. }) => Err(Failure::Refused(format!("{name}: entered the kernel twice"))),
            Err(error) => Err(Failure::of_request(self.pid, name, error)),
        }
    }

    /// To the next edge of a system call. A stop signal, the only one that cannot be blocked, is put off.
    fn run_to_syscall_stop(&mut self) -> Result<(), Failure> {
        loop {
            ptrace::resume(self.pid, Resume::ToSyscall, 0)
                .map_err(|error| Failure::of_request(self.pid, "going on", error))?;
            match ptrace::wait(self.pid) {
                Ok(Event::Syscall) => return Ok(()),
                Ok(Event::Signal(libc::SIGSTOP) | Event::GroupStop(_)) => self.stop_owed = true,
                Ok(Event::Trap) => {}
                Ok(event @ (Event::Exited(_) | Event::Killed(_))) => return Err(Failure::Ended(event)),
                Ok(event) => return Err(Failure::Refused(format!("unexpected event {event:?} in a system call"))),
                Err(error) => return Err(Failure::of_request(self.pid, "waiting", error)),
            }
        }
    }

    fn set_registers(&self, registers: Registers) -> Result<(), Failure> {
        nix::sys::ptrace::setregs(self.pid, registers)
            .map_err(|error| Failure::of_request(self.pid, "setting its registers", error))
    }

    /// Puts the process back to the first instruction of its program.
    pub(super) fn leave(self) -> Result<(), Failure> {
        self.memory.write(&self.scratch_before, self.scratch())?;
        self.set_registers(x86_64::not_in_a_call(self.registers))?;
        ptrace::set_signal_mask(self.pid, self.mask)
            .map_err(|error| Failure::of_request(self.pid, "restoring its signal mask", error))?;
        if self.stop_owed {
            super::signals::send(self.pid, libc::SIGSTOP);
        }
        Ok(())
    }
}
