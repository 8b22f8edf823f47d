//! The images that this project ships.

use vdso_linker::inspect::{inspect, Symbol};
use vdso_tests::arch::ARCHITECTURES;
use vdso_tests::Architecture;

/// An image that ships.
pub(crate) struct Image {
    pub(crate) arch: &'static Architecture,
    /// The file.
    pub(crate) bytes: &'static [u8],
    pub(crate) page_size: usize,
}

/// Every image of `vdso_image`.
pub(crate) fn images() -> Vec<Image> {
    let image = |arch: &&'static Architecture| {
        let shipped = arch.image;
        Image { arch, bytes: &shipped.bytes[..shipped.size], page_size: shipped.page_size }
    };
    ARCHITECTURES.iter().map(image).collect()
}

impl Image {
    /// The offset of each function, by a reader of ELF files that has nothing in common with the clients here.
    pub(crate) fn functions(&self) -> Vec<Symbol> {
        let facts = inspect(self.bytes).expect("an image that ships");
        facts.symbols.into_iter().filter(|symbol| symbol.is_function() && symbol.is_defined()).collect()
    }
}
