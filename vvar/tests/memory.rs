//! A page in safe hands: whatever offset or line it is asked for, it answers from itself.

use vvar::arch::MachineCounter;
use vvar::page::SIZE;
use vvar::reader::{read_fast, read_slow};
use vvar::{Page, PageRead, PageWrite};

/// Offsets that are none, and the words that they stand for.
const OFFSETS: [(usize, usize); 6] =
    [(SIZE, 0), (SIZE + 8, 8), (1 << 40, 0), (usize::MAX, SIZE - 8), (3, 0), (SIZE - 1, SIZE - 8)];

/// A page between two others.
#[repr(C)]
struct Three([Page; 3]);

#[test]
fn offsets_outside_are_brought_into_the_page() {
    let pages = Box::new(Three([const { Page::new() }; 3]));
    let [before, page, after] = &pages.0;
    for (offset, word) in OFFSETS {
        page.store_u64(offset, 0x0123_4567_89ab_cdef);
        assert_eq!(page.load_u64(word), 0x0123_4567_89ab_cdef, "{offset:#x}");
        assert_eq!(page.load_u64(offset), 0x0123_4567_89ab_cdef, "{offset:#x}");
        page.store_u64(word, 0);
        page.store_u32(offset, 7);
        assert_eq!((page.load_u32(offset), page.load_u32(offset & (SIZE - 4))), (7, 7), "{offset:#x}");
        page.store_u32(offset, 0);
    }
    for other in [before, after] {
        assert!((0..SIZE).step_by(8).all(|word| other.load_u64(word) == 0));
    }
}

#[test]
fn lines_outside_are_no_clocks_of_an_empty_page() {
    let page = Box::new(Page::new());
    for index in [12, 63, 64, 1 << 20, usize::MAX >> 7] {
        assert_eq!(read_fast(&*page, &MachineCounter, index), None, "{index}");
        assert_eq!(read_slow(&*page, &MachineCounter, index), None, "{index}");
    }
}
