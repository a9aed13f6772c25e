/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-allocator.c - aco_set_allocator(): the program's own memory for cos
 */
#include "testutil.h"

#include <errno.h>
#include <pthread.h>

#define MAX_BLOCKS 1000
#define FENCE 64
#define SLACK 64 /* for what comes next to this place */

/* Every block, with a fence behind it. */
static struct block {
	char *ptr;
	size_t sz;
} blocks[MAX_BLOCKS];
static size_t block_count, allocs;
static int ctx_of_ours, ctx_of_others, fail_next, broken;
static char *reused; /* where the next block has to be */
static int reuse_next;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *our_alloc(size_t sz, void *ctx)
{
	char *ptr;

	if (ctx != &ctx_of_ours)
		broken++;
	errno = 0;
	if (fail_next)
		return NULL;
	ptr = reused ? reused : malloc(sz + FENCE + SLACK);
	reused = NULL;
	memset(ptr, 0xaa, sz);
	memset(ptr + sz, 0xfe, FENCE);
	pthread_mutex_lock(&lock);
	allocs++;
	blocks[block_count++] = (struct block){ ptr, sz };
	pthread_mutex_unlock(&lock);
	return ptr;
}

static void check_fence(const struct block *b)
{
	for (size_t i = 0; i < FENCE; i++)
		broken += b->ptr[b->sz + i] != (char)0xfe;
}

static void our_free(void *ptr, size_t sz, void *ctx)
{
	size_t i = 0;

	if (ctx != &ctx_of_ours)
		broken++;
	pthread_mutex_lock(&lock);
	while (i < block_count && blocks[i].ptr != ptr)
		i++;
	if (i == block_count || blocks[i].sz != sz) {
		broken++;
	} else {
		check_fence(&blocks[i]);
		blocks[i] = blocks[--block_count];
		memset(ptr, 0xdd, sz);
		if (reuse_next)
			reused = ptr;
		else
			free(ptr);
		reuse_next = 0;
	}
	pthread_mutex_unlock(&lock);
}

static const aco_allocator_t ours = { our_alloc, our_free, &ctx_of_ours };

/* --------------------------------------------------- before the first co -- */

static void check_error(const aco_allocator_t *a, int error)
{
	errno = 0;
	ck_assert_int_eq(aco_set_allocator(a), -1);
	ck_assert_int_eq(errno, error);
}

START_TEST(invalid)
{
	static const aco_allocator_t bad[] = {
		{ NULL, NULL, NULL },
		{ our_alloc, NULL, &ctx_of_ours },
		{ NULL, our_free, &ctx_of_ours },
	};
	aco_t *co;

	check_error(NULL, EINVAL);
	for (size_t i = 0; i < T_LEN(bad); i++)
		check_error(&bad[i], EINVAL);
	co = aco_create(NULL, NULL, 0, NULL, NULL);
	ck_assert_uint_eq(allocs, 0);
	/* too late, as it is for a right one */
	check_error(NULL, EINVAL);
	check_error(&ours, EBUSY);
	aco_destroy(co);
	check_error(&ours, EBUSY);
}
END_TEST

/* Neither this thread nor its share stacks are cos. */
START_TEST(before_the_first_co)
{
	aco_allocator_t a = ours;
	aco_share_stack_t *sstk;
	aco_t *co;

	aco_thread_init(NULL);
	sstk = aco_share_stack_new(0);
	a.ctx = &ctx_of_others;
	ck_assert_int_eq(aco_set_allocator(&a), 0);
	a = ours;
	ck_assert_int_eq(aco_set_allocator(&a), 0);
	memset(&a, 0, sizeof(a)); /* it is copied */
	co = aco_create(NULL, NULL, 0, NULL, NULL);
	ck_assert_uint_eq(allocs, 2); /* and the main co of the library's own */
	check_error(&ours, EBUSY);
	aco_destroy(co);
	ck_assert_uint_eq(block_count, 0);
	aco_share_stack_destroy(sstk);
	ck_assert_uint_eq(allocs, 2);
	ck_assert_int_eq(broken, 0);
}
END_TEST

/* -------------------------------------------------------- all that lives -- */

static size_t main_blocks;

/* Called before the world is made. */
void t_reset(void)
{
	ck_assert_int_eq(aco_set_allocator(&ours), 0);
	/* of t_main, which is not there yet, and the library's own main co */
	main_blocks = 2;
}

/* Not inlined, so that its frame is not there when it has returned. */
__attribute__((__noinline__)) static void suspend_with(size_t bytes)
{
	char *frame = __builtin_alloca(bytes + 1);

	memset(frame, 0x11, bytes);
	t_opaque(frame);
	aco_yield();
	for (size_t i = 0; i < bytes; i++)
		broken += frame[i] != 0x11;
}

static void suspends(void)
{
	size_t *bytes = aco_get_arg();

	for (;;)
		suspend_with(*bytes);
}

/* With save stacks that grow, shrink, and are of all kinds, given or not. */
START_TEST(sizes_are_those_of_before)
{
	static const size_t given[] = { 0, 1, 3, 4, 7, 8, 100, 1500, 5000 };
	static const size_t frames[] = { 0,    10,   200,  30,	1000,
					 2000, 1400, 9000, 100, 0 };
	size_t bytes = 0, before = allocs;
	aco_t *other = t_co(t_sstk, suspends, &bytes);

	ck_assert_uint_eq(block_count, main_blocks + 1);
	for (size_t stop = 0; stop <= T_LEN(frames); stop++) {
		aco_t *co = t_co2(t_sstk, suspends, &bytes, given[_i], 0);

		ck_assert_uint_eq(co->save_stack.sz, given[_i]);
		for (size_t i = 0; i < stop; i++) {
			bytes = frames[i];
			aco_resume(co);
			aco_resume(other);
		}
		t_destroy(co);
	}
	t_destroy(other);
	ck_assert_uint_eq(block_count, main_blocks);
	ck_assert_uint_gt(allocs, before + T_LEN(frames));
	ck_assert_int_eq(broken, 0);
}
END_TEST

START_TEST(no_memory)
{
	size_t bytes = 100;
	aco_t *co = t_co(t_sstk, suspends, &bytes);
	aco_t *other = t_co(t_sstk, suspends, &bytes);

	aco_resume(co);
	fail_next = 1;
	errno = 0;
	ck_assert_int_eq(aco_try_resume(other), -1);
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	ck_assert_ptr_null(aco_create(t_main, t_sstk, 0, suspends, NULL));
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	ck_assert_ptr_null(aco_create(NULL, NULL, 0, NULL, NULL));
	ck_assert_int_eq(errno, ENOMEM);
	fail_next = 0;
	ck_assert_int_eq(aco_try_resume(other), 0);
	ck_assert_int_eq(aco_try_resume(co), 0);
	ck_assert_int_eq(broken, 0);
}
END_TEST

static void *resume_in_thread(void *co)
{
	aco_resume(co);
	return NULL;
}

/* The main co that the library makes for a thread, and frees with it. */
static void yields_for_ever(void)
{
	for (;;)
		aco_yield();
}

static void resumes_its_arg(void)
{
	aco_resume(aco_get_arg());
	aco_yield();
}

/* A main co gets the memory of the last resumer of a co, which resumes it then:
   nothing but the address tells that it is another one. */
START_TEST(main_co_where_a_resumer_was)
{
	aco_t *a = t_co(t_stack(0), yields_for_ever, NULL);
	aco_t *b = aco_create(t_main, t_stack(0), 0, resumes_its_arg, a);
	aco_t *other;

	aco_resume(b);
	reuse_next = 1;
	aco_destroy(b);
	ck_assert(reused);
	other = aco_create(NULL, NULL, 0, NULL, NULL);
	ck_assert(!reused);
	b = aco_create(other, t_stack(0), 0, yields_for_ever, NULL);
	aco_resume(b);
	ck_assert_ptr_eq(aco_get_co(), other);
	aco_resume(a);
	ck_assert_ptr_eq(aco_get_co(), t_main);
	aco_destroy(b);
	aco_destroy(other);
}
END_TEST

/* A stack does not write to a co that was destroyed, whatever is there now: the
   state of a co that it had for itself, for one. */
START_TEST(memory_of_a_co_that_is_gone)
{
	aco_share_stack_t *sstk = t_stack(0);
	aco_t *co = t_co(sstk, yields_for_ever, NULL);
	unsigned char *memory;

	aco_resume(co);
	reuse_next = 1;
	t_destroy(co);
	memory = (unsigned char *)reused;
	reused = NULL;
	ck_assert(memory);
	memset(memory, _i, sizeof(aco_t));
	t_destroy(t_co(sstk, yields_for_ever, NULL));
	for (size_t i = 0; i < sizeof(aco_t); i++)
		ck_assert_int_eq(memory[i], _i);
	free(memory);
}
END_TEST

START_TEST(main_co_of_a_thread)
{
	size_t bytes = 0, before;
	aco_t *co = t_co(t_sstk, suspends, &bytes);
	pthread_t thread;

	before = block_count;
	ck_assert_int_eq(pthread_create(&thread, NULL, resume_in_thread, co),
			 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(block_count, before);
	ck_assert_uint_eq(allocs, before + 1);
	ck_assert_int_eq(broken, 0);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("allocator");
	TCase *tc = tcase_create("before");

	tcase_add_test(tc, invalid);
	tcase_add_test(tc, before_the_first_co);
	suite_add_tcase(s, tc);

	tc = t_case(s, "after");
	tcase_add_loop_test(tc, sizes_are_those_of_before, 0, 9);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, main_co_of_a_thread);
	tcase_add_test(tc, main_co_where_a_resumer_was);
	tcase_add_loop_test(tc, memory_of_a_co_that_is_gone, 0, 16);
	return s;
}
