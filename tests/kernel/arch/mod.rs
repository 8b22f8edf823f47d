//! The processor and the machine: one folder an architecture. To add one, write the folder and its lines below; nothing
//! else of the kernel names an architecture.
//!
//! | in the folder | what |
//! |---|---|
//! | `mod.rs` | what the rest of the kernel uses, see below. Beside the folders is what several of them take in by `#[path]`: `asm_generic.rs`, `device_tree.rs` |
//! | `kernel.ld` | the linker script: where the kernel's parts go, and the format of the file |
//! | `vdso/vdso.toml` | the kernel's own vDSO image, with the function of `vdso/number.rs` in the kernel's folder |
//! | `programs/` | `arch.h` and `registers.S`, which the programs of the kernel's folder need, and checks that make sense here only |
//!
//! How QEMU boots it, and with which programs, is in `xtask/src/boot/arch`; what it is to print then, in
//! `tests/arch/ARCH/boot.rs`.
//!
//! The rest of the kernel uses what is named here, and nothing else. Each folder gives all of it:
//!
//! | item | what |
//! |---|---|
//! | `NAME`, `ELF_MACHINE` | the architecture's name as `uname -m` has it; `e_machine` of its programs |
//! | `image`, `Counter`, `TRAMPOLINE` | the image in `vdso-image` and the counter in `vvar`; where in the image a signal's handler returns to, `None` if programs bring that code themselves |
//! | `EXTRA_RUNS` | runs of the programs that make sense here only |
//! | `wake_cpu(index)` | an interrupt for another CPU, which makes it look for work |
//! | `builtins` | memcpy, memmove, memset, memcmp and bcmp, which the compiler calls by name |
//! | `context::Context` | all registers of a program: `frame` as a trap saves them, and what a trap does not save: `start`, `current`, `restore` |
//! | `counter` | `cycles()` reads the counter in order; `kind()` and `cpu_number()` for the page; `is_synchronised()`: the architecture promises that the CPUs agree; `init(index)` lets programs read it, on each CPU |
//! | `cpu` | `wait_for_interrupt()`: sleeps until an interrupt came, which has been served; `hwcap()` for AT_HWCAP and AT_HWCAP2 |
//! | `exit::exit(success)` | ends QEMU with status 33 or 35 |
//! | `layout` | `USER_END`, `VDSO_AREA`, `POSITION_INDEPENDENT_BASE` |
//! | `mmu` | page tables: `LEVELS`, `USER_ENTRIES`, the entries (`page`, `table`, `frame`, `with_frame`, `owner`, `may_read`, `may_write`), what is to be done when one was changed (`page_added`, `page_changed`, `code_written`), the root in use (`active_root`, `activate_root`), `direct` and `physical` addresses, and the kernel's own [`KernelTables`](mmu::KernelTables) |
//! | `number` | the system calls' numbers |
//! | `per_cpu::index()` | the number of the CPU that executes |
//! | `random::number()` | from the processor, if it has any |
//! | `serial` | `write_byte` when `can_write` says that it may be called; `read_byte`: neither waits |
//! | `signal` | the frame of a signal on the program's stack: `push`, `pop`; `HAS_RESTORER`, `MIN_STACK` |
//! | `system_call::handle` | system calls that the other architectures do not have |
//! | `timer::arm(deadline)` | one interrupt at a value of the counter, or soon after |
//! | `trap` | [`Frame`](trap::Frame) with `start`, `system_call`, `set_result`, `repeat_system_call`; `enter`, `restart` |
//!
//! And it calls, when it has happened: [`crate::machine::init`], then [`crate::main`] and [`crate::other_main`] on a CPU that
//! is ready, [`crate::timer::interrupt`], [`crate::scheduler::interrupted`] when the timer or another CPU interrupts a program,
//! [`crate::syscall::handle`], [`crate::signal::fault`].

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::*;

#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_arch = "riscv64")]
pub use riscv64::*;

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;
