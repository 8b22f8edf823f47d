//! The ways of reading a counter, on all architectures.
//!
//! The numbers are part of the page's ABI, and a page can be written on one architecture for readers on another, by an
//! emulator: each number stands for one way on one architecture, and is never used again for another. So all of them are here,
//! whatever this crate is compiled for. The two for private use, the last that the control word has room for, are what an
//! architecture that has no row here names its counter by.

use crate::page::Encoding;

/// Declares the kinds: documentation, name, number in the page, the pages whose lines may have it, and by how many ticks one
/// CPU's counter may be behind another's where the architecture promises that they agree, or `None`.
macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $name:ident = $number:literal, $encoding:pat, skew $skew:expr; )*) => {
        /// Where a clock's count comes from.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum CounterKind {
            $( $(#[doc = $doc])+ $name = $number, )*
        }

        impl CounterKind {
            /// Every kind, by number.
            pub const ALL: &'static [CounterKind] = &[$( CounterKind::$name, )*];

            /// `None` also for the counter of a machine whose lines have the other encoding.
            #[inline(always)]
            pub(crate) const fn from_bits(bits: u32, encoding: Encoding) -> Option<CounterKind> {
                match (bits, encoding) {
                    $( ($number, $encoding) => Some(CounterKind::$name), )*
                    _ => None,
                }
            }

            /// Whether lines of this encoding may have it.
            #[must_use]
            pub const fn is_in(self, encoding: Encoding) -> bool {
                match self {
                    $( CounterKind::$name => matches!(encoding, $encoding), )*
                }
            }

            /// By how many ticks one CPU's counter may be behind another's where the architecture promises that they agree;
            /// `None`: no promise is known.
            pub(crate) const fn architectural_skew(self) -> Option<u64> {
                match self {
                    $( CounterKind::$name => $skew, )*
                }
            }
        }
    };
}

kinds! {
    /// None: the line is off, and so is every clock that needs a counter.
    // The kernel's own counter may be any of these: the largest of them.
    Off = 0, _, skew Some(1);
    /// No counter: a coarse clock, as of the last publish.
    Coarse = 1, _, skew Some(0);
    /// x86: the TSC by RDTSCP, which waits until earlier loads are done (Intel SDM volume 2B, RDTSCP).
    Rdtscp = 2, Encoding::Split, skew Some(0);
    /// x86: the TSC by LFENCE; RDTSC. On AMD only where LFENCE is dispatch-serialising (APM volume 2, 3.2.2; MSR
    /// C001_1029 bit 1 or CPUID 8000_0021 EAX bit 2): the kernel sets it and reads it back first.
    LfenceRdtsc = 3, Encoding::Split, skew Some(0);
    /// Arm: CNTVCT_EL0 of the generic timer, behind an ISB. Its 56 to 64 bits roll over after 40 years at the earliest (Arm
    /// ARM D12.1.2), so a kernel may call it 64 bits wide.
    Cntvct = 4, Encoding::Wide, skew Some(0);
    /// Arm: CNTVCTSS_EL0, which needs no ISB. The CPUs have it (FEAT_ECV) if ID_AA64MMFR0_EL1.ECV is not 0.
    Cntvctss = 5, Encoding::Wide, skew Some(0);
    /// Arm: CNTVCT_EL0, read twice, on a machine some of whose CPUs are Cortex-A73 (erratum 858921: a read while the low half
    /// wraps can be wrong). Other errata of the counter (Allwinner A64, QorIQ A-008585, HiSilicon 161010101) need more than
    /// user programs should do for the time: there the counter is [`CounterKind::Off`].
    CntvctErratum858921 = 6, Encoding::Wide, skew Some(0);
    /// RISC-V: the CSR `time`, 64 bits (Zicntr).
    // "Synchronized to within one tick of the real-time clock" (unprivileged ISA, "Zicntr").
    RiscvTime = 7, Encoding::Wide, skew Some(1);
    /// Private use: a counter of an architecture that this crate does not have. Image and kernel alone agree on what it is, and
    /// no counter of this crate's will ever have the number. Two such architectures may mean different counters by it: an emulator
    /// that serves both knows by the image that it maps, not by the page.
    ///
    /// Nothing is known of what that architecture promises: its kernel says by how much the CPUs' counters may differ
    /// ([`Synchronisation::Checked`](crate::Synchronisation::Checked)).
    Private1 = 14, Encoding::Wide, skew None;
    /// Private use, as [`CounterKind::Private1`]: a second way of reading the counter, or a second counter.
    Private2 = 15, Encoding::Wide, skew None;
}

impl CounterKind {
    /// Whether this kind names a counter that user programs can read.
    #[must_use]
    pub const fn is_counter(self) -> bool {
        !matches!(self, CounterKind::Off | CounterKind::Coarse)
    }
}
