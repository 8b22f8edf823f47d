//! RISC-V: QEMU's virt, whose device at 0x10_0000 ends QEMU with a status. Its firmware is OpenSBI.

use super::{Architecture, Firmware};
use crate::boot::programs::Variant;
use vdso_linker::manifest::Arch;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    image: Arch::RISCV64,
    target: "riscv64gc-unknown-none-elf",
    emulator: "qemu-system-riscv64",
    package: "qemu-system-misc",
    firmware: Some(Firmware {
        file: "opensbi-riscv64-generic-fw_dynamic.bin",
        packages: "qemu-system-data, or opensbi",
    }),
    cpu: "rv64",
    machine: &["-machine", "virt"],
    // No glibc-pie: glibc has static position-independent programs on RISC-V since 2.37 only.
    variants: &[Variant {
        name: "glibc",
        compiler: "riscv64-linux-gnu-gcc",
        packages: "gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross",
        link: &["-static"],
    }],
};
