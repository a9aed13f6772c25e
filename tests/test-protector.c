/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-protector.c - a function that returns without aco_exit()
 */
#include "testutil.h"

#include <pthread.h>

/* The two lines that the library says by itself: %p is function, then co. */
#define TWO_LINES                                                              \
	"libaco: return: the function %p returned without aco_exit(): co %p\n" \
	"libaco: end a co with aco_exit(), or create it with "                 \
	"ACO_RETURN_EXITS\n"

static void returns(void)
{
}

static void yields_then_returns(void)
{
	aco_yield();
	aco_yield();
}

static void last_word(void)
{
	static const char text[] = "last word\n";

	t_child(write(STDERR_FILENO, text, sizeof(text) - 1) > 0);
}

static void other_last_word(void)
{
	static const char text[] = "other last word\n";

	t_child(write(STDERR_FILENO, text, sizeof(text) - 1) > 0);
}

static void run(aco_cofuncp_t fp, unsigned flags)
{
	aco_t *co = t_co2(t_sstk, fp, NULL, 0, flags);

	t_says((void *)fp);
	t_says(co);
	for (int i = 0; i < 3; i++)
		aco_resume(co);
}

/* ----------------------------------------------------- without last_word -- */

static void at_once(void *arg)
{
	(void)arg;
	run(returns, 0);
}

static void after_yields(void *arg)
{
	(void)arg;
	run(yields_then_returns, 0);
}

static void with_shared_fpenv(void *arg)
{
	(void)arg;
	run(yields_then_returns, ACO_SHARE_FPENV);
}

static void on_the_smallest_stack(void *arg)
{
	aco_t *co = t_co(t_stack(1), returns, NULL);

	(void)arg;
	t_says((void *)returns);
	t_says(co);
	aco_resume(co);
}

static void resumes_arg(void)
{
	aco_resume(aco_get_arg());
	aco_exit();
}

static void nested(void *arg)
{
	aco_t *co = t_co(t_sstk, returns, NULL);

	(void)arg;
	t_says((void *)returns);
	t_says(co);
	aco_resume(t_co(t_stack(T_STACK_SIZE), resumes_arg, co));
}

/* A sharing co, after its bytes were elsewhere. */
static void after_copies(void *arg)
{
	aco_t *other = t_co(t_sstk, yields_then_returns, NULL);
	aco_t *co = t_co(t_sstk, yields_then_returns, NULL);

	(void)arg;
	t_says((void *)yields_then_returns);
	t_says(co);
	aco_resume(co);
	aco_resume(other);
	aco_resume(co);
	aco_resume(other);
	aco_resume(co);
}

static void thread_init_null_keeps_none(void *arg)
{
	(void)arg;
	aco_thread_init(NULL);
	run(returns, 0);
}

static void (*const two_lines[])(void *) = {
	at_once,
	after_yields,
	with_shared_fpenv,
	on_the_smallest_stack,
	nested,
	after_copies,
	thread_init_null_keeps_none,
};

START_TEST(two_lines_and_abort)
{
	t_expect_abort(two_lines[_i], NULL, TWO_LINES);
}
END_TEST

/* -------------------------------------------------------- with last_word -- */

static void with_last_word(void *arg)
{
	aco_thread_init((aco_cofuncp_t)arg);
	run(yields_then_returns, 0);
}

static void null_keeps_last_word(void *arg)
{
	aco_thread_init((aco_cofuncp_t)arg);
	aco_thread_init(NULL);
	run(returns, 0);
}

static void replaced(void *arg)
{
	aco_thread_init(other_last_word);
	aco_thread_init((aco_cofuncp_t)arg);
	run(returns, 0);
}

/* It is the thread's, not the co's: a co made before has it, too. */
static void given_after_create(void *arg)
{
	aco_t *co = t_co(t_sstk, returns, NULL);

	aco_thread_init((aco_cofuncp_t)arg);
	aco_resume(co);
}

static void (*const last_words[])(void *) = {
	with_last_word,
	null_keeps_last_word,
	replaced,
	given_after_create,
};

START_TEST(last_word_then_abort)
{
	t_expect_abort(last_words[_i], (void *)last_word, "last word\n");
}
END_TEST

static aco_t *expected_co;

/* It runs as the co, and can say so. */
static void looks_around(void)
{
	t_child(aco_get_co() == expected_co);
	t_child(aco_get_arg() == &expected_co);
	t_child(!expected_co->is_end);
	last_word();
}

static void looking_around(void *arg)
{
	aco_thread_init((aco_cofuncp_t)arg);
	expected_co = t_co(t_sstk, returns, &expected_co);
	aco_resume(expected_co);
}

START_TEST(last_word_runs_as_the_co)
{
	t_expect_abort(looking_around, (void *)looks_around, "last word\n");
}
END_TEST

/* It is a function that a co calls: it may resume others. */
static void ends(void)
{
	last_word();
	aco_yield();
	aco_exit();
}

static void resumes_another(void)
{
	aco_t *co = t_co(t_stack(T_STACK_SIZE), ends, NULL);

	aco_resume(co);
	t_child(aco_get_co() == expected_co);
	aco_resume(co);
	t_child(co->is_end);
	t_child(aco_get_co() == expected_co);
}

START_TEST(last_word_may_resume_others)
{
	t_expect_abort(looking_around, (void *)resumes_another, "last word\n");
}
END_TEST

static void exits_the_process(void)
{
	_exit(0);
}

START_TEST(last_word_may_exit_the_process)
{
	t_expect_ok(with_last_word, (void *)exits_the_process);
}
END_TEST

/* -------------------------------------------------- last_word per thread -- */

static void *returns_in_thread(void *last)
{
	aco_t *main_co;
	aco_t *co;

	aco_thread_init((aco_cofuncp_t)last);
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	co = aco_create(main_co, t_sstk, 0, returns, NULL);
	t_says((void *)returns);
	t_says(co);
	aco_resume(co);
	return NULL;
}

static void return_in_thread(void *last)
{
	pthread_t thread;

	aco_thread_init(other_last_word);
	pthread_create(&thread, NULL, returns_in_thread, last);
	pthread_join(thread, NULL);
}

START_TEST(last_word_of_this_thread_only)
{
	t_expect_abort(return_in_thread, NULL, TWO_LINES);
	t_expect_abort(return_in_thread, (void *)last_word, "last word\n");
}
END_TEST

/* ------------------------------------------------------ ACO_RETURN_EXITS -- */

static void return_exits_is_no_mistake(void *last)
{
	aco_t *co;

	aco_thread_init((aco_cofuncp_t)last);
	co = t_co2(t_sstk, yields_then_returns, NULL, 0, ACO_RETURN_EXITS);
	for (int i = 0; i < 3; i++) {
		t_child(!co->is_end);
		aco_resume(co);
	}
	t_child(co->is_end);
	t_child(aco_get_co() == t_main);
}

START_TEST(return_exits)
{
	t_expect_ok(return_exits_is_no_mistake, NULL);
	t_expect_ok(return_exits_is_no_mistake, (void *)last_word);
}
END_TEST

/* One that returns leaves alone where the others of its stack return to. */
START_TEST(return_exits_one_of_several)
{
	aco_t *a = t_co2(t_sstk, yields_then_returns, NULL, 0,
			 ACO_RETURN_EXITS);
	aco_t *b = t_co2(t_sstk, yields_then_returns, NULL, 0,
			 ACO_RETURN_EXITS);

	aco_resume(b);
	t_finish(a, 3);
	t_finish(b, 3);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("protector");
	TCase *tc = t_case(s, "protector");

	tcase_add_loop_test(tc, two_lines_and_abort, 0, T_LEN(two_lines));
	tcase_add_loop_test(tc, last_word_then_abort, 0, T_LEN(last_words));
	tcase_add_test(tc, last_word_runs_as_the_co);
	tcase_add_test(tc, last_word_may_resume_others);
	tcase_add_test(tc, last_word_may_exit_the_process);
	tcase_add_test(tc, last_word_of_this_thread_only);
	tcase_add_test(tc, return_exits);
	tcase_add_test(tc, return_exits_one_of_several);
	return s;
}
