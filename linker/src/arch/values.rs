//! What registers hold, as far as the instructions before say: for decoders that judge addresses which are made in several steps.

use super::{Flow, Instruction, Registers};

/// What is known of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// An address relative to the code, or its upper part.
    Address(i64),
    /// A constant, of which no address can be made.
    Constant,
}

impl Value {
    /// With a number added.
    #[must_use]
    pub fn plus(self, offset: i64) -> Value {
        match self {
            Value::Address(address) => Value::Address(address.wrapping_add(offset)),
            Value::Constant => Value::Constant,
        }
    }
}

/// What is known of the registers, along the instructions as they stand.
#[derive(Debug, Clone)]
pub struct Values {
    known: [Option<Value>; Registers::BITS as usize],
    /// The register that is always 0.
    zero: Option<u32>,
}

impl Values {
    /// Nothing is known; `zero` is the register that is always 0, by its number in [`Registers`], if there is one.
    pub fn new(zero: Option<u32>) -> Self {
        Values { known: [None; Registers::BITS as usize], zero }
    }

    /// What is known of a register.
    pub fn of(&self, register: u32) -> Option<Value> {
        if self.zero == Some(register) {
            return Some(Value::Constant);
        }
        self.known.get(register as usize).copied().flatten()
    }

    /// Follows an instruction, which puts `made` into what it writes. Behind one that goes elsewhere, and behind a call,
    /// nothing is known.
    pub fn follow(&mut self, instruction: &Instruction, made: Option<Value>) {
        if !matches!(instruction.flow, Flow::Next | Flow::Branch(_)) {
            *self = Values::new(self.zero);
            return;
        }
        for (register, value) in self.known.iter_mut().enumerate() {
            if instruction.order.writes >> register & 1 != 0 {
                *value = made;
            }
        }
    }
}
