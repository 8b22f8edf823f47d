// The loader's part for AArch64.

#define PROTECTION_GUARDED 0x10 // PROT_BTI: indirect calls must meet a landing pad
#define SA_RESTORER 0x04000000
#define UNDEFINED_INSTRUCTION "udf #0"
#define PROGRAM_COUNTER pc
#define REGISTER(n) (n < 31 ? AT(regs) + 8 * n : AT(sp))

static uint64_t counter(void)
{
	uint64_t value;
	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value));
	return value;
}

static uint64_t frequency(void)
{
	uint64_t value;
	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(value));
	return value;
}

struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	uintptr_t restorer;
	uint64_t mask;
};

#define ACTION { on_signal, SA_SIGINFO | SA_RESTORER | SA_NODEFER, trampoline, 0 }
