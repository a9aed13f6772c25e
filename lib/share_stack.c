/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share_stack.c - execution stacks
 */
#include "probe.h"
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

/*@
  logic integer least_beside = HOUSEKEEPING + LINKER_FRAMES;
  logic integer most_beside = least_beside + 2 * most_signal_frame;

  // The stack that sz bytes are asked for.
  logic integer asked_for(integer sz) =
    sz == 0 ? DEFAULT_SIZE : sz < MIN_SIZE ? MIN_SIZE : sz;

  // A function that is called there finds so many bytes.
  logic integer room_in(aco_share_stack_t *sstk) =
    (char *)sstk->align_retptr - (char *)sstk->ptr;

  predicate is_laid_out(aco_share_stack_t *sstk, integer stagger) =
    is_memory(sstk) && MIN_SIZE <= sstk->sz &&
    \base_addr((char *)sstk->align_retptr) == \base_addr((char *)sstk->ptr) &&
    sstk->sz - stagger - ACO_ABOVE_BASE - ACO_WORD - 15 <= room_in(sstk) &&
    room_in(sstk) <= sstk->sz - ACO_ABOVE_BASE - ACO_WORD;
*/

/*
 * What a stack has beside what the program asks for.  The program can't tell
 * when the kernel's frame of a signal and the dynamic linker's frames will be
 * there, nor how large they are.
 */
/*@
  assigns \nothing;
  exits \false;
  ensures least_beside <= \result <= most_beside;
*/
static size_t beside(void)
{
	static size_t known;
	size_t sz = __atomic_load_n(&known, __ATOMIC_RELAXED);
	size_t frame;

	//@ admit sz != 0 ==> least_beside <= sz <= most_beside;
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
/*@
  requires 0 < pages;
  assigns \nothing;
  exits \false;
  ensures \result <= ACO_STACK_CLASSES;
  ensures \result < ACO_STACK_CLASSES ==> pages <= class_pages(\result);
*/
static unsigned class_for(size_t pages)
{
	if (aco_tools & ~ACO_TOOLS_CXX)
		return ACO_STACK_CLASSES;
	return aco_stack_class(pages);
}

/*@
  requires 0 < sz <= SIZE_MAX - MAX_STAGGER - ACO_PAGE;
  assigns \nothing;
  exits \false;
  ensures sz + MAX_STAGGER <= \result * ACO_PAGE < sz + MAX_STAGGER + ACO_PAGE;
*/
static inline size_t pages_for(size_t sz)
{
	return (sz + MAX_STAGGER + ACO_PAGE - 1) / ACO_PAGE;
}

/*@
  requires 0 < sz <= SIZE_MAX / 2 + most_beside;
  ensures \result == \null ||
    is_memory(\result) && sz + MAX_STAGGER <= \result->sz;
  ensures \result == \null || \result->guard_page_enabled;
*/
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
	if (sstk) {
		ACO_PROBE1(stack__cache_hit, sstk);
	} else {
		sstk = aco_stack_get(pages, size_class);
		if (!sstk)
			return NULL;
		ACO_PROBE3(stack__map, sstk, sstk->ptr, sstk->sz);
	}
	sstk->guard_page_enabled = 1;
	sstk->users = 0;
	return sstk;
}

/*@
  requires 0 < sz <= SIZE_MAX / 2 + most_beside;
  ensures \result == \null || is_memory(\result) && sz <= \result->sz;
  ensures \result == \null || !\result->guard_page_enabled ||
    sz + MAX_STAGGER <= \result->sz;
*/
static aco_share_stack_t *make(size_t sz, char guard)
{
	return guard ? new_guarded(sz) : aco_stack_get_unguarded(sz);
}

/*
 * Guarded stacks end where a page ends.  If all began there, what they do would
 * compete for the few places that caches have for one part of all pages, so
 * they begin up to 15 lines below it.  More would reach into the next page.
 */
/*@
  requires \valid_read(sstk);
  assigns \nothing;
  exits \false;
  ensures \result <= (sstk->guard_page_enabled ? MAX_STAGGER : 0);
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
/*@
  requires is_laid_out(sstk, MAX_STAGGER);
  assigns ((char *)sstk->align_retptr)
    [ACO_WORD .. ACO_WORD + ACO_ABOVE_BASE - 1];
  exits \false;
*/
static inline void write_top(aco_share_stack_t *sstk)
{
	const void *top[] = { sstk, aco_no_resumer + 1 };
	char *base = aco_stack_base(sstk);

#pragma GCC unroll 16
	/*@
	  loop invariant 0 <= i <= ACO_ABOVE_BASE && i % 16 == 0;
	  loop assigns i, base[0 .. ACO_ABOVE_BASE - 1];
	  loop variant ACO_ABOVE_BASE - i;
	*/
	for (size_t i = 0; i < ACO_ABOVE_BASE; i += 16)
		memset(base + i, 0, 16);
	memcpy(base, top, sizeof(top));
}

/*@
  requires is_memory(sstk) && MIN_SIZE <= sstk->sz;
  assigns sstk->align_retptr, ((char *)sstk->ptr)[0 .. sstk->sz - 1];
  exits \false;
  ensures is_laid_out(sstk, sstk->guard_page_enabled ? MAX_STAGGER : 0);
*/
static void lay_out_top(aco_share_stack_t *sstk)
{
	char *end = (char *)sstk->ptr + sstk->sz - stagger(sstk);
	char *base = end - ACO_ABOVE_BASE;

	//@ admit an_address_is_unsigned: 0 <= (uintptr_t)base;
	base -= (uintptr_t)base % 16;
	sstk->align_retptr = base - sizeof(void *);
	write_top(sstk);
}

/* What was made, or NULL: there is no memory. */
/*@
  requires sstk == \null || is_memory(sstk) && MIN_SIZE <= sstk->sz;
  ensures \result == sstk;
  ensures \result == \null || \result->sz == \old(sstk->sz) &&
    \result->ptr == \old(sstk->ptr) &&
    is_laid_out(\result, \result->guard_page_enabled ? MAX_STAGGER : 0);
  ensures \result == \null ||
    \result->guard_page_enabled == \old(sstk->guard_page_enabled);
*/
NOINLINE static aco_share_stack_t *made(aco_share_stack_t *sstk, size_t sz)
{
	if (!sstk) {
		ACO_PROBE2(stack__fail, sz, ENOMEM);
		errno = ENOMEM; /* EAGAIN where memory is locked */
		return NULL;
	}
	aco_count_made(ACO_STACKS);
	lay_out_top(sstk);
	if (aco_unlikely(aco_tools))
		aco_tools_stack_new(sstk);
	return sstk;
}

/*@
  requires MIN_SIZE <= sz <= SIZE_MAX / 2 + most_beside;
  ensures \result == \null ||
    sz - HOUSEKEEPING <= room_in(\result) < \result->sz;
*/
NOINLINE static aco_share_stack_t *new_slow(size_t sz, char guard)
{
	aco_share_stack_t *sstk;

	aco_tools_process_ready();

	sstk = make(sz, guard);
	if (!sstk && aco_stack_cache_empty() > 0)
		sstk = make(sz, guard);
	return made(sstk, sz);
}

/* What the thread has just destroyed. */
/*@
  requires MIN_SIZE <= sz <= SIZE_MAX / 2 + most_beside;
  ensures \result == \null ||
    sz - HOUSEKEEPING <= room_in(\result) < \result->sz;
*/
static inline aco_share_stack_t *at_hand(size_t sz)
{
	aco_share_stack_t *sstk = aco_stack_at_hand(pages_for(sz));

	if (!sstk)
		return NULL;
	ACO_PROBE1(stack__cache_hit, sstk);
	sstk->users = 0;
	write_top(sstk);
	return sstk;
}

/*@
  ensures sz > SIZE_MAX / 2 ==> \result == \null;
  ensures \result == \null ||
    asked_for(sz) + LINKER_FRAMES <= room_in(\result) < \result->sz;
*/
aco_share_stack_t *aco_share_stack_new2(size_t sz, char guard)
{
	aco_share_stack_t *sstk = NULL;

	if (sz > SIZE_MAX / 2) {
		ACO_PROBE2(stack__fail, sz, EINVAL);
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

/*@
  requires mem != \null ==> \valid((char *)mem + (0 .. sz - 1));
  ensures sz < MIN_SIZE ==> \result == \null;
  ensures \result == \null || \result->ptr == mem && \result->sz == sz &&
    sz - 200 <= room_in(\result) < sz;
*/
aco_share_stack_t *aco_share_stack_from(void *mem, size_t sz)
{
	if (!mem || sz < MIN_SIZE || sz > UINTPTR_MAX - (uintptr_t)mem) {
		ACO_PROBE2(stack__fail, sz, EINVAL);
		errno = EINVAL;
		return NULL;
	}
	aco_tools_process_ready();
	return made(aco_stack_get_caller(mem, sz), sz);
}

void aco_stack_free(aco_share_stack_t *sstk)
{
	unsigned size_class = ACO_STACK_CLASSES;

	if (sstk->guard_page_enabled)
		size_class = class_for(sstk->sz / ACO_PAGE);
	if (size_class != ACO_STACK_CLASSES &&
	    aco_stack_cache_put(sstk, size_class))
		return;
	aco_count_gone(ACO_STACKS);
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
	ACO_PROBE1(stack__destroy, sstk);
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
	ACO_PROBE1(stack__destroy, sstk);
	sstk->users = ACO_DESTROYED;
	if (aco_unlikely(!aco_stack_to_hand(sstk)))
		aco_stack_free(sstk);
}
