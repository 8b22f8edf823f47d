//! The vsyscall page of x86-64: what old static binaries call where newer ones call the vDSO.
//!
//! Before the vDSO, Linux put `gettimeofday`, `time` and `getcpu` at three fixed addresses in the upper half of the
//! address space ([`Entry`]). Programs linked with a libc of before 2012 have these addresses in their code. Code at an
//! address that every program knows is of use to an attacker, so a kernel never lets the page be executed: the call
//! faults, and the fault handler does the system call and the `ret` in its place.
//!
//! [`decode`] says what a fault is: the [`Call`] to perform, a [`Refusal`] that ends in SIGSEGV, or not the page's matter.
//! It allocates nothing, takes no lock, and reaches user memory only through the kernel's own [`UserMemory`].
//!
//! # What to map
//!
//! | [`Mode`] | at [`ADDRESS`] | a call | a read | Linux's parameter |
//! |---|---|---|---|---|
//! | `Emulate` | [`PAGE`], user-readable, no-execute | emulated | sees the old code | `vsyscall=emulate` |
//! | `Xonly` | nothing | emulated | SIGSEGV | `vsyscall=xonly`, the default |
//! | `None` | nothing | SIGSEGV | SIGSEGV | `vsyscall=none` |
//!
//! `Emulate` is for tools that read the code of a function before they call it. It needs the user bit in every entry
//! on the way from the top-level table to the page (511, 511, 507, 0), so all that the same tables map beside it must be
//! supervisor pages of their own accord. It cannot be had with linear-address space separation (CR4.LASS): then a
//! read from user mode faults whatever the tables say.
//!
//! # The fault handler
//!
//! ```
//! use vdso_image::x86_64::vsyscall::{self, Decision, Fault, Filtered, Mode, PageFault, Refusal, Registers, UserMemory, Verdict};
//! # #[derive(Clone)]
//! # struct Frame { rax: u64, rdi: u64, rsi: u64, rdx: u64, rip: u64, rsp: u64 }
//! # struct Process { stack: (u64, u64), signal: Option<i32> }
//! # impl Process {
//! #     fn copy_u64_from_user(&self, address: u64) -> Option<u64> {
//! #         (address == self.stack.0).then_some(self.stack.1)
//! #     }
//! #     fn seccomp(&self, number: u64, _: &mut Frame) -> Verdict { Verdict::Allow { number } }
//! #     fn system_call(&self, number: u64, arguments: [u64; 3]) -> i64 {
//! #         if (number, arguments) == (201, [0, 0, 0]) { 1_700_000_000 } else { -38 }
//! #     }
//! #     fn force_signal(&mut self, signal: i32, _code: i32, _address: u64) { self.signal = Some(signal) }
//! #     fn kill(&mut self, signal: i32) { self.signal = Some(signal) }
//! # }
//! # const VSYSCALL: Mode = Mode::Xonly;
//! # const SIGSEGV: i32 = 11;
//! # const SIGSYS: i32 = 31;
//!
//! impl UserMemory for Process {
//!     fn read_u64(&self, address: u64) -> Option<u64> {
//!         self.copy_u64_from_user(address)
//!     }
//! }
//!
//! fn registers(frame: &Frame) -> Registers {
//!     Registers { rax: frame.rax, rdi: frame.rdi, rsi: frame.rsi, rip: frame.rip, rsp: frame.rsp }
//! }
//!
//! /// Early in the page-fault handler, with interrupts enabled, before the search for a mapping. True: the fault is
//! /// dealt with, return to user mode (by way of pending signals).
//! fn vsyscall_fault(process: &mut Process, frame: &mut Frame, error_code: u64, cr2: u64) -> bool {
//!     // In the #GP handler of a kernel that sets CR4.LASS:
//!     // let fault = Fault::GeneralProtection { user_mode: frame.cs & 3 == 3 };
//!     let fault = Fault::Page(PageFault { error_code, address: cr2 });
//!     let call = match vsyscall::decode(VSYSCALL, fault, &registers(frame), process) {
//!         Decision::NotOurs => return false,
//!         Decision::Refuse(refusal) => return refuse(process, refusal),
//!         Decision::Perform(call) => call,
//!     };
//!     // A kernel without system-call filters goes on at `Perform`, with `call`.
//!     frame.rax = -38_i64 as u64; // ENOSYS, for a filter that skips the call and sets nothing
//!     let verdict = process.seccomp(call.number(), frame);
//!     let result = match call.filtered(verdict, &registers(frame)) {
//!         Filtered::Perform(call) => call.returned(process.system_call(call.number(), call.arguments())),
//!         Filtered::Return(result) => Ok(result),
//!         Filtered::Kill => {
//!             process.kill(SIGSYS);
//!             return true;
//!         }
//!     };
//!     match result {
//!         // These three registers, and no other.
//!         Ok(result) => (frame.rax, frame.rip, frame.rsp) = (result.rax, result.rip, result.rsp),
//!         Err(refusal) => return refuse(process, refusal),
//!     }
//!     true
//! }
//!
//! fn refuse(process: &mut Process, refusal: Refusal) -> bool {
//!     // `refusal.reason` for the log.
//!     process.force_signal(SIGSEGV, refusal.si_code(), refusal.si_addr());
//!     true
//! }
//! # // `call *0xffffffffff600400` from 0x401005, with a null pointer.
//! # let mut process = Process { stack: (0x7fff_0000_0ff0, 0x40_1007), signal: None };
//! # let time = 0xffff_ffff_ff60_0400;
//! # let old = Frame { rax: 0, rdi: 0, rsi: 2, rdx: 3, rip: time, rsp: 0x7fff_0000_0ff0 };
//! # let mut frame = old.clone();
//! # assert!(vsyscall_fault(&mut process, &mut frame, 0x14, time));
//! # assert_eq!((frame.rax, frame.rip, frame.rsp), (1_700_000_000, 0x40_1007, 0x7fff_0000_0ff8));
//! # assert_eq!((frame.rdx, process.signal), (3, None));
//! # let mut frame = Frame { rip: time + 1, ..old };
//! # assert!(vsyscall_fault(&mut process, &mut frame, 0x14, time + 1));
//! # assert_eq!((frame.rip, process.signal), (time + 1, Some(SIGSEGV)));
//! # assert!(!vsyscall_fault(&mut process, &mut frame, 0x4, 0x1000));
//! ```
//!
//! # What is left to the kernel
//!
//! - The fault of a call that is emulated is no fault to count, to log or to show to a tracer.
//! - A kernel that gives its programs shadow stacks (CET) pops the shadow stack as `ret` would, and compares, or
//!   refuses the call.
//! - [`Refusal`] says what the signal's frame shows. The registers in it are those of the fault, but for rax, which is
//!   -ENOSYS once a filter could have seen the call.
//!
//! # Sources
//!
//! Linux's user-visible behaviour: `Documentation/admin-guide/kernel-parameters.txt` (`vsyscall=`),
//! `Documentation/userspace-api/seccomp_filter.rst` ("Caveats"), and measurements, which `tests/vsyscall_host.rs`
//! repeats against the kernel that it runs on. The processor's: Intel SDM volume 3, "Interrupt 14, Page-Fault Exception
//! (#PF)" and "Linear-Address Space Separation".

mod call;
mod fault;
mod memory;
mod page;
mod refusal;

pub use call::{Call, Filtered, Return, Verdict};
pub use fault::{decode, error_code, Decision, Fault, Mode, PageFault, Registers};
pub use memory::{UserMemory, USER_END};
pub use page::{Entry, ADDRESS, PAGE, PAGE_SIZE};
pub use refusal::{Reason, Refusal, SEGV_MAPERR, SI_KERNEL};
