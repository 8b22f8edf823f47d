//! Guests: an image and a page that this side writes, mapped by a small program for another architecture under QEMU's user mode,
//! which calls what it is told to. This side is the kernel.
//!
//! | module | what |
//! |---|---|
//! | this | an image, its files, a call's arguments and its end |
//! | [`loader`] | a guest by `tests/foreign/loader.c`, for an architecture of [`arch`](crate::arch) |
//! | [`publisher`] | the page, and what publishes it |

pub mod loader;
pub mod publisher;

pub use loader::Guest;
pub use publisher::{GuestCounter, GuestPage, Publisher};

use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use tempfile::TempDir;
use vdso_image::{map, Description, Kind};
use vvar::page::SIZE;
use vvar::RawPage;

/// Where a guest has the image: an address that no emulated program of these has anything at.
pub const BASE: u64 = 0x20_0000_0000;

/// What a guest fills its buffers with before a call.
pub const UNWRITTEN: i64 = -77;

/// An argument of a call.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// A number, or a pointer that is one.
    Number(i64),
    /// A pointer to a buffer, 0 or 1.
    Buffer(usize),
}

/// A null pointer.
pub const NULL: Argument = Argument::Number(0);

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Number(number) => write!(f, "{number}"),
            Argument::Buffer(buffer) => write!(f, "@{buffer}"),
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Returned {
        /// What.
        result: i64,
        /// What the two buffers hold.
        buffers: [[i64; 2]; 2],
    },
    /// By this signal.
    Signal(i32),
}

impl End {
    /// The result of a call that returned.
    pub fn result(self) -> i64 {
        match self {
            End::Returned { result, .. } => result,
            End::Signal(signal) => panic!("signal {signal}"),
        }
    }

    /// What it wrote to its first buffer as a `timespec`, in ns; the error if it failed.
    pub fn time(self) -> Result<i128, i64> {
        match self {
            End::Returned { result: 0, buffers: [[sec, nsec], _] } => {
                assert!((0..1_000_000_000).contains(&nsec), "{self:?}");
                Ok(i128::from(sec) * 1_000_000_000 + i128::from(nsec))
            }
            End::Returned { result, buffers } => {
                assert_eq!(buffers[0], [UNWRITTEN; 2], "nothing is written by a call that fails");
                Err(result)
            }
            End::Signal(signal) => panic!("signal {signal}"),
        }
    }
}

/// An image for a guest.
#[derive(Debug, Clone)]
pub struct GuestImage<'a> {
    /// Its bytes, whole pages.
    pub bytes: &'a [u8],
    /// Bytes of a page.
    pub page_size: usize,
    /// Where the data page lies, in bytes from the image.
    pub vvar_offset: i64,
    /// Name and offset of each function.
    pub symbols: Vec<(String, usize)>,
}

impl GuestImage<'static> {
    /// An image that ships.
    ///
    /// # Panics
    /// If its plan is not one data page before the image.
    pub fn shipped(image: &'static Description) -> Self {
        let vvar = image.map_plan.iter().find(|part| part.kind == Kind::Vvar).expect("a plan with a page");
        assert_eq!((vvar.pages, map::image_offset(image.map_plan) as i64), (1, -vvar.offset));
        GuestImage {
            bytes: image.bytes,
            page_size: image.page_size,
            vvar_offset: vvar.offset,
            symbols: image.symbols.iter().map(|&(name, offset)| (name.to_owned(), offset)).collect(),
        }
    }
}

impl GuestImage<'_> {
    /// The offset of a function.
    ///
    /// # Panics
    /// If the image has none of that name.
    pub fn function(&self, name: &str) -> usize {
        let symbol = self.symbols.iter().find(|symbol| symbol.0 == name);
        symbol.unwrap_or_else(|| panic!("the image has no {name}")).1
    }
}

/// An image and an empty page as files, and this side's mapping of the page. They go with the value.
#[derive(Debug)]
pub struct Files {
    folder: TempDir,
    vvar_offset: i64,
    memory: NonNull<libc::c_void>,
}

impl Files {
    /// Writes them.
    ///
    /// # Panics
    /// If the system refuses it.
    pub fn write(image: &GuestImage) -> Files {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("vdso.so"), image.bytes).expect("a file in it");
        let page = File::options().read(true).write(true).create_new(true).open(folder.path().join("vvar"));
        let page = page.expect("a file in it");
        // The page lies at the start of one of the image's.
        page.set_len(image.page_size.max(SIZE) as u64).expect("a file of that length");
        let length = NonZeroUsize::new(SIZE).expect("a page");
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, at an address of the system's choice.
        let memory = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, &page, 0) };
        Files { folder, vvar_offset: image.vvar_offset, memory: memory.expect("a mapping of it") }
    }

    /// The folder that has them.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a program is started with that maps them: IMAGE PAGE BASE VVAR.
    pub fn arguments(&self) -> [OsString; 4] {
        let (file, page) = (self.folder().join("vdso.so"), self.folder().join("vvar"));
        [file.into(), page.into(), BASE.to_string().into(), self.vvar_offset.to_string().into()]
    }

    /// The page, as the kernel has it.
    pub fn page(&self) -> RawPage {
        // SAFETY: mapped readable and writable for as long as `self` lives, and reached by atomic operations only. A copy of
        // the value that outlives `self` would be a fault of the test.
        unsafe { RawPage::new(self.memory.as_ptr().cast()) }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // SAFETY: this value's own mapping. An error would leave it mapped, which harms nobody.
        let _ = unsafe { munmap(self.memory, SIZE) };
    }
}

/// QEMU's user mode for an architecture, static or not.
///
/// # Errors
/// That it is missing, and how to get it.
pub fn emulator(architecture: &str) -> Result<PathBuf, String> {
    let name = format!("qemu-{architecture}");
    let found = crate::tool(&name).or_else(|| crate::tool(&format!("{name}-static")));
    found.ok_or_else(|| format!("needs {name} (Debian package qemu-user or qemu-user-static)"))
}
