/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.c - all locks of the library, and fork(2)
 *
 * A lock that another thread holds stays locked in the child for ever.  So the
 * thread that forks takes all locks before, and releases them after, in the
 * child as well.  Handlers of the program that were registered before ours run
 * in between, on this thread.  They may use the library: aco_lock() does
 * nothing in a thread that has all locks.
 */
#include "internal.h"

/* clang-format off */
#define LOCK { PTHREAD_MUTEX_INITIALIZER }
#define FOUR_LOCKS LOCK, LOCK, LOCK, LOCK

struct aco_lock aco_locks[] = {
	FOUR_LOCKS, FOUR_LOCKS, FOUR_LOCKS, FOUR_LOCKS, /* of the shards */
	FOUR_LOCKS, LOCK,
	FOUR_LOCKS, FOUR_LOCKS, FOUR_LOCKS, FOUR_LOCKS, /* of lists of notes */
};
/* clang-format on */
_Static_assert(sizeof(aco_locks) / sizeof(*aco_locks) == ACO_LOCKS,
	       "as many as there are");
ACO_THREAD_LOCAL unsigned aco_forking;

static void before_fork(void)
{
	for (unsigned i = 0; i < ACO_LOCKS; i++)
		aco_lock(i);
	aco_forking++;
}

/* C libraries before glibc 2.36 call this without before_fork() when a handler
   was the first to use the library. */
static void after_fork(void)
{
	if (!aco_forking || --aco_forking)
		return;
	for (unsigned i = 0; i < ACO_LOCKS; i++)
		aco_unlock(i);
}

static void after_fork_in_child(void)
{
	aco_thread_alone();
	after_fork();
}

/* Two threads may register the handlers at the same time, which is harmless.  A
   lock against that would be one more that a fork leaves locked. */
int aco_fork_ready(void)
{
	static int ready;

	if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		return 0;
	if (pthread_atfork(before_fork, after_fork, after_fork_in_child))
		return -1;
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	return 0;
}

/*
 * When this code is loaded.  The C library does not call handlers in the child of a
 * fork that was under way when they came: at the first use by one thread, another
 * one may be in fork(2).  If there is no memory now, the first use asks again.
 *
 * malloc(3) is called under some of the locks, so it has to be able to go on until
 * they are taken.  An allocator that locks itself in a handler of its own, which it
 * registers when it is first called, does so now: the last handlers run first.
 */
__attribute__((__constructor__)) static void load(void)
{
	void *volatile block = malloc(1);

	free(block);
	aco_fork_ready();
}
