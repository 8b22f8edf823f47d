//! The frame of a signal on the program's stack: `struct rt_sigframe` of Linux, as the C libraries, unwinders and debuggers
//! know it (`arch/x86/include/uapi/asm/sigcontext.h`, `asm-generic/ucontext.h`).

use super::fpu;
use super::layout::USER_END;
use super::trap::Frame;
use crate::paging::{AddressSpace, Error};
use crate::signal::{Delivery, Info};

/// `struct sigaction` has a restorer.
pub const HAS_RESTORER: bool = true;

/// AT_MINSIGSTKSZ: the least stack that a handler can run on.
pub const MIN_STACK: u64 = 2048;

/// `struct ucontext`. The registers are in the order of `struct sigcontext_64`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Context {
    flags: u64,
    link: u64,
    stack: [u64; 3],
    /// R8 to R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP.
    registers: [u64; 17],
    eflags: u64,
    /// CS, GS, FS, SS: 16 bits each.
    segments: u64,
    error: u64,
    vector: u64,
    old_mask: u64,
    cr2: u64,
    /// Address of the state that FXSAVE has written.
    fpu: u64,
    reserved: [u64; 8],
    blocked: u64,
}

/// `struct rt_sigframe`.
#[repr(C)]
#[derive(Clone, Copy)]
struct SignalFrame {
    return_address: u64,
    context: Context,
    info: Info,
}

/// The bytes below the stack pointer that belong to the program (System V ABI, x86-64, 3.2.2).
const RED_ZONE: u64 = 128;

/// Flags that a program may change: CF, PF, AF, ZF, SF, DF, OF.
const USER_FLAGS: u64 = 0xcd5;

const SIGNAL_FRAME: usize = size_of::<SignalFrame>();
const FPU: usize = size_of::<fpu::State>();

/// Puts the program's registers onto its stack, and lets it go on in the handler.
pub fn push(space: AddressSpace, frame: &mut Frame, delivery: &Delivery) -> Result<(), Error> {
    let restorer = delivery.restorer.ok_or(Error::BadAddress)?;
    let fpu_address = frame.rsp.wrapping_sub(RED_ZONE + FPU as u64) & !63;
    // As after a call: the return address lies on top, and above it the stack is aligned to 16.
    let address = (fpu_address.wrapping_sub(SIGNAL_FRAME as u64) & !15).wrapping_sub(8);
    let mut fpu = fpu::State::INITIAL;
    fpu.save();
    let saved = SignalFrame {
        return_address: restorer,
        context: Context {
            flags: 0,
            link: 0,
            stack: [0; 3],
            registers: [
                frame.r8, frame.r9, frame.r10, frame.r11, frame.r12, frame.r13, frame.r14, frame.r15, frame.rdi,
                frame.rsi, frame.rbp, frame.rbx, frame.rdx, frame.rax, frame.rcx, frame.rsp, frame.rip,
            ],
            eflags: frame.rflags,
            segments: frame.cs | frame.ss << 48,
            error: frame.error,
            vector: frame.vector,
            old_mask: delivery.blocked,
            cr2: 0,
            fpu: fpu_address,
            reserved: [0; 8],
            blocked: delivery.blocked,
        },
        info: delivery.info,
    };
    space.write_bytes(fpu_address, fpu.as_bytes())?;
    // SAFETY: plain words without padding.
    let bytes = unsafe { core::mem::transmute::<SignalFrame, [u8; SIGNAL_FRAME]>(saved) };
    space.write_bytes(address, &bytes)?;
    (frame.rip, frame.rsp) = (delivery.handler, address);
    frame.rdi = u64::from(delivery.signal);
    frame.rsi = address + core::mem::offset_of!(SignalFrame, info) as u64;
    frame.rdx = address + core::mem::offset_of!(SignalFrame, context) as u64;
    frame.rax = 0; // no vector register is used for arguments
    frame.rflags &= !USER_FLAGS;
    Ok(())
}

/// Takes the registers from the program's stack again; the signals that are blocked then.
pub fn pop(space: AddressSpace, frame: &mut Frame) -> Result<u64, Error> {
    let mut bytes = [0; SIGNAL_FRAME];
    // The handler's return has taken the return address.
    space.read_bytes(frame.rsp.wrapping_sub(8), &mut bytes)?;
    // SAFETY: plain words without padding, and every pattern of bits is a value.
    let SignalFrame { context, .. } = unsafe { core::mem::transmute::<[u8; SIGNAL_FRAME], SignalFrame>(bytes) };
    let [.., rip] = context.registers;
    // The kernel returns by an instruction that must not be given an address that is not canonical.
    if rip >= USER_END {
        return Err(Error::BadAddress);
    }
    let mut fpu = fpu::State::INITIAL;
    space.read_bytes(context.fpu, fpu.as_bytes_mut())?;
    fpu.make_valid();
    fpu.restore();
    [
        frame.r8, frame.r9, frame.r10, frame.r11, frame.r12, frame.r13, frame.r14, frame.r15, frame.rdi, frame.rsi,
        frame.rbp, frame.rbx, frame.rdx, frame.rax, frame.rcx, frame.rsp, frame.rip,
    ] = context.registers;
    // Segments and the other flags stay what they are for every program.
    frame.rflags = frame.rflags & !USER_FLAGS | context.eflags & USER_FLAGS;
    Ok(context.blocked)
}
