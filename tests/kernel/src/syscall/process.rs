//! Processes: fork, wait, and on which CPU one runs.

use super::{read_user, write_user, write_user_of, Errno, Outcome};
use crate::arch::number as nr;
use crate::arch::per_cpu;
use crate::arch::trap::Frame;
use crate::cpus::MAX_CPUS;
use crate::paging::Error as MapError;
use crate::process::{self, with_current, Child, State};
use crate::signal::number::CHLD;

/// A bit for each CPU.
const ALL_CPUS: u64 = (1 << MAX_CPUS) - 1;

/// Bytes of an affinity mask.
const MASK_SIZE: u64 = 8;

pub fn getpid() -> Outcome {
    Ok(with_current(|it| it.pid) as u64)
}

pub fn getppid() -> Outcome {
    Ok(with_current(|it| it.parent) as u64)
}

/// As fork makes it in a libc.
pub fn clone(frame: &Frame, flags: u64, stack: u64, child_tid: u64) -> Outcome {
    const SIGNAL: u64 = 0xff;
    const CHILD_CLEAR_TID: u64 = 0x0020_0000;
    const CHILD_SET_TID: u64 = 0x0100_0000;
    if flags & SIGNAL != u64::from(CHLD) || flags & !(SIGNAL | CHILD_CLEAR_TID | CHILD_SET_TID) != 0 || stack != 0 {
        return Err(Errno::INVAL);
    }
    let child = process::fork(frame, |space, pid| {
        if flags & CHILD_SET_TID != 0 {
            write_user_of(space, child_tid, pid as u32).map_err(|_| MapError::BadAddress)?;
        }
        Ok(())
    })?;
    Ok(child as u64)
}

pub fn wait4(frame: &mut Frame, pid: i32, status_address: u64, options: u64) -> Outcome {
    const NO_HANG: u64 = 1;
    let wanted = (pid > 0).then_some(pid);
    match process::reap(wanted) {
        Child::Ended(pid, status) => {
            if status_address != 0 {
                write_user(status_address, status as u32)?;
            }
            Ok(pid as u64)
        }
        Child::None => Err(Errno::CHILD),
        Child::Running if options & NO_HANG != 0 => Ok(0),
        Child::Running => {
            frame.repeat_system_call(nr::WAIT4);
            process::leave(frame, |it| it.state = State::Waiting(wanted))
        }
    }
}

pub fn sched_yield(frame: &mut Frame) -> Outcome {
    frame.set_result(0);
    process::leave(frame, |it| it.state = State::Ready)
}

/// Of the calling process only.
fn require_self(pid: u64) -> Result<(), Errno> {
    if pid == 0 || pid == with_current(|it| it.pid) as u64 {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

pub fn set_affinity(frame: &mut Frame, pid: u64, size: u64, address: u64) -> Outcome {
    require_self(pid)?;
    if size < MASK_SIZE {
        return Err(Errno::INVAL);
    }
    let mask = read_user::<u64>(address)? & ALL_CPUS;
    if mask == 0 {
        return Err(Errno::INVAL);
    }
    with_current(|it| it.affinity = mask);
    if mask >> per_cpu::index() & 1 == 0 {
        frame.set_result(0);
        process::leave(frame, |it| {
            it.cpu = mask.trailing_zeros() as usize;
            it.state = State::Ready;
        });
    }
    Ok(0)
}

pub fn get_affinity(pid: u64, size: u64, address: u64) -> Outcome {
    require_self(pid)?;
    if size < MASK_SIZE {
        return Err(Errno::INVAL);
    }
    write_user(address, with_current(|it| it.affinity))?;
    Ok(MASK_SIZE)
}
