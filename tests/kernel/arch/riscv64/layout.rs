//! Where things are in a program's address space: the lower half of Sv39, 256 GiB.

use core::ops::Range;

/// End of what a program may map, a page below the end of the lower half: the address behind its last instruction is one.
pub const USER_END: u64 = 0x3f_ffff_f000;

/// Where the vDSO may be: neither programs, nor stacks, nor what `mmap` chooses.
pub const VDSO_AREA: Range<u64> = 0x3f_0000_0000..0x3f_f000_0000;

/// Where position-independent programs go.
pub const POSITION_INDEPENDENT_BASE: u64 = 0x2a_aaaa_a000;
