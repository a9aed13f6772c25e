/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-group.c - groups, which end after their tasks
 */
#include "ioutil.h"

static aco_io_group_t *group, *other;
static int count, started, results[4], errors[4];

static void sleeps(void *unused)
{
	(void)unused;
	started++;
	if (aco_io_sleep(aco_io_after(SHORT)) == 0)
		count++;
}

static void waits_for_ever(void *unused)
{
	(void)unused;
	started++;
	io_fails(aco_io_sleep(ACO_IO_NEVER), ECANCELED);
	count++;
}

/* Ends late: it has something to release. */
static void ends_late(void *unused)
{
	(void)unused;
	started++;
	io_fails(aco_io_sleep(ACO_IO_NEVER), ECANCELED);
	aco_io_shield(1);
	ck_assert_int_eq(aco_io_sleep(aco_io_after(SHORT)), 0);
	count++;
}

IO_TEST(wait)
{
	group = io_group();
	ck_assert_int_eq(aco_io_group_wait(group, 0), 0);
	for (int i = 0; i < 10; i++)
		io_go(group, sleeps, NULL);
	io_fails(aco_io_group_wait(group, 0), ETIMEDOUT);
	io_fails(aco_io_group_wait(group, aco_io_now() + 1), ETIMEDOUT);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(count, 10);
	/* It can be used again. */
	io_go(group, sleeps, NULL);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(count, 11);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

/* A task that asks without waiting does not keep the tasks of the group from ending. */
static void ends(void *unused)
{
	(void)unused;
	count++;
}

IO_TEST(asked_until_it_has_ended)
{
	int n = 0;

	group = io_group();
	io_go(group, ends, NULL);
	while (aco_io_group_wait(group, 0)) {
		ck_assert_int_eq(errno, ETIMEDOUT);
		ck_assert_int_lt(n++, 200);
	}
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

IO_TEST(destroy_cancels_and_waits)
{
	group = io_group();
	for (int i = 0; i < 10; i++)
		io_go(group, i % 2 ? waits_for_ever : ends_late, NULL);
	io_settle();
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	ck_assert_int_eq(count, 10);
}

/* Also if the one who destroys is cancelled: nothing outlives the group. */
static void destroys(void *arg)
{
	int i = (int)(intptr_t)arg;

	results[i] = aco_io_group_destroy(group);
	errors[i] = errno;
	started++;
}

IO_TEST(destroyed_by_a_cancelled_task)
{
	aco_io_task_t task;

	group = io_group();
	io_go(group, ends_late, NULL);
	io_settle();
	task = io_go(NULL, destroys, NULL);
	ck_assert_int_eq(aco_io_cancel(task), 0);
	aco_io_yield();
	ck_assert_int_eq(aco_io_cancel(task), 0);
	io_settle();
	while (results[0] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], 0);
	ck_assert_int_eq(count, 1);
}

IO_TEST(cancel)
{
	group = io_group();
	other = io_group();
	for (int i = 0; i < 5; i++)
		io_go(group, waits_for_ever, NULL);
	io_go(other, waits_for_ever, NULL);
	io_go(group, waits_for_ever, NULL); /* has not started */
	ck_assert_int_eq(aco_io_group_cancel(group), 0);
	errno = 0;
	ck_assert_uint_eq(aco_io_go(group, sleeps, NULL, io_flags), 0);
	ck_assert_int_eq(errno, ECANCELED);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(count, 6);
	ck_assert_uint_eq(aco_io_go(group, sleeps, NULL, io_flags), 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	ck_assert_int_eq(aco_io_group_destroy(other), 0);
	ck_assert_int_eq(count, 7);
}

/* ---- members ------------------------------------------------------------- */

static void waits_for_itself(void *unused)
{
	(void)unused;
	io_fails(aco_io_group_wait(group, ACO_IO_NEVER), EDEADLK);
	io_fails(aco_io_group_wait(group, 0), EDEADLK);
	io_fails(aco_io_group_destroy(group), EDEADLK);
	/* It may cancel it, and so itself. */
	ck_assert_int_eq(aco_io_group_cancel(group), 0);
	io_fails(aco_io_yield(), ECANCELED);
	count++;
}

IO_TEST(members)
{
	group = io_group();
	io_go(group, waits_for_ever, NULL);
	io_go(group, waits_for_itself, NULL);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(count, 2);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

/* A member that starts others, after which a waiter still waits. */
static void starts_another(void *arg)
{
	intptr_t n = (intptr_t)arg;

	if (n > 0)
		io_go(group, starts_another, (void *)(n - 1));
	count++;
}

IO_TEST(members_that_start_others)
{
	group = io_group();
	io_go(group, starts_another, (void *)20);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(count, 21);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

/* ---- several who wait ---------------------------------------------------- */

static void waits(void *arg)
{
	int i = (int)(intptr_t)arg;

	results[i] = aco_io_group_wait(group, i == 2 ? aco_io_now() + 1
						     : ACO_IO_NEVER);
	errors[i] = errno;
}

/* The waiters are woken by the last task, and must not look at the group, which
   the one who destroys frees first. */
IO_TEST(waiters_while_another_destroys)
{
	group = io_group();
	io_go(group, ends_late, NULL);
	for (int i = 0; i < 3; i++)
		io_go(NULL, waits, (void *)(intptr_t)i);
	io_turns(3);
	ck_assert_int_eq(results[2], -1);
	ck_assert_int_eq(errors[2], ETIMEDOUT);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	io_settle();
	ck_assert_int_eq(results[0], 0);
	ck_assert_int_eq(results[1], 0);
}

IO_TEST(a_waiter_behind_the_destroyer)
{
	group = io_group();
	io_go(group, ends_late, NULL);
	io_settle();
	io_go(NULL, destroys, NULL);
	io_settle();
	io_go(NULL, waits, (void *)1);
	io_settle();
	while (results[0] == -9 || results[1] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], 0);
	ck_assert_int_eq(results[1], 0);
}

/* ---- the scheduler's own group ------------------------------------------- */

static void starts_a_sibling(void *again)
{
	ck_assert_ptr_eq(aco_io_group_self(), group);
	if (again)
		io_go(aco_io_group_self(), starts_a_sibling, NULL);
	count++;
}

IO_TEST(from_within)
{
	group = io_group();
	io_go(group, starts_a_sibling, &count);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(count, 2);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

IO_TEST(the_own_group)
{
	io_go(NULL, waits_for_ever, NULL);
	io_settle();
	ck_assert_int_eq(aco_io_group_cancel(NULL), 0);
	io_fails(aco_io_yield(), ECANCELED);
	ck_assert_uint_eq(aco_io_go(NULL, sleeps, NULL, 0), 0);
	ck_assert_int_eq(errno, ECANCELED);
	/* A group of one's own is another. */
	ck_assert_ptr_null(aco_io_group_self());
	group = io_group();
	ck_assert_uint_ne(aco_io_go(group, sleeps, NULL, 0), 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	ck_assert_int_eq(count, 1);
}

static void starts_and_cancels(void *unused)
{
	(void)unused;
	ck_assert_int_eq(aco_io_group_cancel(NULL), 0);
}

START_TEST(the_own_group_again)
{
	aco_io_t *io = aco_io_new(NULL);

	for (int i = 0; i < 3; i++) {
		ck_assert_uint_ne(aco_io_go(NULL, starts_and_cancels, NULL,
					    _i ? ACO_IO_SHARED : 0),
				  0);
		ck_assert_int_eq(aco_io_run(io), 0);
	}
	for (int i = 0; i < 3; i++) { /* by turns, too */
		ck_assert_uint_ne(aco_io_go(NULL, starts_and_cancels, NULL,
					    _i ? ACO_IO_SHARED : 0),
				  0);
		ck_assert_int_eq((int)aco_io_step(io, 0), -1);
	}
	/* Where there are no tasks, the last one has ended. */
	ck_assert_int_eq(aco_io_group_cancel(NULL), 0);
	ck_assert_uint_ne(aco_io_go(NULL, sleeps, NULL, _i ? ACO_IO_SHARED : 0),
			  0);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

START_TEST(outside_tasks)
{
	aco_io_t *io;

	ck_assert_ptr_null(aco_io_group_new());
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_null(aco_io_group_self());
	io_fails(aco_io_group_wait(NULL, 0), EINVAL);
	io_fails(aco_io_group_destroy(NULL), EINVAL);
	io_fails(aco_io_group_cancel(NULL), EPERM);
	io = aco_io_new(NULL);
	group = io_group();
	io_fails(aco_io_group_wait(group, 0), EPERM);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	group = io_group();
	io_go(group, waits_for_ever, NULL);
	io_fails(aco_io_group_destroy(group), EPERM);
	ck_assert_int_eq(aco_io_group_cancel(group), 0);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

void t_reset(void)
{
	count = started = 0;
	for (int i = 0; i < 4; i++)
		results[i] = -9;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-group");
	TCase *tc = io_case(s, "group");

	io_add(tc, wait);
	io_add(tc, asked_until_it_has_ended);
	io_add(tc, destroy_cancels_and_waits);
	io_add(tc, destroyed_by_a_cancelled_task);
	io_add(tc, cancel);
	io_add(tc, members);
	io_add(tc, members_that_start_others);
	io_add(tc, waiters_while_another_destroys);
	io_add(tc, a_waiter_behind_the_destroyer);
	io_add(tc, from_within);
	io_add(tc, the_own_group);
	io_add(tc, the_own_group_again);
	tcase_add_test(tc, outside_tasks);
	return s;
}
