//! The kernel's side of a guest: its page, and what publishes it.

use super::Files;
use crate::clocks;
use vvar::memory::{Encoded, WideLines};
use vvar::page::offset;
use vvar::{Clock, Counter, CounterKind, PageWrite, RawPage, Timekeeper, Writer};

/// The guest's page, as the kernel has it.
pub type GuestPage = Encoded<RawPage, WideLines>;

/// The counter that the guest reads, read on the host.
#[derive(Debug, Clone, Copy)]
pub struct GuestCounter {
    /// Reads it; takes its frequency as the guest sees it, 0 if it does not.
    pub read: fn(u64) -> u64,
    /// That frequency, in Hz.
    pub frequency: u64,
}

impl GuestCounter {
    /// Its value.
    pub fn now(self) -> u64 {
        (self.read)(self.frequency)
    }
}

impl Counter for GuestCounter {
    // No page names it here, so that every read takes the slow path, which serves every kind.
    const HOT: CounterKind = CounterKind::Off;

    fn read_hot(&self) -> u64 {
        self.now()
    }

    fn read(&self, kind: CounterKind) -> Option<u64> {
        kind.is_counter().then(|| self.now())
    }
}

/// A guest's page, and what publishes it.
#[derive(Debug)]
pub struct Publisher {
    files: Files,
    counter: GuestCounter,
    frequency: u64,
}

impl Publisher {
    /// One that publishes the page among the files, by the counter that the guest reads, and tells of it that it has that
    /// frequency in Hz.
    pub fn new(files: Files, counter: GuestCounter, frequency: u64) -> Publisher {
        Publisher { files, counter, frequency }
    }

    /// The guest's counter.
    pub fn counter(&self) -> GuestCounter {
        self.counter
    }

    /// What the page says of the counter's frequency in Hz.
    pub fn frequency(&self) -> u64 {
        self.frequency
    }

    /// The page.
    pub fn page(&self) -> GuestPage {
        Encoded::new(self.files.page())
    }

    /// Makes the page what a fresh frame is.
    pub fn clear(&self) {
        for at in (0..offset::KERNEL_DATA).step_by(8) {
            self.page().store_u64(at, 0);
        }
    }

    /// A timekeeper by the guest's counter, under the name of `kind`, since `age` seconds ago.
    pub fn clocks(&self, kind: CounterKind, age: u64) -> Timekeeper {
        // The counter wraps around: `age` may be longer than the host has been up.
        clocks::since(self.counter.now().wrapping_sub(age * self.frequency), kind, self.frequency)
    }

    /// Publishes; as of `age` seconds ago.
    pub fn publish(&self, clocks: &mut Timekeeper, age: u64) {
        let past = age * self.frequency;
        // Late, on a busy machine, is harmless: see vvar's documentation of the writer.
        let _ = Writer::new(self.page())
            .publish(|| self.counter.now().wrapping_sub(past), clocks)
            .expect("nobody else publishes");
    }

    /// Makes the page one that has told the time for `age` seconds since its last publish, by the counter `kind`.
    pub fn go_live(&self, kind: CounterKind, age: u64) -> Timekeeper {
        self.clear();
        let writer = Writer::new(self.page());
        writer.init().expect("a fresh page");
        let mut clocks = self.clocks(kind, age);
        clocks.describe(&writer);
        self.publish(&mut clocks, age);
        clocks
    }

    /// What the page's clock says, by the reader in this program, in ns.
    pub fn page_time(&self, clock: Clock) -> i128 {
        vvar::read(&self.page(), &self.counter, clock).expect("nobody publishes now").as_nanos() as i128
    }
}
