//! The functions of the image. This module tree is compiled into the vDSO, by `vdso-linker`, together with the `vvar` crate.
//!
//! They run in user mode, in whatever thread calls them, often on a small stack, perhaps in a signal handler that has
//! interrupted another of them. So: no vector or floating-point instruction, no stack probe, at most 256 bytes of stack, no
//! writable data, no call out of the image, no panic. The gate refuses an image that breaks one of these.
//!
//! What differs between architectures is what [`arch`] gives: which functions there are and what they are called, the page's
//! address, the system call, the ordered counter read. An architecture that has no folder there brings its own
//! `arch/functions.rs` in the place of this crate's, and the rest of this tree as it is.

mod clock_getres;
mod clock_gettime;
mod gettimeofday;
mod note;
pub mod system_call;

#[path = "../arch/functions.rs"]
pub mod arch;

pub use clock_getres::clock_getres;
pub use clock_gettime::clock_gettime;
pub use gettimeofday::{gettimeofday, Timeval, Timezone};

use arch::MachineCounter;
use vvar::RawPage;

/// Exports generic functions by the names that an architecture's clients look up.
#[allow(unused_macros)] // not every architecture can have its entries in Rust
macro_rules! export {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty = $function:path;)*) => {$(
        #[no_mangle]
        unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            // SAFETY: the caller's promise.
            unsafe { $function($($argument),*) }
        }
    )*};
}
#[allow(unused_imports)]
use export;

/// `struct timespec` of a 64-bit program.
#[repr(C)]
pub struct Timespec {
    sec: i64,
    nsec: i64,
}

impl Timespec {
    /// # Safety
    ///
    /// `at` is the caller's pointer: valid for a `timespec`, or the caller is to fault as it would on its own store.
    #[inline(always)]
    unsafe fn store(at: *mut Timespec, time: vvar::Timespec) {
        // SAFETY: the caller's promise. Two plain stores, so that the compiler has no reason for a vector register.
        unsafe {
            core::ptr::addr_of_mut!((*at).sec).write(time.sec as i64);
            core::ptr::addr_of_mut!((*at).nsec).write(i64::from(time.nsec));
        }
    }
}

/// The page beside the image.
#[inline(always)]
pub fn page() -> RawPage {
    // SAFETY: whoever maps the image maps the page with it, at the place that the linker script gives, for as long as the
    // process lives; this side only reads it.
    unsafe { RawPage::new(arch::page_address().cast_mut()) }
}

/// A reading in two registers.
#[repr(C)]
struct Reading {
    sec: u64,
    /// Negative if the page cannot answer.
    nsec: i32,
}

/// The slow path of every function, once, and out of the way of the fast path's registers.
#[cold]
#[inline(never)]
extern "C" fn read_slow(index: usize) -> Reading {
    match vvar::reader::read_slow(&page(), &MachineCounter, index) {
        Some(time) => Reading { sec: time.sec, nsec: time.nsec as i32 },
        None => Reading { sec: 0, nsec: -1 },
    }
}

/// As [`read_slow`], as the fast path has it.
#[inline(always)]
fn slow_time(index: usize) -> Option<vvar::Timespec> {
    let Reading { sec, nsec } = read_slow(index);
    (nsec >= 0).then_some(vvar::Timespec { sec, nsec: nsec as u32 })
}

/// The index of a clock's line; `None` for an id that has none (CPU-time clocks are negative).
#[inline(always)]
fn line_of(clock: i32) -> Option<usize> {
    let index = clock as u32 as usize;
    (index < vvar::page::LINES).then_some(index)
}
