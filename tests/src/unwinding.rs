//! Frame descriptions, evaluated as an unwinder does it that goes from a signal's handler through the trampoline.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, Encoding, EndianSlice, EvaluationResult, Expression, Format,
    LittleEndian, Location, Piece, Register, RegisterRule, UnwindContext, UnwindExpression, UnwindSection,
    UnwindTableRow, Value,
};
use object::{Object, ObjectSection};

type Bytes = EndianSlice<'static, LittleEndian>;

/// What all expressions here are: DWARF 4 on a machine of 64 bits.
const ENCODING: Encoding = Encoding { format: Format::Dwarf32, version: 4, address_size: 8 };

/// An image's unwind information, found as an unwinder finds it.
#[derive(Debug)]
pub struct Descriptions {
    table: EhFrameHdr<Bytes>,
    frames: EhFrame<Bytes>,
    bases: BaseAddresses,
}

/// What is described of an address.
#[derive(Debug)]
pub struct Description {
    /// Whether that is a signal's frame.
    pub is_signal_frame: bool,
    /// The DWARF number that stands for the return address.
    pub return_address: u16,
    row: UnwindTableRow<usize>,
}

impl Descriptions {
    /// Those of an image.
    ///
    /// # Panics
    /// If it is no ELF file with such.
    pub fn of(image: &'static [u8]) -> Descriptions {
        let file = object::File::parse(image).expect("an ELF file");
        let section = |name: &str| {
            let section = file.section_by_name(name).unwrap_or_else(|| panic!("no {name}"));
            let (start, size) = section.file_range().expect("bytes");
            (section.address(), EndianSlice::new(&image[start as usize..(start + size) as usize], LittleEndian))
        };
        let (table, frames, text) = (section(".eh_frame_hdr"), section(".eh_frame"), section(".text"));
        let bases = BaseAddresses::default().set_eh_frame_hdr(table.0).set_eh_frame(frames.0).set_text(text.0);
        Descriptions { table: EhFrameHdr::from(table.1), frames: EhFrame::from(frames.1), bases }
    }

    /// What is true at an address.
    ///
    /// # Panics
    /// If that is not described.
    pub fn at(&self, address: u64) -> Description {
        let header = self.table.parse(&self.bases, 8).expect("a table");
        let table = header.table().expect("a table for binary search");
        let fde =
            table.fde_for_address(&self.frames, &self.bases, address, EhFrame::cie_from_offset).expect("a description");
        let mut context = UnwindContext::new();
        let row = fde.unwind_info_for_address(&self.frames, &self.bases, &mut context, address).expect("a row");
        Description {
            is_signal_frame: fde.is_signal_trampoline(),
            return_address: fde.cie().return_address_register().0,
            row: row.clone(),
        }
    }
}

/// An unwinder in a signal's handler, which knows where its stack is, and what is there.
#[expect(missing_debug_implementations, reason = "a closure has none")]
pub struct Unwinder<'a> {
    /// The image's unwind information.
    pub descriptions: &'a Descriptions,
    /// DWARF number of the stack pointer, and its value.
    pub stack_pointer: (u16, u64),
    /// The word at an address of the stack.
    pub word: &'a dyn Fn(u64) -> u64,
}

impl Unwinder<'_> {
    fn evaluate(&self, expression: &UnwindExpression<usize>, initial: Option<u64>) -> u64 {
        let expression: Expression<Bytes> = expression.get(&self.descriptions.frames).expect("bytes of an expression");
        let mut evaluation = expression.evaluation(ENCODING);
        if let Some(initial) = initial {
            evaluation.set_initial_value(initial);
        }
        let mut result = evaluation.evaluate().expect("an expression");
        loop {
            result = match result {
                EvaluationResult::RequiresRegister { register, .. } => {
                    let (number, value) = self.stack_pointer;
                    assert_eq!(register.0, number, "all else is the handler's");
                    evaluation.resume_with_register(Value::Generic(value))
                }
                EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                    evaluation.resume_with_memory(Value::Generic((self.word)(address)))
                }
                EvaluationResult::Complete => break,
                other => panic!("{other:?}"),
            }
            .expect("an expression");
        }
        match evaluation.result()[..] {
            [Piece { location: Location::Address { address }, .. }] => address,
            ref other => panic!("{other:?}"),
        }
    }

    /// The interrupted code's stack pointer.
    ///
    /// # Panics
    /// If it is described as a distance from the handler's.
    pub fn frame_address(&self, description: &Description) -> u64 {
        match description.row.cfa() {
            CfaRule::Expression(expression) => self.evaluate(expression, None),
            CfaRule::RegisterAndOffset { .. } => panic!("the interrupted stack may be another one"),
        }
    }

    /// What the interrupted code had in a register; `None` if that is not described.
    pub fn register(&self, description: &Description, number: u16) -> Option<u64> {
        let initial = Some(self.frame_address(description));
        match description.row.register(Register(number)) {
            Some(RegisterRule::Expression(expression)) => Some((self.word)(self.evaluate(&expression, initial))),
            Some(RegisterRule::ValExpression(expression)) => Some(self.evaluate(&expression, initial)),
            _ => None,
        }
    }
}
