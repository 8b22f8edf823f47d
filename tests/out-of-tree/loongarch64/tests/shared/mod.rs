//! What the tests of the image share: `core` for its target, and the image, built once.

#[path = "../../../../../xtask/src/core_library.rs"]
mod core_library;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use vdso_linker::{Artifacts, Build, Manifest};
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

/// A sysroot with `core` for the target; `None`: the compiler's own has it. An error is what is missing on this machine.
///
/// # Panics
/// If something that is there does not work.
pub(crate) fn sysroot() -> &'static Result<Option<PathBuf>, String> {
    static FOUND: OnceLock<Result<Option<PathBuf>, String>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let target = image::ARCH.target();
        let folder = core_library::folder().join("out-of-tree").join(target);
        core_library::sysroot(target, &folder).map_err(|error| match error.downcast::<core_library::NoCore>() {
            Ok(missing) => missing.to_string(),
            Err(error) => panic!("{error:#}"),
        })
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

/// The function of [`with_counter_function`].
pub(crate) const COUNTER_FUNCTION: &str = "__vdso_counters";

/// The image with one more function: `int __vdso_counters(uint64_t counters[2])` gives what `read_hot` and `read` of the image's
/// counter say, one after the other; its result is 1 if there is a counter that it does not have, else 0.
///
/// Whoever reads a counter so has to see to the loads behind it; here one depends on it, and a barrier follows.
pub(crate) fn with_counter_function(counter: &str) -> Build {
    let source = |file: &str| {
        let found = image::FUNCTION_FILES.iter().find(|(path, _)| *path == file);
        found.expect("a file of the functions").1
    };
    let function = format!(
        "
/// # Safety
/// The pointer is to two numbers.
#[no_mangle]
unsafe extern \"C\" fn {COUNTER_FUNCTION}(counters: *mut u64) -> i32 {{
    use vvar::{{Counter, CounterKind}};
    let page = page_address();
    let finished = |value: u64| {{
        // SAFETY: the page is mapped, and the number added to its address is 0.
        unsafe {{
            asm!(
                \"srli.d {{zero}}, {{value}}, 63\",
                \"srli.d {{zero}}, {{zero}}, 1\",
                \"ldx.d {{zero}}, {{page}}, {{zero}}\",
                \"dbar 0\",
                zero = out(reg) _,
                value = in(reg) value,
                page = in(reg) page,
                options(nostack, preserves_flags),
            );
        }}
        value
    }};
    let hot = finished(MachineCounter.read_hot());
    let Some(named) = MachineCounter.read(CounterKind::Private1) else {{ return -1 }};
    let named = finished(named);
    // SAFETY: the caller's promise.
    unsafe {{
        counters.write(hot);
        counters.add(1).write(named);
    }}
    MachineCounter.read(CounterKind::Private2).is_none().into()
}}
"
    );
    let functions = format!("{}{function}", source("arch/functions.rs"));
    let export = format!("\n[[export]]\nname = \"{COUNTER_FUNCTION}\"\nversion = \"LINUX_5.10\"\n");
    let text = format!("{}{export}", image::MANIFEST);
    let manifest = Manifest::parse_with(&text, Path::new("vdso.toml"), &[image::ARCH]).expect("a good manifest");
    let files = [("arch/functions.rs", &*functions.leak()), ("arch/counter.rs", &*counter.to_owned().leak())];
    with_core(image::build(manifest).function_files(&files))
}
