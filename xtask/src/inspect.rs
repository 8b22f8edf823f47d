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
    /// Hold the image against this `vdso.toml`, instead of the one of `vdso-image`'s image for its architecture. One for an
    /// architecture without such an image is shown only.
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
    /// None if there is no manifest to hold it against.
    gate: Option<gate::Report>,
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
        match &findings.gate {
            Some(gate) => println!("{gate}"),
            None => println!("gate: not asked, as vdso-image has no image for {}", findings.inspection.header.machine),
        }
    }
    match findings.gate {
        Some(gate) if !options.host && !gate.is_accepted() => {
            bail!("the gate refuses this image: {} violations", gate.violations.len())
        }
        _ => Ok(()),
    }
}

fn find(bytes: &[u8], manifest: Option<&Path>) -> Result<Findings> {
    let inspection = inspect::inspect(bytes)?;
    let of_this_crate =
        || Arch::of_machine(inspection.header.machine.value).map(|arch| committed(arch).join("vdso.toml"));
    let Some(manifest) = manifest.map(Path::to_owned).or_else(of_this_crate) else {
        return Ok(Findings { inspection, gate: None });
    };
    let manifest = Manifest::load(&manifest)?;
    let page = page_abi(manifest.image.arch)?;
    let gate = Some(gate::check(bytes, &manifest, Some(page)));
    Ok(Findings { inspection, gate })
}
