use super::Lines;
use crate::arch::KNOWN;
use crate::common::exact::Exact;
use crate::common::pages::{bytes, page};
use crate::common::{kernel, mask, nanos, timespec, Counters, FINE, SECOND};
use core::sync::atomic::Ordering;
use vvar::memory::Encoded;
use vvar::page::CpuNumber;
use vvar::rate::{MAX_FREQUENCY, MAX_SLEW_PPB, MIN_FREQUENCY};
use vvar::reader::{read_fast, read_slow};
use vvar::writer::{Planner, Scope};
use vvar::{Clock, CounterKind, Error, Published, Source, Start, Synchronisation, Timekeeper, Timespec};

type Kernel = kernel::Kernel<Lines>;
type ByUsual = crate::common::ByUsual<Lines>;
type ByOther = crate::common::ByOther<Lines>;

const TSC: Source = Lines::TSC;
const HZ: i128 = TSC.frequency as i128;
/// 2026-09-21, about.
const DAY: i64 = 1_790_000_000;

/// Where the counter stands at boot: such that its low half does not wrap soon.
const BOOT: u64 = 0x12_0000_0000;

/// What the rounded rate of the hot formula loses in a [`Kernel::tick`] that ends on a whole nanosecond.
const HOT_LAG: i128 = 1;

/// A kernel whose REALTIME was set to [`DAY`], and TAI's offset to 37.
fn kernel() -> Kernel {
    let mut kernel = Kernel::boot(TSC, BOOT);
    kernel.set_tai_offset(37);
    kernel.set_realtime(i128::from(DAY) * SECOND);
    kernel.publish();
    kernel.tick();
    kernel
}

/// How far each clock of the page goes while `change` is made and published, with no time between.
fn moved(kernel: &mut Kernel, change: impl FnOnce(&mut Kernel)) -> Vec<(Clock, i128)> {
    let before: Vec<_> = kernel.on().into_iter().map(|clock| (clock, kernel.read(clock))).collect();
    change(kernel);
    kernel.publish();
    before.into_iter().map(|(clock, time)| (clock, kernel.read(clock) - time)).collect()
}

/// [`moved`], where each clock is to move as `expected` says, and the others not at all. Two publishes come first: a fine
/// clock can be 1 ns behind before it is anchored again, and a coarse one is as of what the fine one showed before that.
fn assert_moves(kernel: &mut Kernel, expected: &[(Clock, i128)], change: impl FnOnce(&mut Kernel)) {
    kernel.publish();
    kernel.publish();
    for (clock, by) in moved(kernel, change) {
        let expected = expected.iter().find(|entry| entry.0 == clock).map_or(0, |entry| entry.1);
        assert_eq!(by, expected, "{clock:?}");
    }
}

// Before the time is known.

#[test]
fn zeroed_page_answers_nothing() {
    let page = &Encoded::<_, Lines>::new(page());
    for index in 0..vvar::page::LINES {
        assert_eq!(read_fast(page, &ByUsual::at(1), index), None);
        assert_eq!(read_slow(page, &ByUsual::at(1), index), None);
    }
    for clock in Clock::ALL {
        assert_eq!(vvar::read(page, &ByUsual::at(1), clock), Err(vvar::Unavailable), "{clock:?}");
    }
}

#[test]
fn initialised_page_answers_nothing_before_the_first_publish() {
    let mut kernel = Kernel::boot(TSC, BOOT);
    kernel.tick();
    assert_eq!(kernel.on(), []);
    // The system call does.
    assert_eq!(kernel.clock_gettime(Clock::Monotonic), Ok(SECOND / 10 - HOT_LAG));
    assert_eq!(kernel.clock_gettime(Clock::Realtime), Err(Error::NotSet));
}

#[test]
fn unset_realtime_leaves_its_clocks_with_the_system_call() {
    let mut kernel = Kernel::boot(TSC, BOOT);
    kernel.publish();
    kernel.tick();
    assert_eq!(kernel.on(), [Clock::Monotonic, Clock::MonotonicRaw, Clock::Boottime, Clock::MonotonicCoarse]);
    for clock in [Clock::Realtime, Clock::RealtimeCoarse, Clock::Tai] {
        assert_eq!(kernel.clock_gettime(clock), Err(Error::NotSet), "{clock:?}");
    }
    // An offset of TAI is not a time.
    kernel.set_tai_offset(37);
    kernel.publish();
    assert_eq!(kernel.clock_gettime(Clock::Tai), Err(Error::NotSet));

    // Set, but not published: still no time.
    kernel.set_realtime(5 * SECOND);
    assert_eq!(kernel.clock_gettime(Clock::Realtime), Err(Error::NotSet));
    kernel.publish();
    assert_eq!(kernel.on(), Clock::ALL);
    assert_eq!(kernel.read(Clock::Realtime), 5 * SECOND);
    assert_eq!(kernel.read(Clock::RealtimeCoarse), 5 * SECOND);
    assert_eq!(kernel.read(Clock::Tai), 42 * SECOND);
}

#[test]
fn clocks_start_where_the_kernel_says() {
    let start = Start {
        monotonic: Timespec { sec: 3, nsec: 999_999_999 },
        raw: Timespec { sec: 2, nsec: 5 },
        slept: Timespec { sec: 10, nsec: 1 },
    };
    let mut kernel = Kernel::start(TSC, BOOT, start);
    kernel.publish();
    assert_eq!(kernel.read(Clock::Monotonic), 3_999_999_999);
    assert_eq!(kernel.read(Clock::MonotonicRaw), 2_000_000_005);
    assert_eq!(kernel.read(Clock::Boottime), 14 * SECOND);
    kernel.tick();
    for clock in [Clock::Monotonic, Clock::MonotonicRaw, Clock::Boottime] {
        kernel.checked(clock);
    }
}

// Setting and stepping.

#[test]
fn setting_realtime_steps_it_and_its_followers_only() {
    const BACK: i128 = 7_200 * SECOND + 1;
    let mut kernel = kernel();
    let follow = [(Clock::Realtime, -BACK), (Clock::RealtimeCoarse, -BACK), (Clock::Tai, -BACK)];
    assert_moves(&mut kernel, &follow, |kernel| {
        let to = kernel.read(Clock::Realtime) - BACK;
        kernel.set_realtime(to);
    });
}

#[test]
fn realtime_is_what_it_was_set_to_at_that_counter_value() {
    let mut kernel = kernel();
    kernel.set_realtime(1_000 * SECOND + 999_999_999);
    let set_at = kernel.counter;
    // The page goes on with the old time until the publish, which comes late.
    kernel.pass(12_345_678);
    assert!(kernel.read(Clock::Realtime) > i128::from(DAY) * SECOND);
    kernel.publish();
    let passed = i128::from(kernel.counter - set_at) * SECOND / HZ;
    let time = kernel.read(Clock::Realtime) - (1_000 * SECOND + 999_999_999);
    // Whole nanoseconds of MONOTONIC were taken at both ends.
    assert!((passed..=passed + 1).contains(&time), "{time} ns instead of {passed}");
}

#[test]
fn last_set_before_a_publish_wins_and_steps_add_up() {
    let mut kernel = kernel();
    let start = kernel.read(Clock::Realtime);
    let monotonic = kernel.read(Clock::Monotonic);
    kernel.set_realtime(1_000 * SECOND);
    kernel.set_realtime(2_000 * SECOND);
    kernel.step_realtime(-1);
    kernel.step_realtime(1_500_000_000);
    assert_eq!(kernel.read(Clock::Realtime), start, "before the publish");
    kernel.publish();
    let rounding = kernel.read(Clock::Monotonic) - monotonic;
    assert!(rounding <= 1);
    assert_eq!(kernel.read(Clock::Realtime), 2_001 * SECOND + 499_999_999);
}

#[test]
fn step_moves_realtime_by_its_amount() {
    for by in [1, -1, SECOND, -SECOND, 999_999_999, -1_500_000_000, 86_400 * SECOND] {
        let mut kernel = kernel();
        let follow = [(Clock::Realtime, by), (Clock::RealtimeCoarse, by), (Clock::Tai, by)];
        assert_moves(&mut kernel, &follow, |kernel| kernel.step_realtime(by as i64));
    }
}

#[test]
fn tai_steps_with_its_offset_and_realtime_does_not() {
    let mut kernel = kernel();
    assert_eq!(kernel.read(Clock::Tai) - kernel.read(Clock::Realtime), 37 * SECOND);
    assert_moves(&mut kernel, &[(Clock::Tai, -2 * SECOND)], |kernel| kernel.set_tai_offset(35));
    assert_moves(&mut kernel, &[(Clock::Tai, -1_035 * SECOND)], |kernel| kernel.set_tai_offset(-1000));
}

#[test]
fn inserted_leap_second_repeats_a_second_of_realtime_only() {
    let mut kernel = kernel();
    let step = [(Clock::Realtime, -SECOND), (Clock::RealtimeCoarse, -SECOND)];
    assert_moves(&mut kernel, &step, |kernel| kernel.leap(1));
    assert_eq!(kernel.read(Clock::Tai) - kernel.read(Clock::Realtime), 38 * SECOND);
}

#[test]
fn deleted_leap_second_skips_a_second_of_realtime_only() {
    let mut kernel = kernel();
    let step = [(Clock::Realtime, SECOND), (Clock::RealtimeCoarse, SECOND)];
    assert_moves(&mut kernel, &step, |kernel| kernel.leap(-1));
    assert_eq!(kernel.read(Clock::Tai) - kernel.read(Clock::Realtime), 36 * SECOND);
}

// Slewing.

#[test]
fn slew_drives_every_clock_but_raw_alike() {
    for ppb in [MAX_SLEW_PPB, 1, -1, -MAX_SLEW_PPB] {
        let mut kernel = kernel();
        kernel.slew(ppb);
        assert_eq!(kernel.clocks.slew_ppb(), ppb);
        kernel.publish();
        let before = FINE.map(|clock| kernel.read(clock));
        for _ in 0..100 {
            kernel.tick();
            kernel.publish();
        }
        for (clock, before) in FINE.into_iter().zip(before) {
            let gained = if clock == Clock::MonotonicRaw { 0 } else { 10 * i128::from(ppb) };
            let time = kernel.checked(clock) - before;
            // 10 s, between two values that are rounded down.
            assert!((time - 10 * SECOND - gained).abs() <= 1, "{clock:?}: {time} ns at {ppb} ppb");
        }
    }
}

#[test]
fn slew_takes_effect_with_the_publish() {
    let mut kernel = kernel();
    let (monotonic, counter) = (kernel.read(Clock::Monotonic), kernel.counter);
    kernel.slew(MAX_SLEW_PPB);
    kernel.pass(TSC.frequency);
    kernel.checked(Clock::Monotonic);
    assert!(kernel.read(Clock::Monotonic) <= monotonic + SECOND + 1, "the old rate until the publish");
    kernel.publish();
    assert!(kernel.read(Clock::Monotonic) <= monotonic + SECOND + 1, "no step with the publish");
    kernel.pass(TSC.frequency);
    assert!(kernel.read(Clock::Monotonic) >= monotonic + 2 * SECOND + i128::from(MAX_SLEW_PPB) - 1);
    assert_eq!(kernel.counter, counter + 2 * TSC.frequency);
}

// Coarse clocks.

#[test]
fn coarse_clocks_stand_still_between_publishes() {
    let mut kernel = kernel();
    let (monotonic, realtime) = (kernel.read(Clock::Monotonic), kernel.read(Clock::Realtime));
    kernel.publish();
    kernel.tick();
    assert_eq!(kernel.read(Clock::MonotonicCoarse), monotonic);
    assert_eq!(kernel.read(Clock::RealtimeCoarse), realtime);
}

#[test]
fn coarse_publish_is_as_of_now_and_leaves_the_fine_clocks() {
    let mut kernel = kernel();
    kernel.publish();
    for _ in 0..1000 {
        kernel.pass(TSC.frequency / 1013);
        let fine = FINE.map(|clock| kernel.checked(clock));
        kernel.publish_coarse();
        assert_eq!(FINE.map(|clock| kernel.checked(clock)), fine);
        assert_eq!(kernel.read(Clock::MonotonicCoarse), kernel.read(Clock::Monotonic));
        assert_eq!(kernel.read(Clock::RealtimeCoarse), kernel.read(Clock::Realtime));
    }
}

#[test]
fn coarse_publish_shows_nothing_that_was_set_since() {
    let mut kernel = kernel();
    kernel.set_realtime(1_000 * SECOND);
    kernel.set_tai_offset(5);
    kernel.slew(MAX_SLEW_PPB);
    kernel.publish_coarse();
    kernel.pass(TSC.frequency);
    assert_eq!(kernel.on(), Clock::ALL);
    for clock in FINE {
        kernel.checked(clock);
    }
    assert!(kernel.read(Clock::RealtimeCoarse) > i128::from(DAY) * SECOND);
    kernel.publish();
    assert!((1_001 * SECOND - HOT_LAG..=1_001 * SECOND).contains(&kernel.read(Clock::RealtimeCoarse)));
}

#[test]
fn coarse_publish_can_be_the_first() {
    let mut kernel = Kernel::boot(TSC, BOOT);
    kernel.tick();
    kernel.publish_coarse();
    assert_eq!(kernel.on(), [Clock::MonotonicCoarse]);
    assert_eq!(kernel.read(Clock::MonotonicCoarse), SECOND / 10 - HOT_LAG);
    kernel.tick();
    kernel.publish();
    assert_eq!(kernel.read(Clock::Monotonic), SECOND / 5);
}

#[test]
fn counter_that_users_cannot_read_drives_the_coarse_clocks() {
    for kind in [CounterKind::Off, CounterKind::Coarse] {
        let mut kernel = Kernel::set(Source { kind, ..TSC }, BOOT, DAY);
        kernel.tick();
        assert_eq!(kernel.on(), [Clock::RealtimeCoarse, Clock::MonotonicCoarse], "{kind:?}");
        assert_eq!(kernel.read(Clock::MonotonicCoarse), 0);
        assert_eq!(kernel.clock_gettime(Clock::Monotonic), Ok(SECOND / 10 - HOT_LAG));
        kernel.publish_coarse();
        assert_eq!(kernel.read(Clock::MonotonicCoarse), SECOND / 10 - HOT_LAG);
        assert_eq!(kernel.read(Clock::RealtimeCoarse), i128::from(DAY) * SECOND + SECOND / 10 - HOT_LAG);
        kernel.tick();
        kernel.publish();
        assert!((SECOND / 5 - HOT_LAG..=SECOND / 5).contains(&kernel.read(Clock::MonotonicCoarse)));
    }
}

// Sleep, and counters that jump.

#[test]
fn sleep_advances_realtime_tai_and_boottime_only() {
    const SLEPT: i128 = 3_600 * SECOND + 999_999_999;
    // The counter may have gone on, stopped, or started again.
    for wakes_at in [BOOT + 50 * TSC.frequency, BOOT + TSC.frequency / 10, 17] {
        let mut kernel = kernel();
        let moves = [Clock::Realtime, Clock::RealtimeCoarse, Clock::Tai, Clock::Boottime].map(|clock| (clock, SLEPT));
        assert_moves(&mut kernel, &moves, |kernel| {
            kernel.suspend();
            assert_eq!(kernel.on(), [Clock::RealtimeCoarse, Clock::MonotonicCoarse]);
            kernel.resume(wakes_at, SLEPT);
            // Until the publish, programs that make the system call are told so already.
            for clock in FINE {
                kernel.checked_call(clock);
            }
        });
        kernel.tick();
        for clock in FINE {
            kernel.checked(clock);
        }
    }
}

#[test]
fn suspended_clocks_stop() {
    let mut kernel = kernel();
    kernel.suspend();
    let stopped = FINE.map(|clock| kernel.clock_gettime(clock));
    kernel.pass(1_000_000);
    // Late in a suspend and early in a resume, system calls still read clocks.
    assert_eq!(FINE.map(|clock| kernel.clock_gettime(clock)), stopped, "suspend() stops the clocks");
    kernel.resume(kernel.counter, 0);
    for (clock, before) in FINE.into_iter().zip(stopped) {
        assert!(kernel.clock_gettime(clock).ok() >= before.ok(), "{clock:?} went back over a sleep");
    }
}

#[test]
fn what_was_asked_before_a_sleep_comes_after_it() {
    let mut kernel = kernel();
    kernel.slew(MAX_SLEW_PPB);
    kernel.set_realtime(1_000 * SECOND);
    kernel.suspend();
    kernel.resume(5, 100 * SECOND);
    kernel.publish();
    assert_eq!(kernel.read(Clock::Realtime), 1_100 * SECOND);
    assert_eq!(kernel.read(Clock::Boottime) - kernel.read(Clock::Monotonic), 100 * SECOND);
    kernel.pass(TSC.frequency);
    for clock in FINE {
        kernel.checked(clock);
    }
}

#[test]
fn publish_of_a_suspended_kernel_leaves_the_fine_clocks_off() {
    let mut kernel = kernel();
    kernel.publish();
    kernel.suspend();
    kernel.writer.enable_counter();
    let before = FINE.map(|clock| kernel.clock_gettime(clock));
    kernel.pass(TSC.frequency);
    // The counter may be anywhere: neither an error nor late.
    for counter in [kernel.counter, 3] {
        let published = kernel.writer.publish(|| counter, &mut kernel.clocks);
        assert_eq!(published, Ok(Published::default()), "counter at {counter}");
        assert_eq!(kernel.writer.publish_coarse(|| counter, &mut kernel.clocks), published);
        assert_eq!(kernel.on(), [Clock::RealtimeCoarse, Clock::MonotonicCoarse]);
        assert_eq!(FINE.map(|clock| kernel.clock_gettime(clock)), before);
    }
    // What is set meanwhile comes with the sleep.
    kernel.clocks.set_realtime(3, 1_000, 0).expect("in range");
    kernel.clocks.resume(9, timespec(SECOND)).expect("suspended");
    let _ = kernel.writer.publish(|| 9, &mut kernel.clocks).expect("nobody else publishes");
    kernel.counter = 9;
    assert_eq!(kernel.on(), Clock::ALL);
    assert_eq!(kernel.read(Clock::Realtime), 1_001 * SECOND);
    assert_eq!(kernel.read(Clock::Boottime), before[3].expect("always set") + SECOND);
}

#[test]
fn resume_without_suspend_is_refused() {
    let mut kernel = kernel();
    refused(&mut kernel, Error::NotSuspended, |clocks, now| clocks.resume(now, Timespec::default()));
    kernel.suspend();
    kernel.resume(7, SECOND);
    refused(&mut kernel, Error::NotSuspended, |clocks, now| clocks.resume(now, Timespec::default()));
}

#[test]
fn sleeps_add_up() {
    let mut kernel = kernel();
    for turn in 1..=10 {
        kernel.suspend();
        kernel.resume(turn * 1_000_000, 1_700_000_001);
        if turn % 3 == 0 {
            kernel.publish();
        }
        kernel.tick();
    }
    kernel.publish();
    assert_eq!(kernel.read(Clock::Boottime) - kernel.read(Clock::Monotonic), 17_000_000_010);
}

#[test]
fn clocks_go_on_over_a_jump_of_the_counter() {
    for to in [0, 1, BOOT - 1, u64::MAX, BOOT << 8] {
        let mut kernel = kernel();
        kernel.publish();
        let before = FINE.map(|clock| kernel.read(clock));
        kernel.discontinuity(to);
        assert_eq!(kernel.on(), [Clock::RealtimeCoarse, Clock::MonotonicCoarse], "no old slot serves the new counter");
        kernel.publish();
        assert_eq!(FINE.map(|clock| kernel.read(clock)), before);
        kernel.tick();
        for clock in FINE {
            kernel.checked(clock);
        }
    }
}

/// A counter for [`change_counter`]: what it is, and where it stands at the change.
const OTHERS: [(Source, u64); 5] = [
    (Source { kind: Lines::OTHER, ..TSC }, BOOT),
    (Source { frequency: 2_596_100_000, ..TSC }, BOOT + TSC.frequency / 10),
    (Source { frequency: MIN_FREQUENCY, bits: 32, ..TSC }, 0xffff_0000),
    (Source { frequency: MAX_FREQUENCY, bits: 64, ..TSC }, u64::MAX - 5),
    (Source { kind: CounterKind::Off, ..TSC }, 0),
];

#[test]
fn clocks_go_on_by_another_counter() {
    for (source, new) in OTHERS {
        let mut kernel = kernel();
        // A fraction of a nanosecond is left.
        kernel.pass(12_345_678);
        kernel.publish();
        let before = FINE.map(|clock| kernel.checked(clock));
        kernel.change_counter(source, new);
        let called = FINE.map(|clock| kernel.checked_call(clock));
        assert_eq!(called, before, "{source:?}");
        kernel.publish();
        assert_eq!(kernel.page_time(Clock::Monotonic).is_some(), source.kind.is_counter());
        for _ in 0..100 {
            kernel.pass(source.frequency / 101);
            for clock in FINE {
                kernel.checked_call(clock);
            }
            kernel.publish();
        }
    }
}

#[test]
fn slew_outlives_a_change_of_counter() {
    let mut kernel = kernel();
    kernel.slew(-MAX_SLEW_PPB);
    kernel.publish();
    kernel.change_counter(Source { frequency: 1_000_000_000, ..TSC }, 0);
    let start = kernel.checked_call(Clock::Monotonic);
    for second in 1..=10 {
        // The publish comes after a second only.
        kernel.pass(1_000_000_000);
        let time = kernel.checked_call(Clock::Monotonic) - start;
        assert!((time - second * (SECOND - i128::from(MAX_SLEW_PPB))).abs() <= 1, "{time} ns in {second} s");
        kernel.publish();
    }
}

/// A calibration that found the TSC faster, or slower, than thought: the clocks change their rate and step nowhere.
#[test]
fn better_frequency_steps_no_clock() {
    for frequency in [TSC.frequency + TSC.frequency / 1000, TSC.frequency - TSC.frequency / 1000] {
        let mut kernel = kernel();
        let before = kernel.checked(Clock::Monotonic);
        kernel.change_counter(Source { frequency, ..TSC }, kernel.counter);
        let changed = kernel.checked_call(Clock::Monotonic);
        assert!((before..=before + 1).contains(&changed), "{before}, then {changed}");
        // The publish comes late. Until then programs make the system call.
        kernel.pass(TSC.frequency / 100);
        let shown = kernel.checked_call(Clock::Monotonic);
        kernel.publish();
        let after = kernel.checked(Clock::Monotonic);
        assert!((shown..=shown + 1).contains(&after), "{shown}, then {after}");
    }
}

// Counters.

#[test]
fn small_lag_behind_a_publish_is_answered_by_its_start() {
    const SKEW: u64 = 500;
    let source = Source { synchronisation: Synchronisation::Checked { max_skew: SKEW }, ..TSC };
    // The second one lets the counter's high half differ.
    for boot in [BOOT, (BOOT | 100) - TSC.frequency / 10] {
        let mut kernel = Kernel::set(source, boot, DAY);
        kernel.tick();
        kernel.publish();
        let start = kernel.counter;
        let at_start = FINE.map(|clock| kernel.page_time(clock));
        for lag in [1, 99, 100, 101, SKEW - 1, SKEW] {
            kernel.counter = start - lag;
            assert_eq!(FINE.map(|clock| kernel.page_time(clock)), at_start, "{lag} cycles behind");
        }
        for lag in [SKEW + 1, SKEW + 2, 1 << 32, 1 << 62] {
            kernel.counter = start.wrapping_sub(lag);
            assert_eq!(FINE.map(|clock| kernel.page_time(clock)), [None; 5], "{lag} cycles behind");
            assert!(matches!(
                kernel.clocks.now(kernel.counter, Clock::Monotonic),
                Err(Error::BeforeAnchor { anchor, .. }) if anchor == start
            ));
        }
    }
}

/// What the architectures promise: RISC-V that no hart's `time` lags by more than a tick, the others that none lags.
#[test]
fn counter_lags_by_what_the_architecture_admits() {
    let promise = KNOWN.iter().filter_map(|&(kind, .., lag)| Some((kind, lag?)));
    for (kind, lag) in promise.filter(|promise| promise.0 != CounterKind::Coarse) {
        let mut kernel = Kernel::boot(Source { kind, frequency: 10_000_000, ..TSC }, BOOT);
        kernel.tick();
        kernel.publish();
        let anchor = kernel.counter;
        let start = kernel.clocks.now(anchor, Clock::Monotonic);
        assert!(start.is_ok());
        assert_eq!(kernel.page.max_skew.load(Ordering::Relaxed), lag, "{kind:?}");
        assert_eq!(kernel.clocks.now(anchor - lag, Clock::Monotonic), start, "{kind:?}");
        let early = Error::BeforeAnchor { anchor, counter: anchor - lag - 1 };
        assert_eq!(kernel.clocks.now(anchor - lag - 1, Clock::Monotonic), Err(early), "{kind:?}");
        let mut on = |counter| kernel.writer.publish(|| counter, &mut kernel.clocks);
        assert_eq!(on(anchor - lag - 1), Err(early), "{kind:?}");
        assert!(on(anchor - lag).is_ok(), "{kind:?}");
        if kind == Lines::OTHER {
            let read = |counter| vvar::read(&kernel.memory, &ByOther::at(counter), Clock::Monotonic).ok();
            assert_eq!([anchor - lag, anchor - lag - 1].map(read), [start.ok(), None], "{kind:?}");
        }
    }
}

#[test]
fn counter_behind_a_publish_is_not_believed() {
    let mut kernel = kernel();
    kernel.publish();
    kernel.counter -= 1;
    assert_eq!(FINE.map(|clock| kernel.page_time(clock)), [None; 5]);
    assert!(kernel.page_time(Clock::MonotonicCoarse).is_some(), "coarse clocks have no counter");
}

#[test]
fn counters_wrap() {
    for bits in [32, 33, 40, 56, 63, 64] {
        for kind in [Lines::USUAL, Lines::OTHER] {
            let source = Source { kind, frequency: 1_000_000_000, bits, ..TSC };
            // The wrap comes in the middle of the first second.
            let mut kernel = Kernel::set(source, mask(bits) - 500_000_000, DAY);
            for step in [1, 499_999_998, 1, 1, 1, 499_999_999] {
                kernel.pass(step);
                for clock in FINE {
                    kernel.checked(clock);
                }
            }
            kernel.publish();
            assert_eq!(kernel.read(Clock::Monotonic), 1_000_000_001, "{bits} bits");
            kernel.tick();
            for clock in FINE {
                kernel.checked(clock);
            }
        }
    }
}

#[test]
fn bits_above_the_width_are_not_looked_at() {
    for bits in [32, 33, 40, 63] {
        let source = Source { bits, ..TSC };
        let mut kernel = Kernel::set(source, 5, DAY);
        let junk = 0xabcd_ef12_3456_789a & !mask(bits);
        // Places enough for some at which the hot and the exact formula differ.
        for _ in 0..1000 {
            kernel.pass(TSC.frequency / 3001);
            let dirty = ByUsual::at(kernel.counter | junk);
            for clock in FINE {
                let clean = kernel.page_time(clock).expect("on");
                assert_eq!(vvar::read(&kernel.memory, &dirty, clock), Ok(clean), "{clock:?} by {bits} bits");
                assert_eq!(kernel.clocks.now(dirty.0, clock), Ok(clean), "{clock:?} by {bits} bits");
            }
        }
        let dirty = kernel.counter | junk;
        assert_eq!(kernel.writer.publish(|| dirty, &mut kernel.clocks), Ok(Published::default()));
        let passed = i128::from(kernel.passed()) * SECOND / i128::from(TSC.frequency);
        assert_eq!(kernel.read(Clock::Monotonic), passed);
    }
}

/// Where the product of count and rate is largest, at the frequencies at which the shift changes: it must not wrap.
#[test]
fn largest_count_of_the_hot_formula_does_not_wrap() {
    for frequency in (1_000_000_000..=1_310_000_000).step_by(1_000_000).chain([MIN_FREQUENCY, 4_295_000, MAX_FREQUENCY])
    {
        let source = Source { frequency, ..TSC };
        let start = Start { monotonic: Timespec { sec: 1, nsec: 999_999_999 }, ..Start::default() };
        let mut kernel = Kernel::start(source, BOOT, start);
        kernel.slew(MAX_SLEW_PPB);
        kernel.publish();
        // From an even high half to its end.
        kernel.pass((1 << 32) - 1);
        kernel.checked(Clock::Monotonic);
    }
}

/// A publish of the coarse clocks alone is one that nothing goes back behind, as a full one is.
#[test]
fn nothing_goes_back_behind_a_coarse_publish() {
    let lag = 50;
    let source = Source { synchronisation: Synchronisation::Checked { max_skew: lag }, ..TSC };
    let mut kernel = Kernel::set(source, BOOT, DAY);
    kernel.pass(TSC.frequency / 2);
    kernel.publish_coarse();
    let (anchor, coarse) = (kernel.counter, kernel.read(Clock::MonotonicCoarse));
    // A CPU whose counter lags, within what is admitted.
    let _ = kernel.writer.publish_coarse(|| anchor - lag, &mut kernel.clocks).expect("within the skew");
    assert_eq!(kernel.read(Clock::MonotonicCoarse), coarse);
    let _ = kernel.writer.publish(|| anchor - lag, &mut kernel.clocks).expect("within the skew");
    assert!(kernel.read(Clock::MonotonicCoarse) >= coarse);
    kernel.counter = anchor;
    kernel.pass(TSC.frequency / 2);
    kernel.publish_coarse();
    let (anchor, counter) = (kernel.counter, kernel.counter - TSC.frequency / 4);
    let refusal = Err(Error::BeforeAnchor { anchor, counter });
    assert_eq!(kernel.writer.publish(|| counter, &mut kernel.clocks).map(|_| ()), refusal);
    assert_eq!(kernel.writer.publish_coarse(|| counter, &mut kernel.clocks).map(|_| ()), refusal);
    assert_eq!(kernel.clocks.counter_discontinuity(counter, 0), refusal);
    assert_eq!(kernel.clocks.suspend(counter), refusal);
    // What was true earlier can be told later.
    kernel.clocks.set_realtime(counter, DAY, 0).expect("since the last full publish");
    let coarse = kernel.read(Clock::MonotonicCoarse);
    kernel.clocks.counter_discontinuity(anchor, 0).expect("the clocks have room");
    let _ = kernel.writer.publish(|| 0, &mut kernel.clocks).expect("the counter is good");
    kernel.counter = 0;
    assert!((0..=1).contains(&(kernel.read(Clock::MonotonicCoarse) - coarse)));
}

/// A clock that is past its end does not keep the others from going on.
#[test]
fn clocks_go_on_while_one_is_past_its_end() {
    let mut kernel = Kernel::set(TSC, BOOT, DAY);
    kernel.clocks.set_realtime(kernel.counter, END as i64 - 1, 0).expect("the last second");
    let _ = kernel.writer.publish(|| kernel.counter, &mut kernel.clocks).expect("in range");
    for coarse in [false, true] {
        kernel.counter += 2 * TSC.frequency;
        let counter = kernel.counter;
        let published = match coarse {
            true => kernel.writer.publish_coarse(|| counter, &mut kernel.clocks),
            false => kernel.writer.publish(|| counter, &mut kernel.clocks),
        };
        let _ = published.expect("MONOTONIC has room");
        assert_eq!(kernel.page_time(Clock::Realtime), None);
        assert!(matches!(kernel.clocks.now(counter, Clock::Realtime), Err(Error::Time { .. })));
        let behind = kernel.read(Clock::Monotonic) - kernel.read(Clock::MonotonicCoarse);
        assert!((0..=1).contains(&behind), "MONOTONIC_COARSE is {behind} ns behind");
    }
    let counter = kernel.counter;
    kernel.clocks.set_realtime(counter, DAY, 0).expect("in range");
    let _ = kernel.writer.publish(|| counter, &mut kernel.clocks).expect("in range");
    assert_eq!(kernel.page_time(Clock::Realtime).map(nanos), Some(i128::from(DAY) * SECOND));
}

/// A coarse clock takes the value that programs see, which can be 1 ns behind the exact one that was set to 0.
#[test]
fn realtime_can_be_set_to_its_beginning() {
    for frequency in [24_000_000, 2_596_123_457] {
        for passed in 1..=2_000 {
            let mut kernel = Kernel::set(Source { frequency, ..TSC }, BOOT, DAY);
            let counter = BOOT + passed * 1_237;
            kernel.clocks.set_realtime(counter, 0, 0).expect("1970");
            let _ = kernel.writer.publish(|| counter, &mut kernel.clocks).expect("what was set is published");
            kernel.counter = counter;
            for clock in [Clock::Realtime, Clock::RealtimeCoarse] {
                assert_eq!(kernel.page_time(clock).map(nanos), Some(0), "{frequency} Hz, {passed}: {clock:?}");
            }
        }
    }
}

#[test]
fn timer_is_out_of_reach_while_the_clocks_stand_still() {
    let mut kernel = kernel();
    let now = kernel.read(Clock::Monotonic);
    kernel.suspend();
    assert_eq!(kernel.clocks.counter_at(Clock::Monotonic, timespec(now + 1_000)), Err(Error::OutOfReach));
    assert!(kernel.clocks.counter_at(Clock::Monotonic, timespec(now - 1_000)).is_ok(), "past already");
}

/// The counter goes back, and nobody says so: what `now` and `publish` refuse with is what `counter_discontinuity` takes.
#[test]
fn reset_that_nobody_announced_is_told_by_the_error() {
    let mut kernel = kernel();
    kernel.publish();
    let published = kernel.counter;
    let shown = |kernel: &Kernel, counter| Clock::ALL.map(|clock| kernel.clocks.now(counter, clock));
    let expected = shown(&kernel, published);
    for back in [1, 1_000, published] {
        let (anchor, counter) = (published, published - back);
        assert!(FINE
            .iter()
            .all(|clock| kernel.clocks.now(counter, *clock) == Err(Error::BeforeAnchor { anchor, counter })));
        let refused = kernel.writer.publish(|| counter, &mut kernel.clocks);
        assert_eq!(refused, Err(Error::BeforeAnchor { anchor, counter }));
        assert_eq!(shown(&kernel, anchor), expected, "until it is noticed, the last publish");
    }
    let Err(Error::BeforeAnchor { anchor, counter }) = kernel.writer.publish(|| 0, &mut kernel.clocks) else {
        panic!("the counter is 0");
    };
    kernel.clocks.counter_discontinuity(anchor, counter).expect("the clocks have room");
    assert_eq!(shown(&kernel, 0), expected, "from there they go on");
    let _ = kernel.writer.publish(|| 0, &mut kernel.clocks).expect("the counter is good again");
    kernel.counter = TSC.frequency / 1_000;
    for (clock, time) in Clock::ALL.into_iter().zip(expected) {
        let passed = if clock.is_coarse() { 0 } else { 1_000_000 };
        let read = kernel.page_time(clock).map(nanos);
        assert!(read.is_some_and(|read| (read - nanos(time.expect("set")) - passed).abs() <= 1), "{clock:?}: {read:?}");
    }
}

#[test]
fn counter_past_half_its_range_is_refused() {
    let source = Source { frequency: 1_000_000, bits: 32, ..TSC };
    let mut kernel = Kernel::set(source, 0, DAY);
    kernel.pass(1 << 31);
    assert_eq!(kernel.page_time(Clock::Monotonic), None);
    let error = Error::BeforeAnchor { anchor: 0, counter: 1 << 31 };
    assert_eq!(kernel.clocks.now(kernel.counter, Clock::Monotonic), Err(error));
    assert_eq!(kernel.writer.publish(|| 1 << 31, &mut kernel.clocks), Err(error));
    kernel.counter -= 1;
    kernel.publish();
    assert_eq!(kernel.read(Clock::Monotonic), 2_147_483_647_000);
}

// The inverse.

#[test]
fn timer_fires_at_the_first_counter_value_that_shows_its_time() {
    let kernel = kernel();
    let now = kernel.counter;
    let start = kernel.clocks.counter_at(Clock::Monotonic, Timespec::default());
    assert_eq!(start, Ok(BOOT), "past: the last publish");
    for clock in Clock::ALL {
        let fine = match clock {
            Clock::RealtimeCoarse => Clock::Realtime,
            Clock::MonotonicCoarse => Clock::Monotonic,
            clock => clock,
        };
        let time = kernel.clocks.now(now, fine).expect("all are set");
        for ahead in [1, 2, 1_000, SECOND / 3, SECOND, 5 * SECOND, 3_600 * SECOND] {
            let due = timespec(nanos(time) + ahead);
            let at = kernel.clocks.counter_at(clock, due).expect("in reach");
            let shown = |counter| kernel.clocks.now(counter, fine).expect("all are set");
            assert!(shown(at) >= due && shown(at - 1) < due, "{clock:?} {ahead} ns ahead");
        }
    }
}

/// A narrow counter that wraps before the timer is due.
#[test]
fn timer_is_exact_past_a_wrap() {
    for frequency in [2_596_000_000, 1_000_000_000, 62_500_000] {
        for bits in [32, 33, 40] {
            let source = Source { frequency, bits, ..TSC };
            let kernel = Kernel::set(source, mask(bits) - 1_000_000, DAY);
            for ahead in 1..=2_000 {
                let due = timespec(ahead * 400_009);
                let at = kernel.clocks.counter_at(Clock::Monotonic, due).expect("in reach");
                let shown = |counter| kernel.clocks.now(counter, Clock::Monotonic).expect("always set");
                assert!(shown(at) >= due, "{bits} bits, {frequency} Hz: fires at {:?} for {due:?}", shown(at));
                assert!(shown(at.wrapping_sub(1) & mask(bits)) < due, "{bits} bits, {frequency} Hz: fires late");
            }
        }
    }
}

#[test]
fn timer_follows_the_published_rate() {
    let mut kernel = kernel();
    kernel.publish();
    let due = timespec(kernel.read(Clock::Monotonic) + SECOND);
    let before = kernel.clocks.counter_at(Clock::Monotonic, due);
    kernel.slew(MAX_SLEW_PPB);
    assert_eq!(kernel.clocks.counter_at(Clock::Monotonic, due), before);
    kernel.publish();
    let after = kernel.clocks.counter_at(Clock::Monotonic, due).expect("in reach");
    let sooner = before.expect("in reach") - after;
    // 500 ppm of a second.
    assert!(sooner.abs_diff(TSC.frequency * 500 / 1_000_500) <= 2, "{sooner} cycles");
}

// What else the page says.

#[test]
fn resolutions_timezone_and_cpu_number_are_in_the_page() {
    use std::sync::atomic::Ordering::Relaxed;
    let kernel = kernel();
    let page = kernel.page;
    let resolutions = || Clock::ALL.map(|clock| page.resolutions[clock.id()].load(Relaxed));
    assert_eq!(resolutions(), [0; 7]);
    // 250 Hz.
    kernel.writer.set_resolution(1, 4_000_000);
    assert_eq!(resolutions(), Clock::ALL.map(|clock| if clock.is_coarse() { 4_000_000 } else { 1 }));
    assert!((0..page.resolutions.len())
        .all(|id| Clock::ALL.iter().any(|clock| clock.id() == id) || page.resolutions[id].load(Relaxed) == 0));

    assert_eq!((page.cpu_number.load(Relaxed), page.timezone_known.load(Relaxed)), (0, 0));
    for (by, word) in [(CpuNumber::Rdpid, 2), (CpuNumber::Rdtscp, 1), (CpuNumber::default(), 0)] {
        kernel.writer.set_cpu_number(by);
        assert_eq!(page.cpu_number.load(Relaxed), word);
    }
    kernel.writer.set_timezone(-60, 1);
    assert_eq!(page.timezone.load(Relaxed), 1 << 32 | u64::from(-60i32 as u32));
    assert_eq!(page.timezone_known.load(Relaxed), 1);

    assert_eq!(page.counter.load(Relaxed), Lines::USUAL as u32);
    assert_eq!((page.counter_bits.load(Relaxed), page.frequency.load(Relaxed)), (64, TSC.frequency));
}

// Errors: each is reachable, and nothing is changed.

/// Expects `call` to be refused with the error, and neither timekeeper nor page to show that it was made.
fn refused<T: std::fmt::Debug>(
    kernel: &mut Kernel,
    error: Error,
    call: impl FnOnce(&mut Timekeeper, u64) -> Result<T, Error>,
) {
    let (clocks, page) = (format!("{:?}", kernel.clocks), bytes(kernel.page));
    let result = call(&mut kernel.clocks, kernel.counter).map(|_| ());
    assert_eq!(result, Err(error));
    assert_eq!(format!("{:?}", kernel.clocks), clocks, "{error} changed the timekeeper");
    assert!(bytes(kernel.page) == page, "{error} changed the page");
    assert!(!error.to_string().is_empty());
}

#[test]
fn unsound_sources_are_refused() {
    let checked = |max_skew| Synchronisation::Checked { max_skew };
    let narrow = Source { bits: 32, ..TSC };
    let skew = u64::from(u32::MAX / 4) + 1;
    let unsound = [
        (Source { frequency: 0, ..TSC }, Error::Frequency { hz: 0 }),
        (Source { frequency: MIN_FREQUENCY - 1, ..TSC }, Error::Frequency { hz: MIN_FREQUENCY - 1 }),
        (Source { frequency: MAX_FREQUENCY + 1, ..TSC }, Error::Frequency { hz: MAX_FREQUENCY + 1 }),
        (Source { frequency: u64::MAX, ..TSC }, Error::Frequency { hz: u64::MAX }),
        (Source { bits: 0, ..TSC }, Error::Width { bits: 0 }),
        (Source { bits: 31, ..TSC }, Error::Width { bits: 31 }),
        (Source { bits: 65, ..TSC }, Error::Width { bits: 65 }),
        (Source { bits: u32::MAX, ..TSC }, Error::Width { bits: u32::MAX }),
        (Source { synchronisation: checked(TSC.frequency + 1), ..TSC }, Error::Skew { cycles: TSC.frequency + 1 }),
        (Source { synchronisation: checked(skew), ..narrow }, Error::Skew { cycles: skew }),
        (Source { synchronisation: checked(u64::MAX), ..TSC }, Error::Skew { cycles: u64::MAX }),
    ];
    // No promise is not the promise of 0 ticks.
    let unpromised: Vec<_> = KNOWN
        .iter()
        .filter(|known| known.3.is_none())
        .map(|&(kind, ..)| (Source { kind, ..TSC }, Error::Synchronisation { kind }))
        .collect();
    assert!(!unpromised.is_empty());
    let mut kernel = kernel();
    for (source, error) in unsound.into_iter().chain(unpromised) {
        assert_eq!(Timekeeper::new(source, 0, Start::default()).map(|_| ()), Err(error));
        refused(&mut kernel, error, |clocks, now| clocks.change_counter(now, source, 0));
    }
    for source in [
        Source { frequency: MIN_FREQUENCY, bits: 32, ..TSC },
        Source { frequency: MAX_FREQUENCY, bits: 64, ..TSC },
        Source { synchronisation: checked(TSC.frequency), ..TSC },
        Source { synchronisation: checked(skew - 1), ..narrow },
    ] {
        assert!(Timekeeper::new(source, 0, Start::default()).is_ok(), "{source:?}");
    }
}

/// The first second that no clock reaches: 2^63 ns, rounded down.
const END: u64 = (1 << 63) / 1_000_000_000;

#[test]
fn clocks_cannot_start_past_the_end_of_time() {
    let (end, half) = (Timespec { sec: END, nsec: 0 }, Timespec { sec: END / 2 + 1, nsec: 0 });
    let error = Err(Error::Time { sec: END as i64, nsec: 0 });
    let new = |start| Timekeeper::new(TSC, 0, start).map(|_| ());
    assert_eq!(new(Start { monotonic: end, ..Start::default() }), error);
    assert_eq!(new(Start { raw: end, ..Start::default() }), error);
    assert_eq!(new(Start { slept: end, ..Start::default() }), error);
    assert!(matches!(new(Start { monotonic: half, slept: half, ..Start::default() }), Err(Error::Time { .. })));
    let nsec = Timespec { sec: 0, nsec: 1_000_000_000 };
    assert!(new(Start { raw: nsec, ..Start::default() }).is_err());
    let huge = Timespec { sec: u64::MAX, nsec: u32::MAX };
    assert!(matches!(new(Start { raw: huge, monotonic: huge, slept: huge }), Err(Error::Time { .. })));
    assert_eq!(new(Start { monotonic: Timespec { sec: END - 1, nsec: 999_999_999 }, ..Start::default() }), Ok(()));
}

#[test]
fn times_out_of_range_are_refused() {
    let mut kernel = kernel();
    let time = |sec, nsec| Error::Time { sec, nsec };
    for (sec, nsec) in [(-1, 0), (i64::MIN, 0), (0, 1_000_000_000), (0, u32::MAX), (END as i64, 0), (i64::MAX, 5)] {
        refused(&mut kernel, time(sec, nsec), |clocks, now| clocks.set_realtime(now, sec, nsec));
    }
    let realtime = kernel.exact.at(Clock::Realtime, kernel.passed()).expect("set");
    let before_1970 = -(realtime as i64) - 1;
    refused(&mut kernel, time(-1, 999_999_999), |clocks, now| clocks.step_realtime(now, before_1970));
    for by in [i64::MIN, i64::MAX] {
        let result = kernel.clocks.clone().step_realtime(kernel.counter, by);
        assert!(matches!(result, Err(Error::Time { .. })), "{by}");
    }
    // One second later, and TAI, 37 s ahead, would be past the end.
    let last = END as i64 - 38;
    refused(&mut kernel, time(END as i64, 0), |clocks, now| clocks.set_realtime(now, last + 1, 0));
    kernel.clocks.clone().set_realtime(kernel.counter, last, 0).expect("the last second");

    let slept = Timespec { sec: END - DAY as u64 - 37, nsec: 0 };
    let mut sleeper = kernel.clocks.clone();
    sleeper.suspend(kernel.counter).expect("the counter is good");
    let before = format!("{sleeper:?}");
    assert!(matches!(sleeper.resume(0, slept), Err(Error::Time { .. })));
    for slept in [Timespec { sec: u64::MAX, nsec: 0 }, Timespec { sec: 0, nsec: u32::MAX }] {
        assert!(matches!(sleeper.resume(0, slept), Err(Error::Time { .. })));
        assert!(matches!(sleeper.counter_at(Clock::Monotonic, slept), Err(Error::Time { .. })));
    }
    assert_eq!(format!("{sleeper:?}"), before);
}

#[test]
fn tai_before_1970_is_refused() {
    let mut kernel = Kernel::boot(TSC, BOOT);
    kernel.set_realtime(10 * SECOND);
    kernel.publish();
    refused(&mut kernel, Error::Time { sec: -1, nsec: 0 }, |clocks, _| clocks.set_tai_offset(-11));
    kernel.set_tai_offset(-10);
    refused(&mut kernel, Error::Time { sec: -1, nsec: 0 }, |clocks, now| clocks.set_realtime(now, 9, 0));
    refused(&mut kernel, Error::Time { sec: -1, nsec: 999_999_999 }, |clocks, now| clocks.step_realtime(now, -1));
    kernel.publish();
    assert_eq!(kernel.read(Clock::Tai), 0);
}

#[test]
fn clocks_that_reach_the_end_of_time_say_so() {
    let start = Start { monotonic: Timespec { sec: END - 1, nsec: 0 }, ..Start::default() };
    let mut kernel = Kernel::start(TSC, 0, start);
    kernel.publish();
    kernel.pass(TSC.frequency - 1);
    kernel.checked(Clock::Monotonic);
    kernel.pass(1);
    let (page, counter) = (bytes(kernel.page), kernel.counter);
    let error = Error::Time { sec: END as i64, nsec: 0 };
    assert_eq!(kernel.writer.publish(|| counter, &mut kernel.clocks), Err(error));
    assert!(bytes(kernel.page) == page);
    refused(&mut kernel, error, |clocks, now| clocks.suspend(now));
    refused(&mut kernel, error, |clocks, now| clocks.plan(now, Scope::Full));
}

#[test]
fn slews_out_of_range_are_refused() {
    let mut kernel = kernel();
    for ppb in [MAX_SLEW_PPB + 1, -MAX_SLEW_PPB - 1, i32::MAX, i32::MIN] {
        refused(&mut kernel, Error::Slew { ppb }, |clocks, _| clocks.slew(ppb));
    }
}

#[test]
fn tai_offsets_out_of_range_are_refused() {
    let mut kernel = kernel();
    for sec in [1001, -1001, i32::MAX, i32::MIN] {
        refused(&mut kernel, Error::TaiOffset { sec }, |clocks, _| clocks.set_tai_offset(sec));
    }
    kernel.set_tai_offset(1000);
    refused(&mut kernel, Error::TaiOffset { sec: 1001 }, |clocks, now| clocks.insert_leap_second(now));
    kernel.set_tai_offset(-1000);
    refused(&mut kernel, Error::TaiOffset { sec: -1001 }, |clocks, now| clocks.delete_leap_second(now));
}

#[test]
fn steps_of_an_unset_realtime_are_refused() {
    let mut kernel = Kernel::boot(TSC, BOOT);
    refused(&mut kernel, Error::NotSet, |clocks, now| clocks.step_realtime(now, 1));
    refused(&mut kernel, Error::NotSet, |clocks, now| clocks.insert_leap_second(now));
    refused(&mut kernel, Error::NotSet, |clocks, now| clocks.delete_leap_second(now));
    for clock in [Clock::Realtime, Clock::RealtimeCoarse, Clock::Tai] {
        refused(&mut kernel, Error::NotSet, |clocks, now| clocks.now(now, clock));
        refused(&mut kernel, Error::NotSet, |clocks, _| clocks.counter_at(clock, Timespec::default()));
    }
}

#[test]
fn counters_before_the_anchor_are_refused() {
    let mut kernel = kernel();
    kernel.publish();
    let anchor = kernel.counter;
    kernel.counter -= 1;
    let error = Error::BeforeAnchor { anchor, counter: anchor - 1 };
    refused(&mut kernel, error, |clocks, now| clocks.set_realtime(now, 0, 0));
    refused(&mut kernel, error, |clocks, now| clocks.step_realtime(now, 1));
    refused(&mut kernel, error, |clocks, now| clocks.insert_leap_second(now));
    refused(&mut kernel, error, |clocks, now| clocks.suspend(now));
    refused(&mut kernel, error, |clocks, now| clocks.counter_discontinuity(now, 0));
    refused(&mut kernel, error, |clocks, now| clocks.change_counter(now, TSC, 0));
    refused(&mut kernel, error, |clocks, now| clocks.now(now, Clock::Realtime));
    let (page, counter) = (bytes(kernel.page), kernel.counter);
    assert_eq!(kernel.writer.publish(|| counter, &mut kernel.clocks), Err(error));
    assert_eq!(kernel.writer.publish_coarse(|| counter, &mut kernel.clocks), Err(error));
    assert!(bytes(kernel.page) == page);
    // The refused publish let go of the page.
    kernel.counter += 1;
    kernel.publish();
}

#[test]
fn timers_out_of_reach_are_refused() {
    // Half of 32 bits at 1 MHz: 2147.48 s.
    let mut kernel = Kernel::set(Source { frequency: MIN_FREQUENCY, bits: 32, ..TSC }, 7, DAY);
    let last = Timespec { sec: 2147, nsec: 483_647_000 };
    assert_eq!(kernel.clocks.counter_at(Clock::Monotonic, last), Ok((1 << 31) - 1 + 7));
    let due = Timespec { nsec: last.nsec + 1, ..last };
    refused(&mut kernel, Error::OutOfReach, |clocks, _| clocks.counter_at(Clock::Monotonic, due));
    let due = Timespec { sec: END - 1, nsec: 999_999_999 };
    refused(&mut kernel, Error::OutOfReach, |clocks, _| clocks.counter_at(Clock::Monotonic, due));
}

// The reference itself.

/// The exact clocks of the other tests, against figures worked out by hand.
#[test]
fn exact_clocks_are_right() {
    let source = Source { frequency: 3_000_000_000, ..TSC };
    let mut exact = Exact::new(&source, Start::default());
    exact.pass(1);
    assert_eq!(exact.at(Clock::Monotonic, 1), Some(0));
    assert_eq!(exact.at(Clock::Monotonic, 2), Some(1));
    exact.wanted.ppb = 500_000;
    exact.publish();
    assert_eq!(exact.at(Clock::Monotonic, 2_999_999_999), Some(1_000_499_999));
    assert_eq!(exact.at(Clock::MonotonicRaw, 2_999_999_999), Some(1_000_000_000));
}
