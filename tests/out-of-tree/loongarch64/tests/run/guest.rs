//! A running guest: `program`, started on the image and a page that this side writes.

use crate::shared;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use vdso_linker::inspect::{inspect, Inspection};
use vdso_linker::Manifest;
use vdso_loongarch64::image;
use vdso_tests::architecture::{Function, Functions, SystemCalls};
use vdso_tests::calls::{Calls, Counters, Readings};
use vdso_tests::clocks::YEAR;
use vdso_tests::guest::{emulator, Argument, End, Files, GuestCounter, GuestImage, Publisher};
use vvar::{Clock, Counter, CounterKind};

/// What the pages say of the counter's frequency in Hz. It is not known, and their clocks need not be right, only steady.
const FREQUENCY: u64 = 2_600_000_000;

/// The image's counter.
pub(crate) const HOT: CounterKind = CounterKind::Private1;

/// What the image calls them.
pub(crate) const FUNCTIONS: Functions<&str> = Functions {
    clock_gettime: "__vdso_clock_gettime",
    gettimeofday: "__vdso_gettimeofday",
    clock_getres: "__vdso_clock_getres",
    rt_sigreturn: "__vdso_rt_sigreturn",
};

/// A guest as [`Guest::start`] starts it; or an early `return` from the test that needs it, which is then skipped.
macro_rules! start {
    () => {
        start!(&[])
    };
    ($options:expr) => {{
        let core = crate::shared::need_core!();
        match crate::guest::Guest::start(core, $options) {
            Ok(guest) => guest,
            Err(missing) => vdso_tests::skip!(missing),
        }
    }};
}
pub(crate) use start;

#[derive(Debug)]
pub(crate) struct Guest {
    /// Its page, and what publishes it.
    pub(crate) publisher: Publisher,
    facts: Inspection,
    /// How the program is started: again, if a call has ended it.
    command: Command,
    program: Program,
}

impl Guest {
    /// Starts one on the image, with further options for QEMU, and with `core` for it from that sysroot.
    ///
    /// # Errors
    /// What is missing for it on this machine.
    pub(crate) fn start(core: Option<&Path>, options: &[&str]) -> Result<Guest, String> {
        Guest::start_on(&shared::built().image, core, options)
    }

    /// Starts one on an image of the same layout.
    ///
    /// # Errors
    /// What is missing for it on this machine.
    pub(crate) fn start_on(elf: &[u8], core: Option<&Path>, options: &[&str]) -> Result<Guest, String> {
        let emulator = emulator(image::ARCH.name())?;
        let program = program(core);
        let manifest = image::manifest().expect("a good manifest");
        let facts = inspect(elf).expect("an ELF file");
        let bytes = padded(elf, &manifest);
        // The offsets of functions are looked up in `facts`.
        let page_size = manifest.image.page_size as usize;
        let image = GuestImage { bytes: &bytes, page_size, vvar_offset: manifest.vvar_offset(), symbols: Vec::new() };
        let files = Files::write(&image);
        let mut command = Command::new(emulator);
        command.args(options).arg(program).args(files.arguments());
        vdso_tests::afresh(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped());
        let program = Program::start(&mut command);
        // `rdtime.d` under QEMU's user mode is the host's counter: `cpu_get_host_ticks`.
        let counter = GuestCounter { read: |_| vvar::arch::MachineCounter.read_hot(), frequency: 0 };
        let publisher = Publisher::new(files, counter, FREQUENCY);
        Ok(Guest { publisher, facts, command, program })
    }

    /// The offset of a function.
    pub(crate) fn function(&self, name: &str) -> i64 {
        let symbol = self.facts.symbols.iter().find(|symbol| symbol.name == name);
        symbol.unwrap_or_else(|| panic!("the image has no {name}")).value as i64
    }

    fn argument(&self, argument: Argument) -> i64 {
        match argument {
            Argument::Number(number) => number,
            Argument::Buffer(buffer) => self.program.buffers + 16 * buffer as i64,
        }
    }

    /// Words of an answer; none if the guest has ended.
    pub(crate) fn answer<const N: usize>(&mut self) -> Option<[i64; N]> {
        self.program.answer()
    }

    /// One command, and its answer.
    pub(crate) fn command(&mut self, words: [i64; 5]) -> Option<[i64; 5]> {
        self.program.command(words)
    }

    fn called(&mut self, kind: i64, what: i64, arguments: [Argument; 3]) -> End {
        let [a, b, c] = arguments.map(|argument| self.argument(argument));
        match self.command([kind, what, a, b, c]) {
            Some([result, a, b, c, d]) => End::Returned { result, buffers: [[a, b], [c, d]] },
            None => {
                let ended = std::mem::replace(&mut self.program, Program::start(&mut self.command));
                let code = ended.status().code().filter(|&code| code > 128);
                End::Signal(code.expect("a fault's status") - 128)
            }
        }
    }

    /// Calls a function of the image. After one that ends in a signal the guest is a new one, on the same page.
    pub(crate) fn call(&mut self, function: &str, arguments: [Argument; 3]) -> End {
        let offset = self.function(function);
        self.called(0, offset, arguments)
    }

    /// Makes a system call.
    pub(crate) fn system_call(&mut self, number: usize, arguments: [Argument; 3]) -> End {
        self.called(1, number as i64, arguments)
    }

    /// Ends the guest.
    pub(crate) fn finish(self) {
        let status = self.program.status();
        assert!(status.success(), "the program: {status}");
    }
}

impl Calls for Guest {
    fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    fn counters(&self) -> Counters {
        Counters { hot: HOT, slow: &[], all: &[HOT] }
    }

    fn ours(&mut self, function: Function, arguments: [Argument; 3]) -> End {
        self.call(FUNCTIONS.of(function), arguments)
    }

    fn kernels(&mut self, function: Function, arguments: [Argument; 3]) -> End {
        self.system_call(SystemCalls::ASM_GENERIC.of(function), arguments)
    }

    fn readings(&mut self, clock: Clock, times: u32) -> Readings {
        let function = self.function(FUNCTIONS.clock_gettime);
        let answer = self.command([3, function, clock.id() as i64, times.into(), YEAR]).expect("a guest that runs");
        let [first, last, back, strays, 0] = answer else { panic!("a call failed: {answer:?}") };
        Readings { first, last, back, strays }
    }

    fn counter(&mut self) -> u64 {
        self.command([2, 0, 0, 0, 0]).expect("a guest that runs")[0] as u64
    }
}

/// The program, as it runs.
#[derive(Debug)]
struct Program {
    /// Where it has its two buffers of two words.
    buffers: i64,
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Program {
    fn start(command: &mut Command) -> Program {
        let mut child = command.spawn().expect("QEMU starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("a pipe");
        let mut program = Program { buffers: 0, child, input, output };
        program.buffers = program.answer::<5>().expect("the program starts")[0];
        program
    }

    fn answer<const N: usize>(&mut self) -> Option<[i64; N]> {
        let mut words = [0; N];
        for word in &mut words {
            let mut bytes = [0; 8];
            self.output.read_exact(&mut bytes).ok()?;
            *word = i64::from_le_bytes(bytes);
        }
        Some(words)
    }

    fn command(&mut self, words: [i64; 5]) -> Option<[i64; 5]> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.input.as_mut().expect("a guest that runs").write_all(&bytes).expect("the guest reads");
        self.answer()
    }

    /// Ends it, if it has not ended yet; how it has.
    fn status(mut self) -> ExitStatus {
        drop(self.input.take());
        self.child.wait().expect("our child")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // After `status` both do nothing. An error would mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The image and zeroes up to whole pages, as a kernel has it.
fn padded(image: &[u8], manifest: &Manifest) -> Vec<u8> {
    let mut bytes = image.to_vec();
    bytes.resize((manifest.image_pages() * manifest.image.page_size) as usize, 0);
    bytes
}

/// The program, compiled once.
fn program(core: Option<&Path>) -> &'static Path {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let built = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Whole or not at all, as another run of the tests may be about to start it.
        let folder = TempDir::new_in(built).expect("a folder of its own");
        let new = folder.path().join("program");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/program/main.rs");
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args([
            "--edition=2021",
            "--target",
            image::ARCH.target(),
            "-Copt-level=2",
            "-Cpanic=abort",
            "-Dwarnings",
        ]);
        rustc.args(["-Clinker=rust-lld", "-Clinker-flavor=ld.lld", "-Crelocation-model=static"]);
        // QEMU has LSX from 8.1 on.
        rustc.arg("-Ctarget-feature=+crt-static,-lsx").arg("-o").arg(&new).arg(source);
        if let Some(sysroot) = core {
            rustc.arg("--sysroot").arg(sysroot);
        }
        let output = rustc.output().expect("rustc, which compiled this test, starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let program = built.join("program-loongarch64");
        std::fs::rename(new, &program).expect("a place in the same folder");
        program
    })
}
