//! What the kernel knows of the machine once it runs: the architecture's part finds it out and says it here.

use crate::arch::mmu::KernelTables;
use crate::counter;
use crate::lock::Once;

/// The machine.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// The tables that every address space shares.
    pub tables: KernelTables,
    /// The counter's frequency in Hz.
    pub frequency: u64,
}

static MACHINE: Once<Machine> = Once::new();

/// Takes over what is known. Called by the first CPU.
pub fn init(machine: Machine) {
    assert!(counter::counts(), "the counter stands still: the firmware has to start it before it starts the kernel");
    MACHINE.set(machine);
}

/// The machine, after [`init`].
pub fn machine() -> &'static Machine {
    MACHINE.get()
}
