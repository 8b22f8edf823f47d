//! Programs for it under QEMU's user mode, and what only this architecture has.

use super::ARCHITECTURE;
use crate::architecture::{Emulated, Functions, SystemCalls};
use crate::guest::{Argument, End, Guest, NULL};
use crate::start;
use libc::SIGILL;
use vvar::{Clock, CounterKind};

/// Under QEMU.
pub static EMULATED: Emulated = Emulated {
    architecture: &ARCHITECTURE,
    compiler: "aarch64-linux-gnu-gcc",
    packages: "gcc-aarch64-linux-gnu and libc6-dev-arm64-cross",
    // gdb 13 misreads QEMU's record of the SVE registers.
    cpu: Some("max,sve=off"),
    functions: Functions {
        clock_gettime: "__kernel_clock_gettime",
        gettimeofday: "__kernel_gettimeofday",
        clock_getres: "__kernel_clock_getres",
        rt_sigreturn: "__kernel_rt_sigreturn",
    },
    system_calls: &[],
    numbers: SystemCalls::ASM_GENERIC,
    hot: CounterKind::Cntvct,
    slow: &[CounterKind::CntvctErratum858921],
    // CNTVCT_EL0 is the host's time of day, by gettimeofday, in whole periods.
    counter: |frequency| time_of_day() / (1_000_000_000 / frequency).max(1),
    frequency: |frequency| frequency,
    trampoline: [0xd503201f, 0xd2801168, 0xd4000001], // nop; mov x8, #139; svc #0
    stack_pointer: 31,
    return_address: 32,
    constant: None,
};

/// The host's REALTIME as `gettimeofday` has it, in ns.
fn time_of_day() -> u64 {
    let mut now = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: writes a timeval to `now`.
    let status = unsafe { libc::gettimeofday(&mut now, std::ptr::null_mut()) };
    assert_eq!(status, 0);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_usec as u64 * 1000
}

/// The pages of the loader's mapping are guarded: an indirect call must meet a landing pad, and behind it there is none.
pub fn entries_have_landing_pads() {
    let mut guest = start!(&EMULATED);
    let functions = guest.functions;
    for function in [functions.clock_gettime, functions.gettimeofday, functions.clock_getres] {
        let arguments = [NULL, Argument::Buffer(0), NULL];
        assert_eq!(guest.call(function, arguments).result(), 0);
        assert_eq!(guest.call(function + 4, arguments), End::Signal(SIGILL), "behind the landing pad");
    }
    guest.finish();
}

/// `mrs x0, CNTVCTSS_EL0`, which is S3_3_C14_C0_6 (Arm ARM, "CNTVCTSS_EL0, Counter-timer Self-Synchronized Virtual Count
/// register"). The lowest five bits are the number of the register that it goes to.
const MRS_CNTVCTSS: u32 = 0xd53b_e0c0;

/// To a QEMU that has CNTVCTSS_EL0 it is the same counter as CNTVCT_EL0. To one without FEAT_ECV (before 9.1) a read of it is an
/// undefined instruction, and shows as that.
pub fn cntvctss_is_read_by_its_register() {
    // Where both are right, the time does not say which of them was read.
    let mut words =
        ARCHITECTURE.image.bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    assert!(words.any(|word| word & !0x1f == MRS_CNTVCTSS), "the image does not read it");
    let mut guest = start!(&EMULATED);
    let _clocks = guest.publisher.go_live(CounterKind::Cntvctss, 0);
    for clock in Clock::ALL {
        let arguments = [Argument::Number(clock.id() as i64), Argument::Buffer(0), NULL];
        let before = guest.publisher.page_time(clock);
        match guest.call(guest.functions.clock_gettime, arguments) {
            End::Signal(SIGILL) if !clock.is_coarse() => assert_faulted_at_the_counter(&guest, clock),
            end => {
                let ours = end.time().expect("a clock of the page");
                assert!(before <= ours && ours <= guest.publisher.page_time(clock), "{clock:?}: {before}, {ours}");
            }
        }
    }
    guest.finish();
}

fn assert_faulted_at_the_counter(guest: &Guest, clock: Clock) {
    let fault = guest.fault().expect("a call that has ended in a signal");
    assert_eq!(fault.address, fault.program_counter, "{clock:?}: the instruction itself is at fault");
    let word = fault.instruction.expect("an instruction of the image");
    assert_eq!(word & !0x1f, MRS_CNTVCTSS, "{clock:?}: {word:#010x} at {:#x}", fault.program_counter);
}
