//! What is run: each program of the archive, by itself, with the vDSO and without.

use crate::arch::context::Context;
use crate::arch::{exit, EXTRA_RUNS};
use crate::archive::{self, File};
use crate::counter;
use crate::elf::{self, Refused};
use crate::embedding::{self, Image, SHIPPED};
use crate::host;
use crate::lock::{Lock, Once};
use crate::machine::machine;
use crate::own_image;
use crate::paging::{AddressSpace, Error as MapError, PAGE_SIZE};
use crate::process::{self, Fault, Memory, Process, State};
use crate::signal::Signals;
use crate::{frames, println, startup, timer};

/// Clock system calls that a run is to make.
#[derive(Debug, Clone, Copy)]
pub enum Calls {
    /// None at all: every clock was read from the page.
    None,
    /// At least so many: every read was one.
    AtLeast(u64),
    /// It makes them by hand, to compare.
    Any,
}

/// One run of a program.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// What the program is told to do.
    pub argument: &'static str,
    /// The image that is mapped for it.
    pub image: Option<&'static Image>,
    /// What is expected.
    pub calls: Calls,
}

/// Reads of the program's `reads`, at least.
const READS: u64 = 1_000_000;

/// The host's time of day when the kernel started.
pub static HOST: Once<Option<host::Answer>> = Once::new();

/// The runs of each program: these, and [`EXTRA_RUNS`].
static RUNS: [Run; 6] = [
    Run { argument: "reads", image: Some(&SHIPPED), calls: Calls::None },
    Run { argument: "reads", image: None, calls: Calls::AtLeast(READS) },
    Run { argument: "checks", image: Some(&SHIPPED), calls: Calls::Any },
    Run { argument: "checks", image: None, calls: Calls::Any },
    Run { argument: "signals", image: Some(&SHIPPED), calls: Calls::Any },
    Run { argument: "number", image: Some(&own_image::IMAGE), calls: Calls::None },
];

/// The runs, one after the other; `None` after the last one.
fn run(index: usize) -> Option<(File, &'static Run)> {
    let runs = || RUNS.iter().chain(EXTRA_RUNS);
    let count = runs().count();
    Some((archive::files().nth(index / count)?, runs().nth(index % count)?))
}

struct Progress {
    /// Runs that were begun.
    begun: usize,
    /// Clock system calls before the run that is under way.
    calls_before: u64,
    started: u64,
    failed: usize,
    outcome: Option<(i32, Option<Fault>)>,
}

static PROGRESS: Lock<Progress> =
    Lock::new(Progress { begun: 0, calls_before: 0, started: 0, failed: 0, outcome: None });

/// A process without a parent has ended.
pub fn ended(status: i32, fault: Option<Fault>) {
    let mut progress = PROGRESS.lock();
    // The program itself begins and is waited for before its children, should one outlive it, end.
    progress.outcome.get_or_insert((status, fault));
}

/// No process is left: judges the run that is over, and begins the next one, or ends the machine.
pub fn next() {
    let index = PROGRESS.lock().begun;
    if index == 0 && show_mapping_cost(&SHIPPED).is_err() {
        panic!("not enough memory for a process");
    }
    if let Some((_, over)) = index.checked_sub(1).and_then(run) {
        judge(over);
    }
    let Some((file, run)) = run(index) else { finish(index) };
    {
        let mut progress = PROGRESS.lock();
        progress.begun += 1;
        progress.outcome = None;
        progress.calls_before = process::all_clock_calls();
        progress.started = counter::cycles();
    }
    println!("== {} {} {}", file.name, run.argument, if run.image.is_some() { "with the vDSO" } else { "without it" });
    if let Err(refused) = begin(file, run) {
        println!("cannot run it: {refused:?}");
    }
}

/// Loads a program and makes a process of it.
fn begin(file: File, run: &Run) -> Result<(), Refused> {
    let space = AddressSpace::new(machine().tables).map_err(MapError::from)?;
    let process = load(file, run, space).inspect_err(|_| space.release())?;
    process::add(process).map(|_| ()).ok_or(Refused::Memory(MapError::OutOfMemory))
}

fn load(file: File, run: &Run, space: AddressSpace) -> Result<impl FnOnce(i32) -> Process, Refused> {
    let loaded = elf::load(file.content, space)?;
    let vdso = run.image.map(|image| map_vdso(space, image)).transpose()?;
    let trampoline = run.image.zip(vdso).and_then(|(image, header)| image.trampoline_at(header));
    let stack = startup::build(space, &loaded, &[file.name, run.argument], vdso)?;
    Ok(move |pid| Process {
        pid,
        parent: 0,
        state: State::Ready,
        cpu: 0,
        affinity: u64::MAX,
        space,
        memory: Memory { heap: loaded.end, heap_end: loaded.end, mappings: embedding::AREA.start - PAGE_SIZE },
        signals: Signals::NEW,
        trampoline,
        context: Context::start(loaded.entry, stack),
        fault: None,
        child_fault: None,
        used: 0,
        entered: 0,
    })
}

fn map_vdso(space: AddressSpace, image: &Image) -> Result<u64, MapError> {
    let address = embedding::map(space, image)?;
    println!("vDSO at {address:#x}");
    Ok(address)
}

/// Says what mapping the vDSO costs a process: the least of several tries, each in an empty address space.
fn show_mapping_cost(image: &Image) -> Result<(), MapError> {
    const TRIES: usize = 20;
    let (mut cycles, mut tables) = (u64::MAX, 0);
    for _ in 0..TRIES {
        let space = AddressSpace::new(machine().tables)?;
        let (frames, counter) = (frames::in_use(), counter::cycles());
        let mapped = embedding::map(space, image);
        cycles = cycles.min(counter::cycles().wrapping_sub(counter));
        tables = frames::in_use() - frames;
        space.release();
        mapped?;
    }
    let pages: usize = image.plan.iter().map(|part| part.pages).sum();
    println!(
        "mapping the vDSO into a process: {pages} pages and {tables} page tables, {} ns",
        timer::nanoseconds(cycles)
    );
    Ok(())
}

fn judge(run: &Run) {
    let mut progress = PROGRESS.lock();
    let calls = process::all_clock_calls() - progress.calls_before;
    let passed = progress.outcome == Some((0, None));
    let counted = match run.calls {
        Calls::None => calls == 0,
        Calls::AtLeast(least) => calls >= least,
        Calls::Any => true,
    };
    let milliseconds = timer::nanoseconds(counter::cycles().wrapping_sub(progress.started)) / 1_000_000;
    println!("clock system calls: {calls}; {milliseconds} ms");
    if !passed {
        println!("FAILED: {:?}", progress.outcome);
    }
    if !counted {
        println!("FAILED: clock system calls: {calls}, not {:?}", run.calls);
    }
    progress.failed += usize::from(!(passed && counted));
}

fn finish(runs: usize) -> ! {
    if let Some((ppb, uncertainty, passed)) = HOST.get().as_ref().and_then(host::compare) {
        println!(
            "the counter's frequency against the host's clock: {ppb:+} ppb, give or take {uncertainty}, in {} s",
            passed / 1_000_000_000
        );
    }
    let failed = PROGRESS.lock().failed;
    println!("{runs} runs, {failed} failed, {} frames in use", frames::in_use());
    exit::exit(runs > 0 && failed == 0)
}
