//! The trampoline's frame description, evaluated as an unwinder does it, against a frame as the C library's headers have it.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, Encoding, EndianSlice, EvaluationResult, Expression, LittleEndian,
    Location, Piece, Register, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, UnwindTableRow, Value,
};
use object::{Object, ObjectSection};
use std::fmt::Write;
use vdso_image::Description;
use vdso_tests::{start, Emulated};

for_each_architecture! {
    the_trampoline_is_what_unwinders_know_by_its_bytes,
    the_description_restores_every_register,
}

type Bytes = EndianSlice<'static, LittleEndian>;

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

/// The image's unwind information, found as an unwinder finds it.
struct Described {
    table: EhFrameHdr<Bytes>,
    frames: EhFrame<Bytes>,
    bases: BaseAddresses,
}

impl Described {
    fn of(image: &'static [u8]) -> Described {
        let file = object::File::parse(image).expect("an ELF file");
        let section = |name: &str| {
            let section = file.section_by_name(name).unwrap_or_else(|| panic!("no {name}"));
            let (start, size) = section.file_range().expect("bytes");
            (section.address(), EndianSlice::new(&image[start as usize..(start + size) as usize], LittleEndian))
        };
        let (table, frames, text) = (section(".eh_frame_hdr"), section(".eh_frame"), section(".text"));
        let bases = BaseAddresses::default().set_eh_frame_hdr(table.0).set_eh_frame(frames.0).set_text(text.0);
        Described { table: EhFrameHdr::from(table.1), frames: EhFrame::from(frames.1), bases }
    }

    /// What is true at an address: whether it is a signal's frame, the return address's column, and the row.
    fn at(&self, address: u64) -> (bool, Register, UnwindTableRow<usize>) {
        let header = self.table.parse(&self.bases, 8).expect("a table");
        let table = header.table().expect("a table for binary search");
        let fde =
            table.fde_for_address(&self.frames, &self.bases, address, EhFrame::cie_from_offset).expect("a description");
        let mut context = UnwindContext::new();
        let row = fde.unwind_info_for_address(&self.frames, &self.bases, &mut context, address).expect("a row");
        (fde.is_signal_trampoline(), fde.cie().return_address_register(), row.clone())
    }
}

/// A register's value, or the address of one.
struct Unwinder<'a> {
    emulated: &'a Emulated,
    described: &'a Described,
    memory: &'a dyn Fn(u64) -> u64,
    encoding: Encoding,
}

impl Unwinder<'_> {
    fn expression(&self, expression: &UnwindExpression<usize>, initial: Option<u64>) -> u64 {
        let expression: Expression<Bytes> = expression.get(&self.described.frames).expect("bytes of an expression");
        let mut evaluation = expression.evaluation(self.encoding);
        if let Some(initial) = initial {
            evaluation.set_initial_value(initial);
        }
        let mut result = evaluation.evaluate().expect("an expression");
        loop {
            result = match result {
                EvaluationResult::RequiresRegister { register, .. } => {
                    assert_eq!(register.0, self.emulated.stack_pointer, "all else is the handler's");
                    evaluation.resume_with_register(Value::Generic(STACK_POINTER)).expect("an expression")
                }
                EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                    evaluation.resume_with_memory(Value::Generic((self.memory)(address))).expect("an expression")
                }
                EvaluationResult::Complete => break,
                other => panic!("{other:?}"),
            };
        }
        match evaluation.result()[..] {
            [Piece { location: Location::Address { address }, .. }] => address,
            ref other => panic!("{other:?}"),
        }
    }

    fn frame_address(&self, row: &UnwindTableRow<usize>) -> u64 {
        match row.cfa() {
            CfaRule::Expression(expression) => self.expression(expression, None),
            CfaRule::RegisterAndOffset { .. } => panic!("the interrupted stack may be another one"),
        }
    }

    fn register(&self, row: &UnwindTableRow<usize>, frame_address: u64, register: Register) -> Option<u64> {
        match row.register(register) {
            Some(RegisterRule::Expression(expression)) => {
                Some((self.memory)(self.expression(&expression, Some(frame_address))))
            }
            Some(RegisterRule::ValExpression(expression)) => Some(self.expression(&expression, Some(frame_address))),
            _ => None,
        }
    }
}

fn the_description_restores_every_register(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    let (pc, registers) = guest.signal_frame();
    guest.finish();
    // Each word of the stack holds a value of its own.
    let value_at = |address: u64| address ^ 0x5a5a_0000_0000_0000;
    let image = emulated.architecture.image;
    let described = Described::of(image.bytes);
    let unwinder = Unwinder {
        emulated,
        described: &described,
        memory: &value_at,
        encoding: Encoding { format: gimli::Format::Dwarf32, version: 4, address_size: 8 },
    };
    let trampoline = trampoline(emulated, image) as u64;
    // An unwinder that takes the handler's return address for one of a call looks one byte before it.
    for address in [trampoline - 1, trampoline, trampoline + 4] {
        let (is_signal_frame, column, row) = described.at(address);
        assert!(is_signal_frame);
        assert_eq!(column.0, emulated.return_address);
        let frame_address = unwinder.frame_address(&row);
        let saved = |offset: usize| value_at(STACK_POINTER + offset as u64);
        assert_eq!(frame_address, saved(registers[usize::from(emulated.stack_pointer)]), "the interrupted stack");
        let mut wrong = String::new();
        for number in 0..32 {
            if number == emulated.stack_pointer || Some(number) == emulated.constant {
                continue; // the frame address; a constant
            }
            let found = unwinder.register(&row, frame_address, Register(number));
            if found != Some(saved(registers[usize::from(number)])) {
                writeln!(wrong, "register {number}: {found:x?}").expect("a string");
            }
        }
        assert_eq!(wrong, "", "at {address:#x}");
        assert_eq!(unwinder.register(&row, frame_address, column), Some(saved(pc)), "where it was interrupted");
    }
}
