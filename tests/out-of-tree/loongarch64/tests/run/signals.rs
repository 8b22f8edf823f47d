//! The trampoline: a signal handler returns there, and an unwinder that evaluates its description finds there what was
//! interrupted, in the frame that QEMU has pushed.

use crate::guest::start;
use crate::shared;
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, Encoding, EndianSlice, EvaluationResult, Expression, LittleEndian,
    Location, Piece, Register, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, Value,
};
use object::{Object, ObjectSection};

/// DWARF number of the stack pointer.
const SP: u16 = 3;
/// The column of the return address in the trampoline's description.
const RETURN_ADDRESS: u16 = 72;
/// Words of a signal's frame up to the end of the saved registers.
const FRAME: usize = (128 + 176) / 8 + 33;

type Bytes = EndianSlice<'static, LittleEndian>;

/// What the interrupted code had in a register.
fn interrupted(number: u16) -> u64 {
    0x1000 << 32 | u64::from(number)
}

/// The frame as the handler found it.
struct Frame {
    stack_pointer: u64,
    words: Vec<i64>,
}

impl Frame {
    fn word(&self, address: u64) -> u64 {
        let at = address.checked_sub(self.stack_pointer).expect("a place in the frame") as usize;
        assert_eq!(at % 8, 0, "{address:#x}");
        *self.words.get(at / 8).unwrap_or_else(|| panic!("{at} bytes are beyond the saved registers")) as u64
    }

    /// The address that an expression gives, of which all it needs is the handler's stack pointer and the frame.
    fn evaluate(&self, frames: &EhFrame<Bytes>, expression: &UnwindExpression<usize>, initial: Option<u64>) -> u64 {
        let expression: Expression<Bytes> = expression.get(frames).expect("bytes of an expression");
        let mut evaluation =
            expression.evaluation(Encoding { format: gimli::Format::Dwarf32, version: 4, address_size: 8 });
        if let Some(initial) = initial {
            evaluation.set_initial_value(initial);
        }
        let mut result = evaluation.evaluate().expect("an expression");
        loop {
            let value = match result {
                EvaluationResult::RequiresRegister { register: Register(SP), .. } => self.stack_pointer,
                EvaluationResult::RequiresMemory { address, size: 8, .. } => self.word(address),
                EvaluationResult::Complete => break,
                other => panic!("{other:?}"),
            };
            let value = Value::Generic(value);
            result = match result {
                EvaluationResult::RequiresRegister { .. } => evaluation.resume_with_register(value),
                _ => evaluation.resume_with_memory(value),
            }
            .expect("an expression");
        }
        match evaluation.result()[..] {
            [Piece { location: Location::Address { address }, .. }] => address,
            ref other => panic!("{other:?}"),
        }
    }
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

    let frame = Frame { stack_pointer: stack_pointer as u64, words };
    let file = object::File::parse(&*shared::built().image).expect("an ELF file");
    let section = |name: &str| {
        let section = file.section_by_name(name).unwrap_or_else(|| panic!("no {name}"));
        (section.address(), EndianSlice::new(section.data().expect("bytes"), LittleEndian))
    };
    let (table, frames, text) = (section(".eh_frame_hdr"), section(".eh_frame"), section(".text"));
    let bases = BaseAddresses::default().set_eh_frame_hdr(table.0).set_eh_frame(frames.0).set_text(text.0);
    let (table, frames) = (EhFrameHdr::from(table.1), EhFrame::from(frames.1));
    let table = table.parse(&bases, 8).expect("a table");
    let table = table.table().expect("a table for binary search");
    // An unwinder that takes the handler's return address for one of a call looks one byte before it.
    for address in [trampoline - 1, trampoline, trampoline + 4].map(|address| address as u64) {
        let fde = table.fde_for_address(&frames, &bases, address, EhFrame::cie_from_offset).expect("a description");
        assert!(fde.is_signal_trampoline());
        assert_eq!(fde.cie().return_address_register(), Register(RETURN_ADDRESS));
        let mut context = UnwindContext::new();
        let row = fde.unwind_info_for_address(&frames, &bases, &mut context, address).expect("a row");
        let frame_address = match row.cfa() {
            CfaRule::Expression(expression) => frame.evaluate(&frames, expression, None),
            other => panic!("the interrupted stack may be another one: {other:?}"),
        };
        assert_eq!(frame_address, after[usize::from(SP)] as u64, "the interrupted stack");
        let register = |number: u16| match row.register(Register(number)) {
            Some(RegisterRule::Expression(expression)) => {
                frame.word(frame.evaluate(&frames, &expression, Some(frame_address)))
            }
            other => panic!("column {number}: {other:?}"),
        };
        for number in (1..32).filter(|number| *number != SP) {
            assert_eq!(register(number), interrupted(number), "r{number}");
        }
        assert_eq!(register(RETURN_ADDRESS), code as u64, "where it was interrupted");
    }
}
