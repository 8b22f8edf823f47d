//! How the protocol reaches the page, and every barrier that it relies on, by name and with its reason.
//!
//! The same reader and writer run over a page in this program ([`Page`]), a page at an address ([`RawPage`]), a frame that
//! a kernel can only store to at an offset (its own [`PageWrite`]), and the cells of a model checker. In Rust, memory that
//! is mapped read-only may only be read by **Relaxed** atomic loads, up to pointer size, with fences (documentation of
//! `core::sync::atomic`, "Atomic accesses to read-only memory"): so the protocol uses nothing else.

use crate::page::{Encoding, Page, SIZE};
use core::marker::PhantomData;
use core::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

/// The barriers of the protocol. Remove any one and a reader can be given a wrong time: the model tests show it for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// Reader, acquire, between its load of `seq` and its loads of control word and slot. Pairs with
    /// [`Barrier::SlotBeforeSeq`]: who sees the new `seq` sees the slot that it names, and a control word no older. On Arm it also
    /// is what the order of the counter begins with: see [`crate::reader`].
    SeqThenSlot,
    /// Reader, acquire, between its loads of the slot and its second load of `seq`. Pairs with [`Barrier::SeqBeforeReuse`]:
    /// who saw any store into a slot that is being filled again sees that `seq` has moved.
    SlotThenSeq,
    /// Writer, release, between the last publish's store of `seq` and this publish's stores into the slot that it retired.
    /// A release *store* of `seq` would not do: it holds back earlier stores, not later ones. Nor would a fence at the end of
    /// the last publish: another CPU may have made it.
    SeqBeforeReuse,
    /// Writer, release, between its stores of slots (and "off" control words) and of the `seq` that names them.
    SlotBeforeSeq,
    /// Writer, release, between the fine clocks' `seq` and the coarse ones'. Who reads a new coarse time and then a fine one
    /// must not get an older fine one.
    FineBeforeCoarse,
    /// Writer, release, between every `seq` and the first control word that is switched on. Who sees a line on must see its
    /// `seq`: else it would take a slot that was never filled, or one that counts by another counter, for the line's.
    SeqBeforeOn,
    /// Writer and [`disable`](crate::Writer::disable), sequentially consistent: each stores a word (the publish a control
    /// word, the other its mark), then looks at what the other has stored. At least one sees the other, so a clock that was
    /// disabled during a publish stays off.
    DisableMeetsPublish,
}

impl Barrier {
    /// Issues it with core's fences.
    #[inline(always)]
    pub fn issue(self) {
        match self {
            Barrier::SeqThenSlot | Barrier::SlotThenSeq => fence(Ordering::Acquire),
            Barrier::SeqBeforeReuse | Barrier::SlotBeforeSeq | Barrier::FineBeforeCoarse | Barrier::SeqBeforeOn => {
                fence(Ordering::Release)
            }
            Barrier::DisableMeetsPublish => fence(Ordering::SeqCst),
        }
    }
}

/// Memory that holds a page and can be read.
///
/// Offsets are below 4096 and naturally aligned; they come from [`crate::page`] and [`crate::clock`], never from a user.
pub trait PageRead {
    /// How the page's lines are encoded. Another one than this architecture's is for programs that have to do with a machine
    /// of another kind, by [`Encoded`].
    const ENCODING: Encoding = Encoding::NATIVE;
    /// One relaxed atomic load of 32 bits.
    fn load_u32(&self, offset: usize) -> u32;
    /// One relaxed atomic load of 64 bits.
    fn load_u64(&self, offset: usize) -> u64;
    /// Issues a barrier.
    #[inline(always)]
    fn barrier(&self, barrier: Barrier) {
        barrier.issue();
    }
}

/// Memory that holds a page and can be written.
pub trait PageWrite: PageRead {
    /// One relaxed atomic store of 32 bits.
    fn store_u32(&self, offset: usize, value: u32);
    /// One relaxed atomic store of 64 bits. A reader must never see half of it.
    fn store_u64(&self, offset: usize, value: u64);
}

/// A page at an address.
#[derive(Debug, Clone, Copy)]
pub struct RawPage(*mut u8);

impl RawPage {
    /// # Safety
    ///
    /// `page` is aligned to 4096 and points to 4096 bytes that stay mapped and readable while this value or a copy of it is
    /// used, writable too if it is used through [`PageWrite`], and that nothing in this program accesses otherwise than by
    /// atomic operations of the same size.
    ///
    /// Every offset that this value or a copy of it is used with is a multiple of the word's size and below 4096, and every
    /// index of a line below [`LINES`](crate::page::LINES): those of [`crate::page`] and [`crate::clock`] are. Nothing checks
    /// it, as a check would be part of every clock read of a program.
    #[must_use]
    #[inline(always)]
    pub const unsafe fn new(page: *mut u8) -> RawPage {
        RawPage(page)
    }

    #[inline(always)]
    fn word_u32(&self, offset: usize) -> &AtomicU32 {
        debug_assert!(offset <= SIZE - 4 && offset % 4 == 0);
        // SAFETY: in bounds and aligned, mapped and atomic, as promised to `new`.
        unsafe { &*self.0.add(offset).cast::<AtomicU32>() }
    }

    #[inline(always)]
    fn word_u64(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(offset <= SIZE - 8 && offset % 8 == 0);
        // SAFETY: in bounds and aligned, mapped and atomic, as promised to `new`.
        unsafe { &*self.0.add(offset).cast::<AtomicU64>() }
    }
}

// SAFETY: every access is an atomic operation on memory that `new` was promised to stay mapped.
unsafe impl Send for RawPage {}
// SAFETY: as above.
unsafe impl Sync for RawPage {}

impl PageRead for RawPage {
    #[inline(always)]
    fn load_u32(&self, offset: usize) -> u32 {
        self.word_u32(offset).load(Ordering::Relaxed)
    }
    #[inline(always)]
    fn load_u64(&self, offset: usize) -> u64 {
        self.word_u64(offset).load(Ordering::Relaxed)
    }
}

impl PageWrite for RawPage {
    #[inline(always)]
    fn store_u32(&self, offset: usize, value: u32) {
        self.word_u32(offset).store(value, Ordering::Relaxed);
    }
    #[inline(always)]
    fn store_u64(&self, offset: usize, value: u64) {
        self.word_u64(offset).store(value, Ordering::Relaxed);
    }
}

impl Page {
    // An offset that is none of the page's is brought into it and aligned: whoever has a `Page` has promised nothing. For the
    // offsets of `page` the compiler sees that there is nothing to do, or it costs a cycle.

    /// This page as a [`RawPage`], for as long as it lives; to be used with offsets of words only.
    #[inline(always)]
    fn raw(&self) -> RawPage {
        RawPage(core::ptr::from_ref(self).cast_mut().cast())
    }
}

impl PageRead for Page {
    #[inline(always)]
    fn load_u32(&self, offset: usize) -> u32 {
        self.raw().load_u32(offset & (SIZE - 4))
    }
    #[inline(always)]
    fn load_u64(&self, offset: usize) -> u64 {
        self.raw().load_u64(offset & (SIZE - 8))
    }
}

impl PageWrite for Page {
    #[inline(always)]
    fn store_u32(&self, offset: usize, value: u32) {
        self.raw().store_u32(offset & (SIZE - 4), value);
    }
    #[inline(always)]
    fn store_u64(&self, offset: usize, value: u64) {
        self.raw().store_u64(offset & (SIZE - 8), value);
    }
}

impl<P: PageRead + ?Sized> PageRead for &P {
    const ENCODING: Encoding = P::ENCODING;
    #[inline(always)]
    fn load_u32(&self, offset: usize) -> u32 {
        (**self).load_u32(offset)
    }
    #[inline(always)]
    fn load_u64(&self, offset: usize) -> u64 {
        (**self).load_u64(offset)
    }
    #[inline(always)]
    fn barrier(&self, barrier: Barrier) {
        (**self).barrier(barrier);
    }
}

impl<P: PageWrite + ?Sized> PageWrite for &P {
    #[inline(always)]
    fn store_u32(&self, offset: usize, value: u32) {
        (**self).store_u32(offset, value);
    }
    #[inline(always)]
    fn store_u64(&self, offset: usize, value: u64) {
        (**self).store_u64(offset, value);
    }
}

/// An [`Encoding`] as a type.
pub trait Lines {
    /// The encoding.
    const ENCODING: Encoding;
}

/// [`Encoding::Split`].
#[derive(Debug, Clone, Copy)]
pub enum SplitLines {}

/// [`Encoding::Wide`].
#[derive(Debug, Clone, Copy)]
pub enum WideLines {}

impl Lines for SplitLines {
    const ENCODING: Encoding = Encoding::Split;
}

impl Lines for WideLines {
    const ENCODING: Encoding = Encoding::Wide;
}

/// Memory that holds a page whose lines are encoded as `L` says, whatever this architecture has: that of an emulator's guest.
#[derive(Debug)]
pub struct Encoded<P, L> {
    memory: P,
    lines: PhantomData<L>,
}

impl<P, L> Encoded<P, L> {
    /// Takes `memory` for such a page.
    #[must_use]
    #[inline(always)]
    pub const fn new(memory: P) -> Encoded<P, L> {
        Encoded { memory, lines: PhantomData }
    }

    /// The memory.
    #[inline(always)]
    pub const fn memory(&self) -> &P {
        &self.memory
    }
}

impl<P: Clone, L> Clone for Encoded<P, L> {
    fn clone(&self) -> Self {
        Encoded::new(self.memory.clone())
    }
}

impl<P: Copy, L> Copy for Encoded<P, L> {}

impl<P: PageRead, L: Lines> PageRead for Encoded<P, L> {
    const ENCODING: Encoding = L::ENCODING;
    #[inline(always)]
    fn load_u32(&self, offset: usize) -> u32 {
        self.memory.load_u32(offset)
    }
    #[inline(always)]
    fn load_u64(&self, offset: usize) -> u64 {
        self.memory.load_u64(offset)
    }
    #[inline(always)]
    fn barrier(&self, barrier: Barrier) {
        self.memory.barrier(barrier);
    }
}

impl<P: PageWrite, L: Lines> PageWrite for Encoded<P, L> {
    #[inline(always)]
    fn store_u32(&self, offset: usize, value: u32) {
        self.memory.store_u32(offset, value);
    }
    #[inline(always)]
    fn store_u64(&self, offset: usize, value: u64) {
        self.memory.store_u64(offset, value);
    }
}
