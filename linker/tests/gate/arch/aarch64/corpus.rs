//! Broken images for aarch64: their instructions, the mark of landing pads, the signal trampoline.

use super::accepted::{calling, ELSEWHERE, QUIET};
use super::ARCH;
use crate::corpus::Corpus;
use crate::fixture::Fixture;
use crate::patch::{self, write};
use vdso_linker::gate::Rule;

pub(super) fn add(corpus: &mut Corpus) {
    landing_pads(corpus);
    trampoline(corpus);
    unwind(corpus);
    stack(corpus);
    control_flow(corpus);
    instructions(corpus);
    counter(corpus);
    counter_leaves(corpus);
    data(corpus);
}

fn landing_pads(corpus: &mut Corpus) {
    use Rule::*;
    corpus.built("an export without landing pad", &[LandingPad], "__vdso_time", {
        Fixture::good(ARCH).edit("bti c\n    // BODY", "// BODY")
    });
    corpus.built("a pad for jumps only", &[LandingPad], "`hint #0x24`", {
        Fixture::good(ARCH).edit("bti c\n    // BODY", "bti j")
    });
    corpus.built("no mark of landing pads", &[PropertyNote], "program headers", {
        Fixture::good(ARCH).script("property 0x6474e553 FLAGS(4); property_note PT_NOTE FLAGS(4);", "").script(
            ".note.gnu.property : { *(.note.gnu.property) } :text :property :property_note",
            "/DISCARD/ : { *(.note.gnu.property) }",
        )
    });
    corpus.built("the mark in PT_GNU_PROPERTY only", &[PropertyNote], "program headers", {
        Fixture::good(ARCH).script("property_note PT_NOTE FLAGS(4);", "").script(" :property_note", "")
    });
    corpus.patched("a mark of something else", &[PropertyNote], "`GNU` properties", |image| {
        let note = patch::section_bytes(image, ".note.gnu.property");
        write(image, note + 24, &2u32.to_le_bytes()); // owner and header 16 bytes, property's type and size 8
    });
}

fn trampoline(corpus: &mut Corpus) {
    use Rule::*;
    let built = |edit: fn(Fixture) -> Fixture| edit(Fixture::good(ARCH));
    corpus.built("a trampoline with a landing pad", &[SignalTrampoline], "`__kernel_rt_sigreturn`", {
        built(|good| good.edit("mov x8, #139\n", "bti c\n    mov x8, #139\n"))
    });
    corpus.built("a trampoline in another register's encoding", &[SignalTrampoline], "`__kernel_rt_sigreturn`", {
        built(|good| good.edit("mov x8, #139\n", "mov w8, #139\n"))
    });
    corpus.built(
        "a trampoline that is no signal frame",
        &[SignalTrampoline, CfaRule, BranchTarget],
        "`__kernel_rt_sigreturn`",
        built(|good| good.edit(".cfi_signal_frame", "")),
    );
    corpus.built("a trampoline without the byte before", &[SignalTrampoline], "`__kernel_rt_sigreturn`", {
        built(|good| {
            let nop = ".cfi_startproc\n.cfi_signal_frame\n.cfi_escape 0x0f, 4, 0x8f, 0x98, 0x04, 0x06\nnop\n";
            good.edit(nop, &format!("nop\n{}", nop.replace("nop\n", "")))
        })
    });
    corpus.built("a trampoline without the NOP before", &[SignalTrampoline], "`__kernel_rt_sigreturn`", {
        built(|good| good.edit("\nnop\n", "\nyield\n"))
    });
}

fn unwind(corpus: &mut Corpus) {
    use Rule::*;
    corpus.built("a function without unwind information", &[UnwindCoverage], "`ret`", {
        Fixture::good(ARCH).behind("bare: ret").body(&framed("bl bare"))
    });
    corpus.body("a frame address from another register", &[CfaRule], "__vdso_time", {
        "mov x9, sp\n.cfi_def_cfa_register x9\nmov x10, x9\n.cfi_def_cfa sp, 0"
    });
    corpus.body("another return address column", &[CfaRule], "__vdso_time", ".cfi_return_column x29");
    corpus.body("a push that is not described", &[CfaMismatch], "`ldr", "str x0, [sp, #-16]!\nldr x0, [sp], #16");
    corpus.body("a frame pointer that is not set", &[CfaMismatch], "`mov x9", {
        "
        stp x29, x30, [sp, #-16]!
        .cfi_def_cfa_offset 16
        .cfi_offset x29, -16
        .cfi_offset x30, -8
        .cfi_def_cfa x29, 16
        mov x9, #1
        .cfi_def_cfa sp, 16
        ldp x29, x30, [sp], #16
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        "
    });
    corpus.body("a callee-saved register that is not restored", &[SavedRegister], "`b", "mov x19, x0");
    corpus.body("the platform's register written", &[SavedRegister], "`b", "mov x18, x0");
    corpus.body("a call without the return address saved", &[SavedRegister], "`b", "bl helper");
    corpus.body("two registers restored in the wrong order", &[SavedRegister], "`b", {
        "
        stp x19, x20, [sp, #-16]!
        .cfi_def_cfa_offset 16
        .cfi_offset x19, -16
        .cfi_offset x20, -8
        ldp x20, x19, [sp], #16
        .cfi_def_cfa_offset 0
        .cfi_restore x19
        .cfi_restore x20
        "
    });
    corpus.body("half of a saved register", &[SavedRegister], "`add sp", {
        "
        sub sp, sp, #16
        .cfi_def_cfa_offset 16
        str w19, [sp]
        .cfi_offset x19, -16
        add sp, sp, #16
        .cfi_def_cfa_offset 0
        .cfi_restore x19
        "
    });
}

fn stack(corpus: &mut Corpus) {
    use Rule::*;
    corpus.body("a large frame", &[FrameSize], "__vdso_time", {
        "
        sub sp, sp, #272
        .cfi_def_cfa_offset 272
        str x0, [sp]
        add sp, sp, #272
        .cfi_def_cfa_offset 0
        "
    });
    corpus.built("two frames that are too large together", &[StackDepth], "__vdso_time", {
        let inner = "
            .p2align 4
            inner:
            .cfi_startproc
            sub sp, sp, #256
            .cfi_def_cfa_offset 256
            add sp, sp, #256
            .cfi_def_cfa_offset 0
            ret
            .cfi_endproc
        ";
        Fixture::good(ARCH).body(&framed("bl inner")).behind(inner)
    });
    corpus.body("a red zone", &[RedZone], "`stur x0", "stur x0, [sp, #-8]");
    corpus.body("an aligned stack pointer", &[StackPointer], "`and sp", "mov x9, sp\nand sp, x9, #0xffffffffffffffe0");
    corpus.body("a stack pointer from a register", &[StackPointer], "`mov sp", "mov sp, x0");
    corpus.body("paths that push differently", &[StackPointer], "`add sp", {
        "
        tbnz w0, #31, 1f
        sub sp, sp, #16
        .cfi_def_cfa_offset 16
        1:
        add sp, sp, #16
        .cfi_def_cfa_offset 0
        "
    });
    corpus.body("a return above a value on the stack", &[StackPointer], "`ret`", {
        "sub sp, sp, #16\n.cfi_def_cfa_offset 16\nret\n.cfi_def_cfa_offset 0"
    });
    corpus.body("a function that calls itself", &[Recursion], "`bl", &framed("bl __vdso_time"));
}

fn control_flow(corpus: &mut Corpus) {
    use Rule::*;
    corpus.built("a table in the text", &[Undecodable], ": `", {
        Fixture::good(ARCH).edit("mul x0, x0, x9\n    ret", "mul x0, x0, x9\n    ret\n    .word 0x00ffffff")
    });
    corpus.body("a jump out of the image", &[BranchTarget], "`b $", ".inst 0x14040000");
    corpus.body("a call into the data", &[BranchTarget], "`bl", &framed("bl constant"));
    corpus.built("a function without end", &[BranchTarget], "`mul", {
        Fixture::good(ARCH)
            .edit("mul x0, x0, x9\n    ret", "mul x0, x0, x9")
            .edit(".p2align 4\n.cfi_startproc\n", ".p2align 4\n.zero 16\n.cfi_startproc\n")
    });
    corpus.body("a call by register", &[IndirectBranch], "`blr x0`", &framed("blr x0"));
    corpus.body("a jump by register", &[IndirectBranch], "`br x0`", "cbz x0, 1f\nbr x0\n1:");
    corpus.body("a return by another register", &[IndirectBranch], "`ret x1`", "cbz x0, 1f\nret x1\n1:");
    corpus.built(
        "a call of memset",
        &[Relocation, UndefinedSymbol, GotPlt, WritableSection, IndirectBranch, UnwindCoverage],
        "(.got)",
        Fixture::good(ARCH).body(&framed("bl memset")),
    );
}

fn instructions(corpus: &mut Corpus) {
    use Rule::*;
    for assembly in [
        "movi v0.2d, #0",
        "fmov d0, x0",
        "ldr q0, [x0]",
        "stp d0, d1, [x0]",
        "ld1 {v0.16b}, [x0]",
        "fadd s0, s0, s1",
        ".arch_extension sve\nptrue p0.b",
        "cnt v0.8b, v0.8b",
        "ldur b0, [x0, #1]",
        "scvtf d0, x0",
    ] {
        corpus.body(format!("vector: {assembly}"), &[VectorInstruction], "__vdso_time", assembly);
    }
    for assembly in [
        ".arch_extension lse\nldadd x0, x0, [x1]",
        ".arch_extension crc\ncrc32b w0, w0, w1",
        ".arch_extension rcpc\nldapr x0, [x1]",
        ".arch_extension pauth\nxpaci x0",
        "paciasp\nautiasp",
        ".arch_extension lse\nswpal x0, x0, [x1]",
    ] {
        corpus.body(format!("not on every CPU: {assembly}"), &[CpuFeature], "__vdso_time", assembly);
    }
    for assembly in [
        "mrs x0, midr_el1",
        "mrs x0, cntfrq_el0",
        "mrs x0, cntpct_el0",
        "msr tpidr_el0, x0",
        "dc zva, x0",
        "ic ivau, x0",
        "hvc #0",
        "smc #0",
        "svc #1",
        "msr daifset, #2",
        "eret",
        "mrs x0, nzcv",
        "hlt #1",
    ] {
        corpus.body(format!("the kernel's: {assembly}"), &[SystemInstruction], "__vdso_time", assembly);
    }
    for assembly in ["mrs x0, tpidr_el0", "mrs x0, tpidrro_el0"] {
        corpus.body(format!("thread pointer: {assembly}"), &[SegmentAccess], "__vdso_time", assembly);
    }
}

/// The counter read as it should be, with a place for each flaw.
const READ: &str = "
    adrp x9, vvar_page
    dmb ishld
    ldr w8, [x9, #4]
    cbnz w8, 1f
    isb
    mrs x10, cntvct_el0
    eor x11, x10, x10
    add x9, x9, x11
    ldr x12, [x9, #16]
    add x1, x12, x10
    dmb ishld
    ldr w8, [x9]
    cbnz w8, 1f
    mov x0, x1
    ret
    1:
";

/// Its part from the counter on, up to the sum of the time.
const TOKEN: &str = "eor x11, x10, x10\n    add x9, x9, x11\n    ldr x12, [x9, #16]\n    add x1, x12, x10\n";

/// The same with the value in one register or in another, by a branch, and the token made of it in one case only.
fn by_ways(branch: &str) -> String {
    format!(
        "
        {branch}
        mov x13, #0
        mov x11, #0
        b 5f
        6:
        mov x13, x10
        mov x10, #0
        eor x11, x13, x13
        5:
        add x9, x9, x11
        ldr x12, [x9, #16]
        add x1, x12, x10
        add x1, x1, x13
        "
    )
}

fn counter(corpus: &mut Corpus) {
    let flaws: &[(&str, &str, &str)] = &[
        ("no ISB", "isb\n", ""),
        ("a DMB for the ISB", "isb\n", "dmb ish\n"),
        ("no barrier before the load", "dmb ishld\n    ldr w8, [x9, #4]", "ldr w8, [x9, #4]"),
        ("a barrier for stores before the load", "dmb ishld", "dmb ishst"),
        ("a barrier for this CPU before the load", "dmb ishld", "dmb nshld"),
        ("the barrier before the load but one", "ldr w8, [x9, #4]\n", "ldr w13, [x9, #8]\n    ldr w8, [x9, #4]\n"),
        ("a branch past the barrier before the load", "dmb ishld\n", "cbz w0, 2f\n    dmb ishld\n    2:\n"),
        ("a system call behind the barrier before the load", "dmb ishld\n", "dmb ishld\n    svc #0\n"),
        ("a branch on one of two loads", "ldr w8, [x9, #4]", "ldp w13, w8, [x9]"),
        ("a branch on the base of the load", "ldr w8, [x9, #4]\n    cbnz w8", "ldr w8, [x9], #4\n    cbnz w9"),
        (
            "a branch on the base that the load has moved",
            "ldr w8, [x9, #4]\n    cbnz w8",
            "ldr w8, [x9, #4]!\n    cbnz w9",
        ),
        (
            "a branch on whether what was loaded was stored",
            "cbnz w8, 1f\n    isb",
            "stxr w14, w8, [x2]\n    cbnz w14, 1f\n    isb",
        ),
        ("a branch on the base of a store of what was loaded", "cbnz w8, 1f", "str w8, [x2], #4\n    cbnz x2, 1f"),
        ("a branch that is always taken", "cbnz w8, 1f\n", "cmp w8, #0\n    b.al 5f\n    5:\n"),
        ("a branch that is taken never, by name only", "cbnz w8, 1f\n", "cmp w8, #0\n    b.nv 5f\n    5:\n"),
        (
            "a branch on what is always selected",
            "cbnz w8, 1f",
            "cmp w8, #0\n    csel x13, x0, x8, al\n    cbnz x13, 1f",
        ),
        ("a system call between ISB and counter", "isb\n", "isb\n    mov x8, #113\n    svc #0\n"),
        ("a system call between branch and ISB", "isb\n", "mov x8, #113\n    svc #0\n    isb\n"),
        ("no load before", "ldr w8, [x9, #4]\n", "mov w8, w0\n"),
        ("no branch", "cbnz w8, 1f\n", ""),
        ("a branch that does not depend on the load", "cbnz w8, 1f\n    isb", "cbnz w0, 1f\n    isb"),
        ("a conditional select for the branch", "cbnz w8, 1f\n    isb", "cmp w8, #0\n    csel x9, x9, x0, eq\n    isb"),
        ("the ISB before the branch", "cbnz w8, 1f\n    isb\n", "isb\n    cbnz w8, 1f\n"),
        ("a load behind the branch", "isb\n", "ldr w13, [x9, #8]\n    isb\n"),
        ("a load between ISB and counter", "isb\n", "isb\n    ldr w13, [x9, #8]\n"),
        ("a branch past the ISB", "isb\n", "cbz w0, 2f\n    isb\n    2:\n"),
        ("a branch past the guard", "cbnz w8, 1f\n    isb\n", "b 3f\n    4: cbnz w8, 1f\n    3: cbz w0, 4b\n    isb\n"),
        ("a load that does not depend on the value", "add x9, x9, x11\n", ""),
        ("a token of another register", "eor x11, x10, x10", "eor x11, x8, x8"),
        (
            "a token that is selected by flags of the value",
            "eor x11, x10, x10",
            "cmp x10, #0\n    csel x11, x2, x2, eq",
        ),
        ("a token that is selected or zero", "eor x11, x10, x10", "eor x11, x10, x10\n    csel x11, x11, xzr, eq"),
        ("a token of the other that is always selected", "eor x11, x10, x10", "csel x11, x2, x10, al"),
        ("a token of the carry", "eor x11, x10, x10", "cmp x10, #0\n    adc x11, x2, xzr"),
        ("the value stored for the caller", "eor x11, x10, x10", "str x10, [x2], #8\n    eor x11, x10, x10"),
        ("what is made from the value stored", "eor x11, x10, x10", "eor x11, x10, x10\n    stp x3, x11, [x2]"),
        ("no barrier for the second look", "dmb ishld\n    ldr w8, [x9]", "adrp x13, vvar_page\n    ldr w8, [x13]"),
        (
            "a barrier for stores",
            "dmb ishld\n    ldr w8, [x9]",
            "dmb ishst\n    adrp x13, vvar_page\n    ldr w8, [x13]",
        ),
        ("a token that is made on one way only", TOKEN, &by_ways("cbz w0, 6f")),
        ("a token that is made on the other way only", TOKEN, &by_ways("cbnz w0, 7f\n    b 6f\n    7:")),
        ("a barrier before the first load that depends", "add x9, x9, x11\n", "dmb ishld\n"),
        (
            "the self-synchronised counter without guard",
            "cbnz w8, 1f\n    isb\n    mrs x10, cntvct_el0",
            "mrs x10, s3_3_c14_c0_6",
        ),
    ];
    for (name, from, to) in flaws {
        assert!(READ.contains(from), "{name}");
        corpus.body(format!("counter: {name}"), &[Rule::UnorderedCounter], "`mrs x10", &READ.replacen(from, to, 1));
    }
}

/// Calls and returns behind a counter read whose value is still used.
fn counter_leaves(corpus: &mut Corpus) {
    let rules = &[Rule::UnorderedCounter];
    let reads_x2 = QUIET.replace("mov x8, #0", "mov x8, x2");
    corpus.built("counter: a call of a function that reads its value", rules, "`mrs x2", {
        Fixture::good(ARCH).body(&calling("quiet", "x2")).behind(&reads_x2)
    });
    let tail =
        reads_x2.replace("quiet:", "tail:").replace("mov x8, x2", "b quiet2") + &reads_x2.replace("quiet:", "quiet2:");
    corpus.built("counter: a call of a function that jumps to one that reads its value", rules, "`mrs x2", {
        Fixture::good(ARCH).body(&calling("tail", "x2")).behind(&tail)
    });
    corpus.built("counter: a call of a function that leaves its value to be read", rules, "`mrs x3", {
        Fixture::good(ARCH).body(&calling("quiet\nmov x4, x3", "x3")).behind(QUIET)
    });
    corpus.built("counter: a call with its value in a register that is preserved", rules, "`mrs x19", {
        Fixture::good(ARCH).body(&calling("quiet\nmov x4, x19", "x19")).behind(QUIET)
    });
    corpus.built("counter: a call with its value in a register of the caller's result", rules, "`mrs x1", {
        Fixture::good(ARCH).edit("// BODY\n    b helper", &(calling("quiet", "x1") + "ret")).behind(QUIET)
    });
    corpus.body("counter: its value by way of the stack", rules, "`mrs x10", {
        "
        sub sp, sp, #16
        .cfi_def_cfa_offset 16
        adrp x9, vvar_page
        dmb ishld
        ldr w8, [x9, #4]
        cbnz w8, 1f
        isb
        mrs x10, cntvct_el0
        str x10, [sp, #8]
        ldr x12, [x9, #16]
        ldr x10, [sp, #8]
        add x0, x12, x10
        1:
        add sp, sp, #16
        .cfi_def_cfa_offset 0
        "
    });
    corpus.built("counter: a guard on one of two ways to it", rules, "`mrs x10", {
        let size = ".size helper, . - helper\n";
        Fixture::good(ARCH)
            .body("adrp x9, vvar_page\ndmb ishld\nldr w8, [x9, #4]\ncbz w0, 1f\ncbnz w8, 2f\n1: b elsewhere\n2:")
            .edit(size, &[size, &ELSEWHERE.replace("PADDING", "nop")].concat())
    });
    corpus.body("counter: a return of its value alone", rules, "`mrs x0", {
        "
        adrp x9, vvar_page
        dmb ishld
        ldr w8, [x9, #4]
        cbnz w8, 1f
        isb
        mrs x0, cntvct_el0
        ret
        1:
        "
    });
}

fn data(corpus: &mut Corpus) {
    use Rule::*;
    corpus.body("data behind the image", &[DataAddress], "`adr", ".inst 0x10800009 // adr x9, . - 0x100000");
    corpus.body("a page behind the image", &[DataAddress], "`adrp", ".inst 0xb0000089 // adrp x9, . + 0x11000");
    corpus.body("data below the vvar page", &[DataAddress], "`ldur w0", "adrp x9, vvar_page\nldur w0, [x9, #-64]");
    corpus.body("a literal out of the image", &[DataAddress], "`ldr x9", ".inst 0x58800009");
    corpus.add("vvar on the other side", &[DataAddress], "`adrp", crate::fixture::good(ARCH)).manifest =
        crate::fixture::manifest(ARCH, &[("[[version]]", "[vvar]\nplacement = \"after\"\n\n[[version]]")]);
    corpus.body("a store to the vvar page", &[ReadOnlyStore], "`str w0", "adrp x9, vvar_page\nstr w0, [x9, #8]");
    corpus.body("a store to the image", &[ReadOnlyStore], "`str x0", {
        "adrp x9, constant\nadd x9, x9, :lo12:constant\nstr x0, [x9]"
    });
}

/// Instructions in a frame that saves the return address.
fn framed(assembly: &str) -> String {
    format!(
        "
        stp x29, x30, [sp, #-16]!
        .cfi_def_cfa_offset 16
        .cfi_offset x29, -16
        .cfi_offset x30, -8
        {assembly}
        ldp x29, x30, [sp], #16
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        "
    )
}
