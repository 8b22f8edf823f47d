/* System calls that only the test kernel has: src/syscall/test.rs has the same numbers and says what each does. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kernel_call {
	KERNEL_CLOCK_CALLS = 4096,
	KERNEL_CHILD_FAULT,
	KERNEL_SUSPEND,
	KERNEL_RESET_COUNTER,
	KERNEL_NOTICE_RESET,
	KERNEL_LEAP_SECOND,
	KERNEL_SET_NUMBER,
	KERNEL_LOSE_COUNTER,
	KERNEL_SLOW_SLEEP,
	KERNEL_ARCH_CALLS, /* from here on: the architecture's own */
};

struct kernel_fault {
	uint64_t cause, error, address;
};

/* Clock system calls of this process, as the kernel has counted them. */
static inline long kernel_clock_calls(void)
{
	return syscall(KERNEL_CLOCK_CALLS);
}

#endif
