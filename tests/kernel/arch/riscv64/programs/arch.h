/* What the checks need to know of RISC-V. */
#ifndef ARCH_H
#define ARCH_H

#include <signal.h>
#include <ucontext.h>

/* A fault as the kernel reports it: cause and error of a write to, and a jump into, a page that may only be read (Privileged
 * Architecture, table of scause: store page fault, instruction page fault). */
#define CAUSE_OF_WRITE 15
#define ERROR_OF_WRITE 0
#define CAUSE_OF_JUMP 12
#define ERROR_OF_JUMP 0

/* Names in the vDSO. */
#define VDSO_VERSION "LINUX_4.15"
#define VDSO_CLOCK_GETTIME "__vdso_clock_gettime"
/* getcpu is a system call: no register that programs may read tells the CPU's number. */
#define CPU_IN_REGISTER 0
#define VDSO_SIGRETURN "__vdso_rt_sigreturn"

/* X1, X5 to X31 and F0 to F31: see registers.S, whose trap raises this. */
#define REGISTERS (28 + 32)
#define TRAP_SIGNAL SIGTRAP

/* Goes on behind the trap. */
static inline void skip_trap(ucontext_t *context)
{
	context->uc_mcontext.__gregs[REG_PC] += 4;
}

static inline uintptr_t interrupted_at(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.__gregs[REG_PC];
}

/* Runs that only make sense here. */
void check_icache(void);
#define ARCH_RUNS { "icache", check_icache },

#endif
