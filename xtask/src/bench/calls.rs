//! The clock functions of an image, of the kernel's vDSO, or as system calls, behind one safe type.

use nix::libc::{self, clockid_t, timespec, timeval, timezone};
use std::ffi::{c_int, c_uint, c_void};
use std::ptr::{null_mut, NonNull};

type ClockGettime = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;
type ClockGetres = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;
type Gettimeofday = unsafe extern "C" fn(*mut timeval, *mut timezone) -> c_int;
type Time = unsafe extern "C" fn(*mut i64) -> i64;
type Getcpu = unsafe extern "C" fn(*mut c_uint, *mut c_uint, *mut c_void) -> c_int;

/// A full set of the functions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calls {
    clock_gettime: ClockGettime,
    clock_getres: ClockGetres,
    gettimeofday: Gettimeofday,
    time: Time,
    getcpu: Getcpu,
}

/// The names, as they are looked up.
const NAMES: [&str; 5] =
    ["__vdso_clock_gettime", "__vdso_clock_getres", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu"];

impl Calls {
    /// The functions of the vDSO whose ELF header is at `image`. `offset` looks a name up.
    ///
    /// # Errors
    ///
    /// The name that was not found.
    ///
    /// # Safety
    ///
    /// A vDSO, linked at 0, is mapped at `image` for the life of the process with the data that it reads, and `offset` gives
    /// each function's `st_value` in it.
    unsafe fn at(image: NonNull<u8>, offset: impl Fn(&str) -> Option<usize>) -> Result<Calls, &'static str> {
        let mut found = [null_mut::<u8>(); NAMES.len()];
        for (address, name) in found.iter_mut().zip(NAMES) {
            // SAFETY: an offset in the mapped image.
            *address = unsafe { image.as_ptr().add(offset(name).ok_or(name)?) };
        }
        let [clock_gettime, clock_getres, gettimeofday, time, getcpu] = found;
        // SAFETY: these are the functions of those names, whose types are the ABI's (man 7 vdso, man 2 getcpu).
        unsafe {
            Ok(Calls {
                clock_gettime: std::mem::transmute::<*mut u8, ClockGettime>(clock_gettime),
                clock_getres: std::mem::transmute::<*mut u8, ClockGetres>(clock_getres),
                gettimeofday: std::mem::transmute::<*mut u8, Gettimeofday>(gettimeofday),
                time: std::mem::transmute::<*mut u8, Time>(time),
                getcpu: std::mem::transmute::<*mut u8, Getcpu>(getcpu),
            })
        }
    }

    /// As [`Calls::at`], with the offsets that the image's own symbol table gives.
    ///
    /// # Errors
    ///
    /// What is wrong with the image, in words.
    ///
    /// # Safety
    ///
    /// `bytes` are those of the vDSO, linked at 0, that is mapped at `image` for the life of the process with the data that
    /// it reads.
    pub(crate) unsafe fn of_image(image: NonNull<u8>, bytes: &[u8]) -> Result<Calls, String> {
        let facts = vdso_linker::inspect::inspect(bytes).map_err(|error| error.to_string())?;
        let offset =
            |name: &str| facts.symbols.iter().find(|symbol| symbol.name == name).map(|symbol| symbol.value as usize);
        // SAFETY: the caller's promise.
        unsafe { Calls::at(image, offset) }.map_err(|name| format!("no symbol {name}"))
    }

    /// The system calls.
    pub(crate) const SYSTEM: Calls = Calls {
        clock_gettime: system::clock_gettime,
        clock_getres: system::clock_getres,
        gettimeofday: system::gettimeofday,
        time: system::time,
        getcpu: system::getcpu,
    };

    /// 0, or a negated error number (from a system call: -1).
    #[inline(always)]
    pub(crate) fn clock_gettime(&self, clock: clockid_t, time: &mut timespec) -> c_int {
        // SAFETY: a valid pointer.
        unsafe { (self.clock_gettime)(clock, time) }
    }

    /// As [`Calls::clock_gettime`].
    #[inline(always)]
    pub(crate) fn clock_getres(&self, clock: clockid_t, resolution: &mut timespec) -> c_int {
        // SAFETY: a valid pointer.
        unsafe { (self.clock_getres)(clock, resolution) }
    }

    /// As [`Calls::clock_gettime`]; no timezone.
    #[inline(always)]
    pub(crate) fn gettimeofday(&self, time: &mut timeval) -> c_int {
        // SAFETY: a valid pointer, and null for the timezone.
        unsafe { (self.gettimeofday)(time, null_mut()) }
    }

    /// Seconds.
    #[inline(always)]
    pub(crate) fn time(&self) -> i64 {
        // SAFETY: null is allowed.
        unsafe { (self.time)(null_mut()) }
    }

    /// As [`Calls::clock_gettime`].
    #[inline(always)]
    pub(crate) fn getcpu(&self, cpu: &mut c_uint, node: &mut c_uint) -> c_int {
        // SAFETY: valid pointers, and null for the parameter that is not used.
        unsafe { (self.getcpu)(cpu, node, null_mut()) }
    }
}

mod system {
    use super::{c_int, c_uint, c_void, clockid_t, libc, timespec, timeval, timezone};

    pub(super) unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
        // SAFETY: the kernel checks the pointers, here and below.
        unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int }
    }
    pub(super) unsafe extern "C" fn clock_getres(clock: clockid_t, resolution: *mut timespec) -> c_int {
        // SAFETY: see above.
        unsafe { libc::syscall(libc::SYS_clock_getres, clock, resolution) as c_int }
    }
    pub(super) unsafe extern "C" fn gettimeofday(time: *mut timeval, zone: *mut timezone) -> c_int {
        // SAFETY: see above.
        unsafe { libc::syscall(libc::SYS_gettimeofday, time, zone) as c_int }
    }
    pub(super) unsafe extern "C" fn time(at: *mut i64) -> i64 {
        // SAFETY: see above.
        unsafe { libc::syscall(libc::SYS_time, at) }
    }
    pub(super) unsafe extern "C" fn getcpu(cpu: *mut c_uint, node: *mut c_uint, unused: *mut c_void) -> c_int {
        // SAFETY: see above.
        unsafe { libc::syscall(libc::SYS_getcpu, cpu, node, unused) as c_int }
    }
}
