//! `cargo xtask inspect`: what is in an image.

use crate::build_vdso::{committed, page_abi};
use anyhow::{bail, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use vdso_linker::inspect::{self, Inspection};
use vdso_linker::manifest::Arch;
use vdso_linker::{gate, Manifest};

/// Shows what is in a vDSO image: symbols, segments, dynamic entries, notes, hash tables, unwind coverage, and what the gate
/// says of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The image.
    #[arg(required_unless_present = "host")]
    file: Option<PathBuf>,
    /// Inspect the running kernel's own vDSO.
    #[arg(long, conflicts_with = "file")]
    host: bool,
    /// Hold the image against this `vdso.toml`, instead of the one of `vdso-image`'s image for its architecture.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

impl Options {
    /// A file, as text.
    pub(crate) fn of(file: &Path) -> Options {
        Options { file: Some(file.into()), host: false, manifest: None, json: false }
    }
}

/// All that is said of one image.
#[derive(Debug, serde::Serialize)]
struct Findings {
    inspection: Inspection,
    gate: gate::Report,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let bytes = match &options.file {
        Some(file) => fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
        None => crate::host_vdso::bytes()?,
    };
    let findings = find(&bytes, options.manifest.as_deref())
        .with_context(|| options.file.as_ref().map_or("the host's vDSO".into(), |file| file.display().to_string()))?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        println!("{}", findings.inspection);
        println!("{}", findings.gate);
    }
    if !options.host && !findings.gate.is_accepted() {
        bail!("the gate refuses this image: {} violations", findings.gate.violations.len());
    }
    Ok(())
}

fn find(bytes: &[u8], manifest: Option<&Path>) -> Result<Findings> {
    let inspection = inspect::inspect(bytes)?;
    let manifest = match manifest {
        Some(manifest) => manifest.to_owned(),
        None => {
            let machine = inspection.header.machine;
            let arch = Arch::of_machine(machine.value)
                .with_context(|| format!("e_machine {machine}: no image is for it; name its --manifest"))?;
            committed(arch).join("vdso.toml")
        }
    };
    let manifest = Manifest::load(&manifest)?;
    let page = page_abi(manifest.image.arch)?;
    Ok(Findings { inspection, gate: gate::check(bytes, &manifest, Some(page)) })
}
