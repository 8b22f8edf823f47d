/* What a program may not do with the vDSO. Each is tried in a child, which it ends. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "checks.h"

enum { PAGE = 4096 };

static uintptr_t target;

static int write_there(void)
{
	*(volatile char *)target = 1;
	return 0;
}

static int jump_there(void)
{
	((void (*)(void))target)();
	return 0;
}

bool faults(int (*attempt)(void), struct kernel_fault expected, struct kernel_fault *found)
{
	int status = in_child(attempt);

	*found = (struct kernel_fault){ 0 };
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
		return false;
	if (syscall(KERNEL_CHILD_FAULT, found) != 0)
		die("the child's fault");
	return memcmp(found, &expected, sizeof expected) == 0;
}

static void check_fault(const char *name, int (*attempt)(void), struct kernel_fault expected)
{
	struct kernel_fault found;

	target = expected.address;
	bool good = faults(attempt, expected, &found);
	check(good, name, "SIGSEGV, cause %" PRIu64 ", error code %#" PRIx64 " at %#" PRIx64, found.cause, found.error, found.address);
}

static void check_write(const char *name, uintptr_t address)
{
	check_fault(name, write_there, (struct kernel_fault){ CAUSE_OF_WRITE, ERROR_OF_WRITE, address });
}

static void check_jump(const char *name, uintptr_t address)
{
	check_fault(name, jump_there, (struct kernel_fault){ CAUSE_OF_JUMP, ERROR_OF_JUMP, address });
}

void check_faults(void)
{
	uintptr_t image = vdso(), page = image - PAGE;

	if (!image)
		return;
	check_write("a write to the page", page);
	check_write("a write to the clocks' lines", page + 64);
	check_write("a write to the image", image);
	check_jump("a jump into the page", page + 64);
	check(mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES &&
		      mprotect((void *)image, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == -1 && errno == EACCES,
	      "mprotect to write", "EACCES");
	check(memcmp((void *)page, "vvar", 4) == 0 && memcmp((void *)image, "\177ELF", 4) == 0, "page and image", "can be read");
}
