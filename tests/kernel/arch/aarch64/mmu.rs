//! Translation tables as the processor has them (Arm ARM, "The AArch64 Virtual Memory System Architecture"; 4 KiB
//! granule, 48 bits), and the kernel's own.
//!
//! ```text
//! 0 .. USER_END               the program's, by TTBR0_EL1
//! DIRECT_MAP ..               by TTBR1_EL1: memory and devices at their physical addresses; read, write, no execute
//! KERNEL_BASE ..              the kernel: code read-only, data without execute, a page without access below each stack
//! ```

use super::cpu::{self, features, read, write};
use crate::frames::{self, OutOfMemory};
use crate::paging::{set_entry, Access, Owner, ENTRIES, PAGE_SIZE};
use crate::sections;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

pub use super::cpu::invalidate_page as page_changed;
pub use super::cpu::synchronise_code as code_written;

/// Levels of tables. The root, 4 here, is level 0 of the manual; the last one, 1, its level 3.
pub const LEVELS: u32 = 4;

/// Entries of the root that lead to a program's memory: all of them. The kernel has a root of its own.
pub const USER_ENTRIES: usize = ENTRIES;

const DIRECT_MAP: u64 = 0xffff_0000_0000_0000;
const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;
const LARGE_PAGE: u64 = 2 << 20;

const VALID: u64 = 1 << 0;
/// A table; at the last level, a page. Without it, a block.
const TABLE: u64 = 1 << 1;
/// Attribute 1 of MAIR_EL1, as boot.s sets it. Otherwise 0, normal memory.
const DEVICE: u64 = 1 << 2;
const USER: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 0b11 << 8;
/// Without it the first access would fault.
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
/// FEAT_BTI's GP: an indirect jump to it must meet a landing pad.
const GUARDED: u64 = 1 << 50;
const PRIVILEGED_NO_EXECUTE: u64 = 1 << 53;
const USER_NO_EXECUTE: u64 = 1 << 54;
/// For software: the frame is the kernel's.
const KERNELS_FRAME: u64 = 1 << 55;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// A page of the kernel's data.
const KERNEL_DATA: u64 = VALID | TABLE | INNER_SHAREABLE | ACCESSED | PRIVILEGED_NO_EXECUTE | USER_NO_EXECUTE;

extern "C" {
    static empty_table: u8;
    fn replace_boot_tables(root: u64);
}

/// Where the loader has put the kernel.
static KERNEL_PHYSICAL: AtomicU64 = AtomicU64::new(0);

/// Takes over where the kernel is in physical memory.
pub fn set_kernel_physical(address: u64) {
    KERNEL_PHYSICAL.store(address, Ordering::Relaxed);
}

/// Where the kernel reaches a physical address.
#[must_use]
pub fn direct(physical: u64) -> *mut u8 {
    (DIRECT_MAP + physical) as *mut u8
}

/// The physical address of a static of the kernel.
#[must_use]
pub fn physical(address: *const u8) -> u64 {
    address as u64 - KERNEL_BASE + KERNEL_PHYSICAL.load(Ordering::Relaxed)
}

/// The physical addresses that the kernel takes.
#[must_use]
pub fn kernel_image() -> Range<u64> {
    physical(sections::start())..physical(sections::end())
}

/// The entry of a program's page.
#[must_use]
pub fn page(frame: u64, access: Access, owner: Owner) -> u64 {
    let user = if access.read || access.write || access.execute { USER } else { 0 };
    let write = if access.write { 0 } else { READ_ONLY };
    let execute = if access.execute { 0 } else { USER_NO_EXECUTE };
    // What the kernel maps into programs to be executed are vDSO images, and their gate has seen to the landing pads. A
    // program of another kind would have to say by a note that it has them.
    let guarded = if owner == Owner::Kernel && access.execute && features().landing_pads { GUARDED } else { 0 };
    let mark = if owner == Owner::Kernel { KERNELS_FRAME } else { 0 };
    let always = VALID | TABLE | INNER_SHAREABLE | ACCESSED | NOT_GLOBAL | PRIVILEGED_NO_EXECUTE;
    frame | mark | always | user | write | execute | guarded
}

/// The entry of a table.
#[must_use]
pub fn table(frame: u64) -> u64 {
    frame | VALID | TABLE
}

/// The frame that an entry leads to.
#[must_use]
pub fn frame(entry: u64) -> u64 {
    entry & ADDRESS
}

/// The same entry for another frame.
#[must_use]
pub fn with_frame(entry: u64, frame: u64) -> u64 {
    entry & !ADDRESS | frame
}

/// Whose the frame of a page's entry is.
#[must_use]
pub fn owner(entry: u64) -> Owner {
    if entry & KERNELS_FRAME != 0 {
        Owner::Kernel
    } else {
        Owner::Process
    }
}

/// Whether the program may read the page.
#[must_use]
pub fn may_read(entry: u64) -> bool {
    entry & USER != 0
}

/// Whether the program may write to the page.
#[must_use]
pub fn may_write(entry: u64) -> bool {
    entry & (USER | READ_ONLY) == USER
}

/// A page was mapped where there was none: the processor keeps no note of that, but has to see the entry before it
/// looks.
pub fn page_added(_page: u64) {
    cpu::publish_tables();
}

/// The root of the address space in use on this CPU.
#[must_use]
pub fn active_root() -> u64 {
    read!("ttbr0_el1") & ADDRESS
}

/// Goes on by another root for programs' addresses on this CPU. There are no address-space identifiers here, so it
/// forgets all that it remembers of the one before.
///
/// # Safety
///
/// `root` is that of a program's tables.
pub unsafe fn activate_root(root: u64) {
    cpu::publish_tables();
    // SAFETY: the caller's promise; the kernel is not reached through this root.
    unsafe { write!("ttbr0_el1", root) };
    cpu::invalidate_all();
}

/// The root that maps the kernel.
#[derive(Debug, Clone, Copy)]
pub struct KernelTables(u64);

impl KernelTables {
    /// Makes it: the kernel; `memory` and `devices`, which are physical addresses in whole pages, at the direct map.
    pub fn new(memory: Range<u64>, devices: &[Range<u64>]) -> Result<KernelTables, OutOfMemory> {
        let root = frames::allocate()?;
        map_direct(root, memory, KERNEL_DATA)?;
        for device in devices {
            map_direct(root, device.clone(), KERNEL_DATA | DEVICE)?;
        }
        let code = KERNEL_DATA & !PRIVILEGED_NO_EXECUTE | READ_ONLY;
        sections::each_page(|page, access| {
            let bits = match access {
                Access { write: true, .. } => KERNEL_DATA,
                Access { execute: true, .. } => code,
                _ => KERNEL_DATA | READ_ONLY,
            };
            map_kernel(root, page as u64, 1, physical(page) | bits)
        })?;
        Ok(KernelTables(root))
    }

    /// Goes on by it on this CPU, which has the boot tables until now.
    pub fn replace_boot_tables(self) {
        cpu::publish_tables();
        let at_physical = physical(replace_boot_tables as *const () as *const u8) as *const ();
        // SAFETY: the boot tables map the function at its physical address as well; the new ones map all of the kernel.
        unsafe {
            let replace: unsafe extern "C" fn(u64) = core::mem::transmute(at_physical);
            replace(self.0);
        }
        self.activate();
    }

    /// Lets a program's address space have the kernel's half: the processor has a root for each half.
    ///
    /// # Safety
    ///
    /// None is needed here; elsewhere `root` has to be the address of a new root.
    pub unsafe fn share_with(self, _root: u64) {}

    /// Goes on without a program's address space on this CPU.
    pub fn activate(self) {
        // SAFETY: a table that maps nothing.
        unsafe { activate_root(physical(&raw const empty_table)) };
    }
}

/// Maps whole pages at the direct map, by blocks of 2 MiB where it can.
fn map_direct(root: u64, region: Range<u64>, bits: u64) -> Result<(), OutOfMemory> {
    let mut address = region.start;
    while address < region.end {
        if address.is_multiple_of(LARGE_PAGE) && region.end - address >= LARGE_PAGE {
            map_kernel(root, DIRECT_MAP + address, 2, address | bits & !TABLE)?;
            address += LARGE_PAGE;
        } else {
            map_kernel(root, DIRECT_MAP + address, 1, address | bits)?;
            address += PAGE_SIZE;
        }
    }
    Ok(())
}

/// Sets an entry of the kernel's own tables.
fn map_kernel(root: u64, address: u64, level: u32, entry: u64) -> Result<(), OutOfMemory> {
    // SAFETY: the kernel's tables, which one CPU changes; no block lies on the way to a page, as regions do not overlap
    // and a block is only made of what lies in one.
    unsafe { set_entry(root, address, level, entry, table) }
}
