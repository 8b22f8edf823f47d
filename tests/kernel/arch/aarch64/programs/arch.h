/* What the checks need to know of AArch64. */
#ifndef ARCH_H
#define ARCH_H

#include <signal.h>
#include <ucontext.h>

/* A fault as the kernel reports it: EC and ISS of ESR_EL1 (Arm ARM) for a write to, and a jump into, a page that may
 * only be read. An abort from a lower exception level, a permission fault at level 3; bit 6: it was a write. */
#define CAUSE_OF_WRITE 0x24
#define ERROR_OF_WRITE (0x40 | 0x0f)
#define CAUSE_OF_JUMP 0x20
#define ERROR_OF_JUMP 0x0f

/* Names in the vDSO. */
#define VDSO_VERSION "LINUX_2.6.39"
#define VDSO_CLOCK_GETTIME "__kernel_clock_gettime"
/* getcpu is a system call: no register that programs may read tells the CPU's number. */
#define CPU_IN_REGISTER 0
#define VDSO_SIGRETURN "__kernel_rt_sigreturn"

/* X0 to X30, and Q0 to Q31 in two words each: see registers.S, whose trap raises this. */
#define REGISTERS (31 + 64)
#define TRAP_SIGNAL SIGTRAP

/* Goes on behind the trap. */
static inline void skip_trap(ucontext_t *context)
{
	context->uc_mcontext.pc += 4;
}

static inline uintptr_t interrupted_at(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.pc;
}

/* Runs that only make sense here. */
void check_landing_pads(void);
#define ARCH_RUNS { "landing-pads", check_landing_pads },

#endif
