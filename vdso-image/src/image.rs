//! What the module of an architecture consists of: an image's constants and bytes, from the same build.

/// The content of the module for the architecture of that name (a `target_arch`, and a folder of `images/`).
///
/// With feature `from-source` the image for the architecture that is compiled for comes from the build script; the others
/// are the committed ones, so that nobody needs the compiler's targets for all of them.
macro_rules! image {
    ($arch:tt) => {
        use $crate::map::{Kind, Mapping, Permission};

        #[cfg(not(all(feature = "from-source", target_arch = $arch)))]
        mod built {
            use super::{Kind, Mapping, Permission};
            include!(concat!("../images/", $arch, "/vdso.rs"));
            pub(super) const BYTES: &[u8] = include_bytes!(concat!("../images/", $arch, "/vdso.so"));
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

        const _: () = assert!(built::BYTES.len() == IMAGE_SIZE);

        // The kernel publishes with the `vvar` that this crate is compiled with; the image reads with the one that it was
        // built from. A kernel in which the two differ does not compile.
        #[cfg(target_arch = $arch)]
        const _: () = assert!(
            PAGE_ABI == vvar::page::ABI && PAGE_LAYOUT == vvar::page::LAYOUT,
            "this image reads another layout of the vvar page: cargo xtask-from-source build-vdso --out vdso-image/images",
        );
    };
}
pub(crate) use image;
