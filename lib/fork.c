/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork.c - no other thread holds a lock of the library when the process forks
 *
 * A lock that another thread holds stays locked in the child for ever.  So the
 * thread that forks takes all locks of the library before, and releases them
 * after, in the child as well.  In between run handlers of the program, on this
 * thread: those that were registered before ours.  They may use the library:
 * aco_lock() does nothing in this thread, which has all locks.
 */
#include "stacks.h"

__thread unsigned aco_forking __attribute__((__tls_model__("initial-exec")));

static void before_fork(void)
{
	if (!aco_forking) {
		aco_stack_cache_lock();
		aco_arena_lock();
		aco_overflow_lock();
	}
	aco_forking++;
}

/* Also called without the above, by C libraries before glibc 2.36 when the
   first use of all was in a handler. */
static void after_fork(void)
{
	if (!aco_forking || --aco_forking)
		return;
	aco_overflow_unlock();
	aco_arena_unlock();
	aco_stack_cache_unlock();
}

static void after_fork_in_child(void)
{
	aco_thread_alone();
	after_fork();
}

/* Two threads may do it at a time, which is harmless; a lock against that would
   be one more that a fork leaves behind. */
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
