/* Signals: what the kernel puts onto the stack, and the way back, which may lead through the vDSO. */
#include <errno.h>
#include <setjmp.h>
#include <string.h>
#include <sys/wait.h>
#include "checks.h"

/* What a handler saw. */
static volatile sig_atomic_t handled, last_signal, last_code, last_sender;
static sigset_t blocked_in_handler;
static uintptr_t return_address;

static void remember(int signal, siginfo_t *info, void *context)
{
	(void)context;
	handled++;
	last_signal = signal;
	last_code = info->si_code;
	last_sender = info->si_pid;
	return_address = (uintptr_t)__builtin_return_address(0);
	sigprocmask(SIG_BLOCK, NULL, &blocked_in_handler);
	spoil_registers();
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int also_blocked)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

	sigemptyset(&action.sa_mask);
	if (also_blocked)
		sigaddset(&action.sa_mask, also_blocked);
	if (sigaction(signal, &action, NULL) != 0)
		die("sigaction");
}

static bool is_blocked(int signal)
{
	sigset_t set;

	if (sigprocmask(SIG_BLOCK, NULL, &set) != 0)
		die("sigprocmask");
	return sigismember(&set, signal);
}

static void check_raise(void)
{
	handle(SIGUSR1, remember, SIGUSR2);
	handled = 0;
	raise(SIGUSR1);
	check(handled == 1 && last_signal == SIGUSR1 && last_sender == getpid(), "raise", "the handler has run, signal %d from %d",
	      (int)last_signal, (int)last_sender);
	check(sigismember(&blocked_in_handler, SIGUSR1) && sigismember(&blocked_in_handler, SIGUSR2) && !is_blocked(SIGUSR1) &&
		      !is_blocked(SIGUSR2),
	      "blocked signals", "its own and the action's in the handler, none after it");
	uintptr_t trampoline = VDSO_SIGRETURN ? (uintptr_t)vdso_function(VDSO_SIGRETURN, VDSO_VERSION) : 0;
	check(VDSO_SIGRETURN ? trampoline && return_address == trampoline : return_address != 0, "a handler's return",
	      "goes to %s", VDSO_SIGRETURN ? VDSO_SIGRETURN : "the C library");
}

static void check_blocking(void)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	handled = 0;
	sigprocmask(SIG_BLOCK, &set, &old);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	bool waits = handled == 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	check(waits && handled == 1 && last_code == SI_USER, "a blocked signal", "comes when it is unblocked, once");
	signal(SIGUSR2, SIG_IGN);
	kill(getpid(), SIGUSR2);
	signal(SIGUSR2, SIG_DFL);
	check(kill(getpid(), 0) == 0 && kill(99999, 0) == -1 && errno == ESRCH, "an ignored signal", "does nothing");
}

static int child_is_killed(void)
{
	raise(SIGUSR2);
	return 0;
}

static void spoil(int signal, siginfo_t *info, void *context)
{
	(void)info;
	last_signal = signal;
	spoil_registers();
	skip_trap(context);
}

static void check_registers(void)
{
	uint64_t before[REGISTERS], after[REGISTERS];
	int wrong = 0;

	handle(TRAP_SIGNAL, spoil, 0);
	for (int i = 0; i < REGISTERS; i++)
		before[i] = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(i + 1);
	registers_across_trap(before, after);
	for (int i = 0; i < REGISTERS; i++)
		wrong += before[i] != after[i];
	check(last_signal == TRAP_SIGNAL && wrong == 0, "registers", "%d of %d are as before after a fault's signal", REGISTERS - wrong,
	      REGISTERS);
}

/* Debian's libgcc unwinds static programs of glibc only: it asks for glibc's _dl_find_object. */
#ifdef __GLIBC__
#include <unwind.h>

/* Whether the frames above the handler lead to the function that was interrupted, and on to its caller. */
struct frames {
	uintptr_t functions[16];
	int count;
};

static struct frames frames;

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *frames)
{
	struct frames *seen = frames;

	if (seen->count == sizeof seen->functions / sizeof seen->functions[0])
		return _URC_END_OF_STACK;
	seen->functions[seen->count++] = _Unwind_GetRegionStart(context);
	return _URC_NO_REASON;
}

static void look_back(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	frames.count = 0;
	_Unwind_Backtrace(add_frame, &frames);
	skip_trap(context);
}

static int place_of(uintptr_t function)
{
	for (int i = 0; i < frames.count; i++)
		if (frames.functions[i] == function)
			return i;
	return -1;
}

__attribute__((noinline)) static void check_backtrace(void)
{
	uint64_t registers[REGISTERS] = { 0 };

	handle(TRAP_SIGNAL, look_back, 0);
	registers_across_trap(registers, registers);
	int interrupted = place_of((uintptr_t)registers_across_trap), here = place_of((uintptr_t)check_backtrace);
	check(interrupted > 0 && here == interrupted + 1, "a backtrace", "leads out of the handler: %d frames, the interrupted one is number %d",
	      frames.count, interrupted);
}

#else
static void check_backtrace(void)
{
}
#endif

static sigjmp_buf before_fault;
static uintptr_t fault_address;

static void leave(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	fault_address = (uintptr_t)info->si_addr;
	siglongjmp(before_fault, 1);
}

static void check_fault_signal(void)
{
	volatile int faults = 0;
	uintptr_t page = vdso() - 4096;

	handle(SIGSEGV, leave, 0);
	for (int i = 0; i < 3; i++) {
		if (sigsetjmp(before_fault, 1) == 0)
			*(volatile char *)(page + 64) = 1;
		else
			faults += fault_address == page + 64;
	}
	signal(SIGSEGV, SIG_DFL);
	check(faults == 3 && !is_blocked(SIGSEGV), "SIGSEGV", "tells the address; a jump out of the handler unblocks it");
}

static volatile sig_atomic_t in_vdso, steps_back;
static uintptr_t vdso_end;
static ns_t last_in_handler;

/* Reads the clocks, and may itself have interrupted a read of the clocks. */
static void read_clocks(int signal, siginfo_t *info, void *context)
{
	uintptr_t at = interrupted_at(context);
	ns_t now = libc_clock(CLOCK_MONOTONIC);

	(void)signal;
	handled++;
	in_vdso += at >= vdso() && at < vdso_end;
	steps_back += now < last_in_handler;
	last_in_handler = now;
	if (kill(info->si_pid, SIGUSR2) != 0)
		die("answering a signal");
	spoil_registers();
}

enum { SIGNALS = 300 };

static volatile sig_atomic_t answers;

static void count_answer(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
	answers++;
}

/* One signal after the other, each at another moment after the answer to the last. */
static int child_sends(void)
{
	for (int i = 0; i < SIGNALS; i++) {
		ns_t now = libc_clock(CLOCK_MONOTONIC), next = now + i * 997 % 300 * MICROSECOND, end = now + 5 * SECOND;
		if (kill(getppid(), SIGUSR1) != 0)
			return 1;
		while (answers <= i || now < next) {
			now = libc_clock(CLOCK_MONOTONIC);
			if (now > end)
				return 2;
		}
	}
	return 0;
}

static void check_storm(void)
{
	ns_t last = 0;
	long calls = kernel_clock_calls(), back = 0;
	int status;

	vdso_end = vdso() + vdso_size();
	handle(SIGUSR1, read_clocks, 0);
	handle(SIGUSR2, count_answer, 0);
	handled = answers = 0;
	pid_t child = start_child(child_sends);
	do {
		for (int i = 0; i < 1000; i++) {
			ns_t now = libc_clock(CLOCK_MONOTONIC);
			back += now < last;
			last = now;
		}
	} while (waitpid(child, &status, WNOHANG) != child);
	calls = kernel_clock_calls() - calls;
	check(status == 0 && handled == SIGNALS && in_vdso > 0 && back + steps_back == 0 && calls == 0, "signals while clocks are read",
	      "%d, %d of them within the vDSO; no clock steps back, and %ld clock system calls", (int)handled, (int)in_vdso, calls);
}

static int child_wakes_the_parent(void)
{
	sleep_for(20 * MILLISECOND);
	return kill(getppid(), SIGUSR1);
}

static void check_sleeper(void)
{
	struct timespec long_time = { 10, 0 }, rest = { 0, 0 };
	ns_t begun = libc_clock(CLOCK_MONOTONIC);

	handle(SIGUSR1, remember, 0);
	handled = 0;
	pid_t child = start_child(child_wakes_the_parent);
	bool interrupted = nanosleep(&long_time, &rest) == -1 && errno == EINTR;
	ns_t slept = libc_clock(CLOCK_MONOTONIC) - begun, left = rest.tv_sec * SECOND + rest.tv_nsec;
	wait_for(child);
	check(interrupted && handled == 1 && slept < 5 * SECOND, "a sleeper", "is woken by a signal after %" PRId64 " ms",
	      slept / MILLISECOND);
	check(left < 10 * SECOND && left >= 10 * SECOND - slept, "the rest of its sleep", "%" PRId64 " ms of 10 s", left / MILLISECOND);
}

/* In the middle of the time for which the parent is in the kernel already, and does not sleep yet. */
static int child_is_early(void)
{
	sleep_for(50 * MILLISECOND);
	return kill(getppid(), SIGUSR1);
}

static void check_early_signal(void)
{
	struct timespec long_time = { 2, 0 };
	ns_t begun = libc_clock(CLOCK_MONOTONIC);

	handle(SIGUSR1, remember, 0);
	handled = 0;
	pid_t child = start_child(child_is_early);
	bool interrupted = syscall(KERNEL_SLOW_SLEEP, &long_time) == -1 && errno == EINTR;
	ns_t slept = libc_clock(CLOCK_MONOTONIC) - begun;
	wait_for(child);
	check(interrupted && handled == 1 && slept < SECOND, "a signal just before a sleep", "ends it after %" PRId64 " ms",
	      slept / MILLISECOND);
}

void check_signals(void)
{
	check_raise();
	check_blocking();
	int status = in_child(child_is_killed);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR2, "a signal without a handler", "ends the process");
	check_registers();
	check_backtrace();
	check_fault_signal();
	check_storm();
	check_sleeper();
	check_early_signal();
}
