//! The archive of programs that the loader brought: a cpio archive of the "newc" format (man 5 cpio).

use crate::lock::Once;

static ARCHIVE: Once<&'static [u8]> = Once::new();

const HEADER: usize = 110;
const MAGIC: &[u8] = b"070701";
const TRAILER: &str = "TRAILER!!!";

/// Takes it over.
pub fn set(bytes: &'static [u8]) {
    ARCHIVE.set(bytes);
}

/// A file.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub content: &'static [u8],
}

/// The files, in order. Ends at the first entry that is not one.
pub fn files() -> impl Iterator<Item = File> {
    let mut rest: &'static [u8] = ARCHIVE.get();
    core::iter::from_fn(move || {
        let (file, behind) = entry(rest)?;
        rest = behind;
        (file.name != TRAILER).then_some(file)
    })
}

/// The first entry, and what follows it.
fn entry(archive: &'static [u8]) -> Option<(File, &'static [u8])> {
    let header = archive.get(..HEADER)?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    // Thirteen numbers of eight hexadecimal digits follow the magic: the seventh is the size, the twelfth the name's.
    let number = |index: usize| {
        let digits = core::str::from_utf8(&header[6 + 8 * index..14 + 8 * index]).ok()?;
        usize::from_str_radix(digits, 16).ok()
    };
    let (size, name_size) = (number(6)?, number(11)?);
    let name_end = HEADER.checked_add(name_size)?;
    let name = archive.get(HEADER..name_end)?.strip_suffix(&[0])?;
    let start = name_end.next_multiple_of(4);
    let end = start.checked_add(size)?;
    let file = File { name: core::str::from_utf8(name).ok()?, content: archive.get(start..end)? };
    Some((file, archive.get(end.next_multiple_of(4)..).unwrap_or_default()))
}
