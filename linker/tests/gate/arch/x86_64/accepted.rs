//! x86-64: images that are right.

use super::ARCH;
use crate::fixture::{manifest, Fixture, PAGE};
use vdso_linker::gate::{self, Report};

fn accepted(fixture: Fixture) -> Report {
    crate::accepted::accepted(ARCH, fixture)
}

#[test]
fn instructions_without_vector_state() {
    for assembly in [
        "rdtscp",
        "rdpid rax",
        "lfence\nrdtsc",
        "mfence\nsfence\nlfence",
        "pause",
        "prefetcht0 [rdi]",
        "movnti [rdi], rax",
        "endbr64",
        "mul rdi",
        "lock cmpxchg8b [rdi]",
        "cmovne rax, rdi",
        "lea rax, [rip + vvar_page + 4096]",
        "lea rax, [rdi * 8 + 64]",
        "rep movsb",
        "syscall",
        "test edi, edi\nje 1f\nud2\n1:",
        "1: dec rdi\njne 1b",
        ".nops 9",
    ] {
        accepted(Fixture::good(ARCH).body(assembly));
    }
}

#[test]
fn a_frame_made_by_sub_and_stores() {
    let report = accepted(Fixture::good(ARCH).body(
        "
        sub rsp, 40
        .cfi_adjust_cfa_offset 40
        mov [rsp + 32], r15
        .cfi_rel_offset r15, 32
        mov r15, rdi
        mov [rsp + rdi * 8], rdi
        call helper
        mov rax, r15
        mov r15, [rsp + 32]
        .cfi_same_value r15
        lea rsp, [rsp + 40]
        .cfi_adjust_cfa_offset -40
        ",
    ));
    let function = report.functions.iter().find(|function| function.name == "__vdso_time").expect("the export");
    assert_eq!((function.frame, function.depth), (48, 64));
}

/// Compilers restore registers by pops and leave the rules of the saved ones as they were.
#[test]
fn pops_that_leave_the_rules_of_the_registers() {
    accepted(Fixture::good(ARCH).body(
        "
        push r14
        .cfi_adjust_cfa_offset 8
        push rbx
        .cfi_adjust_cfa_offset 8
        .cfi_offset rbx, -24
        .cfi_offset r14, -16
        mov rbx, rdi
        mov r14, rsi
        pop rbx
        .cfi_adjust_cfa_offset -8
        pop r14
        .cfi_adjust_cfa_offset -8
        ",
    ));
}

/// GCC puts unlikely paths of a function elsewhere, with a description of their own, and jumps there and back.
#[test]
fn a_cold_part_with_its_own_description() {
    let body = "
        push rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        mov rbx, rdi
        test rdi, rdi
        je cold
        back:
        pop rbx
        .cfi_adjust_cfa_offset -8
        .cfi_same_value rbx
    ";
    let cold = "
        .p2align 4, 0xcc
        cold:
        .cfi_startproc
        .cfi_def_cfa_offset 16
        .cfi_offset rbx, -16
        call helper
        jmp back
        .cfi_endproc
    ";
    let report = accepted(Fixture::good(ARCH).body(body).behind(cold));
    let function = report.functions.iter().find(|function| function.name == "__vdso_time").expect("the export");
    assert_eq!((function.frame, function.depth), (16, 32));
}

/// The rule of a register that was given back may stay as it was, as long as its place is within the red zone.
#[test]
fn a_rule_that_points_into_the_red_zone() {
    accepted(Fixture::good(ARCH).body(
        "
        sub rsp, 128
        .cfi_adjust_cfa_offset 128
        mov [rsp], rbx
        .cfi_rel_offset rbx, 0
        mov rbx, [rsp]
        add rsp, 128
        .cfi_adjust_cfa_offset -128
        nop
        ",
    ));
}

/// GCC calls local functions with a stack pointer that is not a multiple of 16.
#[test]
fn a_local_call_without_a_frame() {
    accepted(Fixture::good(ARCH).body("call helper"));
}

/// A value stored above the return address and one below it leave that as it is.
#[test]
fn stores_next_to_the_return_address() {
    accepted(Fixture::good(ARCH).body("mov [rsp + 8], rdi\nmov [rsp - 8], rdi\nmov rax, [rsp]"));
}

#[test]
fn two_version_nodes() {
    let script = "LINUX_2.5 { global: __vdso_time; time; local: *; }; \
                  LINUX_2.6 { global: __vdso_clock_gettime; clock_gettime; } LINUX_2.5;";
    let manifest = manifest(
        ARCH,
        &[
            ("[[version]]", "[[version]]\nname = \"LINUX_2.5\"\n\n[[version]]"),
            ("alias = \"time\"\nversion = \"LINUX_2.6\"", "alias = \"time\"\nversion = \"LINUX_2.5\""),
        ],
    );
    let report = gate::check(&Fixture::good(ARCH).versions(Some(script)).build(), &manifest, Some(PAGE));
    assert!(report.is_accepted(), "{report}");
}

#[test]
fn vvar_behind_the_image() {
    let manifest = manifest(ARCH, &[("[[version]]", "[vvar]\nplacement = \"after\"\n\n[[version]]")]);
    let fixture = Fixture::good(ARCH).script("SIZEOF_HEADERS - 4096", "SIZEOF_HEADERS + 8192");
    let report = gate::check(&fixture.build(), &manifest, Some(PAGE));
    assert!(report.is_accepted(), "{report}");
}

/// Linux's own images have a symbol for the version node, as GNU ld makes it.
#[test]
fn a_symbol_of_the_version_node() {
    let script = "LINUX_2.6 { global: __vdso_clock_gettime; clock_gettime; __vdso_time; time; LINUX_2.6; local: *; };";
    let symbol = ".globl LINUX_2.6\n.set LINUX_2.6, 0\n.type LINUX_2.6, @object";
    accepted(Fixture::good(ARCH).behind(symbol).versions(Some(script)));
}
