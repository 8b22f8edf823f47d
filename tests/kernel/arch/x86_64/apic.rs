//! The local APIC (Intel SDM volume 3, chapter 10): its timer, and interrupts from one CPU to another.

use super::cpu::outb;
use super::mmu::direct;
use super::per_cpu;
use crate::cpus::MAX_CPUS;
use core::sync::atomic::{AtomicU32, Ordering};

const BASE: u64 = 0xfee0_0000;

const ID: u64 = 0x20;
const TASK_PRIORITY: u64 = 0x80;
const END_OF_INTERRUPT: u64 = 0xb0;
const SPURIOUS: u64 = 0xf0;
const COMMAND_LOW: u64 = 0x300;
const COMMAND_HIGH: u64 = 0x310;
const TIMER: u64 = 0x320;
const INITIAL_COUNT: u64 = 0x380;
const CURRENT_COUNT: u64 = 0x390;
const DIVIDE: u64 = 0x3e0;

/// Vector of the timer.
pub const TIMER_VECTOR: u8 = 0x40;
/// Vector of the interrupt that says "look for work".
pub const WAKE_VECTOR: u8 = 0x41;
/// Vector of interrupts that were taken back.
pub const SPURIOUS_VECTOR: u8 = 0xff;

const MASKED: u32 = 1 << 16;
const DIVIDE_BY_1: u32 = 0b1011;
const DELIVERY_PENDING: u32 = 1 << 12;

static IDS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];

fn register(offset: u64) -> *mut u32 {
    direct(BASE + offset).cast()
}

fn read(offset: u64) -> u32 {
    // SAFETY: a register of this CPU's APIC; the direct map has it uncached.
    unsafe { register(offset).read_volatile() }
}

fn write(offset: u64, value: u32) {
    // SAFETY: as above; the callers write what the manual has.
    unsafe { register(offset).write_volatile(value) };
}

/// Switches this CPU's APIC on.
pub fn init() {
    write(TASK_PRIORITY, 0);
    write(SPURIOUS, 0x100 | u32::from(SPURIOUS_VECTOR));
    write(TIMER, MASKED);
    IDS[per_cpu::index()].store(read(ID), Ordering::Relaxed);
}

/// Silences the legacy interrupt controllers (Intel 8259A), which this kernel does not use.
pub fn mask_legacy_controllers() {
    for port in [0x21, 0xa1] {
        // SAFETY: the controllers' mask registers.
        unsafe { outb(port, 0xff) };
    }
}

/// The interrupt that is being served is done with.
pub fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// Lets the timer count down from its maximum, without an interrupt.
pub fn start_timer_for_calibration() {
    write(DIVIDE, DIVIDE_BY_1);
    write(TIMER, MASKED);
    write(INITIAL_COUNT, u32::MAX);
}

/// Where the timer stands.
pub fn timer_count() -> u32 {
    read(CURRENT_COUNT)
}

/// One interrupt, `count` of the timer's ticks from now.
pub fn arm_timer(count: u32) {
    write(DIVIDE, DIVIDE_BY_1);
    write(TIMER, u32::from(TIMER_VECTOR));
    write(INITIAL_COUNT, count);
}

/// Asks whether the last command is on its way before it is given up: a tenth of a second or more, as a read of the APIC takes
/// 100 ns at least where it is emulated, and no fewer than some cycles of the bus where it is not.
const PATIENCE: u32 = 1_000_000;

fn send(destination: u32, command: u32) {
    write(COMMAND_HIGH, destination);
    write(COMMAND_LOW, command);
    let delivered = (0..PATIENCE).any(|_| read(COMMAND_LOW) & DELIVERY_PENDING == 0);
    assert!(delivered, "the local APIC does not deliver command {command:#x} to {destination:#x}");
}

/// Interrupts another CPU.
pub fn wake(cpu: usize) {
    send(IDS[cpu].load(Ordering::Relaxed), 1 << 14 | u32::from(WAKE_VECTOR));
}

/// INIT to every other CPU.
pub fn broadcast_init() {
    send(0, 0xc_4500);
}

/// STARTUP to every other CPU: it begins in real mode at `page << 12`.
pub fn broadcast_startup(page: u8) {
    send(0, 0xc_4600 | u32::from(page));
}
