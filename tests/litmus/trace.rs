//! What is executed: `program.rs`, compiled for a kernel's target with `vvar` and the image, and the instructions of each call
//! of interest with the registers before each.

use super::gdb::Debuggee;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use vdso_tests::machine::{Access, Address, Effect, Instruction, Machine, Register};

/// The calls that `program.rs` makes, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// The first publish: it switches every line on.
    First,
    /// The next publish: it finds every line on.
    Publish,
    /// `clock_gettime` of MONOTONIC_COARSE, with an even `seq`: coarse reads branch on the slot.
    ReadMonotonicCoarseEven,
    /// One publish more.
    PublishAgain,
    /// `clock_gettime` of MONOTONIC, MONOTONIC_COARSE, REALTIME and TAI, with an odd `seq`.
    ReadMonotonic,
    ReadMonotonicCoarse,
    ReadRealtime,
    ReadTai,
    /// A publish that steps REALTIME and TAI.
    Step,
    /// `Writer::disable` of REALTIME.
    Disable,
}

impl Window {
    pub(crate) const ALL: [Window; 10] = [
        Window::First,
        Window::Publish,
        Window::ReadMonotonicCoarseEven,
        Window::PublishAgain,
        Window::ReadMonotonic,
        Window::ReadMonotonicCoarse,
        Window::ReadRealtime,
        Window::ReadTai,
        Window::Step,
        Window::Disable,
    ];

    /// The function that is called.
    fn function(self) -> &'static str {
        match self {
            Window::First | Window::Publish | Window::PublishAgain | Window::Step => "publish",
            Window::Disable => "disable",
            _ => "vdso_clock_gettime",
        }
    }
}

/// One instruction, about to be executed.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) instruction: Instruction,
    /// Where it is: in the image for the image's functions, in the program for the writer's.
    pub(crate) at: u64,
    pub(crate) registers: Vec<u64>,
    /// The next instruction executed is not the one behind it.
    pub(crate) taken: bool,
}

impl Step {
    /// What a register holds.
    pub(crate) fn register(&self, register: Register) -> u64 {
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }

    /// The address that an access goes to.
    pub(crate) fn address(&self, address: &Address) -> u64 {
        let index = address.index.map_or(0, |(index, shift)| self.register(index) << shift);
        self.register(address.base).wrapping_add(index).wrapping_add_signed(address.offset)
    }
}

/// The calls.
pub(crate) struct Traces {
    windows: Vec<Vec<Step>>,
    /// The page's address.
    pub(crate) page: u64,
}

impl Traces {
    pub(crate) fn of(&self, window: Window) -> &[Step] {
        let at = Window::ALL.iter().position(|it| *it == window).expect("every window is in ALL");
        &self.windows[at]
    }
}

/// Where the image and its entry are.
pub(crate) struct Image<'a> {
    pub(crate) file: &'a Path,
    /// From the page to the image, in bytes.
    pub(crate) offset: u64,
    /// `clock_gettime`, from the image's start.
    pub(crate) clock_gettime: u64,
}

/// What the program is compiled from, and with.
pub(crate) struct Sources<'a> {
    pub(crate) vvar: &'a Path,
    pub(crate) program: &'a Path,
    /// Where `core` for the kernel's target is, if the compiler has none of its own.
    pub(crate) sysroot: Option<&'a Path>,
}

/// Compiles the program into `folder`.
///
/// # Errors
///
/// What the compiler says.
pub(crate) fn compile(
    machine: &dyn Machine,
    sources: &Sources,
    image: &Image,
    folder: &Path,
) -> Result<PathBuf, String> {
    let rustc = || {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        // Seen from the workspace, whose toolchain file names the compiler.
        rustc.current_dir(vdso_tests::workspace());
        rustc.args(["--edition=2021", "-Copt-level=2", "-Ccodegen-units=1", "-Cpanic=abort", "--cap-lints=allow"]);
        rustc.args(["--target", machine.kernel_target()]);
        rustc.args(sources.sysroot.iter().flat_map(|it| [OsStr::new("--sysroot"), it.as_os_str()]));
        rustc
    };
    let library = folder.join("libvvar.rlib");
    output(rustc().args(["--crate-type=rlib", "--crate-name=vvar", "-o"]).arg(&library).arg(sources.vvar))?;
    let program = folder.join("program");
    let mut link = rustc();
    link.args(["--crate-name=program", "-Crelocation-model=static", "--extern"]);
    link.arg(format!("vvar={}", library.display()));
    link.env("LITMUS_IMAGE", image.file);
    link.env("LITMUS_IMAGE_OFFSET", image.offset.to_string());
    link.env("LITMUS_CLOCK_GETTIME", image.clock_gettime.to_string());
    output(link.arg("-o").arg(&program).arg(sources.program))?;
    Ok(program)
}

/// Runs the program and records each window.
///
/// # Errors
///
/// QEMU, the disassembler or the program did not do what was expected of them.
pub(crate) fn record(machine: &dyn Machine, program: &Path, image: &Image, folder: &Path) -> Result<Traces, String> {
    let objdump = OsStr::new(machine.objdump().0);
    let symbols = symbols(objdump, program)?;
    let symbol =
        |name: &str| symbols.get(name).copied().ok_or_else(|| format!("{} has no `{name}`", program.display()));
    let page = symbol("vvar_page")?;
    let mut code = disassembly(objdump, program)?;
    let loaded = page + image.offset;
    code.extend(disassembly(objdump, image.file)?.into_iter().map(|(at, it)| (at + loaded, it)));

    let qemu = vdso_tests::tool(machine.qemu().0).ok_or_else(|| format!("{} is not there", machine.qemu().0))?;
    let mut stub = Debuggee::start(&qemu, program, &folder.join("gdb")).map_err(|it| it.to_string())?;
    for function in ["publish", "disable", "vdso_clock_gettime", "stop"] {
        stub.stop_at(symbol(function)?).map_err(|it| it.to_string())?;
    }
    let mut windows = Vec::new();
    for window in Window::ALL {
        stub.run().map_err(|it| it.to_string())?;
        let mut steps = call(machine, &mut stub, &code, symbol(window.function())?)?;
        if window.function() == "vdso_clock_gettime" {
            steps.iter_mut().for_each(|it| it.at -= loaded);
        }
        windows.push(steps);
    }
    Ok(Traces { windows, page })
}

/// Steps through a call that is at its entry.
fn call(
    machine: &dyn Machine,
    stub: &mut Debuggee,
    code: &HashMap<u64, Instruction>,
    entry: u64,
) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut back = None;
    loop {
        let registers = stub.registers(machine.registers()).map_err(|it| it.to_string())?;
        let at = registers[machine.program_counter()];
        let back = *back.get_or_insert(registers[machine.link()]);
        if steps.is_empty() && at != entry {
            return Err(format!(
                "stopped at {at:#x} where a call of {entry:#x} was expected: a read took the slow path?"
            ));
        }
        if let Some(last) = steps.last_mut() {
            // No instruction is longer than 4 bytes, and no branch of interest leads to the next instruction.
            last.taken = !(last.at + 2..=last.at + 4).contains(&at);
        }
        if at == back {
            return Ok(steps);
        }
        let sequence = exclusive_sequence(machine, code, at)?;
        match sequence.last() {
            // Between two steps QEMU's user mode forgets what is reserved: the store would fail for ever.
            Some(last) => stub.run_to(*last),
            None => stub.step(),
        }
        .map_err(|it| it.to_string())?;
        // Within the sequence: nothing that it computes is an address, or a constant that it goes on with.
        for at in std::iter::once(at).chain(sequence.iter().copied().take(sequence.len().saturating_sub(1))) {
            let instruction = code.get(&at).cloned().ok_or_else(|| format!("no instruction at {at:#x}"))?;
            steps.push(Step { instruction, at, registers: registers.clone(), taken: false });
        }
    }
}

/// The instructions behind a load-exclusive up to the one behind its store-exclusive, by address; none for any other
/// instruction.
fn exclusive_sequence(machine: &dyn Machine, code: &HashMap<u64, Instruction>, at: u64) -> Result<Vec<u64>, String> {
    let is = |instruction: &Instruction, wanted: fn(&Access) -> bool| {
        let effects = machine.effects(instruction, false).unwrap_or_default();
        effects.iter().any(|it| matches!(it, Effect::Access { access, .. } if wanted(access)))
    };
    let next = |at: u64| [at + 2, at + 4].into_iter().find(|it| code.contains_key(it));
    let mut sequence = Vec::new();
    if !code.get(&at).is_some_and(|it| is(it, |it| matches!(it, Access::LoadExclusive { .. }))) {
        return Ok(sequence);
    }
    let (mut here, mut stored) = (at, false);
    while !stored {
        stored = is(&code[&here], |it| matches!(it, Access::StoreExclusive { .. }));
        here = next(here)
            .filter(|_| sequence.len() < 16)
            .ok_or_else(|| format!("no store for the exclusive load at {at:#x}"))?;
        sequence.push(here);
    }
    Ok(sequence)
}

fn symbols(objdump: &OsStr, program: &Path) -> Result<HashMap<String, u64>, String> {
    let listing = output(Command::new(objdump).arg("-t").arg(program))?;
    let symbol = |line: &str| {
        let address = u64::from_str_radix(line.split_whitespace().next()?, 16).ok()?;
        Some((line.split_whitespace().last()?.to_owned(), address))
    };
    Ok(listing.lines().filter_map(symbol).collect())
}

/// Every instruction, by address.
fn disassembly(objdump: &OsStr, file: &Path) -> Result<HashMap<u64, Instruction>, String> {
    let listing = output(Command::new(objdump).args(["-d", "-j", ".text", "--no-show-raw-insn"]).arg(file))?;
    let instruction = |line: &str| {
        let (at, text) = line.split_once(":\t")?;
        Some((u64::from_str_radix(at.trim(), 16).ok()?, Instruction::parse(text)))
    };
    Ok(listing.lines().filter_map(instruction).collect())
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} does not start: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
