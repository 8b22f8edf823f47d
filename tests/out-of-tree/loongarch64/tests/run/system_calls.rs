//! Which system calls the functions make, by QEMU's own record of them.

use crate::guest::{start, Guest, HOT};
use std::path::Path;
use vdso_tests::guest::{Argument, NULL};
use vvar::{Clock, Writer};

/// Calls of each function and clock.
const CALLS: usize = 3;

/// The clock functions.
const FUNCTIONS: [&str; 3] = ["clock_gettime", "gettimeofday", "clock_getres"];

fn call_all(guest: &mut Guest) {
    for _ in 0..CALLS {
        for clock in Clock::ALL {
            for function in ["__vdso_clock_gettime", "__vdso_clock_getres"] {
                guest
                    .call(function, [Argument::Number(clock.id() as i64), Argument::Buffer(0), NULL])
                    .time()
                    .expect("a clock");
            }
        }
        assert_eq!(guest.call("__vdso_gettimeofday", [Argument::Buffer(0), NULL, NULL]).result(), 0);
    }
}

/// How often each was asked of the kernel.
fn asked(log: &Path) -> [usize; 3] {
    // A line is the process's number, the call and its result.
    let text = std::fs::read_to_string(log).expect("QEMU's log");
    let called = |name: &str| text.lines().filter(|line| line.contains(&format!(" {name}("))).count();
    FUNCTIONS.map(called)
}

#[test]
fn a_live_page_needs_no_system_call() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("log");
    let options = ["-strace", "-D", log.to_str().expect("a UTF-8 name")];
    let clocks = Clock::ALL.into_iter().count();

    let mut guest = start!(&options);
    call_all(&mut guest);
    guest.finish();
    assert_eq!(asked(&log), [CALLS * clocks, CALLS, CALLS * clocks], "an empty page leaves each call to the kernel");

    for age in [0, 5] {
        let mut guest = start!(&options);
        let _clocks = guest.publisher.go_live(HOT, age);
        Writer::new(guest.publisher.page()).set_resolution(2, 10_000_000);
        call_all(&mut guest);
        guest.finish();
        assert_eq!(asked(&log), [0; 3], "published {age} s ago");
    }
}
