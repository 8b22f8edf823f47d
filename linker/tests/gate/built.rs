//! Images that [`Build`] makes for every architecture, from Rust, assembly and C, at every page size. It hands out none
//! that the gate refuses.

use crate::arch::{self, Program};
use crate::fixture::architectures;
use object::{elf, Object, ObjectSymbol};
use std::path::{Path, PathBuf};
use vdso_linker::gate::Rule;
use vdso_linker::inspect::inspect;
use vdso_linker::manifest::Arch;
use vdso_linker::{Artifacts, Build, CrateSource, Manifest};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// One export, whose entry is in assembly.
fn functions(arch: Arch) -> CrateSource {
    let text = format!(
        "core::arch::global_asm!(\"
            .pushsection .text.__vdso_f, \\\"ax\\\", @progbits
            .globl __vdso_f
            .type __vdso_f, @function
            __vdso_f:
            .cfi_startproc
            {}
            .cfi_endproc
            .size __vdso_f, . - __vdso_f
            .popsection
        \");
        #[no_mangle]
        unsafe extern \"C\" fn f(page: *const u64) -> u64 {{
            // SAFETY: the kernel maps the page there.
            unsafe {{ page.read_volatile() }}
        }}",
        arch::of(arch).entry
    );
    CrateSource { name: "functions", files: Vec::leak(vec![("mod.rs", &*text.leak())]) }
}

/// The text of a manifest with that export, and with `more` behind the image's own keys.
fn text(arch: Arch, more: &str) -> String {
    format!(
        "[image]\narch = \"{arch}\"\nsoname = \"linux-vdso.so.1\"\nsize-limit = 8192\n{more}\n\
         [[version]]\nname = \"LINUX_1\"\n[[export]]\nname = \"__vdso_f\"\nversion = \"LINUX_1\"\n"
    )
}

/// That manifest.
pub(crate) fn exporting(arch: Arch, more: &str) -> Manifest {
    Manifest::parse(&text(arch, more), &fixtures().join("vdso.toml")).unwrap_or_else(|error| panic!("{error}"))
}

fn build(arch: Arch, more: &str) -> Artifacts {
    let built = Build::new(exporting(arch, more)).functions(functions(arch)).build();
    built.unwrap_or_else(|error| panic!("{arch}: {error}"))
}

/// An image with a function in C, too. It needs the architecture's C compiler.
pub(crate) fn c_functions(arch: Arch) -> Artifacts {
    let export = "[[export]]\nname = \"__vdso_answer\"\nalias = \"answer\"\nversion = \"LINUX_1\"\n";
    build(arch, &format!("{export}[[source]]\npath = \"answer.c\""))
}

fn symbol(image: &[u8], name: &str) -> u64 {
    let file = object::File::parse(image).expect("an ELF file");
    let found = file.symbols().chain(file.dynamic_symbols()).find(|symbol| symbol.name() == Ok(name));
    found.unwrap_or_else(|| panic!("no symbol {name}")).address()
}

/// A second name for a function in Rust or assembly: the build makes it, in the assembler of each architecture.
#[test]
fn second_names() {
    for &arch in architectures() {
        let text = text(arch, "").replace("name = \"__vdso_f\"\n", "name = \"__vdso_f\"\nalias = \"second\"\n");
        let manifest = Manifest::parse(&text, Path::new("vdso.toml")).expect("a manifest");
        let built = Build::new(manifest).functions(functions(arch)).build();
        let image = built.unwrap_or_else(|error| panic!("{arch}: {error}")).image;
        assert_eq!(symbol(&image, "second"), symbol(&image, "__vdso_f"), "{arch}");
    }
}

/// The gate has accepted the image, whose address of the page it holds against `page-size` and `placement`.
#[test]
fn every_page_size() {
    for &arch in architectures() {
        for &size in arch::of(arch).page_sizes {
            let image_pages = 8192_u64.div_ceil(size);
            for (placement, offset) in [("before", -2 * size as i64), ("after", (image_pages * size) as i64)] {
                let more = format!("page-size = {size}\n[vvar]\npages = 2\nplacement = \"{placement}\"");
                let artifacts = build(arch, &more);
                let facts = inspect(&artifacts.image).expect("an image");
                let load = facts.segments.iter().find(|segment| segment.is(elf::PT_LOAD)).expect("a PT_LOAD");
                assert_eq!((load.align, load.offset, load.address), (size, 0, 0), "{arch}");
                assert_eq!(symbol(&artifacts.debug, "vvar_page") as i64, offset, "{arch}, {size}");
                for line in [
                    format!("pub const PAGE_SIZE: usize = {size};"),
                    format!("pub const IMAGE_PAGES: usize = {image_pages};"),
                    format!("Mapping {{ offset: {offset}, pages: 2, permission: Permission::Read, kind: Kind::Vvar }}"),
                    format!("Mapping {{ offset: 0, pages: {image_pages}, permission: Permission::ReadExecute"),
                ] {
                    assert!(artifacts.constants.contains(&line), "{arch}: {line}\n{}", artifacts.constants);
                }
            }
        }
    }
}

#[test]
fn page_sizes_that_a_processor_has_not_are_refused() {
    for &arch in Arch::ALL {
        let known = arch::of(arch).page_sizes;
        assert_eq!(arch.page_sizes(), known, "{arch}");
        let names = known.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        for size in (0..64).map(|power| 1_u64 << power).filter(|size| !known.contains(size)) {
            let more = format!("page-size = {size}");
            let refused = Manifest::parse(&text(arch, &more), Path::new("vdso.toml"));
            let message = refused.err().map_or_else(|| panic!("{arch}, {size}: accepted"), |error| error.to_string());
            assert!(message.contains(&format!("page-size = {size}: {arch} has no pages")), "{message}");
            assert!(message.contains(&format!("use one of: {names}")), "{message}");
        }
    }
}

/// The mark of landing pads is in the images of the architectures that have them, and in no other. This says nothing of an
/// architecture without a C compiler.
#[test]
fn functions_in_c() {
    for &arch in architectures() {
        let architecture = arch::of(arch);
        let Some(Program { name, package }) = architecture.c_compiler else { continue };
        if vdso_tests::tool(name).is_none() {
            vdso_tests::skipped("built::functions_in_c", &format!("needs {name} (Debian package {package})"));
            continue;
        }
        let artifacts = c_functions(arch);
        let facts = inspect(&artifacts.image).expect("an image");
        let marked = facts.segments.iter().any(|segment| segment.is(elf::PT_GNU_PROPERTY));
        assert_eq!(marked, !architecture.without.contains(&Rule::PropertyNote), "{arch}");
        assert_eq!(artifacts.warnings, "");
        assert!(artifacts.constants.contains("pub const __VDSO_ANSWER"), "{}", artifacts.constants);
    }
}
