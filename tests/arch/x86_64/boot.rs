use crate::{Machine, OwnRun};

machine_tests!(Machine {
    architecture: "x86_64",
    cpu: None,
    programs: &["musl", "glibc", "glibc-pie"],
    cpu_in_register: true,
    page_tables: 3,
    own: &[OwnRun {
        argument: "vsyscall",
        vdso: false,
        checks: &[
            "vsyscall: emulate: gettimeofday",
            "vsyscall: emulate: its code can be read",
            "vsyscall: xonly: gettimeofday",
            "vsyscall: xonly: a read",
            "vsyscall: xonly: a stack that is not mapped",
            "vsyscall: none: a call",
        ],
    }],
    frequency: " ppb, measured over ",
});

/// The calibration of the TSC says how wrong it may be.
#[test]
fn the_calibration_is_good_enough() {
    let head = match BOOT.printed() {
        Ok(printed) => printed.head(),
        Err(missing) => vdso_tests::skip!(missing),
    };
    let within: u64 = head
        .split_once("within ")
        .and_then(|(_, rest)| rest.split_once(" ppb, measured over "))
        .and_then(|(ppb, _)| ppb.parse().ok())
        .unwrap_or_else(|| panic!("no calibration in\n{head}"));
    assert!(within < 1_000_000, "the calibration may be wrong by {within} ppb");
}
