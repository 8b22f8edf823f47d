//! The order of counter reads, in good and in bad code.

use super::{decoded, ADDRESS};
use vdso_linker::arch::{Fault, Instructions, Paths};
use vdso_linker::gate::Rule;
use vdso_loongarch64::ARCHITECTURE;

/// What is out of order in code that is called at its start.
fn faults(code: &[u32]) -> Vec<Fault> {
    let instructions: Instructions = decoded(code).into_iter().map(|it| (it.address, it)).collect();
    let paths = Paths::new(&instructions, [ADDRESS].into_iter(), &ARCHITECTURE.convention);
    (ARCHITECTURE.counter_order)(&paths).into_iter().map(|(_, fault)| fault).collect()
}

const LOAD: u32 = 0x28c0_00a6; // ld.d a2, a1, 0
const FROM_STACK: u32 = 0x28c0_2066; // ld.d a2, sp, 8
const TO_STACK: u32 = 0x29c0_2064; // st.d a0, sp, 8
const IMAGE: u32 = 0x1a00_0025; // pcalau12i a1, 1
const BRANCH: u32 = 0x4000_00c0; // beqz a2, to the end: see `linked`
const OTHER_BRANCH: u32 = 0x4000_0100; // beqz a4, to the end
const SAME_BRANCH: u32 = 0x5800_00c6; // beq a2, a2, to the end
const UNSIGNED_BRANCH: u32 = 0x6800_00c0; // bltu a2, zero, to the end
const NEXT: u32 = 0x4000_04c0; // beqz a2, to the next one
const SKIP: u32 = 0x4000_08c0; // beqz a2, over the next one
const CLEAR: u32 = 0x0015_98c6; // xor a2, a2, a2
const NEVER_LESS: u32 = 0x0012_80c6; // sltu a2, a2, zero
const IS_SET: u32 = 0x0012_9806; // sltu a2, zero, a2
const IBAR: u32 = 0x3872_8000;
const IBAR_1: u32 = 0x3872_8001;
const DBAR: u32 = 0x3872_0000;
const ORDERED: u32 = 0x3872_0010; // dbar 16: loads and stores before, loads and stores behind
const RELEASE: u32 = 0x3872_0012; // dbar 18: loads and stores before, stores behind
const ACQUIRE: u32 = 0x3872_0014; // dbar 20: loads before, loads and stores behind
const SAME_ADDRESS: u32 = 0x3872_0700;
const COUNTER: u32 = 0x0000_6804; // rdtime.d a0, zero
const SIGN: u32 = 0x0045_fc87; // srli.d a3, a0, 63
const ZERO: u32 = 0x0045_04e7; // srli.d a3, a3, 1
const ADD: u32 = 0x0010_9ca5; // add.d a1, a1, a3
const FORGET: u32 = 0x0015_0004; // move a0, zero
const CALL: u32 = 0x5400_0000; // bl .
const CALL_NEXT: u32 = 0x5400_0400; // bl, to the next one
const SYSTEM_CALL: u32 = 0x002b_0000;
const RET: u32 = 0x4c00_0020;

/// What code can make of the counter's value, in a0, that is the same whatever it is: a3.
const CONSTANTS: &[(&str, &[u32])] = &[
    ("xor a3, a0, a0", &[0x0015_9087]),
    ("sub.d a3, a0, a0", &[0x0011_9087]),
    ("sub.w a3, a0, a0", &[0x0011_1087]),
    ("slt a3, a0, a0", &[0x0012_1087]),
    ("sltu a3, a0, a0", &[0x0012_9087]),
    ("sltu a3, a0, zero", &[0x0012_8087]),
    ("sltui a3, a0, 0", &[0x0240_0087]),
    ("andi a3, a0, 0", &[0x0340_0087]),
    ("and a3, a0, zero", &[0x0014_8087]),
    ("and a3, zero, a0", &[0x0014_9007]),
    ("andn a3, zero, a0", &[0x0016_9007]),
    ("andn a3, a0, a0", &[0x0016_9087]),
    ("orn a3, a0, zero", &[0x0016_0087]),
    ("orn a3, a0, a0", &[0x0016_1087]),
    ("maskeqz a3, a0, zero", &[0x0013_0087]),
    ("maskeqz a3, zero, a0", &[0x0013_1007]),
    ("masknez a3, zero, a0", &[0x0013_9007]),
    ("masknez a3, a0, a0", &[0x0013_9087]),
    ("sll.w a3, zero, a0", &[0x0017_1007]),
    ("srl.w a3, zero, a0", &[0x0017_9007]),
    ("sra.w a3, zero, a0", &[0x0018_1007]),
    ("sll.d a3, zero, a0", &[0x0018_9007]),
    ("srl.d a3, zero, a0", &[0x0019_1007]),
    ("sra.d a3, zero, a0", &[0x0019_9007]),
    ("rotr.w a3, zero, a0", &[0x001b_1007]),
    ("rotr.d a3, zero, a0", &[0x001b_9007]),
    ("mul.w a3, a0, zero", &[0x001c_0087]),
    ("mulh.w a3, zero, a0", &[0x001c_9007]),
    ("mulh.wu a3, a0, zero", &[0x001d_0087]),
    ("mul.d a3, zero, a0", &[0x001d_9007]),
    ("mulh.d a3, a0, zero", &[0x001e_0087]),
    ("mulh.du a3, a0, zero", &[0x001e_8087]),
    ("mulw.d.w a3, a0, zero", &[0x001f_0087]),
    ("mulw.d.wu a3, zero, a0", &[0x001f_9007]),
    ("div.w a3, zero, a0", &[0x0020_1007]),
    ("mod.w a3, a0, a0", &[0x0020_9087]),
    ("div.wu a3, a0, a0", &[0x0021_1087]),
    ("mod.wu a3, zero, a0", &[0x0021_9007]),
    ("div.d a3, zero, a0", &[0x0022_1007]),
    ("mod.d a3, a0, a0", &[0x0022_9087]),
    ("div.du a3, a0, zero", &[0x0023_0087]),
    ("mod.du a3, zero, a0", &[0x0023_9007]),
    ("bytepick.w a3, a0, zero, 0", &[0x0008_0087]),
    ("bytepick.d a3, a0, zero, 0", &[0x000c_0087]),
    ("move a3, a0; bstrins.w a3, zero, 31, 0", &[0x0015_0087, 0x007f_0007]),
    ("move a3, a0; bstrins.d a3, zero, 63, 0", &[0x0015_0087, 0x00bf_0007]),
];

/// What of it is not, though an operand is `$zero`, or the same twice, or a constant with no bit set or each.
const DEPENDENT: &[(&str, &[u32])] = &[
    ("or a3, a0, zero", &[0x0015_0087]),
    ("or a3, zero, a0", &[0x0015_1007]),
    ("and a3, a0, a0", &[0x0014_9087]),
    ("nor a3, a0, a0", &[0x0014_1087]),
    ("add.d a3, a0, a0", &[0x0010_9087]),
    ("add.w a3, zero, a0", &[0x0010_1007]),
    ("sub.d a3, zero, a0", &[0x0011_9007]),
    ("sltu a3, zero, a0", &[0x0012_9007]),
    ("slt a3, a0, zero", &[0x0012_0087]),
    ("sltui a3, a0, -1", &[0x027f_fc87]),
    ("orn a3, zero, a0", &[0x0016_1007]),
    ("andn a3, a0, zero", &[0x0016_8087]),
    ("maskeqz a3, a0, a0", &[0x0013_1087]),
    ("masknez a3, a0, zero", &[0x0013_8087]),
    ("sll.d a3, a0, zero", &[0x0018_8087]),
    ("rotr.d a3, a0, a0", &[0x001b_9087]),
    ("mul.d a3, a0, a0", &[0x001d_9087]),
    ("bytepick.d a3, zero, a0, 0", &[0x000c_1007]),
    ("bytepick.d a3, a0, zero, 1", &[0x000c_8087]),
    ("slli.d a3, a0, 0", &[0x0041_0087]),
    ("ori a3, a0, 4095", &[0x03bf_fc87]),
    ("addi.d a3, a0, 0", &[0x02c0_0087]),
    ("alsl.d a3, a0, zero, 4", &[0x002d_8087]),
    ("move a3, a0; bstrins.d a3, zero, 63, 1", &[0x0015_0087, 0x00bf_0407]),
    ("move a3, a0; lu32i.d a3, 0", &[0x0015_0087, 0x1600_0007]),
];

/// Code whose branches with an open target, the distance 0, lead to its last instruction.
fn linked(code: &[u32]) -> Vec<u32> {
    let end = code.len() - 1;
    let open = [BRANCH, OTHER_BRANCH, SAME_BRANCH, UNSIGNED_BRANCH];
    let link = |(at, word): (usize, &u32)| match open.contains(word) {
        true => word | ((end - at) as u32) << 10,
        false => *word,
    };
    code.iter().enumerate().map(link).collect()
}

#[test]
fn before_the_counter() {
    let table: &[(&[u32], usize)] = &[
        (&[LOAD, BRANCH, IBAR], 0),
        (&[LOAD, DBAR, IBAR], 0),
        (&[LOAD, BRANCH, FROM_STACK, IBAR, FROM_STACK], 0),
        (&[LOAD, BRANCH, IMAGE, LOAD, IBAR], 0),
        (&[LOAD, SKIP, FORGET, IBAR], 0),
        (&[LOAD, IS_SET, BRANCH, IBAR], 0),
        (&[], 1),
        (&[IBAR], 1),
        (&[LOAD, BRANCH], 1),
        (&[LOAD, IBAR], 1),
        (&[LOAD, BRANCH, IBAR_1], 1),
        (&[LOAD, BRANCH, DBAR], 1),
        (&[LOAD, OTHER_BRANCH, IBAR], 1),
        (&[LOAD, SAME_BRANCH, IBAR], 1),
        (&[LOAD, UNSIGNED_BRANCH, IBAR], 1),
        (&[LOAD, NEXT, IBAR], 1),
        (&[LOAD, CLEAR, BRANCH, IBAR], 1),
        (&[LOAD, NEVER_LESS, BRANCH, IBAR], 1),
        (&[LOAD, ACQUIRE, IBAR], 1),
        (&[LOAD, IBAR, BRANCH], 1),
        (&[LOAD, BRANCH, IBAR, LOAD], 1),
        (&[LOAD, BRANCH, LOAD, IBAR], 1),
        (&[LOAD, BRANCH, CALL, IBAR], 1),
        (&[LOAD, BRANCH, IBAR, CALL], 1),
        (&[LOAD, BRANCH, SYSTEM_CALL, IBAR], 1),
        (&[LOAD, BRANCH, IBAR, SYSTEM_CALL], 1),
        (&[LOAD, BRANCH, SKIP, IBAR], 1),
        (&[FROM_STACK, BRANCH, IBAR], 1),
    ];
    for (code, count) in table {
        let code: Vec<u32> = [ACQUIRE].iter().chain(*code).copied().chain([COUNTER, FORGET, RET]).collect();
        check(&code, *count);
    }
}

/// The branch waits for the last load, and that for the loads before it.
#[test]
fn before_the_last_load() {
    let table: &[(&[u32], usize)] = &[
        (&[LOAD, ACQUIRE, LOAD, BRANCH], 0),
        (&[LOAD, DBAR, FROM_STACK, LOAD, BRANCH], 0),
        (&[LOAD, LOAD, DBAR], 0),
        (&[LOAD, BRANCH], 1),
        (&[LOAD, RELEASE, LOAD, BRANCH], 1),
        (&[LOAD, SAME_ADDRESS, LOAD, BRANCH], 1),
        (&[ACQUIRE, LOAD, LOAD, BRANCH], 1),
        (&[ACQUIRE, CALL_NEXT, LOAD, BRANCH], 1),
        (&[ACQUIRE, SYSTEM_CALL, LOAD, BRANCH], 1),
        (&[LOAD, SKIP, ACQUIRE, LOAD, BRANCH], 1),
    ];
    for (code, count) in table {
        let code: Vec<u32> = code.iter().copied().chain([IBAR, COUNTER, FORGET, RET]).collect();
        check(&code, *count);
    }
}

#[test]
fn behind_the_counter() {
    let table: &[(&[u32], usize)] = &[
        (&[SIGN, ZERO, ADD, LOAD, ACQUIRE, LOAD, RET], 0),
        (&[SIGN, ZERO, ADD, LOAD, ORDERED, RET], 0),
        (&[SIGN, ZERO, ADD, LOAD, LOAD, FROM_STACK, DBAR, CALL_NEXT, RET], 0),
        (&[SIGN, ZERO, IMAGE, LOAD, FORGET, RET], 0),
        (&[FORGET, LOAD, RET], 0),
        (&[SYSTEM_CALL, LOAD, RET], 0),
        (&[RET], 1),
        (&[TO_STACK, FORGET, RET], 1),
        (&[LOAD, RET], 1),
        (&[CALL_NEXT, RET], 1),
        (&[SIGN, ZERO, LOAD, ACQUIRE, RET], 1),
        (&[SIGN, ZERO, ADD, ACQUIRE, RET], 1),
        (&[SIGN, ZERO, ADD, LOAD, RET], 1),
        (&[SIGN, ZERO, ADD, LOAD, RELEASE, RET], 1),
        (&[SIGN, ZERO, ADD, LOAD, SAME_ADDRESS, RET], 1),
        (&[SIGN, ZERO, ADD, LOAD, SKIP, ACQUIRE, RET], 1),
        (&[SIGN, ZERO, SKIP, ADD, LOAD, ACQUIRE, RET], 1),
        (&[IBAR, LOAD, RET], 1),
        (&[DBAR, LOAD, RET], 1),
    ];
    for (code, count) in table {
        let code: Vec<u32> = [ACQUIRE, LOAD, BRANCH, IBAR, COUNTER].iter().chain(*code).copied().collect();
        check(&code, *count);
    }
}

/// An address that is made by such an instruction is the same before the counter is read, and one by the others is not.
#[test]
fn addresses_that_only_seem_to_depend_on_the_counter() {
    for (instructions, count) in [(CONSTANTS, 1), (DEPENDENT, 0)] {
        for (text, words) in instructions {
            let (before, behind) = ([ACQUIRE, LOAD, BRANCH, IBAR, COUNTER], [ADD, LOAD, ACQUIRE, RET]);
            let code: Vec<u32> = before.iter().chain(*words).chain(&behind).copied().collect();
            assert_eq!(faults(&linked(&code)).len(), count, "{text}");
        }
    }
}

/// While something that is made by one of the others is in use, so is the counter.
#[test]
fn what_a_comparison_leaves_of_the_counter_is_a_use_of_it() {
    let is_set = 0x0012_9004; // sltu a0, zero, a0
    let never_less = 0x0012_8084; // sltu a0, a0, zero
    for (made, count) in [(is_set, 1), (never_less, 0)] {
        check(&[ACQUIRE, LOAD, BRANCH, IBAR, COUNTER, made, LOAD, RET], count);
    }
}

#[test]
fn code_without_a_counter() {
    check(&[LOAD, IBAR, LOAD, RET], 0);
}

fn check(code: &[u32], count: usize) {
    let found = faults(&linked(code));
    assert_eq!(found.len(), count, "{code:x?}: {found:?}");
    assert!(found.iter().all(|fault| fault.rule == Rule::UnorderedCounter), "{found:?}");
}
