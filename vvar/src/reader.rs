//! The reader: one implementation, used by the image in user mode, by the kernel's own system call, and by the models.
//!
//! ```text
//! fast, split lines                fast, wide lines              slow, at most TRIES times
//!   control word == the constant?    load seq                      load seq
//!   read the counter                             -- SeqThenSlot                  -- SeqThenSlot
//!   load seq                         load the control word         load the control word
//!               -- SeqThenSlot       all but its shift             read the counter that it names
//!   load the control word              == the constant?            load the slot `seq & 1`
//!   load the slot `seq & 1`          read the counter                            -- SlotThenSeq
//!               -- SlotThenSeq       load the slot `seq & 1`       load seq
//!   load seq                                     -- SlotThenSeq    seq unchanged?
//!   seq and control word as          load seq                      then the slot's value
//!     before, the slot holds         seq unchanged, the slot         at the counter
//!     at the counter's value?          holds at the value?
//! ```
//!
//! **No wait.** The slow path ends after [`TRIES`] turns whatever the writer does; then the caller makes the system call. A
//! writer that stops anywhere, even for ever, leaves every line with a complete slot under its `seq`, so readers go on.
//!
//! **Why the control word is looked at before the counter is read.** Not every processor has the instruction: RDTSCP is an
//! invalid opcode on some that kernels still run on, and CNTVCTSS_EL0 is undefined without FEAT_ECV.
//!
//! **Why it is looked at after `seq`.** A publish that changes the counter switches the line off before it moves `seq`: who
//! sees the new `seq` must see that. Split lines, which have the counter read first, are therefore looked at twice.
//!
//! **Why the fast path of split lines may read the counter before `seq`.** The value is believed only with a slot whose start
//! it has reached. If the slot is newer than the counter value, `high < hi`, or `high == hi` and `low < lo`, shows it (after a
//! wrap of the low half, which the path allows for, it is `high == hi + 1`); if the slot is older, it is the one that
//! served until a moment ago, and it still tells the right time, to within the change of rate since. That holds for
//! counters that never wrap or go back. The slow path, which serves narrower counters, reads `seq` first: a reader that is
//! stopped between the two would otherwise hold a value from before a wrap against a slot from after it.
//!
//! **Why the counter is read in order.** A time stamp that another thread made, and that this one has seen, must not be ahead
//! of what this one reads next: so the counter is read after the loads that come before the call. RDTSCP and RISC-V's
//! `fence r, i` wait for all of them. Arm's ISB waits for no load, but lets nothing behind it begin before a branch ahead of it
//! is decided (Arm ARM DDI 0487, chapter D12, Example D12-4: load, dependent branch, ISB, counter, dependent load). The branch
//! here is the one on the control word. It is decided when that word is loaded, and [`Barrier::SeqThenSlot`], a DMB ISHLD, lets
//! that load begin only when all loads before it are done, `seq` and the caller's included. So no branch on a value of the
//! caller's is needed, nor does the order depend on how the caller came by the stamp.
//!
//! **Why loads may run before an ordered counter read that precedes them.** RDTSCP waits for earlier loads and does not
//! hold back later ones, so a slot can be older than the counter value by what the processor reorders, a fraction of a
//! microsecond. That is again the slot that served until a moment ago; the bound counts it as delay. Arm's and RISC-V's
//! manuals set no such limit, and it costs little not to need one: the slot is loaded after the counter is read, from an
//! address that depends on the value ([`Reading::zero`](crate::counter::Reading::zero)) or behind `fence i, r`, and the second
//! `seq` after the slot. So a counter value is believed only if no publish has ended between the first `seq` and it.
//!
//! **The bound.** Let a and b be two readings of one clock, on any CPUs, where b starts after a has ended. Then `b >= a`,
//! except that a reader which has not yet seen a publish can be ahead of one that has, by at most
//! `1 ns + delay * change of rate`. The delay runs from the publish's anchor to when its stores are seen: at most
//! [`LATE_NANOS`](crate::writer::LATE_NANOS) plus the time that a store takes to become visible, unless the publish was
//! counted late; and as it is the counter that is asked, up to two of its ticks more. The change of rate is at most twice
//! [`MAX_SLEW_PPB`](crate::rate::MAX_SLEW_PPB), 0.1 %. So a step back is 2 ns at worst, and none while the rate stays: 1 ns
//! then, if the publish is the first for 2^shift cycles (a second and more), behind which the slot before was exact. Only
//! with a counter of less than 2.5 MHz the ticks count: 4 ns at 1 MHz, the lowest frequency that there may be. A skew that the
//! kernel admits between the CPUs' counters adds to it.

use crate::arch::CounterKind;
use crate::clock::{Clock, Timespec};
use crate::control::Control;
use crate::counter::{Counter, Reading};
use crate::error::Error;
use crate::memory::{Barrier, PageRead};
use crate::page::{self, line, line_offset, offset, Encoding};
use crate::slot::Slot;
use core::sync::atomic::{compiler_fence, Ordering};

mod split;
mod wide;

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
    let expected = P::ENCODING.layout();
    if memory.load_u32(offset::MAGIC) == page::MAGIC && abi == page::ABI && layout == expected {
        Ok(())
    } else {
        Err(Error::ForeignPage { abi, layout, expected })
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
    match P::ENCODING {
        Encoding::Split => split::read_fast(page, counter, index),
        Encoding::Wide => wide::read::<true, P, C>(page, counter, index),
    }
}

/// The fast path of a fine clock: the line counts by a counter that this machine reads fastest ([`Counter::HOT`], 64 bits
/// wide), no publish is in the way, and the slot is hot. `None`: ask [`read_slow`]. For a split line the shift has to be
/// [`HOT_SHIFT`](crate::control::HOT_SHIFT), and the answer is `None` also after a wrap of the counter's low half, until the
/// next publish, which [`read_fast`] allows for and which would make this path longer.
///
/// `index` is below [`page::LINES`].
#[inline(always)]
pub fn read_hot<P: PageRead, C: Counter>(page: &P, counter: &C, index: usize) -> Option<Timespec> {
    match P::ENCODING {
        Encoding::Split => split::read_hot(page, counter, index),
        Encoding::Wide => wide::read::<false, P, C>(page, counter, index),
    }
}

/// The fast path of a coarse clock. `None`: ask [`read_slow`].
///
/// `index` is below [`page::LINES`].
#[inline(always)]
pub fn read_coarse<P: PageRead>(page: &P, index: usize) -> Option<Timespec> {
    coarse(page, index, |which| {
        // By a branch, which the processor predicts: the address of a slot by its number would have to wait for `seq`.
        if which == 0 {
            coarse_slot(page, index, 0)
        } else {
            unlikely();
            let time = coarse_slot(page, index, 1);
            // No instruction. It keeps the compiler from making one pair of loads, at a computed address, out of two.
            compiler_fence(Ordering::Acquire);
            time
        }
    })
}

/// Slot `which` of a coarse clock.
#[inline(always)]
fn coarse_slot<P: PageRead>(page: &P, index: usize, which: usize) -> Timespec {
    Timespec {
        nsec: page.load_u64(line(index, line_offset::NANOS) + 8 * which) as u32,
        sec: page.load_u64(line(index, line_offset::SEC) + 8 * which),
    }
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
    ((again ^ seq) | (ctl ^ Control::COARSE.word(P::ENCODING)) == 0).then_some(loaded)
}

/// Tells the compiler that what follows is seldom reached.
#[cold]
#[inline(always)]
fn unlikely() {}

/// The slow path: any counter, width and shift, any time since the last publish, and another look when a publish was in the
/// way. `None`: the page cannot answer.
///
/// `index` is below [`page::LINES`].
#[inline]
pub fn read_slow<P: PageRead, C: Counter>(page: &P, counter: &C, index: usize) -> Option<Timespec> {
    for _ in 0..TRIES {
        let seq = page.load_u32(line(index, line_offset::SEQ));
        page.barrier(Barrier::SeqThenSlot);
        let control = Control::decode(page.load_u32(line(index, line_offset::CTL)), P::ENCODING)?;
        let now =
            if control.kind == CounterKind::Coarse { Reading::NONE } else { counter.read_between(control.kind)? };
        let slot = Slot::load(page, index + now.zero, (seq & 1) as usize);
        page.barrier(Barrier::SlotThenSeq);
        if page.load_u32(line(index, line_offset::SEQ)) == seq {
            return slot.value_within(now.value, control, || page.load_u64(offset::MAX_SKEW));
        }
    }
    None
}
