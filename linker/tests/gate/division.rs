//! No image that ships divides.
//!
//! The line of a clock turns cycles into nanoseconds by a multiplication and a shift, so that no call waits for a divider.
//! A division of 128 bits, which a compiler makes into a call of a function, is refused when the image is linked: the
//! symbol is undefined. This shows that there is no division instruction either, in no function, on the hot path or off
//! it: the disassembler, which has nothing in common with this crate's decoders, finds none in the whole image.

use crate::arch::{self, Architecture, Program};
use crate::fixture::{architectures, Fixture};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use vdso_linker::manifest::Arch;

/// The image that ships.
fn shipped(arch: Arch) -> PathBuf {
    vdso_tests::workspace().join("vdso-image/arch").join(arch.name()).join("vdso.so")
}

/// A disassembler that is installed, with its options.
struct Objdump {
    path: PathBuf,
    options: &'static [&'static str],
}

/// The disassemblers of an architecture that are installed. That there is none is counted as skipped.
fn objdumps(architecture: &Architecture) -> Vec<Objdump> {
    let known = architecture.objdump.iter();
    let found: Vec<Objdump> = known
        .filter_map(|(program, options)| Some(Objdump { path: vdso_tests::tool(program.name)?, options }))
        .collect();
    if found.is_empty() {
        let known = architecture.objdump.iter();
        let names: Vec<String> =
            known.map(|(Program { name, package }, _)| format!("{name} (Debian package {package})")).collect();
        vdso_tests::skipped("division", &format!("needs {}", names.join(" or ")));
    }
    found
}

/// The mnemonic of each instruction in the code of an image.
fn mnemonics(objdump: &Objdump, image: &Path) -> Vec<String> {
    let mut command = Command::new(&objdump.path);
    command.args(objdump.options).args(["--disassemble", "--no-show-raw-insn"]).arg(image).env("LC_ALL", "C");
    let output = command.output().expect("the disassembler starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    // Between the colon and the tab LLVM's has spaces.
    let instruction = |line: &str| {
        let (_, text) = line.split_once(':').filter(|(address, _)| u64::from_str_radix(address.trim(), 16).is_ok())?;
        text.split_whitespace().next().map(str::to_owned)
    };
    text.lines().filter_map(instruction).collect()
}

/// What the mnemonics of the divisions begin with; the disassembler may add a letter for the operand's size. It is shown
/// each of them in a fixture: were one called otherwise, it would not be found in an image either.
fn divisions(objdump: &Objdump, architecture: &Architecture) -> BTreeSet<String> {
    let names: BTreeSet<String> =
        architecture.divisions.iter().filter_map(|assembly| assembly.split(' ').next()).map(str::to_owned).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("vdso.so");
    let image = Fixture::good(architecture.arch).body(&architecture.divisions.join("\n")).build();
    std::fs::write(&file, image).expect("a file in the temporary folder");
    let shown = mnemonics(objdump, &file).iter().filter(|mnemonic| is_among(&names, mnemonic)).count();
    assert_eq!(shown, architecture.divisions.len(), "{}: divisions", architecture.arch);
    names
}

fn is_among(names: &BTreeSet<String>, mnemonic: &str) -> bool {
    names.iter().any(|name| mnemonic.starts_with(name))
}

#[test]
fn no_image_divides() {
    for &arch in architectures() {
        let architecture = arch::of(arch);
        for objdump in objdumps(architecture) {
            let divisions = divisions(&objdump, architecture);
            let image = mnemonics(&objdump, &shipped(arch));
            assert!(image.len() > 200, "{arch}: {} instructions", image.len());
            let found: Vec<&String> = image.iter().filter(|mnemonic| is_among(&divisions, mnemonic)).collect();
            assert!(found.is_empty(), "{arch}: {found:?}");
        }
    }
}
