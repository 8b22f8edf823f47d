//! A guest by `tests/foreign/loader.c`, for an architecture of [`arch`](crate::arch).

use super::{emulator, Argument, End, Files, GuestCounter, GuestImage, GuestPage, Publisher};
use crate::architecture::{Emulated, Function, Functions};
use crate::calls::{Calls, Counters, Readings};
use crate::clocks::YEAR;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use tempfile::TempDir;
use vvar::page::Encoding;
use vvar::{Clock, PageRead};

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
    /// Its page, and what publishes it.
    pub publisher: Publisher,
    /// Where the last call ended that ended in a signal.
    fault: Option<Fault>,
    program: Program,
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
        let (emulator, loader) = (emulator(name)?, loader(emulated)?);
        let functions = emulated.functions.map(|name| image.function(name));
        let files = Files::write(image);
        let mut program = Program::start(Command::new(emulator).args(options).arg(loader).args(files.arguments()));
        let seen = program.sample().frequency;
        let counter = GuestCounter { read: emulated.counter, frequency: seen };
        let publisher = Publisher::new(files, counter, (emulated.frequency)(seen));
        Ok(Guest { emulated, functions, publisher, fault: None, program })
    }

    fn called(&mut self, command: &str) -> End {
        match self.program.numbers(command, "rx") {
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

    /// Unwinds out of a signal handler: the words of the answer.
    pub fn unwind(&mut self, how: char, described: bool) -> Vec<String> {
        let trampoline = self.functions.rt_sigreturn;
        self.program.command(&format!("{how} {trampoline} {}", u8::from(described)), &how.to_string()).1
    }

    /// Offsets of the program counter and of the registers by DWARF number in what the kernel pushes for a signal.
    pub fn signal_frame(&mut self) -> (usize, Vec<usize>) {
        let (_, numbers) = self.program.numbers("o", "o");
        let (pc, registers) = numbers.split_first().expect("numbers");
        (*pc as usize, registers.iter().map(|&at| at as usize).collect())
    }

    /// Ends the guest.
    pub fn finish(mut self) {
        drop(self.program.input.take());
        let status = self.program.child.wait().expect("our child");
        assert!(status.success(), "the loader: {status}");
    }
}

impl Calls for Guest {
    fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    fn counters(&self) -> Counters {
        let Emulated { hot, slow, architecture, .. } = *self.emulated;
        Counters { hot, slow, all: architecture.counters }
    }

    fn ours(&mut self, function: Function, arguments: [Argument; 3]) -> End {
        self.call(self.functions.of(function), arguments)
    }

    fn kernels(&mut self, function: Function, arguments: [Argument; 3]) -> End {
        self.system_call(self.emulated.numbers.of(function), arguments)
    }

    fn readings(&mut self, clock: Clock, times: u32) -> Readings {
        let command = format!("m {} {} {times} {YEAR}", self.functions.clock_gettime, clock.id());
        let (_, numbers) = self.program.numbers(&command, "m");
        let [first, last, back, strays] = numbers[..] else { panic!("`{command}`: {numbers:?}") };
        Readings { first, last, back, strays }
    }

    fn counter(&mut self) -> u64 {
        let Sample { before, counter, after, .. } = self.program.sample();
        assert!(before <= after, "the guest's time of day: {before}, {after}");
        counter
    }
}

/// The loader, as it runs.
#[derive(Debug)]
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(command: &mut Command) -> Program {
        crate::afresh(command).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("QEMU starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Program { child, input, output }
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

    /// Reads the counter.
    fn sample(&mut self) -> Sample {
        let (_, numbers) = self.numbers("t", "t");
        let [before, counter, after, frequency] = numbers[..] else { panic!("{numbers:?}") };
        Sample { before, counter: counter as u64, after, frequency: frequency as u64 }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // After `finish` both do nothing. An error would mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
struct Sample {
    /// REALTIME before, in ns.
    before: i64,
    /// The counter.
    counter: u64,
    /// REALTIME after, in ns.
    after: i64,
    /// The counter's frequency in Hz, 0 if the guest cannot know it.
    frequency: u64,
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
