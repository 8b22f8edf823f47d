//! Broken images for x86-64: their instructions.

use super::ARCH;
use crate::corpus::Corpus;
use crate::fixture::{good, manifest, Fixture};
use vdso_linker::gate::Rule;

pub(super) fn add(corpus: &mut Corpus) {
    unwind(corpus);
    signal_frames(corpus);
    stack(corpus);
    control_flow(corpus);
    instructions(corpus);
    data(corpus);
}

/// The architecture has no trampoline, so nothing is a signal frame.
fn signal_frames(corpus: &mut Corpus) {
    use Rule::*;
    corpus.body("a function that says that it is a signal frame", &[SignalTrampoline], "__vdso_time", {
        ".cfi_signal_frame\npush rbx\nmov rbx, rdi\nsub rsp, 4096\nmov rbp, rdi\nret"
    });
    corpus.built("a signal trampoline", &[SignalTrampoline], "frame description of", {
        Fixture::good(ARCH).behind(
            "
            .cfi_startproc
            .cfi_signal_frame
            .cfi_escape 0x0f, 0x04, 0x77, 0xa0, 0x01, 0x06
            nop
            restorer:
            mov eax, 15
            syscall
            .cfi_endproc
            ",
        )
    });
}

fn unwind(corpus: &mut Corpus) {
    use Rule::*;
    corpus.built("a function without unwind information", &[UnwindCoverage], "`ret`", {
        Fixture::good(ARCH).behind("bare: ret").body("call bare")
    });
    corpus.body(
        "a frame pointer",
        &[CfaRule],
        "__vdso_time",
        "
        push rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        mov rbp, rsp
        .cfi_def_cfa_register rbp
        pop rbp
        .cfi_def_cfa rsp, 8
    ",
    );
    corpus.body("a lost return address", &[CfaRule], "__vdso_time", ".cfi_undefined rip");
    corpus.body("a push that is not described", &[CfaMismatch], "`pop rax`", "push rdi\npop rax");
    corpus.body(
        "a pop that is not described",
        &[CfaMismatch],
        "`jmp",
        "
        push rdi
        .cfi_adjust_cfa_offset 8
        pop rax
    ",
    );
    corpus.body(
        "a saved register that is not described",
        &[SavedRegister],
        "`mov rbx, rdi`",
        "
        push rbx
        .cfi_adjust_cfa_offset 8
        xor ebx, ebx
        mov rbx, rdi
        pop rbx
        .cfi_adjust_cfa_offset -8
    ",
    );
    corpus.body(
        "a saved register described at another place",
        &[SavedRegister],
        "`pop rbx`",
        "
        push rdi
        .cfi_adjust_cfa_offset 8
        push rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 8
        pop rbx
        .cfi_adjust_cfa_offset -8
        pop rdi
        .cfi_adjust_cfa_offset -8
        .cfi_same_value rbx
    ",
    );
    corpus.body("a callee-saved register that is not restored", &[SavedRegister], "`jmp", "mov r12, rdi");
    corpus.body(
        "a register's rule that points below the red zone",
        &[SavedRegister],
        "`nop`",
        "
        sub rsp, 144
        .cfi_adjust_cfa_offset 144
        mov [rsp], rbx
        .cfi_rel_offset rbx, 0
        mov rbx, rdi
        mov rbx, [rsp]
        add rsp, 144
        .cfi_adjust_cfa_offset -144
        nop
    ",
    );
    corpus.body("an overwritten return address", &[SavedRegister], "`ret`", "mov [rsp], rdi\nret");
    corpus.body("a return address moved away", &[SavedRegister], "`jmp", "add qword ptr [rsp], 2");
    corpus.body("half of a return address", &[SavedRegister], "`ud2`", "mov word ptr [rsp + 6], di\nud2");
    corpus.body(
        "a return address that a pop overwrites",
        &[SavedRegister],
        "`jmp",
        "push rdi\n.cfi_adjust_cfa_offset 8\npop qword ptr [rsp]\n.cfi_adjust_cfa_offset -8",
    );
    corpus.body(
        "two registers restored in the wrong order",
        &[SavedRegister],
        "`pop rbx`",
        "
        push rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        push rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pop rbp
        .cfi_adjust_cfa_offset -8
        .cfi_same_value rbp
        pop rbx
        .cfi_adjust_cfa_offset -8
        .cfi_same_value rbx
    ",
    );
}

fn stack(corpus: &mut Corpus) {
    use Rule::*;
    corpus.body(
        "a large frame",
        &[FrameSize],
        "__vdso_time",
        "
        sub rsp, 256
        .cfi_adjust_cfa_offset 256
        mov [rsp], rdi
        add rsp, 256
        .cfi_adjust_cfa_offset -256
    ",
    );
    corpus.body("more than the red zone", &[RedZone], "__vdso_time", "mov [rsp - 136], rdi");
    corpus.body("more than the red zone and the frame", &[FrameSize, RedZone], "__vdso_time", "mov [rsp - 256], rdi");
    corpus.built("two frames that are too large together", &[StackDepth], "__vdso_time", {
        let frame = "
            sub rsp, 120
            .cfi_adjust_cfa_offset 120
            call inner
            add rsp, 120
            .cfi_adjust_cfa_offset -120
        ";
        let inner = "
            .p2align 4, 0xcc
            inner:
            .cfi_startproc
            sub rsp, 128
            .cfi_adjust_cfa_offset 128
            add rsp, 128
            .cfi_adjust_cfa_offset -128
            ret
            .cfi_endproc
        ";
        Fixture::good(ARCH).body(frame).behind(inner)
    });
    corpus.body("half a word on the stack", &[StackPointer], "`push di`", {
        "push di\n.cfi_adjust_cfa_offset 2\npop di\n.cfi_adjust_cfa_offset -2"
    });
    corpus.body("an aligned stack pointer", &[StackPointer], "`and rsp", "and rsp, -32");
    corpus.body("a stack pointer from memory", &[StackPointer], "`pop rsp`", "pop rsp");
    corpus.body(
        "paths that push differently",
        &[StackPointer],
        "`pop rdi`",
        "
        test edi, edi
        js 1f
        push rdi
        .cfi_adjust_cfa_offset 8
        1:
        pop rdi
        .cfi_adjust_cfa_offset -8
    ",
    );
    corpus.body(
        "a return above a value on the stack",
        &[StackPointer],
        "`ret`",
        "
        push rdi
        .cfi_adjust_cfa_offset 8
        ret
        .cfi_adjust_cfa_offset -8
    ",
    );
    corpus.body("a return that pops", &[StackPointer], "`ret 8`", "test edi, edi\njs 1f\nret 8\n1:");
    corpus.body("a function that calls itself", &[Recursion], "`call", "call __vdso_time");
    corpus.built("functions that call each other", &[Recursion], "`call", {
        let function = |name: &str, other: &str| {
            format!(".p2align 4, 0xcc\n{name}:\n.cfi_startproc\ncall {other}\nret\n.cfi_endproc\n")
        };
        Fixture::good(ARCH).body("call ping").behind(&(function("ping", "pong") + &function("pong", "ping")))
    });
}

fn control_flow(corpus: &mut Corpus) {
    use Rule::*;
    corpus.built("a table in the text", &[Undecodable], ": `", {
        Fixture::good(ARCH).edit("mov [rsp - 8], rax\n    ret", "mov [rsp - 8], rax\n    ret\n    .byte 6, 6, 6, 6")
    });
    corpus.body("a jump out of the image", &[BranchTarget], "`jmp", ".byte 0xe9\n.long 0x100000");
    corpus.body("a call into the data", &[BranchTarget], "`call", "call constant");
    corpus.body("a branch into an instruction", &[BranchTarget], "`je", "je 1f + 1\n1: mov eax, 1");
    corpus.built("a function without end", &[BranchTarget], "`mov", {
        Fixture::good(ARCH).edit("mov [rsp - 8], rax\n    ret", "mov [rsp - 8], rax")
    });
    corpus.built("a function that runs into padding", &[BranchTarget], "`nop`", {
        Fixture::good(ARCH).edit("jmp helper\n", "nop\n")
    });
    corpus.body("a call by register", &[IndirectBranch], "`call rax`", "call rax");
    corpus.body(
        "a jump by table",
        &[IndirectBranch],
        "`jmp qword ptr [rax+rdi*8]`",
        "
        lea rax, [rip + constant]
        jmp [rax + rdi * 8]
    ",
    );
    for (name, assembly) in [
        ("jmp", "data16 jmp helper"),
        ("call", "data16 call helper"),
        ("ret", "data16 ret"),
        ("je", "data16 je 1f\n1:"),
    ] {
        corpus.body(format!("a 16-bit branch: {name}"), &[BranchTarget], "__vdso_time", assembly);
    }
    corpus.built(
        "a call of memset",
        &[Relocation, UndefinedSymbol, GotPlt, WritableSection, IndirectBranch, UnwindCoverage],
        "(.got)",
        Fixture::good(ARCH).body("call memset@PLT"),
    );
}

fn instructions(corpus: &mut Corpus) {
    use Rule::*;
    for assembly in ["movaps xmm0, xmm1", "fld1", "emms", "vzeroupper", "ldmxcsr [rsp - 8]", "fxsave [rdi]", "fwait"] {
        corpus.body(format!("vector or x87: {assembly}"), &[VectorInstruction], "__vdso_time", assembly);
    }
    for assembly in
        ["vaddps ymm0, ymm1, ymm2", "kmovw k1, eax", "movq mm0, rax", "cvtsi2sd xmm0, rax", "movntdq [rdi], xmm0"]
    {
        corpus.body(format!("vector or x87: {assembly}"), &[VectorInstruction], "__vdso_time", assembly);
    }
    for assembly in
        ["popcnt rax, rdi", "andn rax, rdi, rsi", "rdrand rax", "cmpxchg16b [rdi]", "xbegin 1f\n1:", "lahf", "sahf"]
    {
        corpus.body(format!("not on every CPU: {assembly}"), &[CpuFeature], "__vdso_time", &keep_rbx(assembly));
    }
    for assembly in ["lsl eax, ecx", "hlt", "int 0x80", "rdmsr", "vmcall", "in al, dx", "sgdt [rsp - 16]", "cli"] {
        corpus.body(format!("the kernel's: {assembly}"), &[SystemInstruction], "__vdso_time", assembly);
    }
    corpus.body("the kernel's: cpuid", &[SystemInstruction], "`cpuid`", &keep_rbx("cpuid"));
    for assembly in
        ["mov rax, fs:[0x28]", "mov eax, gs", "mov qword ptr gs:[rdi], 0", "lfs eax, [rdi]", "lgs rax, [rdi]"]
    {
        corpus.body(format!("segment: {assembly}"), &[SegmentAccess], "__vdso_time", assembly);
    }
    for assembly in ["mov ds, eax", "mov es, eax", "mov ss, eax", "lss eax, [rdi]"] {
        corpus.body(format!("segment: {assembly}"), &[SegmentAccess], "__vdso_time", assembly);
    }
    corpus.body("the direction flag", &[SavedRegister], "`std`", "std");
    corpus.body("flags from memory", &[SavedRegister], "`popfq`", {
        "push 0x400\n.cfi_adjust_cfa_offset 8\npopfq\n.cfi_adjust_cfa_offset -8"
    });
    corpus.body("RDTSC first", &[UnorderedCounter], "`rdtsc`", "rdtsc");
    corpus.body("RDTSC behind MFENCE", &[UnorderedCounter], "`rdtsc`", "mfence\nrdtsc");
    corpus.body("RDTSC behind LFENCE, NOP", &[UnorderedCounter], "`rdtsc`", "lfence\nnop\nrdtsc");
    corpus.body("a branch past the LFENCE", &[UnorderedCounter], "`rdtsc`", "test edi, edi\njs 1f\nlfence\n1: rdtsc");
}

fn data(corpus: &mut Corpus) {
    use Rule::*;
    corpus.body("an absolute load", &[AbsoluteAddress], "[0x1000]`", "mov eax, dword ptr ds:[0x1000]");
    corpus.body("an absolute table", &[AbsoluteAddress], "`mov eax, [rdi*4+0x1000]`", "mov eax, [rdi * 4 + 0x1000]");
    corpus.body("data behind the image", &[DataAddress], "`lea", "lea rax, [rip + 0x100000]");
    corpus.body("data below the vvar page", &[DataAddress], "`mov eax", "mov eax, [rip + vvar_page - 64]");
    corpus.add("vvar on the other side", &[DataAddress], "`mov rax", good(ARCH)).manifest =
        manifest(ARCH, &[("[[version]]", "[vvar]\nplacement = \"after\"\n\n[[version]]")]);
    corpus.body("a store to the vvar page", &[ReadOnlyStore], "`mov [", "mov [rip + vvar_page], eax");
    corpus.body("an atomic in the image", &[ReadOnlyStore], "`lock", "lock inc dword ptr [rip + constant]");
}

fn keep_rbx(assembly: &str) -> String {
    format!(
        "push rbx\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset rbx, 0\n{assembly}\n\
         pop rbx\n.cfi_adjust_cfa_offset -8\n.cfi_same_value rbx"
    )
}
