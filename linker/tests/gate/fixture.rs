//! Makes images from assembly, with the toolchain's own compiler and linker, without `vdso_linker::build`: the gate
//! must refuse what another build made, too.

use crate::arch::{self, Architecture};
use object::elf;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};
use vdso_linker::gate::PageAbi;
use vdso_linker::manifest::{Arch, Manifest};

/// The manifest of the good image, but for the architecture's own lines.
const MANIFEST: &str = r#"
[image]
arch = "ARCH"
soname = "linux-vdso.so.1"
size-limit = 8192

[[version]]
name = "LINUX_2.6"

[[export]]
name = "__vdso_clock_gettime"
alias = "clock_gettime"
version = "LINUX_2.6"

[[export]]
name = "__vdso_time"
alias = "time"
version = "LINUX_2.6"
"#;

/// The page that the good image's note names.
pub(crate) const PAGE: PageAbi = PageAbi { abi: 1, layout: 0x1122_3344_5566_7788 };

const LINKER_SCRIPT: &str = r#"
PHDRS {
    text PT_LOAD FILEHDR PHDRS FLAGS(5);
    dynamic PT_DYNAMIC FLAGS(4);
    note PT_NOTE FLAGS(4);
    eh_frame_hdr PT_GNU_EH_FRAME FLAGS(4);
    stack PT_GNU_STACK FLAGS(6);
    SEGMENTS_OF_THE_ARCHITECTURE
}
SECTIONS {
    . = SIZEOF_HEADERS;
    .hash : { HIDDEN(vvar_page = . - SIZEOF_HEADERS - 4096); *(.hash) } :text
    .gnu.hash : { *(.gnu.hash) } :text
    .dynsym : { *(.dynsym) } :text
    .dynstr : { *(.dynstr) } :text
    .gnu.version : { *(.gnu.version) } :text
    .gnu.version_d : { *(.gnu.version_d) } :text
    SECTIONS_OF_THE_ARCHITECTURE
    .note : { *(.note.*) } :text :note
    .dynamic : { *(.dynamic) } :text :dynamic
    .rodata : { *(.rodata .rodata.*) } :text
    .rela : { *(.rela.*) } :text
    .got : { *(.got .got.plt) } :text
    .eh_frame_hdr : { *(.eh_frame_hdr) } :text :eh_frame_hdr
    .eh_frame : { KEEP(*(.eh_frame)) } :text
    .text : { *(.text .text.*) } :text
    .plt : { *(.plt .iplt) } :text
    /DISCARD/ : { *(.comment) *(.llvm*) }
}
"#;

const VERSION_SCRIPT: &str =
    "LINUX_2.6 { global: __vdso_clock_gettime; clock_gettime; __vdso_time; time; *rt_sigreturn; local: *; };";

const LINKER_OPTIONS: &[&str] = &[
    "-shared",
    "--hash-style=both",
    "-soname=linux-vdso.so.1",
    "--build-id=sha1",
    "-znoexecstack",
    "--eh-frame-hdr",
    "-zmax-page-size=4096",
    "-zrodynamic",
    "-znorelro",
    "-Bsymbolic",
    "--strip-all",
];

/// An image to be made: the good one, with changes.
#[derive(Clone)]
pub(crate) struct Fixture {
    target: &'static str,
    assembly: String,
    linker_script: String,
    version_script: Option<String>,
    options: Vec<String>,
}

impl Fixture {
    /// The good image.
    pub(crate) fn good(arch: Arch) -> Self {
        let Architecture { assembly, segments, sections, options, .. } = arch::of(arch);
        let linker_script = LINKER_SCRIPT
            .replace("SEGMENTS_OF_THE_ARCHITECTURE", segments)
            .replace("SECTIONS_OF_THE_ARCHITECTURE", sections);
        Fixture {
            target: arch.target(),
            assembly: assembly.to_string(),
            linker_script,
            version_script: Some(VERSION_SCRIPT.into()),
            options: LINKER_OPTIONS.iter().chain(*options).map(|option| option.to_string()).collect(),
        }
    }

    /// With these instructions at the start of `__vdso_time`.
    pub(crate) fn body(self, assembly: &str) -> Self {
        self.edit("// BODY", assembly)
    }

    /// With this assembly behind the last function.
    pub(crate) fn behind(self, assembly: &str) -> Self {
        self.edit("// BEHIND", assembly)
    }

    /// With one place of the assembly replaced.
    pub(crate) fn edit(mut self, old: &str, new: &str) -> Self {
        self.assembly = replace(&self.assembly, old, new);
        self
    }

    /// With every place of the assembly replaced.
    pub(crate) fn edit_all(mut self, old: &str, new: &str) -> Self {
        assert!(self.assembly.contains(old), "the good image has no `{old}`");
        self.assembly = self.assembly.replace(old, new);
        self
    }

    /// With one place of the linker script replaced.
    pub(crate) fn script(mut self, old: &str, new: &str) -> Self {
        self.linker_script = replace(&self.linker_script, old, new);
        self
    }

    /// With another version script, or none.
    pub(crate) fn versions(mut self, script: Option<&str>) -> Self {
        self.version_script = script.map(str::to_owned);
        self
    }

    /// With one option of the linker replaced.
    pub(crate) fn option(mut self, old: &str, new: &str) -> Self {
        let option = self.options.iter_mut().find(|option| *option == old).expect("an option of the good image");
        *option = new.into();
        self
    }

    /// With one more option for the linker.
    pub(crate) fn with_option(mut self, option: &str) -> Self {
        self.options.push(option.into());
        self
    }

    /// Compiles and links it, and extends the PT_LOAD to the end of the file.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut image = self.link();
        let size = (image.len() as u64).to_le_bytes();
        let load = crate::patch::segment(&image, elf::PT_LOAD);
        crate::patch::write(&mut image, load + 32, &size);
        crate::patch::write(&mut image, load + 40, &size);
        image
    }

    /// As [`build`](Self::build), without what follows the link.
    pub(crate) fn link(&self) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("a file in the temporary folder");
        write(
            "root.rs",
            &format!("#![no_std]\ncore::arch::global_asm!(r####\"{}\"####, options(raw));\n", self.assembly),
        );
        write("vdso.ld", &self.linker_script);
        let mut compile = Command::new(rustc());
        compile.args(["--crate-type=lib", "--emit=obj", "--edition=2021", "-Cpanic=abort", "-Crelocation-model=pic"]);
        compile.args(["--target", self.target, "-o"]).arg(path("root.o")).arg(path("root.rs"));
        if let Some(sysroot) = sysroot().filter(|_| !has_core(&own_sysroot(), self.target)) {
            compile.arg("--sysroot").arg(sysroot);
        }
        succeed(compile);
        let mut link = Command::new(linker());
        link.args(["-flavor", "gnu"]).args(&self.options).arg("-T").arg(path("vdso.ld"));
        if let Some(script) = &self.version_script {
            write("vdso.map", script);
            link.arg(format!("--version-script={}", path("vdso.map").display()));
        }
        link.arg("-o").arg(path("vdso.so")).arg(path("root.o"));
        succeed(link);
        std::fs::read(path("vdso.so")).expect("the image that the linker wrote")
    }
}

/// A shared object for any machine that the linker knows: five bytes of data and three symbols for them.
pub(crate) fn binary(emulation: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("blob"), b"bytes").expect("a file in the temporary folder");
    let mut link = Command::new(linker());
    link.current_dir(&folder).args(["-flavor", "gnu", "-m", emulation, "-shared", "-soname=libblob.so"]);
    link.args(["--hash-style=both", "-o", "blob.so", "--format=binary", "blob"]);
    succeed(link);
    std::fs::read(folder.path().join("blob.so")).expect("the file that the linker wrote")
}

fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "nothing good has `{old}`");
    text.replacen(old, new, 1)
}

fn succeed(mut command: Command) {
    let Output { status, stderr, .. } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}\n{}", String::from_utf8_lossy(&stderr));
}

fn rustc() -> PathBuf {
    std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

/// The linker that comes with the compiler.
fn linker() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let version = rustc_says(&["-vV"]);
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
        own_sysroot().join("lib/rustlib").join(host).join("bin/rust-lld")
    })
}

fn rustc_says(arguments: &[&str]) -> String {
    let output = Command::new(rustc()).args(arguments).output().expect("rustc, which compiled this test, starts");
    String::from_utf8(output.stdout).expect("rustc prints UTF-8")
}

fn own_sysroot() -> PathBuf {
    rustc_says(&["--print", "sysroot"]).trim().into()
}

/// The sysroot that the build takes `core` from where the compiler's own has none.
fn sysroot() -> Option<PathBuf> {
    std::env::var_os("VDSO_SYSROOT").map(PathBuf::from)
}

fn has_core(sysroot: &Path, target: &str) -> bool {
    sysroot.join("lib/rustlib").join(target).join("lib").is_dir()
}

/// The architectures that the compiler has `core` for. That one is missing is reported as a skipped test.
pub(crate) fn architectures() -> &'static [Arch] {
    static FOUND: OnceLock<Vec<Arch>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let own = own_sysroot();
        let found = |arch: &Arch| {
            let sysroots = sysroot().into_iter().chain([own.clone()]);
            let found = sysroots.into_iter().any(|sysroot| has_core(&sysroot, arch.target()));
            if !found {
                vdso_tests::skipped("gate", &format!("needs `rustup target add {}`", arch.target()));
            }
            found
        };
        Arch::ALL.iter().copied().filter(found).collect()
    })
}

/// The good image, built once.
pub(crate) fn good(arch: Arch) -> Vec<u8> {
    static IMAGES: Mutex<BTreeMap<&str, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut images = IMAGES.lock().expect("no test panics while it builds the good image");
    images.entry(arch.name()).or_insert_with(|| Fixture::good(arch).build()).clone()
}

/// The manifest of the good image, with these places replaced.
pub(crate) fn manifest(arch: Arch, edits: &[(&str, &str)]) -> Manifest {
    Manifest::parse(&manifest_text(arch, edits), Path::new("vdso.toml")).expect("a manifest")
}

/// Its text.
pub(crate) fn manifest_text(arch: Arch, edits: &[(&str, &str)]) -> String {
    let mut text = MANIFEST.replace("ARCH", arch.name());
    if let Some(trampoline) = arch::of(arch).trampoline {
        text += &format!("\n[[export]]\nname = {trampoline:?}\nversion = \"LINUX_2.6\"\n");
    }
    edits.iter().fold(text, |text, (old, new)| replace(&text, old, new))
}
