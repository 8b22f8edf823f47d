//! Builds the C program, once for each C library and way to link it: from the sources that all architectures share, and the
//! architecture's own.

use super::arch::Architecture;
use super::needs::Missing;
use super::{architecture_folder, kernel_folder};
use anyhow::{bail, Context, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
    let folders = [kernel_folder(), architecture_folder(arch)].map(|folder| folder.join("programs"));
    let sources = folders.iter().map(|folder| sources(folder)).collect::<Result<Vec<_>>>()?.concat();
    let mut programs = Vec::new();
    for variant in arch.variants {
        match build_variant(variant, &folders, &sources, folder)? {
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
fn build_variant(
    variant: &Variant,
    headers: &[PathBuf],
    sources: &[PathBuf],
    folder: &Path,
) -> Result<Option<PathBuf>> {
    let file = folder.join(variant.name);
    let Some(output) = compile(variant, headers, sources, &file)? else { return Ok(None) };
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

/// What is missing to build a variant, if anything: its compiler, or the C library for the way in which it is linked.
pub(super) fn missing(variant: &Variant) -> Result<Option<Missing>> {
    let folder = tempfile::tempdir().context("a folder for a program")?;
    let source = folder.path().join("empty.c");
    std::fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n")
        .with_context(|| format!("cannot write {}", source.display()))?;
    let what = match compile(variant, &[], &[source], &folder.path().join("empty"))? {
        None => variant.compiler.to_owned(),
        Some(output) if !output.status.success() => format!("a static C library for {}", variant.compiler),
        Some(_) => return Ok(None),
    };
    Ok(Some(Missing::in_debian(what, variant.packages)))
}

/// What the compiler says; `None` where it is missing.
fn compile(variant: &Variant, headers: &[PathBuf], sources: &[PathBuf], file: &Path) -> Result<Option<Output>> {
    let mut compiler = Command::new(variant.compiler);
    compiler.args(FLAGS).args(variant.link);
    for folder in headers {
        compiler.arg("-I").arg(folder);
    }
    match compiler.arg("-o").arg(file).args(sources).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        output => output.map(Some).with_context(|| format!("cannot start {}", variant.compiler)),
    }
}
