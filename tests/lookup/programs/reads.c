/* Reads a clock a thousand times through the C library. */
#include <time.h>

int main(void)
{
	struct timespec time;
	for (int i = 0; i < 1000; i++)
		if (clock_gettime(CLOCK_MONOTONIC, &time) != 0)
			return 1;
	return 0;
}
