//! From the entry code to the kernel's main program, on each CPU.

use super::board::Board;
use super::mmu::{self, direct, KernelTables};
use super::{counter, cpu, fpu, gic, per_cpu, psci, serial, trap};
use crate::cpus::{self, MAX_CPUS};
use crate::lock::Once;
use crate::machine::{self, Machine};
use crate::{frames, println, random, timer};

core::arch::global_asm!(include_str!("boot.s"));

extern "C" {
    static boot_cpu_stack_top: u8;
    static boot_cpu_emergency_top: u8;
    static other_cpu_stack_top: u8;
    static other_cpu_emergency_top: u8;
    fn other_cpu_start();
}

static TABLES: Once<KernelTables> = Once::new();

/// From boot.s, on the first CPU: physical addresses of the device tree and of the kernel.
#[no_mangle]
extern "C" fn boot_cpu_main(device_tree: u64, kernel: u64) -> ! {
    cpu::init();
    mmu::set_kernel_physical(kernel);
    if let Err(problem) = start(device_tree) {
        panic!("{problem}");
    }
    crate::main()
}

fn start(device_tree: u64) -> Result<(), &'static str> {
    let kernel = mmu::kernel_image();
    if device_tree >> 30 != kernel.start >> 30 {
        return Err("the loader has put the device tree out of reach: not into the GiB that holds the kernel");
    }
    // SAFETY: as the entry code got it, and mapped by the boot tables; nothing has been allocated yet.
    let board = unsafe { Board::read(device_tree, kernel.start)? };
    frames::init((kernel.end, board.memory.end), (board.archive.start, board.archive.end));
    let tables = KernelTables::new(board.memory.clone(), &board.devices())
        .map_err(|_| "not enough memory for the kernel's page tables")?;
    TABLES.set(tables);
    tables.replace_boot_tables();
    serial::init(board.serial.start);
    psci::init(board.psci);
    gic::init(board.interrupts)?;
    init_cpu(0, &raw const boot_cpu_stack_top as u64, &raw const boot_cpu_emergency_top as u64)?;
    random::seed(board.seed);
    let frequency = counter::frequency()?;
    timer::init(frequency);
    machine::init(Machine { tables, frequency });
    let size = (board.archive.end - board.archive.start) as usize;
    // SAFETY: the loader put the file there, and the frames were kept out of the allocator's hands.
    crate::archive::set(unsafe { core::slice::from_raw_parts(direct(board.archive.start), size) });
    psci::cpu_on(board.other_cpu, mmu::physical(other_cpu_start as *const () as *const u8))?;
    cpus::wait_for_all()?;
    cpus::compare_counters();
    println!(
        "counter: {}.{:06} MHz, from CNTFRQ_EL0; programs read it as {:?}",
        frequency / 1_000_000,
        frequency % 1_000_000,
        counter::kind()
    );
    Ok(())
}

/// From boot.s, on the other CPU.
#[no_mangle]
extern "C" fn other_cpu_main() -> ! {
    TABLES.get().replace_boot_tables();
    let index = cpus::arrive();
    if index >= MAX_CPUS {
        cpu::halt();
    }
    let (stack, emergency) = (&raw const other_cpu_stack_top as u64, &raw const other_cpu_emergency_top as u64);
    if let Err(problem) = init_cpu(index, stack, emergency) {
        panic!("{problem}");
    }
    cpus::compare_counters();
    crate::other_main()
}

/// What every CPU needs before it can take a trap or run a program.
fn init_cpu(index: usize, stack: u64, emergency_stack: u64) -> Result<(), &'static str> {
    per_cpu::init(index, stack, emergency_stack);
    trap::init();
    fpu::init();
    counter::init(index);
    counter::examine_cpu();
    gic::init_cpu()
}
