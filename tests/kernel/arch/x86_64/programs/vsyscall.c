/* The vsyscall page, as programs of before 2012 call it. Faults are tried in a child, which they end. */
#include <string.h>
#include <sys/time.h>
#include "checks.h"

#define VSYSCALL UINT64_C(0xffffffffff600000)
static const uintptr_t GETTIMEOFDAY = VSYSCALL, TIME = VSYSCALL + 0x400, GETCPU = VSYSCALL + 0x800;

enum mode { EMULATE, XONLY, NONE };
/* Sets the mode: system_call.rs. */
enum { KERNEL_VSYSCALL_MODE = KERNEL_ARCH_CALLS };
static const char *const mode_names[] = { "emulate", "xonly", "none" };

typedef int gettimeofday_function(struct timeval *, struct timezone *);
typedef time_t time_function(time_t *);
typedef int getcpu_function(unsigned *, unsigned *, void *);

/* The three functions, with pointers and without. */
static int call_all(void)
{
	struct timeval day = { 0 };
	struct timezone zone = { 99, 99 };
	time_t seconds = 0;
	unsigned cpu = 99, node = 99;

	ns_t before = libc_clock(CLOCK_REALTIME);
	if (((gettimeofday_function *)GETTIMEOFDAY)(&day, &zone) != 0)
		return 1;
	ns_t between = day.tv_sec * SECOND + day.tv_usec * MICROSECOND, after = libc_clock(CLOCK_REALTIME);
	if (between < before - MICROSECOND || between > after || zone.tz_minuteswest != 0 || zone.tz_dsttime != 0)
		return 2;
	if (((gettimeofday_function *)GETTIMEOFDAY)(NULL, NULL) != 0)
		return 3;
	before = libc_clock(CLOCK_REALTIME_COARSE);
	time_t returned = ((time_function *)TIME)(&seconds);
	after = libc_clock(CLOCK_REALTIME_COARSE);
	if (returned != seconds || returned < before / SECOND || returned > after / SECOND)
		return 4;
	if (((time_function *)TIME)(NULL) < seconds)
		return 5;
	for (unsigned where = 0; where < 2; where++) {
		move_to(where);
		/* The third pointer has not been used since Linux 2.6.24, however bad it is. */
		if (((getcpu_function *)GETCPU)(&cpu, &node, (void *)1) != 0 || cpu != where || node != 0)
			return 6;
	}
	return ((getcpu_function *)GETCPU)(NULL, NULL, NULL) != 0 ? 7 : 0;
}

/* No register but RAX, RCX and R11 is changed, and the stack pointer is as after any call. */
static int call_keeps_registers(void)
{
	uint64_t result = TIME, rdi = 0, rsi = 0x1234, rdx = 0x5678, stack_before, stack_after;
	register uint64_t r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10;

	__asm__ volatile("mov %%rsp, %[before]; call *%%rax; mov %%rsp, %[after]"
			 : "+a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r8), "+r"(r9), "+r"(r10),
			   [before] "=&b"(stack_before), [after] "=&r"(stack_after)
			 :
			 : "rcx", "r11", "memory", "cc");
	return rdi != 0 || rsi != 0x1234 || rdx != 0x5678 || r8 != 8 || r9 != 9 || r10 != 10 || stack_before != stack_after ||
	       result < 1000000000;
}

static int read_page(void)
{
	/* mov $96, %rax; syscall; ret */
	static const unsigned char code[] = { 0x48, 0xc7, 0xc0, 96, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	return memcmp((const void *)GETTIMEOFDAY, code, sizeof code) != 0;
}

static int write_page(void)
{
	*(volatile char *)VSYSCALL = 1;
	return 0;
}

static uintptr_t target;

static int call_target(void)
{
	((time_function *)target)(NULL);
	return 0;
}

static int time_into_target(void)
{
	((time_function *)TIME)((time_t *)target);
	return 0;
}

static int gettimeofday_into_target(void)
{
	struct timeval day;
	((gettimeofday_function *)GETTIMEOFDAY)(&day, (struct timezone *)target);
	return 0;
}

static int call_with_bad_stack(void)
{
	__asm__ volatile("mov %0, %%rsp; jmp *%1" : : "r"(UINT64_C(8192)), "r"(TIME), "D"(0));
	__builtin_unreachable();
}

static void check_calls(enum mode mode)
{
	int calls = in_child(call_all), registers = in_child(call_keeps_registers);

	check(calls == 0, "vsyscall", "%s: gettimeofday, time and getcpu answer as their system calls (%d)", mode_names[mode],
	      calls >> 8);
	check(registers == 0, "vsyscall", "%s: registers and stack are as after a call", mode_names[mode]);
}

static void check_fault(enum mode mode, const char *what, int (*attempt)(void), uint64_t vector, uint64_t error, uint64_t address)
{
	struct kernel_fault found, expected = { vector, error, address };
	bool good = faults(attempt, expected, &found);

	check(good, "vsyscall", "%s: %s: SIGSEGV, error code %#" PRIx64 " at %#" PRIx64, mode_names[mode], what, found.error,
	      found.address);
}

/* What a call may not do in either mode that has calls. A fault without an address shows as zeroes. */
static void check_bad_calls(enum mode mode)
{
	static const uintptr_t beside[] = { 1, 0x3ff, 0x401, 0x7fe, 0x802, 0xc00, 0xffb };

	struct kernel_fault found, none = { 0 };
	bool good = true;

	for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
		target = VSYSCALL + beside[i];
		good &= faults(call_target, none, &found);
	}
	check(good, "vsyscall", "%s: jumps beside the entries: SIGSEGV", mode_names[mode]);
	check_fault(mode, "a stack that is not mapped", call_with_bad_stack, 0, 0, 0);
	target = UINT64_C(0xffff800000000000);
	check_fault(mode, "a pointer to the kernel", time_into_target, PAGE_FAULT, FAULT_USER | FAULT_WRITE, target);
	check_fault(mode, "a second pointer to the kernel", gettimeofday_into_target, PAGE_FAULT, FAULT_USER | FAULT_WRITE, target);
	target = 4096;
	check_fault(mode, "a pointer to nothing", time_into_target, 0, 0, 0);
}

static void set_mode(enum mode mode)
{
	if (syscall(KERNEL_VSYSCALL_MODE, mode) != 0)
		die("the vsyscall mode");
}

void check_vsyscall(void)
{
	enum { READ = FAULT_PRESENT | FAULT_USER, WRITE = READ | FAULT_WRITE, FETCH = READ | FAULT_FETCH };

	set_mode(EMULATE);
	check_calls(EMULATE);
	check_bad_calls(EMULATE);
	check(in_child(read_page) == 0, "vsyscall", "emulate: its code can be read");
	check_fault(EMULATE, "a write", write_page, PAGE_FAULT, WRITE, VSYSCALL);

	set_mode(XONLY);
	check_calls(XONLY);
	check_bad_calls(XONLY);
	check_fault(XONLY, "a read", read_page, PAGE_FAULT, READ, VSYSCALL);
	check_fault(XONLY, "a write", write_page, PAGE_FAULT, WRITE, VSYSCALL);

	set_mode(NONE);
	target = TIME;
	check_fault(NONE, "a call", call_target, PAGE_FAULT, FETCH, TIME);
	check_fault(NONE, "a read", read_page, PAGE_FAULT, READ, VSYSCALL);
	set_mode(XONLY);
}
