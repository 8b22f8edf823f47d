//! Which system calls read a clock: those that a vDSO exists to avoid.

use super::ptrace::Edge;
use super::x86_64::AUDIT_ARCH;
use nix::libc;

/// The calls that `--count-syscalls` counts. clock_nanosleep, timers and the like are work that the kernel must do.
const CLOCK_CALLS: [i64; 5] =
    [libc::SYS_clock_gettime, libc::SYS_gettimeofday, libc::SYS_time, libc::SYS_getcpu, libc::SYS_clock_getres];

/// True at the entry to a clock system call.
pub(super) fn reads_clock(edge: Edge) -> bool {
    matches!(edge, Edge::Entry { arch: AUDIT_ARCH, number } if CLOCK_CALLS.iter().any(|&call| call as u64 == number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_five_calls_only() {
        let entry = |number: i64| Edge::Entry { arch: AUDIT_ARCH, number: number as u64 };
        assert!(CLOCK_CALLS.iter().all(|&call| reads_clock(entry(call))));
        assert!(!reads_clock(entry(libc::SYS_clock_nanosleep)));
        assert!(!reads_clock(Edge::Exit { value: libc::SYS_time }));
        assert!(!reads_clock(Edge::Entry { arch: 0x4000_0003, number: libc::SYS_time as u64 }), "i386 numbers differ");
    }
}
