//! aarch64: images that are right.

use super::ARCH;
use crate::fixture::Fixture;
use vdso_linker::gate::Report;

fn accepted(fixture: Fixture) -> Report {
    crate::accepted::accepted(ARCH, fixture)
}

#[test]
fn instructions_of_the_base_set() {
    crate::accepted::need!(ARCH);
    for assembly in [
        "yield\nnop\nsevl",
        "clrex\nprfm pldl1keep, [x0]",
        "1: ldaxr x9, [x0]\nstlxr w10, x1, [x0]\ncbnz w10, 1b",
        "umulh x0, x0, x1\nsmaddl x0, w0, w1, x2\nudiv x0, x0, x1",
        "rev x0, x0\nclz x0, x0\nextr x0, x0, x1, #3\nbfi x0, x1, #3, #4",
        "ccmp x0, #1, #0, ne\ncset w0, eq\ncsneg x0, x0, x1, lt",
        "adr x9, constant\nldr x0, [x9]",
        "ldr x0, constant",
        "ldp x2, x1, [x0, #16]!\nldrsw x2, [x1], #4\nstrb w2, [x1, w0, uxtw]",
        "bti j\nbti jc",
        "dsb ishld\nisb",
        "svc #0",
        "tbz w0, #3, 1f\nbrk #1\n1:",
    ] {
        accepted(Fixture::good(ARCH).body(assembly));
    }
}

#[test]
fn a_frame_without_frame_pointer() {
    crate::accepted::need!(ARCH);
    let report = accepted(Fixture::good(ARCH).body(
        "
        sub sp, sp, #48
        .cfi_def_cfa_offset 48
        str x30, [sp, #32]
        .cfi_offset x30, -16
        stp x19, x20, [sp, #16]
        .cfi_offset x19, -32
        .cfi_offset x20, -24
        mov x19, x0
        bl helper
        mov x20, x0
        ldp x19, x20, [sp, #16]
        .cfi_restore x19
        .cfi_restore x20
        ldr x30, [sp, #32]
        .cfi_restore x30
        add sp, sp, #48
        .cfi_def_cfa_offset 0
        ",
    ));
    let function = report.functions.iter().find(|function| function.name == "__vdso_time").expect("the export");
    assert_eq!((function.frame, function.depth), (48, 48));
}

/// A call uses what its callee reads, and what it leaves to be read behind it. The counter's value that nobody needs any
/// more may be in any other register, those of arguments and results that the functions do not have included.
#[test]
fn a_call_with_a_counter_value_that_nobody_uses() {
    crate::accepted::need!(ARCH);
    for register in ["x2", "x8", "x9", "x19"] {
        accepted(Fixture::good(ARCH).body(&calling("quiet", register)).behind(QUIET));
    }
    // Its result is not made from what is in the register before.
    accepted(Fixture::good(ARCH).body(&calling("quiet", "x0")).behind(QUIET));
}

/// Reads the counter into a register, compares it with what it loads by it, and calls a function without the value.
pub(super) fn calling(callee: &str, register: &str) -> String {
    format!(
        "
        stp x29, x30, [sp, #-32]!
        .cfi_def_cfa_offset 32
        .cfi_offset x29, -32
        .cfi_offset x30, -24
        str x19, [sp, #16]
        .cfi_offset x19, -16
        adrp x12, vvar_page
        dmb ishld
        ldr w11, [x12, #4]
        cbnz w11, 1f
        isb
        mrs {register}, cntvct_el0
        eor x10, {register}, {register}
        add x10, x12, x10
        ldr x10, [x10, #16]
        cmp {register}, x10
        mov x10, #0
        b.hs 1f
        bl {callee}
        1:
        ldr x19, [sp, #16]
        .cfi_restore x19
        ldp x29, x30, [sp], #32
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        "
    )
}

/// A function that reads no argument.
pub(super) const QUIET: &str = "
    .p2align 4
    quiet:
    .cfi_startproc
    adrp x9, constant
    ldr x0, [x9, :lo12:constant]
    mov x8, #0
    ret
    .cfi_endproc
";

/// A function that is never called, but jumped to, is led to by those jumps, not by what aligns it.
#[test]
fn a_counter_behind_a_jump_and_padding() {
    crate::accepted::need!(ARCH);
    let jump = "adrp x9, vvar_page\ndmb ishld\nldr w8, [x9, #4]\ncbnz w8, 1f\nb elsewhere\n1:";
    for padding in ["", "nop\n", ".inst 0\n"] {
        let size = ".size helper, . - helper\n";
        let function = ELSEWHERE.replace("PADDING", padding);
        accepted(Fixture::good(ARCH).body(jump).edit(size, &[size, &function].concat()));
    }
}

/// Reads the counter behind a guard that others have.
pub(super) const ELSEWHERE: &str = "
    PADDING
    elsewhere:
    .cfi_startproc
    isb
    mrs x10, cntvct_el0
    eor x11, x10, x10
    add x9, x9, x11
    ldr x12, [x9, #16]
    add x1, x12, x10
    dmb ishld
    ldr w8, [x9]
    add x0, x1, x8
    ret
    .cfi_endproc
";

/// The ways to read the counter in order: by each register, by a DSB instead of the branch, twice for the erratum, and
/// when what was read is given up and read again.
#[test]
fn counters_in_order() {
    crate::accepted::need!(ARCH);
    let guard = "adrp x9, vvar_page\ndmb ishld\nldr w8, [x9, #4]\ncbnz w8, 9f\n";
    let loads =
        "eor x11, x10, x10\nadd x12, x9, x11\nldr x13, [x12, #16]\ndmb ishld\nldr w8, [x9]\nadd x1, x10, x13\n9:";
    let again = "
        1: dmb ishld
        ldr w8, [x9, #4]
        cbnz w8, 9f
        isb
        mrs x10, cntvct_el0
        eor x11, x10, x10
        add x12, x9, x11
        ldr x13, [x12, #16]
        subs x14, x10, x13
        b.lo 1b
    ";
    for read in [
        "isb\nmrs x10, cntvct_el0\n",
        "mrs x10, s3_3_c14_c0_6\n",
        "ldr w14, [x9, #8]\ndsb ishld\nisb\nmrs x10, cntvct_el0\n",
        "isb\nmrs x14, cntvct_el0\nmrs x15, cntvct_el0\neor x16, x14, x15\ntst x16, #0x100000000\ncsel x10, x15, x14, eq\n",
        "isb\nldr x16, [sp]\nmrs x10, cntvct_el0\n",
        "ldr w14, [x9, #8]\ndmb ish\nldr w8, [x9, #4]!\nand w8, w8, #7\ncbnz w8, 9f\nisb\nmrs x10, cntvct_el0\n",
        again,
    ] {
        accepted(Fixture::good(ARCH).body(&[guard, read, loads].concat()));
    }
}
