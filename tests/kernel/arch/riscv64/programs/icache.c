/* Code that a program writes, and lets its instruction fetches see by the vDSO's __vdso_flush_icache. */
#include <string.h>
#include <sys/mman.h>
#include "checks.h"

typedef long function(void);
typedef long flush_function(uintptr_t start, uintptr_t end, uintptr_t flags);

/* addi a0, zero, VALUE; jalr zero, 0(ra) */
static void write_code(uint32_t *code, uint32_t value)
{
	code[0] = value << 20 | 0x513;
	code[1] = 0x8067;
}

void check_icache(void)
{
	enum { LENGTH = 4096, TURNS = 100, ALL_THREADS = 0, THIS_THREAD = 1 };
	flush_function *flush = (flush_function *)vdso_function("__vdso_flush_icache", VDSO_VERSION);
	uint32_t *code = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool good = flush != NULL && code != MAP_FAILED;

	for (uint32_t i = 0; good && i < TURNS; i++) {
		write_code(code, i);
		good &= flush((uintptr_t)code, (uintptr_t)(code + 2), i % 2 ? ALL_THREADS : THIS_THREAD) == 0;
		good &= ((function *)code)() == (long)i;
		move_to(i / 2 % 2);
	}
	move_to(0);
	check(good, "flush_icache", "code that was just written is executed, on both CPUs");
	check(flush && flush(0, 0, 2) < 0, "flush_icache", "a flag that does not exist is refused");
}
