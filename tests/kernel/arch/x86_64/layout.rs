//! Where things are in a program's address space.

use core::ops::Range;

/// End of what a program may map, a page below the end of the lower half: see trap.s on SYSRET.
pub const USER_END: u64 = 0x7fff_ffff_f000;

/// Where the vDSO may be: neither programs, nor stacks, nor what `mmap` chooses.
pub const VDSO_AREA: Range<u64> = 0x7ff0_0000_0000..0x7fff_0000_0000;

/// Where position-independent programs go.
pub const POSITION_INDEPENDENT_BASE: u64 = 0x5555_5555_4000;
