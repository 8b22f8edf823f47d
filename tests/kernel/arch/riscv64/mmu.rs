//! Page tables as the processor has them (RISC-V privileged architecture, "Sv39"), and the kernel's own.
//!
//! ```text
//! 0 .. USER_END               the program's
//! DIRECT_MAP .. + 4 GiB       physical memory and devices: read, write, no execute
//! KERNEL_OFFSET + physical    the kernel: code read-only, data without execute, a page without access below each stack
//! ```

use super::cpu;
use crate::frames::{self, OutOfMemory};
use crate::paging::{set_entry, table_at, Access, Owner, ENTRIES, PAGE_SIZE};
use crate::sections;

/// A translation that was changed. And one that is new: a processor may keep a note of what is not valid ("Supervisor
/// Memory-Management Fence Instruction").
pub use super::cpu::{invalidate_page as page_changed, invalidate_page as page_added};

/// Levels of tables.
pub const LEVELS: u32 = 3;

/// Entries of the root that lead to a program's memory: the lower half.
pub const USER_ENTRIES: usize = ENTRIES / 2;

const DIRECT_MAP: u64 = 0xffff_ffc0_0000_0000;
const DIRECT_MAP_SIZE: u64 = 4 << 30;
const KERNEL_OFFSET: u64 = 0xffff_ffff_0000_0000;
const LARGE_PAGE: u64 = 1 << 30;

/// `satp` for Sv39 without address-space numbers.
const SV39: u64 = 8 << 60;
const SATP_FRAME: u64 = (1 << 44) - 1;

const VALID: u64 = 1 << 0;
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 2;
const EXECUTE: u64 = 1 << 3;
const USER: u64 = 1 << 4;
/// Set by the kernel from the beginning: some processors fault where they are clear, to have it done.
const ACCESSED: u64 = 1 << 6;
const DIRTY: u64 = 1 << 7;
/// For software: the frame is the kernel's.
const KERNELS_FRAME: u64 = 1 << 8;
/// The bits below the frame's number.
const FLAGS: u64 = (1 << 10) - 1;

/// Where the kernel reaches a physical address.
#[must_use]
pub fn direct(physical: u64) -> *mut u8 {
    (DIRECT_MAP + physical) as *mut u8
}

/// The physical address of a static of the kernel.
#[must_use]
pub fn physical(address: *const u8) -> u64 {
    address as u64 - KERNEL_OFFSET
}

/// The physical addresses that the kernel takes, end exclusive.
#[must_use]
pub fn kernel_image() -> (u64, u64) {
    (physical(sections::start()), physical(sections::end()))
}

/// An entry for a frame, whose number stands where its address would be two bits lower.
fn entry(frame: u64, flags: u64) -> u64 {
    frame >> 2 | flags | VALID
}

/// The entry of a program's page.
#[must_use]
pub fn page(frame: u64, access: Access, owner: Owner) -> u64 {
    // A page that can be written must be readable ("reserved for future use" otherwise).
    let read = if access.read || access.write { READ } else { 0 };
    let write = if access.write { WRITE | DIRTY } else { 0 };
    let execute = if access.execute { EXECUTE } else { 0 };
    // Without any right the entry would be one of a table: then the kernel may read, and the program nothing.
    let rights = match read | write | execute {
        0 => READ,
        rights => rights | USER,
    };
    let mark = if owner == Owner::Kernel { KERNELS_FRAME } else { 0 };
    entry(frame, rights | ACCESSED | mark)
}

/// The entry of a table.
#[must_use]
pub fn table(frame: u64) -> u64 {
    entry(frame, 0)
}

/// The frame that an entry leads to.
#[must_use]
pub fn frame(entry: u64) -> u64 {
    (entry & !FLAGS) << 2
}

/// The same entry for another frame.
#[must_use]
pub fn with_frame(old: u64, frame: u64) -> u64 {
    entry(frame, old & FLAGS)
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
    entry & (USER | READ) == USER | READ
}

/// Whether the program may write to the page.
#[must_use]
pub fn may_write(entry: u64) -> bool {
    entry & (USER | WRITE) == USER | WRITE
}

/// Memory was filled that a program may execute: the CPU that goes on with the program fetches anew, in [`activate_root`].
pub fn code_written(_memory: *const u8, _size: usize) {}

/// The root of the address space in use on this CPU.
#[must_use]
pub fn active_root() -> u64 {
    (cpu::read_satp() & SATP_FRAME) * PAGE_SIZE
}

/// Goes on by another root on this CPU.
///
/// # Safety
///
/// `root` is that of tables that map the kernel.
pub unsafe fn activate_root(root: u64) {
    // SAFETY: the caller's promise.
    unsafe { cpu::write_satp(SV39 | (root / PAGE_SIZE)) };
}

/// The root that maps the kernel alone.
#[derive(Debug, Clone, Copy)]
pub struct KernelTables(u64);

impl KernelTables {
    /// Makes it.
    pub fn new() -> Result<KernelTables, OutOfMemory> {
        const DATA: u64 = READ | WRITE | ACCESSED | DIRTY;
        let root = frames::allocate()?;
        for address in (0..DIRECT_MAP_SIZE).step_by(LARGE_PAGE as usize) {
            map_kernel(root, DIRECT_MAP + address, LEVELS, entry(address, DATA))?;
        }
        sections::each_page(|page, access| {
            let flags = match access {
                Access { write: true, .. } => DATA,
                Access { execute: true, .. } => READ | EXECUTE | ACCESSED,
                _ => READ | ACCESSED,
            };
            map_kernel(root, page as u64, 1, entry(physical(page), flags))
        })?;
        Ok(KernelTables(root))
    }

    /// Lets a program's address space have the kernel's half.
    ///
    /// # Safety
    ///
    /// `root` is the address of a new root.
    pub unsafe fn share_with(self, root: u64) {
        // SAFETY: the caller's promise; the kernel's half does not change any more.
        unsafe {
            for i in USER_ENTRIES..ENTRIES {
                (*table_at(root))[i] = (*table_at(self.0))[i];
            }
        }
    }

    /// Goes on by it on this CPU.
    pub fn activate(self) {
        // SAFETY: it maps all of the kernel.
        unsafe { activate_root(self.0) };
    }
}

/// Sets an entry of the kernel's own tables.
fn map_kernel(root: u64, address: u64, level: u32, entry: u64) -> Result<(), OutOfMemory> {
    // SAFETY: the kernel's tables, which one CPU makes; no large page lies on the way to a smaller one.
    unsafe { set_entry(root, address, level, entry, table) }
}
