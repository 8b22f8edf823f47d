//! The test kernel in QEMU: `cargo xtask boot`, and what its programs print.
//!
//! The kernel and the programs judge themselves (`tests/kernel`); here it is seen to that they have done so, every one.

use std::collections::HashSet;
use std::process::Command;
use std::sync::OnceLock;
use vdso_tests::{need, skip, xtask};

/// What one boot printed on standard output; `None` where the compiler has no `core` for the kernel's target. All tests look
/// at the same boot.
fn boot() -> Option<&'static str> {
    static OUTPUT: OnceLock<Option<String>> = OnceLock::new();
    let output = OUTPUT.get_or_init(|| {
        let output = Command::new(xtask()).args(["boot", "x86_64"]).output().expect("xtask starts");
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if errors.contains("this compiler has no `core`") {
            return None;
        }
        assert!(output.status.success(), "{text}\n{errors}");
        Some(text.into_owned())
    });
    output.as_deref()
}

fn output() -> &'static str {
    boot().expect("need_everything! has looked")
}

/// The text of the run of one program with one argument, with the vDSO or without: from its heading to the next.
fn run_of(program: &str, argument: &str, vdso: bool) -> &'static str {
    let heading = format!("== {program} {argument} {}\n", if vdso { "with the vDSO" } else { "without it" });
    let (_, text) = output().split_once(&heading).unwrap_or_else(|| panic!("no run {heading:?} in\n{}", output()));
    text.split("\n== ").next().unwrap_or_default()
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

macro_rules! need_everything {
    () => {
        need!("qemu-system-x86_64", "qemu-system-x86");
        need!("gcc", "gcc");
        need!("musl-gcc", "musl-tools");
        if boot().is_none() {
            skip!("needs `core` for the test kernel (rustup target add x86_64-unknown-none)");
        }
    };
}

const PROGRAMS: [&str; 3] = ["musl", "glibc", "glibc-pie"];

#[test]
fn clock_reads_never_enter_the_kernel() {
    need_everything!();
    for program in PROGRAMS {
        let run = run_of(program, "reads", true);
        assert_all_ok(
            run,
            &["REALTIME:", "MONOTONIC:", "MONOTONIC_RAW:", "BOOTTIME:", "TAI:", "getcpu", "a million times"],
        );
        assert_eq!(calls_of(run), 0, "{run}");
    }
}

#[test]
fn without_a_vdso_each_of_them_does() {
    need_everything!();
    for program in PROGRAMS {
        let run = run_of(program, "reads", false);
        assert_all_ok(run, &["a million times"]);
        assert!(calls_of(run) >= 1_000_000, "{run}");
    }
}

#[test]
fn every_check_was_made_on_every_libc() {
    need_everything!();
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
    for program in PROGRAMS {
        assert_all_ok(run_of(program, "checks", false), &both);
        assert_all_ok(run_of(program, "checks", true), &both);
        assert_all_ok(run_of(program, "checks", true), &vdso_only);
    }
}

#[test]
fn the_kernels_own_function_is_called() {
    need_everything!();
    for program in PROGRAMS {
        let run = run_of(program, "number", true);
        assert_all_ok(run, &["__vdso_number", "versions"]);
        assert_eq!(calls_of(run), 0, "{run}");
    }
}

#[test]
fn the_vsyscall_page_serves_old_programs() {
    need_everything!();
    for program in PROGRAMS {
        let checks = [
            "vsyscall: emulate: gettimeofday",
            "vsyscall: emulate: its code can be read",
            "vsyscall: xonly: gettimeofday",
            "vsyscall: xonly: a read",
            "vsyscall: xonly: a stack that is not mapped",
            "vsyscall: none: a call",
        ];
        assert_all_ok(run_of(program, "vsyscall", false), &checks);
    }
}

#[test]
fn addresses_are_random() {
    need_everything!();
    let addresses: Vec<&str> = output().lines().filter_map(|line| line.strip_prefix("vDSO at ")).collect();
    let different: HashSet<&str> = addresses.iter().copied().collect();
    assert!(addresses.len() >= 9, "{addresses:?}");
    assert_eq!(addresses.len(), different.len(), "{addresses:?}");
}

#[test]
fn costs_are_printed() {
    need_everything!();
    assert!(output().contains("mapping the vDSO into a process: 2 pages and 3 page tables, "), "{}", output());
    let costs = output().lines().filter(|line| line.starts_with("cost MONOTONIC: ") && line.contains("by the vDSO"));
    assert_eq!(costs.count(), PROGRAMS.len());
}

/// The host's answer, the counter's calibration and the comparison of the CPUs stand at the beginning.
#[test]
fn the_machine_is_measured_first() {
    need_everything!();
    let (head, _) = output().split_once("== ").expect("programs are run");
    let within: u64 = head
        .split_once("within ")
        .and_then(|(_, rest)| rest.split_once(" ppb, measured over "))
        .and_then(|(ppb, _)| ppb.parse().ok())
        .unwrap_or_else(|| panic!("no calibration in\n{head}"));
    assert!(within < 1_000_000, "the calibration may be wrong by {within} ppb");
    assert!(head.contains("2 CPUs; counters: "), "{head}");
    assert!(head.contains("time of day from the host: 1"), "{head}");
}
