//! The reader: one implementation, used by the image in user mode, by the kernel's own system call, and by the models.
//!
//! ```text
//! fast                                           slow, at most TRIES times
//!   control word == the one constant?              load seq
//!   read the counter                                                   -- SeqThenSlot
//!   load seq                                       load the control word
//!                        -- SeqThenSlot            read the counter that it names
//!   load control word, slot `seq & 1`              load the slot `seq & 1`
//!                        -- SlotThenSeq                                -- SlotThenSeq
//!   load seq                                       load seq
//!   seq and control word unchanged, the            seq unchanged?
//!   slot holds for the counter value?              then the slot's value at the counter
//! ```
//!
//! **No wait.** The slow path ends after [`TRIES`] turns whatever the writer does; then the caller makes the system call. A
//! writer that stops anywhere, even for ever, leaves every line with a complete slot under its `seq`, so readers go on.
//!
//! **Why the control word is looked at twice.** Once before the counter is read, as not every processor has the
//! instruction (RDTSCP is an invalid opcode on some that kernels still run on), and once after `seq`, as a publish that
//! changes the counter switches the line off before it moves `seq`: who sees the new `seq` must see that.
//!
//! **Why the fast path may read the counter before `seq`.** The value is believed only with a slot whose start it has
//! reached. If the slot is newer than the counter value, `high < hi`, or `high == hi` and `low < lo`, shows it (after a wrap
//! of the low half, which the path allows for, it is `high == hi + 1`); if the slot is older, it is the one that
//! served until a moment ago, and it still tells the right time, to within the change of rate since. That holds for
//! counters that never wrap or go back. The slow path, which serves narrower counters, reads `seq` first: a reader that is
//! stopped between the two would otherwise hold a value from before a wrap against a slot from after it.
//!
//! **Why loads may run before an ordered counter read that precedes them.** RDTSCP waits for earlier loads and does not
//! hold back later ones, so a slot can be older than the counter value by what the processor reorders, a fraction of a
//! microsecond. That is again the slot that served until a moment ago; the bound counts it as delay.
//!
//! **The bound.** Let a and b be two readings of one clock, on any CPUs, where b starts after a has ended. Then `b >= a`,
//! except that a reader which has not yet seen a publish can be ahead of one that has, by at most
//! `1 ns + delay * change of rate`. The delay runs from the publish's anchor to when its stores are seen: at most
//! [`LATE_NANOS`](crate::writer::LATE_NANOS) plus the time that a store takes to become visible, unless the publish was
//! counted late. The change of rate is at most twice [`MAX_SLEW_PPB`](crate::rate::MAX_SLEW_PPB), 0.1 %. So a step back is
//! 2 ns at worst, and none while the rate stays. A skew that the kernel admits between the CPUs' counters adds to it.

use crate::clock::{Clock, Timespec, NSEC_PER_SEC};
use crate::control::{Control, CounterKind, HOT_SHIFT};
use crate::counter::Counter;
use crate::error::Error;
use crate::memory::{Barrier, PageRead};
use crate::page::{self, line, line_offset, offset};
use crate::slot::Slot;

/// How often the slow path looks at a line before it gives up. A turn fails only if a publish ends within it.
pub const TRIES: usize = 4;

/// The page cannot answer: make the system call (in user mode), or compute the time with
/// [`Timekeeper::now`](crate::Timekeeper::now) under the kernel's lock (in the kernel).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

impl core::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the page does not hold this clock now: ask the kernel")
    }
}

/// Checks that the memory holds a page of this layout.
///
/// # Errors
///
/// [`Error::ForeignPage`] with what it holds instead.
pub fn identify<P: PageRead>(memory: &P) -> Result<(), Error> {
    let (abi, layout) = (memory.load_u32(offset::ABI), memory.load_u64(offset::LAYOUT));
    if memory.load_u32(offset::MAGIC) == page::MAGIC && abi == page::ABI && layout == page::LAYOUT {
        Ok(())
    } else {
        Err(Error::ForeignPage { abi, layout })
    }
}

/// The clock's time, as the image gives it to a program.
///
/// A kernel's system call path calls this on the page that it publishes, so that it returns what the vDSO returns.
///
/// # Errors
///
/// [`Unavailable`] when the image would make the system call.
#[inline]
pub fn read<P: PageRead, C: Counter>(page: &P, counter: &C, clock: Clock) -> Result<Timespec, Unavailable> {
    match read_fast(page, counter, clock.id()) {
        Some(time) => Ok(time),
        None => read_slow(page, counter, clock.id()).ok_or(Unavailable),
    }
}

/// The fast path of any clock: [`read_hot`] or [`read_coarse`], as the line's control word has it.
///
/// `index` is below [`page::LINES`].
#[inline(always)]
pub fn read_fast<P: PageRead, C: Counter>(page: &P, counter: &C, index: usize) -> Option<Timespec> {
    let ctl = page.load_u32(line(index, line_offset::CTL));
    if ctl == Control::hot(C::HOT) {
        hot::<true, P, C>(page, counter, index)
    } else if ctl == Control::COARSE.word() {
        read_coarse(page, index)
    } else {
        None
    }
}

/// The fast path of a fine clock: the line counts by the counter that this machine reads fastest ([`Counter::HOT`], 64 bits
/// wide, shift [`HOT_SHIFT`]), no publish is in the way, and the slot is hot. `None`: ask [`read_slow`]; also after a wrap of
/// the counter's low half, until the next publish, which [`read_fast`] allows for and which would make this path longer.
///
/// `index` is below [`page::LINES`].
#[inline(always)]
pub fn read_hot<P: PageRead, C: Counter>(page: &P, counter: &C, index: usize) -> Option<Timespec> {
    if page.load_u32(line(index, line_offset::CTL)) == Control::hot(C::HOT) {
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

    let seq = page.load_u32(line(index, line_offset::SEQ));
    page.barrier(Barrier::SeqThenSlot);
    let which = (seq & 1) as usize;
    // Each load is used at once: so the whole path stays in registers that need not be saved.
    if page.load_u32(line(index, line_offset::CTL)) != Control::hot(C::HOT) {
        return None;
    }
    let mut wrapped = 0;
    if page.load_u32(line(index, line_offset::HI) + 4 * which) != high
        || page.load_u32(line(index, line_offset::LO) + 4 * which) > low
    {
        unlikely();
        // The slot holds on for 2^32 cycles: until the low half, having wrapped, reaches its start. (Loaded again, as a register
        // more for this seldom case would have to be saved in every call.)
        let wraps = high.wrapping_sub(page.load_u32(line(index, line_offset::HI) + 4 * which));
        if !ACROSS_WRAP || wraps != 1 || page.load_u32(line(index, line_offset::LO) + 4 * which) <= low {
            return None;
        }
        wrapped = u64::from(page.load_u32(line(index, line_offset::MULT) + 4 * which)) << 32;
    }
    let mult = page.load_u32(line(index, line_offset::MULT) + 4 * which);
    let k = page.load_u64(line(index, line_offset::K) + 8 * which).wrapping_add(wrapped);
    // The same value as Slot::value_at's hot formula; shift 32 needs no test of the span, as it is below 2^32 cycles.
    let nanos = (u64::from(low).wrapping_mul(u64::from(mult)).wrapping_add(k) >> HOT_SHIFT) as u32;
    let sec = page.load_u64(line(index, line_offset::SEC) + 8 * which);
    page.barrier(Barrier::SlotThenSeq);
    if page.load_u32(line(index, line_offset::SEQ)) != seq {
        return None;
    }
    carry(sec, nanos)
}

/// Tells the compiler that what follows is seldom reached.
#[cold]
#[inline(always)]
fn unlikely() {}

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

/// The fast path of a coarse clock. `None`: ask [`read_slow`].
///
/// `index` is below [`page::LINES`].
#[inline(always)]
pub fn read_coarse<P: PageRead>(page: &P, index: usize) -> Option<Timespec> {
    coarse(page, index, |which| Timespec {
        nsec: page.load_u64(line(index, line_offset::K) + 8 * which) as u32,
        sec: page.load_u64(line(index, line_offset::SEC) + 8 * which),
    })
}

/// The whole seconds of [`read_coarse`], for `time(2)`: a load less.
///
/// `index` is below [`page::LINES`].
#[inline(always)]
pub fn read_coarse_seconds<P: PageRead>(page: &P, index: usize) -> Option<u64> {
    coarse(page, index, |which| page.load_u64(line(index, line_offset::SEC) + 8 * which))
}

/// What `load` loads from the slot in use.
#[inline(always)]
fn coarse<P: PageRead, T>(page: &P, index: usize, load: impl FnOnce(usize) -> T) -> Option<T> {
    let seq = page.load_u32(line(index, line_offset::SEQ));
    page.barrier(Barrier::SeqThenSlot);
    let ctl = page.load_u32(line(index, line_offset::CTL));
    let loaded = load((seq & 1) as usize);
    page.barrier(Barrier::SlotThenSeq);
    let again = page.load_u32(line(index, line_offset::SEQ));
    ((again ^ seq) | (ctl ^ Control::COARSE.word()) == 0).then_some(loaded)
}

/// The slow path: any counter, width and shift, any time since the last publish, and another look when a publish was in the
/// way. `None`: the page cannot answer.
///
/// `index` is below [`page::LINES`].
#[inline]
pub fn read_slow<P: PageRead, C: Counter>(page: &P, counter: &C, index: usize) -> Option<Timespec> {
    for _ in 0..TRIES {
        let seq = page.load_u32(line(index, line_offset::SEQ));
        page.barrier(Barrier::SeqThenSlot);
        let control = Control::decode(page.load_u32(line(index, line_offset::CTL)))?;
        let now = if control.kind == CounterKind::Coarse { 0 } else { counter.read(control.kind)? };
        let slot = Slot::load(page, index, (seq & 1) as usize);
        let max_skew = page.load_u64(offset::MAX_SKEW);
        page.barrier(Barrier::SlotThenSeq);
        if page.load_u32(line(index, line_offset::SEQ)) == seq {
            return slot.value_at(now, control, max_skew);
        }
    }
    None
}
