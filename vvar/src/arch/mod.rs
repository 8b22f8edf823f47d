//! What differs between architectures: reading the counter, in order, and which lines the page has.
//!
//! A folder or file for each: a type that implements [`Counter`](crate::Counter), with the manual's section beside each
//! barrier. To add one, write it, and its lines here and in `source.rs`; ways of reading its counter that are new get
//! their numbers in `kind.rs`. `MachineCounter` is the counter of the architecture that is compiled for.
//!
//! An architecture need not be here. The functions of its own image implement [`Counter`](crate::Counter), with
//! [`CounterKind::Private1`] and [`CounterKind::Private2`] for its ways of reading the counter, and its page has
//! [wide](crate::page::wide) lines. Its kernel says by how much the CPUs' counters may differ
//! ([`Synchronisation::Checked`](crate::Synchronisation::Checked)). See "An architecture of your own" in
//! `docs/architectures.md`.

mod kind;
#[cfg(feature = "source")]
pub(crate) mod source;

pub use kind::CounterKind;

use crate::page::Encoding;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::GenericTimer;
/// The counter of the architecture that is compiled for; there is none on one that this crate does not have.
#[cfg(target_arch = "aarch64")]
pub use aarch64::GenericTimer as MachineCounter;
#[cfg(all(test, not(target_arch = "aarch64")))]
#[path = "aarch64/erratum_858921.rs"]
mod erratum_858921;

#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_arch = "riscv64")]
pub use riscv64::Time;
/// The counter of the architecture that is compiled for; there is none on one that this crate does not have.
#[cfg(target_arch = "riscv64")]
pub use riscv64::Time as MachineCounter;

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::Tsc;
/// The counter of the architecture that is compiled for; there is none on one that this crate does not have.
#[cfg(target_arch = "x86_64")]
pub use x86_64::Tsc as MachineCounter;

// The lines of its page: wide, unless the counter comes in halves.
#[cfg(target_arch = "x86_64")]
pub(crate) use crate::page::split as lines;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use crate::page::wide as lines;

/// The lines of every architecture's page, by the name in a target triple.
pub(crate) const ENCODINGS: &[(&str, Encoding)] = &[
    ("aarch64", Encoding::Wide),
    ("riscv64", Encoding::Wide),
    ("riscv64gc", Encoding::Wide),
    ("x86_64", Encoding::Split),
];
