/* What the kernel does to its clocks, seen through the C library. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/timex.h>
#include "checks.h"

static void read_all(ns_t times[CLOCKS])
{
	for (int i = 0; i < CLOCKS; i++)
		times[i] = libc_clock(clocks[i].id);
}

struct moment {
	ns_t raw, clock;
};

/* RAW and another clock at one moment: in the middle of the shortest of several tries. */
static struct moment moment_of(clockid_t id)
{
	struct moment best = { 0, 0 };
	ns_t shortest = INT64_MAX;

	for (int i = 0; i < 100; i++) {
		ns_t before = libc_clock(CLOCK_MONOTONIC_RAW), between = libc_clock(id);
		ns_t passed = libc_clock(CLOCK_MONOTONIC_RAW) - before;
		if (passed < shortest) {
			shortest = passed;
			best = (struct moment){ before + passed / 2, between };
		}
	}
	return best;
}

/* By how much each clock runs faster than RAW, in parts per million. */
static void measure_rates(double rates[CLOCKS])
{
	struct moment first[CLOCKS];

	for (int i = 0; i < CLOCKS; i++)
		first[i] = moment_of(clocks[i].id);
	sleep_for(30 * MILLISECOND);
	for (int i = 0; i < CLOCKS; i++) {
		struct moment last = moment_of(clocks[i].id);
		rates[i] = ((double)(last.clock - first[i].clock) / (double)(last.raw - first[i].raw) - 1) * 1e6;
	}
}

void check_slew(void)
{
	static const long slews[] = { 500, -500, 0 };

	for (size_t i = 0; i < sizeof slews / sizeof slews[0]; i++) {
		double rates[CLOCKS];
		slew(slews[i]);
		measure_rates(rates);
		for (int j = 0; j < CLOCKS; j++) {
			if (clocks[j].coarse)
				continue;
			double error = rates[j] - (clocks[j].slewed ? (double)slews[i] : 0);
			check(error > -100 && error < 100, clocks[j].name, "runs at %+.0f ppm when slewed by %+ld", rates[j], slews[i]);
		}
	}
}

/* From before to after: how far each clock went, less what it should have jumped. */
static void check_jumps(const char *name, const ns_t before[CLOCKS], const ns_t after[CLOCKS], const ns_t jumps[CLOCKS])
{
	/* Less than the counter went on by during the suspend. */
	static const ns_t SLACK = 80 * MILLISECOND;

	for (int i = 0; i < CLOCKS; i++) {
		ns_t rest = after[i] - before[i] - jumps[i];
		check(rest >= 0 && rest < SLACK, clocks[i].name, "%s: %+" PRId64 " us beside %+" PRId64 " s", name,
		      rest / MICROSECOND, jumps[i] / SECOND);
	}
}

void check_suspend(void)
{
	enum { SECONDS = 3 };
	ns_t before[CLOCKS], after[CLOCKS], jumps[CLOCKS];

	for (int i = 0; i < CLOCKS; i++)
		jumps[i] = clocks[i].sleeps ? SECONDS * SECOND : 0;
	read_all(before);
	if (syscall(KERNEL_SUSPEND, SECONDS) != 0)
		die("suspend");
	read_all(after);
	check_jumps("suspended", before, after, jumps);
	step_realtime(-SECONDS * SECOND);
}

/* The clock that says how long the sleep was says what cannot be: that is told, and the clocks go on all the same. */
void check_refused_suspend(void)
{
	static const ns_t NO_JUMPS[CLOCKS];
	ns_t before[CLOCKS], after[CLOCKS];

	read_all(before);
	bool refused = syscall(KERNEL_SUSPEND, INT64_MAX) == -1 && errno == EINVAL;
	read_all(after);
	check_jumps("suspended for ever", before, after, NO_JUMPS);
	long calls = kernel_clock_calls();
	ns_t now = libc_clock(CLOCK_MONOTONIC), end = now + 10 * MILLISECOND;
	for (long reads = 0; now < end && reads < 1000000; reads++) {
		now = libc_clock(CLOCK_MONOTONIC);
		if (CPU_IN_REGISTER)
			sched_getcpu();
	}
	calls = kernel_clock_calls() - calls;
	check(refused && now >= end && (!vdso() || calls == 0), "a suspend of impossible length",
	      "is refused, and the clocks go on, with %ld system calls", calls);
}

void check_leap_second(void)
{
	ns_t before[CLOCKS], after[CLOCKS], jumps[CLOCKS];

	for (int i = 0; i < CLOCKS; i++)
		jumps[i] = clocks[i].follows_realtime && clocks[i].id != CLOCK_TAI ? -SECOND : 0;
	read_all(before);
	if (syscall(KERNEL_LEAP_SECOND) != 0)
		die("leap second");
	read_all(after);
	check_jumps("leap second", before, after, jumps);
	step_realtime(SECOND);
	struct timex request = { .modes = ADJ_TAI, .constant = 37 };
	if (adjtimex(&request) < 0)
		die("adjtimex, ADJ_TAI");
}

/* The clock goes on, and no reading waits; how many of them were system calls. */
static long reads_for(ns_t duration, bool *good)
{
	long calls = kernel_clock_calls();
	ns_t last = libc_clock(CLOCK_MONOTONIC), end = last + duration;

	while (last < end) {
		ns_t now = libc_clock(CLOCK_MONOTONIC), raw = raw_clock(CLOCK_MONOTONIC);
		*good &= now >= last && raw >= now;
		last = raw;
		calls++; /* the one by hand */
	}
	return kernel_clock_calls() - calls;
}

void check_counter_reset(void)
{
	bool good = true;
	long by_vdso = reads_for(10 * MILLISECOND, &good);

	if (syscall(KERNEL_RESET_COUNTER, INT64_C(10000000000)) != 0)
		die("counter reset");
	long after_reset = reads_for(30 * MILLISECOND, &good);
	if (syscall(KERNEL_NOTICE_RESET) != 0)
		die("counter discontinuity");
	long again = reads_for(10 * MILLISECOND, &good);
	check(good, "the counter is reset", "nobody waits, and no clock steps");
	if (vdso())
		check(by_vdso == 0 && after_reset > 0 && again == 0, "system calls around a reset", "%ld before, %ld after, %ld once it is noticed",
		      by_vdso, after_reset, again);
}

/* The counter goes back, and the kernel has to notice by itself: until its next tick the clocks may stand still. */
void check_counter_loss(void)
{
	const ns_t tick = 4 * MILLISECOND;
	ns_t before = libc_clock(CLOCK_MONOTONIC);

	if (syscall(KERNEL_LOSE_COUNTER, INT64_C(10000000000)) != 0)
		die("counter loss");
	ns_t last = libc_clock(CLOCK_MONOTONIC), back = before - last;
	bool good = back <= tick;
	long reads = 0;
	while (last < before + 5 * tick && good && reads < 1000000) {
		ns_t now = libc_clock(CLOCK_MONOTONIC), raw = raw_clock(CLOCK_MONOTONIC);
		good = now >= last && raw >= now;
		last = raw;
		reads++;
	}
	long calls = kernel_clock_calls();
	ns_t end = last + tick;
	while (last < end && good)
		last = libc_clock(CLOCK_MONOTONIC);
	calls = kernel_clock_calls() - calls;
	check(good && last >= end && (!vdso() || calls == 0), "the counter is lost",
	      "back by %ld ns at most a tick, and on; %ld system calls once it is noticed", back > 0 ? (long)back : 0, calls);
}

/* The counter goes back, and before any tick the clocks are changed. */
void check_change_after_loss(void)
{
	struct timex request = { .modes = ADJ_FREQUENCY };
	ns_t before = libc_clock(CLOCK_MONOTONIC);

	if (syscall(KERNEL_LOSE_COUNTER, INT64_C(10000000000)) != 0)
		die("counter loss");
	bool changed = adjtimex(&request) >= 0;
	ns_t passed = libc_clock(CLOCK_MONOTONIC) - before;
	check(changed && passed > -5 * MILLISECOND && passed < SECOND / 2, "a change when the counter is lost",
	      "is made; MONOTONIC by %+" PRId64 " us", passed / MICROSECOND);
}
