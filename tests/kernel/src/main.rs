//! A small kernel that embeds the vDSO image and the `vvar` page, and runs static Linux programs in user mode.
//!
//! | where | what |
//! |---|---|
//! | [`embedding`] | **the example**: all that the kernel does for its vDSO |
//! | [`own_image`] | the image of `vdso/vdso.toml`, with a function of the kernel's own |
//! | [`runs`] | what is run, one program after the other |
//! | [`process`], [`scheduler`] | processes, and which of them runs |
//! | [`elf`], [`startup`] | loading a program: segments, stack, auxiliary vector |
//! | [`syscall`] | the system calls that a static C program makes |
//! | [`arch`] | the processor and the machine, a folder an architecture |
//! | [`archive`], [`console`], [`frames`], [`lock`], [`host`] | what all of that needs |
#![no_std]
#![no_main]

mod arch;
mod archive;
mod builtins;
mod console;
mod elf;
mod embedding;
mod frames;
mod host;
mod lock;
mod own_image;
mod process;
mod runs;
mod scheduler;
mod startup;
mod syscall;

/// The first CPU, once the machine is ready.
fn main() -> ! {
    let answer = host::time_of_day();
    match &answer {
        Some(host::Answer { time, uncertainty, .. }) => {
            println!("time of day from the host: {}.{:09} s, within {} us", time.sec, time.nsec, uncertainty / 1000);
        }
        None => println!("no time of day: the host did not answer; CLOCK_REALTIME is not set"),
    }
    let realtime = answer.map(|answer| (answer.counter, answer.time));
    runs::HOST.set(answer);
    if let Err(error) = embedding::start(arch::boot::machine().calibration.frequency, realtime) {
        panic!("the clocks do not start: {error}");
    }
    arch::timer::start();
    scheduler::run()
}

/// The other CPU, once the machine is ready.
fn other_main() -> ! {
    arch::timer::start();
    scheduler::run()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    console::print_last_words(format_args!("\nkernel panic: {info}\n"));
    arch::exit::exit(false)
}
