/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-threads.c - threads with cos, and cos that change threads
 *
 * Threads give back what they found wrong as a text; the main one asserts.
 */
#include "testutil.h"

#include <errno.h>
#include <fenv.h>
#include <pthread.h>

#define THREADS 8

#define require(cond)                         \
	do {                                  \
		if (!(cond))                  \
			return (void *)#cond; \
	} while (0)

static void run_threads(int count, void *(*fn)(void *), void *arg)
{
	pthread_t thread[THREADS];
	void *wrong;

	for (int i = 0; i < count; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, fn, arg), 0);
	for (int i = 0; i < count; i++) {
		ck_assert_int_eq(pthread_join(thread[i], &wrong), 0);
		ck_assert_msg(!wrong, "not true: %s", (const char *)wrong);
	}
}

/* ---------------------------------------------------- a world per thread -- */

#define WORLD_COS 20
#define WORLD_ROUNDS 500

static void adds(void)
{
	long *sum = aco_get_arg();

	for (long i = 0;; i++) {
		volatile long mine[8] = { i, i, i, i, i, i, i, i };

		aco_yield();
		*sum += mine[i % 8];
	}
}

static void *world(void *with_init)
{
	long sum[WORLD_COS] = { 0 };
	aco_t *co[WORLD_COS];
	aco_share_stack_t *sstk[2];
	aco_t *main_co;

	require(!aco_get_co());
	if (with_init)
		aco_thread_init(NULL);
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	sstk[0] = aco_share_stack_new(T_STACK_SIZE);
	sstk[1] = aco_share_stack_new(T_STACK_SIZE);
	require(main_co && sstk[0] && sstk[1]);
	for (int i = 0; i < WORLD_COS; i++) {
		co[i] = aco_create(main_co, sstk[i % 2], 0, adds, &sum[i]);
		require(co[i]);
	}
	for (int k = 0; k < WORLD_ROUNDS; k++)
		for (int i = 0; i < WORLD_COS; i++) {
			aco_resume(co[i]);
			require(aco_get_co() == main_co);
		}
	for (int i = 0; i < WORLD_COS; i++) {
		long n = WORLD_ROUNDS - 1;

		require(sum[i] == n * (n - 1) / 2);
		aco_destroy(co[i]);
	}
	aco_share_stack_destroy(sstk[0]);
	aco_share_stack_destroy(sstk[1]);
	aco_destroy(main_co);
	require(!aco_get_co());
	return NULL;
}

START_TEST(each_thread_its_own_world)
{
	run_threads(THREADS, world, _i ? "init" : NULL);
}
END_TEST

/* -------------------------------------------------------------- handover -- */

/* Two threads take turns: turn says whose it is. */
struct handover {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int turn;
	aco_t *co;
	aco_t *sharing; /* on the same stack, or NULL */
	int rounds;
};

static pthread_t moves_seen[2];
static int moves;

/* Compilers believe that pthread_self() is the same after a yield. */
__attribute__((__noinline__)) static void note_thread(void)
{
	pthread_t self = pthread_self();

	t_opaque(self);
	moves_seen[moves++ % 2] = self;
}

/* Finds its bytes and its rounding on whichever thread. */
static void moves_about(void)
{
	long *sum = aco_get_arg();

	fesetround(FE_UPWARD);
	for (long i = 0;; i++) {
		long mine[16];

		for (int k = 0; k < 16; k++)
			mine[k] = i * k;
		note_thread();
		aco_yield();
		if (fegetround() != FE_UPWARD)
			*sum = -1000000;
		for (int k = 0; k < 16; k++)
			if (mine[k] != i * k)
				*sum = -1000000;
		++*sum;
	}
}

static const char *take_turns(struct handover *h, int me)
{
	for (int i = 0; i < h->rounds; i++) {
		pthread_mutex_lock(&h->lock);
		while (h->turn != me)
			pthread_cond_wait(&h->changed, &h->lock);
		aco_resume(h->co);
		if (h->sharing)
			aco_resume(h->sharing);
		h->turn = !me;
		pthread_cond_signal(&h->changed);
		pthread_mutex_unlock(&h->lock);
		if (fegetround() != FE_TONEAREST)
			return "rounding of the thread";
		if (!aco_get_co() || !aco_is_main_co(aco_get_co()))
			return "main co";
	}
	return NULL;
}

static void *other_thread(void *arg)
{
	return (void *)take_turns(arg, 1);
}

#define HANDOVERS 1000

static void hand_over(int share)
{
	static struct handover h = { .lock = PTHREAD_MUTEX_INITIALIZER,
				     .changed = PTHREAD_COND_INITIALIZER,
				     .rounds = HANDOVERS };
	long sum = 0;
	long other_sum = 0;
	pthread_t thread;
	void *wrong;

	h.co = t_co(t_sstk, moves_about, &sum);
	if (share)
		h.sharing = t_co(t_sstk, adds, &other_sum);
	ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, &h), 0);
	ck_assert_ptr_null(take_turns(&h, 0));
	ck_assert_int_eq(pthread_join(thread, &wrong), 0);
	ck_assert_msg(!wrong, "%s", (const char *)wrong);
	ck_assert_int_eq(sum, 2 * HANDOVERS - 1);
	ck_assert(!pthread_equal(moves_seen[0], moves_seen[1]));
}

START_TEST(standalone_co_taken_in_turns)
{
	hand_over(0);
}
END_TEST

START_TEST(sharing_cos_taken_in_turns)
{
	hand_over(1);
}
END_TEST

/* ------------------------------------- where an own main co has been before -- */

static void suspends(void)
{
	for (;;)
		aco_yield();
}

static void *resumes_again(void *co)
{
	aco_resume(co); /* by the function */
	aco_resume(co); /* in place */
	return NULL;
}

static void *makes_main(void *place)
{
	*(aco_t **)place = aco_create(NULL, NULL, 0, NULL, NULL);
	return NULL;
}

static void *in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;
	void *wrong;

	require(!pthread_create(&thread, NULL, fn, arg));
	pthread_join(thread, &wrong);
	return wrong;
}

/*
 * The co comes back from a thread that has ended with its own main co.  Its memory
 * may be the next that this thread takes for an own main co, beside that of the
 * program, which has to be the one that stands for the main context.
 */
static void *comes_back(void *taken)
{
	aco_share_stack_t *sstk[2] = { aco_share_stack_new(0),
				       aco_share_stack_new(0) };
	aco_t *main_co, *main_of_another, *co, *foreign, *other[64];

	require(!makes_main(&main_co));
	co = aco_create(main_co, sstk[0], 0, suspends, NULL);
	require(!in_thread(makes_main, &main_of_another));
	foreign = aco_create(main_of_another, sstk[1], 0, suspends, NULL);
	require(!in_thread(resumes_again, co));
	for (intptr_t i = 0; i < (intptr_t)taken; i++)
		makes_main(&other[i]);
	aco_resume(foreign);
	require(aco_get_co() != main_co && aco_is_main_co(aco_get_co()));
	aco_resume(co);
	require(aco_get_co() == main_co);
	for (intptr_t i = 0; i < (intptr_t)taken; i++)
		aco_destroy(other[i]);
	aco_destroy(foreign);
	aco_destroy(co);
	aco_destroy(main_of_another);
	aco_destroy(main_co);
	aco_share_stack_destroy(sstk[0]);
	aco_share_stack_destroy(sstk[1]);
	return NULL;
}

START_TEST(main_co_of_the_program_after_other_threads)
{
	for (intptr_t taken = 0; taken < 64; taken++)
		run_threads(1, comes_back, (void *)taken);
}
END_TEST

/* ----------------------------------------------- threads that have ended -- */

struct made {
	aco_t *co;
	long sum;
};

static void *make_and_start(void *arg)
{
	struct made *made = arg;

	made->co = aco_create(t_main, t_sstk, 0, adds, &made->sum);
	require(made->co);
	for (int i = 0; i < 10; i++)
		aco_resume(made->co);
	require(aco_get_co() != t_main);
	return NULL;
}

/* Made and started in a thread that is gone; goes on here. */
START_TEST(co_outlives_its_thread)
{
	struct made made = { NULL, 0 };

	run_threads(1, make_and_start, &made);
	ck_assert_int_eq(made.sum, 9 * 8 / 2);
	aco_resume(made.co);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	ck_assert_int_eq(made.sum, 10 * 9 / 2);
	aco_destroy(made.co);
}
END_TEST

static void *resume_arg(void *co)
{
	require(!aco_get_co());
	aco_resume(co);
	require(aco_get_co());
	require(aco_get_co() != t_main);
	require(aco_is_main_co(aco_get_co()));
	aco_resume(co);
	return NULL;
}

/* Each thread gets a main co of the library's own, freed at its end: a leak
   checker watches this. */
START_TEST(many_threads_with_an_own_main_co)
{
	long sum = 0;
	aco_t *co = t_co(t_sstk, adds, &sum);

	for (int i = 0; i < 100; i++)
		run_threads(1, resume_arg, co);
	ck_assert_int_eq(sum, 199 * 198 / 2);
}
END_TEST

/*
 * At the end of a thread the main co of the library's own is freed, and is
 * current no more; another one stays.  A destructor that asks for it is called
 * again after all others.
 */
static pthread_key_t late_key;
static aco_t *current_late;

struct late {
	aco_t *foreign;
	aco_share_stack_t *sstk; /* for a co of the thread's; or NULL */
	aco_t *main_co;		 /* of that */
	aco_t *co;
	long sum;
	int destructions;
};

static void look_late(void *arg)
{
	struct late *late = arg;

	current_late = aco_get_co();
	if (++late->destructions == 1)
		pthread_setspecific(late_key, late);
}

static void *leaves_its_main_co(void *arg)
{
	struct late *late = arg;

	require(!pthread_setspecific(late_key, late));
	aco_resume(late->foreign);
	require(aco_get_co() && aco_get_co() != t_main);
	if (!late->sstk)
		return NULL;
	late->main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	require(late->main_co);
	late->co = aco_create(late->main_co, late->sstk, 0, adds, &late->sum);
	require(late->co);
	aco_resume(late->co);
	require(aco_get_co() == late->main_co);
	return NULL;
}

START_TEST(current_at_the_end_of_a_thread)
{
	long sum = 0;
	struct late late = { .foreign = t_co(t_sstk, adds, &sum) };

	if (_i)
		late.sstk = t_stack(T_STACK_SIZE);
	ck_assert_int_eq(pthread_key_create(&late_key, look_late), 0);
	run_threads(1, leaves_its_main_co, &late);
	ck_assert_int_eq(late.destructions, 2);
	ck_assert_ptr_eq(current_late, late.main_co);
	pthread_key_delete(late_key);
	if (late.sstk) {
		aco_destroy(late.co);
		aco_destroy(late.main_co);
	}
}
END_TEST

/* A main co made on one thread and used on another does not belong to that. */
static aco_t *main_seen;

static void *create_with_main(void *main_co)
{
	aco_t *co = aco_create(main_co, t_sstk, 0, adds, &(long){ 0 });

	require(co);
	aco_resume(co);
	main_seen = aco_get_co();
	require(main_seen != main_co);
	require(aco_is_main_co(main_seen));
	require(!aco_get_arg()); /* it is the library's own */
	aco_destroy(co);
	return NULL;
}

START_TEST(main_co_of_another_thread)
{
	t_main->arg = &main_seen;
	run_threads(1, create_with_main, t_main);
	ck_assert_ptr_nonnull(main_seen);
	ck_assert_ptr_null(aco_get_co());
}
END_TEST

/*
 * Two threads, one after the other, whose stacks and thread-local variables lie
 * at the same place.
 */
#define PLACE_SIZE ((size_t)256 << 10)

static char place[PLACE_SIZE] __attribute__((__aligned__(4096)));

static void run_in_place(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *wrong;

	ck_assert_int_eq(pthread_attr_init(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstack(&attr, place, PLACE_SIZE), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, fn, arg), 0);
	ck_assert_int_eq(pthread_join(thread, &wrong), 0);
	ck_assert_msg(!wrong, "not true: %s", (const char *)wrong);
	pthread_attr_destroy(&attr);
}

struct heritage {
	int *errno_was;
	aco_t *main_co;
	aco_t *co;
};

static void *leaves_a_main_co(void *arg)
{
	struct heritage *h = arg;

	h->errno_was = &errno;
	h->main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	require(h->main_co);
	return NULL;
}

static void *finds_a_main_co(void *arg)
{
	struct heritage *h = arg;

	require(&errno == h->errno_was);
	h->co = aco_create(h->main_co, t_sstk, 0, adds, &(long){ 0 });
	require(h->co);
	aco_resume(h->co);
	require(aco_get_co() != h->main_co);
	require(aco_is_main_co(aco_get_co()));
	aco_destroy(h->co);
	/* its thread has ended, so anyone may */
	aco_destroy(h->main_co);
	require(aco_get_co());
	return NULL;
}

START_TEST(main_co_of_a_dead_thread)
{
	struct heritage h;

	run_in_place(leaves_a_main_co, &h);
	run_in_place(finds_a_main_co, &h);
}
END_TEST

/* A thread's cos may be destroyed by another. */
START_TEST(destroyed_by_another_thread)
{
	struct made made = { NULL, 0 };

	run_threads(1, make_and_start, &made);
	aco_destroy(made.co);
	ck_assert_ptr_null(t_sstk->owner);
}
END_TEST

/* It ends where it is: inside a co that may have a resumer that is one. */
static void ends_the_thread(void)
{
	pthread_exit(NULL);
}

static void resumes_its_arg(void)
{
	aco_resume(aco_get_arg());
	aco_exit();
}

static void *resume_to_the_end(void *co)
{
	aco_resume(co);
	return (void *)"the thread has ended inside";
}

START_TEST(thread_ends_inside_a_co)
{
	long sum = 0;
	aco_t *co = t_co(t_sstk, ends_the_thread, NULL);
	aco_t *next = t_co(t_sstk, adds, &sum);
	aco_t *outer = t_co(t_stack(T_STACK_SIZE), resumes_its_arg, co);

	run_threads(1, resume_to_the_end, _i ? outer : co);
	ck_assert_int_eq(aco_state(co), ACO_STATE_END);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_int_eq(outer->is_end, _i);
	/* what they leave is good for others, and for themselves */
	for (int i = 0; i < 3; i++)
		aco_resume(next);
	ck_assert_int_eq(sum, 1);
	ck_assert_uint_eq(co->save_stack.max_cpsz, 0);
	sum = 0;
	ck_assert_int_eq(aco_reset(co, adds, &sum), 0);
	for (int i = 0; i < 3; i++)
		aco_resume(co);
	ck_assert_int_eq(sum, 1);
}
END_TEST

static void *ends_inside(void *arg)
{
	struct heritage *h = arg;

	h->main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	h->co = aco_create(h->main_co, t_sstk, 0, ends_the_thread, NULL);
	require(h->co);
	aco_resume(h->co);
	return (void *)"the thread has ended inside";
}

/* The main co waited for the co when its thread ended. */
START_TEST(main_co_of_a_thread_that_ended_inside_a_co)
{
	struct heritage h;

	run_threads(1, ends_inside, &h);
	ck_assert_int_eq(h.co->is_end, 1);
	aco_destroy(h.co);
	aco_destroy(h.main_co);
	ck_assert_ptr_null(aco_get_co());
}
END_TEST

/* Control words are recorded per thread. */
static void looks_at_rounding(void)
{
	*(int *)aco_get_arg() = fegetround();
	aco_exit();
}

static void *rounds_down(void *arg)
{
	int mode = -1;
	aco_t *co;

	(void)arg;
	fesetround(FE_DOWNWARD);
	aco_thread_init(NULL);
	fesetround(FE_TOWARDZERO);
	co = aco_create(t_main, t_sstk, 0, looks_at_rounding, &mode);
	require(co);
	aco_resume(co);
	require(mode == FE_DOWNWARD);
	require(fegetround() == FE_TOWARDZERO);
	aco_destroy(co);
	return NULL;
}

START_TEST(control_words_per_thread)
{
	int mode = -1;

	run_threads(1, rounds_down, NULL);
	aco_resume(t_co(t_sstk, looks_at_rounding, &mode));
	ck_assert_int_eq(mode, FE_TONEAREST);
}
END_TEST

/* ------------------------------------------------ no thread-specific key -- */

static pthread_key_t keys[PTHREAD_KEYS_MAX + 1];

static void *resume_without_key(void *co)
{
	aco_t *one = co;

	errno = 0;
	require(aco_try_resume(one) == -1);
	require(errno == ENOMEM);
	require(!aco_get_co());
	require(!one->share_stack->owner);
	return NULL;
}

/* The program has used up all keys before the library asks for its own. */
static void use_up_keys(void *arg)
{
	long sum = 0;
	pthread_t thread;
	void *wrong;
	aco_t *main_co;
	aco_t *co;

	(void)arg;
	for (size_t i = 0; i < T_LEN(keys); i++)
		if (pthread_key_create(&keys[i], NULL))
			break;
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	co = aco_create(main_co, aco_share_stack_new(T_STACK_SIZE), 0, adds,
			&sum);
	t_child(main_co && co);
	t_child(!pthread_create(&thread, NULL, resume_without_key, co));
	t_child(!pthread_join(thread, &wrong));
	t_child(!wrong);
	aco_resume(co);
	aco_resume(co);
	t_child(aco_get_co() == main_co);
	/* a failure goes away with its cause */
	t_child(!pthread_key_delete(keys[0]));
	t_child(!pthread_create(&thread, NULL, resume_arg, co));
	t_child(!pthread_join(thread, &wrong));
	t_child(!wrong);
}

START_TEST(no_key_for_an_own_main_co)
{
	t_expect_ok(use_up_keys, NULL);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("threads");
	TCase *tc = tcase_create("keys");

	/* first and without a world: the library must not have its key yet */
	tcase_add_test(tc, no_key_for_an_own_main_co);
	suite_add_tcase(s, tc);

	tc = t_case(s, "threads");

	tcase_add_loop_test(tc, each_thread_its_own_world, 0, 2);
	tcase_add_test(tc, control_words_per_thread);

	tc = t_case(s, "moving");
	tcase_add_test(tc, standalone_co_taken_in_turns);
	tcase_add_test(tc, sharing_cos_taken_in_turns);
	tcase_add_test(tc, co_outlives_its_thread);
	tcase_add_test(tc, main_co_of_another_thread);
	tcase_add_test(tc, main_co_of_a_dead_thread);
	tcase_add_test(tc, many_threads_with_an_own_main_co);
	tcase_add_test(tc, main_co_of_the_program_after_other_threads);
	tcase_add_test(tc, destroyed_by_another_thread);

	tc = t_case(s, "ending");
	tcase_add_loop_test(tc, current_at_the_end_of_a_thread, 0, 2);
	tcase_add_loop_test(tc, thread_ends_inside_a_co, 0, 2);
	tcase_add_test(tc, main_co_of_a_thread_that_ended_inside_a_co);
	return s;
}
