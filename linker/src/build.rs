//! Compile, link, check: from a manifest and sources to an image that is fit to ship.

use crate::compile::Compilation;
use crate::gate::{self, PageAbi};
use crate::link::{link, Kind, LINKER_SCRIPT, VERSION_SCRIPT};
use crate::toolchain::{Choice, Toolchain};
use crate::{constants, image, script, Error, Manifest};
use std::fmt;
use std::fs::Permissions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The source of a crate, or of a module tree, as text.
#[derive(Debug, Clone, Copy)]
pub struct CrateSource {
    /// The crate's or module's name.
    pub name: &'static str,
    /// Path (relative to the source's folder, with `/`) and text of each file. The first is the root: of a crate its
    /// `lib.rs`, of a module its `mod.rs`, in that folder or below it.
    pub files: &'static [(&'static str, &'static str)],
}

/// A build of an image. See the [example](crate#from-a-kernels-buildrs).
///
/// What comes out depends on the manifest, the sources and the toolchain, and on nothing else: neither the folders'
/// names nor the environment's flags show in it.
#[derive(Debug, Clone)]
pub struct Build {
    manifest: Manifest,
    libraries: Vec<CrateSource>,
    functions: Option<CrateSource>,
    function_files: Vec<(&'static str, &'static str)>,
    choice: Choice,
    page: Option<PageAbi>,
}

/// What a build makes.
#[derive(Debug, Clone)]
pub struct Artifacts {
    /// The image: stripped, its section headers mapped, accepted by the gate.
    pub image: Vec<u8>,
    /// The same image with symbols and debug information, for debuggers. Same build id.
    pub debug: Vec<u8>,
    /// The file of [`constants`](mod@crate::constants).
    pub constants: String,
    /// What the gate measured.
    pub report: gate::Report,
    /// The compilers' warnings about the functions and the manifest's sources; mostly empty.
    pub warnings: String,
}

impl Build {
    /// A build by a manifest. Its functions come from [`functions`](Self::functions) and from the manifest's sources.
    pub fn new(manifest: Manifest) -> Self {
        Build {
            manifest,
            libraries: Vec::new(),
            functions: None,
            function_files: Vec::new(),
            choice: Choice::default(),
            page: None,
        }
    }

    /// Adds a crate that the functions, and libraries added later, may use by name. It is `no_std`, edition 2021, and
    /// is compiled without features.
    #[must_use]
    pub fn library(mut self, source: CrateSource) -> Self {
        self.libraries.push(source);
        self
    }

    /// The module tree of the functions. Rust sources of the manifest reach it as `crate::NAME`.
    #[must_use]
    pub fn functions(mut self, source: CrateSource) -> Self {
        self.functions = Some(source);
        self
    }

    /// Adds files to the module tree of the functions: path and text, as in [`CrateSource::files`]. One whose path is
    /// there already takes its place: so an [architecture of your own](crate::arch) brings its `arch/functions.rs`. What
    /// that has to give, and which paths are free, the documentation of `vdso_image::source::FUNCTIONS` says.
    #[must_use]
    pub fn function_files(mut self, files: &[(&'static str, &'static str)]) -> Self {
        self.function_files.extend_from_slice(files);
        self
    }

    /// The compiler. Default: `$RUSTC`, which cargo sets for build scripts, else `rustc`.
    #[must_use]
    pub fn rustc(mut self, path: impl Into<PathBuf>) -> Self {
        self.choice.rustc = Some(path.into());
        self
    }

    /// The linker, an LLVM lld. Default: `$VDSO_LINKER`, else the compiler's own `rust-lld`.
    #[must_use]
    pub fn linker(mut self, path: impl Into<PathBuf>) -> Self {
        self.choice.linker = Some(path.into());
        self
    }

    /// A sysroot with the image's target, for targets whose `core` was built apart. Default: the compiler's if it has
    /// the target, else `$VDSO_SYSROOT`.
    #[must_use]
    pub fn sysroot(mut self, path: impl Into<PathBuf>) -> Self {
        self.choice.sysroot = Some(path.into());
        self
    }

    /// The page that the kernel writes: the gate refuses an image that reads another.
    #[must_use]
    pub fn page_abi(mut self, page: PageAbi) -> Self {
        self.page = Some(page);
        self
    }

    /// Builds the image in a temporary folder, and holds it against the gate.
    ///
    /// # Errors
    /// [`Error::Tool`] for a missing program, [`Error::Compile`] with the compiler's messages, [`Error::Exports`] and
    /// [`Error::Link`] for what does not fit together, [`Error::Refused`] with the gate's report and the image.
    pub fn build(&self) -> Result<Artifacts, Error> {
        let manifest = &self.manifest;
        let tools = Toolchain::find(&self.choice, manifest.image.arch.target())?;
        let folder = tempfile::Builder::new()
            .prefix("vdso-")
            .tempdir()
            .map_err(Error::io("create a folder in", &std::env::temp_dir()))?;
        // The compilers resolve links in their own folder's name, so that only the resolved name can be replaced.
        let work = folder.path().canonicalize().map_err(Error::io("resolve", folder.path()))?;
        for (name, text) in
            [(LINKER_SCRIPT, script::linker_script(manifest)), (VERSION_SCRIPT, script::version_script(manifest))]
        {
            let path = work.join(name);
            std::fs::write(&path, text).map_err(Error::io("write", &path))?;
        }
        let compilation = Compilation { tools: &tools, work: &work, manifest };
        let objects = compilation.run(&self.libraries, self.functions, &self.function_files)?;

        let mut image = link(&tools, &work, manifest, &objects.inputs, &Kind::Stripped)?;
        let build_id = image::build_id(&image)?;
        let debug = link(&tools, &work, manifest, &objects.inputs, &Kind::Unstripped { build_id: &build_id })?;
        image::require_same_loaded(&image, &debug)?;
        image::map_section_headers(&mut image)?;

        let report = gate::check_named(&image, manifest, self.page, image::function_names(&debug)?);
        if !report.is_accepted() {
            return Err(Error::Refused(Box::new(Refusal { report, image, debug })));
        }
        let constants = constants::constants(&image, manifest)?;
        Ok(Artifacts { image, debug, constants, report, warnings: objects.warnings })
    }
}

impl Artifacts {
    /// The files that [`write_to`](Self::write_to) writes: name and content.
    pub fn files(&self) -> [(&'static str, &[u8]); 3] {
        [("vdso.so", &self.image), ("vdso.so.dbg", &self.debug), ("vdso.rs", self.constants.as_bytes())]
    }

    /// Writes the artifacts into a folder, which is made if it is not there. Each file appears whole or not at all, and
    /// none before all of them could be written. What a [`Refusal`] left there goes: it was of an earlier build.
    ///
    /// # Errors
    /// [`Error::Io`] with the file or folder.
    pub fn write_to(&self, folder: &Path) -> Result<(), Error> {
        write(folder, &self.files())?;
        for name in Refusal::NAMES {
            let path = folder.join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("remove", &path)(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// An image that the gate refuses: no kernel may map it, but a disassembler shows what the report means.
#[derive(Clone)]
pub struct Refusal {
    /// What is wrong with it.
    pub report: gate::Report,
    /// The stripped image.
    pub image: Vec<u8>,
    /// The same image with symbols and debug information: the addresses in the report are in it, too.
    pub debug: Vec<u8>,
}

impl Refusal {
    const NAMES: [&'static str; 2] = ["vdso.so.refused", "vdso.so.dbg.refused"];

    /// The files that [`write_to`](Self::write_to) writes: name and content.
    pub fn files(&self) -> [(&'static str, &[u8]); 2] {
        let [image, debug] = Self::NAMES;
        [(image, &self.image), (debug, &self.debug)]
    }

    /// Writes the image into a folder, which is made if it is not there, under names that nobody takes for an image that is
    /// fit to ship. What was accepted before stays as it is.
    ///
    /// # Errors
    /// [`Error::Io`] with the file or folder.
    pub fn write_to(&self, folder: &Path) -> Result<(), Error> {
        write(folder, &self.files())
    }
}

/// The report as it is to be read, without the bytes: a build script whose `main` returns the error prints it by this.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)
    }
}

/// Writes files into a folder, which is made if it is not there. Each appears whole or not at all, and none before all of
/// them could be written.
fn write(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut written = Vec::new();
    for (name, content) in files {
        written.push((folder.join(name), temporary(folder, content)?));
    }
    for (path, file) in written {
        file.persist(&path).map_err(|error| Error::io("write", &path)(error.error))?;
    }
    Ok(())
}

/// A file that is removed if it is not given a name; with the permissions of any new file.
fn temporary(folder: &Path, content: &[u8]) -> Result<NamedTempFile, Error> {
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(Error::io("create a file in", folder))?;
    file.write_all(content).map_err(Error::io("write to", folder))?;
    Ok(file)
}
