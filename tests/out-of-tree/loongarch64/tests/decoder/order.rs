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
const IMAGE: u32 = 0x1a00_0025; // pcalau12i a1, 1
const BRANCH: u32 = 0x4000_04c0; // beqz a2, to the next one
const OTHER_BRANCH: u32 = 0x4000_0500; // beqz a4, to the next one
const SAME_BRANCH: u32 = 0x5800_04c6; // beq a2, a2, to the next one
const SKIP: u32 = 0x4000_08c0; // beqz a2, over the next one
const CLEAR: u32 = 0x0015_98c6; // xor a2, a2, a2
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
const XOR: u32 = 0x0015_9087; // xor a3, a0, a0
const ANDI: u32 = 0x0340_0087; // andi a3, a0, 0
const AND: u32 = 0x0014_8087; // and a3, a0, zero
const ADD: u32 = 0x0010_9ca5; // add.d a1, a1, a3
const FORGET: u32 = 0x0015_0004; // move a0, zero
const CALL: u32 = 0x5400_0000; // bl .
const CALL_NEXT: u32 = 0x5400_0400; // bl, to the next one
const SYSTEM_CALL: u32 = 0x002b_0000;
const RET: u32 = 0x4c00_0020;

#[test]
fn before_the_counter() {
    let table: &[(&[u32], usize)] = &[
        (&[LOAD, BRANCH, IBAR], 0),
        (&[LOAD, DBAR, IBAR], 0),
        (&[LOAD, BRANCH, FROM_STACK, IBAR, FROM_STACK], 0),
        (&[LOAD, BRANCH, IMAGE, LOAD, IBAR], 0),
        (&[LOAD, SKIP, FORGET, IBAR], 0),
        (&[], 1),
        (&[IBAR], 1),
        (&[LOAD, BRANCH], 1),
        (&[LOAD, IBAR], 1),
        (&[LOAD, BRANCH, IBAR_1], 1),
        (&[LOAD, BRANCH, DBAR], 1),
        (&[LOAD, OTHER_BRANCH, IBAR], 1),
        (&[LOAD, SAME_BRANCH, IBAR], 1),
        (&[LOAD, CLEAR, BRANCH, IBAR], 1),
        (&[LOAD, ACQUIRE, IBAR], 1),
        (&[LOAD, IBAR, BRANCH], 1),
        (&[LOAD, BRANCH, IBAR, LOAD], 1),
        (&[LOAD, BRANCH, LOAD, IBAR], 1),
        (&[LOAD, BRANCH, CALL, IBAR], 1),
        (&[LOAD, BRANCH, IBAR, CALL], 1),
        (&[LOAD, BRANCH, SKIP, IBAR], 1),
        (&[FROM_STACK, BRANCH, IBAR], 1),
    ];
    for (code, count) in table {
        let code: Vec<u32> = code.iter().copied().chain([COUNTER, FORGET, RET]).collect();
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
        (&[LOAD, RET], 1),
        (&[CALL_NEXT, RET], 1),
        (&[XOR, ADD, LOAD, ACQUIRE, RET], 1),
        (&[ANDI, ADD, LOAD, ACQUIRE, RET], 1),
        (&[AND, ADD, LOAD, ACQUIRE, RET], 1),
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
        let code: Vec<u32> = [LOAD, BRANCH, IBAR, COUNTER].iter().chain(*code).copied().collect();
        check(&code, *count);
    }
}

#[test]
fn code_without_a_counter() {
    check(&[LOAD, IBAR, LOAD, RET], 0);
}

fn check(code: &[u32], count: usize) {
    let found = faults(code);
    assert_eq!(found.len(), count, "{code:x?}: {found:?}");
    assert!(found.iter().all(|fault| fault.rule == Rule::UnorderedCounter), "{found:?}");
}
