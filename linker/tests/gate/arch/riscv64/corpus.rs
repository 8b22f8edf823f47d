//! Broken images for riscv64: their instructions, the signal trampoline.

use super::ARCH;
use crate::corpus::Corpus;
use crate::fixture::{good, manifest, Fixture};
use vdso_linker::gate::Rule;

pub(super) fn add(corpus: &mut Corpus) {
    trampoline(corpus);
    signal_frames(corpus);
    unwind(corpus);
    stack(corpus);
    control_flow(corpus);
    instructions(corpus);
    counter(corpus);
    data(corpus);
}

fn trampoline(corpus: &mut Corpus) {
    use Rule::*;
    let built = |from: &str, to: &str| Fixture::good(ARCH).edit(from, to);
    corpus.built("a trampoline in another register", &[SignalTrampoline], "`__vdso_rt_sigreturn`", {
        built("li a7, 139", "li a6, 139")
    });
    corpus.built("a compressed trampoline", &[SignalTrampoline], "`__vdso_rt_sigreturn`", {
        built("li a7, 139\n", ".option rvc\n    li a7, 13\n    addi a7, a7, 63\n    addi a7, a7, 63\n")
    });
    corpus.built(
        "a trampoline that is no signal frame",
        &[SignalTrampoline, CfaRule, BranchTarget],
        "`__vdso_rt_sigreturn`",
        built(".cfi_signal_frame", ""),
    );
    corpus.built("a trampoline behind another function's description", &[SignalTrampoline], "`__vdso_rt_sigreturn`", {
        let described = "
            .cfi_startproc
            ebreak
            .cfi_endproc
            .cfi_startproc
            .cfi_signal_frame
            .cfi_escape 0x0f, 4, 0x72, 0x90, 0x03, 0x06
        ";
        built(".cfi_startproc\n.cfi_signal_frame\n.cfi_escape 0x0f, 4, 0x72, 0x90, 0x03, 0x06\nnop\n", described)
    });
}

/// Descriptions of signal frames, which the rules on the stack leave out.
fn signal_frames(corpus: &mut Corpus) {
    use Rule::*;
    corpus.body("a function that says that it is a signal frame", &[SignalTrampoline], "__vdso_time", {
        ".cfi_signal_frame\naddi sp, sp, -2032\nmv s0, a0\nret"
    });
    let nop = "nop\n.globl __vdso_rt_sigreturn";
    let before = |assembly: &str| Fixture::good(ARCH).edit(nop, &nop.replace("nop", assembly));
    corpus.built("two instructions before the trampoline", &[SignalTrampoline], "frame description of", {
        before("nop\nnop")
    });
    corpus.built(
        "an instruction before the trampoline that does something",
        &[SignalTrampoline],
        "frame description",
        before("mv s0, a0"),
    );
    corpus.built("an instruction behind the trampoline", &[SignalTrampoline, ExportSize], "frame description of", {
        let size = ".size __vdso_rt_sigreturn, . - __vdso_rt_sigreturn\n";
        Fixture::good(ARCH).edit(size, &format!("{size}ret\n"))
    });
    let rules = &[SignalTrampoline, ExportAlias, ExportSize];
    corpus.built("an export in the trampoline's description", rules, "frame description of", {
        let moved = Fixture::good(ARCH).edit(".set time, __vdso_time", ".size time, 2");
        moved.edit(nop, &format!("time: {nop}"))
    });
    corpus.body("a jump to the trampoline", &[SignalTrampoline], "`j ", "beqz a0, __vdso_rt_sigreturn");
    corpus.body("a call of the trampoline", &[SignalTrampoline], "`jal", &framed("call __vdso_rt_sigreturn"));
    corpus.built("a function that runs into the trampoline", &[SignalTrampoline], "`mul", {
        let open = Fixture::good(ARCH).edit("mul a0, a0, a1\n    ret", "mul a0, a0, a1");
        open.edit(".p2align 4\n.cfi_startproc\n", ".cfi_startproc\n")
    });
}

fn unwind(corpus: &mut Corpus) {
    use Rule::*;
    corpus.built("a function without unwind information", &[UnwindCoverage], "`ret`", {
        Fixture::good(ARCH).behind("bare: ret").body(&framed("call bare"))
    });
    corpus.body("a frame pointer", &[CfaRule], "__vdso_time", {
        "mv t0, sp\n.cfi_def_cfa_register t0\nmv t1, t0\n.cfi_def_cfa sp, 0"
    });
    corpus.body("another return address column", &[CfaRule], "__vdso_time", ".cfi_return_column t0");
    corpus.body("a move of the stack pointer that is not described", &[CfaMismatch], "`addi sp", {
        "addi sp, sp, -16\naddi sp, sp, 16"
    });
    corpus.body("a callee-saved register that is not restored", &[SavedRegister], "`ret`", "mv s1, a0");
    corpus.body("a call without the return address saved", &[SavedRegister], "`j", "call helper");
    corpus.body("two registers restored in the wrong order", &[SavedRegister], "`ld s0", {
        "
        addi sp, sp, -16
        .cfi_def_cfa_offset 16
        sd s0, 8(sp)
        .cfi_offset s0, -8
        sd s1, 0(sp)
        .cfi_offset s1, -16
        ld s1, 8(sp)
        .cfi_restore s1
        ld s0, 0(sp)
        .cfi_restore s0
        addi sp, sp, 16
        .cfi_def_cfa_offset 0
        "
    });
    corpus.body("a register's rule that points below the stack pointer", &[SavedRegister], "`auipc", {
        "
        addi sp, sp, -16
        .cfi_def_cfa_offset 16
        sd s0, 8(sp)
        .cfi_offset s0, -8
        mv s0, a0
        ld s0, 8(sp)
        addi sp, sp, 16
        .cfi_def_cfa_offset 0
        "
    });
    corpus.body("a register from below the stack pointer", &[SavedRegister], "`addi sp", {
        "
        addi sp, sp, -16
        .cfi_def_cfa_offset 16
        sd s0, 8(sp)
        .cfi_offset s0, -8
        addi sp, sp, 16
        .cfi_def_cfa_offset 0
        .cfi_restore s0
        addi sp, sp, -16
        .cfi_def_cfa_offset 16
        ld s0, 8(sp)
        addi sp, sp, 16
        .cfi_def_cfa_offset 0
        "
    });
    corpus.body("half of a saved register", &[SavedRegister], "`addi sp", {
        "
        addi sp, sp, -16
        .cfi_def_cfa_offset 16
        sw s1, 0(sp)
        .cfi_offset s1, -16
        addi sp, sp, 16
        .cfi_def_cfa_offset 0
        .cfi_restore s1
        "
    });
}

fn stack(corpus: &mut Corpus) {
    use Rule::*;
    corpus.body("a large frame", &[FrameSize], "__vdso_time", {
        "
        addi sp, sp, -272
        .cfi_def_cfa_offset 272
        sd a0, 0(sp)
        addi sp, sp, 272
        .cfi_def_cfa_offset 0
        "
    });
    corpus.built("two frames that are too large together", &[StackDepth], "__vdso_time", {
        let inner = "
            .p2align 4
            inner:
            .cfi_startproc
            addi sp, sp, -256
            .cfi_def_cfa_offset 256
            addi sp, sp, 256
            .cfi_def_cfa_offset 0
            ret
            .cfi_endproc
        ";
        Fixture::good(ARCH).body(&framed("call inner")).behind(inner)
    });
    corpus.body("a red zone", &[RedZone], "`sd a0", "sd a0, -8(sp)");
    corpus.body("a stack pointer that is not aligned", &[StackPointer], "`addi sp, sp, -8`", {
        "
        addi sp, sp, -8
        .cfi_def_cfa_offset 8
        sd a0, 0(sp)
        addi sp, sp, 8
        .cfi_def_cfa_offset 0
        "
    });
    corpus.body("an aligned stack pointer", &[StackPointer], "`andi sp", "andi sp, sp, -32");
    corpus.body("a stack pointer from a register", &[StackPointer], "sp, a0`", "mv sp, a0");
    corpus.body("paths that push differently", &[StackPointer], "`addi sp", {
        "
        bltz a0, 1f
        addi sp, sp, -16
        .cfi_def_cfa_offset 16
        1:
        addi sp, sp, 16
        .cfi_def_cfa_offset 0
        "
    });
    corpus.body("a return above a value on the stack", &[StackPointer], "`ret`", {
        "addi sp, sp, -16\n.cfi_def_cfa_offset 16\nret\n.cfi_def_cfa_offset 0"
    });
    corpus.body("a function that calls itself", &[Recursion], "`jal", &framed("call __vdso_time"));
}

fn control_flow(corpus: &mut Corpus) {
    use Rule::*;
    corpus.built("a table in the text", &[Undecodable], ": `", {
        Fixture::good(ARCH).edit("mul a0, a0, a1\n    ret", "mul a0, a0, a1\n    ret\n    .word 0xffffffff")
    });
    corpus.body("a jump out of the image", &[BranchTarget], "`j", ".word 0x0000806f // j . + 0x8000");
    corpus.body("a call into the data", &[BranchTarget], "`jal", &framed("call constant"));
    corpus.body("a branch into an instruction", &[BranchTarget], "`beqz", {
        ".option push\n.option norvc\nbeqz a0, 1f + 2\n1: li a0, 1\n.option pop"
    });
    corpus.built("a function without end", &[BranchTarget], "`mul", {
        let open = Fixture::good(ARCH).edit("mul a0, a0, a1\n    ret", "mul a0, a0, a1");
        open.edit(".p2align 4\n.cfi_startproc\n", ".p2align 4\n.zero 16\n.cfi_startproc\n")
    });
    corpus.body("a call by register", &[IndirectBranch], "`jalr", &framed("jalr a0"));
    corpus.body("a jump by register", &[IndirectBranch], "`jr a0`", "beqz a0, 1f\njr a0\n1:");
    corpus.body("a return by another register", &[IndirectBranch], "`jr t0`", "beqz a0, 1f\njr t0\n1:");
    corpus.body(
        "a call that returns by another register",
        &[IndirectBranch],
        "`jal t0",
        "beqz a0, 1f\njal t0, helper\n1:",
    );
}

fn instructions(corpus: &mut Corpus) {
    use Rule::*;
    for assembly in [
        "fmv.d.x fa0, a0",
        "fld fa0, 0(a0)",
        "fsd fa0, 0(a0)",
        "fadd.s fa0, fa0, fa1",
        "fcvt.d.l fa0, a0",
        "frcsr a0",
        "fmadd.d fa0, fa1, fa2, fa3",
        ".option push\n.option arch, +v\nvsetvli a0, a1, e8, m1, ta, ma\n.option pop",
        ".option push\n.option arch, +v\nvle8.v v0, (a0)\n.option pop",
    ] {
        corpus.body(format!("floating point or vector: {assembly}"), &[VectorInstruction], "__vdso_time", assembly);
    }
    for assembly in ["+zba\nsh1add a0, a0, a1", "+zbb\nclz a0, a0", "+zbs\nbext a0, a0, a1"] {
        let assembly = format!(".option push\n.option arch, {assembly}\n.option pop");
        corpus.body(format!("not on every CPU: {assembly}"), &[CpuFeature], "__vdso_time", &assembly);
    }
    for assembly in [
        "rdcycle a0",
        "rdinstret a0",
        "csrr a0, sstatus",
        "csrw scounteren, a0",
        "csrrw a0, time, x0",
        "sret",
        "mret",
        "wfi",
        "sfence.vma",
        "fence.i",
    ] {
        corpus.body(format!("the kernel's: {assembly}"), &[SystemInstruction], "__vdso_time", assembly);
    }
    for assembly in ["ld a0, 0(tp)", "mv a0, gp", "mv tp, a0"] {
        corpus.body(format!("thread or global pointer: {assembly}"), &[SegmentAccess], "__vdso_time", assembly);
    }
}

/// The counter read as it should be, with a place for each flaw.
const READ: &str = "
    lla a2, vvar_page
    lw a3, 4(a2)
    bnez a3, 1f
    fence r, i
    rdtime a0
    fence i, r
    ld a3, 16(a2)
    sub a0, a0, a3
    1:
";

fn counter(corpus: &mut Corpus) {
    let flaws: &[(&str, &str, &str)] = &[
        ("no fence before", "fence r, i\n", ""),
        ("no fence behind", "fence i, r\n", ""),
        ("a fence for stores before", "fence r, i\n", "fence w, i\n"),
        ("a fence for memory only before", "fence r, i\n", "fence r, rw\n"),
        ("a fence for output behind", "fence i, r\n", "fence o, r\n"),
        ("a fence for memory only behind", "fence i, r\n", "fence rw, rw\n"),
        ("a load between fence and counter", "fence r, i\n", "fence r, i\n    ld a3, 8(a2)\n"),
        ("a load before the second fence", "fence i, r\n", "ld a4, 8(a2)\n    fence i, r\n"),
        ("a branch past the first fence", "fence r, i\n", "beqz a1, 2f\n    fence r, i\n    2:\n"),
        ("a branch past the second fence", "fence i, r\n", "beqz a1, 2f\n    fence i, r\n    2:\n"),
        (
            "fences in the wrong order",
            "fence r, i\n    rdtime a0\n    fence i, r\n",
            "fence i, r\n    rdtime a0\n    fence r, i\n",
        ),
    ];
    for (name, from, to) in flaws {
        assert!(READ.contains(from), "{name}");
        corpus.body(format!("counter: {name}"), &[Rule::UnorderedCounter], "`rdtime a0`", &READ.replacen(from, to, 1));
    }
    corpus.body("counter: a call behind it", &[Rule::UnorderedCounter], "`rdtime a0`", {
        &framed("fence r, i\nrdtime a0\ncall helper")
    });
    corpus.body(
        "counter: at the start of the function",
        &[Rule::UnorderedCounter],
        "`rdtime a0`",
        "rdtime a0\nfence i, r",
    );
}

fn data(corpus: &mut Corpus) {
    use Rule::*;
    corpus.body("an absolute load", &[AbsoluteAddress], "`ld a0", "ld a0, 64(zero)");
    corpus.body("an absolute table", &[AbsoluteAddress], "`lw a0", "lui a1, 16\nlw a0, 4(a1)");
    corpus.body("data behind the image", &[DataAddress], "`ld a0", "auipc a1, 256\nld a0, 0(a1)");
    corpus.body("data below the vvar page", &[DataAddress], "`lw a0", "lla a1, vvar_page\nlw a0, -64(a1)");
    corpus.add("vvar on the other side", &[DataAddress], ": `", good(ARCH)).manifest =
        manifest(ARCH, &[("[[version]]", "[vvar]\nplacement = \"after\"\n\n[[version]]")]);
    corpus.body("a store to the vvar page", &[ReadOnlyStore], "`sw a0", "lla a1, vvar_page\nsw a0, 8(a1)");
    corpus.body("a store to the image", &[ReadOnlyStore], "`sd a0", "lla a1, constant\nsd a0, 0(a1)");
    corpus.body("an atomic operation", &[ReadOnlyStore], "`amoadd", "amoadd.d a0, a0, (a1)");
}

/// Instructions in a frame that saves the return address.
fn framed(assembly: &str) -> String {
    format!(
        "
        addi sp, sp, -16
        .cfi_def_cfa_offset 16
        sd ra, 8(sp)
        .cfi_offset ra, -8
        {assembly}
        ld ra, 8(sp)
        .cfi_restore ra
        addi sp, sp, 16
        .cfi_def_cfa_offset 0
        "
    )
}
