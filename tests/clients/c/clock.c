/*
 * Reads every clock through the C library and says whether the answers are right.
 *
 *   clock check READS TOLERANCE   each read between two raw system calls; TOLERANCE in nanoseconds
 *   clock count READS             only calls of the C library: with a working vDSO, no clock system call at all
 *
 * Prints a line a clock, then `clock system calls expected: N`: those made here by hand, and those that this C
 * library is known to make. Ends with PASS and status 0, or FAIL and status 1; 2 if it could not run.
 *
 * A read is right if it lies between the two raw ones, give or take the tolerance. The tolerance is what the program
 * that publishes our page promises, 1 us, and a little for the host's own clock: its rate is corrected a little at
 * each of its ticks, and a page that was published before the correction does not have it.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include "raw.h"

enum kind { FINE, COARSE, CPU_TIME };

static const struct clock {
	clockid_t id;
	const char *name;
	enum kind kind;
	bool settable; /* may step back when somebody sets the time */
} clocks[] = {
	{ CLOCK_REALTIME, "CLOCK_REALTIME", FINE, true },
	{ CLOCK_MONOTONIC, "CLOCK_MONOTONIC", FINE, false },
	{ CLOCK_MONOTONIC_RAW, "CLOCK_MONOTONIC_RAW", FINE, false },
	{ CLOCK_REALTIME_COARSE, "CLOCK_REALTIME_COARSE", COARSE, true },
	{ CLOCK_MONOTONIC_COARSE, "CLOCK_MONOTONIC_COARSE", COARSE, false },
	{ CLOCK_BOOTTIME, "CLOCK_BOOTTIME", FINE, false },
	{ CLOCK_TAI, "CLOCK_TAI", FINE, true },
	/* Clocks that no page can answer: the vDSO has to pass these on. */
	{ CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID", CPU_TIME, false },
	{ CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID", CPU_TIME, false },
};

#define CLOCKS (sizeof clocks / sizeof clocks[0])

/*
 * More reads than this are made in so many bursts, with a pause of a tick between two, so that they meet as many publishes
 * of the page.
 */
enum { BURSTS = 100 };
static const struct timespec pause_between_bursts = { 0, 4 * 1000 * 1000 };

/*
 * How far a coarse clock may lag. A kernel that publishes in its tick keeps within one tick. A publisher that is an
 * ordinary process waits for its turn on a busy machine: a few reads may be late, and none by a quarter of a second.
 */
enum { TICKS = 2, LATE_PERCENT = 10 };
static const ns_t LAG_LIMIT = SECOND / 4;

static unsigned long passed_on; /* clock system calls that the C library or the vDSO must make */
static bool failed;

static void verdict(bool good, const char *name, const char *figures)
{
	printf("%-4s %s: %s\n", good ? "ok" : "BAD", name, figures);
	failed |= !good;
}

static ns_t libc_clock(clockid_t id)
{
	struct timespec t;
	if (clock_gettime(id, &t) != 0)
		die("clock_gettime");
	if (t.tv_nsec < 0 || t.tv_nsec >= SECOND) {
		printf("BAD  clock %d: tv_nsec is %ld\n", (int)id, t.tv_nsec);
		failed = true;
	}
	return to_ns(t);
}

static ns_t libc_gettimeofday(clockid_t id)
{
	(void)id;
	struct timeval t;
	if (gettimeofday(&t, NULL) != 0)
		die("gettimeofday");
	return t.tv_sec * SECOND + t.tv_usec * 1000;
}

static ns_t libc_time(clockid_t id)
{
	(void)id;
	time_t stored;
	time_t t = time(&stored);
	if (t != stored)
		die("time: the value returned and the value stored differ");
	return t * SECOND;
}

/* Where reads lay, relative to the raw ones around them. */
struct spread {
	ns_t before; /* farthest before the earlier raw read, in ns; 0 if none was */
	ns_t after;  /* farthest after the later raw read, in ns; 0 if none was */
	unsigned long late; /* reads that were before the earlier raw one by more than `late_from` */
	ns_t late_from;
};

static void add(struct spread *spread, ns_t earlier, ns_t read, ns_t later)
{
	if (earlier - read > spread->before)
		spread->before = earlier - read;
	if (read - later > spread->after)
		spread->after = read - later;
	if (earlier - read > spread->late_from)
		spread->late++;
}

/*
 * `reads` reads of `source`, which cuts its answer down to a multiple of `unit`, between raw reads of `against`.
 */
static struct spread bracket(ns_t (*source)(clockid_t), clockid_t id, clockid_t against, ns_t unit, ns_t late_from,
			     unsigned long reads)
{
	struct spread spread = { .late_from = late_from };
	for (unsigned long i = 0; i < reads; i++) {
		ns_t earlier = raw_clock(against);
		ns_t read = source(id);
		ns_t later = raw_clock(against);
		/* What was cut off is at most unit - 1. */
		add(&spread, earlier - (unit - 1), read, later);
		if (reads > BURSTS && i % (reads / BURSTS) == 0)
			nanosleep(&pause_between_bursts, NULL);
	}
	return spread;
}

static void judge_fine(const char *name, struct spread s, unsigned long reads, ns_t tolerance)
{
	char figures[200];
	snprintf(figures, sizeof figures, "%lu reads, at most %" PRId64 " ns before and %" PRId64
		 " ns after the raw ones, tolerance %" PRId64 " ns", reads, s.before, s.after, tolerance);
	verdict(s.before <= tolerance && s.after <= tolerance, name, figures);
}

static void judge_coarse(const char *name, struct spread s, unsigned long reads, ns_t tolerance)
{
	char figures[200];
	snprintf(figures, sizeof figures, "%lu reads, at most %" PRId64 " ns after the raw ones, tolerance %" PRId64
		 " ns; lag at most %" PRId64 " ns, %lu reads over %" PRId64 " ns",
		 reads, s.after, tolerance, s.before, s.late, s.late_from);
	verdict(s.after <= tolerance && s.before <= LAG_LIMIT && s.late * 100 <= reads * LATE_PERCENT, name, figures);
}

static void check_clock(const struct clock *clock, unsigned long reads, ns_t tolerance)
{
	ns_t tick = raw_resolution(CLOCK_REALTIME_COARSE);
	switch (clock->kind) {
	case FINE:
		judge_fine(clock->name, bracket(libc_clock, clock->id, clock->id, 1, tolerance, reads), reads, tolerance);
		break;
	case COARSE: {
		/* The fine clock of the same pair says what the time really is. */
		clockid_t fine = clock->id == CLOCK_REALTIME_COARSE ? CLOCK_REALTIME : CLOCK_MONOTONIC;
		judge_coarse(clock->name, bracket(libc_clock, clock->id, fine, 1, TICKS * tick, reads), reads, tolerance);
		break;
	}
	case CPU_TIME:
		/* A few are enough, and the kernel answers them: no tolerance. */
		reads = reads / 100 + 1;
		passed_on += reads;
		judge_fine(clock->name, bracket(libc_clock, clock->id, clock->id, 1, 0, reads), reads, 0);
		break;
	}
}

static void check_seconds(unsigned long reads, ns_t tolerance)
{
	struct spread s = bracket(libc_gettimeofday, 0, CLOCK_REALTIME, 1000, tolerance, reads);
	judge_fine("gettimeofday", s, reads, tolerance);
	/* time(2) is cut from the coarse clock by the kernel and its vDSO, from the fine one by some C libraries. */
	ns_t tick = raw_resolution(CLOCK_REALTIME_COARSE);
	s = bracket(libc_time, 0, CLOCK_REALTIME, SECOND, TICKS * tick, reads);
	judge_coarse("time", s, reads, tolerance);
}

static void check_resolutions(void)
{
	for (size_t i = 0; i < CLOCKS; i++) {
		struct timespec t;
		if (clock_getres(clocks[i].id, &t) != 0)
			die("clock_getres");
#ifdef __GLIBC__
		passed_on += clocks[i].kind == CPU_TIME;
#else
		passed_on++; /* musl does not look up the vDSO's clock_getres (src/time/clock_getres.c). */
#endif
		ns_t host = raw_resolution(clocks[i].id);
		char figures[100];
		snprintf(figures, sizeof figures, "resolution %" PRId64 " ns, raw %" PRId64 " ns", to_ns(t), host);
		verdict(to_ns(t) == host, clocks[i].name, figures);
	}
}

static bool cpu_agrees(unsigned expected)
{
	unsigned raw_cpu, raw_node;
	raw_getcpu(&raw_cpu, &raw_node);
	bool good = raw_cpu == expected && (unsigned)sched_getcpu() == raw_cpu;
#ifdef __GLIBC__
	/* glibc's sched_getcpu reads its restartable sequence; its getcpu calls the vDSO. musl has only the former. */
	unsigned cpu = -1U, node = -1U;
	good = good && getcpu(&cpu, &node) == 0 && cpu == raw_cpu && node == raw_node;
#endif
	return good;
}

/* On each CPU that this process may use. */
static void check_getcpu(void)
{
	cpu_set_t allowed, one;
	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		die("sched_getaffinity");
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof one, &one) != 0)
			die("sched_setaffinity");
		char figures[40];
		snprintf(figures, sizeof figures, "on CPU %u", cpu);
		verdict(cpu_agrees(cpu), "getcpu", figures);
	}
	if (sched_setaffinity(0, sizeof allowed, &allowed) != 0)
		die("sched_setaffinity");
}

static void check(unsigned long reads, ns_t tolerance)
{
	for (size_t i = 0; i < CLOCKS; i++)
		check_clock(&clocks[i], reads, tolerance);
	check_seconds(reads, tolerance);
	check_resolutions();
	check_getcpu();
}

/*
 * A read of a clock that needs no counter takes some 3 ns. To meet several publishes of the page, of which there is one a
 * tick, such a clock is read this many times more often.
 */
enum { COARSE_READS = 20 };

/* Without raw calls all that can be said is that a clock runs, and not backwards. */
static void count_source(const char *name, ns_t (*source)(clockid_t), clockid_t id, bool settable, unsigned long reads)
{
	unsigned long back = 0;
	ns_t first = source(id), last = first;
	for (unsigned long i = 1; i < reads; i++) {
		ns_t now = source(id);
		back += now < last;
		last = now;
	}
	char figures[120];
	snprintf(figures, sizeof figures, "%lu reads, %lu backwards, went on by %" PRId64 " ns", reads, back, last - first);
	verdict(first > 0 && (settable || back == 0), name, figures);
}

static void count_resolutions(unsigned long reads)
{
#ifdef __GLIBC__
	unsigned long bad = 0;
	for (unsigned long i = 0; i < reads; i++) {
		struct timespec t;
		bad += clock_getres(CLOCK_MONOTONIC, &t) != 0 || t.tv_sec != 0 || t.tv_nsec < 1;
	}
	char figures[60];
	snprintf(figures, sizeof figures, "%lu reads, %lu bad", reads, bad);
	verdict(bad == 0, "clock_getres", figures);
#else
	(void)reads; /* see check_resolutions */
#endif
}

static void count_getcpu(unsigned long reads)
{
	unsigned long bad = 0;
	for (unsigned long i = 0; i < reads; i++) {
#ifdef __GLIBC__
		unsigned cpu = -1U, node = -1U;
		bad += getcpu(&cpu, &node) != 0 || cpu >= CPU_SETSIZE;
#else
		bad += sched_getcpu() < 0;
#endif
	}
	char figures[60];
	snprintf(figures, sizeof figures, "%lu reads, %lu bad", reads, bad);
	verdict(bad == 0, "getcpu", figures);
}

static void count(unsigned long reads)
{
	for (size_t i = 0; i < CLOCKS; i++) {
		unsigned long times = clocks[i].kind == COARSE ? COARSE_READS : 1;
		if (clocks[i].kind != CPU_TIME)
			count_source(clocks[i].name, libc_clock, clocks[i].id, clocks[i].settable, times * reads);
	}
	count_source("gettimeofday", libc_gettimeofday, 0, true, reads);
	count_source("time", libc_time, 0, true, COARSE_READS * reads);
	count_resolutions(reads);
	count_getcpu(reads);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "'%s' is no number\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "check") == 0) {
		check(number(argv[2]), (ns_t)number(argv[3]));
	} else if (argc == 3 && strcmp(argv[1], "count") == 0) {
		count(number(argv[2]));
	} else {
		fprintf(stderr, "usage: clock check READS TOLERANCE | clock count READS\n");
		return 2;
	}
	printf("clock system calls expected: %lu\n", raw_calls + passed_on);
	puts(failed ? "FAIL" : "PASS");
	return failed;
}
