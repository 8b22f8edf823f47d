//! The host's clocks: what they say at a value of the TSC, and whether they count by the TSC at all.

use nix::libc;
use nix::time::{clock_getres, clock_gettime, ClockId};
use std::arch::x86_64::{__cpuid, __rdtscp};
use vvar::arch::Tsc;
use vvar::page::CpuNumber;
use vvar::{Clock, Counter};

/// Why programs cannot count by the TSC as the host does; `None` if they can.
pub(super) fn tsc_missing() -> Option<String> {
    // Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
    let has = |leaf: u32, edx_bit: u32| __cpuid(0x8000_0000).eax >= leaf && __cpuid(leaf).edx >> edx_bit & 1 == 1;
    if !has(0x8000_0001, 27) {
        return Some("the CPU has no RDTSCP instruction".into());
    }
    if !has(0x8000_0007, 8) {
        return Some("the CPU does not say that its TSC is invariant".into());
    }
    // The kernel lists the TSC only if it found the CPUs' counters in step.
    let folder = "/sys/devices/system/clocksource/clocksource0";
    let path = format!("{folder}/available_clocksource");
    match std::fs::read_to_string(&path) {
        Ok(sources) if sources.split_whitespace().any(|source| source == "tsc") => None,
        Ok(sources) => Some(format!("the host does not trust its TSC ({path}: {})", sources.trim())),
        Err(error) => Some(format!("{path}: {error}")),
    }
}

/// What a clock said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// The TSC then: half way between the values before and after.
    pub(super) counter: u64,
    /// How far off `counter` can be, in cycles, either way.
    pub(super) uncertainty: u64,
    /// ns since the clock's epoch.
    pub(super) nanos: i64,
}

/// All clocks, read within microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) realtime: Reading,
    pub(super) monotonic: Reading,
    pub(super) raw: Reading,
    pub(super) boottime: Reading,
    pub(super) tai: Reading,
}

impl Sample {
    /// Reads them.
    pub(super) fn take() -> nix::Result<Sample> {
        Ok(Sample {
            realtime: read(Clock::Realtime)?,
            monotonic: read(Clock::Monotonic)?,
            raw: read(Clock::MonotonicRaw)?,
            boottime: read(Clock::Boottime)?,
            tai: read(Clock::Tai)?,
        })
    }
}

/// How often a clock is read for one reading: an interrupt in one try spoils that try only.
const TRIES: usize = 8;

/// The tightest of a few readings between two of the TSC.
fn read(clock: Clock) -> nix::Result<Reading> {
    let mut best = read_once(clock)?;
    for _ in 1..TRIES {
        let reading = read_once(clock)?;
        if reading.uncertainty < best.uncertainty {
            best = reading;
        }
    }
    Ok(best)
}

fn read_once(clock: Clock) -> nix::Result<Reading> {
    let id = id_of(clock);
    let before = Tsc.read_hot();
    let time = clock_gettime(id)?;
    let after = Tsc.read_hot();
    let uncertainty = after.saturating_sub(before).div_ceil(2);
    Ok(Reading { counter: before + uncertainty, uncertainty, nanos: time.tv_sec() * 1_000_000_000 + time.tv_nsec() })
}

fn id_of(clock: Clock) -> ClockId {
    ClockId::from_raw(clock.id() as libc::clockid_t)
}

/// The resolution of a clock, in ns.
pub(super) fn resolution(clock: Clock) -> nix::Result<u32> {
    let resolution = clock_getres(id_of(clock))?;
    let nanos = resolution.tv_sec() * 1_000_000_000 + resolution.tv_nsec();
    // Past four seconds: 0, which leaves the answer to the system call.
    Ok(u32::try_from(nanos).unwrap_or(0))
}

/// `tz_minuteswest` and `tz_dsttime`, from the system call: libc's gettimeofday answers with zeros.
pub(super) fn timezone() -> nix::Result<(i32, i32)> {
    let mut zone = [0i32; 2];
    // SAFETY: a null time is not written; the timezone is two ints, which live across the call.
    let result = unsafe { libc::syscall(libc::SYS_gettimeofday, std::ptr::null_mut::<libc::timeval>(), &mut zone) };
    nix::errno::Errno::result(result)?;
    Ok((zone[0], zone[1]))
}

/// How programs may read the CPU's number: from TSC_AUX only if it holds it on every CPU that the runner may use. A thread
/// of its own visits them.
pub(super) fn cpu_number() -> CpuNumber {
    let agrees = std::thread::scope(|scope| scope.spawn(tsc_aux_is_cpu_number).join()).unwrap_or(false);
    if !agrees {
        return CpuNumber::SystemCall;
    }
    let has_rdpid = __cpuid(0).eax >= 7 && __cpuid(7).ecx >> 22 & 1 == 1;
    if has_rdpid {
        CpuNumber::Rdpid
    } else {
        CpuNumber::Rdtscp
    }
}

fn tsc_aux_is_cpu_number() -> bool {
    use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
    use nix::unistd::Pid;
    let this_thread = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(this_thread) else { return false };
    (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false)).all(|cpu| {
        let mut only = CpuSet::new();
        only.set(cpu).and_then(|()| sched_setaffinity(this_thread, &only)).is_ok() && tsc_aux() == kernel_cpu_number()
    })
}

fn tsc_aux() -> Option<u32> {
    let mut aux = 0;
    // SAFETY: the caller's CPUs have RDTSCP, see `tsc_missing`; it writes to a local.
    unsafe { __rdtscp(&mut aux) };
    Some(aux)
}

/// `node << 12 | cpu`, as Linux sets TSC_AUX, from the system call.
fn kernel_cpu_number() -> Option<u32> {
    let (mut cpu, mut node) = (0u32, 0u32);
    // SAFETY: both point to locals; the third argument is unused since Linux 2.6.24.
    let result = unsafe { libc::syscall(libc::SYS_getcpu, &mut cpu, &mut node, std::ptr::null_mut::<u8>()) };
    (result == 0).then_some(node << 12 | cpu)
}
