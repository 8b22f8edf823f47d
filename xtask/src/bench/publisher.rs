//! The live publisher: a thread on a CPU of its own that publishes at a given pace.

use super::{calibration::Calibration, cpu};
use anyhow::{anyhow, Context, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vvar::page::CpuNumber;
use vvar::{RawPage, Timekeeper, Writer};

/// Shorter pauses are spent on the CPU: a sleep ends some 50 us late.
const SLEEPABLE: Duration = Duration::from_micros(500);

/// A page and the clocks that it shows.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) writer: Writer<RawPage>,
    pub(crate) clocks: Timekeeper,
}

impl Feed {
    /// Initialises the page and publishes once, with resolutions and the CPU's number as on the host.
    pub(crate) fn new(page: RawPage, calibration: &Calibration, tick: u32) -> Result<Feed> {
        let (writer, clocks) = (Writer::new(page), calibration.timekeeper()?);
        writer.init().map_err(anyhow::Error::msg)?;
        writer.set_resolution(1, tick);
        writer.set_cpu_number(cpu_number()?);
        clocks.describe(&writer);
        let mut feed = Feed { writer, clocks };
        feed.publish()?;
        Ok(feed)
    }

    /// One full publish by this CPU's counter. Being late is no failure: this machine has other work too.
    #[inline(always)]
    pub(crate) fn publish(&mut self) -> Result<()> {
        self.writer.publish(cpu::rdtscp, &mut self.clocks).map(|_| ()).map_err(|error| anyhow!("publish: {error}"))
    }
}

/// How programs may read the CPU's number: by the system call, unless TSC_AUX holds it here. (On Linux x86-64 it does on
/// every CPU or on none.)
fn cpu_number() -> Result<CpuNumber> {
    let here = nix::sched::sched_getcpu().context("sched_getcpu")?;
    Ok(if cpu::tsc_aux() & 0xfff != here as u32 {
        CpuNumber::SystemCall
    } else if cpu::has_rdpid() {
        CpuNumber::Rdpid
    } else {
        CpuNumber::Rdtscp
    })
}

/// From one publish to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Every(Duration),
    Tight,
}

/// A publisher at work.
#[derive(Debug)]
pub(crate) struct Running {
    stop: Arc<AtomicBool>,
    publishes: Arc<AtomicU64>,
    thread: JoinHandle<Result<Feed>>,
}

impl Running {
    /// Starts publishing on `cpu`; returns once the first publish is out.
    pub(crate) fn start(feed: Feed, cpu: usize, pace: Pace) -> Result<Running> {
        let (stop, publishes) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (told, count) = (stop.clone(), publishes.clone());
        let thread = std::thread::Builder::new()
            .name("publisher".into())
            .spawn(move || work(feed, cpu, pace, &told, &count))
            .context("starting the publisher")?;
        while publishes.load(Ordering::Relaxed) == 0 && !thread.is_finished() {
            std::thread::yield_now();
        }
        Ok(Running { stop, publishes, thread })
    }

    /// Publishes so far.
    pub(crate) fn publishes(&self) -> u64 {
        self.publishes.load(Ordering::Relaxed)
    }

    /// Stops it and gives back what it published from.
    pub(crate) fn stop(self) -> Result<Feed> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the publisher's thread panicked"))?
    }
}

fn work(mut feed: Feed, cpu: usize, pace: Pace, stop: &AtomicBool, publishes: &AtomicU64) -> Result<Feed> {
    cpu::pin(cpu)?;
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        feed.publish()?;
        publishes.fetch_add(1, Ordering::Relaxed);
        if let Pace::Every(period) = pace {
            next = (next + period).max(Instant::now());
            wait_until(next, period, stop);
        }
    }
    Ok(feed)
}

fn wait_until(time: Instant, period: Duration, stop: &AtomicBool) {
    if period >= SLEEPABLE {
        std::thread::sleep(time.saturating_duration_since(Instant::now()));
    } else {
        while Instant::now() < time && !stop.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    }
}
