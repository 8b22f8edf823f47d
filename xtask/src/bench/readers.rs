//! Several threads that read at once, each on a CPU of its own: they share a line that nobody writes.

use super::calls::Calls;
use super::cpu;
use super::row::{Row, Unit};
use super::setup::Setup;
use super::statistics::Spread;
use super::subject::Call;
use super::{progress::Progress, Effort};
use anyhow::{anyhow, Result};
use nix::libc::CLOCK_MONOTONIC;
use std::sync::Barrier;

const BATCH: u32 = 1000;

/// More threads tell nothing new.
const MOST: usize = 8;

/// A row for each number of threads: 1, 2, 4 ... and as many as there are CPUs.
pub(crate) fn rows(setup: &Setup, effort: Effort, progress: &mut Progress) -> Result<Vec<Row>> {
    let most = setup.cpus.len().min(MOST);
    let mut rows = vec![];
    for threads in (1..=most).filter(|threads| threads.is_power_of_two() || *threads == most) {
        progress.show(&format!("{threads} readers"), threads, most);
        let [ours, host] = read_at_once(setup, &setup.cpus[..threads], effort.rounds(400))?;
        let ratio = Spread::of(ours.iter().zip(&host).map(|(ours, host)| ours / host).collect());
        let Some(ours) = Spread::of(ours) else { continue };
        let name = format!("clock_gettime/monotonic/readers/{threads}");
        rows.push(Row { host: Spread::of(host), ratio, ..Row::new(name, Unit::Ns, ours) });
    }
    Ok(rows)
}

/// Nanoseconds a call, ours and the host's, for each thread and round.
fn read_at_once(setup: &Setup, cpus: &[usize], rounds: usize) -> Result<[Vec<f64>; 2]> {
    let start = Barrier::new(cpus.len());
    let read = |cpu: usize| -> Result<[Vec<f64>; 2]> {
        let pinned = cpu::pin(cpu);
        let mut values = [vec![], vec![]];
        for _ in 0..rounds {
            for (calls, values) in [&setup.ours, &setup.host].into_iter().zip(&mut values) {
                start.wait();
                values.push(one(setup, calls));
            }
        }
        pinned.map(|()| values)
    };
    let read = &read;
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = cpus.iter().map(|&cpu| scope.spawn(move || read(cpu))).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut all = [vec![], vec![]];
    for result in results {
        let values = result.map_err(|_| anyhow!("a reading thread panicked"))??;
        all.iter_mut().zip(values).for_each(|(all, values)| all.extend(values));
    }
    Ok(all)
}

fn one(setup: &Setup, calls: &Calls) -> f64 {
    setup.calibration.nanos(Call::ClockGettime(CLOCK_MONOTONIC).cycles(calls, BATCH)) / f64::from(BATCH)
}
