//! What can go wrong: each error names the thing, its value, and the remedy.

use crate::build::Refusal;
use crate::link::Complaint;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why an image was not built, or a file not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The manifest is not the TOML that a manifest is made of: unknown or missing key, wrong type, bad syntax.
    #[error("{}: {message}", file.display())]
    Syntax {
        /// The manifest.
        file: PathBuf,
        /// The parser's message, with line, column and the line itself.
        message: String,
    },
    /// A value of the manifest cannot be.
    #[error("{}: {key} = {value}: {problem}; {remedy}", file.display())]
    Manifest {
        /// The manifest.
        file: PathBuf,
        /// The key, with the table that it stands in.
        key: String,
        /// Its value, as TOML.
        value: String,
        /// Why that value cannot be.
        problem: String,
        /// What to write instead.
        remedy: String,
    },
    /// An [`Architecture`](crate::arch::Architecture) from outside of this crate cannot be.
    #[error("architecture {name:?}: {field} = {value}: {problem}; {remedy}")]
    Architecture {
        /// Its name.
        name: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// Why that value cannot be.
        problem: &'static str,
        /// What to give instead.
        remedy: &'static str,
    },
    /// A file could not be read, written or removed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as in "cannot `read` FILE".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A compiler or linker is missing, does not start, or is not what it should be.
    #[error("{tool}: {problem}; {remedy}")]
    Tool {
        /// The program.
        tool: String,
        /// What is wrong with it.
        problem: String,
        /// How to get a good one.
        remedy: String,
    },
    /// Sources given to the build cannot be laid out as files.
    #[error("source `{name}`: {problem}; {remedy}")]
    Source {
        /// Name of the crate or path of the file.
        name: String,
        /// What is wrong with it.
        problem: String,
        /// What to give instead.
        remedy: String,
    },
    /// A source does not compile.
    #[error("{what} does not compile:\n{messages}")]
    Compile {
        /// The crate or file.
        what: String,
        /// The compiler's messages.
        messages: String,
    },
    /// Exports of the manifest that no source defines.
    #[error(
        "no source of the image defines {}; define it (in Rust: `#[no_mangle] pub extern \"C\" fn`; the alias of a \
         function in C beside it: `__attribute__((weak, alias(\"NAME\")))`), or take it out of the manifest",
        symbols.join(", ")
    )]
    Exports {
        /// Their names.
        symbols: Vec<String>,
    },
    /// The linker refuses the image.
    #[error("the image does not link:{}", Lines(complaints))]
    Link {
        /// Each thing that the linker complains of, with its remedy.
        complaints: Vec<Complaint>,
    },
    /// An ELF file is not what it should be.
    #[error("{what}: {problem}")]
    Image {
        /// The file, or its part.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The gate refuses the image, which is there to be looked at.
    #[error("the gate refuses the image:\n{}", .0.report)]
    Refused(Box<Refusal>),
}

impl Error {
    /// For `map_err` on an operation with a file: `.map_err(Error::io("read", path))`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }

    pub(crate) fn image(what: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Image { what: what.into(), problem: problem.into() }
    }
}

/// Each item on a line of its own.
struct Lines<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|item| write!(f, "\n  {item}"))
    }
}
