/* What a call costs. */
#include <stdio.h>
#include <stdlib.h>
#include "checks.h"

enum { ROUNDS = 101, CALLS = 100 };

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

/* In ns: the median of many rounds. */
static uint64_t cost_of(ns_t (*call)(clockid_t), clockid_t id)
{
	uint64_t rounds[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		ns_t start = libc_clock(CLOCK_MONOTONIC_RAW);
		for (int j = 0; j < CALLS; j++)
			call(id);
		rounds[i] = (uint64_t)(libc_clock(CLOCK_MONOTONIC_RAW) - start) / CALLS;
	}
	qsort(rounds, ROUNDS, sizeof rounds[0], compare);
	return rounds[ROUNDS / 2];
}

void show_cost(void)
{
	static const int shown[] = { 0, 1, 4 };

	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
		const struct clock *clock = &clocks[shown[i]];
		printf("cost %s: %" PRIu64 " ns %s, %" PRIu64 " ns by the system call\n", clock->name,
		       cost_of(libc_clock, clock->id), vdso() ? "by the vDSO" : "without one", cost_of(raw_clock, clock->id));
	}
}
