//! The vsyscall page for old programs, by `vdso_image::x86_64::vsyscall`: its mode, its mapping, and the faults of its calls.

use super::trap::Frame;
use super::{cpu, system_call};
use crate::machine::machine;
use crate::paging::AddressSpace;
use crate::process::{self, Fault};
use crate::signal::number::SEGV;
use core::sync::atomic::{AtomicU8, Ordering};
use vdso_image::x86_64::vsyscall::{self, Decision, Mode, PageFault, Refusal, Registers, UserMemory};

/// The mode as a number: its place here.
static MODE: AtomicU8 = AtomicU8::new(1);

const MODES: [Mode; 3] = [Mode::Emulate, Mode::Xonly, Mode::None];

fn mode() -> Mode {
    MODES[usize::from(MODE.load(Ordering::Relaxed)) % MODES.len()]
}

/// Sets the mode by its place: emulate, xonly, none. False: there is no such mode.
///
/// Only the calling process may be running: another CPU could still have the page in its TLB.
pub fn set_mode(place: u64) -> bool {
    let Some(&mode) = usize::try_from(place).ok().and_then(|place| MODES.get(place)) else { return false };
    MODE.store(place as u8, Ordering::Relaxed);
    let page = (mode == Mode::Emulate).then(|| vsyscall::PAGE.as_bytes().as_ptr());
    machine().tables.set_vsyscall_page(page);
    cpu::invalidate_page(vsyscall::ADDRESS);
    true
}

impl UserMemory for AddressSpace {
    fn read_u64(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read_bytes(address, &mut bytes).ok()?;
        Some(u64::from_le_bytes(bytes))
    }
}

/// A program's page fault. Returns true if it was a call of the page, which has been served: the program goes on. False: the
/// page has nothing to do with it.
pub fn page_fault(frame: &mut Frame) -> bool {
    let fault = vsyscall::Fault::Page(PageFault { error_code: frame.error, address: cpu::read_cr2() });
    let registers = Registers { rax: frame.rax, rdi: frame.rdi, rsi: frame.rsi, rip: frame.rip, rsp: frame.rsp };
    let call = match vsyscall::decode(mode(), fault, &registers, &AddressSpace::active()) {
        Decision::NotOurs => return false,
        Decision::Refuse(refusal) => refuse(refusal),
        Decision::Perform(call) => call,
    };
    match call.returned(system_call::clock_call(call.number(), call.arguments())) {
        Ok(done) => (frame.rax, frame.rip, frame.rsp) = (done.rax, done.rip, done.rsp),
        Err(refusal) => refuse(refusal),
    }
    true
}

fn refuse(refusal: Refusal) -> ! {
    const PAGE_FAULT: u64 = 14;
    let fault = match refusal.page_fault {
        Some(PageFault { error_code, address }) => Fault { cause: PAGE_FAULT, error: error_code, address },
        None => Fault::default(),
    };
    process::end_by_signal(SEGV, Some(fault))
}
