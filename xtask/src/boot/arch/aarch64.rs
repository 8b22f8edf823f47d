//! Arm: QEMU's virt; the kernel ends by semihosting.

use super::Architecture;
use crate::boot::programs::Variant;
use vdso_linker::manifest::Arch;

const COMPILER: &str = "aarch64-linux-gnu-gcc";
const GLIBC: &str = "gcc-aarch64-linux-gnu and libc6-dev-arm64-cross";

pub(super) static ARCHITECTURE: Architecture = Architecture {
    image: Arch::AARCH64,
    target: "aarch64-unknown-none-softfloat",
    emulator: "qemu-system-aarch64",
    package: "qemu-system-arm",
    firmware: None,
    cpu: "max",
    machine: &["-machine", "virt,gic-version=3", "-semihosting-config", "enable=on,target=native"],
    variants: &[
        Variant { name: "glibc", compiler: COMPILER, packages: GLIBC, link: &["-static"] },
        Variant { name: "glibc-pie", compiler: COMPILER, packages: GLIBC, link: &["-static-pie", "-fPIE"] },
    ],
};
