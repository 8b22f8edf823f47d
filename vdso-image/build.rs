//! With feature `from-source`: builds the image for the architecture that is compiled for from this crate's sources and
//! `vvar`'s. The other images stay the committed ones: a kernel needs no compiler target but its own.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Set by vdso-linker, from the manifest's `image.fallback`.
    println!("cargo:rustc-check-cfg=cfg(vdso_fallback, values(\"linux-syscall\", \"enosys\"))");
    #[cfg(feature = "from-source")]
    from_source::build();
}

#[cfg(feature = "from-source")]
#[path = "src/source.rs"]
#[allow(unreachable_pub)] // public where the crate has it as a module
mod source;

#[cfg(feature = "from-source")]
mod from_source {
    use std::path::{Path, PathBuf};
    use vdso_linker::{Build, CrateSource, Error, Manifest, PageAbi};

    pub(super) fn build() {
        println!("cargo:rerun-if-changed=functions");
        println!("cargo:rerun-if-changed=arch");
        let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
        let Some(encoding) = vvar::page::Encoding::of_architecture(&arch) else {
            return; // there is no image for it
        };
        if let Err(error) = build_image(&arch, encoding) {
            eprintln!("building the {arch} image failed: {error}");
            std::process::exit(1);
        }
    }

    fn build_image(arch: &str, encoding: vvar::page::Encoding) -> Result<(), Error> {
        let crate_dir = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
        let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
        let manifest = Manifest::load(&crate_dir.join(Path::new("arch").join(arch).join("vdso.toml")))?;
        Build::new(manifest)
            .library(CrateSource { name: "vvar", files: vvar::source::FILES })
            .functions(CrateSource { name: "functions", files: super::source::FUNCTIONS })
            .page_abi(PageAbi { abi: vvar::page::ABI, layout: encoding.layout() })
            .build()?
            .write_to(&out_dir.join(arch))
    }
}
