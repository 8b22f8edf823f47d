//! Images for every architecture, from Rust, assembly and C, at every page size.

use object::{Object, ObjectSymbol};
use std::path::{Path, PathBuf};
use vdso_linker::inspect::inspect;
use vdso_linker::manifest::Arch;
use vdso_linker::{Artifacts, Build, CrateSource, Error, Manifest};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The entry of an architecture: assembly that goes on in the Rust function `f` with the address of the page.
fn entry(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "lea rdi, [rip + vvar_page]\njmp f",
        Arch::Riscv64 => "lla a0, vvar_page\ntail f",
        Arch::Aarch64 => "bti c\nadrp x0, vvar_page\nb f",
    }
}

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
        entry(arch)
    );
    CrateSource { name: "functions", files: Vec::leak(vec![("mod.rs", &*text.leak())]) }
}

fn manifest(arch: Arch, more: &str) -> Manifest {
    let text = format!(
        "[image]\narch = \"{arch}\"\nsoname = \"linux-vdso.so.1\"\nsize-limit = 8192\n{more}\n\
         [[version]]\nname = \"LINUX_1\"\n[[export]]\nname = \"__vdso_f\"\nversion = \"LINUX_1\"\n"
    );
    Manifest::parse(&text, &fixtures().join("vdso.toml")).unwrap_or_else(|error| panic!("{error}"))
}

/// None if the compiler has no `core` for the architecture, which is counted as skipped.
fn build(arch: Arch, manifest: Manifest) -> Option<Artifacts> {
    match Build::new(manifest).functions(functions(arch)).build() {
        Ok(artifacts) => Some(artifacts),
        Err(Error::Tool { tool, remedy, .. }) if tool.starts_with("target ") => {
            vdso_tests::skipped("architectures", &format!("{tool}: {remedy}"));
            None
        }
        Err(error) => panic!("{arch}: {error}"),
    }
}

fn symbol(image: &[u8], name: &str) -> u64 {
    let file = object::File::parse(image).unwrap();
    let found = file.symbols().find(|symbol| symbol.name() == Ok(name));
    found.unwrap_or_else(|| panic!("no symbol {name}")).address()
}

/// The gate has accepted the image, whose address of the page it holds against `page-size` and `placement`.
#[test]
fn every_architecture_at_every_page_size() {
    for &arch in Arch::ALL {
        for &size in arch.page_sizes() {
            let image_pages = 8192_u64.div_ceil(size);
            for (placement, offset) in [("before", -2 * size as i64), ("after", (image_pages * size) as i64)] {
                let more = format!("page-size = {size}\n[vvar]\npages = 2\nplacement = \"{placement}\"");
                let Some(artifacts) = build(arch, manifest(arch, &more)) else { return };
                let facts = inspect(&artifacts.image).unwrap();
                let load = facts.segments.iter().find(|segment| segment.is(object::elf::PT_LOAD)).unwrap();
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
    for (arch, size, known) in [("x86_64", 16384, "4096"), ("riscv64", 65536, "4096"), ("aarch64", 8192, "4096, 16384")]
    {
        let text = format!(
            "[image]\narch = \"{arch}\"\nsoname = \"linux-vdso.so.1\"\nsize-limit = 8192\npage-size = {size}\n\
             [[version]]\nname = \"LINUX_1\"\n[[export]]\nname = \"__vdso_f\"\nversion = \"LINUX_1\"\n"
        );
        let message = Manifest::parse(&text, Path::new("vdso.toml")).unwrap_err().to_string();
        assert!(message.contains(&format!("page-size = {size}: {arch} has no pages")), "{message}");
        assert!(message.contains(&format!("use one of: {known}")), "{message}");
    }
}

/// The mark of landing pads is in the images of the architecture that has them, and a C function starts with one.
#[test]
fn functions_in_c() {
    for (arch, compiler, package) in [
        (Arch::Riscv64, "riscv64-linux-gnu-gcc", "gcc-riscv64-linux-gnu"),
        (Arch::Aarch64, "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    ] {
        vdso_tests::need!(compiler, package);
        let text = "[[export]]\nname = \"__vdso_answer\"\nalias = \"answer\"\nversion = \"LINUX_1\"\n\
                    [[source]]\npath = \"answer.c\"\n";
        let more = format!("[vvar]\npages = 1\n{text}");
        let Some(artifacts) = build(arch, manifest(arch, &more)) else { return };
        let facts = inspect(&artifacts.image).unwrap();
        let marked = facts.segments.iter().any(|segment| segment.is(object::elf::PT_GNU_PROPERTY));
        assert_eq!(marked, arch == Arch::Aarch64);
        assert_eq!(artifacts.warnings, "");
        assert!(artifacts.constants.contains("pub const __VDSO_ANSWER"), "{}", artifacts.constants);
    }
}

/// Rust cannot make a landing pad: a plain export is refused, with what to do instead.
#[test]
fn an_export_without_landing_pad_is_refused() {
    let files = &[("mod.rs", "#[no_mangle] pub extern \"C\" fn __vdso_f() -> u32 { 3 }")];
    let functions = CrateSource { name: "functions", files };
    let text = "[image]\narch = \"aarch64\"\nsoname = \"linux-vdso.so.1\"\nsize-limit = 8192\n\
                [[version]]\nname = \"LINUX_1\"\n[[export]]\nname = \"__vdso_f\"\nversion = \"LINUX_1\"\n";
    let manifest = Manifest::parse(text, &fixtures().join("vdso.toml")).unwrap();
    match Build::new(manifest).functions(functions).build() {
        Err(Error::Refused(report)) => {
            let text = report.to_string();
            assert!(text.contains("rule `landing-pad` at __vdso_f") && text.contains("`bti c`"), "{text}");
        }
        Err(Error::Tool { tool, remedy, .. }) => vdso_tests::skipped("architectures", &format!("{tool}: {remedy}")),
        other => panic!("{other:?}"),
    }
}
