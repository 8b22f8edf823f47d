/*
 * What the dynamic linker makes of the vDSO: opens it by its name, looks up each function by version, calls it.
 *
 * Prints `build id: HEX`, which the caller compares with the image's, then PASS and status 0, or FAIL and status 1.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include "raw.h"

static bool failed;

static void expect(bool good, const char *what, const char *name)
{
	printf("%-4s %s: %s\n", good ? "ok" : "BAD", name, what);
	failed |= !good;
}

/* The function `name` with its version; its alias without the prefix must be the same one. */
static void *look_up(void *vdso, const char *name)
{
	const char *alias = name + strlen("__vdso_");
	void *function = dlvsym(vdso, name, "LINUX_2.6");
	expect(function != NULL, "found with version LINUX_2.6", name);
	expect(function == dlsym(vdso, name), "found without a version", name);
	expect(function == dlvsym(vdso, alias, "LINUX_2.6"), "its alias is the same function", name);
	expect(dlvsym(vdso, name, "LINUX_2.5") == NULL, "not found with another version", name);
	Dl_info info;
	expect(function != NULL && dladdr(function, &info) != 0 &&
	       (unsigned long)info.dli_fbase == getauxval(AT_SYSINFO_EHDR), "lies in the image of AT_SYSINFO_EHDR", name);
	if (function == NULL)
		exit(1);
	return function;
}

/* Prints the description of the note NT_GNU_BUILD_ID (elf.h); a note's parts are padded to 4 bytes (gABI, "Note"). */
static void print_build_id(const ElfW(Ehdr) *image)
{
	const char *base = (const char *)image;
	const ElfW(Phdr) *segment = (const void *)(base + image->e_phoff);
	for (int i = 0; i < image->e_phnum; i++, segment++) {
		if (segment->p_type != PT_NOTE)
			continue;
		const char *at = base + segment->p_vaddr, *end = at + segment->p_memsz;
		while (at < end) {
			const ElfW(Nhdr) *note = (const void *)at;
			const char *name = at + sizeof *note;
			const unsigned char *text = (const unsigned char *)name + ((note->n_namesz + 3) & ~3U);
			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
				printf("build id: ");
				for (unsigned j = 0; j < note->n_descsz; j++)
					printf("%02x", text[j]);
				printf("\n");
				return;
			}
			at = (const char *)text + ((note->n_descsz + 3) & ~3U);
		}
	}
	expect(false, "has a build id", "image");
}

/* Each function called by its address, as a client without a C library would. */
static void call(void *vdso)
{
	int (*vdso_clock_gettime)(clockid_t, struct timespec *) = look_up(vdso, "__vdso_clock_gettime");
	int (*vdso_gettimeofday)(struct timeval *, struct timezone *) = look_up(vdso, "__vdso_gettimeofday");
	time_t (*vdso_time)(time_t *) = look_up(vdso, "__vdso_time");
	int (*vdso_clock_getres)(clockid_t, struct timespec *) = look_up(vdso, "__vdso_clock_getres");
	long (*vdso_getcpu)(unsigned *, unsigned *, void *) = look_up(vdso, "__vdso_getcpu");

	struct timespec t;
	expect(vdso_clock_gettime(CLOCK_MONOTONIC, &t) == 0 && to_ns(t) > 0, "returns a time", "__vdso_clock_gettime");
	expect(vdso_clock_gettime(1000, &t) == -EINVAL, "refuses clock 1000", "__vdso_clock_gettime");
	expect(vdso_clock_getres(CLOCK_MONOTONIC, NULL) == 0, "takes a null pointer", "__vdso_clock_getres");

	/* No C library passes the time zone on: glibc sets it to zero, musl leaves it alone. */
	struct timezone zone = { -1, -1 }, raw_zone = raw_timezone();
	expect(vdso_gettimeofday(NULL, &zone) == 0 && zone.tz_minuteswest == raw_zone.tz_minuteswest &&
	       zone.tz_dsttime == raw_zone.tz_dsttime, "the time zone is the kernel's", "__vdso_gettimeofday");

	struct timeval v;
	expect(vdso_gettimeofday(&v, NULL) == 0, "takes a null zone", "__vdso_gettimeofday");
	time_t now = vdso_time(NULL);
	/* time is cut from the coarse clock and so may lag: see clock.c. */
	expect(v.tv_sec - 1 <= now && now <= v.tv_sec + 1, "agrees with gettimeofday", "__vdso_time");

	unsigned cpu = -1U, node = -1U;
	expect(vdso_getcpu(&cpu, &node, NULL) == 0 && cpu < CPU_SETSIZE, "returns a CPU", "__vdso_getcpu");
}

int main(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	if (vdso == NULL) {
		fprintf(stderr, "dlopen: %s\n", dlerror());
		return 1;
	}
	const ElfW(Ehdr) *image = (const void *)getauxval(AT_SYSINFO_EHDR);
	expect(image != NULL && memcmp(image->e_ident, ELFMAG, SELFMAG) == 0, "is an ELF header", "AT_SYSINFO_EHDR");
	struct link_map *map;
	expect(dlinfo(vdso, RTLD_DI_LINKMAP, &map) == 0 && map->l_addr == (ElfW(Addr))image,
	       "has AT_SYSINFO_EHDR as its base", "the object opened");
	print_build_id(image);
	call(vdso);
	puts(failed ? "FAIL" : "PASS");
	return failed;
}
