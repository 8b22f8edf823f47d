//! Architectures that are not the crate's: here the host's, with other properties.

use crate::fixture::{architectures, good, manifest_text, Fixture, PAGE};
use std::path::Path;
use vdso_linker::arch::{Arch, Architecture, Convention, Instruction, Surroundings};
use vdso_linker::gate::{self, Report, Rule};
use vdso_linker::Manifest;

const HOST: &Architecture = Arch::X86_64.architecture();

/// The host's by another name.
const OWN: Architecture = Architecture { name: "own", ..*HOST };

/// What the gate says of an image for an architecture that is like the host's.
fn check(architecture: &'static Architecture, image: &[u8]) -> Report {
    let arch = Arch::new(architecture);
    let text = manifest_text(Arch::X86_64, &[(HOST.name, arch.name())]);
    let manifest = Manifest::parse_with(&text, Path::new("vdso.toml"), &[arch]).expect("a manifest");
    gate::check(image, &manifest, Some(PAGE))
}

fn rules(report: &Report) -> Vec<Rule> {
    let mut rules: Vec<Rule> = report.violations.iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

/// Leaves a test if the host's images cannot be built: it is counted as skipped.
macro_rules! need_host {
    () => {
        if !architectures().contains(&Arch::X86_64) {
            return;
        }
    };
}

/// The frame may be gone earlier than the description says, from there straight to the function's end. Nothing else is let
/// pass by that.
#[test]
fn epilogues_that_compilers_do_not_describe() {
    need_host!();
    static DESCRIBED: Architecture = OWN;
    static UNDESCRIBED: Architecture =
        Architecture { convention: Convention { epilogues_described: false, ..HOST.convention }, ..OWN };
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
        // A row that is wrong where it begins, before and behind a frame.
        (".cfi_def_cfa_offset 77\nxor eax, eax", "ret", false),
        (&with(".cfi_def_cfa_offset 77"), "ret", false),
        // A block without a frame that the frame's row covers.
        ("test edi, edi\nje 1f\npush rdi\n.cfi_adjust_cfa_offset 8\npop rax\nret\n1: xor eax, eax", "ret", false),
        (&with("ud2"), "", false),
    ] {
        let image = Fixture::good(Arch::X86_64).body(body).edit("jmp helper", end).build();
        assert_eq!(rules(&check(&DESCRIBED, &image)), [Rule::CfaMismatch], "{body}\n{end}");
        let expected: &[Rule] = if is_epilogue { &[] } else { &[Rule::CfaMismatch] };
        let report = check(&UNDESCRIBED, &image);
        assert_eq!(rules(&report), expected, "{body}\n{end}\n{report}");
    }
}

#[test]
fn the_machine_is_the_manifest_s() {
    need_host!();
    static OF_ANOTHER_MACHINE: Architecture = Architecture { machine: 0x7fff, ..OWN };
    let report = check(&OF_ANOTHER_MACHINE, &good(Arch::X86_64));
    assert_eq!(rules(&report), [Rule::FileHeader]);
    assert!(report.to_string().contains("EM_X86_64 instead of 32767"), "{report}");
}

/// The host's decoder, but for one instruction.
fn edited(
    edit: fn(&mut Vec<Instruction>),
    bytes: &[u8],
    address: u64,
    surroundings: &Surroundings,
) -> Vec<Instruction> {
    let mut instructions = (HOST.decode)(bytes, address, surroundings);
    edit(&mut instructions);
    instructions
}

/// Nothing that a decoder leaves out goes unjudged, and the image is not blamed for it.
#[test]
fn a_decoder_that_leaves_code_out_is_named() {
    need_host!();
    static NOTHING: Architecture = Architecture { decode: |_, _, _| Vec::new(), ..OWN };
    static SHORT: Architecture =
        Architecture { decode: |bytes, at, around| edited(|all| drop(all.pop()), bytes, at, around), ..OWN };
    static EMPTY: Architecture =
        Architecture { decode: |bytes, at, around| edited(|all| all[0].length = 0, bytes, at, around), ..OWN };
    static HUGE: Architecture =
        Architecture { decode: |bytes, at, around| edited(|all| all[0].length = u64::MAX, bytes, at, around), ..OWN };
    static GAP: Architecture =
        Architecture { decode: |bytes, at, around| edited(|all| drop(all.remove(0)), bytes, at, around), ..OWN };
    for (name, architecture, says) in [
        ("nothing", &NOTHING, "bytes before the code does"),
        ("short", &SHORT, "bytes before the code does"),
        ("empty", &EMPTY, "the decoder gives 0 bytes at"),
        ("huge", &HUGE, "the decoder gives 18446744073709551615 bytes at"),
        ("gap", &GAP, "for an instruction at"),
    ] {
        let report = check(architecture, &good(Arch::X86_64));
        let found = report.violations.iter().find(|it| it.rule == Rule::Undecodable && it.what.contains(says));
        assert!(found.is_some_and(|it| it.remedy.contains("mend the architecture's `decode`")), "{name}: {report}");
    }
}
