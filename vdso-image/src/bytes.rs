//! An image's bytes, ready to be mapped.

use core::fmt;
use core::mem::align_of;

/// Bytes that start at a page boundary and fill whole pages: the frames of a `static` of this type can be mapped into a
/// process as they are. `A` is the page: [`Page4K`] unless said otherwise.
#[repr(C)]
pub struct PageAligned<const N: usize, A = Page4K> {
    page: [A; 0],
    bytes: [u8; N],
}

/// A page of 4096 bytes.
#[derive(Debug)]
#[repr(align(4096))]
pub struct Page4K;

/// A page of 16384 bytes.
#[derive(Debug)]
#[repr(align(16384))]
pub struct Page16K;

/// A page of 65536 bytes.
#[derive(Debug)]
#[repr(align(65536))]
pub struct Page64K;

impl<const N: usize, A> PageAligned<N, A> {
    /// `bytes`, and zeroes up to `N`: for an image of the kernel's own, in a `static`.
    ///
    /// # Panics
    ///
    /// At compile time there, if `N` is not whole pages or too few.
    #[must_use]
    pub const fn padded(bytes: &[u8]) -> Self {
        assert!(N % align_of::<A>() == 0 && bytes.len() <= N);
        let mut padded = [0; N];
        let mut i = 0;
        while i < bytes.len() {
            padded[i] = bytes[i];
            i += 1;
        }
        PageAligned { page: [], bytes: padded }
    }

    /// All of them, padding included.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.bytes
    }
}

impl<const N: usize, A> fmt::Debug for PageAligned<N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes, aligned to {}", align_of::<A>())
    }
}
