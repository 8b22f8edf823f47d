//! Signals: their actions, what is blocked, and sending them.

use super::{read_user, write_user, Errno, Outcome};
use crate::arch::signal::HAS_RESTORER;
use crate::process::{self, with_current};
use crate::signal::{Action, MAX};

/// Bytes of a `sigset_t` as the kernel has it.
const SET_SIZE: u64 = 8;

/// `struct sigaction` of the kernel's, in words: handler, flags, then the restorer if the architecture has one, and the set.
const WORDS: usize = if HAS_RESTORER { 4 } else { 3 };

fn number(signal: u64) -> Result<u32, Errno> {
    u32::try_from(signal).ok().filter(|signal| (1..=MAX).contains(signal)).ok_or(Errno::INVAL)
}

pub fn rt_sigaction(signal: u64, new: u64, old: u64, set_size: u64) -> Outcome {
    let signal = number(signal)?;
    if set_size != SET_SIZE || new != 0 && crate::signal::is_unblockable(signal) {
        return Err(Errno::INVAL);
    }
    let action = if new == 0 { None } else { Some(from_words(read_user(new)?)) };
    let before = with_current(|it| {
        let place = it.signals.action(signal);
        let before = *place;
        *place = action.unwrap_or(before);
        before
    });
    if old != 0 {
        write_user(old, to_words(before))?;
    }
    Ok(0)
}

fn from_words(words: [u64; WORDS]) -> Action {
    let restorer = if HAS_RESTORER { words[2] } else { 0 };
    Action { handler: words[0], flags: words[1], restorer, mask: words[WORDS - 1] }
}

fn to_words(action: Action) -> [u64; WORDS] {
    let mut words = [action.restorer; WORDS];
    (words[0], words[1], words[WORDS - 1]) = (action.handler, action.flags, action.mask);
    words
}

pub fn rt_sigprocmask(how: u64, new: u64, old: u64, set_size: u64) -> Outcome {
    const BLOCK: u64 = 0;
    const UNBLOCK: u64 = 1;
    const SET: u64 = 2;
    if set_size != SET_SIZE {
        return Err(Errno::INVAL);
    }
    let set: Option<u64> = if new == 0 { None } else { Some(read_user(new)?) };
    let before = with_current(|it| it.signals.blocked);
    let after = match (set, how) {
        (None, _) => before,
        (Some(set), BLOCK) => before | set,
        (Some(set), UNBLOCK) => before & !set,
        (Some(set), SET) => set,
        _ => return Err(Errno::INVAL),
    };
    with_current(|it| it.signals.block(after));
    if old != 0 {
        write_user(old, before)?;
    }
    Ok(0)
}

/// To one process. Signal 0 only asks whether it is there.
pub fn kill(pid: u64, signal: u64) -> Outcome {
    send(pid, signal, false)
}

/// A process has one thread, whose number is the process's.
pub fn tkill(thread: u64, signal: u64) -> Outcome {
    send(thread, signal, true)
}

pub fn tgkill(group: u64, thread: u64, signal: u64) -> Outcome {
    if group == thread {
        tkill(thread, signal)
    } else {
        Err(Errno::SRCH)
    }
}

fn send(pid: u64, signal: u64, to_thread: bool) -> Outcome {
    let pid = i32::try_from(pid as i64).ok().filter(|&pid| pid > 0).ok_or(Errno::INVAL)?;
    let signal = if signal == 0 { None } else { Some(number(signal)?) };
    if process::send(pid, signal, to_thread) {
        Ok(0)
    } else {
        Err(Errno::SRCH)
    }
}
