//! A program's address space, and the page tables that it is made of.
//!
//! The tables of the architectures here are alike: 512 entries of 64 bits, and pages of 4 KiB at the last level. What the bits
//! of an entry are, how many levels there are, and where the kernel is, [`mmu`] knows. An entry of 0 maps nothing; any other
//! leads to a table, or at the last level to a frame.
//!
//! The tables are the only record of what a program has mapped. An entry says whose the frame is: one that is the kernel's is
//! neither copied by a fork nor freed when the process ends.

use crate::arch::layout::USER_END;
use crate::arch::mmu::{self, direct, KernelTables};
use crate::frames::{self, OutOfMemory};
use core::ops::Range;

/// Size of a page in bytes.
pub const PAGE_SIZE: u64 = 4096;

/// Entries of a table.
pub const ENTRIES: usize = 512;

/// A table.
pub type Table = [u64; ENTRIES];

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

/// The table that an entry leads to, or that a root's address is of.
fn table(entry: u64) -> *mut Table {
    direct(mmu::frame(entry)).cast()
}

/// The table at a physical address.
#[must_use]
pub fn table_at(frame: u64) -> *mut Table {
    direct(frame).cast()
}

/// The index into the table of `level`: 1 is the last one.
fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * (level - 1))) as usize % ENTRIES
}

/// The table below an entry; a new one where there is none. Its entry lets everything through that the architecture can leave
/// to the last level: one page's rights never change its neighbours'.
///
/// # Safety
///
/// `entry` is an entry of a table, not of the last level, that no other CPU changes.
unsafe fn descend(entry: *mut u64, to_table: impl Fn(u64) -> u64) -> Result<*mut Table, OutOfMemory> {
    // SAFETY: the caller's promise.
    unsafe {
        if *entry == 0 {
            *entry = to_table(frames::allocate()?);
        }
        Ok(table(*entry))
    }
}

/// Sets an entry of `level` in the tables below the root at `root`; `to_table` makes the entries of new tables on the way.
///
/// # Safety
///
/// The tables are this CPU's alone, and none of the entries on the way is of a large page.
pub unsafe fn set_entry(
    root: u64,
    address: u64,
    level: u32,
    entry: u64,
    to_table: impl Fn(u64) -> u64,
) -> Result<(), OutOfMemory> {
    let mut at = table_at(root);
    for upper in (level + 1..=mmu::LEVELS).rev() {
        // SAFETY: the caller's promise.
        at = unsafe { descend(&raw mut (*at)[index(address, upper)], &to_table)? };
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
        // SAFETY: a new table.
        unsafe { kernel.share_with(root) };
        Ok(AddressSpace(root))
    }

    /// The one in use on this CPU. Only to be used where a program has called.
    #[must_use]
    pub fn active() -> AddressSpace {
        AddressSpace(mmu::active_root())
    }

    /// Goes on by it on this CPU.
    pub fn activate(self) {
        // SAFETY: the kernel shares its tables with it.
        unsafe { mmu::activate_root(self.0) };
    }

    /// Maps one page, which is not mapped.
    pub fn map(self, page: u64, frame: u64, access: Access, owner: Owner) -> Result<(), Error> {
        if page >= USER_END {
            return Err(Error::BadAddress);
        }
        // SAFETY: this address space's tables, which one CPU uses, and which have no large page.
        unsafe { set_entry(self.0, page, 1, mmu::page(frame, access, owner), mmu::table)? };
        mmu::page_added(page);
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
        let mut at = table_at(self.0);
        for level in (1..=mmu::LEVELS).rev() {
            // SAFETY: this address space's tables, which one CPU uses.
            let entry = unsafe { &raw mut (*at)[index(address, level)] };
            // SAFETY: as above.
            let value = unsafe { *entry };
            if value == 0 {
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
            let owner = mmu::owner(*entry);
            if owner == Owner::Kernel && access.write {
                return Err(Error::NotYours);
            }
            *entry = mmu::page(mmu::frame(*entry), access, owner);
        }
        mmu::page_changed(page);
        Ok(())
    }

    /// Unmaps a page, if it is mapped.
    pub fn unmap(self, page: u64) {
        if let Some(entry) = self.entry(page) {
            // SAFETY: this address space's tables, which one CPU uses.
            let old = unsafe { core::mem::replace(&mut *entry, 0) };
            mmu::page_changed(page);
            free_page(old);
        }
    }

    /// A copy for a child: the process's frames are copied, the kernel's are shared.
    pub fn fork(self, kernel: KernelTables) -> Result<AddressSpace, Error> {
        let child = AddressSpace::new(kernel)?;
        // SAFETY: this address space's tables, which one CPU uses.
        let copied = unsafe { copy_level(table_at(self.0), table_at(child.0), mmu::LEVELS) };
        if let Err(error) = copied {
            child.release();
            return Err(error.into());
        }
        Ok(child)
    }

    /// Frees it with the process's frames. No CPU uses it any more.
    pub fn release(self) {
        // SAFETY: as the caller promises by calling this at the end of the process.
        unsafe { free_level(table_at(self.0), mmu::LEVELS) };
        frames::free(self.0);
    }

    /// Reads from the program's memory, as the program may.
    pub fn read_bytes(self, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.pages(address, bytes.len(), mmu::may_read, |memory, range| {
            // SAFETY: `pages` hands out the mapped memory of that part, and programs can make of it what they like, which is
            // why it is copied.
            unsafe { core::ptr::copy_nonoverlapping(memory, bytes[range.clone()].as_mut_ptr(), range.len()) };
        })
    }

    /// Writes to the program's memory, as the program may.
    pub fn write_bytes(self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        self.pages(address, bytes.len(), mmu::may_write, |memory, range| {
            // SAFETY: as above.
            unsafe { core::ptr::copy_nonoverlapping(bytes[range.clone()].as_ptr(), memory, range.len()) };
        })
    }

    /// Fills a page that the program may not write: while it is loaded.
    pub fn load_bytes(self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        self.pages(
            address,
            bytes.len(),
            |_| true,
            |memory, range| {
                // SAFETY: as above.
                unsafe { core::ptr::copy_nonoverlapping(bytes[range.clone()].as_ptr(), memory, range.len()) };
                mmu::code_written(memory, range.len());
            },
        )
    }

    /// Calls `part` for each page's part of a range, with where the kernel reaches it and its place in the range.
    fn pages(
        self,
        address: u64,
        length: usize,
        suffices: impl Fn(u64) -> bool,
        mut part: impl FnMut(*mut u8, Range<usize>),
    ) -> Result<(), Error> {
        let mut done = 0;
        while done < length {
            let at = address.checked_add(done as u64).ok_or(Error::BadAddress)?;
            let entry = self.entry(at).ok_or(Error::BadAddress)?;
            // SAFETY: this address space's tables, which one CPU uses.
            let entry = unsafe { *entry };
            if !suffices(entry) {
                return Err(Error::BadAddress);
            }
            let within = at % PAGE_SIZE;
            let size = (PAGE_SIZE - within).min((length - done) as u64) as usize;
            part(direct(mmu::frame(entry) + within), done..done + size);
            done += size;
        }
        Ok(())
    }
}

fn free_page(entry: u64) {
    if mmu::owner(entry) == Owner::Process {
        frames::free(mmu::frame(entry));
    }
}

/// The entries of a table that lead to a program's memory.
fn users(level: u32) -> Range<usize> {
    0..if level == mmu::LEVELS { mmu::USER_ENTRIES } else { ENTRIES }
}

/// # Safety
///
/// Tables of `level`: `from` is not changed meanwhile, `to` is this CPU's and empty.
unsafe fn copy_level(from: *mut Table, to: *mut Table, level: u32) -> Result<(), OutOfMemory> {
    for i in users(level) {
        // SAFETY: the caller's promise; an entry above the last level leads to a table.
        unsafe {
            let entry = (*from)[i];
            if entry == 0 {
                continue;
            }
            if level > 1 {
                copy_level(table(entry), descend(&raw mut (*to)[i], mmu::table)?, level - 1)?;
            } else if mmu::owner(entry) == Owner::Kernel {
                (*to)[i] = entry;
            } else {
                let copy = frames::allocate()?;
                core::ptr::copy_nonoverlapping(table(entry), table_at(copy), 1);
                mmu::code_written(direct(copy), PAGE_SIZE as usize);
                (*to)[i] = mmu::with_frame(entry, copy);
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
        // SAFETY: the caller's promise; an entry above the last level leads to a table.
        unsafe {
            let entry = (*tables)[i];
            if entry == 0 {
                continue;
            }
            if level > 1 {
                free_level(table(entry), level - 1);
                frames::free(mmu::frame(entry));
            } else {
                free_page(entry);
            }
        }
    }
}
