//! The image and its page, mapped into this process as a kernel maps them into a program, and the functions called there.

use libc::{c_int, c_long, time_t, timespec, timeval};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::mman::{mmap, mmap_anonymous, mprotect, munmap, MapFlags, ProtFlags};
use nix::unistd::ftruncate;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use vdso_image::x86_64::{symbol, IMAGE, MAP_PLAN, PAGE_SIZE};
use vdso_image::{map, Kind, Permission};
use vvar::page::offset;
use vvar::{PageWrite, RawPage};

/// `struct timezone` of `gettimeofday(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub(crate) struct Timezone {
    pub(crate) minutes_west: c_int,
    pub(crate) dst_time: c_int,
}

/// The mappings of one image, gone when this value is dropped.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// The plan's lowest address.
    base: NonNull<libc::c_void>,
    /// The kernel's side of the page: the same frame, writable.
    page: NonNull<libc::c_void>,
}

const SPAN: usize = map::span(&MAP_PLAN, PAGE_SIZE);

fn length(bytes: usize) -> NonZeroUsize {
    NonZeroUsize::new(bytes).expect("no mapping is empty")
}

fn protection(permission: Permission) -> ProtFlags {
    match permission {
        Permission::Read => ProtFlags::PROT_READ,
        Permission::ReadExecute => ProtFlags::PROT_READ | ProtFlags::PROT_EXEC,
        other => panic!("a permission that this test does not know: {other:?}"),
    }
}

impl Mapped {
    /// Maps image and page, all of the page zero, and lets the functions through to the kernel.
    pub(crate) fn new() -> nix::Result<Mapped> {
        let frame = memfd_create("vvar", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&frame, PAGE_SIZE as libc::off_t)?;
        let writable = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let page = unsafe { mmap(None, length(PAGE_SIZE), writable, MapFlags::MAP_SHARED, &frame, 0)? };
        // SAFETY: as above.
        let base = unsafe { mmap_anonymous(None, length(SPAN), ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)? };
        let mapped = Mapped { base, page };
        for part in &MAP_PLAN {
            let at = mapped.image().wrapping_add_signed(part.offset as isize);
            let (length, protection) = (length(part.pages * PAGE_SIZE), protection(part.permission));
            match part.kind {
                Kind::Vvar => map_frame(at, length, protection, &frame)?,
                Kind::Image => map_copy(at, length, protection, IMAGE.as_bytes())?,
                other => panic!("a mapping that this test does not know: {other:?}"),
            }
        }
        Ok(mapped)
    }

    /// Address of the ELF header.
    fn image(&self) -> usize {
        self.base.as_ptr() as usize + map::image_offset(&MAP_PLAN)
    }

    /// The page, as the kernel has it.
    pub(crate) fn page(&self) -> RawPage {
        // SAFETY: a page of its own, mapped readable and writable for as long as `self` lives; all who use it do so by
        // atomic operations. A copy of the value that outlives `self` would be a fault of the test, and fault.
        unsafe { RawPage::new(self.page.as_ptr().cast()) }
    }

    /// Makes the page what a fresh frame is.
    pub(crate) fn clear(&self) {
        for at in (0..offset::KERNEL_DATA).step_by(8) {
            self.page().store_u64(at, 0);
        }
    }

    /// The address of a function.
    fn function(&self, offset: usize) -> *const () {
        (self.image() + offset) as *const ()
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

/// Maps a frame over the reservation at `at`.
fn map_frame(at: usize, length: NonZeroUsize, protection: ProtFlags, frame: &OwnedFd) -> nix::Result<()> {
    let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
    // SAFETY: replaces a part of this image's own reservation, which nothing points into yet.
    unsafe { mmap(NonZeroUsize::new(at), length, protection, flags, frame, 0).map(drop) }
}

/// Maps a private copy of `bytes` over the reservation at `at`.
fn map_copy(at: usize, length: NonZeroUsize, protection: ProtFlags, bytes: &[u8]) -> nix::Result<()> {
    assert_eq!(length.get(), bytes.len());
    let writable = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED;
    // SAFETY: as in map_frame; then the copy goes into the mapping just made, which has that length.
    unsafe {
        let memory = mmap_anonymous(NonZeroUsize::new(at), length, writable, flags)?;
        memory.cast::<u8>().copy_from_nonoverlapping(NonNull::from(&bytes[0]), bytes.len());
        mprotect(memory, length.get(), protection)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: both mappings are this value's own. An error would leave them mapped, which harms nobody.
        unsafe {
            let _ = munmap(self.base, SPAN);
            let _ = munmap(self.page, PAGE_SIZE);
        }
    }
}

// SAFETY: the functions may be called from any thread, and the page is reached by atomic operations only.
unsafe impl Sync for Mapped {}
