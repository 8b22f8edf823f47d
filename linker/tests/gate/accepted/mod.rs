//! Images that differ from the good one and are right: a gate that refuses what it does not know would be of no use.

mod aarch64;
mod riscv64;
mod x86_64;

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
use need;

fn accepted(arch: Arch, fixture: Fixture) -> Report {
    let report = gate::check(&fixture.build(), &manifest(arch, &[]), Some(PAGE));
    assert!(report.is_accepted(), "{report}");
    report
}
