//! Memory: the heap, and anonymous mappings. All of it is there at once; nothing is filled in by a page fault.

use super::{Errno, Outcome};
use crate::arch::layout::USER_END;
use crate::paging::{Access, AddressSpace, PAGE_SIZE};
use crate::process::with_current;

const DATA: Access = Access { read: true, write: true, execute: false };

fn pages(start: u64, end: u64) -> impl Iterator<Item = u64> {
    (start..end).step_by(PAGE_SIZE as usize)
}

fn map_range(space: AddressSpace, start: u64, end: u64, access: Access) -> Result<(), Errno> {
    for page in pages(start, end) {
        if let Err(error) = space.map_new(page, access) {
            pages(start, page).for_each(|page| space.unmap(page));
            return Err(error.into());
        }
    }
    Ok(())
}

/// Start and end of a range in whole pages, within what a program may map.
fn range(address: u64, length: u64) -> Result<(u64, u64), Errno> {
    let end = address.checked_add(length).filter(|&end| end <= USER_END).ok_or(Errno::NOMEM)?;
    if !address.is_multiple_of(PAGE_SIZE) || length == 0 {
        return Err(Errno::INVAL);
    }
    Ok((address, end.next_multiple_of(PAGE_SIZE)))
}

fn access(protection: u64) -> Access {
    Access { read: protection & 1 != 0, write: protection & 2 != 0, execute: protection & 4 != 0 }
}

/// The heap's end, moved if it can be.
pub fn brk(wanted: u64) -> Outcome {
    with_current(|process| {
        let memory = &mut process.memory;
        let (old, new) = (memory.heap_end.next_multiple_of(PAGE_SIZE), wanted.checked_next_multiple_of(PAGE_SIZE));
        match new {
            Some(new) if wanted >= memory.heap && new < memory.mappings => {
                if new >= old {
                    if map_range(process.space, old, new, DATA).is_err() {
                        return Ok(memory.heap_end);
                    }
                } else {
                    pages(new, old).for_each(|page| process.space.unmap(page));
                }
                memory.heap_end = wanted;
                Ok(wanted)
            }
            _ => Ok(memory.heap_end),
        }
    })
}

pub fn mmap(address: u64, length: u64, protection: u64, flags: u64) -> Outcome {
    const PRIVATE: u64 = 0x02;
    const FIXED: u64 = 0x10;
    const ANONYMOUS: u64 = 0x20;
    if flags & (PRIVATE | ANONYMOUS) != PRIVATE | ANONYMOUS {
        return Err(Errno::NOSYS);
    }
    with_current(|process| {
        let (start, end) = if flags & FIXED != 0 {
            let (start, end) = range(address, length)?;
            pages(start, end).for_each(|page| process.space.unmap(page));
            (start, end)
        } else {
            let size = length.checked_next_multiple_of(PAGE_SIZE).filter(|&size| size > 0).ok_or(Errno::INVAL)?;
            let end = process.memory.mappings;
            let start = end.checked_sub(size).filter(|&start| start > process.memory.heap_end).ok_or(Errno::NOMEM)?;
            process.memory.mappings = start;
            (start, end)
        };
        map_range(process.space, start, end, access(protection))?;
        Ok(start)
    })
}

pub fn munmap(address: u64, length: u64) -> Outcome {
    let (start, end) = range(address, length)?;
    with_current(|process| pages(start, end).for_each(|page| process.space.unmap(page)));
    Ok(0)
}

pub fn mprotect(address: u64, length: u64, protection: u64) -> Outcome {
    let (start, end) = range(address, length)?;
    with_current(|process| {
        if !pages(start, end).all(|page| process.space.is_mapped(page)) {
            return Err(Errno::NOMEM);
        }
        for page in pages(start, end) {
            process.space.protect(page, access(protection))?;
        }
        Ok(0)
    })
}
