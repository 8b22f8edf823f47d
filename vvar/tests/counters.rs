//! The counters of the machine that the tests run on.

mod arch;

use arch::{EVERYWHERE, KINDS, KNOWN};
use vvar::arch::MachineCounter as Machine;
use vvar::{Counter, CounterKind};

/// Each kind is a number of its own in the page, whatever the architecture: those of published pages do not change.
#[test]
fn kinds_keep_their_numbers() {
    assert!(CounterKind::ALL.iter().eq(KNOWN.iter().map(|(kind, ..)| kind)), "a new kind: add it to KNOWN");
    for &(kind, number, ..) in KNOWN {
        assert_eq!(kind as u8, number, "{kind:?}");
        assert!(number < 16, "{kind:?}: four bits of a control word");
        assert_eq!(KNOWN.iter().filter(|(_, other, ..)| *other == number).count(), 1, "{kind:?}: its own number");
    }
}

#[test]
fn kinds_of_other_architectures_are_not_read() {
    for &kind in CounterKind::ALL.iter().filter(|kind| !KINDS.contains(kind)) {
        assert_eq!(Machine.read(kind), None, "{kind:?}");
        assert_eq!(Machine.read_between(kind), None, "{kind:?}");
    }
}

/// All ways to read one counter, in turn: none is behind the one before, and in the end it has moved.
#[test]
fn reads_never_go_back() {
    for &kind in EVERYWHERE {
        let first = Machine.read(kind).expect("this machine has it");
        let mut latest = first;
        for _ in 0..100_000 {
            let alone = Machine.read(kind).expect("this machine has it");
            let between = Machine.read_between(kind).expect("this machine has it");
            assert_eq!(between.zero, 0, "{kind:?}");
            assert!(latest <= alone && alone <= between.value, "{kind:?}: {latest}, {alone}, {between:?}");
            latest = between.value;
        }
        assert!(latest > first, "{kind:?} stands still");
    }
}

#[test]
fn hot_read_is_of_the_hot_kind() {
    if !EVERYWHERE.contains(&Machine::HOT) {
        // RDTSCP: `threads.rs` asks for it and reads it.
        return;
    }
    for _ in 0..1000 {
        let before = Machine.read(Machine::HOT).expect("the hot kind");
        let hot = Machine.read_hot();
        let after = Machine.read(Machine::HOT).expect("the hot kind");
        assert!(before <= hot && hot <= after, "{before}, {hot}, {after}");
    }
}
