//! The kernel's own sections, as each architecture's linker script lays them out: code, constants and data, each in whole pages.

use crate::paging::{Access, PAGE_SIZE};

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

/// Where its code begins.
#[must_use]
pub fn start() -> *const u8 {
    &raw const text_start
}

/// Where it ends.
#[must_use]
pub fn end() -> *const u8 {
    &raw const data_end
}

/// Calls `map` for each page of the kernel, with what the kernel itself may do with it. The page below each stack is left out.
pub fn each_page<E>(mut map: impl FnMut(*const u8, Access) -> Result<(), E>) -> Result<(), E> {
    const CONSTANTS: Access = Access { read: true, write: false, execute: false };
    let sections = [
        (&raw const text_start, &raw const text_end, Access { execute: true, ..CONSTANTS }),
        (&raw const rodata_start, &raw const rodata_end, CONSTANTS),
        (&raw const data_start, &raw const data_end, Access { write: true, ..CONSTANTS }),
    ];
    let guards = [&raw const boot_cpu_stack_guard, &raw const other_cpu_stack_guard];
    for (start, end, access) in sections {
        for page in (start as u64..end as u64).step_by(PAGE_SIZE as usize) {
            let page = page as *const u8;
            if !guards.contains(&page) {
                map(page, access)?;
            }
        }
    }
    Ok(())
}
