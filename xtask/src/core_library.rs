//! `core` for targets that the compiler comes without.

use anyhow::{bail, Context, Result};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names a script that builds `core` for a target whose standard library rustup does not have: `SCRIPT FOLDER TARGET` makes
/// `FOLDER/sysroot`.
pub(crate) const BUILD_CORE: &str = "VDSO_BUILD_CORE";

/// Where that script is, seen from the workspace, if the variable names none.
const BUILD_CORE_HERE: &str = "../shared/toolchain/build-core.sh";

/// Names a sysroot that has been built already, as for `vdso-linker`.
pub(crate) const SYSROOT: &str = "VDSO_SYSROOT";

/// The compiler has no `core` for a target, and there is no script that would build it.
#[derive(Debug)]
pub(crate) struct NoCore {
    pub(crate) target: String,
}

impl fmt::Display for NoCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        write!(f, "this compiler has no `core` for {target}: rustup target add {target}, or name a sysroot that has it in {SYSROOT}")
    }
}

impl std::error::Error for NoCore {}

/// A sysroot with `core` for `target`, made in `folder` where that is possible; `None`: the compiler's own has it.
///
/// # Errors
///
/// [`NoCore`], or what went wrong with the script.
pub(crate) fn sysroot(target: &str, folder: &Path) -> Result<Option<PathBuf>> {
    let has_it = |sysroot: &Path| sysroot.join("lib/rustlib").join(target).join("lib").is_dir();
    if has_it(&own_sysroot()?) {
        return Ok(None);
    }
    if let Some(sysroot) = std::env::var_os(SYSROOT).map(absolute).filter(|sysroot| has_it(sysroot)) {
        return Ok(Some(sysroot));
    }
    let script = script();
    if !script.is_file() {
        return Err(NoCore { target: target.into() }.into());
    }
    let status = Command::new(&script)
        .arg(folder)
        .arg(target)
        .current_dir(workspace())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", script.display()))?;
    if !status.success() {
        bail!("{} builds no `core` for {target}: {status}", script.display());
    }
    Ok(Some(folder.join("sysroot")))
}

/// Where that script is, if there is one.
pub(crate) fn script() -> PathBuf {
    std::env::var_os(BUILD_CORE).map_or_else(|| workspace().join(BUILD_CORE_HERE), absolute)
}

/// Where `core` is built, in cargo's target folder, which is `target` in the workspace unless the environment names another.
pub(crate) fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), absolute);
    target.join("core")
}

/// What the environment names from this folder, for programs that run in another.
fn absolute(path: OsString) -> PathBuf {
    std::path::absolute(&path).unwrap_or_else(|_| path.into())
}

fn own_sysroot() -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .args(["--print", "sysroot"])
        .current_dir(workspace())
        .output()
        .with_context(|| format!("cannot start {}", rustc.to_string_lossy()))?;
    if !output.status.success() {
        bail!("{} --print sysroot: {}", rustc.to_string_lossy(), String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}

/// The root of the workspace, whose `rust-toolchain.toml` names the compiler. Packages that include this file lie at several depths.
fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|folder| folder.join("rust-toolchain.toml").is_file()).unwrap_or(package)
}
