/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-signals.c - signals that interrupt, and signals that are waited for
 */
#include "ioutil.h"

#include <signal.h>
#include <sys/time.h>

#define CHUNK 100000
#define CHUNKS 400

static int fds[2], results[3], errors[3];
static volatile sig_atomic_t alarms;
static size_t total;
static char chunk[CHUNK];

/* ---- a storm ------------------------------------------------------------- */

static void on_alarm(int signal)
{
	(void)signal;
	alarms++;
}

static void storm(int usec)
{
	const struct itimerval every = { { 0, usec }, { 0, usec } };
	struct sigaction action = { .sa_handler = on_alarm };

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void reads_all(void *unused)
{
	char buf[4000];
	ssize_t n;

	(void)unused;
	while ((n = aco_io_read(fds[1], buf, sizeof(buf), ACO_IO_NEVER)) > 0)
		total += (size_t)n;
	results[0] = (int)n;
	aco_io_close(fds[1]);
}

static void does_nothing(void *unused)
{
	(void)unused;
}

IO_TEST(a_storm)
{
	io_pair(fds);
	io_go(NULL, reads_all, NULL);
	storm(200);
	for (int i = 0; i < CHUNKS; i++) {
		ck_assert_int_eq(
			aco_io_write(fds[0], chunk, CHUNK, ACO_IO_NEVER),
			CHUNK);
		if (i % 40 == 0) {
			ck_assert_int_eq(aco_io_offload(does_nothing, NULL), 0);
			ck_assert_int_eq(aco_io_sleep(aco_io_after(1)), 0);
		}
	}
	aco_io_close(fds[0]);
	while (results[0] == -9)
		io_turns(1);
	storm(0);
	ck_assert_int_gt(alarms, 0);
	ck_assert_int_eq(results[0], 0);
	ck_assert_uint_eq(total, (size_t)CHUNK * CHUNKS);
}

/* ---- waiting for signals ------------------------------------------------- */

static void block(int a, int b, sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, a);
	sigaddset(set, b);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, set, NULL), 0);
}

static void waits(void *arg)
{
	int i = (int)(intptr_t)arg;
	sigset_t set; /* on the stack, which may move */

	block(i ? SIGUSR2 : SIGUSR1, SIGWINCH, &set);
	results[i] = aco_io_sigwait(&set,
				    i == 2 ? aco_io_now() + 1 : ACO_IO_NEVER);
	errors[i] = errno;
}

IO_TEST(sigwait_for_what_comes)
{
	for (intptr_t i = 0; i < 3; i++)
		io_go(NULL, waits, (void *)i);
	io_turns(4);
	ck_assert_int_eq(results[2], -1);
	ck_assert_int_eq(errors[2], ETIMEDOUT);
	kill(getpid(), SIGUSR2);
	while (results[1] == -9)
		io_turns(1);
	ck_assert_int_eq(results[1], SIGUSR2);
	ck_assert_int_eq(results[0], -9);
	kill(getpid(), SIGWINCH);
	while (results[0] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], SIGWINCH);
}

/* Between two waits they stay pending. */
IO_TEST(sigwait_for_what_is_there)
{
	sigset_t set;
	int both = 0;

	block(SIGUSR1, SIGUSR2, &set);
	io_fails(aco_io_sigwait(&set, 0), ETIMEDOUT);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	for (int i = 0; i < 2; i++) {
		int signal = aco_io_sigwait(&set, aco_io_after(LONG));

		both |= signal == SIGUSR1 ? 1 : signal == SIGUSR2 ? 2 : 4;
	}
	ck_assert_int_eq(both, 3);
	io_fails(aco_io_sigwait(&set, aco_io_after(SHORT)), ETIMEDOUT);
	io_fails(aco_io_sigwait(NULL, 0), EINVAL);
}

START_TEST(outside_tasks)
{
	sigset_t set;

	block(SIGUSR1, SIGUSR2, &set);
	io_fails(aco_io_sigwait(&set, 0), EPERM);
}
END_TEST

void t_reset(void)
{
	alarms = 0;
	total = 0;
	for (int i = 0; i < 3; i++)
		results[i] = -9;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-signals");
	TCase *tc = io_case(s, "signals");

	io_add(tc, a_storm);
	io_add(tc, sigwait_for_what_comes);
	io_add(tc, sigwait_for_what_is_there);
	tcase_add_test(tc, outside_tasks);
	return s;
}
