/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-chan.c - channels
 */
#include "ioutil.h"

#define PRODUCERS 5
#define CONSUMERS 4
#define ITEMS 4000

struct item {
	long producer, n;
	char pad[40];
};

static aco_io_chan_t *chan;
static aco_io_group_t *group;
static long received[PRODUCERS], count;
static int results[8], errors[8];

static aco_io_chan_t *chan_new(size_t size, size_t n)
{
	aco_io_chan_t *c = aco_io_chan_new(size, n);

	ck_assert_ptr_nonnull(c);
	return c;
}

static void produces(void *arg)
{
	struct item x = { .producer = (long)(intptr_t)arg };

	for (x.n = 1; x.n <= ITEMS; x.n++) {
		memset(x.pad, (int)x.n, sizeof(x.pad));
		if (aco_io_chan_send(chan, &x, ACO_IO_NEVER))
			ck_abort_msg("send: errno %d", errno);
	}
}

static void consumes(void *unused)
{
	long seen[PRODUCERS] = { 0 };
	struct item x;

	(void)unused;
	while (!aco_io_chan_recv(chan, &x, ACO_IO_NEVER)) {
		if (x.n <= seen[x.producer] || x.pad[0] != (char)x.n ||
		    x.pad[39] != (char)x.n)
			ck_abort_msg("item %ld after %ld", x.n,
				     seen[x.producer]);
		seen[x.producer] = x.n;
		received[x.producer]++;
	}
	ck_assert_int_eq(errno, EPIPE);
	count++;
}

static void check_many(size_t places)
{
	aco_io_group_t *consumers = io_group();

	group = io_group();
	count = 0;
	memset(received, 0, sizeof(received));
	chan = chan_new(sizeof(struct item), places);
	for (int i = 0; i < CONSUMERS; i++)
		io_go(consumers, consumes, NULL);
	for (int i = 0; i < PRODUCERS; i++)
		io_go(group, produces, (void *)(intptr_t)i);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	aco_io_chan_close(chan);
	ck_assert_int_eq(aco_io_group_wait(consumers, ACO_IO_NEVER), 0);
	ck_assert_int_eq(count, CONSUMERS);
	for (int i = 0; i < PRODUCERS; i++)
		ck_assert_int_eq(received[i], ITEMS);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	ck_assert_int_eq(aco_io_group_destroy(consumers), 0);
}

IO_TEST(many_to_many)
{
	check_many(1);
	check_many(7);
	check_many(1000);
}

/* ---- outside tasks, without waiting -------------------------------------- */

START_TEST(outside_tasks)
{
	int x = 1;

	chan = chan_new(sizeof(int), 2);
	ck_assert_int_eq(aco_io_chan_send(chan, &x, ACO_IO_NEVER), 0);
	x = 2;
	ck_assert_int_eq(aco_io_chan_send(chan, &x, 0), 0);
	io_fails(aco_io_chan_send(chan, &x, ACO_IO_NEVER), EPERM);
	ck_assert_int_eq(aco_io_chan_recv(chan, &x, 0), 0);
	ck_assert_int_eq(x, 1);
	aco_io_chan_close(chan);
	io_fails(aco_io_chan_send(chan, &x, 0), EPIPE);
	ck_assert_int_eq(aco_io_chan_recv(chan, &x, 0), 0);
	ck_assert_int_eq(x, 2);
	io_fails(aco_io_chan_recv(chan, &x, 0), EPIPE);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
	chan = chan_new(sizeof(int), 1);
	io_fails(aco_io_chan_recv(chan, &x, 0), EPERM);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}
END_TEST

START_TEST(refusals)
{
	int x = 0;

	io_fails(aco_io_chan_send(NULL, &x, 0), EINVAL);
	io_fails(aco_io_chan_recv(NULL, &x, 0), EINVAL);
	aco_io_chan_close(NULL);
	ck_assert_int_eq(aco_io_chan_destroy(NULL), 0);
	errno = 0;
	ck_assert_ptr_null(aco_io_chan_new(4, 0));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(aco_io_chan_new(SIZE_MAX / 2 + 2, 2));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(aco_io_chan_new(SIZE_MAX, 1));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* Items without bytes are counted. */
IO_TEST(items_of_no_size)
{
	chan = chan_new(0, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(aco_io_chan_send(chan, NULL, 0), 0);
	io_fails(aco_io_chan_send(chan, NULL, 0), ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(aco_io_chan_recv(chan, NULL, 0), 0);
	io_fails(aco_io_chan_recv(chan, NULL, 0), ETIMEDOUT);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

/* ---- waiting, and what ends it ------------------------------------------- */

static void receives(void *arg)
{
	int i = (int)(intptr_t)arg, x = -1;

	results[i] = aco_io_chan_recv(chan, &x, ACO_IO_NEVER);
	errors[i] = errno;
	if (results[i] == 0)
		results[i] = x;
}

static void sends(void *arg)
{
	int i = (int)(intptr_t)arg, x = 100 + i;

	results[i] = aco_io_chan_send(chan, &x, ACO_IO_NEVER);
	errors[i] = errno;
}

IO_TEST(deadlines)
{
	int x = 5;

	chan = chan_new(sizeof(int), 1);
	io_fails(aco_io_chan_recv(chan, &x, 0), ETIMEDOUT);
	io_fails(aco_io_chan_recv(chan, &x, aco_io_after(SHORT)), ETIMEDOUT);
	ck_assert_int_eq(aco_io_chan_send(chan, &x, 0), 0);
	io_fails(aco_io_chan_send(chan, &x, 0), ETIMEDOUT);
	io_fails(aco_io_chan_send(chan, &x, aco_io_after(SHORT)), ETIMEDOUT);
	/* None of those waits any more. */
	ck_assert_int_eq(aco_io_chan_recv(chan, &x, 0), 0);
	ck_assert_int_eq(x, 5);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

IO_TEST(closed_under_waiters)
{
	chan = chan_new(sizeof(int), 1);
	for (int i = 0; i < 3; i++)
		io_go(NULL, receives, (void *)(intptr_t)i);
	io_settle();
	io_fails(aco_io_chan_destroy(chan), EBUSY);
	aco_io_chan_close(chan);
	io_settle();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(results[i], -1);
		ck_assert_int_eq(errors[i], EPIPE);
	}
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);

	chan = chan_new(sizeof(int), 1);
	for (int i = 0; i < 3; i++)
		io_go(NULL, sends, (void *)(intptr_t)i);
	io_settle();
	ck_assert_int_eq(results[0], 0);
	io_fails(aco_io_chan_destroy(chan), EBUSY);
	aco_io_chan_close(chan);
	io_settle();
	for (int i = 1; i < 3; i++) {
		ck_assert_int_eq(results[i], -1);
		ck_assert_int_eq(errors[i], EPIPE);
	}
	receives((void *)4);
	ck_assert_int_eq(results[4], 100);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

/* A task that was woken, but did not run yet, still uses the channel. */
IO_TEST(destroyed_under_the_woken)
{
	int x = 1;

	chan = chan_new(sizeof(int), 1);
	io_go(NULL, receives, NULL);
	io_settle();
	ck_assert_int_eq(aco_io_chan_send(chan, &x, 0), 0);
	io_fails(aco_io_chan_destroy(chan), EBUSY);
	aco_io_chan_close(chan);
	io_fails(aco_io_chan_destroy(chan), EBUSY);
	io_settle();
	ck_assert_int_eq(results[0], 1);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

static void passes_items(void *arg)
{
	int x = 0;

	(void)arg;
	while (aco_io_chan_send(chan, &x, 0) == 0 &&
	       aco_io_chan_recv(chan, &x, 0) == 0)
		;
	count++;
}

/* Nor is it free while a task that need not wait gives the others their turn. */
IO_TEST(destroyed_in_a_turn)
{
	chan = chan_new(sizeof(int), 2);
	io_go(NULL, passes_items, NULL);
	aco_io_yield();
	io_fails(aco_io_chan_destroy(chan), EBUSY);
	aco_io_chan_close(chan);
	io_settle();
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

/* The item is another's, when its receiver was cancelled before: none is lost. */
IO_TEST(cancelled_receivers)
{
	aco_io_task_t task[3];
	int x = 7;

	chan = chan_new(sizeof(int), 1);
	for (int i = 0; i < 3; i++)
		task[i] = io_go(NULL, receives, (void *)(intptr_t)i);
	io_settle();
	ck_assert_int_eq(aco_io_cancel(task[0]), 0);
	ck_assert_int_eq(aco_io_chan_send(chan, &x, 0), 0);
	/* The second has been woken for the item, and takes it. */
	ck_assert_int_eq(aco_io_cancel(task[1]), 0);
	io_settle();
	ck_assert_int_eq(results[0], -1);
	ck_assert_int_eq(errors[0], ECANCELED);
	ck_assert_int_eq(results[1], 7);
	ck_assert_int_eq(results[2], -9);
	x = 8;
	ck_assert_int_eq(aco_io_chan_send(chan, &x, 0), 0);
	io_settle();
	ck_assert_int_eq(results[2], 8);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

IO_TEST(waiters_are_served_in_order)
{
	chan = chan_new(sizeof(int), 1);
	for (int i = 0; i < 4; i++)
		io_go(NULL, receives, (void *)(intptr_t)i);
	io_settle();
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(aco_io_chan_send(chan, &i, 0), 0);
		io_settle();
		ck_assert_int_eq(results[i], i);
	}
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

/* ---- none is left out ----------------------------------------------------- */

static long sent[3], taken[3];

static void sends_on(void *arg)
{
	int i = (int)(intptr_t)arg;

	while (aco_io_chan_send(chan, &i, ACO_IO_NEVER) == 0)
		sent[i]++;
}

static void receives_on(void *arg)
{
	int i = (int)(intptr_t)arg, x;

	while (aco_io_chan_recv(chan, &x, ACO_IO_NEVER) == 0)
		taken[i]++;
}

static void start_three(void (*fn)(void *))
{
	chan = chan_new(sizeof(int), 3);
	for (int i = 0; i < 3; i++)
		io_go(NULL, fn, (void *)(intptr_t)i);
}

/* Of 300 items. */
static void each_had_its_share(const long *items)
{
	aco_io_chan_close(chan);
	io_settle();
	for (int i = 0; i < 3; i++)
		ck_assert_int_ge(items[i], 90);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

/* The first to run does not take the places of all that were woken for them. */
IO_TEST(each_sender_has_its_share)
{
	int x;

	start_three(sends_on);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(aco_io_chan_recv(chan, &x, ACO_IO_NEVER), 0);
	each_had_its_share(sent);
}

IO_TEST(each_receiver_has_its_share)
{
	int x = 0;

	start_three(receives_on);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(aco_io_chan_send(chan, &x, ACO_IO_NEVER), 0);
	each_had_its_share(taken);
}

/* What a task was woken for is its own, before it runs. */
IO_TEST(handed_over)
{
	int x = 5;

	chan = chan_new(sizeof(int), 1);
	io_go(NULL, receives, (void *)0);
	io_settle();
	ck_assert_int_eq(aco_io_chan_send(chan, &x, 0), 0);
	io_fails(aco_io_chan_recv(chan, &x, 0), ETIMEDOUT);
	io_settle();
	ck_assert_int_eq(results[0], 5);

	ck_assert_int_eq(aco_io_chan_send(chan, &x, 0), 0);
	io_go(NULL, sends, (void *)1);
	io_go(NULL, sends, (void *)2);
	io_settle();
	ck_assert_int_eq(aco_io_chan_recv(chan, &x, 0), 0);
	io_fails(aco_io_chan_send(chan, &x, 0), ETIMEDOUT);
	io_settle();
	ck_assert_int_eq(results[1], 0);
	/* Not if the channel is closed before. */
	ck_assert_int_eq(aco_io_chan_recv(chan, &x, 0), 0);
	ck_assert_int_eq(x, 101);
	aco_io_chan_close(chan);
	io_settle();
	ck_assert_int_eq(results[2], -1);
	ck_assert_int_eq(errors[2], EPIPE);
	io_fails(aco_io_chan_recv(chan, &x, 0), EPIPE);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

/* A task that only finds items there gives way to others. */
static void counts(void *unused)
{
	(void)unused;
	count++;
}

IO_TEST(others_have_their_turn)
{
	int x = 0;

	chan = chan_new(sizeof(int), 1000);
	io_go(NULL, counts, NULL);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(aco_io_chan_send(chan, &x, 0), 0);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
}

void t_reset(void)
{
	memset(received, 0, sizeof(received));
	memset(sent, 0, sizeof(sent));
	memset(taken, 0, sizeof(taken));
	count = 0;
	for (int i = 0; i < 8; i++)
		results[i] = -9;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-chan");
	TCase *tc = io_case(s, "chan");

	io_add(tc, many_to_many);
	tcase_add_test(tc, outside_tasks);
	tcase_add_test(tc, refusals);
	io_add(tc, items_of_no_size);
	io_add(tc, deadlines);
	io_add(tc, closed_under_waiters);
	io_add(tc, destroyed_under_the_woken);
	io_add(tc, destroyed_in_a_turn);
	io_add(tc, cancelled_receivers);
	io_add(tc, waiters_are_served_in_order);
	io_add(tc, each_sender_has_its_share);
	io_add(tc, each_receiver_has_its_share);
	io_add(tc, handed_over);
	io_add(tc, others_have_their_turn);
	return s;
}
