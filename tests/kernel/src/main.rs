//! A small kernel that embeds the vDSO image and the `vvar` page, and runs static Linux programs in user mode.
//!
//! | where | what |
//! |---|---|
//! | [`embedding`] | **the example**: all that the kernel does for its vDSO |
//! | [`own_image`] | the image of `arch/ARCH/vdso/vdso.toml`, with a function of the kernel's own |
//! | [`runs`] | what is run, one program after the other |
//! | [`process`], [`scheduler`] | processes, and which of them runs |
//! | [`elf`], [`startup`] | loading a program: segments, stack, auxiliary vector |
//! | [`syscall`] | the system calls that a static C program makes |
//! | [`signal`] | signals, whose handlers return through the vDSO |
//! | [`arch`], beside `src` | the processor and the machine, a folder an architecture; its documentation says what each one gives |
//! | [`counter`], [`timer`], [`paging`], [`sections`], [`cpus`], [`machine`] | what is alike on all of them |
//! | [`archive`], [`console`], [`frames`], [`lock`], [`host`], [`random`] | what all of that needs |
#![no_std]
#![no_main]

#[path = "../arch/mod.rs"]
mod arch;
mod archive;
mod builtins;
mod console;
mod counter;
mod cpus;
mod elf;
mod embedding;
mod frames;
mod host;
mod lock;
mod machine;
mod own_image;
mod paging;
mod process;
mod random;
mod runs;
mod scheduler;
mod sections;
mod signal;
mod startup;
mod syscall;
mod timer;

/// The first CPU, once the machine is ready.
fn main() -> ! {
    println!("{} CPUs; counters: {:?}", cpus::MAX_CPUS, counter::synchronisation());
    let answer = host::time_of_day();
    match &answer {
        Some(host::Answer { time, uncertainty, .. }) => {
            println!("time of day from the host: {}.{:09} s, within {} us", time.sec, time.nsec, uncertainty / 1000);
        }
        None => println!("no time of day: the host did not answer; CLOCK_REALTIME is not set"),
    }
    let realtime = answer.map(|answer| (answer.counter, answer.time));
    runs::HOST.set(answer);
    if let Err(error) = embedding::start(machine::machine().frequency, realtime) {
        panic!("the clocks do not start: {error}");
    }
    timer::start();
    scheduler::run()
}

/// The other CPU, once the machine is ready.
fn other_main() -> ! {
    timer::start();
    scheduler::run()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    console::print_last_words(format_args!("\nkernel panic: {info}\n"));
    arch::exit::exit(false)
}
