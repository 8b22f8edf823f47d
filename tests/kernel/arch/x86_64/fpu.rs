//! The program's x87 and SSE registers. The kernel itself is compiled without them, so they are only saved when another
//! process gets the CPU.

use core::arch::asm;

/// The area of FXSAVE (Intel SDM volume 1, 10.5.1).
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct State([u8; 512]);

impl State {
    /// As after FNINIT, with every SSE exception masked: what a new program expects (System V ABI, x86-64, 3.4.1).
    pub const INITIAL: State = {
        let mut bytes = [0; 512];
        bytes[0] = 0x7f; // control word 0x037f
        bytes[1] = 0x03;
        bytes[24] = 0x80; // MXCSR 0x1f80
        bytes[25] = 0x1f;
        State(bytes)
    };

    /// The bytes, as a program finds them in the frame of a signal.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes that a program has given: [`make_valid`](State::make_valid) is due before they are restored.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Clears what FXRSTOR faults on: the bits of MXCSR that are reserved on every processor (Intel SDM volume 1, 10.2.3).
    pub fn make_valid(&mut self) {
        // Bit 6, DAZ, is reserved where MXCSR_MASK says so; every processor with long mode but the first has it.
        self.0[26] = 0;
        self.0[27] = 0;
    }

    /// Takes the registers into this state.
    pub fn save(&mut self) {
        // SAFETY: 512 bytes, aligned; CR4.OSFXSR is set.
        unsafe { asm!("fxsave64 [{}]", in(reg) self.0.as_mut_ptr(), options(nostack, preserves_flags)) };
    }

    /// Puts this state into the registers.
    pub fn restore(&self) {
        // SAFETY: as above; the bytes come from FXSAVE or are `INITIAL`, or have been made valid: MXCSR has no reserved bit.
        unsafe { asm!("fxrstor64 [{}]", in(reg) self.0.as_ptr(), options(nostack, preserves_flags)) };
    }
}
