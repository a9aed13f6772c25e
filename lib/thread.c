/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - what a thread gets before its first co, and what ends with it
 */
#include "internal.h"

#include <errno.h>
#include <signal.h>

#include "tools.h"

/* ---- the list of threads ------------------------------------------------- */

/* The thread ends, and its variables with it. */
static void leave_list(void)
{
	struct aco_thread *t = &aco_thread;

	if (!t->is_listed)
		return;
	aco_lock(ACO_LOCK_THREADS);
	aco_thread_unlink(t);
	t->is_listed = 0;
	aco_unlock(ACO_LOCK_THREADS);
}

/*
 * Once: destructors of other thread-specific data may use cos after the thread
 * has left the list, and it may be that nothing is called after them.
 */
static void join_list(void)
{
	struct aco_thread *t = &aco_thread;

	if (aco_likely(t->was_listed) || aco_fork_ready() < 0)
		return;
	t->release[ACO_RELEASE_LISTED] = leave_list;
	t->current = &aco_gtls_co;
	aco_lock(ACO_LOCK_THREADS);
	aco_thread_link(t);
	t->is_listed = 1;
	t->was_listed = 1;
	aco_unlock(ACO_LOCK_THREADS);
}

/* ---- the end of threads -------------------------------------------------- */

/* A key plus 1, or 0 as long as there is none.  When a thread that has set the
   key ends, thread_end() is called. */
static unsigned key_and_1;

static void thread_end(void *thread)
{
	(void)thread;
	for (unsigned i = 0; i < ACO_RELEASES; i++)
		if (aco_thread.release[i])
			aco_thread.release[i]();
}

/*
 * The key is made when it is first needed, and tried for again after a failure:
 * a program that has used up its keys may give one back.  There is no lock,
 * because a lock that another thread holds stays locked in the child of a fork.
 */
static unsigned make_key(void)
{
	unsigned made = __atomic_load_n(&key_and_1, __ATOMIC_SEQ_CST);
	pthread_key_t key;

	if (made)
		return made;
	if (pthread_key_create(&key, thread_end))
		return 0;
	if (__atomic_compare_exchange_n(&key_and_1, &made, key + 1, 0,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return key + 1;
	pthread_key_delete(key);
	return made; /* by another thread in the meantime */
}

int aco_thread_register_exit(unsigned i, void (*release)(void))
{
	unsigned made;
	int result = -1;

	__atomic_fetch_add(&aco_thread_key_users, 1, __ATOMIC_SEQ_CST);
	made = make_key();
	if (made && !pthread_setspecific(made - 1, &aco_thread))
		result = 0;
	__atomic_fetch_sub(&aco_thread_key_users, 1, __ATOMIC_RELEASE);
	if (result < 0) {
		errno = ENOMEM;
		return -1;
	}
	aco_thread.release[i] = release;
	join_list();
	return 0;
}

/* ---- the alternate signal stack ------------------------------------------ */

/* For what the kernel pushes, the handler of overflow.c, and the handler that
   it passes on to. */
#define ALT_STACK_SIZE ((size_t)64 << 10)

int aco_overflow_reporting;

/*
 * The kernel takes any stack, but a filter of system calls may refuse them.  If it
 * does not tell whether there is one, there may be one of the program's.
 */
static int knows_alt_stack(stack_t *ss)
{
	*ss = (stack_t){ .ss_flags = SS_DISABLE };
	return sigaltstack(NULL, ss) == 0;
}

static int use_alt_stack(void *ptr)
{
	const stack_t ss = { .ss_sp = ptr, .ss_size = ALT_STACK_SIZE };

	aco_tools_defined(&ss, sizeof(ss));
	return sigaltstack(&ss, NULL);
}

static int map_alt_stack(void)
{
	void *ptr = mmap(NULL, ALT_STACK_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (ptr == MAP_FAILED || !ptr)
		return -1;
	if (use_alt_stack(ptr) < 0) {
		munmap(ptr, ALT_STACK_SIZE);
		return -1;
	}
	aco_thread.alt_stack = ptr;
	return 0;
}

int aco_thread_alt_stack_new(void)
{
	stack_t ss;

	if (!knows_alt_stack(&ss))
		return -1;
	if (!(ss.ss_flags & SS_DISABLE))
		return 0;
	if (aco_thread.alt_stack) /* others had one meanwhile */
		return use_alt_stack(aco_thread.alt_stack);
	if (aco_thread_register_exit(ACO_RELEASE_ALT_STACK,
				     aco_thread_alt_stack_free) < 0)
		return -1;
	return map_alt_stack();
}

void aco_thread_alt_stack_free(void)
{
	const stack_t none = { .ss_flags = SS_DISABLE };
	void *ptr = aco_thread.alt_stack;
	stack_t ss;

	if (!ptr)
		return;
	aco_tools_defined(&none, sizeof(none));
	if (!knows_alt_stack(&ss))
		return; /* the next signal may come there */
	if (ss.ss_sp == ptr) {
		if (ss.ss_flags & SS_ONSTACK)
			return; /* exit(3) in a handler */
		if (sigaltstack(&none, NULL) < 0)
			return;
	}
	aco_thread.alt_stack = NULL;
	munmap(ptr, ALT_STACK_SIZE);
}

/* ---- the end of this code ------------------------------------------------ */

/* Unless a thread is about to use the key. */
static void delete_key(void)
{
	unsigned made = __atomic_exchange_n(&key_and_1, 0, __ATOMIC_SEQ_CST);

	if (made && !__atomic_load_n(&aco_thread_key_users, __ATOMIC_SEQ_CST))
		pthread_key_delete(made - 1);
}

/* After the one of overflow.c, whose handler needs the alternate stack. */
ACO_AT_UNLOAD(1) static void unload(void)
{
	if (!aco_can_be_unloaded())
		return;
	delete_key();
	aco_thread_alt_stack_free();
}

/* ---- the beginning ------------------------------------------------------- */

void aco_thread_init(aco_cofuncp_t last_word)
{
	/* Each thread has a number of its own: the next thread may keep its
	   variables where a thread that has ended kept them. */
	static uint64_t threads;
	int saved = errno;

	aco_tools_process_ready();
	if (!aco_thread.number)
		aco_thread.number = __atomic_add_fetch(&threads, 1,
						       __ATOMIC_RELAXED);
	aco_control_record(&aco_thread.control);
	if (last_word)
		aco_thread.last_word = last_word;
	aco_thread.ready = 1;
	if (!aco_thread.was_listed)
		aco_thread_register_exit(ACO_RELEASE_LISTED, leave_list);
	if (__atomic_load_n(&aco_overflow_reporting, __ATOMIC_RELAXED))
		aco_thread_alt_stack_new();
	errno = saved;
}
