//! The machine as its device tree describes it.

use super::device_tree::{place, string, DeviceTree, Region};
use super::gic;
use super::mmu::direct;
use super::psci::Conduit;

/// What this kernel uses of it.
#[derive(Debug, Clone)]
pub struct Board {
    /// The memory that holds the kernel.
    pub memory: Region,
    /// The file that the loader has brought.
    pub archive: Region,
    /// Random bits from the loader.
    pub seed: u64,
    /// How the firmware is called.
    pub psci: Conduit,
    /// The second CPU, as PSCI calls it.
    pub other_cpu: u64,
    /// The serial port.
    pub serial: Region,
    /// The interrupt controller.
    pub interrupts: gic::Place,
}

impl Board {
    /// Reads it.
    ///
    /// # Safety
    ///
    /// `device_tree` is the physical address of the tree, which the tables in use map and nothing has written to; that
    /// of the kernel is `kernel`.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub unsafe fn read(device_tree: u64, kernel: u64) -> Result<Board, &'static str> {
        // SAFETY: the caller's promise.
        let tree = unsafe { DeviceTree::at(direct(device_tree))? };
        let serial = tree.compatible("arm,pl011").and_then(|node| place(node, 0));
        let psci = tree.compatible("arm,psci-1.0").or_else(|| tree.compatible("arm,psci-0.2"));
        let psci = match psci.and_then(|node| string(node, "method")) {
            Some("hvc") => Conduit::Hvc,
            Some("smc") => Conduit::Smc,
            _ => return Err("the device tree names no PSCI firmware: the kernel needs it to start the second CPU"),
        };
        let gic = tree.compatible("arm,gic-v3");
        let interrupts =
            gic.and_then(|node| Some(gic::Place { distributor: place(node, 0)?, redistributors: place(node, 1)? }));
        Ok(Board {
            memory: tree.memory_at(kernel)?,
            archive: tree.archive()?,
            seed: tree.seed().unwrap_or(0),
            psci,
            other_cpu: tree.cpus().nth(1).ok_or("the machine has one CPU: give it two with QEMU's -smp 2")?,
            serial: serial.ok_or("the device tree has no PL011 serial port")?,
            interrupts: interrupts
                .ok_or("the device tree has no GICv3: give the machine one with QEMU's gic-version=3")?,
        })
    }

    /// Where devices are that the kernel drives.
    #[must_use]
    pub fn devices(&self) -> [Region; 3] {
        [self.serial.clone(), self.interrupts.distributor.clone(), self.interrupts.redistributors.clone()]
    }
}
