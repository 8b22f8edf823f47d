//! The system calls that only RISC-V has.

use super::smp;
use super::trap::Frame;
use crate::syscall::{Errno, Outcome};

const RISCV_FLUSH_ICACHE: u64 = 259;

/// Serves a system call that `crate::syscall` does not know.
pub fn handle(_frame: &mut Frame, number: u64, [_, _, flags, ..]: [u64; 6]) -> Outcome {
    match number {
        RISCV_FLUSH_ICACHE => flush_icache(flags),
        _ => Err(Errno::NOSYS),
    }
}

/// For the whole process or, with the one flag that there is, for the thread. Both are the same here: a process has one thread,
/// and the thread may go on on another CPU.
fn flush_icache(flags: u64) -> Outcome {
    const LOCAL: u64 = 1;
    if flags & !LOCAL != 0 {
        return Err(Errno::INVAL);
    }
    smp::synchronise_instructions().map_err(|_| Errno::NOSYS)?;
    Ok(0)
}
