use super::Lines;
use crate::common::kernel::{self, Locked};
use crate::common::pages::{bytes, page, Frame, Interrupted, Stopping};
use crate::common::{nanos, start_of, Counters, Random, FINE, SECOND};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use vvar::counter::WarpTest;
use vvar::memory::{self, Encoded};
use vvar::page::{line_offset, offset, CpuNumber, Encoding, ABI, MAGIC};
use vvar::rate::MAX_SLEW_PPB;
use vvar::reader::identify;
use vvar::writer::{Counts, Plan, Planner, Scope, LATE_NANOS, REPEATS, REPLANS};
use vvar::{
    read, Clock, ClockSet, Error, Page, PageRead, PageWrite, Published, RawPage, Source, Start, Timekeeper, Writer,
};

type Kernel = kernel::Kernel<Lines>;
type ByUsual = crate::common::ByUsual<Lines>;

const ENCODING: Encoding = <Lines as memory::Lines>::ENCODING;
const LAYOUT: u64 = ENCODING.layout();
const TSC: Source = Lines::TSC;
/// Where the counter stands at boot.
const BOOT: u64 = 0x12_0000_0000;
const DAY: i64 = 1_790_000_000;
/// A tenth of a second.
const TICK: u64 = TSC.frequency / 10;

/// A timekeeper whose REALTIME was set, and TAI's offset to 37; not published yet.
fn timekeeper() -> Timekeeper {
    let mut clocks = Timekeeper::new(TSC, BOOT, Start::default()).expect("the source is sound");
    clocks.set_tai_offset(37).expect("in range");
    clocks.set_realtime(BOOT, DAY, 0).expect("in range");
    clocks
}

/// Stores of a publish of all clocks, none of which steps: five fine slots, two coarse ones, seven `seq`.
const STORES: usize = match ENCODING {
    Encoding::Split => 5 * 6 + 2 * 2 + 7,
    Encoding::Wide => 5 * 5 + 2 * 2 + 7,
};

/// Memory that holds a page of this encoding.
fn encoded<P>(memory: P) -> Encoded<P, Lines> {
    Encoded::new(memory)
}

fn quietly(result: Result<Published, Error>) {
    assert_eq!(result, Ok(Published::default()));
}

// The page's identity.

#[test]
fn init_identifies_the_page_and_does_no_harm_twice() {
    let kernel = Kernel::set(TSC, BOOT, DAY);
    assert_eq!(identify(&kernel.memory), Ok(()));
    assert_eq!(kernel.page.magic.load(Relaxed).to_le_bytes(), *b"vvar");
    let before = bytes(kernel.page);
    assert_eq!(kernel.writer.init(), Ok(()));
    assert!(bytes(kernel.page) == before);
}

#[test]
fn zeroed_page_has_no_identity() {
    assert_eq!(identify(&encoded(page())), Err(Error::ForeignPage { abi: 0, layout: 0, expected: LAYOUT }));
}

#[test]
fn foreign_pages_are_refused_untouched() {
    let foreign = [
        (MAGIC, ABI + 1, LAYOUT),
        (MAGIC, 0, LAYOUT),
        (MAGIC, ABI, LAYOUT ^ 1),
        (MAGIC, ABI, LAYOUT ^ 1 << 63),
        (MAGIC.swap_bytes(), ABI, LAYOUT),
    ];
    for (magic, abi, layout) in foreign {
        let page = page();
        page.magic.store(magic, Relaxed);
        page.abi.store(abi, Relaxed);
        page.layout.store(layout, Relaxed);
        let before = bytes(page);
        let error = Err(Error::ForeignPage { abi, layout, expected: LAYOUT });
        assert_eq!(identify(&encoded(page)), error);
        assert_eq!(Writer::new(encoded(page)).init(), error);
        assert!(bytes(page) == before);
    }
}

/// A line of another layout is not read: its control word differs in the layout's bits.
#[test]
fn line_of_another_layout_is_off() {
    let kernel = Kernel::set(TSC, BOOT, DAY);
    for bit in 0..32 {
        for clock in Clock::ALL {
            let ctl = &kernel.page.lines[clock.id()].ctl;
            let word = ctl.load(Relaxed);
            ctl.store(word ^ 1 << bit, Relaxed);
            let time = read(&kernel.memory, &ByUsual::at(BOOT), clock);
            if bit >= 16 {
                assert!(time.is_err(), "{clock:?} with layout bit {bit} changed");
            }
            ctl.store(word, Relaxed);
        }
    }
}

// Memory.

#[test]
fn every_memory_gets_the_same_page() {
    fn run<P: PageWrite>(memory: P) -> Vec<u32> {
        let writer = Writer::new(encoded(memory));
        writer.init().expect("a new page");
        let mut clocks = timekeeper();
        clocks.describe(&writer);
        writer.set_resolution(1, 4_000_000);
        writer.set_timezone(-120, 0);
        writer.set_cpu_number(CpuNumber::Rdtscp);
        quietly(writer.publish(|| BOOT + 1, &mut clocks));
        clocks.slew(MAX_SLEW_PPB).expect("in range");
        clocks.insert_leap_second(BOOT + TICK).expect("in range");
        quietly(writer.publish(|| BOOT + TICK, &mut clocks));
        quietly(writer.publish_coarse(|| BOOT + 2 * TICK, &mut clocks));
        for clock in Clock::ALL {
            let counter = BOOT + 3 * TICK;
            assert_eq!(read(writer.page(), &ByUsual::at(counter), clock).ok(), clocks.now(counter, clock).ok());
        }
        bytes(writer.page().memory())
    }
    let expected = run(page());
    assert!(run(Page::new()) == expected, "a page by value");
    assert!(run(Frame::zeroed()) == expected, "a frame");
    let frame = Frame::zeroed();
    assert!(run(&frame) == expected && bytes(&frame) == expected, "a borrowed frame");
    let place = Box::new(Page::new());
    let address = std::ptr::from_ref(&*place).cast_mut().cast::<u8>();
    // SAFETY: a Page is aligned and 4096 bytes; it outlives the call, and nothing else uses it meanwhile.
    let raw = unsafe { RawPage::new(address) };
    assert!(run(raw) == expected, "a page at an address");
    assert!(bytes(&*place) == expected);
}

#[test]
fn publishes_leave_the_kernels_own_block_alone() {
    let page = page();
    for (at, byte) in page.kernel_data.iter().enumerate() {
        byte.store(at as u8 ^ 0x5a, Relaxed);
    }
    let writer = Writer::new(encoded(page));
    writer.init().expect("a new page");
    let mut clocks = timekeeper();
    for turn in 0..4 {
        quietly(writer.publish(|| BOOT + turn, &mut clocks));
    }
    assert!(page.kernel_data.iter().enumerate().all(|(at, byte)| byte.load(Relaxed) == at as u8 ^ 0x5a));
    let reserved = (offset::RANDOM..offset::KERNEL_DATA).step_by(8);
    assert!(reserved.into_iter().all(|at| page.load_u64(at) == 0));
}

/// `seq` is 32 bits and wraps.
#[test]
fn publishes_go_on_as_seq_wraps() {
    let mut kernel = Kernel::set(TSC, BOOT, DAY);
    for line in &kernel.page.lines {
        line.seq.store(u32::MAX - 2, Relaxed);
    }
    // The slot that this seq names holds another publish: bring both up to date.
    for _ in 0..8 {
        kernel.pass(TICK);
        kernel.publish();
        for clock in FINE {
            kernel.checked(clock);
        }
    }
    assert_eq!(kernel.page.lines[Clock::Monotonic.id()].seq.load(Relaxed), 5);
}

// Disabling.

#[test]
fn disabled_clocks_stay_off_until_enabled_and_published() {
    for disabled in Clock::ALL {
        let mut kernel = Kernel::set(TSC, BOOT, DAY);
        kernel.writer.disable(disabled.bit());
        let others: Vec<_> = Clock::ALL.into_iter().filter(|&clock| clock != disabled).collect();
        assert_eq!(kernel.on(), others, "at once");
        kernel.set_realtime(7 * SECOND);
        kernel.publish();
        kernel.pass(TICK);
        kernel.publish_coarse();
        assert_eq!(kernel.on(), others, "publishes do not switch {disabled:?} on");
        assert!(kernel.clock_gettime(disabled).is_ok(), "the system call goes on");
        kernel.writer.enable(disabled.bit());
        assert_eq!(kernel.on(), others, "enabled, but nothing is published yet");
        kernel.publish();
        assert_eq!(kernel.on(), Clock::ALL);
    }
}

#[test]
fn disabling_the_counter_leaves_the_coarse_clocks() {
    let mut kernel = Kernel::set(TSC, BOOT, DAY);
    kernel.writer.disable_counter();
    kernel.pass(TICK);
    kernel.publish();
    assert_eq!(kernel.on(), [Clock::RealtimeCoarse, Clock::MonotonicCoarse]);
    kernel.writer.enable_counter();
    kernel.publish_coarse();
    assert_eq!(kernel.on(), [Clock::RealtimeCoarse, Clock::MonotonicCoarse], "a coarse publish is for coarse clocks");
    kernel.publish();
    assert_eq!(kernel.on(), Clock::ALL);
}

#[test]
fn disabling_before_the_first_publish_holds() {
    let kernel = &mut Kernel::boot(TSC, BOOT);
    kernel.writer.disable(Clock::Monotonic.bit());
    kernel.publish();
    assert_eq!(kernel.on(), [Clock::MonotonicRaw, Clock::Boottime, Clock::MonotonicCoarse]);
}

// Late publishes.

/// The writer's counter gives these values, one a read.
fn counter_gives(values: &[u64]) -> impl FnMut() -> u64 + '_ {
    let mut values = values.iter();
    move || *values.next().expect("no further read of the counter")
}

#[test]
fn late_publishes_are_planned_again_and_counted() {
    // The shortest delay that is late.
    let late = u64::from(LATE_NANOS) * TSC.frequency / 1_000_000_000 + 2;
    let mut kernel = Kernel::set(TSC, BOOT, DAY);
    let mut clocks = kernel.clocks.clone();
    let (a, b, c, d) = (BOOT + TICK, BOOT + 2 * TICK, BOOT + 3 * TICK, BOOT + 4 * TICK);
    let counts = |kernel: &Kernel| {
        let Counts { late, replanned, busy } = kernel.writer.counts();
        (late, replanned, busy)
    };
    let done = |replanned, late| Ok(Published { replanned, late, ..Published::default() });

    assert_eq!(kernel.writer.publish(counter_gives(&[a, a + late - 1]), &mut clocks), done(0, false));
    assert_eq!(counts(&kernel), (0, 0, 0));
    assert_eq!(kernel.writer.publish(counter_gives(&[a, a + late, b, b]), &mut clocks), done(1, false));
    assert_eq!(counts(&kernel), (0, 1, 0));
    assert_eq!(start_of(&kernel.memory, Clock::Monotonic), b);
    assert_eq!(kernel.writer.publish(counter_gives(&[b, c, c, d, d, d]), &mut clocks), done(2, false));
    assert_eq!(counts(&kernel), (0, 3, 0));
    let stalls = [d, d + late, d + late, d + 2 * late, d + 2 * late, d + 3 * late];
    assert_eq!(stalls.len(), 2 * (1 + REPLANS as usize));
    assert_eq!(kernel.writer.publish(counter_gives(&stalls), &mut clocks), done(REPLANS, true));
    assert_eq!(counts(&kernel), (1, 5, 0));
    kernel.clocks = clocks;
    kernel.pass(d + 3 * late - BOOT);
    for clock in FINE {
        kernel.checked(clock);
    }
}

/// This CPU's counter is behind the one that the anchor was read from: no reason to plan again.
#[test]
fn lagging_counter_is_not_late() {
    let kernel = Kernel::set(TSC, BOOT, DAY);
    let mut clocks = kernel.clocks.clone();
    quietly(kernel.writer.publish(counter_gives(&[BOOT + TICK, BOOT + TICK - 100]), &mut clocks));
}

/// A refused plan in the middle of a publish leaves the page with no wrong time, and the next publish heals it.
#[test]
fn refusal_of_a_second_plan_leaves_no_wrong_time() {
    let mut kernel = Kernel::set(TSC, BOOT, DAY);
    kernel.pass(TICK);
    kernel.publish();
    kernel.set_realtime(5 * SECOND);
    let (anchor, before) = (kernel.counter, FINE.map(|clock| kernel.page_time(clock)));
    // Late, and then the counter is found before the last publish.
    let reads = [anchor + 1, anchor + TICK, anchor - 1];
    let error = Error::BeforeAnchor { anchor, counter: anchor - 1 };
    assert_eq!(kernel.writer.publish(counter_gives(&reads), &mut kernel.clocks), Err(error));
    for (clock, before) in FINE.into_iter().zip(before) {
        let time = kernel.page_time(clock);
        assert!(time.is_none() || time == before, "{clock:?}");
    }
    kernel.publish();
    assert_eq!(kernel.on(), Clock::ALL);
    assert_eq!(kernel.read(Clock::Realtime), 5 * SECOND);
}

// Interrupts in the middle of a publish.

/// A kernel whose timekeeper is behind a lock that interrupts find free.
#[derive(Clone, Copy)]
struct Machine {
    memory: &'static Interrupted,
    page: &'static Page,
    writer: &'static Writer<Encoded<&'static Interrupted, Lines>>,
    clocks: &'static RefCell<Timekeeper>,
    counter: &'static Cell<u64>,
}

impl Machine {
    /// Everything published at [`BOOT`].
    fn boot() -> Machine {
        let page = page();
        let memory = Interrupted::new(page);
        let writer: &_ = Box::leak(Box::new(Writer::new(encoded(memory))));
        writer.init().expect("a new page");
        let machine = Machine {
            memory,
            page,
            writer,
            clocks: Locked::new(timekeeper()).0,
            counter: Box::leak(Box::new(Cell::new(BOOT))),
        };
        quietly(machine.publish());
        machine
    }

    fn publish(self) -> Result<Published, Error> {
        self.writer.publish(|| self.counter.get(), &mut Locked(self.clocks))
    }

    fn pass(self, cycles: u64) {
        self.counter.set(self.counter.get() + cycles);
    }

    fn page_time(self, clock: Clock) -> Option<i128> {
        read(&encoded(self.page), &ByUsual::at(self.counter.get()), clock).ok().map(nanos)
    }

    /// As a program has it: from the page, else by the system call.
    fn clock_gettime(self, clock: Clock) -> i128 {
        self.page_time(clock).unwrap_or_else(|| self.system_call(clock))
    }

    fn system_call(self, clock: Clock) -> i128 {
        nanos(self.clocks.borrow().now(self.counter.get(), clock).expect("every clock is set"))
    }

    fn assert_all_on(self) {
        for clock in Clock::ALL {
            let now = self.clocks.borrow().now(self.counter.get(), clock).map(nanos);
            assert_eq!(self.page_time(clock).ok_or(Error::Busy), now, "{clock:?}");
        }
    }
}

#[test]
fn publish_within_a_publish_is_refused_and_not_lost() {
    // The interrupt comes with the writer's first, second, ... read of the counter.
    for at in 0..2 {
        let machine = Machine::boot();
        let mut reads = 0;
        let mut refused = 0;
        let interrupted = || {
            if reads == at {
                machine.clocks.borrow_mut().set_realtime(machine.counter.get(), 5, 0).expect("in range");
                assert_eq!(machine.publish(), Err(Error::Busy));
                let coarse =
                    machine.writer.publish_coarse(|| unreachable!("refused before"), &mut Locked(machine.clocks));
                assert_eq!(coarse, Err(Error::Busy));
                refused += 2;
            }
            reads += 1;
            machine.counter.get()
        };
        let done = machine.writer.publish(interrupted, &mut Locked(machine.clocks));
        assert_eq!(done, Ok(Published { repeated: 1, ..Published::default() }));
        assert_eq!(machine.page_time(Clock::Realtime), Some(5 * SECOND), "the change of the one who was refused");
        machine.assert_all_on();
        assert_eq!(machine.writer.counts().busy, refused);
    }
}

#[test]
fn full_publish_within_a_coarse_one_is_not_lost() {
    let machine = Machine::boot();
    let mut first = true;
    let interrupted = || {
        if std::mem::take(&mut first) {
            machine.clocks.borrow_mut().set_realtime(machine.counter.get(), 5, 0).expect("in range");
            assert_eq!(machine.publish(), Err(Error::Busy));
        }
        machine.counter.get()
    };
    let done = machine.writer.publish_coarse(interrupted, &mut Locked(machine.clocks));
    assert_eq!(done, Ok(Published { repeated: 1, ..Published::default() }));
    assert_eq!(machine.page_time(Clock::Realtime), Some(5 * SECOND));
    assert_eq!(machine.page_time(Clock::RealtimeCoarse), Some(5 * SECOND));
    machine.assert_all_on();
}

#[test]
fn failed_publish_is_repeated_for_those_it_refused() {
    let machine = Machine::boot();
    machine.pass(TICK);
    let mut first = true;
    let interrupted = || {
        if std::mem::take(&mut first) {
            machine.clocks.borrow_mut().step_realtime(machine.counter.get(), 1).expect("in range");
            assert_eq!(machine.publish(), Err(Error::Busy));
            return BOOT - 1;
        }
        machine.counter.get()
    };
    let done = machine.writer.publish(interrupted, &mut Locked(machine.clocks));
    assert_eq!(done, Ok(Published { repeated: 1, ..Published::default() }));
    assert_eq!(machine.page_time(Clock::Realtime), Some(i128::from(DAY) * SECOND + SECOND / 10 + 1));
}

#[test]
fn endless_refusals_end_in_pending() {
    let machine = Machine::boot();
    let mut refusals: i64 = 0;
    let interrupted = || {
        refusals += 1;
        machine.clocks.borrow_mut().step_realtime(machine.counter.get(), 1).expect("in range");
        assert_eq!(machine.publish(), Err(Error::Busy));
        machine.counter.get()
    };
    let done = machine.writer.publish(interrupted, &mut Locked(machine.clocks));
    assert_eq!(done, Ok(Published { repeated: REPEATS, pending: true, ..Published::default() }));
    // Every step but the one made after the last plan is in the page, and the next publish brings that.
    assert_eq!(machine.page_time(Clock::Realtime), Some(i128::from(DAY) * SECOND + i128::from(refusals) - 1));
    quietly(machine.publish());
    assert_eq!(machine.page_time(Clock::Realtime), Some(i128::from(DAY) * SECOND + i128::from(refusals)));
}

/// The interrupt comes before each store of a publish in turn, changes something and publishes.
#[test]
fn publish_within_a_publish_at_every_store_is_not_lost() {
    for at in 0.. {
        let machine = Machine::boot();
        machine.pass(TICK);
        machine.clocks.borrow_mut().step_realtime(machine.counter.get(), 10).expect("in range");
        machine.memory.at_stores(move |store| {
            if store == at {
                machine.clocks.borrow_mut().step_realtime(machine.counter.get(), 100).expect("in range");
                machine.clocks.borrow_mut().slew(MAX_SLEW_PPB).expect("in range");
                assert_eq!(machine.publish(), Err(Error::Busy));
            }
        });
        let done = machine.publish().expect("nobody holds the page");
        let stores = machine.memory.quiet();
        if stores <= at {
            assert_eq!(done.repeated, 0);
            assert!(at >= STORES, "a publish makes more stores than {at}");
            break;
        }
        assert_eq!(done, Published { repeated: 1, ..Published::default() }, "store {at}");
        assert_eq!(
            machine.page_time(Clock::Realtime),
            Some(i128::from(DAY) * SECOND + SECOND / 10 + 110),
            "store {at}"
        );
        machine.assert_all_on();
        machine.pass(TSC.frequency);
        machine.assert_all_on();
    }
}

/// The counter jumps before each store of a publish in turn, and whoever saw that does what the guide says. From then on no
/// reader may be given a time that an old slot and the new counter make. (The store that the interrupt comes before is made
/// all the same. Should it switch a line on, the very next one switches it off: a moment after a jump that nobody could
/// foresee either.)
#[test]
fn jump_of_the_counter_within_a_publish_shows_no_wrong_time() {
    // It starts again, or it leaps an hour; it was disabled after the jump, or before the publish already.
    for (to, early) in [(17, false), (BOOT + 3_600 * TSC.frequency, false), (BOOT + 3_600 * TSC.frequency, true)] {
        for at in 0.. {
            let machine = Machine::boot();
            if early {
                machine.writer.disable_counter();
            }
            machine.pass(TICK);
            machine.clocks.borrow_mut().step_realtime(machine.counter.get(), 10).expect("in range");
            let check = move |place: &str| {
                for clock in FINE {
                    let expected = machine.clocks.borrow().now(machine.counter.get(), clock).map(nanos);
                    let time = machine.page_time(clock);
                    assert!(
                        time.is_none_or(|time| Ok(time) == expected),
                        "{clock:?} {place}: {time:?}, not {expected:?}"
                    );
                    assert!(
                        expected.is_ok_and(|time| time % SECOND - SECOND / 10 <= 10),
                        "{clock:?} has jumped to {expected:?}"
                    );
                }
            };
            let jumped = Rc::new(Cell::new(false));
            let seen = jumped.clone();
            machine.memory.at_stores(move |store| {
                if store == at {
                    if !early {
                        machine.writer.disable_counter();
                    }
                    let old = machine.counter.replace(to);
                    machine.clocks.borrow_mut().counter_discontinuity(old, to).expect("the counter was good");
                    machine.writer.enable_counter();
                    assert_eq!(machine.publish(), Err(Error::Busy));
                    seen.set(true);
                } else if seen.get() && store > at + 1 {
                    check(&format!("before store {store}, after a jump before store {at}"));
                }
            });
            let done = machine.publish().expect("nobody holds the page");
            machine.memory.quiet();
            if !jumped.get() {
                assert!(at >= STORES, "a publish makes more stores than {at}");
                break;
            }
            assert!(!done.late && !done.pending, "store {at}: {done:?}");
            check("at the end");
            machine.assert_all_on();
        }
    }
}

/// A publish that turns out void has shown a coarse time already: no program may get an earlier one afterwards, from the page or
/// by the system call.
#[test]
fn coarse_time_of_a_void_publish_is_kept() {
    for at in 0.. {
        let machine = Machine::boot();
        machine.pass(TICK);
        let (jumped, latest) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let check = {
            let latest = latest.clone();
            move |place: usize| {
                let time = machine.clock_gettime(Clock::MonotonicCoarse);
                assert!(
                    time >= latest.get(),
                    "{time} after {} at store {place}, a jump before store {at}",
                    latest.get()
                );
                latest.set(time);
            }
        };
        let (seen, checked) = (jumped.clone(), check.clone());
        machine.memory.at_stores(move |store| {
            if store == at {
                machine.writer.disable_counter();
                let old = machine.counter.replace(17);
                machine.clocks.borrow_mut().counter_discontinuity(old, 17).expect("the counter was good");
                machine.writer.enable_counter();
                seen.set(true);
            }
            checked(store);
        });
        let _ = machine.publish().expect("nobody holds the page");
        machine.memory.quiet();
        check(usize::MAX);
        if !jumped.get() {
            assert!(at >= STORES, "a publish makes more stores than {at}");
            break;
        }
    }
}

/// A planner after whose commits an interrupt comes.
struct ThenInterrupted<F>(Locked, F);

impl<F: FnMut()> Planner for ThenInterrupted<F> {
    type State = <Locked as Planner>::State;
    fn plan(&mut self, counter: u64, scope: Scope) -> Result<Plan<Self::State>, Error> {
        self.0.plan(counter, scope)
    }
    fn commit(&mut self, plan: &Plan<Self::State>) -> bool {
        let fits = self.0.commit(plan);
        self.1();
        fits
    }
}

/// The counter was disabled, a publish went on without it, and between its commit and its end a jump is reported and the
/// counter enabled: that publish knows nothing of the jump, so the next one has to switch the clocks on.
#[test]
fn counter_enabled_within_a_publish_waits_for_the_next() {
    let machine = Machine::boot();
    machine.writer.disable_counter();
    machine.pass(TICK);
    let mut first = true;
    let jump = || {
        if std::mem::take(&mut first) {
            let old = machine.counter.replace(BOOT + 3_600 * TSC.frequency);
            let reported = machine.clocks.borrow_mut().counter_discontinuity(old, machine.counter.get());
            reported.expect("the counter was good");
            machine.writer.enable_counter();
        }
    };
    let planner = &mut ThenInterrupted(Locked(machine.clocks), jump);
    quietly(machine.writer.publish(|| machine.counter.get(), planner));
    for clock in FINE {
        assert_eq!(machine.page_time(clock), None, "{clock:?}");
    }
    quietly(machine.publish());
    machine.assert_all_on();
}

/// Clocks are disabled before each store of a publish in turn, also of one that switches lines on.
#[test]
fn clock_that_is_disabled_within_a_publish_stays_off() {
    let sets: [ClockSet; 4] = [Clock::FINE, Clock::EVERY, Clock::Realtime.bit(), Clock::MonotonicCoarse.bit()];
    for disabled in sets {
        for step in [false, true] {
            for at in 0.. {
                let machine = Machine::boot();
                if step {
                    machine.clocks.borrow_mut().step_realtime(machine.counter.get(), 10).expect("in range");
                }
                machine.memory.at_stores(move |store| {
                    if store == at {
                        machine.writer.disable(disabled);
                    }
                });
                quietly(machine.publish());
                if machine.memory.quiet() <= at {
                    break;
                }
                let off = |clock: Clock| machine.page_time(clock).is_none();
                for clock in Clock::ALL {
                    assert_eq!(off(clock), clock.bit() & disabled != 0, "{clock:?}, store {at}");
                }
                quietly(machine.publish());
                assert!(Clock::ALL.into_iter().all(|clock| off(clock) == (clock.bit() & disabled != 0)));
                machine.writer.enable(disabled);
                quietly(machine.publish());
                machine.assert_all_on();
            }
        }
    }
}

#[test]
fn clock_that_is_disabled_from_the_counter_read_stays_off() {
    let machine = Machine::boot();
    let counter = || {
        machine.writer.disable_counter();
        machine.counter.get()
    };
    quietly(machine.writer.publish(counter, &mut Locked(machine.clocks)));
    assert!(FINE.into_iter().all(|clock| machine.page_time(clock).is_none()));
}

/// Taking back how the CPU's number is read, while another CPU sets the timezone.
#[test]
fn timezone_and_cpu_number_do_not_undo_each_other() {
    for by in [CpuNumber::SystemCall, CpuNumber::Rdpid] {
        for at in 0..2 {
            let machine = Machine::boot();
            machine.writer.set_cpu_number(CpuNumber::Rdtscp);
            machine.memory.at_stores(move |store| {
                if store == at {
                    machine.writer.set_cpu_number(by);
                }
            });
            machine.writer.set_timezone(-60, 0);
            machine.memory.quiet();
            assert_eq!(machine.page.cpu_number.load(Relaxed), by as u32, "set before store {at} of set_timezone");
            assert_eq!(machine.page.timezone_known.load(Relaxed), 1);
        }
    }
}

/// Who sees that the timezone is known sees it.
#[test]
fn timezone_is_there_before_it_is_known() {
    let machine = Machine::boot();
    machine.memory.at_stores(move |_| assert_eq!(machine.page.timezone_known.load(Relaxed), 0));
    machine.writer.set_timezone(-60, 0);
    assert_eq!(machine.memory.quiet(), 2);
    assert_eq!(machine.page.timezone.load(Relaxed) as u32 as i32, -60);
}

// Readers in the middle of a publish.

/// What a program that looks before each store of a publish must never see.
struct Observer {
    machine: Machine,
    latest: Vec<i128>,
    /// Clocks that may be found lower: REALTIME is set back, or a leap second is inserted.
    may_step: ClockSet,
    stepped: ClockSet,
}

impl Observer {
    fn new(machine: Machine, may_step: ClockSet) -> Observer {
        let latest = Clock::ALL.map(|clock| machine.clock_gettime(clock)).to_vec();
        Observer { machine, latest, may_step, stepped: 0 }
    }

    fn look(&mut self) {
        for (clock, latest) in Clock::ALL.into_iter().zip(&mut self.latest) {
            let time = self.machine.clock_gettime(clock);
            if let (Some(time), false) = (self.machine.page_time(clock), clock.is_coarse()) {
                let called = self.machine.system_call(clock);
                assert!((time - called).abs() <= 1, "{clock:?}: {time} from the page, {called} by the system call");
            }
            if time < *latest {
                assert!(self.may_step & clock.bit() != 0, "{clock:?} goes back from {latest} to {time}");
                // Once is the step; from then on, forward.
                self.may_step &= !clock.bit();
                self.stepped |= clock.bit();
            }
            *latest = time;
        }
        for (coarse, fine) in [(Clock::RealtimeCoarse, Clock::Realtime), (Clock::MonotonicCoarse, Clock::Monotonic)] {
            let coarse_time = self.machine.clock_gettime(coarse);
            let fine_time = self.machine.clock_gettime(fine);
            assert!(coarse_time <= fine_time, "{coarse:?} {coarse_time}, then {fine:?} {fine_time}");
        }
    }
}

/// Publishes what `change` asked for, with a program that looks before each store, at counters of all sorts. Clocks in
/// `disabled` are read by system calls.
fn observed_publish(change: fn(&mut Timekeeper, u64), may_step: ClockSet, disabled: ClockSet) {
    let mut random = Random(1);
    let mut stepped = 0;
    for _ in 0..2_000 {
        let machine = Machine::boot();
        machine.writer.disable(disabled);
        // Up to two seconds: near and far enough for the hot formula to be behind the exact one, and past its end.
        machine.pass(random.magnitude(2 * TSC.frequency));
        change(&mut machine.clocks.borrow_mut(), machine.counter.get());
        let observer = Rc::new(RefCell::new(Observer::new(machine, may_step)));
        let looks = observer.clone();
        machine.memory.at_stores(move |_| looks.borrow_mut().look());
        quietly(machine.publish());
        assert!(machine.memory.quiet() >= STORES);
        observer.borrow_mut().look();
        stepped |= observer.borrow().stepped;
    }
    assert_eq!(stepped, may_step, "what steps is seen to step");
}

const REALTIME: ClockSet = Clock::Realtime.bit() | Clock::RealtimeCoarse.bit();

fn slew(clocks: &mut Timekeeper, _counter: u64) {
    clocks.slew(-MAX_SLEW_PPB).expect("in range");
}

fn set_back(clocks: &mut Timekeeper, counter: u64) {
    clocks.set_realtime(counter, 1_000_000_000, 0).expect("in range");
}

fn insert_leap_second(clocks: &mut Timekeeper, counter: u64) {
    clocks.insert_leap_second(counter).expect("in range");
}

fn lower_tai_offset(clocks: &mut Timekeeper, _counter: u64) {
    clocks.set_tai_offset(0).expect("in range");
}

#[test]
fn programs_see_a_step_of_tai_once() {
    observed_publish(lower_tai_offset, Clock::Tai.bit(), 0);
}

#[test]
fn programs_see_no_step_within_a_slew() {
    observed_publish(slew, 0, 0);
}

#[test]
fn programs_see_a_set_once_and_on_all_its_clocks() {
    observed_publish(set_back, Clock::FOLLOW_REALTIME, 0);
}

#[test]
fn programs_see_a_leap_second_once() {
    observed_publish(insert_leap_second, REALTIME, 0);
}

/// The same with the fine clocks on the system call: coarse times come from the page, fine ones from the timekeeper.
#[test]
fn programs_on_the_system_call_see_no_step_within_a_slew() {
    observed_publish(slew, 0, Clock::FINE);
}

#[test]
fn programs_on_the_system_call_see_a_set_once() {
    observed_publish(set_back, Clock::FOLLOW_REALTIME, Clock::FINE);
}

// Writers that stop for ever.

/// What a program may see of a clock while a publish is in the middle: its time before, its time after, nothing else.
fn stopped_publish(change: fn(&mut Timekeeper, u64), stepping: ClockSet, coarse_only: bool) {
    const TOGETHER: [Clock; 3] = [Clock::Realtime, Clock::RealtimeCoarse, Clock::Tai];
    for stores in 0.. {
        let page = page();
        let mut clocks = timekeeper();
        let whole = Writer::new(encoded(page));
        whole.init().expect("a new page");
        clocks.describe(&whole);
        quietly(whole.publish(|| BOOT, &mut clocks));
        let anchor = BOOT + TICK;
        change(&mut clocks, anchor);
        let before = clocks.clone();

        let stops = Writer::new(encoded(Stopping::after(stores, page)));
        let done = match coarse_only {
            true => stops.publish_coarse(|| anchor, &mut clocks),
            false => stops.publish(|| anchor, &mut clocks),
        };
        quietly(done);
        let finished = stops.page().memory().never_stopped();

        // At the anchor, just after, after the low half has wrapped, and a day later.
        for counter in [anchor, anchor + 1, anchor + 1000, anchor + TSC.frequency, anchor + 86_400 * TSC.frequency] {
            let (mut new, mut old) = (0, 0);
            for clock in Clock::ALL {
                let Ok(time) = read(&encoded(page), &ByUsual::at(counter), clock) else {
                    assert!(!finished, "{clock:?} is off after a whole publish");
                    assert!(stepping & clock.bit() != 0, "{clock:?} is off, and does not step");
                    continue;
                };
                let (was, is) = (before.now(counter, clock), clocks.now(counter, clock));
                assert!(Ok(time) == was || Ok(time) == is, "{clock:?} after {stores} stores: {time:?}");
                if was != is {
                    *(if Ok(time) == is { &mut new } else { &mut old }) |= clock.bit();
                }
            }
            let of_step = TOGETHER.iter().fold(0, |set, clock| set | clock.bit()) & stepping;
            assert!(
                new & of_step == 0 || old & of_step == 0,
                "after {stores} stores: clocks {new:#x} have stepped, {old:#x} have not"
            );
        }

        // Another CPU takes over.
        let heir = Writer::new(encoded(page));
        quietly(heir.publish(|| anchor + 5, &mut clocks));
        for clock in Clock::ALL {
            let counter = anchor + TICK;
            assert_eq!(
                read(&encoded(page), &ByUsual::at(counter), clock).ok(),
                clocks.now(counter, clock).ok(),
                "{clock:?}"
            );
        }
        if finished {
            assert!(stores >= if coarse_only { 6 } else { STORES }, "a publish makes more stores than {stores}");
            break;
        }
    }
}

#[test]
fn writer_stopped_within_a_slew_leaves_right_times() {
    stopped_publish(slew, 0, false);
}

#[test]
fn writer_stopped_within_a_coarse_publish_leaves_right_times() {
    stopped_publish(slew, 0, true);
}

#[test]
fn writer_stopped_within_a_set_leaves_right_times() {
    stopped_publish(set_back, Clock::FOLLOW_REALTIME, false);
}

#[test]
fn writer_stopped_within_a_leap_second_leaves_right_times() {
    stopped_publish(insert_leap_second, Clock::FOLLOW_REALTIME, false);
}

/// The first publish of a page, and of another counter: all lines were off or go off.
#[test]
fn writer_stopped_within_a_change_of_counter_leaves_no_time_of_the_other_counter() {
    const OTHER: Source = Source { frequency: 1_000_000_000, kind: Lines::OTHER, ..TSC };
    for stores in 0.. {
        let page = page();
        let mut clocks = timekeeper();
        let whole = Writer::new(encoded(page));
        whole.init().expect("a new page");
        quietly(whole.publish(|| BOOT, &mut clocks));
        whole.disable_counter();
        clocks.change_counter(BOOT + TICK, OTHER, 77).expect("the source is sound");
        whole.enable_counter();
        let stops = Writer::new(encoded(Stopping::after(stores, page)));
        quietly(stops.publish(|| 78, &mut clocks));
        for counter in [77, 78, 1_000_000, BOOT + TICK, BOOT + 2 * TICK] {
            for clock in FINE {
                if let Ok(time) = read(&encoded(page), &ByUsual::at(counter), clock) {
                    assert_eq!(Ok(time), clocks.now(counter, clock), "{clock:?} after {stores} stores");
                }
            }
        }
        if stops.page().memory().never_stopped() {
            break;
        }
    }
}

#[test]
fn writer_stopped_within_init_leaves_an_anonymous_or_a_whole_page() {
    for stores in 0..=3 {
        let page = page();
        Writer::new(encoded(Stopping::after(stores, page))).init().expect("a new page");
        assert_eq!(identify(&encoded(page)).is_ok(), stores == 3);
        assert_eq!(Writer::new(encoded(page)).init(), Ok(()), "and can be initialised again");
        assert_eq!(identify(&encoded(page)), Ok(()));
    }
}

// How CPUs' counters agree.

#[test]
fn warp_test_finds_the_largest_step_back() {
    let test = WarpTest::new();
    for value in [100, 101, 90, 150, 149, 151, 151, 140] {
        test.observe(|| value);
    }
    assert_eq!(test.max_warp(), 11);
    let test = WarpTest::default();
    (0..1000).for_each(|value| test.observe(|| value));
    assert_eq!(test.max_warp(), 0);
}

/// Where a line's words are is fixed by the layout; the page that a C kernel would read.
#[test]
fn first_publish_fills_the_second_slot() {
    let kernel = Kernel::set(TSC, BOOT, DAY);
    let line = offset::LINES + 64 * Clock::Realtime.id();
    assert_eq!(kernel.page.load_u32(line + line_offset::SEQ), 1);
    assert_eq!(start_of(&kernel.memory, Clock::Realtime), BOOT);
    assert_eq!(kernel.page.load_u64(line + line_offset::SEC + 8), DAY as u64);
    assert_eq!(kernel.page.load_u64(line + line_offset::SEC), 0);
}
