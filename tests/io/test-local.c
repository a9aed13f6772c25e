/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-local.c - what belongs to a task: its variables, name and line in a dump
 */
#include "ioutil.h"

#include <inttypes.h>
#include <stdio.h>

static int ended[3], count;
static int fds[4];

static void counts(void *value)
{
	ended[(intptr_t)value]++;
}

static void sleeps_and_counts(void *value)
{
	if (aco_io_sleep(aco_io_after(1)))
		ck_abort_msg("a destructor can't wait: errno %d", errno);
	ended[(intptr_t)value]++;
}

static const aco_io_key_t first = { counts }, second = { sleeps_and_counts },
			  third = { NULL };

static void has_values(void *arg)
{
	ck_assert_ptr_null(aco_io_get_local(&first));
	ck_assert_int_eq(aco_io_set_local(&first, arg), 0);
	ck_assert_int_eq(aco_io_set_local(&second, arg), 0);
	ck_assert_int_eq(aco_io_set_local(&third, &count), 0);
	io_settle();
	ck_assert_ptr_eq(aco_io_get_local(&first), arg);
	ck_assert_ptr_eq(aco_io_get_local(&second), arg);
	ck_assert_ptr_eq(aco_io_get_local(&third), &count);
	ck_assert_int_eq(aco_io_set_local(&third, NULL), 0);
	ck_assert_ptr_null(aco_io_get_local(&third));
}

IO_TEST(values)
{
	aco_io_group_t *group = io_group();

	for (intptr_t i = 1; i < 3; i++)
		io_go(group, has_values, (void *)i);
	ck_assert_ptr_null(aco_io_get_local(&first));
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	for (int i = 1; i < 3; i++)
		ck_assert_int_eq(ended[i], 2);
	/* No destructor for NULL. */
	ck_assert_int_eq(ended[0], 0);
	ck_assert_int_eq(aco_io_set_local(&first, NULL), 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

/* The other's value is still there, and a new one is destroyed, too. */
static const aco_io_key_t again;

static void sets_another(void *value)
{
	ck_assert_ptr_eq(aco_io_get_local(&third), &count);
	if (++count < 3)
		ck_assert_int_eq(aco_io_set_local(&again, value), 0);
}

static const aco_io_key_t again = { sets_another };

static void ends_with_one(void *unused)
{
	(void)unused;
	ck_assert_int_eq(aco_io_set_local(&third, &count), 0);
	ck_assert_int_eq(aco_io_set_local(&again, &count), 0);
}

IO_TEST(destructors_that_set_values)
{
	io_go(NULL, ends_with_one, NULL);
	io_settle();
	ck_assert_int_eq(count, 3);
}

START_TEST(refused)
{
	io_fails(aco_io_set_local(&first, NULL), EPERM);
	ck_assert_ptr_null(aco_io_get_local(&first));
	io_fails(aco_io_set_name("nobody"), EPERM);
	ck_assert_ptr_null(aco_io_get_name());
}
END_TEST

IO_TEST(no_key)
{
	io_fails(aco_io_set_local(NULL, &count), EINVAL);
	ck_assert_ptr_null(aco_io_get_local(NULL));
}

IO_TEST(names)
{
	static const char name[] = "main task";

	ck_assert_ptr_null(aco_io_get_name());
	ck_assert_int_eq(aco_io_set_name(name), 0);
	io_settle();
	ck_assert_ptr_eq(aco_io_get_name(), name);
	ck_assert_ptr_eq(aco_get_name(aco_co()), name);
	ck_assert_int_eq(aco_io_set_name(NULL), 0);
	ck_assert_ptr_null(aco_io_get_name());
	ck_assert_ptr_null(aco_get_name(aco_co()));
}

/* ---- the dump ------------------------------------------------------------ */

static void waits_by_name(void *unused)
{
	char c;

	(void)unused;
	aco_io_set_name("reader");
	aco_io_shield(1);
	io_fails(aco_io_read(fds[0], &c, 1, aco_io_after(LONG)), EBADF);
}

static void waits(void *unused)
{
	(void)unused;
	io_fails(aco_io_wait(fds[2], ACO_IO_READ | ACO_IO_WRITE, ACO_IO_NEVER),
		 EBADF);
}

static char text[4096];

static void read_dump(void)
{
	int out[2];
	ssize_t n;

	ck_assert_int_eq(pipe(out), 0);
	aco_io_dump(NULL, out[1]); /* writes nothing */
	aco_io_dump(aco_io_current(), out[1]);
	close(out[1]);
	n = read(out[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	close(out[0]);
}

/* The rest of the line of a task, from the word on. */
static char *line_of(aco_io_task_t task, const char *word)
{
	static char line[512];
	char start[64];
	char *p;

	snprintf(start, sizeof(start), "task %" PRIx64 " ", task);
	p = strstr(text, start);
	ck_assert_ptr_nonnull(p);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
	p = strstr(line, word);
	ck_assert_msg(p, "no \"%s\" in \"%s\"", word, line);
	return p;
}

static bool has(aco_io_task_t task, const char *word)
{
	return strstr(line_of(task, "task"), word);
}

static int lines(void)
{
	int n = 0;

	for (const char *p = text; *p; p++)
		n += *p == '\n';
	return n;
}

IO_TEST(dump)
{
	aco_io_task_t reader, waiter, fresh;
	char word[64] = "";
	int fd = -1;

	io_pair(fds);
	io_pair(fds + 2);
	while (write(fds[2], word, sizeof(word)) > 0)
		;
	reader = io_go(NULL, waits_by_name, NULL);
	waiter = io_go(NULL, waits, NULL);
	io_turns(2);
	fresh = io_go(NULL, counts, NULL);
	ck_assert_int_eq(aco_io_cancel(reader), 0);
	read_dump();
	ck_assert_int_eq(lines(), 4);
	ck_assert(has(aco_io_self(), " running"));
	ck_assert(!has(aco_io_self(), "waits"));
	ck_assert(has(fresh, " ready"));
	line_of(reader, " reader ");
	line_of(reader, " cancelled shielded");
	ck_assert_int_eq(sscanf(line_of(reader, " to "),
				" to read %d until in %63s s", &fd, word),
			 2);
	ck_assert_int_eq(fd, fds[0]);
	ck_assert(strtod(word, NULL) > 0 && strtod(word, NULL) <= LONG / 1000);
	line_of(waiter, " to read or write ");
	ck_assert(!has(waiter, "until"));
	ck_assert(!has(waiter, "cancelled"));
	ck_assert(has(waiter, " shared") == (io_flags == ACO_IO_SHARED));
	snprintf(word, sizeof(word), " %p co ", (void *)(uintptr_t)waits);
	line_of(waiter, word);
	aco_io_close(fds[0]);
	aco_io_close(fds[2]);
	close(fds[1]);
	close(fds[3]);
}

/* Outside tasks it is later than when the scheduler has last looked. */
static int64_t wakes_at;

static void sleeps_shortly(void *unused)
{
	(void)unused;
	wakes_at = aco_io_after(1);
	ck_assert_int_eq(aco_io_sleep(wakes_at), 0);
}

START_TEST(dump_outside_tasks)
{
	aco_io_t *io = aco_io_new(NULL);
	aco_io_task_t task;
	double until = 1;

	ck_assert_ptr_nonnull(io);
	task = aco_io_go(NULL, sleeps_shortly, NULL, 0);
	ck_assert(task);
	ck_assert(aco_io_step(io, 0) > 0);
	while (aco_io_now() < wakes_at + ACO_IO_MSEC)
		;
	read_dump();
	ck_assert_int_eq(
		sscanf(line_of(task, " until "), " until in %lf s", &until), 1);
	ck_assert(until < 0);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(aco_io_destroy(io), 0);
}
END_TEST

void t_reset(void)
{
	memset(ended, 0, sizeof(ended));
	count = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-local");
	TCase *tc = io_case(s, "values");

	io_add(tc, values);
	io_add(tc, destructors_that_set_values);
	tcase_add_test(tc, refused);
	io_add(tc, no_key);
	tc = io_case(s, "names");
	io_add(tc, names);
	io_add(tc, dump);
	tcase_add_test(tc, dump_outside_tasks);
	return s;
}
