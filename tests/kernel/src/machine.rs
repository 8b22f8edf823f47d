//! What the kernel knows of the machine once it runs: the architecture's part finds it out and says it here.

use crate::arch::mmu::KernelTables;
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
    MACHINE.set(machine);
}

/// The machine, after [`init`].
pub fn machine() -> &'static Machine {
    MACHINE.get()
}
