//! The numbers of barriers: a DBAR's is its hint, an IBAR's is its hint and this.
//!
//! The manual has meanings for DBAR's hints since version 1.10 (1.5.1, number 6; CPUCFG.3.DBAR_hints), which its
//! English text leaves out; they are as Linux, GCC and LLVM use them: of the lowest five bits, each that is set lets
//! something pass. A processor without them takes each hint as 0 (2.2.8.1): all accesses before it are done when it is,
//! and none behind it starts before.

/// The IBAR of hint 0, the one that each processor has (2.2.8.2).
pub(crate) const IBAR: u32 = 1 << 15;

/// What a DBAR lets pass: loads behind it, loads before it, and those that are in order but not yet done.
const LATER_LOADS: u32 = 1 << 1;
const EARLIER_LOADS: u32 = 1 << 3;
const INCOMPLETE: u32 = 1 << 4;
/// Hints above have meanings of their own: 0x700 is for loads of one address only.
const HINTS: u32 = 1 << 5;

/// Whether the barrier is for the loads before it and behind it.
pub(crate) fn is_for_loads(number: u32) -> bool {
    number < HINTS && number & (EARLIER_LOADS | LATER_LOADS) == 0
}

/// Whether the loads before it are complete when it is.
pub(crate) fn completes_loads(number: u32) -> bool {
    number < HINTS && number & (EARLIER_LOADS | INCOMPLETE) == 0
}
