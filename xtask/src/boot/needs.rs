//! What a boot needs of the host, and what brings it.

use super::arch::Architecture;
use super::{programs, qemu};
use crate::core_library::{self, NoCore};
use anyhow::Result;

/// Something that is not installed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    what: String,
    remedy: String,
}

impl Missing {
    /// It comes in Debian packages.
    pub(super) fn in_debian(what: impl Into<String>, packages: &str) -> Missing {
        Missing { what: what.into(), remedy: format!("Debian packages: {packages}") }
    }
}

impl From<NoCore> for Missing {
    fn from(NoCore { target }: NoCore) -> Missing {
        Missing { what: format!("`core` for {target}"), remedy: format!("rustup target add {target}") }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is missing ({})", self.what, self.remedy)
    }
}

impl std::error::Error for Missing {}

/// All that is missing for an architecture.
///
/// # Errors
///
/// If something that is there does not work.
pub(super) fn missing(arch: &'static Architecture) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    if let Err(error) = qemu::Machine::find(arch) {
        missing.push(error.downcast()?);
    }
    for variant in arch.variants {
        missing.extend(programs::missing(variant)?);
    }
    missing.extend(missing_core(&arch.targets())?);
    // Variants of the programs that follow each other may lack the same.
    missing.dedup();
    Ok(missing)
}

/// `core` for those of the targets for which the compiler has none and none can be built.
pub(crate) fn missing_core(targets: &[&str]) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    for target in targets {
        if let Err(error) = core_library::sysroot(target, &core_library::folder()) {
            missing.push(error.downcast::<NoCore>()?.into());
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::super::arch::ALL;
    use super::super::programs::Variant;
    use super::*;

    const GONE: Variant =
        Variant { name: "gone", compiler: "no-such-compiler", packages: "gcc-none", link: &["-static"] };

    #[test]
    fn what_is_missing_is_named_once_with_its_package() {
        let arch = Architecture {
            emulator: "no-such-emulator",
            package: "qemu-none",
            variants: &[GONE, Variant { name: "gone-pie", ..GONE }],
            ..*ALL[0]
        };
        let missing = missing(Box::leak(Box::new(arch))).unwrap();
        let lines: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines[..2],
            [
                "no-such-emulator is missing (Debian packages: qemu-none)",
                "no-such-compiler is missing (Debian packages: gcc-none)"
            ]
        );
        assert!(lines[2..].iter().all(|line| line.starts_with("`core` for ")), "{lines:?}");
    }
}
