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
 */
#include "stacks.h"

#define DEFAULT_LIMIT ((size_t)32 << 20)
#define SHARDS 16u

struct shard {
	pthread_mutex_t lock;
	size_t credit;
	aco_share_stack_t *kept[ACO_STACK_CLASSES];
} __attribute__((__aligned__(64)));

static struct shard shards[SHARDS] = {
	[0 ... SHARDS - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER }
};
static size_t limit = DEFAULT_LIMIT; /* written under all locks */
static size_t room = DEFAULT_LIMIT;

static __thread unsigned my_shard
	__attribute__((__tls_model__("initial-exec")));

static struct shard *lock_mine(void)
{
	struct shard *s = &shards[my_shard];
	unsigned i;

	for (i = 0; i < SHARDS; i++) {
		if (aco_trylock(&s->lock) == 0)
			return s;
		my_shard = (my_shard + 1) % SHARDS;
		s = &shards[my_shard];
	}
	aco_lock(&s->lock);
	return s;
}

static void unlock(struct shard *s)
{
	aco_unlock(&s->lock);
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

/* ---- one shard ---------------------------------------------------------- */

static void push(struct shard *s, aco_share_stack_t *sstk, unsigned size_class)
{
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

static int take_credit_anywhere(struct shard *s, size_t need, int push_out)
{
	struct shard *from;
	int got = 0;

	if (need > limit)
		return 0;
	for (from = shards; from < shards + SHARDS && !got; from++) {
		if (from != s && aco_trylock(&from->lock))
			continue;
		got = take_credit(from, s, need, push_out);
		if (from != s)
			unlock(from);
	}
	return got;
}

static aco_share_stack_t *get_anywhere(unsigned size_class)
{
	aco_share_stack_t *sstk = NULL;
	struct shard *s;

	for (s = shards; s < shards + SHARDS && !sstk; s++) {
		if (!__atomic_load_n(&s->kept[size_class], __ATOMIC_RELAXED) ||
		    aco_trylock(&s->lock))
			continue;
		sstk = pop(s, size_class);
		unlock(s);
	}
	return sstk;
}

aco_share_stack_t *aco_stack_cache_get(unsigned size_class)
{
	struct shard *s = lock_mine();
	aco_share_stack_t *sstk = pop(s, size_class);

	unlock(s);
	return sstk ? sstk : get_anywhere(size_class);
}

/* A size of which nothing is kept pushes others out. */
int aco_stack_cache_put(aco_share_stack_t *sstk, unsigned size_class)
{
	struct shard *s = lock_mine();
	size_t sz = sstk->sz;
	int fits = borrow(s, sz) || take_credit_anywhere(s, sz, 0) ||
		   (!s->kept[size_class] && take_credit_anywhere(s, sz, 1));

	if (fits)
		push(s, sstk, size_class);
	unlock(s);
	return fits;
}

void aco_stack_cache_lock(void)
{
	struct shard *s;

	for (s = shards; s < shards + SHARDS; s++)
		aco_lock(&s->lock);
}

void aco_stack_cache_unlock(void)
{
	struct shard *s;

	for (s = shards; s < shards + SHARDS; s++)
		unlock(s);
}

size_t aco_stack_cache_empty(void)
{
	struct shard *s;
	size_t n = 0;

	for (s = shards; s < shards + SHARDS; s++) {
		aco_lock(&s->lock);
		n += empty(s);
		unlock(s);
	}
	return n;
}

void aco_share_stack_cache_limit(size_t bytes)
{
	struct shard *s;

	aco_fork_ready();
	aco_stack_cache_lock();
	for (s = shards; s < shards + SHARDS; s++)
		empty(s);
	room += bytes - limit;
	limit = bytes;
	aco_stack_cache_unlock();
}
