//! The inspection and the gate on real images: the one that ships, and the running kernel's own.

use serde_json::Value;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use vdso_linker::inspect::{inspect, HashKind, Inspection};
use vdso_linker::{gate, Manifest, PageAbi};
use vdso_tests::arch::ARCHITECTURES;
use vdso_tests::Architecture;

/// Of the ELF ABI, written out: a test that took it from the reader would not see a mistake there.
const ET_DYN: u64 = 3;

fn shipped(architecture: &Architecture, name: &str) -> PathBuf {
    vdso_tests::workspace().join("vdso-image/arch").join(architecture.name()).join(name)
}

fn image_of(architecture: &Architecture) -> Vec<u8> {
    std::fs::read(shipped(architecture, "vdso.so")).expect("the image that ships")
}

fn manifest_of(architecture: &Architecture) -> Manifest {
    Manifest::load(&shipped(architecture, "vdso.toml")).expect("the manifest that ships")
}

fn page_of(architecture: &Architecture) -> PageAbi {
    let encoding = vvar::page::Encoding::of_architecture(architecture.name()).expect("an architecture with an image");
    PageAbi { abi: vvar::page::ABI, layout: encoding.layout() }
}

/// An image held against the architecture's manifest and page.
fn report(image: &[u8], architecture: &Architecture) -> gate::Report {
    gate::check(image, &manifest_of(architecture), Some(page_of(architecture)))
}

#[test]
fn the_gate_accepts_the_images_that_ship() {
    for architecture in ARCHITECTURES {
        let (name, report) = (architecture.name(), report(&image_of(architecture), architecture));
        assert!(report.is_accepted(), "{name}: {report}");
        assert!(report.instructions > 100 && report.covered_bytes == report.code_bytes, "{name}: {report}");
    }
}

#[test]
fn the_gate_refuses_an_image_for_a_page_of_another_layout() {
    for architecture in ARCHITECTURES {
        let page = page_of(architecture);
        let other = PageAbi { layout: !page.layout, ..page };
        let report = gate::check(&image_of(architecture), &manifest_of(architecture), Some(other));
        let rules: Vec<gate::Rule> = report.violations.iter().map(|violation| violation.rule).collect();
        assert_eq!(rules, [gate::Rule::PageNote], "{}: {report}", architecture.name());
    }
}

/// The wrong architecture's image is refused by its header, before anything in it is taken for something else.
#[test]
fn the_gate_refuses_the_image_of_another_architecture() {
    for image in ARCHITECTURES {
        for manifest in ARCHITECTURES.iter().filter(|manifest| manifest.name() != image.name()) {
            let report = gate::check(&image_of(image), &manifest_of(manifest), None);
            let first = report.violations.first().map(|violation| violation.rule);
            assert_eq!(first, Some(gate::Rule::FileHeader), "{} for {}: {report}", image.name(), manifest.name());
        }
    }
}

#[test]
fn as_json() {
    for architecture in ARCHITECTURES {
        let mut image = image_of(architecture);
        let facts = serde_json::to_value(inspect(&image).expect("an ELF file")).expect("facts as JSON");
        assert_eq!(facts["soname"], "linux-vdso.so.1");
        assert_eq!(facts["header"]["kind"]["value"], ET_DYN);
        let (value, name) = architecture.machine;
        assert_eq!(facts["header"]["machine"], serde_json::json!({ "value": value, "name": name }));
        let symbols = facts["symbols"].as_array().expect("a list of symbols");
        let clock = symbols.iter().find(|symbol| symbol["name"] == architecture.clock_gettime).expect("the symbol");
        assert_eq!(clock["version"], architecture.version);
        assert_eq!(clock["kind"]["name"], "STT_FUNC");
        let page = facts["notes"].as_array().and_then(|notes| notes.iter().find(|note| note["owner"] == "vvar"));
        let layout = page.expect("the note")["content"]["page"]["layout"].clone();
        assert_eq!(layout, Value::from(page_of(architecture).layout));

        image[16] = 2; // e_type: ET_EXEC
        let report = serde_json::to_value(report(&image, architecture)).expect("the report as JSON");
        assert_eq!(report["violations"][0]["rule"], "file-header");
        assert_eq!(report["violations"][0]["place"], "e_type");
    }
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
    assert!(!report(&bytes, &vdso_tests::arch::x86_64::ARCHITECTURE).is_accepted());
}

fn finds_all(facts: &Inspection) {
    assert!(facts.hash_tables.iter().any(|table| table.kind == HashKind::Gnu || table.kind == HashKind::Sysv));
    for table in &facts.hash_tables {
        assert!(table.missing.is_empty(), "{table:?}");
    }
}
