//! The trampoline: a signal handler returns there, and an unwinder that evaluates its description finds there what was
//! interrupted, in the frame that QEMU has pushed.

use crate::guest::start;
use crate::shared;
use vdso_tests::unwinding::{Descriptions, Unwinder};

/// DWARF number of the stack pointer.
const SP: u16 = 3;
/// The column of the return address in the trampoline's description.
const RETURN_ADDRESS: u16 = 72;
/// Words of a signal's frame up to the end of the saved registers.
const FRAME: usize = (128 + 176) / 8 + 33;

/// What the interrupted code had in a register.
fn interrupted(number: u16) -> u64 {
    0x1000 << 32 | u64::from(number)
}

#[test]
fn a_handler_returns_by_the_trampoline_whose_description_restores_every_register() {
    let mut guest = start!();
    let trampoline = guest.function("__vdso_rt_sigreturn");
    assert_eq!(guest.command([4, trampoline, 0, 0, 0]), Some([0; 5]));
    let [stack_pointer] = guest.answer().expect("the handler's stack pointer");
    let words = guest.answer::<FRAME>().expect("the frame").to_vec();
    let [code] = guest.answer().expect("the address of the interrupted instruction");
    let after = guest.answer::<32>().expect("the registers");
    guest.finish();
    for number in (1..32).filter(|number| *number != SP) {
        assert_eq!(after[usize::from(number)] as u64, interrupted(number), "r{number}, behind the handler");
    }

    let word = |address: u64| {
        let at = address.checked_sub(stack_pointer as u64).expect("a place in the frame") as usize;
        assert_eq!(at % 8, 0, "{address:#x}");
        *words.get(at / 8).unwrap_or_else(|| panic!("{at} bytes are beyond the saved registers")) as u64
    };
    let descriptions = Descriptions::of(&shared::built().image);
    let unwinder = Unwinder { descriptions: &descriptions, stack_pointer: (SP, stack_pointer as u64), word: &word };
    // An unwinder that takes the handler's return address for one of a call looks one byte before it.
    for address in [trampoline - 1, trampoline, trampoline + 4].map(|address| address as u64) {
        let description = descriptions.at(address);
        assert!(description.is_signal_frame);
        assert_eq!(description.return_address, RETURN_ADDRESS);
        let stack = unwinder.frame_address(&description);
        assert_eq!(stack, after[usize::from(SP)] as u64, "the interrupted stack");
        for number in (1..32).filter(|number| *number != SP) {
            assert_eq!(unwinder.register(&description, number), Some(interrupted(number)), "r{number}");
        }
        let column = unwinder.register(&description, RETURN_ADDRESS);
        assert_eq!(column, Some(code as u64), "where it was interrupted");
    }
}
