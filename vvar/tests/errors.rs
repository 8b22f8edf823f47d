//! What an error says, and what the call that it refused has left behind.

mod common;

use common::kernel::Kernel;
use common::pages::{bytes, page};
use common::{Counters, FINE};
use std::cell::Cell;
use vvar::memory::{Encoded, SplitLines, WideLines};
use vvar::page::{Encoding, ABI, MAGIC};
use vvar::reader::identify;
use vvar::{Clock, CounterKind, Error, Published, Source, Start, Synchronisation, Timekeeper, Writer};

const BOOT: u64 = 1 << 40;
const DAY: i64 = 1_790_000_000;
const TSC: Source = WideLines::TSC;

fn kernel() -> Kernel<WideLines> {
    Kernel::set(TSC, BOOT, DAY)
}

/// The error of a source, if any.
fn of_source(source: Source) -> Result<(), Error> {
    Timekeeper::new(source, BOOT, Start::default()).map(|_| ())
}

fn skewed(max_skew: u64, source: Source) -> Source {
    Source { synchronisation: Synchronisation::Checked { max_skew }, ..source }
}

#[track_caller]
fn says<T>(result: Result<T, Error>, parts: &[&str]) {
    let said = result.map(|_| ()).expect_err("refused").to_string();
    for part in parts {
        assert!(said.contains(part), "{said:?}: no {part:?}");
    }
    assert!(!said.contains("  ") && !said.ends_with(['.', '\n']), "{said:?}");
}

/// Field, value and remedy.
#[test]
fn errors_say_what_to_do() {
    let mut clocks = kernel().clocks;
    says(of_source(Source { frequency: 0, ..TSC }), &["frequency 0 Hz", "1000000 to 10000000000 Hz", "calibrate"]);
    for bits in [31, 65] {
        says(
            of_source(Source { bits, ..TSC }),
            &[&format!("width {bits}"), "32 to 64 bits", "give the width", "wraps"],
        );
    }
    says(clocks.slew(-500_001), &["-500001 parts per billion", "-500000 to 500000", "set the clock"]);
    says(clocks.set_tai_offset(-1001), &["-1001 s", "-1000 to 1000 s", "TAI less REALTIME", "37"]);
    clocks.set_tai_offset(1000).expect("in range");
    says(clocks.insert_leap_second(BOOT), &["TAI offset 1001 s"]);
    clocks.set_tai_offset(37).expect("in range");
    says(clocks.set_realtime(BOOT - 10, DAY, 0), &[&(BOOT - 10).to_string(), &BOOT.to_string(), "discontinuity"]);
    says(clocks.resume(BOOT, Default::default()), &["call suspend"]);

    let private = Source { kind: CounterKind::Private1, synchronisation: Synchronisation::Architectural, ..TSC };
    says(of_source(private), &["Private1", "Architectural", "Synchronisation::Checked", "WarpTest"]);
    // Both limits of the skew.
    let narrow = Source { bits: 32, frequency: 10_000_000_000, ..TSC };
    for source in [skewed(TSC.frequency + 1, TSC), skewed(1 << 30, narrow)] {
        let Synchronisation::Checked { max_skew } = source.synchronisation else { unreachable!() };
        let limits = ["more than a second", "a quarter of the counter's range", "WarpTest", "another counter"];
        says(of_source(source), &[&[&*format!("skew of {max_skew} cycles")], &limits[..]].concat());
        assert_eq!(of_source(skewed(max_skew - 1, source)), Ok(()));
    }

    let mut unset = Kernel::<WideLines>::boot(TSC, BOOT).clocks;
    says(unset.step_realtime(BOOT, 1), &["REALTIME", "set_realtime", "publish"]);
    says(unset.now(BOOT, Clock::Tai), &["REALTIME", "set_realtime", "publish"]);
    let far = vvar::Timespec { sec: 9_000_000_000, nsec: 0 };
    says(clocks.counter_at(Clock::Monotonic, far), &["half the counter's range", "ask again after a later publish"]);
    says::<()>(Err(Error::Busy), &["another publish", "nothing to do", "repeated"]);
}

/// Which bound, and the bound itself: the last time within it is taken.
#[test]
fn times_out_of_range_say_which_bound() {
    let mut clocks = kernel().clocks;
    clocks.set_tai_offset(0).expect("in range");
    says(clocks.set_realtime(BOOT, 7, 1_000_000_000), &["7 s + 1000000000 ns", "10^9", "carry"]);
    assert_eq!(clocks.set_realtime(BOOT, 7, 999_999_999), Ok(()));
    let early = ["before 0 s (1970", "later time", "TAI offset"];
    says(clocks.set_realtime(BOOT, -1, 5), &[&["-1 s + 5 ns"], &early[..]].concat());
    says(clocks.step_realtime(BOOT, -8_000_000_000), &[&["-1 s + 999999999 ns"], &early[..]].concat());
    says(clocks.set_tai_offset(-10), &[&["-3 s + 999999999 ns"], &early[..]].concat());
    assert_eq!(clocks.set_realtime(BOOT, 0, 0), Ok(()));
    let late = ["not below 9223372036 s", "2262", "earlier time", "discontinuity"];
    says(clocks.set_realtime(BOOT, 9_223_372_036, 0), &[&["time 9223372036 s + 0 ns"], &late[..]].concat());
    says(clocks.set_realtime(BOOT, i64::MAX, 0), &[&["9223372036854775807 s"], &late[..]].concat());
    assert_eq!(clocks.set_realtime(BOOT, 9_223_372_035, 999_999_999), Ok(()));
}

#[test]
fn foreign_pages_say_whether_there_is_a_page() {
    fn of<L: Counters>(magic: u32, abi: u32, layout: u64, parts: &[&str]) {
        use std::sync::atomic::Ordering::Relaxed;
        let page = page();
        page.magic.store(magic, Relaxed);
        page.abi.store(abi, Relaxed);
        page.layout.store(layout, Relaxed);
        let expected = format!("{:#018x}", L::ENCODING.layout());
        says(identify(&Encoded::<_, L>::new(page)), &[&[&*expected], parts].concat());
    }
    let (split, wide) = (Encoding::Split.layout(), Encoding::Wide.layout());
    of::<SplitLines>(0, 0, 0, &["no page", "call Writer::init first", "zeroed"]);
    of::<WideLines>(0, 0, 0, &["no page", "call Writer::init first", "zeroed"]);
    of::<SplitLines>(0, ABI, split, &["magic", "let Writer::init end"]);
    of::<SplitLines>(
        MAGIC,
        ABI,
        wide,
        &["one version of the vvar crate", "one architecture", &format!("{wide:#018x}")],
    );
    of::<WideLines>(MAGIC, ABI + 1, wide, &["one version of the vvar crate", &format!("ABI {}", ABI + 1)]);
    of::<WideLines>(MAGIC, 0, wide, &["one version of the vvar crate", "ABI 0"]);
}

/// [`Writer::publish`] when its first plan is good but late, and the second is refused: the line that was to step is off.
#[test]
fn publish_refused_after_a_late_plan_leaves_what_steps_off() {
    let mut kernel = kernel();
    kernel.tick();
    kernel.set_realtime(i128::from(DAY) * 1_000_000_000 + 60_000_000_000);
    let before = kernel.clock_gettime(Clock::Monotonic);
    let now = kernel.counter;
    // The anchor; a look at the clock a second later; then the counter has been reset.
    let mut reads = [now, now + TSC.frequency, 3].into_iter();
    let result = kernel.writer.publish(|| reads.next().expect("three reads"), &mut kernel.clocks);
    assert_eq!(result, Err(Error::BeforeAnchor { anchor: BOOT, counter: 3 }));
    let steps = [Clock::Realtime, Clock::RealtimeCoarse, Clock::Tai];
    assert_eq!(kernel.on(), Clock::ALL.into_iter().filter(|clock| !steps.contains(clock)).collect::<Vec<_>>());
    assert_eq!(kernel.clock_gettime(Clock::Monotonic), before);
    for clock in [Clock::Realtime, Clock::Tai] {
        kernel.checked_call(clock);
    }
    // A coarse publish covers the coarse one of them, a full one all.
    kernel.publish_coarse();
    assert!(kernel.on().contains(&Clock::RealtimeCoarse) && !kernel.on().contains(&Clock::Realtime));
    kernel.publish();
    assert_eq!(kernel.on(), Clock::ALL);
    for clock in FINE {
        kernel.checked(clock);
    }
}

/// [`Writer::publish`] when it was out, and the repeat for another that was refused meanwhile fails: it stays out.
#[test]
fn publish_refused_in_a_repeat_is_out() {
    let mut kernel = kernel();
    kernel.tick();
    kernel.set_realtime(i128::from(DAY) * 1_000_000_000 + 60_000_000_000);
    let (now, reads) = (kernel.counter, Cell::new(0));
    let writer: &Writer<_> = &kernel.writer;
    let counter = || {
        reads.set(reads.get() + 1);
        match reads.get() {
            // In an interrupt: refused, and the publish below is repeated for it.
            1 => {
                let mut other = kernel.clocks.clone();
                let before = bytes(kernel.page);
                assert_eq!(writer.publish(|| unreachable!("refused before"), &mut other), Err(Error::Busy));
                assert!(bytes(kernel.page) == before);
                now
            }
            2 => now,
            _ => 3,
        }
    };
    let mut clocks = kernel.clocks.clone();
    let result: Result<Published, Error> = writer.publish(counter, &mut clocks);
    assert_eq!(result, Err(Error::BeforeAnchor { anchor: now, counter: 3 }));
    kernel.clocks = clocks;
    assert_eq!(kernel.on(), Clock::ALL);
    assert_eq!(kernel.read(Clock::Realtime), i128::from(DAY + 60) * 1_000_000_000);
}
