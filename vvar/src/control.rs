//! The control word of a line: what a reader has to know before it may believe the slots.
//!
//! | bits | meaning |
//! |---|---|
//! | 31..16 | bits of the [layout hash](crate::page::LAYOUT) |
//! | 15..12 | [`CounterKind`]; 0: off, use the system call |
//! | 11..6 | the counter's width in bits, less one |
//! | 5..0 | shift |
//!
//! The hot path compares the whole word with **one** constant. For a [split](crate::page::split) line that is
//! [`Control::split_hot`]: this layout, on, the counter that the path reads, 64 bits wide, shift 32. Counters that serve
//! [wide](crate::page::wide) lines are slower, and their shift is not one: what is left after an exclusive or with that
//! constant, of shift 0, is below 64 exactly when all but the shift is as expected, and then it is the shift
//! ([`Control::wide_hot`]). "Disabled", "never written", "another layout" and "another counter" all fail that one comparison,
//! at no cost of their own.

use crate::arch::CounterKind;
use crate::page::Encoding;

/// The shift that the hot path of split lines has compiled in. It is also the largest: 32 bits of a count times 2^-32 ns stay
/// below 1 ns.
pub const HOT_SHIFT: u32 = 32;

/// A decoded control word of this layout.
///
/// The fields are public and unchecked. [`Control::decode`] gives a width of 1 to 64 and a shift of 0 to 63, of which writers
/// use 32 to 64 and 0 to [`HOT_SHIFT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Where the count comes from.
    pub kind: CounterKind,
    /// Width of the counter in bits, 1 to 64. What the methods here and those of [`Slot`](crate::slot::Slot) do with another one,
    /// each of them says.
    pub bits: u32,
    /// The slots' shift, 0 to 32.
    pub shift: u32,
}

/// The layout's part of the word. Never 0, as a zero word has to be refused.
const fn layout_bits(layout: u64) -> u32 {
    let bits = (layout ^ (layout >> 16) ^ (layout >> 32) ^ (layout >> 48)) as u16 as u32;
    (if bits == 0 { 1 } else { bits }) << 16
}

const SPLIT_BITS: u32 = layout_bits(Encoding::Split.layout());
const WIDE_BITS: u32 = layout_bits(Encoding::Wide.layout());
const _: () = assert!(SPLIT_BITS != WIDE_BITS, "a reader must not take one encoding for the other");

impl Encoding {
    #[inline(always)]
    const fn bits(self) -> u32 {
        match self {
            Encoding::Split => SPLIT_BITS,
            Encoding::Wide => WIDE_BITS,
        }
    }
}

impl Control {
    /// A word that says "use the system call".
    pub const OFF: u32 = 0;

    /// A coarse clock.
    pub const COARSE: Control = Control { kind: CounterKind::Coarse, bits: 64, shift: 0 };

    /// The word that the hot path of a split line accepts.
    #[must_use]
    #[inline(always)]
    pub const fn split_hot(kind: CounterKind) -> u32 {
        Control { kind, bits: 64, shift: HOT_SHIFT }.word(Encoding::Split)
    }

    /// The shift, if the hot path of a wide line accepts the word: it counts by a 64-bit counter of that kind.
    #[must_use]
    #[inline(always)]
    pub const fn wide_hot(word: u32, kind: CounterKind) -> Option<u32> {
        let shift = word ^ Control { kind, bits: 64, shift: 0 }.word(Encoding::Wide);
        if shift < 64 {
            Some(shift)
        } else {
            None
        }
    }

    /// Encodes, for a line of that encoding. Of a width above 64 or a shift above 63 the lower six bits are taken (of the width
    /// less one): such a word says something else.
    ///
    /// # Panics
    ///
    /// With overflow checks, for a width of 0. Without them that is 64.
    #[must_use]
    #[inline(always)]
    pub const fn word(self, encoding: Encoding) -> u32 {
        match self.kind {
            CounterKind::Off => Control::OFF,
            kind => encoding.bits() | (kind as u32) << 12 | ((self.bits - 1) & 63) << 6 | (self.shift & 63),
        }
    }

    /// Decodes the word of a line of that encoding; `None` for "use the system call" and for a word of another layout or of a
    /// kind that this version does not know for that encoding.
    #[must_use]
    #[inline(always)]
    pub const fn decode(word: u32, encoding: Encoding) -> Option<Control> {
        if word & 0xffff_0000 != encoding.bits() {
            return None;
        }
        let (bits, shift) = ((word >> 6 & 63) + 1, word & 63);
        match CounterKind::from_bits(word >> 12 & 15, encoding) {
            Some(CounterKind::Off) | None => None,
            Some(kind) => Some(Control { kind, bits, shift }),
        }
    }

    /// The counter's values as a mask.
    ///
    /// # Panics
    ///
    /// With overflow checks, for a width above 64; without them the mask is a wrong one. For a width of 0 it is that of 64.
    #[must_use]
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        u64::MAX >> ((64 - self.bits) & 63)
    }
}
