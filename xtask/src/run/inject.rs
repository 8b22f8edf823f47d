//! Gives a new program the image and the page in place of the host's vDSO.

use super::auxv::{self, Auxv};
use super::remote::{Failure, Memory, Remote};
use super::shared::{Shared, Target};
use super::x86_64;
use nix::libc;
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

/// What became of a new program.
pub(super) enum Injected {
    /// It will use the image. `saved_vector_kept`: why the kernel's copy of the auxiliary vector, which only debuggers
    /// read, still names the host's vDSO.
    Done { saved_vector_kept: Option<String> },
    /// It was left on the host's vDSO, for this reason.
    Left(String),
}

/// Serves a process at its exec stop.
///
/// # Errors
/// The process ended meanwhile, or it could not be put back to where it was.
pub(super) fn inject(pid: Pid, shared: &Shared) -> Result<Injected, Failure> {
    match prepare(pid) {
        Err(reason) => Ok(Injected::Left(reason)),
        Ok(prepared) => serve(pid, shared, &prepared),
    }
}

/// What is known of a process that can be served.
struct Prepared {
    memory: Memory,
    saved: Auxv,
    instruction: u64,
    stack: u64,
}

/// Looks at the process without touching it. The error is the reason to leave it on the host's vDSO.
fn prepare(pid: Pid) -> Result<Prepared, String> {
    let text = |what: String| move |error: io::Error| format!("{what}: {error}");
    if is_32_bit(pid) {
        return Err("a 32-bit program".into());
    }
    let saved = Auxv::read(pid).map_err(text(format!("/proc/{pid}/auxv")))?;
    if is_privileged(pid, &saved) {
        return Err("a program with privileges of its own (set-user-ID, set-group-ID or file capabilities)".into());
    }
    if has_own_filter(pid) {
        return Err("under a system-call filter (seccomp) of its own".into());
    }
    let memory = Memory::open(pid).map_err(text(format!("/proc/{pid}/mem")))?;
    let host = saved.get(libc::AT_SYSINFO_EHDR).ok_or(auxv::NO_VDSO)?;
    let instruction = find_syscall(&memory, host).ok_or("the host's vDSO contains no `syscall` instruction to use")?;
    let stack = nix::sys::ptrace::getregs(pid).map_err(|error| format!("reading its registers: {error}"))?.rsp;
    Ok(Prepared { memory, saved, instruction, stack })
}

/// True for i386 and x32 programs.
fn is_32_bit(pid: Pid) -> bool {
    const EI_CLASS: usize = 4;
    const ELFCLASS32: u8 = 1;
    let mut ident = [0; EI_CLASS + 1];
    let read = File::open(format!("/proc/{pid}/exe")).and_then(|mut exe| exe.read_exact(&mut ident));
    match read {
        Ok(()) => ident[EI_CLASS] == ELFCLASS32,
        // A program that may be executed but not read: by its code segment (__USER32_CS of Linux).
        Err(_) => nix::sys::ptrace::getregs(pid).is_ok_and(|registers| registers.cs == 0x23),
    }
}

fn is_privileged(pid: Pid, saved: &Auxv) -> bool {
    // A traced program is not given its privileges, unless the tracer has them: the mode still tells.
    let mode = fs::metadata(format!("/proc/{pid}/exe")).map_or(0, |meta| meta.mode());
    saved.get(libc::AT_SECURE).is_some_and(|secure| secure != 0) || mode & (libc::S_ISUID | libc::S_ISGID) != 0
}

/// True if the process has more system-call filters than the runner. One of them could kill it for a call of ours.
fn has_own_filter(pid: Pid) -> bool {
    let filters = |who: &str| -> Option<u32> {
        let status = fs::read_to_string(format!("/proc/{who}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"))?.trim().parse().ok()
    };
    filters(&pid.to_string()) > filters("self")
}

/// The address of a `syscall` instruction in the vDSO at `vdso`.
fn find_syscall(memory: &Memory, vdso: u64) -> Option<u64> {
    const PAGE: usize = 4096;
    const PAGES: u64 = 4;
    let mut page = [0; PAGE];
    (0..PAGES).map(|index| vdso + index * PAGE as u64).find_map(|address| {
        let read = memory.read_some(&mut page, address).ok()?;
        let found = page[..read].windows(x86_64::SYSCALL.len()).position(|bytes| bytes == x86_64::SYSCALL)?;
        Some(address + found as u64)
    })
}

fn serve(pid: Pid, shared: &Shared, prepared: &Prepared) -> Result<Injected, Failure> {
    let mut remote = Remote::enter(pid, &prepared.memory, prepared.instruction)?;
    let injected = match replace(pid, &mut remote, shared, prepared) {
        Err(Failure::Refused(reason)) => Injected::Left(reason),
        Err(ended) => return Err(ended),
        Ok(saved_vector_kept) => Injected::Done { saved_vector_kept },
    };
    remote.leave()?;
    Ok(injected)
}

fn replace(pid: Pid, remote: &mut Remote<'_>, shared: &Shared, prepared: &Prepared) -> Result<Option<String>, Failure> {
    let ehdr = map(pid, remote, shared)?;
    let start = auxv::set_on_stack(&prepared.memory, prepared.stack, &prepared.saved, ehdr)?;
    match auxv::set_saved(remote, pid, &prepared.saved, start) {
        Ok(()) => Ok(None),
        Err(Failure::Refused(reason)) => Ok(Some(reason)),
        Err(ended) => Err(ended),
    }
}

/// Maps page and image and returns the address of the image.
fn map(pid: Pid, remote: &mut Remote<'_>, shared: &Shared) -> Result<u64, Failure> {
    // The whole in one piece, where the kernel likes (which is random): the parts then go over it.
    let (low, size) = shared.span();
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;
    let arguments = [0, size, libc::PROT_NONE as u64, flags, u64::MAX, 0];
    let base = remote.call("mmap", libc::SYS_mmap, arguments)?;
    let ehdr = base.wrapping_sub(low as u64);
    for target in [Target::Page, Target::Image] {
        if let Err(error) = map_file(pid, remote, shared, target, ehdr) {
            if matches!(error, Failure::Refused(_)) {
                remote.call("munmap", libc::SYS_munmap, [base, size, 0, 0, 0, 0])?;
            }
            return Err(error);
        }
    }
    Ok(ehdr)
}

/// Maps all parts of one of the two files at their places relative to `ehdr`.
fn map_file(pid: Pid, remote: &mut Remote<'_>, shared: &Shared, target: Target, ehdr: u64) -> Result<(), Failure> {
    let fd = open(pid, remote, shared.file(target))?;
    for part in shared.parts(target) {
        let address = ehdr.wrapping_add_signed(part.offset);
        let flags = (libc::MAP_FIXED | part.sharing) as u64;
        let arguments = [address, part.size, part.protection as u64, flags, fd, 0];
        remote.call("mmap", libc::SYS_mmap, arguments)?;
    }
    remote.call("close", libc::SYS_close, [fd, 0, 0, 0, 0, 0]).map(drop)
}

/// Opens one of the runner's files in the process, for reading.
fn open(pid: Pid, remote: &mut Remote<'_>, file: &File) -> Result<u64, Failure> {
    let path = format!("/proc/{}/fd/{}\0", std::process::id(), file.as_raw_fd());
    let path_address = remote.put(path.as_bytes())?;
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
    let arguments = [libc::AT_FDCWD as u64, path_address, flags, 0, 0, 0];
    let fd = remote.call(&format!("open {}", path.trim_end_matches('\0')), libc::SYS_openat, arguments)?;
    // In another PID namespace, or with another /proc, the path leads elsewhere.
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let theirs = fs::metadata(format!("/proc/{pid}/fd/{fd}")).map(identity);
    let ours = file.metadata().map(identity);
    if theirs.is_err() || ours.is_err() || theirs.ok() != ours.ok() {
        remote.call("close", libc::SYS_close, [fd, 0, 0, 0, 0, 0])?;
        return Err(Failure::Refused("its /proc is not the runner's".into()));
    }
    Ok(fd)
}
