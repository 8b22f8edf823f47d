//! Memory for pages: that interrupts its writer, that stops it, that is a frame without a type.

use std::cell::{Cell, RefCell};
use vvar::page::SIZE;
use vvar::{Page, PageRead, PageWrite};

/// A page that lives for ever, as a kernel's does.
pub(crate) fn page() -> &'static Page {
    Box::leak(Box::new(Page::new()))
}

/// Every byte of a page but the kernel's own block.
pub(crate) fn bytes(page: &impl PageRead) -> Vec<u32> {
    (0..SIZE).step_by(4).map(|at| page.load_u32(at)).collect()
}

/// What comes in before a store, given the count of stores so far.
type Handler = Box<dyn FnMut(usize)>;

/// Runs code before each store: what an interrupt, or another CPU, may do there.
pub(crate) struct Interrupted {
    page: &'static Page,
    stores: Cell<usize>,
    handler: RefCell<Option<Handler>>,
}

impl Interrupted {
    pub(crate) fn new(page: &'static Page) -> &'static Interrupted {
        Box::leak(Box::new(Interrupted { page, stores: Cell::new(0), handler: RefCell::new(None) }))
    }

    /// Calls `handler` with the count of stores so far, before each store from now on that it does not make itself.
    pub(crate) fn at_stores(&self, handler: impl FnMut(usize) + 'static) {
        self.stores.set(0);
        *self.handler.borrow_mut() = Some(Box::new(handler));
    }

    /// No more interrupts. How many there were.
    pub(crate) fn quiet(&self) -> usize {
        *self.handler.borrow_mut() = None;
        self.stores.get()
    }

    fn interrupt(&self) {
        // In use: this store is the handler's own.
        if let Ok(mut handler) = self.handler.try_borrow_mut() {
            if let Some(handler) = handler.as_mut() {
                handler(self.stores.replace(self.stores.get() + 1));
            }
        }
    }
}

impl PageRead for Interrupted {
    fn load_u32(&self, offset: usize) -> u32 {
        self.page.load_u32(offset)
    }
    fn load_u64(&self, offset: usize) -> u64 {
        self.page.load_u64(offset)
    }
}

impl PageWrite for Interrupted {
    fn store_u32(&self, offset: usize, value: u32) {
        self.interrupt();
        self.page.store_u32(offset, value);
    }
    fn store_u64(&self, offset: usize, value: u64) {
        self.interrupt();
        self.page.store_u64(offset, value);
    }
}

/// Makes a number of stores and then none: the page of a writer that stopped there for ever.
pub(crate) struct Stopping {
    page: &'static Page,
    left: Cell<usize>,
}

impl Stopping {
    pub(crate) fn after(stores: usize, page: &'static Page) -> Stopping {
        Stopping { page, left: Cell::new(stores) }
    }

    /// Whether the writer made all of its stores, and so was not stopped.
    pub(crate) fn never_stopped(&self) -> bool {
        self.left.get() > 0
    }

    fn goes_on(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }
}

impl PageRead for Stopping {
    fn load_u32(&self, offset: usize) -> u32 {
        self.page.load_u32(offset)
    }
    fn load_u64(&self, offset: usize) -> u64 {
        self.page.load_u64(offset)
    }
}

impl PageWrite for Stopping {
    fn store_u32(&self, offset: usize, value: u32) {
        if self.goes_on() {
            self.page.store_u32(offset, value);
        }
    }
    fn store_u64(&self, offset: usize, value: u64) {
        if self.goes_on() {
            self.page.store_u64(offset, value);
        }
    }
}

/// A frame of physical memory that a kernel can only store words to, at an offset. Refuses what a frame would refuse.
pub(crate) struct Frame(RefCell<[u8; SIZE]>);

impl Frame {
    pub(crate) fn zeroed() -> Frame {
        Frame(RefCell::new([0; SIZE]))
    }

    fn load<const N: usize>(&self, offset: usize) -> [u8; N] {
        assert_eq!(offset % N, 0, "misaligned load");
        self.0.borrow()[offset..offset + N].try_into().expect("N bytes")
    }

    fn store<const N: usize>(&self, offset: usize, value: [u8; N]) {
        assert_eq!(offset % N, 0, "misaligned store");
        self.0.borrow_mut()[offset..offset + N].copy_from_slice(&value);
    }
}

impl PageRead for Frame {
    fn load_u32(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self.load(offset))
    }
    fn load_u64(&self, offset: usize) -> u64 {
        u64::from_ne_bytes(self.load(offset))
    }
}

impl PageWrite for Frame {
    fn store_u32(&self, offset: usize, value: u32) {
        self.store(offset, value.to_ne_bytes());
    }
    fn store_u64(&self, offset: usize, value: u64) {
        self.store(offset, value.to_ne_bytes());
    }
}
