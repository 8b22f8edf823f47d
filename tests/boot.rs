//! The test kernel in QEMU: `cargo xtask boot`, and what its programs print.
//!
//! The kernel and the programs judge themselves (`tests/kernel`); here it is seen to that they have done so, every one, on each
//! architecture. All tests of one look at the same boot.

use std::collections::HashSet;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use vdso_tests::{need, skip, xtask};

/// What a boot printed on standard output; `None` where the compiler has no `core` for the kernel's target.
type Output = Option<String>;

/// Those of the machines below, in their order.
static OUTPUTS: [OnceLock<Output>; 4] = [const { OnceLock::new() }; 4];

/// An architecture.
struct Machine {
    name: &'static str,
    /// The processor, if it is not the usual one.
    cpu: Option<&'static str>,
    /// What is needed: programs, and the Debian packages that bring them.
    tools: &'static [(&'static str, &'static str)],
    /// The C compiler of the programs, and the Debian package with glibc's static library for it.
    library: (&'static str, &'static str),
    /// The bare target of the kernel.
    target: &'static str,
    /// The programs, one for each C library and way to link it.
    programs: &'static [&'static str],
    /// Whether `getcpu` needs no system call.
    cpu_in_register: bool,
    /// Page tables that mapping the vDSO into an empty address space takes.
    page_tables: usize,
    /// Runs and their checks that are made here only.
    own: &'static [(&'static str, bool, &'static [&'static str])],
    /// What the kernel says of the counter's frequency.
    frequency: &'static str,
    output: &'static OnceLock<Output>,
}

static X86_64: Machine = Machine {
    name: "x86_64",
    cpu: None,
    tools: &[("qemu-system-x86_64", "qemu-system-x86"), ("gcc", "gcc"), ("musl-gcc", "musl-tools")],
    library: ("gcc", "libc6-dev"),
    target: "x86_64-unknown-none",
    programs: &["musl", "glibc", "glibc-pie"],
    cpu_in_register: true,
    page_tables: 3,
    own: &[(
        "vsyscall",
        false,
        &[
            "vsyscall: emulate: gettimeofday",
            "vsyscall: emulate: its code can be read",
            "vsyscall: xonly: gettimeofday",
            "vsyscall: xonly: a read",
            "vsyscall: xonly: a stack that is not mapped",
            "vsyscall: none: a call",
        ],
    )],
    frequency: " ppb, measured over ",
    output: &OUTPUTS[0],
};

static RISCV64: Machine = Machine {
    name: "riscv64",
    cpu: None,
    tools: &[("qemu-system-riscv64", "qemu-system-misc"), ("riscv64-linux-gnu-gcc", "gcc-riscv64-linux-gnu")],
    library: ("riscv64-linux-gnu-gcc", "libc6-dev-riscv64-cross"),
    target: "riscv64gc-unknown-none-elf",
    programs: &["glibc"],
    cpu_in_register: false,
    page_tables: 2,
    own: &[("icache", true, &["flush_icache: code that was just written"])],
    frequency: "10.000000 MHz, as the device tree says",
    output: &OUTPUTS[1],
};

static AARCH64: Machine = Machine {
    name: "aarch64",
    cpu: None,
    tools: &[("qemu-system-aarch64", "qemu-system-arm"), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")],
    library: ("aarch64-linux-gnu-gcc", "libc6-dev-arm64-cross"),
    target: "aarch64-unknown-none-softfloat",
    programs: &["glibc", "glibc-pie"],
    cpu_in_register: false,
    page_tables: 3,
    own: &[("landing-pads", true, &["landing pads: 3 functions begin", "calls past a landing pad: SIGILL"])],
    frequency: "62.500000 MHz",
    output: &OUTPUTS[2],
};

/// The same kernel on a processor without landing pads and FEAT_ECV, whose counter is slower.
static CORTEX_A72: Machine = Machine {
    cpu: Some("cortex-a72,cntfrq=25000000"),
    own: &[("landing-pads", true, &["landing pads: 3 functions begin", "calls past a landing pad: this processor"])],
    frequency: "25.000000 MHz",
    output: &OUTPUTS[3],
    ..AARCH64
};

impl Machine {
    /// Compiler and package, where the compiler finds no static C library. It then prints the bare name that it was asked for.
    fn compiler_without_library(&self) -> Option<(&'static str, &'static str)> {
        let (compiler, _) = self.library;
        let output = Command::new(compiler).arg("-print-file-name=libc.a").output().expect("the compiler starts");
        (!String::from_utf8_lossy(&output.stdout).contains('/')).then_some(self.library)
    }

    /// What one boot printed on standard output; `None` where the compiler has no `core` for the kernel's target.
    fn boot(&self) -> Option<&str> {
        // One at a time: the programs measure.
        static BUSY: Mutex<()> = Mutex::new(());
        let boot = || {
            let _busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
            let output = Command::new(xtask())
                .args(["boot", self.name])
                .args(self.cpu.map(|cpu| ["--cpu", cpu]).iter().flatten())
                .output()
                .expect("xtask starts");
            let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            if errors.contains("this compiler has no `core`") {
                return None;
            }
            assert!(output.status.success(), "{text}\n{errors}");
            Some(text.into_owned())
        };
        self.output.get_or_init(boot).as_deref()
    }

    fn output(&self) -> &str {
        self.boot().expect("need_everything! has looked")
    }

    /// The text of the run of one program with one argument, with the vDSO or without: from its heading to the next.
    fn run_of(&self, program: &str, argument: &str, vdso: bool) -> &str {
        let heading = format!("== {program} {argument} {}\n", if vdso { "with the vDSO" } else { "without it" });
        let output = self.output();
        let (_, text) = output.split_once(&heading).unwrap_or_else(|| panic!("no run {heading:?} in\n{output}"));
        text.split("\n== ").next().unwrap_or_default()
    }

    fn clock_reads_never_enter_the_kernel(&self) {
        for program in self.programs {
            let run = self.run_of(program, "reads", true);
            assert_all_ok(
                run,
                &[
                    "REALTIME:",
                    "MONOTONIC:",
                    "MONOTONIC_RAW:",
                    "BOOTTIME:",
                    "TAI:",
                    "time and gettimeofday",
                    "a million times",
                ],
            );
            assert_eq!(run.contains("ok   getcpu"), self.cpu_in_register, "{run}");
            assert_eq!(calls_of(run), 0, "{run}");
        }
    }

    fn without_a_vdso_each_of_them_does(&self) {
        for program in self.programs {
            let run = self.run_of(program, "reads", false);
            assert_all_ok(run, &["a million times"]);
            assert!(calls_of(run) >= 1_000_000, "{run}");
        }
    }

    fn every_check_was_made_on_every_libc(&self) {
        let both = [
            "PROCESS_CPUTIME_ID: 0 of",
            "clocks that do not exist",
            "getcpu: right on both CPUs",
            "clocks go on after a fork",
            "clock_settime: ",
            "clock_settime in another process",
            "a sleep until a time of day",
            "MONOTONIC: runs at",
            "TAI: suspended",
            "REALTIME: leap second",
            "the counter is reset",
            "sleep until MONOTONIC",
            "sleep while slewed",
        ];
        let vdso_only = [
            "system calls around a reset",
            "a write to the page",
            "a write to the image",
            "a jump into the page",
            "mprotect to write",
        ];
        for program in self.programs {
            assert_all_ok(self.run_of(program, "checks", false), &both);
            assert_all_ok(self.run_of(program, "checks", true), &both);
            assert_all_ok(self.run_of(program, "checks", true), &vdso_only);
        }
    }

    fn handlers_of_signals_return(&self) {
        let checks = [
            "raise: ",
            "blocked signals",
            "a handler's return: goes to ",
            "a blocked signal",
            "registers: ",
            "SIGSEGV: ",
            "signals while clocks are read: 300, ",
            "a sleeper",
        ];
        for program in self.programs {
            let run = self.run_of(program, "signals", true);
            assert_all_ok(run, &checks);
            // See signals.c on musl.
            assert_eq!(run.contains("ok   a backtrace: "), program.starts_with("glibc"), "{run}");
            assert_eq!(calls_of(run), 0, "{run}");
        }
    }

    fn the_kernels_own_function_is_called(&self) {
        for program in self.programs {
            let run = self.run_of(program, "number", true);
            assert_all_ok(run, &["__vdso_number", "versions"]);
            assert_eq!(calls_of(run), 0, "{run}");
        }
    }

    fn what_only_this_architecture_has_works(&self) {
        for program in self.programs {
            for (argument, vdso, checks) in self.own {
                assert_all_ok(self.run_of(program, argument, *vdso), checks);
            }
        }
    }

    fn addresses_are_random(&self) {
        let addresses: Vec<&str> = self.output().lines().filter_map(|line| line.strip_prefix("vDSO at ")).collect();
        let different: HashSet<&str> = addresses.iter().copied().collect();
        assert!(addresses.len() >= 4 * self.programs.len(), "{addresses:?}");
        assert_eq!(addresses.len(), different.len(), "{addresses:?}");
    }

    fn costs_are_printed(&self) {
        let tables = self.page_tables;
        let mapping = format!("mapping the vDSO into a process: 2 pages and {tables} page tables, ");
        assert!(self.output().contains(&mapping), "{}", self.output());
        let costs =
            self.output().lines().filter(|line| line.starts_with("cost MONOTONIC: ") && line.contains("by the vDSO"));
        assert_eq!(costs.count(), self.programs.len());
    }

    /// The counter's frequency, the comparison of the CPUs and the host's answer stand at the beginning.
    fn the_machine_is_measured_first(&self) {
        let (head, _) = self.output().split_once("== ").expect("programs are run");
        assert!(head.contains(self.frequency), "{head}");
        assert!(head.contains("2 CPUs; counters: "), "{head}");
        assert!(head.contains("time of day from the host: 1"), "{head}");
    }
}

/// N of a run's line `clock system calls: N; ...`, which the kernel prints.
fn calls_of(run: &str) -> u64 {
    let line = run.lines().filter_map(|line| line.strip_prefix("clock system calls: ")).next_back();
    line.and_then(|line| line.split(';').next()?.parse().ok()).unwrap_or_else(|| panic!("no count in\n{run}"))
}

fn assert_all_ok(run: &str, names: &[&str]) {
    assert!(!run.contains("BAD") && !run.contains("FAILED"), "{run}");
    for name in names {
        assert!(run.contains(&format!("ok   {name}")), "{name} was not checked:\n{run}");
    }
}

macro_rules! tests {
    ($($arch:ident, $machine:ident: $($test:ident)*;)*) => {$(
        mod $arch {
            $(
                #[test]
                fn $test() {
                    let machine = &super::$machine;
                    for (tool, package) in machine.tools {
                        super::need!(tool, package);
                    }
                    if let Some((compiler, package)) = machine.compiler_without_library() {
                        super::skip!(format!("needs a static C library for {compiler} (Debian package {package})"));
                    }
                    if machine.boot().is_none() {
                        let target = machine.target;
                        super::skip!(format!("needs `core` for the test kernel (rustup target add {target})"));
                    }
                    machine.$test();
                }
            )*
        }
    )*};
    ($($arch:ident, $machine:ident;)*) => {
        tests! {$(
            $arch, $machine:
                clock_reads_never_enter_the_kernel
                without_a_vdso_each_of_them_does
                every_check_was_made_on_every_libc
                handlers_of_signals_return
                the_kernels_own_function_is_called
                what_only_this_architecture_has_works
                addresses_are_random
                costs_are_printed
                the_machine_is_measured_first;
        )*}
    };
}

tests! {
    x86_64, X86_64;
    riscv64, RISCV64;
    aarch64, AARCH64;
    cortex_a72, CORTEX_A72;
}

/// The calibration of the TSC says how wrong it may be.
#[test]
fn the_calibration_is_good_enough() {
    need!("qemu-system-x86_64", "qemu-system-x86");
    need!("gcc", "gcc");
    if X86_64.boot().is_none() {
        skip!("needs `core` for the test kernel (rustup target add x86_64-unknown-none)");
    }
    let (head, _) = X86_64.output().split_once("== ").expect("programs are run");
    let within: u64 = head
        .split_once("within ")
        .and_then(|(_, rest)| rest.split_once(" ppb, measured over "))
        .and_then(|(ppb, _)| ppb.parse().ok())
        .unwrap_or_else(|| panic!("no calibration in\n{head}"));
    assert!(within < 1_000_000, "the calibration may be wrong by {within} ppb");
}
