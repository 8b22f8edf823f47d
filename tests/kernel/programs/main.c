/*
 * Runs on the test kernel, and says whether its clocks are right.
 *
 *   PROGRAM reads    every clock through the C library, and nothing else that asks for the time
 *   PROGRAM checks   all the rest
 *   PROGRAM signals  signals and the way back from their handlers
 *   PROGRAM number   the function of the kernel's own
 *
 * and what the architecture's arch.h adds.
 *
 * Prints a line a check, and ends with status 0 if all was well, else with 1.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include "checks.h"

const struct clock clocks[CLOCKS] = {
	{ CLOCK_REALTIME, "REALTIME", .follows_realtime = true, .sleeps = true, .slewed = true },
	{ CLOCK_MONOTONIC, "MONOTONIC", .slewed = true },
	{ CLOCK_MONOTONIC_RAW, "MONOTONIC_RAW", .slewed = false },
	{ CLOCK_REALTIME_COARSE, "REALTIME_COARSE", .coarse = true, .follows_realtime = true, .sleeps = true, .slewed = true },
	{ CLOCK_MONOTONIC_COARSE, "MONOTONIC_COARSE", .coarse = true, .slewed = true },
	{ CLOCK_BOOTTIME, "BOOTTIME", .sleeps = true, .slewed = true },
	{ CLOCK_TAI, "TAI", .follows_realtime = true, .sleeps = true, .slewed = true },
};

bool failed;

void check(bool good, const char *name, const char *figures, ...)
{
	va_list arguments;

	printf("%-4s %s: ", good ? "ok" : "BAD", name);
	va_start(arguments, figures);
	vprintf(figures, arguments);
	va_end(arguments);
	putchar('\n');
	failed |= !good;
}

_Noreturn void die(const char *what)
{
	printf("BAD  %s: %s\n", what, strerror(errno));
	exit(2);
}

static ns_t nanoseconds(struct timespec time)
{
	if (time.tv_nsec < 0 || time.tv_nsec >= SECOND) {
		printf("BAD  a time with %ld ns\n", time.tv_nsec);
		failed = true;
	}
	return time.tv_sec * SECOND + time.tv_nsec;
}

ns_t libc_clock(clockid_t id)
{
	struct timespec time;

	if (clock_gettime(id, &time) != 0)
		die("clock_gettime");
	return nanoseconds(time);
}

ns_t raw_clock(clockid_t id)
{
	struct timespec time;

	if (syscall(SYS_clock_gettime, id, &time) != 0)
		die("the system call clock_gettime");
	return nanoseconds(time);
}

uintptr_t vdso(void)
{
	return getauxval(AT_SYSINFO_EHDR);
}

pid_t start_child(int (*child)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		_exit(child());
	return pid;
}

int wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	return status;
}

int in_child(int (*child)(void))
{
	return wait_for(start_child(child));
}

void sleep_for(ns_t duration)
{
	struct timespec time = { duration / SECOND, duration % SECOND };

	if (nanosleep(&time, NULL) != 0)
		die("nanosleep");
}

void move_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		die("sched_setaffinity");
}

void step_realtime(ns_t by)
{
	/* The fraction counts up from the whole seconds. */
	ns_t fraction = (by % SECOND + SECOND) % SECOND;
	struct timex request = { .modes = ADJ_SETOFFSET | ADJ_NANO };

	request.time.tv_sec = (by - fraction) / SECOND;
	request.time.tv_usec = fraction;
	if (adjtimex(&request) < 0)
		die("adjtimex, ADJ_SETOFFSET");
}

void slew(long ppm)
{
	struct timex request = { .modes = ADJ_FREQUENCY, .freq = ppm * 65536 };

	if (adjtimex(&request) < 0)
		die("adjtimex, ADJ_FREQUENCY");
}

static void check_the_rest(void)
{
	check_agreement();
	check_cpus();
	check_fork();
	check_settime();
	check_refusals();
	check_slew();
	check_suspend();
	check_refused_suspend();
	check_leap_second();
	check_counter_reset();
	check_counter_loss();
	check_change_after_loss();
	check_sleep();
	check_faults();
	show_cost();
}

static const struct {
	const char *name;
	void (*run)(void);
} runs[] = {
	{ "reads", check_reads },
	{ "checks", check_the_rest },
	{ "signals", check_signals },
	{ "number", check_number },
	ARCH_RUNS
};

int main(int count, char **arguments)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; count == 2 && i < sizeof runs / sizeof runs[0]; i++) {
		if (strcmp(arguments[1], runs[i].name) == 0) {
			runs[i].run();
			return failed;
		}
	}
	fprintf(stderr, "usage: %s RUN\n", arguments[0]);
	return 2;
}
