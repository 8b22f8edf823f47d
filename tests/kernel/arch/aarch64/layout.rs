//! Where things are in a program's address space.

use core::ops::Range;

/// End of what a program may map, a page below the end of its half: nothing runs on into what is no address.
pub const USER_END: u64 = 0xffff_ffff_f000;

/// Where the vDSO may be: neither programs, nor stacks, nor what `mmap` chooses.
pub const VDSO_AREA: Range<u64> = 0xfff0_0000_0000..0xffff_0000_0000;

/// Where position-independent programs go.
pub const POSITION_INDEPENDENT_BASE: u64 = 0xaaaa_aaaa_a000;
