//! Builds the C program, once for each C library and way to link it: the sources of the folder, and of the architecture's.

use super::arch::Architecture;
use super::kernel_folder;
use anyhow::{bail, Context, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A way to build it.
pub(super) struct Variant {
    /// Its name in the archive.
    pub(super) name: &'static str,
    pub(super) compiler: &'static str,
    /// The Debian packages that bring the compiler and its static library.
    pub(super) packages: &'static str,
    pub(super) link: &'static [&'static str],
}

const FLAGS: [&str; 7] =
    ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-fasynchronous-unwind-tables"];

/// A program: its name in the archive, and the file.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) file: PathBuf,
}

/// Builds every variant whose compiler is there, into `folder`; says which are left out.
pub(super) fn build(arch: &Architecture, folder: &Path) -> Result<Vec<Program>> {
    let programs_folder = kernel_folder().join("programs");
    let own = programs_folder.join(arch.name());
    let mut sources = sources(&programs_folder)?;
    sources.extend(self::sources(&own)?);
    let mut programs = Vec::new();
    for variant in arch.variants {
        match build_variant(variant, &own, &sources, folder)? {
            Some(file) => programs.push(Program { name: variant.name, file }),
            None => println!(
                "left out: the program with {}, which needs {} (Debian packages {})",
                variant.name, variant.compiler, variant.packages
            ),
        }
    }
    if programs.is_empty() {
        let packages: Vec<&str> = arch.variants.iter().map(|variant| variant.packages).collect();
        bail!("no C compiler for static programs: install one of the Debian packages {}", packages.join("; "));
    }
    Ok(programs)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut sources = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "c" || extension == "S") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

/// `None` where the compiler is missing.
fn build_variant(variant: &Variant, headers: &Path, sources: &[PathBuf], folder: &Path) -> Result<Option<PathBuf>> {
    let file = folder.join(variant.name);
    let output = Command::new(variant.compiler)
        .args(FLAGS)
        .args(variant.link)
        .arg("-I")
        .arg(headers)
        .arg("-o")
        .arg(&file)
        .args(sources)
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        output => output.with_context(|| format!("cannot start {}", variant.compiler))?,
    };
    if !output.status.success() {
        bail!(
            "{} does not build the program with {} (Debian packages {}):\n{}",
            variant.compiler,
            variant.name,
            variant.packages,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(Some(file))
}
