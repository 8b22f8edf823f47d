//! What the entry code (trap.s) saves, and where exceptions and interrupts go.

use super::{cpu, fault};
use crate::scheduler;

core::arch::global_asm!(include_str!("trap.s"));

/// A program's registers, in the order in which trap.s stores them.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame {
    /// X1 to X31.
    pub x: [u64; 31],
    /// `sepc`.
    pub pc: u64,
    /// `sstatus`.
    pub status: u64,
    /// `scause`.
    pub cause: u64,
    /// `stval`.
    pub value: u64,
}

const _: () = assert!(size_of::<Frame>() == 36 * 8);

/// Places in [`Frame::x`], by the registers' names in the calling convention.
pub mod x {
    #![allow(missing_docs)]
    pub const RA: usize = 0;
    pub const SP: usize = 1;
    pub const A0: usize = 9;
    pub const A1: usize = 10;
    pub const A2: usize = 11;
    pub const A7: usize = 16;
}

/// Length of the instruction ECALL in bytes.
const ECALL_SIZE: u64 = 4;

/// `sstatus.SPP`: the trap came from supervisor mode.
const FROM_SUPERVISOR: u64 = 1 << 8;

impl Frame {
    /// As a program starts: all registers 0, in user mode of 64 bits, with floating point (`sstatus` of the privileged
    /// architecture).
    #[must_use]
    pub fn start(entry: u64, stack: u64) -> Frame {
        const USER_64_BITS: u64 = 2 << 32;
        const FLOAT_INITIAL: u64 = 1 << 13;
        let mut frame = Frame { pc: entry, status: USER_64_BITS | FLOAT_INITIAL, ..Frame::default() };
        frame.x[x::SP] = stack;
        frame
    }

    /// Whether user mode was interrupted.
    #[must_use]
    pub fn interrupted_user(&self) -> bool {
        self.status & FROM_SUPERVISOR == 0
    }

    /// Number and arguments of a system call.
    #[must_use]
    pub fn system_call(&self) -> (u64, [u64; 6]) {
        let [a0, a1, a2, a3, a4, a5, number] = [0, 1, 2, 3, 4, 5, 7].map(|n| self.x[x::A0 + n]);
        (number, [a0, a1, a2, a3, a4, a5])
    }

    /// What the system call returns.
    pub fn set_result(&mut self, value: u64) {
        self.x[x::A0] = value;
    }

    /// Goes back to where the system call `number` is made, to make it again. No result has been set.
    pub fn repeat_system_call(&mut self, number: u64) {
        self.pc -= ECALL_SIZE;
        self.x[x::A7] = number;
    }
}

extern "C" {
    fn enter_user(frame: *const Frame) -> !;
    fn on_fresh_stack(function: extern "C" fn() -> !) -> !;
    fn trap_vector();
}

/// Lets this CPU's traps come here.
pub fn init() {
    // SAFETY: the entry code, aligned to 4, so in direct mode; SSCRATCH says that the kernel runs.
    unsafe { cpu::set_trap_vector(trap_vector as *const () as u64) };
}

/// Goes on with a program.
pub fn enter(frame: &Frame) -> ! {
    // SAFETY: interrupts are off, the frame leads to user mode, and is read before anything else can run.
    unsafe { enter_user(frame) }
}

/// Goes on with `function`, and forgets everything on this CPU's kernel stack.
pub fn restart(function: extern "C" fn() -> !) -> ! {
    // SAFETY: nothing on the stack is used any more: no one returns from here.
    unsafe { on_fresh_stack(function) }
}

/// In `scause`.
const INTERRUPT: u64 = 1 << 63;
const SYSTEM_CALL: u64 = 8;

/// From trap.s.
#[no_mangle]
extern "C" fn trap_entry(frame: &mut Frame) {
    match frame.cause {
        SYSTEM_CALL if frame.interrupted_user() => {
            frame.pc += ECALL_SIZE;
            crate::syscall::handle(frame);
        }
        cause if cause & INTERRUPT == 0 => fault::handle(frame),
        _ => {
            cpu::serve_interrupts();
            scheduler::interrupted(frame);
        }
    }
}
