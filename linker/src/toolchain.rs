//! The programs that the build runs, and the environment they run in.

use crate::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Names the compiler; cargo sets it for build scripts.
const RUSTC: &str = "RUSTC";

/// Names a linker to use instead of the toolchain's.
const LINKER: &str = "VDSO_LINKER";

/// Names a sysroot with `core` for targets that the compiler's own has none for.
const SYSROOT: &str = "VDSO_SYSROOT";

/// The variables that a compiler may see: where programs, libraries and temporary files are, and which toolchain rustup
/// is to take. Every other one, flags above all, would make the image depend on whose shell it was built in.
const ENVIRONMENT: [&str; 8] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "CARGO_HOME",
];

/// What the caller of the build chose; the rest is found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    pub(crate) rustc: Option<PathBuf>,
    pub(crate) linker: Option<PathBuf>,
    pub(crate) sysroot: Option<PathBuf>,
}

/// The programs.
#[derive(Debug)]
pub(crate) struct Toolchain {
    pub(crate) rustc: PathBuf,
    pub(crate) linker: PathBuf,
    /// The target triple of the machine that compiles.
    pub(crate) host: String,
    /// The compiler's own sysroot.
    pub(crate) own_sysroot: PathBuf,
    /// The sysroot with the image's target, if that is another.
    pub(crate) sysroot: Option<PathBuf>,
    /// The commit that the compiler was made from, by which it names the sources of `core` in debug information.
    pub(crate) commit: Option<String>,
}

impl Toolchain {
    /// Finds the programs, and that `core` is there for `target`.
    pub(crate) fn find(choice: &Choice, target: &str) -> Result<Toolchain, Error> {
        let named = choice.rustc.clone().or_else(|| std::env::var_os(RUSTC).map(PathBuf::from));
        let rustc = named.unwrap_or_else(|| PathBuf::from("rustc"));
        // Asked from the caller's folder: a rustup proxy picks the toolchain by the folder that it starts in.
        let version = rustc_says(&rustc, &["-vV"])?;
        let own_sysroot = PathBuf::from(rustc_says(&rustc, &["--print", "sysroot"])?.trim_end());
        let field = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let host = field("host: ").ok_or_else(|| no_compiler(&rustc, "`-vV` names no host"))?;
        let commit = field("commit-hash: ").filter(|commit| commit != "unknown");
        let named = || std::env::var_os(SYSROOT).filter(|_| !has_core(&own_sysroot, target)).map(PathBuf::from);
        let sysroot = choice.sysroot.clone().or_else(named).as_deref().map(absolute).transpose()?;
        require_core(sysroot.as_deref().unwrap_or(&own_sysroot), target)?;
        let linker = match choice.linker.clone().or_else(|| std::env::var_os(LINKER).map(PathBuf::from)) {
            Some(linker) => linker,
            None => bundled_linker(&own_sysroot, &host)?,
        };
        let linker = in_folder(&linker)?;
        require_lld(&linker)?;
        Ok(Toolchain { rustc: behind_proxy(&rustc, &own_sysroot)?, linker, host, own_sysroot, sysroot, commit })
    }
}

/// A command in `folder`, in an environment that does not change what it makes.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("LC_ALL", "C");
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}

/// Runs a command; its output, whether it succeeds or not.
pub(crate) fn run(command: &mut Command) -> Result<Output, Error> {
    command.output().map_err(|error| Error::Tool {
        tool: command.get_program().to_string_lossy().into_owned(),
        problem: format!("does not start: {error}"),
        remedy: "install it, or name another one".to_owned(),
    })
}

fn rustc_says(rustc: &Path, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new(rustc)
        .args(arguments)
        .output()
        .map_err(|error| no_compiler(rustc, &format!("does not start: {error}")))?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        return Err(no_compiler(rustc, &format!("`{}` fails: {}", arguments.join(" "), messages.trim_end())));
    }
    String::from_utf8(output.stdout).map_err(|_| no_compiler(rustc, "its answer is not UTF-8"))
}

fn no_compiler(rustc: &Path, problem: &str) -> Error {
    Error::Tool {
        tool: format!("rustc ({})", rustc.display()),
        problem: problem.to_owned(),
        remedy: format!("install Rust, or name a compiler in {RUSTC}"),
    }
}

/// The compiler itself where `rustc` is a proxy for it, so that the folder it runs in no longer matters.
fn behind_proxy(rustc: &Path, sysroot: &Path) -> Result<PathBuf, Error> {
    let real = sysroot.join("bin").join("rustc");
    if real.is_file() {
        Ok(real)
    } else {
        in_folder(rustc)
    }
}

/// A program given by path, seen from any folder; one given by name is left to the search path.
fn in_folder(program: &Path) -> Result<PathBuf, Error> {
    if program.components().count() > 1 {
        absolute(program)
    } else {
        Ok(program.to_owned())
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(Error::io("find", path))
}

/// Where a sysroot keeps the libraries of a target.
fn libraries(sysroot: &Path, target: &str) -> PathBuf {
    sysroot.join("lib").join("rustlib").join(target).join("lib")
}

fn has_core(sysroot: &Path, target: &str) -> bool {
    let is_core =
        |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with("libcore") && name.ends_with(".rlib"));
    let files = std::fs::read_dir(libraries(sysroot, target));
    files.is_ok_and(|files| files.flatten().any(|file| is_core(&file.file_name())))
}

fn require_core(sysroot: &Path, target: &str) -> Result<(), Error> {
    if has_core(sysroot, target) {
        return Ok(());
    }
    Err(Error::Tool {
        tool: format!("target {target}"),
        problem: format!("there is no `core` for it in {}", libraries(sysroot, target).display()),
        remedy: format!("run `rustup target add {target}`, or name a sysroot that has it in {SYSROOT}"),
    })
}

fn bundled_linker(sysroot: &Path, host: &str) -> Result<PathBuf, Error> {
    let linker = sysroot.join("lib").join("rustlib").join(host).join("bin").join("rust-lld");
    if linker.is_file() {
        return Ok(linker);
    }
    Err(Error::Tool {
        tool: "rust-lld".to_owned(),
        problem: format!("this toolchain has none at {}", linker.display()),
        remedy: format!("use a toolchain from rustup, or name an LLVM lld (ld.lld) in {LINKER}"),
    })
}

/// GNU ld would put the image together differently, or not at all.
fn require_lld(linker: &Path) -> Result<(), Error> {
    let refuse = |problem: String| Error::Tool {
        tool: format!("linker ({})", linker.display()),
        problem,
        remedy: format!("name an LLVM lld (rust-lld, ld.lld) in {LINKER}, or leave it unset for the toolchain's own"),
    };
    let output = command(linker, Path::new("."))
        .args(["-flavor", "gnu", "--version"])
        .output()
        .map_err(|error| refuse(format!("does not start: {error}")))?;
    let says = String::from_utf8_lossy(&output.stdout);
    if says.contains("LLD") {
        Ok(())
    } else {
        Err(refuse(format!("is not lld, it says: {:?}", says.lines().next().unwrap_or_default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_see_the_listed_variables_only() {
        // Cargo sets this one for tests.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let output = run(&mut command(Path::new("env"), Path::new("/"))).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        assert!(names.contains(&"PATH") && text.lines().any(|line| line == "LC_ALL=C"), "{text}");
        let stray: Vec<_> = names.iter().filter(|&&name| name != "LC_ALL" && !ENVIRONMENT.contains(&name)).collect();
        assert!(stray.is_empty(), "{stray:?}");
    }
}
