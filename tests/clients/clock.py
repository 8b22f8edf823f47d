"""Reads the clocks as a Python program does and says whether they are right.

    clock.py check READS TOLERANCE   each read between two raw system calls; TOLERANCE in nanoseconds
    clock.py count READS             only the time module: with a working vDSO, no clock system call at all

Prints as clock.c does; see there for what "right" means.
"""

import ctypes
import sys
import time

SYS_CLOCK_GETTIME, SYS_CLOCK_GETRES = 228, 229  # x86_64, asm/unistd_64.h
SECOND = 10**9

# Python has no names for the coarse clocks and for TAI on old versions: linux/time.h.
REALTIME, MONOTONIC, RAW, REALTIME_COARSE, MONOTONIC_COARSE, BOOTTIME, TAI = 0, 1, 4, 5, 6, 7, 11
FINE = {REALTIME: "REALTIME", MONOTONIC: "MONOTONIC", RAW: "MONOTONIC_RAW", BOOTTIME: "BOOTTIME", TAI: "TAI"}
COARSE = {REALTIME_COARSE: "REALTIME_COARSE", MONOTONIC_COARSE: "MONOTONIC_COARSE"}
FINE_OF = {REALTIME_COARSE: REALTIME, MONOTONIC_COARSE: MONOTONIC}

# How far a coarse clock may lag, here a quarter of a second: clock.c looks closer.
LAG_LIMIT = SECOND // 4


class Timespec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
raw_calls = 0
failed = False


def raw(number, clock):
    """The kernel's own answer, in nanoseconds."""
    global raw_calls
    raw_calls += 1
    t = Timespec()
    if libc.syscall(ctypes.c_long(number), ctypes.c_long(clock), ctypes.byref(t)) != 0:
        sys.exit(f"raw system call {number}: errno {ctypes.get_errno()}")
    return t.sec * SECOND + t.nsec


def verdict(good, name, figures):
    global failed
    failed |= not good
    print(f"{'ok' if good else 'BAD':<4} {name}: {figures}")


def bracket(read, clock, reads):
    """How far outside the raw reads around them `reads` reads lie: (before, after), in nanoseconds."""
    before = after = 0
    for _ in range(reads):
        earlier = raw(SYS_CLOCK_GETTIME, clock)
        now = read()
        later = raw(SYS_CLOCK_GETTIME, clock)
        before = max(before, earlier - now)
        after = max(after, now - later)
    return before, after


def check_read(name, read, clock, reads, tolerance, lag=None):
    before, after = bracket(read, clock, reads)
    good = after <= tolerance and before <= (tolerance if lag is None else lag)
    verdict(good, name, f"{reads} reads, at most {before} ns before and {after} ns after the raw ones, "
                        f"tolerance {tolerance} ns")


def check(reads, tolerance):
    for clock, name in FINE.items():
        check_read(f"clock_gettime_ns {name}", lambda: time.clock_gettime_ns(clock), clock, reads, tolerance)
    for clock, name in COARSE.items():
        check_read(f"clock_gettime_ns {name}", lambda: time.clock_gettime_ns(clock), FINE_OF[clock], reads, tolerance,
                   LAG_LIMIT)
    check_read("time_ns", time.time_ns, REALTIME, reads, tolerance)
    check_read("monotonic_ns", time.monotonic_ns, MONOTONIC, reads, tolerance)
    check_read("perf_counter_ns", time.perf_counter_ns, MONOTONIC, reads, tolerance)
    # A double holds 53 bits: a time of this century to a quarter of a microsecond.
    check_read("time", lambda: round(time.time() * SECOND), REALTIME, reads, tolerance + 250)
    for clock, name in {**FINE, **COARSE}.items():
        host = raw(SYS_CLOCK_GETRES, clock)
        verdict(round(time.clock_getres(clock) * SECOND) == host, f"clock_getres {name}", f"raw {host} ns")


def count_read(name, read, reads, may_step):
    back = 0
    first = last = read()
    for _ in range(reads - 1):
        now = read()
        back += now < last
        last = now
    verdict(first > 0 and (may_step or back == 0), name, f"{reads} reads, {back} backwards, went on by {last - first}")


def count(reads):
    count_read("time", time.time, reads, True)
    count_read("monotonic", time.monotonic, reads, False)
    count_read("perf_counter", time.perf_counter, reads, False)
    for clock, name in {**FINE, **COARSE}.items():
        count_read(f"clock_gettime {name}", lambda: time.clock_gettime(clock), reads // 10, name.startswith(("REAL", "TAI")))


def main(arguments):
    if len(arguments) == 3 and arguments[0] == "check":
        check(int(arguments[1]), int(arguments[2]))
    elif len(arguments) == 2 and arguments[0] == "count":
        count(int(arguments[1]))
    else:
        sys.exit("usage: clock.py check READS TOLERANCE | clock.py count READS")
    print(f"clock system calls expected: {raw_calls}")
    print("FAIL" if failed else "PASS")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
