//! From a frequency to `mult` and `shift`.

use crate::clock::NSEC_PER_SEC;
use crate::control::HOT_SHIFT;
use crate::error::Error;

/// The slowest counter in Hz.
pub const MIN_FREQUENCY: u64 = 1_000_000;
/// The fastest counter in Hz.
pub const MAX_FREQUENCY: u64 = 10_000_000_000;
/// The largest slew either way, in parts per billion: 500 ppm, as in `adjtimex(2)`. It bounds by how much one publish can
/// change a rate, and so how far a reader that has not seen the publish yet can be ahead of one that has.
pub const MAX_SLEW_PPB: i32 = 500_000;

/// How fast a clock runs against its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Where the point stands in the upper half of `mult`.
    pub shift: u32,
    /// Nanoseconds a cycle, times 2^(shift + 32), rounded down. The upper half is the line's `mult`, the lower half its
    /// extension.
    pub mult: u64,
}

impl Rate {
    /// For a counter of `hz`, slewed by `ppb`.
    ///
    /// `hz` and `ppb` were checked by [`check_frequency`] and [`check_slew`].
    pub(crate) fn new(hz: u64, ppb: i32) -> Rate {
        let shift = shift_for(hz);
        let mult = (u128::from(nanos_per_second(ppb)) << (shift + 32)) / u128::from(hz);
        Rate { shift, mult: mult as u64 }
    }
}

/// How many nanoseconds a slewed clock counts in a second of its counter.
pub(crate) const fn nanos_per_second(ppb: i32) -> u64 {
    (NSEC_PER_SEC as i64 + ppb as i64) as u64
}

/// The largest shift, up to [`HOT_SHIFT`], at which at every slew `mult` stays below 2^32 and neither the product with a
/// 32-bit count nor its sum with a second can reach 2^64: where they could, the hot path would wrap without a sign.
///
/// It depends on the frequency alone, so that a slew never changes the control word.
fn shift_for(hz: u64) -> u32 {
    let fits = |shift: u32| {
        let mult = (u128::from(nanos_per_second(MAX_SLEW_PPB)) << shift) / u128::from(hz);
        let largest = (u128::from(NSEC_PER_SEC) << shift) + ((mult + 1) << 32);
        mult < 1 << 32 && largest <= 1 << 64
    };
    let mut shift = HOT_SHIFT;
    while shift > 0 && !fits(shift) {
        shift -= 1;
    }
    shift
}

pub(crate) const fn check_frequency(hz: u64) -> Result<(), Error> {
    if hz < MIN_FREQUENCY || hz > MAX_FREQUENCY {
        return Err(Error::Frequency { hz });
    }
    Ok(())
}

pub(crate) const fn check_slew(ppb: i32) -> Result<(), Error> {
    if ppb < -MAX_SLEW_PPB || ppb > MAX_SLEW_PPB {
        return Err(Error::Slew { ppb });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_of_real_counters() {
        let table = [
            (1_000_000, 22),
            (10_000_000, 25),
            (24_000_000, 26),
            (54_000_000, 27),
            (62_500_000, 27),
            (806_000_000, 31),
            (1_000_000_000, 31),
            (1_303_000_000, 31),
            (1_305_000_000, 32),
            (2_596_000_000, 32),
            (3_740_000_000, 32),
            (10_000_000_000, 32),
        ];
        for (hz, shift) in table {
            assert_eq!(shift_for(hz), shift, "{hz} Hz");
        }
    }

    #[test]
    fn hot_sum_never_wraps() {
        for hz in [MIN_FREQUENCY, 999_999_999, 1_303_000_000, 1_304_000_000, 1_305_000_000, MAX_FREQUENCY] {
            for ppb in [-MAX_SLEW_PPB, 0, MAX_SLEW_PPB] {
                let rate = Rate::new(hz, ppb);
                let base = (1_000_000_000u128 << rate.shift) - 1;
                let sum = base + u128::from(u32::MAX) * u128::from(rate.mult >> 32);
                assert!(sum < 1 << 64, "{hz} Hz, {ppb} ppb");
            }
        }
    }
}
