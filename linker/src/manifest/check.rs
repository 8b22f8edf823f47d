//! The checks that TOML's types cannot express.

use super::{Arch, Export, Language, Manifest, Source};
use crate::Error;
use std::collections::HashMap;
use std::path::{Component, Path};

/// A larger image would be a mistake: Linux's has 7 KiB, with every function and getrandom.
const LARGEST_IMAGE: u64 = 64 * 1024;

/// Linux has 4 to 6 vvar pages, clocks of a time namespace, random-number state and paravirtual clocks included.
const MOST_VVAR_PAGES: u64 = 16;

/// What an export can be aligned to, in bytes.
const ALIGNMENTS: [u64; 3] = [16, 32, 64];

/// Symbols that the linker script or the linker itself defines.
const RESERVED_SYMBOLS: [&str; 3] = ["vvar_page", "_DYNAMIC", "_GLOBAL_OFFSET_TABLE_"];

/// Modules that the build puts beside those of the manifest's Rust sources.
const RESERVED_MODULES: [&str; 2] = ["functions", "core"];

/// Keywords of Rust 2021, strict and reserved (Rust reference, "Keywords"): none can be a module's name.
const RUST_KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "Self",
];

/// The architecture of that name: one of these, else one of this crate's.
pub(super) fn architecture(name: &str, origin: &Path, architectures: &[Arch]) -> Result<Arch, Error> {
    let mut known = Arch::ALL.to_vec();
    for &arch in architectures {
        arch.architecture().check()?;
        if known.contains(&arch) {
            return Err(Error::Architecture {
                name: arch.name(),
                field: "name",
                value: quoted(arch.name()),
                problem: "another one has that name",
                remedy: "give it a name of its own",
            });
        }
        known.push(arch);
    }
    known.iter().find(|arch| arch.name() == name).copied().ok_or_else(|| {
        let names: Vec<String> = known.iter().map(|arch| quoted(arch.name())).collect();
        Error::Manifest {
            file: origin.to_owned(),
            key: "[image] arch".to_owned(),
            value: quoted(name),
            problem: "no architecture of that name is known".to_owned(),
            remedy: format!(
                "use one of: {}; one of your own is to be given to `Manifest::load_with`",
                names.join(", ")
            ),
        }
    })
}

/// Refuses values that cannot be.
pub(super) fn values(manifest: &Manifest) -> Result<(), Error> {
    image(manifest)?;
    vvar(manifest)?;
    versions(manifest)?;
    exports(manifest)?;
    sources(manifest)
}

/// Refuses a manifest that names sources which are not there.
pub(super) fn sources_exist(manifest: &Manifest) -> Result<(), Error> {
    for source in &manifest.sources {
        let path = manifest.source_path(source);
        if !path.is_file() {
            let problem = format!("there is no file {}", path.display());
            return Err(manifest.refuse(
                "[[source]] path",
                quoted(&source.path.to_string_lossy()),
                problem,
                "give a path relative to the manifest's folder",
            ));
        }
    }
    Ok(())
}

fn image(manifest: &Manifest) -> Result<(), Error> {
    let image = &manifest.image;
    let soname = &image.soname;
    if soname.is_empty() || !soname.chars().all(|c| c.is_ascii_graphic() && c != '/') {
        return Err(manifest.refuse(
            "[image] soname",
            quoted(soname),
            "a SONAME is one or more printable ASCII characters, without `/` and spaces",
            "`linux-vdso.so.1` is the name that Linux's clients know",
        ));
    }
    let sizes = image.arch.page_sizes();
    if !sizes.contains(&image.page_size) {
        let problem = format!("{} has no pages of that size", image.arch);
        let remedy = format!("use one of: {}", join(sizes));
        return Err(manifest.refuse("[image] page-size", image.page_size.to_string(), problem, remedy));
    }
    if image.size_limit == 0 || image.size_limit > LARGEST_IMAGE {
        return Err(manifest.refuse(
            "[image] size-limit",
            image.size_limit.to_string(),
            format!("a limit lies between 1 and {LARGEST_IMAGE} bytes"),
            format!("one page ({} bytes) holds the usual five functions", image.page_size),
        ));
    }
    Ok(())
}

fn vvar(manifest: &Manifest) -> Result<(), Error> {
    let pages = manifest.vvar.pages;
    if !(1..=MOST_VVAR_PAGES).contains(&pages) {
        return Err(manifest.refuse(
            "[vvar] pages",
            pages.to_string(),
            format!("the data take 1 to {MOST_VVAR_PAGES} pages"),
            "the clocks take one",
        ));
    }
    Ok(())
}

fn versions(manifest: &Manifest) -> Result<(), Error> {
    if manifest.versions.is_empty() {
        return Err(manifest.refuse(
            "[[version]]",
            "(none)",
            "without a version definition static Go programs crash and glibc finds no function",
            "add one, such as: [[version]] name = \"LINUX_2.6\"",
        ));
    }
    let mut seen = HashMap::new();
    for version in &manifest.versions {
        let refuse =
            |problem: &str, remedy| manifest.refuse("[[version]] name", quoted(&version.name), problem, remedy);
        if !is_version(&version.name) {
            return Err(refuse(
                "a version is a letter or `_`, then letters, digits, `_` and `.`",
                "as in `LINUX_2.6`".to_owned(),
            ));
        }
        if seen.insert(&version.name, ()).is_some() {
            return Err(refuse("the version is declared twice", "take one declaration out".to_owned()));
        }
        if !manifest.exports.is_empty() && !manifest.exports.iter().any(|export| export.version == version.name) {
            return Err(refuse(
                "no export has this version",
                "take it out, or give it as the `version` of an [[export]]".to_owned(),
            ));
        }
    }
    Ok(())
}

fn exports(manifest: &Manifest) -> Result<(), Error> {
    if manifest.exports.is_empty() {
        return Err(manifest.refuse(
            "[[export]]",
            "(none)",
            "an image without functions serves nobody",
            "add one, such as: [[export]] name = \"__vdso_clock_gettime\", version = \"LINUX_2.6\"",
        ));
    }
    // The offsets become constants with the name in capitals, so names may not differ in case only.
    let mut seen: HashMap<String, &str> = HashMap::new();
    for export in &manifest.exports {
        for (key, name) in names(export) {
            let key = format!("[[export]] {key}");
            symbol(manifest, &key, name)?;
            if let Some(other) = seen.insert(name.to_ascii_uppercase(), name) {
                let problem = if other == name {
                    "another export has this name or alias".to_owned()
                } else {
                    format!("`{other}` differs from it only in case, and both would be one constant")
                };
                return Err(manifest.refuse(&key, quoted(name), problem, "give each function a name of its own"));
            }
        }
        if !ALIGNMENTS.contains(&export.align) {
            return Err(manifest.refuse(
                &format!("[[export]] {} align", quoted(&export.name)),
                export.align.to_string(),
                "a function starts at a multiple of 16 bytes, and no cache line is longer than 64",
                format!("use one of: {}", join(&ALIGNMENTS)),
            ));
        }
        if !manifest.versions.iter().any(|version| version.name == export.version) {
            let known: Vec<&str> = manifest.versions.iter().map(|version| version.name.as_str()).collect();
            return Err(manifest.refuse(
                &format!("[[export]] {} version", quoted(&export.name)),
                quoted(&export.version),
                "there is no such [[version]]",
                format!("declare it, or use one of: {}", known.join(", ")),
            ));
        }
    }
    Ok(())
}

fn names(export: &Export) -> impl Iterator<Item = (&'static str, &str)> {
    std::iter::once(("name", export.name.as_str())).chain(export.alias.iter().map(|alias| ("alias", alias.as_str())))
}

fn symbol(manifest: &Manifest, key: &str, name: &str) -> Result<(), Error> {
    if !is_identifier(name) {
        return Err(manifest.refuse(
            key,
            quoted(name),
            "a symbol is a C identifier: a letter or `_`, then letters, digits and `_`",
            "as in `__vdso_clock_gettime`",
        ));
    }
    if RESERVED_SYMBOLS.contains(&name) {
        return Err(manifest.refuse(key, quoted(name), "the linker defines this symbol itself", "choose another name"));
    }
    Ok(())
}

fn sources(manifest: &Manifest) -> Result<(), Error> {
    let mut seen: HashMap<&str, &Source> = HashMap::new();
    for source in &manifest.sources {
        let value = quoted(&source.path.to_string_lossy());
        let refuse =
            |problem: String, remedy: &str| Err(manifest.refuse("[[source]] path", value.clone(), problem, remedy));
        if source.path.components().any(|part| matches!(part, Component::RootDir | Component::Prefix(_))) {
            return refuse(
                "an absolute path names a place on one machine".into(),
                "give a path relative to the manifest's folder",
            );
        }
        let Some(language) = source.language() else {
            return refuse("no compiler is known for this extension".into(), "use one of: .rs, .c, .S");
        };
        if language == Language::C {
            continue;
        }
        let module = source.module();
        if !is_identifier(module) || RUST_KEYWORDS.contains(&module) || RESERVED_MODULES.contains(&module) {
            let problem = format!("`{module}` cannot be a module of the image, which the file's name becomes");
            return refuse(problem, "rename the file to an identifier such as `trampoline.rs`");
        }
        if let Some(other) = seen.insert(module, source) {
            let problem = format!("`{}` becomes the same module `{module}`", other.path.display());
            return refuse(problem, "rename one of the files");
        }
    }
    Ok(())
}

/// A C identifier in ASCII.
fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What a version script takes as the name of a node without quotes.
fn is_version(name: &str) -> bool {
    !name.starts_with('.') && is_identifier(&name.replace('.', "_"))
}

fn quoted(value: &str) -> String {
    format!("{value:?}")
}

fn join(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

impl Manifest {
    fn refuse(
        &self,
        key: &str,
        value: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Error {
        Error::Manifest {
            file: self.origin.clone(),
            key: key.to_owned(),
            value: value.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}
