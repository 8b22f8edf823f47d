//! Clock ids, as in Linux's `include/uapi/linux/time.h` and `clock_gettime(2)`.

/// A set of clocks or lines, one bit an id.
pub type ClockSet = u32;

/// A clock that the page can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Clock {
    /// CLOCK_REALTIME: time of day, UTC since 1970. Steps when it is set and at a leap second.
    Realtime = 0,
    /// CLOCK_MONOTONIC: since boot, without sleep; slewed, never stepped.
    Monotonic = 1,
    /// CLOCK_MONOTONIC_RAW: like MONOTONIC, but never slewed.
    MonotonicRaw = 4,
    /// CLOCK_REALTIME_COARSE: REALTIME as of the last publish.
    RealtimeCoarse = 5,
    /// CLOCK_MONOTONIC_COARSE: MONOTONIC as of the last publish.
    MonotonicCoarse = 6,
    /// CLOCK_BOOTTIME: MONOTONIC plus the time spent asleep.
    Boottime = 7,
    /// CLOCK_TAI: REALTIME plus the TAI offset; goes on through a leap second.
    Tai = 11,
}

impl Clock {
    /// All, in the order in which a publish stores them: a fine clock before its coarse one, so that whoever sees the new
    /// coarse value also sees the new fine one.
    pub const ALL: [Clock; 7] = [
        Clock::Realtime,
        Clock::Monotonic,
        Clock::MonotonicRaw,
        Clock::Boottime,
        Clock::Tai,
        Clock::RealtimeCoarse,
        Clock::MonotonicCoarse,
    ];

    /// Clocks that read the counter.
    pub const FINE: ClockSet =
        set(&[Clock::Realtime, Clock::Monotonic, Clock::MonotonicRaw, Clock::Boottime, Clock::Tai]);

    /// Clocks that do not.
    pub const COARSE: ClockSet = set(&[Clock::RealtimeCoarse, Clock::MonotonicCoarse]);

    /// The clocks that move when REALTIME is set.
    pub const FOLLOW_REALTIME: ClockSet = set(&[Clock::Realtime, Clock::RealtimeCoarse, Clock::Tai]);

    /// Every clock.
    pub const EVERY: ClockSet = Clock::FINE | Clock::COARSE;

    /// From a system call's `clockid_t`; `None` for one that the page cannot hold.
    #[must_use]
    pub const fn from_id(id: i32) -> Option<Clock> {
        match id {
            0 => Some(Clock::Realtime),
            1 => Some(Clock::Monotonic),
            4 => Some(Clock::MonotonicRaw),
            5 => Some(Clock::RealtimeCoarse),
            6 => Some(Clock::MonotonicCoarse),
            7 => Some(Clock::Boottime),
            11 => Some(Clock::Tai),
            _ => None,
        }
    }

    /// The `clockid_t`, which is also the index of the clock's line.
    #[must_use]
    #[inline(always)]
    pub const fn id(self) -> usize {
        self as usize
    }

    /// This clock as a set.
    #[must_use]
    #[inline(always)]
    pub const fn bit(self) -> ClockSet {
        1 << self as u32
    }

    /// The clock of which a coarse one shows the past; any other clock itself.
    #[must_use]
    pub const fn fine(self) -> Clock {
        match self {
            Clock::RealtimeCoarse => Clock::Realtime,
            Clock::MonotonicCoarse => Clock::Monotonic,
            fine => fine,
        }
    }

    /// Whether the clock needs no counter.
    #[must_use]
    pub const fn is_coarse(self) -> bool {
        self.bit() & Clock::COARSE != 0
    }
}

/// Evaluates an expression for each clock of a set, in the order of [`Clock::ALL`], with the clock's place there and the clock
/// as constants. Written out for every clock, so that each access of the page has a constant offset: a publish is then one
/// straight run of stores. The expression may use `?`.
macro_rules! each_clock {
    ($set:expr, $place:ident, $clock:ident => $each:expr) => {
        $crate::clock::each_clock!($set, $place, $clock => $each, 0 1 2 3 4 5 6)
    };
    ($set:expr, $place:ident, $clock:ident => $each:expr, $($index:literal)*) => {{
        const _: () = assert!([$($index),*].len() == Clock::ALL.len());
        let set: ClockSet = $set;
        $({
            #[allow(dead_code)]
            const $place: usize = $index;
            const $clock: Clock = Clock::ALL[$index];
            if $clock.bit() & set != 0 {
                $each
            }
        })*
    }};
}
pub(crate) use each_clock;

const fn set(clocks: &[Clock]) -> ClockSet {
    let mut bits = 0;
    let mut i = 0;
    while i < clocks.len() {
        bits |= clocks[i].bit();
        i += 1;
    }
    bits
}

/// A point in time, or a resolution, as `struct timespec` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timespec {
    /// Whole seconds since the clock's epoch.
    pub sec: u64,
    /// Nanoseconds, below 10^9.
    pub nsec: u32,
}

/// Nanoseconds in a second.
pub const NSEC_PER_SEC: u32 = 1_000_000_000;

impl Timespec {
    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Timespec {
        Timespec { sec: nanos / NSEC_PER_SEC as u64, nsec: (nanos % NSEC_PER_SEC as u64) as u32 }
    }

    /// Nanoseconds since the epoch; exact for every value that a page of this crate's writer can hold.
    #[must_use]
    pub const fn as_nanos(self) -> u128 {
        self.sec as u128 * NSEC_PER_SEC as u128 + self.nsec as u128
    }
}
