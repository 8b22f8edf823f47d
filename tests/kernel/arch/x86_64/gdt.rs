//! Segments, and the task-state segment with the stacks for entries from user mode and for fatal exceptions.

use crate::cpus::MAX_CPUS;
use core::arch::asm;
use core::cell::UnsafeCell;

/// Kernel code.
pub const KERNEL_CODE: u16 = 0x08;
/// User data, for ring 3.
pub const USER_DATA: u16 = 0x20 | 3;
/// User code, for ring 3.
pub const USER_CODE: u16 = 0x28 | 3;
/// SYSRET takes its segments from here: data at + 8, code at + 16 (Intel SDM volume 3, 5.8.8).
pub const SYSRET_BASE: u16 = 0x18;
const TASK_STATE: u16 = 0x30;

/// Which of the task state's stacks the fatal exceptions use (double fault, NMI, machine check): they can come when the
/// stack is of no use.
pub const FATAL_STACK: u8 = 1;

const FATAL_STACK_SIZE: usize = 8192;

/// Intel SDM volume 3, figure 8-11.
#[repr(C, packed(4))]
struct TaskState {
    reserved: u32,
    /// Stacks for rings 0 to 2.
    rings: [u64; 3],
    reserved_2: u64,
    /// The interrupt stack table, from 1.
    interrupts: [u64; 7],
    reserved_3: u64,
    reserved_4: u16,
    /// Past the end of the segment: no bitmap, so no port for user mode.
    io_bitmap: u16,
}

#[repr(C, align(16))]
struct Segments {
    table: [u64; 8],
    task: TaskState,
    fatal_stack: [u8; FATAL_STACK_SIZE],
}

struct All([UnsafeCell<Segments>; MAX_CPUS]);

// SAFETY: each CPU writes its own in `init`, once; then only processors read them.
unsafe impl Sync for All {}

static ALL: All = All([const {
    UnsafeCell::new(Segments {
        table: [
            0,
            0x00af_9b00_0000_ffff, // kernel code
            0x00cf_9300_0000_ffff, // kernel data
            0,                     // no 32-bit user code
            0x00cf_f300_0000_ffff, // user data
            0x00af_fb00_0000_ffff, // user code
            0,
            0,
        ],
        task: TaskState {
            reserved: 0,
            rings: [0; 3],
            reserved_2: 0,
            interrupts: [0; 7],
            reserved_3: 0,
            reserved_4: 0,
            io_bitmap: size_of::<TaskState>() as u16,
        },
        fatal_stack: [0; FATAL_STACK_SIZE],
    })
}; MAX_CPUS]);

#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

/// Loads this CPU's segments. Called once a CPU; GS is set afterwards.
pub fn init(index: usize, kernel_stack: u64) {
    let segments = ALL.0[index].get();
    // SAFETY: only this CPU uses this entry, and the processor does not yet.
    let pointer = unsafe {
        (*segments).task.rings[0] = kernel_stack;
        (*segments).task.interrupts[FATAL_STACK as usize - 1] =
            (&raw const (*segments).fatal_stack) as u64 + FATAL_STACK_SIZE as u64;
        let base = (&raw const (*segments).task) as u64;
        let limit = size_of::<TaskState>() as u64 - 1;
        // An available 64-bit task-state segment (Intel SDM volume 3, figure 8-4).
        (*segments).table[6] = limit | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
        (*segments).table[7] = base >> 32;
        Pointer { limit: size_of::<[u64; 8]>() as u16 - 1, base: (&raw const (*segments).table) as u64 }
    };
    // SAFETY: the table has the segments that the selectors name, and stays.
    unsafe {
        asm!(
            "lgdt [{pointer}]",
            "push {code}",
            "lea {scratch}, [rip + 2f]",
            "push {scratch}",
            "retfq",
            "2:",
            "mov ss, {data:x}",
            "mov ds, {zero:x}",
            "mov es, {zero:x}",
            "mov fs, {zero:x}",
            "mov gs, {zero:x}",
            "ltr {task:x}",
            pointer = in(reg) &pointer,
            code = in(reg) u64::from(KERNEL_CODE),
            scratch = out(reg) _,
            data = in(reg) 0x10u64,
            zero = in(reg) 0u64,
            task = in(reg) u64::from(TASK_STATE),
        );
    }
}
