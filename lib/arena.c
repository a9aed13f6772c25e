/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c - many guarded stacks in one mapping
 *
 * A million stacks need few mappings that way, and only whole arenas are
 * unmapped: one stack among its neighbours can't be, where the number of
 * mappings is at its limit.
 *
 *	 arena                       slot 0               slot 1
 *	+--------+---------+---------+-------+------------+-------+-----------
 *	| struct | stacks[ | stacks[ | guard | usable     | guard | usable ...
 *	| arena  | 0]      | 1] ...  |       |            |       |
 *	+--------+---------+---------+-------+------------+-------+-----------
 *	 low addresses, whole pages          ^ stacks[0].ptr
 *
 * The records of the stacks lie together: one at the top of each stack would be
 * lost with its memory.
 */
#include "stacks.h"

#include <stddef.h>

#include "debug.h"

#define MAX_SLOTS ((size_t)256)

struct arena {
	struct arena *next, *prev; /* in available[], if it is there */
	struct arena *next_of_all, *prev_of_all;
	aco_share_stack_t *given_back;
	unsigned size_class;
	unsigned slots;
	unsigned fresh; /* the first slot that was never used */
	unsigned used;
	aco_share_stack_t stacks[] __attribute__((__aligned__(64)));
};

/* Arenas with a slot to give, by size class; and how many slots there are. */
static struct arena *available[ACO_STACK_CLASSES];
static size_t slots[ACO_STACK_CLASSES];
static struct arena *all;

const struct aco_debug_list aco_debug_arenas = {
	&all,
	{ offsetof(struct arena, next_of_all), offsetof(struct arena, fresh),
	  offsetof(struct arena, stacks), -1 }
};

/*@
  logic integer slot_of(integer c) = ACO_GUARD_SIZE + class_pages(c) * ACO_PAGE;

  logic integer head_of(integer n) =
    (sizeof(struct arena) + n * sizeof(aco_share_stack_t) + ACO_PAGE - 1) /
    ACO_PAGE * ACO_PAGE;

  // The head with its records, and behind it the slots, lie in the mapping.
  predicate is_arena(struct arena *a) =
    \valid(&a->fresh) && \valid_read(&a->slots) &&
    \valid_read(&a->size_class) && a->size_class < ACO_STACK_CLASSES &&
    0 < a->slots <= MAX_SLOTS &&
    a->slots * slot_of(a->size_class) <= ACO_MAX_ARENA &&
    \valid((char *)a + (0 .. head_of(a->slots) +
      a->slots * slot_of(a->size_class) - 1));
*/

/*@
  requires size_class < ACO_STACK_CLASSES;
  assigns \nothing;
  exits \false;
  ensures \result == slot_of(size_class);
*/
static size_t slot_size(unsigned size_class)
{
	return ACO_GUARD_SIZE + aco_class_pages(size_class) * ACO_PAGE;
}

/*@
  requires size_class < ACO_STACK_CLASSES;
  assigns \nothing;
  exits \false;
  ensures \result <= MAX_SLOTS;
  ensures \result * slot_of(size_class) <= ACO_MAX_ARENA;
*/
static size_t max_slots(unsigned size_class)
{
	size_t n = ACO_MAX_ARENA / slot_size(size_class);

	return n < MAX_SLOTS ? n : MAX_SLOTS;
}

int aco_arena_has(unsigned size_class)
{
	return max_slots(size_class) > 1;
}

/*@
  requires n <= MAX_SLOTS;
  assigns \nothing;
  exits \false;
  ensures \result == head_of(n) && \result <= 64 * ACO_PAGE;
  ensures sizeof(struct arena) + n * sizeof(aco_share_stack_t) <= \result;
*/
static size_t head_size(size_t n)
{
	size_t sz = sizeof(struct arena) + n * sizeof(aco_share_stack_t);

	return (sz + ACO_PAGE - 1) / ACO_PAGE * ACO_PAGE;
}

/*@
  requires size_class < ACO_STACK_CLASSES && n <= MAX_SLOTS;
  requires n * slot_of(size_class) <= ACO_MAX_ARENA;
  assigns \nothing;
  exits \false;
  ensures \result == head_of(n) + n * slot_of(size_class);
  ensures \result <= ACO_MAX_ARENA + 64 * ACO_PAGE;
*/
static size_t arena_size(unsigned size_class, size_t n)
{
	return head_size(n) + n * slot_size(size_class);
}

static void make_available(struct arena *a)
{
	struct arena **head = &available[a->size_class];

	a->prev = NULL;
	a->next = *head;
	if (a->next)
		a->next->prev = a;
	*head = a;
}

static void make_unavailable(struct arena *a)
{
	if (a->prev)
		a->prev->next = a->next;
	else
		available[a->size_class] = a->next;
	if (a->next)
		a->next->prev = a->prev;
}

static void add_to_all(struct arena *a)
{
	a->prev_of_all = NULL;
	a->next_of_all = all;
	if (all)
		all->prev_of_all = a;
	all = a;
}

static void drop_from_all(struct arena *a)
{
	if (a->next_of_all)
		a->next_of_all->prev_of_all = a->prev_of_all;
	if (a->prev_of_all)
		a->prev_of_all->next_of_all = a->next_of_all;
	else
		all = a->next_of_all;
}

/*
 * As many slots as the class has already, so that no more than half of them are
 * without use; fewer where address space is short or locked.
 */
static struct arena *grow(unsigned size_class)
{
	size_t n = slots[size_class] ? slots[size_class] : 1;
	struct arena *a = NULL;

	if (n > max_slots(size_class))
		n = max_slots(size_class);
	for (; n > 0; n /= 2) {
		a = (struct arena *)(void *)aco_map(arena_size(size_class, n));
		if (a)
			break;
	}
	if (!a)
		return NULL;
	a->size_class = size_class;
	a->slots = (unsigned)n;
	slots[size_class] += n;
	make_available(a);
	add_to_all(a);
	return a;
}

/* All slots are free.  An arena that can't be unmapped now stays available. */
static void drop(struct arena *a)
{
	unsigned size_class = a->size_class;
	size_t n = a->slots;

	make_unavailable(a);
	drop_from_all(a);
	if (munmap(a, arena_size(size_class, n)) == 0) {
		slots[size_class] -= n;
		return;
	}
	make_available(a);
	add_to_all(a);
}

/*@
  requires is_arena(a) && i < a->slots;
  assigns \nothing;
  exits \false;
  ensures \valid(\result);
  ensures \separated(\result, &a->size_class, &a->slots, &a->fresh);
*/
static aco_share_stack_t *record_of(struct arena *a, unsigned i)
{
	return &a->stacks[i];
}

/* Where a slot begins, with its guard. */
/*@
  requires is_arena(a) && i < a->slots;
  assigns \nothing;
  exits \false;
  ensures \result == (char *)a + head_of(a->slots) + i * slot_of(a->size_class);
  ensures \valid(\result + (0 .. slot_of(a->size_class) - 1));
*/
static char *slot_at(struct arena *a, unsigned i)
{
	//@ assert 0 <= (a->slots - 1 - i) * slot_of(a->size_class);
	return (char *)a + head_size(a->slots) + i * slot_size(a->size_class);
}

/* A slot that was never used, and has no guard yet. */
/*@
  requires is_arena(a) && a->fresh < a->slots;
  ensures a->fresh == \old(a->fresh) || a->fresh == \old(a->fresh) + 1;
  ensures \result == \null || \result->slot == \old(a->fresh) &&
    \result->sz == class_pages(a->size_class) * ACO_PAGE;
  ensures \result == \null ||
    (char *)\result->ptr == (char *)a + head_of(a->slots) +
      \result->slot * slot_of(a->size_class) + ACO_GUARD_SIZE;
*/
static aco_share_stack_t *use_fresh_slot(struct arena *a)
{
	aco_share_stack_t *sstk = record_of(a, a->fresh);
	char *slot = slot_at(a, a->fresh);

	if (aco_map_guard(slot) < 0)
		return NULL;
	sstk->ptr = slot + ACO_GUARD_SIZE;
	sstk->sz = aco_class_pages(a->size_class) * ACO_PAGE;
	sstk->origin = ACO_ORIGIN_ARENA;
	sstk->slot = (uint16_t)a->fresh++;
	return sstk;
}

static aco_share_stack_t *take(struct arena *a)
{
	aco_share_stack_t *sstk = a->given_back;

	if (sstk)
		a->given_back = sstk->next;
	else
		sstk = use_fresh_slot(a);
	if (sstk && ++a->used == a->slots)
		make_unavailable(a);
	if (a->used == 0)
		drop(a);
	return sstk;
}

aco_share_stack_t *aco_arena_get(unsigned size_class)
{
	aco_share_stack_t *sstk = NULL;
	struct arena *a;

	aco_lock(ACO_LOCK_ARENA);
	a = available[size_class];
	if (!a)
		a = grow(size_class);
	if (a)
		sstk = take(a);
	aco_unlock(ACO_LOCK_ARENA);
	return sstk;
}

void aco_arena_put(aco_share_stack_t *sstk)
{
	struct arena *a =
		(struct arena *)(void *)((char *)(sstk - sstk->slot) -
					 offsetof(struct arena, stacks));

	/* the guard stays; locked memory does, too */
	madvise(sstk->ptr, sstk->sz, MADV_DONTNEED);

	aco_lock(ACO_LOCK_ARENA);
	sstk->next = a->given_back;
	a->given_back = sstk;
	if (a->used-- == a->slots)
		make_available(a);
	if (a->used == 0)
		drop(a);
	aco_unlock(ACO_LOCK_ARENA);
}
