//! Reading a counter, in order.

use crate::arch::CounterKind;
use crate::error::Error;
use core::sync::atomic::{AtomicU64, Ordering};

/// A machine's counters, as the reader needs them.
///
/// **Every read is ordered**: it takes place after the loads that precede it in program order are done. An unordered read
/// can be early, and then a time stamp that one thread passes to another is ahead of what the other reads next.
pub trait Counter {
    /// The counter that the hot path reads.
    const HOT: CounterKind;

    /// A second one that the hot path of [wide](crate::page::wide) lines reads, where machines of one architecture have either.
    const HOT_TOO: Option<CounterKind> = None;

    /// Reads [`Counter::HOT`]. Only called when the page's control word names it.
    fn read_hot(&self) -> u64;

    /// Reads the counter of that kind: a value within its width. `None` for a counter that this machine does not have.
    fn read(&self, kind: CounterKind) -> Option<u64>;

    /// As [`Counter::read`], for a reader of the page: it has branched on the control word that names this counter, and that
    /// word was loaded after whatever the counter is to be read after; it then loads the slot at addresses that depend on
    /// [`Reading::zero`]. Some architectures order a counter only so, or cheaper so.
    #[inline(always)]
    fn read_between(&self, kind: CounterKind) -> Option<Reading> {
        self.read(kind).map(|value| Reading { value, zero: 0 })
    }
}

/// A counter's value, and what loads that have to come after it depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The value.
    pub value: u64,
    /// 0, which neither the compiler nor the processor knows before the counter is read; to be added to an address. Plain 0
    /// where later loads need no such tie.
    pub zero: usize,
}

impl Reading {
    /// Of no counter: what a coarse clock counts by.
    pub(crate) const NONE: Reading = Reading { value: 0, zero: 0 };
}

/// Finds out by how much the counters of several CPUs disagree.
///
/// Every CPU under test calls [`WarpTest::observe`] in a loop, for some milliseconds, at the same time as the others.
/// [`WarpTest::max_warp`] then is the largest step back that one of them saw behind another: what goes into
/// [`Synchronisation::Checked`](crate::timekeeper::Synchronisation::Checked). 0 after many observations speaks for
/// synchronised counters.
///
/// A counter of fewer than 64 bits wraps, and takes a test of its width ([`WarpTest::of_width`]).
#[derive(Debug, Default)]
pub struct WarpTest {
    /// The latest value of any CPU. Of a counter that wraps, a number of 64 bits that does not: the value in its lower bits,
    /// and above them how often it has wrapped, from somewhere. [`NOTHING`] before the first one.
    latest: AtomicU64,
    warp: AtomicU64,
    /// Bits above the counter's width.
    unused: u32,
}

/// No value was seen yet.
const NOTHING: u64 = 0;

impl WarpTest {
    /// A test of a 64-bit counter that has seen nothing. That one is taken never to wrap.
    #[must_use]
    pub const fn new() -> WarpTest {
        WarpTest::without(0)
    }

    /// A test of a counter that is `bits` wide, 32 to 64 as in [`Source::bits`](crate::Source::bits); it has seen nothing.
    ///
    /// A value is compared by the shorter way round: up to half the counter's range ahead of the latest one it is later, else
    /// it is a step back. So half of that range (0.2 s for 32 bits at 10 GHz) may not pass without an observation, nor within
    /// one: observe with interrupts off, and after a longer pause make another test. 64 bits are [`WarpTest::new`], which has
    /// no such limit.
    ///
    /// # Errors
    ///
    /// [`Error::Width`] below 32 or above 64 bits.
    pub const fn of_width(bits: u32) -> Result<WarpTest, Error> {
        if bits < 32 || bits > 64 {
            return Err(Error::Width { bits });
        }
        Ok(WarpTest::without(64 - bits))
    }

    const fn without(unused: u32) -> WarpTest {
        WarpTest { latest: AtomicU64::new(NOTHING), warp: AtomicU64::new(0), unused }
    }

    /// Reads this CPU's counter through `read`, which must be ordered, and compares it with the latest value of any CPU.
    /// Bits of it above the counter's width are ignored.
    pub fn observe(&self, read: impl FnOnce() -> u64) {
        // Acquire, so that the read takes place after the one that gave this value.
        let latest = self.latest.load(Ordering::Acquire);
        let now = read();
        let now = match self.unused {
            0 => now,
            unused if latest == NOTHING => {
                // Equal to the value in the counter's bits, and in the middle: 2^62 or more from 0, and from 2^64, which are
                // 14 years of a 63-bit counter at 10 GHz. Who is not the first has no value yet to compare this one with.
                let first = sign_extended(now, unused).wrapping_add(1 << 63);
                let _ = self.latest.compare_exchange(NOTHING, first, Ordering::Release, Ordering::Relaxed);
                return;
            }
            unused => latest.wrapping_add(sign_extended(now.wrapping_sub(latest), unused)),
        };
        if now < latest {
            self.warp.fetch_max(latest - now, Ordering::Relaxed);
        }
        self.latest.fetch_max(now, Ordering::Release);
    }

    /// The largest step back so far, in cycles: at most half the range of a counter that wraps.
    #[must_use]
    pub fn max_warp(&self) -> u64 {
        self.warp.load(Ordering::Relaxed)
    }
}

/// From the counter's width, as a slot does it. `unused` is below 64.
const fn sign_extended(value: u64, unused: u32) -> u64 {
    ((value << unused) as i64 >> unused) as u64
}
