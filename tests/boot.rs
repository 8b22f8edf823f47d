//! The test kernel in QEMU: `cargo xtask boot`, and what its programs print.
//!
//! The kernel and the programs judge themselves (`tests/kernel`); here it is seen to that they have done so, every one, on each
//! machine. All tests of one look at the same boot. The machines are in `arch/ARCH/boot.rs`.

use std::collections::HashSet;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use vdso_tests::xtask;

/// Makes the tests of a [`Machine`], in the module where it stands.
macro_rules! machine_tests {
    ($machine:expr; $($test:ident)*) => {
        static BOOT: crate::Boot = crate::Boot::new($machine);
        $(
            #[test]
            fn $test() {
                match BOOT.printed() {
                    Ok(printed) => printed.$test(),
                    Err(missing) => vdso_tests::skip!(missing),
                }
            }
        )*
    };
    ($machine:expr) => {
        machine_tests! {
            $machine;
                clock_reads_never_enter_the_kernel
                without_a_vdso_each_of_them_does
                every_check_was_made_on_every_libc
                handlers_of_signals_return
                the_kernels_own_function_is_called
                what_only_this_machine_has_works
                addresses_are_random
                costs_are_printed
                the_machine_is_measured_first
        }
    };
}

#[path = "arch/boot.rs"]
mod arch;

#[test]
fn each_image_is_booted() {
    let registered = include_str!("arch/boot.rs");
    for image in vdso_image::IMAGES {
        assert!(registered.contains(&format!("\nmod {};\n", image.arch)), "{} is missing in arch/boot.rs", image.arch);
    }
}

/// A machine that the kernel is booted on, and what is particular to it.
struct Machine {
    /// The architecture, as `cargo xtask boot` has it.
    architecture: &'static str,
    /// The processor, if it is not the usual one.
    cpu: Option<&'static str>,
    /// The programs, one for each C library and way to link it.
    programs: &'static [&'static str],
    /// Whether `getcpu` needs no system call.
    cpu_in_register: bool,
    /// Page tables that mapping the vDSO into an empty address space takes.
    page_tables: usize,
    /// Runs that are made here only.
    own: &'static [OwnRun],
    /// What the kernel says of the counter's frequency.
    frequency: &'static str,
}

/// A run that is made on one machine only.
struct OwnRun {
    argument: &'static str,
    vdso: bool,
    checks: &'static [&'static str],
}

/// One boot of a machine, whose outcome all tests look at.
struct Boot {
    machine: Machine,
    outcome: OnceLock<Outcome>,
}

/// What became of a boot.
enum Outcome {
    /// It printed this on standard output.
    Printed(String),
    /// This is missing for it.
    Missing(String),
    /// It failed, with this output.
    Failed(String),
}

impl Boot {
    const fn new(machine: Machine) -> Boot {
        Boot { machine, outcome: OnceLock::new() }
    }

    /// What it printed on standard output; or else what is missing to boot it.
    fn printed(&self) -> Result<Printed<'_>, &str> {
        match self.outcome.get_or_init(|| self.boot()) {
            Outcome::Printed(output) => Ok(Printed { machine: &self.machine, output }),
            Outcome::Missing(missing) => Err(missing),
            Outcome::Failed(output) => panic!("{output}"),
        }
    }

    /// Boots. A failure is an outcome as well: were it a panic, each test would boot anew.
    fn boot(&self) -> Outcome {
        // One at a time: the programs measure.
        static BUSY: Mutex<()> = Mutex::new(());
        let _busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        let cpu = self.machine.cpu.map(|cpu| ["--cpu", cpu]);
        let options = cpu.as_ref().map_or(&[][..], |options| options);
        match self.xtask(&["--missing"]) {
            Ok(missing) if missing.is_empty() => self.xtask(options).map_or_else(Outcome::Failed, Outcome::Printed),
            Ok(missing) => Outcome::Missing(missing.trim_end().replace('\n', "; ")),
            Err(output) => Outcome::Failed(output),
        }
    }

    /// The standard output of `xtask boot`; all of its output, if it fails.
    fn xtask(&self, options: &[&str]) -> Result<String, String> {
        let mut command = Command::new(xtask());
        let output = command.args(["boot", self.machine.architecture]).args(options).output().expect("xtask starts");
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() {
            Ok(text.into_owned())
        } else {
            Err(format!("{text}\n{errors}"))
        }
    }
}

/// What a machine printed.
struct Printed<'a> {
    machine: &'a Machine,
    output: &'a str,
}

impl<'a> Printed<'a> {
    /// The text of the run of one program with one argument, with the vDSO or without: from its heading to the next.
    fn run_of(&self, program: &str, argument: &str, vdso: bool) -> &str {
        let heading = format!("== {program} {argument} {}\n", if vdso { "with the vDSO" } else { "without it" });
        let output = self.output;
        let (_, text) = output.split_once(&heading).unwrap_or_else(|| panic!("no run {heading:?} in\n{output}"));
        text.split("\n== ").next().unwrap_or_default()
    }

    fn clock_reads_never_enter_the_kernel(&self) {
        for program in self.machine.programs {
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
            assert_eq!(run.contains("ok   getcpu"), self.machine.cpu_in_register, "{run}");
            assert_eq!(calls_of(run), 0, "{run}");
        }
    }

    fn without_a_vdso_each_of_them_does(&self) {
        for program in self.machine.programs {
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
            "what clock_nanosleep refuses",
            "what clock_settime refuses",
            "what adjtimex refuses",
            "a frequency by adjtimex",
            "a TAI offset out of range",
            "MONOTONIC: runs at",
            "TAI: suspended",
            "a suspend of impossible length",
            "REALTIME: leap second",
            "the counter is reset",
            "the counter is lost",
            "a change when the counter is lost",
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
        for program in self.machine.programs {
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
            "the rest of its sleep",
            "a signal just before a sleep",
        ];
        for program in self.machine.programs {
            let run = self.run_of(program, "signals", true);
            assert_all_ok(run, &checks);
            // See signals.c on musl.
            assert_eq!(run.contains("ok   a backtrace: "), program.starts_with("glibc"), "{run}");
            assert_eq!(calls_of(run), 0, "{run}");
        }
    }

    fn the_kernels_own_function_is_called(&self) {
        for program in self.machine.programs {
            let run = self.run_of(program, "number", true);
            assert_all_ok(run, &["__vdso_number", "versions"]);
            assert_eq!(calls_of(run), 0, "{run}");
        }
    }

    fn what_only_this_machine_has_works(&self) {
        for program in self.machine.programs {
            for OwnRun { argument, vdso, checks } in self.machine.own {
                assert_all_ok(self.run_of(program, argument, *vdso), checks);
            }
        }
    }

    fn addresses_are_random(&self) {
        let addresses: Vec<&str> = self.output.lines().filter_map(|line| line.strip_prefix("vDSO at ")).collect();
        let different: HashSet<&str> = addresses.iter().copied().collect();
        assert!(addresses.len() >= 4 * self.machine.programs.len(), "{addresses:?}");
        assert_eq!(addresses.len(), different.len(), "{addresses:?}");
    }

    fn costs_are_printed(&self) {
        let tables = self.machine.page_tables;
        let mapping = format!("mapping the vDSO into a process: 2 pages and {tables} page tables, ");
        assert!(self.output.contains(&mapping), "{}", self.output);
        let costs =
            self.output.lines().filter(|line| line.starts_with("cost MONOTONIC: ") && line.contains("by the vDSO"));
        assert_eq!(costs.count(), self.machine.programs.len());
    }

    /// What stands before the first run.
    fn head(&self) -> &'a str {
        self.output.split_once("== ").expect("programs are run").0
    }

    /// The counter's frequency, the comparison of the CPUs and the host's answer stand at the beginning.
    fn the_machine_is_measured_first(&self) {
        let head = self.head();
        assert!(head.contains(self.machine.frequency), "{head}");
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
