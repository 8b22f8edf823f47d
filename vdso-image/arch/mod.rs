//! The images, one folder an architecture:
//!
//! | in `ARCH/` | what |
//! |---|---|
//! | `vdso.toml` | what the image is to be: names, versions, sizes |
//! | `functions/` | the code that goes into its image only |
//! | `mod.rs` | the image as a module of this crate |
//! | `vdso.so`, `vdso.rs` | the image, and its constants: what `cargo xtask build-vdso` makes of all that |
//! | and | what no other has, such as the [vsyscall page](x86_64::vsyscall) |
//!
//! To add one, write the folder, and its lines here, in `functions.rs` and in `source.rs`.

pub mod aarch64;
pub mod riscv64;
pub mod x86_64;

/// Every image, for a host that serves more than one architecture.
pub static IMAGES: &[&crate::Description] = &[
    // By name.
    &aarch64::DESCRIPTION,
    &riscv64::DESCRIPTION,
    &x86_64::DESCRIPTION,
];
