//! The benchmark measures the writer as a kernel has it: compiled with optimisations, without debug assertions. `cargo xtask`
//! is built without, to be built quickly.

use anyhow::{bail, Context, Result};
use std::process::Command;

/// In a program built without optimisations: builds one with them, lets it do the same, and returns true.
pub(crate) fn run_instead() -> Result<bool> {
    if !cfg!(debug_assertions) {
        return Ok(false);
    }
    eprintln!("bench: building with optimisations; the first time this takes a minute or two");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--package", "xtask", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .arg("--")
        .args(std::env::args_os().skip(1))
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the optimised program ended with {status}");
    }
    Ok(true)
}
