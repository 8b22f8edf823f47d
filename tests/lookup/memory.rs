//! An image as a client finds it: memory at an address, of which the client knows nothing but that address.

use std::fmt;
use std::ops::Range;

/// Where the images of these tests are mapped: any page of user space will do.
pub(crate) const BASE: u64 = 0x7fff_1234_5000;

/// A read of memory that is not mapped. A client gets SIGSEGV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) u64);

/// Mapped memory. Words are little-endian, as on every architecture of this project.
pub(crate) struct Memory {
    base: u64,
    bytes: Vec<u8>,
}

impl Memory {
    /// An image's whole pages at [`BASE`]. What lies around them is not mapped.
    ///
    /// A kernel maps the vvar page on one side, so a client that reads a little too far finds zeroes there in one kernel
    /// and faults in the other. Both are of no use to it.
    pub(crate) fn map(image: &[u8], page_size: usize) -> Memory {
        let mut bytes = image.to_vec();
        bytes.resize(image.len().next_multiple_of(page_size), 0);
        Memory { base: BASE, bytes }
    }

    /// The address of the ELF header: AT_SYSINFO_EHDR.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The mapped addresses.
    pub(crate) fn range(&self) -> Range<u64> {
        self.base..self.base + self.bytes.len() as u64
    }

    fn read<const N: usize>(&self, address: u64) -> Result<[u8; N], Fault> {
        let start = address.checked_sub(self.base).and_then(|offset| usize::try_from(offset).ok());
        let bytes = start.and_then(|start| self.bytes.get(start..start.checked_add(N)?));
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(Fault(address))
    }

    pub(crate) fn u8(&self, address: u64) -> Result<u8, Fault> {
        Ok(u8::from_le_bytes(self.read(address)?))
    }

    pub(crate) fn u16(&self, address: u64) -> Result<u16, Fault> {
        Ok(u16::from_le_bytes(self.read(address)?))
    }

    pub(crate) fn u32(&self, address: u64) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.read(address)?))
    }

    pub(crate) fn u64(&self, address: u64) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.read(address)?))
    }

    /// Whether `text` and a zero stand there. Like strcmp it reads no further than the first difference.
    pub(crate) fn is_string(&self, address: u64, text: &str) -> Result<bool, Fault> {
        for (address, byte) in (address..).zip(text.bytes().chain([0])) {
            if self.u8(address)? != byte {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x?}", self.range())
    }
}
