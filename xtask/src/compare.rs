//! Compares a call into our image with the host's vDSO and with the system call, in one process, round by round in turn.
//!
//! It runs as a program on our image: the auxiliary vector leads to ours, and the host's own vDSO is still mapped.

use anyhow::{bail, Context, Result};
use nix::libc;
use std::hint::black_box;
use std::time::Instant;
use vdso_image::x86_64::symbol;

/// The hidden command's name.
pub(crate) const COMMAND: &str = "compare-calls";

type ClockGettime = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> libc::c_int;

const CLOCKS: [(&str, libc::clockid_t); 4] = [
    ("REALTIME", libc::CLOCK_REALTIME),
    ("MONOTONIC", libc::CLOCK_MONOTONIC),
    ("MONOTONIC_RAW", libc::CLOCK_MONOTONIC_RAW),
    ("MONOTONIC_COARSE", libc::CLOCK_MONOTONIC_COARSE),
];

const ROUNDS: usize = 300;
const CALLS: u32 = 500;

pub(crate) fn run() -> Result<()> {
    let (ours, host) = (our_function()?, host_function()?);
    println!("{:<18} {:>12} {:>12} {:>12} {:>10}", "clock_gettime", "ours", "host's vDSO", "system call", "ours/host");
    for (name, clock) in CLOCKS {
        let [ours, host, call] = medians([ours, host, system_call], clock);
        println!("{name:<18} {ours:>9.1} ns {host:>9.1} ns {call:>9.1} ns {:>10.3}", ours / host);
    }
    Ok(())
}

/// Nanoseconds a call, the median of the rounds.
fn medians(functions: [ClockGettime; 3], clock: libc::clockid_t) -> [f64; 3] {
    let mut rounds = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (function, rounds) in functions.iter().zip(&mut rounds) {
            rounds.push(round(*function, clock));
        }
    }
    rounds.map(|mut rounds| {
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    })
}

fn round(function: ClockGettime, clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let start = Instant::now();
    for _ in 0..CALLS {
        // SAFETY: a clock_gettime with a valid pointer.
        unsafe { function(clock, black_box(&mut time)) };
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// From where the auxiliary vector leads; an error if that is not our image.
fn our_function() -> Result<ClockGettime> {
    // SAFETY: getauxval has no preconditions.
    let image = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) } as usize;
    if image == 0 || image as u64 == crate::host_vdso::range()?.start {
        bail!("this is a program for `cargo xtask run`: it compares our image with the host's");
    }
    // SAFETY: the runner has mapped our image there; its symbol offsets are vdso-image's constants.
    Ok(unsafe { std::mem::transmute::<usize, ClockGettime>(image + symbol::__VDSO_CLOCK_GETTIME) })
}

fn host_function() -> Result<ClockGettime> {
    let inspection = vdso_linker::inspect::inspect(&crate::host_vdso::bytes()?)?;
    let symbol = inspection.symbols.iter().find(|symbol| symbol.name == "__vdso_clock_gettime");
    let offset = symbol.context("the host's vDSO has no __vdso_clock_gettime")?.value;
    let address = (crate::host_vdso::range()?.start + offset) as usize;
    // SAFETY: Linux's vDSO is linked at 0 (one segment, virtual address 0), so its symbols' values are offsets.
    Ok(unsafe { std::mem::transmute::<usize, ClockGettime>(address) })
}

unsafe extern "C" fn system_call(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    // SAFETY: the kernel checks the pointer.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as libc::c_int }
}
