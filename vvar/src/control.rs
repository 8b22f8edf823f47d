//! The control word of a line: what a reader has to know before it may believe the slots.
//!
//! | bits | meaning |
//! |---|---|
//! | 31..16 | bits of the [layout hash](crate::page::LAYOUT) |
//! | 15..12 | [`CounterKind`]; 0: off, use the system call |
//! | 11..6 | the counter's width in bits, less one |
//! | 5..0 | shift |
//!
//! The hot path compares the whole word with **one** constant, [`Control::hot`]: this layout, on, the counter that the
//! path reads, 64 bits wide, shift 32. "Disabled", "never written", "another layout" and "another counter" all fail that
//! one comparison, at no cost of their own.

use crate::page::LAYOUT;

/// The shift that the hot path has compiled in. It is also the largest: 32 bits of a count times 2^-32 ns stay below 1 ns.
pub const HOT_SHIFT: u32 = 32;

/// Where a clock's count comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CounterKind {
    /// None: the line is off, and so is every clock that needs a counter.
    Off = 0,
    /// No counter: a coarse clock, as of the last publish.
    Coarse = 1,
    /// x86: the TSC by RDTSCP, which waits until earlier loads are done (Intel SDM volume 2B, RDTSCP).
    Rdtscp = 2,
    /// x86: the TSC by LFENCE; RDTSC. On AMD only where LFENCE is dispatch-serialising (APM volume 2, 3.2.2; MSR
    /// C001_1029 bit 1 or CPUID 8000_0021 EAX bit 2): the kernel sets it and reads it back first.
    LfenceRdtsc = 3,
}

impl CounterKind {
    const fn from_bits(bits: u32) -> Option<CounterKind> {
        match bits {
            0 => Some(CounterKind::Off),
            1 => Some(CounterKind::Coarse),
            2 => Some(CounterKind::Rdtscp),
            3 => Some(CounterKind::LfenceRdtsc),
            _ => None,
        }
    }

    /// Whether this kind names a counter that user programs can read.
    #[must_use]
    pub const fn is_counter(self) -> bool {
        !matches!(self, CounterKind::Off | CounterKind::Coarse)
    }
}

/// A decoded control word of this layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Where the count comes from.
    pub kind: CounterKind,
    /// Width of the counter in bits, 1 to 64.
    pub bits: u32,
    /// The slots' shift, 0 to 32.
    pub shift: u32,
}

/// The layout's part of the word. Never 0, as a zero word has to be refused.
const LAYOUT_BITS: u32 = {
    let bits = (LAYOUT ^ (LAYOUT >> 16) ^ (LAYOUT >> 32) ^ (LAYOUT >> 48)) as u16 as u32;
    (if bits == 0 { 1 } else { bits }) << 16
};

impl Control {
    /// A word that says "use the system call".
    pub const OFF: u32 = 0;

    /// A coarse clock.
    pub const COARSE: Control = Control { kind: CounterKind::Coarse, bits: 64, shift: 0 };

    /// The word that the hot path accepts.
    #[must_use]
    #[inline(always)]
    pub const fn hot(kind: CounterKind) -> u32 {
        Control { kind, bits: 64, shift: HOT_SHIFT }.word()
    }

    /// Encodes.
    #[must_use]
    #[inline(always)]
    pub const fn word(self) -> u32 {
        match self.kind {
            CounterKind::Off => Control::OFF,
            kind => LAYOUT_BITS | (kind as u32) << 12 | ((self.bits - 1) & 63) << 6 | (self.shift & 63),
        }
    }

    /// Decodes; `None` for "use the system call" and for a word of another layout or of a kind that this version does not
    /// know.
    #[must_use]
    pub const fn decode(word: u32) -> Option<Control> {
        if word & 0xffff_0000 != LAYOUT_BITS {
            return None;
        }
        let (bits, shift) = ((word >> 6 & 63) + 1, word & 63);
        match CounterKind::from_bits(word >> 12 & 15) {
            Some(CounterKind::Off) | None => None,
            Some(kind) => Some(Control { kind, bits, shift }),
        }
    }

    /// The counter's values as a mask.
    #[must_use]
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        u64::MAX >> ((64 - self.bits) & 63)
    }
}
