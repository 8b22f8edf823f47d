//! The order of counter reads on x86-64.
//!
//! RDTSC is ordered by an LFENCE right before it (Intel SDM, RDTSC: "software can ... execute LFENCE immediately before
//! RDTSC"), which a branch between both would skip. RDTSCP waits for earlier loads by itself (Intel SDM, RDTSCP). So a
//! read is judged with the one instruction before it, and no way through the code has to be searched.

use crate::arch::{Fault, Paths};
use crate::gate::Rule;
use iced_x86::Mnemonic;

const REMEDY: &str = "write LFENCE and RDTSC in one `asm!` block, or use RDTSCP";

/// What is wrong with an RDTSC that stands behind `previous`.
pub(super) fn fault(previous: Option<Mnemonic>) -> Option<Fault> {
    let what = match previous {
        Some(Mnemonic::Lfence) => return None,
        Some(previous) => format!("RDTSC behind {previous:?} instead of LFENCE"),
        None => "RDTSC as the first instruction instead of behind LFENCE".to_owned(),
    };
    Some(Fault { rule: Rule::UnorderedCounter, what, remedy: REMEDY })
}

/// What is wrong with a branch to an RDTSC that stands behind its LFENCE.
pub(super) fn branch_fault() -> Fault {
    let what = "RDTSC is reached without its LFENCE".to_owned();
    Fault { rule: Rule::UnorderedCounter, what, remedy: REMEDY }
}

/// Finds nothing: each read has been judged when it was decoded.
pub(super) fn check(_: &Paths<'_>) -> Vec<(u64, Fault)> {
    Vec::new()
}
