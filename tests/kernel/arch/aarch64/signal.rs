//! The frame of a signal on a program's stack, as C libraries, unwinders and debuggers know it.
//!
//! From the stack pointer upwards there are a `siginfo_t`, a `ucontext_t`, and a frame record that chains the handler
//! to the program that it interrupts (Linux's `arch/arm64/include/uapi/asm/{sigcontext,ucontext}.h`). The registers
//! that a `sigcontext` has no place for are in records at its end, each with a number and a size.

use super::cpu::features;
use super::fpu;
use super::trap::{Frame, BRANCH_TYPE, BRANCH_TYPE_CALL, FLAGS};
use crate::paging::{AddressSpace, Error};
use crate::signal::Delivery;

/// Programs may say themselves where a handler returns to. Those with glibc leave it to the kernel.
pub const HAS_RESTORER: bool = true;

/// Stack that a frame takes, at most: AT_MINSIGSTKSZ.
pub const MIN_STACK: u64 = SIZE + FRAME_RECORD + 2 * ALIGNMENT;

/// The stack pointer is a multiple of it (AAPCS64, "Universal stack constraints").
const ALIGNMENT: u64 = 16;

/// Offsets in the frame.
const MASK: u64 = 128 + 40;
const REGISTERS: u64 = CONTEXT + 8;
const CONTEXT: u64 = 128 + 176;
const RECORDS: u64 = CONTEXT + 288;
const SIZE: u64 = RECORDS + 4096;

/// Size of a frame record: the frame pointer and the link register.
const FRAME_RECORD: u64 = 16;

/// Number and size of the record with the SIMD and floating-point registers.
const FPSIMD: u64 = 0x4650_8001 | FPSIMD_SIZE << 32;
const FPSIMD_SIZE: u64 = 528;

/// Words of a `sigcontext` before its records: address of a fault, X0 to X30, SP, PC, PSTATE.
const CONTEXT_WORDS: usize = 35;

/// Of a PSTATE: what a program may set by it.
const USER_STATE: u64 = FLAGS | BRANCH_TYPE;

fn write_words(space: AddressSpace, address: u64, words: &[u64]) -> Result<(), Error> {
    for (word, address) in words.iter().zip((address..).step_by(8)) {
        space.write_bytes(address, &word.to_le_bytes())?;
    }
    Ok(())
}

fn read_words<const N: usize>(space: AddressSpace, address: u64) -> Result<[u64; N], Error> {
    let mut words = [0; N];
    for (word, address) in words.iter_mut().zip((address..).step_by(8)) {
        let mut bytes = [0; 8];
        space.read_bytes(address, &mut bytes)?;
        *word = u64::from_le_bytes(bytes);
    }
    Ok(words)
}

/// Lays down the frame, and lets the program go on in the handler.
pub fn push(space: AddressSpace, frame: &mut Frame, delivery: &Delivery) -> Result<(), Error> {
    let restorer = delivery.restorer.ok_or(Error::BadAddress)?;
    let record = frame.sp.checked_sub(FRAME_RECORD).ok_or(Error::BadAddress)? & !(ALIGNMENT - 1);
    let base = record.checked_sub(SIZE).ok_or(Error::BadAddress)?;
    let [.., frame_pointer, link] = frame.x;
    write_words(space, record, &[frame_pointer, link])?;

    let zeroes = [0; 16];
    for at in (base..record).step_by(zeroes.len()) {
        space.write_bytes(at, &zeroes)?;
    }
    for (word, at) in delivery.info.iter().zip((base..).step_by(4)) {
        space.write_bytes(at, &word.to_le_bytes())?;
    }
    write_words(space, base + MASK, &[delivery.blocked])?;
    write_words(space, base + CONTEXT, &[frame.fault_address])?;
    write_words(space, base + REGISTERS, &frame.x)?;
    write_words(space, base + REGISTERS + 8 * 31, &[frame.sp, frame.pc, frame.pstate])?;

    let mut fpu = fpu::State::INITIAL;
    fpu.save();
    let records = base + RECORDS;
    write_words(space, records, &[FPSIMD, u64::from(fpu.status) | u64::from(fpu.control) << 32])?;
    for (register, at) in fpu.registers.iter().zip((records + 16..).step_by(16)) {
        space.write_bytes(at, &register.to_le_bytes())?;
    }

    frame.x[0] = u64::from(delivery.signal);
    frame.x[1] = base;
    frame.x[2] = base + 128;
    frame.x[29] = record;
    frame.x[30] = restorer;
    frame.sp = base;
    frame.pc = delivery.handler;
    // The handler is called indirectly: where landing pads are checked it has to begin with one.
    let branch = if features().landing_pads { BRANCH_TYPE_CALL } else { 0 };
    frame.pstate = frame.pstate & !BRANCH_TYPE | branch;
    Ok(())
}

/// Takes back what [`push`] laid down, and what the handler has made of it; the signals that are blocked again.
pub fn pop(space: AddressSpace, frame: &mut Frame) -> Result<u64, Error> {
    let base = frame.sp;
    if !base.is_multiple_of(ALIGNMENT) || base.checked_add(SIZE).is_none() {
        return Err(Error::BadAddress);
    }
    let [blocked] = read_words(space, base + MASK)?;
    let context: [u64; CONTEXT_WORDS] = read_words(space, base + CONTEXT)?;
    let [_, registers @ .., sp, pc, pstate] = context;
    let records = base + RECORDS;
    let [record, state] = read_words(space, records)?;
    if record != FPSIMD {
        return Err(Error::BadAddress);
    }
    let mut fpu = fpu::State { status: state as u32, control: (state >> 32) as u32, ..fpu::State::INITIAL };
    for (register, at) in fpu.registers.iter_mut().zip((records + 16..).step_by(16)) {
        let mut bytes = [0; 16];
        space.read_bytes(at, &mut bytes)?;
        *register = u128::from_le_bytes(bytes);
    }
    fpu.restore();
    (frame.x, frame.sp, frame.pc, frame.pstate) = (registers, sp, pc, pstate & USER_STATE);
    Ok(blocked)
}
