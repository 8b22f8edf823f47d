//! The publisher: a thread that keeps the page's clocks with the host's.

use super::discipline::{Calibration, HostClocks, Verdict};
use super::host::{self, Sample};
use super::say;
use anyhow::{Context, Error};
use nix::libc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;
use vvar::arch::Tsc;
use vvar::{Clock, Counter, RawPage, Writer};

/// Samples for a calibration, and the pause between two. Readings are good to some ns, so 50 ms give the frequency to
/// some parts per billion, and the loop does the rest.
const SAMPLES: usize = 50;
const PAUSE: Duration = Duration::from_millis(1);

/// Ticks of 1000 Hz and 100 Hz.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(10);

/// A page whose clocks were published once.
pub(super) struct Publisher {
    writer: Writer<RawPage>,
    /// None: the page leaves the clocks to the system call.
    clocks: Option<HostClocks>,
    /// From one publish to the next: the host's tick, so that the coarse clocks are as fine as the host's.
    period: Duration,
}

/// A publisher at work.
pub(super) struct Publishing {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Publisher {
    /// Fills the page for the first time: every clock as the host has it, resolutions, timezone, and how to read the
    /// CPU's number. Takes some 50 ms. Where the host does not count by the TSC the clocks stay with the system call, and
    /// a line on standard error says so.
    pub(super) fn new(page: RawPage) -> anyhow::Result<Publisher> {
        let writer = Writer::new(page);
        writer.init().map_err(Error::msg)?;
        let tick = host::resolution(Clock::MonotonicCoarse)?;
        writer.set_resolution(host::resolution(Clock::Monotonic)?, tick);
        let (minutes_west, dst_time) = host::timezone()?;
        writer.set_timezone(minutes_west, dst_time);
        let mut publisher =
            Publisher { writer, clocks: None, period: Duration::from_nanos(tick.into()).clamp(SHORTEST, LONGEST) };
        if let Some(reason) = host::tsc_missing() {
            left_to_system_call(&reason);
            return Ok(publisher);
        }
        publisher.writer.set_cpu_number(host::cpu_number());
        if let Err(error) = publisher.start_clocks() {
            left_to_system_call(&format!("{error:#}"));
        }
        Ok(publisher)
    }

    /// Calibrates and publishes.
    fn start_clocks(&mut self) -> anyhow::Result<()> {
        let calibration = Calibration::from_samples(&take_samples()?).context("the host's clocks do not run evenly")?;
        let mut clocks = HostClocks::new(&calibration, self.period.as_secs_f64()).map_err(Error::msg)?;
        clocks.timekeeper().describe(&self.writer);
        // Being late is counted, and harmless: see vvar's documentation of the writer.
        let _ = self.writer.publish(|| Tsc.read_hot(), &mut clocks).map_err(Error::msg)?;
        self.clocks = Some(clocks);
        Ok(())
    }

    /// Starts the thread. The program's process must exist already: fork copies one thread only.
    pub(super) fn spawn(self) -> anyhow::Result<Publishing> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("publisher".into())
            .spawn(move || self.work(&stopped))
            .context("starting the publisher")?;
        Ok(Publishing { stop, thread })
    }

    fn work(mut self, stopped: &mpsc::Receiver<()>) {
        prefer_this_thread();
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(self.period) {
            if let Err(error) = self.tick() {
                left_to_system_call(&format!("{error:#}"));
                break;
            }
        }
        // Somebody may go on reading the page: a child of a program that was let go.
        self.writer.disable(Clock::EVERY);
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        let (minutes_west, dst_time) = host::timezone()?;
        self.writer.set_timezone(minutes_west, dst_time);
        let Some(clocks) = &mut self.clocks else { return Ok(()) };
        match clocks.follow(&Sample::take()?) {
            Ok(Verdict::Steered) => {
                let _ = self.writer.publish(|| Tsc.read_hot(), clocks).map_err(Error::msg)?;
                Ok(())
            }
            // An error means that the counter went back, or that a clock was set before 1970: calibration tells.
            Ok(Verdict::Lost) | Err(_) => {
                self.writer.disable(Clock::EVERY);
                self.writer.enable(Clock::EVERY);
                self.start_clocks()
            }
        }
    }
}

fn left_to_system_call(reason: &str) {
    say(format_args!("xtask run: clocks are left to the system call: {reason}"));
}

/// Has the thread run as soon as its time has come, beside whatever else is busy: the coarse clocks are as old as its last
/// turn. It takes some microseconds of every tick.
fn prefer_this_thread() {
    // SAFETY: a plain structure of integers, of which all-zero is a value.
    let none: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as u32;
    let real_time = libc::sched_attr { size, sched_policy: libc::SCHED_FIFO as u32, sched_priority: 1, ..none };
    // Real time is for the privileged. A request for a short slice is for all, and moves the deadline of a thread that
    // wakes up just as much (EEVDF, Linux 6.12; older kernels ignore it).
    let short_slice = libc::sched_attr { size, sched_policy: libc::SCHED_OTHER as u32, sched_runtime: 100_000, ..none };
    if !set_scheduling(&real_time) {
        set_scheduling(&short_slice);
    }
}

fn set_scheduling(attributes: &libc::sched_attr) -> bool {
    // SAFETY: 0 is the calling thread; the structure says its size and lives across the call.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, attributes, 0) == 0 }
}

fn take_samples() -> nix::Result<Vec<Sample>> {
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        samples.push(Sample::take()?);
        std::thread::sleep(PAUSE);
    }
    Ok(samples)
}

impl Publishing {
    /// Ends the thread; the page leaves the clocks to the system call from now on.
    pub(super) fn stop(self) {
        // Both fail only if the thread has ended already.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::shared::test_page;
    use nix::time::{clock_gettime, ClockId};
    use std::time::Instant;

    const CLOCKS: [Clock; 5] = [Clock::Realtime, Clock::Monotonic, Clock::MonotonicRaw, Clock::Boottime, Clock::Tai];

    fn host(clock: Clock) -> i64 {
        let time = clock_gettime(ClockId::from_raw(clock.id() as i32)).unwrap();
        time.tv_sec() * 1_000_000_000 + time.tv_nsec()
    }

    /// How far the page is from the host, in ns; the tightest of a few tries, so that an interrupt does not count.
    fn error(page: &RawPage, clock: Clock) -> i64 {
        let tries = (0..20).map(|_| {
            let before = host(clock);
            let ours = vvar::read(page, &Tsc, clock).expect("on").as_nanos() as i64;
            let after = host(clock);
            (after - before, ours - (before + after) / 2)
        });
        tries.min_by_key(|&(width, _)| width).map_or(0, |(_, error)| error)
    }

    #[test]
    fn keeps_the_page_with_the_host() {
        if let Some(reason) = host::tsc_missing() {
            vdso_tests::skip!(reason);
        }
        let page = test_page();
        let publishing = Publisher::new(page).unwrap().spawn().unwrap();
        let start = Instant::now();
        let mut worst = [0; CLOCKS.len()];
        while start.elapsed() < Duration::from_secs(3) {
            for (worst, clock) in worst.iter_mut().zip(CLOCKS) {
                *worst = error(&page, clock).abs().max(*worst);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        publishing.stop();
        println!("largest errors in ns: {worst:?}");
        assert!(worst.iter().all(|&worst| worst < 1000), "{worst:?}");
        assert!(CLOCKS.iter().all(|&clock| vvar::read(&page, &Tsc, clock).is_err()), "switched off at the end");
    }
}
