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

use crate::page::Encoding;

/// The shift that the hot path of split lines has compiled in. It is also the largest: 32 bits of a count times 2^-32 ns stay
/// below 1 ns.
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
    /// Arm: CNTVCT_EL0 of the generic timer, behind an ISB. Its 56 to 64 bits roll over after 40 years at the earliest (Arm
    /// ARM D12.1.2), so a kernel may call it 64 bits wide.
    Cntvct = 4,
    /// Arm: CNTVCTSS_EL0, which needs no ISB. The CPUs have it (FEAT_ECV) if ID_AA64MMFR0_EL1.ECV is not 0.
    Cntvctss = 5,
    /// Arm: CNTVCT_EL0, read twice, on a machine some of whose CPUs are Cortex-A73 (erratum 858921: a read while the low half
    /// wraps can be wrong). Other errata of the counter (Allwinner A64, QorIQ A-008585, HiSilicon 161010101) need more than
    /// user programs should do for the time: there the counter is [`CounterKind::Off`].
    CntvctErratum858921 = 6,
    /// RISC-V: the CSR `time`, 64 bits (Zicntr).
    RiscvTime = 7,
}

impl CounterKind {
    /// `None` also for the counter of a machine whose lines have the other encoding.
    #[inline(always)]
    const fn from_bits(bits: u32, encoding: Encoding) -> Option<CounterKind> {
        match (bits, encoding) {
            (0, _) => Some(CounterKind::Off),
            (1, _) => Some(CounterKind::Coarse),
            (2, Encoding::Split) => Some(CounterKind::Rdtscp),
            (3, Encoding::Split) => Some(CounterKind::LfenceRdtsc),
            (4, Encoding::Wide) => Some(CounterKind::Cntvct),
            (5, Encoding::Wide) => Some(CounterKind::Cntvctss),
            (6, Encoding::Wide) => Some(CounterKind::CntvctErratum858921),
            (7, Encoding::Wide) => Some(CounterKind::RiscvTime),
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

    /// Encodes, for a line of that encoding.
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
    #[must_use]
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        u64::MAX >> ((64 - self.bits) & 63)
    }
}
