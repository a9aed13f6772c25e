/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share_stack.c - execution stacks
 */
#include "internal.h"

#include <cpuid.h>
#include <errno.h>
#include <sys/auxv.h>

#include "stacks.h"
#include "tools.h"

#define DEFAULT_SIZE ((size_t)2 << 20)
#define MIN_SIZE ((size_t)4096)

/*
 * The bytes above the base, see internal.h.  On amd64 libunwind's backtrace()
 * takes whatever is marked as a signal frame for the kernel's, and looks for
 * the registers that lie there, up to 176 bytes: it finds zeros, and stops.
 */
#if defined(__x86_64__)
#define ABOVE_BASE ((size_t)176)
#else
#define ABOVE_BASE ((size_t)16)
#endif

/* That, the return address below, and what alignment may cost. */
#define HOUSEKEEPING (ABOVE_BASE + 48)

/*
 * Whose frames come on top of what the program asks for, because it can't tell
 * when they will be there, nor how large they are:
 *
 * The kernel's, of one signal.  It says how large they get at most, and leaves
 * the red zone alone: 3.3 KiB with AVX-512, 11.6 KiB with AMX.  Before Linux
 * 5.14 it is silent; the vector registers are what varies.
 *
 * The dynamic linker's, when a function is called for the first time.  On amd64
 * it saves the vector registers before, so that a signal frame holds more.
 * Without these glibc 2.36 takes 650 bytes, and 520 on i386; the rest is for
 * other versions, and for symbols that take longer to find.
 */
#define SIGNAL_CONTEXT ((size_t)1024)
#define LINKER_FRAMES ((size_t)1536)
#if defined(__x86_64__)
#define RED_ZONE ((size_t)128)
#define LINKER_SAVES(signal_frame) (signal_frame)
#else
#define RED_ZONE ((size_t)0)
#define LINKER_SAVES(signal_frame) ((size_t)0)
#endif

#define CACHE_LINE ((size_t)64)
#define MAX_STAGGER (15 * CACHE_LINE)
#define GOLDEN_RATIO 2654435769u /* of 2^32: spreads multiples of a number */

/* All that the system has enabled. */
static size_t vector_registers(void)
{
	unsigned a, sz, c, d;

	return __get_cpuid_count(13, 0, &a, &sz, &c, &d) ? sz : 512;
}

size_t aco_signal_frame(void)
{
	static size_t known;
	size_t sz = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (aco_likely(sz))
		return sz;
	sz = getauxval(AT_MINSIGSTKSZ);
	if (!sz)
		sz = vector_registers() + SIGNAL_CONTEXT;
	sz += RED_ZONE;
	__atomic_store_n(&known, sz, __ATOMIC_RELAXED);
	return sz;
}

/* What a stack has beside what was asked for. */
static size_t beside(void)
{
	size_t frame = aco_signal_frame();

	return HOUSEKEEPING + frame + LINKER_SAVES(frame) + LINKER_FRAMES;
}

static size_t pages_for(size_t sz)
{
	return (sz + ACO_PAGE - 1) / ACO_PAGE;
}

/*
 * Which cache and arena stacks of so many pages have; ACO_STACK_CLASSES: none.
 * Tools look at the mappings and at what malloc(3) has given, and are to notice
 * when a stack is used that was destroyed.
 */
static unsigned class_for(size_t pages)
{
	if (aco_tools & ~ACO_TOOLS_CXX)
		return ACO_STACK_CLASSES;
	return aco_stack_class(pages);
}

static aco_share_stack_t *new_of_class(unsigned size_class)
{
	aco_share_stack_t *sstk;

	if (aco_fork_ready() < 0)
		return NULL;
	sstk = aco_stack_cache_get(size_class);
	if (sstk)
		return sstk;
	if (aco_arena_has(size_class))
		return aco_arena_get(size_class);
	return aco_mapping_get(aco_class_pages(size_class));
}

static aco_share_stack_t *new_guarded(size_t sz)
{
	size_t pages = pages_for(sz + MAX_STAGGER);
	unsigned size_class = class_for(pages);
	aco_share_stack_t *sstk;

	if (size_class == ACO_STACK_CLASSES)
		sstk = aco_mapping_get(pages);
	else
		sstk = new_of_class(size_class);
	if (!sstk)
		return NULL;
	sstk->guard_page_enabled = 1;
	sstk->users = 0;
	return sstk;
}

static aco_share_stack_t *new_record(void *mem, size_t sz, int origin)
{
	aco_share_stack_t *sstk = calloc(1, sizeof(*sstk));

	if (!sstk)
		return NULL;
	sstk->ptr = mem;
	sstk->sz = sz;
	sstk->origin = (uint8_t)origin;
	return sstk;
}

static aco_share_stack_t *new_unguarded(size_t sz)
{
	aco_share_stack_t *sstk;
	void *mem = malloc(sz);

	if (!mem)
		return NULL;
	sstk = new_record(mem, sz, ACO_ORIGIN_MALLOC);
	if (!sstk)
		free(mem);
	return sstk;
}

static aco_share_stack_t *make(size_t sz, char guard)
{
	return guard ? new_guarded(sz) : new_unguarded(sz);
}

/*
 * Guarded stacks end where a page ends.  If all began there, what they do would
 * compete for the few places that caches have for one part of all pages, so
 * they begin up to 15 lines below it.  More would reach into the next page.
 */
static size_t stagger(const aco_share_stack_t *sstk)
{
	uint32_t page = (uint32_t)((uintptr_t)sstk->ptr / ACO_PAGE);

	if (!sstk->guard_page_enabled)
		return 0;
	return (page * GOLDEN_RATIO >> 28) * CACHE_LINE;
}

/* The picture is in internal.h. */
static void lay_out_top(aco_share_stack_t *sstk)
{
	uintptr_t end = (uintptr_t)sstk->ptr + sstk->sz - stagger(sstk);
	char *base = (char *)((end - ABOVE_BASE) & ~(uintptr_t)15);
	const void *top[] = { sstk, aco_no_resumer + 1 };

	memset(base, 0, ABOVE_BASE);
	memcpy(base, top, sizeof(top));
	sstk->align_retptr = base - sizeof(void *);
}

/* What was made, or NULL: there is no memory. */
static aco_share_stack_t *made(aco_share_stack_t *sstk)
{
	if (!sstk) {
		errno = ENOMEM; /* EAGAIN where memory is locked */
		return NULL;
	}
	lay_out_top(sstk);
	aco_tools_stack_new(sstk);
	return sstk;
}

aco_share_stack_t *aco_share_stack_new2(size_t sz, char guard)
{
	aco_share_stack_t *sstk;

	if (sz > SIZE_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	if (sz == 0)
		sz = DEFAULT_SIZE;
	if (sz < MIN_SIZE)
		sz = MIN_SIZE;
	sz += beside();
	aco_process_ready();

	sstk = make(sz, guard);
	if (!sstk && aco_stack_cache_empty() > 0)
		sstk = make(sz, guard);
	return made(sstk);
}

aco_share_stack_t *aco_share_stack_new(size_t sz)
{
	return aco_share_stack_new2(sz, 1);
}

aco_share_stack_t *aco_share_stack_from(void *mem, size_t sz)
{
	if (!mem || sz < MIN_SIZE || sz > UINTPTR_MAX - (uintptr_t)mem) {
		errno = EINVAL;
		return NULL;
	}
	aco_process_ready();
	return made(new_record(mem, sz, ACO_ORIGIN_CALLER));
}

void aco_stack_give_back(aco_share_stack_t *sstk)
{
	switch (sstk->origin) {
	case ACO_ORIGIN_ARENA:
		aco_arena_put(sstk);
		break;
	case ACO_ORIGIN_MAPPING:
		aco_mapping_put(sstk);
		break;
	case ACO_ORIGIN_MALLOC:
		free(sstk->ptr);
		free(sstk);
		break;
	default:
		free(sstk);
	}
}

static int is_kept(aco_share_stack_t *sstk)
{
	unsigned size_class;

	if (!sstk->guard_page_enabled)
		return 0;
	size_class = class_for(sstk->sz / ACO_PAGE);
	return size_class < ACO_STACK_CLASSES &&
	       aco_stack_cache_put(sstk, size_class);
}

void aco_stack_free(aco_share_stack_t *sstk)
{
	if (!is_kept(sstk))
		aco_stack_give_back(sstk);
}

/* Programs for libaco 1.2.4 destroy the stack first, and its cos after it. */
void aco_share_stack_destroy(aco_share_stack_t *sstk)
{
	if (!sstk)
		aco_misuse("aco_share_stack_destroy", "the share stack is NULL",
			   NULL);
	if (aco_is_destroyed(sstk))
		aco_misuse("aco_share_stack_destroy",
			   "the share stack has been destroyed", NULL);
	if (aco_is_in_use(sstk))
		aco_misuse("aco_share_stack_destroy",
			   "a running co uses the share stack", sstk->owner);
	aco_tools_stack_free(sstk);
	if (sstk->sole)
		aco_demote(sstk->sole);
	sstk->sole = NULL;
	sstk->owner = NULL;
	sstk->users += ACO_DESTROYED;
	if (sstk->users == ACO_DESTROYED)
		aco_stack_free(sstk);
}

int aco_is_in_guard(const aco_share_stack_t *sstk, const void *addr)
{
	return sstk->guard_page_enabled &&
	       (uintptr_t)addr < (uintptr_t)sstk->ptr &&
	       (uintptr_t)addr >= (uintptr_t)sstk->ptr - ACO_GUARD_SIZE;
}
