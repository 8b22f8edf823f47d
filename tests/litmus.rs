//! Litmus tests of the reader and the writer on Arm and RISC-V: see `litmus/README.md`.
//!
//! The committed tests are what is generated from the image and the writer of today, and each has the verdict that the
//! architecture's memory model gives it. `LITMUS=update` writes them anew; with `HERD7=herd7` the verdicts are made again,
//! and compared or, with both, written.

#[path = "litmus/aarch64.rs"]
mod aarch64;
#[path = "../xtask/src/core_library.rs"]
mod core_library;
#[path = "litmus/gdb.rs"]
mod gdb;
#[path = "litmus/herd.rs"]
mod herd;
#[path = "litmus/machine.rs"]
mod machine;
#[path = "litmus/protocol.rs"]
mod protocol;
#[path = "litmus/riscv64.rs"]
mod riscv64;
#[path = "litmus/slice.rs"]
mod slice;
#[path = "litmus/test.rs"]
mod test;
#[path = "litmus/thread.rs"]
mod thread;
#[path = "litmus/trace.rs"]
mod trace;
#[path = "litmus/writing.rs"]
mod writing;

use aarch64::Aarch64;
use machine::Machine;
use riscv64::Riscv64;
use std::path::{Path, PathBuf};
use trace::{Image, Sources, Traces};
use vdso_image::{Kind, Mapping};
use vdso_tests::{need, skip, workspace};

/// How often the program is run before a read that takes the slow path counts: something may stop QEMU for a second.
const RUNS: usize = 5;

fn folder(machine: &dyn Machine) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("litmus").join(machine.name())
}

/// The calls, from a run of today's image and writer.
fn traces(
    machine: &dyn Machine,
    sysroot: Option<&Path>,
    plan: &[Mapping],
    clock_gettime: usize,
) -> Result<Traces, String> {
    let folder = tempfile::tempdir().map_err(|it| it.to_string())?;
    let page = plan.iter().find(|it| it.kind == Kind::Vvar).ok_or("the image has no page")?;
    let file = workspace().join("vdso-image/arch").join(machine.name()).join("vdso.so");
    let image = Image { file: &file, offset: page.offset.unsigned_abs(), clock_gettime: clock_gettime as u64 };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("litmus/program.rs");
    let sources = Sources { vvar: &workspace().join("vvar/src/lib.rs"), program: &program, sysroot };
    let program = trace::compile(machine, &sources, &image, folder.path())?;
    let mut outcome = Err(String::new());
    for _ in 0..RUNS {
        outcome = trace::record(machine, &program, &image, folder.path());
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// The committed tests are those that are generated, and each has a verdict of its own.
fn check(machine: &dyn Machine, sysroot: Option<&Path>, plan: &[Mapping], clock_gettime: usize) {
    let cases = traces(machine, sysroot, plan, clock_gettime).and_then(|traces| protocol::cases(machine, &traces));
    let cases = cases.unwrap_or_else(|error| panic!("{}: {error}", machine.name()));
    let update = std::env::var_os("LITMUS").is_some_and(|it| it == "update");
    herd::check(machine, &folder(machine), &cases, update, std::env::var_os("HERD7").map(PathBuf::from));
}

/// A sysroot with `core` for kernels of this architecture, if the compiler has none of its own; or leaves the test.
macro_rules! need_everything {
    ($machine:expr) => {{
        let (objdump, package) = $machine.objdump();
        need!(objdump, package);
        let (qemu, package) = $machine.qemu();
        need!(qemu, package);
        let target = $machine.kernel_target();
        match core_library::sysroot(target, &core_library::folder().join("litmus").join(target)) {
            Ok(sysroot) => sysroot,
            Err(error) => skip!(error.to_string()),
        }
    }};
}

#[test]
fn aarch64() {
    use vdso_image::aarch64::{symbol, MAP_PLAN};
    let sysroot = need_everything!(Aarch64);
    check(&Aarch64, sysroot.as_deref(), &MAP_PLAN, symbol::__KERNEL_CLOCK_GETTIME);
}

#[test]
fn riscv64() {
    use vdso_image::riscv64::{symbol, MAP_PLAN};
    let sysroot = need_everything!(Riscv64);
    check(&Riscv64, sysroot.as_deref(), &MAP_PLAN, symbol::__VDSO_CLOCK_GETTIME);
}
