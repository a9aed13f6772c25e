/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share_stack.c - execution stacks
 */
#include "stacks.h"
#include "state.h"

#include <errno.h>

#define DEFAULT_SIZE ((size_t)2 << 20)
#define MIN_SIZE ((size_t)4096)

/* Beside the bytes above the base: the return address below it, and what
   alignment may cost. */
#define HOUSEKEEPING (ACO_ABOVE_BASE + 48)

/*
 * The dynamic linker's frames, when a function is called for the first time.
 * Without the vector registers glibc 2.36 takes 650 bytes on amd64, and 520 on
 * i386; the rest is for other versions, and for symbols that take longer to find.
 */
#define LINKER_FRAMES ((size_t)1536)

#define CACHE_LINE ((size_t)64)
#define MAX_STAGGER (15 * CACHE_LINE)
#define GOLDEN_RATIO 2654435769u /* of 2^32: spreads multiples of a number */

/*
 * What a stack has beside what the program asks for.  The program can't tell
 * when the kernel's frame of a signal and the dynamic linker's frames will be
 * there, nor how large they are.
 */
static size_t beside(void)
{
	static size_t known;
	size_t sz = __atomic_load_n(&known, __ATOMIC_RELAXED);
	size_t frame;

	if (aco_likely(sz))
		return sz;
	frame = aco_signal_frame();
	sz = HOUSEKEEPING + frame + ACO_LINKER_SAVES(frame) + LINKER_FRAMES;
	__atomic_store_n(&known, sz, __ATOMIC_RELAXED);
	return sz;
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

static inline size_t pages_for(size_t sz)
{
	return (sz + MAX_STAGGER + ACO_PAGE - 1) / ACO_PAGE;
}

static aco_share_stack_t *new_guarded(size_t sz)
{
	size_t pages = pages_for(sz);
	unsigned size_class = class_for(pages);
	aco_share_stack_t *sstk = NULL;

	if (size_class < ACO_STACK_CLASSES) {
		if (aco_fork_ready() < 0)
			return NULL;
		sstk = aco_stack_cache_get(size_class);
	}
	if (!sstk)
		sstk = aco_stack_get(pages, size_class);
	if (!sstk)
		return NULL;
	sstk->guard_page_enabled = 1;
	sstk->users = 0;
	return sstk;
}

static aco_share_stack_t *make(size_t sz, char guard)
{
	return guard ? new_guarded(sz) : aco_stack_get_unguarded(sz);
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

/* The picture is in stacks.h.  Moves of 16 bytes: for the whole, compilers take a
   string instruction, which needs longer. */
static inline void write_top(aco_share_stack_t *sstk)
{
	const void *top[] = { sstk, aco_no_resumer + 1 };
	char *base = aco_stack_base(sstk);

#pragma GCC unroll 16
	for (size_t i = 0; i < ACO_ABOVE_BASE; i += 16)
		memset(base + i, 0, 16);
	memcpy(base, top, sizeof(top));
}

static void lay_out_top(aco_share_stack_t *sstk)
{
	uintptr_t end = (uintptr_t)sstk->ptr + sstk->sz - stagger(sstk);
	char *base = (char *)((end - ACO_ABOVE_BASE) & ~(uintptr_t)15);

	sstk->align_retptr = base - sizeof(void *);
	write_top(sstk);
}

/* What was made, or NULL: there is no memory. */
static aco_share_stack_t *made(aco_share_stack_t *sstk)
{
	if (!sstk) {
		errno = ENOMEM; /* EAGAIN where memory is locked */
		return NULL;
	}
	lay_out_top(sstk);
	if (aco_unlikely(aco_tools))
		aco_tools_stack_new(sstk);
	return sstk;
}

NOINLINE static aco_share_stack_t *new_slow(size_t sz, char guard)
{
	aco_share_stack_t *sstk;

	aco_tools_process_ready();

	sstk = make(sz, guard);
	if (!sstk && aco_stack_cache_empty() > 0)
		sstk = make(sz, guard);
	return made(sstk);
}

/* What the thread has just destroyed. */
static inline aco_share_stack_t *at_hand(size_t sz)
{
	aco_share_stack_t *sstk = aco_stack_at_hand(pages_for(sz));

	if (!sstk)
		return NULL;
	sstk->users = 0;
	write_top(sstk);
	return sstk;
}

aco_share_stack_t *aco_share_stack_new2(size_t sz, char guard)
{
	aco_share_stack_t *sstk = NULL;

	if (sz > SIZE_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	if (sz == 0)
		sz = DEFAULT_SIZE;
	if (sz < MIN_SIZE)
		sz = MIN_SIZE;
	sz += beside();
	if (guard)
		sstk = at_hand(sz);
	return aco_likely(sstk) ? sstk : new_slow(sz, guard);
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
	aco_tools_process_ready();
	return made(aco_stack_get_caller(mem, sz));
}

void aco_stack_free(aco_share_stack_t *sstk)
{
	unsigned size_class = ACO_STACK_CLASSES;

	if (sstk->guard_page_enabled)
		size_class = class_for(sstk->sz / ACO_PAGE);
	if (size_class == ACO_STACK_CLASSES ||
	    !aco_stack_cache_put(sstk, size_class))
		aco_stack_give_back(sstk);
}

/* Programs for libaco 1.2.4 destroy the stack first, and its cos after it. */
NOINLINE static void destroy_slow(aco_share_stack_t *sstk)
{
	if (!sstk)
		aco_misuse("aco_share_stack_destroy", "the share stack is NULL",
			   NULL);
	if (aco_is_destroyed(sstk))
		aco_misuse("aco_share_stack_destroy",
			   "the share stack has been destroyed", NULL);
	if (sstk->owner && aco_is_busy(sstk->owner))
		aco_misuse("aco_share_stack_destroy",
			   "a running co uses the share stack", sstk->owner);
	if (aco_unlikely(aco_tools))
		aco_tools_stack_free(sstk);
	aco_demote(sstk);
	sstk->owner = NULL;
	sstk->users += ACO_DESTROYED;
	if (sstk->users == ACO_DESTROYED)
		aco_stack_free(sstk);
}

void aco_share_stack_destroy(aco_share_stack_t *sstk)
{
	if (aco_unlikely(!sstk || sstk->users || aco_tools ||
			 !sstk->guard_page_enabled)) {
		destroy_slow(sstk);
		return;
	}
	sstk->users = ACO_DESTROYED;
	if (aco_unlikely(!aco_stack_to_hand(sstk)))
		aco_stack_free(sstk);
}
