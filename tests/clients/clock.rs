//! Reads the clocks as a Rust program does, with `std::time` from several threads, and says whether they are right.
//!
//! ```text
//! clock check READS TOLERANCE   each read between two raw system calls; TOLERANCE in nanoseconds
//! clock count READS             only std::time: with a working vDSO, no clock system call at all
//! ```
//!
//! Prints as `clock.c` does; see there for what "right" means. No library but `std`, so that nothing else reads clocks.

use std::ffi::c_long;
use std::process::ExitCode;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const CLOCK_REALTIME: c_long = 0;
const CLOCK_MONOTONIC: c_long = 1;
const THREADS: u64 = 4;

static RAW_CALLS: AtomicU64 = AtomicU64::new(0);

/// The kernel's own answer, in nanoseconds; `std` asks the C library, which asks the vDSO.
fn raw_clock(id: c_long) -> i64 {
    const SYS_CLOCK_GETTIME: c_long = 228; // x86_64, asm/unistd_64.h
    extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    RAW_CALLS.fetch_add(1, Relaxed);
    // struct timespec: seconds, nanoseconds.
    let mut time = [0i64; 2];
    // SAFETY: syscall(2) is in every C library that std links; clock_gettime writes one timespec, which `time` has
    // room for and which is not otherwise borrowed.
    let status = unsafe { syscall(SYS_CLOCK_GETTIME, id, time.as_mut_ptr()) };
    assert_eq!(status, 0, "the kernel has clock {id}");
    time[0] * 1_000_000_000 + time[1]
}

/// How far reads lay outside the raw ones around them, in nanoseconds; 0 if none did.
#[derive(Clone, Copy, Default)]
struct Spread {
    before: i64,
    after: i64,
}

impl Spread {
    fn add(&mut self, earlier: i64, read: i64, later: i64) {
        self.before = self.before.max(earlier - read);
        self.after = self.after.max(read - later);
    }

    fn join(self, other: Spread) -> Spread {
        Spread { before: self.before.max(other.before), after: self.after.max(other.after) }
    }
}

/// Ties `Instant`, which shows differences only, to the kernel's clock.
#[derive(Clone, Copy)]
struct Origin {
    now: Instant,
    earlier: i64,
    later: i64,
}

impl Origin {
    /// The tightest of many, since its width widens every bound.
    fn new() -> Origin {
        let one = |_| {
            let earlier = raw_clock(CLOCK_MONOTONIC);
            Origin { now: Instant::now(), earlier, later: raw_clock(CLOCK_MONOTONIC) }
        };
        (0..1000).map(one).min_by_key(|origin| origin.later - origin.earlier).expect("a thousand were made")
    }
}

/// Makes reads between raw ones: wall clock, monotonic clock.
fn bracket(start: Origin, reads: u64) -> (Spread, Spread) {
    let (mut wall, mut monotonic) = (Spread::default(), Spread::default());
    for _ in 0..reads {
        let earlier = raw_clock(CLOCK_REALTIME);
        let now = SystemTime::now();
        wall.add(earlier, since_epoch(now), raw_clock(CLOCK_REALTIME));

        let earlier = raw_clock(CLOCK_MONOTONIC);
        let now = Instant::now();
        let later = raw_clock(CLOCK_MONOTONIC);
        monotonic.add(earlier - start.later, now.duration_since(start.now).as_nanos() as i64, later - start.earlier);
    }
    (wall, monotonic)
}

/// Nanoseconds since 1970; 0 for a clock that stands before.
fn since_epoch(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as i64)
}

fn verdict(good: bool, name: &str, figures: &str) -> bool {
    println!("{:<4} {name}: {figures}", if good { "ok" } else { "BAD" });
    good
}

fn judge(name: &str, spread: Spread, reads: u64, tolerance: i64) -> bool {
    let Spread { before, after } = spread;
    let figures = format!(
        "{reads} reads, at most {before} ns before and {after} ns after the raw ones, tolerance {tolerance} ns"
    );
    verdict(before <= tolerance && after <= tolerance, name, &figures)
}

fn check(reads: u64, tolerance: i64) -> bool {
    let start = Origin::new();
    let (wall, monotonic) = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(move || bracket(start, reads / THREADS))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no thread panics"))
            .fold((Spread::default(), Spread::default()), |all, one| (all.0.join(one.0), all.1.join(one.1)))
    });
    // A difference of two reads: either may be off.
    judge("SystemTime::now", wall, reads, tolerance) & judge("Instant::now", monotonic, reads, 2 * tolerance)
}

/// Passes the latest `Instant` between the threads; none may read an earlier one. `Instant`'s own arithmetic would
/// hide a step back (it saturates), so what is compared is `checked_duration_since`.
fn count(reads: u64) -> bool {
    let start = Instant::now();
    let latest = AtomicI64::new(0);
    let back = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..reads / THREADS {
                    let seen = latest.load(Relaxed);
                    let now =
                        Instant::now().checked_duration_since(start).map_or(-1, |elapsed| elapsed.as_nanos() as i64);
                    if now < seen {
                        back.fetch_add(1, Relaxed);
                    }
                    latest.fetch_max(now, Relaxed);
                }
            });
        }
    });
    let (back, latest) = (back.into_inner(), latest.into_inner());
    let wall = (0..reads).map(|_| since_epoch(SystemTime::now())).min().unwrap_or(0);
    verdict(
        back == 0 && latest > 0,
        "Instant::now",
        &format!("{reads} reads, {back} backwards, went on by {latest} ns"),
    ) & verdict(wall > 0, "SystemTime::now", &format!("{reads} reads, the earliest {wall} ns after 1970"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = arguments.iter().skip(1).map(|text| text.parse().ok()).collect();
    let good = match (arguments.first().map(String::as_str), numbers.as_deref()) {
        (Some("check"), Some(&[reads, tolerance])) => check(reads, tolerance as i64),
        (Some("count"), Some(&[reads])) => count(reads),
        _ => {
            eprintln!("usage: clock check READS TOLERANCE | clock count READS");
            return ExitCode::from(2);
        }
    };
    println!("clock system calls expected: {}", RAW_CALLS.load(Relaxed));
    println!("{}", if good { "PASS" } else { "FAIL" });
    ExitCode::from(u8::from(!good))
}
