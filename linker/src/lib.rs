//! Builds and checks vDSO images.
//!
//! A vDSO is a small shared object that a kernel maps into every process, so that clock calls need no system call. This
//! crate makes one from a [manifest](manifest::Manifest) and the sources of the functions, with the running toolchain's
//! `rustc` and `rust-lld`, and refuses to hand out one that a client could not use.
//!
//! | module | what |
//! |---|---|
//! | [`manifest`] | `vdso.toml`: what the image is to be |
//! | [`script`] | linker script and version script, from the manifest |
//! | [`build`] | compile, link, check: [`Build`] |
//! | [`constants`] | the Rust file by which a kernel knows the image without an ELF parser |
//! | [`gate`] | the rules that an image must keep |
//! | [`arch`] | what is particular to an architecture, also to one of your own |
//! | [`inspect`] | what is in an image, or in any shared object |
//!
//! # From a kernel's `build.rs`
//!
//! `vvar` and `vdso-image`, with feature `source`, hold the sources of the usual clock functions. The manifest may add
//! files of the kernel's own.
//!
//! ```no_run
//! # mod vvar { pub mod source { pub const FILES: &[(&str, &str)] = &[]; } pub mod page { pub const ABI: u32 = 1; pub const LAYOUT: u64 = 1; } }
//! # mod vdso_image { pub mod source { pub const FUNCTIONS: &[(&str, &str)] = &[]; } }
//! use std::path::{Path, PathBuf};
//! use vdso_linker::{Build, CrateSource, Manifest, PageAbi};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     println!("cargo:rerun-if-changed=vdso.toml");
//!     let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("build scripts have OUT_DIR")?);
//!     Build::new(Manifest::load(Path::new("vdso.toml"))?)
//!         .library(CrateSource { name: "vvar", files: vvar::source::FILES })
//!         .functions(CrateSource { name: "functions", files: vdso_image::source::FUNCTIONS })
//!         .page_abi(PageAbi { abi: vvar::page::ABI, layout: vvar::page::LAYOUT })
//!         .build()?
//!         .write_to(&out)?; // vdso.so, vdso.so.dbg, vdso.rs
//!     Ok(())
//! }
//! ```

pub mod arch;
pub mod build;
mod compile;
pub mod constants;
pub mod error;
pub mod gate;
mod image;
pub mod inspect;
mod link;
pub mod manifest;
pub mod script;
mod toolchain;

pub use build::{Artifacts, Build, CrateSource, Refusal};
pub use error::Error;
pub use gate::PageAbi;
pub use link::Complaint;
pub use manifest::Manifest;
