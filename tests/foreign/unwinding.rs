//! The trampoline's frame description, evaluated as an unwinder does it, against a frame as the C library's headers have it.

use std::fmt::Write;
use vdso_image::Description;
use vdso_tests::unwinding::{Descriptions, Unwinder};
use vdso_tests::{start, Emulated};

for_each_architecture! {
    the_trampoline_is_what_unwinders_know_by_its_bytes,
    the_description_restores_every_register,
}

/// Where the signal's frame is, on the stack of the handler.
const STACK_POINTER: u64 = 0x7fff_0000_1000;

fn trampoline(emulated: &Emulated, image: &Description) -> usize {
    image.symbol(emulated.functions.rt_sigreturn).expect("an image with a trampoline")
}

fn the_trampoline_is_what_unwinders_know_by_its_bytes(emulated: &'static Emulated) {
    let image = emulated.architecture.image;
    let at = trampoline(emulated, image) - 4;
    let bytes = &image.bytes[at..at + 12];
    let words = bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")));
    assert_eq!(words.collect::<Vec<_>>(), emulated.trampoline);
}

fn the_description_restores_every_register(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    let (pc, registers) = guest.signal_frame();
    guest.finish();
    // Each word of the stack holds a value of its own.
    let value_at = |address: u64| address ^ 0x5a5a_0000_0000_0000;
    let image = emulated.architecture.image;
    let descriptions = Descriptions::of(image.bytes);
    let stack_pointer = (emulated.stack_pointer, STACK_POINTER);
    let unwinder = Unwinder { descriptions: &descriptions, stack_pointer, word: &value_at };
    let trampoline = trampoline(emulated, image) as u64;
    // An unwinder that takes the handler's return address for one of a call looks one byte before it.
    for address in [trampoline - 1, trampoline, trampoline + 4] {
        let description = descriptions.at(address);
        assert!(description.is_signal_frame);
        assert_eq!(description.return_address, emulated.return_address);
        let saved = |offset: usize| value_at(STACK_POINTER + offset as u64);
        let interrupted = saved(registers[usize::from(emulated.stack_pointer)]);
        assert_eq!(unwinder.frame_address(&description), interrupted, "the interrupted stack");
        let mut wrong = String::new();
        for number in 0..32 {
            if number == emulated.stack_pointer || Some(number) == emulated.constant {
                continue; // the frame address; a constant
            }
            let found = unwinder.register(&description, number);
            if found != Some(saved(registers[usize::from(number)])) {
                writeln!(wrong, "register {number}: {found:x?}").expect("a string");
            }
        }
        assert_eq!(wrong, "", "at {address:#x}");
        let column = unwinder.register(&description, emulated.return_address);
        assert_eq!(column, Some(saved(pc)), "where it was interrupted");
    }
}
