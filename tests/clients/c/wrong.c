/*
 * A C library's clock_gettime that is wrong by a given amount: preloaded under a client to see that the client notices.
 *
 *   WRONG_CLOCK=ID WRONG_BY=NANOSECONDS [WRONG_CPU=N] LD_PRELOAD=./wrong.so client ...
 *
 * With WRONG_CPU only on that CPU, as with counters that are apart.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool is_wrong(clockid_t id)
{
	const char *clock = getenv("WRONG_CLOCK"), *cpu = getenv("WRONG_CPU");
	return clock != NULL && atol(clock) == id && (cpu == NULL || atol(cpu) == sched_getcpu());
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	long status = syscall(SYS_clock_gettime, id, t);
	const char *by = getenv("WRONG_BY");
	if (status == 0 && by != NULL && is_wrong(id)) {
		long long ns = t->tv_sec * 1000000000LL + t->tv_nsec + atoll(by);
		t->tv_sec = ns / 1000000000;
		t->tv_nsec = ns % 1000000000;
	}
	return (int)status;
}
