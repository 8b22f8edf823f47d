//! Exact arithmetic on times: a clock's value, how it goes on, and how clocks differ.
//!
//! All of it is on integers. A value is whole nanoseconds and a remainder in units of `1 / frequency` ns, in which every
//! counter value is a whole number: so nothing is ever rounded away.

use crate::clock::{Timespec, NSEC_PER_SEC};
use crate::error::Error;

/// No clock goes past 2^63 ns, so that every `timespec` and every signed count of nanoseconds can hold it.
pub(crate) const MAX_SEC: u64 = (1 << 63) / NSEC_PER_SEC as u64;

/// A clock's value: whole nanoseconds and a remainder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant {
    pub(crate) time: Timespec,
    /// In units of `1 / frequency` ns, below `frequency`.
    pub(crate) rest: u64,
}

impl Instant {
    /// The value `delta` cycles later, at `per_second` ns a second of the counter.
    #[inline(always)]
    pub(crate) fn advanced(self, delta: u64, per_second: u64, counter: Divisor) -> Result<Instant, Error> {
        // In units of 1 / hz ns: delta < 2^63, per_second < 2^30, rest < 2^34.
        let (nanos, rest) = match delta.checked_mul(per_second).and_then(|sum| sum.checked_add(self.rest)) {
            Some(sum) => counter.divide(sum),
            None => counter.divide_wide(u128::from(delta) * u128::from(per_second) + u128::from(self.rest))?,
        };
        let passed = Timespec::from_nanos(nanos);
        let time = Shift { sec: passed.sec as i64, nsec: passed.nsec }.applied(self.time)?;
        Ok(Instant { time, rest })
    }
}

/// A frequency, to divide by: a publish divides twice, and a division takes some ten times as long as a multiplication.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Divisor {
    hz: u64,
    /// floor(2^64 / hz). It also turns a remainder into a binary fraction.
    reciprocal: u64,
}

impl Divisor {
    pub(crate) const fn new(hz: u64) -> Divisor {
        Divisor { hz, reciprocal: ((1u128 << 64) / hz as u128) as u64 }
    }

    /// Quotient and remainder.
    ///
    /// `reciprocal` is less than 1 too small, so the product less than `value / 2^64`, which is less than 1, too small: the
    /// estimate is the quotient or one less.
    #[inline(always)]
    const fn divide(self, value: u64) -> (u64, u64) {
        let estimate = ((value as u128 * self.reciprocal as u128) >> 64) as u64;
        let rest = value - estimate * self.hz;
        if rest < self.hz {
            (estimate, rest)
        } else {
            (estimate + 1, rest - self.hz)
        }
    }

    #[cold]
    fn divide_wide(self, value: u128) -> Result<(u64, u64), Error> {
        let hz = u128::from(self.hz);
        let quotient = u64::try_from(value / hz).map_err(|_| out_of_range(i64::MAX, 0))?;
        Ok((quotient, (value % hz) as u64))
    }

    /// remainder / hz, times 2^64, rounded down.
    #[inline(always)]
    pub(crate) const fn fraction(self, remainder: u64) -> u64 {
        // remainder < hz, so the product is below 2^64.
        remainder.wrapping_mul(self.reciprocal)
    }
}

/// A signed difference between two clocks: `sec` may be negative, `nsec` counts up from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shift {
    pub(crate) sec: i64,
    pub(crate) nsec: u32,
}

impl Shift {
    /// Whole seconds more.
    pub(crate) const fn later_by(self, sec: i32) -> Shift {
        Shift { sec: self.sec.wrapping_add(sec as i64), nsec: self.nsec }
    }

    pub(crate) fn from_nanos(nanos: i64) -> Shift {
        let second = i64::from(NSEC_PER_SEC);
        Shift { sec: nanos.div_euclid(second), nsec: nanos.rem_euclid(second) as u32 }
    }

    /// Both have less than 10^9 ns, and so has the sum.
    #[inline(always)]
    pub(crate) const fn plus(self, other: Shift) -> Shift {
        let nsec = self.nsec + other.nsec;
        let carry = nsec >= NSEC_PER_SEC;
        // Times and shifts are checked when they are set: each stays below 2^36 s, so there is nothing to overflow.
        let sec = self.sec.wrapping_add(other.sec).wrapping_add(carry as i64);
        Shift { sec, nsec: if carry { nsec - NSEC_PER_SEC } else { nsec } }
    }

    /// From `earlier` to `later`.
    pub(crate) fn between(earlier: Timespec, later: Timespec) -> Shift {
        let borrow = later.nsec < earlier.nsec;
        let sec = (later.sec as i64).saturating_sub(earlier.sec as i64).saturating_sub(i64::from(borrow));
        let nsec = if borrow { later.nsec + NSEC_PER_SEC - earlier.nsec } else { later.nsec - earlier.nsec };
        Shift { sec, nsec }
    }

    #[inline(always)]
    pub(crate) fn applied(self, time: Timespec) -> Result<Timespec, Error> {
        let sum = self.plus(Shift { sec: time.sec as i64, nsec: time.nsec });
        // Negative seconds are past MAX_SEC as unsigned ones.
        if sum.sec as u64 >= MAX_SEC {
            return Err(out_of_range(sum.sec, sum.nsec));
        }
        Ok(Timespec { sec: sum.sec as u64, nsec: sum.nsec })
    }
}

impl Shift {
    /// [`Shift::applied`], for a coarse time. That can be 1 ns behind the exact one for which the result was checked not to be
    /// before 1970, as hot values can.
    #[inline(always)]
    pub(crate) fn applied_to_coarse(self, time: Timespec) -> Result<Timespec, Error> {
        self.applied(time).or_else(|error| match error {
            Error::Time { sec: -1, .. } => Ok(Timespec { sec: 0, nsec: 0 }),
            error => Err(error),
        })
    }
}

#[cold]
fn out_of_range(sec: i64, nsec: u32) -> Error {
    Error::Time { sec, nsec }
}

#[inline(always)]
pub(crate) fn check_time(sec: i64, nsec: u32) -> Result<Timespec, Error> {
    match u64::try_from(sec) {
        Ok(sec) if sec < MAX_SEC && nsec < NSEC_PER_SEC => Ok(Timespec { sec, nsec }),
        _ => Err(out_of_range(sec, nsec)),
    }
}
