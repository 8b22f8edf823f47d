//! The program's SIMD and floating-point registers. The kernel itself is compiled without them, so they are only saved
//! when another process gets the CPU, or a signal is delivered.

use super::cpu::{read, write};

core::arch::global_asm!(include_str!("fpu.s"));

/// The registers, as fpu.s stores them.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct State {
    /// Q0 to Q31.
    pub registers: [u128; 32],
    /// FPSR: what has happened.
    pub status: u32,
    /// FPCR: rounding and the like.
    pub control: u32,
}

extern "C" {
    fn save_fpu(state: *mut State);
    fn restore_fpu(state: *const State);
}

/// Lets programs, and fpu.s, use them: CPACR_EL1.FPEN. SVE and SME stay trapped.
pub fn init() {
    const NO_TRAP: u64 = 0b11 << 20;
    const SVE_SME: u64 = 0b11 << 16 | 0b11 << 24;
    let access = read!("cpacr_el1") & !SVE_SME | NO_TRAP;
    // SAFETY: the kernel keeps these registers for its programs.
    unsafe { write!("cpacr_el1", access) };
}

impl State {
    /// All zero: what a new program expects.
    pub const INITIAL: State = State { registers: [0; 32], status: 0, control: 0 };

    /// Takes the registers into this state.
    pub fn save(&mut self) {
        // SAFETY: fpu.s fills a state.
        unsafe { save_fpu(self) };
    }

    /// Puts this state into the registers.
    pub fn restore(&self) {
        // SAFETY: fpu.s reads a state. Bits of FPSR and FPCR that are reserved are not stored by the processor.
        unsafe { restore_fpu(self) };
    }
}
