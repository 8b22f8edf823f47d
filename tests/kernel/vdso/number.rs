//! The kernel's own virtual system call. It is compiled into the image, beside the clock functions.

use vvar::page::offset;
use vvar::PageRead;

/// The number that the kernel keeps at the beginning of its data block in the page.
#[no_mangle]
pub extern "C" fn __vdso_number() -> u64 {
    crate::functions::page().load_u64(offset::KERNEL_DATA)
}
