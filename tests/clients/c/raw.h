/*
 * The clocks as the kernel itself tells them: system calls made by hand, past the C library and past any vDSO.
 * Each call is counted, so that a client can say how many clock system calls it has made on purpose.
 */
#ifndef RAW_H
#define RAW_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* CLOCK_TAI is missing from the headers of old C libraries (linux/time.h). */
#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif

typedef int64_t ns_t;

#define SECOND ((ns_t)1000000000)

static unsigned long raw_calls;

static inline ns_t to_ns(struct timespec t)
{
	return t.tv_sec * SECOND + t.tv_nsec;
}

static inline _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

/* syscall(2) returns -1 and sets errno on failure, in glibc and in musl. */
static inline long raw(long number, long a, void *b, void *c)
{
	__atomic_fetch_add(&raw_calls, 1, __ATOMIC_RELAXED);
	long result = syscall(number, a, b, c);
	if (result == -1)
		die("raw system call");
	return result;
}

static inline ns_t raw_clock(clockid_t id)
{
	struct timespec t;
	raw(SYS_clock_gettime, id, &t, NULL);
	return to_ns(t);
}

static inline ns_t raw_resolution(clockid_t id)
{
	struct timespec t;
	raw(SYS_clock_getres, id, &t, NULL);
	return to_ns(t);
}

static inline void raw_getcpu(unsigned *cpu, unsigned *node)
{
	raw(SYS_getcpu, (long)cpu, node, NULL);
}

static inline struct timezone raw_timezone(void)
{
	struct timezone zone;
	raw(SYS_gettimeofday, 0, &zone, NULL);
	return zone;
}

#endif
