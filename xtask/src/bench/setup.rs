//! What every measurement works with.

use super::calibration::Calibration;
use super::calls::Calls;
use super::cpu::{self, Resident};
use super::mapped::Mapped;
use super::publisher::Feed;
use anyhow::{anyhow, ensure, Context, Result};
use nix::libc::{clockid_t, timespec};
use std::ptr::NonNull;
use vvar::Clock;

/// How far our clocks and the host's may be apart when the benchmark starts: its clocks were set from the host's, and are
/// not disciplined.
const AGREEMENT: i128 = 1_000_000;

/// Image, page and host, ready.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) calibration: Calibration,
    pub(crate) ours: Calls,
    pub(crate) host: Calls,
    /// Our page.
    pub(crate) page: vvar::RawPage,
    /// Where each side's functions read their data.
    pub(crate) our_data: Resident,
    pub(crate) host_data: Option<Resident>,
    /// The CPU that calls are measured on.
    pub(crate) cpu: usize,
    /// Another one for the publisher; the same where there is only one.
    pub(crate) other_cpu: usize,
    pub(crate) cpus: Vec<usize>,
    /// The host's tick in ns.
    pub(crate) tick: u32,
}

impl Setup {
    /// Maps `image`, finds the host's functions, and checks that both tell the same time.
    pub(crate) fn new(image: &[u8]) -> Result<(Setup, Feed)> {
        cpu::check()?;
        let cpus = cpu::allowed()?;
        let (cpu, other_cpu) = match cpus[..] {
            [] => return Err(anyhow!("no CPU to run on")),
            [only] => (only, only),
            [.., other, last] => (last, other),
        };
        cpu::pin(cpu)?;
        let calibration = Calibration::take()?;
        let mapped = Mapped::new(image).context("cannot map the image")?;
        // SAFETY: mapped for good, with its page.
        let ours = unsafe { Calls::of_image(mapped.image(), mapped.bytes()) }
            .map_err(anyhow::Error::msg)
            .context("the image")?;
        let host = host_calls().context("the host's vDSO")?;
        let tick = tick(&host);
        let feed = Feed::new(mapped.page(), &calibration, tick)?;
        // SAFETY: mapped for good.
        let our_data = unsafe { Resident::new(mapped.seen()) };
        let setup = Setup {
            calibration,
            ours,
            host,
            page: mapped.page(),
            our_data,
            host_data: host_data()?,
            cpu,
            other_cpu,
            cpus,
            tick,
        };
        setup.check_agreement()?;
        Ok((setup, feed))
    }

    /// A benchmark of a vDSO that tells another time, or that makes the system call, would be worth nothing.
    fn check_agreement(&self) -> Result<()> {
        for clock in Clock::ALL {
            let (before, ours, after) = (read(&self.host, clock)?, read(&self.ours, clock)?, read(&self.host, clock)?);
            let tick = if clock.is_coarse() { i128::from(self.tick) } else { 0 };
            let range = before - tick - AGREEMENT..=after + tick + AGREEMENT;
            ensure!(range.contains(&ours), "{clock:?}: ours says {ours} ns, the host's {before} to {after} ns");
            ensure!(
                vvar::reader::read_fast(&self.page, &vvar::arch::Tsc, clock.id()).is_some(),
                "{clock:?} is not read by the fast path on this machine: a TSC of {} Hz, layout or page do not allow it",
                self.calibration.frequency()
            );
        }
        Ok(())
    }
}

/// The clock in ns.
pub(crate) fn read(calls: &Calls, clock: Clock) -> Result<i128> {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    let error = calls.clock_gettime(clock.id() as clockid_t, &mut time);
    ensure!(error == 0, "clock_gettime({clock:?}) returned {error}");
    Ok(i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec))
}

fn host_calls() -> Result<Calls> {
    let start = crate::host_vdso::range()?.start as usize;
    let image = NonNull::new(start as *mut u8).context("mapped at 0")?;
    // SAFETY: the kernel has mapped it, for good.
    unsafe { Calls::of_image(image, &crate::host_vdso::bytes()?) }.map_err(anyhow::Error::msg)
}

/// The page from which the host's functions read the time: the first that the kernel has mapped as "[vvar]". (In a time
/// namespace it holds that namespace's offsets, and the time is elsewhere.)
fn host_data() -> Result<Option<Resident>> {
    let maps = std::fs::read_to_string("/proc/self/maps").context("cannot read /proc/self/maps")?;
    let line = maps.lines().find(|line| line.ends_with("[vvar]"));
    let start = line.and_then(|line| usize::from_str_radix(line.split('-').next()?, 16).ok());
    let page = start.and_then(|start| NonNull::new(start as *mut u8));
    // SAFETY: mapped and readable for good; that page of "[vvar]" is there on every host that reads clocks in user mode.
    Ok(page.map(|page| unsafe { Resident::new(page) }))
}

fn tick(host: &Calls) -> u32 {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    host.clock_getres(nix::libc::CLOCK_MONOTONIC_COARSE, &mut time);
    time.tv_nsec.clamp(1_000_000, 10_000_000) as u32
}
