//! What the loader tells by a device tree (Devicetree Specification 0.4): where memory is, where the file given by
//! `-initrd` is, and where the devices are.
#![allow(dead_code, reason = "each architecture that takes it in needs a part of it")]

use crate::paging::PAGE_SIZE;
use core::ops::Range;
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node as _, Property as _};

/// Physical addresses.
pub type Region = Range<u64>;

/// The tree.
#[derive(Debug, Clone, Copy)]
pub struct DeviceTree(Fdt<'static>);

impl DeviceTree {
    /// The one that the loader has left.
    ///
    /// # Safety
    ///
    /// `address` is where it is; nothing writes to that memory any more.
    ///
    /// # Errors
    ///
    /// If there is no tree, or it is damaged.
    pub unsafe fn at(address: *const u8) -> Result<DeviceTree, &'static str> {
        // SAFETY: the caller's promise; the size that the header tells is the loader's, as all of it is.
        let tree = unsafe { Fdt::from_raw(address) };
        tree.map(DeviceTree).map_err(|_| "the loader has left no device tree: boot the kernel with QEMU's -kernel")
    }

    /// The memory that holds a physical address.
    pub fn memory_at(&self, address: u64) -> Result<Region, &'static str> {
        let nodes = self.0.root().children().filter(|node| node.name_without_address() == "memory");
        nodes
            .filter_map(|node| node.reg().ok().flatten())
            .flatten()
            .filter_map(region)
            .find(|region| region.contains(&address))
            .ok_or("the device tree's memory does not hold the kernel")
    }

    /// The file that the loader has brought: `linux,initrd-start` and `linux,initrd-end` of `/chosen`.
    pub fn archive(&self) -> Result<Region, &'static str> {
        let number = |name| number_of(self.0.find_node("/chosen")?.property(name)?.value());
        number("linux,initrd-start")
            .zip(number("linux,initrd-end"))
            .map(|(start, end)| start..end)
            .filter(|region| !region.is_empty())
            .ok_or("no programs: give the archive with QEMU's -initrd")
    }

    /// Random bits from the loader, if it brought some: `rng-seed` of `/chosen`.
    pub fn seed(&self) -> Option<u64> {
        number_of(self.0.find_node("/chosen")?.property("rng-seed")?.value().get(..8)?)
    }

    /// Frequency of the counter in Hz, where the tree has it: `timebase-frequency` of `/cpus`.
    pub fn timebase_frequency(&self) -> Option<u64> {
        number_of(self.0.find_node("/cpus")?.property("timebase-frequency")?.value())
    }

    /// The first node below the root that names itself compatible with `what`.
    pub fn compatible(&self, what: &str) -> Option<FdtNode<'static>> {
        self.0.root().children().find(|node| node.compatible().is_some_and(|mut names| names.any(|name| name == what)))
    }

    /// What the CPUs call themselves: `reg` of each node below `/cpus`, in order.
    pub fn cpus(&self) -> impl Iterator<Item = u64> {
        let cpus = self.0.find_node("/cpus").into_iter().flat_map(|node| node.children());
        let cpus = cpus.filter(|node| node.name_without_address() == "cpu");
        cpus.filter_map(|node| node.reg().ok().flatten()?.next()?.address().ok())
    }
}

/// A property of a node that is a string.
pub fn string(node: FdtNode<'static>, property: &str) -> Option<&'static str> {
    node.property(property)?.value_as().ok()
}

/// Where a device is: entry `index` of its node's `reg`.
pub fn place(node: FdtNode<'static>, index: usize) -> Option<Region> {
    region(node.reg().ok().flatten()?.nth(index)?)
}

fn number_of(value: &[u8]) -> Option<u64> {
    match *value {
        [a, b, c, d] => Some(u64::from(u32::from_be_bytes([a, b, c, d]))),
        _ => value.try_into().ok().map(u64::from_be_bytes),
    }
}

/// Start and end in whole pages, as they are mapped.
fn region(reg: dtoolkit::standard::Reg<'_>) -> Option<Region> {
    let start: u64 = reg.address().ok()?;
    let end = start.checked_add(reg.size().ok()?)?.checked_next_multiple_of(PAGE_SIZE)?;
    Some(start - start % PAGE_SIZE..end)
}
