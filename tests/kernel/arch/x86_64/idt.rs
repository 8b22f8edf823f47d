//! The interrupt descriptor table: one for all CPUs.

use super::gdt::{FATAL_STACK, KERNEL_CODE};
use core::arch::asm;
use core::cell::UnsafeCell;

extern "C" {
    /// A stub of 16 bytes a vector, in trap.s.
    static trap_stubs: [[u8; 16]; 256];
}

/// A gate (Intel SDM volume 3, figure 6-8).
#[repr(C)]
#[derive(Clone, Copy)]
struct Gate(u64, u64);

#[repr(C, align(16))]
struct Table(UnsafeCell<[Gate; 256]>);

// SAFETY: written once by the first CPU, before any is loaded with it.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([Gate(0, 0); 256]));

/// Vectors with a stack of their own: NMI, double fault, machine check.
const FATAL: [usize; 3] = [2, 8, 18];

/// Breakpoint: the one that user mode may raise by an instruction (INT3).
const BREAKPOINT: usize = 3;

fn gate(vector: usize) -> Gate {
    // SAFETY: only the address is taken.
    let handler = unsafe { &raw const trap_stubs[vector] } as u64;
    let stack = if FATAL.contains(&vector) { u64::from(FATAL_STACK) } else { 0 };
    let ring = if vector == BREAKPOINT { 3 } else { 0 };
    let low = handler & 0xffff
        | u64::from(KERNEL_CODE) << 16
        | stack << 32
        | (0x8e | ring << 5) << 40 // present, interrupt gate
        | (handler >> 16 & 0xffff) << 48;
    Gate(low, handler >> 32)
}

/// Fills the table. Called by the first CPU.
pub fn init() {
    // SAFETY: no CPU uses the table yet.
    let table = unsafe { &mut *TABLE.0.get() };
    for (vector, entry) in table.iter_mut().enumerate() {
        *entry = gate(vector);
    }
}

/// Loads the table on this CPU.
pub fn load() {
    #[repr(C, packed)]
    struct Pointer {
        limit: u16,
        base: u64,
    }
    let pointer = Pointer { limit: size_of::<[Gate; 256]>() as u16 - 1, base: TABLE.0.get() as u64 };
    // SAFETY: the table is filled, and stays.
    unsafe { asm!("lidt [{}]", in(reg) &pointer, options(nostack, preserves_flags)) };
}
