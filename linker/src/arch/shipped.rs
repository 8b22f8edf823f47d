//! What the decoders' tests share: the images that ship, and what the GNU disassembler makes of code.

use super::Arch;
use crate::inspect::inspect;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An image that ships.
pub(super) struct Shipped {
    /// Its file.
    pub(super) file: PathBuf,
    /// The bytes of its only executable section.
    pub(super) code: Vec<u8>,
    /// Where they lie.
    pub(super) address: u64,
}

impl Shipped {
    pub(super) fn of(arch: Arch) -> Shipped {
        let file = vdso_tests::workspace().join("vdso-image/arch").join(arch.name()).join("vdso.so");
        let image = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let facts = inspect(&image).expect("the image that ships can be read");
        let mut sections = facts.sections.iter().filter(|section| section.is_code());
        let (Some(text), None) = (sections.next(), sections.next()) else { panic!("one executable section:\n{facts}") };
        let code = image[text.offset as usize..(text.offset + text.size) as usize].to_vec();
        Shipped { file, code, address: text.address }
    }
}

/// The instructions in a file as the GNU disassembler reads them: address, and text behind it.
pub(super) fn disassembled(objdump: &Path, arguments: &[&str], file: &Path) -> Vec<(u64, String)> {
    let mut command = Command::new(objdump);
    command.args(arguments).arg("--no-show-raw-insn").arg(file).env("LC_ALL", "C");
    let output = command.output().expect("the disassembler starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let line = |line: &str| {
        let (address, text) = line.trim_start().split_once(":\t")?;
        Some((u64::from_str_radix(address, 16).expect("an address"), text.to_owned()))
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(line).collect()
}
