/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fd.c - descriptors: waiting, closing, numbers that are used again
 */
#define _GNU_SOURCE 1

#include "ioutil.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>

static int fds[2];
static int results[4], errors[4];

static void check_failed(int i, int error)
{
	ck_assert_int_eq(results[i], -1);
	ck_assert_int_eq(errors[i], error);
}

/* ---- aco_io_wait() ------------------------------------------------------- */

IO_TEST(wait_for_what_is_there)
{
	char c;

	io_pair(fds);
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_WRITE, 0), ACO_IO_WRITE);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, 0), ETIMEDOUT);
	io_put(fds[1], "xy", 2);
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_READ, 0), ACO_IO_READ);
	/* Who reads is not the library, and it need not be everything. */
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_READ, ACO_IO_NEVER),
			 ACO_IO_READ);
	io_get(fds[0], &c, 1);
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_READ, ACO_IO_NEVER),
			 ACO_IO_READ);
	io_get(fds[0], &c, 1);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, aco_io_after(SHORT)),
		 ETIMEDOUT);
	ck_assert_int_eq(
		aco_io_wait(fds[0], ACO_IO_READ | ACO_IO_WRITE, ACO_IO_NEVER),
		ACO_IO_WRITE);
	io_put(fds[1], "z", 1);
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_READ | ACO_IO_WRITE, 0),
			 ACO_IO_READ | ACO_IO_WRITE);
	close(fds[1]);
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_READ, ACO_IO_NEVER),
			 ACO_IO_READ);
	close(fds[0]);
}

IO_TEST(wait_of_a_descriptor_of_these_calls)
{
	char buf[8];

	io_pair(fds);
	io_fails(aco_io_read(fds[0], buf, sizeof(buf), 0), ETIMEDOUT);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, aco_io_after(SHORT)),
		 ETIMEDOUT);
	io_put(fds[1], "abcd", 4);
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_READ, ACO_IO_NEVER),
			 ACO_IO_READ);
	ck_assert_int_eq(aco_io_read(fds[0], buf, 2, ACO_IO_NEVER), 2);
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_READ, ACO_IO_NEVER),
			 ACO_IO_READ);
	io_get(fds[0], buf, 2);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, aco_io_after(SHORT)),
		 ETIMEDOUT);
	io_put(fds[1], "e", 1);
	ck_assert_int_eq(aco_io_read(fds[0], buf, 8, ACO_IO_NEVER), 1);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

IO_TEST(wait_refuses)
{
	int file = io_file();

	io_pair(fds);
	io_fails(aco_io_wait(fds[0], 0, 0), EINVAL);
	io_fails(aco_io_wait(fds[0], 4, 0), EINVAL);
	io_fails(aco_io_wait(-1, ACO_IO_READ, 0), EBADF);
	close(fds[1]);
	io_fails(aco_io_wait(fds[1], ACO_IO_READ, 0), EBADF);
	io_fails(aco_io_wait(fds[1], ACO_IO_READ, ACO_IO_NEVER), EBADF);
	close(fds[0]);
	/* A regular file is always ready. */
	ck_assert_int_eq(aco_io_wait(file, ACO_IO_READ, ACO_IO_NEVER),
			 ACO_IO_READ);
	ck_assert_int_eq(aco_io_wait(file, ACO_IO_WRITE, 0), ACO_IO_WRITE);
	close(file);
}

static void waits_to_read(void *arg)
{
	int i = (int)(intptr_t)arg;

	results[i] = aco_io_wait(fds[0], ACO_IO_READ, ACO_IO_NEVER);
	errors[i] = errno;
}

/* Has the scheduler nothing to do when nothing else runs? */
static bool is_asleep(void)
{
	struct pollfd p = { .events = POLLIN };
	bool sleeps = false;

	p.fd = aco_io_fd(aco_io_current());
	for (int i = 0; i < 5; i++) {
		sleeps = poll(&p, 1, 0) == 0;
		io_turns(1);
	}
	return sleeps;
}

/* A peer that sends urgent data does not keep a library busy, which reads none. */
IO_TEST(wait_beside_urgent_data)
{
	int pair[2];
	char c;

	io_tcp_pair(pair);
	fds[0] = pair[1];
	ck_assert_int_eq(send(pair[0], "!", 1, MSG_OOB), 1);
	io_go(NULL, waits_to_read, NULL);
	io_turns(3);
	ck_assert_int_eq(results[0], -9);
	ck_assert(is_asleep());
	io_put(pair[0], "x", 1);
	while (results[0] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], ACO_IO_READ);
	io_get(fds[0], &c, 1);
	ck_assert_int_eq(c, 'x');
	aco_io_close(pair[0]);
	aco_io_close(pair[1]);
}

/* ---- two directions, two tasks ------------------------------------------- */

static void reads_one(void *arg)
{
	int i = (int)(intptr_t)arg;
	char c;

	results[i] = (int)aco_io_read(fds[0], &c, 1, ACO_IO_NEVER);
	errors[i] = errno;
}

static void waits_to_write(void *arg)
{
	int i = (int)(intptr_t)arg;

	results[i] = aco_io_wait(fds[0], ACO_IO_WRITE, ACO_IO_NEVER);
	errors[i] = errno;
}

static void fill(int fd)
{
	static const char zeros[65536];

	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
}

static void drain(int fd)
{
	static char buf[65536];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

IO_TEST(a_second_one_is_busy)
{
	struct pollfd p = { .events = POLLIN };
	char c;

	io_pair(fds);
	p.fd = fds[0];
	io_go(NULL, reads_one, NULL);
	io_settle();
	io_fails(aco_io_read(fds[0], &c, 1, ACO_IO_NEVER), EBUSY);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, ACO_IO_NEVER), EBUSY);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ | ACO_IO_WRITE, ACO_IO_NEVER),
		 EBUSY);
	io_fails(aco_io_poll(&p, 1, ACO_IO_NEVER), EBUSY);
	io_fails(aco_io_adopt(fds[0]), EBUSY);
	/* The other direction is free. */
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_WRITE, ACO_IO_NEVER),
			 ACO_IO_WRITE);
	fill(fds[0]);
	io_go(NULL, waits_to_write, (void *)1);
	io_settle();
	io_fails(aco_io_write(fds[0], "x", 1, ACO_IO_NEVER), EBUSY);
	ck_assert_int_eq(results[0], -9);
	ck_assert_int_eq(results[1], -9);
	/* Each of the two is woken for its own. */
	io_put(fds[1], "x", 1);
	io_turns(3);
	ck_assert_int_eq(results[0], 1);
	ck_assert_int_eq(results[1], -9);
	drain(fds[1]);
	io_turns(3);
	ck_assert_int_eq(results[1], ACO_IO_WRITE);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

IO_TEST(close_wakes_who_waits)
{
	io_pair(fds);
	fill(fds[0]);
	io_go(NULL, reads_one, NULL);
	io_go(NULL, waits_to_write, (void *)1);
	io_settle();
	ck_assert_int_eq(aco_io_close(fds[0]), 0);
	io_settle();
	check_failed(0, EBADF);
	check_failed(1, EBADF);
	io_fails(aco_io_close(fds[0]), EBADF);
	io_fails(aco_io_close(-1), EBADF);
	close(fds[1]);
}

/* ---- numbers of descriptors, used again ---------------------------------- */

static void move_to(int from, int to)
{
	ck_assert_int_eq(dup2(from, to), to);
	close(from);
}

/* Others have closed a number and opened it as another file. */
IO_TEST(numbers_that_others_use_again)
{
	char c;

	io_pair(fds);
	for (int i = 0; i < 5; i++) {
		int others[2];

		io_go(NULL, waits_to_read, NULL);
		io_turns(2);
		ck_assert_int_eq(results[0], -9);
		io_put(fds[1], "x", 1);
		io_turns(2);
		ck_assert_int_eq(results[0], ACO_IO_READ);
		results[0] = -9;
		io_get(fds[0], &c, 1);
		close(fds[0]);
		close(fds[1]);
		io_pair(others);
		if (others[0] != fds[0]) /* the order in which they are given */
			move_to(others[0], fds[0]);
		fds[1] = others[1] == fds[0] ? fds[1] : others[1];
	}
	close(fds[0]);
	close(fds[1]);
}

/* What the scheduler knows of the pair is right. */
static void is_waited_for_and_closed(void)
{
	io_go(NULL, reads_one, NULL);
	io_turns(2);
	io_put(fds[1], "x", 1);
	io_turns(2);
	ck_assert_int_eq(results[0], 1);
	aco_io_close(fds[0]);
	close(fds[1]);
}

/* The same where the other file is then read by these calls. */
IO_TEST(a_number_that_was_waited_for)
{
	char c;

	io_pair(fds);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, aco_io_after(1)), ETIMEDOUT);
	close(fds[0]);
	close(fds[1]);
	io_pair(fds); /* the same numbers */
	io_put(fds[1], "x", 1);
	ck_assert_int_eq(aco_io_read(fds[0], &c, 1, aco_io_after(LONG)), 1);
	is_waited_for_and_closed();
}

/* A number that is closed by aco_io_close(), while a copy of it is open. */
IO_TEST(a_copy_is_open)
{
	char c;
	int copy;

	io_pair(fds);
	for (int i = 0; i < 4; i++) {
		io_fails(aco_io_read(fds[0], &c, 1, aco_io_after(1)),
			 ETIMEDOUT);
		copy = dup(fds[0]);
		aco_io_close(fds[0]);
		move_to(copy, fds[0]);
		io_go(NULL, reads_one, NULL);
		io_turns(2);
		ck_assert_int_eq(results[0], -9);
		io_put(fds[1], "x", 1);
		io_turns(2);
		ck_assert_int_eq(results[0], 1);
		results[0] = -9;
	}
	aco_io_close(fds[0]);
	close(fds[1]);
}

static int others[2], sign[2];

static void takes_the_number_now(void *unused)
{
	(void)unused;
	aco_io_close(fds[0]);
	io_pair(others);
	if (others[0] != fds[0])
		move_to(others[0], fds[0]);
	io_put(others[1], "o", 1);
}

static void takes_the_number(void *unused)
{
	ck_assert_int_eq(aco_io_wait(sign[0], ACO_IO_READ, ACO_IO_NEVER),
			 ACO_IO_READ);
	takes_the_number_now(unused);
}

/* fds[0] is the number of a file whose peer is others[1]; a copy of the file that had
   it before is open. */
static void check_who_wakes(void)
{
	io_go(NULL, waits_to_read, NULL);
	io_turns(2);
	io_put(fds[1], "x", 1);
	io_turns(2);
	ck_assert_int_eq(results[0], -9);
	io_put(others[1], "x", 1);
	io_turns(2);
	ck_assert_int_eq(results[0], ACO_IO_READ);
}

/* What comes for the copy is nothing to those who use the number now. */
IO_TEST(a_copy_is_another)
{
	char c;
	int copy;

	io_pair(fds);
	io_fails(aco_io_read(fds[0], &c, 1, aco_io_after(1)), ETIMEDOUT);
	copy = dup(fds[0]);
	aco_io_close(fds[0]);
	io_pair(others);
	if (others[0] != fds[0])
		move_to(others[0], fds[0]);
	check_who_wakes();
	close(fds[0]);
	close(fds[1]);
	close(others[1]);
	close(copy);
}

/* A task that has been woken, but did not run yet, must not read what came for
   the file that has the number now. */
static void check_number_taken(aco_io_func_t fn)
{
	char c;

	io_pair(fds);
	io_pair(sign);
	io_go(NULL, takes_the_number, NULL);
	io_go(NULL, fn, NULL);
	io_turns(3);
	/* One look at the descriptors sees both, in this order. */
	io_put(sign[1], "!", 1);
	io_put(fds[1], "x", 1);
	io_turns(3);
	check_failed(0, EBADF);
	ck_assert_int_eq(aco_io_read(fds[0], &c, 1, 0), 1);
	ck_assert_int_eq(c, 'o');
	aco_io_close(fds[0]);
	close(fds[1]);
	close(others[1]);
	close(sign[0]);
	close(sign[1]);
}

IO_TEST(a_number_taken_from_a_reader)
{
	check_number_taken(reads_one);
}

IO_TEST(a_number_taken_from_a_waiter)
{
	check_number_taken(waits_to_read);
}

/* The same for one that has given way before it began to wait. */
static void waits_after_its_turn(void *unused)
{
	for (int i = 0; i < 63; i++)
		ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_WRITE, 0),
				 ACO_IO_WRITE);
	waits_to_read(unused);
}

IO_TEST(a_number_taken_in_a_turn)
{
	io_pair(fds);
	io_go(NULL, waits_after_its_turn, NULL);
	io_go(NULL, takes_the_number_now, NULL);
	io_turns(3);
	check_failed(0, EBADF);
	close(fds[0]);
	close(fds[1]);
	close(others[1]);
}

/* Nor may the rest of what a task writes go there. */
static void writes_much(void *unused)
{
	static char buf[1 << 20];

	(void)unused;
	results[0] = (int)aco_io_write(fds[0], buf, sizeof(buf), ACO_IO_NEVER);
	errors[0] = errno;
}

IO_TEST(a_number_taken_from_a_writer)
{
	char c;

	io_pair(fds);
	io_pair(sign);
	io_go(NULL, takes_the_number, NULL);
	io_go(NULL, writes_much, NULL);
	io_turns(3);
	io_put(sign[1], "!", 1);
	drain(fds[1]);
	io_turns(3);
	check_failed(0, EBADF);
	ck_assert_int_eq(read(others[1], &c, 1), -1);
	aco_io_close(fds[0]);
	close(fds[1]);
	close(others[1]);
	close(sign[0]);
	close(sign[1]);
}

/* A task that was woken and has not run yet leaves the wait of the next one alone:
   takes says whether that one took what was there. */
static bool takes;

static void waits_after_the_sign(void *unused)
{
	char c;

	(void)unused;
	ck_assert_int_eq(aco_io_wait(sign[0], ACO_IO_READ, ACO_IO_NEVER),
			 ACO_IO_READ);
	if (takes)
		io_get(fds[0], &c, 1);
	waits_to_read((void *)1);
}

static void check_wait_beside_a_woken_one(void)
{
	io_pair(fds);
	io_pair(sign);
	io_go(NULL, waits_after_the_sign, NULL);
	io_go(NULL, waits_to_read, NULL);
	io_turns(3);
	io_put(sign[1], "!", 1);
	io_put(fds[1], "x", 1);
	io_turns(3);
	if (takes) {
		check_failed(0, EBUSY);
		ck_assert_int_eq(results[1], -9);
		io_put(fds[1], "y", 1);
		io_turns(3);
	} else {
		ck_assert_int_eq(results[0], ACO_IO_READ);
	}
	ck_assert_int_eq(results[1], ACO_IO_READ);
	close(fds[0]);
	close(fds[1]);
	close(sign[0]);
	close(sign[1]);
}

IO_TEST(a_second_wait_before_the_first_has_run)
{
	takes = false;
	check_wait_beside_a_woken_one();
}

IO_TEST(a_second_wait_takes_what_was_there)
{
	takes = true;
	check_wait_beside_a_woken_one();
}

/* The number of a file that others have closed, of which a copy is open. */
static void check_copy_of_others(bool reads)
{
	int copy;
	char c;

	io_pair(fds);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, aco_io_after(1)), ETIMEDOUT);
	copy = dup(fds[0]);
	close(fds[0]);
	io_pair(others);
	if (others[0] != fds[0])
		move_to(others[0], fds[0]);
	if (reads)
		io_fails(aco_io_read(fds[0], &c, 1, 0), ETIMEDOUT);
	check_who_wakes();
	aco_io_close(fds[0]);
	close(fds[1]);
	close(others[1]);
	close(copy);
}

IO_TEST(a_copy_that_others_have)
{
	check_copy_of_others(false);
}

IO_TEST(a_copy_that_others_have_of_what_is_read)
{
	check_copy_of_others(true);
}

/* ---- poll ---------------------------------------------------------------- */

static int many[8][2];

static void polls_all(void *unused)
{
	struct pollfd p[10];

	(void)unused;
	for (int i = 0; i < 8; i++)
		p[i] = (struct pollfd){ .fd = many[i][0], .events = POLLIN };
	p[8] = (struct pollfd){ .fd = -1, .events = POLLIN };
	p[9] = p[3]; /* twice */
	results[0] = aco_io_poll(p, 10, ACO_IO_NEVER);
	results[1] = 0;
	for (int i = 0; i < 10; i++)
		if (p[i].revents == POLLIN)
			results[1] |= 1 << i;
}

IO_TEST(poll_of_several)
{
	char c;

	for (int i = 0; i < 8; i++)
		io_pair(many[i]);
	for (int i = 0; i < 8; i++) {
		io_go(NULL, polls_all, NULL);
		io_turns(2);
		ck_assert_int_eq(results[0], -9);
		io_put(many[i][1], "x", 1);
		io_turns(2);
		ck_assert_int_eq(results[0], i == 3 ? 2 : 1);
		ck_assert_int_eq(results[1], 1 << i | (i == 3 ? 1 << 9 : 0));
		io_get(many[i][0], &c, 1);
		results[0] = -9;
	}
	for (int i = 0; i < 8; i++) {
		close(many[i][0]);
		close(many[i][1]);
	}
}

IO_TEST(poll_at_once_and_at_the_deadline)
{
	struct pollfd p[2] = { { .events = POLLIN },
			       { .events = POLLIN | POLLOUT } };

	io_pair(fds);
	p[0].fd = fds[0];
	p[1].fd = fds[1];
	ck_assert_int_eq(aco_io_poll(p, 2, ACO_IO_NEVER), 1);
	ck_assert_int_eq(p[1].revents, POLLOUT);
	ck_assert_int_eq(aco_io_poll(p, 1, 0), 0);
	ck_assert_int_eq(aco_io_poll(p, 1, aco_io_after(SHORT)), 0);
	ck_assert_int_eq(aco_io_poll(NULL, 0, aco_io_after(1)), 0);
	close(fds[1]);
	ck_assert_int_eq(aco_io_poll(p, 2, ACO_IO_NEVER), 2);
	ck_assert_int_eq(p[1].revents, POLLNVAL);
	ck_assert_int_ne(p[0].revents & POLLHUP, 0);
	close(fds[0]);
}

static void polls_for_little(void *arg)
{
	struct pollfd p = { .fd = fds[0], .events = (short)(intptr_t)arg };

	results[0] = aco_io_poll(&p, 1, ACO_IO_NEVER);
	results[1] = p.revents;
}

/* What is there, but was not asked for, wakes nobody again and again. */
static void check_little(int events, int revents)
{
	io_pair(fds);
	io_put(fds[1], "x", 1);
	io_go(NULL, polls_for_little, (void *)(intptr_t)events);
	io_turns(3);
	ck_assert(is_asleep());
	ck_assert_int_eq(results[0], -9);
	close(fds[1]);
	io_turns(2);
	ck_assert_int_eq(results[0], 1);
	ck_assert_int_eq(results[1], revents);
	close(fds[0]);
}

IO_TEST(poll_for_little)
{
	check_little(0, POLLHUP);
	results[0] = -9;
	check_little(POLLPRI, POLLHUP);
	results[0] = -9;
	check_little(POLLRDHUP, POLLHUP | POLLRDHUP);
}

/* Who asks for urgent data is woken for it. */
IO_TEST(poll_for_urgent_data)
{
	int pair[2];

	io_tcp_pair(pair);
	fds[0] = pair[1];
	io_go(NULL, polls_for_little, (void *)POLLPRI);
	io_turns(2);
	ck_assert_int_eq(results[0], -9);
	ck_assert_int_eq(send(pair[0], "!", 1, MSG_OOB), 1);
	while (results[0] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], 1);
	ck_assert_int_eq(results[1], POLLPRI);
	aco_io_close(pair[0]);
	aco_io_close(pair[1]);
}

/* The other names of what is there to read, and of room to write. */
IO_TEST(poll_by_other_names)
{
	char buf[4096];

	io_pair(fds);
	io_go(NULL, polls_for_little, (void *)POLLRDNORM);
	io_turns(2);
	ck_assert_int_eq(results[0], -9);
	io_put(fds[1], "x", 1);
	io_turns(2);
	ck_assert_int_eq(results[1], POLLRDNORM);
	results[0] = -9;
	io_get(fds[0], buf, 1);
	fill(fds[0]);
	io_go(NULL, polls_for_little, (void *)POLLWRNORM);
	io_turns(2);
	ck_assert_int_eq(results[0], -9);
	while (read(fds[1], buf, sizeof(buf)) > 0)
		;
	io_turns(2);
	ck_assert_int_eq(results[0], 1);
	ck_assert_int_eq(results[1], POLLWRNORM);
	close(fds[0]);
	close(fds[1]);
}

/* After a poll nothing of it is left: others may wait. */
IO_TEST(poll_leaves_nothing)
{
	struct pollfd p = { .events = POLLIN | POLLOUT };
	char c;

	io_pair(fds);
	fill(fds[0]);
	p.fd = fds[0];
	ck_assert_int_eq(aco_io_poll(&p, 1, aco_io_after(1)), 0);
	io_go(NULL, reads_one, NULL);
	io_turns(2);
	io_put(fds[1], "x", 1);
	io_turns(2);
	ck_assert_int_eq(results[0], 1);
	io_fails(aco_io_read(fds[0], &c, 1, 0), ETIMEDOUT);
	aco_io_close(fds[0]);
	close(fds[1]);
}

/* A regular file of which nothing is asked does not keep it from waiting. */
IO_TEST(poll_beside_a_file)
{
	struct pollfd p[2] = { { .events = 0 }, { .events = POLLIN } };

	io_pair(fds);
	p[0].fd = io_file();
	p[1].fd = fds[0];
	ck_assert_int_eq(aco_io_poll(p, 2, aco_io_after(SHORT)), 0);
	p[0].events = POLLPRI;
	ck_assert_int_eq(aco_io_poll(p, 2, aco_io_after(SHORT)), 0);
	p[0].events = POLLIN;
	ck_assert_int_eq(aco_io_poll(p, 2, ACO_IO_NEVER), 1);
	close(p[0].fd);
	close(fds[0]);
	close(fds[1]);
}

static void takes_the_number_in_silence(void *unused)
{
	(void)unused;
	ck_assert_int_eq(aco_io_wait(sign[0], ACO_IO_READ, ACO_IO_NEVER),
			 ACO_IO_READ);
	aco_io_close(fds[0]);
	io_pair(others);
	if (others[0] != fds[0])
		move_to(others[0], fds[0]);
}

/* Woken for a file whose number has been closed since, it waits for the next. */
IO_TEST(poll_of_a_number_taken)
{
	io_pair(fds);
	io_pair(sign);
	io_go(NULL, takes_the_number_in_silence, NULL);
	io_go(NULL, polls_for_little, (void *)POLLIN);
	io_turns(3);
	io_put(sign[1], "!", 1);
	io_put(fds[1], "x", 1);
	io_turns(3);
	ck_assert_int_eq(results[0], -9);
	io_put(others[1], "o", 1);
	io_turns(3);
	ck_assert_int_eq(results[0], 1);
	close(fds[0]);
	close(fds[1]);
	close(others[1]);
	close(sign[0]);
	close(sign[1]);
}

static struct pollfd list[4];
static nfds_t listed;
static aco_io_queue_t queue;

static void polls_the_list(void *unused)
{
	(void)unused;
	results[0] = aco_io_poll(list, listed, ACO_IO_NEVER);
	results[1] = aco_io_park(&queue, ACO_IO_NEVER);
}

/* Others change the list meanwhile: no wait is left at what is not in it now. */
IO_TEST(poll_of_a_list_that_changes)
{
	io_pair(fds);
	io_pair(sign);
	list[0] = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	list[1] = (struct pollfd){ .fd = sign[0], .events = POLLIN };
	listed = 2;
	io_go(NULL, polls_the_list, NULL);
	io_turns(2);
	list[0].fd = -1;
	io_put(sign[1], "!", 1);
	io_turns(2);
	ck_assert_int_eq(results[0], 1);
	io_put(fds[1], "x", 1);
	io_turns(2);
	ck_assert_int_eq(results[1], -9);
	ck_assert_int_eq(aco_io_unpark(&queue, 1), 1);
	io_turns(1);
	ck_assert_int_eq(results[1], 0);
	close(fds[0]);
	close(fds[1]);
	close(sign[0]);
	close(sign[1]);
}

/* Nor if all of it changes: these numbers have the sum of those, where each is added to
   0x9e3779b1 times the sum before, in 32 bits. */
IO_TEST(poll_of_a_list_that_is_another)
{
	static const int before[] = { 200, 300, 400, 500 };
	static const int after[] = { 349, 290, 292, 645 };
	aco_io_task_t task;
	char c;

	io_pair(fds);
	listed = 4;
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(dup2(fds[0], before[i]), before[i]);
		list[i] = (struct pollfd){ .fd = before[i], .events = POLLIN };
	}
	task = io_go(NULL, polls_the_list, NULL);
	io_turns(1);
	for (int i = 0; i < 4; i++)
		list[i].fd = after[i];
	aco_io_cancel(task);
	io_turns(1);
	ck_assert_int_eq(results[0], -1);
	for (int i = 0; i < 4; i++) {
		io_fails(aco_io_read(before[i], &c, 1, aco_io_after(1)),
			 ETIMEDOUT);
		aco_io_close(before[i]);
	}
	close(fds[0]);
	close(fds[1]);
}

/* ---- blocking descriptors, and adoption ---------------------------------- */

IO_TEST(a_blocking_one_is_refused)
{
	struct msghdr msg = { .msg_flags = 0 };
	int64_t offset = 0;
	char c;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	io_fails(aco_io_read(fds[0], &c, 1, 0), EINVAL);
	io_fails(aco_io_write(fds[0], "x", 1, 0), EINVAL);
	io_fails(aco_io_recvmsg(fds[0], &msg, 0, 0), EINVAL);
	io_fails(aco_io_sendmsg(fds[0], &msg, 0, 0), EINVAL);
	io_fails(aco_io_sendfile(fds[0], fds[0], &offset, 1, 0), EINVAL);
	io_fails(aco_io_accept(fds[0], NULL, NULL, 0), EINVAL);
	io_fails(aco_io_connect(fds[0], NULL, 0, 0), EINVAL);
	ck_assert_int_eq(aco_io_adopt(fds[0]), 0);
	ck_assert_int_ne(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	io_fails(aco_io_read(fds[0], &c, 1, 0), ETIMEDOUT);
	io_put(fds[1], "x", 1);
	ck_assert_int_eq(aco_io_read(fds[0], &c, 1, 0), 1);
	aco_io_close(fds[0]);
	close(fds[1]);
	io_fails(aco_io_adopt(fds[1]), EBADF);
	io_fails(aco_io_adopt(-1), EBADF);
	io_fails(aco_io_read(fds[1], &c, 1, 0), EBADF);
	io_fails(aco_io_read(-1, &c, 1, ACO_IO_NEVER), EBADF);
}

/* It is not used then: who opened it may close it, after aco_io_wait(), too. */
IO_TEST(a_refused_one_is_not_ours)
{
	int first;
	char c;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	first = fds[0];
	io_fails(aco_io_read(fds[0], &c, 1, 0), EINVAL);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, aco_io_after(1)), ETIMEDOUT);
	close(fds[0]);
	close(fds[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(fds[0], first);
	io_put(fds[1], "x", 1);
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_READ, aco_io_after(SHORT)),
			 ACO_IO_READ);
	close(fds[0]);
	close(fds[1]);
}

/* Another process goes on with it: its events are nothing to this one. */
IO_TEST(adopted_to_be_given_away)
{
	struct pollfd p = { .fd = aco_io_fd(aco_io_current()),
			    .events = POLLIN };
	int copy;
	char c;

	for (int is_ours = 0; is_ours < 2; is_ours++) {
		io_pair(fds);
		if (is_ours)
			io_fails(aco_io_read(fds[0], &c, 1, aco_io_after(1)),
				 ETIMEDOUT);
		io_fails(aco_io_wait(fds[0], ACO_IO_READ, aco_io_after(1)),
			 ETIMEDOUT);
		ck_assert_int_eq(aco_io_adopt(fds[0]), 0);
		copy = dup(fds[0]);
		aco_io_close(fds[0]);
		io_put(fds[1], "x", 1);
		ck_assert_int_eq(poll(&p, 1, 0), 0);
		close(copy);
		close(fds[1]);
	}
}

/* What the scheduler knew of a number is forgotten: it is not registered. */
IO_TEST(adopt_forgets)
{
	char c;

	io_pair(fds);
	io_fails(aco_io_read(fds[0], &c, 1, aco_io_after(1)), ETIMEDOUT);
	close(fds[0]);
	close(fds[1]);
	io_pair(fds);
	ck_assert_int_eq(aco_io_adopt(fds[0]), 0);
	is_waited_for_and_closed();
}

/* Numbers above all that were seen before. */
IO_TEST(a_large_number)
{
	uint64_t count = 7;
	int fd = eventfd(0, EFD_NONBLOCK), large = 700;

	ck_assert_int_eq(dup2(fd, large), large);
	io_fails(aco_io_read(large, &count, 8, 0), ETIMEDOUT);
	ck_assert_int_eq(aco_io_write(large, &count, 8, ACO_IO_NEVER), 8);
	count = 0;
	ck_assert_int_eq(aco_io_read(large, &count, 8, ACO_IO_NEVER), 8);
	ck_assert_uint_eq(count, 7);
	aco_io_close(large);
	close(fd);
}

/* A number that no descriptor can have takes no memory. */
IO_TEST(no_descriptor)
{
	char c;

	io_fails(aco_io_read(INT_MAX, &c, 1, 0), EBADF);
	io_fails(aco_io_read(INT_MAX / 4 + 1, &c, 1, 0), EBADF);
	io_fails(aco_io_wait(INT_MAX, ACO_IO_READ, 0), EBADF);
	io_fails(aco_io_adopt(INT_MAX), EBADF);
	io_fails(aco_io_read(-1, &c, 1, 0), EBADF);
	io_fails(aco_io_close(INT_MAX), EBADF);
	io_pair(fds); /* small ones, too */
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, 0), ETIMEDOUT);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, 0), EBADF);
	io_fails(aco_io_adopt(fds[0]), EBADF);
}

IO_TEST(no_room_for_a_message)
{
	char c = 'x';
	struct iovec part = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

	io_pair(fds);
	fill(fds[0]);
	io_fails(aco_io_sendmsg(fds[0], &msg, 0, 0), ETIMEDOUT);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

/* The number is used again before a socket of the library is known. */
IO_TEST(a_new_socket_is_unknown)
{
	int fd;
	char c;

	io_pair(fds);
	fill(fds[0]);
	io_fails(aco_io_write(fds[0], "x", 1, 0), ETIMEDOUT);
	close(fds[0]);
	fd = aco_io_socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(fd, fds[0]);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	io_fails(aco_io_read(fd, &c, 1, 0), ETIMEDOUT);
	aco_io_close(fd);
	close(fds[1]);
}

void t_reset(void)
{
	for (int i = 0; i < 4; i++)
		results[i] = -9;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-fd");
	TCase *tc = io_case(s, "wait");

	io_add(tc, wait_for_what_is_there);
	io_add(tc, wait_of_a_descriptor_of_these_calls);
	io_add(tc, wait_refuses);
	io_add(tc, wait_beside_urgent_data);
	io_add(tc, a_second_wait_before_the_first_has_run);
	io_add(tc, a_second_wait_takes_what_was_there);
	io_add(tc, a_second_one_is_busy);
	io_add(tc, close_wakes_who_waits);
	tc = io_case(s, "numbers");
	io_add(tc, numbers_that_others_use_again);
	io_add(tc, a_number_that_was_waited_for);
	io_add(tc, a_copy_is_open);
	io_add(tc, a_copy_is_another);
	io_add(tc, a_copy_that_others_have);
	io_add(tc, a_copy_that_others_have_of_what_is_read);
	io_add(tc, a_number_taken_from_a_reader);
	io_add(tc, a_number_taken_from_a_waiter);
	io_add(tc, a_number_taken_from_a_writer);
	io_add(tc, a_number_taken_in_a_turn);
	io_add(tc, a_large_number);
	io_add(tc, no_descriptor);
	io_add(tc, no_room_for_a_message);
	io_add(tc, a_new_socket_is_unknown);
	tc = io_case(s, "poll");
	io_add(tc, poll_of_several);
	io_add(tc, poll_at_once_and_at_the_deadline);
	io_add(tc, poll_for_little);
	io_add(tc, poll_for_urgent_data);
	io_add(tc, poll_by_other_names);
	io_add(tc, poll_leaves_nothing);
	io_add(tc, poll_beside_a_file);
	io_add(tc, poll_of_a_number_taken);
	io_add(tc, poll_of_a_list_that_changes);
	io_add(tc, poll_of_a_list_that_is_another);
	tc = io_case(s, "modes");
	io_add(tc, a_blocking_one_is_refused);
	io_add(tc, a_refused_one_is_not_ours);
	io_add(tc, adopted_to_be_given_away);
	io_add(tc, adopt_forgets);
	return s;
}
