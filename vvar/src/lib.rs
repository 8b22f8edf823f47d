//! The page by which a kernel publishes its clocks to user programs, and both sides of it.
//!
//! | module | what |
//! |---|---|
//! | [`page`] | the layout: every field, offset and reserved place, once |
//! | [`control`] | the word that says whether, and how, a line may be read |
//! | [`slot`] | the arithmetic from a counter value to a time |
//! | [`memory`] | how the page is reached, and every barrier with its reason |
//! | [`reader`] | the reader: in the vDSO, in the kernel's system call, in the models |
//! | [`writer`] | the writer: one publish, refused writers, disabling |
//! | [`timekeeper`] | counter and frequency to clocks: set, slew, leap, suspend; its arithmetic is in `exact.rs` |
//! | [`counter`] | ordered counter reads, and a test of how CPUs agree |
//! | [`arch`] | the counters of each architecture |
//!
//! The guide to embedding it, step by step with the code of a kernel that boots, is `docs/embedding.md` in the
//! [repository](https://github.com/vdso-rs/vdso/blob/main/docs/embedding.md). A kernel's side, in full:
//!
//! ```
//! use vvar::{Clock, CounterKind, Page, Source, Start, Synchronisation, Timekeeper, Writer};
//!
//! static PAGE: Page = Page::new(); // mapped read-only into every process
//! static WRITER: Writer<&Page> = Writer::new(&PAGE);
//!
//! # fn read_counter() -> u64 { 1_000 }
//! # fn main() -> Result<(), vvar::Error> {
//! // At boot.
//! let source = Source {
//!     kind: CounterKind::Rdtscp,
//!     frequency: 2_596_000_000,
//!     bits: 64,
//!     synchronisation: Synchronisation::Architectural,
//! };
//! let mut clocks = Timekeeper::new(source, read_counter(), Start::default())?;
//! clocks.set_realtime(read_counter(), 1_790_000_000, 0)?;
//! WRITER.init()?;
//! WRITER.set_resolution(1, 4_000_000);
//! clocks.describe(&WRITER);
//!
//! // At every tick, and after every change; under the lock that guards `clocks`.
//! let published = WRITER.publish(read_counter, &mut clocks)?;
//! assert!(!published.late);
//!
//! // The system call.
//! assert_eq!(clocks.now(read_counter(), Clock::Realtime)?.sec, 1_790_000_000);
//! # Ok(())
//! # }
//! ```
#![no_std]

pub mod arch;
pub mod clock;
pub mod control;
pub mod counter;
pub mod error;
mod exact;
pub mod memory;
pub mod page;
pub mod rate;
pub mod reader;
pub mod slot;
#[cfg(feature = "source")]
pub mod source;
pub mod timekeeper;
pub mod writer;

pub use arch::CounterKind;
pub use clock::{Clock, ClockSet, Timespec};
pub use counter::Counter;
pub use error::Error;
pub use memory::{PageRead, PageWrite, RawPage};
pub use page::Page;
pub use reader::{read, Unavailable};
pub use timekeeper::{Source, Start, Synchronisation, Timekeeper};
pub use writer::{Published, Writer};
