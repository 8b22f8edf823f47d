//! The frame of a signal on the program's stack: `struct rt_sigframe` of Linux, as the C libraries, unwinders and debuggers
//! know it (`arch/riscv/include/uapi/asm/ucontext.h`, `sigcontext.h`, `ptrace.h`).

use super::fpu;
use super::trap::{x, Frame};
use crate::paging::{AddressSpace, Error};
use crate::signal::{Delivery, Info};
use core::mem::offset_of;

/// `struct sigaction` has no restorer: handlers return to the vDSO's trampoline.
pub const HAS_RESTORER: bool = false;

/// AT_MINSIGSTKSZ: the least stack that a handler can run on.
pub const MIN_STACK: u64 = 2048;

/// `struct ucontext`.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Context {
    flags: u64,
    link: u64,
    stack: [u64; 3],
    blocked: u64,
    /// For more signals.
    reserved: [u64; 16],
    /// The program counter, then X1 to X31.
    pc: u64,
    x: [u64; 31],
    /// `union __riscv_fp_state`, which has room for registers of 128 bits.
    float: fpu::State,
    reserved_float: [u64; 33],
}

/// `struct rt_sigframe`.
#[repr(C)]
#[derive(Clone, Copy)]
struct SignalFrame {
    info: Info,
    context: Context,
}

const SIZE: usize = size_of::<SignalFrame>();

// As unwinders know it: see `__vdso_rt_sigreturn`.
const _: () = assert!(offset_of!(SignalFrame, context) == 128 && offset_of!(Context, pc) == 176);
const _: () = assert!(offset_of!(Context, blocked) == 40 && offset_of!(Context, float) == 432 && SIZE == 1088);

/// Puts the program's registers onto its stack, and lets it go on in the handler.
pub fn push(space: AddressSpace, frame: &mut Frame, delivery: &Delivery) -> Result<(), Error> {
    let restorer = delivery.restorer.ok_or(Error::BadAddress)?;
    let address = frame.x[x::SP].wrapping_sub(SIZE as u64) & !15;
    let saved = SignalFrame {
        info: delivery.info,
        context: Context {
            flags: 0,
            link: 0,
            stack: [0; 3],
            blocked: delivery.blocked,
            reserved: [0; 16],
            pc: frame.pc,
            x: frame.x,
            float: fpu::State::current(),
            reserved_float: [0; 33],
        },
    };
    // SAFETY: plain words; that there is no padding, the sizes above say.
    let bytes = unsafe { core::mem::transmute::<SignalFrame, [u8; SIZE]>(saved) };
    space.write_bytes(address, &bytes)?;
    frame.pc = delivery.handler;
    frame.x[x::SP] = address;
    frame.x[x::RA] = restorer;
    frame.x[x::A0] = u64::from(delivery.signal);
    frame.x[x::A1] = address;
    frame.x[x::A2] = address + offset_of!(SignalFrame, context) as u64;
    Ok(())
}

/// Takes the registers from the program's stack again; the signals that are blocked then.
pub fn pop(space: AddressSpace, frame: &mut Frame) -> Result<u64, Error> {
    let mut bytes = [0; SIZE];
    space.read_bytes(frame.x[x::SP], &mut bytes)?;
    // SAFETY: plain words, and every pattern of bits is a value.
    let SignalFrame { context, .. } = unsafe { core::mem::transmute::<[u8; SIZE], SignalFrame>(bytes) };
    context.float.restore();
    // Any address will do: one that is not the program's faults in user mode.
    (frame.pc, frame.x) = (context.pc, context.x);
    Ok(context.blocked)
}
