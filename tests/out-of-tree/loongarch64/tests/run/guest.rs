//! A running guest: `program`, started on the image and a page that this side writes.

use crate::shared;
use nix::sys::mman::munmap;
use std::ffi::c_void;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::ptr::NonNull;
use std::sync::OnceLock;
use tempfile::TempDir;
use vdso_linker::inspect::{inspect, Inspection};
use vdso_linker::Manifest;
use vdso_loongarch64::image;
use vdso_tests::guest::{loader_arguments, start_of, write_files, Argument, End, GuestImage, GuestPage, REALTIME};
use vvar::memory::Encoded;
use vvar::page::{offset, SIZE};
use vvar::{
    Clock, Counter, CounterKind, PageWrite, RawPage, Source, Start, Synchronisation, Timekeeper, Timespec, Writer,
};

/// What the pages say of the counter's frequency in Hz. It is not known, and their clocks need not be right, only steady.
pub(crate) const FREQUENCY: u64 = 2_600_000_000;

/// The image's counter.
pub(crate) const HOT: CounterKind = CounterKind::Private1;

/// In ns. The pages' clocks and the host's are several apart (`vdso_tests::guest::start_of`).
const YEAR: i64 = 365 * 86400 * 1_000_000_000;

/// Many readings of a clock, times in ns.
#[derive(Debug)]
pub(crate) struct Readings {
    pub(crate) first: i64,
    /// The last one within a year of the first.
    pub(crate) last: i64,
    /// The largest step back among those within a year of the first.
    pub(crate) back: i64,
    /// How many are not: those that the kernel answered, if the page did the first.
    pub(crate) strays: i64,
}

/// `rdtime.d` under QEMU's user mode is the host's counter: `cpu_get_host_ticks`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuestCounter;

impl Counter for GuestCounter {
    // No page names it here, so that every read takes the slow path, which serves every kind.
    const HOT: CounterKind = CounterKind::Off;

    fn read_hot(&self) -> u64 {
        vvar::arch::MachineCounter.read_hot()
    }

    fn read(&self, kind: CounterKind) -> Option<u64> {
        kind.is_counter().then(|| self.read_hot())
    }
}

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
    /// Where the program has its two buffers of two words.
    buffers: i64,
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    memory: NonNull<c_void>,
    facts: Inspection,
    /// Image and page as files, which go with it.
    _folder: TempDir,
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
        let emulator = ["qemu-loongarch64", "qemu-loongarch64-static"].into_iter().find_map(vdso_tests::tool);
        let emulator = emulator.ok_or("needs qemu-loongarch64 (Debian package qemu-user or qemu-user-static)")?;
        let program = program(core);
        let manifest = image::manifest().expect("a good manifest");
        let facts = inspect(elf).expect("an ELF file");
        let bytes = padded(elf, &manifest);
        // The offsets of functions are looked up in `facts`.
        let page_size = manifest.image.page_size as usize;
        let image = GuestImage { bytes: &bytes, page_size, vvar_offset: manifest.vvar_offset(), symbols: Vec::new() };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let memory = write_files(&image, folder.path()).expect("files in it");
        let mut command = Command::new(emulator);
        // A guest that faults may leave a core file.
        command.current_dir(folder.path()).args(options).arg(program).args(loader_arguments(&image, folder.path()));
        vdso_tests::afresh(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("QEMU starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("a pipe");
        let mut guest = Guest { buffers: 0, child, input, output, memory, facts, _folder: folder };
        guest.buffers = guest.answer::<5>().expect("the program starts")[0];
        Ok(guest)
    }

    /// The offset of a function.
    pub(crate) fn function(&self, name: &str) -> i64 {
        let symbol = self.facts.symbols.iter().find(|symbol| symbol.name == name);
        symbol.unwrap_or_else(|| panic!("the image has no {name}")).value as i64
    }

    fn argument(&self, argument: Argument) -> i64 {
        match argument {
            Argument::Number(number) => number,
            Argument::Buffer(buffer) => self.buffers + 16 * buffer as i64,
        }
    }

    /// Words of an answer; none if the guest has ended.
    pub(crate) fn answer<const N: usize>(&mut self) -> Option<[i64; N]> {
        let mut words = [0; N];
        for word in &mut words {
            let mut bytes = [0; 8];
            self.output.read_exact(&mut bytes).ok()?;
            *word = i64::from_le_bytes(bytes);
        }
        Some(words)
    }

    /// One command, and its answer.
    pub(crate) fn command(&mut self, words: [i64; 5]) -> Option<[i64; 5]> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.input.as_mut().expect("a guest that runs").write_all(&bytes).expect("the guest reads");
        self.answer()
    }

    fn called(&mut self, kind: i64, what: i64, arguments: [Argument; 3]) -> End {
        let [a, b, c] = arguments.map(|argument| self.argument(argument));
        match self.command([kind, what, a, b, c]) {
            Some([result, a, b, c, d]) => End::Returned { result, buffers: [[a, b], [c, d]] },
            None => End::Signal(self.child.wait().expect("our child").signal().expect("a signal ended it")),
        }
    }

    /// Calls a function of the image. One that ends in a signal ends the guest.
    pub(crate) fn call(&mut self, function: &str, arguments: [Argument; 3]) -> End {
        let offset = self.function(function);
        self.called(0, offset, arguments)
    }

    /// Makes a system call.
    pub(crate) fn system_call(&mut self, number: usize, arguments: [Argument; 3]) -> End {
        self.called(1, number as i64, arguments)
    }

    /// Reads the counter in the guest.
    pub(crate) fn counter(&mut self) -> u64 {
        self.command([2, 0, 0, 0, 0]).expect("a guest that runs")[0] as u64
    }

    /// Reads a clock `times` times.
    pub(crate) fn monotonic(&mut self, clock: Clock, times: i64) -> Readings {
        let function = self.function("__vdso_clock_gettime");
        let answer = self.command([3, function, clock.id() as i64, times, YEAR]).expect("a guest that runs");
        let [first, last, back, strays, 0] = answer else { panic!("a call failed: {answer:?}") };
        Readings { first, last, back, strays }
    }

    /// Ends the guest.
    pub(crate) fn finish(mut self) {
        drop(self.input.take());
        let status = self.child.wait().expect("our child");
        assert!(status.success(), "the program: {status}");
    }

    /// The page, as the kernel has it.
    pub(crate) fn page(&self) -> GuestPage {
        // SAFETY: mapped readable and writable for as long as `self` lives, and reached by atomic operations only. A copy of
        // the value that outlives `self` would be a fault of the test.
        Encoded::new(unsafe { RawPage::new(self.memory.as_ptr().cast()) })
    }

    /// Publishes; as of `age` seconds ago.
    pub(crate) fn publish(&self, clocks: &mut Timekeeper, age: u64) {
        let past = age * FREQUENCY;
        // Late, on a busy machine, is harmless: see vvar's documentation of the writer.
        let _ = Writer::new(self.page())
            .publish(|| GuestCounter.read_hot().wrapping_sub(past), clocks)
            .expect("one writer");
    }

    /// Makes the page one that has told the time for `age` seconds since its last publish, by the counter `kind`.
    pub(crate) fn go_live(&self, kind: CounterKind, age: u64) -> Timekeeper {
        for at in (0..offset::KERNEL_DATA).step_by(8) {
            self.page().store_u64(at, 0);
        }
        let writer = Writer::new(self.page());
        writer.init().expect("a fresh page");
        // The counter wraps around: `age` may be longer than the host has been up.
        let mut clocks = clocks(kind, GuestCounter.read_hot().wrapping_sub(age * FREQUENCY));
        clocks.describe(&writer);
        self.publish(&mut clocks, age);
        clocks
    }

    /// What the page's clock says, by the reader in this program, in ns.
    pub(crate) fn page_time(&self, clock: Clock) -> i128 {
        vvar::read(&self.page(), &GuestCounter, clock).expect("nobody publishes now").as_nanos() as i128
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // After `finish` both do nothing. An error would mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // SAFETY: this value's own mapping. An error would leave it mapped, which harms nobody.
        let _ = unsafe { munmap(self.memory, SIZE) };
    }
}

/// A timekeeper by the guest's counter, under the name of `kind`, since it had that value.
fn clocks(kind: CounterKind, counter: u64) -> Timekeeper {
    let seconds = |clock| (start_of(clock) / 1_000_000_000) as u64;
    // The host's TSCs, where nothing is to be forgiven: Linux counts by them only if it has found that they agree. That they
    // do is no architecture's promise, as a counter for private use is no architecture's.
    let synchronisation = Synchronisation::Checked { max_skew: 0 };
    let source = Source { kind, frequency: FREQUENCY, bits: 64, synchronisation };
    let start = Start {
        monotonic: Timespec { sec: seconds(Clock::Monotonic), nsec: 0 },
        raw: Timespec { sec: seconds(Clock::MonotonicRaw), nsec: 0 },
        slept: Timespec { sec: seconds(Clock::Boottime) - seconds(Clock::Monotonic), nsec: 0 },
    };
    let mut clocks = Timekeeper::new(source, counter, start).expect("a source within bounds");
    clocks.set_realtime(counter, REALTIME, 0).expect("a time within bounds");
    clocks.set_tai_offset((seconds(Clock::Tai) - seconds(Clock::Realtime)) as i32).expect("a time within bounds");
    clocks
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
