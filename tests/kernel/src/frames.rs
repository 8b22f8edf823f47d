//! Frames of physical memory.

use crate::arch::mmu::direct;
use crate::lock::Lock;
use crate::paging::PAGE_SIZE;

/// No frame is left.
#[derive(Debug, Clone, Copy)]
pub struct OutOfMemory;

struct Frames {
    /// What was never used.
    next: u64,
    end: u64,
    /// Left out: start and end.
    reserved: (u64, u64),
    /// The first free frame that was used before, or 0; each one begins with the address of the next.
    free: u64,
    in_use: usize,
}

static FRAMES: Lock<Frames> = Lock::new(Frames { next: 0, end: 0, reserved: (0, 0), free: 0, in_use: 0 });

/// Takes over the memory `from.0..from.1` except `reserved`: physical addresses.
pub fn init(from: (u64, u64), reserved: (u64, u64)) {
    let up = |address: u64| address.next_multiple_of(PAGE_SIZE);
    let mut frames = FRAMES.lock();
    frames.next = up(from.0);
    frames.end = from.1 - from.1 % PAGE_SIZE;
    frames.reserved = (reserved.0 - reserved.0 % PAGE_SIZE, up(reserved.1));
}

/// A frame of zeroes; its physical address.
pub fn allocate() -> Result<u64, OutOfMemory> {
    let frame = take()?;
    // SAFETY: the frame is nobody else's.
    unsafe { direct(frame).write_bytes(0, PAGE_SIZE as usize) };
    Ok(frame)
}

fn take() -> Result<u64, OutOfMemory> {
    let mut frames = FRAMES.lock();
    let frame = if frames.free == 0 {
        if (frames.reserved.0..frames.reserved.1).contains(&frames.next) {
            frames.next = frames.reserved.1;
        }
        if frames.next >= frames.end {
            return Err(OutOfMemory);
        }
        frames.next += PAGE_SIZE;
        frames.next - PAGE_SIZE
    } else {
        let frame = frames.free;
        // SAFETY: a free frame holds the address of the next one.
        frames.free = unsafe { direct(frame).cast::<u64>().read() };
        frame
    };
    frames.in_use += 1;
    Ok(frame)
}

/// Gives back a frame that [`allocate`] gave, and that nobody uses any more.
pub fn free(frame: u64) {
    let mut frames = FRAMES.lock();
    // SAFETY: the frame is nobody else's.
    unsafe { direct(frame).cast::<u64>().write(frames.free) };
    frames.free = frame;
    frames.in_use -= 1;
}

/// Frames that are in use.
pub fn in_use() -> usize {
    FRAMES.lock().in_use
}
