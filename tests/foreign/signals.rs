//! Unwinding out of a signal handler through the trampoline, by libgcc and by gdb.
//!
//! The interrupted function is a leaf: where it returns to is nowhere but in its register, so that an unwinder which takes the
//! return address for the program counter, or forgets a register, gets lost.

use object::{Object, ObjectSymbol, SymbolKind};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vdso_tests::guest::loader::loader;
use vdso_tests::guest::{emulator, Files, GuestImage, BASE};
use vdso_tests::{skip, start, Emulated};

for_each_architecture! {
    libgcc_finds_the_interrupted_functions,
    libgcc_runs_the_cleanups_of_interrupted_functions,
    gdb_finds_the_interrupted_functions,
}

/// The handler, what it returns to, and what it interrupted.
const FUNCTIONS: [&str; 4] = ["on_signal", "leaf", "middle", "interrupted"];

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal number")
}

/// The function of a program that an address belongs to.
fn function_at(program: &Path, address: u64) -> String {
    let bytes = std::fs::read(program).expect("the loader");
    let file = object::File::parse(&*bytes).expect("an ELF file");
    let mut functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    let found = functions.find(|symbol| (symbol.address()..symbol.address() + symbol.size()).contains(&address));
    found.and_then(|symbol| symbol.name().ok().map(str::to_owned)).unwrap_or_else(|| format!("{address:#x}"))
}

fn libgcc_finds_the_interrupted_functions(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    let program = loader(emulated).expect("it runs");
    let trampoline = BASE + guest.functions.rt_sigreturn as u64;
    // By the bytes of the trampoline, and by its frame description.
    for described in [false, true] {
        let answer = guest.unwind('u', described);
        let [found, returns_to, value, frames @ ..] = &answer[..] else { panic!("{answer:?}") };
        assert_eq!(found.parse::<u32>().expect("a number") > 0, described, "whether the description was found");
        assert_eq!(hexadecimal(returns_to), trampoline);
        assert_eq!(value, "9001", "the interrupted functions go on as if nothing had happened");
        let frames: Vec<(u64, bool)> = frames
            .iter()
            .map(|frame| frame.split_once(':').expect("an address and a number"))
            .map(|(address, exact)| (hexadecimal(address), exact == "1"))
            .collect();
        assert_eq!(frames[1], (trampoline, false));
        assert!(frames[2].1, "the interrupted instruction is known to be one");
        let name = |&(address, exact): &(u64, bool)| function_at(&program, if exact { address } else { address - 1 });
        let names: Vec<String> = [0, 2, 3, 4].map(|frame| name(&frames[frame])).into();
        assert_eq!(names, FUNCTIONS, "described: {described}");
    }
    guest.finish();
}

/// What happens when a thread is cancelled. The values that the cleanups see were in registers when the signal came.
fn libgcc_runs_the_cleanups_of_interrupted_functions(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    for described in [false, true] {
        let answer = guest.unwind('f', described);
        let [found, cleaned, value] = &answer[..] else { panic!("{answer:?}") };
        assert_eq!(found.parse::<u32>().expect("a number") > 0, described, "whether the description was found");
        assert_eq!((cleaned.as_str(), value.as_str()), ("2", "5000"), "described: {described}");
    }
    guest.finish();
}

/// A program that does not outlive a test that fails.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It has ended by itself, if all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn gdb_finds_the_interrupted_functions(emulated: &'static Emulated) {
    let gdb = vdso_tests::need!("gdb-multiarch", "gdb-multiarch");
    let (emulator, program) =
        match emulator(emulated.architecture.name()).and_then(|path| Ok((path, loader(emulated)?))) {
            Ok(found) => found,
            Err(missing) => skip!(missing),
        };
    let image = GuestImage::shipped(emulated.architecture.image);
    // The page stays empty.
    let files = Files::write(&image);
    let socket = files.folder().join("gdb");
    let mut guest = Command::new(emulator);
    guest.args(emulated.cpu.iter().flat_map(|cpu| ["-cpu", cpu])).arg("-g").arg(&socket).arg(&program);
    guest.args(files.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut guest = Stopped(vdso_tests::afresh(&mut guest).spawn().expect("QEMU starts"));
    let mut input = guest.0.stdin.take().expect("a pipe");
    writeln!(input, "u {} 0", image.function(emulated.functions.rt_sigreturn)).expect("the guest reads");
    drop(input);
    let start = Instant::now();
    while !socket.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "QEMU listens for no debugger: {:?}", guest.0.try_wait());
        std::thread::sleep(Duration::from_millis(20));
    }
    // If it waits for a guest that is gone, it waits for ever.
    let mut debugger = Command::new("timeout");
    debugger.arg("120").arg(gdb).args(["-nx", "-batch"]);
    for command in [
        "set confirm off",
        // Otherwise it asks the network.
        "set debuginfod enabled off",
        "handle SIGILL nostop noprint pass",
        &format!("target remote {}", socket.display()),
        "break on_signal",
        "continue",
        "backtrace",
        "delete",
        "continue",
    ] {
        debugger.arg("-ex").arg(command);
    }
    let output = vdso_tests::afresh(debugger.arg(&program)).output().expect("gdb starts");
    let text = String::from_utf8_lossy(&output.stdout);
    // Each line of a backtrace: `#N`, perhaps `0xADDRESS in`, a function.
    let names: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.split_whitespace().skip(1).find(|word| !word.starts_with("0x") && *word != "in").unwrap_or(""))
        .collect();
    let [handler, interrupted @ ..] = FUNCTIONS;
    assert!(text.contains("#1  <signal handler called>"), "{text}");
    assert_eq!(names.get(..2), Some(&[handler, "<signal"][..]), "{text}");
    assert_eq!(names.get(2..5), Some(&interrupted[..]), "{text}");
    assert!(text.contains("exited normally"), "through the trampoline: {text}");
    assert!(guest.0.wait().expect("our child").success());
}
