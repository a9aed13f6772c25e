/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stacks.h - where guarded stacks come from
 *
 *	aco_share_stack_new2()                    aco_share_stack_destroy()
 *	        |                                             |
 *	        |  <-- stack_cache.c: kept for reuse,  <------'
 *	        |      their memory as it was left            |
 *	        |                                             | no room there
 *	        |  <-- arena.c: slots of larger mappings, <---'
 *	        |      their memory given back                |
 *	        |                                             | all slots free,
 *	        '- mapping.c: the kernel                 <----' or no arena
 */
#ifndef ACO_STACKS_H
#define ACO_STACKS_H

#include "internal.h"

#define ACO_PAGE ((size_t)4096) /* on both architectures */

/*
 * No frame that is smaller can jump it.  The largest of glibc 2.36, on both
 * architectures, has 33 KiB: that of vfwprintf(3) to an unbuffered stream.
 */
#define ACO_GUARD_SIZE ((size_t)64 << 10)

/* Values of aco_share_stack_t.origin. */
enum {
	ACO_ORIGIN_CALLER,  /* the caller's memory, the record from malloc(3) */
	ACO_ORIGIN_MALLOC,  /* memory and record from malloc */
	ACO_ORIGIN_MAPPING, /* a mapping of its own, the record from malloc */
	ACO_ORIGIN_ARENA    /* a slot of an arena, and so is the record */
};

/*
 * Size classes, so that a stack fits for the next one that is about as large:
 * 1, 2, 3 ... 16 pages, then eight to a doubling: 18, 20 ... 32, 36, 40 ... up
 * to 4 MiB.  What is added is address space, which is not touched.
 */
#define ACO_STACK_CLASSES 64

/* ACO_STACK_CLASSES when it is larger than all of them. */
static inline unsigned aco_stack_class(size_t pages)
{
	size_t q = pages - 1;
	unsigned shift;

	if (q < 16)
		return (unsigned)q;
	if (q >= 1024)
		return ACO_STACK_CLASSES;
	/* so that q >> shift is 8 to 15 */
	shift = 28 - (unsigned)__builtin_clz((unsigned)q);
	return 8 * shift + (unsigned)(q >> shift);
}

static inline size_t aco_class_pages(unsigned size_class)
{
	unsigned shift = size_class < 16 ? 0 : size_class / 8 - 1;

	return (size_t)(size_class - 8 * shift + 1) << shift;
}

/* ---- mapping.c ---------------------------------------------------------- */

/* sz bytes of new memory, to read and write; NULL when there is none. */
ACO_HIDDEN char *aco_map(size_t sz);

/* Forbid access to the ACO_GUARD_SIZE bytes from there up; -1: can't be. */
ACO_HIDDEN int aco_map_guard(char *at);

/* Give back what lies from the stack's low end up to there, unless it is the C
   library's.  Leaves errno alone. */
ACO_HIDDEN void aco_map_trim(aco_share_stack_t *sstk, const char *end);

/* A stack in a mapping of its own. */
ACO_HIDDEN aco_share_stack_t *aco_mapping_get(size_t pages);
ACO_HIDDEN void aco_mapping_put(aco_share_stack_t *sstk);

/* ---- arena.c ------------------------------------------------------------ */

/* Whether stacks of a size come from arenas. */
ACO_HIDDEN int aco_arena_has(unsigned size_class);

/* A guarded stack whose memory is all zeros; NULL when there is no memory. */
ACO_HIDDEN aco_share_stack_t *aco_arena_get(unsigned size_class);

/* Give the stack's memory back; it can't fail. */
ACO_HIDDEN void aco_arena_put(aco_share_stack_t *sstk);

/* All of arena.c, for fork(2). */
ACO_HIDDEN void aco_arena_lock(void);
ACO_HIDDEN void aco_arena_unlock(void);

/* ---- stack_cache.c ------------------------------------------------------ */

/* A stack, as it was left; NULL when there is none of that size. */
ACO_HIDDEN aco_share_stack_t *aco_stack_cache_get(unsigned size_class);

/* 1, or 0 when there is no room. */
ACO_HIDDEN int aco_stack_cache_put(aco_share_stack_t *sstk,
				   unsigned size_class);

/* Give everything back that is kept now.  Returns how many stacks. */
ACO_HIDDEN size_t aco_stack_cache_empty(void);

/* All of stack_cache.c, for fork(2). */
ACO_HIDDEN void aco_stack_cache_lock(void);
ACO_HIDDEN void aco_stack_cache_unlock(void);

/* ---- share_stack.c ------------------------------------------------------ */

/* To where it came from, not to the cache. */
ACO_HIDDEN void aco_stack_give_back(aco_share_stack_t *sstk);

#endif /* ACO_STACKS_H */
