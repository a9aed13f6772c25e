/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread_list.c - the threads that use the library
 *
 * thread.c says when one is linked and unlinked, and has the lock.
 */
#include "internal.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "debug.h"

struct aco_thread *aco_threads;
unsigned aco_thread_key_users;

const struct aco_debug_list aco_debug_threads = {
	&aco_threads,
	{ offsetof(struct aco_thread, next),
	  offsetof(struct aco_thread, current),
	  offsetof(struct aco_thread, own_main),
	  offsetof(struct aco_thread, number), offsetof(struct aco_thread, tid),
	  -1 }
};

void aco_thread_link(struct aco_thread *t)
{
	t->tid = (int)syscall(SYS_gettid);
	t->prev = NULL;
	t->next = aco_threads;
	if (t->next)
		t->next->prev = t;
	aco_threads = t;
}

void aco_thread_unlink(struct aco_thread *t)
{
	aco_tally_all(t);
	if (t->next)
		t->next->prev = t->prev;
	if (t->prev)
		t->prev->next = t->next;
	else
		aco_threads = t->next;
}

/* It has another number there.  What the other threads have made is there, too. */
void aco_thread_alone(void)
{
	struct aco_thread *t = &aco_thread;

	for (struct aco_thread *other = aco_threads; other; other = other->next)
		if (other != t)
			aco_tally_all(other);
	aco_thread_key_users = 0;
	aco_threads = NULL;
	if (t->is_listed)
		aco_thread_link(t);
}
