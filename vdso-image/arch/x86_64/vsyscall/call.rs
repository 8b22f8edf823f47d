//! A call that is to be performed: its system call, the system-call filter, the emulated return.

use super::fault::Registers;
use super::memory::UserMemory;
use super::page::Entry;
use super::refusal::{Reason, Refusal};

/// EFAULT, negated, as a system call returns it: Linux `include/uapi/asm-generic/errno-base.h`.
const EFAULT: i64 = -14;

/// A call whose address, stack and pointers have been checked.
///
/// The kernel asks its filter, if it has any, and tells [`filtered`](Self::filtered); performs the system call, and tells
/// [`returned`](Self::returned).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the program waits for this call"]
pub struct Call {
    entry: Entry,
    pointers: [u64; 2],
    return_address: u64,
    rsp: u64,
}

impl Call {
    /// The stack first, then the pointers: the order in which Linux reports them.
    pub(super) fn check<M: UserMemory + ?Sized>(
        entry: Entry,
        registers: &Registers,
        memory: &M,
    ) -> Result<Self, Refusal> {
        let return_address = return_address(registers.rsp, memory)?;
        let pointers = [registers.rdi, registers.rsi];
        for (pointer, length) in pointers.into_iter().zip(entry.output_lengths()) {
            // Null means "do not write", also to a kernel in which 0 is no user address.
            if pointer != 0 && length != 0 && !memory.is_user_range(pointer, length) {
                return Err(Refusal::at_pointer(pointer));
            }
        }
        Ok(Call { entry, pointers, return_address, rsp: registers.rsp })
    }

    /// Which function was called.
    #[must_use]
    pub const fn entry(&self) -> Entry {
        self.entry
    }

    /// The number of the system call to perform. A filter sees it as `nr`, with the entry's address, where the saved
    /// instruction pointer still stands, as `instruction_pointer`, and with the registers as the program left them.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.entry.number()
    }

    /// The arguments of the system call. getcpu's third, a pointer to a cache that no kernel has used since 2.6.24, is 0
    /// whatever rdx holds, and `time` has one only. The program finds rdx unchanged: a kernel whose system calls take
    /// their arguments from the saved registers puts back what it overwrote.
    #[must_use]
    pub const fn arguments(&self) -> [u64; 3] {
        match self.entry {
            Entry::Time => [self.pointers[0], 0, 0],
            Entry::Gettimeofday | Entry::Getcpu => [self.pointers[0], self.pointers[1], 0],
        }
    }

    /// What becomes of the call after the system-call filter (seccomp) has seen it, and a tracer that the filter asked.
    /// `registers` are the saved ones now: a tracer may have changed them, and the system call uses what it left.
    ///
    /// The filter sees the call with the saved rax at -ENOSYS, as at any system call.
    #[must_use]
    pub fn filtered(self, verdict: Verdict, registers: &Registers) -> Filtered {
        let call = Call { pointers: [registers.rdi, registers.rsi], rsp: registers.rsp, ..self };
        if registers.rip != self.entry.address() {
            return Filtered::Kill;
        }
        match verdict {
            // System call numbers are of type `int`.
            Verdict::Allow { number } if (number as i32) < 0 => Filtered::Return(call.ret(registers.rax)),
            Verdict::Allow { number } if number != self.number() => Filtered::Kill,
            Verdict::Allow { .. } => Filtered::Perform(call),
            Verdict::Skip => Filtered::Return(call.ret(registers.rax)),
        }
    }

    /// How the program goes on after the system call: with its result (a negated error number included), or, where the old
    /// code would have faulted, with SIGSEGV.
    ///
    /// # Errors
    ///
    /// The result is -EFAULT: a pointer could not be written to.
    pub fn returned(self, result: i64) -> Result<Return, Refusal> {
        if result == EFAULT {
            return Err(Refusal::silent(Reason::BadPointer));
        }
        Ok(self.ret(result as u64))
    }

    /// The `ret` instruction.
    const fn ret(self, rax: u64) -> Return {
        Return { rax, rip: self.return_address, rsp: self.rsp.wrapping_add(8) }
    }
}

fn return_address<M: UserMemory + ?Sized>(rsp: u64, memory: &M) -> Result<u64, Refusal> {
    if !memory.is_user_range(rsp, 8) {
        return Err(Refusal::silent(Reason::BadStack));
    }
    let address = memory.read_u64(rsp).ok_or(Refusal::silent(Reason::BadStack))?;
    if !memory.is_user_range(address, 1) {
        return Err(Refusal::at_return(address));
    }
    Ok(address)
}

/// What a system-call filter said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Perform it (SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, or SECCOMP_RET_TRACE and the tracer let it pass).
    Allow {
        /// The saved system call number (`orig_rax`): [`Call::number`], unless a tracer changed it. Negative: the
        /// tracer skips the call.
        number: u64,
    },
    /// Do not perform it; the saved rax holds what the program gets instead (SECCOMP_RET_ERRNO, SECCOMP_RET_TRAP,
    /// SECCOMP_RET_USER_NOTIF). A signal that the filter sent is delivered after the return.
    Skip,
}

/// What to do after the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filtered {
    /// Perform the system call.
    Perform(Call),
    /// Perform nothing, return.
    Return(Return),
    /// End the process with SIGSYS, whatever its handlers: the number or the instruction pointer was changed, and the page
    /// is no way to other system calls.
    Kill,
}

/// The registers with which the program goes on. All others stay as they were at the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the program faults again at the same place unless these are set"]
pub struct Return {
    /// The result.
    pub rax: u64,
    /// The return address, a user address.
    pub rip: u64,
    /// The stack pointer, above the return address.
    pub rsp: u64,
}
