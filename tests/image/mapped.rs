//! The image and its page, mapped into this process as a kernel maps them into a program, and the functions called there.

#[path = "../../xtask/src/bench/mapped.rs"]
#[allow(dead_code)] // what the benchmarks alone need
mod bench;

use libc::{c_int, c_long, time_t, timespec, timeval};
use vdso_image::x86_64::{symbol, IMAGE};
use vvar::page::offset;
use vvar::{PageWrite, RawPage};

/// `struct timezone` of `gettimeofday(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub(crate) struct Timezone {
    pub(crate) minutes_west: c_int,
    pub(crate) dst_time: c_int,
}

/// An image with a page of its own.
#[derive(Debug)]
pub(crate) struct Mapped(bench::Mapped);

impl Mapped {
    /// Maps image and page, all of the page zero: the functions leave everything to the kernel.
    pub(crate) fn new() -> nix::Result<Mapped> {
        bench::Mapped::new(IMAGE.as_bytes()).map(Mapped)
    }

    /// The page, as the kernel has it.
    pub(crate) fn page(&self) -> RawPage {
        self.0.page()
    }

    /// Makes the page what a fresh frame is.
    pub(crate) fn clear(&self) {
        for at in (0..offset::KERNEL_DATA).step_by(8) {
            self.page().store_u64(at, 0);
        }
    }

    /// The address of a function.
    fn function(&self, offset: usize) -> *const () {
        self.0.image().as_ptr().wrapping_add(offset).cast_const().cast()
    }

    /// `clock_gettime`.
    ///
    /// # Safety
    ///
    /// `at` is valid, or the process may fault. So for every pointer here.
    pub(crate) unsafe fn clock_gettime(&self, clock: c_int, at: *mut timespec) -> c_int {
        type Function = extern "C" fn(c_int, *mut timespec) -> c_int;
        // SAFETY: the address is that of a function of this type, by the image's constants; mapped executable.
        unsafe { std::mem::transmute::<*const (), Function>(self.function(symbol::__VDSO_CLOCK_GETTIME))(clock, at) }
    }

    /// `clock_getres`.
    ///
    /// # Safety
    ///
    /// As [`Mapped::clock_gettime`].
    pub(crate) unsafe fn clock_getres(&self, clock: c_int, at: *mut timespec) -> c_int {
        type Function = extern "C" fn(c_int, *mut timespec) -> c_int;
        // SAFETY: as for clock_gettime.
        unsafe { std::mem::transmute::<*const (), Function>(self.function(symbol::__VDSO_CLOCK_GETRES))(clock, at) }
    }

    /// `gettimeofday`.
    ///
    /// # Safety
    ///
    /// As [`Mapped::clock_gettime`].
    pub(crate) unsafe fn gettimeofday(&self, at: *mut timeval, zone: *mut Timezone) -> c_int {
        type Function = extern "C" fn(*mut timeval, *mut Timezone) -> c_int;
        // SAFETY: as for clock_gettime.
        unsafe { std::mem::transmute::<*const (), Function>(self.function(symbol::__VDSO_GETTIMEOFDAY))(at, zone) }
    }

    /// `time`.
    ///
    /// # Safety
    ///
    /// As [`Mapped::clock_gettime`].
    pub(crate) unsafe fn time(&self, at: *mut time_t) -> time_t {
        type Function = extern "C" fn(*mut time_t) -> time_t;
        // SAFETY: as for clock_gettime.
        unsafe { std::mem::transmute::<*const (), Function>(self.function(symbol::__VDSO_TIME))(at) }
    }

    /// `getcpu`.
    ///
    /// # Safety
    ///
    /// As [`Mapped::clock_gettime`].
    pub(crate) unsafe fn getcpu(&self, cpu: *mut u32, node: *mut u32) -> c_long {
        type Function = extern "C" fn(*mut u32, *mut u32, *mut u8) -> c_long;
        // SAFETY: as for clock_gettime.
        unsafe {
            std::mem::transmute::<*const (), Function>(self.function(symbol::__VDSO_GETCPU))(
                cpu,
                node,
                std::ptr::null_mut(),
            )
        }
    }
}
