//! The firmware, by the Power State Coordination Interface (Arm DEN 0022) in the 64-bit calling convention (Arm DEN
//! 0028).

use crate::lock::Once;
use core::arch::asm;

/// How the firmware is called: the `method` of the device tree's node (Devicetree, "arm,psci").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduit {
    /// The instruction HVC.
    Hvc,
    /// The instruction SMC.
    Smc,
}

static CONDUIT: Once<Conduit> = Once::new();

const SYSTEM_OFF: u64 = 0x8400_0008;
const CPU_ON: u64 = 0xc400_0003;

/// Takes over how the firmware is called.
pub fn init(conduit: Conduit) {
    CONDUIT.set(conduit);
}

/// Starts the CPU `target` (its affinity in MPIDR_EL1) at a physical address.
pub fn cpu_on(target: u64, entry: u64) -> Result<(), &'static str> {
    match call(CPU_ON, [target, entry, 0]) {
        0 => Ok(()),
        _ => Err("the firmware does not start the second CPU (PSCI CPU_ON)"),
    }
}

/// Switches the machine off; returns if it stays on.
pub fn system_off() {
    call(SYSTEM_OFF, [0; 3]);
}

/// Negative: an error.
fn call(function: u64, [a, b, c]: [u64; 3]) -> i64 {
    let mut result = function;
    // Registers 4 to 17 are the firmware's to change (DEN 0028, "Register use in AArch64 SMC and HVC calls").
    macro_rules! instruction {
        ($name:literal) => {
            // SAFETY: the device tree has named this way to call the firmware; the functions that are called here
            // change nothing of what this CPU executes.
            unsafe {
                asm!(
                    $name,
                    inlateout("x0") result, inlateout("x1") a => _, inlateout("x2") b => _, inlateout("x3") c => _,
                    lateout("x4") _, lateout("x5") _, lateout("x6") _, lateout("x7") _, lateout("x8") _,
                    lateout("x9") _, lateout("x10") _, lateout("x11") _, lateout("x12") _, lateout("x13") _,
                    lateout("x14") _, lateout("x15") _, lateout("x16") _, lateout("x17") _,
                    options(nostack)
                )
            }
        };
    }
    match CONDUIT.get() {
        Conduit::Hvc => instruction!("hvc #0"),
        Conduit::Smc => instruction!("smc #0"),
    }
    result as i64
}
