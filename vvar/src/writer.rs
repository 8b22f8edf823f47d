//! The writer: how a plan becomes a page, while readers read and other CPUs want to publish too.
//!
//! ```text
//! take the owner word, or be refused (Busy) and leave word that the holder is to go on
//! read the counter; plan; a step: switch its lines off
//!                                -- SeqBeforeReuse
//! fill the idle slot of every line
//! read the counter: too late? plan again, at most REPLANS times, then go on and count it
//!                                -- SlotBeforeSeq
//! seq + 1 for the fine lines     -- FineBeforeCoarse
//! seq + 1 for the coarse lines
//! commit
//! any line off that may be on?   -- SeqBeforeOn
//! switch it on                   -- DisableMeetsPublish
//! was it disabled meanwhile? off again
//! let go of the owner word; was someone refused? once more from the top
//! ```
//!
//! **One anchor.** All lines of a publish hold the value that their clocks have at one counter value, the one just read, and
//! their `seq` move together. Between the first and the last of those stores a reader can see one clock from after the
//! publish and another from before. For a change of rate that makes a difference of a fraction of a nanosecond. A **step**
//! (REALTIME set, a leap second, a resume, another counter) would make a difference of the whole step: its lines are off
//! from before the first `seq` until after the last, and a reader that comes by makes the system call.
//!
//! **Commit before "on".** The timekeeper takes over the new state while a step's lines are still off: so a system call that
//! a reader makes in between, and that computes the time from the timekeeper, cannot give an older time than a line that is
//! already on.
//!
//! **Disabling** needs no owner word and never waits: it marks the clock in the kernel's memory, then stores the control
//! word. A publish under way looks at the mark after each word that it switches on. Enabling does not take that mark from it:
//! only a publish that begins afterwards switches the clock on.

use crate::arch::CounterKind;
use crate::clock::{each_clock, Clock, ClockSet, NSEC_PER_SEC};
use crate::control::Control;
use crate::error::Error;
use crate::memory::{Barrier, PageWrite};
use crate::page::{self, line, line_offset, offset, CpuNumber};
use crate::slot::Slot;
use core::sync::atomic::{AtomicU32, Ordering};

/// A publish that takes longer than this from its anchor to its first `seq` is planned again.
pub const LATE_NANOS: u32 = 1000;

/// How often one publish is planned again for being late before it goes out late. Being late cannot be excluded: an NMI or
/// a hypervisor may stop the writer anywhere.
pub const REPLANS: u32 = 2;

/// How often a publish is repeated for others that were refused meanwhile, before it lets go.
pub const REPEATS: u32 = 8;

/// What one publish puts into the page.
#[derive(Debug, Clone, Copy)]
pub struct Plan<S> {
    /// The counter value at which every fine line of this plan starts.
    pub anchor: u64,
    /// The lines that this plan publishes.
    pub clocks: ClockSet,
    /// Those that step, and are switched off meanwhile.
    pub steps: ClockSet,
    /// Those that may be on afterwards. The others end switched off.
    pub on: ClockSet,
    /// The fine lines' control word.
    pub fine: Control,
    /// From the anchor to the first `seq`, in cycles, before the publish is late.
    pub late_after: u64,
    /// A slot for each clock, by its place in [`Clock::ALL`].
    pub slots: [Slot; Clock::ALL.len()],
    /// What the planner makes its state when the plan is out.
    pub state: S,
}

/// How much a publish covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every clock, with all that was set, slewed or stepped since.
    Full,
    /// The coarse clocks, as of now; nothing that was set since.
    Coarse,
}

/// Where plans come from: the [`Timekeeper`](crate::Timekeeper), or a kernel's wrapper that takes its lock in both calls.
pub trait Planner {
    /// What a plan carries from [`Planner::plan`] to [`Planner::commit`].
    type State: Copy;

    /// The plan for the counter value `counter`. It must not change the planner: a plan can be dropped.
    ///
    /// # Errors
    ///
    /// Ends the publish and is handed to its caller.
    fn plan(&mut self, counter: u64, scope: Scope) -> Result<Plan<Self::State>, Error>;

    /// The plan is out. False: the planner has moved on in a way that the plan does not know of (another counter, a
    /// suspend), so it must not be switched on, and is planned again.
    fn commit(&mut self, plan: &Plan<Self::State>) -> bool;
}

/// What [`Writer::publish`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Published {
    /// It was planned again this often for being late.
    pub replanned: u32,
    /// It went out late all the same.
    pub late: bool,
    /// It was repeated this often for others that were refused meanwhile.
    pub repeated: u32,
    /// Others were refused even during the last repeat. Their changes are not in the page yet: publish again soon.
    pub pending: bool,
}

/// Counts since the writer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Publishes that went out later than [`LATE_NANOS`] after their anchor.
    pub late: u32,
    /// Plans made again for being late.
    pub replanned: u32,
    /// Publishes refused with [`Error::Busy`].
    pub busy: u32,
}

/// An atomic word in the kernel's memory: [`AtomicU32`], except in the model tests.
pub trait Word {
    /// Compares and exchanges, acquire and release; the value found if it differs.
    ///
    /// # Errors
    ///
    /// The value found, when it was not `from`.
    fn exchange(&self, from: u32, to: u32) -> Result<u32, u32>;
    /// Sets bits, acquire and release.
    fn set(&self, bits: u32);
    /// Clears bits, acquire and release; what is left.
    fn clear(&self, bits: u32) -> u32;
    /// Loads, relaxed.
    fn get(&self) -> u32;
}

impl Word for AtomicU32 {
    #[inline(always)]
    fn exchange(&self, from: u32, to: u32) -> Result<u32, u32> {
        self.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
    }
    fn set(&self, bits: u32) {
        self.fetch_or(bits, Ordering::AcqRel);
    }
    #[inline(always)]
    fn clear(&self, bits: u32) -> u32 {
        self.fetch_and(!bits, Ordering::AcqRel) & !bits
    }
    #[inline(always)]
    fn get(&self) -> u32 {
        self.load(Ordering::Relaxed)
    }
}

mod owner {
    pub(super) const FREE: u32 = 0;
    pub(super) const HELD: u32 = 1;
    /// Held, and someone was refused since.
    pub(super) const WANTED: u32 = 2;
}

mod disabled {
    use crate::clock::{Clock, ClockSet};

    /// How far above a clock's "disabled" bit its "was disabled during this attempt" bit stands. [`Writer::enable`] clears
    /// the first only: an attempt that began before a clock was disabled must not switch it on, even if it has been enabled
    /// again meanwhile, as its slot may be of a counter that is no more.
    ///
    /// [`Writer::enable`]: super::Writer::enable
    const DURING: u32 = 16;

    const _: () = assert!(Clock::EVERY >> DURING == 0);

    /// Both bits of each clock.
    pub(super) const fn both(clocks: ClockSet) -> u32 {
        clocks | clocks << DURING
    }

    /// The clocks of which either bit is set.
    pub(super) const fn any(word: u32) -> ClockSet {
        (word | word >> DURING) & Clock::EVERY
    }

    /// The "during this attempt" bits of all clocks.
    pub(super) const DURING_ATTEMPT: u32 = Clock::EVERY << DURING;
}

/// Writes a page. `const`-constructible, so that it can be a `static`; every call takes `&self`.
#[derive(Debug)]
pub struct Writer<P, W = AtomicU32> {
    page: P,
    owner: W,
    disabled: W,
    late: AtomicU32,
    replanned: AtomicU32,
    busy: AtomicU32,
}

/// How one attempt ended.
enum Attempt {
    Out,
    /// The planner had moved on: nothing was switched on.
    Stale,
}

impl<P: PageWrite> Writer<P> {
    /// A writer of `page`, which nobody else writes.
    #[must_use]
    pub const fn new(page: P) -> Self {
        Writer::with_words(page, AtomicU32::new(owner::FREE), AtomicU32::new(0))
    }
}

impl<P: PageWrite, W: Word> Writer<P, W> {
    /// As [`Writer::new`], with words of another make, both 0.
    pub const fn with_words(page: P, owner: W, disabled: W) -> Self {
        Writer { page, owner, disabled, late: AtomicU32::new(0), replanned: AtomicU32::new(0), busy: AtomicU32::new(0) }
    }

    /// The page.
    pub const fn page(&self) -> &P {
        &self.page
    }

    /// Writes the page's identity. Call it once, before the page is mapped or the first clock is published; again does no
    /// harm.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignPage`] if the memory holds a page of another layout.
    pub fn init(&self) -> Result<(), Error> {
        if self.page.load_u32(offset::MAGIC) != 0 {
            crate::reader::identify(&self.page)?;
        }
        self.page.store_u32(offset::ABI, page::ABI);
        self.page.store_u64(offset::LAYOUT, P::ENCODING.layout());
        self.page.store_u32(offset::MAGIC, page::MAGIC);
        Ok(())
    }

    /// Says what `clock_getres` answers, in ns: 1 for the fine clocks, the tick for the coarse ones. 0 leaves the answer
    /// to the system call.
    pub fn set_resolution(&self, fine: u32, coarse: u32) {
        for clock in Clock::ALL {
            let nanos = if clock.is_coarse() { coarse } else { fine };
            self.page.store_u32(page::resolution(clock.id()), nanos);
        }
    }

    /// Says what `gettimeofday` answers for the timezone: `tz_minuteswest` and `tz_dsttime` of `settimeofday(2)`.
    pub fn set_timezone(&self, minutes_west: i32, dst_time: i32) {
        let word = u64::from(minutes_west as u32) | u64::from(dst_time as u32) << 32;
        self.page.store_u64(offset::TIMEZONE, word);
        // A reader that sees "known" must see a value.
        self.page.barrier(Barrier::SlotBeforeSeq);
        self.page.store_u32(offset::TIMEZONE_KNOWN, 1);
    }

    /// Says how `getcpu` learns the CPU's number. From TSC_AUX only after it is set on **every** CPU; to be taken back
    /// before a CPU comes up without it, as after a suspend.
    pub fn set_cpu_number(&self, by: CpuNumber) {
        self.page.store_u32(offset::CPU_NUMBER, by as u32);
    }

    /// Publishes every clock as `planner`, usually a [`Timekeeper`](crate::Timekeeper), has it now.
    ///
    /// `counter` reads the planner's counter, in order, on this CPU. Callable from any context, an interrupt in the middle
    /// of another publish included. Neither allocates nor waits.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if another publish is under way: it will be repeated, with what the planner knows then. Else what
    /// the planner's own [`plan`](Planner::plan) returned.
    pub fn publish<N: Planner>(&self, counter: impl FnMut() -> u64, planner: &mut N) -> Result<Published, Error> {
        self.publish_scope(counter, planner, Scope::Full)
    }

    /// As [`Writer::publish`], but only the coarse clocks: for a kernel that ticks them more often than it publishes the fine
    /// ones.
    ///
    /// # Errors
    ///
    /// As [`Writer::publish`].
    pub fn publish_coarse<N: Planner>(
        &self,
        counter: impl FnMut() -> u64,
        planner: &mut N,
    ) -> Result<Published, Error> {
        self.publish_scope(counter, planner, Scope::Coarse)
    }

    #[inline(always)]
    fn publish_scope<N: Planner>(
        &self,
        mut counter: impl FnMut() -> u64,
        planner: &mut N,
        mut scope: Scope,
    ) -> Result<Published, Error> {
        self.acquire()?;
        let mut done = Published::default();
        loop {
            let attempt = self.attempt(&mut counter, planner, scope, &mut done);
            let again = matches!(attempt, Ok(Attempt::Stale));
            if !again && self.owner.exchange(owner::HELD, owner::FREE).is_ok() {
                return attempt.map(|_| done);
            }
            if done.repeated == REPEATS {
                done.pending = true;
                self.release();
                return attempt.map(|_| done);
            }
            done.repeated += 1;
            // Whatever the refused wanted to publish, this covers it.
            scope = Scope::Full;
            // Before planning again, so that who is refused from here on is not taken for served. Fails if nobody was.
            let _ = self.owner.exchange(owner::WANTED, owner::HELD);
        }
    }

    #[inline(always)]
    fn attempt<N: Planner>(
        &self,
        counter: &mut impl FnMut() -> u64,
        planner: &mut N,
        scope: Scope,
        done: &mut Published,
    ) -> Result<Attempt, Error> {
        // From here to the end of the attempt, disabling leaves a mark that enabling does not take away. What is disabled
        // already stays off in this attempt. Mostly nothing is, and then there is no mark to clear: a relaxed load tells
        // that, at a fifth of the cost of an atomic operation. It can miss only what does not happen before this publish,
        // and such a mark is still there when the attempt looks for it.
        let enabled = !match self.disabled.get() {
            0 => 0,
            _ => self.disabled.clear(disabled::DURING_ATTEMPT),
        };
        let mut replans = 0;
        let mut changing = 0;
        let plan = loop {
            let mut plan = planner.plan(counter(), scope)?;
            plan.on &= enabled;
            // A line that an earlier turn switched off is not to be forgotten.
            changing |= self.switch_off_changing(&plan);
            self.page.barrier(Barrier::SeqBeforeReuse);
            self.fill_idle_slots(&plan);
            if on_time(&plan, counter()) {
                break plan;
            }
            if replans == REPLANS {
                done.late = true;
                self.late.fetch_add(1, Ordering::Relaxed);
                break plan;
            }
            replans += 1;
            done.replanned += 1;
            self.replanned.fetch_add(1, Ordering::Relaxed);
        };
        self.page.barrier(Barrier::SlotBeforeSeq);
        self.advance_seq(plan.clocks & Clock::FINE);
        self.page.barrier(Barrier::FineBeforeCoarse);
        self.advance_seq(plan.clocks & Clock::COARSE);
        if !planner.commit(&plan) {
            return Ok(Attempt::Stale);
        }
        if changing != 0 {
            self.switch_on(changing & plan.on, plan.fine);
        }
        Ok(Attempt::Out)
    }

    /// Lock-free: a turn is repeated only when another CPU has moved the word meanwhile.
    #[inline(always)]
    fn acquire(&self) -> Result<(), Error> {
        let mut expected = owner::FREE;
        loop {
            let wanted = if expected == owner::FREE { owner::HELD } else { owner::WANTED };
            match self.owner.exchange(expected, wanted) {
                Ok(_) if wanted == owner::HELD => return Ok(()),
                Ok(_) => {
                    self.busy.fetch_add(1, Ordering::Relaxed);
                    return Err(Error::Busy);
                }
                Err(found) => expected = found,
            }
        }
    }

    fn release(&self) {
        if self.owner.exchange(owner::HELD, owner::FREE).is_err() {
            // Only the holder leaves WANTED, so this cannot fail.
            let _ = self.owner.exchange(owner::WANTED, owner::FREE);
        }
    }

    /// Disabled now, or was during this attempt.
    #[inline(always)]
    fn is_disabled(&self, clock: Clock) -> bool {
        self.disabled.get() & disabled::both(clock.bit()) != 0
    }

    /// Switches off the lines that step or that are to have another control word; those are the result.
    #[inline(always)]
    fn switch_off_changing<S>(&self, plan: &Plan<S>) -> ClockSet {
        let on = plan.on & !disabled::any(self.disabled.get());
        let (fine, coarse) = (plan.fine.word(P::ENCODING), Control::COARSE.word(P::ENCODING));
        // Mostly nothing changes, and one test tells.
        let mut differs = plan.clocks & (plan.steps | !on);
        each_clock!(plan.clocks, PLACE, CLOCK => {
            let word = self.page.load_u32(line(CLOCK.id(), line_offset::CTL));
            differs |= word ^ if CLOCK.is_coarse() { coarse } else { fine };
        });
        if differs == 0 {
            return 0;
        }
        let changing = plan.clocks & plan.steps | self.unlike(plan.clocks, on, plan.fine);
        self.switch_off(changing);
        changing
    }

    /// Those of `clocks` whose lines have another control word than they are to have if those of `on` are on.
    #[cold]
    fn unlike(&self, clocks: ClockSet, on: ClockSet, fine: Control) -> ClockSet {
        let mut unlike = 0;
        for clock in members(clocks) {
            let wanted = if clock.bit() & on != 0 { word_of::<P>(clock, fine) } else { Control::OFF };
            if self.page.load_u32(line(clock.id(), line_offset::CTL)) != wanted {
                unlike |= clock.bit();
            }
        }
        unlike
    }

    #[cold]
    fn switch_off(&self, clocks: ClockSet) {
        for clock in members(clocks) {
            self.page.store_u32(line(clock.id(), line_offset::CTL), Control::OFF);
        }
    }

    #[inline(always)]
    fn fill_idle_slots<S>(&self, plan: &Plan<S>) {
        each_clock!(plan.clocks, PLACE, CLOCK => {
            let seq = self.page.load_u32(line(CLOCK.id(), line_offset::SEQ));
            plan.slots[PLACE].store(&self.page, CLOCK, (seq.wrapping_add(1) & 1) as usize);
        });
    }

    #[inline(always)]
    fn advance_seq(&self, clocks: ClockSet) {
        each_clock!(clocks, PLACE, CLOCK => {
            let at = line(CLOCK.id(), line_offset::SEQ);
            self.page.store_u32(at, self.page.load_u32(at).wrapping_add(1));
        });
    }

    #[cold]
    fn switch_on(&self, clocks: ClockSet, fine: Control) {
        let mut first = true;
        for clock in members(clocks) {
            let at = line(clock.id(), line_offset::CTL);
            let word = word_of::<P>(clock, fine);
            if word == Control::OFF || self.is_disabled(clock) {
                continue;
            }
            if core::mem::take(&mut first) {
                self.page.barrier(Barrier::SeqBeforeOn);
            }
            self.page.store_u32(at, word);
            self.page.barrier(Barrier::DisableMeetsPublish);
            if self.is_disabled(clock) {
                self.page.store_u32(at, Control::OFF);
            }
        }
    }

    /// Switches clocks off: from now on their readers make the system call. From any context, at any time, never refused;
    /// no publish switches them on again before [`Writer::enable`].
    ///
    /// A publish that is under way on another CPU, and at that moment switches a line on, takes that back a few instructions
    /// later, when it sees the mark. Where not even those may pass (before the counter is reset), see to it that no other CPU
    /// is publishing: in a suspend path the others are down by then.
    pub fn disable(&self, clocks: ClockSet) {
        let clocks = clocks & Clock::EVERY;
        self.disabled.set(disabled::both(clocks));
        self.page.barrier(Barrier::DisableMeetsPublish);
        self.switch_off(clocks);
    }

    /// Lets the next publish switch clocks on again; not one that is under way.
    pub fn enable(&self, clocks: ClockSet) {
        self.disabled.clear(clocks & Clock::EVERY);
    }

    /// Switches off every clock that reads the counter: it turned out unstable, or is about to stop or to be reset.
    pub fn disable_counter(&self) {
        self.disable(Clock::FINE);
    }

    /// Takes [`Writer::disable_counter`] back, from the next publish on.
    pub fn enable_counter(&self) {
        self.enable(Clock::FINE);
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        Counts {
            late: self.late.load(Ordering::Relaxed),
            replanned: self.replanned.load(Ordering::Relaxed),
            busy: self.busy.load(Ordering::Relaxed),
        }
    }

    /// Tells readers, debuggers and programs of the kernel's own what the fine clocks count by.
    pub fn describe_counter(&self, kind: CounterKind, bits: u32, hz: u64, max_skew: u64) {
        self.page.store_u32(offset::COUNTER, kind as u32);
        self.page.store_u32(offset::COUNTER_BITS, bits);
        self.page.store_u64(offset::FREQUENCY, hz);
        self.page.store_u64(offset::MAX_SKEW, max_skew);
    }
}

/// The clocks of a set, in the order of [`Clock::ALL`].
fn members(clocks: ClockSet) -> impl Iterator<Item = Clock> {
    Clock::ALL.into_iter().filter(move |clock| clock.bit() & clocks != 0)
}

/// The control word of a clock's line that is on.
#[inline(always)]
fn word_of<P: PageWrite>(clock: Clock, fine: Control) -> u32 {
    let control = if clock.is_coarse() { Control::COARSE } else { fine };
    control.word(P::ENCODING)
}

#[inline(always)]
fn on_time<S>(plan: &Plan<S>, now: u64) -> bool {
    let mask = plan.fine.mask();
    let passed = now.wrapping_sub(plan.anchor) & mask;
    // More than half the range: this CPU's counter is a little behind the one that was read first.
    passed <= plan.late_after || passed > mask >> 1
}

/// [`LATE_NANOS`] in cycles of a counter of `hz`, and one more: so a slow counter, too, has a cycle for the publish.
pub(crate) const fn late_after(hz: u64) -> u64 {
    // Below 10^10 * 10^3: no overflow.
    hz * LATE_NANOS as u64 / NSEC_PER_SEC as u64 + 1
}
