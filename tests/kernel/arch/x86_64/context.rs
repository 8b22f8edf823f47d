//! What the processor holds of a process, while another one has it.

use super::cpu::{msr, read_msr, write_msr};
use super::fpu;
use super::trap::Frame;

/// Registers of a process.
#[derive(Clone, Copy)]
pub struct Context {
    /// What the entry code saved.
    pub frame: Frame,
    thread_pointer: u64,
    fpu: fpu::State,
}

impl Context {
    /// A program's start.
    #[must_use]
    pub fn start(entry: u64, stack: u64) -> Context {
        Context { frame: Frame::start(entry, stack), thread_pointer: 0, fpu: fpu::State::INITIAL }
    }

    /// The process that runs on this CPU, as it was interrupted.
    #[must_use]
    pub fn current(frame: &Frame) -> Context {
        let mut fpu = fpu::State::INITIAL;
        fpu.save();
        Context { frame: *frame, thread_pointer: thread_pointer(), fpu }
    }

    /// Puts into this CPU's registers what a trap does not save, before the program goes on by the frame.
    pub fn restore(&self) {
        set_thread_pointer(self.thread_pointer);
        self.fpu.restore();
    }
}

fn thread_pointer() -> u64 {
    // SAFETY: the register exists in long mode.
    unsafe { read_msr(msr::FS_BASE) }
}

/// Sets the thread pointer of the process that runs on this CPU: `address` is below [`USER_END`](super::layout::USER_END).
pub fn set_thread_pointer(address: u64) {
    // SAFETY: the kernel does not use FS; the address is canonical.
    unsafe { write_msr(msr::FS_BASE, address) };
}
