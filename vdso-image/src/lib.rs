//! A vDSO for any kernel: ELF images whose functions read the clocks from the [`vvar`] page.
//!
//! One module an architecture, such as [`x86_64`], and [`IMAGES`] as the list of them. Each is there whatever this crate is
//! compiled for, as an image is bytes.
//!
//! ```
//! use vdso_image::x86_64::{symbol, IMAGE, MAP_PLAN, PAGE_SIZE};
//! use vdso_image::{map, Kind};
//!
//! // Reserve this much address space in the process, at a random place ...
//! let span = map::span(&MAP_PLAN, PAGE_SIZE);
//! # assert_eq!(span, 2 * PAGE_SIZE);
//! # let base: u64 = 0x7fff_0000_0000;
//! // ... map each part there ...
//! let image = base + map::image_offset(&MAP_PLAN) as u64;
//! for part in &MAP_PLAN {
//!     let (address, length) = (image.wrapping_add_signed(part.offset), part.pages * PAGE_SIZE);
//!     match part.kind {
//!         Kind::Vvar => { /* the frame that `vvar::Writer` publishes to, part.permission, address, length */ }
//!         Kind::Image => { /* the frames of IMAGE.as_bytes() */ }
//!         _ => unreachable!(),
//!     }
//! #   assert!(length > 0 && address >= base);
//! }
//! // ... and put `image` into the auxiliary vector as AT_SYSINFO_EHDR (33).
//! assert_eq!(&IMAGE.as_bytes()[..4], b"\x7fELF");
//! assert!(symbol::__VDSO_CLOCK_GETTIME < IMAGE.as_bytes().len());
//! ```
//!
//! The guide to embedding it, step by step with the code of a kernel that boots, is `docs/embedding.md` in the
//! [repository](https://github.com/vdso-rs/vdso/blob/main/docs/embedding.md).
//!
//! The committed images are what the tests have tested, and they do not depend on the kernel's compiler or target flags.
//! Feature `from-source` builds the one for the architecture that is compiled for anew with the running compiler, through
//! `vdso-linker`; feature `source` hands the sources to a kernel's own build of an image, with functions of its own or
//! another layout.
#![no_std]

#[path = "../arch/mod.rs"]
mod arch;
pub mod bytes;
mod image;
pub mod map;
#[cfg(feature = "source")]
pub mod source;

pub use arch::*;
pub use image::Description;
pub use map::{Kind, Mapping, Permission};

/// Compiled here only to be checked with the rest; the image has its own copy, from the same files.
#[cfg(test)]
#[path = "../functions/mod.rs"]
pub mod functions;
