//! From sources to objects: the libraries, one object with everything in Rust, one for each C or assembly source.

use crate::manifest::{Export, Language, Manifest, Source};
use crate::toolchain::{command, run, Toolchain};
use crate::{CrateSource, Error};
use object::{Object, ObjectSymbol};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// How Rust is compiled.
const RUST_FLAGS: [&str; 15] = [
    "--edition=2021",
    // 3 unrolls and duplicates: larger, and no faster.
    "-Copt-level=2",
    "-Ccodegen-units=1",
    "-Cdebuginfo=2",
    // The kernel chooses the address.
    "-Crelocation-model=pic",
    // With RELRO, rustc has calls between crates go through a GOT; without, the linker makes them direct.
    "-Crelro-level=off",
    // A panic path shows as an undefined symbol. The unwind tables are for debuggers and profilers.
    "-Cpanic=abort",
    "-Cforce-unwind-tables=yes",
    // As released, whatever the caller's profile: a check is a panic path.
    "-Coverflow-checks=no",
    "-Cdebug-assertions=no",
    // Kernels may save vector registers lazily, or not at all.
    "-Cno-vectorize-loops",
    "-Cno-vectorize-slp",
    // No jump tables: an indirect jump is one that the gate cannot follow.
    "-Cllvm-args=-min-jump-table-entries=4294967295",
    "--color=never",
    "--check-cfg=cfg(vdso_fallback, values(\"linux-syscall\", \"enosys\"))",
];

/// How C, and assembly with the C preprocessor, is compiled. The reasons are those of [`RUST_FLAGS`].
const C_FLAGS: [&str; 12] = [
    "-c",
    "-O2",
    "-g",
    "-gno-record-gcc-switches",
    // Not -fPIC: as in an executable, nobody replaces a definition, so that none needs a GOT to be found.
    "-fPIE",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-common",
    "-fno-stack-protector",
    "-fno-jump-tables",
    "-fasynchronous-unwind-tables",
    "-ffunction-sections",
];

/// What stands for the work folder in debug information.
const WORK_NAME: &str = "/vdso";

/// What stands for the manifest's folder in debug information.
const MANIFEST_NAME: &str = "/vdso/manifest";

/// What the link takes.
pub(crate) struct Objects {
    /// Paths in the work folder, objects first.
    pub(crate) inputs: Vec<PathBuf>,
    /// The compilers' warnings.
    pub(crate) warnings: String,
}

/// A compilation in a work folder, whose path is absolute and free of links.
pub(crate) struct Compilation<'a> {
    pub(crate) tools: &'a Toolchain,
    pub(crate) work: &'a Path,
    pub(crate) manifest: &'a Manifest,
}

impl Compilation<'_> {
    /// Compiles everything.
    pub(crate) fn run(
        &self,
        libraries: &[CrateSource],
        functions: Option<CrateSource>,
        function_files: &[(&'static str, &'static str)],
    ) -> Result<Objects, Error> {
        let mut warnings = String::new();
        let foreign = self.foreign_objects(&mut warnings)?;
        let mut rlibs = Vec::new();
        for library in libraries {
            let rlib = self.library(library, &rlibs)?;
            rlibs.push((library.name, rlib));
        }
        let mut defined = HashSet::new();
        for path in &foreign {
            self.add_definitions(path, &mut defined)?;
        }
        let ours: Vec<&Export> = self.manifest.exports.iter().filter(|it| !defined.contains(&it.name)).collect();
        let module = self.functions_module(functions, function_files)?;
        let rust = self.rust_object(module, &ours, &rlibs, &mut warnings)?;
        self.add_definitions(&rust, &mut defined)?;
        self.require_exports(&defined)?;
        let inputs = std::iter::once(rust).chain(foreign).chain(rlibs.into_iter().map(|(_, rlib)| rlib)).collect();
        Ok(Objects { inputs, warnings })
    }

    fn library(&self, library: &CrateSource, earlier: &[(&str, PathBuf)]) -> Result<PathBuf, Error> {
        let root = self.materialise(library)?;
        let rlib = PathBuf::from(format!("lib{}.rlib", library.name));
        let mut rustc = self.rustc(library.name, earlier);
        // As cargo compiles a dependency: its own build shows its warnings.
        rustc.args(["--crate-type=rlib", "--cap-lints=allow"]).arg("-o").arg(&rlib).arg(root);
        compiled(&format!("library `{}`", library.name), &mut rustc)?;
        Ok(rlib)
    }

    /// Writes the module tree of the functions: its name, and its root in the work folder.
    fn functions_module(
        &self,
        functions: Option<CrateSource>,
        files: &[(&'static str, &'static str)],
    ) -> Result<Option<(&'static str, PathBuf)>, Error> {
        let Some(functions) = functions else {
            return match files.first() {
                None => Ok(None),
                Some((name, _)) => {
                    let problem = "it belongs to the functions, and there are none".to_owned();
                    Err(unfit(name, problem, "give them by `Build::functions`"))
                }
            };
        };
        let root = self.materialise(&functions)?;
        self.write_files(functions.name, files)?;
        Ok(Some((functions.name, root)))
    }

    fn rust_object(
        &self,
        functions: Option<(&str, PathBuf)>,
        exports: &[&Export],
        rlibs: &[(&str, PathBuf)],
        warnings: &mut String,
    ) -> Result<PathBuf, Error> {
        let mut root = String::from("#![no_std]\n");
        if let Some((name, path)) = functions {
            module(&mut root, name, &path)?;
        }
        for source in self.sources(Language::Rust) {
            module(&mut root, source.module(), &self.source_path(source)?)?;
        }
        root.push_str(&aliases(exports, self.manifest.image.arch.architecture().assembly_options));
        let path = self.work.join("root.rs");
        std::fs::write(&path, root).map_err(Error::io("write", &path))?;

        let object = PathBuf::from("vdso.o");
        let mut rustc = self.rustc("vdso", rlibs);
        rustc.args(["--crate-type=lib", "--emit=obj"]);
        rustc.args(["--cap-lints=warn", "-o"]).arg(&object).arg("root.rs");
        warnings.push_str(&compiled("the image", &mut rustc)?);
        Ok(object)
    }

    fn rustc(&self, crate_name: &str, rlibs: &[(&str, PathBuf)]) -> Command {
        let mut rustc = command(&self.tools.rustc, self.work);
        rustc.args(RUST_FLAGS).args(["--crate-name", crate_name]);
        rustc.args(["--target", self.manifest.image.arch.target()]);
        rustc.args(self.manifest.image.arch.architecture().rust_flags);
        rustc.arg("--cfg").arg(format!("vdso_fallback=\"{}\"", self.manifest.image.fallback.name()));
        if let Some(sysroot) = &self.tools.sysroot {
            rustc.arg("--sysroot").arg(sysroot);
        }
        for (from, to) in self.path_names() {
            rustc.arg("--remap-path-prefix").arg(joined(from.as_os_str(), to));
        }
        for (name, rlib) in rlibs {
            rustc.arg("--extern").arg(joined(OsStr::new(name), rlib));
        }
        rustc
    }

    /// The folders whose names may not show in the output, and what stands for them. Where several fit, rustc takes the
    /// last.
    fn path_names(&self) -> Vec<(PathBuf, PathBuf)> {
        let mut names = vec![(self.manifest_folder(), MANIFEST_NAME.into()), (self.work.to_owned(), WORK_NAME.into())];
        if let Some(commit) = &self.tools.commit {
            // Where the sources of `core` are installed, rustc names them by their place on this machine.
            let library = self.tools.own_sysroot.join("lib/rustlib/src/rust");
            names.push((library, Path::new("/rustc").join(commit)));
        }
        names
    }

    fn foreign_objects(&self, warnings: &mut String) -> Result<Vec<PathBuf>, Error> {
        let sources: Vec<&Source> = self.sources(Language::C).collect();
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let compiler = self.c_compiler()?;
        let compile = |(index, source): (usize, &Source)| {
            let path = self.source_path(source)?;
            let object = PathBuf::from(format!("source{index}.o"));
            let mut cc = command(compiler.path(), self.work);
            cc.args(C_FLAGS).args(self.manifest.image.arch.architecture().c_flags);
            if compiler.is_like_clang() {
                cc.arg(format!("--target={}", self.manifest.image.arch.target()));
            }
            for (from, to) in self.path_names() {
                let map = joined(from.as_os_str(), to);
                // The assembler is told of the second only.
                for option in ["-ffile-prefix-map=", "-fdebug-prefix-map="] {
                    cc.arg([OsStr::new(option), &map].into_iter().collect::<OsString>());
                }
            }
            cc.arg("-o").arg(&object).arg(&path);
            warnings.push_str(&compiled(&path.display().to_string(), &mut cc)?);
            Ok(object)
        };
        sources.into_iter().enumerate().map(compile).collect()
    }

    fn c_compiler(&self) -> Result<cc::Tool, Error> {
        let mut build = cc::Build::new();
        build.cargo_output(false).inherit_rustflags(false).opt_level(2);
        build.target(self.manifest.image.arch.target()).host(&self.tools.host);
        build.try_get_compiler().map_err(|error| Error::Tool {
            tool: "C compiler".to_owned(),
            problem: error.to_string(),
            remedy: format!("install one for {}, or name it in CC", self.manifest.image.arch.target()),
        })
    }

    fn sources(&self, language: Language) -> impl Iterator<Item = &Source> {
        self.manifest.sources.iter().filter(move |source| source.language() == Some(language))
    }

    /// The manifest's folder, absolute; as it is named and not as links resolve, since `..` in a source's path is too.
    fn manifest_folder(&self) -> PathBuf {
        let folder = self.manifest.origin().parent().unwrap_or(Path::new(""));
        std::path::absolute(folder.join(".")).unwrap_or_else(|_| folder.to_owned())
    }

    fn source_path(&self, source: &Source) -> Result<PathBuf, Error> {
        let path = self.manifest_folder().join(&source.path);
        // The compilers report what is wrong in a file; that it is missing is better said here.
        std::fs::metadata(&path).map_err(Error::io("read", &path))?;
        Ok(path)
    }

    /// Writes a crate's or module tree's files; the path of its root in the work folder.
    fn materialise(&self, source: &CrateSource) -> Result<PathBuf, Error> {
        let Some((root, _)) = source.files.first() else {
            return Err(unfit(source.name, "it has no files".to_owned(), "give its root first"));
        };
        self.write_files(source.name, source.files)?;
        Ok(Path::new(source.name).join(root))
    }

    /// Writes files below a folder of the work folder.
    fn write_files(&self, folder: &str, files: &[(&str, &str)]) -> Result<(), Error> {
        for (name, text) in files {
            if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
                let problem = format!("the file name {name:?} leaves its folder");
                return Err(unfit(folder, problem, "give a path below the source's folder"));
            }
            let path = self.work.join(folder).join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
            }
            std::fs::write(&path, text).map_err(Error::io("write", &path))?;
        }
        Ok(())
    }

    fn add_definitions(&self, object: &Path, defined: &mut HashSet<String>) -> Result<(), Error> {
        let path = self.work.join(object);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let file = object::File::parse(&*bytes)
            .map_err(|error| Error::image(object.display().to_string(), error.to_string()))?;
        let global = file.symbols().filter(|symbol| symbol.is_definition() && symbol.is_global());
        defined.extend(global.filter_map(|symbol| symbol.name().ok().map(str::to_owned)));
        Ok(())
    }

    fn require_exports(&self, defined: &HashSet<String>) -> Result<(), Error> {
        let names = self.manifest.exports.iter().flat_map(|export| std::iter::once(&export.name).chain(&export.alias));
        let symbols: Vec<String> = names.filter(|name| !defined.contains(*name)).cloned().collect();
        if symbols.is_empty() {
            Ok(())
        } else {
            Err(Error::Exports { symbols })
        }
    }
}

/// What sources that cannot be laid out as files are refused by.
fn unfit(name: &str, problem: String, remedy: &str) -> Error {
    Error::Source { name: name.to_owned(), problem, remedy: remedy.to_owned() }
}

/// `name=value`, as several options take it.
fn joined(name: &OsStr, value: impl AsRef<OsStr>) -> OsString {
    [name, OsStr::new("="), value.as_ref()].into_iter().collect()
}

fn module(root: &mut String, name: &str, path: &Path) -> Result<(), Error> {
    let Some(text) = path.to_str() else {
        let problem = "its path is not UTF-8".to_owned();
        return Err(unfit(&path.display().to_string(), problem, "move the manifest to a folder with a UTF-8 name"));
    };
    let _ = writeln!(root, "#[path = {text:?}]\npub mod {name};");
    Ok(())
}

/// The second names of exports that Rust defines. An alias is a symbol of the object that defines its target; there, it
/// takes over the target's size.
fn aliases(exports: &[&Export], options: &str) -> String {
    let mut text = String::new();
    for export in exports {
        if let Some(alias) = &export.alias {
            let _ = writeln!(text, "    \".weak {alias}\",");
            let _ = writeln!(text, "    \".type {alias}, @function\",");
            let _ = writeln!(text, "    \".set {alias}, {}\",", export.name);
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("core::arch::global_asm!(\n{text}    options({options}),\n);\n")
}

/// Runs a compiler; its warnings.
fn compiled(what: &str, command: &mut Command) -> Result<String, Error> {
    let output = run(command)?;
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(messages)
    } else {
        Err(Error::Compile { what: what.to_owned(), messages: messages.trim_end().to_owned() })
    }
}
