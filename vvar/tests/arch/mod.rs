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

/// What pages have said so far of each kind, on all architectures: its number, the lines that may have it, and by how many ticks
/// the CPUs may differ where the architecture promises that they agree; `None`: no promise is known.
pub(crate) const KNOWN: &[(CounterKind, u8, &[Encoding], Option<u64>)] = &[
    (Off, 0, &[Encoding::Split, Encoding::Wide], Some(1)),
    (Coarse, 1, &[Encoding::Split, Encoding::Wide], Some(0)),
    (Rdtscp, 2, &[Encoding::Split], Some(0)),
    (LfenceRdtsc, 3, &[Encoding::Split], Some(0)),
    (Cntvct, 4, &[Encoding::Wide], Some(0)),
    (Cntvctss, 5, &[Encoding::Wide], Some(0)),
    (CntvctErratum858921, 6, &[Encoding::Wide], Some(0)),
    (RiscvTime, 7, &[Encoding::Wide], Some(1)),
    (Private1, 14, &[Encoding::Wide], None),
    (Private2, 15, &[Encoding::Wide], None),
];

/// Which lines which page has.
pub(crate) const ENCODINGS: &[(&str, Encoding)] = &[
    // By name.
    ("aarch64", Encoding::Wide),
    ("riscv64", Encoding::Wide),
    ("x86_64", Encoding::Split),
];
