//! What can be wrong with what a kernel asks for.

use crate::arch::CounterKind;
use crate::clock::NSEC_PER_SEC;
use crate::exact::MAX_SEC;
use crate::page::ABI;
use core::fmt;

/// Why a call of the timekeeper or the writer was refused, or why memory is not the page that it is taken for.
///
/// The refused call has changed neither timekeeper nor page, with one exception. [`Writer::publish`] and
/// [`Writer::publish_coarse`] plan again when a plan is late, and once more for others that were refused meanwhile. If such a
/// later plan is the one that is refused (every error but [`Error::Busy`]), then
///
/// - what the same call has published before stands, in page and timekeeper;
/// - clocks that a plan was to step, or to switch on or off, and that were not switched on since, are off: their readers make
///   the system call until the next publish that covers these clocks. No reader is given a wrong time meanwhile.
///
/// [`Writer::publish`]: crate::Writer::publish
/// [`Writer::publish_coarse`]: crate::Writer::publish_coarse
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The counter's frequency is outside [`MIN_FREQUENCY`](crate::rate::MIN_FREQUENCY) to
    /// [`MAX_FREQUENCY`](crate::rate::MAX_FREQUENCY) (zero included).
    Frequency {
        /// What was given, in Hz.
        hz: u64,
    },
    /// The counter is narrower than 32 or wider than 64 bits. The width is the one at which it wraps: 64 for a TSC, Arm's
    /// generic timer and RISC-V's `time`. A narrower counter than 32 bits cannot be used.
    Width {
        /// What was given, in bits.
        bits: u32,
    },
    /// The slew is larger than [`MAX_SLEW_PPB`](crate::rate::MAX_SLEW_PPB) either way.
    Slew {
        /// What was given, in parts per billion.
        ppb: i32,
    },
    /// A time before 0 s (1970 for the time of day), with 10^9 or more nanoseconds, or not below 9223372036 s (2^63 ns: the year
    /// 2262). From a publish: MONOTONIC or MONOTONIC_RAW has arrived there, or the counter has jumped.
    Time {
        /// Seconds as given, or as they would have become; `i64::MAX` for more than that.
        sec: i64,
        /// Nanoseconds as given, or as they would have become.
        nsec: u32,
    },
    /// The TAI offset (TAI less REALTIME: 37 since 2017) is outside -1000 to 1000 s.
    TaiOffset {
        /// What was given, or what a leap second would have made of it, in seconds.
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
    /// The allowed skew is not below a quarter of the counter's range (2^30 cycles for 32 bits), or is more than a second: that
    /// is no skew between CPUs, but a counter that was reset, or a [`WarpTest`](crate::counter::WarpTest) of another width.
    Skew {
        /// What was given, in cycles.
        cycles: u64,
    },
    /// REALTIME, from which the clock in question follows, was never set, or that was not published yet.
    NotSet,
    /// [`resume`](crate::Timekeeper::resume) without a [`suspend`](crate::Timekeeper::suspend).
    NotSuspended,
    /// The clock does not reach that time within half the counter's range after the last publish, less the skew that the source
    /// allows, or it stands still ([`suspend`](crate::Timekeeper::suspend)). Ask again after a later publish.
    OutOfReach,
    /// Someone else is publishing: on another CPU, or in the code that this interrupt has interrupted. That publish is
    /// repeated with what the timekeeper knows then, so nothing is lost, and there is nothing to do. Where the repeat did not
    /// succeed either, the caller of that publish learns it: by [`Published::pending`](crate::Published::pending) or an error.
    Busy,
    /// The memory holds a page of another layout, or none: [`Writer::init`](crate::Writer::init) was not called, or has not
    /// ended.
    ForeignPage {
        /// ABI version found; 0 where there is no page.
        abi: u32,
        /// Layout hash found; 0 where there is no page.
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
            Error::Width { bits } => write!(
                f,
                "counter width {bits} is outside 32 to 64 bits: give the width at which the counter wraps, or use another counter"
            ),
            Error::Slew { ppb } => write!(
                f,
                "slew of {ppb} parts per billion is outside -{max} to {max}: set the clock instead",
                max = crate::rate::MAX_SLEW_PPB
            ),
            Error::Time { sec, nsec } if nsec >= NSEC_PER_SEC => {
                write!(f, "time {sec} s + {nsec} ns has 10^9 ns or more: carry them over to the seconds")
            }
            Error::Time { sec, nsec } if sec < 0 => write!(
                f,
                "time {sec} s + {nsec} ns is before 0 s (1970 for the time of day): give a later time, a smaller step back or a \
                 larger TAI offset"
            ),
            Error::Time { sec, nsec } => write!(
                f,
                "time {sec} s + {nsec} ns is not below {MAX_SEC} s (2^63 ns: the year 2262): give an earlier time, or report a \
                 counter discontinuity if the counter has jumped"
            ),
            Error::TaiOffset { sec } => {
                write!(f, "TAI offset {sec} s is outside -1000 to 1000 s: give TAI less REALTIME, which is 37 s since 2017")
            }
            Error::BeforeAnchor { anchor, counter } => write!(
                f,
                "counter {counter} is before {anchor}, where the clocks were last published: report a counter discontinuity"
            ),
            Error::Synchronisation { kind } => write!(
                f,
                "synchronisation of {kind:?} is Architectural, but nothing is known of what its architecture promises: give \
                 Synchronisation::Checked with what the manual promises or a WarpTest has measured"
            ),
            Error::Skew { cycles } => write!(
                f,
                "skew of {cycles} cycles between CPUs is more than a second, or not below a quarter of the counter's range: \
                 measure it by a WarpTest of the counter's width, or use another counter"
            ),
            Error::NotSet => {
                f.write_str("REALTIME is not set, or not published since: call Timekeeper::set_realtime, then Writer::publish")
            }
            Error::NotSuspended => f.write_str("resume without suspend: call suspend before the counter stops"),
            Error::OutOfReach => f.write_str(
                "that time is further from the last publish than half the counter's range, or the clocks stand still: wait for an \
                 earlier time, and ask again after a later publish, or after resume",
            ),
            Error::Busy => f.write_str(
                "another publish is under way: there is nothing to do, it will be repeated with the newest state",
            ),
            Error::ForeignPage { abi: 0, layout: 0, expected } => write!(
                f,
                "memory holds no page (ABI 0, layout 0; this is ABI {ABI}, layout {expected:#018x}): call Writer::init first, on \
                 zeroed memory, and check the address"
            ),
            Error::ForeignPage { abi: ABI, layout, expected } if layout == expected => write!(
                f,
                "page has this ABI {ABI} and layout {layout:#018x}, but not the magic number: let Writer::init end first; if it has, \
                 the page was overwritten"
            ),
            Error::ForeignPage { abi, layout, expected } => write!(
                f,
                "page has ABI {abi}, layout {layout:#018x}; this is ABI {ABI}, layout {expected:#018x}: build image and kernel from \
                 one version of the vvar crate, for one architecture"
            ),
        }
    }
}
