//! Page tables as the processor has them (Intel SDM volume 3, 4.5), and the kernel's own.
//!
//! ```text
//! 0 .. USER_END               the program's
//! DIRECT_MAP .. + 4 GiB       physical memory: read, write, no execute
//! KERNEL_BASE ..              the kernel: code read-only, data without execute, a page without access below each stack
//! vsyscall::ADDRESS           in one of its modes, a page for old programs to read
//! ```

use super::cpu;
use crate::frames::{self, OutOfMemory};
use crate::paging::{set_entry, table_at, Access, Owner, ENTRIES};
use crate::sections;
use vdso_image::x86_64::vsyscall;

pub use super::cpu::invalidate_page as page_changed;

/// Levels of tables.
pub const LEVELS: u32 = 4;

/// Entries of the root that lead to a program's memory: the lower half.
pub const USER_ENTRIES: usize = ENTRIES / 2;

const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
const DIRECT_MAP_SIZE: u64 = 4 << 30;
/// From here on the direct map is uncached: devices.
const DEVICES: u64 = 3 << 30;
const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;
const LARGE_PAGE: u64 = 2 << 20;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const UNCACHED: u64 = 1 << 4 | 1 << 3;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
/// Ignored by the processor: the frame is the kernel's.
const KERNELS_FRAME: u64 = 1 << 9;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Where the kernel reaches a physical address.
#[must_use]
pub fn direct(physical: u64) -> *mut u8 {
    (DIRECT_MAP + physical) as *mut u8
}

/// The physical address of a static of the kernel.
#[must_use]
pub fn physical(address: *const u8) -> u64 {
    address as u64 - KERNEL_BASE
}

/// The physical addresses that the kernel takes from its code on, end exclusive. The entry code lies just below.
#[must_use]
pub fn kernel_image() -> (u64, u64) {
    (physical(sections::start()), physical(sections::end()))
}

/// The entry of a program's page.
#[must_use]
pub fn page(frame: u64, access: Access, owner: Owner) -> u64 {
    let user = if access.read || access.write || access.execute { USER } else { 0 };
    let write = if access.write { WRITABLE } else { 0 };
    let execute = if access.execute { 0 } else { NO_EXECUTE };
    let mark = if owner == Owner::Kernel { KERNELS_FRAME } else { 0 };
    frame | mark | PRESENT | user | write | execute
}

/// The entry of a table of a program's.
#[must_use]
pub fn table(frame: u64) -> u64 {
    frame | PRESENT | WRITABLE | USER
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
    entry & (USER | WRITABLE) == USER | WRITABLE
}

/// A page was mapped where there was none: the processor keeps no note of that (Intel SDM volume 3, 4.10.2.3).
pub fn page_added(_page: u64) {}

/// Memory was filled that a program may execute: instruction fetches see stores (Intel SDM volume 3, 11.6), and the program
/// is entered by a serialising instruction.
pub fn code_written(_memory: *const u8, _size: usize) {}

/// The root of the address space in use on this CPU.
#[must_use]
pub fn active_root() -> u64 {
    cpu::read_cr3() & ADDRESS
}

/// Goes on by another root on this CPU.
///
/// # Safety
///
/// `root` is that of tables that map the kernel.
pub unsafe fn activate_root(root: u64) {
    // SAFETY: the caller's promise.
    unsafe { cpu::write_cr3(root) };
}

/// The root that maps the kernel alone.
#[derive(Debug, Clone, Copy)]
pub struct KernelTables(u64);

impl KernelTables {
    /// Makes it.
    pub fn new() -> Result<KernelTables, OutOfMemory> {
        let root = frames::allocate()?;
        // First, so that the tables that it shares with the kernel let a program through, too.
        map_kernel(root, vsyscall::ADDRESS, 1, 0, USER)?;
        for address in (0..DIRECT_MAP_SIZE).step_by(LARGE_PAGE as usize) {
            let cache = if address < DEVICES { 0 } else { UNCACHED };
            map_kernel(root, DIRECT_MAP + address, 2, address | PRESENT | WRITABLE | NO_EXECUTE | LARGE | cache, 0)?;
        }
        sections::each_page(|page, access| {
            let bits = if access.write { WRITABLE } else { 0 } | if access.execute { 0 } else { NO_EXECUTE };
            map_kernel(root, page as u64, 1, physical(page) | PRESENT | bits, 0)
        })?;
        Ok(KernelTables(root))
    }

    /// Shows this page of the kernel's read-only data to programs, at the vsyscall address, to be read; or none.
    pub fn set_vsyscall_page(self, page: Option<*const u8>) {
        let entry = page.map_or(0, |page| physical(page) | PRESENT | USER | NO_EXECUTE);
        // Its tables are there since `new`: nothing is allocated.
        let _ = map_kernel(self.0, vsyscall::ADDRESS, 1, entry, USER);
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
        unsafe { cpu::write_cr3(self.0) };
    }
}

/// Sets an entry of the kernel's own tables; new ones on the way to it get `bits`.
fn map_kernel(root: u64, address: u64, level: u32, entry: u64, bits: u64) -> Result<(), OutOfMemory> {
    // SAFETY: the kernel's tables, which one CPU changes; no large page lies on the way to a smaller one.
    unsafe { set_entry(root, address, level, entry, |frame| frame | PRESENT | WRITABLE | bits) }
}
