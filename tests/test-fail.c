/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fail.c - abort() is reached, whatever the thread and its stderr are like
 *
 * The library writes with the write() below.
 */
#define _GNU_SOURCE 1 /* RTLD_NEXT */

#include "testutil.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static int interruptions; /* so many calls fail with EINTR */
static size_t at_most;	  /* bytes a call; 0: all */
static int cancelling;	  /* the thread that writes is cancelled there */

static ssize_t (*real_write)(int fd, const void *buf, size_t n);

ssize_t write(int fd, const void *buf, size_t n)
{
	if (!real_write) {
		void *p = dlsym(RTLD_NEXT, "write");

		memcpy(&real_write, &p, sizeof(p));
	}
	if (cancelling)
		pthread_cancel(pthread_self());
	if (interruptions > 0) {
		interruptions--;
		errno = EINTR;
		return -1;
	}
	return real_write(fd, buf, at_most && n > at_most ? at_most : n);
}

/* ----------------------------------------------------- the ways to abort -- */

static void returns(void)
{
}

static void misuse(void)
{
	t_says(NULL);
	aco_yield();
}

static void return_without_exit(void)
{
	aco_t *co = aco_create(aco_create(NULL, NULL, 0, NULL, NULL), t_sstk, 0,
			       returns, NULL);

	t_says((void *)returns);
	t_says(co);
	aco_resume(co);
}

static void last_word(void)
{
	static const char text[] = "last word\n";

	t_child(write(STDERR_FILENO, text, sizeof(text) - 1) > 0);
	pthread_testcancel();
}

static void protector(void)
{
	aco_thread_init(last_word);
	return_without_exit();
}

static void *memory;
static int alloc_line;
static char alloc_text[512];

static void alloc(void)
{
	alloc_line = __LINE__ + 1;
	aco_assertalloc_ptr(memory);
}

void t_reset(void)
{
	memory = &memory;
	alloc();
	memory = NULL;
	snprintf(alloc_text, sizeof(alloc_text),
		 "libaco: out of memory: %s:%d: alloc\n", __FILE__, alloc_line);
}

static const struct {
	void (*fn)(void);
	const char *text;
} ways[] = {
	{ misuse, "libaco: aco_yield: called outside a co: co %p\n" },
	{ return_without_exit,
	  "libaco: return: the function %p returned without aco_exit(): co %p\n"
	  "libaco: end a co with aco_exit(), or create it with "
	  "ACO_RETURN_EXITS\n" },
	{ protector, "last word\n" },
	{ alloc, alloc_text },
};

/* In a thread of its own, which may end where the process must not. */
static void run_way(int way, void *(*prepare_and_run)(void *way))
{
	pthread_t thread;

	t_child(!pthread_create(&thread, NULL, prepare_and_run,
				(void *)(uintptr_t)way));
	pthread_join(thread, NULL);
}

static void *run(void *way)
{
	ways[(uintptr_t)way].fn();
	return NULL;
}

/* ---------------------------------------------------------- cancellation -- */

static void *cancelled_before(void *way)
{
	pthread_cancel(pthread_self());
	return run(way);
}

static void in_cancelled_thread(void *way)
{
	run_way((int)(uintptr_t)way, cancelled_before);
}

START_TEST(cancelled_threads_abort)
{
	t_expect_abort(in_cancelled_thread, (void *)(uintptr_t)_i,
		       ways[_i].text);
}
END_TEST

static void *cancelled_while_writing(void *way)
{
	cancelling = 1;
	return run(way);
}

static void *cancelled_at_any_time(void *way)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	return cancelled_while_writing(way);
}

static void cancelled_in_write(void *way)
{
	run_way((int)(uintptr_t)way, cancelled_while_writing);
}

static void cancelled_asynchronously(void *way)
{
	run_way((int)(uintptr_t)way, cancelled_at_any_time);
}

START_TEST(threads_cancelled_meanwhile_abort)
{
	t_expect_abort(cancelled_in_write, (void *)(uintptr_t)_i,
		       ways[_i].text);
	t_expect_abort(cancelled_asynchronously, (void *)(uintptr_t)_i,
		       ways[_i].text);
}
END_TEST

/* -------------------------------------------------------- stderr's fault -- */

static void interrupted(void *way)
{
	interruptions = 3;
	ways[(uintptr_t)way].fn();
}

static void in_pieces(void *way)
{
	at_most = 7;
	ways[(uintptr_t)way].fn();
}

START_TEST(writes_all_of_it)
{
	if (ways[_i].fn == protector)
		return;
	t_expect_abort(interrupted, (void *)(uintptr_t)_i, ways[_i].text);
	t_expect_abort(in_pieces, (void *)(uintptr_t)_i, ways[_i].text);
}
END_TEST

static void to_nobody(void *way)
{
	int fd[2];

	t_child(pipe(fd) == 0);
	t_child(dup2(fd[1], STDERR_FILENO) == STDERR_FILENO);
	close(fd[0]);
	ways[(uintptr_t)way].fn();
}

/* The file may grow by no more than a part of the line. */
static void to_a_full_file(void *way)
{
	const struct rlimit limit = { 10, 10 };
	FILE *file = tmpfile();

	t_child(file);
	t_child(dup2(fileno(file), STDERR_FILENO) == STDERR_FILENO);
	t_child(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	ways[(uintptr_t)way].fn();
}

START_TEST(signals_of_write_do_not_kill)
{
	if (ways[_i].fn == protector)
		return;
	t_expect_abort(to_nobody, (void *)(uintptr_t)_i, "");
	t_expect_abort(to_a_full_file, (void *)(uintptr_t)_i, "");
}
END_TEST

/* -------------------------------------------------- what is there to say -- */

static void long_file(void *arg); /* last, as it gives lines other names */

START_TEST(long_lines_are_whole)
{
	char text[512] = "libaco: out of memory: ";

	for (int i = 0; i < 16; i++)
		strcat(text, "a/very/long/name/");
	strcat(text, "file.c:7: long_file\n");
	t_expect_abort(long_file, NULL, text);
}
END_TEST

static void allocates(void)
{
	alloc();
}

static void on_a_small_stack(void *arg)
{
	(void)arg;
	aco_resume(t_co(t_stack(1), allocates, NULL));
}

START_TEST(allocation_on_the_smallest_stack)
{
	t_expect_abort(on_a_small_stack, NULL, alloc_text);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("fail");
	TCase *tc = t_case(s, "fail");

	tcase_add_loop_test(tc, cancelled_threads_abort, 0, T_LEN(ways));
	tcase_add_loop_test(tc, threads_cancelled_meanwhile_abort, 0,
			    T_LEN(ways));
	tcase_add_loop_test(tc, writes_all_of_it, 0, T_LEN(ways));
	tcase_add_loop_test(tc, signals_of_write_do_not_kill, 0, T_LEN(ways));
	tcase_add_test(tc, long_lines_are_whole);
	tcase_add_test(tc, allocation_on_the_smallest_stack);
	return s;
}

/* As when a directory has a long name. */
static void long_file(void *arg)
{
	(void)arg;
#line 7 "a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/a/very/long/name/file.c"
	aco_assertalloc_bool(0);
}
