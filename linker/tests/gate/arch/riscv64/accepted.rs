//! riscv64: images that are right.

use super::ARCH;
use crate::fixture::Fixture;
use vdso_linker::gate::Report;

fn accepted(fixture: Fixture) -> Report {
    crate::accepted::accepted(ARCH, fixture)
}

#[test]
fn instructions_of_rv64gc() {
    crate::accepted::need!(ARCH);
    for assembly in [
        "nop\nc.nop\nfence\nfence.tso",
        "mulhu a0, a0, a1\ndivu a0, a0, a1\nremw a0, a0, a1",
        "slli a0, a0, 3\nsrliw a0, a0, 3\nsraw a0, a0, a1\nsltu a0, a0, a1",
        "lui a0, 0x12345\naddiw a0, a0, 1",
        "1: lr.d a1, (a0)\nbnez a1, 1b",
        "lb a1, 0(a0)\nlhu a1, 2(a0)\nlwu a1, 4(a0)\nsb a1, 0(a0)\nsd a1, 8(a0)",
        "ecall",
        "beqz a0, 1f\nunimp\n1: bgeu a0, a1, 2f\nebreak\n2:",
        "lla a1, constant\nld a0, 0(a1)",
    ] {
        accepted(Fixture::good(ARCH).body(assembly));
    }
}

#[test]
fn a_frame_with_saved_registers() {
    crate::accepted::need!(ARCH);
    let report = accepted(Fixture::good(ARCH).body(
        "
        addi sp, sp, -48
        .cfi_def_cfa_offset 48
        sd ra, 40(sp)
        .cfi_offset ra, -8
        sd s0, 32(sp)
        .cfi_offset s0, -16
        mv s0, a0
        call helper
        add a0, a0, s0
        ld ra, 40(sp)
        .cfi_restore ra
        ld s0, 32(sp)
        .cfi_restore s0
        addi sp, sp, 48
        .cfi_def_cfa_offset 0
        ",
    ));
    let function = report.functions.iter().find(|function| function.name == "__vdso_time").expect("the export");
    assert_eq!((function.frame, function.depth), (48, 48));
}

#[test]
fn counters_in_order() {
    crate::accepted::need!(ARCH);
    for read in [
        "fence r, i\nrdtime a0\nfence i, r",
        "fence iorw, iorw\nrdtime a0\nfence iorw, iorw",
        "fence rw, iw\nli a1, 3\nrdtime a0\nadd a0, a0, a1\nfence i, rw",
        "fence r, i\nrdtime a0\nfence i, r\nld a1, 0(a1)\nfence r, i\nrdtime a0\nfence i, r",
    ] {
        accepted(Fixture::good(ARCH).body(read));
    }
}
