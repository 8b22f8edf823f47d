//! Processes: a table of them, and what happens to one.
//!
//! A process has no kernel stack of its own. What it waits for is a state in the table; a CPU that gives a process up copies
//! its registers there and goes back to the scheduler's loop on a fresh stack.

use crate::arch::context::Context;
use crate::arch::trap::{self, Frame};
use crate::arch::{self, per_cpu};
use crate::counter;
use crate::cpus::MAX_CPUS;
use crate::lock::Lock;
use crate::machine::machine;
use crate::paging::{AddressSpace, Error as MapError};
use crate::scheduler;
use crate::signal::{Sender, Signals};
use crate::syscall::{clock, Errno};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use vvar::{Clock, Timespec};

/// Processes at a time.
pub const MAX: usize = 8;

/// The exception that ended a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fault {
    /// What kind of exception, as the architecture numbers them.
    pub cause: u64,
    /// What the architecture tells beside it.
    pub error: u64,
    /// The address that was accessed, for a page fault.
    pub address: u64,
}

/// What a process is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State {
    /// Being made.
    New,
    /// Waiting for a CPU.
    Ready,
    /// On a CPU.
    Running,
    /// Until the clock shows this time. If a signal ends it, the program has what was left of it written to this address.
    Sleeping(Clock, Timespec, Option<u64>),
    /// Until a child has ended: any, or the one with this number.
    Waiting(Option<i32>),
    /// Ended, with a status as `wait4` has it; its parent has not asked yet.
    Ended(i32),
}

/// Where a program's heap and mappings are.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Begin of the heap.
    pub heap: u64,
    /// Its end.
    pub heap_end: u64,
    /// Below this address the next mapping goes.
    pub mappings: u64,
}

/// A process.
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's number; 0 if it has none.
    pub parent: i32,
    /// What it is doing.
    pub state: State,
    /// The CPU that it runs on.
    pub cpu: usize,
    /// The CPUs that it may run on, a bit each.
    pub affinity: u64,
    /// Its memory.
    pub space: AddressSpace,
    /// See there.
    pub memory: Memory,
    /// Its signals.
    pub signals: Signals,
    /// Where a signal's handler returns to, if the program does not say: in the vDSO.
    pub trampoline: Option<u64>,
    /// Its registers, while it does not run.
    pub context: Context,
    /// The fault that ended it.
    pub fault: Option<Fault>,
    /// The fault that ended the child that it asked about last.
    pub child_fault: Option<Fault>,
    /// Cycles on a CPU, up to when it was last entered.
    pub used: u64,
    /// The counter when it was last entered.
    pub entered: u64,
}

impl Process {
    /// A signal ends what it waits for: a sleep with an error; waiting for a child is asked for again after the handler.
    fn interrupt(&mut self) {
        match self.state {
            State::Sleeping(clock, until, left) => {
                let written = left.map_or(Ok(()), |address| clock::write_left(self.space, address, clock, until));
                self.context.frame.set_result(written.err().unwrap_or(Errno::INTR).result());
            }
            State::Waiting(_) => {}
            _ => return,
        }
        self.state = State::Ready;
    }
}

type Table = [Option<Process>; MAX];

static TABLE: Lock<Table> = Lock::new([const { None }; MAX]);

/// The place in the table of the process that each CPU runs.
static CURRENT: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];

/// Clock system calls of each process since it began.
static CLOCK_CALLS: [AtomicU64; MAX] = [const { AtomicU64::new(0) }; MAX];

/// Clock system calls of all processes.
static ALL_CLOCK_CALLS: AtomicU64 = AtomicU64::new(0);

static NEXT_PID: AtomicU64 = AtomicU64::new(1);

fn current_slot() -> usize {
    CURRENT[per_cpu::index()].load(Ordering::Relaxed)
}

/// Counts a clock system call of the process on this CPU.
pub fn count_clock_call() {
    CLOCK_CALLS[current_slot()].fetch_add(1, Ordering::Relaxed);
    ALL_CLOCK_CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Clock system calls of the process on this CPU.
pub fn clock_calls() -> u64 {
    CLOCK_CALLS[current_slot()].load(Ordering::Relaxed)
}

/// Clock system calls of all processes.
pub fn all_clock_calls() -> u64 {
    ALL_CLOCK_CALLS.load(Ordering::Relaxed)
}

/// Looks at, or changes, the process on this CPU.
pub fn with_current<T>(what: impl FnOnce(&mut Process) -> T) -> T {
    let mut table = TABLE.lock();
    match &mut table[current_slot()] {
        Some(process) => what(process),
        None => unreachable!("a system call or an exception comes from a process"),
    }
}

/// Adds a process; its number, or `None` if the table is full.
pub fn add(process: impl FnOnce(i32) -> Process) -> Option<i32> {
    let mut table = TABLE.lock();
    let slot = table.iter().position(Option::is_none)?;
    let pid = NEXT_PID.fetch_add(1, Ordering::Relaxed) as i32;
    CLOCK_CALLS[slot].store(0, Ordering::Relaxed);
    let cpu = table[slot].insert(process(pid)).cpu;
    drop(table);
    wake_cpu(cpu);
    Some(pid)
}

/// Whether no process is left.
pub fn none_left() -> bool {
    TABLE.lock().iter().all(Option::is_none)
}

fn wake_cpu(cpu: usize) {
    if cpu != per_cpu::index() {
        arch::wake_cpu(cpu);
    }
}

/// What a CPU can do next.
#[allow(clippy::large_enum_variant, reason = "there is no heap to keep the registers in")]
pub enum Next {
    /// Go on with a process.
    Run(AddressSpace, Context),
    /// Nothing is ready before this value of the counter.
    Wait(u64),
}

/// Takes the next process that is ready for a CPU, and makes it that CPU's.
pub fn take_next(cpu: usize) -> Next {
    let mut table = TABLE.lock();
    let deadline = wake(&mut table, cpu);
    let after = CURRENT[cpu].load(Ordering::Relaxed) + 1;
    let turn = (after..after + MAX).map(|slot| slot % MAX);
    for slot in turn {
        let Some(process) = &mut table[slot] else { continue };
        if process.cpu == cpu && process.state == State::Ready {
            process.state = State::Running;
            process.entered = counter::cycles();
            CURRENT[cpu].store(slot, Ordering::Relaxed);
            return Next::Run(process.space, process.context);
        }
    }
    Next::Wait(deadline)
}

/// Wakes the processes of a CPU whose time, or whose child's end, has come; the counter's value at which the next time comes.
fn wake(table: &mut Table, cpu: usize) -> u64 {
    let mut next = u64::MAX;
    for slot in 0..MAX {
        let Some(process) = table[slot].as_ref().filter(|it| it.cpu == cpu) else { continue };
        let due = match process.state {
            State::Waiting(child) => ended_child(table, process.pid, child).is_some(),
            State::Sleeping(clock, time, _) => match clock::counter_at(clock, time) {
                Ok(due) if due > counter::read() => {
                    next = next.min(due);
                    false
                }
                Ok(_) => true,
                // A clock that cannot tell now is asked again at the next tick.
                Err(_) => false,
            },
            _ => false,
        };
        if let Some(process) = table[slot].as_mut().filter(|_| due) {
            process.state = State::Ready;
        }
    }
    next
}

/// The place of a child that has ended: any, or the one with the number `wanted`.
fn ended_child(table: &Table, parent: i32, wanted: Option<i32>) -> Option<usize> {
    let is_it = |child: &Process| child.parent == parent && wanted.is_none_or(|pid| pid == child.pid);
    table.iter().position(|slot| matches!(slot, Some(child) if is_it(child) && matches!(child.state, State::Ended(_))))
}

/// Whether another process is ready for a CPU; and when the next sleeper is due.
pub fn others_ready(cpu: usize) -> (bool, u64) {
    let mut table = TABLE.lock();
    let deadline = wake(&mut table, cpu);
    (table.iter().flatten().any(|it| it.cpu == cpu && it.state == State::Ready), deadline)
}

/// Takes the process off this CPU, whose registers are in `frame`, and goes on with another.
pub fn leave(frame: &Frame, change: impl FnOnce(&mut Process)) -> ! {
    let context = Context::current(frame);
    // Before another CPU may take the process, and end it.
    machine().tables.activate();
    let cpu = with_current(|process| {
        process.context = context;
        process.used += counter::cycles().wrapping_sub(process.entered);
        change(process);
        // Whoever sent a signal while the process still ran had nothing to interrupt: without a look here it would sleep on.
        if process.signals.any_due() {
            process.interrupt();
        }
        process.cpu
    });
    wake_cpu(cpu);
    trap::restart(scheduler::run)
}

/// A copy of the process on this CPU, on the next CPU that it may run on; its number.
pub fn fork(frame: &Frame, prepare: impl FnOnce(AddressSpace, i32) -> Result<(), MapError>) -> Result<i32, MapError> {
    let mut context = Context::current(frame);
    context.frame.set_result(0);
    let (parent, affinity, cpu, memory, parent_space) =
        with_current(|it| (it.pid, it.affinity, it.cpu, it.memory, it.space));
    let (signals, trampoline) = with_current(|it| (it.signals.of_child(), it.trampoline));
    let space = parent_space.fork(machine().tables)?;
    let cpu = (cpu + 1..=cpu + MAX_CPUS).map(|cpu| cpu % MAX_CPUS).find(|cpu| affinity >> cpu & 1 != 0).unwrap_or(cpu);
    let child = |pid| Process {
        pid,
        parent,
        state: State::New,
        cpu,
        affinity,
        space,
        memory,
        signals,
        trampoline,
        context,
        fault: None,
        child_fault: None,
        used: 0,
        entered: 0,
    };
    let Some(pid) = add(child) else {
        space.release();
        return Err(MapError::OutOfMemory);
    };
    let prepared = prepare(space, pid);
    let mut table = TABLE.lock();
    for slot in table.iter_mut() {
        match slot {
            Some(process) if process.pid == pid && prepared.is_ok() => process.state = State::Ready,
            Some(process) if process.pid == pid => *slot = None,
            _ => {}
        }
    }
    drop(table);
    if let Err(error) = prepared {
        space.release();
        return Err(error);
    }
    wake_cpu(cpu);
    Ok(pid)
}

/// Ends the process on this CPU with a signal.
pub fn end_by_signal(signal: u32, fault: Option<Fault>) -> ! {
    end(signal as i32, fault)
}

/// Sends a signal to a process; without one, only asks whether it is there. False: there is no such process.
pub fn send(pid: i32, signal: Option<u32>, to_thread: bool) -> bool {
    let sender = Sender { pid: with_current(|it| it.pid), to_thread };
    let mut table = TABLE.lock();
    let Some(process) = table.iter_mut().flatten().find(|it| it.pid == pid && !matches!(it.state, State::Ended(_)))
    else {
        return false;
    };
    let Some(signal) = signal else { return true };
    if process.signals.raise(signal, sender) {
        process.interrupt();
    }
    let cpu = process.cpu;
    drop(table);
    wake_cpu(cpu);
    true
}

/// Ends the process on this CPU with an exit code.
pub fn exit(code: u64) -> ! {
    end((code as i32 & 0xff) << 8, None)
}

fn end(status: i32, fault: Option<Fault>) -> ! {
    let (space, pid, parent) = with_current(|it| (it.space, it.pid, it.parent));
    machine().tables.activate();
    space.release();
    let mut table = TABLE.lock();
    // Nobody asks any more about the children that have ended; the others have no parent from now on.
    for slot in table.iter_mut() {
        match slot {
            Some(child) if child.parent == pid => {
                child.parent = 0;
                if matches!(child.state, State::Ended(_)) {
                    *slot = None;
                }
            }
            _ => {}
        }
    }
    let parent_cpu = table.iter().flatten().find(|it| it.pid == parent).map(|it| it.cpu);
    let slot = &mut table[current_slot()];
    match slot {
        Some(process) if parent_cpu.is_some() => {
            process.state = State::Ended(status);
            process.fault = fault;
        }
        _ => {
            *slot = None;
            crate::runs::ended(status, fault);
        }
    }
    drop(table);
    wake_cpu(parent_cpu.unwrap_or(0));
    trap::restart(scheduler::run)
}

/// What `wait4` finds.
pub enum Child {
    /// This one has ended with this status, and is forgotten.
    Ended(i32, i32),
    /// There are some, and none of them has ended.
    Running,
    /// There is none.
    None,
}

/// Looks for a child of the process on this CPU that has ended: any, or the one with the number `wanted`.
pub fn reap(wanted: Option<i32>) -> Child {
    let slot = current_slot();
    let mut table = TABLE.lock();
    let Some(parent) = table[slot].as_ref().map(|it| it.pid) else { return Child::None };
    if let Some(Process { pid, state: State::Ended(status), fault, .. }) =
        ended_child(&table, parent, wanted).and_then(|child| table[child].take())
    {
        if let Some(parent) = &mut table[slot] {
            parent.child_fault = fault;
        }
        return Child::Ended(pid, status);
    }
    let is_child = |it: &Process| it.parent == parent && wanted.is_none_or(|pid| pid == it.pid);
    if table.iter().flatten().any(is_child) {
        Child::Running
    } else {
        Child::None
    }
}
