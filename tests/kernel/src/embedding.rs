//! The embedding: all that this kernel does for its vDSO, in the order of `docs/embedding.md`, which explains each step and
//! quotes this file.

use crate::arch::counter::{self as hardware, cpu_number};
use crate::arch::mmu::physical;
use crate::arch::{image, layout, per_cpu, Counter, TRAMPOLINE};
use crate::counter;
use crate::lock::Lock;
use crate::paging::{Access, AddressSpace, Error as MapError, Owner, PAGE_SIZE};
use crate::random;
use core::ops::Range;
use vdso_image::{map, Kind, Mapping, Permission};
use vvar::page::{offset, CpuNumber};
use vvar::{Clock, Error, Page, PageWrite, Source, Start, Timekeeper, Timespec, Writer};

/// The time between two publishes in ns: the resolution of the coarse clocks.
pub const TICK: u32 = 4_000_000;

/// TAI less UTC in s, since 2017 (IERS Bulletin C).
const TAI_OFFSET: i32 = 37;

// Step 1: the page, its writer, and the clocks under a lock. Interrupts are off while the lock is held: see `lock.rs`.

static PAGE: Page = Page::new();
static WRITER: Writer<&Page> = Writer::new(&PAGE);
static CLOCKS: Lock<Option<Timekeeper>> = Lock::new(None);

/// Starts the clocks and publishes them for the first time. `realtime` is the time of day at a counter value, if it is known.
pub fn start(frequency: u64, realtime: Option<(u64, Timespec)>) -> Result<(), Error> {
    let source = Source { kind: hardware::kind(), frequency, bits: 64, synchronisation: counter::synchronisation() };
    let begun = realtime.map_or_else(counter::read, |(counter, _)| counter);
    let mut clocks = Timekeeper::new(source, begun, Start::default())?;
    clocks.set_tai_offset(TAI_OFFSET)?;
    if let Some((counter, time)) = realtime {
        clocks.set_realtime(counter, time.sec as i64, time.nsec)?;
    }
    WRITER.init()?;
    WRITER.set_resolution(1, TICK);
    WRITER.set_timezone(0, 0);
    WRITER.set_cpu_number(cpu_number());
    clocks.describe(&WRITER);
    let _ = WRITER.publish(counter::read, &mut clocks)?;
    *CLOCKS.lock() = Some(clocks);
    Ok(())
}

// Step 3, as step 2 is the architecture's `counter.rs`: map it into each new process.

/// Among these addresses one is chosen for each process.
pub const AREA: Range<u64> = layout::VDSO_AREA;

/// An image: its bytes, page-aligned and padded to whole pages, and its plan.
#[derive(Debug)]
pub struct Image {
    /// The bytes, in the kernel's read-only data.
    pub bytes: &'static [u8],
    /// What goes where.
    pub plan: &'static [Mapping],
    /// Where in the image a signal's handler returns to, on architectures whose programs leave that to the kernel.
    pub trampoline: Option<usize>,
}

impl Image {
    /// Where a signal's handler returns to, in a process that has the image's ELF header at `header`.
    pub fn trampoline_at(&self, header: u64) -> Option<u64> {
        self.trampoline.map(|offset| header + offset as u64)
    }
}

/// The image that `vdso-image` ships.
pub static SHIPPED: Image = Image { bytes: image::IMAGE.as_bytes(), plan: &image::MAP_PLAN, trampoline: TRAMPOLINE };

/// Maps image and page at a random address; the address of the image's ELF header, for AT_SYSINFO_EHDR.
pub fn map(space: AddressSpace, vdso: &Image) -> Result<u64, MapError> {
    let span = map::span(vdso.plan, image::PAGE_SIZE) as u64;
    let places = (AREA.end - AREA.start - span) / PAGE_SIZE;
    let base = AREA.start + random::number() % places * PAGE_SIZE;
    let header = base + map::image_offset(vdso.plan) as u64;
    for part in vdso.plan {
        let memory = match part.kind {
            Kind::Vvar => core::ptr::from_ref(&PAGE).cast(),
            Kind::Image => vdso.bytes.as_ptr(),
            _ => continue,
        };
        let execute = part.permission == Permission::ReadExecute;
        for page in 0..part.pages as u64 {
            let address = header.wrapping_add_signed(part.offset) + page * PAGE_SIZE;
            let frame = physical(memory) + page * PAGE_SIZE;
            // The kernel's frames: a fork shares them, the end of the process leaves them alone.
            space.map(address, frame, Access { read: true, write: false, execute }, Owner::Kernel)?;
        }
    }
    Ok(header)
}

// Step 4: publish at every tick and after every change.

/// Publishes; also when the counter has gone back.
fn publish(clocks: &mut Timekeeper) -> Result<(), Error> {
    match WRITER.publish(counter::read, clocks) {
        // The counter has gone back, and nobody has said so: the clocks go on from the last publish.
        Err(Error::BeforeAnchor { anchor, counter }) => {
            interrupted(clocks, |clocks| clocks.counter_discontinuity(anchor, counter))
        }
        outcome => outcome.map(|_| ()),
    }
}

/// At every tick, on one CPU.
pub fn tick() {
    if let Some(clocks) = CLOCKS.lock().as_mut() {
        // Where a clock would leave its bounds, there is nobody to tell, and the page stays as it is.
        let _ = publish(clocks);
    }
}

/// Changes the clocks and publishes the change at once. `what` is given the counter's value.
pub fn change(what: impl FnOnce(&mut Timekeeper, u64) -> Result<(), Error>) -> Result<(), Error> {
    let mut clocks = CLOCKS.lock();
    let clocks = clocks.as_mut().ok_or(Error::NotSet)?;
    // If the counter has gone back, the clocks take no change at its value before they go on from there. Where this publish is
    // refused for another reason, the change may be what helps.
    let _ = publish(clocks);
    what(clocks, counter::read())?;
    publish(clocks)
}

// Step 5: the system call answers from the same page, a timer from its inverse.

/// A clock's time, as the vDSO would give it; where the page cannot answer, from the clocks themselves.
pub fn now(clock: Clock) -> Result<Timespec, Error> {
    vvar::read(&PAGE, &Counter, clock).or_else(|_| {
        let clocks = CLOCKS.lock();
        let clocks = clocks.as_ref().ok_or(Error::NotSet)?;
        match clocks.now(counter::read(), clock) {
            // The counter has gone back. The clock shows the last publish until the next one notices.
            Err(Error::BeforeAnchor { anchor, .. }) => clocks.now(anchor, clock),
            time => time,
        }
    })
}

/// The counter's value at which a clock shows `time` or later: where a timer is to be armed.
pub fn counter_at(clock: Clock, time: Timespec) -> Result<u64, Error> {
    CLOCKS.lock().as_ref().ok_or(Error::NotSet)?.counter_at(clock, time)
}

// Step 6: when the counter cannot be relied on.

/// Around a sleep of the machine. `sleep` returns how long it was; the clocks stand still meanwhile. A time that no clock
/// can show is an error, and the clocks go on as if it had been none.
pub fn suspend(sleep: impl FnOnce() -> Timespec) -> Result<(), Error> {
    let mut clocks = CLOCKS.lock();
    let clocks = clocks.as_mut().ok_or(Error::NotSet)?;
    WRITER.set_cpu_number(CpuNumber::SystemCall);
    let outcome = interrupted(clocks, |clocks| {
        clocks.suspend(counter::read())?;
        let slept = sleep();
        let counter = counter::read();
        // Refused or not, they have to be resumed: else they stand still for good.
        clocks.resume(counter, slept).or_else(|refused| clocks.resume(counter, Timespec::default()).and(Err(refused)))
    });
    // On every CPU that slept, before its number is read from there again: here only one did.
    hardware::init(per_cpu::index());
    WRITER.set_cpu_number(cpu_number());
    outcome
}

/// The counter, which was last good at `old`, has gone on from `new`.
pub fn counter_discontinuity(old: u64, new: u64) -> Result<(), Error> {
    let mut clocks = CLOCKS.lock();
    interrupted(clocks.as_mut().ok_or(Error::NotSet)?, |clocks| clocks.counter_discontinuity(old, new))
}

/// Readers of the page make the system call while `what` is done.
fn interrupted(clocks: &mut Timekeeper, what: impl FnOnce(&mut Timekeeper) -> Result<(), Error>) -> Result<(), Error> {
    WRITER.disable_counter();
    let outcome = what(clocks);
    WRITER.enable_counter();
    // Also after an error: only a publish takes the readers back to the page.
    let published = WRITER.publish(counter::read, clocks).map(|_| ());
    outcome.and(published)
}

// Your own virtual system call.

/// Sets the number that `__vdso_number` of the kernel's own image (`vdso/number.rs`) returns.
pub fn set_number(number: u64) {
    WRITER.page().store_u64(offset::KERNEL_DATA, number);
}
