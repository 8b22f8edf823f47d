//! What is in the image.

use crate::shared::{built, need_core, with_core};
use object::{elf, Object, ObjectSection};
use std::path::Path;
use vdso_linker::gate::{self, PageAbi, Rule};
use vdso_linker::inspect::inspect;
use vdso_linker::{Error, Manifest};
use vdso_loongarch64::image;
use vvar::page::{Encoding, ABI};

/// What Linux's image has (`arch/loongarch/vdso/vdso.lds.S`) but for `__vdso_getrandom`, without which programs make the system
/// call.
const EXPORTS: [&str; 5] =
    ["__vdso_clock_getres", "__vdso_clock_gettime", "__vdso_getcpu", "__vdso_gettimeofday", "__vdso_rt_sigreturn"];

/// `syscall 0`.
const SYSTEM_CALL: [u8; 4] = [0x00, 0x00, 0x2b, 0x00];

#[test]
fn the_image_is_what_clients_of_linux_look_for() {
    let _ = need_core!();
    let built = built();
    assert!(built.report.is_accepted() && built.report.violations.is_empty(), "{}", built.report);
    assert_eq!(built.warnings, "");
    let facts = inspect(&built.image).expect("an ELF file");
    assert!(facts.problems.is_empty(), "{:?}", facts.problems);
    assert_eq!(facts.header.machine.value, 258, "EM_LOONGARCH");
    assert_eq!(facts.header.flags, 0x43, "LP64D, version 1 of the object file's ABI");
    assert_eq!(facts.soname.as_deref(), Some("linux-vdso.so.1"));
    let mut exports: Vec<_> = facts.symbols.iter().filter(|symbol| symbol.is_function()).collect();
    exports.sort_by_key(|symbol| &symbol.name);
    assert_eq!(exports.iter().map(|symbol| symbol.name.as_str()).collect::<Vec<_>>(), EXPORTS);
    for symbol in exports {
        assert_eq!(symbol.version.as_deref(), Some("LINUX_5.10"), "{}", symbol.name);
        assert!(symbol.is_defined() && !symbol.version_hidden, "{}", symbol.name);
    }
    let load = facts.segments.iter().find(|segment| segment.is(elf::PT_LOAD)).expect("a PT_LOAD");
    assert_eq!(load.align, 16384);
    for line in [
        "pub const PAGE_SIZE: usize = 16384;",
        "    Mapping { offset: -16384, pages: 1, permission: Permission::Read, kind: Kind::Vvar },",
        "    Mapping { offset: 0, pages: 1, permission: Permission::ReadExecute, kind: Kind::Image },",
    ] {
        assert!(built.constants.lines().any(|it| it == line), "{line}\n{}", built.constants);
    }
}

#[test]
fn a_page_of_another_layout_is_refused() {
    let _ = need_core!();
    let manifest = || image::manifest().expect("a good manifest");
    for page in [
        PageAbi { abi: ABI, layout: Encoding::Split.layout() },
        PageAbi { abi: ABI + 1, layout: Encoding::Wide.layout() },
    ] {
        let report = gate::check(&built().image, &manifest(), Some(page));
        let rules: Vec<Rule> = report.violations.iter().map(|violation| violation.rule).collect();
        assert_eq!(rules, [Rule::PageNote], "{report}");
        match with_core(image::build(manifest()).page_abi(page)).build() {
            Err(Error::Refused(refusal)) => assert_eq!(refusal.report.violations.len(), 1),
            other => panic!("{:?}", other.map(|built| built.report.to_string())),
        }
    }
}

/// For a kernel with calls of its own: there is no system call but the trampoline's.
#[test]
fn an_image_for_another_kernel_makes_no_system_call() {
    let _ = need_core!();
    let calls = |image: &[u8]| {
        let file = object::File::parse(image).expect("an ELF file");
        let text = file.section_by_name(".text").expect("code");
        let words = text.data().expect("bytes").chunks_exact(4);
        words.filter(|word| **word == SYSTEM_CALL).count()
    };
    let text = image::MANIFEST.replace("\"linux-syscall\"", "\"enosys\"");
    let manifest = Manifest::parse_with(&text, Path::new("vdso.toml"), &[image::ARCH]).expect("a good manifest");
    let artifacts = with_core(image::build(manifest)).build().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(calls(&artifacts.image), 1);
    assert!(calls(&built().image) > 1);
}

/// Each page size that Linux can be configured for. With pages of 4096 bytes the image takes two.
#[test]
fn an_image_for_each_page_size() {
    let _ = need_core!();
    for page_size in image::ARCH.page_sizes() {
        let text = image::MANIFEST.replace("page-size = 16384", &format!("page-size = {page_size}"));
        let manifest = Manifest::parse_with(&text, Path::new("vdso.toml"), &[image::ARCH]).expect("a good manifest");
        assert_eq!(manifest.image.page_size, *page_size);
        let artifacts = with_core(image::build(manifest)).build().unwrap_or_else(|error| panic!("{error}"));
        let line = format!("pub const PAGE_SIZE: usize = {page_size};");
        assert!(artifacts.constants.contains(&line), "{}", artifacts.constants);
        assert_eq!(artifacts.image == built().image, *page_size == 16384, "{page_size}");
    }
}

/// A crate that does not say that it has the architecture gets an error that names the ones there are.
#[test]
fn the_manifest_needs_the_architecture() {
    let refused = Manifest::parse(image::MANIFEST, Path::new("vdso.toml"));
    let message = refused.expect_err("an architecture that nobody has named").to_string();
    assert!(message.contains(image::ARCH.name()), "{message}");
}
