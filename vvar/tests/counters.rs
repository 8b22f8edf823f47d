//! The counters of the machine that the tests run on, and the test of how those of several CPUs agree.

mod arch;
mod common;

use arch::{EVERYWHERE, KINDS, KNOWN};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::AcqRel;
use std::thread;
use vvar::arch::MachineCounter as Machine;
use vvar::counter::WarpTest;
use vvar::{Counter, CounterKind, Error};

/// Each kind is a number of its own in the page, whatever the architecture: those of published pages do not change.
#[test]
fn kinds_keep_their_numbers() {
    assert!(CounterKind::ALL.iter().eq(KNOWN.iter().map(|(kind, ..)| kind)), "a new kind: add it to KNOWN");
    for &(kind, number, ..) in KNOWN {
        assert_eq!(kind as u8, number, "{kind:?}");
        assert!(number < 16, "{kind:?}: four bits of a control word");
        assert_eq!(KNOWN.iter().filter(|(_, other, ..)| *other == number).count(), 1, "{kind:?}: its own number");
    }
}

#[test]
fn kinds_of_other_architectures_are_not_read() {
    for &kind in CounterKind::ALL.iter().filter(|kind| !KINDS.contains(kind)) {
        assert_eq!(Machine.read(kind), None, "{kind:?}");
        assert_eq!(Machine.read_between(kind), None, "{kind:?}");
    }
}

/// All ways to read one counter, in turn: none is behind the one before, and in the end it has moved.
#[test]
fn reads_never_go_back() {
    for &kind in EVERYWHERE {
        let first = Machine.read(kind).expect("this machine has it");
        let mut latest = first;
        for _ in 0..100_000 {
            let alone = Machine.read(kind).expect("this machine has it");
            let between = Machine.read_between(kind).expect("this machine has it");
            assert_eq!(between.zero, 0, "{kind:?}");
            assert!(latest <= alone && alone <= between.value, "{kind:?}: {latest}, {alone}, {between:?}");
            latest = between.value;
        }
        assert!(latest > first, "{kind:?} stands still");
    }
}

#[test]
fn hot_read_is_of_the_hot_kind() {
    if !EVERYWHERE.contains(&Machine::HOT) {
        // RDTSCP: `threads.rs` asks for it and reads it.
        return;
    }
    for _ in 0..1000 {
        let before = Machine.read(Machine::HOT).expect("the hot kind");
        let hot = Machine.read_hot();
        let after = Machine.read(Machine::HOT).expect("the hot kind");
        assert!(before <= hot && hot <= after, "{before}, {hot}, {after}");
    }
}

// How CPUs' counters agree. `cases/publishing.rs` has the test of a 64-bit counter.

fn warp_of(test: &WarpTest, values: impl IntoIterator<Item = u64>) -> u64 {
    values.into_iter().for_each(|value| test.observe(|| value));
    test.max_warp()
}

const NARROW: [u32; 5] = [32, 33, 48, 62, 63];

fn of_width(bits: u32) -> WarpTest {
    WarpTest::of_width(bits).expect("32 to 64")
}

#[test]
fn warp_test_takes_a_wrap_for_no_step_back() {
    assert_eq!(warp_of(&of_width(32), [0xffff_fff0, 5]), 0);
    for bits in NARROW {
        // Three times round the counter, an eighth of its range at a time; across the end of one that takes years.
        let (mask, step) = (common::mask(bits), 1u64 << (bits - 3).min(56));
        for start in [0, 5, mask >> 1, mask - 5, mask] {
            let values = (0..24).map(|turn| start.wrapping_add(turn * step));
            assert_eq!(
                warp_of(&of_width(bits), values.clone().map(|value| value & mask)),
                0,
                "{bits} bits from {start}"
            );
            let noise = values.map(|value| value & mask | !mask & 0xa5a5_a5a5_0000_0000);
            assert_eq!(warp_of(&of_width(bits), noise), 0, "{bits} bits from {start}, with bits above");
        }
    }
}

#[test]
fn warp_test_sees_a_step_back_across_the_wrap() {
    for bits in NARROW {
        let mask = common::mask(bits);
        let test = of_width(bits);
        assert_eq!(warp_of(&test, [mask - 2, 3]), 0, "{bits} bits: on by 6");
        assert_eq!(warp_of(&test, [mask - 2]), 6, "{bits} bits: and back");
        assert_eq!(warp_of(&test, [3, 4, mask - 10]), 15, "{bits} bits: the latest is 4, not what stepped back");
        assert_eq!(warp_of(&test, [1, 4, 5]), 15, "{bits} bits: the largest one");
        // From the first value on, wherever that is; up to half the range is a step back.
        for first in [0, 1, mask >> 1, mask] {
            assert_eq!(warp_of(&of_width(bits), [first, first.wrapping_sub(1) & mask]), 1, "{bits} bits from {first}");
            let half = 1 << (bits - 1);
            assert_eq!(warp_of(&of_width(bits), [first, (first + half) & mask]), half, "{bits} bits from {first}");
            assert_eq!(warp_of(&of_width(bits), [first, (first + half - 1) & mask]), 0, "{bits} bits from {first}");
        }
    }
}

/// However far it goes in one step, a 64-bit counter is compared as it is.
#[test]
fn warp_test_of_64_bits_does_not_wrap() {
    for test in [|| of_width(64), WarpTest::new, WarpTest::default] {
        assert_eq!(warp_of(&test(), [0, 1 << 63, u64::MAX]), 0);
        assert_eq!(warp_of(&test(), [0xffff_fff0, 5]), 0xffff_ffeb);
        assert_eq!(warp_of(&test(), [u64::MAX, 0]), u64::MAX);
        assert_eq!(warp_of(&test(), [100, 101, 90, 150, 149, 151, 151, 140]), 11);
    }
}

#[test]
fn warp_test_refuses_other_widths() {
    for bits in [0, 1, 31, 65, 128, u32::MAX] {
        assert_eq!(WarpTest::of_width(bits).map(|_| ()), Err(Error::Width { bits }));
    }
    static TEST: Result<WarpTest, Error> = WarpTest::of_width(32);
    assert!(TEST.is_ok());
}

/// Two CPUs with one counter, which wraps under way. There are so few steps that whoever is stopped, and wherever, is late by
/// less than half the range.
#[test]
fn warp_test_of_two_cpus_across_the_wrap() {
    const STEPS: u64 = 20_000;
    const MASK: u64 = 0xffff_ffff;
    let (test, counter) = (of_width(32), AtomicU64::new(MASK - STEPS));
    let cpu = || (0..STEPS).for_each(|_| test.observe(|| counter.fetch_add(1, AcqRel) & MASK));
    thread::scope(|scope| {
        scope.spawn(cpu);
        scope.spawn(cpu);
    });
    assert_eq!(test.max_warp(), 0);
    let latest = (counter.into_inner() - 1) & MASK;
    assert_eq!(warp_of(&test, [latest]), 0);
    assert_eq!(warp_of(&test, [latest - 7]), 7);
}
