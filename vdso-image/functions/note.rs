//! The image's note of the page that it reads, for loaders that get image and kernel from different places: owner "vvar",
//! type 1, then the ABI version (32 bits), 4 zero bytes and the layout hash (64 bits).

use vvar::page::{ABI, LAYOUT};

core::arch::global_asm!(
    ".pushsection .note.vvar, \"a\", @note",
    ".balign 4",
    ".long 5, 16, 1",
    ".asciz \"vvar\"",
    ".balign 4",
    ".long {abi}, 0, {low}, {high}",
    ".popsection",
    abi = const ABI,
    low = const LAYOUT as u32,
    high = const (LAYOUT >> 32) as u32,
);
