/* What the system calls of the clocks refuse, in Linux's order, and that a refusal changes nothing. */
#include <errno.h>
#include <sys/timex.h>
#include "checks.h"

#define NO_TIME ((struct timespec *)16)

/* The error of a system call, 0 if there is none. The C library would look at the arguments first. */
#define ERROR_OF(...) (syscall(__VA_ARGS__) < 0 ? errno : 0)

static void check_order(void)
{
	struct timespec bad = { 0, SECOND }, first = { 0, 0 };
	ns_t before = libc_clock(CLOCK_REALTIME);

	bool sleeps = ERROR_OF(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &bad, NULL) == EOPNOTSUPP;
	sleeps &= ERROR_OF(SYS_clock_nanosleep, 99, 0, NO_TIME, NULL) == EINVAL;
	sleeps &= ERROR_OF(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, NO_TIME, NULL) == EFAULT;
	sleeps &= ERROR_OF(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &bad, NULL) == EINVAL;
	check(sleeps, "what clock_nanosleep refuses", "the clock, then the pointer, then the time");

	bool sets = ERROR_OF(SYS_clock_settime, CLOCK_MONOTONIC, NO_TIME) == EINVAL;
	sets &= ERROR_OF(SYS_clock_settime, CLOCK_REALTIME, NO_TIME) == EFAULT;
	sets &= ERROR_OF(SYS_clock_settime, CLOCK_REALTIME, &bad) == EINVAL;
	/* Before MONOTONIC. */
	sets &= ERROR_OF(SYS_clock_settime, CLOCK_REALTIME, &first) == EINVAL;
	sets &= libc_clock(CLOCK_REALTIME) >= before;
	check(sets, "what clock_settime refuses", "the clock, then the pointer, then the time");
}

static long frequency(void)
{
	struct timex request = { .modes = 0 };

	if (adjtimex(&request) < 0)
		die("adjtimex");
	return request.freq;
}

/* Whether a new frequency together with this step is EINVAL, and changes neither. */
static bool is_refused_whole(unsigned mode, ns_t seconds, long fraction)
{
	struct timex request = { .modes = ADJ_FREQUENCY | ADJ_SETOFFSET | mode, .freq = 100 * 65536 };
	ns_t before = libc_clock(CLOCK_REALTIME);

	request.time.tv_sec = seconds;
	request.time.tv_usec = fraction;
	bool refused = adjtimex(&request) == -1 && errno == EINVAL;
	ns_t passed = libc_clock(CLOCK_REALTIME) - before;
	return refused && frequency() == 0 && passed >= 0 && passed < SECOND / 2;
}

static void check_adjtimex(void)
{
	struct timex request = { .modes = 0 };

	bool refused = ERROR_OF(SYS_clock_adjtime, CLOCK_MONOTONIC, &request) == EOPNOTSUPP;
	refused &= ERROR_OF(SYS_clock_adjtime, 99, &request) == EINVAL;
	refused &= is_refused_whole(0, 0, 1000000) && is_refused_whole(0, 0, -1);
	refused &= is_refused_whole(ADJ_NANO, 0, SECOND);
	/* Before MONOTONIC, and past the year 2262. */
	refused &= is_refused_whole(0, -(libc_clock(CLOCK_REALTIME) / SECOND), 0);
	refused &= is_refused_whole(0, INT64_MAX, 0);
	check(refused, "what adjtimex refuses", "clocks, and steps out of range: all of the request or nothing");

	request = (struct timex){ .modes = ADJ_FREQUENCY, .freq = 1234567 };
	bool kept = adjtimex(&request) >= 0 && request.freq == 1234567 && frequency() == 1234567;
	request = (struct timex){ .modes = ADJ_FREQUENCY, .freq = -600 * 65536 };
	bool clamped = adjtimex(&request) >= 0 && request.freq == -500 * 65536;
	slew(0);
	check(kept && clamped, "a frequency by adjtimex", "reads back as it was set, or as its bound");

	ns_t tai = (libc_clock(CLOCK_TAI) - libc_clock(CLOCK_REALTIME)) / SECOND;
	request = (struct timex){ .modes = ADJ_TAI, .constant = -1 };
	bool ignored = adjtimex(&request) >= 0;
	request = (struct timex){ .modes = ADJ_TAI, .constant = 1L << 40 };
	ignored &= adjtimex(&request) >= 0;
	ignored &= (libc_clock(CLOCK_TAI) - libc_clock(CLOCK_REALTIME)) / SECOND == tai;
	check(ignored, "a TAI offset out of range", "is ignored");
}

void check_refusals(void)
{
	check_order();
	check_adjtimex();
}
