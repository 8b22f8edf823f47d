/* What a program sees under the runner. `probe WHAT`; exits 0 if all is as it should be, else says what is not. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what) {
    fprintf(stderr, "probe: %s (errno: %s)\n", what, strerror(errno));
    exit(1);
}

#define CHECK(condition) do { if (!(condition)) fail(#condition); } while (0)

static char *image(void) {
    char *image = (char *)getauxval(AT_SYSINFO_EHDR);
    CHECK(image && memcmp(image, ELFMAG, SELFMAG) == 0);
    return image;
}

/* The vDSO that the kernel would tell a debugger of is the one that libc uses, and it is not the host's. */
static void auxv(void) {
    Elf64_auxv_t entry;
    Elf64_Addr saved = 0;
    int fd = open("/proc/self/auxv", O_RDONLY);
    CHECK(fd == 3); /* the runner has left no file open */
    while (read(fd, &entry, sizeof entry) == sizeof entry && entry.a_type != AT_NULL)
        if (entry.a_type == AT_SYSINFO_EHDR)
            saved = entry.a_un.a_val;
    CHECK((char *)saved == image());
    char line[512], expected[32];
    snprintf(expected, sizeof expected, "%lx-", (unsigned long)image());
    FILE *maps = fopen("/proc/self/maps", "r");
    int found = 0;
    while (fgets(line, sizeof line, maps))
        if (strncmp(line, expected, strlen(expected)) == 0)
            found = strstr(line, "r-xp") && strstr(line, "memfd:vdso");
    CHECK(found);
    /* The other fields that were set along with the vector. */
    CHECK(sbrk(1 << 20) != (void *)-1);
    FILE *cmdline = fopen("/proc/self/cmdline", "r");
    CHECK(fgets(line, sizeof line, cmdline) && strstr(line, "probe"));
}

static sigjmp_buf after_fault;

static void on_fault(int signal) { siglongjmp(after_fault, signal); }

/* The page is before the image, and cannot be written: not directly, nor after mprotect, nor through the runner's file. */
static void page(void) {
    char *page = image() - 4096;
    CHECK(memcmp(page, "vvar", 4) == 0);
    signal(SIGSEGV, on_fault);
    int caught = sigsetjmp(after_fault, 1);
    if (caught == 0) {
        *(volatile char *)page = 0;
        fail("the page was written");
    }
    CHECK(caught == SIGSEGV);
    CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
    char link[64], target[64];
    int seen = 0;
    for (int fd = 0; fd < 64; fd++) {
        snprintf(link, sizeof link, "/proc/%d/fd/%d", getppid(), fd);
        ssize_t length = readlink(link, target, sizeof target - 1);
        if (length < 0 || !strstr((target[length] = 0, target), "memfd:vvar"))
            continue;
        int file = open(link, O_RDWR);
        CHECK(file < 0 || mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED);
        CHECK(file < 0 || (write(file, "x", 1) == -1 && ftruncate(file, 0) == -1));
        seen = 1;
    }
    CHECK(seen);
}

/* Ten raw system calls of each kind that is counted, and some that are not. */
static void calls(void) {
    struct timespec time;
    struct timeval day;
    unsigned cpu;
    for (int i = 0; i < 10; i++) {
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
        syscall(SYS_gettimeofday, &day, NULL);
        syscall(SYS_time, NULL);
        syscall(SYS_getcpu, &cpu, NULL, NULL);
        syscall(SYS_clock_getres, CLOCK_MONOTONIC, &time);
        struct timespec none = {0, 1};
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &none, NULL);
        getppid();
    }
}

static void *read_clocks(void *unused) {
    struct timespec time, last = {0, 0};
    struct timeval day;
    for (int i = 0; i < 20000; i++) {
        CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
        CHECK(time.tv_sec > last.tv_sec || (time.tv_sec == last.tv_sec && time.tv_nsec >= last.tv_nsec));
        CHECK(gettimeofday(&day, NULL) == 0);
        last = time;
    }
    return unused;
}

static void threads(void) {
    pthread_t thread[8];
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&thread[i], NULL, read_clocks, NULL) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
}

/* A child by vfork and by posix_spawn, each another program. */
static void vforks(char *self) {
    int status;
    pid_t child = vfork();
    if (child == 0) {
        execl(self, self, "auxv", NULL);
        _exit(99);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    char *argv[] = {self, "threads", NULL};
    CHECK(posix_spawn(&child, self, NULL, NULL, argv, environ) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    child = fork();
    if (child == 0) {
        read_clocks(NULL);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void *exec_auxv(void *self) {
    execl(self, self, "auxv", NULL);
    fail("exec");
    return NULL;
}

/* Not the first thread, but another one executes the next program, and takes the first one's number. */
static void exec_by_thread(char *self) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, exec_auxv, self) == 0);
    for (;;)
        pause();
}

static volatile int got, code, value, sender;

static void on_queued(int signal, siginfo_t *info, void *context) {
    (void)context;
    got = signal;
    code = info->si_code;
    value = info->si_value.sival_int;
    sender = info->si_pid;
}

/* A signal keeps what it carries, the real-time ones too. */
static void siginfo(void) {
    struct sigaction action = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO};
    int signals[] = {SIGUSR1, SIGRTMIN, SIGRTMAX};
    for (int i = 0; i < 3; i++) {
        CHECK(sigaction(signals[i], &action, NULL) == 0);
        CHECK(sigqueue(getpid(), signals[i], (union sigval){.sival_int = 42 + i}) == 0);
        CHECK(got == signals[i] && code == SI_QUEUE && value == 42 + i && sender == getpid());
    }
}

/* What a program inherits: no signal blocked, none ignored. */
static void inherited(void) {
    sigset_t blocked;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &blocked) == 0);
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action;
        CHECK(sigismember(&blocked, signal) <= 0);
        CHECK(sigaction(signal, NULL, &action) != 0 || action.sa_handler == SIG_DFL);
    }
    CHECK(open("/dev/null", O_RDONLY) == 3);
}

/* The next program runs under a seccomp filter that ends it at prctl. */
static void filtered(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    execlp("date", "date", NULL);
    fail("exec");
}

/* Goes on until somebody ends it. (A shell's loop would do, but for ^Z between its vfork and the exec of the child: the
 * stopped child then keeps the shell from stopping, under the runner or without it.) */
static void ticks(void) {
    for (;;) {
        CHECK(puts("tick") > 0 && fflush(stdout) == 0);
        usleep(20000);
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "auxv")) auxv();
    else if (!strcmp(what, "page")) page();
    else if (!strcmp(what, "calls")) calls();
    else if (!strcmp(what, "threads")) threads();
    else if (!strcmp(what, "vforks")) vforks(argv[0]);
    else if (!strcmp(what, "exec-by-thread")) exec_by_thread(argv[0]);
    else if (!strcmp(what, "siginfo")) siginfo();
    else if (!strcmp(what, "inherited")) inherited();
    else if (!strcmp(what, "filtered")) filtered();
    else if (!strcmp(what, "ticks")) ticks();
    else fail("no such probe");
    return 0;
}
