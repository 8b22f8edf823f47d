//! From the entry code to the kernel's main program, on each CPU.

use super::paging::{direct, kernel_image, KernelTables};
use super::per_cpu::MAX_CPUS;
use super::{apic, cpu, gdt, idt, per_cpu, pvh, serial, smp, system_call, timer, tsc};
use crate::lock::Once;
use crate::{frames, println};
use core::sync::atomic::{AtomicUsize, Ordering};

core::arch::global_asm!(include_str!("boot.s"));

extern "C" {
    static boot_cpu_stack_top: u8;
    static other_cpu_stack_top: u8;
}

/// What the kernel knows of the machine once it runs.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// The tables that every address space shares.
    pub tables: KernelTables,
    /// The counter.
    pub calibration: tsc::Calibration,
}

static TABLES: Once<KernelTables> = Once::new();
static MACHINE: Once<Machine> = Once::new();

static MEETINGS: AtomicUsize = AtomicUsize::new(0);

/// The machine.
pub fn machine() -> &'static Machine {
    MACHINE.get()
}

/// From boot.s, on the first CPU.
#[no_mangle]
extern "C" fn boot_cpu_main(start_info: u64) -> ! {
    serial::init();
    if let Err(problem) = start(start_info) {
        panic!("{problem}");
    }
    crate::main()
}

fn start(start_info: u64) -> Result<(), &'static str> {
    if !cpu::feature::rdtscp() {
        return Err("the processor has no RDTSCP: give the machine one with QEMU's -cpu max");
    }
    let (kernel, kernel_end) = kernel_image();
    // SAFETY: as the entry code got it; nothing has been allocated yet. The boot tables map the first GiB directly.
    let info = unsafe { pvh::read(start_info, kernel)? };
    frames::init((kernel_end, info.memory.1), info.module);
    let tables = KernelTables::new().map_err(|_| "not enough memory for the kernel's page tables")?;
    TABLES.set(tables);
    idt::init();
    init_cpu(0, &raw const boot_cpu_stack_top as u64);
    apic::mask_legacy_controllers();
    let calibration = tsc::calibrate()?;
    timer::init(&calibration);
    MACHINE.set(Machine { tables, calibration });
    // SAFETY: the loader put the file there, and the frames were kept out of the allocator's hands.
    let module =
        unsafe { core::slice::from_raw_parts(direct(info.module.0), (info.module.1 - info.module.0) as usize) };
    crate::archive::set(module);
    println!(
        "TSC: {}.{:06} MHz, within {} ppb, measured over {} ms; APIC timer: {} MHz",
        calibration.frequency / 1_000_000,
        calibration.frequency % 1_000_000,
        calibration.error_ppb,
        calibration.duration / 1_000_000,
        calibration.apic_frequency / 1_000_000,
    );
    smp::start()?;
    compare_counters();
    println!("{MAX_CPUS} CPUs; counters: {:?}", tsc::synchronisation());
    Ok(())
}

/// From boot.s, on the other CPU.
#[no_mangle]
extern "C" fn other_cpu_main() -> ! {
    let index = smp::arrive();
    if index >= MAX_CPUS {
        cpu::halt();
    }
    init_cpu(index, &raw const other_cpu_stack_top as u64);
    compare_counters();
    crate::other_main()
}

/// What every CPU needs before it can take a trap or run a program.
fn init_cpu(index: usize, stack: u64) {
    TABLES.get().activate();
    gdt::init(index, stack);
    per_cpu::init(index, stack);
    idt::load();
    protect();
    system_call::init();
    tsc::init(index);
    apic::init();
}

/// Compares this CPU's counter with the other's.
fn compare_counters() {
    meet(MAX_CPUS);
    tsc::observe_warp(machine().calibration.frequency);
    meet(2 * MAX_CPUS);
}

/// Waits until the CPUs have called this `times` times together.
fn meet(times: usize) {
    MEETINGS.fetch_add(1, Ordering::AcqRel);
    while MEETINGS.load(Ordering::Acquire) < times {
        core::hint::spin_loop();
    }
}

/// SSE for programs, and no use of their memory by the kernel, to execute or (but by the direct map) to read.
fn protect() {
    const FXSAVE: u64 = 1 << 9;
    const SIMD_EXCEPTIONS: u64 = 1 << 10;
    const GLOBAL_PAGES: u64 = 1 << 7;
    // SAFETY: the kernel has no SSE of its own, reaches programs' memory by the direct map only, and has no global page.
    unsafe {
        let on = FXSAVE | SIMD_EXCEPTIONS | cpu::feature::supervisor_protection();
        cpu::write_cr4((cpu::read_cr4() | on) & !GLOBAL_PAGES);
    }
}
