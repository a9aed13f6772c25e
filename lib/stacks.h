/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stacks.h - execution stacks, and where their memory comes from
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
 *
 * stack_memory.c picks one of the last two, or malloc(3) for stacks without a
 * guard.
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

/*@
  logic integer class_pages(integer c) =
    c < 16 ? c + 1 : c < 24 ? (c - 7) * 2 : c < 32 ? (c - 15) * 4 :
    c < 40 ? (c - 23) * 8 : c < 48 ? (c - 31) * 16 : c < 56 ? (c - 39) * 32 :
    (c - 47) * 64;
*/

/* ACO_STACK_CLASSES when it is larger than all of them. */
/*@
  requires 0 < pages;
  assigns \nothing;
  exits \false;
  ensures pages > 1024 ==> \result == ACO_STACK_CLASSES;
  ensures pages <= 1024 ==> \result < ACO_STACK_CLASSES;
  ensures pages <= 1024 ==>
    pages <= class_pages(\result) <= pages + pages / 8;
*/
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

/*@
  requires size_class < ACO_STACK_CLASSES;
  assigns \nothing;
  exits \false;
  ensures \result == class_pages(size_class);
  ensures 1 <= \result <= 1024;
*/
static inline size_t aco_class_pages(unsigned size_class)
{
	unsigned shift = size_class < 16 ? 0 : size_class / 8 - 1;

	return (size_t)(size_class - 8 * shift + 1) << shift;
}

/*@
  // No kernel, and no processor, has a frame of so many bytes.
  logic integer most_signal_frame = 1 << 21;

  // The memory of a stack, and beside it the record.
  predicate is_memory(aco_share_stack_t *sstk) =
    \valid(sstk) && sstk->sz <= PTRDIFF_MAX &&
    \valid((char *)sstk->ptr + (0 .. sstk->sz - 1)) &&
    \separated(sstk, (char *)sstk->ptr + (0 .. sstk->sz - 1));

  // Stacks come in whole pages, as many as their class has.
  logic integer pages_of(integer pages, integer size_class) =
    size_class == ACO_STACK_CLASSES ? pages : class_pages(size_class);
*/

/* ---- the top of a stack -------------------------------------------------- */

/*
 * The processor wants the stack pointer 16-byte aligned where a function is
 * called.
 *
 *	         high addresses
 *	       +---------------------------+
 *	       | aco_no_resumer + 1        | where a walk ends, see arch/link.h
 *	       +---------------------------+
 *	       | address of the share stack| by which a walk finds the owner
 *	 base  +---------------------------+ 16-byte aligned; where sp begins
 *	       | return into the entry     | align_retptr; the same for every co
 *	       +---------------------------+   of the stack, so never copied
 *	       | frame of the co's function|
 *	       :                           :
 *	 reg[SP]                             when suspended: lowest live byte
 */
ACO_HIDDEN extern const char aco_no_resumer[]; /* arch/ARCH/entry.S */

static inline char *aco_stack_base(const aco_share_stack_t *sstk)
{
	return (char *)sstk->align_retptr + sizeof(void *);
}

/* Whether an access of addr is caught by the guard of the stack. */
static inline int aco_is_in_guard(const aco_share_stack_t *sstk,
				  const void *addr)
{
	return sstk->guard_page_enabled &&
	       (uintptr_t)addr < (uintptr_t)sstk->ptr &&
	       (uintptr_t)addr >= (uintptr_t)sstk->ptr - ACO_GUARD_SIZE;
}

/*
 * What aco_share_stack_t.users of a destroyed stack is more than the number of
 * its users.  Where there are some, it waits for the last of them, without an
 * owner, and none of them is "fast": no switch but a resume that has to make
 * its co the owner meets it.  Its memory may be gone, if it was the caller's.
 */
#define ACO_DESTROYED (SIZE_MAX / 2 + 1)

static inline int aco_is_destroyed(const aco_share_stack_t *sstk)
{
	return sstk->users >= ACO_DESTROYED;
}

/* ---- mapping.c ----------------------------------------------------------- */

/* sz bytes of new memory, to read and write; NULL when there is none. */
/*@
  requires 0 < sz;
  assigns \nothing;
  exits \false;
  ensures \result == \null || \valid(\result + (0 .. sz - 1));
*/
ACO_HIDDEN char *aco_map(size_t sz);

/* Forbid access to the ACO_GUARD_SIZE bytes from there up; -1: can't be. */
/*@
  requires \valid(at + (0 .. ACO_GUARD_SIZE - 1));
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN int aco_map_guard(char *at);

/* Give back what lies from the stack's low end up to there, unless it is the C
   library's.  Leaves errno alone. */
/*@
  requires \valid(sstk);
  requires \base_addr(end) == \base_addr((char *)sstk->ptr);
  requires (char *)sstk->ptr <= end;
  assigns ((char *)sstk->ptr)[0 .. end - (char *)sstk->ptr - 1];
  exits \false;
*/
ACO_HIDDEN void aco_map_trim(aco_share_stack_t *sstk, const char *end);

/* ---- arena.c ------------------------------------------------------------- */

/* Whether stacks of a size come from arenas. */
/*@
  requires size_class < ACO_STACK_CLASSES;
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN int aco_arena_has(unsigned size_class);

/* A guarded stack whose memory is all zeros; NULL when there is no memory. */
/*@
  requires size_class < ACO_STACK_CLASSES;
  assigns \nothing;
  ensures \result == \null || is_memory(\result) &&
    \result->sz == class_pages(size_class) * ACO_PAGE;
*/
ACO_HIDDEN aco_share_stack_t *aco_arena_get(unsigned size_class);

/* Give the stack's memory back; it can't fail. */
ACO_HIDDEN void aco_arena_put(aco_share_stack_t *sstk);

/* ---- stack_memory.c ------------------------------------------------------ */

/* A guarded stack of so many pages and of their class, or one without a guard of
   sz bytes, or in the caller's memory; NULL when there is no memory. */
/*@
  requires 0 < pages && size_class <= ACO_STACK_CLASSES;
  requires pages * ACO_PAGE <= SIZE_MAX - ACO_GUARD_SIZE;
  assigns \nothing;
  ensures \result == \null || is_memory(\result) &&
    \result->sz == pages_of(pages, size_class) * ACO_PAGE;
*/
ACO_HIDDEN aco_share_stack_t *aco_stack_get(size_t pages, unsigned size_class);
/*@
  assigns \nothing;
  ensures \result == \null || is_memory(\result) && \result->sz == sz &&
    !\result->guard_page_enabled;
*/
ACO_HIDDEN aco_share_stack_t *aco_stack_get_unguarded(size_t sz);
/*@
  requires \valid((char *)mem + (0 .. sz - 1));
  assigns \nothing;
  ensures \result == \null || is_memory(\result) && \result->sz == sz &&
    \result->ptr == mem && !\result->guard_page_enabled;
*/
ACO_HIDDEN aco_share_stack_t *aco_stack_get_caller(void *mem, size_t sz);

/* Give a stack back to where it came from. */
ACO_HIDDEN void aco_stack_give_back(aco_share_stack_t *sstk);

/* The most that the kernel takes of a stack for a signal, red zone included. */
/*@
  assigns \nothing;
  exits \false;
  ensures ACO_RED_ZONE <= \result <= most_signal_frame;
*/
ACO_HIDDEN size_t aco_signal_frame(void);

/* ---- stack_cache.c ------------------------------------------------------- */

/*
 * The stack that a thread has destroyed last, so that the next one of that size
 * takes one instruction that other processors notice, and no lock.  The thread
 * alone makes slot anything but 0; each thread may make it 0, and has then what
 * it was:
 *
 *	the address of the stack
 *	its size + 1: the thread may put a stack of that size there
 *	0
 */
struct aco_keeper {
	uintptr_t slot;
	size_t sz;    /* of the last stack in slot, */
	size_t above; /* which serves for more pages than this */
	unsigned size_class;
	uint8_t is_taken; /* by a thread */
} __attribute__((__aligned__(64)));

static inline int aco_is_stack(uintptr_t slot)
{
	return slot && !(slot & 1);
}

static inline int aco_keeper_change(struct aco_keeper *k, uintptr_t from,
				    uintptr_t to)
{
	return __atomic_compare_exchange_n(&k->slot, &from, to, 0,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* The stack, as it was left, if it is the one to take for so many pages; or NULL. */
/*@
  requires pages * ACO_PAGE <= SIZE_MAX;
  assigns \nothing;
  ensures \result == \null || is_memory(\result) &&
    pages * ACO_PAGE <= \result->sz;
*/
static inline aco_share_stack_t *aco_stack_at_hand(size_t pages)
{
	struct aco_keeper *k = aco_thread.keeper;
	uintptr_t slot;

	if (!k || pages <= k->above || pages * ACO_PAGE > k->sz)
		return NULL;
	slot = __atomic_load_n(&k->slot, __ATOMIC_RELAXED);
	if (!aco_is_stack(slot) || !aco_keeper_change(k, slot, k->sz + 1))
		return NULL;
	return (aco_share_stack_t *)slot;
}

/* 1, or 0 when that can't be. */
static inline int aco_stack_to_hand(aco_share_stack_t *sstk)
{
	struct aco_keeper *k = aco_thread.keeper;
	uintptr_t slot = sstk->sz + 1;

	return k && __atomic_load_n(&k->slot, __ATOMIC_RELAXED) == slot &&
	       aco_keeper_change(k, slot, (uintptr_t)sstk);
}

/* A stack, as it was left; NULL when there is none of that size. */
/*@
  requires size_class < ACO_STACK_CLASSES;
  assigns \nothing;
  ensures \result == \null || is_memory(\result) &&
    \result->sz == class_pages(size_class) * ACO_PAGE;
*/
ACO_HIDDEN aco_share_stack_t *aco_stack_cache_get(unsigned size_class);

/* 1, or 0 when there is no room. */
ACO_HIDDEN int aco_stack_cache_put(aco_share_stack_t *sstk,
				   unsigned size_class);

/* How many it keeps, but for those of keepers; and those. */
ACO_HIDDEN size_t aco_stack_cache_count(void);
ACO_HIDDEN size_t aco_stack_keepers_count(void);

/* Give everything back that is kept now.  Returns how many stacks. */
ACO_HIDDEN size_t aco_stack_cache_empty(void);

/* ---- share_stack.c ------------------------------------------------------- */

/* Free a stack that is destroyed and has no users now. */
ACO_HIDDEN void aco_stack_free(aco_share_stack_t *sstk);

#endif /* ACO_STACKS_H */
