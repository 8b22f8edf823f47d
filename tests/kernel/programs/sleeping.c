/* Sleeps end when the clock shows their time, not before. */
#include <errno.h>
#include "checks.h"

enum { SLEEPS = 12 };

static void check_sleeps(const char *name, clockid_t id, ns_t least)
{
	ns_t latest = 0, early = 0;

	for (int i = 0; i < SLEEPS; i++) {
		/* Between ticks and across them. */
		ns_t begun = libc_clock(id), until = begun + least + i * 337 * MICROSECOND;
		struct timespec time = { until / SECOND, until % SECOND };
		int error = clock_nanosleep(id, TIMER_ABSTIME, &time, NULL);
		ns_t late = libc_clock(id) - (until > begun ? until : begun);
		if (error != 0) {
			errno = error;
			die("clock_nanosleep");
		}
		early += late < 0;
		if (late > latest)
			latest = late;
	}
	check(early == 0 && latest < SECOND / 2, name, "%" PRId64 " of %d sleeps early, at most %" PRId64 " us late", early, SLEEPS,
	      latest / MICROSECOND);
}

void check_sleep(void)
{
	check_sleeps("sleep until MONOTONIC", CLOCK_MONOTONIC, 0);
	check_sleeps("sleep until REALTIME", CLOCK_REALTIME, 0);
	check_sleeps("sleep until BOOTTIME", CLOCK_BOOTTIME, 0);
	check_sleeps("sleep until a time that is over", CLOCK_MONOTONIC, -SECOND);
	slew(-500);
	check_sleeps("sleep while slewed", CLOCK_MONOTONIC, 0);
	slew(0);
}
