//! What the entry code (trap.s) saves, and where exceptions and interrupts go.

use super::cpu::{features, read, write};
use super::{fault, gic, timer};

core::arch::global_asm!(include_str!("trap.s"));

/// A program's registers, as trap.s stores them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame {
    /// X0 to X30.
    pub x: [u64; 31],
    /// The stack pointer.
    pub sp: u64,
    /// Where to go on.
    pub pc: u64,
    /// PSTATE, in the form of SPSR_EL1.
    pub pstate: u64,
    /// ESR_EL1: what the exception was.
    pub syndrome: u64,
    /// FAR_EL1: the address that was accessed.
    pub fault_address: u64,
    /// Which of the sixteen vectors.
    pub vector: u64,
    reserved: u64,
}

const _: () = assert!(size_of::<Frame>() == 304);

/// Length of an instruction in bytes.
const INSTRUCTION_SIZE: u64 = 4;

/// M of PSTATE: EL1, with its own stack pointer. A program has 0: EL0.
const MODE: u64 = 0xf;

/// BTYPE of PSTATE: how the last branch was made (FEAT_BTI).
pub const BRANCH_TYPE: u64 = 0b11 << 10;

/// Its value for an indirect call.
pub const BRANCH_TYPE_CALL: u64 = 0b10 << 10;

/// Condition flags of PSTATE.
pub const FLAGS: u64 = 0b1111 << 28;

impl Frame {
    /// As a program starts: all registers 0, interrupts on (AAPCS64 leaves the rest to the platform).
    #[must_use]
    pub fn start(entry: u64, stack: u64) -> Frame {
        Frame { pc: entry, sp: stack, ..Frame::default() }
    }

    /// Whether user mode was interrupted.
    #[must_use]
    pub fn interrupted_user(&self) -> bool {
        self.pstate & MODE == 0
    }

    /// Number and arguments of a system call.
    #[must_use]
    pub fn system_call(&self) -> (u64, [u64; 6]) {
        let [a, b, c, d, e, f, ..] = self.x;
        (self.x[8], [a, b, c, d, e, f])
    }

    /// What the system call returns.
    pub fn set_result(&mut self, value: u64) {
        self.x[0] = value;
    }

    /// Goes back to where the system call `number` is made, to make it again. Its first argument is still there: that
    /// is where the result goes, and there is none yet.
    pub fn repeat_system_call(&mut self, number: u64) {
        self.pc -= INSTRUCTION_SIZE;
        self.x[8] = number;
    }
}

extern "C" {
    static vectors: u8;
    fn enter_user(frame: *const Frame) -> !;
    fn on_fresh_stack(function: extern "C" fn() -> !) -> !;
}

/// Where this CPU's exceptions go, and what programs and kernel are kept from.
pub fn init() {
    const SET_PRIVILEGED_ACCESS_NEVER: u64 = 1 << 23;
    /// PACIASP and PACIBSP are landing pads for calls only, in programs: as Linux has it.
    const STRICT_LANDING_PADS: u64 = 1 << 35;
    let mut control = read!("sctlr_el1");
    if features().privileged_access_never {
        control &= !SET_PRIVILEGED_ACCESS_NEVER; // a 0 lets each exception set PAN
    }
    if features().landing_pads {
        control |= STRICT_LANDING_PADS;
    }
    // SAFETY: the vectors are in place; the kernel reaches programs' memory by the direct map only.
    unsafe {
        write!("vbar_el1", &raw const vectors);
        write!("sctlr_el1", control);
    }
}

/// Goes on with a program.
pub fn enter(frame: &Frame) -> ! {
    // SAFETY: interrupts are masked, the frame leads to user mode, and is read before anything else can run.
    unsafe { enter_user(frame) }
}

/// Goes on with `function`, and forgets everything on this CPU's kernel stack.
pub fn restart(function: extern "C" fn() -> !) -> ! {
    // SAFETY: nothing on the stack is used any more: no one returns from here.
    unsafe { on_fresh_stack(function) }
}

/// The vectors that are used, as trap.s numbers them.
mod vector {
    pub const KERNEL_INTERRUPT: u64 = 5;
    pub const USER_EXCEPTION: u64 = 8;
    pub const USER_INTERRUPT: u64 = 9;
}

/// From trap.s.
#[no_mangle]
extern "C" fn trap_entry(frame: &mut Frame) {
    match frame.vector {
        vector::USER_EXCEPTION => fault::handle(frame),
        vector::USER_INTERRUPT | vector::KERNEL_INTERRUPT => {
            // What the registers hold is of an exception before.
            (frame.syndrome, frame.fault_address) = (0, 0);
            interrupt(frame);
        }
        _ => fault::in_kernel(frame),
    }
}

fn interrupt(frame: &mut Frame) {
    match gic::acknowledge() {
        gic::TIMER => {
            timer::silence();
            gic::end_of_interrupt(gic::TIMER);
            crate::timer::interrupt();
        }
        gic::WAKE => gic::end_of_interrupt(gic::WAKE),
        // It was taken back.
        number if number >= gic::SPECIAL => return,
        number => panic!("the unexpected interrupt {number}"),
    }
    // An idle CPU, whose kernel was interrupted, looks for work by itself.
    if frame.interrupted_user() {
        crate::scheduler::interrupted(frame);
    }
}
