//! A file that is written at the end, or not at all.

use anyhow::{Context, Result};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file to be. It is begun before anything is measured, so that a folder which cannot be written is known then.
pub(crate) struct Output {
    file: NamedTempFile,
    path: PathBuf,
}

impl Output {
    /// Begins the file `path`, if one is wanted.
    pub(crate) fn begin(path: Option<&Path>) -> Result<Option<Output>> {
        let Some(path) = path else { return Ok(None) };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666)) // less the umask, as of any new file
            .tempfile_in(folder)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Some(Output { file, path: path.to_owned() }))
    }

    /// Writes it.
    pub(crate) fn write(mut self, text: &str) -> Result<()> {
        let to = || format!("cannot write {}", self.path.display());
        self.file.write_all(text.as_bytes()).with_context(to)?;
        self.file.persist(&self.path).with_context(to)?;
        eprintln!("wrote {}", self.path.display());
        Ok(())
    }
}
