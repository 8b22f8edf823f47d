//! Images that differ from the good one and are right: a gate that refuses what it does not know would be of no use.
//!
//! The images are in the architectures' folders.

use crate::fixture::{manifest, Fixture, PAGE};
use vdso_linker::gate::{self, Report};
use vdso_linker::manifest::Arch;

/// Leaves a test of an architecture that the compiler has no `core` for: it is counted as skipped.
macro_rules! need {
    ($arch:expr) => {
        if !crate::fixture::architectures().contains(&$arch) {
            return;
        }
    };
}
pub(crate) use need;

pub(crate) fn accepted(arch: Arch, fixture: Fixture) -> Report {
    let report = gate::check(&fixture.build(), &manifest(arch, &[]), Some(PAGE));
    assert!(report.is_accepted(), "{report}");
    report
}
