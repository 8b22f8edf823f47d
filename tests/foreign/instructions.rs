//! How many instructions each function executes, counted by QEMU, which logs each one: a figure that repeats to the digit, so
//! that a change of the compiler or of the sources shows as a difference.

use std::fmt::Write;
use std::process::Command;
use vdso_tests::guest::{emulator, Argument, Guest, BASE, NULL};
use vdso_tests::{start, Architecture, Emulated};
use vvar::page::SIZE;
use vvar::{Clock, Writer};

for_each_architecture! { every_function_and_clock }

/// The most that the hot path of a fine clock may take, every check included.
const HOT_LIMIT: usize = 48;

/// Calls, named, in the order in which they are made, and what they took.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    calls: Vec<(String, usize)>,
    instructions: Vec<usize>,
}

impl Counts {
    fn call(&mut self, guest: &mut Guest, name: impl Into<String>, function: usize, arguments: [Argument; 3]) {
        // What it returns is the other tests' affair; a call that is not made would be missing in the log.
        let _ = guest.call(function, arguments);
        self.calls.push((name.into(), function));
    }

    fn clock_gettime(&mut self, guest: &mut Guest, clock: Clock, how: &str) {
        let arguments = [Argument::Number(clock.id() as i64), Argument::Buffer(0), NULL];
        let function = guest.functions.clock_gettime;
        self.call(guest, format!("clock_gettime({clock:?}){how}"), function, arguments);
    }

    fn gettimeofday(&mut self, guest: &mut Guest, how: &str) {
        let function = guest.functions.gettimeofday;
        self.call(guest, format!("gettimeofday{how}"), function, [Argument::Buffer(0), NULL, NULL]);
    }

    fn clock_getres(&mut self, guest: &mut Guest, clock: Clock, how: &str) {
        let arguments = [Argument::Number(clock.id() as i64), Argument::Buffer(0), NULL];
        let function = guest.functions.clock_getres;
        self.call(guest, format!("clock_getres({clock:?}){how}"), function, arguments);
    }

    /// Takes the instructions from QEMU's log: each call begins where its function does.
    fn read(&mut self, log: &str) {
        for address in log.lines().filter_map(address_of) {
            let next = self.calls.get(self.instructions.len());
            if next.is_some_and(|(_, function)| address == BASE + *function as u64) {
                self.instructions.push(0);
            }
            *self.instructions.last_mut().expect("a log that begins with a call") += 1;
        }
        assert_eq!(self.instructions.len(), self.calls.len(), "calls in the log");
    }
}

/// The address of an executed instruction: `Trace 0: 0x7f... [BASE/ADDRESS/FLAGS/...] NAME`, BASE not being used here.
fn address_of(line: &str) -> Option<u64> {
    let (_, fields) = line.strip_prefix("Trace ")?.split_once('[')?;
    u64::from_str_radix(fields.split('/').nth(1)?, 16).ok()
}

/// QEMU 8.1 has given the option another name.
fn one_instruction_at_a_time(architecture: &Architecture) -> &'static str {
    let help = Command::new(emulator(architecture.name()).expect("it runs")).arg("-h").output().expect("QEMU starts");
    let new = "-one-insn-per-tb";
    if String::from_utf8_lossy(&help.stdout).contains(new) {
        new
    } else {
        "-singlestep"
    }
}

/// One run, with all calls.
fn count(mut guest: Guest, log: &std::path::Path) -> Counts {
    let mut counts = Counts::default();
    let emulated = guest.emulated;
    let live = |guest: &Guest, kind, age| {
        // At the start of a second: for the next one no read has to carry.
        let _clocks = guest.publisher.go_live(kind, age);
        Writer::new(guest.publisher.page()).set_resolution(1, 4_000_000);
    };
    for clock in Clock::ALL {
        live(&guest, emulated.hot, 0);
        counts.clock_gettime(&mut guest, clock, "");
    }
    live(&guest, emulated.hot, 0);
    counts.gettimeofday(&mut guest, "");
    counts.clock_getres(&mut guest, Clock::Monotonic, "");
    counts.clock_getres(&mut guest, Clock::MonotonicCoarse, "");
    live(&guest, emulated.hot, 10);
    counts.clock_gettime(&mut guest, Clock::Monotonic, ", published 10 s ago");
    counts.gettimeofday(&mut guest, ", published 10 s ago");
    for &kind in emulated.slow {
        live(&guest, kind, 0);
        counts.clock_gettime(&mut guest, Clock::Monotonic, &format!(", by {kind:?}"));
        counts.gettimeofday(&mut guest, &format!(", by {kind:?}"));
    }
    // The system call, as one instruction.
    guest.publisher.clear();
    counts.clock_gettime(&mut guest, Clock::Monotonic, ", empty page");
    counts.gettimeofday(&mut guest, ", empty page");
    counts.clock_getres(&mut guest, Clock::Monotonic, ", empty page");
    for function in emulated.system_calls {
        let offset = emulated.architecture.image.symbol(function.function).expect("a function of the image");
        counts.call(&mut guest, function.name, offset, [NULL; 3]);
    }
    guest.finish();
    counts.read(&std::fs::read_to_string(log).expect("QEMU's log"));
    counts
}

/// The first counts that are found twice in a row: on a busy machine more than a second can pass between a publish and a call,
/// and a read then has to carry.
fn every_function_and_clock(emulated: &'static Emulated) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("log");
    let path = log.to_str().expect("a UTF-8 name");
    let filter = format!("{BASE:#x}+{SIZE:#x}");
    let mut last = None;
    for _ in 0..5 {
        let mut options = vec!["-d", "exec,nochain", "-dfilter", &filter, "-D", path];
        // Asked before the guest is: without QEMU the test is skipped there.
        if emulator(emulated.architecture.name()).is_ok() {
            options.push(one_instruction_at_a_time(emulated.architecture));
        }
        let counts = count(start!(emulated, &options), &log);
        if last.as_ref() == Some(&counts) {
            return compare(emulated.architecture, &counts);
        }
        last = Some(counts);
    }
    panic!("no two counts in a row are alike: {last:?}");
}

fn compare(architecture: &Architecture, counts: &Counts) {
    let mut table = String::new();
    for ((name, _), instructions) in counts.calls.iter().zip(&counts.instructions) {
        writeln!(table, "{name:<52} {instructions:>4}").expect("a string");
    }
    for (clock, instructions) in Clock::ALL.iter().zip(&counts.instructions) {
        assert!((10..=HOT_LIMIT).contains(instructions), "clock_gettime({clock:?}): {instructions} instructions");
    }
    insta::with_settings!({ snapshot_path => architecture.snapshots(), prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("instructions", table);
    });
}
