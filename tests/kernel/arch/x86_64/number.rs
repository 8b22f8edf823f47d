//! Numbers of Linux's system calls on x86-64 (`arch/x86/entry/syscalls/syscall_64.tbl`).
#![allow(missing_docs)]

pub const WRITE: u64 = 1;
pub const MMAP: u64 = 9;
pub const MPROTECT: u64 = 10;
pub const MUNMAP: u64 = 11;
pub const BRK: u64 = 12;
pub const RT_SIGACTION: u64 = 13;
pub const RT_SIGPROCMASK: u64 = 14;
pub const RT_SIGRETURN: u64 = 15;
pub const IOCTL: u64 = 16;
pub const WRITEV: u64 = 20;
pub const SCHED_YIELD: u64 = 24;
pub const NANOSLEEP: u64 = 35;
pub const GETPID: u64 = 39;
pub const CLONE: u64 = 56;
pub const EXIT: u64 = 60;
pub const WAIT4: u64 = 61;
pub const KILL: u64 = 62;
pub const UNAME: u64 = 63;
pub const GETTIMEOFDAY: u64 = 96;
pub const GETPPID: u64 = 110;
pub const ADJTIMEX: u64 = 159;
pub const GETTID: u64 = 186;
pub const TKILL: u64 = 200;
pub const SCHED_SETAFFINITY: u64 = 203;
pub const SCHED_GETAFFINITY: u64 = 204;
pub const SET_TID_ADDRESS: u64 = 218;
pub const CLOCK_SETTIME: u64 = 227;
pub const CLOCK_GETTIME: u64 = 228;
pub const CLOCK_GETRES: u64 = 229;
pub const CLOCK_NANOSLEEP: u64 = 230;
pub const EXIT_GROUP: u64 = 231;
pub const TGKILL: u64 = 234;
pub const READLINKAT: u64 = 267;
pub const SET_ROBUST_LIST: u64 = 273;
pub const CLOCK_ADJTIME: u64 = 305;
pub const GETCPU: u64 = 309;
pub const GETRANDOM: u64 = 318;

/// Which argument of `clone` the child's number goes to.
pub const CLONE_CHILD_TID: usize = 3;
