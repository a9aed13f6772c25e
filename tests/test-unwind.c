/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-unwind.c - exceptions without a C++ runtime, and threads that end in a co
 *
 * The unwinder itself is asked to raise one, and says what came of it.  cxx.sh
 * has what C++ makes of both.
 */
#include "testutil.h"

#include <pthread.h>
#include <unwind.h>

static int result;
static struct _Unwind_Exception exception;

/* Returns when there is no way, and nothing has been unwound then. */
static void raise_one(void)
{
	memset(&exception, 0, sizeof(exception));
	result = _Unwind_RaiseException(&exception);
}

__attribute__((__noinline__)) static void raise_deep(int depth)
{
	int *p = &depth;

	t_opaque(p);
	if (depth > 0)
		raise_deep(depth - 1);
	else
		raise_one();
	t_opaque(p);
}

static void raises(void)
{
	int *rounds = aco_get_arg();

	for (;;) {
		raise_deep(*rounds % 3);
		++*rounds;
		aco_yield();
	}
}

static void check_refused(aco_t *co, const int *rounds)
{
	int before = *rounds;

	result = -1;
	aco_resume(co);
	ck_assert_int_eq(*rounds, before + 1);
	ck_assert_int_eq(result, _URC_FATAL_PHASE1_ERROR);
	ck_assert_int_eq(aco_state(co), ACO_STATE_SUSPENDED);
}

START_TEST(ends_at_the_co)
{
	int rounds = 0;
	aco_t *co = t_co(t_sstk, raises, &rounds);

	for (int i = 0; i < 6; i++)
		check_refused(co, &rounds);
}
END_TEST

START_TEST(ends_at_a_sharing_co)
{
	int rounds[2] = { 0, 1 };
	aco_t *co[2];

	for (int i = 0; i < 2; i++)
		co[i] = t_co(t_sstk, raises, &rounds[i]);
	for (int i = 0; i < 6; i++)
		check_refused(co[i % 2], &rounds[i % 2]);
}
END_TEST

static void resumes_its_arg(void)
{
	for (;;) {
		aco_resume(aco_get_arg());
		aco_yield();
	}
}

START_TEST(ends_at_a_nested_co)
{
	int rounds = 0;
	aco_t *inner = t_co(t_stack(0), raises, &rounds);
	aco_t *outer = t_co(t_sstk, resumes_its_arg, inner);

	for (int i = 0; i < 6; i++) {
		check_refused(outer, &rounds);
		ck_assert_int_eq(aco_state(inner), ACO_STATE_SUSPENDED);
	}
}
END_TEST

/* The unwinder works: in a main context it finds another end. */
START_TEST(goes_on_to_the_end_outside)
{
	raise_one();
	ck_assert_int_eq(result, _URC_END_OF_STACK);
}
END_TEST

/* ------------------------------------------------- a thread ends in a co -- */

static __attribute__((__noinline__)) void yield_deep(void)
{
	char bytes[10000], *p = bytes;

	memset(bytes, 1, sizeof(bytes));
	t_opaque(p);
	aco_yield();
	t_opaque(p);
}

static void grows_then_ends_the_thread(void)
{
	yield_deep();
	pthread_exit(NULL);
}

static void yields_once(void)
{
	aco_yield();
	aco_exit();
}

static void *resume_here(void *co)
{
	aco_resume((aco_t *)co);
	return NULL;
}

/* Its bytes are gone, so nothing is copied, and its save stack does not change. */
START_TEST(an_owner_whose_thread_has_ended)
{
	aco_t *co = t_co(t_sstk, grows_then_ends_the_thread, NULL);
	aco_t *other = t_co(t_sstk, yields_once, NULL);
	aco_save_stack_t before;
	pthread_t thread;

	aco_resume(co);
	aco_resume(other);
	ck_assert_int_eq(pthread_create(&thread, NULL, resume_here, co), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert(co->is_end);
	before = co->save_stack;
	ck_assert_uint_gt(before.sz, 10000);
	aco_resume(other);
	ck_assert(other->is_end);
	ck_assert_ptr_eq(co->save_stack.ptr, before.ptr);
	ck_assert_uint_eq(co->save_stack.sz, before.sz);
	ck_assert_uint_eq(co->save_stack.ct_save, before.ct_save);
	ck_assert_int_eq(aco_reset(co, yields_once, NULL), 0);
	aco_resume(co);
}
END_TEST

/* Calls pthread_exit(NULL), and has no unwind rules: the end of the thread finds no
   way out of it. */
void has_no_rules(void);
__asm__(".pushsection .text\n"
	"has_no_rules:\n"
#if defined(__x86_64__)
	"	endbr64\n"
	"	sub $8, %rsp\n"
	"	xor %edi, %edi\n"
	"	call pthread_exit@PLT\n"
#else
	"	endbr32\n"
	"	push %ebx\n"
	"	call 1f\n"
	"1:	pop %ebx\n"
	"	add $_GLOBAL_OFFSET_TABLE_ + (. - 1b), %ebx\n"
	"	sub $4, %esp\n"
	"	push $0\n"
	"	call pthread_exit@PLT\n"
#endif
	"	ud2\n"
	".popsection\n");

static pthread_key_t key;
static aco_t *current_at_the_end;

/* After the library's own function for the end of a thread. */
static void destroys_its_main(void *mine)
{
	current_at_the_end = aco_get_co();
	aco_destroy(mine);
}

static void *end_unseen(void *co)
{
	pthread_setspecific(key, aco_create(NULL, NULL, 0, NULL, NULL));
	aco_resume((aco_t *)co);
	return NULL;
}

START_TEST(a_thread_that_ends_in_frames_without_rules)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *co = aco_create(t_main, sstk, 0, has_no_rules, NULL);
	pthread_t thread;

	current_at_the_end = co;
	ck_assert_int_eq(pthread_key_create(&key, destroys_its_main), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, end_unseen, co), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_ptr_null(current_at_the_end);
	ck_assert_int_eq(aco_state(co), ACO_STATE_RUNNING);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("unwind");
	TCase *tc = t_case(s, "unwind");

	tcase_add_test(tc, ends_at_the_co);
	tcase_add_test(tc, ends_at_a_sharing_co);
	tcase_add_test(tc, ends_at_a_nested_co);
	tcase_add_test(tc, goes_on_to_the_end_outside);
	tcase_add_test(tc, an_owner_whose_thread_has_ended);
	tcase_add_test(tc, a_thread_that_ends_in_frames_without_rules);
	return s;
}
