// A static program for another architecture that has an image and its page mapped and calls what it is told to.
//
// loader IMAGE PAGE BASE VVAR: maps the file IMAGE at the address BASE, executable, and PAGE at BASE + VVAR, shared and
// read-only, as a kernel would. Then it obeys one line of standard input after another, with one line each as answer:
//
//   c OFFSET A B C     calls the function at BASE + OFFSET                        r RESULT WORDS
//   s NUMBER A B C     makes a system call; a negated error number if it fails    r RESULT WORDS
//   t                  reads the counter between two reads of the time of day     t BEFORE COUNTER AFTER FREQUENCY
//   m OFFSET CLOCK N FAR                                                          m FIRST LAST BACK STRAYS
//                      N times clock_gettime, as fast as it goes
//   u TRAMPOLINE DESC  unwinds out of a signal handler that returns there         u FOUND RETURN VALUE ADDRESS:EXACT ...
//   f TRAMPOLINE DESC  the same, for good: cleanups on the way run                f FOUND CLEANED VALUE
//   o                  offsets in a signal's frame, by the C library's headers    o PC REGISTER ...
//
// A, B and C are numbers, or @0 and @1 for buffers of two words each, which hold UNWRITTEN before; WORDS are those four
// afterwards. A call that ends in a signal has the answer `x SIGNAL ADDRESS PC INSTRUCTION`: what the signal is about, the
// interrupted instruction's address, and its four bytes, or -1 if it is not in the image. DESC 1: unwinders find the image's
// frame descriptions, FOUND times. DESC 0: they do not, and have only the bytes of the code. EXACT is 1 for the address of an
// instruction that was interrupted, 0 for one that is returned to. A REGISTER is given for each DWARF number from 0 to 31.
// STRAYS is how many times were more than FAR ns from the first; LAST and BACK are of the others.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#define UNWRITTEN (-77)

// What the kernel pushes for a signal.
struct signal_frame {
	siginfo_t info;
	ucontext_t context;
};

#define AT(field) ((long)offsetof(struct signal_frame, context.uc_mcontext.field))

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

// The function that returns from a signal's handler, and the handler.
uintptr_t trampoline;
void on_signal(int signal, siginfo_t *info, void *context);

// The architecture's part, in tests/arch:
//
//   PROTECTION_GUARDED       what mmap is told beside PROT_EXEC, if entries have landing pads
//   UNDEFINED_INSTRUCTION    four bytes of assembly
//   PROGRAM_COUNTER          in uc_mcontext
//   REGISTER(n)              the offset of the register with DWARF number n in a signal's frame
//   counter(), frequency()   the counter that the image reads; its frequency in Hz, 0 if no register tells it
//   struct kernel_action     as rt_sigaction takes it, with .mask
//   ACTION                   one for which on_signal returns to `trampoline`
#include "loader.h"

// The image.

static uintptr_t image;
static size_t image_size;

static void map(const char *file, uintptr_t address, int protection, int flags, size_t *size)
{
	int fd = open(file, O_RDONLY);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		fail(file);
	void *at = mmap((void *)address, status.st_size, protection, flags | MAP_FIXED_NOREPLACE, fd, 0);
	if (at != (void *)address)
		fail(file);
	if (size)
		*size = status.st_size;
	close(fd);
}

// Whether unwinders find the image's frame descriptions, and how often they did.
static int described;
static int found;

static int in_image(uintptr_t address)
{
	return address - image < image_size;
}

static const ElfW(Phdr) *program_headers(void)
{
	return (const ElfW(Phdr) *)(image + ((const ElfW(Ehdr) *)image)->e_phoff);
}

// Where libgcc looks for frame descriptions. For a vDSO whose address the kernel has given, libc would know them.
#ifdef DLFO_STRUCT_HAS_EH_DBASE
int __real__dl_find_object(void *address, struct dl_find_object *result);
int __wrap__dl_find_object(void *address, struct dl_find_object *result)
{
	if (!in_image((uintptr_t)address))
		return __real__dl_find_object(address, result);
	const ElfW(Phdr) *header = program_headers();
	while (header->p_type != PT_GNU_EH_FRAME)
		header++;
	*result = (struct dl_find_object){
		.dlfo_map_start = (void *)image,
		.dlfo_map_end = (void *)(image + image_size),
		.dlfo_eh_frame = (void *)(image + header->p_vaddr),
	};
	found += described;
	return described ? 0 : -1;
}
#endif

int __real_dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *data);
int __wrap_dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *data)
{
	struct dl_phdr_info info = {
		.dlpi_addr = image,
		.dlpi_name = "linux-vdso.so.1",
		.dlpi_phdr = program_headers(),
		.dlpi_phnum = ((const ElfW(Ehdr) *)image)->e_phnum,
	};
	int result = described ? visit(&info, sizeof info, data) : 0;
	found += result;
	return result ? result : __real_dl_iterate_phdr(visit, data);
}

// Calls.

typedef long (*function)(long, long, long);

static int64_t buffers[2][2];

static long argument(const char *text)
{
	if (text[0] == '@')
		return (long)buffers[text[1] - '0'];
	return strtol(text, NULL, 0);
}

static sigjmp_buf escape;

// Of the last signal: what it is about, and the instruction that it interrupted.
static uintptr_t fault_address;
static uintptr_t fault_at;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	fault_address = (uintptr_t)info->si_addr;
	fault_at = ((ucontext_t *)context)->uc_mcontext.PROGRAM_COUNTER;
	siglongjmp(escape, signal);
}

static void print_fault(int signal)
{
	uint32_t word;
	long instruction = -1;
	if (in_image(fault_at) && in_image(fault_at + sizeof word - 1)) {
		memcpy(&word, (void *)fault_at, sizeof word);
		instruction = word;
	}
	printf("x %d %ld %ld %ld\n", signal, (long)fault_address, (long)fault_at, instruction);
}

static void catch_faults(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	int signals[] = { SIGSEGV, SIGBUS, SIGILL };
	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &action, NULL);
}

static void call(int is_system_call, const char *what, const char *a, const char *b, const char *c)
{
	for (int i = 0; i < 4; i++)
		buffers[i / 2][i % 2] = UNWRITTEN;
	long number = strtol(what, NULL, 0), result;
	int signal = sigsetjmp(escape, 1);
	if (signal) {
		print_fault(signal);
		return;
	}
	if (is_system_call) {
		result = syscall(number, argument(a), argument(b), argument(c));
		if (result == -1)
			result = -errno;
	} else {
		// All functions here return an int, or a long of its range.
		result = (int)((function)(image + number))(argument(a), argument(b), argument(c));
	}
	printf("r %ld %ld %ld %ld %ld\n", result, (long)buffers[0][0], (long)buffers[0][1], (long)buffers[1][0],
	       (long)buffers[1][1]);
}

static int64_t time_of_day(void)
{
	struct timespec now;
	if (syscall(SYS_clock_gettime, CLOCK_REALTIME, &now) < 0)
		fail("clock_gettime");
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sample(void)
{
	int64_t before = time_of_day();
	uint64_t value = counter();
	int64_t after = time_of_day();
	printf("t %ld %lu %ld %lu\n", (long)before, value, (long)after, frequency());
}

static void monotonic(const char *offset, const char *clock, const char *times, const char *far)
{
	function clock_gettime = (function)(image + strtol(offset, NULL, 0));
	long id = strtol(clock, NULL, 0), n = strtol(times, NULL, 0);
	int64_t first = 0, last = 0, back = 0, most = strtoll(far, NULL, 0);
	long strays = 0;
	for (long i = 0; i < n; i++) {
		struct timespec now;
		if ((int)clock_gettime(id, (long)&now, 0) != 0)
			fail("clock_gettime of the image");
		int64_t nanos = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
		if (i == 0) {
			first = last = nanos;
		} else if (llabs(nanos - first) > most) {
			strays++;
			continue;
		}
		if (last - nanos > back)
			back = last - nanos;
		last = nanos;
	}
	printf("m %ld %ld %ld %ld\n", (long)first, (long)last, (long)back, strays);
}

// Signals. `middle` keeps a value in a register that is its own, calls `leaf`, which has no frame and whose return address is
// nowhere but in its register, and `leaf` is interrupted.

#define FRAMES 16

static int unwinds_for_good;
static uintptr_t handler_returns_to;
static uintptr_t addresses[FRAMES];
static int exact[FRAMES];
static int frames;
static long cleaned;
static long cleaned_value;

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *data)
{
	(void)data;
	if (frames == FRAMES)
		return _URC_END_OF_STACK;
	addresses[frames] = _Unwind_GetIPInfo(context, &exact[frames]);
	frames++;
	return _URC_NO_REASON;
}

static _Unwind_Reason_Code stop(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
				struct _Unwind_Exception *exception, struct _Unwind_Context *context, void *data)
{
	(void)version, (void)class, (void)exception, (void)context, (void)data;
	// The cleanups up to `interrupted` have run by then.
	if (cleaned == 2 || actions & _UA_END_OF_STACK)
		siglongjmp(escape, 1);
	return _URC_NO_REASON;
}

__attribute__((noinline)) void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info;
	static struct _Unwind_Exception exception;
	handler_returns_to = (uintptr_t)__builtin_return_address(0);
	if (unwinds_for_good) {
		_Unwind_ForcedUnwind(&exception, stop, NULL);
		abort();
	}
	_Unwind_Backtrace(visit, NULL);
	((ucontext_t *)context)->uc_mcontext.PROGRAM_COUNTER += 4; // behind the undefined instruction
}

__attribute__((noinline)) long leaf(long value)
{
	__asm__ volatile(UNDEFINED_INSTRUCTION ::: "memory");
	return value + 1;
}

static void note(long *value)
{
	cleaned++;
	cleaned_value = *value;
}

__attribute__((noinline)) long middle(long value)
{
	__attribute__((cleanup(note))) long kept = value * 3;
	kept += leaf(value);
	return kept;
}

__attribute__((noinline)) long interrupted(long value)
{
	__attribute__((cleanup(note))) long kept = value * 5;
	kept += middle(value);
	return kept;
}

static void catch_interruption(const char *offset, const char *is_described)
{
	trampoline = image + strtoul(offset, NULL, 0);
	described = atoi(is_described);
	found = 0;
	struct kernel_action action = ACTION;
	if (syscall(SYS_rt_sigaction, SIGILL, &action, NULL, sizeof action.mask) < 0)
		fail("rt_sigaction");
}

static void backtrace_out_of_handler(void)
{
	frames = 0;
	unwinds_for_good = 0;
	long value = interrupted(1000);
	printf("u %d %#lx %ld", found, (unsigned long)handler_returns_to, value);
	for (int i = 0; i < frames; i++)
		printf(" %#lx:%d", (unsigned long)addresses[i], exact[i]);
	printf("\n");
}

static void unwind_out_of_handler(void)
{
	cleaned = 0;
	unwinds_for_good = 1;
	if (sigsetjmp(escape, 1) == 0)
		interrupted(1000);
	printf("f %d %ld %ld\n", found, cleaned, cleaned_value);
}

static void offsets(void)
{
	printf("o %ld", AT(PROGRAM_COUNTER));
	for (int n = 0; n < 32; n++)
		printf(" %ld", (long)REGISTER(n));
	printf("\n");
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: %s IMAGE PAGE BASE VVAR\n", argv[0]);
		return 2;
	}
	image = strtoul(argv[3], NULL, 0);
	map(argv[2], image + strtol(argv[4], NULL, 0), PROT_READ, MAP_SHARED, NULL);
	map(argv[1], image, PROT_READ | PROT_EXEC | PROTECTION_GUARDED, MAP_PRIVATE, &image_size);

	char line[256], what[4], a[4][32];
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "%3s %31s %31s %31s %31s", what, a[0], a[1], a[2], a[3]) < 1)
			continue;
		catch_faults();
		switch (what[0]) {
		case 'c':
		case 's':
			call(what[0] == 's', a[0], a[1], a[2], a[3]);
			break;
		case 't':
			sample();
			break;
		case 'm':
			monotonic(a[0], a[1], a[2], a[3]);
			break;
		case 'u':
			catch_interruption(a[0], a[1]);
			backtrace_out_of_handler();
			break;
		case 'f':
			catch_interruption(a[0], a[1]);
			unwind_out_of_handler();
			break;
		case 'o':
			offsets();
			break;
		default:
			fprintf(stderr, "unknown command: %s", line);
			return 2;
		}
		fflush(stdout);
	}
	return 0;
}
