//! What the processor holds of a process, while another one has it.

use super::fpu;
use super::trap::Frame;

/// Registers of a process.
#[derive(Clone, Copy)]
pub struct Context {
    /// What the entry code saved.
    pub frame: Frame,
    fpu: fpu::State,
}

impl Context {
    /// A program's start.
    #[must_use]
    pub fn start(entry: u64, stack: u64) -> Context {
        Context { frame: Frame::start(entry, stack), fpu: fpu::State::default() }
    }

    /// The process that runs on this CPU, as it was interrupted.
    #[must_use]
    pub fn current(frame: &Frame) -> Context {
        Context { frame: *frame, fpu: fpu::State::current() }
    }

    /// Puts into this CPU's registers what a trap does not save, before the program goes on by the frame.
    pub fn restore(&self) {
        self.fpu.restore();
    }
}
