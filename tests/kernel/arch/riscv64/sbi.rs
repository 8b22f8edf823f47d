//! Calls of the firmware (RISC-V Supervisor Binary Interface specification 1.0).

use core::arch::asm;

/// Extension and function.
type Function = (u64, u64);

const SET_TIMER: Function = (0x5449_4d45, 0);
const SEND_IPI: Function = (0x73_5049, 0);
const REMOTE_FENCE_I: Function = (0x5246_4e43, 0);
const HART_START: Function = (0x48_534d, 0);

/// An error of the firmware's, as the specification numbers them.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "to be printed")]
pub struct Error(i64);

fn call((extension, function): Function, arguments: [u64; 3]) -> Result<(), Error> {
    let [a0, a1, a2] = arguments;
    let error: i64;
    // SAFETY: the callers below name functions that change what their arguments say; all registers but A0 and A1 are
    // preserved ("Binary Encoding").
    unsafe {
        asm!("ecall", inlateout("a0") a0 => error, inlateout("a1") a1 => _, in("a2") a2, in("a6") function, in("a7") extension,
            options(nostack));
    }
    if error == 0 {
        Ok(())
    } else {
        Err(Error(error))
    }
}

/// One timer interrupt on this hart when `time` reaches a value; the one that is pending is withdrawn.
pub fn set_timer(time: u64) {
    // Every firmware with this extension takes every value.
    let _ = call(SET_TIMER, [time, 0, 0]);
}

/// A software interrupt on another hart.
pub fn send_interrupt(hart: u64) -> Result<(), Error> {
    call(SEND_IPI, [1, hart, 0])
}

/// FENCE.I on another hart.
pub fn remote_fence_i(hart: u64) -> Result<(), Error> {
    call(REMOTE_FENCE_I, [1, hart, 0])
}

/// Starts a hart at a physical address.
pub fn start_hart(hart: u64, address: u64) -> Result<(), Error> {
    call(HART_START, [hart, address, 0])
}
