//! A guest: the loader, started under QEMU, with a page that this side writes.

use crate::architecture::Architecture;
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::ptr::NonNull;
use std::sync::{Mutex, OnceLock};
use tempfile::TempDir;
use vdso_image::{map, Kind};
use vvar::memory::{Encoded, WideLines};
use vvar::page::{offset, SIZE};
use vvar::{
    Clock, Counter, CounterKind, PageWrite, RawPage, Source, Start, Synchronisation, Timekeeper, Timespec, Writer,
};

/// Where the guest has the image: an address that no emulated program of these has anything at.
pub(crate) const BASE: u64 = 0x20_0000_0000;

/// What the loader fills its buffers with before a call.
pub(crate) const UNWRITTEN: i64 = -77;

/// The guest's page, as the kernel has it.
pub(crate) type GuestPage = Encoded<RawPage, WideLines>;

/// Where the pages' clocks start, in s: far from any host's, and from each other.
pub(crate) const REALTIME: i64 = 1_000_000_000;
const MONOTONIC: u64 = 300_000_000;
const RAW: u64 = 400_000_000;
const BOOTTIME: u64 = 500_000_000;
const TAI_OFFSET: i32 = 37;

/// An argument of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument {
    /// A number, or a pointer that is one.
    Number(i64),
    /// A pointer to a buffer, 0 or 1.
    Buffer(usize),
}

/// A null pointer.
pub(crate) const NULL: Argument = Argument::Number(0);

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Number(number) => write!(f, "{number}"),
            Argument::Buffer(buffer) => write!(f, "@{buffer}"),
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It returned.
    Returned {
        /// What.
        result: i64,
        /// What the two buffers hold.
        buffers: [[i64; 2]; 2],
    },
    /// By this signal.
    Signal(i32),
}

impl End {
    /// The result of a call that returned.
    pub(crate) fn result(self) -> i64 {
        match self {
            End::Returned { result, .. } => result,
            End::Signal(signal) => panic!("signal {signal}"),
        }
    }

    /// What it wrote to its first buffer as a `timespec`, in ns; the error if it failed.
    pub(crate) fn time(self) -> Result<i128, i64> {
        match self {
            End::Returned { result: 0, buffers: [[sec, nsec], _] } => {
                assert!((0..1_000_000_000).contains(&nsec), "{self:?}");
                Ok(i128::from(sec) * 1_000_000_000 + i128::from(nsec))
            }
            End::Returned { result, buffers } => {
                assert_eq!(buffers[0], [UNWRITTEN; 2], "nothing is written by a call that fails");
                Err(result)
            }
            End::Signal(signal) => panic!("signal {signal}"),
        }
    }
}

/// The counter that the guest reads, read on the host.
#[derive(Clone, Copy)]
pub(crate) struct GuestCounter {
    read: fn(u64) -> u64,
    frequency: u64,
}

impl GuestCounter {
    /// Its value.
    pub(crate) fn now(self) -> u64 {
        (self.read)(self.frequency)
    }
}

impl Counter for GuestCounter {
    // No page names it here, so that every read takes the slow path, which serves every kind.
    const HOT: CounterKind = CounterKind::Off;

    fn read_hot(&self) -> u64 {
        self.now()
    }

    fn read(&self, kind: CounterKind) -> Option<u64> {
        kind.is_counter().then(|| self.now())
    }
}

/// A running guest.
pub(crate) struct Guest {
    pub(crate) architecture: &'static Architecture,
    pub(crate) counter: GuestCounter,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    memory: NonNull<libc::c_void>,
    /// Image and page as files, which go with it.
    _folder: TempDir,
}

impl Guest {
    /// Starts one, with further options for QEMU; what is missing if it cannot be.
    pub(crate) fn start(architecture: &'static Architecture, options: &[&str]) -> Result<Guest, String> {
        let (emulator, loader) = (emulator(architecture)?, loader(architecture)?);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let memory = write_files(architecture, folder.path()).expect("files in it");
        let mut command = Command::new(emulator);
        command.args(options).arg(loader).args(loader_arguments(architecture, folder.path()));
        vdso_tests::afresh(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("QEMU starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let counter = GuestCounter { read: architecture.counter, frequency: 0 };
        let mut guest = Guest { architecture, counter, child, input, output, memory, _folder: folder };
        guest.counter.frequency = guest.sample().frequency;
        Ok(guest)
    }

    /// One command; the words of its answer, which starts with one of the letters.
    fn command(&mut self, command: &str, letters: &str) -> (char, Vec<String>) {
        let input = self.input.as_mut().expect("a guest that runs");
        writeln!(input, "{command}").expect("the guest reads");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("the guest answers");
        let mut words = answer.split_whitespace().map(str::to_owned);
        let letter = words.next().and_then(|word| word.chars().next());
        match letter.filter(|&letter| letters.contains(letter)) {
            Some(letter) => (letter, words.collect()),
            None => panic!("`{command}`: {answer:?}, {:?}", self.child.try_wait()),
        }
    }

    fn numbers(&mut self, command: &str, letters: &str) -> (char, Vec<i64>) {
        let (letter, words) = self.command(command, letters);
        (letter, words.iter().map(|word| word.parse().expect("a number")).collect())
    }

    fn called(&mut self, command: &str) -> End {
        match self.numbers(command, "rx") {
            ('x', numbers) => End::Signal(numbers[0] as i32),
            (_, numbers) => {
                let [result, a, b, c, d] = numbers[..] else { panic!("`{command}`: {numbers:?}") };
                End::Returned { result, buffers: [[a, b], [c, d]] }
            }
        }
    }

    /// Calls the image's function at an offset.
    pub(crate) fn call(&mut self, function: usize, [a, b, c]: [Argument; 3]) -> End {
        self.called(&format!("c {function} {a} {b} {c}"))
    }

    /// Makes a system call.
    pub(crate) fn system_call(&mut self, number: usize, [a, b, c]: [Argument; 3]) -> End {
        self.called(&format!("s {number} {a} {b} {c}"))
    }

    /// Reads the counter in the guest.
    pub(crate) fn sample(&mut self) -> Sample {
        let (_, numbers) = self.numbers("t", "t");
        let [before, counter, after, frequency] = numbers[..] else { panic!("{numbers:?}") };
        Sample { before, counter: counter as u64, after, frequency: frequency as u64 }
    }

    /// Reads a clock `times` times; the first and the last time in ns, and the largest step back.
    pub(crate) fn monotonic(&mut self, clock: Clock, times: u32) -> [i64; 3] {
        let function = self.architecture.functions.clock_gettime;
        let (_, numbers) = self.numbers(&format!("m {function} {} {times}", clock.id()), "m");
        numbers.try_into().expect("three numbers")
    }

    /// Unwinds out of a signal handler: the words of the answer.
    pub(crate) fn unwind(&mut self, how: char, described: bool) -> Vec<String> {
        let trampoline = self.architecture.functions.rt_sigreturn;
        self.command(&format!("{how} {trampoline} {}", u8::from(described)), &how.to_string()).1
    }

    /// Offsets of the program counter and of the registers by DWARF number in what the kernel pushes for a signal.
    pub(crate) fn signal_frame(&mut self) -> (usize, Vec<usize>) {
        let (_, numbers) = self.numbers("o", "o");
        let (pc, registers) = numbers.split_first().expect("numbers");
        (*pc as usize, registers.iter().map(|&at| at as usize).collect())
    }

    /// Ends the guest.
    pub(crate) fn finish(mut self) {
        drop(self.input.take());
        let status = self.child.wait().expect("our child");
        assert!(status.success(), "the loader: {status}");
    }

    /// The page, as the kernel has it.
    pub(crate) fn page(&self) -> GuestPage {
        // SAFETY: mapped readable and writable for as long as `self` lives, and reached by atomic operations only. A copy of
        // the value that outlives `self` would be a fault of the test.
        Encoded::new(unsafe { RawPage::new(self.memory.as_ptr().cast()) })
    }

    /// Makes the page what a fresh frame is.
    pub(crate) fn clear(&self) {
        for at in (0..offset::KERNEL_DATA).step_by(8) {
            self.page().store_u64(at, 0);
        }
    }

    /// A timekeeper by the guest's counter, under the name of `kind`, since `age` seconds ago.
    pub(crate) fn clocks(&self, kind: CounterKind, age: u64) -> Timekeeper {
        let frequency = self.frequency();
        let source = Source { kind, frequency, bits: 64, synchronisation: Synchronisation::Architectural };
        let start = Start {
            monotonic: Timespec { sec: MONOTONIC, nsec: 0 },
            raw: Timespec { sec: RAW, nsec: 0 },
            slept: Timespec { sec: BOOTTIME - MONOTONIC, nsec: 0 },
        };
        let counter = self.counter.now() - age * frequency;
        let mut clocks = Timekeeper::new(source, counter, start).expect("a source within bounds");
        clocks.set_realtime(counter, REALTIME, 0).expect("a time within bounds");
        clocks.set_tai_offset(TAI_OFFSET).expect("a time within bounds");
        clocks
    }

    /// What the pages say of the counter's frequency.
    pub(crate) fn frequency(&self) -> u64 {
        (self.architecture.frequency)(self.counter.frequency)
    }

    /// Publishes; as of `age` seconds ago.
    pub(crate) fn publish(&self, clocks: &mut Timekeeper, age: u64) {
        let writer = Writer::new(self.page());
        let past = age * self.frequency();
        // Late, on a busy machine, is harmless: see vvar's documentation of the writer.
        let _ = writer.publish(|| self.counter.now() - past, clocks).expect("nobody else publishes");
    }

    /// Makes the page one that has told the time for `age` seconds since its last publish, by the counter `kind`.
    pub(crate) fn go_live(&self, kind: CounterKind, age: u64) -> Timekeeper {
        self.clear();
        let writer = Writer::new(self.page());
        writer.init().expect("a fresh page");
        let mut clocks = self.clocks(kind, age);
        clocks.describe(&writer);
        self.publish(&mut clocks, age);
        clocks
    }

    /// What the page's clock says, by the reader in this program, in ns.
    pub(crate) fn page_time(&self, clock: Clock) -> i128 {
        vvar::read(&self.page(), &self.counter, clock).expect("nobody publishes now").as_nanos() as i128
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

/// A reading of the counter in the guest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// REALTIME before, in ns.
    pub(crate) before: i64,
    /// The counter.
    pub(crate) counter: u64,
    /// REALTIME after, in ns.
    pub(crate) after: i64,
    /// The counter's frequency in Hz, 0 if the guest cannot know it.
    pub(crate) frequency: u64,
}

/// Where a clock of these pages starts, in ns.
pub(crate) fn start_of(clock: Clock) -> i128 {
    let sec = match clock {
        Clock::Realtime | Clock::RealtimeCoarse => i128::from(REALTIME),
        Clock::Tai => i128::from(REALTIME) + i128::from(TAI_OFFSET),
        Clock::Monotonic | Clock::MonotonicCoarse => i128::from(MONOTONIC),
        Clock::MonotonicRaw => i128::from(RAW),
        Clock::Boottime => i128::from(BOOTTIME),
    };
    sec * 1_000_000_000
}

/// Whether it was a page of these tests that told this time: no test runs for an hour.
pub(crate) fn is_the_pages(clock: Clock, time: i128) -> bool {
    (0..3_600_000_000_000).contains(&(time - start_of(clock)))
}

/// QEMU's user mode for an architecture, static or not; what is missing otherwise.
pub(crate) fn emulator(architecture: &Architecture) -> Result<PathBuf, String> {
    let name = format!("qemu-{}", architecture.name);
    let found = vdso_tests::tool(&name).or_else(|| vdso_tests::tool(&format!("{name}-static")));
    found.ok_or_else(|| format!("needs {name} (Debian package qemu-user or qemu-user-static)"))
}

/// The loader, compiled once; what is missing otherwise.
pub(crate) fn loader(architecture: &Architecture) -> Result<PathBuf, String> {
    static COMPILED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let Some(compiler) = vdso_tests::tool(architecture.compiler) else {
        return Err(format!("needs {} (Debian packages {})", architecture.compiler, architecture.package));
    };
    // A static is not dropped: in cargo's folder for such files nothing is left behind that `cargo clean` does not remove.
    let folder = FOLDER.get_or_init(|| TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder"));
    let program = folder.path().join(format!("loader-{}", architecture.name));
    let mut compiled = COMPILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !compiled.contains(&program) {
        let source = vdso_tests::workspace().join("tests/foreign/loader.c");
        let status = Command::new(compiler)
            .args(["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-static"])
            // A cleanup can follow any instruction, and each function has a frame of its own in a backtrace.
            .args([
                "-fexceptions",
                "-fnon-call-exceptions",
                "-fasynchronous-unwind-tables",
                "-fno-optimize-sibling-calls",
            ])
            .args(["-Wl,--wrap=_dl_find_object", "-Wl,--wrap=dl_iterate_phdr"])
            .arg("-o")
            .arg(&program)
            .arg(source)
            .status();
        assert!(status.expect("the compiler starts").success());
        compiled.push(program.clone());
    }
    Ok(program)
}

/// What the loader is started with, for files of [`write_files`].
pub(crate) fn loader_arguments(architecture: &Architecture, folder: &Path) -> Vec<OsString> {
    let vvar = architecture.plan.iter().find(|part| part.kind == Kind::Vvar).expect("a plan with a page");
    assert_eq!((vvar.pages, map::image_offset(architecture.plan) as i64), (1, -vvar.offset));
    let (image, page) = (folder.join("vdso.so"), folder.join("vvar"));
    vec![image.into(), page.into(), BASE.to_string().into(), vvar.offset.to_string().into()]
}

/// Writes image and page to files; this side's mapping of the page.
pub(crate) fn write_files(architecture: &Architecture, folder: &Path) -> std::io::Result<NonNull<libc::c_void>> {
    std::fs::write(folder.join("vdso.so"), architecture.image)?;
    let page = File::options().read(true).write(true).create_new(true).open(folder.join("vvar"))?;
    page.set_len(SIZE as u64)?;
    let length = NonZeroUsize::new(SIZE).expect("a page");
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, at an address of the kernel's choice.
    Ok(unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, &page, 0)? })
}
