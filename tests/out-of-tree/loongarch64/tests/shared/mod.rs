//! What the tests of the image share: `core` for its target, and the image, built once.

#[path = "../../../../../xtask/src/core_library.rs"]
mod core_library;

use std::path::PathBuf;
use std::sync::OnceLock;
use vdso_linker::{Artifacts, Build};
use vdso_loongarch64::image;

/// Where `core` for the target is; or an early `return` from the test that needs it, which is then skipped.
macro_rules! need_core {
    () => {
        match crate::shared::sysroot() {
            Ok(sysroot) => sysroot.as_deref(),
            Err(missing) => vdso_tests::skip!(missing),
        }
    };
}
pub(crate) use need_core;

/// A sysroot with `core` for the target; `None`: the compiler's own has it.
pub(crate) fn sysroot() -> &'static Result<Option<PathBuf>, String> {
    static FOUND: OnceLock<Result<Option<PathBuf>, String>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let target = image::ARCH.target();
        let folder = core_library::folder().join("out-of-tree").join(target);
        core_library::sysroot(target, &folder).map_err(|error| error.to_string())
    })
}

/// A build with that `core`.
pub(crate) fn with_core(build: Build) -> Build {
    match sysroot() {
        Ok(Some(sysroot)) => build.sysroot(sysroot),
        _ => build,
    }
}

/// The image.
pub(crate) fn built() -> &'static Artifacts {
    static BUILT: OnceLock<Artifacts> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = image::manifest().unwrap_or_else(|error| panic!("{error}"));
        with_core(image::build(manifest)).build().unwrap_or_else(|error| panic!("{error}"))
    })
}
