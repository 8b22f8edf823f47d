//! Each CPU's timer: the virtual one of the generic timer, which compares the counter itself with a deadline.

use super::cpu::write;

/// In CNTV_CTL_EL0: it is on; nobody hears it.
const ENABLE: u64 = 1 << 0;
const MASKED: u64 = 1 << 1;

/// One interrupt, when the counter reaches `deadline`.
pub fn arm(deadline: u64) {
    // SAFETY: the timer interrupts this CPU, which the kernel expects.
    unsafe {
        write!("cntv_cval_el0", deadline);
        write!("cntv_ctl_el0", ENABLE);
    }
}

/// No more interrupts until it is armed again: it asks for one as long as the counter is past the deadline.
pub fn silence() {
    // SAFETY: as above.
    unsafe { write!("cntv_ctl_el0", ENABLE | MASKED) };
}
