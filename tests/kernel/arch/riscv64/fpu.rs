//! The program's floating-point registers. The kernel does not use them (`trap.s` sees to it), so they are only saved when
//! another process gets the CPU, or a signal is delivered.

core::arch::global_asm!(include_str!("fpu.s"));

/// F0 to F31 and FCSR. All zero is what a new program expects.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// The registers.
    pub f: [u64; 32],
    /// Rounding mode and flags.
    pub fcsr: u64,
}

extern "C" {
    fn save_fpu(state: *mut State);
    fn restore_fpu(state: *const State);
}

impl State {
    /// What the registers hold.
    #[must_use]
    pub fn current() -> State {
        let mut state = State::default();
        // SAFETY: fills the state.
        unsafe { save_fpu(&raw mut state) };
        state
    }

    /// Puts this state into the registers. Every pattern of bits can be put there; reserved ones of FCSR are ignored.
    pub fn restore(&self) {
        // SAFETY: reads the state; the kernel has nothing in these registers.
        unsafe { restore_fpu(self) };
    }
}
