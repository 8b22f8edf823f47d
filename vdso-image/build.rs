//! With feature `from-source`: builds the images from this crate's sources and `vvar`'s.

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
        println!("cargo:rerun-if-changed=images");
        for arch in ["x86_64"] {
            if let Err(error) = build_image(arch) {
                eprintln!("building the {arch} image failed: {error}");
                std::process::exit(1);
            }
        }
    }

    fn build_image(arch: &str) -> Result<(), Error> {
        let crate_dir = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
        let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
        let manifest = Manifest::load(&crate_dir.join(Path::new("images").join(arch).join("vdso.toml")))?;
        Build::new(manifest)
            .library(CrateSource { name: "vvar", files: vvar::source::FILES })
            .functions(CrateSource { name: "functions", files: super::source::FUNCTIONS })
            .page_abi(PageAbi { abi: vvar::page::ABI, layout: vvar::page::LAYOUT })
            .build()?
            .write_to(&out_dir.join(arch))
    }
}
