/* Reads: what the C library takes from the vDSO, and how many system calls that makes. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <sys/time.h>
#include "checks.h"

enum { READS = 1000000, ROUNDS = 10000 };

static void check_monotonic(void)
{
	ns_t first = libc_clock(CLOCK_MONOTONIC), last = first, back = 0;

	for (int i = 1; i < READS; i++) {
		ns_t now = libc_clock(CLOCK_MONOTONIC);
		if (now < last)
			back++;
		last = now;
	}
	check(back == 0 && last > first, "a million times MONOTONIC", "%" PRId64 " ns each, %" PRId64 " steps back",
	      (last - first) / READS, back);
}

/* Every clock of the page, and the other functions. */
void check_reads(void)
{
	for (const struct clock *clock = clocks; clock < clocks + CLOCKS; clock++) {
		ns_t last = 0;
		bool good = true;
		for (int i = 0; i < 1000; i++) {
			ns_t now = libc_clock(clock->id);
			good &= now >= last;
			last = now;
		}
		check(good && last > 0, clock->name, "%" PRId64 ".%09" PRId64, last / SECOND, last % SECOND);
	}
	struct timeval day;
	gettimeofday(&day, NULL);
	time_t seconds = time(NULL);
	ns_t now = libc_clock(CLOCK_REALTIME);
	check(seconds >= day.tv_sec - 1 && seconds <= now / SECOND && day.tv_sec <= now / SECOND, "time and gettimeofday",
	      "%lld s, %lld s", (long long)seconds, (long long)day.tv_sec);
	if (CPU_IN_REGISTER) {
		int cpu = sched_getcpu();
		check(cpu == 0 || cpu == 1, "getcpu", "%d", cpu);
	}
	check_monotonic();

	long calls = kernel_clock_calls();
	check(vdso() ? calls == 0 : calls >= READS, "clock system calls", "%ld", calls);
}

/* Each reading of the C library lies between two system calls, and each system call between two readings. */
static void check_between(const struct clock *clock)
{
	ns_t last = raw_clock(clock->id), widest = 0;
	long wrong = 0;

	for (int i = 0; i < ROUNDS; i++) {
		ns_t libc = libc_clock(clock->id), raw = raw_clock(clock->id);
		if (libc < last || raw < libc)
			wrong++;
		if (libc - last > widest)
			widest = libc - last;
		last = raw;
	}
	check(wrong == 0, clock->name, "%ld of %d readings out of order with the system call, at most %" PRId64 " us apart",
	      wrong, ROUNDS, widest / MICROSECOND);
}

/* The same error, whichever way it is asked. */
static void check_errors(void)
{
	static const clockid_t ids[] = { 10, 12, 15, 16, 23, 24, 31, 32, 1 << 20, INT_MAX, INT_MIN };
	bool good = true;

	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		struct timespec time;
		errno = 0;
		int libc = clock_gettime(ids[i], &time), libc_error = errno;
		errno = 0;
		long raw = syscall(SYS_clock_gettime, ids[i], &time);
		good &= libc == -1 && raw == -1 && libc_error == EINVAL && errno == EINVAL;
	}
	check(good, "clocks that do not exist", "EINVAL");
	for (size_t i = 0; i < CLOCKS; i++) {
		struct timespec libc, raw;
		good &= clock_getres(clocks[i].id, &libc) == 0 && syscall(SYS_clock_getres, clocks[i].id, &raw) == 0;
		good &= libc.tv_sec == 0 && libc.tv_nsec == raw.tv_nsec && raw.tv_nsec == (clocks[i].coarse ? 4000000 : 1);
	}
	check(good, "resolutions", "the tick for the coarse clocks, 1 ns for the others");
}

void check_agreement(void)
{
	static const struct clock cpu_time[] = { { CLOCK_PROCESS_CPUTIME_ID, "PROCESS_CPUTIME_ID", .coarse = false },
						 { CLOCK_THREAD_CPUTIME_ID, "THREAD_CPUTIME_ID", .coarse = false } };

	for (const struct clock *clock = clocks; clock < clocks + CLOCKS; clock++)
		check_between(clock);
	check_between(&cpu_time[0]);
	check_between(&cpu_time[1]);
	check_errors();
}
