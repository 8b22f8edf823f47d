//! Builds the kernel's own vDSO image, and tells the linker where the kernel's parts go.

use std::path::{Path, PathBuf};
use vdso_linker::{Build, CrateSource, Manifest, PageAbi};
use vvar::page::Encoding;

fn main() {
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let folder = Path::new("arch").join(&arch);
    if let Err(problem) = build(&arch, &folder) {
        eprintln!("{problem}");
        std::process::exit(1);
    }
}

fn build(arch: &str, folder: &Path) -> Result<(), String> {
    if !folder.is_dir() {
        return Err(format!("the kernel does not run on {arch}: build it for {}", architectures().join(", ")));
    }
    link_kernel(&folder.join("kernel.ld"));
    let encoding = Encoding::of_architecture(arch).ok_or_else(|| format!("vvar has no page for {arch}"))?;
    build_image(folder, encoding).map_err(|error| format!("the kernel's vDSO image does not build: {error}"))
}

/// Those that have a folder.
fn architectures() -> Vec<String> {
    let entries = std::fs::read_dir("arch").into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// By the linker script of the architecture's folder.
fn link_kernel(script: &Path) {
    println!("cargo:rerun-if-changed={}", script.display());
    // The bare targets may make position-independent executables; this one runs where the script puts it.
    let script = script.to_string_lossy();
    for argument in ["--no-pie", "-T", &script, "--build-id=none", "-z", "max-page-size=4096"] {
        println!("cargo:rustc-link-arg={argument}");
    }
}

/// From `arch/ARCH/vdso/vdso.toml` to `vdso.so` and `vdso.rs` in OUT_DIR.
fn build_image(folder: &Path, encoding: Encoding) -> Result<(), vdso_linker::Error> {
    println!("cargo:rerun-if-changed=vdso");
    println!("cargo:rerun-if-changed={}", folder.join("vdso").display());
    // Where vdso-linker finds `core` for the image's target, if not in the compiler's own sysroot.
    println!("cargo:rerun-if-env-changed=VDSO_SYSROOT");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    Build::new(Manifest::load(&folder.join("vdso/vdso.toml"))?)
        .library(CrateSource { name: "vvar", files: vvar::source::FILES })
        .functions(CrateSource { name: "functions", files: vdso_image::source::FUNCTIONS })
        .page_abi(PageAbi { abi: vvar::page::ABI, layout: encoding.layout() })
        .build()?
        .write_to(&out)
}
