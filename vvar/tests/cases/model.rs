use super::Lines;
use crate::common::Counters;
use loom::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::rc::Rc;
use vvar::control::Control;
use vvar::memory::{self, Barrier, Encoded};
use vvar::page::{line_offset, offset, split, wide, Encoding};
use vvar::rate::Rate;
use vvar::reader::{read_fast, read_slow};
use vvar::slot::Slot;
use vvar::writer::{Plan, Planner, Scope, Word};
use vvar::{Clock, ClockSet, Counter, CounterKind, Error, PageRead, PageWrite, Timespec, Writer};

/// The counter when publish `n` is made.
fn anchor(n: u32) -> u64 {
    1000 * u64::from(n)
}

/// What every reader's counter says: later than any publish.
const NOW: u64 = 1_000_000;

const FINE: Control = Control { kind: Lines::USUAL, bits: 64, shift: 32 };

/// The slot of publish `n`: no part of it is that of another publish.
fn slot(clock: Clock, n: u32) -> Slot {
    if clock.is_coarse() {
        return Slot::coarse(Timespec { sec: u64::from(n), nsec: n });
    }
    let rate = Rate { shift: 32, mult: (1 << 63) + (u64::from(n) << 50) + u64::from(n) };
    Slot::fine(anchor(n), rate, u64::from(n), n, u64::from(n) << 40)
}

/// Which publish gave this time; panics if none did.
fn publish_of(clock: Clock, time: Timespec) -> u32 {
    let control = if clock.is_coarse() { Control::COARSE } else { FINE };
    (1..=4)
        .find(|&n| slot(clock, n).value_at(NOW, control, 0) == Some(time))
        .unwrap_or_else(|| panic!("{clock:?}: {time:?} is no publish's time"))
}

struct FixedCounter;

impl Counter for FixedCounter {
    const HOT: CounterKind = Lines::USUAL;
    fn read_hot(&self) -> u64 {
        NOW
    }
    fn read(&self, _kind: CounterKind) -> Option<u64> {
        Some(NOW)
    }
}

/// The part of the page that the clocks of a model use, as loom's cells.
struct Cells {
    words: HashMap<usize, AtomicU32>,
    doubles: HashMap<usize, AtomicU64>,
    /// The barrier that is taken away.
    dropped: Option<Barrier>,
}

/// The memory of a page of this encoding.
type Memory = Encoded<Model, Lines>;

#[derive(Clone)]
struct Model {
    cells: Arc<Cells>,
    /// How many stores are still made before the writer stops for ever.
    budget: Option<Rc<Cell<usize>>>,
}

impl Model {
    fn page(clocks: &[Clock], dropped: Option<Barrier>) -> Memory {
        let mut cells = Cells { words: HashMap::new(), doubles: HashMap::new(), dropped };
        cells.doubles.insert(offset::MAX_SKEW, AtomicU64::new(0));
        for clock in clocks {
            let line = offset::LINES + 64 * clock.id();
            let (words, doubles): (&[usize], &[usize]) = match <Lines as memory::Lines>::ENCODING {
                Encoding::Split => (
                    &[split::offset::HI, split::offset::LO, split::offset::MULT],
                    &[split::offset::K, split::offset::SEC],
                ),
                Encoding::Wide => (&[wide::offset::MULT], &[wide::offset::CYC, wide::offset::BASE, wide::offset::SEC]),
            };
            for at in [line_offset::SEQ, line_offset::CTL] {
                cells.words.insert(line + at, AtomicU32::new(0));
            }
            for slot in [0, 1] {
                for at in words {
                    cells.words.insert(line + at + 4 * slot, AtomicU32::new(0));
                }
                cells.words.insert(offset::EXTENSIONS + 8 * clock.id() + 4 * slot, AtomicU32::new(0));
                for at in doubles {
                    cells.doubles.insert(line + at + 8 * slot, AtomicU64::new(0));
                }
            }
        }
        Encoded::new(Model { cells: Arc::new(cells), budget: None })
    }

    fn may_store(&self) -> bool {
        let Some(budget) = &self.budget else { return true };
        let left = budget.get();
        budget.set(left.saturating_sub(1));
        left > 0
    }
}

impl PageRead for Model {
    fn load_u32(&self, offset: usize) -> u32 {
        self.cells.words[&offset].load(Ordering::Relaxed)
    }
    fn load_u64(&self, offset: usize) -> u64 {
        self.cells.doubles[&offset].load(Ordering::Relaxed)
    }
    fn barrier(&self, barrier: Barrier) {
        if self.cells.dropped == Some(barrier) {
            return;
        }
        match barrier {
            Barrier::SeqThenSlot | Barrier::SlotThenSeq => fence(Ordering::Acquire),
            Barrier::DisableMeetsPublish => fence(Ordering::SeqCst),
            _ => fence(Ordering::Release),
        }
    }
}

impl PageWrite for Model {
    fn store_u32(&self, offset: usize, value: u32) {
        if self.may_store() {
            self.cells.words[&offset].store(value, Ordering::Relaxed);
        }
    }
    fn store_u64(&self, offset: usize, value: u64) {
        if self.may_store() {
            self.cells.doubles[&offset].store(value, Ordering::Relaxed);
        }
    }
}

struct LoomWord(AtomicU32);

impl Word for LoomWord {
    fn exchange(&self, from: u32, to: u32) -> Result<u32, u32> {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
    }
    fn set(&self, bits: u32) {
        self.0.fetch_or(bits, Ordering::AcqRel);
    }
    fn clear(&self, bits: u32) -> u32 {
        self.0.fetch_and(!bits, Ordering::AcqRel) & !bits
    }
    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

type ModelWriter = Writer<Memory, LoomWord>;

fn writer(memory: &Memory) -> ModelWriter {
    Writer::with_words(memory.clone(), LoomWord(AtomicU32::new(0)), LoomWord(AtomicU32::new(0)))
}

/// The kernel's side of a model: which publish its timekeeper stands at, behind its lock.
struct Kernel {
    clocks: ClockSet,
    steps: ClockSet,
    fine: Control,
    wanted: u32,
    committed: u32,
    /// Plans of before the last change of it are void.
    epoch: u32,
}

impl Kernel {
    fn new(clocks: &[Clock]) -> Kernel {
        let clocks = clocks.iter().fold(0, |set, clock| set | clock.bit());
        Kernel { clocks, steps: 0, fine: FINE, wanted: 1, committed: 0, epoch: 0 }
    }

    fn plan(&self) -> Plan<(u32, u32)> {
        Plan {
            anchor: anchor(self.wanted),
            clocks: self.clocks,
            steps: self.steps,
            on: Clock::EVERY,
            fine: self.fine,
            late_after: 1 << 40,
            slots: Clock::ALL.map(|clock| slot(clock, self.wanted)),
            state: (self.epoch, self.wanted),
        }
    }

    fn commit(&mut self, (epoch, wanted): (u32, u32)) -> bool {
        if epoch != self.epoch {
            return false;
        }
        self.committed = wanted;
        true
    }
}

/// A planner that takes the lock for each call, as a kernel's would.
struct Locked<'k>(&'k Mutex<Kernel>);

impl Planner for Locked<'_> {
    type State = (u32, u32);
    fn plan(&mut self, _counter: u64, _scope: Scope) -> Result<Plan<(u32, u32)>, Error> {
        Ok(self.0.lock().unwrap().plan())
    }
    fn commit(&mut self, plan: &Plan<(u32, u32)>) -> bool {
        self.0.lock().unwrap().commit(plan.state)
    }
}

/// A planner with a kernel to itself.
struct Own(Kernel);

impl Planner for Own {
    type State = (u32, u32);
    fn plan(&mut self, _counter: u64, _scope: Scope) -> Result<Plan<(u32, u32)>, Error> {
        Ok(self.0.plan())
    }
    fn commit(&mut self, plan: &Plan<(u32, u32)>) -> bool {
        self.0.commit(plan.state)
    }
}

fn publish(writer: &ModelWriter, own: &mut Own, n: u32) {
    own.0.wanted = n;
    let published = writer.publish(|| anchor(n), own).expect("nobody else publishes");
    assert!(!published.late && !published.pending);
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Runs the model with the barrier taken away; it must fail.
fn must_fail_without(barrier: Barrier, model: fn(Option<Barrier>)) {
    let outcome = catch_unwind(AssertUnwindSafe(|| model(Some(barrier))));
    assert!(outcome.is_err(), "the model does not notice that {barrier:?} is missing");
}

#[derive(Clone, Copy)]
enum Path {
    Fast,
    Slow,
}

fn read(memory: &Memory, path: Path, clock: Clock) -> Option<u32> {
    let time = match path {
        Path::Fast => read_fast(memory, &FixedCounter, clock.id()),
        Path::Slow => read_slow(memory, &FixedCounter, clock.id()),
    };
    time.map(|time| publish_of(clock, time))
}

/// A reader, twice, against two consecutive publishes, of two CPUs: the second one fills the slot that the reader may be in.
fn reader_meets_two_publishes(path: Path, clock: Clock, dropped: Option<Barrier>) {
    explore(2, move || {
        let memory = Model::page(&[clock], dropped);
        let writer = Arc::new(writer(&memory));
        let mut own = Own(Kernel::new(&[clock]));
        publish(&writer, &mut own, 1);
        let reader = thread::spawn(move || {
            let first = read(&memory, path, clock);
            let second = read(&memory, path, clock);
            if let (Some(first), Some(second)) = (first, second) {
                assert!(first <= second, "publish {first}, then {second}");
            }
        });
        publish(&writer, &mut own, 2);
        let other_cpu = thread::spawn(move || publish(&writer, &mut own, 3));
        other_cpu.join().unwrap();
        reader.join().unwrap();
    });
}

fn fast_fine(dropped: Option<Barrier>) {
    reader_meets_two_publishes(Path::Fast, Clock::Monotonic, dropped);
}

fn fast_coarse(dropped: Option<Barrier>) {
    reader_meets_two_publishes(Path::Fast, Clock::MonotonicCoarse, dropped);
}

fn slow_fine(dropped: Option<Barrier>) {
    reader_meets_two_publishes(Path::Slow, Clock::Monotonic, dropped);
}

#[test]
fn readers_are_given_whole_publishes_in_order() {
    fast_fine(None);
    fast_coarse(None);
    slow_fine(None);
}

#[test]
fn each_barrier_between_seq_and_slot_is_needed() {
    for barrier in [Barrier::SeqThenSlot, Barrier::SlotThenSeq, Barrier::SeqBeforeReuse] {
        must_fail_without(barrier, fast_fine);
        must_fail_without(barrier, fast_coarse);
        must_fail_without(barrier, slow_fine);
    }
    // Coarse lines have FineBeforeCoarse between slot and seq as well.
    must_fail_without(Barrier::SlotBeforeSeq, fast_fine);
    must_fail_without(Barrier::SlotBeforeSeq, slow_fine);
}

/// Who sees a coarse clock's new value must see the fine clock's: coarse <= a later fine.
fn coarse_then_fine(dropped: Option<Barrier>) {
    const CLOCKS: [Clock; 2] = [Clock::Monotonic, Clock::MonotonicCoarse];
    explore(2, move || {
        let memory = Model::page(&CLOCKS, dropped);
        let writer = writer(&memory);
        let mut own = Own(Kernel::new(&CLOCKS));
        publish(&writer, &mut own, 1);
        let reader = thread::spawn(move || {
            let coarse = read(&memory, Path::Fast, Clock::MonotonicCoarse);
            let fine = read(&memory, Path::Fast, Clock::Monotonic);
            if let (Some(coarse), Some(fine)) = (coarse, fine) {
                assert!(coarse <= fine, "coarse of publish {coarse}, then fine of publish {fine}");
            }
        });
        publish(&writer, &mut own, 2);
        reader.join().unwrap();
    });
}

#[test]
fn coarse_is_never_ahead_of_fine() {
    coarse_then_fine(None);
    must_fail_without(Barrier::FineBeforeCoarse, coarse_then_fine);
}

/// The first publish of all: who sees the line on must not read the slot that was never filled.
fn first_publish(dropped: Option<Barrier>) {
    const CLOCK: Clock = Clock::MonotonicCoarse;
    explore(2, move || {
        let memory = Model::page(&[CLOCK], dropped);
        let writer = writer(&memory);
        let reader = thread::spawn(move || {
            let _ = read(&memory, Path::Fast, CLOCK);
        });
        publish(&writer, &mut Own(Kernel::new(&[CLOCK])), 1);
        reader.join().unwrap();
    });
}

#[test]
fn a_line_is_on_only_when_its_slot_is_there() {
    first_publish(None);
    must_fail_without(Barrier::SeqBeforeOn, first_publish);
}

/// The clocks step: who has read one after the step must not read the other before it, whether the page answers or, while
/// the lines are off, the system call.
fn step(clocks: [Clock; 2], dropped: Option<Barrier>) {
    explore(2, move || {
        let memory = Model::page(&clocks, dropped);
        let writer = writer(&memory);
        let kernel = Arc::new(Mutex::new(Kernel::new(&clocks)));
        let _ = writer.publish(|| anchor(1), &mut Locked(&kernel)).expect("nobody else publishes");
        let reader = thread::spawn({
            let kernel = kernel.clone();
            move || {
                let clock_gettime =
                    |clock| read(&memory, Path::Fast, clock).unwrap_or_else(|| kernel.lock().unwrap().committed);
                let (first, second) = (clock_gettime(clocks[0]), clock_gettime(clocks[1]));
                assert!(first <= second, "{clocks:?}: of publish {first}, then of publish {second}");
            }
        });
        {
            let mut kernel = kernel.lock().unwrap();
            (kernel.wanted, kernel.steps) = (2, Clock::EVERY);
        }
        let _ = writer.publish(|| anchor(2), &mut Locked(&kernel)).expect("nobody else publishes");
        reader.join().unwrap();
    });
}

fn step_fine(dropped: Option<Barrier>) {
    step([Clock::Realtime, Clock::Tai], dropped);
}

fn step_coarse(dropped: Option<Barrier>) {
    step([Clock::RealtimeCoarse, Clock::MonotonicCoarse], dropped);
}

#[test]
fn a_step_is_seen_on_all_its_clocks_at_once() {
    step_fine(None);
    step_coarse(None);
    // The "off" words must be in the page before the first seq, too.
    must_fail_without(Barrier::SlotBeforeSeq, step_fine);
}

/// The counter changes its kind: no reader takes a slot of the old counter for one of the new.
fn change_of_counter(dropped: Option<Barrier>) {
    const CLOCK: Clock = Clock::Monotonic;
    const OTHER: Control = Control { kind: Lines::OTHER, bits: 64, shift: 30 };
    explore(2, move || {
        let memory = Model::page(&[CLOCK], dropped);
        let writer = writer(&memory);
        let mut own = Own(Kernel::new(&[CLOCK]));
        own.0.fine = OTHER;
        publish(&writer, &mut own, 1);
        let reader = thread::spawn(move || {
            for path in [Path::Fast, Path::Slow] {
                let time = match path {
                    Path::Fast => read_fast(&memory, &FixedCounter, CLOCK.id()),
                    Path::Slow => read_slow(&memory, &FixedCounter, CLOCK.id()),
                };
                let (old, new) = (slot(CLOCK, 1).value_at(NOW, OTHER, 0), slot(CLOCK, 2).value_at(NOW, FINE, 0));
                assert!(time.is_none() || time == old || time == new, "{time:?}");
            }
        });
        (own.0.fine, own.0.steps) = (FINE, Clock::EVERY);
        publish(&writer, &mut own, 2);
        reader.join().unwrap();
    });
}

#[test]
fn slots_of_two_counters_are_not_mixed() {
    change_of_counter(None);
    must_fail_without(Barrier::SlotBeforeSeq, change_of_counter);
}

/// A clock that is disabled while a publish switches it on stays off.
fn disable_during_publish(dropped: Option<Barrier>) {
    const CLOCK: Clock = Clock::Monotonic;
    explore(3, move || {
        let memory = Model::page(&[CLOCK], dropped);
        let writer = Arc::new(writer(&memory));
        let publisher = thread::spawn({
            let writer = writer.clone();
            move || publish(&writer, &mut Own(Kernel::new(&[CLOCK])), 1)
        });
        writer.disable(CLOCK.bit());
        publisher.join().unwrap();
        assert_eq!(read(&memory, Path::Fast, CLOCK), None, "disabled, but the line is on");
    });
}

#[test]
fn disabling_is_not_undone_by_a_publish_under_way() {
    disable_during_publish(None);
    must_fail_without(Barrier::DisableMeetsPublish, disable_during_publish);
}

/// The counter jumps while another CPU publishes. When that publish is over, whatever it was about to switch on, the slot of
/// before the jump is out of every reader's way: though the clock was enabled again meanwhile.
#[test]
fn enabling_lets_no_older_publish_switch_on() {
    const CLOCK: Clock = Clock::MonotonicCoarse;
    explore(3, || {
        let memory = Model::page(&[CLOCK], None);
        let writer = Arc::new(writer(&memory));
        let kernel = Arc::new(Mutex::new(Kernel::new(&[CLOCK])));
        let other = thread::spawn({
            let (writer, kernel) = (writer.clone(), kernel.clone());
            move || writer.publish(|| anchor(1), &mut Locked(&kernel)).map(|published| assert!(!published.pending))
        });
        writer.disable(CLOCK.bit());
        {
            let mut kernel = kernel.lock().unwrap();
            (kernel.epoch, kernel.wanted) = (1, 2);
        }
        writer.enable(CLOCK.bit());
        let published = writer.publish(|| anchor(2), &mut Locked(&kernel)).is_ok();
        // Refused: then the other's publish is still under way.
        assert!(!published || read(&memory, Path::Fast, CLOCK) == Some(2));
        let _ = other.join().unwrap();
        assert_eq!(read(&memory, Path::Fast, CLOCK), Some(2));
    });
}

/// Two CPUs publish, each after a change of its own: both changes are in the page at the end, whoever was refused.
#[test]
fn two_writers_lose_nothing() {
    const CLOCK: Clock = Clock::MonotonicCoarse;
    explore(3, || {
        let memory = Model::page(&[CLOCK], None);
        let writer = Arc::new(writer(&memory));
        let kernel = Arc::new(Mutex::new(Kernel::new(&[CLOCK])));
        let change_and_publish = |writer: &ModelWriter, kernel: &Mutex<Kernel>| {
            kernel.lock().unwrap().wanted += 1;
            match writer.publish(|| anchor(1), &mut Locked(kernel)) {
                Ok(published) => assert!(!published.pending),
                Err(error) => assert_eq!(error, Error::Busy),
            }
        };
        let other = thread::spawn({
            let (writer, kernel) = (writer.clone(), kernel.clone());
            move || change_and_publish(&writer, &kernel)
        });
        change_and_publish(&writer, &kernel);
        other.join().unwrap();
        assert_eq!(read(&memory, Path::Fast, CLOCK), Some(3), "a change was lost");
    });
}

/// A writer that stops for ever after any of its stores leaves every reader an answer, and a right one.
#[test]
fn a_stopped_writer_stops_no_reader() {
    const CLOCKS: [Clock; 2] = [Clock::Monotonic, Clock::MonotonicCoarse];
    // Two publishes of a fine and a coarse line make fewer stores than this.
    for budget in 0..40 {
        explore(1, move || {
            let memory = Model::page(&CLOCKS, None);
            let mut own = Own(Kernel::new(&CLOCKS));
            publish(&writer(&memory), &mut own, 1);
            let reader = thread::spawn({
                let memory = memory.clone();
                move || {
                    for clock in CLOCKS {
                        let _ = read(&memory, Path::Slow, clock);
                    }
                }
            });
            let stops = Encoded::new(Model { budget: Some(Rc::new(Cell::new(budget))), ..memory.memory().clone() });
            let writer = writer(&stops);
            publish(&writer, &mut own, 2);
            publish(&writer, &mut own, 3);
            reader.join().unwrap();
            for clock in CLOCKS {
                for path in [Path::Fast, Path::Slow] {
                    assert!(read(&memory, path, clock).is_some(), "{clock:?} stands still after {budget} stores");
                }
            }
        });
    }
}
