/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-resume.c - cos of a task's own, in which it waits
 *
 * Built twice: the cos switch inline, or in the library.  Each test runs with
 * tasks on stacks of their own and on the share stack, and with generators of
 * which each has a stack of its own or all have the same.
 */
#include "ioutil.h"

#define GENERATORS 4

static int fds[GENERATORS][2];
static int count, ended;
static aco_io_queue_t queue;
static aco_io_chan_t *chan;
static aco_share_stack_t *common[2]; /* of all generators of a level, or NULL */

/* level 1: those that others resume, on another stack than these */
static aco_t *gen_new_at(int level, aco_cofuncp_t fn, void *arg)
{
	aco_t *main_co = aco_get_co()->main_co;
	aco_share_stack_t *stack = common[level] ? common[level]
						 : aco_share_stack_new(0);
	aco_t *co = aco_create(main_co, stack, 0, fn, arg);

	ck_assert_ptr_nonnull(stack);
	ck_assert_ptr_nonnull(co);
	return co;
}

static aco_t *gen_new(aco_cofuncp_t fn, void *arg)
{
	return gen_new_at(0, fn, arg);
}

static void gen_free(aco_t *co)
{
	aco_share_stack_t *stack = co->share_stack;

	aco_destroy(co);
	if (!common[0])
		aco_share_stack_destroy(stack);
}

/* A test with each kind of generators; the kinds of tasks are IO_TEST's. */
static void with_both(aco_io_func_t fn)
{
	aco_io_group_t *group = io_group();

	for (int i = 0; i < 2; i++) {
		/* Calls of libaco-io and of Check need some room. */
		for (int k = 0; k < 2; k++)
			common[k] = i ? aco_share_stack_new(0) : NULL;
		io_go(group, fn, NULL);
		ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
		for (int k = 0; i && k < 2; k++)
			aco_share_stack_destroy(common[k]);
	}
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

#define GEN_TEST(name)                         \
	static void name##_in_task(void *arg); \
	IO_TEST(name)                          \
	{                                      \
		with_both(name##_in_task);     \
	}                                      \
	static void name##_in_task(void *arg __attribute__((__unused__)))

/* ---- a generator that reads ---------------------------------------------- */

/* Yields the sum of each two bytes that it reads; 0 at the end. */
struct sums {
	int fd, sum, error;
	aco_io_task_t self;
};

static void yields_sums(void)
{
	struct sums *s = aco_get_arg();
	unsigned char byte[2];

	for (;;) {
		s->self = aco_io_self();
		s->sum = 0;
		for (int i = 0; i < 2; i++) {
			if (aco_io_read(s->fd, &byte[i], 1, ACO_IO_NEVER) !=
			    1) {
				s->error = errno;
				aco_exit();
			}
			s->sum += byte[i];
		}
		aco_yield();
	}
}

static void consumes(void *arg)
{
	int i = (int)(intptr_t)arg;
	struct sums *s = calloc(1, sizeof(*s));
	aco_t *co = gen_new(yields_sums, s);

	s->fd = fds[i][0];
	for (int n = 0; n < 50; n++) {
		ck_assert_int_eq(aco_io_resume(co), 0);
		ck_assert_int_eq(co->is_end, 0);
		ck_assert_int_eq(s->sum, 2 * n + i);
		ck_assert_uint_eq(s->self, aco_io_self());
	}
	errno = 0;
	ck_assert_int_eq(aco_io_resume(co), 0);
	ck_assert_int_eq(co->is_end, 1);
	ended++;
	gen_free(co);
	free(s);
}

GEN_TEST(reading)
{
	aco_io_group_t *group = io_group();

	ended = 0;
	for (intptr_t i = 0; i < GENERATORS; i++) {
		io_pair(fds[i]);
		io_go(group, consumes, (void *)i);
	}
	for (int n = 0; n < 50; n++) {
		for (int i = 0; i < GENERATORS; i++) {
			unsigned char byte[2] = { (unsigned char)(n + i),
						  (unsigned char)n };

			io_put(fds[i][1], &byte[0], 1);
			if (n % 3 == 0)
				io_turns(1);
			io_put(fds[i][1], &byte[1], 1);
		}
		if (n % 7 == 0)
			io_turns(2);
	}
	for (int i = 0; i < GENERATORS; i++)
		close(fds[i][1]);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(ended, GENERATORS);
	for (int i = 0; i < GENERATORS; i++)
		aco_io_close(fds[i][0]);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

/* ---- two deep ------------------------------------------------------------ */

struct outer {
	aco_t *inner;
	struct sums sums;
	int product, result;
};

/* Itself waits, too, between two of the inner one. */
static void yields_products(void)
{
	struct outer *o = aco_get_arg();

	for (;;) {
		o->product = 1;
		for (int i = 0; i < 2; i++) {
			o->result = aco_io_resume(o->inner);
			if (o->result || o->inner->is_end)
				aco_exit();
			o->product *= o->sums.sum;
			if (aco_io_sleep(aco_io_now() + 1)) {
				o->sums.error = errno;
				aco_exit();
			}
		}
		aco_yield();
	}
}

static struct outer *outer_new(int i)
{
	struct outer *o = calloc(1, sizeof(*o));

	ck_assert_ptr_nonnull(o);
	o->sums.fd = fds[i][0];
	o->inner = gen_new_at(1, yields_sums, &o->sums);
	return o;
}

static void outer_free(struct outer *o, aco_t *co)
{
	gen_free(co);
	gen_free(o->inner);
	free(o);
}

static void multiplies(void *arg)
{
	struct outer *o = outer_new((int)(intptr_t)arg);
	aco_t *co = gen_new(yields_products, o);

	for (int n = 0; n < 10; n++) {
		ck_assert_int_eq(aco_io_resume(co), 0);
		ck_assert_int_eq(co->is_end, 0);
		ck_assert_int_eq(o->product, 3 * 7);
	}
	ck_assert_int_eq(aco_io_resume(co), 0);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_int_eq(o->inner->is_end, 1);
	outer_free(o, co);
	ended++;
}

GEN_TEST(nested)
{
	aco_io_group_t *group = io_group();

	ended = 0;
	for (intptr_t i = 0; i < GENERATORS; i++) {
		io_pair(fds[i]);
		io_go(group, multiplies, (void *)i);
	}
	for (int n = 0; n < 10; n++)
		for (int i = 0; i < GENERATORS; i++) {
			io_put(fds[i][1], "\1\2\3", 3);
			io_turns(n % 3);
			io_put(fds[i][1], "\4", 1);
		}
	for (int i = 0; i < GENERATORS; i++)
		close(fds[i][1]);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(ended, GENERATORS);
	for (int i = 0; i < GENERATORS; i++)
		aco_io_close(fds[i][0]);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

/* The innermost is told, and then all that wait for it. */
static void is_cancelled_inside(void *arg)
{
	struct outer *o = outer_new((int)(intptr_t)arg);
	aco_t *co = gen_new(yields_products, o);

	ck_assert_int_eq(aco_io_resume(co), 0);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_int_eq(o->inner->is_end, 1);
	ck_assert_int_eq(o->sums.error, ECANCELED);
	io_fails(aco_io_yield(), ECANCELED);
	outer_free(o, co);
	ended++;
}

GEN_TEST(cancelled)
{
	aco_io_group_t *group = io_group();

	ended = 0;
	for (intptr_t i = 0; i < GENERATORS; i++) {
		io_pair(fds[i]);
		io_go(group, is_cancelled_inside, (void *)i);
		io_put(fds[i][1], "\1", 1);
	}
	io_turns(4);
	ck_assert_int_eq(ended, 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	ck_assert_int_eq(ended, GENERATORS);
	for (int i = 0; i < GENERATORS; i++) {
		aco_io_close(fds[i][0]);
		close(fds[i][1]);
	}
}

/* ---- each kind of wait --------------------------------------------------- */

static void counts(void *arg)
{
	(*(int *)arg)++;
}

static void sends(void *unused)
{
	int x = 5;

	(void)unused;
	ck_assert_int_eq(aco_io_chan_send(chan, &x, ACO_IO_NEVER), 0);
}

static void waits_for_much(void)
{
	aco_io_group_t *group = io_group();
	struct pollfd p = { fds[0][0], POLLIN, 0 };
	int x = 0;
	char c;

	ck_assert_int_eq(aco_io_yield(), 0);
	ck_assert_int_eq(aco_io_sleep(aco_io_after(1)), 0);
	ck_assert_int_eq(aco_io_offload(counts, &count), 0);
	io_fails(aco_io_read(fds[0][0], &c, 1, aco_io_after(1)), ETIMEDOUT);
	ck_assert_int_eq(aco_io_poll(&p, 1, aco_io_after(1)), 0);
	io_fails(aco_io_park(&queue, aco_io_after(1)), ETIMEDOUT);
	io_go(group, sends, NULL);
	ck_assert_int_eq(aco_io_chan_recv(chan, &x, ACO_IO_NEVER), 0);
	ck_assert_int_eq(x, 5);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
	/* More calls than a task may make in a turn. */
	for (int i = 0; i < 200; i++)
		if (aco_io_write(fds[0][1], "x", 1, 0) != 1 ||
		    aco_io_read(fds[0][0], &c, 1, 0) != 1)
			ck_abort_msg("errno %d", errno);
	count++;
	aco_exit();
}

GEN_TEST(much)
{
	aco_t *co = gen_new(waits_for_much, NULL);

	count = 0;
	io_pair(fds[0]);
	chan = aco_io_chan_new(sizeof(int), 1);
	ck_assert_int_eq(aco_io_resume(co), 0);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_int_eq(count, 2);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
	gen_free(co);
	aco_io_close(fds[0][0]);
	aco_io_close(fds[0][1]);
}

/* ---- memory that moves --------------------------------------------------- */

static void ends(void *unused)
{
	(void)unused;
}

static const char *name_on_stack;

static void uses_its_stack(void)
{
	aco_io_queue_t mine = ACO_IO_QUEUE_INIT;
	const aco_io_key_t key = { NULL };
	char name[] = "name";
	int x = 0;

	io_fails(aco_io_park(&mine, ACO_IO_NEVER), EFAULT);
	io_fails(aco_io_offload(counts, &x), EFAULT);
	errno = 0;
	ck_assert_uint_eq(aco_io_go(NULL, counts, &x, io_flags), 0);
	ck_assert_int_eq(errno, EFAULT);
	io_fails(aco_io_set_name(name), EFAULT);
	io_fails(aco_io_set_local(&key, NULL), EFAULT);
	/* That of the one who resumed it: only if that moves. */
	ck_assert_int_eq(aco_io_set_name(name_on_stack),
			 io_flags == ACO_IO_SHARED ? -1 : 0);
	ck_assert_int_eq(x, 0);
	aco_exit();
}

static void names_its_stack(void)
{
	char name[] = "name";

	io_fails(aco_io_set_name(name), EFAULT);
	errno = 0;
	ck_assert_uint_eq(aco_io_go(NULL, ends, name, io_flags), 0);
	ck_assert_int_eq(errno, EFAULT);
	aco_exit();
}

GEN_TEST(the_stack_of_a_generator)
{
	aco_t *co = gen_new(uses_its_stack, NULL);
	char name[] = "name";

	name_on_stack = name;
	ck_assert_int_eq(aco_io_resume(co), 0);
	ck_assert_int_eq(co->is_end, 1);
	aco_io_set_name(NULL);
	gen_free(co);
	/* Once more, in one that was resumed without the library. */
	co = gen_new(names_its_stack, NULL);
	aco_resume(co);
	ck_assert_int_eq(co->is_end, 1);
	gen_free(co);
}

/* ---- resumed without the library ----------------------------------------- */

static void is_stuck(void)
{
	struct pollfd p = { fds[0][0], POLLIN, 0 };
	char c;

	for (int i = 0; i < 2; i++) {
		io_fails(aco_io_yield(), EDEADLK);
		io_fails(aco_io_sleep(0), EDEADLK);
		io_fails(aco_io_sleep(ACO_IO_NEVER), EDEADLK);
		io_fails(aco_io_read(fds[0][0], &c, 1, ACO_IO_NEVER), EDEADLK);
		io_fails(aco_io_wait(fds[0][0], ACO_IO_READ, ACO_IO_NEVER),
			 EDEADLK);
		io_fails(aco_io_poll(&p, 1, ACO_IO_NEVER), EDEADLK);
		io_fails(aco_io_park(&queue, ACO_IO_NEVER), EDEADLK);
		io_fails(aco_io_offload(ends, NULL), EDEADLK);
		io_fails(aco_io_chan_recv(chan, &c, ACO_IO_NEVER), EDEADLK);
		count++;
		aco_yield();
	}
	aco_exit();
}

/* A level below, by the library: that leads nowhere, either. */
static void resumes_one(void)
{
	aco_t *co = aco_get_arg();

	ck_assert_int_eq(aco_io_resume(co), 0);
	io_fails(aco_io_yield(), EDEADLK);
	aco_exit();
}

static void resumes_plainly(void)
{
	aco_t *co = aco_get_arg();

	aco_resume(co);
	ck_assert_int_eq(aco_io_yield(), 0);
	aco_resume(co);
	aco_exit();
}

GEN_TEST(without_the_library)
{
	aco_t *co = gen_new(is_stuck, NULL), *outer;

	count = 0;
	io_pair(fds[0]);
	chan = aco_io_chan_new(1, 1);
	aco_resume(co);
	ck_assert_int_eq(aco_io_yield(), 0);
	aco_resume(co);
	ck_assert_int_eq(count, 2);
	gen_free(co);
	/* Of two levels one is the library's: either way, there is no way. */
	co = gen_new_at(1, is_stuck, NULL);
	outer = gen_new(resumes_one, co);
	aco_resume(outer);
	ck_assert_int_eq(outer->is_end, 1);
	ck_assert_int_eq(count, 3);
	gen_free(outer);
	gen_free(co);
	co = gen_new_at(1, is_stuck, NULL);
	outer = gen_new(resumes_plainly, co);
	ck_assert_int_eq(aco_io_resume(outer), 0);
	ck_assert_int_eq(outer->is_end, 1);
	ck_assert_int_eq(count, 5);
	gen_free(outer);
	gen_free(co);
	ck_assert_int_eq(aco_io_chan_destroy(chan), 0);
	aco_io_close(fds[0][0]);
	aco_io_close(fds[0][1]);
}

/* ---- outside tasks, and what is no co ------------------------------------ */

static void yields_twice(void)
{
	for (int i = 0; i < 2; i++) {
		io_fails(aco_io_yield(), EPERM);
		count++;
		aco_yield();
	}
	aco_exit();
}

START_TEST(outside_tasks)
{
	aco_t *main_co, *co;

	io_fails(aco_io_resume(NULL), EINVAL);
	aco_thread_init(NULL);
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	co = aco_create(main_co, common[0] = aco_share_stack_new(0), 0,
			yields_twice, NULL);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(aco_io_resume(co), 0);
	ck_assert_int_eq(co->is_end, 1);
	ck_assert_int_eq(count, 2);
	aco_destroy(co);
	aco_share_stack_destroy(common[0]);
	aco_destroy(main_co);
}
END_TEST

IO_TEST(no_co)
{
	io_fails(aco_io_resume(NULL), EINVAL);
	ck_assert_int_eq(aco_io_yield(), 0);
}

/* A generator that is not run to its end. */
GEN_TEST(left_alone)
{
	struct sums *s = calloc(1, sizeof(*s));
	aco_t *co = gen_new(yields_sums, s);

	io_pair(fds[0]);
	s->fd = fds[0][0];
	io_put(fds[0][1], "\1\2", 2);
	ck_assert_int_eq(aco_io_resume(co), 0);
	ck_assert_int_eq(s->sum, 3);
	gen_free(co);
	ck_assert_int_eq(aco_io_sleep(aco_io_now() + 1), 0);
	free(s);
	aco_io_close(fds[0][0]);
	aco_io_close(fds[0][1]);
}

void t_reset(void)
{
	count = ended = 0;
	common[0] = common[1] = NULL;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-resume");
	TCase *tc = io_case(s, "resume");

	io_add(tc, reading);
	io_add(tc, nested);
	io_add(tc, cancelled);
	io_add(tc, much);
	io_add(tc, the_stack_of_a_generator);
	io_add(tc, without_the_library);
	tcase_add_test(tc, outside_tasks);
	io_add(tc, no_co);
	io_add(tc, left_alone);
	return s;
}
