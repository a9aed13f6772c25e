/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_cache.c - destroyed stacks that wait, with their memory, for reuse
 *
 * Each shard is a set of stacks, last in first out for each size, with a lock
 * that a thread never waits for as long as another shard's is free: it moves
 * there, and so threads that meet part.  What a thread does not find in its own
 * shard it takes from others.
 *
 * The bytes that may be kept are divided up as credit:
 *
 *	limit = room + the credit of all shards + the sizes of all kept stacks
 *
 * A shard takes credit from the common room when it keeps more than ever before
 * and holds on to it until another shard needs it, so that the room, which all
 * threads write, is seldom touched.
 *
 * In front of the shards some threads have a keeper, for one stack: stacks.h.
 * What is in there counts as if a shard had it, credit or stack.
 */
#include "stacks.h"

#include <errno.h>

#define DEFAULT_LIMIT ((size_t)32 << 20)

struct shard {
	size_t credit;
	size_t count; /* of the stacks that it keeps */
	aco_share_stack_t *kept[ACO_STACK_CLASSES];
} __attribute__((__aligned__(64)));

static struct shard shards[ACO_SHARDS];
static size_t limit = DEFAULT_LIMIT; /* written under all locks */
static size_t room = DEFAULT_LIMIT;

static ACO_THREAD_LOCAL unsigned my_shard;

/* The number of a shard whose lock this thread now holds. */
static unsigned lock_mine(void)
{
	unsigned i;

	for (i = 0; i < ACO_SHARDS; i++) {
		if (aco_trylock(ACO_LOCK_SHARDS + my_shard) == 0)
			return my_shard;
		my_shard = (my_shard + 1) % ACO_SHARDS;
	}
	aco_lock(ACO_LOCK_SHARDS + my_shard);
	return my_shard;
}

static void unlock(unsigned shard)
{
	aco_unlock(ACO_LOCK_SHARDS + shard);
}

/* ---- credit: of a shard whose lock is held ------------------------------ */

static void repay(struct shard *s)
{
	__atomic_fetch_add(&room, s->credit, __ATOMIC_RELAXED);
	s->credit = 0;
}

/* Make the credit at least need. */
static int borrow(struct shard *s, size_t need)
{
	size_t free, more;

	if (s->credit >= need)
		return 1;
	more = need - s->credit;
	free = __atomic_load_n(&room, __ATOMIC_RELAXED);
	do {
		if (free < more)
			return 0;
	} while (!__atomic_compare_exchange_n(&room, &free, free - more, 1,
					      __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	s->credit = need;
	return 1;
}

/* ---- keepers ------------------------------------------------------------ */

#define KEEPERS 64
static struct aco_keeper keepers[KEEPERS];

static void release_keeper(void);

/*
 * What was in it goes to the room, or to where stacks come from.  Returns how many
 * stacks.  The thread holds the lock of a shard, whichever: so one that holds them
 * all, to set the limit or to fork, finds no credit on its way to the room.
 */
static size_t rob(struct aco_keeper *k, int of_stacks)
{
	uintptr_t slot;
	size_t sz;

	/* its thread may be making and destroying stacks all the time */
	do {
		slot = __atomic_load_n(&k->slot, __ATOMIC_RELAXED);
		if (!slot || (aco_is_stack(slot) && !of_stacks))
			return 0;
	} while (!aco_keeper_change(k, slot, 0));
	sz = slot - 1;
	if (aco_is_stack(slot)) {
		aco_share_stack_t *sstk = (aco_share_stack_t *)slot;

		sz = sstk->sz;
		aco_count_gone(ACO_STACKS);
		aco_stack_give_back(sstk);
	}
	__atomic_fetch_add(&room, sz, __ATOMIC_RELAXED);
	return aco_is_stack(slot);
}

static size_t rob_all(int of_stacks)
{
	size_t n = 0;
	unsigned i;

	for (i = 0; i < KEEPERS; i++)
		n += rob(&keepers[i], of_stacks);
	return n;
}

static struct aco_keeper *take_keeper(void)
{
	struct aco_keeper *k = keepers;

	for (; k < keepers + KEEPERS; k++)
		if (!__atomic_load_n(&k->is_taken, __ATOMIC_RELAXED) &&
		    !__atomic_exchange_n(&k->is_taken, 1, __ATOMIC_ACQUIRE))
			return k;
	return NULL;
}

/* A thread that finds none does not look again. */
static void get_keeper(void)
{
	struct aco_thread *t = &aco_thread;
	int saved = errno;

	if (t->looked_for_keeper)
		return;
	t->looked_for_keeper = 1;
	if (aco_thread_register_exit(ACO_RELEASE_STACK, release_keeper) == 0)
		t->keeper = take_keeper();
	errno = saved;
}

/* The shard has the credit that the stack needs. */
static int keep(struct shard *s, aco_share_stack_t *sstk, unsigned size_class)
{
	struct aco_keeper *k = aco_thread.keeper;

	if (!k || __atomic_load_n(&k->slot, __ATOMIC_RELAXED))
		return 0;
	s->credit -= sstk->sz;
	k->sz = sstk->sz;
	k->above = size_class ? aco_class_pages(size_class - 1) : 0;
	k->size_class = size_class;
	__atomic_store_n(&k->slot, (uintptr_t)sstk, __ATOMIC_RELEASE);
	return 1;
}

/* ---- one shard ---------------------------------------------------------- */

static void set_count(struct shard *s, size_t count)
{
	__atomic_store_n(&s->count, count, __ATOMIC_RELAXED);
}

static void push(struct shard *s, aco_share_stack_t *sstk, unsigned size_class)
{
	aco_count_gone(ACO_STACKS);
	set_count(s, s->count + 1);
	s->credit -= sstk->sz;
	sstk->next = s->kept[size_class];
	__atomic_store_n(&s->kept[size_class], sstk, __ATOMIC_RELAXED);
}

static aco_share_stack_t *pop(struct shard *s, unsigned size_class)
{
	aco_share_stack_t *sstk = s->kept[size_class];

	if (!sstk)
		return NULL;
	__atomic_store_n(&s->kept[size_class], sstk->next, __ATOMIC_RELAXED);
	s->credit += sstk->sz;
	set_count(s, s->count - 1);
	return sstk;
}

/* Give back all that it keeps, and its credit.  Returns how many stacks. */
static size_t empty(struct shard *s)
{
	aco_share_stack_t *sstk;
	size_t n = 0;
	unsigned i;

	for (i = 0; i < ACO_STACK_CLASSES; i++)
		for (; (sstk = pop(s, i)); n++)
			aco_stack_give_back(sstk);
	repay(s);
	return n;
}

/* What is unused, and if that is not enough and it may, what is kept. */
static int take_credit(struct shard *from, struct shard *s, size_t need,
		       int push_out)
{
	unsigned i = 0;

	repay(from);
	while (!borrow(s, need)) {
		if (!push_out)
			return 0;
		while (!from->kept[i])
			if (++i == ACO_STACK_CLASSES)
				return 0;
		aco_stack_give_back(pop(from, i));
		repay(from);
	}
	return 1;
}

/* ---- all shards --------------------------------------------------------- */

static int take_credit_anywhere(unsigned mine, size_t need, int push_out)
{
	unsigned from;
	int got = 0;

	if (need > limit)
		return 0;
	rob_all(push_out);
	for (from = 0; from < ACO_SHARDS && !got; from++) {
		if (from != mine && aco_trylock(ACO_LOCK_SHARDS + from))
			continue;
		got = take_credit(&shards[from], &shards[mine], need, push_out);
		if (from != mine)
			unlock(from);
	}
	return got;
}

static aco_share_stack_t *get_anywhere(unsigned size_class)
{
	aco_share_stack_t *sstk = NULL;
	unsigned i;

	for (i = 0; i < ACO_SHARDS && !sstk; i++) {
		if (!__atomic_load_n(&shards[i].kept[size_class],
				     __ATOMIC_RELAXED) ||
		    aco_trylock(ACO_LOCK_SHARDS + i))
			continue;
		sstk = pop(&shards[i], size_class);
		unlock(i);
	}
	return sstk;
}

aco_share_stack_t *aco_stack_cache_get(unsigned size_class)
{
	unsigned mine = lock_mine();
	aco_share_stack_t *sstk = pop(&shards[mine], size_class);

	unlock(mine);
	return sstk ? sstk : get_anywhere(size_class);
}

/* A size of which nothing is kept pushes others out. */
int aco_stack_cache_put(aco_share_stack_t *sstk, unsigned size_class)
{
	unsigned mine = lock_mine();
	struct shard *s = &shards[mine];
	size_t sz = sstk->sz;
	int fits;

	if (aco_thread.keeper)
		rob(aco_thread.keeper, 0); /* credit for another size */
	else
		get_keeper();
	fits = borrow(s, sz) || take_credit_anywhere(mine, sz, 0) ||
	       (!s->kept[size_class] && take_credit_anywhere(mine, sz, 1));

	if (fits && !keep(s, sstk, size_class))
		push(s, sstk, size_class);
	unlock(mine);
	return fits;
}

size_t aco_stack_cache_count(void)
{
	size_t n = 0;

	for (unsigned i = 0; i < ACO_SHARDS; i++)
		n += __atomic_load_n(&shards[i].count, __ATOMIC_RELAXED);
	return n;
}

size_t aco_stack_keepers_count(void)
{
	size_t n = 0;

	for (unsigned i = 0; i < KEEPERS; i++)
		n += (size_t)aco_is_stack(
			__atomic_load_n(&keepers[i].slot, __ATOMIC_RELAXED));
	return n;
}

size_t aco_stack_cache_empty(void)
{
	unsigned mine, i;
	size_t n;

	if (aco_fork_ready() < 0)
		return 0; /* so nothing was ever kept */
	mine = lock_mine();
	n = rob_all(1);
	unlock(mine);
	for (i = 0; i < ACO_SHARDS; i++) {
		aco_lock(ACO_LOCK_SHARDS + i);
		n += empty(&shards[i]);
		unlock(i);
	}
	return n;
}

/* The thread ends: what it has goes to a shard, for others. */
static void release_keeper(void)
{
	struct aco_keeper *k = aco_thread.keeper;
	uintptr_t slot;
	unsigned mine;

	if (!k)
		return;
	mine = lock_mine();
	slot = __atomic_exchange_n(&k->slot, 0, __ATOMIC_ACQ_REL);
	if (slot)
		shards[mine].credit += k->sz;
	if (aco_is_stack(slot))
		push(&shards[mine], (aco_share_stack_t *)slot, k->size_class);
	unlock(mine);
	aco_thread.keeper = NULL;
	__atomic_store_n(&k->is_taken, 0, __ATOMIC_RELEASE);
}

ACO_AT_UNLOAD(1) static void unload(void)
{
	if (!aco_can_be_unloaded())
		return;
	release_keeper();
	aco_stack_cache_empty();
}

/* The thread holds all locks, or nobody has ever taken one. */
static void set_limit(size_t bytes)
{
	room += bytes - limit;
	limit = bytes;
}

void aco_share_stack_cache_limit(size_t bytes)
{
	unsigned i;

	if (aco_fork_ready() < 0) {
		set_limit(bytes);
		return;
	}
	for (i = 0; i < ACO_SHARDS; i++) {
		aco_lock(ACO_LOCK_SHARDS + i);
		empty(&shards[i]);
	}
	rob_all(1); /* credit comes only from a shard that is not locked */
	set_limit(bytes);
	for (i = 0; i < ACO_SHARDS; i++)
		unlock(i);
}
