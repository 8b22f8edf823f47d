//! The image to run on: the one of this tree, or one from a file, which is checked before anything is started.

use super::shared::{Part, Target};
use anyhow::{bail, ensure, Context};
use nix::libc;
use std::path::Path;
use vdso_image::x86_64::{IMAGE, MAP_PLAN, PAGE_SIZE};
use vdso_image::{Kind, Mapping, Permission};
use vdso_linker::inspect::{inspect, Inspection, NoteContent};

/// An image and where its parts go.
#[derive(Debug)]
pub(super) struct Image {
    /// The file's bytes.
    pub(super) bytes: Vec<u8>,
    /// The page, the image, and how they are mapped.
    pub(super) parts: Vec<Part>,
}

impl Image {
    /// The image of this tree.
    pub(super) fn ours() -> anyhow::Result<Image> {
        let bytes = IMAGE.as_bytes().to_vec();
        let parts = MAP_PLAN.iter().map(|mapping| part(mapping, mapping.pages)).collect::<Result<_, _>>()?;
        Ok(Image { bytes, parts })
    }

    /// An image from a file. It may be another than this tree's in everything but the place of its page, of which the
    /// file says nothing.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no image for this machine, is damaged, or reads a page of another layout.
    pub(super) fn from_file(path: &Path) -> anyhow::Result<Image> {
        let bytes = std::fs::read(path).with_context(|| format!("image {}", path.display()))?;
        check(&bytes).with_context(|| format!("image {}", path.display()))?;
        let pages = bytes.len().div_ceil(PAGE_SIZE);
        let parts = MAP_PLAN.iter().map(|mapping| match mapping.kind {
            Kind::Image => part(mapping, pages),
            _ => part(mapping, mapping.pages),
        });
        let parts = parts.collect::<Result<_, _>>()?;
        Ok(Image { bytes, parts })
    }
}

fn part(mapping: &Mapping, pages: usize) -> anyhow::Result<Part> {
    let (target, sharing) = match mapping.kind {
        Kind::Vvar => (Target::Page, libc::MAP_SHARED),
        Kind::Image => (Target::Image, libc::MAP_PRIVATE),
        kind => bail!("map plan: the runner has nothing to map as {kind:?}"),
    };
    let protection = match mapping.permission {
        Permission::Read => libc::PROT_READ,
        Permission::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
        permission => bail!("map plan: the runner does not know the permission {permission:?}"),
    };
    Ok(Part { target, offset: mapping.offset, size: (pages * PAGE_SIZE) as u64, protection, sharing })
}

/// Whether programs on this machine can use the image with our page. Whether it keeps all rules of an image is the gate's
/// to say.
fn check(bytes: &[u8]) -> anyhow::Result<()> {
    const ET_DYN: u64 = 3;
    const EM_X86_64: u64 = 62;
    let facts = inspect(bytes)?;
    let header = &facts.header;
    ensure!(
        header.machine.value == EM_X86_64,
        "e_machine is {}, this machine is EM_X86_64: build the image for x86_64",
        header.machine
    );
    ensure!(header.kind.value == ET_DYN, "e_type is {}, an image is a shared object (ET_DYN)", header.kind);
    if let Some(problem) = facts.problems.first() {
        bail!("{problem}; the file is truncated or damaged: build it anew");
    }
    check_page(&facts)
}

/// The page that the image's note names must be the one that the publisher writes.
fn check_page(facts: &Inspection) -> anyhow::Result<()> {
    let page = facts.notes.iter().find_map(|note| match &note.content {
        NoteContent::Page(page) => Some(*page),
        _ => None,
    });
    let page = page.context(
        "no note of owner `vvar`: the image does not say which page it reads, so it is not one of this project's",
    )?;
    let (abi, layout) = (vvar::page::ABI, vvar::page::LAYOUT);
    ensure!(
        page.abi == abi && page.layout == layout,
        "it reads a page of ABI {}, layout {:#018x}; the runner's page is of ABI {abi}, layout {layout:#018x}: build image \
         and runner from one version of the vvar crate",
        page.abi,
        page.layout
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        format!("{:#}", check(bytes).unwrap_err())
    }

    #[test]
    fn our_own_image_is_accepted() {
        check(IMAGE.as_bytes()).unwrap();
        assert_eq!(Image::ours().unwrap().parts.len(), MAP_PLAN.len());
    }

    #[test]
    fn every_truncation_is_refused() {
        for length in 0..vdso_image::x86_64::IMAGE_SIZE {
            assert!(!refusal(&IMAGE.as_bytes()[..length]).is_empty());
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let patched = |at: usize, value: u8| {
            let mut bytes = IMAGE.as_bytes().to_vec();
            bytes[at] = value;
            refusal(&bytes)
        };
        assert!(patched(0, b'X').contains("magic"));
        assert!(patched(18, 22).contains("EM_S390"), "{}", patched(18, 22));
        assert!(patched(16, 2).contains("e_type"));
        let layout = vvar::page::LAYOUT.to_le_bytes();
        let note = IMAGE.as_bytes().windows(8).position(|bytes| bytes == layout).expect("the note");
        assert!(patched(note, !layout[0]).contains("build image and runner from one version"));
        assert!(patched(note - 8, 9).contains("ABI 9"));
    }
}
