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
	size_t frame = aco_signal_frame();

	return HOUSEKEEPING + frame + ACO_LINKER_SAVES(frame) + LINKER_FRAMES;
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

static aco_share_stack_t *new_guarded(size_t sz)
{
	size_t pages = (sz + MAX_STAGGER + ACO_PAGE - 1) / ACO_PAGE;
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

/* The picture is in stacks.h. */
static void lay_out_top(aco_share_stack_t *sstk)
{
	uintptr_t end = (uintptr_t)sstk->ptr + sstk->sz - stagger(sstk);
	char *base = (char *)((end - ACO_ABOVE_BASE) & ~(uintptr_t)15);
	const void *top[] = { sstk, aco_no_resumer + 1 };

	memset(base, 0, ACO_ABOVE_BASE);
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
	aco_tools_process_ready();

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
void aco_share_stack_destroy(aco_share_stack_t *sstk)
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
	aco_tools_stack_free(sstk);
	aco_demote(sstk);
	sstk->owner = NULL;
	sstk->users += ACO_DESTROYED;
	if (sstk->users == ACO_DESTROYED)
		aco_stack_free(sstk);
}
