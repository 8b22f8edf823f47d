//! Signals: what a process does about each, and how one is delivered (man 7 signal).
//!
//! A signal is delivered where a CPU is about to go on with the program. The program's registers go onto its stack, in the
//! frame that a C library expects, and it goes on in the handler. The handler returns to code that makes the system call
//! `rt_sigreturn`: the C library's own (`SA_RESTORER`), or where it has none the trampoline in the vDSO.

use crate::arch::signal as frames;
use crate::arch::trap::{self, Frame};
use crate::paging::AddressSpace;
use crate::process::{self, with_current, Fault};

/// Signals by which the kernel tells a program of its faults, and others that it knows (man 7 signal).
pub mod number {
    #![allow(missing_docs)]
    pub const ILL: u32 = 4;
    pub const TRAP: u32 = 5;
    pub const KILL: u32 = 9;
    pub const SEGV: u32 = 11;
    pub const CHLD: u32 = 17;
    pub const CONT: u32 = 18;
    pub const STOP: u32 = 19;
    pub const URG: u32 = 23;
    pub const WINCH: u32 = 28;
}

/// Numbers are 1 to this.
pub const MAX: u32 = 64;

/// In `sa_flags`.
mod flag {
    pub const RESTORER: u64 = 0x0400_0000;
    pub const NO_DEFER: u64 = 0x4000_0000;
    pub const RESET_HANDLER: u64 = 0x8000_0000;
}

/// `sa_handler`: as the signal does by itself, or nothing.
const DEFAULT: u64 = 0;
const IGNORE: u64 = 1;

/// What a process does about a signal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Action {
    /// The handler's address, or one of two numbers.
    pub handler: u64,
    /// `SA_` flags.
    pub flags: u64,
    /// Where the handler returns to, if the flags say so.
    pub restorer: u64,
    /// Signals that are blocked while the handler runs, beside its own.
    pub mask: u64,
}

/// A process's signals. In a set, bit `n - 1` stands for signal `n`.
#[derive(Debug, Clone, Copy)]
pub struct Signals {
    actions: [Action; MAX as usize],
    /// Those that wait until they are unblocked.
    pub blocked: u64,
    pending: u64,
    /// Who has sent the pending ones.
    senders: [Sender; MAX as usize],
}

/// Where a signal comes from.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    /// The sending process.
    pub pid: i32,
    /// Whether it was sent to the thread (`tgkill`), not to the process (`kill`).
    pub to_thread: bool,
}

/// The bit of a signal.
const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// Signals that cannot be blocked, handled or ignored.
const UNBLOCKABLE: u64 = bit(number::KILL) | bit(number::STOP);

/// Whether a signal cannot be blocked, handled or ignored.
#[must_use]
pub fn is_unblockable(signal: u32) -> bool {
    UNBLOCKABLE & bit(signal) != 0
}

/// Signals that do nothing by themselves.
const HARMLESS: u64 = bit(number::CHLD) | bit(number::CONT) | bit(number::URG) | bit(number::WINCH);

impl Signals {
    /// A new program's: none is handled, blocked or pending.
    pub const NEW: Signals = Signals {
        actions: [Action { handler: DEFAULT, flags: 0, restorer: 0, mask: 0 }; MAX as usize],
        blocked: 0,
        pending: 0,
        senders: [Sender { pid: 0, to_thread: false }; MAX as usize],
    };

    /// A child's: handlers and blocked signals are its parent's, and none is pending (POSIX, fork).
    #[must_use]
    pub fn of_child(&self) -> Signals {
        Signals { pending: 0, ..*self }
    }

    /// The action for a signal, 1 to [`MAX`].
    pub fn action(&mut self, signal: u32) -> &mut Action {
        &mut self.actions[signal as usize - 1]
    }

    /// Changes what is blocked.
    pub fn block(&mut self, set: u64) {
        self.blocked = set & !UNBLOCKABLE;
    }

    /// Makes a signal pending, 1 to [`MAX`]. Whether it waits to be delivered: it is neither ignored nor blocked.
    pub fn raise(&mut self, signal: u32, sender: Sender) -> bool {
        let handler = self.action(signal).handler;
        if handler == IGNORE || handler == DEFAULT && HARMLESS & bit(signal) != 0 {
            return false;
        }
        self.pending |= bit(signal);
        self.senders[signal as usize - 1] = sender;
        self.blocked & bit(signal) == 0
    }

    /// Whether one is pending that is not blocked.
    #[must_use]
    pub fn any_due(&self) -> bool {
        self.pending & !self.blocked != 0
    }

    /// The next one to deliver, which is no longer pending then, and who has sent it.
    fn take(&mut self) -> Option<(u32, Sender)> {
        let ready = self.pending & !self.blocked;
        if ready == 0 {
            return None;
        }
        let signal = ready.trailing_zeros() + 1;
        self.pending &= !bit(signal);
        Some((signal, self.senders[signal as usize - 1]))
    }

    /// What is delivered to the handler of a signal; `None` without a handler. The signals that its action names are blocked
    /// from now on.
    fn deliver(&mut self, signal: u32, info: Info) -> Option<Delivery> {
        let action = *self.action(signal);
        if action.handler == DEFAULT || action.handler == IGNORE {
            return None;
        }
        let blocked = self.blocked;
        let own = if action.flags & flag::NO_DEFER != 0 { 0 } else { bit(signal) };
        self.block(blocked | action.mask | own);
        if action.flags & flag::RESET_HANDLER != 0 {
            self.action(signal).handler = DEFAULT;
        }
        let restorer = (frames::HAS_RESTORER && action.flags & flag::RESTORER != 0).then_some(action.restorer);
        Some(Delivery { signal, info, handler: action.handler, restorer, blocked })
    }
}

/// `siginfo_t`, in words of 32 bits: signal, error, code; then, from the fourth word on, what goes with the code.
pub type Info = [u32; 32];

/// What the frame of a signal is made of.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    /// The signal.
    pub signal: u32,
    /// What is told about it.
    pub info: Info,
    /// Where the program goes on.
    pub handler: u64,
    /// Where the handler returns to.
    pub restorer: Option<u64>,
    /// What is blocked again when it has returned.
    pub blocked: u64,
}

/// A signal that a process has sent: the sender, and user 0.
fn info_of_sender(signal: u32, sender: Sender) -> Info {
    const SI_USER: i32 = 0;
    const SI_TKILL: i32 = -6;
    let mut info = [0; 32];
    info[0] = signal;
    info[2] = if sender.to_thread { SI_TKILL } else { SI_USER } as u32;
    info[4] = sender.pid as u32;
    info
}

/// A fault's: the first code of its kind (SEGV_MAPERR, ILL_ILLOPC, TRAP_BRKPT, FPE_INTDIV), and the address.
fn info_of_fault(signal: u32, address: u64) -> Info {
    let mut info = [0; 32];
    (info[0], info[2]) = (signal, 1);
    (info[4], info[5]) = (address as u32, (address >> 32) as u32);
    info
}

/// Delivers the pending signals of the process on this CPU, which is about to go on by `frame`. A signal without a handler
/// ends it.
pub fn deliver_pending(frame: &mut Frame) {
    loop {
        let next = with_current(|it| {
            let (signal, sender) = it.signals.take()?;
            Some((signal, it.signals.deliver(signal, info_of_sender(signal, sender))))
        });
        match next {
            None => return,
            Some((_, Some(delivery))) => push(frame, delivery),
            Some((signal, None)) => process::end_by_signal(signal, None),
        }
    }
}

/// Tells the program of its fault; ends it if it does not want to know.
pub fn fault(frame: &mut Frame, signal: u32, fault: Fault) {
    let delivery = with_current(|it| {
        // A blocked one is not kept for later: the program cannot go on.
        let blocked = it.signals.blocked & bit(signal) != 0;
        if blocked {
            None
        } else {
            it.signals.deliver(signal, info_of_fault(signal, fault.address))
        }
    });
    match delivery {
        Some(delivery) => push(frame, delivery),
        None => process::end_by_signal(signal, Some(fault)),
    }
}

fn push(frame: &mut Frame, mut delivery: Delivery) {
    let (space, trampoline) = with_current(|it| (it.space, it.trampoline));
    delivery.restorer = delivery.restorer.or(trampoline);
    if frames::push(space, frame, &delivery).is_err() {
        process::end_by_signal(number::SEGV, None);
    }
}

/// `rt_sigreturn`: the program goes on where the signal came.
pub fn sigreturn(frame: &mut Frame) -> ! {
    match frames::pop(AddressSpace::active(), frame) {
        Ok(blocked) => {
            with_current(|it| it.signals.block(blocked));
            deliver_pending(frame);
            trap::enter(frame)
        }
        Err(_) => process::end_by_signal(number::SEGV, None),
    }
}
