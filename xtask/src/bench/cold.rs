//! Calls whose data are in no cache: what a program sees that reads the clock now and then.

use super::calls::Calls;
use super::cpu::{self, Resident};
use super::hot::clock_name;
use super::row::{Row, Unit};
use super::setup::Setup;
use super::statistics::Spread;
use super::{progress::Progress, Effort};
use nix::libc::{clockid_t, timespec};
use std::hint::black_box;
use vvar::Clock;

/// Calls in a group. Some CPUs' TSC moves in steps of up to 10 ns, which a mean over a group evens out.
const GROUP: u32 = 16;

/// Cycles of each of a group of `call`s, after `flush`, less the time that taking the time takes.
fn group(empty: f64, flush: impl Fn(), mut call: impl FnMut()) -> f64 {
    let mut cycles = 0;
    for _ in 0..GROUP {
        flush();
        cpu::settle();
        let start = cpu::rdtscp();
        call();
        cycles += cpu::rdtscp() - start;
    }
    cycles as f64 / f64::from(GROUP) - empty
}

/// Cycles between two readings with nothing between them.
fn empty_cycles() -> f64 {
    const GROUPS: usize = 200;
    let groups: Vec<f64> = (0..GROUPS).map(|_| group(0.0, || (), || ())).collect();
    Spread::of(groups).map_or(0.0, |groups| groups.median)
}

/// A row for every clock. None on a host whose data cannot be found.
pub(crate) fn rows(setup: &Setup, effort: Effort, progress: &mut Progress) -> Vec<Row> {
    let Some(host_data) = setup.host_data else { return vec![] };
    // Both pages each time: whoever is measured finds the same caches.
    let flush = || {
        setup.our_data.flush();
        host_data.flush();
    };
    let rounds = effort.rounds(300);
    let empty = empty_cycles();
    let mut rows = vec![];
    for (done, clock) in Clock::ALL.into_iter().enumerate() {
        let (mut ours, mut host, mut ratio, mut floor) = (vec![], vec![], vec![], vec![]);
        for round in 0..rounds {
            progress.show("cold", done * rounds + round, Clock::ALL.len() * rounds);
            let measure = |calls: &Calls| group(empty, flush, || call(calls, clock));
            let pair = if round.is_multiple_of(2) {
                let ours = measure(&setup.ours);
                (ours, measure(&setup.host))
            } else {
                let host = measure(&setup.host);
                (measure(&setup.ours), host)
            };
            ours.push(setup.calibration.nanos(1) * pair.0);
            host.push(setup.calibration.nanos(1) * pair.1);
            ratio.push(pair.0 / pair.1);
            floor.push(setup.calibration.nanos(1) * group(empty, flush, || miss(setup.our_data, clock)));
        }
        let Some(ours) = Spread::of(ours) else { continue };
        rows.push(Row {
            host: Spread::of(host),
            floor: Spread::of(floor).map(|floor| floor.median),
            ratio: Spread::of(ratio),
            ..Row::new(format!("clock_gettime/{}/cold", clock_name(clock)), Unit::Ns, ours)
        });
    }
    rows
}

fn call(calls: &Calls, clock: Clock) {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    calls.clock_gettime(clock.id() as clockid_t, black_box(&mut time));
}

/// What a cold read cannot do without: one missing line, and the counter.
fn miss(data: Resident, clock: Clock) {
    black_box(data.touch(vvar::page::offset::LINES + 64 * clock.id()));
    if !clock.is_coarse() {
        black_box(cpu::rdtscp());
    }
}
