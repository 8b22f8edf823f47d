/*
 * Reads a clock for ever, from main through a function of its own: a debugger that stops it in the vDSO has to find
 * the way back to main by the vDSO's unwind information.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

/* Keeps `time_it` and `main` on the stack as frames of their own. */
static __attribute__((noinline)) long time_it(clockid_t id)
{
	struct timespec t;
	int status = clock_gettime(id, &t);
	__asm__ volatile("" ::: "memory");
	return status + t.tv_nsec;
}

int main(void)
{
	/* Yama lets a debugger attach to its own children only, unless the process agrees (prctl(2)). It is no error if
	 * this kernel has no Yama. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	puts("spinning");
	fflush(stdout);
	volatile long sum = 0;
	for (;;)
		sum += time_it(CLOCK_MONOTONIC);
}
