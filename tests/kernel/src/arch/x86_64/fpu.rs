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

    /// Takes the registers into this state.
    pub fn save(&mut self) {
        // SAFETY: 512 bytes, aligned; CR4.OSFXSR is set.
        unsafe { asm!("fxsave64 [{}]", in(reg) self.0.as_mut_ptr(), options(nostack, preserves_flags)) };
    }

    /// Puts this state into the registers.
    pub fn restore(&self) {
        // SAFETY: as above; the bytes come from FXSAVE or are `INITIAL`, so MXCSR has no reserved bit.
        unsafe { asm!("fxrstor64 [{}]", in(reg) self.0.as_ptr(), options(nostack, preserves_flags)) };
    }
}
