//! The way of a system call into the kernel: the SYSCALL instruction (Intel SDM volume 3, 5.8.8); and the system calls that
//! only x86-64 has.

use super::context::set_thread_pointer;
use super::cpu::{msr, read_msr, write_msr};
use super::gdt::{KERNEL_CODE, SYSRET_BASE};
use super::layout::USER_END;
use super::trap::Frame;
use super::{number, vsyscall};
use crate::process::count_clock_call;
use crate::signal::number::CHLD;
use crate::syscall::test::ARCH_CALLS;
use crate::syscall::{clock, process, write_user, Errno, Outcome};
use vvar::Clock;

const FORK: u64 = 57;
const READLINK: u64 = 89;
const ARCH_PRCTL: u64 = 158;
const TIME: u64 = 201;
/// This kernel's: sets the mode of the vsyscall page: 0 emulate, 1 xonly, 2 none.
const VSYSCALL_MODE: u64 = ARCH_CALLS;

extern "C" {
    fn syscall_entry();
}

/// Switches SYSCALL on, on this CPU.
pub fn init() {
    const SYSCALL_ENABLE: u64 = 1;
    /// Trap, interrupt enable, direction, nested task, resume, alignment check.
    const CLEARED: u64 = 0x0005_4700;
    // SAFETY: the entry code and the segments are in place.
    unsafe {
        write_msr(msr::EFER, read_msr(msr::EFER) | SYSCALL_ENABLE);
        write_msr(msr::STAR, u64::from(SYSRET_BASE) << 48 | u64::from(KERNEL_CODE) << 32);
        write_msr(msr::LSTAR, syscall_entry as *const () as u64);
        write_msr(msr::SFMASK, CLEARED);
    }
}

/// From trap.s.
#[no_mangle]
extern "C" fn system_call_entry(frame: &mut Frame) {
    crate::syscall::handle(frame);
}

/// Serves a system call that `crate::syscall` does not know.
pub fn handle(frame: &mut Frame, number: u64, [a, b, ..]: [u64; 6]) -> Outcome {
    match number {
        TIME => time(a),
        FORK => process::clone(frame, u64::from(CHLD), 0, 0),
        READLINK => Err(Errno::NOENT),
        ARCH_PRCTL => arch_prctl(a, b),
        VSYSCALL_MODE if vsyscall::set_mode(a) => Ok(0),
        VSYSCALL_MODE => Err(Errno::INVAL),
        _ => Err(Errno::NOSYS),
    }
}

fn time(address: u64) -> Outcome {
    count_clock_call();
    let sec = clock::now(Clock::RealtimeCoarse)?.sec;
    if address != 0 {
        write_user(address, sec)?;
    }
    Ok(sec)
}

fn arch_prctl(code: u64, address: u64) -> Outcome {
    const SET_FS: u64 = 0x1002;
    if code != SET_FS || address >= USER_END {
        return Err(Errno::INVAL);
    }
    set_thread_pointer(address);
    Ok(0)
}

/// Performs one of the clock system calls that the vsyscall page stands for; its result, or a negated error number.
pub fn clock_call(number: u64, [a, b, _]: [u64; 3]) -> i64 {
    let outcome = match number {
        number::GETTIMEOFDAY => clock::gettimeofday(a, b),
        TIME => time(a),
        number::GETCPU => clock::getcpu(a, b),
        _ => Err(Errno::NOSYS),
    };
    outcome.unwrap_or_else(Errno::result) as i64
}
