/* Two CPUs, and two processes on them. */
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "checks.h"

void check_cpus(void)
{
	enum { MOVES = 100 };
	bool right = true;
	ns_t last = 0, back = 0;

	for (int i = 0; i < MOVES; i++) {
		int cpu = i % 2;
		unsigned raw = 99, node = 99;
		move_to(cpu);
		ns_t now = libc_clock(CLOCK_MONOTONIC);
		back += now < last;
		last = now;
		right &= sched_getcpu() == cpu;
		right &= syscall(SYS_getcpu, &raw, &node, NULL) == 0 && (int)raw == cpu && node == 0;
	}
	move_to(0);
	check(right, "getcpu", "right on both CPUs, %d times", MOVES);
	check(back == 0, "MONOTONIC from CPU to CPU", "%" PRId64 " steps back in %d moves", back, MOVES);
}

enum { TICKS = 6 };

/*
 * How many values a coarse clock takes: up to TICKS, which the kernel publishes in 24 ms if nobody keeps it from it. On a
 * page that the kernel no longer writes it is one.
 */
static int coarse_values(void)
{
	ns_t end = libc_clock(CLOCK_MONOTONIC) + 2 * SECOND, last = 0;
	int values = 0;

	while (values < TICKS && libc_clock(CLOCK_MONOTONIC) < end) {
		ns_t now = libc_clock(CLOCK_MONOTONIC_COARSE);
		values += now != last;
		last = now;
	}
	return values;
}

static int child_reads(void)
{
	return coarse_values();
}

static int child_without_vdso(void)
{
	uintptr_t image = vdso();
	return image ? munmap((void *)(image - 4096), 4096 + vdso_size()) : 0;
}

void check_fork(void)
{
	pid_t child = start_child(child_reads);
	int here = coarse_values(), there = wait_for(child);

	check(here == TICKS && WIFEXITED(there) && WEXITSTATUS(there) == TICKS, "clocks go on after a fork",
	      "%d ticks here, %d in the child", here, WEXITSTATUS(there));
	there = in_child(child_without_vdso);
	check(there == 0 && coarse_values() == TICKS, "a child that unmaps the vDSO", "takes it from nobody else");
}

/* Steps that the other process is to see. */
enum { STEPS = 10 };
static const ns_t STEP = 1000 * SECOND, BETWEEN_STEPS = 5 * MILLISECOND;
static ns_t offset_at_start;

/* Whether a reading of the time of day is from after the step. */
static bool stepped(ns_t realtime)
{
	return realtime - libc_clock(CLOCK_MONOTONIC) - offset_at_start > STEP / 2;
}

/*
 * Reads the three again and again while the other process sets the time to and fro. All three change at once: in the order
 * in which they are read, at most one change is seen.
 */
static int child_watches(void)
{
	ns_t end = libc_clock(CLOCK_MONOTONIC) + 5 * SECOND;
	int changes = 0, torn = 0;
	bool last = false;

	for (;;) {
		ns_t begun = libc_clock(CLOCK_MONOTONIC);
		bool fine = stepped(libc_clock(CLOCK_REALTIME));
		bool coarse = stepped(libc_clock(CLOCK_REALTIME_COARSE));
		bool seconds = stepped(time(NULL) * SECOND);
		bool again = stepped(libc_clock(CLOCK_REALTIME));
		ns_t ended = libc_clock(CLOCK_MONOTONIC);
		/* If it was stopped for long, there may have been two. */
		if (ended - begun < BETWEEN_STEPS / 2)
			torn += (fine != coarse) + (coarse != seconds) + (seconds != again) > 1;
		changes += fine != last;
		last = again;
		if (changes == STEPS || torn || ended > end)
			return torn ? 100 : changes;
	}
}

static int child_sleeps_until_the_step(void)
{
	ns_t until = libc_clock(CLOCK_REALTIME) + STEP / 2, begun = libc_clock(CLOCK_MONOTONIC);
	struct timespec time = { until / SECOND, until % SECOND };

	if (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL) != 0)
		return 1;
	return libc_clock(CLOCK_REALTIME) < until || libc_clock(CLOCK_MONOTONIC) - begun > 10 * SECOND;
}

void check_settime(void)
{
	bool at_once = true;

	/* Where nobody knew the time of day it is that since boot, and cannot be set to an earlier one. */
	if (libc_clock(CLOCK_REALTIME) < libc_clock(CLOCK_MONOTONIC) + STEP) {
		struct timespec later = { 1000000000, 0 };
		if (clock_settime(CLOCK_REALTIME, &later) != 0)
			die("clock_settime");
	}
	offset_at_start = libc_clock(CLOCK_REALTIME) - libc_clock(CLOCK_MONOTONIC);
	pid_t child = start_child(child_watches);
	int status;
	/* To and fro, an even number of times, until the other process has seen enough. */
	bool done = false;
	for (int i = 0; !done || i % 2; i++) {
		bool forward = i % 2 == 0;
		ns_t monotonic = libc_clock(CLOCK_MONOTONIC);
		ns_t target = libc_clock(CLOCK_REALTIME) + (forward ? STEP : -STEP);
		struct timespec time = { target / SECOND, target % SECOND };
		if (clock_settime(CLOCK_REALTIME, &time) != 0)
			die("clock_settime");
		at_once &= stepped(libc_clock(CLOCK_REALTIME)) == forward;
		at_once &= stepped(libc_clock(CLOCK_REALTIME_COARSE)) == forward;
		at_once &= stepped(libc_clock(CLOCK_TAI)) == forward;
		ns_t passed = libc_clock(CLOCK_MONOTONIC) - monotonic;
		at_once &= passed >= 0 && passed < SECOND;
		sleep_for(BETWEEN_STEPS);
		done = done || waitpid(child, &status, WNOHANG) == child;
	}
	check(at_once, "clock_settime", "REALTIME, its COARSE and TAI step at once, MONOTONIC does not");
	check(WIFEXITED(status) && WEXITSTATUS(status) == STEPS, "clock_settime in another process",
	      "%d steps seen, REALTIME, COARSE and time together", WEXITSTATUS(status));

	child = start_child(child_sleeps_until_the_step);
	sleep_for(20 * MILLISECOND);
	step_realtime(STEP);
	status = wait_for(child);
	step_realtime(-STEP);
	check(status == 0, "a sleep until a time of day", "ends when the time is set past it");
}
