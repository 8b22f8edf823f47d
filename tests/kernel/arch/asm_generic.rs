//! Numbers of Linux's system calls on the architectures that came after the first ones
//! (`include/uapi/asm-generic/unistd.h`): an architecture's module `number`.
#![allow(missing_docs)]

pub const IOCTL: u64 = 29;
pub const WRITE: u64 = 64;
pub const WRITEV: u64 = 66;
pub const READLINKAT: u64 = 78;
pub const EXIT: u64 = 93;
pub const EXIT_GROUP: u64 = 94;
pub const SET_TID_ADDRESS: u64 = 96;
pub const SET_ROBUST_LIST: u64 = 99;
pub const NANOSLEEP: u64 = 101;
pub const CLOCK_SETTIME: u64 = 112;
pub const CLOCK_GETTIME: u64 = 113;
pub const CLOCK_GETRES: u64 = 114;
pub const CLOCK_NANOSLEEP: u64 = 115;
pub const SCHED_SETAFFINITY: u64 = 122;
pub const SCHED_GETAFFINITY: u64 = 123;
pub const SCHED_YIELD: u64 = 124;
pub const KILL: u64 = 129;
pub const TKILL: u64 = 130;
pub const TGKILL: u64 = 131;
pub const RT_SIGACTION: u64 = 134;
pub const RT_SIGPROCMASK: u64 = 135;
pub const RT_SIGRETURN: u64 = 139;
pub const UNAME: u64 = 160;
pub const GETCPU: u64 = 168;
pub const GETTIMEOFDAY: u64 = 169;
pub const ADJTIMEX: u64 = 171;
pub const GETPID: u64 = 172;
pub const GETPPID: u64 = 173;
pub const GETTID: u64 = 178;
pub const BRK: u64 = 214;
pub const MUNMAP: u64 = 215;
pub const CLONE: u64 = 220;
pub const MMAP: u64 = 222;
pub const MPROTECT: u64 = 226;
pub const WAIT4: u64 = 260;
pub const CLOCK_ADJTIME: u64 = 266;
pub const GETRANDOM: u64 = 278;

/// Which argument of `clone` the child's number goes to: the last, as the kernel option CLONE_BACKWARDS has it.
pub const CLONE_CHILD_TID: usize = 4;
