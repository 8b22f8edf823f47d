//! Clocks that follow the host's: rates from a calibration, then a phase-locked loop, so that nothing ever steps but what
//! steps on the host.
//!
//! [`HostClocks`] is a pair of timekeepers. The first holds every clock; its slew follows the host's MONOTONIC, which
//! REALTIME, BOOTTIME and TAI accompany at offsets that change only when somebody sets them. A timekeeper does not slew
//! MONOTONIC_RAW, since on a machine of one's own the counter's frequency *is* RAW's rate. Here that frequency is only
//! measured, and the error would add up: so RAW comes from a second timekeeper, as the clock that *it* slews.

use super::host::{Reading, Sample};
use vvar::rate::MAX_SLEW_PPB;
use vvar::writer::{Plan, Planner, Scope};
use vvar::{timekeeper::State, Clock, CounterKind, Error, Source, Start, Synchronisation, Timekeeper, Timespec};

const SECOND: f64 = 1e9;

/// Beyond this many ns MONOTONIC or RAW is not steered any more: the host was asleep, or moved to another machine, or the
/// runner was stopped for long.
const LOST: i64 = 1_000_000;

/// From one value of the counter to another, forward or back.
fn cycles(from: u64, to: u64) -> f64 {
    to.wrapping_sub(from) as i64 as f64
}

/// A straight line through readings of a clock.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    /// ns a cycle.
    slope: f64,
    /// Where the line is at the counter value that it was fitted from, in ns after `nanos`.
    intercept: f64,
    counter: u64,
    nanos: i64,
}

impl Line {
    /// Least squares. `None` for fewer than two different counter values.
    fn fit(readings: impl Iterator<Item = Reading> + Clone) -> Option<Line> {
        let first = readings.clone().next()?;
        let points =
            readings.map(|reading| (cycles(first.counter, reading.counter), (reading.nanos - first.nanos) as f64));
        let count = points.clone().count() as f64;
        let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (mut xx, mut xy) = (0.0, 0.0);
        for (x, y) in points {
            xx += (x - mean_x) * (x - mean_x);
            xy += (x - mean_x) * (y - mean_y);
        }
        let slope = xy / xx;
        let line = Line { slope, intercept: mean_y - slope * mean_x, counter: first.counter, nanos: first.nanos };
        (slope.is_finite() && slope > 0.0).then_some(line)
    }

    fn at(&self, counter: u64) -> i64 {
        let passed = cycles(self.counter, counter);
        self.nanos + (self.intercept + self.slope * passed).round() as i64
    }
}

/// Where the host's clocks stand and how they run against the TSC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Calibration {
    /// The TSC's frequency in Hz, as MONOTONIC_RAW has it.
    frequency: u64,
    /// MONOTONIC's rate against RAW's, in parts per billion.
    slew: f64,
    counter: u64,
    monotonic: i64,
    raw: i64,
    realtime: i64,
    boottime: i64,
    tai_offset: i32,
}

impl Calibration {
    /// From samples over some tens of ms. `None` if they do not show clocks that count by the TSC.
    pub(super) fn from_samples(samples: &[Sample]) -> Option<Calibration> {
        let raw = Line::fit(samples.iter().map(|sample| sample.raw))?;
        let monotonic = Line::fit(samples.iter().map(|sample| sample.monotonic))?;
        let realtime = Line::fit(samples.iter().map(|sample| sample.realtime))?;
        let boottime = Line::fit(samples.iter().map(|sample| sample.boottime))?;
        let last = samples.last()?;
        let counter = last.tai.counter;
        let frequency = (SECOND / raw.slope).round();
        Some(Calibration {
            frequency: frequency as u64,
            slew: monotonic.slope * frequency - SECOND,
            counter,
            monotonic: monotonic.at(counter),
            raw: raw.at(counter),
            realtime: realtime.at(counter),
            boottime: boottime.at(counter),
            tai_offset: tai_offset(last, raw.slope)?,
        })
    }
}

/// TAI less REALTIME in whole seconds; `None` if REALTIME was set between the two readings.
fn tai_offset(sample: &Sample, nanos_per_cycle: f64) -> Option<i32> {
    let passed = cycles(sample.realtime.counter, sample.tai.counter) * nanos_per_cycle;
    let offset = (sample.tai.nanos - sample.realtime.nanos) as f64 - passed;
    let whole = (offset / SECOND).round();
    ((offset - whole * SECOND).abs() < 1e6).then_some(whole as i32)
}

/// A phase-locked loop of second order: from a clock's error to the slew that removes it.
///
/// With gains p and i the error's decay has a damping of p / (2 sqrt(i)), here 0.88, and a noise of a few ns in a reading
/// comes to p times as much in the clock.
#[derive(Debug, Clone, Copy)]
struct Loop {
    /// The rate found so far, in parts per billion.
    rate: f64,
    counter: u64,
    /// How often the loop is run, in seconds: what the proportional part of a correction is spread over.
    period: f64,
}

impl Loop {
    const PROPORTIONAL: f64 = 0.25;
    const INTEGRAL: f64 = 0.02;

    /// The slew for the next period, in parts per billion, after an error of `error` ns at `counter`. `cycle`: ns.
    fn steer(&mut self, error: i64, counter: u64, cycle: f64) -> i32 {
        let error = error as f64;
        let passed = cycles(self.counter, counter) * cycle / SECOND;
        self.counter = counter;
        let bound = f64::from(MAX_SLEW_PPB);
        let correction = Self::PROPORTIONAL * error / self.period;
        let rate = self.rate + Self::INTEGRAL * error / passed.max(self.period);
        // At the bound the error says nothing of the rate.
        if (rate + correction).abs() < bound {
            self.rate = rate;
        }
        (self.rate + correction).clamp(-bound, bound).round() as i32
    }
}

/// What [`HostClocks::follow`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The clocks were steered; publish them.
    Steered,
    /// The clocks cannot be steered there: calibrate again and start anew.
    Lost,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct HostClocks {
    clocks: Timekeeper,
    raw: Timekeeper,
    clocks_loop: Loop,
    raw_loop: Loop,
    tai_offset: i32,
    /// ns a cycle.
    cycle: f64,
}

impl HostClocks {
    /// Clocks that stand and run as calibrated, to be steered every `period` seconds.
    ///
    /// # Errors
    ///
    /// The calibration found what no timekeeper accepts.
    pub(super) fn new(calibration: &Calibration, period: f64) -> Result<HostClocks, Error> {
        let &Calibration { frequency, slew, counter, monotonic, raw, realtime, boottime, tai_offset } = calibration;
        let source =
            Source { kind: CounterKind::Rdtscp, frequency, bits: 64, synchronisation: Synchronisation::Architectural };
        // On a host that never slept the two are one, but for the readings' noise.
        let slept = timespec(if (-SLACK..0).contains(&(boottime - monotonic)) { 0 } else { boottime - monotonic })?;
        let start = Start { monotonic: timespec(monotonic)?, raw: timespec(raw)?, slept };
        let mut clocks = Timekeeper::new(source, counter, start)?;
        clocks.slew(slew.clamp(-f64::from(MAX_SLEW_PPB), f64::from(MAX_SLEW_PPB)).round() as i32)?;
        clocks.set_tai_offset(tai_offset)?;
        let time = timespec(realtime)?;
        clocks.set_realtime(counter, time.sec as i64, time.nsec)?;
        let raw_start = Start { monotonic: start.raw, ..Start::default() };
        Ok(HostClocks {
            clocks,
            raw: Timekeeper::new(source, counter, raw_start)?,
            clocks_loop: Loop { rate: slew, counter, period },
            raw_loop: Loop { rate: 0.0, counter, period },
            tai_offset,
            cycle: SECOND / frequency as f64,
        })
    }

    /// The timekeeper that describes the counter.
    pub(super) fn timekeeper(&self) -> &Timekeeper {
        &self.clocks
    }

    /// Steers the clocks towards the host's. What was set on the host since the last sample is set here.
    ///
    /// # Errors
    ///
    /// The host's clocks have left the range of a timekeeper.
    pub(super) fn follow(&mut self, sample: &Sample) -> Result<Verdict, Error> {
        let monotonic = error(&self.clocks, Clock::Monotonic, &sample.monotonic)?;
        let raw = error(&self.raw, Clock::Monotonic, &sample.raw)?;
        if monotonic.abs() > LOST || raw.abs() > LOST {
            return Ok(Verdict::Lost);
        }
        // A change of the offset from MONOTONIC that the readings' uncertainty cannot explain.
        let changed = |clocks: &Timekeeper, clock, reading: &Reading| -> Result<Option<i64>, Error> {
            let difference = error(clocks, clock, reading)? - monotonic;
            let uncertain = (reading.uncertainty + sample.monotonic.uncertainty) as f64 * self.cycle;
            Ok((difference.abs() > uncertain as i64 + SLACK).then_some(difference))
        };
        if changed(&self.clocks, Clock::Boottime, &sample.boottime)?.is_some() {
            return Ok(Verdict::Lost);
        }
        if let Some(step) = changed(&self.clocks, Clock::Realtime, &sample.realtime)? {
            self.clocks.step_realtime(sample.realtime.counter, step)?;
        }
        if let Some(offset) = tai_offset(sample, self.cycle).filter(|&offset| offset != self.tai_offset) {
            self.clocks.set_tai_offset(offset)?;
            self.tai_offset = offset;
        }
        self.clocks.slew(self.clocks_loop.steer(monotonic, sample.monotonic.counter, self.cycle))?;
        self.raw.slew(self.raw_loop.steer(raw, sample.raw.counter, self.cycle))?;
        Ok(Verdict::Steered)
    }
}

/// ns by which two readings may differ beyond their uncertainty, for rounding and for the slew between them.
const SLACK: i64 = 20;

/// By how many ns the host's clock is ahead of ours.
fn error(clocks: &Timekeeper, clock: Clock, reading: &Reading) -> Result<i64, Error> {
    let ours = clocks.now(reading.counter, clock)?;
    Ok((i128::from(reading.nanos) - ours.as_nanos() as i128) as i64)
}

fn timespec(nanos: i64) -> Result<Timespec, Error> {
    let nanos = u64::try_from(nanos).map_err(|_| Error::Time { sec: nanos / 1_000_000_000, nsec: 0 })?;
    Ok(Timespec::from_nanos(nanos))
}

/// Where a clock's slot is in a plan.
fn place(clock: Clock) -> usize {
    Clock::ALL.iter().position(|&each| each == clock).unwrap_or_default()
}

impl Planner for HostClocks {
    type State = (State, State);

    fn plan(&mut self, counter: u64, scope: Scope) -> Result<Plan<Self::State>, Error> {
        let plan = self.clocks.plan(counter, scope)?;
        let raw = self.raw.plan(counter, scope)?;
        let mut slots = plan.slots;
        slots[place(Clock::MonotonicRaw)] = raw.slots[place(Clock::Monotonic)];
        let Plan { anchor, clocks, steps, on, fine, late_after, .. } = plan;
        Ok(Plan { anchor, clocks, steps, on, fine, late_after, slots, state: (plan.state, raw.state) })
    }

    fn commit(&mut self, plan: &Plan<Self::State>) -> bool {
        let Plan { anchor, clocks, steps, on, fine, late_after, slots, state } = *plan;
        let of = |state| Plan { anchor, clocks, steps, on, fine, late_after, slots, state };
        // Neither enters a new epoch between plan and commit, so neither refuses alone.
        self.clocks.commit(&of(state.0)) && self.raw.commit(&of(state.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vvar::page::Page;
    use vvar::Writer;

    const PERIOD: f64 = 0.004;

    /// A host whose clocks are exact straight lines over a simulated TSC, read with some noise.
    struct Host {
        counter: u64,
        hz: f64,
        /// ns since the start, on RAW and on MONOTONIC, and how far MONOTONIC's rate is off, in parts per billion.
        raw: f64,
        monotonic: f64,
        slew: f64,
        realtime_offset: i64,
        slept: i64,
        tai_offset: i64,
        noise: u64,
    }

    impl Host {
        fn new(hz: f64, slew: f64) -> Host {
            Host {
                counter: 1 << 40,
                hz,
                raw: 7e9,
                monotonic: 5e9,
                slew,
                realtime_offset: 1_790_000_000_123_456_789,
                slept: 3_000_000_000,
                tai_offset: 37,
                noise: 1,
            }
        }

        fn pass(&mut self, seconds: f64) {
            self.counter += (seconds * self.hz) as u64;
            self.raw += seconds * SECOND;
            self.monotonic += seconds * (SECOND + self.slew);
        }

        /// A reading whose counter value is off by up to `cycles`, and says so.
        fn read(&mut self, nanos: i64) -> Reading {
            // An even sequence in place of chance, so that a failure repeats.
            self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uncertainty = 50;
            let off = (self.noise >> 33) % (2 * uncertainty + 1);
            Reading { counter: self.counter + off - uncertainty, uncertainty, nanos }
        }

        fn sample(&mut self) -> Sample {
            self.pass(1e-6);
            let monotonic = self.monotonic.round() as i64;
            let realtime = monotonic + self.realtime_offset;
            Sample {
                realtime: self.read(realtime),
                monotonic: self.read(monotonic),
                raw: self.read(self.raw.round() as i64),
                boottime: self.read(monotonic + self.slept),
                tai: self.read(realtime + self.tai_offset * 1_000_000_000),
            }
        }

        fn calibrate(&mut self) -> HostClocks {
            let samples: Vec<Sample> = (0..50)
                .map(|_| {
                    self.pass(1e-3);
                    self.sample()
                })
                .collect();
            HostClocks::new(&Calibration::from_samples(&samples).unwrap(), PERIOD).unwrap()
        }

        /// The largest errors, in ns, of MONOTONIC, REALTIME, RAW, BOOTTIME and TAI now.
        fn errors(&self, clocks: &HostClocks) -> [f64; 5] {
            let now = |clocks: &Timekeeper, clock| clocks.now(self.counter, clock).unwrap().as_nanos() as i64;
            let realtime = self.monotonic as i64 + self.realtime_offset;
            [
                now(&clocks.clocks, Clock::Monotonic) - self.monotonic as i64,
                now(&clocks.clocks, Clock::Realtime) - realtime,
                now(&clocks.raw, Clock::Monotonic) - self.raw as i64,
                now(&clocks.clocks, Clock::Boottime) - self.monotonic as i64 - self.slept,
                now(&clocks.clocks, Clock::Tai) - realtime - self.tai_offset * 1_000_000_000,
            ]
            .map(|error| error.abs() as f64)
        }
    }

    fn publish(writer: &Writer<Page>, host: &Host, clocks: &mut HostClocks) {
        let _ = writer.publish(|| host.counter, clocks).unwrap();
    }

    /// Runs for `seconds`; the largest error of any clock, as readers of the page see it just before each publish.
    fn follow(host: &mut Host, clocks: &mut HostClocks, writer: &Writer<Page>, seconds: f64) -> f64 {
        let mut worst = 0.0f64;
        for _ in 0..(seconds / PERIOD) as usize {
            host.pass(PERIOD);
            worst = host.errors(clocks).into_iter().fold(worst, f64::max);
            let sample = host.sample();
            assert_eq!(clocks.follow(&sample), Ok(Verdict::Steered));
            publish(writer, host, clocks);
        }
        worst
    }

    fn start(hz: f64, slew: f64) -> (Host, HostClocks, Writer<Page>) {
        let mut host = Host::new(hz, slew);
        let mut clocks = host.calibrate();
        let writer = Writer::new(Page::new());
        publish(&writer, &host, &mut clocks);
        (host, clocks, writer)
    }

    #[test]
    fn within_a_microsecond_from_the_first_publish_on() {
        for hz in [1.8e9, 2.596_123_457e9, 5.1e9] {
            for slew in [-499_000.0, -13_250.5, 0.0, 499_000.0] {
                let (mut host, mut clocks, writer) = start(hz, slew);
                let worst = follow(&mut host, &mut clocks, &writer, 20.0);
                assert!(worst < 150.0, "{worst} ns at {hz} Hz, {slew} ppb");
            }
        }
    }

    #[test]
    fn follows_a_changed_slew() {
        let (mut host, mut clocks, writer) = start(2.596e9, 0.0);
        follow(&mut host, &mut clocks, &writer, 1.0);
        host.slew = 40_000.0;
        let worst = follow(&mut host, &mut clocks, &writer, 1.0);
        assert!(worst < 1000.0, "{worst} ns while the rate is found");
        let worst = follow(&mut host, &mut clocks, &writer, 1.0);
        assert!(worst < 150.0, "{worst} ns afterwards");
    }

    #[test]
    fn a_late_publisher_comes_back_without_a_step() {
        let (mut host, mut clocks, writer) = start(2.596e9, 20_000.0);
        follow(&mut host, &mut clocks, &writer, 1.0);
        for (seconds, bound) in [(0.25, 1000.0), (10.0, 20_000.0)] {
            host.pass(seconds);
            let worst = follow(&mut host, &mut clocks, &writer, 1.0);
            assert!(worst < bound, "{worst} ns after {seconds} s without a publish");
            let worst = follow(&mut host, &mut clocks, &writer, 1.0);
            assert!(worst < 150.0, "{worst} ns a second later");
        }
    }

    #[test]
    fn follows_what_is_set_on_the_host() {
        let (mut host, mut clocks, writer) = start(2.596e9, 0.0);
        for step in [-1_000_000_000, 3_600_000_000_000, 700, -900] {
            host.realtime_offset += step;
            let _ = clocks.follow(&host.sample()).unwrap();
            publish(&writer, &host, &mut clocks);
            let worst = follow(&mut host, &mut clocks, &writer, 0.1);
            assert!(worst < 150.0, "{worst} ns after a step of {step} ns");
        }
        host.tai_offset += 1;
        let _ = clocks.follow(&host.sample()).unwrap();
        publish(&writer, &host, &mut clocks);
        assert!(follow(&mut host, &mut clocks, &writer, 0.1) < 150.0);
    }

    #[test]
    fn noise_is_not_taken_for_a_step() {
        let (mut host, mut clocks, _) = start(2.596e9, 0.0);
        let before = clocks.clocks.clone();
        for _ in 0..1000 {
            assert_eq!(clocks.follow(&host.sample()), Ok(Verdict::Steered));
        }
        let counter = host.counter;
        let mut offsets = [&before, &clocks.clocks].map(|clocks| clocks.clone()).map(|mut clocks| {
            let writer = Writer::new(Page::new());
            let _ = writer.publish(|| counter, &mut clocks).unwrap();
            let now = |clock| clocks.now(counter, clock).unwrap().as_nanos();
            now(Clock::Realtime) - now(Clock::Monotonic)
        });
        offsets.sort_unstable();
        assert_eq!(offsets[0], offsets[1]);
    }

    #[test]
    fn is_lost_after_a_sleep_and_when_the_tsc_was_reset() {
        let (mut host, mut clocks, _) = start(2.596e9, 0.0);
        host.slept += 60_000_000_000;
        assert_eq!(clocks.follow(&host.sample()), Ok(Verdict::Lost), "the TSC stood still");
        let (mut host, mut clocks, _) = start(2.596e9, 0.0);
        host.counter += 1 << 36;
        assert_eq!(clocks.follow(&host.sample()), Ok(Verdict::Lost), "the TSC went on");
        let (mut host, mut clocks, _) = start(2.596e9, 0.0);
        host.counter = 1 << 20;
        assert!(matches!(clocks.follow(&host.sample()), Err(Error::BeforeAnchor { .. })));
    }

    #[test]
    fn never_steps_back() {
        let (mut host, mut clocks, writer) = start(2.596e9, -300_000.0);
        let mut last = 0;
        for turn in 0..2000 {
            // The host's rate changes by as much as it may.
            host.slew = if turn % 300 < 150 { 400_000.0 } else { -400_000.0 };
            host.pass(PERIOD);
            let before = clocks.clocks.now(host.counter, Clock::Monotonic).unwrap().as_nanos();
            if clocks.follow(&host.sample()) == Ok(Verdict::Lost) {
                panic!("lost in turn {turn}");
            }
            publish(&writer, &host, &mut clocks);
            let after = clocks.clocks.now(host.counter, Clock::Monotonic).unwrap().as_nanos();
            assert!(last <= before && before <= after, "turn {turn}: {last} {before} {after}");
            last = after;
        }
    }

    #[test]
    fn nothing_to_calibrate_from() {
        let mut host = Host::new(2e9, 0.0);
        assert_eq!(Calibration::from_samples(&[]), None);
        let sample = host.sample();
        assert_eq!(Calibration::from_samples(&[sample]), None);
        assert_eq!(Calibration::from_samples(&[sample, sample]), None, "a TSC that stands still");
    }
}
