//! Reads while a writer on another CPU publishes.

use super::calls::Calls;
use super::cpu;
use super::publisher::{Feed, Pace, Running};
use super::row::{Row, Unit};
use super::setup::Setup;
use super::statistics::{quantile, Spread};
use super::{progress::Progress, Effort};
use anyhow::{ensure, Result};
use nix::libc::{timespec, CLOCK_MONOTONIC};
use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};
use vvar::memory::Barrier;
use vvar::{reader, Clock, PageRead, RawPage};

/// A pace, its name in row names, and for how long it is measured.
struct Step {
    name: &'static str,
    pace: Pace,
    time: Duration,
}

/// The slower the writer, the longer: there is to be a publish to meet, and a wrap of the TSC's low half.
const STEPS: [Step; 4] = [
    Step { name: "100hz", pace: Pace::Every(Duration::from_millis(10)), time: Duration::from_millis(5000) },
    Step { name: "1khz", pace: Pace::Every(Duration::from_millis(1)), time: Duration::from_millis(4000) },
    Step { name: "1mhz", pace: Pace::Every(Duration::from_micros(1)), time: Duration::from_millis(2000) },
    Step { name: "tight", pace: Pace::Tight, time: Duration::from_millis(2000) },
];

/// The page, with a count of the reader's looks at it: an image does not tell how it came by its answer, so the reader
/// that it is made of is run on the image's page.
struct CountedPage {
    page: RawPage,
    looks: Cell<u64>,
}

impl PageRead for CountedPage {
    #[inline(always)]
    fn load_u32(&self, offset: usize) -> u32 {
        self.page.load_u32(offset)
    }
    #[inline(always)]
    fn load_u64(&self, offset: usize) -> u64 {
        self.page.load_u64(offset)
    }
    #[inline(always)]
    fn barrier(&self, barrier: Barrier) {
        if barrier == Barrier::SeqThenSlot {
            self.looks.set(self.looks.get() + 1);
        }
        barrier.issue();
    }
}

/// What became of some reads.
#[derive(Debug, Default)]
struct Counts {
    reads: u64,
    /// Not answered by the fast path.
    cold: u64,
    /// Looks of the slow path beyond its first.
    retries: u64,
    /// Not answered at all: the image would make the system call.
    unavailable: u64,
}

fn count_reads(page: RawPage, time: Duration) -> Counts {
    let page = CountedPage { page, looks: Cell::new(0) };
    let mut counts = Counts::default();
    let end = Instant::now() + time;
    while Instant::now() < end {
        for _ in 0..1000 {
            counts.reads += 1;
            if black_box(reader::read_fast(&page, &vvar::arch::Tsc, Clock::Monotonic.id())).is_some() {
                continue;
            }
            counts.cold += 1;
            page.looks.set(0);
            let found = black_box(reader::read_slow(&page, &vvar::arch::Tsc, Clock::Monotonic.id()));
            counts.retries += page.looks.get().saturating_sub(1);
            counts.unavailable += u64::from(found.is_none());
        }
    }
    counts
}

/// Cycles of single calls, ours and the host's in turn.
fn latencies(setup: &Setup, time: Duration) -> Result<[Vec<f64>; 2]> {
    let mut latencies = [vec![], vec![]];
    let end = Instant::now() + time;
    while Instant::now() < end {
        for (calls, latencies) in [&setup.ours, &setup.host].into_iter().zip(&mut latencies) {
            for _ in 0..1000 {
                latencies.push(setup.calibration.nanos(single(calls)?));
            }
        }
    }
    latencies.iter_mut().for_each(|values| values.sort_by(f64::total_cmp));
    Ok(latencies)
}

#[inline(always)]
fn single(calls: &Calls) -> Result<u64> {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    let start = cpu::rdtscp();
    let error = calls.clock_gettime(CLOCK_MONOTONIC, &mut time);
    let cycles = cpu::rdtscp() - start;
    ensure!(error == 0, "clock_gettime(CLOCK_MONOTONIC) returned {error} beside a writer");
    Ok(cycles)
}

/// For each pace: cold reads, retries, system calls, and how long a call takes. Nothing on a machine with one CPU.
pub(crate) fn rows(setup: &Setup, mut feed: Feed, effort: Effort, progress: &mut Progress) -> Result<(Vec<Row>, Feed)> {
    let mut rows = vec![];
    if setup.cpu == setup.other_cpu {
        eprintln!("bench: one CPU only; the rows of a writer on another CPU are left out");
        return Ok((rows, feed));
    }
    for (done, step) in STEPS.iter().enumerate() {
        progress.show(&format!("writer at {}", step.name), done, STEPS.len());
        let running = Running::start(feed, setup.other_cpu, step.pace)?;
        let before = running.publishes();
        let counts = count_reads(setup.page, effort.time(step.time));
        let published = running.publishes() - before;
        let latencies = latencies(setup, effort.time(step.time / 2))?;
        feed = running.stop()?;
        ensure!(published > 0, "the writer at {} did not publish", step.name);
        rows.extend(rows_of(step.name, &counts, &latencies));
    }
    Ok((rows, feed))
}

fn rows_of(pace: &str, counts: &Counts, [ours, host]: &[Vec<f64>; 2]) -> Vec<Row> {
    let per_call = |name: &str, unit, count: u64| {
        Row::new(format!("writer/{pace}/{name}"), unit, Spread::exactly(count as f64 / counts.reads as f64))
    };
    let mut rows = vec![
        per_call("cold_share", Unit::Share, counts.cold),
        per_call("retries_per_call", Unit::Mean, counts.retries),
        per_call("syscall_share", Unit::Share, counts.unavailable),
    ];
    for (name, q) in [("p50", 0.5), ("p99", 0.99), ("p99.99", 0.9999)] {
        let (Some(ours), Some(host)) = (quantile(ours, q), quantile(host, q)) else { continue };
        rows.push(Row {
            host: Some(Spread::exactly(host)),
            ratio: Some(Spread::exactly(ours / host)),
            ..Row::new(format!("writer/{pace}/{name}"), Unit::Ns, Spread::exactly(ours))
        });
    }
    rows
}
