//! What there is to know of an architecture: the form of what stands in `arch/`.

use std::path::PathBuf;
use vdso_image::Description;
use vvar::CounterKind;

/// An architecture as clients see it. Sources: vdso(7), and the tables of names in the clients' sources.
#[derive(Debug)]
pub struct Architecture {
    /// The image that ships.
    pub image: &'static Description,
    /// `e_machine`, and its name in the ABI supplement.
    pub machine: (u16, &'static str),
    /// The version of every function.
    pub version: &'static str,
    /// What `clock_gettime` is called.
    pub clock_gettime: &'static str,
    /// Second names, and the functions that they name.
    pub aliases: &'static [(&'static str, &'static str)],
    /// The functions that each client looks up: one entry for every row of clients in `tests/lookup/clients`, without functions
    /// if it looks none up on this architecture.
    pub wanted: &'static [(&'static str, &'static [&'static str])],
    /// Those of them that Linux's image has and ours has not: clients make the system call.
    pub not_offered: &'static [&'static str],
    /// The counters that the image reads.
    pub counters: &'static [CounterKind],
}

impl Architecture {
    /// Its name, as in a target triple.
    pub fn name(&self) -> &'static str {
        self.image.arch
    }

    /// The folder of its snapshots, whose files have the names that the tests give them.
    pub fn snapshots(&self) -> PathBuf {
        crate::workspace().join("tests/arch").join(self.name()).join("snapshots")
    }

    /// The functions that a row of clients looks up.
    ///
    /// # Panics
    /// If `arch/` does not say it.
    pub fn wanted_by(&self, row: &str) -> &'static [&'static str] {
        let entry = self.wanted.iter().find(|(clients, _)| *clients == row);
        entry.unwrap_or_else(|| panic!("tests/arch/{}/mod.rs does not say what {row} looks up", self.name())).1
    }
}

/// An architecture whose programs QEMU's user mode runs, and how it emulates the counter.
#[derive(Debug)]
pub struct Emulated {
    /// The architecture.
    pub architecture: &'static Architecture,
    /// Debian's cross compiler.
    pub compiler: &'static str,
    /// The Debian packages that bring it and a C library.
    pub packages: &'static str,
    /// A processor whose signal frames gdb can read, if it cannot read those of QEMU's default.
    pub cpu: Option<&'static str>,
    /// The functions that every image has.
    pub functions: Functions<&'static str>,
    /// Those that make a system call and nothing else.
    pub system_calls: &'static [SystemCallFunction],
    /// The numbers of system calls.
    pub numbers: SystemCalls,
    /// The counter of the hot path.
    pub hot: CounterKind,
    /// Others that QEMU has, which take the slow path.
    pub slow: &'static [CounterKind],
    /// Reads, on the host, the counter that the guest sees; takes its frequency as the guest sees it, 0 if it does not.
    pub counter: fn(u64) -> u64,
    /// What the pages say of the counter's frequency in Hz, given that.
    pub frequency: fn(u64) -> u64,
    /// The trampoline's bytes, from one instruction before its symbol on.
    pub trampoline: [u32; 3],
    /// DWARF number of the stack pointer.
    pub stack_pointer: u16,
    /// DWARF number that stands for the return address in a signal's frame.
    pub return_address: u16,
    /// DWARF number of a register that is a constant.
    pub constant: Option<u16>,
}

/// A clock function, for which the kernel has a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `clock_gettime`.
    ClockGettime,
    /// `gettimeofday`.
    Gettimeofday,
    /// `clock_getres`.
    ClockGetres,
}

/// Of each function that every image has, its name or its offset.
#[derive(Debug, Clone, Copy)]
pub struct Functions<T> {
    /// `clock_gettime`.
    pub clock_gettime: T,
    /// `gettimeofday`.
    pub gettimeofday: T,
    /// `clock_getres`.
    pub clock_getres: T,
    /// `rt_sigreturn`.
    pub rt_sigreturn: T,
}

impl<T> Functions<T> {
    /// The same with something else of each.
    pub fn map<U>(self, mut with: impl FnMut(T) -> U) -> Functions<U> {
        Functions {
            clock_gettime: with(self.clock_gettime),
            gettimeofday: with(self.gettimeofday),
            clock_getres: with(self.clock_getres),
            rt_sigreturn: with(self.rt_sigreturn),
        }
    }
}

impl<T: Copy> Functions<T> {
    /// That of a clock function.
    pub fn of(self, function: Function) -> T {
        match function {
            Function::ClockGettime => self.clock_gettime,
            Function::Gettimeofday => self.gettimeofday,
            Function::ClockGetres => self.clock_getres,
        }
    }
}

impl Functions<&'static str> {
    /// All of them.
    pub fn names(self) -> [&'static str; 4] {
        [self.clock_gettime, self.gettimeofday, self.clock_getres, self.rt_sigreturn]
    }
}

/// A function that makes a system call and nothing else.
#[derive(Debug)]
pub struct SystemCallFunction {
    /// What it is called here.
    pub name: &'static str,
    /// The function.
    pub function: &'static str,
    /// The system call's number.
    pub number: usize,
}

/// Numbers of Linux's system calls.
#[derive(Debug, Clone, Copy)]
pub struct SystemCalls {
    /// `clock_gettime`.
    pub clock_gettime: usize,
    /// `clock_getres`.
    pub clock_getres: usize,
    /// `gettimeofday`.
    pub gettimeofday: usize,
}

impl SystemCalls {
    /// As on all architectures that have joined Linux since it has one table for them
    /// (`include/uapi/asm-generic/unistd.h`).
    pub const ASM_GENERIC: SystemCalls = SystemCalls { clock_gettime: 113, clock_getres: 114, gettimeofday: 169 };

    /// That of a clock function.
    pub fn of(self, function: Function) -> usize {
        match function {
            Function::ClockGettime => self.clock_gettime,
            Function::Gettimeofday => self.gettimeofday,
            Function::ClockGetres => self.clock_getres,
        }
    }
}
