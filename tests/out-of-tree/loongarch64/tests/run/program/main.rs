//! A static program for loongarch64 that has an image and its page mapped and calls what it is told to. It is compiled by
//! the test (`guest.rs`) and needs no library.
//!
//! `program IMAGE PAGE BASE VVAR`: maps the file IMAGE at the address BASE, executable, and PAGE at BASE + VVAR, shared and
//! read-only, as a kernel would. Then it says where its two buffers of two words are, and obeys commands of standard input. Each
//! is five words, and so is its answer on standard output:
//!
//! | command | what | answer |
//! |---|---|---|
//! | 0, OFFSET, A, B, C | calls the function at BASE + OFFSET | result, buffers |
//! | 1, NUMBER, A, B, C | makes a system call | result, buffers |
//! | 2 | reads the counter | the counter |
//! | 3, OFFSET, CLOCK, N, FAR | calls `clock_gettime` there N times | first and last time in ns that are at most FAR ns from the first, largest step back among these, how many are not, whether one failed |
//! | 4, OFFSET | returns from a signal handler to BASE + OFFSET | 0, and what `signal.rs` says |
#![no_std]
#![no_main]

mod signal;
mod system_call;

use core::arch::{asm, global_asm};
use core::ptr::addr_of_mut;
use system_call::{exit, map, read, system_call, write};

/// What the buffers hold before a call.
const UNWRITTEN: isize = -77;

static mut BUFFERS: [[isize; 2]; 2] = [[UNWRITTEN; 2]; 2];

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(101)
}

// The stack as the kernel has it: the number of arguments, and a pointer to each (System V ABI, "Process Initialization").
global_asm!(".globl _start", "_start:", "move $a0, $sp", "bl {start}", start = sym start);

unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the test gives four arguments.
    let argument = |n: usize| unsafe { *stack.add(1 + n) as *const u8 };
    let image = number(argument(3)) as usize;
    let vvar = number(argument(4));
    map(argument(2), image.wrapping_add_signed(vvar), system_call::READ, system_call::SHARED);
    map(argument(1), image, system_call::READ | system_call::EXECUTE, system_call::PRIVATE);
    signal::exit_on_faults();
    write(&[addr_of_mut!(BUFFERS) as isize, 0, 0, 0, 0]);
    let mut command = [0; 5];
    while read(&mut command) {
        let [what, a, b, c, d] = command;
        match what {
            0 => call(|| function(image, a)(b, c, d)),
            // SAFETY: the test's system calls write to the buffers at most.
            1 => call(|| unsafe { system_call(a, [b, c, d, 0, 0, 0]) }),
            2 => write(&[counter(), 0, 0, 0, 0]),
            3 => write(&times(function(image, a), b, c, d)),
            _ => signal::handle(image.wrapping_add_signed(a)),
        }
    }
    exit(0)
}

type Function = extern "C" fn(isize, isize, isize) -> isize;

fn function(image: usize, offset: isize) -> Function {
    // SAFETY: the test gives the offsets of the image's functions, which take up to three arguments.
    unsafe { core::mem::transmute::<usize, Function>(image.wrapping_add_signed(offset)) }
}

fn call(function: impl FnOnce() -> isize) {
    let buffers = addr_of_mut!(BUFFERS);
    // SAFETY: the buffers, which only this thread and the functions that it calls use.
    unsafe { buffers.write_volatile([[UNWRITTEN; 2]; 2]) };
    // All functions here return an `int`, or a `long` of its range.
    let result = function() as i32 as isize;
    // SAFETY: as above.
    let [[a, b], [c, d]] = unsafe { buffers.read_volatile() };
    write(&[result, a, b, c, d]);
}

fn counter() -> isize {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("rdtime.d {}, $zero", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

fn times(function: Function, clock: isize, count: isize, far: isize) -> [isize; 5] {
    let (mut first, mut last, mut back, mut strays, mut failed) = (0, 0, 0, 0, 0);
    for n in 0..count {
        let mut time = [0isize; 2];
        failed |= function(clock, time.as_mut_ptr() as isize, 0);
        let now = time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1]);
        if n == 0 {
            (first, last) = (now, now);
        } else if (now - first).abs() > far {
            strays += 1;
            continue;
        }
        back = back.max(last - now);
        last = now;
    }
    [first, last, back, strays, failed]
}

/// A decimal number, the end of which is a zero byte.
fn number(text: *const u8) -> isize {
    let (mut value, mut at, mut is_negative) = (0isize, text, false);
    loop {
        // SAFETY: one of the arguments, up to its end.
        match unsafe { *at } {
            0 => return if is_negative { -value } else { value },
            b'-' => is_negative = true,
            digit => value = value * 10 + isize::from(digit as i8 - b'0' as i8),
        }
        // SAFETY: not the end yet.
        at = unsafe { at.add(1) };
    }
}
