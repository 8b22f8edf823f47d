//! What can be wrong with what a kernel asks for.

use crate::arch::CounterKind;
use core::fmt;

/// Why a call of the writer or the timekeeper was refused. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The counter's frequency is outside [`MIN_FREQUENCY`](crate::rate::MIN_FREQUENCY) to
    /// [`MAX_FREQUENCY`](crate::rate::MAX_FREQUENCY) (zero included).
    Frequency {
        /// What was given, in Hz.
        hz: u64,
    },
    /// The counter is narrower than 32 or wider than 64 bits.
    Width {
        /// What was given.
        bits: u32,
    },
    /// The slew is larger than [`MAX_SLEW_PPB`](crate::rate::MAX_SLEW_PPB) either way.
    Slew {
        /// What was given, in parts per billion.
        ppb: i32,
    },
    /// A time before 1970, with 10^9 or more nanoseconds, or past 2^63 ns (the year 2262).
    Time {
        /// Seconds as given, or as they would have become.
        sec: i64,
        /// Nanoseconds as given.
        nsec: u32,
    },
    /// The TAI offset is outside -1000 to 1000 s.
    TaiOffset {
        /// What was given, in seconds.
        sec: i32,
    },
    /// The counter stands before the anchor of the last publish, by more than the skew that the source allows: the clocks
    /// would run backwards. A counter that was reset is reported by
    /// [`counter_discontinuity`](crate::Timekeeper::counter_discontinuity).
    BeforeAnchor {
        /// The counter at the last publish.
        anchor: u64,
        /// The counter now.
        counter: u64,
    },
    /// [`Synchronisation::Architectural`](crate::Synchronisation::Architectural) for a counter of whose architecture nothing is
    /// known. Give [`Synchronisation::Checked`](crate::Synchronisation::Checked).
    Synchronisation {
        /// The counter's kind as given: one for private use.
        kind: CounterKind,
    },
    /// The allowed skew is not below a quarter of the counter's range, or is more than a second.
    Skew {
        /// What was given, in cycles.
        cycles: u64,
    },
    /// REALTIME was never set.
    NotSet,
    /// [`resume`](crate::Timekeeper::resume) without a [`suspend`](crate::Timekeeper::suspend).
    NotSuspended,
    /// The clock cannot reach that time within the counter's range.
    OutOfReach,
    /// Someone else is publishing: on another CPU, or in the code that this interrupt has interrupted. That publish is
    /// repeated with what the timekeeper knows then, so nothing is lost, and there is nothing to do.
    Busy,
    /// The memory holds a page of another layout.
    ForeignPage {
        /// ABI version found.
        abi: u32,
        /// Layout hash found.
        layout: u64,
        /// Layout hash of the page that was to be there.
        expected: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Frequency { hz } => write!(
                f,
                "counter frequency {hz} Hz is outside {} to {} Hz: calibrate the counter again, or use another",
                crate::rate::MIN_FREQUENCY,
                crate::rate::MAX_FREQUENCY
            ),
            Error::Width { bits } => write!(f, "counter width {bits} is outside 32 to 64 bits"),
            Error::Slew { ppb } => write!(
                f,
                "slew of {ppb} parts per billion is outside -{max} to {max}: set the clock instead",
                max = crate::rate::MAX_SLEW_PPB
            ),
            Error::Time { sec, nsec } => {
                write!(f, "time {sec} s + {nsec} ns is before 1970, past 2^63 ns, or has 10^9 ns or more")
            }
            Error::TaiOffset { sec } => write!(f, "TAI offset {sec} s is outside -1000 to 1000 s"),
            Error::BeforeAnchor { anchor, counter } => write!(
                f,
                "counter {counter} is before {anchor}, where the clocks were last published: report a counter discontinuity"
            ),
            Error::Synchronisation { kind } => write!(
                f,
                "synchronisation of {kind:?} is Architectural, but nothing is known of what its architecture promises: give \
                 Synchronisation::Checked with what the manual promises or a WarpTest has measured"
            ),
            Error::Skew { cycles } => {
                write!(f, "skew of {cycles} cycles between CPUs is too much for a clock: use another counter")
            }
            Error::NotSet => f.write_str("the time of day was never set"),
            Error::NotSuspended => f.write_str("resume without suspend: call suspend before the counter stops"),
            Error::OutOfReach => f.write_str("the clock does not reach that time within the counter's range"),
            Error::Busy => f.write_str("another publish is under way; it will be repeated with the newest state"),
            Error::ForeignPage { abi, layout, expected } => write!(
                f,
                "page has ABI {abi}, layout {layout:#018x}; this is ABI {}, layout {expected:#018x}: build image and kernel from \
                 one version of the vvar crate, for one architecture",
                crate::page::ABI
            ),
        }
    }
}
