//! Counters of architectures that this crate does not have: an image and its kernel agree on a kind for private use.

mod common;

use common::kernel::Kernel;
use common::{Counters, FINE};
use std::cell::RefCell;
use vvar::arch::MachineCounter;
use vvar::control::{Control, HOT_SHIFT};
use vvar::memory::{SplitLines, WideLines};
use vvar::page::{line_offset, offset, Encoding, Line};
use vvar::reader::{read_fast, read_hot, read_slow};
use vvar::CounterKind::{self, Private1, Private2, RiscvTime};
use vvar::{read, Clock, Counter, Error, PageRead, Source, Start, Synchronisation, Timekeeper, Timespec, Unavailable};

const BOOT: u64 = 1_000_000_000;
const DAY: i64 = 1_790_000_000;
const COARSE: [Clock; 2] = [Clock::RealtimeCoarse, Clock::MonotonicCoarse];

/// A machine that reads what its image knows and no more, by the kinds' numbers: `HOT` and `TOO` on the hot path, `SLOW` on the
/// slow one; 0 is none. It notes by which kinds it was read.
struct Machine<const HOT: u8, const TOO: u8, const SLOW: u8> {
    value: u64,
    read_by: RefCell<Vec<CounterKind>>,
}

const fn kind(number: u8) -> Option<CounterKind> {
    match number {
        7 => Some(RiscvTime),
        14 => Some(Private1),
        15 => Some(Private2),
        _ => None,
    }
}

impl<const HOT: u8, const TOO: u8, const SLOW: u8> Machine<HOT, TOO, SLOW> {
    fn at(value: u64) -> Self {
        Machine { value, read_by: RefCell::default() }
    }
}

impl<const HOT: u8, const TOO: u8, const SLOW: u8> Counter for Machine<HOT, TOO, SLOW> {
    const HOT: CounterKind = match kind(HOT) {
        Some(kind) => kind,
        None => panic!("the hot path reads a counter"),
    };
    const HOT_TOO: Option<CounterKind> = kind(TOO);

    fn read_hot(&self) -> u64 {
        self.read_by.borrow_mut().push(Self::HOT);
        self.value
    }

    fn read(&self, wanted: CounterKind) -> Option<u64> {
        if ![HOT, TOO, SLOW].map(kind).contains(&Some(wanted)) {
            return None;
        }
        self.read_by.borrow_mut().push(wanted);
        Some(self.value)
    }
}

/// A counter of 64 bits, whose CPUs' may differ by `max_skew` cycles.
const fn source(kind: CounterKind, max_skew: u64) -> Source {
    let synchronisation = Synchronisation::Checked { max_skew };
    Source { kind, frequency: 100_000_000, bits: 64, synchronisation }
}

/// A kernel whose fine clocks count by `kind`, a tick after its last publish.
fn kernel<L: Counters>(kind: CounterKind, bits: u32) -> Kernel<L> {
    let mut kernel = Kernel::set(Source { bits, ..source(kind, 0) }, BOOT, DAY);
    kernel.tick();
    kernel
}

/// What one way to the time gives for each fine clock, by a machine of its own.
fn fine<const HOT: u8, const TOO: u8, const SLOW: u8>(
    kernel: &Kernel<WideLines>,
    way: impl Fn(&Machine<HOT, TOO, SLOW>, usize) -> Option<Timespec>,
    by: &[CounterKind],
) -> [Option<Timespec>; FINE.len()] {
    FINE.map(|clock| {
        let machine = Machine::at(kernel.counter);
        let time = way(&machine, clock.id());
        assert_eq!(*machine.read_by.borrow(), by, "{clock:?}");
        time
    })
}

/// Reads each fine clock on the fast and on the slow path, and compares: on the fast path it is there if `fast`, on the slow one
/// in any case, both by `by` alone.
fn answers<const HOT: u8, const TOO: u8, const SLOW: u8>(kernel: &Kernel<WideLines>, by: CounterKind, fast: bool) {
    let page = &kernel.memory;
    let times = FINE.map(|clock| kernel.clocks.now(kernel.counter, clock).ok());
    assert!(times.iter().all(Option::is_some));
    let hot: (_, &[CounterKind]) = if fast { (times, &[by]) } else { ([None; FINE.len()], &[]) };
    assert_eq!(fine::<HOT, TOO, SLOW>(kernel, |it, index| read_fast(page, it, index), hot.1), hot.0);
    assert_eq!(fine::<HOT, TOO, SLOW>(kernel, |it, index| read_hot(page, it, index), hot.1), hot.0);
    assert_eq!(fine::<HOT, TOO, SLOW>(kernel, |it, index| read_slow(page, it, index), &[by]), times);
}

/// The page answers a machine nothing but the coarse clocks, and the machine reads no counter for it.
fn refuses<const HOT: u8, const TOO: u8, const SLOW: u8>(kernel: &Kernel<WideLines>) {
    let page = &kernel.memory;
    let none = [None; FINE.len()];
    assert_eq!(fine::<HOT, TOO, SLOW>(kernel, |it, index| read_fast(page, it, index), &[]), none);
    assert_eq!(fine::<HOT, TOO, SLOW>(kernel, |it, index| read_hot(page, it, index), &[]), none);
    assert_eq!(fine::<HOT, TOO, SLOW>(kernel, |it, index| read_slow(page, it, index), &[]), none);
    let machine = Machine::<HOT, TOO, SLOW>::at(kernel.counter);
    for clock in FINE {
        assert_eq!(read(page, &machine, clock), Err(Unavailable), "{clock:?}");
    }
    for clock in COARSE {
        assert_eq!(read(page, &machine, clock).ok(), kernel.clocks.now(kernel.counter, clock).ok(), "{clock:?}");
    }
}

fn control_word(kernel: &Kernel<WideLines>, clock: Clock) -> u32 {
    kernel.memory.load_u32(offset::LINES + clock.id() * size_of::<Line>() + line_offset::CTL)
}

#[test]
fn machines_that_know_the_kind_read_the_page() {
    for kind in [Private1, Private2] {
        let kernel = kernel::<WideLines>(kind, 64);
        for clock in FINE {
            let control = Control::decode(control_word(&kernel, clock), Encoding::Wide).expect("the line is on");
            assert_eq!((control.kind, control.bits), (kind, 64), "{clock:?}");
            assert!(control.shift <= HOT_SHIFT, "{clock:?}");
        }
        assert_eq!(kernel.memory.load_u32(offset::COUNTER), kind as u32);
        answers::<14, 15, 0>(&kernel, kind, true);
    }
    // Where the second way is needed seldom.
    answers::<14, 0, 15>(&kernel(Private1, 64), Private1, true);
    answers::<14, 0, 15>(&kernel(Private2, 64), Private2, false);
    // Another such architecture, whose first is this one's second.
    answers::<15, 0, 0>(&kernel(Private2, 64), Private2, true);
}

#[test]
fn narrow_counters_are_read_on_the_slow_path() {
    answers::<14, 15, 0>(&kernel(Private1, 48), Private1, false);
    answers::<14, 15, 0>(&kernel(Private2, 48), Private2, false);
}

/// Nobody takes a counter for the one that he knows: neither machines with another private kind, nor those of an architecture
/// that has numbers of its own, this one included.
#[test]
fn machines_that_do_not_know_the_kind_refuse_the_page() {
    refuses::<15, 0, 0>(&kernel(Private1, 64));
    refuses::<14, 0, 0>(&kernel(Private2, 64));
    refuses::<14, 15, 0>(&kernel(RiscvTime, 64));
    for private in [Private1, Private2] {
        let kernel = kernel(private, 64);
        refuses::<7, 0, 0>(&kernel);
        for clock in FINE {
            assert_eq!(read(&kernel.memory, &MachineCounter, clock), Err(Unavailable), "{clock:?}");
        }
    }
}

/// Neither the timekeeper nor the page believes in more than the kernel has said.
#[test]
fn counters_lag_by_what_the_kernel_says() {
    for lag in [0, 1, 20] {
        let kernel = Kernel::<WideLines>::set(source(Private1, lag), BOOT, DAY);
        assert_eq!(kernel.memory.load_u64(offset::MAX_SKEW), lag);
        let time = |counter| read(&kernel.memory, &Machine::<14, 15, 0>::at(counter), Clock::Monotonic).ok();
        let now = |counter| kernel.clocks.now(counter, Clock::Monotonic).ok();
        for (time, way) in [(&time as &dyn Fn(_) -> _, "the page"), (&now, "the system call")] {
            assert!(time(kernel.counter).is_some(), "{way}");
            assert_eq!(time(kernel.counter - lag), time(kernel.counter), "{way}, {lag} cycles");
            assert_eq!(time(kernel.counter - lag - 1), None, "{way}, {lag} cycles");
        }
    }
}

/// Nothing is known of what their architecture promises, so a kernel cannot name its promise: neither at first nor later.
#[test]
fn private_counters_have_no_architectural_promise() {
    for kind in [Private1, Private2] {
        let promised = Source { synchronisation: Synchronisation::Architectural, ..source(kind, 0) };
        let error = Error::Synchronisation { kind };
        assert_eq!(Timekeeper::new(promised, BOOT, Start::default()).map(|_| ()), Err(error));
        let mut kernel = kernel::<WideLines>(kind, 64);
        let before = *kernel.clocks.source();
        assert_eq!(kernel.clocks.change_counter(kernel.counter, promised, kernel.counter), Err(error));
        assert_eq!(*kernel.clocks.source(), before);
        let said = error.to_string();
        for part in ["synchronisation", &format!("{kind:?}"), "Architectural", "Synchronisation::Checked", "WarpTest"] {
            assert!(said.contains(part), "{said}: no {part}");
        }
        kernel.change_counter(source(kind, 3), kernel.counter);
        assert_eq!(kernel.memory.load_u64(offset::MAX_SKEW), 3);
    }
}

/// Lines whose counter comes in halves have none from elsewhere: the fine clocks stay off, as with any kind that they cannot have.
#[test]
fn split_lines_have_no_private_counter() {
    for private in [Private1, Private2] {
        let kernel = kernel::<SplitLines>(private, 64);
        assert_eq!(kernel.on(), COARSE);
        let machine = Machine::<14, 15, 0>::at(kernel.counter);
        for clock in FINE {
            assert_eq!(read(&kernel.memory, &machine, clock), Err(Unavailable), "{clock:?}");
        }
        assert!(machine.read_by.borrow().is_empty());
    }
}
