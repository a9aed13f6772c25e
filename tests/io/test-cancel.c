/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cancel.c - cancellation at each kind of wait, shields, identities
 */
#include "ioutil.h"

#include <netdb.h>
#include <signal.h>

#define MANY 4000

static int fds[2], listener;
static struct sockaddr_in address;
static aco_io_chan_t *empty, *full;
static aco_io_queue_t queue;
static aco_io_group_t *group;
static int count, result, error;

static void cancelled(int value)
{
	result = value;
	error = errno;
}

/* ---- each kind of wait --------------------------------------------------- */

static void w_sleep(void)
{
	cancelled(aco_io_sleep(ACO_IO_NEVER));
}

static void w_sleep_until(void)
{
	cancelled(aco_io_sleep(aco_io_after(LONG)));
}

static void w_read(void)
{
	char c;

	cancelled((int)aco_io_read(fds[0], &c, 1, ACO_IO_NEVER));
}

static void w_write(void)
{
	static char zeros[1 << 20];

	cancelled((int)aco_io_write(fds[0], zeros, sizeof(zeros),
				    aco_io_after(LONG)));
}

static void w_recvmsg(void)
{
	char c;
	struct iovec v = { &c, 1 };
	struct msghdr msg = { .msg_iov = &v, .msg_iovlen = 1 };

	cancelled((int)aco_io_recvmsg(fds[0], &msg, 0, ACO_IO_NEVER));
}

static void w_wait(void)
{
	cancelled(aco_io_wait(fds[0], ACO_IO_READ, ACO_IO_NEVER));
}

static void w_poll(void)
{
	struct pollfd p = { fds[0], POLLIN, 0 };

	cancelled(aco_io_poll(&p, 1, ACO_IO_NEVER));
}

static void w_accept(void)
{
	cancelled(aco_io_accept(listener, NULL, NULL, ACO_IO_NEVER));
}

static void w_park(void)
{
	cancelled(aco_io_park(&queue, ACO_IO_NEVER));
}

static void w_send(void)
{
	int x = 0;

	cancelled(aco_io_chan_send(full, &x, ACO_IO_NEVER));
}

static void w_recv(void)
{
	int x = 0;

	cancelled(aco_io_chan_recv(empty, &x, ACO_IO_NEVER));
}

static void w_group(void)
{
	cancelled(aco_io_group_wait(group, ACO_IO_NEVER));
}

static void w_sigwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	cancelled(aco_io_sigwait(&set, ACO_IO_NEVER));
}

static void (*const waits[])(void) = {
	w_sleep,  w_sleep_until, w_read, w_write, w_recvmsg, w_wait,	w_poll,
	w_accept, w_park,	 w_send, w_recv,  w_group,   w_sigwait,
};

static void does_nothing(void *unused)
{
	(void)unused;
}

/* What does not wait, or not now, fails likewise in a cancelled task. */
static void check_that_it_stays(void)
{
	struct pollfd p = { fds[0], POLLOUT, 0 };
	struct addrinfo *res = NULL;
	int x;

	io_fails(aco_io_yield(), ECANCELED);
	io_fails(aco_io_sleep(0), ECANCELED);
	io_fails(aco_io_wait(fds[0], ACO_IO_WRITE, 0), ECANCELED);
	io_fails(aco_io_poll(&p, 1, 0), ECANCELED);
	io_fails(aco_io_read(fds[0], &x, 1, 0), ECANCELED);
	io_fails(aco_io_write(fds[0], "x", 1, 0), ECANCELED);
	io_fails(aco_io_pread(listener, &x, 1, 0), ECANCELED);
	io_fails(aco_io_pwrite(listener, &x, 1, 0), ECANCELED);
	io_fails(aco_io_offload(does_nothing, NULL), ECANCELED);
	ck_assert_int_eq(aco_io_getaddrinfo("::", NULL, NULL, &res, 0),
			 EAI_SYSTEM);
	ck_assert_int_eq(errno, ECANCELED);
	io_fails(aco_io_park(&queue, 0), ECANCELED);
	io_fails(aco_io_chan_recv(full, &x, 0), ECANCELED);
	io_fails(aco_io_chan_send(empty, &x, 0), ECANCELED);
}

static void waits_in(void *arg)
{
	waits[(intptr_t)arg]();
	check_that_it_stays();
	count++;
}

static void sleeps(void *unused)
{
	(void)unused;
	io_fails(aco_io_sleep(ACO_IO_NEVER), ECANCELED);
	count++;
}

IO_TEST(each_kind_of_wait)
{
	int x = 0;

	io_pair(fds);
	listener = io_listen(&address, 1);
	empty = aco_io_chan_new(sizeof(int), 1);
	full = aco_io_chan_new(sizeof(int), 1);
	group = io_group();
	io_go(group, sleeps, NULL);
	ck_assert_int_eq(aco_io_chan_send(full, &x, 0), 0);
	for (int i = 0; i < (int)T_LEN(waits); i++) {
		aco_io_task_t task = io_go(NULL, waits_in, (void *)(intptr_t)i);

		result = error = 0;
		io_turns(2);
		ck_assert_int_eq(result, 0);
		ck_assert_int_eq(aco_io_cancel(task), 0);
		ck_assert_int_eq(aco_io_cancel(task), 0);
		io_settle();
		ck_assert_msg(result == -1 && error == ECANCELED,
			      "wait %d: %d, errno %d", i, result, error);
		ck_assert_int_eq(count, i + 1);
		io_fails(aco_io_cancel(task), ESRCH);
	}
	/* None of those is left in a queue. */
	ck_assert_int_eq(aco_io_unpark(&queue, -1), 0);
	ck_assert_int_eq(aco_io_chan_destroy(empty), 0);
	ck_assert_int_eq(aco_io_chan_destroy(full), 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	io_fails(aco_io_adopt(-1), EBADF);
	ck_assert_int_eq(aco_io_adopt(fds[0]), 0);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
	aco_io_close(listener);
}

/* ---- with everything there ----------------------------------------------- */

/* Calls that would not have to wait fail, too, but for those behind a shield. */
IO_TEST(what_need_not_wait)
{
	struct pollfd p = { 0, POLLIN, 0 };
	char c = 'x';
	struct iovec v = { &c, 1 };
	struct msghdr msg = { .msg_iov = &v, .msg_iovlen = 1 };
	int file = io_file(), fd, x = 7;
	int64_t offset = 0;
	sigset_t set;

	io_pair(fds);
	listener = io_listen(&address, 4);
	fd = aco_io_socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(aco_io_connect(fd, (struct sockaddr *)&address,
					sizeof(address), aco_io_after(LONG)),
			 0);
	io_put(fds[1], "abc", 3);
	ck_assert_int_eq(write(file, "abc", 3), 3);
	full = aco_io_chan_new(sizeof(int), 2);
	ck_assert_int_eq(aco_io_chan_send(full, &x, 0), 0);
	group = io_group();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);

	ck_assert_int_eq(aco_io_cancel(aco_io_self()), 0);
	p.fd = fds[0];
	io_fails(aco_io_wait(fds[0], ACO_IO_READ, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_poll(&p, 1, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_read(fds[0], &c, 1, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_recvmsg(fds[0], &msg, 0, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_write(fds[0], &c, 1, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_send(fds[0], &c, 1, 0, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_sendmsg(fds[0], &msg, 0, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_sendfile(fds[0], file, &offset, 3, ACO_IO_NEVER),
		 ECANCELED);
	io_fails(aco_io_accept(listener, NULL, NULL, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_connect(fd, (struct sockaddr *)&address,
				sizeof(address), ACO_IO_NEVER),
		 ECANCELED);
	io_fails(aco_io_pread(file, &c, 1, 0), ECANCELED);
	io_fails(aco_io_group_wait(group, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_chan_send(full, &x, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_chan_recv(full, &x, ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_sigwait(&set, ACO_IO_NEVER), ECANCELED);

	ck_assert_int_eq(aco_io_shield(1), 0);
	ck_assert_int_eq(aco_io_read(fds[0], &c, 1, 0), 1);
	ck_assert_int_eq(aco_io_chan_recv(full, &x, 0), 0);
	io_fails(aco_io_chan_recv(full, &x, 0), ETIMEDOUT);
	ck_assert_int_eq(aco_io_sigwait(&set, 0), SIGUSR2);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	ck_assert_int_eq(aco_io_chan_destroy(full), 0);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
	aco_io_close(fd);
	aco_io_close(listener);
	close(file);
}

/* ---- before it runs, and itself ------------------------------------------ */

static void is_cancelled_first(void *unused)
{
	(void)unused;
	io_fails(aco_io_yield(), ECANCELED);
	count++;
}

IO_TEST(before_it_runs)
{
	ck_assert_int_eq(aco_io_cancel(io_go(NULL, is_cancelled_first, NULL)),
			 0);
	io_settle();
	ck_assert_int_eq(count, 1);
}

IO_TEST(itself)
{
	ck_assert_int_eq(aco_io_cancel(aco_io_self()), 0);
	io_fails(aco_io_sleep(ACO_IO_NEVER), ECANCELED);
	io_fails(aco_io_yield(), ECANCELED);
}

static void waits_then_works(void *unused)
{
	(void)unused;
	ck_assert_int_eq(aco_io_park(&queue, ACO_IO_NEVER), 0);
	count++;
	io_fails(aco_io_yield(), ECANCELED);
	count++;
}

/* What had come before it was cancelled is not lost. */
IO_TEST(after_it_was_woken)
{
	aco_io_task_t task = io_go(NULL, waits_then_works, NULL);

	io_settle();
	ck_assert_int_eq(aco_io_unpark(&queue, 1), 1);
	ck_assert_int_eq(aco_io_cancel(task), 0);
	io_settle();
	ck_assert_int_eq(count, 2);
}

/* ---- shields ------------------------------------------------------------- */

static void says_goodbye(void *unused)
{
	char buf[8];

	(void)unused;
	io_fails(aco_io_read(fds[0], buf, 8, ACO_IO_NEVER), ECANCELED);
	ck_assert_int_eq(aco_io_shield(1), 0);
	ck_assert_int_eq(aco_io_shield(1), 1);
	ck_assert_int_eq(aco_io_write(fds[0], "rollback", 8, ACO_IO_NEVER), 8);
	ck_assert_int_eq(aco_io_read(fds[0], buf, 8, ACO_IO_NEVER), 2);
	ck_assert_int_eq(aco_io_sleep(aco_io_after(1)), 0);
	io_fails(aco_io_read(fds[0], buf, 8, aco_io_after(1)), ETIMEDOUT);
	ck_assert_int_eq(aco_io_shield(0), 1);
	io_fails(aco_io_read(fds[0], buf, 8, ACO_IO_NEVER), ECANCELED);
	count++;
}

IO_TEST(shield)
{
	aco_io_task_t task;
	char buf[16];

	io_pair(fds);
	task = io_go(NULL, says_goodbye, NULL);
	io_settle();
	ck_assert_int_eq(aco_io_cancel(task), 0);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 16, ACO_IO_NEVER), 8);
	io_turns(2);
	ck_assert_int_eq(aco_io_cancel(task), 0);
	io_turns(2);
	ck_assert_int_eq(count, 0);
	ck_assert_int_eq(aco_io_write(fds[1], "ok", 2, ACO_IO_NEVER), 2);
	while (!count)
		io_turns(1);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

START_TEST(outside_tasks)
{
	io_fails(aco_io_shield(1), EPERM);
	io_fails(aco_io_cancel(1), EPERM);
	ck_assert_uint_eq(aco_io_self(), 0);
}
END_TEST

/* ---- many ---------------------------------------------------------------- */

static int pairs[64][2];

static void reads_or_sleeps(void *arg)
{
	int i = (int)(intptr_t)arg;
	char c;

	if (i < 64)
		io_fails(aco_io_read(pairs[i][0], &c, 1, ACO_IO_NEVER),
			 ECANCELED);
	else if ((i % 2 ? aco_io_sleep(ACO_IO_NEVER)
			: aco_io_sleep(aco_io_after(LONG + i % 100))) == 0 ||
		 errno != ECANCELED)
		ck_abort_msg("%d: errno %d", i, errno);
	count++;
}

IO_TEST(thousands)
{
	group = io_group();
	for (int i = 0; i < 64; i++)
		io_pair(pairs[i]);
	for (int i = 0; i < MANY; i++)
		if (!aco_io_go(group, reads_or_sleeps, (void *)(intptr_t)i,
			       io_flags))
			ck_abort_msg("%d: errno %d", i, errno);
	io_turns(20);
	ck_assert_int_eq(count, 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	ck_assert_int_eq(count, MANY);
	for (int i = 0; i < 64; i++) {
		aco_io_close(pairs[i][0]);
		close(pairs[i][1]);
	}
}

/* ---- identities ---------------------------------------------------------- */

static aco_io_task_t self;

static void says_who(void *unused)
{
	(void)unused;
	self = aco_io_self();
}

static int compare(const void *a, const void *b)
{
	aco_io_task_t x = *(const aco_io_task_t *)a;
	aco_io_task_t y = *(const aco_io_task_t *)b;

	return x < y ? -1 : x > y;
}

IO_TEST(no_two_are_the_same)
{
	static aco_io_task_t ids[2000];

	for (int i = 0; i < 2000; i++) {
		ids[i] = aco_io_go(NULL, says_who, NULL, io_flags);
		if (i % 3)
			continue;
		aco_io_yield();
		if (self != ids[i] || aco_io_cancel(ids[i]) != -1 ||
		    errno != ESRCH)
			ck_abort_msg("task %d", i);
	}
	io_settle();
	qsort(ids, 2000, sizeof(ids[0]), compare);
	for (int i = 1; i < 2000; i++)
		if (ids[i] == ids[i - 1] || !ids[i - 1])
			ck_abort_msg("twice the same");
	io_fails(aco_io_cancel(0), ESRCH);
	io_fails(aco_io_cancel(UINT64_MAX), ESRCH);
	io_fails(aco_io_cancel((aco_io_task_t)1 << 32), ESRCH);
}

void t_reset(void)
{
	count = result = error = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-cancel");
	TCase *tc = io_case(s, "cancel");

	io_add(tc, each_kind_of_wait);
	io_add(tc, what_need_not_wait);
	io_add(tc, before_it_runs);
	io_add(tc, itself);
	io_add(tc, after_it_was_woken);
	io_add(tc, shield);
	tcase_add_test(tc, outside_tasks);
	io_add(tc, thousands);
	io_add(tc, no_two_are_the_same);
	return s;
}
