/* Prints the nanoseconds that a clock_gettime through libc takes. */
#include <stdio.h>
#include <time.h>

enum { CALLS = 10000000 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main(void)
{
    struct timespec now;
    double start = seconds();
    for (int i = 0; i < CALLS; i++)
        clock_gettime(CLOCK_REALTIME, &now);
    printf("%.4f\n", (seconds() - start) * 1e9 / CALLS);
    return 0;
}
