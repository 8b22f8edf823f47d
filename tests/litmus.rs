//! Litmus tests of the reader and the writer on architectures that order memory accesses weakly: see `litmus/README.md`.
//!
//! The committed tests are what is generated from the image and the writer of today, and each has the verdict that the
//! architecture's memory model gives it. `LITMUS=update` writes them anew; with `HERD7=herd7` the verdicts are made again,
//! and compared or, with both, written.

#[path = "../xtask/src/core_library.rs"]
mod core_library;
#[path = "litmus/gdb.rs"]
mod gdb;
#[path = "litmus/herd.rs"]
mod herd;
#[path = "litmus/protocol.rs"]
mod protocol;
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

use std::path::{Path, PathBuf};
use trace::{Image, Sources, Traces};
use vdso_image::Kind;
use vdso_tests::machine::Machine;
use vdso_tests::{need, skip, workspace, Architecture};

/// How often the program is run before a read that takes the slow path counts: something may stop QEMU for a second.
const RUNS: usize = 5;

/// An architecture and its machine.
#[derive(Clone, Copy)]
struct Subject {
    architecture: &'static Architecture,
    machine: &'static dyn Machine,
}

impl Subject {
    /// Of the committed tests.
    fn folder(self) -> PathBuf {
        workspace().join("tests/arch").join(self.architecture.name()).join("litmus")
    }

    /// The calls, from a run of today's image and writer.
    fn traces(self, sysroot: Option<&Path>) -> Result<Traces, String> {
        let (machine, shipped) = (self.machine, self.architecture.image);
        let folder = tempfile::tempdir().map_err(|it| it.to_string())?;
        let page = shipped.map_plan.iter().find(|it| it.kind == Kind::Vvar).ok_or("the image has no page")?;
        let clock_gettime = self.architecture.clock_gettime;
        let clock_gettime = shipped.symbol(clock_gettime).ok_or_else(|| format!("the image has no {clock_gettime}"))?;
        let file = workspace().join("vdso-image/arch").join(shipped.arch).join("vdso.so");
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
    fn check(self, sysroot: Option<&Path>) {
        let cases = self.traces(sysroot).and_then(|traces| protocol::cases(self.machine, &traces));
        let cases = cases.unwrap_or_else(|error| panic!("{}: {error}", self.architecture.name()));
        let update = std::env::var_os("LITMUS").is_some_and(|it| it == "update");
        let herd = std::env::var_os("HERD7").map(PathBuf::from);
        herd::check(self.machine, &self.folder(), &cases, update, herd);
    }
}

/// [`Subject::check`], with the disassembler, QEMU, and `core` for kernels of the architecture; or leaves the test.
macro_rules! check {
    ($subject:expr) => {{
        let subject: Subject = $subject;
        let (objdump, package) = subject.machine.objdump();
        need!(objdump, package);
        let (qemu, package) = subject.machine.qemu();
        need!(qemu, package);
        let target = subject.machine.kernel_target();
        match core_library::sysroot(target, &core_library::folder().join("litmus").join(target)) {
            Ok(sysroot) => subject.check(sysroot.as_deref()),
            Err(error) if error.is::<core_library::NoCore>() => skip!(error.to_string()),
            Err(error) => panic!("{error:#}"),
        }
    }};
}

macro_rules! test_of {
    ([] $arch:ident emulated $own:tt) => {
        #[test]
        fn $arch() {
            use vdso_tests::arch::$arch::{ARCHITECTURE, MACHINE};
            check!(Subject { architecture: &ARCHITECTURE, machine: MACHINE });
        }
    };
    // It keeps loads in order, and stores.
    ([] $arch:ident native $own:tt) => {};
}
vdso_tests::architectures! { test_of [] }
