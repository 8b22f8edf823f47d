//! Where the parts of an image go in a process's address space.

/// What a mapping holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The kernel's data pages: the frame of the `vvar` page, one for all processes.
    Vvar,
    /// The image's bytes, one copy for all processes.
    Image,
}

/// What a user program may do with a mapping. No mapping is ever writable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Permission {
    /// Read.
    Read,
    /// Read and execute.
    ReadExecute,
}

/// One mapping of the plan: map all of them, at one base address for the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Bytes from the image's ELF header, whose address goes into AT_SYSINFO_EHDR; a multiple of the page size, negative
    /// for a mapping below it.
    pub offset: i64,
    /// Length in pages of the image's page size.
    pub pages: usize,
    /// What the program may do with it.
    pub permission: Permission,
    /// What it holds.
    pub kind: Kind,
}

/// Bytes from the lowest address of a plan to the end of its highest mapping: what to reserve for a process.
#[must_use]
pub const fn span(plan: &[Mapping], page_size: usize) -> usize {
    let (mut low, mut high) = (0, 0);
    let mut i = 0;
    while i < plan.len() {
        let end = plan[i].offset + (plan[i].pages * page_size) as i64;
        if plan[i].offset < low {
            low = plan[i].offset;
        }
        if end > high {
            high = end;
        }
        i += 1;
    }
    (high - low) as usize
}

/// Where in such a reservation the image's ELF header lies, in bytes.
#[must_use]
pub const fn image_offset(plan: &[Mapping]) -> usize {
    let mut low = 0;
    let mut i = 0;
    while i < plan.len() {
        if plan[i].offset < low {
            low = plan[i].offset;
        }
        i += 1;
    }
    -low as usize
}
