//! The image: what it is to be, and the sources that vdso-image has not.
//!
//! A kernel for this architecture has this crate as a build dependency and says in its `build.rs`:
//!
//! ```no_run
//! use std::path::Path;
//! use vdso_loongarch64::image;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     println!("cargo:rerun-if-changed=vdso.toml");
//!     let out = std::env::var_os("OUT_DIR").ok_or("build scripts have OUT_DIR")?;
//!     // `image::manifest()` for the functions that Linux's image has, and nothing else.
//!     let manifest = image::load_manifest(Path::new("vdso.toml"))?;
//!     image::build(manifest).build()?.write_to(Path::new(&out))?; // vdso.so, vdso.so.dbg, vdso.rs
//!     Ok(())
//! }
//! ```

use std::path::Path;
use vdso_linker::arch::Arch;
use vdso_linker::{Build, CrateSource, Error, Manifest, PageAbi};

/// The architecture, for manifests.
pub const ARCH: Arch = Arch::new(&super::ARCHITECTURE);

/// The text of the manifest of an image as Linux has it.
pub const MANIFEST: &str = include_str!("../image/vdso.toml");

/// The architecture's part of the functions: path in vdso-image's tree, and text.
pub const FUNCTION_FILES: &[(&str, &str)] = &[
    ("arch/functions.rs", include_str!("../image/functions/mod.rs")),
    ("arch/counter.rs", include_str!("../image/functions/counter.rs")),
    ("arch/rt_sigreturn.rs", include_str!("../image/functions/rt_sigreturn.rs")),
    ("arch/system_call.rs", include_str!("../image/functions/system_call.rs")),
];

/// The manifest of an image as Linux has it.
///
/// # Errors
/// As [`Manifest::parse`]; the tests of this crate meet none.
pub fn manifest() -> Result<Manifest, Error> {
    Manifest::parse_with(MANIFEST, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/image/vdso.toml")), &[ARCH])
}

/// A manifest from a file, with `arch = "loongarch64"`.
///
/// # Errors
/// As [`Manifest::load`].
pub fn load_manifest(path: &Path) -> Result<Manifest, Error> {
    Manifest::load_with(path, &[ARCH])
}

/// The build of an image by a manifest from `vvar`, vdso-image's functions and [`FUNCTION_FILES`].
pub fn build(manifest: Manifest) -> Build {
    Build::new(manifest)
        .library(CrateSource { name: "vvar", files: vvar::source::FILES })
        .functions(CrateSource { name: "functions", files: vdso_image::source::FUNCTIONS })
        .function_files(FUNCTION_FILES)
        .page_abi(PageAbi { abi: vvar::page::ABI, layout: vvar::page::Encoding::Wide.layout() })
}
