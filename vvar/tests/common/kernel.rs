//! A kernel in small: a page, its writer, a timekeeper, a counter that moves when told to, and exact clocks beside them.

use super::exact::Exact;
use super::pages::page;
use super::{mask, nanos, timespec, ByOther, ByUsual, Counters, SECOND};
use std::cell::RefCell;
use vvar::memory::Encoded;
use vvar::reader::{read_fast, read_slow};
use vvar::writer::{Plan, Planner, Scope};
use vvar::{read, Clock, Error, Page, Published, Source, Start, Timekeeper, Timespec, Writer};

pub(crate) struct Kernel<L> {
    pub(crate) page: &'static Page,
    /// The same, as this kernel encodes it.
    pub(crate) memory: Encoded<&'static Page, L>,
    pub(crate) writer: Writer<Encoded<&'static Page, L>>,
    pub(crate) clocks: Timekeeper,
    /// Where the counter stands.
    pub(crate) counter: u64,
    pub(crate) exact: Exact,
    /// Cycles since `exact` was moved.
    passed: u64,
    bits: u32,
}

impl<L: Counters> Kernel<L> {
    /// Booted at the counter value `counter`; nothing published yet.
    pub(crate) fn boot(source: Source, counter: u64) -> Self {
        Self::start(source, counter, Start::default())
    }

    pub(crate) fn start(source: Source, counter: u64, start: Start) -> Self {
        let page = page();
        let memory = Encoded::new(page);
        let writer = Writer::new(memory);
        writer.init().expect("the page is new");
        let clocks = Timekeeper::new(source, counter, start).expect("the source is sound");
        clocks.describe(&writer);
        let counter = counter & mask(source.bits);
        Kernel {
            page,
            memory,
            writer,
            clocks,
            counter,
            exact: Exact::new(&source, start),
            passed: 0,
            bits: source.bits,
        }
    }

    pub(crate) fn set(source: Source, counter: u64, realtime: i64) -> Self {
        let mut kernel = Self::boot(source, counter);
        kernel.set_realtime(i128::from(realtime) * SECOND);
        kernel.publish();
        kernel
    }

    /// Lets the counter go on by `cycles`.
    pub(crate) fn pass(&mut self, cycles: u64) {
        self.counter = self.counter.wrapping_add(cycles) & mask(self.bits);
        self.passed += cycles;
    }

    /// Cycles since the last publish, or since the counter was changed.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// A tenth of a second.
    pub(crate) fn tick(&mut self) {
        self.pass(self.clocks.source().frequency / 10);
    }

    pub(crate) fn publish(&mut self) {
        let published = self.writer.publish(|| self.counter, &mut self.clocks).expect("nobody else publishes");
        assert_eq!(published, Published::default());
        self.settle();
        self.exact.publish();
    }

    pub(crate) fn publish_coarse(&mut self) {
        let published = self.writer.publish_coarse(|| self.counter, &mut self.clocks).expect("nobody else publishes");
        assert_eq!(published, Published::default());
    }

    /// Moves the exact clocks to here.
    fn settle(&mut self) {
        self.exact.pass(std::mem::take(&mut self.passed));
    }

    pub(crate) fn slew(&mut self, ppb: i32) {
        self.clocks.slew(ppb).expect("the slew is in range");
        self.exact.wanted.ppb = ppb;
    }

    pub(crate) fn set_realtime(&mut self, to: i128) {
        let time = timespec(to);
        self.clocks.set_realtime(self.counter, time.sec as i64, time.nsec).expect("the time is in range");
        self.exact.want_realtime(self.passed, to);
    }

    pub(crate) fn step_realtime(&mut self, by: i64) {
        self.clocks.step_realtime(self.counter, by).expect("the time is in range");
        self.exact.wanted.realtime = self.exact.wanted.realtime.map(|offset| offset + i128::from(by));
    }

    pub(crate) fn set_tai_offset(&mut self, sec: i32) {
        self.clocks.set_tai_offset(sec).expect("the offset is in range");
        self.exact.wanted.tai = i128::from(sec);
    }

    /// Inserts (1) or deletes (-1) a leap second.
    pub(crate) fn leap(&mut self, inserted: i32) {
        match inserted {
            1 => self.clocks.insert_leap_second(self.counter),
            _ => self.clocks.delete_leap_second(self.counter),
        }
        .expect("the offset is in range");
        self.exact.wanted.tai += i128::from(inserted);
        self.exact.wanted.realtime = self.exact.wanted.realtime.map(|offset| offset - i128::from(inserted) * SECOND);
    }

    pub(crate) fn suspend(&mut self) {
        self.writer.disable_counter();
        self.clocks.suspend(self.counter).expect("the counter is good");
        self.settle();
    }

    pub(crate) fn resume(&mut self, counter: u64, slept: i128) {
        self.clocks.resume(counter, timespec(slept)).expect("the sleep is in range");
        self.exact.sleep(slept);
        self.counter = counter & mask(self.bits);
        self.passed = 0;
        self.writer.enable_counter();
    }

    /// The counter goes on from `to`.
    pub(crate) fn discontinuity(&mut self, to: u64) {
        self.writer.disable_counter();
        self.clocks.counter_discontinuity(self.counter, to).expect("the counter was good");
        self.settle();
        self.counter = to & mask(self.bits);
        self.writer.enable_counter();
    }

    /// Goes on by another counter, which stands at `counter`.
    pub(crate) fn change_counter(&mut self, source: Source, counter: u64) {
        self.writer.disable_counter();
        self.clocks.change_counter(self.counter, source, counter).expect("the source is sound");
        self.clocks.describe(&self.writer);
        self.settle();
        self.exact.change_counter(source.frequency);
        self.bits = source.bits;
        self.counter = counter & mask(self.bits);
        self.writer.enable_counter();
    }

    /// What a program gets from the page, after a look at every other way to the same time: both kinds of machine, the
    /// fast and the slow path, and the timekeeper. They must agree to the nanosecond.
    pub(crate) fn page_time(&self, clock: Clock) -> Option<Timespec> {
        let (usual, other) = (ByUsual::<L>::at(self.counter), ByOther::<L>::at(self.counter));
        let time = read(&self.memory, &usual, clock).ok();
        assert_eq!(read(&self.memory, &other, clock).ok(), time, "{clock:?} on another machine");
        assert_eq!(read_slow(&self.memory, &usual, clock.id()), time, "{clock:?} on the slow path");
        for fast in [read_fast(&self.memory, &usual, clock.id()), read_fast(&self.memory, &other, clock.id())] {
            assert!(fast.is_none() || fast == time, "{clock:?}: {fast:?} on the fast path, {time:?} on the slow one");
        }
        if let Some(time) = time {
            assert_eq!(self.clocks.now(self.counter, clock), Ok(time), "{clock:?} by the system call");
        }
        time
    }

    /// As [`Kernel::page_time`], in ns. The clock must be on.
    pub(crate) fn read(&self, clock: Clock) -> i128 {
        nanos(self.page_time(clock).unwrap_or_else(|| panic!("{clock:?} is off")))
    }

    /// As a program has it: from the page, else by the system call.
    pub(crate) fn clock_gettime(&self, clock: Clock) -> Result<i128, Error> {
        match self.page_time(clock) {
            Some(time) => Ok(nanos(time)),
            None => self.clocks.now(self.counter, clock).map(nanos),
        }
    }

    /// Reads a fine clock and checks that it is within 1 ns of the exact one, and not ahead of it.
    pub(crate) fn checked(&self, clock: Clock) -> i128 {
        self.check(clock, self.read(clock))
    }

    /// As [`Kernel::checked`], for a clock that may be off.
    pub(crate) fn checked_call(&self, clock: Clock) -> i128 {
        self.check(clock, self.clock_gettime(clock).expect("the clock is set"))
    }

    fn check(&self, clock: Clock, time: i128) -> i128 {
        let exact = self.exact.at(clock, self.passed).expect("a clock that is on is set");
        assert!(
            time == exact || time == exact - 1,
            "{clock:?}: {time} ns, exactly {exact} ns, {} cycles after the publish",
            self.passed
        );
        time
    }

    pub(crate) fn on(&self) -> Vec<Clock> {
        Clock::ALL.into_iter().filter(|&clock| self.page_time(clock).is_some()).collect()
    }
}

/// A timekeeper behind a lock that is held for each call only: interrupts and other CPUs come in between.
pub(crate) struct Locked(pub(crate) &'static RefCell<Timekeeper>);

impl Locked {
    pub(crate) fn new(clocks: Timekeeper) -> Locked {
        Locked(Box::leak(Box::new(RefCell::new(clocks))))
    }
}

impl Planner for Locked {
    type State = <Timekeeper as Planner>::State;
    fn plan(&mut self, counter: u64, scope: Scope) -> Result<Plan<Self::State>, Error> {
        self.0.borrow_mut().plan(counter, scope)
    }
    fn commit(&mut self, plan: &Plan<Self::State>) -> bool {
        self.0.borrow_mut().commit(plan)
    }
}
