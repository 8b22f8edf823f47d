//! Builds the kernel's own vDSO image, and tells the linker where the kernel's parts go.

use std::path::{Path, PathBuf};
use vdso_linker::{Build, CrateSource, Manifest, PageAbi};
use vvar::page::Encoding;

fn main() {
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    link_kernel(&arch);
    let Some(encoding) = Encoding::of_architecture(&arch) else {
        eprintln!("there is no vvar page for {arch}: build the kernel for x86_64, riscv64 or aarch64");
        std::process::exit(1);
    };
    if let Err(error) = build_image(&arch, encoding) {
        eprintln!("the kernel's vDSO image does not build: {error}");
        std::process::exit(1);
    }
}

/// By the linker script of the architecture's folder.
fn link_kernel(arch: &str) {
    let script = format!("src/arch/{arch}/kernel.ld");
    println!("cargo:rerun-if-changed={script}");
    // The bare targets may make position-independent executables; this one runs where the script puts it.
    for argument in ["--no-pie", "-T", &script, "--build-id=none", "-z", "max-page-size=4096"] {
        println!("cargo:rustc-link-arg={argument}");
    }
    // QEMU gives a kernel its device tree on aarch64 if it is the flat file that Linux's boot protocol asks for.
    if arch == "aarch64" {
        println!("cargo:rustc-link-arg=--oformat=binary");
    }
}

/// From `vdso/ARCH/vdso.toml` to `vdso.so` and `vdso.rs` in OUT_DIR.
fn build_image(arch: &str, encoding: Encoding) -> Result<(), vdso_linker::Error> {
    println!("cargo:rerun-if-changed=vdso");
    // Where vdso-linker finds `core` for the image's target, if not in the compiler's own sysroot.
    println!("cargo:rerun-if-env-changed=VDSO_SYSROOT");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    Build::new(Manifest::load(&Path::new("vdso").join(arch).join("vdso.toml"))?)
        .library(CrateSource { name: "vvar", files: vvar::source::FILES })
        .functions(CrateSource { name: "functions", files: vdso_image::source::FUNCTIONS })
        .page_abi(PageAbi { abi: vvar::page::ABI, layout: encoding.layout() })
        .build()?
        .write_to(&out)
}
