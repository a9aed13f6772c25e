/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-time.c - deadlines and timers
 */
#include "ioutil.h"

#define MS INT64_C(1000000)
#define SLEEPERS 500
#define ORDERED 200

static int fds[2];
static int64_t order[ORDERED];
static int count, early;

IO_TEST(clock_and_after)
{
	int64_t now = aco_io_now();

	ck_assert_int_gt(now, 0);
	ck_assert(aco_io_after(0) == now);
	ck_assert(aco_io_after(7) == now + 7 * MS);
	ck_assert(aco_io_after(-1) == ACO_IO_NEVER);
	ck_assert(aco_io_after(INT64_MIN) == ACO_IO_NEVER);
	ck_assert(aco_io_after(INT64_MAX) == ACO_IO_NEVER);
	ck_assert(aco_io_after(INT64_MAX / MS) == ACO_IO_NEVER);
	ck_assert(aco_io_after((INT64_MAX - now) / MS - 1) > now);
	/* It stands still until the task waits. */
	ck_assert(aco_io_now() == now);
	ck_assert_int_eq(aco_io_sleep(now + 1), 0);
	ck_assert(aco_io_now() > now);
}

START_TEST(clock_outside_tasks)
{
	int64_t now = aco_io_now();

	ck_assert(aco_io_now() >= now);
	ck_assert(aco_io_after(-1) == ACO_IO_NEVER);
	io_fails(aco_io_sleep(0), EPERM);
	io_fails(aco_io_sleep(ACO_IO_NEVER), EPERM);
	io_fails(aco_io_yield(), EPERM);
}
END_TEST

static void counts(void *unused)
{
	(void)unused;
	count++;
}

/* Past deadlines do not wait, but others have a turn. */
IO_TEST(past_deadlines)
{
	io_go(NULL, counts, NULL);
	ck_assert_int_eq(aco_io_sleep(0), 0);
	ck_assert_int_eq(count, 1);
	io_go(NULL, counts, NULL);
	ck_assert_int_eq(aco_io_sleep(aco_io_now()), 0);
	ck_assert_int_eq(count, 2);
	ck_assert_int_eq(aco_io_sleep(1), 0);
}

/* A call whose deadline has passed tries once. */
IO_TEST(a_past_deadline_tries)
{
	char c;

	io_pair(fds);
	for (int i = 0; i < 3; i++) {
		io_fails(aco_io_read(fds[0], &c, 1, i), ETIMEDOUT);
		io_put(fds[1], "xy", 2);
		ck_assert_int_eq(aco_io_read(fds[0], &c, 1, 0), 1);
		ck_assert_int_eq(aco_io_read(fds[0], &c, 1, aco_io_now()), 1);
	}
	ck_assert_int_eq(aco_io_write(fds[0], "z", 1, 0), 1);
	io_get(fds[1], &c, 1);
	close(fds[1]);
	ck_assert_int_eq(aco_io_read(fds[0], &c, 1, 0), 0);
	aco_io_close(fds[0]);
}

/* It covers several calls: what one has used up is missing to the next. */
IO_TEST(one_deadline_for_several_calls)
{
	int64_t deadline = aco_io_after(SHORT);
	int calls = 0;
	char c;

	io_pair(fds);
	do {
		io_put(fds[1], "x", 1);
		ck_assert_int_eq(aco_io_read(fds[0], &c, 1, deadline), 1);
		io_turns(1);
		calls++;
	} while (aco_io_now() < deadline);
	ck_assert_int_gt(calls, 0);
	io_fails(aco_io_read(fds[0], &c, 1, deadline), ETIMEDOUT);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, deadline), ETIMEDOUT);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

IO_TEST(the_deadline_has_passed_then)
{
	int64_t deadline = aco_io_after(SHORT);
	char c;

	io_pair(fds);
	io_fails(aco_io_read(fds[0], &c, 1, deadline), ETIMEDOUT);
	ck_assert(aco_io_now() >= deadline);
	deadline = aco_io_after(SHORT);
	ck_assert_int_eq(aco_io_sleep(deadline), 0);
	ck_assert(aco_io_now() >= deadline);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

/* ---- timers in any order ------------------------------------------------- */

/* Sleeps until a few random times, which may be earlier than the one before. */
static void sleeps(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (int i = 0; i < 6; i++) {
		int64_t deadline = aco_io_now() +
				   (int64_t)(t_random(&seed) % 4000000);

		if (aco_io_sleep(deadline) || aco_io_now() < deadline)
			early++;
	}
	count++;
}

IO_TEST(random_sleeps)
{
	aco_io_group_t *group = io_group();

	for (int i = 1; i <= SLEEPERS; i++)
		io_go(group, sleeps, (void *)(intptr_t)(i * 7919));
	ck_assert_int_eq(aco_io_group_destroy(NULL), -1);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(early, 0);
	ck_assert_int_eq(count, SLEEPERS);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

/* All deadlines are due in one look: their order is that of the deadlines. */
static int64_t start;
static aco_io_queue_t queue;

static void sleeps_until(int64_t deadline)
{
	if (aco_io_sleep(deadline))
		early++;
	order[count++] = deadline;
}

static void sleeps_once(void *arg)
{
	aco_io_park(&queue, ACO_IO_NEVER);
	sleeps_until(start + (int64_t)(uintptr_t)arg);
}

static void passes_time(void)
{
	int64_t until = aco_io_now() + 3 * MS;
	struct timespec t;

	do
		clock_gettime(CLOCK_MONOTONIC, &t);
	while (t.tv_sec * (1000 * MS) + t.tv_nsec < until);
}

IO_TEST(the_earliest_first)
{
	aco_io_group_t *group = io_group();
	uint32_t seed = 42;

	for (int i = 0; i < ORDERED; i++)
		io_go(group, sleeps_once,
		      (void *)(uintptr_t)(t_random(&seed) % 1000000));
	io_turns(3);
	/* All of them fall asleep in one turn. */
	start = aco_io_now() + MS;
	ck_assert_int_eq(aco_io_unpark(&queue, -1), ORDERED);
	ck_assert_int_eq(aco_io_yield(), 0);
	passes_time();
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(count, ORDERED);
	ck_assert_int_eq(early, 0);
	for (int i = 1; i < ORDERED; i++)
		if (order[i] < order[i - 1])
			ck_abort_msg("%d: out of order", i);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

/* Nor do deadlines of waits that were over before change the order. */
static void sleeps_after_a_wait(void *unused)
{
	(void)unused;
	aco_io_park(&queue, start + MS);
	sleeps_until(start + 3 * MS);
}

static void sleeps_less(void *unused)
{
	(void)unused;
	aco_io_park(&queue, ACO_IO_NEVER);
	sleeps_until(start + 2 * MS);
}

IO_TEST(the_earliest_first_after_other_waits)
{
	aco_io_group_t *group = io_group();

	start = aco_io_now();
	io_go(group, sleeps_after_a_wait, NULL);
	io_go(group, sleeps_less, NULL);
	ck_assert_int_eq(aco_io_yield(), 0);
	ck_assert_int_eq(aco_io_unpark(&queue, -1), 2);
	ck_assert_int_eq(aco_io_yield(), 0);
	passes_time();
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(early, 0);
	ck_assert_int_eq(count, 2);
	ck_assert(order[0] < order[1]);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

/* Deadlines that are never reached, because what was waited for came before:
   they do not wake the task out of a later wait. */
static void reads_with_deadlines(void *unused)
{
	char c;

	(void)unused;
	for (int i = 0; i < 50; i++)
		if (aco_io_read(fds[0], &c, 1,
				aco_io_after(i % 7 ? 2 + i % 3 : LONG)) == 1)
			count++;
	while (count < 50)
		if (aco_io_read(fds[0], &c, 1, ACO_IO_NEVER) == 1)
			count++;
	if (aco_io_read(fds[0], &c, 1, ACO_IO_NEVER) != 0)
		early++;
}

IO_TEST(old_deadlines_are_forgotten)
{
	int64_t until;

	io_pair(fds);
	io_go(NULL, reads_with_deadlines, NULL);
	for (int i = 0; i < 50; i++) {
		io_put(fds[1], "x", 1);
		io_settle();
	}
	until = aco_io_after(10);
	while (aco_io_now() < until)
		io_turns(1);
	close(fds[1]);
	io_turns(2);
	ck_assert_int_eq(early, 0);
	ck_assert_int_eq(count, 50);
	aco_io_close(fds[0]);
}

void t_reset(void)
{
	count = early = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-time");
	TCase *tc = io_case(s, "deadlines");

	io_add(tc, clock_and_after);
	tcase_add_test(tc, clock_outside_tasks);
	io_add(tc, past_deadlines);
	io_add(tc, a_past_deadline_tries);
	io_add(tc, one_deadline_for_several_calls);
	io_add(tc, the_deadline_has_passed_then);
	tc = io_case(s, "timers");
	io_add(tc, random_sleeps);
	io_add(tc, the_earliest_first);
	io_add(tc, the_earliest_first_after_other_waits);
	io_add(tc, old_deadlines_are_forgotten);
	return s;
}
