//! What the inspection reads, from a file and from memory.

use crate::arch;
use crate::fixture::{architectures, binary, good, Fixture};
use crate::patch::{self, write};
use object::elf;
use vdso_linker::inspect::{inspect, Class, HashKind, Inspection, NoteContent, Part};
use vdso_linker::manifest::Arch;

/// One that the compiler has `core` for, where it does not matter which.
fn some() -> Arch {
    architectures()[0]
}

fn facts(bytes: &[u8]) -> Inspection {
    inspect(bytes).expect("an ELF file")
}

#[test]
fn text() {
    for arch in architectures() {
        arch::snapshots(*arch).bind(|| insta::assert_snapshot!("inspection", facts(&good(*arch))));
    }
}

/// All that a client needs, as text: what must not depend on section headers.
fn client_view(facts: &Inspection) -> String {
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        facts.soname, facts.dynamic, facts.symbols, facts.versions, facts.hash_tables, facts.notes, facts.unwind.frames
    )
}

#[test]
fn a_file_without_section_headers_reads_alike() {
    let mut image = good(some());
    let full = facts(&image);
    write(&mut image, 40, &0u64.to_le_bytes()); // e_shoff
    write(&mut image, 60, &0u16.to_le_bytes()); // e_shnum
    let bare = facts(&image);
    assert_eq!(client_view(&bare), client_view(&full));
    assert!(bare.sections.is_empty());
    assert!(bare.problems.is_empty(), "{:?}", bare.problems);
    assert_eq!(bare.unwind.coverage.covered_functions, full.unwind.coverage.functions);
}

#[test]
fn memory_that_ends_before_the_section_headers_reads_alike() {
    let image = Fixture::good(some()).link();
    let full = facts(&image);
    let load = full.segments.iter().find(|segment| segment.is(elf::PT_LOAD)).expect("a PT_LOAD");
    let memory = facts(&image[..load.file_size as usize]);
    assert_eq!(client_view(&memory), client_view(&full));
    let parts: Vec<Part> = memory.problems.iter().map(|problem| problem.part).collect();
    assert_eq!(parts, [Part::Sections]);
    assert!(memory.problems[0].what.contains("e_shoff"), "{}", memory.problems[0]);
}

#[test]
fn without_the_sysv_table_symbols_are_counted_by_the_gnu_table() {
    let mut image = Fixture::good(some()).option("--hash-style=both", "--hash-style=gnu").build();
    let full = facts(&image);
    write(&mut image, 40, &0u64.to_le_bytes());
    write(&mut image, 60, &0u16.to_le_bytes());
    assert_eq!(client_view(&facts(&image)), client_view(&full));
    assert_eq!(full.hash_tables.len(), 1);
}

/// Chains that only a look-up of an absent name follows to their end.
#[test]
fn chains_that_lead_astray_are_named() {
    let problems = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut image = good(some());
        change(&mut image);
        let found = facts(&image);
        assert!(found.hash_tables.iter().any(|table| table.missing.is_empty()), "{:?}", found.hash_tables);
        found.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let count = facts(&good(some())).symbols.len() + 1;
    let (end, last) = patch::zero_in_hash(&good(some()), true);
    let text = problems(&|image| write(image, end, &last.to_le_bytes()));
    assert!(text.contains(&format!("does not come to 0 within nchain {count} steps")), "{text}");
    let text = problems(&|image| write(image, end, &(count as u32).to_le_bytes()));
    assert!(text.contains(&format!("chain[{last}] is {count:#x}, but nchain is {count}")), "{text}");
    let (bucket, index) = patch::zero_in_hash(&good(some()), false);
    let text = problems(&|image| write(image, bucket, &0x4000_0000u32.to_le_bytes()));
    assert!(text.contains(&format!("bucket[{index}] is 0x40000000, but nchain is {count}")), "{text}");
    let gnu = patch::section_bytes(&good(some()), ".gnu.hash");
    let text = problems(&|image| write(image, gnu + 4, &2u32.to_le_bytes()));
    assert!(text.contains("is 0x1, but symoffset is 0x2"), "{text}");
}

#[test]
fn notes_are_decoded() {
    let facts = facts(&good(some()));
    let page = facts.notes.iter().any(|note| note.content == NoteContent::Page(crate::fixture::PAGE));
    assert!(page, "{:?}", facts.notes);
    assert_eq!(facts.build_id().map(str::len), Some(40));
}

/// Other classes and byte orders, for images of other kernels.
#[test]
fn reads_every_class_and_byte_order() {
    let kinds = [
        ("elf_x86_64", Class::Elf64, true, "EM_X86_64"),
        ("elf_i386", Class::Elf32, true, "EM_386"),
        ("elf64ppc", Class::Elf64, false, "EM_PPC64"),
        ("elf32ppc", Class::Elf32, false, "EM_PPC"),
        ("elf64lriscv", Class::Elf64, true, "EM_RISCV"),
    ];
    for (emulation, class, little_endian, machine) in kinds {
        let facts = facts(&binary(emulation));
        assert_eq!((facts.header.class, facts.header.little_endian), (class, little_endian), "{emulation}");
        assert_eq!(facts.header.machine.name, Some(machine));
        assert_eq!(facts.soname.as_deref(), Some("libblob.so"), "{emulation}");
        assert!(facts.problems.is_empty(), "{emulation}: {:?}", facts.problems);
        let size = facts.symbols.iter().find(|symbol| symbol.name.ends_with("_size")).expect("the symbol of the size");
        assert_eq!(size.value, 5, "{emulation}");
        let tables: Vec<HashKind> = facts.hash_tables.iter().map(|table| table.kind).collect();
        assert_eq!(tables, [HashKind::Sysv, HashKind::Gnu], "{emulation}");
        for table in &facts.hash_tables {
            assert_eq!(table.symbols, Some(facts.symbols.len() as u32 + 1), "{emulation} {:?}", table.kind);
            assert!(table.missing.is_empty(), "{emulation} {:?}: {:?}", table.kind, table.missing);
        }
    }
}

#[test]
fn other_bytes_are_an_error_that_names_the_field() {
    let message = |bytes: &[u8]| inspect(bytes).expect_err("no ELF file").to_string();
    assert_eq!(
        message(b"\x7fELF"),
        "ELF header: the file has 4 bytes, an ELF header needs 16; remedy: pass the whole image"
    );
    assert_eq!(
        message(b"MZ and more than sixteen bytes"),
        "ELF header, e_ident: [4d, 5a, 20, 61] is not the magic number of an ELF file; \
         remedy: pass a shared object or a vDSO"
    );
    let mut image = good(some());
    image[5] = 7; // EI_DATA
    assert!(
        message(&image).starts_with("ELF header, e_ident: class 2, data encoding 7, version 1;"),
        "{}",
        message(&image)
    );
}
