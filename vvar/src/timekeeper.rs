//! The timekeeper: from a counter and what is known of it to the clocks.
//!
//! It is plain data under the kernel's lock: every call that changes something takes `&mut self`. Its arithmetic is
//! **exact** (`exact.rs`): nothing is lost from one publish to the next, and the long-term rate is the frequency that was
//! given, whatever the lines' `mult` was rounded to.
//!
//! Two states are kept apart. The **committed** one is what the page shows: [`Timekeeper::now`] and
//! [`Timekeeper::counter_at`] answer from it, so they agree with every reader of the page. The **wanted** one holds what
//! `slew`, `set_realtime` and the like have asked for since; it becomes the committed one with the next publish. A change
//! of rate has to wait for that: the page goes on at the old rate until then, and a clock that was reckoned at the new one
//! meanwhile would step.

use crate::arch::CounterKind;
use crate::clock::{each_clock, Clock, ClockSet, Timespec};
use crate::control::Control;
use crate::error::Error;
use crate::exact::{check_time, Divisor, Instant, Shift};
use crate::memory::PageWrite;
use crate::rate::{check_frequency, check_slew, nanos_per_second, Rate};
use crate::slot::Slot;
use crate::writer::{late_after, Plan, Planner, Scope, Word, Writer};

/// What is known of how the CPUs' counters agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronisation {
    /// As the architecture promises: invariant TSC started together and Arm's system counter are one. RISC-V's `time` may lag
    /// by one tick (Zicntr: "synchronized to within one tick"), and so may a counter that programs do not read
    /// ([`CounterKind::Off`]), which can be that one.
    ///
    /// Refused for a counter for private use ([`CounterKind::Private1`]), of whose architecture nothing is known: it takes
    /// [`Synchronisation::Checked`]. So should such an architecture's counter that programs do not read.
    Architectural,
    /// Measured (see [`WarpTest`](crate::counter::WarpTest)), or from a manual: one may lag behind another by this many
    /// cycles. A clock then steps back by up to as much between two CPUs.
    Checked {
        /// In cycles.
        max_skew: u64,
    },
}

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// How user programs read it. [`CounterKind::Off`]: they cannot, and the fine clocks stay with the system call; the
    /// kernel's own counter then only drives the coarse ones.
    pub kind: CounterKind,
    /// Hz, [`MIN_FREQUENCY`](crate::rate::MIN_FREQUENCY) to [`MAX_FREQUENCY`](crate::rate::MAX_FREQUENCY).
    pub frequency: u64,
    /// Width in bits, 32 to 64. Publishes must come at least every half of its range: every 0.2 s for 32 bits at 10 GHz. A TSC,
    /// Arm's generic timer and RISC-V's `time` count as 64 bits wide, and only counters that do are on the readers' fast path.
    pub bits: u32,
    /// How the CPUs' counters agree.
    pub synchronisation: Synchronisation,
}

impl Source {
    /// The largest skew, in cycles, of a counter that is within all bounds.
    fn check(&self) -> Result<u64, Error> {
        check_frequency(self.frequency)?;
        if self.bits < 32 || self.bits > 64 {
            return Err(Error::Width { bits: self.bits });
        }
        let kind = self.kind;
        let cycles = match self.synchronisation {
            Synchronisation::Architectural => kind.architectural_skew().ok_or(Error::Synchronisation { kind })?,
            Synchronisation::Checked { max_skew } => max_skew,
        };
        if cycles > self.mask() / 4 || cycles > self.frequency {
            return Err(Error::Skew { cycles });
        }
        Ok(cycles)
    }

    const fn mask(&self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }
}

/// Where the clocks stand when the timekeeper starts; all zero at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Start {
    /// MONOTONIC.
    pub monotonic: Timespec,
    /// MONOTONIC_RAW.
    pub raw: Timespec,
    /// BOOTTIME less MONOTONIC: the time spent asleep so far.
    pub slept: Timespec,
}

/// Everything that a publish makes true at once.
#[derive(Debug, Clone, Copy)]
pub struct State {
    /// Changes with everything that makes a plan under way void: see [`Planner::commit`].
    epoch: u32,
    /// False until the first publish of an epoch: its lines all step.
    shown: bool,
    /// Between suspend and resume: the clocks do not move, whatever the counter does.
    stopped: bool,
    anchor: u64,
    monotonic: Instant,
    raw: Instant,
    /// MONOTONIC_COARSE, as of the last publish of any kind.
    coarse: Timespec,
    /// When that was: cycles after `anchor`.
    coarse_at: u64,
    offsets: Offsets,
    slew: i32,
    /// What `slew` makes of the source's frequency.
    rate: Rate,
}

/// How the other clocks differ from MONOTONIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offsets {
    /// REALTIME, once it was set.
    realtime: Option<Shift>,
    /// BOOTTIME.
    slept: Shift,
    /// TAI less REALTIME, in s.
    tai: i32,
}

impl Offsets {
    /// A clock's offset from MONOTONIC.
    #[inline(always)]
    fn of(&self, clock: Clock) -> Result<Shift, Error> {
        match clock {
            Clock::Realtime | Clock::RealtimeCoarse => self.realtime.ok_or(Error::NotSet),
            Clock::Tai => self.realtime.map(|shift| shift.later_by(self.tai)).ok_or(Error::NotSet),
            Clock::Boottime => Ok(self.slept),
            Clock::Monotonic | Clock::MonotonicCoarse | Clock::MonotonicRaw => Ok(Shift::default()),
        }
    }

    /// As [`Offsets::of`], for the line of a clock, which is off while REALTIME is not set.
    #[inline(always)]
    fn of_line(&self, clock: Clock) -> Shift {
        self.of(clock).unwrap_or_default()
    }

    /// The clocks that step when these offsets become `next`. (The time slept changes only with an epoch, when all do.)
    #[inline(always)]
    fn steps_to(&self, next: &Offsets) -> ClockSet {
        let mut steps = 0;
        if self.realtime != next.realtime {
            steps |= Clock::FOLLOW_REALTIME;
        }
        if self.tai != next.tai {
            steps |= Clock::Tai.bit();
        }
        steps
    }
}

/// See the [module](self).
#[derive(Debug, Clone)]
pub struct Timekeeper {
    source: Source,
    /// What the source's synchronisation allows, in cycles.
    max_skew: u64,
    raw_rate: Rate,
    /// The source's frequency.
    divisor: Divisor,
    late_after: u64,
    committed: State,
    /// The slew, its rate and the offsets that the next publish takes over.
    wanted_slew: i32,
    wanted_rate: Rate,
    wanted: Offsets,
}

impl Timekeeper {
    /// Starts the clocks at the counter value `counter`. REALTIME is not set yet: it and the clocks that follow it stay
    /// with the system call until [`Timekeeper::set_realtime`].
    ///
    /// # Errors
    ///
    /// [`Error::Frequency`], [`Error::Width`], [`Error::Synchronisation`], [`Error::Skew`], [`Error::Time`].
    pub fn new(source: Source, counter: u64, start: Start) -> Result<Timekeeper, Error> {
        let max_skew = source.check()?;
        for time in [start.monotonic, start.raw, start.slept] {
            check_time(i64::try_from(time.sec).unwrap_or(i64::MAX), time.nsec)?;
        }
        let slept = Shift { sec: start.slept.sec as i64, nsec: start.slept.nsec };
        slept.applied(start.monotonic)?;
        let offsets = Offsets { realtime: None, slept, tai: 0 };
        let rate = Rate::new(source.frequency, 0);
        let committed = State {
            epoch: 0,
            shown: false,
            stopped: false,
            anchor: counter & source.mask(),
            monotonic: Instant { time: start.monotonic, rest: 0 },
            raw: Instant { time: start.raw, rest: 0 },
            coarse: start.monotonic,
            coarse_at: 0,
            offsets,
            slew: 0,
            rate,
        };
        Ok(Timekeeper {
            source,
            max_skew,
            raw_rate: rate,
            divisor: Divisor::new(source.frequency),
            late_after: late_after(source.frequency),
            committed,
            wanted_slew: 0,
            wanted_rate: rate,
            wanted: offsets,
        })
    }

    /// The counter in use.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Writes what the page says of the counter, for information and for the readers' tolerance of skew. Call it before the
    /// first publish and after [`Timekeeper::change_counter`].
    pub fn describe<P: PageWrite, W: Word>(&self, writer: &Writer<P, W>) {
        writer.describe_counter(self.source.kind, self.source.bits, self.source.frequency, self.max_skew);
    }

    /// The slew in parts per billion that the next publish uses.
    #[must_use]
    pub const fn slew_ppb(&self) -> i32 {
        self.wanted_slew
    }

    /// Lets every clock but MONOTONIC_RAW run faster (or slower) by `ppb` parts per billion from the next publish on.
    /// Nothing steps.
    ///
    /// # Errors
    ///
    /// [`Error::Slew`] beyond [`MAX_SLEW_PPB`](crate::rate::MAX_SLEW_PPB).
    pub fn slew(&mut self, ppb: i32) -> Result<(), Error> {
        check_slew(ppb)?;
        self.wanted_slew = ppb;
        self.wanted_rate = Rate::new(self.source.frequency, ppb);
        Ok(())
    }

    /// Sets REALTIME to `sec` and `nsec` as of the counter value `counter`. With the next publish REALTIME,
    /// REALTIME_COARSE and TAI step; the other clocks do not.
    ///
    /// # Errors
    ///
    /// [`Error::Time`] before 1970, past 2^63 ns, or with 10^9 ns or more; [`Error::BeforeAnchor`].
    pub fn set_realtime(&mut self, counter: u64, sec: i64, nsec: u32) -> Result<(), Error> {
        let time = check_time(sec, nsec)?;
        let shift = Shift::between(self.monotonic_at(counter)?, time);
        self.want_realtime(counter, Offsets { realtime: Some(shift), ..self.wanted })
    }

    /// Steps REALTIME by `nanos`, as `adjtimex(2)` does with ADJ_SETOFFSET.
    ///
    /// # Errors
    ///
    /// [`Error::NotSet`]; [`Error::Time`] if that leads before 1970 or past 2^63 ns; [`Error::BeforeAnchor`].
    pub fn step_realtime(&mut self, counter: u64, nanos: i64) -> Result<(), Error> {
        let shift = self.wanted.realtime.ok_or(Error::NotSet)?.plus(Shift::from_nanos(nanos));
        self.want_realtime(counter, Offsets { realtime: Some(shift), ..self.wanted })
    }

    /// Sets TAI less REALTIME, in seconds: 37 since 2017. TAI steps, REALTIME does not.
    ///
    /// # Errors
    ///
    /// [`Error::TaiOffset`] beyond 1000 s either way; [`Error::Time`] if TAI would be before 1970.
    pub fn set_tai_offset(&mut self, sec: i32) -> Result<(), Error> {
        if !(-1000..=1000).contains(&sec) {
            return Err(Error::TaiOffset { sec });
        }
        let wanted = Offsets { tai: sec, ..self.wanted };
        if wanted.realtime.is_some() {
            wanted.of(Clock::Tai)?.applied(self.committed.monotonic.time)?;
        }
        self.wanted = wanted;
        Ok(())
    }

    /// Inserts a leap second: call it when REALTIME's 23:59:59 UTC is over. REALTIME steps back by 1 s, TAI goes on.
    ///
    /// # Errors
    ///
    /// As [`Timekeeper::step_realtime`] and [`Timekeeper::set_tai_offset`].
    pub fn insert_leap_second(&mut self, counter: u64) -> Result<(), Error> {
        self.leap(counter, 1)
    }

    /// Deletes a leap second: call it when REALTIME's 23:59:58 UTC is over. REALTIME steps on by 1 s, TAI goes on.
    ///
    /// # Errors
    ///
    /// As [`Timekeeper::step_realtime`] and [`Timekeeper::set_tai_offset`].
    pub fn delete_leap_second(&mut self, counter: u64) -> Result<(), Error> {
        self.leap(counter, -1)
    }

    fn leap(&mut self, counter: u64, inserted: i32) -> Result<(), Error> {
        let tai = self.wanted.tai + inserted;
        if !(-1000..=1000).contains(&tai) {
            return Err(Error::TaiOffset { sec: tai });
        }
        let shift = self.wanted.realtime.ok_or(Error::NotSet)?.later_by(-inserted);
        self.want_realtime(counter, Offsets { realtime: Some(shift), tai, ..self.wanted })
    }

    /// Takes over offsets under which REALTIME and TAI are times at `counter`.
    fn want_realtime(&mut self, counter: u64, offsets: Offsets) -> Result<(), Error> {
        let monotonic = self.monotonic_at(counter)?;
        offsets.of(Clock::Realtime)?.applied(monotonic)?;
        offsets.of(Clock::Tai)?.applied(monotonic)?;
        self.wanted = offsets;
        Ok(())
    }

    /// Also for a counter value before the last publish of the coarse clocks alone: what happened then can be told later.
    fn monotonic_at(&self, counter: u64) -> Result<Timespec, Error> {
        Ok(self.advanced_by(self.delta_since(counter, 0)?)?.monotonic.time)
    }

    /// The machine is about to sleep; `counter` is its last good value. The clocks stop here, and until
    /// [`Timekeeper::resume`] a publish leaves the fine ones off.
    ///
    /// Call [`Writer::disable_counter`] first and read `counter` then: a reader of the page must not get ahead of the value
    /// at which the clocks stop.
    ///
    /// # Errors
    ///
    /// [`Error::BeforeAnchor`]; [`Error::Time`] if MONOTONIC is past 2^63 ns.
    pub fn suspend(&mut self, counter: u64) -> Result<(), Error> {
        let state = State { stopped: true, ..self.advanced(counter)? };
        self.enter_epoch(state, counter);
        Ok(())
    }

    /// The machine has slept for `slept`; the counter stands at `counter`, wherever it was before. REALTIME,
    /// REALTIME_COARSE, TAI and BOOTTIME go forward by `slept`; MONOTONIC, MONOTONIC_COARSE and MONOTONIC_RAW do not move.
    ///
    /// Then [`Writer::enable_counter`] and a publish.
    ///
    /// # Errors
    ///
    /// [`Error::NotSuspended`]; [`Error::Time`] if a clock would go past 2^63 ns.
    pub fn resume(&mut self, counter: u64, slept: Timespec) -> Result<(), Error> {
        if !self.committed.stopped {
            return Err(Error::NotSuspended);
        }
        let slept = check_time(i64::try_from(slept.sec).unwrap_or(i64::MAX), slept.nsec)?;
        let slept = Shift { sec: slept.sec as i64, nsec: slept.nsec };
        let after = |offsets: Offsets| Offsets {
            realtime: offsets.realtime.map(|shift| shift.plus(slept)),
            slept: offsets.slept.plus(slept),
            ..offsets
        };
        let wanted = after(self.wanted);
        self.check_offsets(&wanted)?;
        let state = State { stopped: false, offsets: after(self.committed.offsets), ..self.committed };
        self.wanted = wanted;
        self.enter_epoch(state, counter);
        Ok(())
    }

    fn check_offsets(&self, offsets: &Offsets) -> Result<(), Error> {
        for clock in [Clock::Boottime, Clock::Realtime, Clock::Tai] {
            match offsets.of(clock) {
                Ok(shift) => shift.applied(self.committed.monotonic.time).map(|_| ())?,
                Err(_not_set) => {}
            }
        }
        Ok(())
    }

    /// The counter has jumped: it was last good at `old` and went on from `new` (reset by firmware, a virtual machine that
    /// was moved or restored). The clocks go on without a gap.
    ///
    /// Call [`Writer::disable_counter`] as early as possible, then this, [`Writer::enable_counter`] and a publish.
    ///
    /// # Errors
    ///
    /// [`Error::BeforeAnchor`] if `old` is before the last publish; [`Error::Time`] if MONOTONIC is past 2^63 ns there.
    pub fn counter_discontinuity(&mut self, old: u64, new: u64) -> Result<(), Error> {
        let state = self.advanced(old)?;
        self.enter_epoch(state, new);
        Ok(())
    }

    /// Goes on by another counter, or by the same one with a better frequency: at `old` of the present one, the other stands
    /// at `new`. With the next publish all lines change together.
    ///
    /// Call [`Writer::disable_counter`] first and read the counters then: a reader of the page that went on by the old rate
    /// past `old` would be ahead of the clocks. Afterwards [`Timekeeper::describe`], as readers allow for the skew that the page
    /// says, [`Writer::enable_counter`] and a publish.
    ///
    /// # Errors
    ///
    /// [`Error::Frequency`], [`Error::Width`], [`Error::Synchronisation`], [`Error::Skew`] of the new counter;
    /// [`Error::BeforeAnchor`]; [`Error::Time`] if MONOTONIC is past 2^63 ns at `old`.
    pub fn change_counter(&mut self, old: u64, source: Source, new: u64) -> Result<(), Error> {
        let max_skew = source.check()?;
        let mut state = self.advanced(old)?;
        let (from, to) = (u128::from(self.source.frequency), u128::from(source.frequency));
        for instant in [&mut state.monotonic, &mut state.raw] {
            instant.rest = (u128::from(instant.rest) * to / from) as u64;
        }
        state.rate = Rate::new(source.frequency, state.slew);
        self.source = source;
        self.max_skew = max_skew;
        self.divisor = Divisor::new(source.frequency);
        self.late_after = late_after(source.frequency);
        self.raw_rate = Rate::new(source.frequency, 0);
        self.wanted_rate = Rate::new(source.frequency, self.wanted_slew);
        self.enter_epoch(state, new);
        Ok(())
    }

    /// From here on the clocks count from `counter`, and plans made before are void.
    fn enter_epoch(&mut self, state: State, counter: u64) {
        let epoch = self.committed.epoch.wrapping_add(1);
        self.committed = State { epoch, shown: false, anchor: counter & self.source.mask(), coarse_at: 0, ..state };
    }

    /// The committed state, reckoned on to `counter`.
    fn advanced(&self, counter: u64) -> Result<State, Error> {
        self.advanced_by(self.delta(counter)?)
    }

    /// Cycles from the committed state's anchor to `counter`; 0 while the clocks stand still. Nothing goes back behind the last
    /// publish of any kind.
    #[inline(always)]
    fn delta(&self, counter: u64) -> Result<u64, Error> {
        self.delta_since(counter, self.committed.coarse_at)
    }

    /// Cycles from the committed state's anchor to `counter`, which is not before `earliest` of them but for a skew.
    #[inline(always)]
    fn delta_since(&self, counter: u64, earliest: u64) -> Result<u64, Error> {
        let mask = self.source.mask();
        let anchor = self.committed.anchor.wrapping_add(earliest) & mask;
        let since = counter.wrapping_sub(anchor) & mask;
        if self.committed.stopped {
            Ok(0)
        } else if since <= (mask >> 1) - earliest {
            Ok(earliest + since)
        } else if anchor.wrapping_sub(counter) & mask <= self.max_skew {
            Ok(earliest)
        } else {
            Err(Error::BeforeAnchor { anchor, counter })
        }
    }

    #[inline(always)]
    fn advanced_by(&self, delta: u64) -> Result<State, Error> {
        let state = self.committed;
        let monotonic = state.monotonic.advanced(delta, nanos_per_second(state.slew), self.divisor)?;
        let raw = state.raw.advanced(delta, nanos_per_second(0), self.divisor)?;
        let anchor = state.anchor.wrapping_add(delta) & self.source.mask();
        Ok(State { anchor, monotonic, raw, coarse_at: 0, ..state })
    }

    #[inline(always)]
    fn control(&self) -> Control {
        Control { kind: self.source.kind, bits: self.source.bits, shift: self.raw_rate.shift }
    }

    /// A clock's slot in `state`, `shift` from MONOTONIC.
    #[inline(always)]
    fn slot(&self, state: &State, clock: Clock, shift: Shift) -> Result<Slot, Error> {
        let (instant, rate) = match clock {
            Clock::RealtimeCoarse | Clock::MonotonicCoarse => {
                return shift.applied_to_coarse(state.coarse).map(Slot::coarse)
            }
            Clock::MonotonicRaw => (state.raw, self.raw_rate),
            _ => (state.monotonic, state.rate),
        };
        let time = shift.applied(instant.time)?;
        Ok(Slot::fine(state.anchor, rate, time.sec, time.nsec, self.divisor.fraction(instant.rest)))
    }

    /// The time that the clock shows at `counter`: what a reader of the page would get there, were its line on. For the
    /// system call, when [`read`](crate::read) says [`Unavailable`](crate::Unavailable); under the kernel's lock.
    ///
    /// # Errors
    ///
    /// [`Error::NotSet`] for REALTIME and what follows it before the first [`Timekeeper::set_realtime`] is published;
    /// [`Error::BeforeAnchor`]; [`Error::Time`] for a clock that is past 2^63 ns.
    #[inline]
    pub fn now(&self, counter: u64, clock: Clock) -> Result<Timespec, Error> {
        let state = &self.committed;
        if clock.is_coarse() {
            return state.offsets.of(clock)?.applied_to_coarse(state.coarse);
        }
        let slot = self.slot(state, clock, state.offsets.of(clock)?)?;
        let counter = if state.stopped { state.anchor } else { counter };
        slot.value_at(counter & self.source.mask(), self.control(), self.max_skew)
            .ok_or(Error::BeforeAnchor { anchor: state.anchor, counter })
    }

    /// The first counter value at which the clock shows `time` or later, on whichever CPU it is read, at the rate that the
    /// page has now; where the clock is already past it, the counter's value at the last publish. A coarse clock is answered
    /// for its fine one.
    ///
    /// A timer that is set for this value never fires before a program sees its time come: also not a program on a CPU whose
    /// counter lags by as much as the source's [`Synchronisation`] admits, for which it is that many cycles later.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfReach`] past half the counter's range, and of a time to come while the clocks stand still
    /// ([`Timekeeper::suspend`]); [`Error::NotSet`]; [`Error::Time`].
    pub fn counter_at(&self, clock: Clock, time: Timespec) -> Result<u64, Error> {
        let time = check_time(i64::try_from(time.sec).unwrap_or(i64::MAX), time.nsec)?;
        let slot = {
            let clock = clock.fine();
            self.slot(&self.committed, clock, self.committed.offsets.of(clock)?)?
        };
        let delta = slot.delta_of(time, self.control()).ok_or(Error::OutOfReach)?;
        // At the slot's start there is nothing to wait for: its time is what a counter that lags is given.
        let skew = if delta == 0 { 0 } else { self.max_skew };
        // Below 2^63 + 2^62.
        if delta + skew > self.source.mask() >> 1 || delta != 0 && self.committed.stopped {
            return Err(Error::OutOfReach);
        }
        Ok(slot.start.wrapping_add(delta + skew) & self.source.mask())
    }

    #[inline(always)]
    fn make_plan(&self, state: State, clocks: ClockSet, steps: ClockSet) -> Result<Plan<State>, Error> {
        let mut on = Clock::EVERY;
        if !self.source.kind.is_counter() || state.stopped {
            on &= !Clock::FINE;
        }
        if state.offsets.realtime.is_none() {
            on &= !Clock::FOLLOW_REALTIME;
        }
        let mut slots = [Slot::coarse(Timespec { sec: 0, nsec: 0 }); Clock::ALL.len()];
        each_clock!(clocks, PLACE, CLOCK => match self.slot(&state, CLOCK, state.offsets.of_line(CLOCK)) {
            Ok(slot) => slots[PLACE] = slot,
            // Past 2^63 ns, for which the others are not to stand still.
            Err(_) => on &= !CLOCK.bit(),
        });
        Ok(Plan {
            anchor: state.anchor,
            clocks,
            steps,
            on,
            fine: self.control(),
            late_after: self.late_after,
            slots,
            state,
        })
    }

    /// Everything.
    ///
    /// Coarse clocks show what the fine ones show now, by the slot that is in the page still: its hot value can be 1 ns
    /// behind the exact one, and who then asks for the fine clock, by whatever path, must not get less.
    #[inline(always)]
    fn plan_full(&self, counter: u64) -> Result<Plan<State>, Error> {
        let delta = self.delta(counter)?;
        let now = self.advanced_by(delta)?;
        let steps = if now.shown { now.offsets.steps_to(&self.wanted) } else { Clock::EVERY };
        let state = State {
            shown: true,
            coarse: self.shown_after(delta)?,
            offsets: self.wanted,
            slew: self.wanted_slew,
            rate: self.wanted_rate,
            ..now
        };
        let plan = self.make_plan(state, Clock::EVERY, steps)?;
        // While the clocks stand still their anchor is in the past; the publish is made now all the same.
        Ok(if state.stopped { Plan { anchor: counter & self.source.mask(), ..plan } } else { plan })
    }

    /// MONOTONIC as a reader of the committed slot has it `delta` cycles after its start.
    #[inline(always)]
    fn shown_after(&self, delta: u64) -> Result<Timespec, Error> {
        let slot = self.slot(&self.committed, Clock::Monotonic, Shift::default())?;
        Ok(slot.value_after(delta, self.control()))
    }

    /// Nothing but the coarse clocks.
    #[inline(always)]
    fn plan_coarse(&self, counter: u64) -> Result<Plan<State>, Error> {
        let delta = self.delta(counter)?;
        let state = State { coarse: self.shown_after(delta)?, coarse_at: delta, ..self.committed };
        let steps = if state.shown { 0 } else { Clock::COARSE };
        let plan = self.make_plan(state, Clock::COARSE, steps)?;
        Ok(Plan { anchor: counter & self.source.mask(), ..plan })
    }
}

impl Planner for Timekeeper {
    type State = State;

    #[inline(always)]
    fn plan(&mut self, counter: u64, scope: Scope) -> Result<Plan<State>, Error> {
        match scope {
            Scope::Full => self.plan_full(counter),
            Scope::Coarse => self.plan_coarse(counter),
        }
    }

    #[inline(always)]
    fn commit(&mut self, plan: &Plan<State>) -> bool {
        if plan.state.epoch != self.committed.epoch {
            // The page has shown the plan's coarse time, and may do so until the next publish.
            self.committed.coarse = self.committed.coarse.max(plan.state.coarse);
            return false;
        }
        self.committed = plan.state;
        true
    }
}
