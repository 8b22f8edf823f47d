//! What lies around the code.

use super::Fault;
use crate::gate::Rule;
use crate::manifest::Manifest;
use std::ops::Range;

/// What lies at a fixed distance from the code.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The image itself.
    pub image: Range<i64>,
    /// The vvar pages.
    pub vvar: Range<i64>,
}

impl Surroundings {
    /// As the manifest has it, for an image of `image_size` bytes.
    pub fn new(manifest: &Manifest, image_size: u64) -> Self {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let start = manifest.vvar_offset();
        let size = signed(manifest.vvar.pages.saturating_mul(manifest.image.page_size));
        Surroundings { image: 0..signed(image_size), vvar: start..start.saturating_add(size) }
    }

    /// Holds an address that an instruction forms relative to itself against what lies there, and a store to it against
    /// how that is mapped.
    pub fn fault(&self, target: i64, stores: bool) -> Option<Fault> {
        // One past the end is an address that pointer arithmetic may form.
        let within = |range: &Range<i64>| range.start <= target && target <= range.end;
        if !within(&self.image) && !within(&self.vvar) {
            return Some(Fault {
                rule: Rule::DataAddress,
                what: format!("address {target:#x} is neither in the image nor in the vvar pages"),
                remedy: "refer to symbols of the image or to `vvar_page`; match `vvar.pages` and `vvar.placement`",
            });
        }
        stores.then(|| Fault {
            rule: Rule::ReadOnlyStore,
            what: format!("stores to {target:#x}"),
            remedy: "keep state in the kernel or in memory of the caller",
        })
    }
}
