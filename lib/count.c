/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count.c - counts of what there is, and of copies
 *
 * To count must not cost what is counted.  Each thread has numbers of its own,
 * which it alone writes; aco_stats() adds them up.
 *
 *	cos, stacks      a thread takes leave to make one more, or some, and notes
 *	                 how many are left; what it destroys goes there, too:
 *
 *	                   there are = given to all threads - left to them
 *
 *	                 The most that were given is no less than the most that
 *	                 there were.
 *	save_bytes       the sum of all is right, modulo SIZE_MAX + 1; that of one
 *	                 thread says nothing, because another one may free
 *	copies           only grow
 *
 * What a thread has counted stays when it ends.  A thread of whose end the C
 * library can't tell has nothing left, and counts under the lock.
 */
#include "internal.h"

/* It takes one at a time at first, and then so many parts of what it has. */
#define PARTS 64

/* Where there is no memory to tell fork(2) of locks, none is taken: no thread is
   listed yet, and the counts of two at once may lose one. */
static int lock(void)
{
	if (aco_fork_ready() < 0)
		return 0;
	aco_lock(ACO_LOCK_THREADS);
	return 1;
}

static void unlock(int is_locked)
{
	if (is_locked)
		aco_unlock(ACO_LOCK_THREADS);
}

void aco_count_fold_copies(void)
{
	int is_locked = lock();

	aco_tally_copies(&aco_thread);
	unlock(is_locked);
}

/* For pieces at hand it is cos_left that counts. */
static void keep(struct aco_thread *t, unsigned kind, size_t n)
{
	if (kind == ACO_COS && t->magazines)
		aco_add(&t->cos_left, n);
	else
		aco_add(&t->left[kind], n);
}

/* A thread whose cos others destroy has taken more than there is. */
static size_t part(size_t taken, size_t given)
{
	return (taken < given ? taken : given) / PARTS;
}

void aco_count_made(unsigned kind)
{
	struct aco_thread *t = &aco_thread;
	size_t n = 1;
	int is_locked;

	if (kind == ACO_COS && t->cos_left) {
		aco_add(&t->cos_left, (size_t)-1);
		return;
	}
	if (t->left[kind]) {
		aco_add(&t->left[kind], (size_t)-1);
		return;
	}
	is_locked = lock();
	if (t->is_listed) {
		n += part(t->taken[kind], aco_tally.given[kind]);
		t->taken[kind] += n;
		keep(t, kind, n - 1);
	}
	aco_tally.given[kind] += n;
	if (aco_tally.most[kind] < aco_tally.given[kind])
		aco_tally.most[kind] = aco_tally.given[kind];
	unlock(is_locked);
}

void aco_count_gone(unsigned kind)
{
	struct aco_thread *t = &aco_thread;
	int is_locked;

	if (t->is_listed) {
		aco_add(&t->left[kind], 1);
		if (t->left[kind] + (kind == ACO_COS ? t->cos_left : 0) <=
		    ACO_MOST_LEFT)
			return;
	}
	is_locked = lock();
	if (t->is_listed)
		aco_tally_give_back(t, kind);
	else
		aco_tally.given[kind]--;
	unlock(is_locked);
}

void aco_count_save_bytes(size_t more, size_t less)
{
	int is_locked;

	if (aco_thread.is_listed) {
		aco_add(&aco_thread.save_bytes, more - less);
		return;
	}
	is_locked = lock();
	aco_tally.save_bytes += more - less;
	unlock(is_locked);
}
