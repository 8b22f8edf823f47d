//! How the kernel ends: by semihosting, as nothing else gives QEMU a status.

use super::{cpu, psci, semihosting};
use core::sync::atomic::{AtomicBool, Ordering};

/// QEMU's status if all is well. Nothing else ends with it: not PSCI's SYSTEM_OFF (0), nor QEMU's own failures (1).
const SUCCESS: u64 = 33;

/// QEMU's status if something is not.
const FAILURE: u64 = 35;

static TRIED: AtomicBool = AtomicBool::new(false);

/// Ends the machine.
pub fn exit(success: bool) -> ! {
    // Without semihosting that is an exception in the kernel, which comes here again.
    if !TRIED.swap(true, Ordering::Relaxed) {
        semihosting::exit(if success { SUCCESS } else { FAILURE });
    }
    psci::system_off();
    cpu::halt()
}
