//! The image that `build.rs` makes of `arch/ARCH/vdso/vdso.toml`: the usual functions, and one of the kernel's own.

use crate::embedding::Image;

/// All that `vdso-linker` says of it; this kernel needs little of that.
#[allow(dead_code)]
mod built {
    use vdso_image::{Kind, Mapping, Permission};
    include!(concat!(env!("OUT_DIR"), "/vdso.rs"));
}
use built::{IMAGE_PAGES, MAP_PLAN, PAGE_ABI, PAGE_LAYOUT, PAGE_SIZE};
use vdso_image::bytes::PageAligned;

static BYTES: PageAligned<{ IMAGE_PAGES * PAGE_SIZE }> =
    PageAligned::padded(include_bytes!(concat!(env!("OUT_DIR"), "/vdso.so")));

/// The image. The programs that run with it here handle no signal: otherwise `trampoline` is this image's own symbol, as
/// `built::symbol` has it.
pub static IMAGE: Image = Image { bytes: BYTES.as_bytes(), plan: &MAP_PLAN, trampoline: None };

const _: () = assert!(PAGE_ABI == vvar::page::ABI && PAGE_LAYOUT == vvar::page::LAYOUT);
