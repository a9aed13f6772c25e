/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fpenv.c - x87 control word and MXCSR, per co
 */
#define _GNU_SOURCE 1 /* feenableexcept() */

#include "testutil.h"

#include <fenv.h>
#include <pthread.h>
#include <signal.h>

/* --------------------------------------------------------- control words -- */

/* The first six bits of MXCSR are sticky flags, which belong to no co. */
#define MXCSR_CONTROL 0xffc0u
#define MXCSR_DEFAULT 0x1f80u
#define FPUCW_DEFAULT 0x037fu

struct words {
	uint16_t fpucw;
	uint32_t mxcsr;
};

static const struct words words_default = { FPUCW_DEFAULT, MXCSR_DEFAULT };

static struct words get_words(void)
{
	struct words w = { 0, 0 };

	__asm__ volatile("fnstcw %0" : "=m"(w.fpucw));
	if (__builtin_cpu_supports("sse"))
		__asm__ volatile("stmxcsr %0" : "=m"(w.mxcsr));
	w.mxcsr &= MXCSR_CONTROL;
	return w;
}

static void set_words(struct words w)
{
	__asm__ volatile("fldcw %0" : : "m"(w.fpucw));
	if (__builtin_cpu_supports("sse"))
		__asm__ volatile("ldmxcsr %0" : : "m"(w.mxcsr));
}

#define check_words(expected) check_words_at(expected, __LINE__)

static void check_words_at(struct words expected, int line)
{
	struct words w = get_words();

	if (!__builtin_cpu_supports("sse"))
		expected.mxcsr = 0;
	if (w.fpucw == expected.fpucw && w.mxcsr == expected.mxcsr)
		return;
	ck_abort_msg("line %d: x87 %#x, MXCSR %#x instead of %#x, %#x", line,
		     w.fpucw, (unsigned)w.mxcsr, expected.fpucw,
		     (unsigned)expected.mxcsr);
}

/* Different in rounding, precision, masks, and how tiny numbers are treated;
   all exceptions that arithmetic may raise stay masked. */
static const struct words some_words[] = {
	{ 0x037f, 0x1f80 }, /* as a process starts */
	{ 0x077f, 0x3f80 }, /* down */
	{ 0x0b7f, 0x5f80 }, /* up */
	{ 0x0f7f, 0x7f80 }, /* towards zero */
	{ 0x027f, 0x9fc0 }, /* double precision; tiny numbers are zero */
	{ 0x007f, 0x9f80 }, /* single precision; tiny results are zero */
	{ 0x037b, 0x1d80 }, /* division by zero traps */
	{ 0x0f7e, 0x7f00 }, /* towards zero, invalid operations trap */
};
#define WORDS ((int)T_LEN(some_words))

/* ---------------------------------------------------------- per co words -- */

static int steps;

/* Its own words, index by arg, must be there whenever it comes back. */
static void keeps_its_words(void)
{
	const struct words *mine = aco_get_arg();

	check_words(words_default);
	for (;;) {
		set_words(*mine);
		steps++;
		aco_yield();
		check_words(*mine);
	}
}

static void keep_words(aco_share_stack_t *(*stack)(void))
{
	aco_t *co[WORDS];

	for (int i = 0; i < WORDS; i++)
		co[i] = t_co(stack(), keeps_its_words, (void *)&some_words[i]);
	for (int round = 0; round < 5 * WORDS; round++)
		for (int i = 0; i < WORDS; i++) {
			struct words mine = some_words[(i + round) % WORDS];

			set_words(mine);
			aco_resume(co[i]);
			check_words(mine);
		}
	set_words(words_default);
	ck_assert_int_eq(steps, 5 * WORDS * WORDS);
}

static aco_share_stack_t *stack_for_all(void)
{
	return t_sstk;
}

static aco_share_stack_t *stack_for_one(void)
{
	return t_stack(T_STACK_SIZE);
}

START_TEST(per_standalone_co)
{
	keep_words(stack_for_one);
}
END_TEST

START_TEST(per_sharing_co)
{
	keep_words(stack_for_all);
}
END_TEST

static void sets_and_exits(void)
{
	set_words(some_words[(intptr_t)aco_get_arg()]);
	aco_exit();
}

static void sets_and_returns(void)
{
	set_words(some_words[(intptr_t)aco_get_arg()]);
}

START_TEST(the_end_of_a_co)
{
	void *arg = (void *)(intptr_t)((_i + 3) % WORDS);

	set_words(some_words[_i]);
	aco_resume(t_co(t_sstk, sets_and_exits, arg));
	check_words(some_words[_i]);
	aco_resume(t_co2(t_sstk, sets_and_returns, arg, 0, ACO_RETURN_EXITS));
	check_words(some_words[_i]);
	set_words(words_default);
}
END_TEST

struct nest {
	const struct words *words;
	aco_t *co;
};

static void resumes_with_words(void)
{
	struct nest *nest = aco_get_arg();

	for (;;) {
		set_words(*nest->words);
		aco_resume(nest->co);
		check_words(*nest->words);
		aco_yield();
		check_words(*nest->words);
	}
}

START_TEST(nested)
{
	aco_t *co = t_co(t_sstk, keeps_its_words, (void *)&some_words[1]);
	struct nest inner = { &some_words[2], co };
	aco_t *mid = t_co(t_stack(T_STACK_SIZE), resumes_with_words, &inner);
	struct nest outer = { &some_words[3], mid };
	aco_t *top = t_co(t_stack(T_STACK_SIZE), resumes_with_words, &outer);

	set_words(some_words[4]);
	for (int i = 0; i < 10; i++) {
		aco_resume(top);
		check_words(some_words[4]);
		aco_resume(co);
		check_words(some_words[4]);
		aco_resume(mid);
		check_words(some_words[4]);
	}
	set_words(words_default);
	ck_assert_int_eq(steps, 30);
}
END_TEST

/* ----------------------------------------------- what new cos start with -- */

static struct words at_start;

static void looks(void)
{
	at_start = get_words();
	aco_exit();
}

static void check_start(struct words expected)
{
	aco_t *co = t_co(t_sstk, looks, NULL);

	aco_resume(co);
	t_destroy(co);
	ck_assert_uint_eq(at_start.fpucw, expected.fpucw);
	ck_assert_uint_eq(at_start.mxcsr, expected.mxcsr);
}

START_TEST(start_as_recorded)
{
	struct words recorded = some_words[_i];
	struct words now = some_words[(_i + 1) % WORDS];

	set_words(recorded);
	aco_thread_init(NULL);
	set_words(now);
	check_start(recorded);
	check_words(now);
	set_words(words_default);
	check_start(recorded);
}
END_TEST

START_TEST(start_as_recorded_before_create)
{
	aco_t *before = t_co(t_sstk, looks, NULL);

	set_words(some_words[2]);
	aco_thread_init(NULL);
	set_words(words_default);
	aco_resume(before);
	ck_assert_uint_eq(at_start.fpucw, words_default.fpucw);
	check_start(some_words[2]);
}
END_TEST

/* What create would give: the words of the thread that resets. */
static void *resets_to_last_words(void *arg)
{
	set_words(some_words[WORDS - 1]);
	aco_thread_init(NULL);
	aco_reset(arg, looks, NULL);
	return NULL;
}

/* A thread that has not called the library before. */
static void *resets_in_new_thread(void *arg)
{
	set_words(some_words[3]);
	aco_reset(arg, looks, NULL);
	return NULL;
}

static void check_reset(aco_t *co, struct words expected)
{
	aco_resume(co);
	ck_assert_uint_eq(at_start.fpucw, expected.fpucw);
	ck_assert_uint_eq(at_start.mxcsr, expected.mxcsr);
}

START_TEST(start_after_a_reset)
{
	aco_t *co = t_co(t_sstk, keeps_its_words, (void *)&some_words[2]);
	pthread_t thread;

	aco_resume(co);
	ck_assert_int_eq(aco_reset(co, looks, NULL), 0);
	check_reset(co, words_default);

	pthread_create(&thread, NULL, resets_to_last_words, co);
	pthread_join(thread, NULL);
	check_reset(co, some_words[WORDS - 1]);

	pthread_create(&thread, NULL, resets_in_new_thread, co);
	pthread_join(thread, NULL);
	check_reset(co, some_words[3]);
}
END_TEST

/* A thread that has resumed a co of another thread before it makes one. */
static void *resumes_first(void *arg)
{
	aco_resume(arg);
	set_words(some_words[1]);
	aco_reset(arg, looks, NULL);
	return NULL;
}

START_TEST(start_after_a_resume)
{
	aco_t *co = t_co(t_sstk, keeps_its_words, (void *)&some_words[2]);
	pthread_t thread;

	pthread_create(&thread, NULL, resumes_first, co);
	pthread_join(thread, NULL);
	check_reset(co, some_words[1]);
}
END_TEST

static size_t save_stack_sz;

/* Likewise; a resume may leave the thread memory for cos about as large as its
   own main co. */
static void *resumes_before_it_creates(void *co)
{
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *made;

	aco_resume(co);
	set_words(some_words[1]);
	made = aco_create(aco_get_co(), sstk, save_stack_sz, looks, NULL);
	aco_resume(made);
	aco_destroy(made);
	aco_share_stack_destroy(sstk);
	return NULL;
}

START_TEST(start_in_a_thread_that_resumed_first)
{
	aco_t *co = t_co(t_sstk, keeps_its_words, (void *)&some_words[2]);
	pthread_t thread;

	save_stack_sz = (size_t)_i * sizeof(void *);
	pthread_create(&thread, NULL, resumes_before_it_creates, co);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(at_start.fpucw, some_words[1].fpucw);
	ck_assert_uint_eq(at_start.mxcsr, some_words[1].mxcsr);
}
END_TEST

/* ------------------------------------------------------- ACO_SHARE_FPENV -- */

static void changes_for_all(void)
{
	for (int i = 0;; i++) {
		set_words(some_words[i % WORDS]);
		aco_yield();
		check_words(some_words[(i + 1) % WORDS]);
	}
}

START_TEST(shared_with_the_resumer)
{
	aco_t *co = t_co2(t_sstk, changes_for_all, NULL, 0, ACO_SHARE_FPENV);

	for (int i = 0; i < 3 * WORDS; i++) {
		set_words(some_words[i % WORDS]);
		aco_resume(co);
		/* what it has set, it has set for its resumer */
		check_words(some_words[i % WORDS]);
	}
	set_words(words_default);
}
END_TEST

START_TEST(shared_words_at_start_are_the_resumers)
{
	aco_t *co = t_co2(t_sstk, looks, NULL, 0, ACO_SHARE_FPENV);

	set_words(some_words[_i]);
	aco_resume(co);
	set_words(words_default);
	ck_assert_uint_eq(at_start.fpucw, some_words[_i].fpucw);
	ck_assert_uint_eq(at_start.mxcsr, some_words[_i].mxcsr);
}
END_TEST

/* Cos of both kinds on one stack; only the sharing ones change main's. */
START_TEST(both_kinds)
{
	aco_t *own = t_co(t_sstk, keeps_its_words, (void *)&some_words[1]);
	aco_t *shared = t_co2(t_sstk, sets_and_exits, (void *)2, 0,
			      ACO_SHARE_FPENV);

	aco_resume(own);
	check_words(words_default);
	aco_resume(shared);
	check_words(some_words[2]);
	aco_resume(own);
	check_words(some_words[2]);
	set_words(words_default);
	aco_resume(own);
	check_words(words_default);
}
END_TEST

/* A co with its own words resumes one that shares: main's stay. */
START_TEST(shared_below_own)
{
	aco_t *shared = t_co2(t_sstk, sets_and_exits, (void *)2, 0,
			      ACO_SHARE_FPENV);
	aco_share_stack_t *sstk = t_stack(T_STACK_SIZE);
	struct nest nest = { &some_words[2], shared };
	aco_t *own = t_co(sstk, resumes_with_words, &nest);

	set_words(some_words[3]);
	aco_resume(own);
	check_words(some_words[3]);
	set_words(words_default);
}
END_TEST

/* -------------------------------------------------------------- yield_to -- */

/*
 * Cos of both kinds resume each other, yield, and yield to each other, at
 * random.  The co that is continued must have the words that it has set last, or
 * with shared words those that its resumer has.
 */
#define PLAYERS 8

struct player {
	aco_t *co;
	struct words own;
};

static struct player players[PLAYERS];
static struct words words_of_main;
static uint32_t play_seed;

static struct words *words_of(const aco_t *co)
{
	for (; co != t_main; co = co->resumer) {
		struct player *p = co->arg;

		if ((p - players) % 2)
			return &p->own;
	}
	return &words_of_main;
}

static void change_words(const aco_t *self)
{
	struct words w = some_words[t_random(&play_seed) % WORDS];

	*words_of(self) = w;
	set_words(w);
}

static int is_suspended(const aco_t *co)
{
	return aco_state(co) == ACO_STATE_INIT ||
	       aco_state(co) == ACO_STATE_SUSPENDED;
}

/* One that can be gone on to, or NULL. */
static aco_t *any_player(const aco_t *self, int by_yield_to)
{
	aco_t *co = players[t_random(&play_seed) % PLAYERS].co;
	aco_t *owner = co->share_stack->owner;

	if (!is_suspended(co))
		return NULL;
	if (!owner || is_suspended(owner) || (owner == self && by_yield_to))
		return co;
	return NULL;
}

static void act(const aco_t *self)
{
	int by_yield_to = t_random(&play_seed) % 2;
	aco_t *co = any_player(self, by_yield_to);
	int by_value = t_random(&play_seed) % 2;

	if (!co || t_random(&play_seed) % 4 == 0)
		by_value ? (void)aco_yield_value(co) : aco_yield();
	else if (by_yield_to)
		aco_yield_to(co);
	else
		by_value ? (void)aco_resume_value(co, co) : aco_resume(co);
}

static void plays(void)
{
	aco_t *self = aco_co();

	check_words(*words_of(self));
	for (;;) {
		steps++;
		if (t_random(&play_seed) % 2)
			change_words(self);
		act(self);
		check_words(*words_of(self));
	}
}

/* Which of them use one stack. */
static aco_share_stack_t *stack_of_player(int how, int i)
{
	return how == 0 || (how == 1 && i < PLAYERS / 2) ? t_sstk
							 : stack_for_one();
}

START_TEST(yield_to_any)
{
	aco_t *co;

	play_seed = 1;
	words_of_main = words_default;
	for (int i = 0; i < PLAYERS; i++) {
		players[i].own = words_default;
		players[i].co = t_co2(stack_of_player(_i, i), plays,
				      &players[i], 0,
				      i % 2 ? 0 : ACO_SHARE_FPENV);
	}
	while (steps < 50000) {
		co = any_player(t_main, 0);
		ck_assert_ptr_nonnull(co);
		change_words(t_main);
		aco_resume(co);
		check_words(words_of_main);
	}
	set_words(words_default);
}
END_TEST

/* ------------------------------------------------------------ arithmetic -- */

static void divides(void)
{
	volatile double *third = aco_get_arg();
	volatile double one = 1.0;
	int mode = third[0] != 0.0 ? FE_UPWARD : FE_DOWNWARD;

	fesetround(mode);
	for (;;) {
		third[1] = one / 3.0;
		aco_yield();
		if (fegetround() != mode)
			ck_abort_msg("rounding has changed");
	}
}

START_TEST(rounding_never_shows_elsewhere)
{
	volatile double up[2] = { 1, 0 };
	volatile double down[2] = { 0, 0 };
	volatile double one = 1.0;
	volatile double nearest = one / 3.0;
	volatile double now;
	aco_t *a = t_co(t_sstk, divides, (void *)up);
	aco_t *b = t_co(t_sstk, divides, (void *)down);

	for (int i = 0; i < 100; i++) {
		aco_resume(a);
		ck_assert_int_eq(fegetround(), FE_TONEAREST);
		aco_resume(b);
		ck_assert_int_eq(fegetround(), FE_TONEAREST);
		ck_assert(up[1] > down[1]);
		now = one / 3.0; /* x87 computes more than a double */
		ck_assert(now == nearest);
	}
}
END_TEST

static void traps_division(void)
{
	feenableexcept(FE_DIVBYZERO);
	aco_yield();
	*(volatile double *)aco_get_arg() /= 0.0;
	aco_exit();
}

static void divide_outside(void *arg)
{
	volatile double d = 1.0;
	aco_t *co = t_co(t_sstk, traps_division, (void *)&d);

	aco_resume(co);
	d /= 0.0;
	t_child(d > 1e300);
	d = 1.0;
	if (arg)
		aco_resume(co);
}

/* Unmasked in the co, and there alone. */
START_TEST(traps_are_the_cos)
{
	t_expect_ok(divide_outside, NULL);
	t_expect_signal(SIGFPE, divide_outside, (void *)1, "");
}
END_TEST

/*
 * The x87 status flags belong to the thread: what was raised where it is masked
 * traps in a co that has it unmasked.  At its next x87 instruction, which is
 * the fldcw of the switch if there is no other.
 */
enum { USES_X87 = 1, ONLY_YIELDS = 2, CLEARED = 4 };

static void unmasks_x87_division(void)
{
	static const struct words unmasked = { 0x037b, MXCSR_DEFAULT };

	set_words(unmasked);
	aco_yield();
	if ((intptr_t)aco_get_arg() & USES_X87)
		__asm__ volatile("fwait");
	aco_exit();
}

static void continue_with_pending(void *arg)
{
	volatile long double one = 1.0L;
	aco_t *co = t_co(t_stack(T_STACK_SIZE), unmasks_x87_division, arg);

	aco_resume(co);
	one /= 0.0L;
	(void)one;
	if ((intptr_t)arg & CLEARED)
		feclearexcept(FE_ALL_EXCEPT);
	aco_resume(co);
}

START_TEST(pending_x87_exceptions_trap)
{
	t_expect_signal(SIGFPE, continue_with_pending, (void *)USES_X87, "");
	t_expect_signal(SIGFPE, continue_with_pending, (void *)ONLY_YIELDS, "");
	t_expect_ok(continue_with_pending, (void *)(USES_X87 | CLEARED));
}
END_TEST

/* x87 computes long double on both architectures. */
static void computes_in_single_precision(void)
{
	volatile long double one = 1.0L;
	volatile long double *third = aco_get_arg();
	struct words single = { 0x007f, MXCSR_DEFAULT };

	set_words(single);
	aco_yield();
	*third = one / 3.0L;
	aco_exit();
}

START_TEST(precision_control)
{
	volatile long double one = 1.0L;
	volatile long double third = 0;
	long double full = one / 3.0L;
	aco_t *co = t_co(t_sstk, computes_in_single_precision, (void *)&third);

	aco_resume(co);
	ck_assert(one / 3.0L == full);
	aco_resume(co);
	ck_assert(third != full && third == (float)third);
	ck_assert(one / 3.0L == full);
}
END_TEST

/* --------------------------------------------- without aco_thread_init() -- */

static void computes(void)
{
	volatile double d = 1.0;
	volatile float f = 1.0f;
	volatile long double l = 1.0L;

	check_words(words_default);
	d /= 3.0;
	f /= 3.0f;
	l /= 3.0L;
	aco_yield();
	d /= 0.0;
	f = (float)d * 0.0f;
	l = l / 0.0L;
	d = 1e-300 * (double)f;
	aco_exit();
}

static void *compute_in_a_co(void *arg)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(T_STACK_SIZE);
	aco_t *co = aco_create(main_co, sstk, 0, computes, NULL);

	while (!co->is_end)
		aco_resume(co);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return arg;
}

START_TEST(no_traps)
{
	compute_in_a_co(NULL);
}
END_TEST

START_TEST(no_traps_in_a_thread)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, compute_in_a_co, NULL),
			 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* ------------------------------------------------------------ thread end -- */

static void sets_and_ends_the_thread(void)
{
	set_words(some_words[3]);
	pthread_exit(NULL);
}

static void sets_and_resumes(void)
{
	set_words(some_words[2]);
	aco_resume(aco_get_arg());
	aco_exit();
}

/* A destructor of thread-specific data. */
static void looks_at_words(void *words)
{
	*(struct words *)words = get_words();
	set_words(words_default);
}

static pthread_key_t key;
static struct words words_at_end;

static void *ends_in_a_co(void *co)
{
	pthread_setspecific(key, &words_at_end);
	set_words(some_words[1]);
	aco_resume(co);
	return NULL;
}

/* Its frames are unwound, and after them those of its resumers. */
START_TEST(thread_ends_in_a_co)
{
	aco_t *inner = t_co2(t_stack(T_STACK_SIZE), sets_and_ends_the_thread,
			     NULL, 0, _i ? ACO_SHARE_FPENV : 0);
	aco_t *outer = t_co(t_sstk, sets_and_resumes, inner);
	pthread_t thread;

	ck_assert_int_eq(pthread_key_create(&key, looks_at_words), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, ends_in_a_co, outer), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	pthread_key_delete(key);
	set_words(words_at_end);
	check_words(some_words[1]);
	set_words(words_default);
}
END_TEST

void t_reset(void)
{
	steps = 0;
}

/* The library loads control words always, or where they differ, as suits the
   processor: both are right on each. */
static void as_on_other_processors(void)
{
	t_flip_flags = ACO_FLAG_COMPARES_;
	t_main->flags ^= t_flip_flags;
}

static void as_on_this_processor(void)
{
	t_flip_flags = 0;
}

static TCase *new_case(Suite *s, const char *name, int other)
{
	TCase *tc = t_case(s, name);

	if (other)
		tcase_add_checked_fixture(tc, as_on_other_processors,
					  as_on_this_processor);
	return tc;
}

static void add_cases(Suite *s, int other)
{
	TCase *tc = new_case(s, "own", other);

	tcase_add_test(tc, per_standalone_co);
	tcase_add_test(tc, per_sharing_co);
	tcase_add_loop_test(tc, the_end_of_a_co, 0, WORDS);
	tcase_add_test(tc, nested);

	tc = new_case(s, "start", other);
	tcase_add_loop_test(tc, start_as_recorded, 0, WORDS);
	tcase_add_test(tc, start_as_recorded_before_create);
	tcase_add_test(tc, start_after_a_reset);
	tcase_add_test(tc, start_after_a_resume);
	tcase_add_loop_test(tc, start_in_a_thread_that_resumed_first, 0, 12);

	tc = new_case(s, "shared", other);
	tcase_add_test(tc, shared_with_the_resumer);
	tcase_add_loop_test(tc, shared_words_at_start_are_the_resumers, 0,
			    WORDS);
	tcase_add_test(tc, both_kinds);
	tcase_add_test(tc, shared_below_own);

	tc = new_case(s, "yield_to", other);
	tcase_add_loop_test(tc, yield_to_any, 0, 3);

	tc = new_case(s, "arithmetic", other);
	tcase_add_test(tc, rounding_never_shows_elsewhere);
	tcase_add_test(tc, traps_are_the_cos);
	tcase_add_test(tc, pending_x87_exceptions_trap);
	tcase_add_test(tc, precision_control);

	tc = new_case(s, "thread end", other);
	tcase_add_loop_test(tc, thread_ends_in_a_co, 0, 2);
}

Suite *t_suite(void)
{
	Suite *s = suite_create("fpenv");
	TCase *tc;

	add_cases(s, 0);
	add_cases(s, 1);

	/* without the world of t_case(), which calls aco_thread_init() */
	tc = tcase_create("no thread_init");
	tcase_add_test(tc, no_traps);
	tcase_add_test(tc, no_traps_in_a_thread);
	suite_add_tcase(s, tc);
	return s;
}
