//! From a processor's fault to a decision.

use super::call::Call;
use super::memory::UserMemory;
use super::page::{Entry, ADDRESS, PAGE_SIZE};
use super::refusal::{Reason, Refusal};

/// Bits of a page fault's error code: Intel SDM volume 3, "Interrupt 14, Page-Fault Exception (#PF)".
pub mod error_code {
    /// A protection fault; clear: a page that is not present.
    pub const PRESENT: u64 = 1 << 0;
    /// A write.
    pub const WRITE: u64 = 1 << 1;
    /// An access with user privilege.
    pub const USER: u64 = 1 << 2;
    /// A reserved bit is set in a page-table entry.
    pub const RESERVED: u64 = 1 << 3;
    /// An instruction fetch. Processors set it only with EFER.NXE or CR4.SMEP.
    pub const FETCH: u64 = 1 << 4;
}

/// What programs may do with the page: Linux's kernel parameter `vsyscall=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Call and read it: [`PAGE`](super::PAGE) is mapped, for reading.
    Emulate,
    /// Call it; nothing is mapped.
    Xonly,
    /// Nothing.
    None,
}

/// A page fault as the processor reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageFault {
    /// The error code: see [`error_code`].
    pub error_code: u64,
    /// The address in CR2.
    pub address: u64,
}

/// The fault that the kernel handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// #PF, vector 14.
    Page(PageFault),
    /// #GP, vector 13: what a processor with linear-address space separation raises in place of a page fault. It tells
    /// neither address nor kind of access, so the saved instruction pointer has to do. A read of the page cannot be
    /// told from any other #GP, and is left to the kernel. Only a kernel that sets CR4.LASS asks for this one.
    GeneralProtection {
        /// The privilege level in the saved CS is 3.
        user_mode: bool,
    },
}

/// The saved registers that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// What a filter may set in place of a result.
    pub rax: u64,
    /// First argument.
    pub rdi: u64,
    /// Second argument.
    pub rsi: u64,
    /// Where the fault happened.
    pub rip: u64,
    /// Where the return address lies.
    pub rsp: u64,
}

/// What a fault is, to the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Perform this system call, then return to the caller.
    Perform(Call),
    /// End it with SIGSEGV.
    Refuse(Refusal),
    /// Handle it as if there were no vsyscall page: it concerns another address, comes from the kernel itself or from
    /// broken page tables, or is a read in [`Mode::Emulate`], in which a kernel that maps the page on demand maps it.
    NotOurs,
}

/// Decides what a fault is. Reads at most the return address from user memory, and changes nothing.
pub fn decode<M: UserMemory + ?Sized>(mode: Mode, fault: Fault, registers: &Registers, memory: &M) -> Decision {
    let Some(access) = Access::of(fault, registers.rip) else { return Decision::NotOurs };
    let refuse = |reason| {
        Decision::Refuse(match fault {
            Fault::Page(fault) => Refusal::at_kernel_address(reason, fault),
            Fault::GeneralProtection { .. } => Refusal::silent(reason),
        })
    };
    match (access, mode) {
        (Access::Write, _) => refuse(Reason::Write),
        (Access::Read, Mode::Emulate) => Decision::NotOurs,
        (Access::Read | Access::Fetch, Mode::None) => refuse(Reason::Disabled),
        (Access::Read, Mode::Xonly) => refuse(Reason::Read),
        (Access::Fetch, Mode::Emulate | Mode::Xonly) => match call(registers, memory) {
            Ok(call) => Decision::Perform(call),
            Err(refusal) => Decision::Refuse(refusal),
        },
    }
}

fn call<M: UserMemory + ?Sized>(registers: &Registers, memory: &M) -> Result<Call, Refusal> {
    let entry = Entry::at(registers.rip).ok_or(Refusal::silent(Reason::NotAnEntry))?;
    Call::check(entry, registers, memory)
}

/// A user program's access to the page.
#[derive(Clone, Copy)]
enum Access {
    Fetch,
    Read,
    Write,
}

impl Access {
    fn of(fault: Fault, rip: u64) -> Option<Self> {
        match fault {
            Fault::Page(fault) => Access::of_page_fault(fault, rip),
            // No instruction of the page is ever executed, so a fault there is its fetch.
            Fault::GeneralProtection { user_mode } => (user_mode && in_page(rip)).then_some(Access::Fetch),
        }
    }

    fn of_page_fault(PageFault { error_code: bits, address }: PageFault, rip: u64) -> Option<Self> {
        let user = bits & error_code::USER != 0;
        let broken_tables = bits & error_code::RESERVED != 0;
        if !user || broken_tables || !in_page(address) {
            None
        } else if bits & error_code::WRITE != 0 {
            Some(Access::Write)
        } else if address == rip {
            // A fetch even if the processor does not say so (see error_code::FETCH): the instruction that would read
            // there stands in the page itself, and is never executed.
            Some(Access::Fetch)
        } else {
            Some(Access::Read)
        }
    }
}

const fn in_page(address: u64) -> bool {
    address & !(PAGE_SIZE as u64 - 1) == ADDRESS
}
