/* Landing pads: where the processor has FEAT_BTI, an indirect call into the vDSO has to meet one. */
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include "checks.h"

#ifndef HWCAP2_BTI
#define HWCAP2_BTI (1 << 17)
#endif

enum { BRANCH_TARGET = 0x0d, INDIRECT_CALL = 2, INSTRUCTION = 4, BTI_C = 0xd503245f };

static uintptr_t target;

static int call_there(void)
{
	((int (*)(int, void *))target)(CLOCK_MONOTONIC, NULL);
	return 0;
}

/* Whether a call of `address` ends with SIGILL, as the branch's target exception that it is. */
static bool is_refused(uintptr_t address)
{
	struct kernel_fault found, expected = { BRANCH_TARGET, INDIRECT_CALL, address };

	target = address;
	int status = in_child(call_there);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGILL)
		return false;
	if (syscall(KERNEL_CHILD_FAULT, &found) != 0)
		die("the child's fault");
	return memcmp(&found, &expected, sizeof expected) == 0;
}

void check_landing_pads(void)
{
	static const char *const names[] = { VDSO_CLOCK_GETTIME, "__kernel_gettimeofday", "__kernel_clock_getres" };
	bool have_pads = true, refused = true, checked = getauxval(AT_HWCAP2) & HWCAP2_BTI;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		uintptr_t function = (uintptr_t)vdso_function(names[i], VDSO_VERSION);
		have_pads &= function && *(const uint32_t *)function == BTI_C;
		if (function && checked)
			refused &= is_refused(function + INSTRUCTION);
	}
	check(have_pads, "landing pads", "%zu functions begin with one", sizeof names / sizeof names[0]);
	uintptr_t trampoline = (uintptr_t)vdso_function(VDSO_SIGRETURN, VDSO_VERSION);
	if (!checked) {
		check(trampoline != 0, "calls past a landing pad", "this processor does not look: it has no FEAT_BTI");
		return;
	}
	check(refused && is_refused(trampoline), "calls past a landing pad", "SIGILL, and so for %s, which is returned to",
	      VDSO_SIGRETURN);
}
