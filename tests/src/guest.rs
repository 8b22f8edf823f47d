//! A guest: `tests/foreign/loader.c`, started under QEMU's user mode for another architecture, with an image and a page that
//! this side writes.

use crate::architecture::{Architecture, Emulated, Functions};
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::ptr::NonNull;
use std::sync::Mutex;
use tempfile::TempDir;
use vdso_image::{map, Description, Kind};
use vvar::memory::{Encoded, WideLines};
use vvar::page::{offset, Encoding, SIZE};
use vvar::{
    Clock, Counter, CounterKind, PageRead, PageWrite, RawPage, Source, Start, Synchronisation, Timekeeper, Timespec,
    Writer,
};

/// Where the guest has the image: an address that no emulated program of these has anything at.
pub const BASE: u64 = 0x20_0000_0000;

/// What the loader fills its buffers with before a call.
pub const UNWRITTEN: i64 = -77;

/// The guest's page, as the kernel has it.
pub type GuestPage = Encoded<RawPage, WideLines>;

/// Where the pages' clocks start, in s: far from any host's, and from each other.
pub const REALTIME: i64 = 1_000_000_000;
const MONOTONIC: u64 = 300_000_000;
const RAW: u64 = 400_000_000;
const BOOTTIME: u64 = 500_000_000;
const TAI_OFFSET: i32 = 37;

/// An argument of a call.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// A number, or a pointer that is one.
    Number(i64),
    /// A pointer to a buffer, 0 or 1.
    Buffer(usize),
}

/// A null pointer.
pub const NULL: Argument = Argument::Number(0);

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
pub enum End {
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
    pub fn result(self) -> i64 {
        match self {
            End::Returned { result, .. } => result,
            End::Signal(signal) => panic!("signal {signal}"),
        }
    }

    /// What it wrote to its first buffer as a `timespec`, in ns; the error if it failed.
    pub fn time(self) -> Result<i128, i64> {
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
#[derive(Debug, Clone, Copy)]
pub struct GuestCounter {
    read: fn(u64) -> u64,
    frequency: u64,
}

impl GuestCounter {
    /// Its value.
    pub fn now(self) -> u64 {
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

/// An image for a guest.
#[derive(Debug, Clone)]
pub struct GuestImage<'a> {
    /// Its bytes, whole pages.
    pub bytes: &'a [u8],
    /// Bytes of a page.
    pub page_size: usize,
    /// Where the data page lies, in bytes from the image.
    pub vvar_offset: i64,
    /// Name and offset of each function.
    pub symbols: Vec<(String, usize)>,
}

impl GuestImage<'static> {
    /// An image that ships.
    ///
    /// # Panics
    /// If its plan is not one data page before the image.
    pub fn shipped(image: &'static Description) -> Self {
        let vvar = image.map_plan.iter().find(|part| part.kind == Kind::Vvar).expect("a plan with a page");
        assert_eq!((vvar.pages, map::image_offset(image.map_plan) as i64), (1, -vvar.offset));
        GuestImage {
            bytes: image.bytes,
            page_size: image.page_size,
            vvar_offset: vvar.offset,
            symbols: image.symbols.iter().map(|&(name, offset)| (name.to_owned(), offset)).collect(),
        }
    }
}

impl GuestImage<'_> {
    /// The offset of a function.
    ///
    /// # Panics
    /// If the image has none of that name.
    pub fn function(&self, name: &str) -> usize {
        let symbol = self.symbols.iter().find(|symbol| symbol.0 == name);
        symbol.unwrap_or_else(|| panic!("the image has no {name}")).1
    }
}

/// A guest for an architecture, as [`Guest::start`] starts it; or an early `return` from the test that needs it, which is then
/// skipped.
#[macro_export]
macro_rules! start {
    ($emulated:expr) => {
        $crate::start!($emulated, &[])
    };
    ($emulated:expr, $options:expr) => {
        match $crate::guest::Guest::start($emulated, $options) {
            Ok(guest) => guest,
            Err(missing) => $crate::skip!(missing),
        }
    };
}

/// A running guest.
#[derive(Debug)]
pub struct Guest {
    /// The architecture.
    pub emulated: &'static Emulated,
    /// The offsets of the functions that every image has.
    pub functions: Functions<usize>,
    /// The counter that the guest reads.
    pub counter: GuestCounter,
    /// Where the last call ended that ended in a signal.
    fault: Option<Fault>,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    memory: NonNull<libc::c_void>,
    /// Image and page as files, which go with it.
    _folder: TempDir,
}

impl Guest {
    /// Starts one on the image that ships, with further options for QEMU.
    ///
    /// # Errors
    /// What is missing for it on this machine.
    pub fn start(emulated: &'static Emulated, options: &[&str]) -> Result<Guest, String> {
        Guest::start_on(emulated, &GuestImage::shipped(emulated.architecture.image), options)
    }

    /// Starts one on any image of the architecture.
    ///
    /// # Errors
    /// What is missing for it on this machine.
    pub fn start_on(emulated: &'static Emulated, image: &GuestImage, options: &[&str]) -> Result<Guest, String> {
        let name = emulated.architecture.name();
        assert_eq!(Encoding::of_architecture(name), Some(GuestPage::ENCODING), "the lines of {name}'s page");
        let (emulator, loader) = (emulator(emulated.architecture)?, loader(emulated)?);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let memory = write_files(image, folder.path()).expect("files in it");
        let mut command = Command::new(emulator);
        command.args(options).arg(loader).args(loader_arguments(image, folder.path()));
        crate::afresh(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("QEMU starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let functions = emulated.functions.map(|name| image.function(name));
        let counter = GuestCounter { read: emulated.counter, frequency: 0 };
        let mut guest =
            Guest { emulated, functions, counter, fault: None, child, input, output, memory, _folder: folder };
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
            ('x', numbers) => {
                let [signal, address, program_counter, instruction] = numbers[..] else {
                    panic!("`{command}`: {numbers:?}")
                };
                self.fault = Some(Fault {
                    address: address as u64,
                    program_counter: program_counter as u64,
                    // -1: not in the image.
                    instruction: u32::try_from(instruction).ok(),
                });
                End::Signal(signal as i32)
            }
            (_, numbers) => {
                let [result, a, b, c, d] = numbers[..] else { panic!("`{command}`: {numbers:?}") };
                End::Returned { result, buffers: [[a, b], [c, d]] }
            }
        }
    }

    /// Calls the image's function at an offset.
    pub fn call(&mut self, function: usize, [a, b, c]: [Argument; 3]) -> End {
        self.called(&format!("c {function} {a} {b} {c}"))
    }

    /// Where the last call ended that ended in a signal.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Makes a system call.
    pub fn system_call(&mut self, number: usize, [a, b, c]: [Argument; 3]) -> End {
        self.called(&format!("s {number} {a} {b} {c}"))
    }

    /// Reads the counter in the guest.
    pub fn sample(&mut self) -> Sample {
        let (_, numbers) = self.numbers("t", "t");
        let [before, counter, after, frequency] = numbers[..] else { panic!("{numbers:?}") };
        Sample { before, counter: counter as u64, after, frequency: frequency as u64 }
    }

    /// Reads a clock `times` times; the first and the last time in ns, and the largest step back.
    pub fn monotonic(&mut self, clock: Clock, times: u32) -> [i64; 3] {
        let function = self.functions.clock_gettime;
        let (_, numbers) = self.numbers(&format!("m {function} {} {times}", clock.id()), "m");
        numbers.try_into().expect("three numbers")
    }

    /// Unwinds out of a signal handler: the words of the answer.
    pub fn unwind(&mut self, how: char, described: bool) -> Vec<String> {
        let trampoline = self.functions.rt_sigreturn;
        self.command(&format!("{how} {trampoline} {}", u8::from(described)), &how.to_string()).1
    }

    /// Offsets of the program counter and of the registers by DWARF number in what the kernel pushes for a signal.
    pub fn signal_frame(&mut self) -> (usize, Vec<usize>) {
        let (_, numbers) = self.numbers("o", "o");
        let (pc, registers) = numbers.split_first().expect("numbers");
        (*pc as usize, registers.iter().map(|&at| at as usize).collect())
    }

    /// Ends the guest.
    pub fn finish(mut self) {
        drop(self.input.take());
        let status = self.child.wait().expect("our child");
        assert!(status.success(), "the loader: {status}");
    }

    /// The page, as the kernel has it.
    pub fn page(&self) -> GuestPage {
        // SAFETY: mapped readable and writable for as long as `self` lives, and reached by atomic operations only. A copy of
        // the value that outlives `self` would be a fault of the test.
        Encoded::new(unsafe { RawPage::new(self.memory.as_ptr().cast()) })
    }

    /// Makes the page what a fresh frame is.
    pub fn clear(&self) {
        for at in (0..offset::KERNEL_DATA).step_by(8) {
            self.page().store_u64(at, 0);
        }
    }

    /// A timekeeper by the guest's counter, under the name of `kind`, since `age` seconds ago.
    pub fn clocks(&self, kind: CounterKind, age: u64) -> Timekeeper {
        let frequency = self.frequency();
        let source = Source { kind, frequency, bits: 64, synchronisation: Synchronisation::Architectural };
        let start = Start {
            monotonic: Timespec { sec: MONOTONIC, nsec: 0 },
            raw: Timespec { sec: RAW, nsec: 0 },
            slept: Timespec { sec: BOOTTIME - MONOTONIC, nsec: 0 },
        };
        // The counter wraps around: `age` may be longer than the host has been up.
        let counter = self.counter.now().wrapping_sub(age * frequency);
        let mut clocks = Timekeeper::new(source, counter, start).expect("a source within bounds");
        clocks.set_realtime(counter, REALTIME, 0).expect("a time within bounds");
        clocks.set_tai_offset(TAI_OFFSET).expect("a time within bounds");
        clocks
    }

    /// What the pages say of the counter's frequency.
    pub fn frequency(&self) -> u64 {
        (self.emulated.frequency)(self.counter.frequency)
    }

    /// Publishes; as of `age` seconds ago.
    pub fn publish(&self, clocks: &mut Timekeeper, age: u64) {
        let writer = Writer::new(self.page());
        let past = age * self.frequency();
        // Late, on a busy machine, is harmless: see vvar's documentation of the writer.
        let _ = writer.publish(|| self.counter.now().wrapping_sub(past), clocks).expect("nobody else publishes");
    }

    /// Makes the page one that has told the time for `age` seconds since its last publish, by the counter `kind`.
    pub fn go_live(&self, kind: CounterKind, age: u64) -> Timekeeper {
        self.clear();
        let writer = Writer::new(self.page());
        writer.init().expect("a fresh page");
        let mut clocks = self.clocks(kind, age);
        clocks.describe(&writer);
        self.publish(&mut clocks, age);
        clocks
    }

    /// What the page's clock says, by the reader in this program, in ns.
    pub fn page_time(&self, clock: Clock) -> i128 {
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

/// Where a call ended in a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The address that the signal is about (`si_addr`).
    pub address: u64,
    /// The address of the instruction.
    pub program_counter: u64,
    /// The four bytes there, if that is in the image.
    pub instruction: Option<u32>,
}

/// A reading of the counter in the guest.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// REALTIME before, in ns.
    pub before: i64,
    /// The counter.
    pub counter: u64,
    /// REALTIME after, in ns.
    pub after: i64,
    /// The counter's frequency in Hz, 0 if the guest cannot know it.
    pub frequency: u64,
}

/// Where a clock of these pages starts, in ns.
pub fn start_of(clock: Clock) -> i128 {
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
pub fn is_the_pages(clock: Clock, time: i128) -> bool {
    (0..3_600_000_000_000).contains(&(time - start_of(clock)))
}

/// QEMU's user mode for an architecture, static or not.
///
/// # Errors
/// That it is missing, and how to get it.
pub fn emulator(architecture: &Architecture) -> Result<PathBuf, String> {
    let name = format!("qemu-{}", architecture.name());
    let found = crate::tool(&name).or_else(|| crate::tool(&format!("{name}-static")));
    found.ok_or_else(|| format!("needs {name} (Debian package qemu-user or qemu-user-static)"))
}

/// The loader, compiled once.
///
/// # Errors
/// That its compiler is missing, and how to get it.
pub fn loader(emulated: &Emulated) -> Result<PathBuf, String> {
    static COMPILED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let Some(compiler) = crate::tool(emulated.compiler) else {
        return Err(format!("needs {} (Debian packages {})", emulated.compiler, emulated.packages));
    };
    // Beside the program that runs, where `cargo clean` finds it.
    let this_program = std::env::current_exe().expect("a program that runs");
    let name = emulated.architecture.name();
    let program = this_program.with_file_name(format!("loader-{name}"));
    let mut compiled = COMPILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !compiled.contains(&program) {
        // Whole or not at all, as another run of the tests may be about to start it.
        let folder = TempDir::new_in(this_program.parent().expect("a folder")).expect("a folder of its own");
        let new = folder.path().join("loader");
        let tests = crate::workspace().join("tests");
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
            // The architecture's part: loader.h.
            .arg("-iquote")
            .arg(tests.join("arch").join(name))
            .arg("-o")
            .arg(&new)
            .arg(tests.join("foreign/loader.c"))
            .status();
        assert!(status.expect("the compiler starts").success());
        std::fs::rename(new, &program).expect("a place beside this program");
        compiled.push(program.clone());
    }
    Ok(program)
}

/// What the loader is started with, for files of [`write_files`].
pub fn loader_arguments(image: &GuestImage, folder: &Path) -> Vec<OsString> {
    let (file, page) = (folder.join("vdso.so"), folder.join("vvar"));
    vec![file.into(), page.into(), BASE.to_string().into(), image.vvar_offset.to_string().into()]
}

/// Writes image and page to files; this side's mapping of the page.
///
/// # Errors
/// What the system refused.
pub fn write_files(image: &GuestImage, folder: &Path) -> std::io::Result<NonNull<libc::c_void>> {
    std::fs::write(folder.join("vdso.so"), image.bytes)?;
    let page = File::options().read(true).write(true).create_new(true).open(folder.join("vvar"))?;
    // The page lies at the start of one of the image's.
    page.set_len(image.page_size.max(SIZE) as u64)?;
    let length = NonZeroUsize::new(SIZE).expect("a page");
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, at an address of the kernel's choice.
    Ok(unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, &page, 0)? })
}
