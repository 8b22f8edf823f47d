//! What the tests of the whole know of each architecture, one folder for each:
//!
//! | in `ARCH/` | what |
//! |---|---|
//! | `mod.rs` | the image as its clients see it: names, version, what each client looks up |
//! | `foreign.rs`, `loader.h` | how QEMU runs its programs, and the tests that only it has (`tests/foreign`) |
//! | `litmus.rs`, `litmus/` | its instructions as the checker of memory models takes them; tests and verdicts (`tests/litmus`) |
//! | `snapshots/` | its image and its instruction counts, as text |
//! | `boot.rs` | the machines that the test kernel is booted on (`tests/boot.rs`) |
//!
//! Written down from the sources that are named there, independently of the images and of the crates under test. To add
//! one, write the folder, and its lines here and in `boot.rs`.

pub mod aarch64;
pub mod riscv64;
pub mod x86_64;

use crate::Architecture;

/// Every architecture that has an image.
pub static ARCHITECTURES: &[&Architecture] = &[
    // By name.
    &aarch64::ARCHITECTURE,
    &riscv64::ARCHITECTURE,
    &x86_64::ARCHITECTURE,
];

/// Calls a macro once for each architecture, to make tests of it: `architectures! { make [ARGUMENTS] }` becomes
/// `make! { [ARGUMENTS] ARCH HOW [OWN] }`, with
///
/// - ARCH: the module in [`arch`](crate::arch), of the architecture's name;
/// - HOW: `native` if the tests run on it, else `emulated`, and then there are `ARCH::EMULATED` and `ARCH::MACHINE`;
/// - OWN: the functions in `ARCH::foreign` that are tests of what only this architecture has.
#[macro_export]
macro_rules! architectures {
    ($make:ident $arguments:tt) => {
        $make! { $arguments aarch64 emulated [entries_have_landing_pads cntvctss_is_read_by_its_register] }
        $make! { $arguments riscv64 emulated [] }
        $make! { $arguments x86_64 native [] }
    };
}

#[cfg(test)]
mod tests {
    use super::ARCHITECTURES;

    #[test]
    fn each_image_has_its_tests() {
        let mut made = Vec::new();
        macro_rules! make {
            ([] $arch:ident $how:ident $own:tt) => {
                made.push(stringify!($arch));
                let is_the_hosts = stringify!($arch) == std::env::consts::ARCH;
                assert_eq!(stringify!($how), if is_the_hosts { "native" } else { "emulated" }, stringify!($arch));
            };
        }
        architectures! { make [] }
        let known: Vec<&str> = ARCHITECTURES.iter().map(|architecture| architecture.name()).collect();
        let shipped: Vec<&str> = vdso_image::IMAGES.iter().map(|image| image.arch).collect();
        assert_eq!(known, shipped, "ARCHITECTURES in tests/arch/mod.rs, and vdso_image::IMAGES");
        assert_eq!(made, shipped, "the calls in `architectures!` in tests/arch/mod.rs, and vdso_image::IMAGES");
    }
}
