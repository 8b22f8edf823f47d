//! The interrupt controller, a GICv3 (Arm IHI 0069): the timer's interrupt, and interrupts from one CPU to another.

use super::cpu::{read, write};
use super::device_tree::Region;
use super::mmu::direct;
use super::per_cpu;
use crate::cpus::MAX_CPUS;
use crate::lock::Once;
use core::sync::atomic::{AtomicU64, Ordering};

/// The interrupt that says "look for work": a software-generated one.
pub const WAKE: u32 = 0;
/// The virtual timer's: private peripheral interrupt 27 (Arm DEN 0094, "Base System Architecture", "PPI assignments").
pub const TIMER: u32 = 27;
/// From here on: nothing is pending (IHI 0069, "INTIDs").
pub const SPECIAL: u32 = 1020;

/// Where it is: physical addresses, from the device tree.
#[derive(Debug, Clone)]
pub struct Place {
    /// The distributor.
    pub distributor: Region,
    /// The redistributors.
    pub redistributors: Region,
}

static PLACE: Once<Place> = Once::new();

// Of the distributor.
const CONTROL: u64 = 0x0000;
const ENABLE_GROUP_1: u32 = 1 << 1;
const AFFINITY_ROUTING: u32 = 1 << 4;
const WRITE_PENDING: u32 = 1 << 31;

// Of a redistributor, in its first frame of 64 KiB.
const TYPE: u64 = 0x0008;
const WAKER: u64 = 0x0014;
const LAST: u64 = 1 << 4;
const VIRTUAL_LPIS: u64 = 1 << 1;
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;
// And in its second one.
const GROUP: u64 = 0x1_0080;
const ENABLE: u64 = 0x1_0100;
const PRIORITY: u64 = 0x1_0400;

/// Affinity of each CPU, as MPIDR_EL1 has it.
static AFFINITIES: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

fn read_word(address: u64) -> u32 {
    // SAFETY: a register of the interrupt controller, which the direct map has as a device and only this module drives.
    unsafe { direct(address).cast::<u32>().read_volatile() }
}

fn write_word(address: u64, value: u32) {
    // SAFETY: as above.
    unsafe { direct(address).cast::<u32>().write_volatile(value) };
}

/// Affinity of the CPU that executes: MPIDR_EL1 without its flags.
fn affinity() -> u64 {
    read!("mpidr_el1") & 0xff_00ff_ffff
}

/// Waits for the controller to do what a register says, which takes it some cycles of its clock. Asked, not timed: a read
/// of a device takes 100 ns at least, so a tenth of a second passes before it counts as broken.
fn wait(done: impl Fn() -> bool) -> bool {
    const PATIENCE: u32 = 1_000_000;
    (0..PATIENCE).any(|_| done())
}

/// Switches the distributor on. Called by the first CPU.
///
/// # Errors
///
/// If it does not answer.
pub fn init(place: Place) -> Result<(), &'static str> {
    let control = place.distributor.start + CONTROL;
    PLACE.set(place);
    write_word(control, AFFINITY_ROUTING);
    write_word(control, AFFINITY_ROUTING | ENABLE_GROUP_1);
    if !wait(|| read_word(control) & WRITE_PENDING == 0) {
        return Err("the interrupt controller does not answer: the distributor's write (GICD_CTLR.RWP) stays pending");
    }
    Ok(())
}

/// The redistributor of the CPU that executes.
fn redistributor() -> Result<u64, &'static str> {
    let affinity = affinity();
    let packed = affinity >> 32 << 24 | affinity & 0xff_ffff;
    let Region { start: mut frame, end } = PLACE.get().redistributors;
    while frame < end {
        // SAFETY: as in `read_word`; the register has 64 bits.
        let kind = unsafe { direct(frame + TYPE).cast::<u64>().read_volatile() };
        if kind >> 32 == packed {
            return Ok(frame);
        }
        if kind & LAST != 0 {
            break;
        }
        // Two frames, or four with virtual interrupts.
        frame += if kind & VIRTUAL_LPIS != 0 { 0x4_0000 } else { 0x2_0000 };
    }
    Err("the interrupt controller has no redistributor for this CPU")
}

/// Switches this CPU's part on: its two interrupts, all priorities.
pub fn init_cpu() -> Result<(), &'static str> {
    AFFINITIES[per_cpu::index()].store(affinity(), Ordering::Relaxed);
    let frame = redistributor()?;
    write_word(frame + WAKER, read_word(frame + WAKER) & !PROCESSOR_SLEEP);
    if !wait(|| read_word(frame + WAKER) & CHILDREN_ASLEEP == 0) {
        return Err("the interrupt controller does not answer: this CPU's part (GICR_WAKER) stays asleep");
    }
    const MIDDLE: u32 = 0xa0a0_a0a0;
    write_word(frame + GROUP, u32::MAX);
    for register in [WAKE / 4, TIMER / 4] {
        write_word(frame + PRIORITY + 4 * u64::from(register), MIDDLE);
    }
    write_word(frame + ENABLE, 1 << WAKE | 1 << TIMER);
    let by_registers = read!("icc_sre_el1") | 1;
    // SAFETY: the controller is a GICv3, which has these registers. System registers instead of memory (SRE); every
    // priority is let through; group 1 is what the two interrupts belong to.
    unsafe {
        write!("icc_sre_el1", by_registers);
        write!("icc_pmr_el1", 0xff_u64);
        write!("icc_igrpen1_el1", 1_u64);
    }
    Ok(())
}

/// Takes the interrupt that is pending: its number.
#[must_use]
pub fn acknowledge() -> u32 {
    let number: u64;
    // SAFETY: takes an interrupt, which the caller serves. The barrier: what the interrupt was sent after is seen by
    // loads from here on (IHI 0069, "Observability of the effects of accesses to the GIC registers").
    unsafe { core::arch::asm!("mrs {}, icc_iar1_el1", "dsb sy", out(reg) number, options(nostack, preserves_flags)) };
    number as u32 & 0xff_ffff
}

/// The interrupt that is being served is done with.
pub fn end_of_interrupt(number: u32) {
    // SAFETY: it was acknowledged.
    unsafe { write!("icc_eoir1_el1", u64::from(number)) };
}

/// Interrupts another CPU.
pub fn wake(cpu: usize) {
    let affinity = AFFINITIES[cpu].load(Ordering::Relaxed);
    let level = |n: u32| affinity >> (8 * n) & 0xff;
    let (third, list) = (affinity >> 32 & 0xff, 1 << (level(0) & 0xf));
    let value = third << 48 | level(2) << 32 | u64::from(WAKE) << 24 | level(1) << 16 | list;
    // SAFETY: sends an interrupt that the other CPU expects. The barrier: it sees what was stored before.
    unsafe {
        core::arch::asm!("dsb ishst", "msr icc_sgi1r_el1, {}", "isb", in(reg) value, options(nostack, preserves_flags));
    };
}
