//! The vsyscall page's decisions beside those of the Linux kernel that the test runs on.
//!
//! A child is stopped under ptrace. Linux's answer is what happens when it jumps to an address with the registers that the
//! test gives it. Ours is what a kernel would do that follows [`decode`]: the system call, if there is one, is made in
//! the child too.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use nix::libc;
use nix::libc::user_regs_struct as Frame;
use nix::sys::mman::{mmap_anonymous, mprotect, munmap, MapFlags, ProtFlags};
use nix::sys::ptrace;
use nix::sys::signal::{kill, raise, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};
use std::cell::Cell;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use vdso_image::x86_64::vsyscall::error_code::{FETCH, USER, WRITE};
use vdso_image::x86_64::vsyscall::{
    decode, Call, Decision, Entry, Fault, Filtered, Mode, PageFault, Reason, Refusal, Registers, UserMemory, Verdict,
    ADDRESS, PAGE, PAGE_SIZE, SI_KERNEL, USER_END,
};

/// Pages of the memory that child and parent share: code, a copy of the vsyscall page, and data.
const PAGES: usize = 3;
/// Offsets into it. The three pieces of code end in `int3`, which the parent sees as SIGTRAP.
const SYSCALL: usize = 0x00;
const READ: usize = 0x10;
const WRITE_AT: usize = 0x20;
const CALLER: usize = 0x30;
const COPY: usize = PAGE_SIZE;
const STACK: usize = 2 * PAGE_SIZE + 0x800;
const BUFFER: usize = 2 * PAGE_SIZE;
const BUFFER_LENGTH: usize = 0x100;

const ENOSYS: i64 = -38;
const KERNEL: u64 = 0xffff_8000_0000_0000;
const NON_CANONICAL: u64 = 1 << 62;
/// Never mapped: Linux's `vm.mmap_min_addr`.
const UNMAPPED: u64 = 8;

/// Memory at one address in parent and child.
struct Shared(NonNull<c_void>);

impl Shared {
    fn new() -> Self {
        let length = NonZeroUsize::new(PAGES * PAGE_SIZE).unwrap();
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, where the kernel finds room.
        let memory = Shared(unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_SHARED) }.unwrap());
        memory.write(SYSCALL, &[0x0f, 0x05, 0xcc]); // syscall
        memory.write(READ, &[0x8a, 0x07, 0xcc]); // mov (%rdi), %al
        memory.write(WRITE_AT, &[0x88, 0x07, 0xcc]); // mov %al, (%rdi)
        memory.write(CALLER, &[0xcc]);
        memory.write(COPY, PAGE.as_bytes());
        let code = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
        // SAFETY: the first two pages of this mapping, which nothing refers to.
        unsafe { mprotect(memory.0, 2 * PAGE_SIZE, code) }.unwrap();
        memory
    }

    fn address(&self, offset: usize) -> u64 {
        self.0.as_ptr() as u64 + offset as u64
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGES * PAGE_SIZE);
        // SAFETY: inside the mapping; the child does not run while the parent does.
        unsafe { self.0.as_ptr().cast::<u8>().add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn buffer(&self) -> [u8; BUFFER_LENGTH] {
        // SAFETY: inside the mapping, as above.
        unsafe { self.0.as_ptr().cast::<u8>().add(BUFFER).cast::<[u8; BUFFER_LENGTH]>().read() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the mapping any more.
        unsafe { munmap(self.0, PAGES * PAGE_SIZE) }.unwrap();
    }
}

/// What became of the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It came to the `int3` after its code, or at the return address.
    Ran,
    /// SIGSEGV: `si_code` and `si_addr`.
    Fault { code: i32, address: u64 },
    /// The filter asks the tracer.
    Asked,
    /// It was ended by this signal.
    Killed(Signal),
}

/// The machine's kernel.
struct Linux {
    mode: Mode,
    lass: bool,
    user_end: u64,
}

impl Linux {
    fn here() -> Self {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mode = match maps.lines().find(|line| line.ends_with("[vsyscall]")) {
            Some(line) if line.contains(" r-xp ") => Mode::Emulate,
            Some(_) => Mode::Xonly,
            None => Mode::None,
        };
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let has = |flag| cpu.split_whitespace().any(|word| word == flag);
        Linux { mode, lass: has("lass"), user_end: if has("la57") { (1 << 56) - 4096 } else { USER_END } }
    }

    /// The fault that the processor raises for an access of a user program to an upper-half address.
    fn fault(&self, error_code: u64, address: u64) -> Fault {
        if self.lass {
            Fault::GeneralProtection { user_mode: true }
        } else {
            Fault::Page(PageFault { error_code: USER | error_code, address })
        }
    }
}

struct Child {
    pid: Pid,
    memory: Shared,
    linux: Linux,
    /// Its registers at its first stop, with `rip` and the arguments still to be chosen.
    frame: Frame,
    /// Linux has ended it, so its process id may belong to another by now.
    ended: Cell<bool>,
}

impl UserMemory for Child {
    fn read_u64(&self, address: u64) -> Option<u64> {
        ptrace::read(self.pid, address as *mut c_void).ok().map(|word| word as u64)
    }

    fn is_user_range(&self, address: u64, length: u64) -> bool {
        matches!(address.checked_add(length), Some(end) if end <= self.linux.user_end)
    }
}

impl Child {
    fn new(prepare: fn() -> bool) -> Self {
        let memory = Shared::new();
        // SAFETY: the child makes system calls only, until it is killed.
        let pid = match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => child,
            ForkResult::Child => loop {
                if ptrace::traceme().is_err() || !prepare() || raise(Signal::SIGSTOP).is_err() {
                    // SAFETY: ends the process.
                    unsafe { libc::_exit(1) }
                }
            },
        };
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)));
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL | ptrace::Options::PTRACE_O_TRACESECCOMP).unwrap();
        // Not in a system call that Linux would restart.
        let frame = Frame { orig_rax: u64::MAX, ..ptrace::getregs(pid).unwrap() };
        Child { pid, memory, linux: Linux::here(), frame, ended: Cell::new(false) }
    }

    /// Lets it run with these registers.
    fn run(&self, frame: Frame) -> (Outcome, Frame) {
        ptrace::setregs(self.pid, frame).unwrap();
        self.go_on()
    }

    fn go_on(&self) -> (Outcome, Frame) {
        ptrace::cont(self.pid, None).unwrap();
        let outcome = match waitpid(self.pid, None).unwrap() {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Outcome::Ran,
            WaitStatus::Stopped(_, Signal::SIGSEGV) => {
                let info = ptrace::getsiginfo(self.pid).unwrap();
                // SAFETY: a SIGSEGV has an address.
                Outcome::Fault { code: info.si_code, address: unsafe { info.si_addr() } as u64 }
            }
            WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_SECCOMP) => Outcome::Asked,
            WaitStatus::Signaled(_, signal, _) => {
                self.ended.set(true);
                return (Outcome::Killed(signal), self.frame);
            }
            other => panic!("{other:?}"),
        };
        (outcome, ptrace::getregs(self.pid).unwrap())
    }

    /// A call of the address, with a return address on the stack, all of the buffer set, and noise where no argument is.
    fn call(&self, address: u64) -> Frame {
        self.memory.write(STACK, &self.memory.address(CALLER).to_le_bytes());
        self.memory.write(BUFFER, &[0xff; BUFFER_LENGTH]);
        Frame {
            rip: address,
            rsp: self.memory.address(STACK),
            rdi: self.memory.address(BUFFER),
            rsi: self.memory.address(BUFFER + 0x40),
            rax: 0x1111,
            rcx: 0x2222,
            rdx: KERNEL,
            r11: 0x3333,
            ..self.frame
        }
    }

    fn system_call(&self, call: Call) -> i64 {
        let [rdi, rsi, rdx] = call.arguments();
        let rip = self.memory.address(SYSCALL);
        let (outcome, after) = self.run(Frame { rip, rax: call.number(), rdi, rsi, rdx, ..self.frame });
        assert_eq!(outcome, Outcome::Ran);
        after.rax as i64
    }

    /// What a kernel that follows the module's decisions does: the outcome, and the registers that the program sees.
    fn ours(&self, fault: Fault, frame: Frame) -> Option<(Outcome, Frame)> {
        let decision = decode(self.linux.mode, fault, &registers(&frame), self);
        let fault = |refusal: Refusal| Outcome::Fault { code: refusal.si_code(), address: refusal.si_addr() };
        let call = match decision {
            Decision::NotOurs => return None,
            Decision::Refuse(refusal) => return Some((fault(refusal), frame)),
            Decision::Perform(call) => call,
        };
        // As the filter finds it.
        let frame = Frame { rax: ENOSYS as u64, ..frame };
        Some(match call.returned(self.system_call(call)) {
            Ok(result) => (Outcome::Ran, Frame { rax: result.rax, rip: result.rip, rsp: result.rsp, ..frame }),
            Err(refusal) => (fault(refusal), frame),
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.ended.get() && kill(self.pid, Signal::SIGKILL).is_ok() {
            let _ = waitpid(self.pid, None);
        }
    }
}

fn registers(frame: &Frame) -> Registers {
    Registers { rax: frame.rax, rdi: frame.rdi, rsi: frame.rsi, rip: frame.rip, rsp: frame.rsp }
}

/// All registers but the flags, in an order that a failing test can show. `int3` leaves rip behind itself.
fn shown(frame: &Frame, outcome: Outcome) -> [u64; 17] {
    let Frame { r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rip, rsp, .. } = *frame;
    let rip = rip - u64::from(outcome == Outcome::Ran);
    [rax, rip, rsp, rdi, rsi, rdx, rcx, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15]
}

/// Runs one call both ways.
fn compare(child: &Child, change: impl Fn(&mut Frame), address: u64) -> Outcome {
    let mut frame = child.call(address);
    change(&mut frame);
    let (linux, mut after) = child.run(frame);
    let written = child.memory.buffer().map(|byte| byte != 0xff);
    let case = format!(
        "{address:#x}, rdi {:#x}, rsi {:#x}, rsp {:#x} in mode {:?}",
        frame.rdi, frame.rsi, frame.rsp, child.linux.mode
    );

    let mut frame = child.call(address);
    change(&mut frame);
    let Some((ours, mut expected)) = child.ours(child.linux.fault(FETCH, address), frame) else {
        assert!(matches!(linux, Outcome::Fault { .. }), "{case}: {linux:?}");
        return linux;
    };
    assert_eq!(ours, linux, "{case}");
    if linux == Outcome::Ran {
        expected.rip += 1;
        let same_second = address == Entry::Time.address() && expected.rax.wrapping_sub(after.rax) <= 1;
        assert!(same_second || expected.rax == after.rax, "{case}");
        (after.rax, expected.rax) = (0, 0);
        compare_written(&written, &child.memory.buffer().map(|byte| byte != 0xff), &case);
    }
    assert_eq!(shown(&expected, ours), shown(&after, linux), "{case}");
    linux
}

/// The same fields were written. (A byte of a time may be 0xff itself: the rest of its word shows it.)
fn compare_written(linux: &[bool], ours: &[bool], case: &str) {
    let words = |bytes: &[bool]| bytes.chunks(4).map(|word| word.contains(&true)).collect::<Vec<_>>();
    assert_eq!(words(linux), words(ours), "{case}");
}

#[test]
fn calls_end_as_linux_ends_them() {
    let child = Child::new(|| true);
    let buffer = child.memory.address(BUFFER);
    let stack = child.memory.address(STACK);
    let pointers = [buffer, buffer + 0x81, 0, UNMAPPED, child.memory.address(CALLER), KERNEL, NON_CANONICAL, u64::MAX];
    let stacks = [stack, 0, UNMAPPED, child.linux.user_end, KERNEL, NON_CANONICAL, u64::MAX - 7, u64::MAX];
    let addresses = [0, 1, 9, 0x3ff, 0x400, 0x401, 0x7ff, 0x800, 0xa00, 0xc00, 0xfff].map(|offset| ADDRESS + offset);
    let (mut ran, mut faults) = (0, 0);
    for address in addresses {
        for rdi in pointers {
            for rsi in pointers {
                for rsp in stacks {
                    let change = |frame: &mut Frame| (frame.rdi, frame.rsi, frame.rsp) = (rdi, rsi, rsp);
                    match compare(&child, change, address) {
                        Outcome::Ran => ran += 1,
                        _ => faults += 1,
                    }
                }
            }
        }
    }
    assert!(faults > 0 && (ran > 0) == (child.linux.mode != Mode::None), "{ran} calls, {faults} faults");
}

#[test]
fn jumps_beside_the_page_are_left_to_the_kernel() {
    let child = Child::new(|| true);
    for address in [ADDRESS - PAGE_SIZE as u64, ADDRESS - 1, ADDRESS + PAGE_SIZE as u64, KERNEL] {
        let frame = child.call(address);
        assert_eq!(child.ours(child.linux.fault(FETCH, address), frame).map(|ours| ours.0), None);
        compare(&child, |_| (), address);
    }
}

#[test]
fn reads_and_writes_end_as_linux_ends_them() {
    let child = Child::new(|| true);
    for offset in [0, 3, 9, 10, 0x3ff, 0x400, 0x804, 0xfff] {
        let address = ADDRESS + offset;
        for (code, bits) in [(READ, 0), (WRITE_AT, WRITE)] {
            let frame = Frame { rdi: address, ..child.call(child.memory.address(code)) };
            let (linux, after) = child.run(frame);
            match child.ours(child.linux.fault(bits, address), frame) {
                Some((ours, _)) => assert_eq!(ours, linux, "{address:#x}"),
                None if linux == Outcome::Ran => {
                    assert_eq!((child.linux.mode, code), (Mode::Emulate, READ));
                    assert_eq!(after.rax as u8, PAGE.as_bytes()[offset as usize], "{address:#x}");
                }
                None => assert!(child.linux.lass && matches!(linux, Outcome::Fault { .. })),
            }
        }
    }
}

/// The difference that [`Reason::BadReturnAddress`] documents: same signal, but Linux has made the call.
#[test]
fn a_return_to_the_kernel_ends_in_sigsegv_there_and_here() {
    let child = Child::new(|| true);
    for address in [KERNEL, KERNEL + 0x1000, NON_CANONICAL] {
        let frame = child.call(Entry::Time.address());
        child.memory.write(STACK, &address.to_le_bytes());
        let fault = child.linux.fault(FETCH, frame.rip);
        let (linux, _) = child.run(frame);
        assert!(matches!(linux, Outcome::Fault { .. }), "{linux:?}");
        let decision = decode(Mode::Xonly, fault, &registers(&frame), &child);
        let Decision::Refuse(refusal) = decision else { panic!("{decision:?}") };
        assert_eq!(refusal.reason, Reason::BadReturnAddress);
        if address != NON_CANONICAL && !child.linux.lass && child.linux.mode != Mode::None {
            assert_eq!(linux, Outcome::Fault { code: refusal.si_code(), address: refusal.si_addr() });
        }
    }
}

/// The bytes of [`PAGE`], executed where they may be.
#[test]
fn the_pages_code_makes_the_system_calls() {
    let child = Child::new(|| true);
    for entry in Entry::ALL {
        let frame = child.call(child.memory.address(COPY) + (entry.address() - ADDRESS));
        let frame = Frame { rdx: 0, ..frame };
        let (outcome, after) = child.run(frame);
        let written = child.memory.buffer();
        assert_eq!(outcome, Outcome::Ran, "{entry:?}");
        assert_eq!((after.rip - 1, after.rsp), (child.memory.address(CALLER), frame.rsp + 8));
        assert_ne!(written[..4], [0xff; 4], "{entry:?}");
        match entry {
            Entry::Time => assert_eq!(written[..8], after.rax.to_le_bytes()),
            _ => assert_eq!(after.rax, 0),
        }
    }
}

/// Installs a filter that asks the tracer about calls from the upper half of the address space.
fn filter() -> bool {
    const HIGH_HALF_OF_INSTRUCTION_POINTER: u32 = 12;
    let code = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        code((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, HIGH_HALF_OF_INSTRUCTION_POINTER),
        code((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, 1, (ADDRESS >> 32) as u32),
        code((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, libc::SECCOMP_RET_TRACE),
        code((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: `program` is a filter program, and outlives the call.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
    }
}

/// One call under the filter, with a tracer that makes this change.
fn compare_filtered(entry: Entry, change: &Change) -> Outcome {
    let child = Child::new(filter);
    let frame = child.call(entry.address());
    let Decision::Perform(call) =
        decode(child.linux.mode, child.linux.fault(FETCH, frame.rip), &registers(&frame), &child)
    else {
        assert_eq!(child.linux.mode, Mode::None);
        return child.run(frame).0;
    };
    let (outcome, mut seen) = child.run(frame);
    assert_eq!(outcome, Outcome::Asked);
    assert_eq!((seen.orig_rax, seen.rip, seen.rax), (call.number(), entry.address(), ENOSYS as u64));
    assert_eq!((seen.rdi, seen.rsi, seen.rdx), (frame.rdi, frame.rsi, frame.rdx));
    change(&mut seen);
    ptrace::setregs(child.pid, seen).unwrap();
    let (linux, after) = child.go_on();
    let ours = call.filtered(Verdict::Allow { number: seen.orig_rax }, &registers(&seen));
    let result = match ours {
        Filtered::Kill => {
            assert_eq!(linux, Outcome::Killed(Signal::SIGSYS));
            return linux;
        }
        Filtered::Return(result) => Ok(result),
        Filtered::Perform(call) => call.returned(child.system_call(call)),
    };
    match result {
        Ok(result) => {
            assert_eq!((linux, after.rip - 1, after.rsp), (Outcome::Ran, result.rip, result.rsp));
            assert!(result.rax.wrapping_sub(after.rax) <= 1, "{:#x}, {:#x}", result.rax, after.rax);
        }
        Err(refusal) => assert_eq!(linux, Outcome::Fault { code: refusal.si_code(), address: refusal.si_addr() }),
    }
    linux
}

type Change = dyn Fn(&mut Frame);

#[test]
fn a_filters_changes_end_as_linux_ends_them() {
    const SKIP: u64 = u64::MAX;
    let killed = Outcome::Killed(Signal::SIGSYS);
    let cases: [(&Change, Outcome); 9] = [
        (&|_| (), Outcome::Ran),
        (&|frame| frame.orig_rax = SKIP, Outcome::Ran),
        (&|frame| (frame.orig_rax, frame.rax) = (SKIP, -1_i64 as u64), Outcome::Ran),
        (&|frame| frame.orig_rax = 39, killed),
        (&|frame| frame.orig_rax |= 1 << 32, killed),
        (&|frame| frame.rip += 0x400, killed),
        (&|frame| (frame.orig_rax, frame.rip) = (SKIP, frame.rip + 0x400), killed),
        (&|frame| frame.rdi += 8, Outcome::Ran),
        (&|frame| frame.rdi = UNMAPPED, Outcome::Fault { code: SI_KERNEL, address: 0 }),
    ];
    let mode = Linux::here().mode;
    for entry in Entry::ALL {
        for (change, expected) in &cases {
            let outcome = compare_filtered(entry, *change);
            assert!(outcome == *expected || mode == Mode::None, "{entry:?}: {outcome:?}, not {expected:?}");
        }
    }
}
