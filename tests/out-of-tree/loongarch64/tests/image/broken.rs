//! Images that are broken in LoongArch's own ways, each by one change of this crate's functions.

use crate::shared::{need_core, with_core, with_counter_function};
use std::collections::BTreeSet;
use vdso_linker::gate::Rule;
use vdso_linker::{Build, Error};
use vdso_loongarch64::image;

const COUNTER: &str = "arch/counter.rs";
const FUNCTIONS: &str = "arch/functions.rs";
const TRAMPOLINE: &str = "arch/rt_sigreturn.rs";

/// An image, and the rules that it breaks.
struct Case {
    name: &'static str,
    files: Vec<(&'static str, &'static str)>,
    rules: &'static [Rule],
    /// What the report says.
    says: &'static str,
}

/// A file of the functions with each change made at one place.
fn edited(file: &'static str, edits: &[(&str, &str)]) -> Vec<(&'static str, &'static str)> {
    let (_, good) = image::FUNCTION_FILES.iter().find(|(path, _)| *path == file).expect("a file of the functions");
    let edit = |text: String, (from, to): &(&str, &str)| {
        assert_eq!(text.matches(from).count(), 1, "{file}: `{from}`");
        text.replace(from, to)
    };
    vec![(file, edits.iter().fold((*good).to_owned(), edit).leak())]
}

fn counter(name: &'static str, edits: &[(&str, &str)], says: &'static str) -> Case {
    Case { name, files: edited(COUNTER, edits), rules: &[Rule::UnorderedCounter], says }
}

/// With a `__vdso_getcpu` that is these instructions, and a return.
fn body(name: &'static str, rules: &'static [Rule], says: &'static str, assembly: &str) -> Case {
    let mut files = edited(
        FUNCTIONS,
        &[
            ("use super::system_call::system_call3;\n", ""),
            ("#[no_mangle]\nextern \"C\" fn __vdso_getcpu(", "#[allow(dead_code)]\nextern \"C\" fn getcpu("),
            ("system_call3(", "super::system_call::system_call3("),
        ],
    );
    let text = format!(
        "{}\ncore::arch::global_asm!(r####\"
            .pushsection .text.__vdso_getcpu, \"ax\", @progbits
            .globl __vdso_getcpu
            .type __vdso_getcpu, @function
            __vdso_getcpu:
            .cfi_startproc
            {assembly}
            ret
            .cfi_endproc
            .size __vdso_getcpu, . - __vdso_getcpu
            .popsection
        \"####);\n",
        files[0].1
    );
    files[0].1 = text.leak();
    Case { name, files, rules, says }
}

fn judge(case: &Case) -> Result<(), String> {
    let manifest = image::manifest().map_err(|error| error.to_string())?;
    judge_build(&with_core(image::build(manifest).function_files(&case.files)), case)
}

/// Whether a build breaks the rules of a case.
fn judge_build(build: &Build, case: &Case) -> Result<(), String> {
    let report = match build.build() {
        Ok(_) => return Err("accepted".to_owned()),
        Err(Error::Refused(refusal)) => refusal.report,
        Err(other) => return Err(other.to_string()),
    };
    let found: BTreeSet<Rule> = report.violations.iter().map(|violation| violation.rule).collect();
    if found != case.rules.iter().copied().collect() {
        return Err(format!("expected {:?}, found {found:?}\n{report}", case.rules));
    }
    if report.violations.iter().any(|violation| violation.remedy.is_empty()) {
        return Err(format!("a violation without remedy\n{report}"));
    }
    if !report.to_string().contains(case.says) {
        return Err(format!("does not say `{}`\n{report}", case.says));
    }
    Ok(())
}

/// Each is refused by its rules and no others, and the report says where and what to do.
fn judge_all(cases: &[Case]) {
    let mut wrong = String::new();
    for case in cases {
        if let Err(what) = judge(case) {
            wrong += &format!("{}: {what}\n", case.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn counter_reads_out_of_order_are_refused() {
    let _ = need_core!();
    let shifts = "\"srli.d {zero}, {value}, 63\",\n            \"srli.d {zero}, {zero}, 1\",";
    judge_all(&[
        counter("a counter without its barrier", &[("\"ibar 0\",", "")], "no `ibar 0` between it and"),
        counter("a barrier for memory in its place", &[("\"ibar 0\"", "\"dbar 0\"")], "no `ibar 0` between it and"),
        counter(
            "a barrier behind the counter",
            &[
                ("            \"ibar 0\",\n", ""),
                ("\"rdtime.d {value}, $zero\",", "\"rdtime.d {value}, $zero\", \"ibar 0\","),
            ],
            "no `ibar 0` between it and",
        ),
        counter("a slot that waits for nothing", &[(shifts, "\"move {zero}, $zero\",")], "need not wait for its value"),
        counter("a zero that depends on nothing", &[(shifts, "\"xor {zero}, {value}, {value}\",")], "need not wait"),
        counter(
            "a barrier in the place of the dependence",
            &[(shifts, "\"move {zero}, $zero\", \"dbar 0\", \"ibar 0\",")],
            "need not wait for its value",
        ),
        counter("the counter's number", &[("{value}, $zero", "{value}, {zero}")], "the counter's number"),
    ]);
}

/// The counter as those read it who have no branch on a control word.
#[test]
fn a_counter_read_without_a_branch_has_a_barrier() {
    let _ = need_core!();
    for (name, edit) in [
        ("no barrier for loads", ("        dbar();\n", "")),
        ("a barrier that does not wait until loads are done", ("\"dbar 0\"", "\"dbar 20\"")),
    ] {
        let case = counter(name, &[edit], "no branch that depends on the last load");
        if let Err(what) = judge_build(&with_counter_function(case.files[0].1), &case) {
            panic!("{name}: {what}");
        }
    }
}

/// What compilers leave undescribed of a frame is its end, from where the stack pointer is back to the return. Nothing else may
/// differ from the instructions: of assembly, a description that was never right.
#[test]
fn frames_that_are_described_wrongly_are_refused() {
    let _ = need_core!();
    let mismatch = |name, assembly| body(name, &[Rule::CfaMismatch], "the unwind information says", assembly);
    judge_all(&[
        mismatch("a frame of a leaf that has none", ".cfi_def_cfa_offset 200\nmove $a0, $zero"),
        mismatch(
            "a frame around a system call that has none",
            ".cfi_def_cfa_offset 96\nori $a7, $zero, 168\nsyscall 0",
        ),
        mismatch(
            "a system call where the frame is gone",
            "addi.d $sp, $sp, -16\n.cfi_def_cfa_offset 16\nori $a7, $zero, 168\naddi.d $sp, $sp, 16\nsyscall 0",
        ),
        mismatch(
            "a row for a frame that is gone, of another size",
            "addi.d $sp, $sp, -16\n.cfi_def_cfa_offset 16\nst.d $a0, $sp, 8\naddi.d $sp, $sp, 16\n\
             .cfi_def_cfa_offset 32\nmove $a0, $zero",
        ),
        mismatch(
            "a row for a frame that is gone, of the same size",
            "addi.d $sp, $sp, -16\nst.d $a0, $sp, 8\naddi.d $sp, $sp, 16\n.cfi_def_cfa_offset 16\nmove $a0, $zero",
        ),
        mismatch(
            "a frame that is described behind the call in it",
            "addi.d $sp, $sp, -16\nst.d $ra, $sp, 8\nbl __vdso_clock_getres\n.cfi_def_cfa_offset 16\n\
             .cfi_offset 1, -8\nld.d $ra, $sp, 8\naddi.d $sp, $sp, 16",
        ),
        mismatch(
            "a frame that is described behind the branch in it",
            "addi.d $sp, $sp, -16\nst.d $a0, $sp, 8\nbeqz $a0, 1f\nmove $a0, $zero\n1:\n\
             .cfi_def_cfa_offset 16\naddi.d $sp, $sp, 16",
        ),
        mismatch(
            "a branch where the frame is gone",
            "addi.d $sp, $sp, -16\n.cfi_def_cfa_offset 16\nst.d $a0, $sp, 8\naddi.d $sp, $sp, 16\nbeqz $a0, 1f\n\
             move $a0, $zero\n1:",
        ),
    ]);
}

#[test]
fn instructions_that_no_image_may_have_are_refused() {
    let _ = need_core!();
    judge_all(&[
        body("the thread pointer", &[Rule::SegmentAccess], "$tp", "ld.w $a0, $tp, 8"),
        body("the reserved register", &[Rule::SegmentAccess], "$r21", "move $a0, $r21"),
        body(
            "a store to the page",
            &[Rule::ReadOnlyStore],
            "`st.d",
            "pcalau12i $t0, %pc_hi20(vvar_page)\nst.d $zero, $t0, 0",
        ),
        body(
            "a store to the image",
            &[Rule::ReadOnlyStore],
            "`st.w",
            "la.pcrel $t0, __vdso_getcpu\nst.w $zero, $t0, 0",
        ),
        body("an atomic operation", &[Rule::ReadOnlyStore], "`amadd.d", "amadd.d $a0, $a1, $a2"),
        body("a conditional store", &[Rule::ReadOnlyStore], "`sc.w", "ll.w $a0, $a1, 0\nsc.w $a0, $a1, 0"),
        body("a load beyond the page", &[Rule::DataAddress], "`ld.d", {
            "pcalau12i $t0, %pc_hi20(vvar_page - 0x4000)\nld.d $a0, $t0, 0"
        }),
        body("an absolute address", &[Rule::AbsoluteAddress], "`ld.d", "lu12i.w $t0, 16\nld.d $a0, $t0, 0"),
        body("a jump by register", &[Rule::IndirectBranch], "`jr", "beqz $a0, 1f\njr $a0\n1:"),
        body(
            "a branch out of the image",
            &[Rule::BranchTarget],
            "`b ",
            "beqz $a0, 1f\n.word 0x51000000 // b . + 0x10000\n1:",
        ),
        body("a floating-point register", &[Rule::VectorInstruction], "floating-point", "movgr2fr.d $fa0, $a0"),
        body("a vector register", &[Rule::VectorInstruction], "vector", ".word 0x2c000080 // vld $vr0, $a0, 0"),
        body("a control register", &[Rule::SystemInstruction], "only kernels", "csrrd $a0, 0x20"),
        body("the processor's description", &[Rule::SystemInstruction], "`cpucfg", "cpucfg $a0, $a0"),
        body("a checksum", &[Rule::CpuFeature], "CRC", "crc.w.w.w $a0, $a0, $a1"),
        body("a load with a promise", &[Rule::CpuFeature], "LLACQ_SCREL", "llacq.w $a0, $a1"),
        body("what is no instruction", &[Rule::Undecodable], "these bytes", "ret\n.word 0xffffffff"),
        body("a red zone", &[Rule::RedZone], "`st.d", "st.d $a0, $sp, -8"),
        body("a callee-saved register that is not restored", &[Rule::SavedRegister], "`ret`", "move $s0, $a0"),
        body("a return address that is lost", &[Rule::SavedRegister], "`ret`", "move $ra, $a0"),
        body("an aligned stack pointer", &[Rule::StackPointer], "$sp", "bstrins.d $sp, $zero, 3, 0"),
    ]);
}

#[test]
fn trampolines_that_no_unwinder_would_know_are_refused() {
    let _ = need_core!();
    judge_all(&[
        Case {
            name: "a trampoline of other bytes",
            files: edited(TRAMPOLINE, &[("\"ori $a7, $zero, 139\"", "\"addi.w $a7, $zero, 139\"")]),
            rules: &[Rule::SignalTrampoline],
            says: "`__vdso_rt_sigreturn`",
        },
        Case {
            name: "a longer trampoline",
            files: edited(TRAMPOLINE, &[("\"syscall 0\",", "\"syscall 0\",\n\"break 0\",")]),
            rules: &[Rule::SignalTrampoline],
            says: "`__vdso_rt_sigreturn`",
        },
        Case {
            name: "a trampoline that is no signal frame",
            files: edited(TRAMPOLINE, &[("    \".cfi_signal_frame\",\n", "")]),
            rules: &[Rule::SignalTrampoline, Rule::CfaRule],
            says: "`__vdso_rt_sigreturn`",
        },
    ]);
}

/// Instructions that are right, though they look like some above.
#[test]
fn good_images_are_accepted() {
    let _ = need_core!();
    for (name, assembly) in [
        ("nothing", ""),
        (
            "a call of the far kind",
            "addi.d $sp, $sp, -16\n.cfi_def_cfa_offset 16\nst.d $ra, $sp, 8\n.cfi_offset 1, -8\n\
            pcaddu18i $ra, %call36(__vdso_clock_getres)\njirl $ra, $ra, 0\nld.d $ra, $sp, 8\n.cfi_restore 1\n\
            addi.d $sp, $sp, 16\n.cfi_def_cfa_offset 0",
        ),
        (
            "an end that is not described",
            "addi.d $sp, $sp, -16\n.cfi_def_cfa_offset 16\nst.d $a0, $sp, 8\naddi.d $sp, $sp, 16\nmove $a0, $zero",
        ),
        ("a load from the page", "la.pcrel $t0, vvar_page + 8\nld.d $a0, $t0, 0"),
        ("a load from the image", "la.pcrel $t0, __vdso_clock_getres\nld.w $a0, $t0, 0"),
        (
            "a register that is saved",
            "addi.d $sp, $sp, -16\n.cfi_def_cfa_offset 16\nst.d $s0, $sp, 8\n.cfi_offset 23, -8\n\
            move $s0, $a0\nld.d $s0, $sp, 8\n.cfi_restore 23\naddi.d $sp, $sp, 16\n.cfi_def_cfa_offset 0",
        ),
    ] {
        let Case { files, .. } = body(name, &[], "", assembly);
        let manifest = image::manifest().expect("a good manifest");
        if let Err(error) = with_core(image::build(manifest).function_files(&files)).build() {
            panic!("{name}: {error}");
        }
    }
    let counter = edited(COUNTER, &[])[0].1;
    if let Err(error) = with_counter_function(counter).build() {
        panic!("a function that reads the counter: {error}");
    }
}
