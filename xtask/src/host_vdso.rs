//! The running kernel's own vDSO, from this process's memory.

use anyhow::{bail, Context, Result};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

/// Where it is mapped.
pub(crate) fn range() -> Result<Range<u64>> {
    let maps = fs::read_to_string("/proc/self/maps").context("cannot read /proc/self/maps")?;
    match maps.lines().find_map(vdso_range) {
        Some(range) => Ok(range),
        None => bail!("this kernel maps no [vdso] into this process (booted with vdso=0?)"),
    }
}

/// All its bytes.
pub(crate) fn bytes() -> Result<Vec<u8>> {
    let Range { start, end } = range()?;
    let mut bytes = vec![0; (end - start) as usize];
    let mut memory = fs::File::open("/proc/self/mem").context("cannot open /proc/self/mem")?;
    memory.seek(SeekFrom::Start(start))?;
    memory.read_exact(&mut bytes).with_context(|| format!("cannot read the vDSO at {start:#x} to {end:#x}"))?;
    Ok(bytes)
}

/// The addresses, if the line of `/proc/self/maps` is the vDSO's.
fn vdso_range(line: &str) -> Option<Range<u64>> {
    let range = line.strip_suffix("[vdso]")?.split_whitespace().next()?;
    let (start, end) = range.split_once('-')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}
