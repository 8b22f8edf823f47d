//! From the entry code to the kernel's main program, on each CPU.

use super::mmu::{direct, kernel_image, KernelTables};
use super::{apic, calibration, counter, cpu, gdt, idt, per_cpu, pvh, serial, smp, system_call, timer};
use crate::cpus::{self, MAX_CPUS};
use crate::lock::Once;
use crate::machine::{self, Machine};
use crate::{frames, println, random};

core::arch::global_asm!(include_str!("boot.s"));

extern "C" {
    static boot_cpu_stack_top: u8;
    static other_cpu_stack_top: u8;
}

static TABLES: Once<KernelTables> = Once::new();

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
    random::seed(counter::cycles());
    let calibration = calibration::measure()?;
    timer::init(&calibration);
    crate::timer::init(calibration.frequency);
    machine::init(Machine { tables, frequency: calibration.frequency });
    // SAFETY: the loader put the file there, and the frames were kept out of the allocator's hands.
    let module =
        unsafe { core::slice::from_raw_parts(direct(info.module.0), (info.module.1 - info.module.0) as usize) };
    crate::archive::set(module);
    println!(
        "counter: {}.{:06} MHz, within {} ppb, measured over {} ms; APIC timer: {} MHz",
        calibration.frequency / 1_000_000,
        calibration.frequency % 1_000_000,
        calibration.error_ppb,
        calibration.duration / 1_000_000,
        calibration.apic_frequency / 1_000_000,
    );
    smp::start()?;
    cpus::compare_counters();
    Ok(())
}

/// From boot.s, on the other CPU.
#[no_mangle]
extern "C" fn other_cpu_main() -> ! {
    let index = cpus::arrive();
    if index >= MAX_CPUS {
        cpu::halt();
    }
    init_cpu(index, &raw const other_cpu_stack_top as u64);
    cpus::compare_counters();
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
    counter::init(index);
    apic::init();
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
