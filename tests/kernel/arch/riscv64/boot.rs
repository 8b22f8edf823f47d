//! From the entry code to the kernel's main program, on each CPU.

use super::device_tree::DeviceTree;
use super::mmu::{direct, kernel_image, KernelTables};
use super::{counter, cpu, per_cpu, serial, smp, trap};
use crate::cpus::{self, MAX_CPUS};
use crate::machine::{self, machine, Machine};
use crate::{archive, frames, println, random, timer};

core::arch::global_asm!(include_str!("boot.s"));

/// From boot.s, on the first CPU.
#[no_mangle]
extern "C" fn boot_cpu_main(hart: u64, device_tree: u64) -> ! {
    trap::init();
    serial::init();
    if let Err(problem) = start(hart, device_tree) {
        panic!("{problem}");
    }
    crate::main()
}

fn start(hart: u64, device_tree: u64) -> Result<(), &'static str> {
    // SAFETY: as the entry code got it; nothing has been allocated yet. The boot table maps the first 4 GiB directly.
    let tree = unsafe { DeviceTree::at(direct(device_tree))? };
    let frequency = tree.timebase_frequency().ok_or("the device tree has no timebase-frequency in /cpus")?;
    let (kernel, kernel_end) = kernel_image();
    let (memory, archive) = (tree.memory_at(kernel)?, tree.archive()?);
    // What the tree says is asked for before its memory can be handed out.
    let others = smp::Harts::of(&tree, hart)?;
    random::seed(tree.seed().unwrap_or_else(counter::cycles));
    frames::init((kernel_end, memory.end), (archive.start, archive.end));
    let tables = KernelTables::new().map_err(|_| "not enough memory for the kernel's page tables")?;
    timer::init(frequency);
    machine::init(Machine { tables, frequency });
    init_cpu();
    // SAFETY: the loader put the file there, and the frames were kept out of the allocator's hands.
    archive::set(unsafe { core::slice::from_raw_parts(direct(archive.start), (archive.end - archive.start) as usize) });
    println!("counter: {}.{:06} MHz, as the device tree says", frequency / 1_000_000, frequency % 1_000_000);
    others.start()?;
    cpus::compare_counters();
    Ok(())
}

/// From boot.s, on the other CPU.
#[no_mangle]
extern "C" fn other_cpu_main() -> ! {
    trap::init();
    if cpus::arrive() != per_cpu::index() || per_cpu::index() >= MAX_CPUS {
        cpu::halt();
    }
    init_cpu();
    cpus::compare_counters();
    crate::other_main()
}

/// What every CPU needs before it can take an interrupt or run a program.
fn init_cpu() {
    machine().tables.activate();
    counter::init(per_cpu::index());
    cpu::enable_interrupts();
}
