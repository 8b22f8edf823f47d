//! Reading a counter, in order.

use crate::arch::CounterKind;
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
#[derive(Debug, Default)]
pub struct WarpTest {
    latest: AtomicU64,
    warp: AtomicU64,
}

impl WarpTest {
    /// A test that has seen nothing.
    #[must_use]
    pub const fn new() -> WarpTest {
        WarpTest { latest: AtomicU64::new(0), warp: AtomicU64::new(0) }
    }

    /// Reads this CPU's counter through `read`, which must be ordered, and compares it with the latest value of any CPU.
    pub fn observe(&self, read: impl FnOnce() -> u64) {
        // Acquire, so that the read takes place after the one that gave this value.
        let latest = self.latest.load(Ordering::Acquire);
        let now = read();
        if now < latest {
            self.warp.fetch_max(latest - now, Ordering::Relaxed);
        }
        self.latest.fetch_max(now, Ordering::Release);
    }

    /// The largest step back so far, in cycles.
    #[must_use]
    pub fn max_warp(&self) -> u64 {
        self.warp.load(Ordering::Relaxed)
    }
}
