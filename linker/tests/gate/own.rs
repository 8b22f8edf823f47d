//! Architectures that are not the crate's: here the host's, with other properties.

use crate::fixture::{architectures, manifest, Fixture, PAGE};
use std::collections::BTreeSet;
use vdso_linker::arch::{Arch, Architecture, Convention};
use vdso_linker::gate::{self, Rule};

const HOST: &Architecture = Arch::X86_64.architecture();

static WITHOUT_EPILOGUES: Architecture =
    Architecture { convention: Convention { epilogues_described: false, ..HOST.convention }, ..*HOST };

static OF_ANOTHER_MACHINE: Architecture = Architecture { machine: 0x7fff, ..*HOST };

fn rules(arch: Arch, body: &str, end: &str) -> Vec<Rule> {
    let image = Fixture::good(arch).body(body).edit("jmp helper", end).build();
    let report = gate::check(&image, &manifest(arch, &[]), Some(PAGE));
    let found: BTreeSet<Rule> = report.violations.iter().map(|violation| violation.rule).collect();
    found.into_iter().collect()
}

/// The frame may be gone earlier than the description says, from there straight to the function's end. Nothing else is let
/// pass by that.
#[test]
fn epilogues_that_compilers_do_not_describe() {
    if !architectures().contains(&Arch::X86_64) {
        return; // counted as skipped
    }
    let frame = "push rdi\n.cfi_adjust_cfa_offset 8\npop rax";
    let with = |more: &str| format!("{frame}\n{more}");
    for (body, end, is_epilogue) in [
        (frame, "ret", true),
        (frame, "jmp helper", true),
        (&with("xor eax, eax"), "ret", true),
        (&with("test edi, edi\nje 1f\n1:"), "ret", false),
        (&with("1: dec edi\njmp 1b"), "ret", false),
        (&with("push rdi\npop rax"), "ret", false),
        (&with("call helper"), "ret", false),
        ("push rdi\npop rax", "ret", false),
        (&with("ud2"), "", false),
    ] {
        assert_eq!(rules(Arch::X86_64, body, end), [Rule::CfaMismatch], "{body}\n{end}");
        let expected: &[Rule] = if is_epilogue { &[] } else { &[Rule::CfaMismatch] };
        assert_eq!(rules(Arch::new(&WITHOUT_EPILOGUES), body, end), expected, "{body}\n{end}");
    }
}

#[test]
fn the_manifest_s_architecture_is_the_one_that_was_given() {
    if !architectures().contains(&Arch::X86_64) {
        return; // counted as skipped
    }
    assert_eq!(rules(Arch::X86_64, "", "ret"), []);
    assert_eq!(rules(Arch::new(&OF_ANOTHER_MACHINE), "", "ret"), [Rule::FileHeader]);
}
