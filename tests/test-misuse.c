/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-misuse.c - every misuse that aborts, by its text
 *
 * misuse-lines.sh looks for the texts of the library in this file.
 */
#include "testutil.h"

#include <pthread.h>
#include <sys/resource.h>

/* A function to be tried in several calls: which one is arg. */
typedef void (*resume_t)(aco_t *co);

static void try_resume(aco_t *co)
{
	aco_try_resume(co);
}

static void resume_value(aco_t *co)
{
	aco_resume_value(co, co);
}

static void yield_to(aco_t *co)
{
	aco_yield_to(co);
}

static void reset(aco_t *co)
{
	aco_reset(co, aco_exit, NULL);
}

static void yield_to_main(void)
{
	aco_yield_to(t_main);
}

static void yield_value(void)
{
	aco_yield_value(NULL);
}

static void exit_value(void)
{
	aco_exit_value(NULL);
}

static void yields(void)
{
	for (;;)
		aco_yield();
}

static void ends(void)
{
	aco_exit();
}

static aco_t *new_co(aco_cofuncp_t fp, void *arg)
{
	aco_t *co = t_co(t_sstk, fp, arg);

	t_says(co);
	return co;
}

/* A co of no interest, on a stack of its own. */
static void run_in_co(aco_cofuncp_t fp, void *arg)
{
	aco_resume(t_co(t_stack(T_STACK_SIZE), fp, arg));
}

/* ---------------------------------------------------------------- resume -- */

static void resume_null(void *call)
{
	((resume_t)call)(NULL);
}

static void resume_ended(void *call)
{
	aco_t *co = new_co(ends, NULL);

	aco_resume(co);
	((resume_t)call)(co);
}

static void destroyed(void *call)
{
	aco_t *co = aco_create(t_main, t_sstk, 0, yields, NULL);

	t_says(co);
	aco_resume(co);
	aco_destroy(co);
	((resume_t)call)(co);
}

/* Its share stack is no more, either. */
static void reset_all_destroyed(void *arg)
{
	aco_share_stack_t *sstk = aco_share_stack_new(4096);
	aco_t *co = aco_create(t_main, sstk, 0, yields, NULL);

	(void)arg;
	t_says(co);
	aco_share_stack_cache_limit(0);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	reset(co);
}

static void reset_destroyed_main(void *arg)
{
	aco_t *co = aco_create(NULL, NULL, 0, NULL, NULL);

	(void)arg;
	t_says(co);
	aco_destroy(co);
	reset(co);
}

static void destroy_main_twice(void *arg)
{
	aco_t *co = aco_create(NULL, NULL, 0, NULL, NULL);

	(void)arg;
	t_says(co);
	aco_destroy(co);
	aco_destroy(co);
}

static void resume_main(void *call)
{
	t_says(t_main);
	((resume_t)call)(t_main);
}

static void resumes_itself(void)
{
	((resume_t)aco_get_arg())(aco_co());
}

static void resume_itself(void *call)
{
	aco_resume(new_co(resumes_itself, call));
}

struct pair {
	void *call;
	aco_t *co;
};

static void resumes_pair(void)
{
	struct pair *pair = aco_get_arg();

	((resume_t)pair->call)(pair->co);
	aco_yield();
}

static void from_a_co(void *call, aco_t *co)
{
	struct pair pair = { call, co };

	run_in_co(resumes_pair, &pair);
}

static void resume_ended_from_a_co(void *call)
{
	aco_t *co = new_co(ends, NULL);

	aco_resume(co);
	from_a_co(call, co);
}

static void resume_main_from_a_co(void *call)
{
	t_says(t_main);
	from_a_co(call, t_main);
}

static void resumes_co_that_resumes_it(void)
{
	struct pair pair = { aco_get_arg(), aco_co() };

	run_in_co(resumes_pair, &pair);
}

static void resume_resumer(void *call)
{
	aco_resume(new_co(resumes_co_that_resumes_it, call));
}

static void resume_on_stack_in_use(void *call)
{
	struct pair pair = { call, new_co(yields, NULL) };

	aco_resume(t_co(t_sstk, resumes_pair, &pair));
}

/* The owner of the stack waits for a co that resumes another user of it. */
static void resume_on_stack_of_resumer(void *call)
{
	struct pair pair = { call, new_co(yields, NULL) };
	struct pair outer = { (void *)aco_resume, NULL };

	outer.co = t_co(t_stack(T_STACK_SIZE), resumes_pair, &pair);
	aco_resume(t_co(t_sstk, resumes_pair, &outer));
}

/* The same for a co that was resumed from there before. */
static void resumes_pair_twice(void)
{
	resumes_pair();
	resumes_pair();
}

static void resume_again_on_stack_of_resumer(void *call)
{
	struct pair pair = { call, new_co(yields, NULL) };
	struct pair outer = { (void *)aco_resume, NULL };
	aco_t *owner = t_co(t_sstk, resumes_pair, &outer);

	outer.co = t_co(t_stack(T_STACK_SIZE), resumes_pair_twice, &pair);
	aco_resume(outer.co);
	aco_resume(owner);
}

static void fills_the_stack(void)
{
	char *p = __builtin_alloca((size_t)8 << 20);

	t_opaque(p);
	*p = 1;
	for (;;)
		aco_yield();
}

static void resume_where_none_is_left(void *call, int before)
{
	const struct rlimit limit = { 1 << 20, 1 << 20 };
	aco_share_stack_t *sstk = t_stack((size_t)9 << 20);
	aco_t *big = t_co(sstk, fills_the_stack, NULL);
	aco_t *co = t_co(sstk, yields, NULL);

	t_says(co);
	while (before-- > 0)
		aco_resume(co);
	aco_resume(big);
	t_child(setrlimit(RLIMIT_AS, &limit) == 0);
	((resume_t)call)(co);
}

static void resume_without_memory(void *call)
{
	resume_where_none_is_left(call, 0);
}

static void resume_again_without_memory(void *call)
{
	resume_where_none_is_left(call, 1);
}

/* -------------------------------------------------------- yield and exit -- */

static void yield1_running(void)
{
	aco_yield1(aco_co());
}

static void exit1_running(void)
{
	aco_exit1(aco_co());
}

/* In a thread that has resumed nothing. */
static void outside_no_main(void *call)
{
	t_says(NULL);
	((aco_cofuncp_t)call)();
}

/* In the main context, with a current main co. */
static void outside_in_main(void *call)
{
	aco_t *co = t_co(t_sstk, yields, NULL);

	t_says(t_main);
	aco_resume(co);
	((aco_cofuncp_t)call)();
}

typedef void (*leave1_t)(aco_t *co);

static void leaves_another(void)
{
	struct pair *pair = aco_get_arg();

	((leave1_t)pair->call)(pair->co);
}

static void leave_another_co(void *call)
{
	struct pair pair = { call, new_co(yields, NULL) };

	run_in_co(leaves_another, &pair);
}

static void leave_a_resumer(void *call)
{
	struct pair pair = { call, t_main };

	t_says(t_main);
	run_in_co(leaves_another, &pair);
}

static void leave_null(void *call)
{
	struct pair pair = { call, NULL };

	t_says(NULL);
	run_in_co(leaves_another, &pair);
}

static void leave_from_main(void *call)
{
	aco_t *co = new_co(yields, NULL);

	aco_resume(co);
	((leave1_t)call)(co);
}

/* -------------------------------------- in the callback of the protector -- */

static aco_cofuncp_t do_in_last_word;

static void last_word(void)
{
	do_in_last_word();
}

static void returns(void)
{
}

static void in_last_word(void *call)
{
	do_in_last_word = (aco_cofuncp_t)call;
	aco_thread_init(last_word);
	aco_resume(new_co(returns, NULL));
}

static void resume_itself_in_last_word(void)
{
	aco_resume(aco_co());
}

static void try_resume_itself_in_last_word(void)
{
	aco_try_resume(aco_co());
}

static void resume_itself_by_value_in_last_word(void)
{
	aco_resume_value(aco_co(), NULL);
}

static void destroy_itself(void)
{
	aco_destroy(aco_co());
}

/* Its frames are where the other one's bytes belong. */
static aco_t *sharing;

static void resume_sharing(void)
{
	aco_resume(sharing);
}

static void resume_sharing_from_another(void)
{
	from_a_co((void *)aco_resume, sharing);
}

static void share_in_last_word(void *call)
{
	sharing = new_co(yields, NULL);
	aco_resume(sharing);
	do_in_last_word = (aco_cofuncp_t)call;
	aco_thread_init(last_word);
	aco_resume(t_co(t_sstk, returns, NULL));
}

/* Another co resumes the one whose function has returned. */
static void resume_returned_from_another(void)
{
	from_a_co((void *)aco_resume, aco_co());
}

static void yield_to_returned_from_another(void)
{
	from_a_co((void *)yield_to, aco_co());
}

static void yield_to_sharing_from_another(void)
{
	from_a_co((void *)yield_to, sharing);
}

/* --------------------------------------------------------------- destroy -- */

static void destroy_null(void *arg)
{
	(void)arg;
	aco_destroy(NULL);
}

static void destroy_running(void *arg)
{
	(void)arg;
	aco_resume(new_co(destroy_itself, NULL));
}

static void destroys_arg(void)
{
	aco_destroy(aco_get_arg());
}

static void has_itself_destroyed(void)
{
	run_in_co(destroys_arg, aco_co());
}

static void destroy_resumer(void *arg)
{
	(void)arg;
	aco_resume(new_co(has_itself_destroyed, NULL));
}

static void destroy_waiting_main(void *arg)
{
	(void)arg;
	t_says(t_main);
	run_in_co(destroys_arg, t_main);
}

static void nests_destroys_arg(void)
{
	run_in_co(destroys_arg, aco_get_arg());
}

static void destroy_waiting_main_nested(void *arg)
{
	(void)arg;
	t_says(t_main);
	run_in_co(nests_destroys_arg, t_main);
}

/* ----------------------------------------------------------------- reset -- */

static void reset_itself(void)
{
	aco_reset(aco_co(), yields, NULL);
}

static void reset_running(void *arg)
{
	(void)arg;
	aco_resume(new_co(reset_itself, NULL));
}

static void resets_arg(void)
{
	aco_reset(aco_get_arg(), yields, NULL);
}

static void has_itself_reset(void)
{
	run_in_co(resets_arg, aco_co());
}

static void reset_resumer(void *arg)
{
	(void)arg;
	aco_resume(new_co(has_itself_reset, NULL));
}

/* ----------------------------------------------------------- share stack -- */

static void destroy_null_stack(void *arg)
{
	(void)arg;
	aco_share_stack_destroy(NULL);
}

static void destroys_own_stack(void)
{
	aco_share_stack_destroy(aco_co()->share_stack);
}

static void destroy_stack_of_running_co(void *arg)
{
	(void)arg;
	aco_resume(new_co(destroys_own_stack, NULL));
}

static void destroys_stack_of_arg(void)
{
	aco_t *co = aco_get_arg();

	aco_share_stack_destroy(co->share_stack);
}

static void has_own_stack_destroyed(void)
{
	run_in_co(destroys_stack_of_arg, aco_co());
}

static void destroy_stack_of_resumer(void *arg)
{
	(void)arg;
	aco_resume(new_co(has_own_stack_destroyed, NULL));
}

/* A user of the stack runs in a thread that is in the middle of it. */
static void *destroys_stack(void *sstk)
{
	aco_share_stack_destroy(sstk);
	return NULL;
}

static void has_own_stack_destroyed_by_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, destroys_stack, aco_co()->share_stack);
	pthread_join(thread, NULL);
}

static void destroy_stack_of_another_thread(void *arg)
{
	(void)arg;
	aco_resume(new_co(has_own_stack_destroyed_by_a_thread, NULL));
}

static void destroy_stack_with_cos_twice(void *arg)
{
	(void)arg;
	aco_resume(t_co(t_sstk, yields, NULL));
	aco_share_stack_destroy(t_sstk);
	aco_share_stack_destroy(t_sstk);
}

/* Every way to resume finds that the stack is destroyed. */

static void inline_resume(aco_t *co)
{
	aco_resume(co); /* the pointer to it is the function */
}

static void resume_after(void *call, aco_t *co)
{
	t_says(co->share_stack);
	t_says(co);
	aco_share_stack_destroy(co->share_stack);
	((resume_t)call)(co);
}

static void resume_new_on_destroyed(void *call)
{
	resume_after(call, t_co(t_sstk, yields, NULL));
}

/* It has its stack for itself, and was resumed from here before. */
static aco_t *resumed_standalone(void)
{
	aco_t *co = t_co(t_sstk, yields, NULL);

	for (int i = 0; i < 3; i++)
		aco_resume(co);
	return co;
}

static void resume_standalone_on_destroyed(void *call)
{
	resume_after(call, resumed_standalone());
}

/* Two take turns: the last one is the owner. */
static aco_t *resumed_sharing(int want_owner)
{
	aco_t *cos[2];

	cos[0] = t_co(t_sstk, yields, NULL);
	cos[1] = t_co(t_sstk, yields, NULL);
	for (int i = 0; i < 6; i++)
		aco_resume(cos[i % 2]);
	return cos[want_owner];
}

static void resume_owner_on_destroyed(void *call)
{
	resume_after(call, resumed_sharing(1));
}

static void resume_sharing_on_destroyed(void *call)
{
	resume_after(call, resumed_sharing(0));
}

/* The other one is gone: it would have the stack for itself. */
static void resume_last_on_destroyed(void *call)
{
	aco_t *other = t_co(t_sstk, yields, NULL);
	aco_t *co = resumed_standalone();

	t_says(t_sstk);
	t_says(co);
	aco_share_stack_destroy(t_sstk);
	t_destroy(other);
	((resume_t)call)(co);
}

/* From inside a co. */

static void resumes_its_pair_often(void)
{
	struct pair *pair = aco_get_arg();

	for (int i = 0; i < 3; i++)
		aco_resume(pair->co);
	resume_after(pair->call, pair->co);
}

static void in_a_co_on_destroyed(void *call)
{
	struct pair pair = { call, t_co(t_sstk, yields, NULL) };

	run_in_co(resumes_its_pair_often, &pair);
}

static void yields_to_pair(void)
{
	struct pair *pair = aco_get_arg();

	for (;;)
		aco_yield_to(pair->co);
}

/* Both have been yielding to each other. */
static void yield_to_on_destroyed(void *call)
{
	struct pair one = { call, NULL }, two = { call, NULL };

	(void)call;
	one.co = t_co(t_stack(T_STACK_SIZE), yields, NULL);
	two.co = t_co(t_sstk, yields_to_pair, &one);
	for (int i = 0; i < 3; i++)
		aco_resume(two.co);
	t_says(one.co->share_stack);
	t_says(one.co);
	aco_share_stack_destroy(one.co->share_stack);
	aco_resume(two.co);
}

static void destroy_stack_twice(void *arg)
{
	aco_share_stack_t *sstk = t_stack(50000);

	(void)arg;
	aco_share_stack_destroy(sstk);
	aco_share_stack_destroy(sstk);
}

/* ------------------------------------------------------------- questions -- */

static void get_arg_without_co(void *arg)
{
	(void)arg;
	aco_get_arg();
}

static void is_main_co_of_null(void *arg)
{
	(void)arg;
	aco_is_main_co(NULL);
}

static void is_end_of_null(void *arg)
{
	(void)arg;
	aco_is_end(NULL);
}

static void state_of_null(void *arg)
{
	(void)arg;
	aco_state(NULL);
}

static void stack_usage_of_null(void *arg)
{
	(void)arg;
	aco_stack_usage(NULL);
}

static void set_name_of_null(void *arg)
{
	aco_set_name(NULL, arg);
}

static void get_name_of_null(void *arg)
{
	(void)arg;
	aco_get_name(NULL);
}

static void set_name(aco_t *co)
{
	aco_set_name(co, "late");
}

/* ----------------------------------------------------------------- table -- */

#define CALL(fn) ((void *)(fn))

#define DESTROYED(call) \
	"libaco: " #call ": its share stack %p has been destroyed: co %p\n"
/* clang-format takes these rows of a table for blocks of statements. */
/* clang-format off */
#define ON_DESTROYED(fn)                                     \
	{ fn, CALL(inline_resume), DESTROYED(aco_resume) },  \
	{ fn, CALL(aco_resume), DESTROYED(aco_resume) },     \
	{ fn, CALL(try_resume), DESTROYED(aco_try_resume) }, \
	{ fn, CALL(resume_value), DESTROYED(aco_resume_value) }
/* clang-format on */

static const struct {
	void (*fn)(void *arg);
	void *arg;
	const char *text;
} cases[] = {
	{ resume_null, CALL(aco_resume),
	  "libaco: aco_resume: the co is NULL: co 0x0\n" },
	{ resume_ended, CALL(aco_resume),
	  "libaco: aco_resume: the co has ended: co %p\n" },
	{ resume_ended, CALL(try_resume),
	  "libaco: aco_try_resume: the co has ended: co %p\n" },
	{ destroyed, CALL(inline_resume),
	  "libaco: aco_resume: the co has been destroyed: co %p\n" },
	{ destroyed, CALL(aco_resume),
	  "libaco: aco_resume: the co has been destroyed: co %p\n" },
	{ destroyed, CALL(try_resume),
	  "libaco: aco_try_resume: the co has been destroyed: co %p\n" },
	{ destroyed, CALL(resume_value),
	  "libaco: aco_resume_value: the co has been destroyed: co %p\n" },
	{ destroyed, CALL(aco_destroy),
	  "libaco: aco_destroy: the co has been destroyed: co %p\n" },
	{ destroyed, CALL(reset),
	  "libaco: aco_reset: the co has been destroyed: co %p\n" },
	{ reset_all_destroyed, NULL,
	  "libaco: aco_reset: the co has been destroyed: co %p\n" },
	{ reset_destroyed_main, NULL,
	  "libaco: aco_reset: the co has been destroyed: co %p\n" },
	{ destroy_main_twice, NULL,
	  "libaco: aco_destroy: the co has been destroyed: co %p\n" },
	{ resume_main, CALL(aco_resume),
	  "libaco: aco_resume: a main co can't be resumed: co %p\n" },
	{ resume_main, CALL(try_resume),
	  "libaco: aco_try_resume: a main co can't be resumed: co %p\n" },
	{ resume_itself, CALL(aco_resume),
	  "libaco: aco_resume: the co is running: co %p\n" },
	{ resume_itself, CALL(try_resume),
	  "libaco: aco_try_resume: the co is running: co %p\n" },
	{ resume_resumer, CALL(aco_resume),
	  "libaco: aco_resume: the co is running: co %p\n" },
	{ resume_resumer, CALL(try_resume),
	  "libaco: aco_try_resume: the co is running: co %p\n" },
	{ resume_on_stack_in_use, CALL(aco_resume),
	  "libaco: aco_resume: a running co uses its share stack: co %p\n" },
	{ resume_on_stack_in_use, CALL(try_resume),
	  "libaco: aco_try_resume: a running co uses its share stack: co "
	  "%p\n" },
	{ resume_on_stack_of_resumer, CALL(aco_resume),
	  "libaco: aco_resume: a running co uses its share stack: co %p\n" },
	{ resume_on_stack_of_resumer, CALL(try_resume),
	  "libaco: aco_try_resume: a running co uses its share stack: co "
	  "%p\n" },
	{ resume_again_on_stack_of_resumer, CALL(aco_resume),
	  "libaco: aco_resume: a running co uses its share stack: co %p\n" },
	{ resume_again_on_stack_of_resumer, CALL(try_resume),
	  "libaco: aco_try_resume: a running co uses its share stack: co "
	  "%p\n" },
	{ resume_without_memory, CALL(aco_resume),
	  "libaco: aco_resume: no memory to make room for it: co %p\n" },
	{ resume_again_without_memory, CALL(aco_resume),
	  "libaco: aco_resume: no memory to make room for it: co %p\n" },

	{ resume_ended_from_a_co, CALL(yield_to),
	  "libaco: aco_yield_to: the co has ended: co %p\n" },
	{ resume_main_from_a_co, CALL(yield_to),
	  "libaco: aco_yield_to: a main co can't be resumed: co %p\n" },
	{ resume_itself, CALL(yield_to),
	  "libaco: aco_yield_to: the co is running: co %p\n" },
	{ resume_resumer, CALL(yield_to),
	  "libaco: aco_yield_to: the co is running: co %p\n" },
	{ resume_on_stack_of_resumer, CALL(yield_to),
	  "libaco: aco_yield_to: a running co uses its share stack: co %p\n" },
	{ outside_no_main, CALL(yield_to_main),
	  "libaco: aco_yield_to: called outside a co: co 0x0\n" },
	{ outside_in_main, CALL(yield_to_main),
	  "libaco: aco_yield_to: called outside a co: co %p\n" },

	{ resume_null, CALL(resume_value),
	  "libaco: aco_resume_value: the co is NULL: co 0x0\n" },
	{ resume_ended, CALL(resume_value),
	  "libaco: aco_resume_value: the co has ended: co %p\n" },
	{ resume_main, CALL(resume_value),
	  "libaco: aco_resume_value: a main co can't be resumed: co %p\n" },
	{ resume_itself, CALL(resume_value),
	  "libaco: aco_resume_value: the co is running: co %p\n" },
	{ resume_resumer, CALL(resume_value),
	  "libaco: aco_resume_value: the co is running: co %p\n" },
	{ resume_on_stack_in_use, CALL(resume_value),
	  "libaco: aco_resume_value: a running co uses its share stack: co "
	  "%p\n" },
	{ resume_without_memory, CALL(resume_value),
	  "libaco: aco_resume_value: no memory to make room for it: co "
	  "%p\n" },
	{ resume_again_on_stack_of_resumer, CALL(resume_value),
	  "libaco: aco_resume_value: a running co uses its share stack: co "
	  "%p\n" },
	{ resume_again_without_memory, CALL(resume_value),
	  "libaco: aco_resume_value: no memory to make room for it: co "
	  "%p\n" },
	{ outside_no_main, CALL(yield_value),
	  "libaco: aco_yield_value: called outside a co: co 0x0\n" },
	{ outside_in_main, CALL(yield_value),
	  "libaco: aco_yield_value: called outside a co: co %p\n" },
	{ outside_no_main, CALL(exit_value),
	  "libaco: aco_exit_value: called outside a co: co 0x0\n" },
	{ outside_in_main, CALL(exit_value),
	  "libaco: aco_exit_value: called outside a co: co %p\n" },

	{ outside_no_main, CALL(aco_yield),
	  "libaco: aco_yield: called outside a co: co %p\n" },
	{ outside_no_main, CALL(aco_exit),
	  "libaco: aco_exit: called outside a co: co %p\n" },
	{ outside_no_main, CALL(yield1_running),
	  "libaco: aco_yield1: called outside a co: co %p\n" },
	{ outside_no_main, CALL(exit1_running),
	  "libaco: aco_exit1: called outside a co: co %p\n" },
	{ outside_in_main, CALL(aco_yield),
	  "libaco: aco_yield: called outside a co: co %p\n" },
	{ outside_in_main, CALL(aco_exit),
	  "libaco: aco_exit: called outside a co: co %p\n" },
	{ outside_in_main, CALL(yield1_running),
	  "libaco: aco_yield1: called outside a co: co %p\n" },
	{ outside_in_main, CALL(exit1_running),
	  "libaco: aco_exit1: called outside a co: co %p\n" },
	{ leave_another_co, CALL(aco_yield1),
	  "libaco: aco_yield1: it is not the running co: co %p\n" },
	{ leave_another_co, CALL(aco_exit1),
	  "libaco: aco_exit1: it is not the running co: co %p\n" },
	{ leave_a_resumer, CALL(aco_yield1),
	  "libaco: aco_yield1: it is not the running co: co %p\n" },
	{ leave_a_resumer, CALL(aco_exit1),
	  "libaco: aco_exit1: it is not the running co: co %p\n" },
	{ leave_null, CALL(aco_yield1),
	  "libaco: aco_yield1: it is not the running co: co %p\n" },
	{ leave_null, CALL(aco_exit1),
	  "libaco: aco_exit1: it is not the running co: co %p\n" },
	{ leave_from_main, CALL(aco_yield1),
	  "libaco: aco_yield1: it is not the running co: co %p\n" },
	{ leave_from_main, CALL(aco_exit1),
	  "libaco: aco_exit1: it is not the running co: co %p\n" },

	{ in_last_word, CALL(aco_yield),
	  "libaco: aco_yield: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(aco_exit),
	  "libaco: aco_exit: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(yield1_running),
	  "libaco: aco_yield1: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(exit1_running),
	  "libaco: aco_exit1: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(resume_itself_in_last_word),
	  "libaco: aco_resume: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(try_resume_itself_in_last_word),
	  "libaco: aco_try_resume: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(resume_returned_from_another),
	  "libaco: aco_resume: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(yield_to_main),
	  "libaco: aco_yield_to: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(yield_to_returned_from_another),
	  "libaco: aco_yield_to: the co's function has returned: co %p\n" },
	{ share_in_last_word, CALL(yield_to_sharing_from_another),
	  "libaco: aco_yield_to: a running co uses its share stack: co %p\n" },
	{ in_last_word, CALL(yield_value),
	  "libaco: aco_yield_value: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(exit_value),
	  "libaco: aco_exit_value: the co's function has returned: co %p\n" },
	{ in_last_word, CALL(resume_itself_by_value_in_last_word),
	  "libaco: aco_resume_value: the co's function has returned: co "
	  "%p\n" },
	{ share_in_last_word, CALL(resume_sharing),
	  "libaco: aco_resume: a running co uses its share stack: co %p\n" },
	{ share_in_last_word, CALL(resume_sharing_from_another),
	  "libaco: aco_resume: a running co uses its share stack: co %p\n" },
	{ in_last_word, CALL(destroy_itself),
	  "libaco: aco_destroy: the co is running: co %p\n" },

	{ destroy_null, NULL, "libaco: aco_destroy: the co is NULL: co 0x0\n" },
	{ destroy_running, NULL,
	  "libaco: aco_destroy: the co is running: co %p\n" },
	{ destroy_resumer, NULL,
	  "libaco: aco_destroy: the co is running: co %p\n" },
	{ destroy_waiting_main, NULL,
	  "libaco: aco_destroy: the main co waits for a co that it has "
	  "resumed: co %p\n" },
	{ destroy_waiting_main_nested, NULL,
	  "libaco: aco_destroy: the main co waits for a co that it has "
	  "resumed: co %p\n" },

	{ reset_running, NULL,
	  "libaco: aco_reset: the co is running: co %p\n" },
	{ reset_resumer, NULL,
	  "libaco: aco_reset: the co is running: co %p\n" },
	{ in_last_word, CALL(reset_itself),
	  "libaco: aco_reset: the co is running: co %p\n" },

	{ destroy_null_stack, NULL,
	  "libaco: aco_share_stack_destroy: the share stack is NULL: co "
	  "0x0\n" },
	{ destroy_stack_of_running_co, NULL,
	  "libaco: aco_share_stack_destroy: a running co uses the share stack: "
	  "co %p\n" },
	{ destroy_stack_of_resumer, NULL,
	  "libaco: aco_share_stack_destroy: a running co uses the share stack: "
	  "co %p\n" },
	{ destroy_stack_of_another_thread, NULL,
	  "libaco: aco_share_stack_destroy: a running co uses the share stack: "
	  "co %p\n" },
	{ in_last_word, CALL(destroys_own_stack),
	  "libaco: aco_share_stack_destroy: a running co uses the share stack: "
	  "co %p\n" },

	{ destroy_stack_twice, NULL,
	  "libaco: aco_share_stack_destroy: the share stack has been "
	  "destroyed: co 0x0\n" },
	{ destroy_stack_with_cos_twice, NULL,
	  "libaco: aco_share_stack_destroy: the share stack has been "
	  "destroyed: co 0x0\n" },

	ON_DESTROYED(resume_new_on_destroyed),
	ON_DESTROYED(resume_standalone_on_destroyed),
	ON_DESTROYED(resume_owner_on_destroyed),
	ON_DESTROYED(resume_sharing_on_destroyed),
	ON_DESTROYED(resume_last_on_destroyed),
	ON_DESTROYED(in_a_co_on_destroyed),
	{ in_a_co_on_destroyed, CALL(yield_to), DESTROYED(aco_yield_to) },
	{ yield_to_on_destroyed, NULL, DESTROYED(aco_yield_to) },

	{ get_arg_without_co, NULL,
	  "libaco: aco_get_arg: this thread has no co: co 0x0\n" },
	{ is_end_of_null, NULL,
	  "libaco: aco_is_end: the co is NULL: co 0x0\n" },
	{ is_main_co_of_null, NULL,
	  "libaco: aco_is_main_co: the co is NULL: co 0x0\n" },
	{ state_of_null, NULL, "libaco: aco_state: the co is NULL: co 0x0\n" },
	{ stack_usage_of_null, NULL,
	  "libaco: aco_stack_usage: the co is NULL: co 0x0\n" },
	{ set_name_of_null, "name",
	  "libaco: aco_set_name: the co is NULL: co 0x0\n" },
	{ set_name_of_null, NULL,
	  "libaco: aco_set_name: the co is NULL: co 0x0\n" },
	{ get_name_of_null, NULL,
	  "libaco: aco_get_name: the co is NULL: co 0x0\n" },
	{ destroyed, CALL(set_name),
	  "libaco: aco_set_name: the co has been destroyed: co %p\n" },
};

START_TEST(aborts_with_one_line)
{
	t_expect_abort(cases[_i].fn, cases[_i].arg, cases[_i].text);
}
END_TEST

/* ------------------------------------ the main co that the library makes -- */

static void *destroy_own_main(void *arg)
{
	aco_resume(arg);
	t_says(aco_get_co());
	aco_destroy(aco_get_co());
	return NULL;
}

static void destroy_own_main_in_thread(void *arg)
{
	pthread_t thread;

	(void)arg;
	pthread_create(&thread, NULL, destroy_own_main,
		       t_co(t_sstk, yields, NULL));
	pthread_join(thread, NULL);
}

START_TEST(destroy_the_librarys_own_main_co)
{
	t_expect_abort(destroy_own_main_in_thread, NULL,
		       "libaco: aco_destroy: the main co is the library's own: "
		       "co %p\n");
}
END_TEST

/* The line comes out where stdio has no room or no more file. */
static void stderr_is_closed(void *arg)
{
	(void)arg;
	close(STDERR_FILENO);
	aco_resume(NULL);
}

START_TEST(without_stderr)
{
	t_expect_abort(stderr_is_closed, NULL, "");
}
END_TEST

static void resume_itself_on_tiny_stack(void *call)
{
	aco_t *co = t_co(t_stack(1), resumes_itself, call);

	t_says(co);
	aco_resume(co);
}

START_TEST(on_the_smallest_stack)
{
	t_expect_abort(resume_itself_on_tiny_stack, CALL(aco_resume),
		       "libaco: aco_resume: the co is running: co %p\n");
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("misuse");
	TCase *tc = t_case(s, "misuse");

	tcase_add_loop_test(tc, aborts_with_one_line, 0, T_LEN(cases));
	tcase_add_test(tc, destroy_the_librarys_own_main_co);
	tcase_add_test(tc, without_stderr);
	tcase_add_test(tc, on_the_smallest_stack);
	return s;
}
