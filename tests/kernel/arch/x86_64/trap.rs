//! What the entry code (trap.s) saves, and where exceptions and interrupts go.

use super::gdt::{USER_CODE, USER_DATA};
use super::{apic, fault};

core::arch::global_asm!(include_str!("trap.s"));

/// A program's registers, in the order in which trap.s pushes them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    /// 256 for a system call.
    pub vector: u64,
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// Length of the instruction SYSCALL in bytes.
const SYSCALL_SIZE: u64 = 2;

impl Frame {
    /// As a program starts: all registers 0, interrupts on (System V ABI, x86-64, 3.4.1).
    #[must_use]
    pub fn start(entry: u64, stack: u64) -> Frame {
        const INTERRUPTS: u64 = 0x202;
        Frame {
            rip: entry,
            rsp: stack,
            cs: u64::from(USER_CODE),
            ss: u64::from(USER_DATA),
            rflags: INTERRUPTS,
            ..Frame::default()
        }
    }

    /// Whether user mode was interrupted.
    #[must_use]
    pub fn interrupted_user(&self) -> bool {
        self.cs & 3 != 0
    }

    /// Number and arguments of a system call.
    #[must_use]
    pub fn system_call(&self) -> (u64, [u64; 6]) {
        (self.rax, [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9])
    }

    /// What the system call returns.
    pub fn set_result(&mut self, value: u64) {
        self.rax = value;
    }

    /// Goes back to where the system call `number` is made, to make it again.
    pub fn repeat_system_call(&mut self, number: u64) {
        self.rip -= SYSCALL_SIZE;
        self.rax = number;
    }
}

extern "C" {
    fn enter_user(frame: *const Frame) -> !;
    fn on_fresh_stack(function: extern "C" fn() -> !) -> !;
}

/// Goes on with a program.
pub fn enter(frame: &Frame) -> ! {
    // SAFETY: interrupts are off, the frame leads to user mode, and is read before anything else can run.
    unsafe { enter_user(frame) }
}

/// Goes on with `function`, and forgets everything on this CPU's kernel stack.
pub fn restart(function: extern "C" fn() -> !) -> ! {
    // SAFETY: nothing on the stack is used any more: no one returns from here.
    unsafe { on_fresh_stack(function) }
}

const EXCEPTIONS: u64 = 32;

/// From trap.s.
#[no_mangle]
extern "C" fn trap_entry(frame: &mut Frame) {
    match frame.vector {
        vector if vector < EXCEPTIONS => fault::handle(frame),
        vector if vector == u64::from(apic::TIMER_VECTOR) => {
            apic::end_of_interrupt();
            crate::timer::interrupt();
            look_for_work(frame);
        }
        vector if vector == u64::from(apic::WAKE_VECTOR) => {
            apic::end_of_interrupt();
            look_for_work(frame);
        }
        // A spurious interrupt is not to be ended (Intel SDM volume 3, 10.9).
        vector if vector == u64::from(apic::SPURIOUS_VECTOR) => {}
        vector => panic!("interrupt with the unexpected vector {vector}"),
    }
}

/// An idle CPU, whose kernel was interrupted, looks by itself.
fn look_for_work(frame: &mut Frame) {
    if frame.interrupted_user() {
        crate::scheduler::interrupted(frame);
    }
}
