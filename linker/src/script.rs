//! The two scripts that lld takes: where everything goes, and what is visible under which version.

use crate::manifest::{Manifest, VersionNode};
use std::fmt::Write;

/// The linker script, but for what a manifest decides. It opens with what makes a vDSO different from a shared library.
const TEMPLATE: &str = include_str!("../vdso.ld.in");

/// The sections of debug information that rustc, C compilers and assemblers make (DWARF 5, section 7.27 and before it
/// DWARF 4), which go to the unstripped image as they are.
const DEBUG_SECTIONS: [&str; 19] = [
    "abbrev",
    "addr",
    "aranges",
    "frame",
    "info",
    "line",
    "line_str",
    "loc",
    "loclists",
    "macinfo",
    "macro",
    "names",
    "pubnames",
    "pubtypes",
    "ranges",
    "rnglists",
    "str",
    "str_offsets",
    "types",
];

/// The symbol by which the image's code reaches the first vvar page.
pub const VVAR_PAGE: &str = "vvar_page";

/// The linker script for a manifest, in the dialect that lld and GNU ld share.
pub fn linker_script(manifest: &Manifest) -> String {
    TEMPLATE
        .replace("@PROPERTY_SEGMENTS@\n", properties(manifest, PROPERTY_SEGMENTS))
        .replace("@PROPERTIES@\n", properties(manifest, PROPERTIES))
        .replace("@NO_PROPERTIES@\n", if marked(manifest) { "" } else { NO_PROPERTIES })
        .replace("@DISCARDED@\n", manifest.image.arch.architecture().discarded)
        .replace("@VVAR_PAGE@", &address(manifest.vvar_offset()))
        .replace("@EXPORTS@", &exports_text(manifest))
        .replace("@DEBUG@", &debug_sections())
}

/// What is in the script only of images that are marked as having landing pads. Two segments as every linker makes them:
/// kernels read the mark through the first, tools that list notes through the second. Both are their own, since the note
/// is aligned to 8 bytes, and the distance of one note from the next is a multiple of the segment's alignment.
const PROPERTY_SEGMENTS: &str =
    "  property 0x6474e553 FLAGS(4);           /* PT_GNU_PROPERTY */\n  property_note PT_NOTE FLAGS(4);\n";
const PROPERTIES: &str = "  .note.gnu.property : { KEEP(*(.note.gnu.property)) } :load :property :property_note\n";

/// What is in the script of all others.
const NO_PROPERTIES: &str =
    "    *(.note.gnu.property)                 /* aligned to 8, which would break up the notes below */\n";

fn marked(manifest: &Manifest) -> bool {
    manifest.image.arch.architecture().landing_pads.is_some()
}

fn properties(manifest: &Manifest, text: &'static str) -> &'static str {
    if marked(manifest) {
        text
    } else {
        ""
    }
}

/// The version script for a manifest: its exports, each in its version node, and nothing else.
///
/// Symbols are in quotes, so that none is taken as a pattern or a keyword.
pub fn version_script(manifest: &Manifest) -> String {
    let mut script = String::new();
    let mut older: Option<&VersionNode> = None;
    for version in &manifest.versions {
        let _ = writeln!(script, "{} {{", version.name);
        let exports = manifest.exports.iter().filter(|export| export.version == version.name);
        let names = exports.flat_map(|export| std::iter::once(&export.name).chain(&export.alias));
        let mut heading = "  global:\n";
        for name in names {
            let _ = writeln!(script, "{heading}    \"{name}\";");
            heading = "";
        }
        match older {
            None => script.push_str("  local:\n    *;\n};\n"),
            Some(older) => {
                let _ = writeln!(script, "}} {};", older.name);
            }
        }
        older = Some(version);
    }
    script
}

/// An address as an expression without a negative number, which linkers print and parse differently.
fn address(offset: i64) -> String {
    let sign = if offset < 0 { "-" } else { "+" };
    format!("0 {sign} {:#x}", offset.unsigned_abs())
}

/// One rule an export, since within one rule the files' order decides. rustc and cc put each function in a section of its
/// own, named after it.
fn exports_text(manifest: &Manifest) -> String {
    let rules =
        manifest.exports.iter().map(|export| format!("    . = ALIGN({});\n    *(.text.{})", export.align, export.name));
    rules.collect::<Vec<_>>().join("\n")
}

fn debug_sections() -> String {
    let rules = DEBUG_SECTIONS.iter().map(|name| format!("  .debug_{name} 0 : {{ *(.debug_{name}) }}"));
    rules.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const MANIFEST: &str = r#"
        [image]
        arch = "x86_64"
        soname = "linux-vdso.so.1"
        size-limit = 4096
        [[version]]
        name = "LINUX_2.5"
        [[version]]
        name = "LINUX_2.6"
        [[export]]
        name = "__vdso_clock_gettime"
        alias = "clock_gettime"
        version = "LINUX_2.6"
        [[export]]
        name = "__kernel_vsyscall"
        version = "LINUX_2.5"
        [[export]]
        name = "__vdso_time"
        version = "LINUX_2.6"
    "#;

    fn manifest(vvar: &str) -> Manifest {
        Manifest::parse(&[MANIFEST, vvar].concat(), Path::new("vdso.toml")).unwrap()
    }

    #[test]
    fn data_before_the_image() {
        insta::assert_snapshot!(linker_script(&manifest("")));
    }

    /// The scripts differ in one line.
    #[test]
    fn data_after_the_image() {
        let before = linker_script(&manifest("[vvar]\npages = 4"));
        let after = linker_script(&manifest("[vvar]\npages = 4\nplacement = \"after\""));
        let differing: Vec<_> = before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
        assert_eq!(
            differing,
            [("  HIDDEN(vvar_page = 0 - 0x4000);", "  HIDDEN(vvar_page = 0 + 0x1000);")],
            "{before}\n{after}"
        );
        assert_eq!(before.lines().count(), after.lines().count());
    }

    #[test]
    fn versions_and_their_exports() {
        insta::assert_snapshot!(version_script(&manifest("")));
    }

    #[test]
    fn every_place_of_the_template_is_filled() {
        assert!(!linker_script(&manifest("")).contains('@'));
    }
}
