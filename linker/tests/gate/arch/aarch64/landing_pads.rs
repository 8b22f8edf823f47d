//! The landing pads of images that are built from Rust and C.

use super::ARCH;
use crate::built::{c_functions, exporting};
use object::elf;
use vdso_linker::inspect::inspect;
use vdso_linker::{Build, CrateSource, Error};

/// Rust cannot make a landing pad: a plain export is refused, with what to do instead.
#[test]
fn an_export_of_rust_is_refused() {
    crate::accepted::need!(ARCH);
    let files = &[("mod.rs", "#[no_mangle] pub extern \"C\" fn __vdso_f() -> u32 { 3 }")];
    let functions = CrateSource { name: "functions", files };
    match Build::new(exporting(ARCH, "")).functions(functions).build() {
        Err(Error::Refused(refusal)) => {
            let text = refusal.report.to_string();
            assert!(text.contains("rule `landing-pad` at __vdso_f") && text.contains("`bti c`"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

/// C has them, and the image that has them in all its functions is marked.
#[test]
fn functions_in_c_have_them() {
    crate::accepted::need!(ARCH);
    vdso_tests::need!("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu");
    let facts = inspect(&c_functions(ARCH).image).expect("an image");
    assert!(facts.segments.iter().any(|segment| segment.is(elf::PT_GNU_PROPERTY)), "{facts}");
}
