/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-name.c - aco_set_name(), aco_get_name(), and names in lines
 */
#include "testutil.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static void yields(void)
{
	for (;;)
		aco_yield();
}

static void ends(void)
{
	aco_exit();
}

static void returns(void)
{
}

/* ---------------------------------------------------------------- the call -- */

START_TEST(there_is_none_at_first)
{
	aco_t *co = t_co(t_sstk, yields, NULL);

	ck_assert_ptr_null(aco_get_name(co));
	ck_assert_ptr_null(aco_get_name(t_main));
	aco_set_name(co, NULL);
	ck_assert_ptr_null(aco_get_name(co));
}
END_TEST

START_TEST(is_the_string_itself)
{
	const char name[] = "worker";
	aco_t *co = t_co(t_sstk, yields, NULL);

	errno = 7;
	aco_set_name(co, name);
	ck_assert_ptr_eq(aco_get_name(co), name);
	aco_set_name(co, "");
	ck_assert_str_eq(aco_get_name(co), "");
	aco_set_name(co, NULL);
	ck_assert_ptr_null(aco_get_name(co));
	ck_assert_int_eq(errno, 7);
}
END_TEST

START_TEST(main_cos_have_some)
{
	aco_t *other = t_main_co();

	aco_set_name(t_main, "main");
	ck_assert_str_eq(aco_get_name(t_main), "main");
	ck_assert_ptr_null(aco_get_name(other));
}
END_TEST

static void names_itself(void)
{
	aco_set_name(aco_co(), aco_get_arg());
	aco_yield();
	aco_set_name(aco_co(), NULL);
	aco_exit();
}

START_TEST(in_any_state)
{
	aco_t *other = t_co(t_sstk, yields, NULL);
	aco_t *co = t_co(t_sstk, names_itself, "itself");

	aco_set_name(co, "new");
	aco_resume(co);
	ck_assert_str_eq(aco_get_name(co), "itself");
	aco_resume(other); /* its bytes are copied */
	ck_assert_str_eq(aco_get_name(co), "itself");
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_ptr_null(aco_get_name(co));
	aco_set_name(co, "ended");
	ck_assert_str_eq(aco_get_name(co), "ended");
}
END_TEST

START_TEST(stays_at_a_reset)
{
	aco_t *co = t_co2(t_sstk, ends, NULL, 100, ACO_SHARE_FPENV);

	aco_set_name(co, "kept");
	aco_resume(co);
	ck_assert_int_eq(aco_reset(co, ends, NULL), 0);
	ck_assert_str_eq(aco_get_name(co), "kept");
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_str_eq(aco_get_name(co), "kept");
}
END_TEST

/* The next co has the place of the one before. */
START_TEST(goes_with_its_co)
{
	size_t save_stack_sz = _i ? 100 : 0;

	for (int i = 0; i < 200; i++) {
		aco_t *co = aco_create(t_main, t_sstk, save_stack_sz, yields,
				       NULL);
		aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);

		ck_assert_ptr_null(aco_get_name(co));
		ck_assert_ptr_null(aco_get_name(main_co));
		aco_set_name(co, "one");
		aco_set_name(main_co, "two");
		aco_resume(co);
		aco_destroy(co);
		aco_destroy(main_co);
	}
}
END_TEST

/* Another allocator, too, gives the same memory again. */
START_TEST(many)
{
	enum { COUNT = 3000 };
	static char name[COUNT][8];
	static aco_t *co[COUNT];
	uint32_t random = 5;

	for (int round = 0; round < 40000; round++) {
		size_t i = t_random(&random) % COUNT;
		int more = round < 20000 ? 3 : 1; /* then fewer and fewer */

		if (!co[i]) {
			co[i] = aco_create(t_main, t_sstk, 0, yields, NULL);
			ck_assert_ptr_nonnull(co[i]);
			ck_assert_ptr_null(aco_get_name(co[i]));
			sprintf(name[i], "%zu", i);
			aco_set_name(co[i], name[i]);
		} else if (t_random(&random) % 4 >= (unsigned)more) {
			aco_destroy(co[i]);
			co[i] = NULL;
		} else if (t_random(&random) % 4 == 0) {
			aco_set_name(co[i], NULL);
			ck_assert_ptr_null(aco_get_name(co[i]));
			aco_set_name(co[i], name[i]);
		}
	}
	for (size_t i = 0; i < COUNT; i++)
		if (co[i]) {
			ck_assert_ptr_eq(aco_get_name(co[i]), name[i]);
			aco_destroy(co[i]);
		}
}
END_TEST

/* --------------------------------------------------------------- threads -- */

static void *names_many(void *arg)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(T_STACK_SIZE);
	aco_t *co[100] = { NULL };
	char name[100];

	for (size_t i = 0; i < 20 * T_LEN(co); i++) {
		size_t k = i % T_LEN(co);

		if (co[k]) {
			if (aco_get_name(co[k]) != &name[k])
				arg = NULL;
			aco_destroy(co[k]);
		}
		co[k] = aco_create(main_co, sstk, 0, yields, NULL);
		aco_set_name(co[k], &name[k]);
	}
	for (size_t k = 0; k < T_LEN(co); k++)
		aco_destroy(co[k]);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return arg;
}

START_TEST(in_threads)
{
	pthread_t thread[4];
	void *good;

	for (size_t i = 0; i < T_LEN(thread); i++)
		ck_assert_int_eq(
			pthread_create(&thread[i], NULL, names_many, thread),
			0);
	for (size_t i = 0; i < T_LEN(thread); i++) {
		pthread_join(thread[i], &good);
		ck_assert_ptr_eq(good, thread);
	}
}
END_TEST

static void *gets_name(void *co)
{
	return (void *)(uintptr_t)aco_get_name(co);
}

START_TEST(of_another_thread)
{
	aco_t *co = t_co(t_sstk, yields, NULL);
	pthread_t thread;
	void *name;

	aco_set_name(co, "moves");
	ck_assert_int_eq(pthread_create(&thread, NULL, gets_name, co), 0);
	pthread_join(thread, &name);
	ck_assert_str_eq(name, "moves");
}
END_TEST

static void *names_for_ever(void *stop)
{
	aco_t *co = aco_create(NULL, NULL, 0, NULL, NULL);

	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
		aco_set_name(co, "a");
		aco_set_name(co, NULL);
	}
	aco_destroy(co);
	return NULL;
}

/* Another thread has the lock, or not: the child can take it. */
START_TEST(in_the_child_of_a_fork)
{
	aco_t *co = t_co(t_sstk, yields, NULL);
	pthread_t thread;
	int stop = 0, status;

	aco_set_name(co, "parent's");
	ck_assert_int_eq(pthread_create(&thread, NULL, names_for_ever, &stop),
			 0);
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(60);
			t_child(!strcmp(aco_get_name(co), "parent's"));
			aco_set_name(co, "child's");
			t_child(!strcmp(aco_get_name(co), "child's"));
			_exit(0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ck_assert_str_eq(aco_get_name(co), "parent's");
}
END_TEST

/* ----------------------------------------------------------------- lines -- */

static void resume_ended(void *name)
{
	aco_t *co = t_co(t_sstk, ends, NULL);

	t_says(co);
	aco_set_name(co, name);
	aco_resume(co);
	aco_resume(co);
}

#define TEN "0123456789"

static const struct {
	const char *name, *text;
} shown[] = {
	{ "worker",
	  "libaco: aco_resume: the co has ended: co %p \"worker\"\n" },
	{ "", "libaco: aco_resume: the co has ended: co %p \"\"\n" },
	{ NULL, "libaco: aco_resume: the co has ended: co %p\n" },
	{ "a\nb\033[m\177\303\244",
	  "libaco: aco_resume: the co has ended: co %p "
	  "\"a?b?[m?\303\244\"\n" },
	/* NEL, CSI, and what is no control character; the last one is cut */
	{ "a\302\205b\302\233m\302\240\303\233\302",
	  "libaco: aco_resume: the co has ended: co %p "
	  "\"a?b?m\302\240\303\233\302\"\n" },
	{ TEN TEN TEN TEN TEN TEN "abcdefg",
	  "libaco: aco_resume: the co has ended: co %p "
	  "\"" TEN TEN TEN TEN TEN TEN "abcd\"\n" },
};

START_TEST(misuse)
{
	t_expect_abort(resume_ended, (void *)(uintptr_t)shown[_i].name,
		       shown[_i].text);
}
END_TEST

/* The next co has its place, and not its name. */
static void resume_next(void *save_stack_sz)
{
	aco_t *co, *next;

	co = aco_create(t_main, t_sstk, (uintptr_t)save_stack_sz, ends, NULL);
	aco_set_name(co, "before");
	aco_resume(co);
	aco_destroy(co);
	next = t_co2(t_sstk, ends, NULL, (uintptr_t)save_stack_sz, 0);
	t_says(next);
	aco_resume(next);
	aco_resume(next);
}

START_TEST(misuse_in_the_same_place)
{
	t_expect_abort(resume_next, (void *)(uintptr_t)(_i ? 100 : 0),
		       "libaco: aco_resume: the co has ended: co %p\n");
}
END_TEST

static void resume_on_destroyed(void *arg)
{
	aco_share_stack_t *sstk = aco_share_stack_new(T_STACK_SIZE);
	aco_t *co = aco_create(t_main, sstk, 0, yields, NULL);

	(void)arg;
	t_says(sstk);
	t_says(co);
	aco_set_name(co, "left");
	aco_share_stack_destroy(sstk);
	aco_resume(co);
}

START_TEST(misuse_with_a_stack)
{
	t_expect_abort(resume_on_destroyed, NULL,
		       "libaco: aco_resume: its share stack %p has been "
		       "destroyed: co %p \"left\"\n");
}
END_TEST

static void return_without_exit(void *arg)
{
	aco_t *co = t_co(t_sstk, returns, NULL);

	(void)arg;
	t_says((void *)returns);
	t_says(co);
	aco_set_name(co, "careless");
	aco_resume(co);
}

START_TEST(protector)
{
	t_expect_abort(return_without_exit, NULL,
		       "libaco: return: the function %p returned without "
		       "aco_exit(): co %p \"careless\"\n"
		       "libaco: end a co with aco_exit(), or create it with "
		       "ACO_RETURN_EXITS\n");
}
END_TEST

static volatile int goes_on = 1;

__attribute__((__noinline__)) static void overflow(int depth)
{
	char frame[256];
	char *p = frame;

	t_opaque(p);
	p[0] = (char)depth;
	if (goes_on)
		overflow(depth + 1);
	t_opaque(p);
}

static void overflows(void)
{
	overflow(0);
}

static void overflow_named(void *arg)
{
	aco_t *co = t_co(t_sstk, overflows, NULL);

	(void)arg;
	t_says(co);
	t_says(t_sstk);
	aco_set_name(co, "deep");
	t_child(aco_overflow_report(1) == 0);
	aco_resume(co);
}

START_TEST(overflow_report)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "libaco: stack overflow: co %%p \"deep\" on share stack %%p "
		 "of %zu bytes\n",
		 t_sstk->sz);
	t_expect_signal(SIGSEGV, overflow_named, NULL, text);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("name");
	TCase *tc = t_case(s, "name");

	tcase_add_test(tc, there_is_none_at_first);
	tcase_add_test(tc, is_the_string_itself);
	tcase_add_test(tc, main_cos_have_some);
	tcase_add_test(tc, in_any_state);
	tcase_add_test(tc, stays_at_a_reset);
	tcase_add_loop_test(tc, goes_with_its_co, 0, 2);
	tcase_add_test(tc, many);
	tcase_add_test(tc, in_threads);
	tcase_add_test(tc, of_another_thread);
	tcase_add_test(tc, in_the_child_of_a_fork);

	tc = t_case(s, "lines");
	tcase_add_loop_test(tc, misuse, 0, T_LEN(shown));
	tcase_add_loop_test(tc, misuse_in_the_same_place, 0, 2);
	tcase_add_test(tc, misuse_with_a_stack);
	tcase_add_test(tc, protector);
	tcase_add_test(tc, overflow_report);
	return s;
}
