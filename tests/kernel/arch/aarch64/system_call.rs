//! System calls that only this architecture has: none.

use super::trap::Frame;
use crate::syscall::{Errno, Outcome};

/// Serves one that the others do not have.
pub fn handle(_frame: &mut Frame, _number: u64, _arguments: [u64; 6]) -> Outcome {
    Err(Errno::NOSYS)
}
