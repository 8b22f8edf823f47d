//! An image's bytes, ready to be mapped.

/// Bytes that start at a page boundary and fill whole pages: the frames of a `static` of this type can be mapped into a
/// process as they are.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct PageAligned<const N: usize>([u8; N]);

impl<const N: usize> PageAligned<N> {
    /// `bytes`, and zeroes up to `N`: for an image of the kernel's own, in a `static`.
    ///
    /// # Panics
    ///
    /// At compile time there, if `N` is not whole pages or too few.
    #[must_use]
    pub const fn padded(bytes: &[u8]) -> Self {
        assert!(N % 4096 == 0 && bytes.len() <= N);
        let mut padded = [0; N];
        let mut i = 0;
        while i < bytes.len() {
            padded[i] = bytes[i];
            i += 1;
        }
        PageAligned(padded)
    }

    /// All of them, padding included.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}
