//! What the module of an architecture consists of: an image's constants and bytes, from the same build.

use crate::map::Mapping;

/// An image and what its host has to know of it, for a host that serves more than one architecture, such as an emulator. A
/// kernel takes the module of its own.
///
/// ```
/// let machine = std::env::consts::ARCH; // of the program that is to be run
/// let image = vdso_image::IMAGES.iter().find(|image| image.arch == machine).expect("an architecture with an image");
/// assert_eq!(image.bytes.len() % image.page_size, 0);
/// let (name, offset) = image.symbols[0];
/// assert_eq!(image.symbol(name), Some(offset));
/// assert_eq!(image.symbol("__vdso_getrandom"), None);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Description {
    /// The architecture's name: that of its module, and of `target_arch`.
    pub arch: &'static str,
    /// The image, at the start of a page and padded with zeroes to whole pages.
    pub bytes: &'static [u8],
    /// Bytes of the image before it is padded.
    pub size: usize,
    /// Bytes of a page.
    pub page_size: usize,
    /// What to map where, by rising offset; offsets in bytes from the image's ELF header.
    pub map_plan: &'static [Mapping],
    /// Each function's name, aliases included, and its offset from the image's ELF header in bytes.
    pub symbols: &'static [(&'static str, usize)],
    /// The image's DT_SONAME.
    pub soname: &'static str,
    /// The image's build id, by which debuggers find its symbols.
    pub build_id: [u8; 20],
    /// ABI version of the page that the image reads: compare with [`vvar::page::ABI`].
    pub page_abi: u32,
    /// Layout hash of the page that the image reads: compare with [`vvar::page::Encoding::layout`].
    pub page_layout: u64,
}

impl Description {
    /// The offset of a function from the image's ELF header in bytes; `None` if the image has no function of that name.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<usize> {
        self.symbols.iter().find(|symbol| symbol.0 == name).map(|symbol| symbol.1)
    }
}

/// The content of the module for the architecture of that name (a `target_arch`, and a folder of `arch/`).
///
/// With feature `from-source` the image for the architecture that is compiled for comes from the build script; the others
/// are the committed ones, so that nobody needs the compiler's targets for all of them.
macro_rules! image {
    ($arch:tt) => {
        use $crate::map::{Kind, Mapping, Permission};

        #[cfg(not(all(feature = "from-source", target_arch = $arch)))]
        mod built {
            use super::{Kind, Mapping, Permission};
            include!("vdso.rs");
            pub(super) const BYTES: &[u8] = include_bytes!("vdso.so");
        }

        #[cfg(all(feature = "from-source", target_arch = $arch))]
        mod built {
            use super::{Kind, Mapping, Permission};
            include!(concat!(env!("OUT_DIR"), "/", $arch, "/vdso.rs"));
            pub(super) const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/", $arch, "/vdso.so"));
        }

        pub use built::*;

        /// The image, page-aligned and padded to whole pages.
        pub static IMAGE: $crate::bytes::PageAligned<{ IMAGE_PAGES * PAGE_SIZE }> =
            $crate::bytes::PageAligned::padded(built::BYTES);

        /// All of this module in one value.
        pub static DESCRIPTION: $crate::Description = $crate::Description {
            arch: $arch,
            bytes: IMAGE.as_bytes(),
            size: IMAGE_SIZE,
            page_size: PAGE_SIZE,
            map_plan: &MAP_PLAN,
            symbols: &SYMBOLS,
            soname: SONAME,
            build_id: BUILD_ID,
            page_abi: PAGE_ABI,
            page_layout: PAGE_LAYOUT,
        };

        const _: () = assert!(built::BYTES.len() == IMAGE_SIZE);

        // The kernel publishes with the `vvar` that this crate is compiled with; the image reads with the one that it was
        // built from. A kernel in which the two differ does not compile.
        #[cfg(target_arch = $arch)]
        const _: () = assert!(
            PAGE_ABI == vvar::page::ABI && PAGE_LAYOUT == vvar::page::LAYOUT,
            "this image reads another layout of the vvar page: cargo xtask-from-source build-vdso --out vdso-image/arch",
        );
    };
}
pub(crate) use image;
