//! Where the page is, its three entries, and its bytes.

use crate::bytes::PageAligned;

/// Where the page begins, in every process.
pub const ADDRESS: u64 = 0xffff_ffff_ff60_0000;

/// The page's length in bytes.
pub const PAGE_SIZE: usize = 4096;

/// Bytes from one entry to the next.
const STRIDE: usize = 0x400;

/// A function of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    /// `int gettimeofday(struct timeval *tv, struct timezone *tz)`, at 0xffffffffff600000.
    Gettimeofday,
    /// `time_t time(time_t *t)`, at 0xffffffffff600400.
    Time,
    /// `int getcpu(unsigned *cpu, unsigned *node, void *unused)`, at 0xffffffffff600800.
    Getcpu,
}

impl Entry {
    /// All of them, in the order of their addresses.
    pub const ALL: [Entry; 3] = [Entry::Gettimeofday, Entry::Time, Entry::Getcpu];

    /// The function that begins at an address: exactly there, not in its middle.
    #[must_use]
    pub fn at(address: u64) -> Option<Entry> {
        Entry::ALL.into_iter().find(|entry| entry.address() == address)
    }

    /// Where it begins.
    #[must_use]
    pub const fn address(self) -> u64 {
        ADDRESS + self.offset() as u64
    }

    /// The number of the system call that it stands for: Linux `arch/x86/entry/syscalls/syscall_64.tbl`.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Entry::Gettimeofday => 96,
            Entry::Time => 201,
            Entry::Getcpu => 309,
        }
    }

    /// Bytes that it writes through its first and its second argument; 0 where that argument is no pointer.
    pub(super) const fn output_lengths(self) -> [u64; 2] {
        match self {
            // struct timeval: two 64-bit words; struct timezone: two 32-bit words.
            Entry::Gettimeofday => [16, 8],
            Entry::Time => [8, 0],
            Entry::Getcpu => [4, 4],
        }
    }

    const fn offset(self) -> usize {
        self as usize * STRIDE
    }
}

/// The page as [`Mode::Emulate`](super::Mode::Emulate) shows it to readers. It would work if it were executed, but it is to
/// be mapped no-execute: the calls then fault, and are emulated.
pub static PAGE: PageAligned<PAGE_SIZE> = PageAligned::padded(&bytes());

const fn bytes() -> [u8; PAGE_SIZE] {
    const INT3: u8 = 0xcc;
    let mut page = [INT3; PAGE_SIZE];
    let mut i = 0;
    while i < Entry::ALL.len() {
        let code = code(Entry::ALL[i].number() as u32);
        let mut at = 0;
        while at < code.len() {
            page[Entry::ALL[i].offset() + at] = code[at];
            at += 1;
        }
        i += 1;
    }
    page
}

/// `mov $number, %rax; syscall; ret`, in the encodings that assemblers choose (Intel SDM volume 2: REX.W C7 /0 id, 0F 05, C3).
const fn code(number: u32) -> [u8; 10] {
    let [a, b, c, d] = number.to_le_bytes();
    [0x48, 0xc7, 0xc0, a, b, c, d, 0x0f, 0x05, 0xc3]
}
