//! Calls back to back, everything in the first-level cache.

use super::row::{Row, Unit};
use super::setup::Setup;
use super::statistics::Spread;
use super::subject::{empty_call_cycles, lfence_rdtsc_cycles, rdtscp_cycles, Call, Floor};
use super::{progress::Progress, Effort};
use crate::bench::calls::Calls;
use nix::libc::clockid_t;
use vvar::Clock;

/// Calls in a batch: some tens of microseconds, so that few batches meet an interrupt, and none is decided by how soon the
/// processor has learnt the loop. (With 200 calls the shortest functions, ours and the host's, had two speeds by chance.)
const BATCH: u32 = 2000;

/// A system call takes as long as ten of ours.
const SYSTEM_BATCH: u32 = 20;

/// One batch of system calls for so many rounds.
const SYSTEM_EVERY: usize = 4;

/// The name of a clock in row names.
pub(crate) fn clock_name(clock: Clock) -> &'static str {
    match clock {
        Clock::Realtime => "realtime",
        Clock::Monotonic => "monotonic",
        Clock::MonotonicRaw => "monotonic_raw",
        Clock::RealtimeCoarse => "realtime_coarse",
        Clock::MonotonicCoarse => "monotonic_coarse",
        Clock::Boottime => "boottime",
        Clock::Tai => "tai",
    }
}

/// A row under way.
struct Subject {
    name: String,
    call: Call,
    ours: Vec<f64>,
    host: Vec<f64>,
    ratio: Vec<f64>,
    system: Vec<f64>,
}

impl Subject {
    fn new(name: String, call: Call) -> Subject {
        Subject { name, call, ours: vec![], host: vec![], ratio: vec![], system: vec![] }
    }

    /// Ours and the host's, one directly after the other; who is first changes from round to round.
    fn measure(&mut self, setup: &Setup, round: usize) {
        let batch = |calls: &Calls| self.call.cycles(calls, BATCH) as f64;
        let (ours, host) = if round.is_multiple_of(2) {
            let ours = batch(&setup.ours);
            (ours, batch(&setup.host))
        } else {
            let host = batch(&setup.host);
            (batch(&setup.ours), host)
        };
        self.ours.push(ours / f64::from(BATCH));
        self.host.push(host / f64::from(BATCH));
        self.ratio.push(ours / host);
        if round.is_multiple_of(SYSTEM_EVERY) {
            self.system.push(self.call.cycles(&Calls::SYSTEM, SYSTEM_BATCH) as f64 / f64::from(SYSTEM_BATCH));
        }
    }
}

fn subjects() -> Vec<Subject> {
    let mut subjects = vec![];
    for clock in Clock::ALL {
        let (name, id) = (clock_name(clock), clock.id() as clockid_t);
        subjects.push(Subject::new(format!("clock_gettime/{name}/hot"), Call::ClockGettime(id)));
        subjects.push(Subject::new(format!("clock_gettime/{name}/dependent"), Call::Dependent(id)));
    }
    for (name, call) in [
        ("gettimeofday/hot", Call::Gettimeofday),
        ("time/hot", Call::Time),
        ("clock_getres/hot", Call::ClockGetres),
        ("getcpu/hot", Call::Getcpu),
    ] {
        subjects.push(Subject::new(name.into(), call));
    }
    subjects
}

/// The rows of all calls, and of the floors themselves.
pub(crate) fn rows(setup: &Setup, effort: Effort, progress: &mut Progress) -> Vec<Row> {
    let mut subjects = subjects();
    let mut floors = [const { Vec::new() }; 3];
    let rounds = effort.rounds(6_000);
    for round in 0..rounds {
        progress.show("hot", round, rounds);
        for subject in &mut subjects {
            subject.measure(setup, round);
        }
        for (measure, values) in [rdtscp_cycles, lfence_rdtsc_cycles, empty_call_cycles].iter().zip(&mut floors) {
            values.push(measure(BATCH) as f64 / f64::from(BATCH));
        }
    }
    let scale = |cycles: f64| setup.calibration.nanos(1) * cycles;
    let spread = |values: Vec<f64>| Spread::of(values.into_iter().map(scale).collect());
    let floors = floors.map(spread);
    let floor = |floor: Floor| match (floor, floors) {
        (Floor::Counter, [Some(rdtscp), Some(lfence), _]) => Some(rdtscp.median.min(lfence.median)),
        (Floor::EmptyCall, [.., Some(empty)]) => Some(empty.median),
        _ => None,
    };
    let mut rows = vec![];
    for subject in subjects {
        let (Some(ours), host) = (spread(subject.ours), spread(subject.host)) else { continue };
        rows.push(Row {
            host,
            floor: floor(subject.call.floor()),
            syscall: spread(subject.system).map(|system| system.median),
            ratio: Spread::of(subject.ratio),
            ..Row::new(subject.name, Unit::Ns, ours)
        });
    }
    for (name, floor) in ["floor/rdtscp", "floor/lfence_rdtsc", "floor/empty_call"].iter().zip(floors) {
        rows.extend(floor.map(|floor| Row::new(*name, Unit::Ns, floor)));
    }
    rows
}
