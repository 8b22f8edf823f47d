//! The CPUs: how many there are, and how they meet while the kernel starts.

use crate::counter;
use crate::machine::machine;
use crate::timer;
use core::sync::atomic::{AtomicUsize, Ordering};

/// CPUs that the kernel runs.
pub const MAX_CPUS: usize = 2;

/// CPUs that have arrived in the kernel: the first one is there.
static ARRIVED: AtomicUsize = AtomicUsize::new(1);

static MEETINGS: AtomicUsize = AtomicUsize::new(0);

/// How long a CPU may let the other wait, in ns.
const PATIENCE: u64 = 10_000_000_000;

/// Called by a CPU that has been started; its number.
pub fn arrive() -> usize {
    ARRIVED.fetch_add(1, Ordering::AcqRel)
}

/// Waits until the CPUs that the first one has started are there.
pub fn wait_for_all() -> Result<(), &'static str> {
    if wait(PATIENCE, || ARRIVED.load(Ordering::Acquire) == MAX_CPUS) {
        Ok(())
    } else {
        Err("the second CPU did not start: give the machine two with QEMU's -smp 2")
    }
}

/// Waits for `done`, at most `nanoseconds`; whether it came.
pub fn wait(nanoseconds: u64, done: impl Fn() -> bool) -> bool {
    let start = counter::cycles();
    while !done() {
        if counter::cycles().wrapping_sub(start) > timer::cycles(nanoseconds) {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

/// Compares this CPU's counter with the other's. Each CPU calls it once, when the machine is known.
pub fn compare_counters() {
    meet(MAX_CPUS);
    counter::observe_warp(machine().frequency);
    meet(2 * MAX_CPUS);
}

/// Waits until the CPUs have called this `times` times together.
fn meet(times: usize) {
    MEETINGS.fetch_add(1, Ordering::AcqRel);
    let met = wait(PATIENCE, || MEETINGS.load(Ordering::Acquire) >= times);
    assert!(met, "the other CPU does not come to the comparison of the counters");
}
