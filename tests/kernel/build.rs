//! Builds the kernel's own vDSO image, and tells the linker where the kernel's parts go.

use std::path::{Path, PathBuf};
use vdso_linker::{Build, CrateSource, Manifest, PageAbi};

const LINKER_SCRIPT: &str = "src/arch/x86_64/kernel.ld";

fn main() {
    println!("cargo:rerun-if-changed={LINKER_SCRIPT}");
    // The bare target makes position-independent executables; this one runs where the script puts it.
    for argument in ["--no-pie", "-T", LINKER_SCRIPT, "--build-id=none", "-z", "max-page-size=4096"] {
        println!("cargo:rustc-link-arg={argument}");
    }
    if let Err(error) = build_image() {
        eprintln!("the kernel's vDSO image does not build: {error}");
        std::process::exit(1);
    }
}

/// From `vdso/vdso.toml` to `vdso.so` and `vdso.rs` in OUT_DIR.
fn build_image() -> Result<(), vdso_linker::Error> {
    println!("cargo:rerun-if-changed=vdso");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    Build::new(Manifest::load(Path::new("vdso/vdso.toml"))?)
        .library(CrateSource { name: "vvar", files: vvar::source::FILES })
        .functions(CrateSource { name: "functions", files: vdso_image::source::FUNCTIONS })
        .page_abi(PageAbi { abi: vvar::page::ABI, layout: vvar::page::LAYOUT })
        .build()?
        .write_to(&out)
}
