//! Each CPU's timer: the firmware's, which compares with the counter itself.

use super::sbi;

/// One interrupt, when the counter reaches `deadline` or soon after.
pub fn arm(deadline: u64) {
    sbi::set_timer(deadline);
}
