//! Tests of `cargo xtask run`: whatever passes between a program and its surroundings does so under the runner too.

use nix::libc;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use vdso_tests::{clock_calls, need, need_clocks, run, skip};

/// For what must happen soon: long enough for a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// `xtask run OPTIONS -- sh -c SCRIPT`.
fn shell(options: &[&str], script: &str) -> Command {
    let mut command = run(options);
    command.args(["sh", "-c", script]);
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("xtask starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `tests/run/probe.c`, compiled.
fn probe(cc: &Path) -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/run/probe.c");
        let built = Command::new(cc).args(["-O1", "-pthread", "-o"]).arg(&program).arg(source).output().expect("cc");
        assert!(built.status.success(), "{}", stderr(&built));
        program
    })
}

/// Runs a probe; it must be content, and make no system call for a clock. Left early where no clock is in the page.
fn probed(cc: &Path, what: &str) {
    need_clocks!();
    let output = output(run(&["--count-syscalls"]).arg(probe(cc)).arg(what));
    assert!(output.status.success(), "{what}: {}", stderr(&output));
    assert_eq!(clock_calls(&output.stderr), Some(0), "{what}: {}", stderr(&output));
}

/// A runner in the background, killed at the end if it is still there.
struct Background {
    runner: Child,
    lines: BufReader<ChildStdout>,
}

impl Background {
    fn start(command: &mut Command) -> Background {
        // A process group of its own, whose parent is of another in this session: in an orphaned group, as CI may start
        // this test in, SIGTSTP is ignored (POSIX, General Concepts, "Signal Actions").
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut runner = command.spawn().expect("xtask starts");
        let lines = BufReader::new(runner.stdout.take().expect("a pipe"));
        Background { runner, lines }
    }

    /// The next line that the program prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// The next line, which is a process number.
    fn pid(&mut self) -> Pid {
        let line = self.line();
        Pid::from_raw(line.parse().unwrap_or_else(|_| panic!("{line:?} is no process number")))
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.runner.id() as i32), signal).expect("the runner is there");
    }

    fn wait(&mut self) -> std::process::ExitStatus {
        eventually("the runner ends", || self.runner.try_wait().expect("a child"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.runner.kill();
        let _ = self.runner.wait();
    }
}

/// Waits until `probe` gives something.
fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within_reason(probe).unwrap_or_else(|| panic!("not within {SOON:?}: {what}"))
}

fn within_reason<T>(mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = probe();
        if found.is_some() || start.elapsed() > SOON {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A field of `/proc/PID/status`; `None` once the process is gone or a zombie.
fn status(pid: Pid, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let find = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    find("State").filter(|state| !state.starts_with('Z'))?;
    find(field).map(str::to_owned)
}

fn is_gone(pid: Pid) -> Option<()> {
    status(pid, "State").is_none().then_some(())
}

/// True once everything that writes to the program's standard output has closed it.
fn at_end(background: &mut Background) -> bool {
    let mut rest = Vec::new();
    background.lines.read_to_end(&mut rest).is_ok()
}

// The end of a program.

#[test]
fn exit_status_passes_through() {
    for status in [0, 1, 7, 255] {
        let output = output(&mut shell(&[], &format!("exit {status}")));
        assert_eq!(output.status.code(), Some(status));
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn death_by_a_signal_passes_through() {
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGSEGV, libc::SIGINT, libc::SIGHUP, libc::SIGRTMIN() + 3] {
        let output = output(&mut shell(&[], &format!("kill -{signal} $$")));
        assert_eq!(output.status.signal(), Some(signal), "{}", stderr(&output));
        assert!(!output.status.core_dumped(), "the runner leaves no core of its own");
    }
}

#[test]
fn waits_for_the_children_and_gives_the_status_of_the_program() {
    let output = output(&mut shell(&[], "(sleep 0.3; echo child) & exit 5"));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(5), "child\n"));
}

// What passes in and out.

#[test]
fn standard_input_and_output_pass_through() {
    let mut child = run(&[]).arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("xtask starts");
    child.stdin.take().expect("a pipe").write_all(b"through\0and\xff through").expect("cat reads");
    let output = child.wait_with_output().expect("cat ends");
    assert_eq!(output.stdout, b"through\0and\xff through");
}

#[test]
fn arguments_and_environment_pass_through() {
    let mut command = run(&[]);
    command
        .args(["sh", "-c", "printf '%s|' \"$0\" \"$@\" \"$SOME\"", "a b", "", "--count-syscalls"])
        .env("SOME", "thing");
    assert_eq!(stdout(&output(&mut command)), "a b||--count-syscalls|thing|");
}

#[test]
fn the_program_inherits_no_blocked_signal_and_no_open_file() {
    let cc = need!("cc", "gcc");
    probed(&cc, "inherited");
}

#[test]
fn signals_keep_what_they_carry() {
    let cc = need!("cc", "gcc");
    probed(&cc, "siginfo");
}

// What the runner does to a program.

#[test]
fn image_and_auxiliary_vector_are_in_place() {
    let cc = need!("cc", "gcc");
    probed(&cc, "auxv");
}

#[test]
fn nobody_but_the_runner_can_write_the_page() {
    let cc = need!("cc", "gcc");
    probed(&cc, "page");
}

#[test]
fn threads_are_followed() {
    let cc = need!("cc", "gcc");
    probed(&cc, "threads");
}

#[test]
fn fork_vfork_and_posix_spawn_are_followed() {
    let cc = need!("cc", "gcc");
    probed(&cc, "vforks");
}

#[test]
fn an_exec_by_another_thread_is_followed() {
    let cc = need!("cc", "gcc");
    probed(&cc, "exec-by-thread");
}

#[test]
fn programs_that_a_shell_starts_are_on_the_image() {
    need_clocks!();
    let output = output(&mut shell(&["--count-syscalls"], "date +%s; date +%s; exec date +%s"));
    assert_eq!(stdout(&output).lines().count(), 3, "{}", stderr(&output));
    assert_eq!(clock_calls(&output.stderr), Some(0), "{}", stderr(&output));
}

#[test]
fn clock_system_calls_are_counted_and_others_are_not() {
    let cc = need!("cc", "gcc");
    let once = output(run(&["--count-syscalls"]).arg(probe(&cc)).arg("calls"));
    assert_eq!(clock_calls(&once.stderr), Some(50), "{}", stderr(&once));
    // Of all descendants.
    let script = format!("{0} calls & {0} calls; wait", probe(&cc).display());
    let twice = output(&mut shell(&["--count-syscalls"], &script));
    assert_eq!(clock_calls(&twice.stderr), Some(100), "{}", stderr(&twice));
}

#[test]
fn the_count_is_the_last_line_however_the_program_ends() {
    let output = output(&mut shell(&["--count-syscalls"], "echo last >&2; kill -TERM $$"));
    assert_eq!(stderr(&output), "last\nclock system calls: 0\n");
    assert_eq!(output.status.signal(), Some(libc::SIGTERM));
}

/// A program of 32-bit code that exits with 5: ELF header, one program header, five instructions.
fn program_of_32_bits() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const HEADERS: u32 = 52 + 32;
    let code = [0xb8, 1, 0, 0, 0, 0xbb, 5, 0, 0, 0, 0xcd, 0x80]; // mov $1, %eax; mov $5, %ebx; int $0x80
    let mut bytes = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let words = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    bytes.extend(halves(&[2, 3])); // ET_EXEC, EM_386
    bytes.extend(words(&[1, BASE + HEADERS, 52, 0, 0]));
    bytes.extend(halves(&[52, 32, 1, 0, 0, 0]));
    let size = HEADERS + code.len() as u32;
    bytes.extend(words(&[1, 0, BASE, BASE, size, size, 5, 0x1000])); // PT_LOAD, R and X
    bytes.extend(code);
    bytes
}

fn write_program(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a temporary file");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a temporary file");
    path
}

#[test]
fn a_32_bit_program_is_left_on_the_hosts_vdso() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = write_program(folder.path(), "thirty-two", &program_of_32_bits(), 0o755);
    if Command::new(&program).status().ok().and_then(|status| status.code()) != Some(5) {
        skip!("needs a kernel that runs 32-bit programs (CONFIG_IA32_EMULATION)");
    }
    let output = output(run(&[]).arg(&program));
    assert_eq!(output.status.code(), Some(5));
    let expected = format!("xtask run: {}: left on the host's vDSO: a 32-bit program\n", program.display());
    assert_eq!(stderr(&output), expected);
}

#[test]
fn a_set_user_id_program_is_left_on_the_hosts_vdso() {
    let folder = tempfile::tempdir().expect("a folder");
    let sleep = fs::read(need!("date", "coreutils")).expect("a program");
    let program = write_program(folder.path(), "privileged", &sleep, 0o4755);
    let twice = format!("{0} > /dev/null; {0} > /dev/null", program.display());
    let output = output(&mut shell(&[], &twice));
    assert!(output.status.success());
    let notice = stderr(&output);
    assert_eq!(notice.lines().count(), 1, "one notice a program: {notice}");
    assert!(notice.contains("privileged: left on the host's vDSO") && notice.contains("set-user-ID"), "{notice}");
}

#[test]
fn a_program_under_a_filter_of_its_own_is_left_on_the_hosts_vdso() {
    let cc = need!("cc", "gcc");
    let output = output(run(&[]).arg(probe(&cc)).arg("filtered"));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("left on the host's vDSO: under a system-call filter"), "{}", stderr(&output));
}

// Bad input.

/// Runs a program that must not start; the message and the exit status.
fn refused(command: &mut Command) -> (String, Option<i32>) {
    let output = output(command);
    assert_eq!(stdout(&output), "", "nothing ran");
    (stderr(&output), output.status.code())
}

#[test]
fn a_program_that_cannot_run_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str, mode| write_program(folder.path(), name, text.as_bytes(), mode);
    let garbage = file("garbage", "neither ELF nor script\n", 0o755);
    let orphan = file("orphan", "#!/no/such/interpreter\n", 0o755);
    let data = file("data", "#!/bin/sh\necho ran\n", 0o644);
    let table = [
        (PathBuf::from("no-such-program"), 127, "no such program in any folder of PATH"),
        (folder.path().join("nothing"), 127, "no such program"),
        (folder.path().to_owned(), 126, "is a folder, not a program"),
        (data, 126, "not executable (chmod +x)"),
        (garbage, 126, "neither a program for this machine (ELF) nor a script"),
        (orphan, 127, "interpreter that it names does not exist"),
    ];
    for (program, status, reason) in table {
        let (message, code) = refused(run(&["--count-syscalls"]).arg(&program));
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(message.contains(program.to_str().expect("UTF-8")) && message.contains(reason), "{message}");
        assert_eq!(code, Some(status), "{message}");
    }
}

#[test]
fn an_image_that_cannot_be_used_is_named_and_nothing_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = vdso_image::x86_64::IMAGE.as_bytes();
    let patched = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        bytes
    };
    let layout = vvar::page::LAYOUT.to_le_bytes();
    let note = good.windows(8).position(|bytes| bytes == layout).expect("the image's note of its page");
    let table = [
        ("missing", None, "No such file"),
        ("text", Some(b"not an image at all, but long enough".to_vec()), "magic number"),
        ("short", Some(good[..40].to_vec()), "ELF header"),
        ("cut", Some(good[..2000].to_vec()), "truncated or damaged"),
        ("other-machine", Some(patched(18, 22)), "EM_S390"),
        ("other-abi", Some(patched(note - 8, 77)), "ABI 77"),
        ("other-layout", Some(patched(note, !layout[0])), "build image and runner from one version"),
    ];
    for (name, bytes, reason) in table {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).expect("a temporary file");
        }
        let options = ["--image", path.to_str().expect("UTF-8")];
        let (message, code) = refused(&mut shell(&options, "echo ran"));
        assert!(message.contains(name) && message.contains(reason), "{name}: {message}");
        assert_eq!(code, Some(125), "{message}");
    }
}

#[test]
fn an_image_from_a_file_is_used() {
    need_clocks!();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vdso.so");
    let size = vdso_image::x86_64::IMAGE_SIZE;
    fs::write(&path, &vdso_image::x86_64::IMAGE.as_bytes()[..size]).expect("a temporary file");
    let output = output(&mut shell(&["--count-syscalls", "--image", path.to_str().expect("UTF-8")], "date"));
    assert_eq!(clock_calls(&output.stderr), Some(0), "{}", stderr(&output));
}

// Signals to the runner, and stops.

const TICKER: &str = "echo $$; while :; do sleep 0.02; echo tick; done";

#[test]
fn a_signal_to_the_runner_reaches_the_program() {
    let script = "trap 'echo got it; exit 3' USR1; echo ready; while :; do sleep 0.02; done";
    let mut background = Background::start(&mut shell(&[], script));
    assert_eq!(background.line(), "ready");
    background.signal(Signal::SIGUSR1);
    assert_eq!(background.line(), "got it");
    assert_eq!(background.wait().code(), Some(3));
}

#[test]
fn a_deadly_signal_to_the_runner_ends_both() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut background = Background::start(&mut shell(&[], TICKER));
        let program = background.pid();
        background.signal(signal);
        assert_eq!(background.wait().signal(), Some(signal as i32));
        eventually("the program is gone", || is_gone(program));
    }
}

#[test]
fn a_program_can_be_stopped_and_continued() {
    let mut background = Background::start(&mut shell(&[], TICKER));
    let program = background.pid();
    for signal in [Signal::SIGSTOP, Signal::SIGTSTP] {
        assert_eq!(background.line(), "tick");
        kill(program, signal).expect("the program is there");
        // A followed process that is stopped shows as "tracing stop".
        eventually("the program stops", || status(program, "State").filter(|state| state.contains("stop")));
        std::thread::sleep(Duration::from_millis(200));
        assert!(status(program, "State").expect("still there").contains("stop"), "it stays stopped");
        kill(program, Signal::SIGCONT).expect("the program is there");
        // Past what was in the pipe.
        for _ in 0..20 {
            assert_eq!(background.line(), "tick");
        }
    }
}

#[test]
fn the_runner_killed_takes_everything_along() {
    let script = "sleep 1000 & echo $!; (setsid sleep 1000 & echo $!); echo $$; wait";
    let mut background = Background::start(&mut shell(&[], script));
    let all = [background.pid(), background.pid(), background.pid()];
    background.signal(Signal::SIGKILL);
    assert_eq!(background.wait().signal(), Some(libc::SIGKILL));
    for pid in all {
        eventually("a process of the program is gone", || is_gone(pid));
    }
    assert!(at_end(&mut background));
}

#[test]
fn children_that_outlive_the_program_end_with_the_runner() {
    // The shell has them ignore SIGINT.
    let mut background = Background::start(&mut shell(&["--count-syscalls"], "sleep 1000 & echo $! $$"));
    let line = background.line();
    let pids: Vec<Pid> = line.split(' ').map(|pid| Pid::from_raw(pid.parse().expect("a number"))).collect();
    eventually("the program is gone", || is_gone(pids[1]));
    assert!(status(pids[0], "State").is_some(), "the child goes on");
    // The runner may still be about to notice the program's end, and pass the signal on.
    eventually("the runner ends", || {
        background.signal(Signal::SIGINT);
        std::thread::sleep(Duration::from_millis(50));
        background.runner.try_wait().expect("a child")
    });
    eventually("the child is gone", || is_gone(pids[0]));
}

// The terminal.

/// A terminal: what is written to `keyboard` is typed, and `screen` collects what it shows.
struct Terminal {
    keyboard: fs::File,
    screen: std::sync::Arc<std::sync::Mutex<String>>,
    shell: Child,
}

/// Both ends of a new terminal. (openpty(3) would leave them open in whatever other tests start meanwhile.)
fn open_terminal() -> std::io::Result<(fs::File, fs::File)> {
    use nix::fcntl::OFlag;
    use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let mut options = fs::OpenOptions::new();
    let slave = options.read(true).write(true).custom_flags(libc::O_NOCTTY).open(ptsname_r(&master)?)?;
    Ok((fs::File::from(std::os::fd::OwnedFd::from(master)), slave))
}

impl Terminal {
    /// Starts `sh -c SCRIPT ARGUMENTS` as the session leader of a new terminal.
    fn start(script: &str, arguments: &[&str]) -> Terminal {
        let (keyboard, slave) = open_terminal().expect("a terminal");
        let slave = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(arguments);
        command.stdin(slave()).stdout(slave()).stderr(slave());
        vdso_tests::afresh(&mut command);
        // SAFETY: setsid and ioctl are async-signal-safe, and touch no memory of ours.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                nix::errno::Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
                Ok(())
            })
        };
        let shell = command.spawn().expect("sh");
        let screen = std::sync::Arc::<std::sync::Mutex<String>>::default();
        let (mut master, shown) = (keyboard.try_clone().expect("a descriptor"), screen.clone());
        // Ends with the last process on the terminal.
        std::thread::spawn(move || {
            let mut bytes = [0; 256];
            while let Ok(read @ 1..) = master.read(&mut bytes) {
                shown.lock().expect("no panic").push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Terminal { keyboard, screen, shell }
    }

    fn shows(&self, what: &str) {
        let shown = || self.screen.lock().expect("no panic").clone();
        let found = within_reason(|| shown().contains(what).then_some(()));
        assert!(found.is_some(), "not within {SOON:?}: {what:?} on the terminal, which shows: {}", shown());
    }

    fn press(&mut self, key: u8) {
        self.keyboard.write_all(&[key]).expect("a terminal");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

const CONTROL_C: u8 = 3;
const CONTROL_Z: u8 = 26;

#[test]
fn control_z_and_fg_and_control_c() {
    let cc = need!("cc", "gcc");
    let script = "trap : INT; set -m; \"$@\"; echo \"stopped: $?\"; fg; echo \"ended: $?\"";
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (xtask, probe) = (path(vdso_tests::xtask()), path(probe(&cc)));
    let mut terminal = Terminal::start(script, &[&xtask, "run", "--", &probe, "ticks"]);
    terminal.shows("tick");
    terminal.press(CONTROL_Z);
    terminal.shows("stopped: 148"); // 128 + SIGTSTP
    let before = terminal.screen.lock().expect("no panic").matches("tick").count();
    eventually("the program goes on after fg", || {
        let ticks = terminal.screen.lock().expect("no panic").matches("tick").count();
        (ticks > before + 5).then_some(())
    });
    terminal.press(CONTROL_C);
    terminal.shows("ended: 130"); // 128 + SIGINT
}

#[test]
fn control_c_reaches_a_program_once() {
    let xtask = vdso_tests::xtask().to_str().expect("UTF-8");
    let program = "trap 'n=$((n+1))' INT; echo start; i=0; while [ $i -lt 20 ]; do sleep 0.05; i=$((i+1)); done; echo \"caught: $n.\"";
    let mut terminal =
        Terminal::start("trap : INT; \"$@\"; echo \"ended: $?\"", &[xtask, "run", "--", "sh", "-c", program]);
    terminal.shows("start");
    terminal.press(CONTROL_C);
    terminal.shows("caught: 1.");
    terminal.shows("ended: 0");
}

// Letting go.

#[test]
fn detach_lets_go_of_the_program_and_keeps_the_clocks() {
    let script = "read go; date +%s.%N; grep TracerPid /proc/self/status; exit 6";
    let mut command = shell(&["--detach"], script);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("xtask starts");
    let mut messages = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    messages.read_line(&mut line).expect("a line");
    let pid = line.trim_end().strip_prefix("detached: pid ").unwrap_or_else(|| panic!("{line:?}"));
    let pid = Pid::from_raw(pid.parse().expect("a number"));
    assert_eq!(status(pid, "TracerPid").as_deref(), Some("0"), "a debugger can attach");
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    assert!(maps.contains("memfd:vdso") && maps.contains("memfd:vvar"), "{maps}");
    child.stdin.take().expect("a pipe").write_all(b"go\n").expect("the program reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(6));
    assert!(stdout(&output).contains("TracerPid:\t0"), "{}", stdout(&output));
}

#[test]
fn a_detached_program_ends_with_the_runner() {
    let mut background = Background::start(&mut shell(&["--detach"], "echo $$; exec sleep 1000"));
    let program = background.pid();
    background.signal(Signal::SIGKILL);
    eventually("the program is gone", || is_gone(program));
}

#[test]
fn detaching_and_counting_exclude_each_other() {
    let (message, code) = refused(&mut shell(&["--detach", "--count-syscalls"], "echo ran"));
    assert!(message.contains("--detach") && message.contains("cannot be used with"), "{message}");
    assert_eq!(code, Some(2));
}
