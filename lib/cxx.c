/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx.c - the C++ runtimes in the process
 *
 * A C++ runtime keeps for each thread which exceptions are caught and in
 * flight.  Its function __cxa_get_globals() returns the address of this state.
 * Most processes have one runtime, or none.  But a plugin that is linked with
 * -static-libstdc++ brings a runtime of its own, which no symbol of the process
 * leads to.  So the library searches each object for one.
 */
#define _GNU_SOURCE 1 /* RTLD_DEFAULT, RTLD_NOLOAD, dl_iterate_phdr() */

#include "tools.h"

#include <dlfcn.h>
#include <link.h>

#define NAME "__cxa_get_globals"
#define MAX_RUNTIMES 8

typedef struct aco_cxx_globals *runtime(void);
extern WEAK runtime __cxa_get_globals;

/* Finds dlopen().  A reference to dlopen() itself, even a weak one, makes the
   linker warn in static programs. */
extern WEAK void *dlsym(void *handle, const char *name);

/* In the order in which they were found. */
static runtime *runtimes[MAX_RUNTIMES];
static unsigned count;

/* Takes no lock: other threads may add the same runtime at the same time, or call it
   already. */
static void add(runtime *found)
{
	for (unsigned i = 0; found && i < MAX_RUNTIMES; i++) {
		runtime *there = NULL;

		if (__atomic_compare_exchange_n(&runtimes[i], &there, found, 0,
						__ATOMIC_RELAXED,
						__ATOMIC_RELAXED) ||
		    there == found)
			return;
	}
}

/* ---- which objects have one ---------------------------------------------- */

typedef ElfW(Dyn) elf_dyn;
typedef ElfW(Sym) elf_sym;

/* The C library has added the load address to most of these pointers, but not
   to all. */
static const void *address(const struct dl_phdr_info *info, ElfW(Addr) ptr)
{
	return (const void *)(uintptr_t)(ptr < info->dlpi_addr
						 ? ptr + info->dlpi_addr
						 : ptr);
}

static uint32_t hash_of(const char *name)
{
	uint32_t h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return h;
}

/*
 * table, DT_GNU_HASH: number of buckets, first symbol, words of a filter, its
 * shift; the filter; the buckets; and for each symbol its hash, of which bit 0
 * says that it is the last one of its bucket.
 */
static int has_symbol(const uint32_t *table, const elf_sym *sym,
		      const char *strings)
{
	const uint32_t *bucket = table + 4 +
				 table[2] * sizeof(ElfW(Addr)) / sizeof(*table);
	const uint32_t *chain = bucket + table[0] - table[1];
	const uint32_t hash = hash_of(NAME);
	uint32_t i = table[0] ? bucket[hash % table[0]] : 0;

	if (!i)
		return 0;
	do {
		if ((chain[i] | 1) == (hash | 1) &&
		    !strcmp(strings + sym[i].st_name, NAME))
			return sym[i].st_shndx != SHN_UNDEF;
	} while (!(chain[i++] & 1));
	return 0;
}

static int has_runtime(const struct dl_phdr_info *info, const elf_dyn *dyn)
{
	const void *table = NULL, *sym = NULL, *strings = NULL;

	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_GNU_HASH)
			table = address(info, dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_SYMTAB)
			sym = address(info, dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			strings = address(info, dyn->d_un.d_ptr);
	}
	return table && sym && strings && has_symbol(table, sym, strings);
}

/* The next object that has one.  There may be no memory now for a list of them. */
struct search {
	const void *seen[MAX_RUNTIMES]; /* program headers */
	unsigned count;
	char name[PATH_MAX]; /* of the file of the last one */
};

static int was_seen(const struct search *s, const struct dl_phdr_info *info)
{
	unsigned i = 0;

	while (i < s->count && s->seen[i] != info->dlpi_phdr)
		i++;
	return i < s->count;
}

/* Under a longer one it could not have been opened. */
static void take_name(struct search *s, const char *name)
{
	size_t len = strlen(name);

	if (len < sizeof(s->name))
		memcpy(s->name, name, len + 1);
}

static int look_at(struct dl_phdr_info *info, size_t sz, void *arg)
{
	struct search *s = arg;
	unsigned i = 0;

	(void)sz;
	while (i < info->dlpi_phnum && info->dlpi_phdr[i].p_type != PT_DYNAMIC)
		i++;
	if (i == info->dlpi_phnum || was_seen(s, info) ||
	    !has_runtime(info, (const void *)(info->dlpi_addr +
					      info->dlpi_phdr[i].p_vaddr)))
		return 0;
	s->seen[s->count++] = info->dlpi_phdr;
	take_name(s, info->dlpi_name);
	return 1;
}

/*
 * Only for objects that have a runtime.  dlopen() calls the constructors of an
 * object that is still being loaded, which may need those that run now.
 * The handle keeps the object loaded for good.  There is none if another thread
 * has unloaded the object meanwhile.
 */
static void add_from(const char *name)
{
	void *(*load)(const char *name, int mode);
	void *handle = NULL;

	load = (void *(*)(const char *, int))(uintptr_t)dlsym(RTLD_DEFAULT,
							      "dlopen");
	if (load)
		handle = load(*name ? name : NULL, RTLD_LAZY | RTLD_NOLOAD);
	if (handle)
		add((runtime *)(uintptr_t)dlsym(handle, NAME));
}

void aco_cxx_find(void)
{
	struct search s = { .count = 0 };

	add(__cxa_get_globals);
	while (dlsym && s.count < MAX_RUNTIMES && dl_iterate_phdr(look_at, &s))
		add_from(s.name);
}

/* ---- their states -------------------------------------------------------- */

static runtime *runtime_at(unsigned i)
{
	return __atomic_load_n(&runtimes[i], __ATOMIC_RELAXED);
}

unsigned aco_cxx_count(void)
{
	while (count < MAX_RUNTIMES && runtime_at(count))
		count++;
	return count;
}

void aco_cxx_thread(void)
{
	aco_thread.cxx = runtime_at(0)();
}

size_t aco_cxx_more_size(void)
{
	return count <= 1 ? 0 : (count - 1) * sizeof(struct aco_cxx_globals);
}

void aco_cxx_more_switch(struct aco_cxx_globals *from,
			 const struct aco_cxx_globals *to)
{
	for (unsigned i = 1; i < count; i++) {
		struct aco_cxx_globals *now = runtime_at(i)();

		*from++ = *now;
		*now = *to++;
	}
}
