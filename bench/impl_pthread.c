/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl_pthread.c - threads in the place of coroutines
 *
 * A program without coroutines would have a thread for each, and let one of
 * them run at a time, with a mutex and condition variables.
 */
#include <pthread.h>

#include "protocol.h"
#include "row.h"

/* The stack comes with the thread; the C library keeps some for reuse. */
typedef struct {
	int unused;
} stk_t;

typedef struct task task_t;
typedef void (*body_t)(task_t *self);

struct task {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t turn_changed;
	int is_its_turn;
	body_t body;
};

#define BODY(name) static void name(task_t *self)
#define SELF self
#define SHARES_STACKS 0

/* Gives the turn to the other side and waits until the turn comes back. */
static void hand_over(task_t *task, int whose)
{
	pthread_mutex_lock(&task->lock);
	task->is_its_turn = whose;
	pthread_cond_signal(&task->turn_changed);
	while (task->is_its_turn == whose)
		pthread_cond_wait(&task->turn_changed, &task->lock);
	pthread_mutex_unlock(&task->lock);
}

static inline void task_resume(task_t *task)
{
	hand_over(task, 1);
}

static inline void task_yield(task_t *self)
{
	hand_over(self, 0);
}

static void task_exit(task_t *self)
{
	pthread_mutex_lock(&self->lock);
	self->is_its_turn = 0;
	pthread_cond_signal(&self->turn_changed);
	pthread_mutex_unlock(&self->lock);
}

static stk_t *stk_new(size_t sz, int guarded);
static task_t *task_new(stk_t *stk, body_t body);
static void task_free(task_t *task);
static void stk_free(stk_t *stk);

#include "workload.h"

static stk_t *stk_new(size_t sz, int guarded)
{
	static stk_t the_threads_own;

	(void)sz;
	(void)guarded;
	return &the_threads_own;
}

static void stk_free(stk_t *stk)
{
	(void)stk;
}

static void *entry(void *arg)
{
	task_t *self = arg;

	pthread_mutex_lock(&self->lock);
	while (!self->is_its_turn)
		pthread_cond_wait(&self->turn_changed, &self->lock);
	pthread_mutex_unlock(&self->lock);
	self->body(self);
	return NULL;
}

static task_t *task_new(stk_t *stk, body_t body)
{
	task_t *task = bench_need(calloc(1, sizeof(*task)));

	(void)stk;
	pthread_mutex_init(&task->lock, NULL);
	pthread_cond_init(&task->turn_changed, NULL);
	task->body = body;
	if (pthread_create(&task->thread, NULL, entry, task))
		bench_skip("can't make so many threads");
	return task;
}

static void task_free(task_t *task)
{
	pthread_join(task->thread, NULL);
	free(task);
}

const char bench_compiler[] = BENCH_COMPILER;

/* clang-format off */
const struct row bench_rows[] = {
	ROWS_SWITCH("pthread", 0),
	ROWS_MEMORY_OWN("pthread", 0),
	ROWS_CREATE_NEW("pthread", 0),
	ROWS_END
};
/* clang-format on */
