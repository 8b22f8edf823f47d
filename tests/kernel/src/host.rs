//! The host, which answers questions on the serial port: `cargo xtask boot`.

use crate::{console, counter, timer};
use vvar::clock::NSEC_PER_SEC;
use vvar::Timespec;

/// The question, on a line of its own. The answer is `SECONDS.NANOSECONDS`, nine digits behind the point.
const QUESTION: &str = "host: time of day?\n";

/// How long to wait for each byte of the answer, in ns.
const PATIENCE: u64 = 2_000_000_000;

/// The host's answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The counter in the middle between question and answer.
    pub counter: u64,
    /// The time of day then, give or take `uncertainty`.
    pub time: Timespec,
    /// Half the time from the question to the answer's end, in ns.
    pub uncertainty: u64,
}

/// Asks for the time of day: several times, and takes the answer that came fastest.
pub fn time_of_day() -> Option<Answer> {
    const QUESTIONS: usize = 5;
    (0..QUESTIONS).map_while(|_| ask()).min_by_key(|answer| answer.uncertainty)
}

/// By how much the counter's frequency as measured differs from the host's clock, in parts per billion, from `first` to now;
/// how sure that is, likewise; and how long it was, in ns.
pub fn compare(first: &Answer) -> Option<(i64, u64, u64)> {
    let last = time_of_day()?;
    let counted = timer::nanoseconds(last.counter.wrapping_sub(first.counter)) as i64;
    let nanos = |time: Timespec| time.sec as i64 * i64::from(NSEC_PER_SEC) + i64::from(time.nsec);
    let passed = nanos(last.time) - nanos(first.time);
    if passed <= 0 {
        return None;
    }
    let ppb = |part: i64| {
        let size = u128::from(part.unsigned_abs()) * u128::from(NSEC_PER_SEC) / u128::from(passed.unsigned_abs());
        size as i64 * part.signum()
    };
    let uncertainty = (first.uncertainty + last.uncertainty) as i64;
    Some((ppb(counted - passed), ppb(uncertainty) as u64, passed as u64))
}

fn ask() -> Option<Answer> {
    let mut text = [0; 32];
    let mut length = 0;
    let before = counter::read();
    let answered = console::ask(QUESTION, timer::cycles(PATIENCE), |byte| {
        if let Some(place) = text.get_mut(length) {
            *place = byte;
            length += 1;
        }
    });
    let passed = counter::read().wrapping_sub(before);
    let time = parse(core::str::from_utf8(&text[..length]).ok()?)?;
    answered.then_some(Answer {
        counter: before.wrapping_add(passed / 2),
        time,
        uncertainty: timer::nanoseconds(passed / 2),
    })
}

fn parse(text: &str) -> Option<Timespec> {
    let (sec, nsec) = text.split_once('.')?;
    if nsec.len() != 9 {
        return None;
    }
    Some(Timespec { sec: sec.parse().ok()?, nsec: nsec.parse().ok()? })
}
