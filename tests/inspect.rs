//! The inspection and the gate on real images: the one that ships, and the running kernel's own.

use serde_json::Value;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use vdso_linker::inspect::{inspect, HashKind, Inspection};
use vdso_linker::manifest::Arch;
use vdso_linker::{gate, Manifest, PageAbi};

/// Numbers of the ELF ABI, written out: a test that took them from the reader would not see a mistake there.
const ET_DYN: u64 = 3;
const EM_X86_64: u64 = 62;

fn shipped(architecture: &str, name: &str) -> PathBuf {
    vdso_tests::workspace().join("vdso-image/arch").join(architecture).join(name)
}

fn image_of(architecture: &str) -> Vec<u8> {
    std::fs::read(shipped(architecture, "vdso.so")).expect("the image that ships")
}

fn manifest_of(architecture: &str) -> Manifest {
    Manifest::load(&shipped(architecture, "vdso.toml")).expect("the manifest that ships")
}

fn page_of(architecture: &str) -> PageAbi {
    let encoding = vvar::page::Encoding::of_architecture(architecture).expect("an architecture with an image");
    PageAbi { abi: vvar::page::ABI, layout: encoding.layout() }
}

fn shipped_image() -> Vec<u8> {
    image_of("x86_64")
}

fn shipped_report(image: &[u8]) -> gate::Report {
    gate::check(image, &manifest_of("x86_64"), Some(page_of("x86_64")))
}

#[test]
fn the_gate_accepts_the_images_that_ship() {
    for architecture in Arch::ALL.iter().map(|arch| arch.name()) {
        let report = gate::check(&image_of(architecture), &manifest_of(architecture), Some(page_of(architecture)));
        assert!(report.is_accepted(), "{architecture}: {report}");
        assert!(report.instructions > 100 && report.covered_bytes == report.code_bytes, "{architecture}: {report}");
    }
}

#[test]
fn the_gate_refuses_an_image_for_a_page_of_another_layout() {
    for architecture in Arch::ALL.iter().map(|arch| arch.name()) {
        let page = page_of(architecture);
        let other = PageAbi { layout: !page.layout, ..page };
        let report = gate::check(&image_of(architecture), &manifest_of(architecture), Some(other));
        let rules: Vec<gate::Rule> = report.violations.iter().map(|violation| violation.rule).collect();
        assert_eq!(rules, [gate::Rule::PageNote], "{architecture}: {report}");
    }
}

/// The wrong architecture's image is refused by its header, before anything in it is taken for something else.
#[test]
fn the_gate_refuses_the_image_of_another_architecture() {
    for (image, manifest) in [("riscv64", "aarch64"), ("aarch64", "x86_64"), ("x86_64", "riscv64")] {
        let report = gate::check(&image_of(image), &manifest_of(manifest), None);
        assert_eq!(report.violations.first().map(|violation| violation.rule), Some(gate::Rule::FileHeader), "{report}");
    }
}

#[test]
fn as_json() {
    let mut image = shipped_image();
    let facts = serde_json::to_value(inspect(&image).expect("an ELF file")).expect("facts as JSON");
    assert_eq!(facts["soname"], "linux-vdso.so.1");
    assert_eq!(facts["header"]["kind"]["value"], ET_DYN);
    assert_eq!(facts["header"]["machine"], serde_json::json!({ "value": EM_X86_64, "name": "EM_X86_64" }));
    let symbols = facts["symbols"].as_array().expect("a list of symbols");
    let time = symbols.iter().find(|symbol| symbol["name"] == "__vdso_time").expect("the symbol");
    assert_eq!(time["version"], "LINUX_2.6");
    assert_eq!(time["kind"]["name"], "STT_FUNC");
    let page = facts["notes"].as_array().and_then(|notes| notes.iter().find(|note| note["owner"] == "vvar"));
    assert_eq!(page.expect("the note")["content"]["page"]["layout"], Value::from(vvar::page::LAYOUT));

    image[16] = 2; // e_type: ET_EXEC
    let report = serde_json::to_value(shipped_report(&image)).expect("the report as JSON");
    assert_eq!(report["violations"][0]["rule"], "file-header");
    assert_eq!(report["violations"][0]["place"], "e_type");
}

/// The running kernel's vDSO, as it is mapped: no file, and where its section headers are is the kernel's affair.
fn host() -> Option<Vec<u8>> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc/self/maps");
    let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
    let (range, _) = line.split_once(' ').expect("a range of addresses");
    let (start, end) = range.split_once('-').expect("two addresses");
    let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).expect("an address"));
    let mut bytes = vec![0; (end - start) as usize];
    File::open("/proc/self/mem").and_then(|memory| memory.read_exact_at(&mut bytes, start)).expect("readable memory");
    Some(bytes)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn reads_the_kernels_own_from_memory() {
    let Some(bytes) = host() else { vdso_tests::skip!("the kernel maps no vDSO (booted with vdso=0)") };
    let facts = inspect(&bytes).expect("an ELF file");
    assert_eq!(facts.soname.as_deref(), Some("linux-vdso.so.1"));
    let functions = ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu"];
    for name in functions {
        let symbol = facts.symbols.iter().find(|symbol| symbol.name == name).unwrap_or_else(|| panic!("no {name}"));
        assert!(symbol.is_function() && symbol.size != 0, "{symbol:?}");
        assert_eq!(symbol.version.as_deref(), Some("LINUX_2.6"), "{name}");
        assert!(
            facts.unwind.frames.iter().any(|frame| frame.contains(symbol.value)),
            "no unwind information for {name}"
        );
    }
    finds_all(&facts);
    let mut bare = bytes.clone();
    bare[40..48].fill(0); // e_shoff: as if the section headers were not mapped
    bare[60..62].fill(0); // e_shnum
    let bare = inspect(&bare).expect("an ELF file");
    assert_eq!(format!("{:?}", bare.symbols), format!("{:?}", facts.symbols));
    finds_all(&bare);
    // It keeps other rules than ours; the gate says so and returns.
    assert!(!shipped_report(&bytes).is_accepted());
}

fn finds_all(facts: &Inspection) {
    assert!(facts.hash_tables.iter().any(|table| table.kind == HashKind::Gnu || table.kind == HashKind::Sysv));
    for table in &facts.hash_tables {
        assert!(table.missing.is_empty(), "{table:?}");
    }
}
