/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - what belongs to a thread: control words, protector, own main co
 */
#include "internal.h"

#include <cpuid.h>
#include <errno.h>
#include <pthread.h>

#include "stacks.h"
#include "tools.h"

#define INITIAL_EXEC __attribute__((__tls_model__("initial-exec")))

__thread aco_t *aco_gtls_co INITIAL_EXEC;
__thread struct aco_thread aco_thread INITIAL_EXEC;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int process_ready;

/* A key plus 1, or 0 as long as there is none.  In threads that have set it,
   thread_end() is called at the end. */
static unsigned key_and_1;
static unsigned key_users; /* threads that are about to set it */

static void own_main_free(void)
{
	aco_t *co = aco_thread.own_main;

	if (!co)
		return;
	if (aco_gtls_co == co)
		aco_gtls_co = NULL;
	aco_thread.own_main = NULL;
	aco_main_free(co);
}

static void thread_end(void *thread)
{
	(void)thread;
	own_main_free();
	aco_overflow_thread_end();
}

/* Once in the process. */
static void set_up(void)
{
	aco_tools_find();
	__atomic_store_n(&process_ready, 1, __ATOMIC_RELEASE);
}

/* Debian's i386 runs on processors without SSE, too. */
static int has_sse(void)
{
#if defined(__x86_64__)
	return 1;
#else
	unsigned a, b, c, d;

	/* not AT_HWCAP, which the C library replaces */
	return __get_cpuid(1, &a, &b, &c, &d) && (d & bit_SSE);
#endif
}

/*
 * Threads have numbers, each its own: where one keeps its variables, the next
 * may keep its own as soon as the first has ended.
 */
static void number_thread(void)
{
	static uint64_t threads;

	if (!aco_thread.number)
		aco_thread.number = __atomic_add_fetch(&threads, 1,
						       __ATOMIC_RELAXED);
}

static void record_control_words(void)
{
	struct aco_thread *t = &aco_thread;

	__asm__("fnstcw %0" : "=m"(t->fpucw));
	t->has_sse = has_sse();
	if (t->has_sse)
		__asm__("stmxcsr %0" : "=m"(t->mxcsr));
}

/*
 * A library that is being loaded may get here, too, in a constructor, and then
 * holds the lock of the dynamic linker.  So set_up(), for which other threads
 * wait, must not take that lock.
 */
void aco_process_ready(void)
{
	if (__atomic_load_n(&process_ready, __ATOMIC_ACQUIRE))
		return;
	aco_cxx_find();
	pthread_once(&once, set_up);
}

void aco_thread_init(aco_cofuncp_t last_word)
{
	aco_process_ready();
	number_thread();
	record_control_words();
	if (last_word)
		aco_thread.last_word = last_word;
	aco_thread.ready = 1;
	aco_overflow_thread_ready();
}

void aco_thread_ready(void)
{
	if (aco_unlikely(!aco_thread.ready))
		aco_thread_init(NULL);
}

/*
 * Not in set_up(): a program that has used up its keys may give one back.
 * Without a lock, which a fork would leave locked in the child when another
 * thread holds it.
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
	return made; /* by another thread, which was faster */
}

void aco_thread_alone(void)
{
	key_users = 0;
}

static int set_key(void)
{
	unsigned made;
	int result = -1;

	__atomic_fetch_add(&key_users, 1, __ATOMIC_SEQ_CST);
	made = make_key();
	if (made && !pthread_setspecific(made - 1, &aco_thread))
		result = 0;
	__atomic_fetch_sub(&key_users, 1, __ATOMIC_RELEASE);
	return result;
}

/* Unless a thread is about to use it. */
static void delete_key(void)
{
	unsigned made = __atomic_exchange_n(&key_and_1, 0, __ATOMIC_SEQ_CST);

	if (made && !__atomic_load_n(&key_users, __ATOMIC_SEQ_CST))
		pthread_key_delete(made - 1);
}

int aco_thread_notice_end(void)
{
	if (set_key() == 0)
		return 0;
	errno = ENOMEM;
	return -1;
}

/* Resuming decides nothing: its first aco_create() may find other words. */
aco_t *aco_thread_own_main(void)
{
	struct aco_thread *t = &aco_thread;
	uint8_t ready = t->ready;

	aco_thread_ready();
	t->ready = ready;
	if (aco_thread_notice_end() < 0)
		return NULL;
	t->own_main = aco_main_new(NULL, NULL, 0, 1);
	return t->own_main;
}

/*
 * The last of this code that runs when a plugin is closed that contains it: the
 * C library and the kernel must not call any of it later.  At exit(3) it runs
 * as well, but other threads may go on with their cos, and this one may be in
 * one.
 */
__attribute__((__destructor__(101))) static void unload(void)
{
	if (!aco_can_be_unloaded())
		return;
	delete_key();
	if (!aco_gtls_co || aco_gtls_co->state == ACO_MAIN)
		own_main_free();
	aco_overflow_unload();
	aco_stack_cache_empty();
}
