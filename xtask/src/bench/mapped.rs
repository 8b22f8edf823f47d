//! Image and page in this process, beside the kernel's own vDSO.

use nix::errno::Errno;
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::mman::{mmap, mmap_anonymous, mprotect, MapFlags, ProtFlags};
use nix::unistd::ftruncate;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use vdso_image::x86_64::{MAP_PLAN, PAGE_SIZE};
use vdso_image::{map, Kind, Mapping, Permission};
use vvar::RawPage;

/// An image, and its page twice: below the image, where its functions read it and nobody can write it, and elsewhere, where
/// a writer writes it. Both stay mapped for the life of the process, so what refers to them may be copied freely.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapped {
    image: NonNull<u8>,
    length: usize,
    seen: NonNull<u8>,
    written: RawPage,
}

// SAFETY: the image's bytes never change, and the page is reached by atomic operations only.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps `image` by [`MAP_PLAN`], with an all-zero page.
    ///
    /// # Errors
    ///
    /// What the kernel refused; EFBIG for an image that takes more pages than the plan has for it.
    pub(crate) fn new(image: &[u8]) -> nix::Result<Mapped> {
        let page = memfd_create(c"vvar", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&page, vvar::page::SIZE as i64)?;
        let written = map_writable(&page)?;
        let base = reserve(map::span(&MAP_PLAN, PAGE_SIZE))?;
        let (mut code, mut seen) = (base, base);
        for part in &MAP_PLAN {
            // SAFETY: within the reservation, whose size is the plan's span.
            let at = unsafe { base.offset(map::image_offset(&MAP_PLAN) as isize + part.offset as isize) };
            match part.kind {
                Kind::Vvar => {
                    seen = at;
                    map_page(at, part, &page)?;
                }
                Kind::Image => {
                    code = at;
                    map_image(at, part, image)?;
                }
                _ => return Err(Errno::ENOSYS),
            }
        }
        Ok(Mapped { image: code, length: image.len(), seen, written })
    }

    /// The page, to be written.
    pub(crate) fn page(&self) -> RawPage {
        self.written
    }

    /// The page where the image reads it: writing it faults.
    pub(crate) fn seen(&self) -> NonNull<u8> {
        self.seen
    }

    /// The image's ELF header.
    pub(crate) fn image(&self) -> NonNull<u8> {
        self.image
    }

    /// The image's bytes.
    pub(crate) fn bytes(&self) -> &'static [u8] {
        // SAFETY: mapped with this length, readable, never written again, never unmapped.
        unsafe { std::slice::from_raw_parts(self.image.as_ptr(), self.length) }
    }
}

fn length(bytes: usize) -> nix::Result<NonZeroUsize> {
    NonZeroUsize::new(bytes).ok_or(Errno::EINVAL)
}

fn map_writable(page: &OwnedFd) -> nix::Result<RawPage> {
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping at a place that the kernel chooses takes nothing from anybody.
    let at = unsafe { mmap(None, length(vvar::page::SIZE)?, protection, MapFlags::MAP_SHARED, page, 0)? };
    // SAFETY: just mapped, a page long and aligned to one, readable and writable, never unmapped, and used through
    // `RawPage` alone.
    Ok(unsafe { RawPage::new(at.cast().as_ptr()) })
}

fn reserve(span: usize) -> nix::Result<NonNull<u8>> {
    // SAFETY: as in `map_writable`.
    let base = unsafe { mmap_anonymous(None, length(span)?, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)? };
    Ok(base.cast())
}

fn protection(part: &Mapping) -> nix::Result<ProtFlags> {
    match part.permission {
        Permission::Read => Ok(ProtFlags::PROT_READ),
        Permission::ReadExecute => Ok(ProtFlags::PROT_READ | ProtFlags::PROT_EXEC),
        _ => Err(Errno::ENOSYS),
    }
}

fn map_page(at: NonNull<u8>, part: &Mapping, page: &OwnedFd) -> nix::Result<()> {
    let (address, flags) = (length(at.as_ptr() as usize)?, MapFlags::MAP_SHARED | MapFlags::MAP_FIXED);
    // SAFETY: replaces a part of the caller's reservation.
    unsafe { mmap(Some(address), length(part.pages * PAGE_SIZE)?, protection(part)?, flags, page, 0)? };
    Ok(())
}

fn map_image(at: NonNull<u8>, part: &Mapping, image: &[u8]) -> nix::Result<()> {
    let size = part.pages * PAGE_SIZE;
    if image.len() > size {
        return Err(Errno::EFBIG);
    }
    let at = at.cast::<c_void>();
    // SAFETY: within the caller's reservation, `size` bytes, which nobody uses yet; writable when they are copied to.
    unsafe {
        mprotect(at, size, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
        std::ptr::copy_nonoverlapping(image.as_ptr(), at.cast().as_ptr(), image.len());
        mprotect(at, size, protection(part)?)
    }
}
