/*
 * Finds functions of the vDSO, as a program does that knows more of them than its C library: by the dynamic section of the
 * image that AT_SYSINFO_EHDR leads to (System V gABI, "Dynamic Linking"; LSB, "Symbol Versioning").
 */
#include <elf.h>
#include <string.h>
#include "checks.h"

struct image {
	uintptr_t bias; /* what is added to an address in the image */
	const Elf64_Sym *symbols;
	const char *strings;
	const Elf64_Word *hash;
	const Elf64_Half *versions;
	const Elf64_Verdef *definitions;
};

static bool open_image(struct image *image)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)vdso();
	const Elf64_Dyn *dynamic = NULL;
	bool loads = false;

	if (!header)
		return false;
	const Elf64_Phdr *segments = (const Elf64_Phdr *)((uintptr_t)header + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD && !loads) {
			image->bias = (uintptr_t)header + segments[i].p_offset - segments[i].p_vaddr;
			loads = true;
		} else if (segments[i].p_type == PT_DYNAMIC) {
			dynamic = (const Elf64_Dyn *)((uintptr_t)header + segments[i].p_offset);
		}
	}
	if (!loads || !dynamic)
		return false;
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		const void *at = (const void *)(image->bias + dynamic->d_un.d_ptr);
		switch (dynamic->d_tag) {
		case DT_SYMTAB:
			image->symbols = at;
			break;
		case DT_STRTAB:
			image->strings = at;
			break;
		case DT_HASH:
			image->hash = at;
			break;
		case DT_VERSYM:
			image->versions = at;
			break;
		case DT_VERDEF:
			image->definitions = at;
			break;
		}
	}
	return image->symbols && image->strings && image->hash && image->versions && image->definitions;
}

size_t vdso_size(void)
{
	enum { PAGE = 4096 };
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)vdso();
	size_t size = 0;

	if (!header)
		return 0;
	const Elf64_Phdr *segments = (const Elf64_Phdr *)((uintptr_t)header + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_LOAD)
			size = segments[i].p_memsz;
	return (size + PAGE - 1) / PAGE * PAGE;
}

static bool has_version(const struct image *image, Elf64_Half index, const char *version)
{
	const Elf64_Verdef *definition = image->definitions;

	for (;;) {
		const Elf64_Verdaux *name = (const Elf64_Verdaux *)((const char *)definition + definition->vd_aux);
		if (!(definition->vd_flags & VER_FLG_BASE) && definition->vd_ndx == (index & 0x7fff))
			return strcmp(image->strings + name->vda_name, version) == 0;
		if (definition->vd_next == 0)
			return false;
		definition = (const Elf64_Verdef *)((const char *)definition + definition->vd_next);
	}
}

void *vdso_function(const char *name, const char *version)
{
	struct image image = { 0 };

	if (!open_image(&image))
		return NULL;
	Elf64_Word count = image.hash[1];
	for (Elf64_Word i = 1; i < count; i++) {
		const Elf64_Sym *symbol = &image.symbols[i];
		if (symbol->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
		    strcmp(image.strings + symbol->st_name, name) == 0 && has_version(&image, image.versions[i], version))
			return (void *)(image.bias + symbol->st_value);
	}
	return NULL;
}

/* The virtual system call that only this kernel has. */
void check_number(void)
{
	static const uint64_t numbers[] = { 42, 0, UINT64_MAX, 1234567890123456789 };
	uint64_t (*number)(void) = (uint64_t (*)(void))vdso_function("__vdso_number", "TEST_KERNEL_1");
	bool good = number != NULL;

	for (size_t i = 0; good && i < sizeof numbers / sizeof numbers[0]; i++) {
		if (syscall(KERNEL_SET_NUMBER, numbers[i]) != 0)
			die("setting the number");
		good = number() == numbers[i];
	}
	check(good, "__vdso_number", "found by name and version, returns what the kernel has set");
	check(!vdso_function("__vdso_number", VDSO_VERSION) && vdso_function(VDSO_CLOCK_GETTIME, VDSO_VERSION), "versions",
	      "each function under its own");
	ns_t first = libc_clock(CLOCK_MONOTONIC);
	check(libc_clock(CLOCK_MONOTONIC) >= first, "MONOTONIC", "goes on in this image too");
}
