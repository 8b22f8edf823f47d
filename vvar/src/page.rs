//! The page: every field, its offset and its meaning, defined once for kernel and image.
//!
//! The kernel maps this page read-only into every process, beside the image. It is 4096 bytes on every architecture; where
//! the machine's page is larger, it is the first 4096 bytes of one.
//!
//! | offset | size | what |
//! |---|---|---|
//! | `0x000` | 64 | [`Header`](offset::MAGIC): magic, ABI version, layout hash, counter, CPU number, timezone |
//! | `0x040` | 24 x 64 | one [`Line`] a clock id, [`split`] or [`wide`]: 0 to 15, then 16 to 23 reserved for auxiliary clocks |
//! | `0x640` | 24 x 8 | [`Extension`](offset::EXTENSIONS): 32 further bits of each slot's `mult`, for the cold path |
//! | `0x700` | 24 x 4 | the clocks' resolutions |
//! | `0x760` | 64 | reserved: state of a random-number generator |
//! | `0x7a0` | 96 | reserved: a time namespace's relation to the host's page, and its clocks' offsets |
//! | `0x800` | 2048 | a block of the kernel's own data, for functions of its own |
//!
//! **An all-zero page says "use the system call"**: every control word is [off](crate::control). A kernel can map the page
//! before it has read its first clock.
//!
//! **Two layouts never meet.** Each line's control word carries bits of the [layout hash](LAYOUT), and the hot path compares
//! that word with one constant; a reader built for another layout finds no line that it accepts and makes the system call.
//! A loader that wants to say so beforehand compares [`ABI`] and [`LAYOUT`] with the note in the image, or calls
//! [`identify`](crate::reader::identify).
//!
//! **Two encodings of a line.** An architecture has one of them ([`Encoding::NATIVE`]). They differ in how a slot says where
//! and how a fine clock counts; all else, the protocol included, is one.
//!
//! | offset | size | [`split`] | [`wide`] |
//! |---|---|---|---|
//! | `0x00` | 4 | `seq` | `seq` |
//! | `0x04` | 4 | `ctl` | `ctl` |
//! | `0x08` | 2 x 4 | `hi` | `mult` |
//! | `0x10` | | `lo` (2 x 4), `mult` (2 x 4) | `cyc` (2 x 8) |
//! | `0x20` | 2 x 8 | `k` | `base` |
//! | `0x30` | 2 x 8 | `sec` | `sec` |
//!
//! RDTSC gives the counter in two halves, and with a shift of 32 the split line needs neither a shift nor a subtraction. Where
//! the counter comes in one register and is slow, the wide line lasts longer and has any shift.

use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8};

/// Size of the page in bytes.
pub const SIZE: usize = 4096;

/// First word of the page: "vvar" in ASCII, little-endian.
pub const MAGIC: u32 = u32::from_le_bytes(*b"vvar");

/// Version of the page's meaning. It changes when a field changes its meaning without changing its place.
pub const ABI: u32 = 1;

/// Clock lines in the page: POSIX and Linux ids 0 to 15, auxiliary clocks 16 to 23.
pub const LINES: usize = 24;

/// Bytes that a kernel may use for functions of its own.
pub const KERNEL_DATA_SIZE: usize = 2048;

/// FNV-1a over names, offsets and sizes, so that any change of the layout changes [`LAYOUT`].
const fn fnv1a(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

const fn hash_field(hash: u64, name: &str, offset: usize, size: usize) -> u64 {
    let hash = fnv1a(hash, name.as_bytes());
    let hash = fnv1a(hash, &(offset as u64).to_le_bytes());
    fnv1a(hash, &(size as u64).to_le_bytes())
}

/// Declares a shared structure: the Rust type, a public constant for each offset, the assertion that both agree, and the
/// hash of it all.
macro_rules! shared_layout {
    (
        $(#[$meta:meta])* struct $name:ident, size $size:literal, align $align:literal, offsets $module:ident, hash $hash:ident;
        $( $(#[$doc:meta])* $at:literal $constant:ident $field:ident: $type:ty, )*
    ) => {
        $(#[$meta])*
        #[repr(C, align($align))]
        pub struct $name { $( $(#[$doc])* pub $field: $type, )* }

        #[doc = concat!("Byte offsets of the fields of [`", stringify!($name), "`].")]
        pub mod $module { $( $(#[$doc])* pub const $constant: usize = $at; )* }

        const _: () = assert!(size_of::<$name>() == $size);
        $( const _: () = assert!(
            offset_of!($name, $field) == $module::$constant,
            concat!("offset of ", stringify!($field)),
        ); )*

        pub(super) const fn $hash(mut hash: u64) -> u64 {
            hash = hash_field(hash, stringify!($name), $align, $size);
            $( hash = hash_field(hash, stringify!($field), $at, size_of::<$type>()); )*
            hash
        }
    };
}

/// A line where the counter comes in two halves, as by RDTSC.
pub mod split {
    use super::*;

    /// Which of the encodings this is.
    pub const ENCODING: Encoding = Encoding::Split;

    shared_layout! {
        /// One clock: two slots in one cache line, so that a read touches one line and a writer in mid-update leaves the slot
        /// in use alone.
        ///
        /// `slot = seq & 1`. The writer fills the other slot, then stores `seq + 1`; see [`crate::writer`]. With counter value
        /// `c`, whose halves are `high` and `low`, a slot holds for `high == hi`, `low >= lo`, and means
        /// `sec + ((low * mult + k) mod 2^64 >> shift) ns`. When the low half has wrapped since, and `low < lo`, it still holds
        /// for `high == hi + 1`, with `k + mult * 2^32` in the place of `k`. A coarse clock has `mult` 0, `shift` 0 and its
        /// nanoseconds in `k`.
        struct Line, size 64, align 64, offsets offset, hash hash_line;
        /// Publishes so far, modulo 2^32; its lowest bit names the slot in use.
        0x00 SEQ seq: AtomicU32,
        /// Control word: layout bits, counter kind, width, shift ([`crate::control`]). 0: use the system call.
        0x04 CTL ctl: AtomicU32,
        /// High half of the counter at the slot's start.
        0x08 HI hi: [AtomicU32; 2],
        /// Low half of the counter at the slot's start.
        0x10 LO lo: [AtomicU32; 2],
        /// Nanoseconds a cycle, times 2^shift, rounded down.
        0x18 MULT mult: [AtomicU32; 2],
        /// (nanoseconds at the start, below 10^9, times 2^shift, with fraction) - lo * mult, modulo 2^64.
        0x20 K k: [AtomicU64; 2],
        /// Whole seconds at the slot's start.
        0x30 SEC sec: [AtomicU64; 2],
    }
}

/// A line where the counter comes in one register.
pub mod wide {
    use super::*;

    /// Which of the encodings this is.
    pub const ENCODING: Encoding = Encoding::Wide;

    shared_layout! {
        /// One clock: two slots in one cache line, as in [`split::Line`].
        ///
        /// With counter value `c` and `delta = c - cyc`, modulo 2^64, a slot holds for `delta < 2^shift`, which no counter
        /// value before the start satisfies either, and means `sec + (delta * mult + base >> shift) ns`. A coarse clock has
        /// `mult` 0, `cyc` 0, `shift` 0 and its nanoseconds in `base`.
        struct Line, size 64, align 64, offsets offset, hash hash_line;
        /// Publishes so far, modulo 2^32; its lowest bit names the slot in use.
        0x00 SEQ seq: AtomicU32,
        /// Control word: layout bits, counter kind, width, shift ([`crate::control`]). 0: use the system call.
        0x04 CTL ctl: AtomicU32,
        /// Nanoseconds a cycle, times 2^shift, rounded down.
        0x08 MULT mult: [AtomicU32; 2],
        /// The counter at the slot's start.
        0x10 CYC cyc: [AtomicU64; 2],
        /// Nanoseconds at the start, below 10^9, times 2^shift, with fraction.
        0x20 BASE base: [AtomicU64; 2],
        /// Whole seconds at the slot's start.
        0x30 SEC sec: [AtomicU64; 2],
    }
}

/// Byte offsets of what both encodings of a line have in the same place: all of a coarse clock's line.
pub mod line_offset {
    use super::{split, wide};

    /// Publishes so far, modulo 2^32; its lowest bit names the slot in use.
    pub const SEQ: usize = split::offset::SEQ;
    /// Control word ([`crate::control`]). 0: use the system call.
    pub const CTL: usize = split::offset::CTL;
    /// Two slots of 8 bytes: a coarse clock's nanoseconds. (A fine clock's `k` or `base`.)
    pub const NANOS: usize = split::offset::K;
    /// Two slots of 8 bytes: whole seconds at the slot's start.
    pub const SEC: usize = split::offset::SEC;

    const _: () = assert!(SEQ == wide::offset::SEQ && CTL == wide::offset::CTL);
    const _: () = assert!(NANOS == wide::offset::BASE && SEC == wide::offset::SEC);
}

/// A line of this architecture.
pub type Line = crate::arch::lines::Line;

shared_layout! {
    /// The page.
    struct Page, size 4096, align 4096, offsets offset, hash hash_page;
    /// [`MAGIC`], once the writer has initialised the page.
    0x000 MAGIC magic: AtomicU32,
    /// [`ABI`].
    0x004 ABI abi: AtomicU32,
    /// [`LAYOUT`].
    0x008 LAYOUT layout: AtomicU64,
    /// Which counter the fine clocks count by, as a [`CounterKind`](crate::CounterKind); for information, the lines decide.
    0x010 COUNTER counter: AtomicU32,
    /// The counter's width in bits; for information.
    0x014 COUNTER_BITS counter_bits: AtomicU32,
    /// The counter's nominal frequency in Hz; for information.
    0x018 FREQUENCY frequency: AtomicU64,
    /// By how many cycles one CPU's counter may lag behind another's. A reader that finds itself before a slot's start by
    /// no more than this answers with the start.
    0x020 MAX_SKEW max_skew: AtomicU64,
    /// How `getcpu` learns the CPU's number: a `CpuNumber`.
    0x028 CPU_NUMBER cpu_number: AtomicU32,
    /// 1 if `timezone` is valid; 0: use the system call.
    0x02c TIMEZONE_KNOWN timezone_known: AtomicU32,
    /// Timezone of `gettimeofday`: minutes west of Greenwich in the low half, `tz_dsttime` in the high half, both signed. One
    /// word, so that no reader sees half of a change.
    0x030 TIMEZONE timezone: AtomicU64,
    /// Reserved.
    0x038 RESERVED reserved: AtomicU64,
    /// The clocks, by id.
    0x040 LINES lines: [Line; LINES],
    /// For each clock and slot, the next 32 bits of `mult` below its point: `mult + ext / 2^32` is the whole rate.
    0x640 EXTENSIONS extensions: [[AtomicU32; 2]; LINES],
    /// What `clock_getres` answers for each clock, in ns; 0: use the system call.
    0x700 RESOLUTIONS resolutions: [AtomicU32; LINES],
    /// Reserved for the state of a random-number generator (its generation counter is 64 bits).
    0x760 RANDOM random: [AtomicU64; 8],
    /// Reserved for time namespaces: whose page this is, and the offsets of its clocks.
    0x7a0 NAMESPACE namespace: [AtomicU64; 12],
    /// The kernel's own, for functions of its own. This crate never writes it.
    0x800 KERNEL_DATA kernel_data: [AtomicU8; KERNEL_DATA_SIZE],
}

/// How a line says where and how its clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// [`split::Line`]: the counter in two halves.
    Split,
    /// [`wide::Line`]: the counter in one word.
    Wide,
}

impl Encoding {
    /// The encoding of the architecture that this crate is compiled for: [`Encoding::Wide`] if it does not have that one.
    pub const NATIVE: Encoding = crate::arch::lines::ENCODING;

    /// The encoding of an architecture, named as in a target triple, for tools that run on another one. `None` for an
    /// architecture that this crate does not have: compiled for one, it has [`Encoding::Wide`].
    #[must_use]
    pub fn of_architecture(name: &str) -> Option<Encoding> {
        crate::arch::ENCODINGS.iter().find(|known| known.0 == name).map(|known| known.1)
    }

    /// Identifies the layout: it differs between any two layouts that differ in a name, an offset or a size, and between the
    /// encodings.
    #[must_use]
    #[inline(always)]
    pub const fn layout(self) -> u64 {
        match self {
            Encoding::Split => SPLIT_LAYOUT,
            Encoding::Wide => WIDE_LAYOUT,
        }
    }
}

const fn hash_head(encoding: &str) -> u64 {
    fnv1a(fnv1a(0xcbf2_9ce4_8422_2325, encoding.as_bytes()), &ABI.to_le_bytes())
}

const SPLIT_LAYOUT: u64 = hash_page(split::hash_line(hash_head("split")));
const WIDE_LAYOUT: u64 = hash_page(wide::hash_line(hash_head("wide")));

/// The layout of this architecture's page: [`Encoding::layout`] of [`Encoding::NATIVE`].
pub const LAYOUT: u64 = Encoding::NATIVE.layout();

/// How `getcpu` learns the CPU's number. TSC_AUX holds `node << 12 | cpu`, as Linux has it; the kernel sets it on every CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum CpuNumber {
    /// By the system call.
    #[default]
    SystemCall = 0,
    /// From TSC_AUX, by RDTSCP.
    Rdtscp = 1,
    /// From TSC_AUX, by RDPID, where the CPU has it (CPUID leaf 7, ECX bit 22).
    Rdpid = 2,
}

/// Offset of a line field.
///
/// `field` is one of [`line_offset`], [`split::offset`], [`wide::offset`]; slots follow each other at the size of the field.
#[inline(always)]
pub(crate) const fn line(index: usize, field: usize) -> usize {
    offset::LINES + index * size_of::<Line>() + field
}

/// Offset of a clock's resolution.
#[inline(always)]
pub const fn resolution(index: usize) -> usize {
    offset::RESOLUTIONS + index * 4
}

/// Offset of the extension of a slot.
#[inline(always)]
pub(crate) const fn extension(index: usize, slot: usize) -> usize {
    offset::EXTENSIONS + index * 8 + slot * 4
}

impl Page {
    /// A page that says "use the system call" to everything: all zero, as a fresh frame is.
    #[must_use]
    pub const fn new() -> Self {
        // SAFETY: the page consists of atomic integers and arrays of them, for which all-zero bytes are the value 0.
        unsafe { core::mem::MaybeUninit::<Page>::zeroed().assume_init() }
    }
}

impl Default for Page {
    fn default() -> Self {
        Page::new()
    }
}
