//! The processor's random numbers: supervisor mode has none.

/// None.
#[must_use]
pub fn number() -> Option<u64> {
    None
}
