//! `cargo xtask build-vdso`: from sources and manifest to an image.

use crate::core_library;
use anyhow::{bail, Context, Result};
use clap::builder::PossibleValuesParser;
use std::fs;
use std::path::{Path, PathBuf};
use vdso_linker::manifest::Arch;
use vdso_linker::{Artifacts, Build, CrateSource, Manifest, PageAbi};
use vvar::page::Encoding;

/// Builds the vDSO image from source, checks it, and writes `DIR/ARCH/vdso.so`, `vdso.so.dbg` (with symbols and debug
/// information, for debuggers) and `vdso.rs` (symbol offsets, map plan, build id).
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The architecture [default: all with --check, else x86_64].
    #[arg(long, value_parser = architectures())]
    arch: Option<String>,
    /// Build what this `vdso.toml` says, instead of the image that `vdso-image` ships.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arch", "check"])]
    manifest: Option<PathBuf>,
    /// Where to write.
    #[arg(long, value_name = "DIR", default_value = "target/vdso")]
    out: PathBuf,
    /// Write nothing; fail unless the committed images are, byte for byte, what the sources and this compiler make.
    #[arg(long, conflicts_with = "out")]
    check: bool,
}

/// The name that stands for every architecture.
const ALL: &str = "all";

/// What `--arch` may name.
fn architectures() -> PossibleValuesParser {
    Arch::ALL.iter().map(|arch| arch.name()).chain([ALL]).collect::<Vec<_>>().into()
}

impl Options {
    /// The host's shipped image, built into `out`.
    pub(crate) fn into(out: &Path) -> Options {
        Options { arch: None, manifest: None, out: out.into(), check: false }
    }

    /// The architectures whose shipped images are meant.
    fn selected(&self) -> impl Iterator<Item = Arch> + '_ {
        let name = self.arch.as_deref().unwrap_or(if self.check { ALL } else { Arch::X86_64.name() });
        Arch::ALL.iter().copied().filter(move |arch| name == ALL || name == arch.name())
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(manifest) = &options.manifest {
        return build_and_write(manifest, &options.out);
    }
    for arch in options.selected() {
        let committed = committed(arch);
        if options.check {
            check(arch, &committed)?;
        } else {
            build_and_write(&committed.join("vdso.toml"), &options.out)?;
        }
    }
    Ok(())
}

/// Where `vdso-image` keeps its manifest and image for `arch`.
pub(crate) fn committed(arch: Arch) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vdso-image/arch").join(arch.name())
}

/// The page that images of an architecture read.
pub(crate) fn page_abi(arch: Arch) -> Result<PageAbi> {
    let encoding = Encoding::of_architecture(arch.name()).with_context(|| {
        format!("vvar has no encoding of the page's lines for {arch}; add one in vvar/src/arch/mod.rs")
    })?;
    Ok(PageAbi { abi: vvar::page::ABI, layout: encoding.layout() })
}

/// Builds from the sources that this program was compiled with.
pub(crate) fn build(manifest: Manifest) -> Result<Artifacts> {
    let arch = manifest.image.arch;
    let mut build = Build::new(manifest)
        .library(CrateSource { name: "vvar", files: vvar::source::FILES })
        .functions(CrateSource { name: "functions", files: vdso_image::source::FUNCTIONS })
        .page_abi(page_abi(arch)?);
    if let Some(sysroot) = core_library::sysroot(arch.target(), &core_library::folder())? {
        build = build.sysroot(sysroot);
    }
    let artifacts = build.build()?;
    Ok(artifacts)
}

fn build_and_write(manifest: &Path, out: &Path) -> Result<()> {
    let manifest = Manifest::load(manifest)?;
    let dir = out.join(manifest.image.arch.to_string());
    let artifacts = build(manifest).map_err(|error| keep_refused(error, &dir))?;
    artifacts.write_to(&dir)?;
    println!("{}", vdso_linker::inspect::inspect(&artifacts.image)?.symbol_table());
    println!("size: {} bytes", artifacts.image.len());
    println!("{}", artifacts.report);
    for name in ["vdso.so", "vdso.so.dbg", "vdso.rs"] {
        println!("wrote {}", dir.join(name).display());
    }
    Ok(())
}

/// An image that the gate has refused is kept for a disassembler, as the report names its instructions by their addresses.
fn keep_refused(error: anyhow::Error, folder: &Path) -> anyhow::Error {
    let kept = match error.downcast_ref() {
        Some(vdso_linker::Error::Refused(refusal)) => refusal.write_to(folder),
        _ => return error,
    };
    match kept {
        Ok(()) => error.context(format!("kept for a disassembler as {}", folder.join("vdso.so.dbg.refused").display())),
        Err(problem) => error.context(format!("not kept for a disassembler ({problem})")),
    }
}

fn check(arch: Arch, committed: &Path) -> Result<()> {
    let artifacts = build(Manifest::load(&committed.join("vdso.toml"))?)?;
    for (name, built) in [("vdso.so", artifacts.image.as_slice()), ("vdso.rs", artifacts.constants.as_bytes())] {
        let path = committed.join(name);
        let found = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if found != built {
            bail!(
                "vdso-image/arch/{arch}/{name} is not what the sources and this compiler make ({}); if that is \
                 intended: cargo xtask build-vdso --arch {arch} --out vdso-image/arch",
                first_difference(&found, built)
            );
        }
    }
    println!("{arch}: the committed image is what the sources make ({} bytes)", artifacts.image.len());
    Ok(())
}

fn first_difference(found: &[u8], built: &[u8]) -> String {
    match found.iter().zip(built).position(|(a, b)| a != b) {
        Some(at) => format!("byte {at:#x} is {:#04x}, built {:#04x}", found[at], built[at]),
        None => format!("{} bytes, built {}", found.len(), built.len()),
    }
}
