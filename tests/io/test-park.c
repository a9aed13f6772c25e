/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-park.c - queues of tasks, and a mutex and a condition variable of them
 */
#include "ioutil.h"

static aco_io_queue_t queue = ACO_IO_QUEUE_INIT;
static int count, results[6], errors[6], order[6];

static void parks(void *arg)
{
	int i = (int)(intptr_t)arg;

	results[i] = aco_io_park(&queue, ACO_IO_NEVER);
	errors[i] = errno;
	order[count++] = i;
}

static void start_six(void)
{
	for (intptr_t i = 0; i < 6; i++)
		io_go(NULL, parks, (void *)i);
	io_settle();
	ck_assert_int_eq(count, 0);
}

IO_TEST(in_order)
{
	start_six();
	ck_assert_int_eq(aco_io_unpark(&queue, 0), 0);
	ck_assert_int_eq(aco_io_unpark(&queue, 2), 2);
	io_settle();
	ck_assert_int_eq(count, 2);
	ck_assert_int_eq(aco_io_unpark(&queue, -1), 4);
	ck_assert_int_eq(aco_io_unpark(&queue, -1), 0);
	ck_assert_int_eq(aco_io_unpark(&queue, 7), 0);
	io_settle();
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(results[i], 0);
		ck_assert_int_eq(order[i], i);
	}
}

IO_TEST(more_than_there_are)
{
	start_six();
	ck_assert_int_eq(aco_io_unpark(&queue, 100), 6);
	io_settle();
	ck_assert_int_eq(count, 6);
}

static aco_io_task_t tasks[6];

/* One from the middle, the first and the last: the others stay in order. */
IO_TEST(cancelled_in_a_queue)
{
	for (intptr_t i = 0; i < 6; i++)
		tasks[i] = io_go(NULL, parks, (void *)i);
	io_settle();
	ck_assert_int_eq(aco_io_cancel(tasks[2]), 0);
	ck_assert_int_eq(aco_io_cancel(tasks[0]), 0);
	ck_assert_int_eq(aco_io_cancel(tasks[5]), 0);
	io_settle();
	ck_assert_int_eq(count, 3);
	ck_assert_int_eq(results[2], -1);
	ck_assert_int_eq(errors[2], ECANCELED);
	ck_assert_int_eq(aco_io_unpark(&queue, -1), 3);
	io_settle();
	ck_assert_int_eq(order[3], 1);
	ck_assert_int_eq(order[4], 3);
	ck_assert_int_eq(order[5], 4);
}

IO_TEST(deadlines)
{
	io_fails(aco_io_park(&queue, 0), ETIMEDOUT);
	io_fails(aco_io_park(&queue, aco_io_now() + 1), ETIMEDOUT);
	io_fails(aco_io_park(&queue, aco_io_after(SHORT)), ETIMEDOUT);
	ck_assert_int_eq(aco_io_unpark(&queue, -1), 0);
}

START_TEST(outside_tasks)
{
	aco_io_t *io = aco_io_new(NULL);

	io_fails(aco_io_park(&queue, ACO_IO_NEVER), EPERM);
	io_fails(aco_io_park(NULL, ACO_IO_NEVER), EINVAL);
	io_fails(aco_io_unpark(NULL, 1), EINVAL);
	ck_assert_int_eq(aco_io_unpark(&queue, 1), 0);
	io_go(NULL, parks, NULL);
	ck_assert(aco_io_step(io, 0) == ACO_IO_NEVER);
	ck_assert_int_eq(aco_io_unpark(&queue, 1), 1);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

/* ---- a mutex and a condition variable ------------------------------------ */

struct mutex {
	bool is_locked;
	aco_io_queue_t waiting;
};

static int lock(struct mutex *m)
{
	while (m->is_locked)
		if (aco_io_park(&m->waiting, ACO_IO_NEVER))
			return -1;
	m->is_locked = true;
	return 0;
}

static void unlock(struct mutex *m)
{
	m->is_locked = false;
	aco_io_unpark(&m->waiting, 1);
}

static int wait_for(aco_io_queue_t *changed, struct mutex *m)
{
	int result;

	unlock(m);
	result = aco_io_park(changed, ACO_IO_NEVER);
	if (lock(m))
		ck_abort_msg("errno %d", errno);
	return result;
}

#define PLACES 3
#define ITEMS 500

static struct mutex mutex;
static aco_io_queue_t not_full, not_empty;
static int items, inside, taken, put;

static void enters(void)
{
	ck_assert_int_eq(lock(&mutex), 0);
	if (inside++)
		ck_abort_msg("two are inside");
	if (put % 5 == 0)
		aco_io_yield(); /* with the lock */
}

static void leaves(void)
{
	inside--;
	unlock(&mutex);
}

static void puts_items(void *unused)
{
	(void)unused;
	for (int i = 0; i < ITEMS; i++) {
		enters();
		while (items == PLACES) {
			inside--;
			wait_for(&not_full, &mutex);
			inside++;
		}
		items++;
		put++;
		aco_io_unpark(&not_empty, 1);
		leaves();
	}
}

static void takes_items(void *unused)
{
	(void)unused;
	for (int i = 0; i < ITEMS; i++) {
		enters();
		while (!items) {
			inside--;
			wait_for(&not_empty, &mutex);
			inside++;
		}
		if (items < 1 || items > PLACES)
			ck_abort_msg("%d items", items);
		items--;
		taken++;
		aco_io_unpark(&not_full, 1);
		leaves();
	}
}

IO_TEST(mutex_and_condition)
{
	aco_io_group_t *group = io_group();

	for (int i = 0; i < 4; i++) {
		io_go(group, puts_items, NULL);
		io_go(group, takes_items, NULL);
	}
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(taken, 4 * ITEMS);
	ck_assert_int_eq(put, 4 * ITEMS);
	ck_assert_int_eq(items, 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

static void counts(void *unused)
{
	(void)unused;
	count++;
}

/* A task that asks without waiting does not keep those from running that unpark. */
IO_TEST(askers_give_others_their_turn)
{
	io_go(NULL, counts, NULL);
	for (int i = 0; i < 200; i++)
		io_fails(aco_io_park(&queue, 0), ETIMEDOUT);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(aco_io_unpark(&queue, -1), 0);
}

void t_reset(void)
{
	count = items = inside = taken = put = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-park");
	TCase *tc = io_case(s, "park");

	io_add(tc, in_order);
	io_add(tc, more_than_there_are);
	io_add(tc, cancelled_in_a_queue);
	io_add(tc, deadlines);
	tcase_add_test(tc, outside_tasks);
	io_add(tc, mutex_and_condition);
	io_add(tc, askers_give_others_their_turn);
	return s;
}
