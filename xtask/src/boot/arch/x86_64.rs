//! x86-64: QEMU's q35.

use super::Architecture;
use crate::boot::programs::Variant;
use vdso_linker::manifest::Arch;

const GLIBC: &str = "gcc and libc6-dev";

pub(super) static ARCHITECTURE: Architecture = Architecture {
    image: Arch::X86_64,
    target: "x86_64-unknown-none",
    emulator: "qemu-system-x86_64",
    package: "qemu-system-x86",
    firmware: None,
    cpu: "max",
    machine: &["-machine", "q35", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
    variants: &[
        Variant { name: "musl", compiler: "musl-gcc", packages: "musl-tools", link: &["-static"] },
        Variant { name: "glibc", compiler: "gcc", packages: GLIBC, link: &["-static"] },
        Variant { name: "glibc-pie", compiler: "gcc", packages: GLIBC, link: &["-static-pie", "-fPIE"] },
    ],
};
