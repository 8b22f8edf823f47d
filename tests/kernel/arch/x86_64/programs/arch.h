/* What the checks need to know of x86-64. */
#ifndef ARCH_H
#define ARCH_H

#include <signal.h>
#include <ucontext.h>

/* Vector and error code of a page fault (Intel SDM volume 3, 4.7). */
enum { FAULT_PRESENT = 1, FAULT_WRITE = 2, FAULT_USER = 4, FAULT_FETCH = 16, PAGE_FAULT = 14 };

/* A fault as the kernel reports it: cause and error of a write to, and a jump into, a page that may only be read. */
#define CAUSE_OF_WRITE PAGE_FAULT
#define ERROR_OF_WRITE (FAULT_PRESENT | FAULT_USER | FAULT_WRITE)
#define CAUSE_OF_JUMP PAGE_FAULT
#define ERROR_OF_JUMP (FAULT_PRESENT | FAULT_USER | FAULT_FETCH)

/* Names in the vDSO. */
#define VDSO_VERSION "LINUX_2.6"
#define VDSO_CLOCK_GETTIME "__vdso_clock_gettime"
/* getcpu needs no system call: a register tells the CPU's number. */
#define CPU_IN_REGISTER 1
/* The C library brings the code that a signal's handler returns to. */
#define VDSO_SIGRETURN NULL

/* The general registers but RSP, and XMM0 to XMM15 in two words each: see registers.S, whose trap raises this. */
#define REGISTERS (15 + 32)
#define TRAP_SIGNAL SIGTRAP

/* Goes on behind the trap: INT3 has gone past itself. */
static inline void skip_trap(ucontext_t *context)
{
	(void)context;
}

static inline uintptr_t interrupted_at(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

/* Runs that only make sense here. */
void check_vsyscall(void);
#define ARCH_RUNS { "vsyscall", check_vsyscall },

#endif
