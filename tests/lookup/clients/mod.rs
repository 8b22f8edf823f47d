//! The look-up rules of those who call a vDSO, one file a client: what each reads, in its order, and where it gives up.
//!
//! Written from what the clients' sources do, each named in its file, and not from their text. A client that reads memory
//! unchecked does so here as well, and then fails with a [`Fault`] where the client would get SIGSEGV.

mod bionic;
mod criu;
mod glibc;
mod go;
mod linux_raw_vdso;
mod musl;
mod parse_vdso;
mod rustix;

use crate::memory::{Fault, Memory};
use vdso_tests::Architecture;

/// A client.
pub(crate) struct Client {
    /// What it is called here.
    pub(crate) name: &'static str,
    /// Its row in the tables of what is looked up on each architecture: releases that look the same up share one.
    pub(crate) row: &'static str,
    /// How it looks them up.
    pub(crate) look_up: fn(&Memory, &Architecture, &[&str]) -> Answer,
}

impl Client {
    /// The functions that it looks up on an architecture; none if it does not know the architecture.
    pub(crate) fn wants(&self, arch: &Architecture) -> &'static [&'static str] {
        arch.wanted_by(self.row)
    }
}

/// The address of each function that was looked up; none where the client does not find it, and makes the system call.
pub(crate) type Answer = Result<Vec<Option<u64>>, Failure>;

/// Why a client finds no function at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It does not want this image, and makes system calls.
    Rejects(&'static str),
    /// It ends the process.
    Aborts(&'static str),
    /// It reads memory that is not mapped.
    Faults(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::Faults(fault)
    }
}

/// Every client, old releases beside new ones where they differ.
pub(crate) const CLIENTS: &[Client] = &[
    glibc::GLIBC,
    glibc::GLIBC_2_30,
    musl::MUSL,
    musl::MUSL_GNU_HASH,
    go::GO,
    bionic::BIONIC_OLD,
    bionic::BIONIC,
    rustix::RUSTIX,
    linux_raw_vdso::LINUX_RAW_VDSO,
    criu::CRIU_4_0,
    criu::CRIU,
    parse_vdso::PARSE_VDSO,
];
