//! Real programs read their clocks from our image and our page: C with two libraries, Go, Rust, Python, the dynamic linker,
//! a debugger. The programs are in `clients/`; each checks its clocks against raw system calls and prints a verdict.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vdso_tests::{clock_calls, need, run, skip};

/// How far from the kernel's clocks ours may be, in ns: 1 us, which the runner's publisher promises, and 200 ns for the
/// host's own clock. Linux corrects the rate of its clock at its ticks; the page, published before the correction, does
/// not have it yet. At 50 ppm and a tick of 4 ms that is 200 ns.
const TOLERANCE: &str = "1200";

/// As above on the host's own vDSO, which shares its parameters with the system call: a test of the client.
const HOST_TOLERANCE: &str = "100";

/// Seconds of the soak, if `VDSO_SOAK_SECONDS` does not say otherwise.
const SOAK_SECONDS: u64 = 60;

/// One client at a time: they look at time, and would take the CPU from each other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // Another test's failure does not spoil this one.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Where programs are built. Each test uses names of its own.
fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Both streams, for a message.
fn text(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Builds `clients/c/SOURCE.c` as `name`, with warnings as errors.
fn compile(cc: &Path, source: &str, name: &str, options: &[&str]) -> PathBuf {
    let program = built(name);
    let mut command = Command::new(cc);
    command.args(["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]).args(options);
    command.arg("-o").arg(&program).arg(clients().join("c").join(source).with_extension("c"));
    let compiled = output(&mut command);
    assert!(compiled.status.success(), "{command:?}: {}", text(&compiled));
    program
}

/// A client's command line, without its mode.
struct Client(Vec<PathBuf>);

impl Client {
    /// On the host's own vDSO.
    fn on_host(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).args(arguments);
        command
    }

    /// On our image.
    fn on_ours(&self, options: &[&str], arguments: &[&str]) -> Command {
        let mut command = run(options);
        command.args(&self.0).args(arguments);
        command
    }
}

/// Runs a client to its end; its verdict must be good.
fn passes(command: &mut Command) -> Output {
    let output = output(command);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && stdout.lines().next_back() == Some("PASS");
    assert!(passed, "{command:?}: {}", text(&output));
    output
}

/// Runs a client to its end; its verdict must be bad, with a line that has both `clock` and figures.
fn fails(command: &mut Command, clock: &str) {
    let output = output(command);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let noticed = stdout.lines().any(|line| line.starts_with("BAD") && line.contains(clock) && line.contains("ns"));
    assert_eq!(output.status.code(), Some(1), "{command:?}: {}", text(&output));
    assert!(noticed && stdout.lines().next_back() == Some("FAIL"), "{command:?}: {}", text(&output));
}

/// N of the client's line `clock system calls expected: N`.
fn expected_calls(output: &Output) -> Option<u64> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    stdout.lines().find_map(|line| line.strip_prefix("clock system calls expected: ")?.parse().ok())
}

/// A client is right on the host's vDSO (else the client is wrong) and on ours; a million reads make no system call, and a
/// run that compares makes exactly those that it makes by hand.
fn is_right(client: &Client) {
    let _alone = alone();
    passes(&mut client.on_host(&["check", "100", HOST_TOLERANCE]));
    passes(&mut client.on_ours(&[], &["check", "100000", TOLERANCE]));

    let counted = passes(&mut client.on_ours(&["--count-syscalls"], &["count", "1000000"]));
    assert_eq!(expected_calls(&counted), Some(0), "{}", text(&counted));
    assert_eq!(clock_calls(&counted.stderr), Some(0), "{}", text(&counted));

    let compared = passes(&mut client.on_ours(&["--count-syscalls"], &["check", "100", TOLERANCE]));
    let expected = expected_calls(&compared);
    assert!(expected > Some(1000), "each read stands between two raw ones: {}", text(&compared));
    assert_eq!(clock_calls(&compared.stderr), expected, "{}", text(&compared));
}

#[test]
fn c_with_glibc_dynamic() {
    let cc = need!("gcc", "gcc");
    is_right(&Client(vec![compile(&cc, "clock", "clock-glibc-dynamic", &[])]));
}

#[test]
fn c_with_glibc_static() {
    let cc = need!("gcc", "gcc");
    is_right(&Client(vec![compile(&cc, "clock", "clock-glibc-static", &["-static"])]));
}

#[test]
fn c_with_musl_static() {
    let cc = need!("musl-gcc", "musl-tools");
    is_right(&Client(vec![compile(&cc, "clock", "clock-musl-static", &["-static"])]));
}

#[test]
fn go_static() {
    let go = need!("go", "golang-go");
    let program = built("clock-go");
    let mut build = Command::new(go);
    build.args(["build", "-o"]).arg(&program).arg(".").current_dir(clients().join("go"));
    // Static, by this installation alone, and with nothing of the user's settings.
    let cache = built("go-cache");
    build.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local").env("GOENV", "off").env("GOCACHE", &cache);
    build.env_remove("GOFLAGS").env_remove("GOOS").env_remove("GOARCH");
    let compiled = output(&mut build);
    assert!(compiled.status.success(), "{build:?}: {}", text(&compiled));
    is_right(&Client(vec![program]));
}

#[test]
fn rust_std() {
    is_right(&Client(vec![PathBuf::from(env!("CARGO_BIN_EXE_clock-rust"))]));
}

#[test]
fn python() {
    let python = need!("python3", "python3");
    is_right(&Client(vec![python, clients().join("clock.py")]));
}

/// The line that the README promises.
#[test]
fn python_on_the_command_line() {
    let python = need!("python3", "python3");
    let _alone = alone();
    let script = "import time; [time.time() for _ in range(10**6)]";
    let output = output(run(&["--count-syscalls"]).arg(python).args(["-c", script]));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(clock_calls(&output.stderr), Some(0), "{}", text(&output));
}

#[test]
fn the_dynamic_linker_finds_our_image() {
    let cc = need!("gcc", "gcc");
    let client = Client(vec![compile(&cc, "dlopen", "dlopen", &["-ldl"])]);
    let build_id = |output: Output| {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        stdout.lines().find_map(|line| Some(line.strip_prefix("build id: ")?.to_owned()))
    };
    let ours: String = vdso_image::x86_64::BUILD_ID.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(build_id(passes(&mut client.on_ours(&[], &[]))), Some(ours.clone()));
    // The same client sees another image without the runner.
    assert_ne!(build_id(passes(&mut client.on_host(&[]))), Some(ours));
}

/// A process that is killed when the test ends, however it ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `spin` under `run --detach`; the runner, and the program's process number.
fn spinning(program: &Path) -> (Killed, u32) {
    let mut command = run(&["--detach"]);
    command.arg(program).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut runner = Killed(command.spawn().expect("xtask starts"));
    let mut line = String::new();
    let stdout = runner.0.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line of the program");
    assert_eq!(line, "spinning\n");
    line.clear();
    let stderr = runner.0.stderr.take().expect("a pipe");
    BufReader::new(stderr).read_line(&mut line).expect("a line of the runner");
    let pid = line.trim_end().strip_prefix("detached: pid ").and_then(|pid| pid.parse().ok());
    (runner, pid.unwrap_or_else(|| panic!("{line:?}")))
}

/// Steps of one instruction from the entry of `__vdso_clock_gettime`: through it, out, and in again. A publish of the page
/// comes between any two, so the slow path is on the way.
const STEPS: usize = 250;

/// The frames of each `backtrace` that gdb printed: their function names, innermost first.
fn backtraces(output: &str) -> Vec<Vec<&str>> {
    let mut all: Vec<Vec<&str>> = Vec::new();
    for line in output.lines().filter(|line| line.starts_with('#')) {
        // "#1  0x00007f.. in clock_gettime () from /lib/..." or "#0  __vdso_clock_gettime ()".
        let Some((number, rest)) = line.split_once(char::is_whitespace) else { continue };
        let function = rest.split(" in ").last().unwrap_or(rest).trim_start();
        if number == "#0" {
            all.push(Vec::new());
        }
        if let Some(frames) = all.last_mut() {
            frames.push(function.split(' ').next().unwrap_or(function));
        }
    }
    all
}

#[test]
fn gdb_prints_a_backtrace_from_every_instruction() {
    let (cc, gdb) = (need!("gcc", "gcc"), need!("gdb", "gdb"));
    let _alone = alone();
    let (_runner, pid) = spinning(&compile(&cc, "spin", "spin", &[]));
    let script = built("backtrace.gdb");
    let steps = format!("set $n = 0\nwhile $n < {STEPS}\nstepi\nbacktrace\nset $n = $n + 1\nend\n");
    let commands = format!(
        "set pagination off\nset width 0\nset breakpoint pending off\nbreak *__vdso_clock_gettime\ncontinue\n\
         backtrace\ndelete\n{steps}detach\n"
    );
    fs::write(&script, commands).expect("a script for gdb");
    let mut debugger = Command::new(gdb);
    debugger.args(["-nx", "-batch", "-p", &pid.to_string(), "-x"]).arg(&script).stdin(Stdio::null());
    let output = output(&mut debugger);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stops = backtraces(&stdout);
    assert_eq!(stops.len(), 1 + STEPS, "{}", text(&output));

    // At the entry, whose alias gdb may prefer.
    assert!(["__vdso_clock_gettime", "clock_gettime"].contains(&stops[0][0]), "{}", text(&output));
    assert!(stops.iter().any(|frames| frames[0] == "time_it"), "through the function and out: {}", text(&output));
    for frames in &stops {
        assert_eq!(frames.last(), Some(&"main"), "{frames:?} in {}", text(&output));
        assert!(frames[0] == "main" || frames.contains(&"time_it"), "{frames:?} in {}", text(&output));
    }
}

/// Stamps that pass between CPUs need two.
macro_rules! need_two_cpus {
    () => {
        if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
            skip!("needs two CPUs");
        }
    };
}

/// Two threads exchange time stamps beside a busy one, by default for a minute.
#[test]
fn soak() {
    let cc = need!("gcc", "gcc");
    need_two_cpus!();
    let seconds = soak_seconds();
    let client = Client(vec![compile(&cc, "soak", "soak", &[])]);
    let _alone = alone();
    let start = Instant::now();
    let verdict = passes(&mut client.on_ours(&[], &[&seconds.to_string(), TOLERANCE]));
    println!("{}", text(&verdict));
    assert!(start.elapsed() >= Duration::from_secs(seconds));
}

fn soak_seconds() -> u64 {
    match std::env::var("VDSO_SOAK_SECONDS") {
        Ok(seconds) => {
            seconds.parse().unwrap_or_else(|_| panic!("VDSO_SOAK_SECONDS={seconds}: not a number of seconds"))
        }
        Err(_) => SOAK_SECONDS,
    }
}

/// `client` with a C library whose clock is wrong.
fn wrong(cc: &Path, name: &str, mut client: Command, clock: &str, nanos: &str) -> Command {
    let library = compile(cc, "wrong", name, &["-shared", "-fPIC"]);
    client.env("LD_PRELOAD", library).env("WRONG_CLOCK", clock).env("WRONG_BY", nanos);
    client
}

/// Clients whose C library is wrong say so: what they accept means something. A read that is off shows as long as the raw reads
/// around it are closer together, by the tolerance: Python takes 2 us for them, on a busy machine.
#[test]
fn clients_notice_a_wrong_clock() {
    let (cc, python) = (need!("gcc", "gcc"), need!("python3", "python3"));
    let _alone = alone();
    let c = Client(vec![compile(&cc, "clock", "clock-to-notice", &[])]);
    let rust = Client(vec![PathBuf::from(env!("CARGO_BIN_EXE_clock-rust"))]);
    let python = Client(vec![python, clients().join("clock.py")]);
    for (client, clock, nanos, name) in [
        (&c, "0", "5000", "CLOCK_REALTIME:"),
        (&c, "1", "-5000", "CLOCK_MONOTONIC:"),
        (&c, "4", "5000", "CLOCK_MONOTONIC_RAW:"),
        (&c, "5", "20000000", "CLOCK_REALTIME_COARSE:"),
        (&c, "6", "-30000000", "CLOCK_MONOTONIC_COARSE:"),
        (&c, "7", "-5000", "CLOCK_BOOTTIME:"),
        (&c, "11", "1000000000", "CLOCK_TAI:"),
        (&rust, "0", "5000", "SystemTime::now"),
        (&python, "1", "10000", "monotonic_ns"),
    ] {
        let client = client.on_host(&["check", "1000", TOLERANCE]);
        fails(&mut wrong(&cc, "wrong-clock.so", client, clock, nanos), name);
    }
}

/// Within the tolerance of a raw read, but behind on one CPU: only stamps that pass between the CPUs show it.
#[test]
fn the_soak_notices_a_counter_that_is_behind() {
    let cc = need!("gcc", "gcc");
    need_two_cpus!();
    let _alone = alone();
    let soak = Client(vec![compile(&cc, "soak", "soak-to-notice", &[])]).on_host(&["2", TOLERANCE]);
    let mut behind = wrong(&cc, "wrong-cpu.so", soak, "1", "-700");
    fails(behind.env("WRONG_CPU", first_cpu()), "CLOCK_MONOTONIC:");
}

/// The first CPU of those that this process may use: the soak pins a thread to it.
fn first_cpu() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("proc(5)");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("proc(5)").trim();
    list.split([',', '-']).next().unwrap_or(list).to_owned()
}
