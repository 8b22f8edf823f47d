//! Builds the kernel.

use super::{kernel_folder, workspace};
use anyhow::{bail, Context, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What it is compiled for.
const TARGET: &str = "x86_64-unknown-none";

/// Names a script that builds `core` for a target whose standard library rustup does not have: `SCRIPT FOLDER TARGET` makes
/// `FOLDER/sysroot`.
const BUILD_CORE: &str = "VDSO_BUILD_CORE";

/// Where that script is, seen from the workspace, if the variable names none.
const BUILD_CORE_HERE: &str = "../shared/toolchain/build-core.sh";

/// Builds it; the path of the ELF file.
pub(super) fn build() -> Result<PathBuf> {
    let target_folder = target_folder();
    let sysroot = sysroot(&target_folder)?;
    let mut flags = OsString::new();
    if let Some(sysroot) = sysroot {
        flags.push("--sysroot\u{1f}");
        flags.push(sysroot);
    }
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--locked", "--message-format=json-render-diagnostics"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target_folder)
        .current_dir(kernel_folder())
        // Also where there are none: flags for the host's programs are not for a kernel.
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the kernel does not build: {}", output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().find_map(executable_of).context("cargo does not name the kernel that it built")
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

/// A sysroot with `core` for the kernel's target; `None`: the compiler's own has it.
fn sysroot(target_folder: &Path) -> Result<Option<PathBuf>> {
    let own = own_sysroot()?;
    if own.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(None);
    }
    let script = std::env::var_os(BUILD_CORE).map_or_else(|| workspace().join(BUILD_CORE_HERE), PathBuf::from);
    if !script.is_file() {
        bail!("this compiler has no `core` for {TARGET}: rustup target add {TARGET}");
    }
    let folder = target_folder.join("core");
    let status = Command::new(&script)
        .arg(&folder)
        .arg(TARGET)
        .current_dir(kernel_folder())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", script.display()))?;
    if !status.success() {
        bail!("{} builds no `core` for {TARGET}: {status}", script.display());
    }
    Ok(Some(folder.join("sysroot")))
}

fn own_sysroot() -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .args(["--print", "sysroot"])
        .current_dir(kernel_folder())
        .output()
        .with_context(|| format!("cannot start {}", rustc.to_string_lossy()))?;
    if !output.status.success() {
        bail!("{} --print sysroot: {}", rustc.to_string_lossy(), String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
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
