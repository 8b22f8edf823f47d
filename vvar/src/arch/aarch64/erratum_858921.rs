//! Cortex-A73 erratum 858921, by itself: the arithmetic is tested on any machine.

/// Which of two reads to believe where erratum 858921 is: a read in the very moment in which the low half wraps can return the
/// new high half with the old low one, almost 2^32 too much.
///
/// One of two reads in a row is not in that moment. If bit 32 differs, the counter has wrapped at or before the second read, and
/// not at the first, which is right. If it does not differ, the first read may have been in that moment, and the second is right.
/// That is the workaround which Arm's errata notice for the Cortex-A73 gives.
#[inline(always)]
pub(super) const fn either_side_of_a_wrap(first: u64, second: u64) -> u64 {
    if (first ^ second) >> 32 & 1 == 0 {
        second
    } else {
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a read at `counter` can return, if it goes wrong where the low half is `moment`.
    fn reads(counter: u64, moment: u32) -> impl Iterator<Item = u64> {
        let wrong = (counter as u32 == moment).then_some((counter + 1) | 0xffff_ffff);
        core::iter::once(counter).chain(wrong)
    }

    #[test]
    fn erratum_858921_is_overcome() {
        for wrap in [1 << 32, 2 << 32, 0x1234_5678 << 32] {
            // Just before the low half has wrapped, or just after.
            for moment in [u32::MAX, 0] {
                for (at, later) in (wrap - 3..wrap + 3).flat_map(|at| [(at, at + 1), (at, at + 2)]) {
                    for (first, second) in reads(at, moment).flat_map(|a| reads(later, moment).map(move |b| (a, b))) {
                        let value = either_side_of_a_wrap(first, second);
                        assert!((at..=later).contains(&value), "{first:#x}, {second:#x}: {value:#x}");
                    }
                }
            }
        }
    }
}
