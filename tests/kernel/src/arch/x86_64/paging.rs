//! Page tables (Intel SDM volume 3, 4.5): the kernel's own, and a program's address space.
//!
//! ```text
//! 0 .. USER_END               the program's
//! DIRECT_MAP .. + 4 GiB       physical memory: read, write, no execute
//! KERNEL_BASE ..              the kernel: code read-only, data without execute, a page without access below each stack
//! vsyscall::ADDRESS           in one of its modes, a page for old programs to read
//! ```
//!
//! The tables are the only record of what a program has mapped. A bit of an entry that the processor ignores says whose the
//! frame is: one that is the kernel's is neither copied by a fork nor freed when the process ends.

use super::cpu;
use crate::frames::{self, OutOfMemory};
use vdso_image::vsyscall;

/// Size of a page in bytes.
pub const PAGE_SIZE: u64 = 4096;

/// End of what a program may map, a page below the end of the lower half: see trap.s on SYSRET.
pub const USER_END: u64 = 0x7fff_ffff_f000;

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

/// Entries of a table.
const ENTRIES: usize = 512;

/// First entry of the root that is the kernel's.
const UPPER_HALF: usize = ENTRIES / 2;

extern "C" {
    static text_start: u8;
    static text_end: u8;
    static rodata_start: u8;
    static rodata_end: u8;
    static data_start: u8;
    static data_end: u8;
    static boot_cpu_stack_guard: u8;
    static other_cpu_stack_guard: u8;
}

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

/// The physical addresses that the kernel takes, end exclusive.
#[must_use]
pub fn kernel_image() -> (u64, u64) {
    (0x10_0000, &raw const data_end as u64 - KERNEL_BASE)
}

/// What a program may do with a page. All false: nothing, as a guard page has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Read.
    pub read: bool,
    /// Write.
    pub write: bool,
    /// Execute.
    pub execute: bool,
}

impl Access {
    fn bits(self) -> u64 {
        let user = if self.read || self.write || self.execute { USER } else { 0 };
        let write = if self.write { WRITABLE } else { 0 };
        let execute = if self.execute { 0 } else { NO_EXECUTE };
        PRESENT | user | write | execute
    }
}

/// Whose a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The process's: a fork copies it, and it is freed with its mapping.
    Process,
    /// The kernel's: a fork maps the same one, and unmapping leaves it alone.
    Kernel,
}

/// Why an address space refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// No frame is left.
    OutOfMemory,
    /// Not mapped, or not for that; EFAULT.
    BadAddress,
    /// The frame is the kernel's, and may not become writable; EACCES.
    NotYours,
}

impl From<OutOfMemory> for Error {
    fn from(_: OutOfMemory) -> Error {
        Error::OutOfMemory
    }
}

type Table = [u64; ENTRIES];

/// A table's entries.
fn table(frame: u64) -> *mut Table {
    direct(frame & ADDRESS).cast()
}

/// The index into the table of `level` (4 is the root).
fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * (level - 1))) as usize % ENTRIES
}

/// The table below an entry; a new one where there is none. Its entry lets everything through: the last level decides, so
/// that one page's rights never change its neighbours'.
///
/// # Safety
///
/// `entry` is an entry of a table, not of the last level, that no other CPU changes.
unsafe fn descend(entry: *mut u64, bits: u64) -> Result<*mut Table, OutOfMemory> {
    // SAFETY: the caller's promise.
    unsafe {
        if *entry & PRESENT == 0 {
            *entry = frames::allocate()? | PRESENT | WRITABLE | bits;
        }
        Ok(table(*entry))
    }
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
        let parts = [
            (&raw const text_start, &raw const text_end, 0),
            (&raw const rodata_start, &raw const rodata_end, NO_EXECUTE),
            (&raw const data_start, &raw const data_end, NO_EXECUTE | WRITABLE),
        ];
        let guards = [&raw const boot_cpu_stack_guard, &raw const other_cpu_stack_guard];
        for (start, end, bits) in parts {
            for page in (start as u64..end as u64).step_by(PAGE_SIZE as usize) {
                if !guards.contains(&(page as *const u8)) {
                    map_kernel(root, page, 1, (page - KERNEL_BASE) | PRESENT | bits, 0)?;
                }
            }
        }
        Ok(KernelTables(root))
    }

    /// Shows this page of the kernel's read-only data to programs, at the vsyscall address, to be read; or none.
    pub fn set_vsyscall_page(self, page: Option<*const u8>) {
        let entry = page.map_or(0, |page| physical(page) | PRESENT | USER | NO_EXECUTE);
        // Its tables are there since `new`: nothing is allocated.
        let _ = map_kernel(self.0, vsyscall::ADDRESS, 1, entry, USER);
    }

    /// Goes on by it on this CPU.
    pub fn activate(self) {
        // SAFETY: it maps all of the kernel.
        unsafe { cpu::write_cr3(self.0) };
    }
}

/// Sets an entry of `level`; new tables on the way to it get `bits`.
fn map_kernel(root: u64, address: u64, level: u32, entry: u64, bits: u64) -> Result<(), OutOfMemory> {
    let mut at = table(root);
    for upper in (level + 1..=4).rev() {
        // SAFETY: tables that this CPU is making.
        at = unsafe { descend(&raw mut (*at)[index(address, upper)], bits)? };
    }
    // SAFETY: as above.
    unsafe { (*at)[index(address, level)] = entry };
    Ok(())
}

/// A program's address space: a handle, which [`AddressSpace::release`] ends. One CPU at a time uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressSpace(u64);

impl AddressSpace {
    /// An empty one.
    pub fn new(kernel: KernelTables) -> Result<AddressSpace, OutOfMemory> {
        let root = frames::allocate()?;
        // SAFETY: a new table; the kernel's upper half does not change any more.
        unsafe {
            for i in UPPER_HALF..ENTRIES {
                (*table(root))[i] = (*table(kernel.0))[i];
            }
        }
        Ok(AddressSpace(root))
    }

    /// The one in use on this CPU. Only to be used where a program has called.
    #[must_use]
    pub fn active() -> AddressSpace {
        AddressSpace(cpu::read_cr3() & ADDRESS)
    }

    /// Goes on by it on this CPU.
    pub fn activate(self) {
        // SAFETY: its upper half is the kernel's.
        unsafe { cpu::write_cr3(self.0) };
    }

    /// Maps one page, which is not mapped.
    pub fn map(self, page: u64, frame: u64, access: Access, owner: Owner) -> Result<(), Error> {
        if page >= USER_END {
            return Err(Error::BadAddress);
        }
        let mut at = table(self.0);
        for level in (2..=4).rev() {
            // SAFETY: this address space's tables, which one CPU uses.
            at = unsafe { descend(&raw mut (*at)[index(page, level)], USER)? };
        }
        let mark = if owner == Owner::Kernel { KERNELS_FRAME } else { 0 };
        // SAFETY: as above.
        unsafe { (*at)[index(page, 1)] = frame | mark | access.bits() };
        Ok(())
    }

    /// Maps a new zeroed frame.
    pub fn map_new(self, page: u64, access: Access) -> Result<(), Error> {
        let frame = frames::allocate()?;
        self.map(page, frame, access, Owner::Process).inspect_err(|_| frames::free(frame))
    }

    /// The last-level entry of an address, if it is mapped.
    fn entry(self, address: u64) -> Option<*mut u64> {
        if address >= USER_END {
            return None;
        }
        let mut at = table(self.0);
        for level in (1..=4).rev() {
            // SAFETY: this address space's tables, which one CPU uses.
            let entry = unsafe { &raw mut (*at)[index(address, level)] };
            // SAFETY: as above.
            let value = unsafe { *entry };
            if value & PRESENT == 0 {
                return None;
            }
            if level == 1 {
                return Some(entry);
            }
            at = table(value);
        }
        None
    }

    /// Whether anything is mapped at an address.
    #[must_use]
    pub fn is_mapped(self, address: u64) -> bool {
        self.entry(address).is_some()
    }

    /// Changes what the program may do with a page.
    pub fn protect(self, page: u64, access: Access) -> Result<(), Error> {
        let entry = self.entry(page).ok_or(Error::BadAddress)?;
        // SAFETY: this address space's tables, which one CPU uses.
        unsafe {
            if *entry & KERNELS_FRAME != 0 && access.write {
                return Err(Error::NotYours);
            }
            *entry = *entry & (ADDRESS | KERNELS_FRAME) | access.bits();
        }
        cpu::invalidate_page(page);
        Ok(())
    }

    /// Unmaps a page, if it is mapped.
    pub fn unmap(self, page: u64) {
        if let Some(entry) = self.entry(page) {
            // SAFETY: this address space's tables, which one CPU uses.
            let old = unsafe { core::mem::replace(&mut *entry, 0) };
            cpu::invalidate_page(page);
            free_leaf(old);
        }
    }

    /// A copy for a child: the process's frames are copied, the kernel's are shared.
    pub fn fork(self, kernel: KernelTables) -> Result<AddressSpace, Error> {
        let child = AddressSpace::new(kernel)?;
        // SAFETY: this address space's tables, which one CPU uses.
        let copied = unsafe { copy_level(table(self.0), table(child.0), 4) };
        if let Err(error) = copied {
            child.release();
            return Err(error.into());
        }
        Ok(child)
    }

    /// Frees it with the process's frames. No CPU uses it any more.
    pub fn release(self) {
        // SAFETY: as the caller promises by calling this at the end of the process.
        unsafe { free_level(table(self.0), 4) };
        frames::free(self.0);
    }

    /// Reads from the program's memory, as the program may.
    pub fn read_bytes(self, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.pages(address, bytes.len(), USER, |memory, range| {
            // SAFETY: `pages` hands out the mapped memory of that part, and programs can make of it what they like, which is
            // why it is copied.
            unsafe { core::ptr::copy_nonoverlapping(memory, bytes[range.clone()].as_mut_ptr(), range.len()) };
        })
    }

    /// Writes to the program's memory, as the program may.
    pub fn write_bytes(self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        self.pages(address, bytes.len(), USER | WRITABLE, |memory, range| {
            // SAFETY: as above.
            unsafe { core::ptr::copy_nonoverlapping(bytes[range.clone()].as_ptr(), memory, range.len()) };
        })
    }

    /// Fills a page that the program may not write: while it is loaded.
    pub fn load_bytes(self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        self.pages(address, bytes.len(), 0, |memory, range| {
            // SAFETY: as above.
            unsafe { core::ptr::copy_nonoverlapping(bytes[range.clone()].as_ptr(), memory, range.len()) };
        })
    }

    /// Calls `part` for each page's part of a range, with where the kernel reaches it and its place in the range.
    fn pages(
        self,
        address: u64,
        length: usize,
        needed: u64,
        mut part: impl FnMut(*mut u8, core::ops::Range<usize>),
    ) -> Result<(), Error> {
        let mut done = 0;
        while done < length {
            let at = address.checked_add(done as u64).ok_or(Error::BadAddress)?;
            let entry = self.entry(at).ok_or(Error::BadAddress)?;
            // SAFETY: this address space's tables, which one CPU uses.
            let entry = unsafe { *entry };
            if entry & needed != needed {
                return Err(Error::BadAddress);
            }
            let within = at % PAGE_SIZE;
            let size = (PAGE_SIZE - within).min((length - done) as u64) as usize;
            part(direct((entry & ADDRESS) + within), done..done + size);
            done += size;
        }
        Ok(())
    }
}

fn free_leaf(entry: u64) {
    if entry & KERNELS_FRAME == 0 {
        frames::free(entry & ADDRESS);
    }
}

/// The entries of a table that lead to a program's memory.
fn users(level: u32) -> core::ops::Range<usize> {
    0..if level == 4 { UPPER_HALF } else { ENTRIES }
}

/// # Safety
///
/// Tables of `level`: `from` is not changed meanwhile, `to` is this CPU's and empty.
unsafe fn copy_level(from: *mut Table, to: *mut Table, level: u32) -> Result<(), OutOfMemory> {
    for i in users(level) {
        // SAFETY: the caller's promise; a present entry above the last level leads to a table.
        unsafe {
            let entry = (*from)[i];
            if entry & PRESENT == 0 {
                continue;
            }
            if level > 1 {
                copy_level(table(entry), descend(&raw mut (*to)[i], USER)?, level - 1)?;
            } else if entry & KERNELS_FRAME != 0 {
                (*to)[i] = entry;
            } else {
                let copy = frames::allocate()?;
                core::ptr::copy_nonoverlapping(table(entry), table(copy), 1);
                (*to)[i] = entry & !ADDRESS | copy;
            }
        }
    }
    Ok(())
}

/// # Safety
///
/// A table of `level` that nobody uses any more.
unsafe fn free_level(tables: *mut Table, level: u32) {
    for i in users(level) {
        // SAFETY: the caller's promise; a present entry above the last level leads to a table.
        unsafe {
            let entry = (*tables)[i];
            if entry & PRESENT == 0 {
                continue;
            }
            if level > 1 {
                free_level(table(entry), level - 1);
                frames::free(entry & ADDRESS);
            } else {
                free_leaf(entry);
            }
        }
    }
}
