//! Packs files as a cpio archive of the "newc" format (man 5 cpio), as bootloaders hand files to kernels.

use super::programs::Program;
use anyhow::{Context, Result};

/// An executable file.
const MODE: u32 = 0o100_755;

pub(super) fn pack(programs: &[Program]) -> Result<Vec<u8>> {
    let mut archive = Vec::new();
    for program in programs {
        let content =
            std::fs::read(&program.file).with_context(|| format!("cannot read {}", program.file.display()))?;
        append(&mut archive, program.name, &content)?;
    }
    append(&mut archive, "TRAILER!!!", &[])?;
    Ok(archive)
}

fn append(archive: &mut Vec<u8>, name: &str, content: &[u8]) -> Result<()> {
    let size = u32::try_from(content.len()).with_context(|| format!("{name} is too large for an archive"))?;
    let name_size = u32::try_from(name.len() + 1).with_context(|| format!("the name {name} is too long"))?;
    // inode, mode, user, group, links, time, size, device (2), special device (2), size of the name, checksum
    let fields = [0, MODE, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
    archive.extend_from_slice(b"070701");
    for field in fields {
        archive.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    pad(archive);
    archive.extend_from_slice(content);
    pad(archive);
    Ok(())
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_content_start_at_multiples_of_four() {
        let mut archive = Vec::new();
        append(&mut archive, "ab", b"12345").unwrap();
        append(&mut archive, "c", b"").unwrap();
        // The header is 110 bytes long; with the name and its end 113.
        assert_eq!(&archive[110..113], b"ab\0");
        assert_eq!(&archive[116..121], b"12345");
        assert_eq!(&archive[54..62], b"00000005");
        assert_eq!(&archive[124..130], b"070701");
        assert_eq!(archive.len(), 124 + 112);
    }
}
