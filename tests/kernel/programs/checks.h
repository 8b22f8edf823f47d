/* What the checks share. */
#ifndef CHECKS_H
#define CHECKS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include "arch.h"
#include "kernel.h"

typedef int64_t ns_t;

#define MICROSECOND INT64_C(1000)
#define MILLISECOND INT64_C(1000000)
#define SECOND INT64_C(1000000000)

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif

struct clock {
	clockid_t id;
	const char *name;
	bool coarse;
	bool follows_realtime; /* steps when the time of day is set */
	bool sleeps;           /* goes on while the machine is suspended */
	bool slewed;
};

/* The clocks that the page holds. */
#define CLOCKS 7
extern const struct clock clocks[CLOCKS];

/* Prints a line and remembers whether all was well. */
__attribute__((format(printf, 3, 4))) void check(bool good, const char *name, const char *figures, ...);
extern bool failed;

/* Ends the program: something that is not under test did not work. */
_Noreturn void die(const char *what);

/* A clock through the C library: from the vDSO where there is one. */
ns_t libc_clock(clockid_t id);
/* A clock by the system call. */
ns_t raw_clock(clockid_t id);

/* The address of the vDSO, 0 without one, and its size in bytes, whole pages. */
uintptr_t vdso(void);
size_t vdso_size(void);

/* Runs `child` in a child, waits for it, and returns its status as wait has it. */
int in_child(int (*child)(void));

/* Whether `attempt`, made in a child, ends with SIGSEGV and this fault as the kernel reports it. */
bool faults(int (*attempt)(void), struct kernel_fault expected, struct kernel_fault *found);

/* Starts `child` in a child, which the kernel puts onto the other CPU. */
pid_t start_child(int (*child)(void));
int wait_for(pid_t child);

void sleep_for(ns_t duration);

/* Moves to a CPU. */
void move_to(int cpu);

/* `adjtimex`: a step of the time of day, and the rate in parts per million. */
void step_realtime(ns_t by);
void slew(long ppm);

void check_reads(void);
void check_agreement(void);
void check_cpus(void);
void check_fork(void);
void check_settime(void);
void check_refusals(void);
void check_slew(void);
void check_suspend(void);
void check_refused_suspend(void);
void check_leap_second(void);
void check_counter_reset(void);
void check_counter_loss(void);
void check_change_after_loss(void);
void check_sleep(void);
void check_faults(void);
void check_signals(void);
void show_cost(void);
void check_number(void);

/* A function of the vDSO by its name and version; NULL if there is none. */
void *vdso_function(const char *name, const char *version);

/* registers.S of the architecture: loads all registers from `before`, traps, and stores them to `after`. */
void registers_across_trap(const uint64_t before[REGISTERS], uint64_t after[REGISTERS]);
/* Changes every register that a function may change. */
void spoil_registers(void);

#endif
