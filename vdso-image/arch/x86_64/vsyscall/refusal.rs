//! The SIGSEGV that a refused access ends in.

use super::fault::{error_code, PageFault};
use core::fmt;

/// `si_code` of a SIGSEGV without an address: the value of Linux's `include/uapi/asm-generic/siginfo.h`.
pub const SI_KERNEL: i32 = 0x80;

/// `si_code` of a SIGSEGV at an address that is not mapped: same source.
pub const SEGV_MAPERR: i32 = 1;

/// Why an access to the page is refused; its `Display` is a line for the kernel's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The program wrote to the page.
    Write,
    /// The program read the page, in [`Mode::Xonly`](super::Mode::Xonly).
    Read,
    /// The mode is [`Mode::None`](super::Mode::None).
    Disabled,
    /// The program jumped into the page, but to none of the three entries.
    NotAnEntry,
    /// The return address cannot be read at the stack pointer.
    BadStack,
    /// The return address is not a user address. Linux performs the call and lets the return fault; refusing it spares the
    /// kernel an `iretq` to an address that may be non-canonical, which faults in the kernel.
    BadReturnAddress,
    /// A pointer that the function writes through is not a user address, or cannot be written to.
    BadPointer,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Write => "write to the vsyscall page",
            Reason::Read => "read of the vsyscall page, which is execute-only (mode xonly)",
            Reason::Disabled => "use of the vsyscall page, which is disabled (mode none)",
            Reason::NotAnEntry => "jump into the vsyscall page beside its entries",
            Reason::BadStack => "vsyscall with an unreadable stack",
            Reason::BadReturnAddress => "vsyscall that would return outside of user space",
            Reason::BadPointer => "vsyscall with a bad pointer",
        })
    }
}

/// A SIGSEGV to force on the thread that faulted, with its registers as they were at the fault. The signal is *forced*: a
/// thread that blocks or ignores it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why, for the kernel's log. The program is not told.
    pub reason: Reason,
    /// The page fault that the signal frame shows: its error code (`err`) and address (`cr2`), with trap number 14.
    /// `None`: the signal has no address.
    pub page_fault: Option<PageFault>,
}

impl Refusal {
    /// The signal's `si_code`, as Linux sends it.
    #[must_use]
    pub const fn si_code(&self) -> i32 {
        match self.page_fault {
            Some(_) => SEGV_MAPERR,
            None => SI_KERNEL,
        }
    }

    /// The signal's `si_addr`.
    #[must_use]
    pub const fn si_addr(&self) -> u64 {
        match self.page_fault {
            Some(fault) => fault.address,
            None => 0,
        }
    }

    pub(super) const fn silent(reason: Reason) -> Self {
        Refusal { reason, page_fault: None }
    }

    /// A fault at an upper-half address is always shown as a protection fault, so that its error code says nothing of the
    /// kernel's page tables.
    pub(super) const fn at_kernel_address(reason: Reason, fault: PageFault) -> Self {
        let shown = PageFault { error_code: fault.error_code | error_code::PRESENT, ..fault };
        Refusal { reason, page_fault: Some(shown) }
    }

    /// The fault that the old code would have met when it wrote to `address`.
    pub(super) const fn at_pointer(address: u64) -> Self {
        let fault = PageFault { error_code: error_code::USER | error_code::WRITE, address };
        Refusal { reason: Reason::BadPointer, page_fault: Some(fault) }
    }

    /// The fault that a `ret` to `address` would end in.
    pub(super) const fn at_return(address: u64) -> Self {
        let fault = PageFault { error_code: error_code::USER | error_code::FETCH, address };
        Refusal::at_kernel_address(Reason::BadReturnAddress, fault)
    }
}
