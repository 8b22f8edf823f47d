//! The fast path of [wide](crate::page::wide) lines.

use super::coarse_slot;
use crate::arch::CounterKind;
use crate::clock::{Timespec, NSEC_PER_SEC};
use crate::control::Control;
use crate::counter::Counter;
use crate::memory::{Barrier, PageRead};
use crate::page::{line, wide::offset};

/// See [`super::read_hot`] and, with `COARSE`, [`super::read_fast`].
#[inline(always)]
pub(super) fn read<const COARSE: bool, P: PageRead, C: Counter>(
    page: &P,
    counter: &C,
    index: usize,
) -> Option<Timespec> {
    let seq = page.load_u32(line(index, offset::SEQ));
    page.barrier(Barrier::SeqThenSlot);
    let ctl = page.load_u32(line(index, offset::CTL));
    let slot = (seq & 1) as usize;
    // Either way the counter is read behind a branch on the control word: `super` says why.
    let (shift, now) = if let Some(shift) = Control::wide_hot(ctl, C::HOT) {
        (shift, counter.read_between(C::HOT)?)
    } else if let Some((kind, shift)) = hot_too::<C>(ctl) {
        (shift, counter.read_between(kind)?)
    } else if COARSE && ctl == Control::COARSE.word(P::ENCODING) {
        return unless_moved(page, index, seq, coarse_slot(page, index, slot));
    } else {
        return None;
    };
    let which = slot + now.zero;
    let delta = now.value.wrapping_sub(page.load_u64(line(index, offset::CYC) + 8 * which));
    // Not below 2^shift: past the time for which the hot formula is good to 1 ns, or before the start.
    if delta >> shift != 0 {
        return None;
    }
    // The same value as Slot::value_after's hot formula.
    let mult = page.load_u32(line(index, offset::MULT) + 4 * which);
    let base = page.load_u64(line(index, offset::BASE) + 8 * which);
    let nanos = delta.wrapping_mul(u64::from(mult)).wrapping_add(base) >> shift;
    let sec = page.load_u64(line(index, offset::SEC) + 8 * which);
    let (sec, nanos) = unless_moved(page, index, seq, (sec, nanos))?;
    carry(sec, nanos)
}

#[inline(always)]
fn hot_too<C: Counter>(ctl: u32) -> Option<(CounterKind, u32)> {
    let kind = C::HOT_TOO?;
    Some((kind, Control::wide_hot(ctl, kind)?))
}

/// `loaded` from the slot that `seq` names, if no publish has ended since.
#[inline(always)]
fn unless_moved<P: PageRead, T>(page: &P, index: usize, seq: u32, loaded: T) -> Option<T> {
    page.barrier(Barrier::SlotThenSeq);
    (page.load_u32(line(index, offset::SEQ)) == seq).then_some(loaded)
}

/// Moves a whole second out of `nanos`, which are up to 2^32 and a second. `None` if there is more than one, which the slow path
/// divides: then the last publish was more than a second ago.
#[inline(always)]
fn carry(sec: u64, nanos: u64) -> Option<Timespec> {
    const SECOND: u64 = NSEC_PER_SEC as u64;
    if nanos < SECOND {
        return Some(Timespec { sec, nsec: nanos as u32 });
    }
    let nsec = nanos - SECOND;
    (nsec < SECOND).then_some(Timespec { sec: sec.wrapping_add(1), nsec: nsec as u32 })
}
