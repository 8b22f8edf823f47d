//! The image for x86-64: `__vdso_clock_gettime`, `__vdso_gettimeofday`, `__vdso_time`, `__vdso_clock_getres` and
//! `__vdso_getcpu`, version LINUX_2.6, each with its weak unprefixed alias.

use crate::bytes::PageAligned;
use crate::map::{Kind, Mapping, Permission};

#[cfg(not(feature = "from-source"))]
mod built {
    use super::{Kind, Mapping, Permission};
    include!("../images/x86_64/vdso.rs");
    pub(super) const BYTES: &[u8] = include_bytes!("../images/x86_64/vdso.so");
}

#[cfg(feature = "from-source")]
mod built {
    use super::{Kind, Mapping, Permission};
    include!(concat!(env!("OUT_DIR"), "/x86_64/vdso.rs"));
    pub(super) const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/x86_64/vdso.so"));
}

pub use built::*;

/// The image, page-aligned and padded to whole pages.
pub static IMAGE: PageAligned<{ IMAGE_PAGES * PAGE_SIZE }> = PageAligned::padded(built::BYTES);

// The kernel publishes with the `vvar` that this crate is compiled with; the image reads with the one that it was built
// from. A kernel in which the two differ does not compile.
const _: () = assert!(
    PAGE_ABI == vvar::page::ABI && PAGE_LAYOUT == vvar::page::LAYOUT,
    "this image reads another layout of the vvar page: cargo xtask-from-source build-vdso --out vdso-image/images",
);
const _: () = assert!(built::BYTES.len() == IMAGE_SIZE);
