//! `vdso.toml`: what an image is to be. The build makes it, the gate holds the result against it.
//!
//! Every key is checked when the file is read, so that a mistake is reported with the file, the key, the value and the
//! remedy, before anything is compiled.

use serde::Deserialize;
use std::path::PathBuf;

/// A whole `vdso.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// The image as a file: `[image]`.
    pub image: ImageSection,
    /// The data pages beside it: `[vvar]`.
    #[serde(default)]
    pub vvar: VvarSection,
    /// Version nodes, oldest first: `[[version]]`.
    #[serde(rename = "version")]
    pub versions: Vec<VersionNode>,
    /// Exported functions: `[[export]]`.
    #[serde(rename = "export")]
    pub exports: Vec<Export>,
    /// Further source files of the kernel's own: `[[source]]`.
    #[serde(rename = "source", default)]
    pub sources: Vec<Source>,
}

/// `[image]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSection {
    /// The processor architecture.
    pub arch: Arch,
    /// DT_SONAME, `linux-vdso.so.1` where Linux's clients shall recognise the image.
    pub soname: String,
    /// The kernel's page size in bytes: 4096, 16384 or 65536.
    #[serde(default = "default_page_size")]
    pub page_size: u64,
    /// The largest size of the stripped image in bytes, section headers included. Rounded up to whole pages it is also
    /// the room that the image takes in the address space.
    pub size_limit: u64,
    /// What a function does when the page cannot answer.
    #[serde(default)]
    pub fallback: Fallback,
}

/// The architectures that images exist for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// x86-64, System V ABI.
    #[serde(rename = "x86_64")]
    X86_64,
}

/// What a function does when the page cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// Make the Linux system call of the same name.
    #[default]
    LinuxSyscall,
    /// Return -ENOSYS, for a kernel with another system-call ABI; its libc then asks the kernel in its own way.
    Enosys,
}

/// `[vvar]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VvarSection {
    /// On which side of the image the data pages lie.
    #[serde(default)]
    pub placement: Placement,
    /// How many pages (of `page-size` bytes) they take; the clocks' page is the first.
    #[serde(default = "one")]
    pub pages: u64,
}

/// On which side of the image the data pages lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Below the ELF header: the first vvar page starts `pages * page-size` bytes before the image. Linux's order.
    #[default]
    Before,
    /// Above the image: the first vvar page starts `size-limit`, rounded up to whole pages, after the ELF header.
    After,
}

/// A `[[version]]` node (a GNU symbol version definition).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VersionNode {
    /// Its name, such as `LINUX_2.6`.
    pub name: String,
}

/// An `[[export]]`: one function and, if it has one, its weak alias.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Export {
    /// The symbol, such as `__vdso_clock_gettime`: FUNC, GLOBAL, DEFAULT.
    pub name: String,
    /// A second name at the same address: FUNC, WEAK, DEFAULT.
    #[serde(default)]
    pub alias: Option<String>,
    /// The version node, one of the manifest's.
    pub version: String,
}

/// A `[[source]]`: a file of the kernel's own that is compiled into the image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// A `.rs` file (a module beside the clock functions), or a `.c` or `.S` file (compiled with `cc`); relative to the
    /// manifest.
    pub path: PathBuf,
}

impl Default for VvarSection {
    fn default() -> Self {
        VvarSection { placement: Placement::Before, pages: 1 }
    }
}

fn default_page_size() -> u64 {
    4096
}

fn one() -> u64 {
    1
}
