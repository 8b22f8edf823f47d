//! The two files in memory that programs map: the image, and the page, which the runner writes.

use anyhow::Context;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use vvar::RawPage;

/// Which of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The page that the runner writes and programs read.
    Page,
    /// The code.
    Image,
}

/// A piece of a program's address space: a file, from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The file that it shows.
    pub(super) target: Target,
    /// Where it starts, in bytes from the image's ELF header.
    pub(super) offset: i64,
    /// Bytes.
    pub(super) size: u64,
    /// `PROT_*`.
    pub(super) protection: i32,
    /// `MAP_SHARED` or `MAP_PRIVATE`.
    pub(super) sharing: i32,
}

/// Both files and how they are mapped.
#[derive(Debug)]
pub(super) struct Shared {
    page: File,
    image: File,
    parts: Vec<Part>,
    memory: PageMemory,
}

impl Shared {
    /// Puts `image` and an empty page ("use the system call") into memory.
    pub(super) fn new(image: &[u8], parts: Vec<Part>) -> anyhow::Result<Shared> {
        let image_file = create("vdso").context("a file in memory for the image")?;
        image_file.write_all_at(image, 0).context("writing the image")?;
        set_size(&image_file, Target::Image, &parts)?;
        // Debuggers still set breakpoints: a private mapping is copied when they write.
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&image_file, seals).context("sealing the image")?;

        let page = create("vvar").context("a file in memory for the page")?;
        set_size(&page, Target::Page, &parts)?;
        let memory = PageMemory::map(&page)?;
        // From now on nobody can map it writable, the program included; the mapping just made stays so.
        let seals = SealFlags::FUTURE_WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&page, seals).context("sealing the page (F_SEAL_FUTURE_WRITE, Linux 5.1)")?;
        Ok(Shared { page, image: image_file, parts, memory })
    }

    /// The page, to be written.
    pub(super) fn page(&self) -> RawPage {
        self.memory.page()
    }

    pub(super) fn file(&self, target: Target) -> &File {
        match target {
            Target::Page => &self.page,
            Target::Image => &self.image,
        }
    }

    pub(super) fn parts(&self, target: Target) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.target == target)
    }

    /// Where the lowest part starts, in bytes from the image's ELF header, and the bytes from there to the end of the
    /// highest.
    pub(super) fn span(&self) -> (i64, u64) {
        let low = self.parts.iter().map(|part| part.offset).min().unwrap_or(0);
        let high = self.parts.iter().map(|part| part.offset.saturating_add_unsigned(part.size)).max().unwrap_or(0);
        (low, high.abs_diff(low))
    }
}

fn create(name: &str) -> rustix::io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Since Linux 6.3 the kernel wants to know whether the file itself is to be executable, which is another question
    // than whether it may be mapped so; older ones refuse the flag.
    let fd = rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| rustix::fs::memfd_create(name, flags))?;
    Ok(File::from(fd))
}

fn set_size(file: &File, target: Target, parts: &[Part]) -> anyhow::Result<()> {
    let size = parts.iter().filter(|part| part.target == target).map(|part| part.size).max();
    file.set_len(size.context("the map plan lacks the page or the image")?).context("sizing a file in memory")
}

/// The runner's own, writable mapping of the page. It stays for the life of the process: threads and copies of
/// [`RawPage`] may use it for that long.
#[derive(Debug)]
struct PageMemory(NonNull<u8>);

impl PageMemory {
    fn map(file: &File) -> anyhow::Result<PageMemory> {
        // SAFETY: a new mapping at a place that the kernel chooses takes nothing from anybody.
        let address = unsafe {
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            rustix::mm::mmap(std::ptr::null_mut(), vvar::page::SIZE, protection, MapFlags::SHARED, file, 0)
        };
        let address = address.context("mapping the page")?;
        NonNull::new(address.cast()).map(PageMemory).context("the page was mapped at address 0")
    }

    fn page(&self) -> RawPage {
        // SAFETY: mapped above: whole pages, readable and writable, never unmapped, and reached by this value alone.
        unsafe { RawPage::new(self.0.as_ptr()) }
    }
}

/// A page of its own for a test.
#[cfg(test)]
pub(super) fn test_page() -> RawPage {
    let file = create("vvar").unwrap();
    file.set_len(vvar::page::SIZE as u64).unwrap();
    PageMemory::map(&file).unwrap().page()
}
