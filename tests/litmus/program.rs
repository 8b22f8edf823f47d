//! What the traces are taken of: `vvar`'s writer, compiled as a kernel compiles it, and the image's `clock_gettime`, on a page
//! of their own.
//!
//! The program needs no system: it runs in QEMU's user mode, where the test stops it at `publish`, `disable` and
//! `vdso_clock_gettime`, and steps through each call. The calls come in the order of `Window` in `trace.rs`.
#![no_std]
#![no_main]

use core::arch::global_asm;
use vvar::arch::MachineCounter;
use vvar::control::Control;
use vvar::rate::Rate;
use vvar::slot::Slot;
use vvar::writer::{Plan, Planner, Scope};
use vvar::{Clock, ClockSet, Counter, Error, RawPage, Timespec, Writer};

// Page and image, at the distance that the image was linked for.
global_asm!(concat!(
    ".section .vdso, \"awx\", %progbits\n",
    ".balign 65536\n",
    ".globl vvar_page\nvvar_page: .space ",
    env!("LITMUS_IMAGE_OFFSET"),
    "\n",
    "vdso_image: .incbin \"",
    env!("LITMUS_IMAGE"),
    "\"\n",
    ".globl vdso_clock_gettime\n.set vdso_clock_gettime, vdso_image + ",
    env!("LITMUS_CLOCK_GETTIME"),
    "\n",
    ".text\n",
));

extern "C" {
    static mut vvar_page: u8;
    fn vdso_clock_gettime(clock: i32, time: *mut [u64; 2]) -> i32;
}

/// Plans of which only the order of their stores matters. The slots hold for 2^32 cycles, a second and a half at 2.6 GHz.
struct Plans {
    steps: ClockSet,
}

impl Planner for Plans {
    type State = ();

    fn plan(&mut self, counter: u64, _: Scope) -> Result<Plan<()>, Error> {
        let rate = Rate { shift: 32, mult: 1 << 63 };
        let slot = |clock: Clock| match clock.is_coarse() {
            true => Slot::coarse(Timespec { sec: 1, nsec: 0 }),
            false => Slot::fine(counter, rate, 1, 0, 0),
        };
        Ok(Plan {
            anchor: counter,
            clocks: Clock::EVERY,
            steps: self.steps,
            on: Clock::EVERY,
            fine: Control { kind: MachineCounter::HOT, bits: 64, shift: rate.shift },
            late_after: u64::MAX,
            slots: Clock::ALL.map(slot),
            state: (),
        })
    }

    fn commit(&mut self, _: &Plan<()>) -> bool {
        true
    }
}

#[no_mangle]
#[inline(never)]
extern "C" fn publish(writer: &Writer<RawPage>, plans: &mut Plans, counter: u64) -> bool {
    writer.publish(|| counter, plans).is_ok()
}

#[no_mangle]
#[inline(never)]
extern "C" fn disable(writer: &Writer<RawPage>) {
    writer.disable(1 << Clock::Realtime.id());
}

fn read(clock: Clock) {
    // SAFETY: the image is there, with its page before it, and the pointer is valid.
    let result = unsafe { vdso_clock_gettime(clock.id() as i32, &mut [0; 2]) };
    assert!(result == 0);
}

#[no_mangle]
extern "C" fn _start() -> ! {
    // SAFETY: the page is aligned, all zero, and used by nothing but the writer and the image.
    let writer = Writer::new(unsafe { RawPage::new(core::ptr::addr_of_mut!(vvar_page)) });
    let now = || MachineCounter.read_hot();
    let mut plans = Plans { steps: 0 };
    assert!(writer.init().is_ok());
    let publish_next = |plans: &mut Plans| {
        let out = publish(&writer, plans, now());
        assert!(out);
    };
    publish_next(&mut plans);
    publish_next(&mut plans);
    read(Clock::MonotonicCoarse);
    publish_next(&mut plans);
    for clock in [Clock::Monotonic, Clock::MonotonicCoarse, Clock::Realtime, Clock::Tai] {
        read(clock);
    }
    plans.steps = Clock::FOLLOW_REALTIME;
    publish_next(&mut plans);
    disable(&writer);
    stop()
}

/// The test does not wait for the end.
#[no_mangle]
#[inline(never)]
extern "C" fn stop() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    stop()
}

/// What the compiler calls by name. `core` from rustup brings these too, weak; one that was built apart does not. Volatile, so that
/// the compiler makes no call of itself from the loop.
mod memory {
    #[no_mangle]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
        for at in 0..bytes {
            // SAFETY: within both, as the caller promises.
            unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
        }
        to
    }

    #[no_mangle]
    unsafe extern "C" fn memset(to: *mut u8, value: i32, bytes: usize) -> *mut u8 {
        for at in 0..bytes {
            // SAFETY: within it, as the caller promises.
            unsafe { to.add(at).write_volatile(value as u8) };
        }
        to
    }
}
