//! The image, built from this crate's functions and vdso-image's: what is in it, and that images which are broken in
//! LoongArch's own ways are refused.

mod broken;
mod content;
mod place;
#[path = "../shared/mod.rs"]
mod shared;
