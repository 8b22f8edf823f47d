//! The fast path of [split](crate::page::split) lines.

use super::{read_coarse, unlikely};
use crate::clock::{Timespec, NSEC_PER_SEC};
use crate::control::{Control, HOT_SHIFT};
use crate::counter::Counter;
use crate::memory::{Barrier, PageRead};
use crate::page::{line, split::offset};

/// See [`super::read_fast`].
#[inline(always)]
pub(super) fn read_fast<P: PageRead, C: Counter>(page: &P, counter: &C, index: usize) -> Option<Timespec> {
    let ctl = page.load_u32(line(index, offset::CTL));
    if ctl == Control::split_hot(C::HOT) {
        hot::<true, P, C>(page, counter, index)
    } else if ctl == Control::COARSE.word(P::ENCODING) {
        read_coarse(page, index)
    } else {
        None
    }
}

/// See [`super::read_hot`].
#[inline(always)]
pub(super) fn read_hot<P: PageRead, C: Counter>(page: &P, counter: &C, index: usize) -> Option<Timespec> {
    if page.load_u32(line(index, offset::CTL)) == Control::split_hot(C::HOT) {
        hot::<false, P, C>(page, counter, index)
    } else {
        None
    }
}

/// [`read_hot`], after the first look at the control word. With `ACROSS_WRAP` also when the counter's low half has wrapped
/// since the slot's start: at 2.6 GHz and a tick of 10 ms that is one read in 300.
#[inline(always)]
fn hot<const ACROSS_WRAP: bool, P: PageRead, C: Counter>(page: &P, counter: &C, index: usize) -> Option<Timespec> {
    let now = counter.read_hot();
    let (high, low) = ((now >> 32) as u32, now as u32);

    let seq = page.load_u32(line(index, offset::SEQ));
    page.barrier(Barrier::SeqThenSlot);
    let which = (seq & 1) as usize;
    // Each load is used at once: so the whole path stays in registers that need not be saved.
    if page.load_u32(line(index, offset::CTL)) != Control::split_hot(C::HOT) {
        return None;
    }
    let mut wrapped = 0;
    if page.load_u32(line(index, offset::HI) + 4 * which) != high
        || page.load_u32(line(index, offset::LO) + 4 * which) > low
    {
        unlikely();
        // The slot holds on for 2^32 cycles: until the low half, having wrapped, reaches its start. (Loaded again, as a register
        // more for this seldom case would have to be saved in every call.)
        let wraps = high.wrapping_sub(page.load_u32(line(index, offset::HI) + 4 * which));
        if !ACROSS_WRAP || wraps != 1 || page.load_u32(line(index, offset::LO) + 4 * which) <= low {
            return None;
        }
        wrapped = u64::from(page.load_u32(line(index, offset::MULT) + 4 * which)) << 32;
    }
    let mult = page.load_u32(line(index, offset::MULT) + 4 * which);
    let k = page.load_u64(line(index, offset::K) + 8 * which).wrapping_add(wrapped);
    // The same value as Slot::value_at's hot formula; shift 32 needs no test of the span, as it is below 2^32 cycles.
    let nanos = (u64::from(low).wrapping_mul(u64::from(mult)).wrapping_add(k) >> HOT_SHIFT) as u32;
    let sec = page.load_u64(line(index, offset::SEC) + 8 * which);
    page.barrier(Barrier::SlotThenSeq);
    if page.load_u32(line(index, offset::SEQ)) != seq {
        return None;
    }
    carry(sec, nanos)
}

/// Moves a whole second out of `nanos`. `None` if there is more than one, which the slow path divides: then the last publish
/// was more than a second ago.
#[inline(always)]
fn carry(sec: u64, nanos: u32) -> Option<Timespec> {
    if nanos < NSEC_PER_SEC {
        return Some(Timespec { sec, nsec: nanos });
    }
    let nsec = nanos - NSEC_PER_SEC;
    (nsec < NSEC_PER_SEC).then_some(Timespec { sec: sec.wrapping_add(1), nsec })
}
