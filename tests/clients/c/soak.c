/*
 * Two threads on two CPUs pass time stamps to each other beside a third that only keeps a CPU busy.
 *
 *   soak SECONDS TOLERANCE
 *
 * A stamp that one thread has published and another has seen is in the past: a clock read that comes out earlier has
 * stepped back. Only two CPUs can show a counter that is read out of order. Each thread also holds every 64th read
 * against raw system calls, within TOLERANCE nanoseconds (see clock.c). A clock that somebody has set meanwhile may
 * have stepped back: where the host sets one, ours follows.
 *
 * Prints a line a clock, then PASS and status 0, or FAIL and status 1; 2 if it could not run.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "raw.h"

static const struct clock {
	clockid_t id;
	const char *name;
	bool settable; /* may step back when somebody sets the time */
} clocks[] = {
	{ CLOCK_MONOTONIC, "CLOCK_MONOTONIC", false },
	{ CLOCK_MONOTONIC_RAW, "CLOCK_MONOTONIC_RAW", false },
	{ CLOCK_BOOTTIME, "CLOCK_BOOTTIME", false },
	{ CLOCK_REALTIME, "CLOCK_REALTIME", true },
	{ CLOCK_TAI, "CLOCK_TAI", true },
};

enum { CLOCKS = sizeof clocks / sizeof clocks[0], THREADS = 2, BRACKET_EVERY = 64 };

/* The latest stamp seen of a clock, alone on its cache line: threads pass it back and forth. */
static struct {
	_Alignas(64) _Atomic ns_t stamp;
} latest[CLOCKS];

static atomic_bool stop;
static ns_t tolerance;

/* What one thread saw of one clock. */
struct seen {
	unsigned long reads;
	unsigned long back;     /* reads earlier than a stamp already published */
	ns_t farthest_back;     /* ns */
	ns_t before, after;     /* farthest outside the raw reads, ns */
	ns_t sum_of_offsets;    /* from the middle of the raw reads, ns */
	unsigned long brackets;
};

struct worker {
	pthread_t thread;
	int cpu; /* -1: any */
	struct seen seen[CLOCKS];
};

static void pin(int cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof one, &one) != 0)
		die("sched_setaffinity");
}

static ns_t libc_clock(clockid_t id)
{
	struct timespec t;
	if (clock_gettime(id, &t) != 0)
		die("clock_gettime");
	return to_ns(t);
}

/* Raises the latest stamp to `now`. */
static void publish(int clock, ns_t now)
{
	ns_t seen = atomic_load_explicit(&latest[clock].stamp, memory_order_relaxed);
	while (seen < now && !atomic_compare_exchange_weak_explicit(&latest[clock].stamp, &seen, now,
								    memory_order_release, memory_order_relaxed))
		;
}

static void pass_stamp(int clock, struct seen *seen)
{
	ns_t earlier = atomic_load_explicit(&latest[clock].stamp, memory_order_acquire);
	ns_t now = libc_clock(clocks[clock].id);
	publish(clock, now);
	seen->reads++;
	if (now >= earlier)
		return;
	seen->back++;
	if (earlier - now > seen->farthest_back)
		seen->farthest_back = earlier - now;
}

static void bracket(int clock, struct seen *seen)
{
	ns_t earlier = raw_clock(clocks[clock].id);
	ns_t now = libc_clock(clocks[clock].id);
	ns_t later = raw_clock(clocks[clock].id);
	if (earlier - now > seen->before)
		seen->before = earlier - now;
	if (now - later > seen->after)
		seen->after = now - later;
	/* A read that was interrupted says nothing about the mean. */
	if (later - earlier < 10 * 1000) {
		seen->sum_of_offsets += now - (earlier + later) / 2;
		seen->brackets++;
	}
}

static void *exchange(void *argument)
{
	struct worker *worker = argument;
	if (worker->cpu >= 0)
		pin(worker->cpu);
	for (unsigned long turn = 0; !atomic_load_explicit(&stop, memory_order_relaxed); turn++) {
		int clock = turn % CLOCKS;
		pass_stamp(clock, &worker->seen[clock]);
		if (turn % BRACKET_EVERY == 0)
			bracket(clock, &worker->seen[clock]);
	}
	return NULL;
}

static void *keep_busy(void *argument)
{
	(void)argument;
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		;
	return NULL;
}

/* The first CPUs that this process may use, one a worker; all on any CPU if there are too few. */
static void choose_cpus(struct worker *workers)
{
	cpu_set_t allowed;
	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		die("sched_getaffinity");
	int found = 0;
	for (int cpu = 0; cpu < CPU_SETSIZE && found < THREADS; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			workers[found++].cpu = cpu;
	}
	if (found < THREADS)
		printf("note: one CPU only, stamps do not pass between CPUs\n");
	while (found < THREADS)
		workers[found++].cpu = -1;
}

/* Where a settable clock stands against one that nobody sets, in ns. */
static ns_t setting(clockid_t id)
{
	return raw_clock(id) - raw_clock(CLOCK_MONOTONIC);
}

/* Whether `id` was set since its setting was `then`. Two raw reads are not made at one time: hence a millisecond. */
static bool was_set(clockid_t id, ns_t then)
{
	ns_t moved = setting(id) - then;
	return moved > SECOND / 1000 || moved < -SECOND / 1000;
}

static bool judge(const struct clock *clock, const struct worker *workers, int index, bool may_step)
{
	struct seen all = { 0 };
	for (int i = 0; i < THREADS; i++) {
		const struct seen *one = &workers[i].seen[index];
		all.reads += one->reads;
		all.back += one->back;
		all.brackets += one->brackets;
		all.sum_of_offsets += one->sum_of_offsets;
		if (one->farthest_back > all.farthest_back)
			all.farthest_back = one->farthest_back;
		if (one->before > all.before)
			all.before = one->before;
		if (one->after > all.after)
			all.after = one->after;
	}
	bool good = all.reads > 0 && all.brackets > 0 && (may_step || all.back == 0) && all.before <= tolerance &&
		    all.after <= tolerance;
	printf("%-4s %s: %lu reads, %lu steps back (at most %" PRId64 " ns), %lu bracketed: at most %" PRId64
	       " ns before and %" PRId64 " ns after the raw ones, tolerance %" PRId64 " ns, mean offset %+" PRId64 " ns\n",
	       good ? "ok" : "BAD", clock->name, all.reads, all.back, all.farthest_back, all.brackets, all.before, all.after,
	       tolerance, all.brackets ? all.sum_of_offsets / (ns_t)all.brackets : 0);
	return good;
}

static void start(pthread_t *thread, void *(*body)(void *), void *argument)
{
	if (pthread_create(thread, NULL, body, argument) != 0)
		die("pthread_create");
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: soak SECONDS TOLERANCE\n");
		return 2;
	}
	struct timespec duration = { .tv_sec = atol(argv[1]) };
	tolerance = atol(argv[2]);

	static struct worker workers[THREADS];
	choose_cpus(workers);
	ns_t settings[CLOCKS];
	for (int i = 0; i < CLOCKS; i++)
		settings[i] = setting(clocks[i].id);
	pthread_t busy;
	start(&busy, keep_busy, NULL);
	for (int i = 0; i < THREADS; i++)
		start(&workers[i].thread, exchange, &workers[i]);
	nanosleep(&duration, NULL);
	atomic_store(&stop, true);
	pthread_join(busy, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);

	bool good = true;
	for (int i = 0; i < CLOCKS; i++)
		good &= judge(&clocks[i], workers, i, clocks[i].settable && was_set(clocks[i].id, settings[i]));
	puts(good ? "PASS" : "FAIL");
	return !good;
}
