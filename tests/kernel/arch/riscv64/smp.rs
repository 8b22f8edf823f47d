//! The second CPU, and interrupts from one to the other. The harts have numbers of their own.

use super::device_tree::DeviceTree;
use super::mmu::physical;
use super::{cpu, sbi};
use crate::cpus::{self, MAX_CPUS};
use crate::println;
use core::sync::atomic::{AtomicU64, Ordering};

extern "C" {
    static other_start: u8;
}

/// The hart that each CPU is.
static HARTS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// The harts that the kernel runs on: the first one executes.
#[derive(Debug, Clone, Copy)]
pub struct Harts([u64; MAX_CPUS]);

impl Harts {
    /// Asks the device tree.
    pub fn of(tree: &DeviceTree, first: u64) -> Result<Harts, &'static str> {
        let other = tree.cpus().find(|&hart| hart != first);
        Ok(Harts([first, other.ok_or("the machine has one CPU: give it two with QEMU's -smp 2")?]))
    }

    /// Starts the other CPU, and waits until it has arrived.
    pub fn start(self) -> Result<(), &'static str> {
        for (place, hart) in HARTS.iter().zip(self.0) {
            place.store(hart, Ordering::Relaxed);
        }
        sbi::start_hart(self.0[1], physical(&raw const other_start))
            .map_err(|_| "the firmware does not start the second CPU: it lacks SBI's hart state management")?;
        cpus::wait_for_all()
    }
}

/// Interrupts another CPU, which then looks for work.
pub fn wake(cpu: usize) {
    // The interrupt is not to overtake what it is about.
    cpu::stores_are_seen();
    if let Err(error) = sbi::send_interrupt(HARTS[cpu].load(Ordering::Relaxed)) {
        println!("CPU {cpu} cannot be interrupted, and will look for work at its next tick: {error:?}");
    }
}

/// Lets every CPU fetch instructions anew. Fails if the firmware does.
pub fn synchronise_instructions() -> Result<(), sbi::Error> {
    cpu::synchronise_instructions();
    // What was stored is to be seen before the others fetch: FENCE.I orders nothing but this hart's own ("Zifencei": "the writing
    // hart also has to execute a data FENCE before requesting that all remote RISC-V harts execute a FENCE.I").
    cpu::stores_are_seen();
    let others = (0..MAX_CPUS).filter(|&cpu| cpu != super::per_cpu::index());
    others.map(|cpu| HARTS[cpu].load(Ordering::Relaxed)).try_for_each(sbi::remote_fence_i)
}
