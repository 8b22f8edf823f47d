//! What the tests have to know of each architecture.
#![allow(dead_code)] // each test takes what it needs

use vvar::page::Encoding;
use vvar::CounterKind::{self, *};

/// The ways of reading the counter of the architecture that is compiled for.
#[cfg(target_arch = "aarch64")]
pub(crate) const KINDS: &[CounterKind] = &[Cntvct, Cntvctss, CntvctErratum858921];
/// The ones of them that each machine has. (FEAT_ECV is of Armv8.6.)
#[cfg(target_arch = "aarch64")]
pub(crate) const EVERYWHERE: &[CounterKind] = &[Cntvct, CntvctErratum858921];

#[cfg(target_arch = "riscv64")]
pub(crate) const KINDS: &[CounterKind] = &[RiscvTime];
#[cfg(target_arch = "riscv64")]
pub(crate) const EVERYWHERE: &[CounterKind] = &[RiscvTime];

#[cfg(target_arch = "x86_64")]
pub(crate) const KINDS: &[CounterKind] = &[Rdtscp, LfenceRdtsc];
/// For RDTSCP see `threads.rs`.
#[cfg(target_arch = "x86_64")]
pub(crate) const EVERYWHERE: &[CounterKind] = &[LfenceRdtsc];

/// The number of each kind in every page, on all architectures.
pub(crate) const KNOWN: [(CounterKind, u8); 8] = [
    (Off, 0),
    (Coarse, 1),
    (Rdtscp, 2),
    (LfenceRdtsc, 3),
    (Cntvct, 4),
    (Cntvctss, 5),
    (CntvctErratum858921, 6),
    (RiscvTime, 7),
];

/// Which lines which page has.
pub(crate) const ENCODINGS: &[(&str, Encoding)] = &[
    // By name.
    ("aarch64", Encoding::Wide),
    ("riscv64", Encoding::Wide),
    ("x86_64", Encoding::Split),
];
