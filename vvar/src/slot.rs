//! One slot of a line: the arithmetic that turns a counter value into a time, once for the reader, the kernel and the
//! timekeeper.
//!
//! Two formulas give the value of a slot. The **hot** one takes `mult` alone, which is rounded down: it is at most 1 ns
//! behind, for 2^shift cycles. The **exact** one takes the extension too and serves the rest. As hot <= exact, and as the
//! choice depends only on the slot and the counter value (`is_hot_at`), going from hot to exact goes forward,
//! whichever path of the reader, or the timekeeper, computes it.

use crate::clock::{Clock, Timespec, NSEC_PER_SEC};
use crate::control::{Control, HOT_SHIFT};
use crate::memory::{PageRead, PageWrite};
use crate::page::{extension, line, line_offset, split::offset as split, wide::offset as wide, Encoding};
use crate::rate::Rate;

/// The part of `mult` that the hot formula takes.
const HOT_MULT: u64 = 0xffff_ffff_0000_0000;

/// A slot's content. It is meaningful together with the line's [`Control`].
///
/// The fields are public and unchecked, as are those of [`Control`] and [`Rate`]. Slots of a page, and those of a
/// [`Timekeeper`](crate::Timekeeper), are within the ranges that the methods name; who fills in the fields sees to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The counter's value that the slot counts from; 0 for a coarse clock.
    pub start: u64,
    /// Nanoseconds a cycle, times 2^(shift + 32), rounded down; 0 for a coarse clock.
    pub mult: u64,
    /// Whole seconds at the start.
    pub sec: u64,
    /// The rest of a second at the start in ns, times 2^shift, with fraction: below 10^9 * 2^shift.
    pub base: u64,
}

impl Slot {
    /// A fine clock that shows `sec` and `nsec + fraction / 2^64` at `start`.
    ///
    /// `nsec` is below 10^9 and `rate.shift` at most [`HOT_SHIFT`]: else `base` lacks its upper bits.
    ///
    /// # Panics
    ///
    /// With overflow checks, for a `rate.shift` above 63. Without them the slot is a wrong one.
    #[must_use]
    #[inline(always)]
    pub const fn fine(start: u64, rate: Rate, sec: u64, nsec: u32, fraction: u64) -> Slot {
        // In two steps, as a shift of 0 would ask for a shift by 64.
        let fraction = fraction >> 1 >> (63 - rate.shift);
        Slot { start, mult: rate.mult, sec, base: (nsec as u64) << rate.shift | fraction }
    }

    /// A coarse clock.
    #[must_use]
    #[inline(always)]
    pub const fn coarse(time: Timespec) -> Slot {
        Slot { start: 0, mult: 0, sec: time.sec, base: time.nsec as u64 }
    }

    #[inline(always)]
    const fn hot_mult(self) -> u32 {
        (self.mult >> 32) as u32
    }

    /// A split line's `k`: with it the hot path needs no subtraction of the start.
    #[inline(always)]
    const fn k(self) -> u64 {
        self.base.wrapping_sub((self.start as u32 as u64).wrapping_mul(self.hot_mult() as u64))
    }

    /// Whether the hot formula gives the value `delta` cycles after the start.
    #[inline(always)]
    const fn is_hot_at(delta: u64, shift: u32) -> bool {
        delta >> shift == 0
    }

    /// The time at `counter`, or `None` if the counter stands before the start by more than `max_skew` cycles: it was reset,
    /// or the kernel was wrong about the skew.
    ///
    /// A smaller step back is the difference between two CPUs' counters: the slot's start answers it, the time that every
    /// reader of this slot is given at the earliest.
    ///
    /// Bits of `counter` above the counter's width are ignored. A coarse clock's slot shows the same time for every `counter`
    /// below 2^63. For a shift above [`HOT_SHIFT`], which no writer uses, the time is a wrong one.
    ///
    /// # Panics
    ///
    /// With overflow checks, unless `control.bits` is 1 to 64 and `control.shift` 0 to 63, as [`Control::decode`] gives them.
    /// Without the checks the time is a wrong one.
    #[must_use]
    #[inline]
    pub fn value_at(self, counter: u64, control: Control, max_skew: u64) -> Option<Timespec> {
        self.value_within(counter, control, || max_skew)
    }

    /// [`Slot::value_at`], where `max_skew` is only asked for when the counter stands before the start.
    #[inline(always)]
    pub(crate) fn value_within(
        self,
        counter: u64,
        control: Control,
        max_skew: impl FnOnce() -> u64,
    ) -> Option<Timespec> {
        // Sign-extended from the counter's width: a counter that has wrapped since the start is ahead of it all the same.
        let unused = 64 - control.bits;
        let delta = (counter.wrapping_sub(self.start) << unused) as i64 >> unused;
        let delta = match u64::try_from(delta) {
            Ok(delta) => delta,
            Err(_) if delta.unsigned_abs() <= max_skew() => 0,
            Err(_) => return None,
        };
        Some(self.value_after(delta, control))
    }

    /// The time `delta` cycles after the start.
    #[inline(always)]
    pub(crate) fn value_after(self, delta: u64, control: Control) -> Timespec {
        // The hot formula is the exact one without the extension.
        let mult = if Slot::is_hot_at(delta, control.shift) { self.mult & HOT_MULT } else { self.mult };
        // delta < 2^63, mult < 2^64 and base < 2^62: below 2^128.
        let product = u128::from(delta) * u128::from(mult) + (u128::from(self.base) << 32);
        // product >> (shift + 32), where shift is at most 32 and 2^64 ns are 584 years: cheaper than a shift of 128 bits.
        let (high, low) = ((product >> 64) as u64, product as u64);
        let nanos = high << (HOT_SHIFT.wrapping_sub(control.shift) & 63) | low >> 32 >> control.shift;
        let rest = Timespec::from_nanos(nanos);
        Timespec { sec: self.sec.wrapping_add(rest.sec), nsec: rest.nsec }
    }

    /// The first counter value, as cycles after the start, at which [`Slot::value_at`] is `target` or later; `None` if
    /// that is past half the counter's range.
    ///
    /// `control.shift` is at most [`HOT_SHIFT`], `control.bits` 1 to 64, and `base` as its field says: [`Control::decode`] alone
    /// does not promise the first, nor a page that others write the last.
    ///
    /// # Panics
    ///
    /// With overflow checks, where one of these is not so. Without them the result is a wrong one.
    #[must_use]
    pub fn delta_of(self, target: Timespec, control: Control) -> Option<u64> {
        let start = Timespec { sec: self.sec, nsec: (self.base >> control.shift) as u32 };
        if target <= start {
            return Some(0);
        }
        // At least 1 ns and less than 2^64 s of 10^9 ns: below 2^94, so below 2^126 when shifted by at most 32.
        let nanos = u128::from(target.sec - self.sec) * u128::from(NSEC_PER_SEC) + u128::from(target.nsec);
        let ahead = (nanos << control.shift) - u128::from(self.base);
        let by_hot = ahead.div_ceil(u128::from(self.hot_mult()).max(1));
        // See `is_hot_at`.
        let hot_end = 1u128 << control.shift;
        let delta = if by_hot < hot_end { by_hot } else { self.exact_delta_of(ahead)?.max(hot_end) };
        (delta <= u128::from(control.mask() >> 1)).then_some(delta as u64)
    }

    fn exact_delta_of(self, ahead: u128) -> Option<u128> {
        (ahead < 1 << 96).then_some((ahead << 32).div_ceil(u128::from(self.mult).max(1)))
    }

    /// Reads slot `which` of a line.
    #[inline(always)]
    pub(crate) fn load<P: PageRead>(page: &P, index: usize, which: usize) -> Slot {
        let whole_mult = |hot_mult| u64::from(hot_mult) << 32 | u64::from(page.load_u32(extension(index, which)));
        let nanos = || page.load_u64(line(index, line_offset::NANOS) + 8 * which);
        let sec = || page.load_u64(line(index, line_offset::SEC) + 8 * which);
        match P::ENCODING {
            Encoding::Split => {
                let start = u64::from(page.load_u32(line(index, split::HI) + 4 * which)) << 32
                    | u64::from(page.load_u32(line(index, split::LO) + 4 * which));
                let hot_mult = page.load_u32(line(index, split::MULT) + 4 * which);
                let mult = whole_mult(hot_mult);
                let base = nanos().wrapping_add((start & 0xffff_ffff).wrapping_mul(u64::from(hot_mult)));
                Slot { start, mult, sec: sec(), base }
            }
            Encoding::Wide => {
                let start = page.load_u64(line(index, wide::CYC) + 8 * which);
                let mult = whole_mult(page.load_u32(line(index, wide::MULT) + 4 * which));
                Slot { start, mult, base: nanos(), sec: sec() }
            }
        }
    }

    /// Writes slot `which` of the clock's line. A coarse clock's start and `mult` are 0 from the beginning.
    #[inline(always)]
    pub(crate) fn store<P: PageWrite>(self, page: &P, clock: Clock, which: usize) {
        let index = clock.id();
        if !clock.is_coarse() {
            match P::ENCODING {
                Encoding::Split => {
                    page.store_u32(line(index, split::HI) + 4 * which, (self.start >> 32) as u32);
                    page.store_u32(line(index, split::LO) + 4 * which, self.start as u32);
                    page.store_u32(line(index, split::MULT) + 4 * which, self.hot_mult());
                }
                Encoding::Wide => {
                    page.store_u64(line(index, wide::CYC) + 8 * which, self.start);
                    page.store_u32(line(index, wide::MULT) + 4 * which, self.hot_mult());
                }
            }
            page.store_u32(extension(index, which), self.mult as u32);
        }
        let nanos = match P::ENCODING {
            Encoding::Split => self.k(),
            Encoding::Wide => self.base,
        };
        page.store_u64(line(index, line_offset::NANOS) + 8 * which, nanos);
        page.store_u64(line(index, line_offset::SEC) + 8 * which, self.sec);
    }
}
