//! Builds the kernel.

use super::arch::Architecture;
use super::{kernel_folder, workspace};
use crate::core_library;
use anyhow::{bail, Context, Result};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Builds it; the path of the file that QEMU loads.
pub(super) fn build(arch: &Architecture) -> Result<PathBuf> {
    let mut cargo = cargo("build", arch)?;
    let output = cargo.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit()).output();
    let output = output.context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the kernel does not build: {}", output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().find_map(executable_of).context("cargo does not name the kernel that it built")
}

/// The command that lints it; a warning is an error.
///
/// # Errors
///
/// If there is no `core` to compile it with: see [`super::missing_core`].
pub(crate) fn lint(arch: &Architecture) -> Result<Command> {
    let mut cargo = cargo("clippy", arch)?;
    cargo.args(["--", "--deny", "warnings"]);
    Ok(cargo)
}

/// A command of cargo's that compiles it.
fn cargo(command: &str, arch: &Architecture) -> Result<Command> {
    let mut flags = OsString::new();
    if let Some(sysroot) = core_library::sysroot(arch.target, &core_library::folder())? {
        flags.push("--sysroot\u{1f}");
        flags.push(sysroot);
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args([command, "--quiet", "--release", "--locked", "--target", arch.target, "--target-dir"])
        .arg(target_folder())
        .current_dir(kernel_folder())
        // Also where there are none: flags for the host's programs are not for a kernel.
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    if let Some(sysroot) = core_library::sysroot(arch.image.target(), &core_library::folder())? {
        // For the image that the kernel's build script builds.
        cargo.env(core_library::SYSROOT, sysroot);
    }
    Ok(cargo)
}

/// The program that one of cargo's messages announces (cargo book, "External tools", `compiler-artifact`).
fn executable_of(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

/// Apart from the host's programs: other flags, other dependencies.
fn target_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    std::path::absolute(&target).unwrap_or(target).join("kernel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_program_among_cargos_messages() {
        assert_eq!(
            executable_of(r#"{"reason":"compiler-artifact","executable":"/t/kernel"}"#),
            Some("/t/kernel".into())
        );
        assert_eq!(executable_of(r#"{"reason":"compiler-artifact","executable":null}"#), None);
        assert_eq!(executable_of("no JSON"), None);
    }
}
