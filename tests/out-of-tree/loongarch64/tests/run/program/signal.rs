//! A signal, whose handler returns by the image's trampoline. The kernel has no `sa_restorer` on this architecture, so the
//! handler puts the trampoline's address where the kernel has put that of its own: into the register that it returns by.

use crate::system_call::{exit, system_call, write};
use core::arch::global_asm;
use core::ptr::addr_of;

/// Words of a signal's frame from the stack pointer to the end of the saved registers: `siginfo`, `ucontext` up to the
/// `sigcontext`, in that the program counter and the registers (Linux `arch/loongarch/include/uapi/asm`).
const FRAME: usize = (128 + 176) / 8 + 33;

#[no_mangle]
static mut GUEST_TRAMPOLINE: usize = 0;
/// Where the handler's stack pointer was, and what was there.
#[no_mangle]
static mut GUEST_FRAME: [isize; 1 + FRAME] = [0; 1 + FRAME];
/// The registers behind the interrupted instruction, once the handler has returned.
#[no_mangle]
static mut GUEST_REGISTERS: [isize; 32] = [0; 32];

extern "C" {
    fn guest_handler();
    fn guest_interrupted();
    fn guest_no_instruction();
}

global_asm!(
    // Each register but sp holds its number, and 0x1000 in its upper half, as it is interrupted. No instruction is all ones.
    "guest_interrupted:",
    "addi.d $sp, $sp, -112",
    "st.d $ra, $sp, 0",
    "st.d $tp, $sp, 8",
    "st.d $r21, $sp, 16",
    ".irp n, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "st.d $r\\n, $sp, 24 + 8 * (\\n - 22)",
    ".endr",
    ".irp n, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "ori $r\\n, $zero, \\n",
    "lu32i.d $r\\n, 0x1000",
    ".endr",
    "guest_no_instruction:",
    ".word 0xffffffff",
    // A register is needed for the address: t0 is put aside on the stack.
    "st.d $t0, $sp, 104",
    "la.pcrel $t0, GUEST_REGISTERS",
    ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "st.d $r\\n, $t0, 8 * \\n",
    ".endr",
    "ld.d $t1, $sp, 104",
    "st.d $t1, $t0, 8 * 12",
    ".irp n, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "ld.d $r\\n, $sp, 24 + 8 * (\\n - 22)",
    ".endr",
    "ld.d $r21, $sp, 16",
    "ld.d $tp, $sp, 8",
    "ld.d $ra, $sp, 0",
    "addi.d $sp, $sp, 112",
    "ret",
    // Copies the frame, skips the instruction, and changes the registers that a handler may change.
    "guest_handler:",
    "la.pcrel $t0, GUEST_FRAME",
    "st.d $sp, $t0, 0",
    "move $t1, $sp",
    "ori $t2, $zero, {words}",
    "1:",
    "ld.d $t3, $t1, 0",
    "addi.d $t0, $t0, 8",
    "st.d $t3, $t0, 0",
    "addi.d $t1, $t1, 8",
    "addi.d $t2, $t2, -1",
    "bnez $t2, 1b",
    "ld.d $t3, $sp, {pc}",
    "addi.d $t3, $t3, 4",
    "st.d $t3, $sp, {pc}",
    "la.pcrel $t0, GUEST_TRAMPOLINE",
    "ld.d $ra, $t0, 0",
    ".irp n, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20",
    "move $r\\n, $zero",
    ".endr",
    "jr $ra",
    words = const FRAME,
    pc = const 128 + 176,
);

const SIGILL: isize = 4;
const SIGSEGV: isize = 11;

#[repr(C)]
struct Action {
    handler: unsafe extern "C" fn(),
    flags: usize,
    mask: u64,
}

fn set_handler(signal: isize, handler: unsafe extern "C" fn()) {
    const RT_SIGACTION: isize = 134;
    const SA_SIGINFO: usize = 4;
    let action = Action { handler, flags: SA_SIGINFO, mask: 0 };
    // SAFETY: reads the action, as `struct sigaction` has it.
    let result =
        unsafe { system_call(RT_SIGACTION, [signal, addr_of!(action) as isize, 0, size_of::<u64>() as isize, 0, 0]) };
    if result != 0 {
        exit(104);
    }
}

/// A fault ends the program with the status that a shell would give it: 128 and the signal's number. By default QEMU would say
/// a line of its own, and may leave a core file.
pub(crate) fn exit_on_faults() {
    unsafe extern "C" fn handler() {
        exit(128 + SIGSEGV)
    }
    set_handler(SIGSEGV, handler);
}

/// Writes 0, then the stack pointer of the handler and the frame there, then the address of the interrupted instruction and
/// the registers as they were behind it.
pub(crate) fn handle(trampoline: usize) {
    set_handler(SIGILL, guest_handler);
    // SAFETY: there is one thread, and the handler has run when these are read.
    unsafe {
        GUEST_TRAMPOLINE = trampoline;
        guest_interrupted();
        write(&[0; 5]);
        write(&*addr_of!(GUEST_FRAME));
        write(&[guest_no_instruction as unsafe extern "C" fn() as isize]);
        write(&*addr_of!(GUEST_REGISTERS));
    }
}
