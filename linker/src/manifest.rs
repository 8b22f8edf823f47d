//! `vdso.toml`: what an image is to be. The build makes it, the gate holds the result against it.
//!
//! Every key is checked when the file is read, so that a mistake is reported with the file, the key, the value and the
//! remedy, before anything is compiled.

mod check;

pub use crate::arch::Arch;

use crate::Error;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A whole `vdso.toml`. It is made by [`Manifest::load`] or [`Manifest::parse`], which check it.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The image as a file: `[image]`.
    pub image: ImageSection,
    /// The data pages beside it: `[vvar]`.
    pub vvar: VvarSection,
    /// Version nodes, oldest first: `[[version]]`.
    pub versions: Vec<VersionNode>,
    /// Exported functions, in the order in which the code lies in the image: `[[export]]`.
    pub exports: Vec<Export>,
    /// Further source files of the kernel's own: `[[source]]`.
    pub sources: Vec<Source>,
    /// The file that the text came from, for messages, and for the paths that are relative to it.
    origin: PathBuf,
}

/// `[image]`.
#[derive(Debug, Clone)]
pub struct ImageSection {
    /// The processor architecture.
    pub arch: Arch,
    /// DT_SONAME, `linux-vdso.so.1` where Linux's clients shall recognise the image.
    pub soname: String,
    /// The kernel's page size in bytes: one of [`Arch::page_sizes`].
    pub page_size: u64,
    /// The largest size of the stripped image in bytes, section headers included: 1 to 65536. Rounded up to whole pages
    /// it is also the room that the image takes in the address space.
    pub size_limit: u64,
    /// What a function does when the page cannot answer.
    pub fallback: Fallback,
}

/// A manifest as its text has it, in which the architecture is a name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Text {
    image: ImageText,
    #[serde(default)]
    vvar: VvarSection,
    #[serde(rename = "version", default)]
    versions: Vec<VersionNode>,
    #[serde(rename = "export", default)]
    exports: Vec<Export>,
    #[serde(rename = "source", default)]
    sources: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ImageText {
    arch: String,
    soname: String,
    #[serde(default = "default_page_size")]
    page_size: u64,
    size_limit: u64,
    #[serde(default)]
    fallback: Fallback,
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
    /// How many pages (of `page-size` bytes) they take, 1 to 16; the clocks' page is the first.
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
    /// What the function's address is a multiple of, in bytes: 16, 32 or 64, a cache line. A short function that lies in
    /// one line is fetched a cycle sooner.
    #[serde(default = "default_alignment")]
    pub align: u64,
}

/// A `[[source]]`: a file of the kernel's own that is compiled into the image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// A `.rs` file (a module beside the clock functions), or a `.c` or `.S` file (compiled with `cc`); relative to the
    /// manifest.
    pub path: PathBuf,
}

impl Manifest {
    /// Reads and checks the manifest `path`, and that the sources which it names exist.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, else as [`Manifest::parse`].
    pub fn load(path: &Path) -> Result<Manifest, Error> {
        Manifest::load_with(path, &[])
    }

    /// As [`Manifest::load`], where the manifest may also be for one of these architectures, which this crate does not have
    /// ([`Arch::new`]).
    ///
    /// # Errors
    /// As [`Manifest::load`]; [`Error::Architecture`] for one of these that cannot be, or whose name is taken.
    pub fn load_with(path: &Path, architectures: &[Arch]) -> Result<Manifest, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let manifest = Manifest::parse_with(&text, path, architectures)?;
        check::sources_exist(&manifest)?;
        Ok(manifest)
    }

    /// Checks the text of a manifest. `origin` is the file that it came from: it stands in messages, and source paths are
    /// relative to its folder. Nothing is read from the disk.
    ///
    /// # Errors
    /// [`Error::Syntax`] for an unknown key, a missing one or a value of the wrong type, with the line;
    /// [`Error::Manifest`] for a value that cannot be, with the key and the remedy.
    pub fn parse(text: &str, origin: &Path) -> Result<Manifest, Error> {
        Manifest::parse_with(text, origin, &[])
    }

    /// As [`Manifest::parse`], with architectures as [`Manifest::load_with`] takes them.
    ///
    /// # Errors
    /// As [`Manifest::parse`] and [`Manifest::load_with`].
    pub fn parse_with(text: &str, origin: &Path, architectures: &[Arch]) -> Result<Manifest, Error> {
        let Text { image, vvar, versions, exports, sources } = toml::from_str(text)
            .map_err(|error| Error::Syntax { file: origin.to_owned(), message: error.to_string().trim_end().into() })?;
        let arch = check::architecture(&image.arch, origin, architectures)?;
        let ImageText { soname, page_size, size_limit, fallback, .. } = image;
        let image = ImageSection { arch, soname, page_size, size_limit, fallback };
        let manifest = Manifest { image, vvar, versions, exports, sources, origin: origin.to_owned() };
        check::values(&manifest)?;
        Ok(manifest)
    }

    /// The file that the manifest came from.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The room in the address space that is kept for the image, in pages of `page-size` bytes.
    pub fn image_pages(&self) -> u64 {
        self.image.size_limit.div_ceil(self.image.page_size)
    }

    /// Where the first vvar page lies, in bytes relative to the image's ELF header.
    pub fn vvar_offset(&self) -> i64 {
        // Sizes and page counts are checked: neither product reaches 2^21.
        match self.vvar.placement {
            Placement::Before => -((self.vvar.pages * self.image.page_size) as i64),
            Placement::After => (self.image_pages() * self.image.page_size) as i64,
        }
    }

    /// Where a source lies: its path, seen from the folder of the manifest.
    pub fn source_path(&self, source: &Source) -> PathBuf {
        self.origin.parent().unwrap_or(Path::new("")).join(&source.path)
    }
}

impl Fallback {
    /// Its name, as in the manifest and as the value of `cfg(vdso_fallback)` in the functions.
    pub fn name(self) -> &'static str {
        match self {
            Fallback::LinuxSyscall => "linux-syscall",
            Fallback::Enosys => "enosys",
        }
    }
}

/// What a source file is compiled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// rustc, as a module beside the clock functions.
    Rust,
    /// The C compiler: C, or assembly for the C preprocessor.
    C,
}

impl Source {
    pub(crate) fn language(&self) -> Option<Language> {
        match self.path.extension()?.to_str()? {
            "rs" => Some(Language::Rust),
            "c" | "S" => Some(Language::C),
            _ => None,
        }
    }

    /// The module that a Rust source becomes.
    pub(crate) fn module(&self) -> &str {
        self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }
}

impl Default for VvarSection {
    fn default() -> Self {
        VvarSection { placement: Placement::Before, pages: 1 }
    }
}

fn default_page_size() -> u64 {
    4096
}

fn default_alignment() -> u64 {
    16
}

fn one() -> u64 {
    1
}
