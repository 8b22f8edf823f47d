//! The images that this project ships.

use vdso_linker::inspect::{inspect, Symbol};

/// An architecture, as far as clients see it. Sources: vdso(7), and the tables of names in the clients' sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arch {
    X86_64,
    Riscv64,
    Aarch64,
}

impl Arch {
    /// The version of every function.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Arch::X86_64 => "LINUX_2.6",
            Arch::Riscv64 => "LINUX_4.15",
            Arch::Aarch64 => "LINUX_2.6.39",
        }
    }

    /// What `clock_gettime` is called.
    pub(crate) fn clock_gettime(self) -> &'static str {
        match self {
            Arch::X86_64 | Arch::Riscv64 => "__vdso_clock_gettime",
            Arch::Aarch64 => "__kernel_clock_gettime",
        }
    }

    /// `e_machine` (System V ABI supplements).
    pub(crate) fn machine(self) -> u16 {
        match self {
            Arch::X86_64 => 62,
            Arch::Riscv64 => 243,
            Arch::Aarch64 => 183,
        }
    }
}

/// Functions of Linux's images that ours do not have: clients make the system call.
pub(crate) const NOT_OFFERED: &[&str] = &["__vdso_getrandom", "__kernel_getrandom", "__vdso_riscv_hwprobe"];

/// An image that ships.
pub(crate) struct Image {
    pub(crate) arch: Arch,
    /// The file.
    pub(crate) bytes: &'static [u8],
    pub(crate) page_size: usize,
}

/// Every image of `vdso_image`.
pub(crate) fn images() -> Vec<Image> {
    macro_rules! image {
        ($arch:ident, $module:ident) => {
            Image {
                arch: Arch::$arch,
                bytes: &vdso_image::$module::IMAGE.as_bytes()[..vdso_image::$module::IMAGE_SIZE],
                page_size: vdso_image::$module::PAGE_SIZE,
            }
        };
    }
    vec![image!(X86_64, x86_64), image!(Riscv64, riscv64), image!(Aarch64, aarch64)]
}

impl Image {
    /// The offset of each function, by a reader of ELF files that has nothing in common with the clients here.
    pub(crate) fn functions(&self) -> Vec<Symbol> {
        let facts = inspect(self.bytes).expect("an image that ships");
        facts.symbols.into_iter().filter(|symbol| symbol.is_function() && symbol.is_defined()).collect()
    }
}
