// The loader's part for RISC-V, 64 bits.

#define PROTECTION_GUARDED 0
#define UNDEFINED_INSTRUCTION ".word 0xc0001073" // the assembler's `unimp`, in its long form
#define PROGRAM_COUNTER __gregs[REG_PC]
#define REGISTER(n) (AT(__gregs) + 8 * n) // register 0 is no register: there is the program counter

static uint64_t counter(void)
{
	uint64_t value;
	__asm__ volatile("fence r, i; rdtime %0; fence i, r" : "=r"(value)::"memory");
	return value;
}

static uint64_t frequency(void)
{
	return 0; // no register tells it
}

struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	uint64_t mask;
};

// There is no SA_RESTORER here: what the kernel does when it enters a handler, this does.
void enter_handler(int, siginfo_t *, void *);
__asm__(".globl enter_handler\n"
	".type enter_handler, @function\n"
	"enter_handler:\n"
	"\tlla t0, trampoline\n"
	"\tld ra, 0(t0)\n"
	"\ttail on_signal\n"
	".size enter_handler, . - enter_handler\n");

#define ACTION { enter_handler, SA_SIGINFO | SA_NODEFER, 0 }
