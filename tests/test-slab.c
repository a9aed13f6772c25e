/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-slab.c - slabs where the kernel gives mappings that are not aligned, or
 * refuses
 *
 * Linked with the static library, so that mmap(2) and munmap(2) can be made to do
 * so.
 */
#include "testutil.h"

#include <errno.h>

void *__real_mmap(void *at, size_t sz, int prot, int flags, int fd, off_t off);
void *__wrap_mmap(void *at, size_t sz, int prot, int flags, int fd, off_t off);
int __real_munmap(void *at, size_t sz);
int __wrap_munmap(void *at, size_t sz);

#define SLAB ((size_t)(sizeof(void *) == 8 ? 2 << 20 : 256 << 10))

static int is_unaligned; /* are the next mappings */
static int allowed = 99; /* so many more mappings */
static int refuses_munmap;
static int maps, unmaps;

void *__wrap_mmap(void *at, size_t sz, int prot, int flags, int fd, off_t off)
{
	char *map;

	if (allowed-- <= 0) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	maps++;
	if (!is_unaligned)
		return __real_mmap(at, sz, prot, flags, fd, off);
	map = __real_mmap(at, sz + SLAB, prot, flags, fd, off);
	if (map == MAP_FAILED)
		return map;
	/* the rest stays, which no other call finds out */
	return (char *)((uintptr_t)map & ~(SLAB - 1)) + SLAB - 4096;
}

int __wrap_munmap(void *at, size_t sz)
{
	if (refuses_munmap) {
		errno = ENOMEM;
		return -1;
	}
	unmaps++;
	return __real_munmap(at, sz);
}

static aco_t *co_with(size_t save_stack_sz)
{
	return aco_create(t_main, t_sstk, save_stack_sz, aco_exit, NULL);
}

/* More than two slabs have, of a size that no other test uses. */
#define MANY (SLAB / 150)
static aco_t *made[MANY];

static size_t make_many(size_t save_stack_sz)
{
	size_t n;

	for (n = 0; n < MANY; n++) {
		made[n] = co_with(save_stack_sz);
		if (!made[n])
			break;
		memset(made[n]->save_stack.ptr, 1, save_stack_sz);
	}
	return n;
}

static void destroy_many(size_t n)
{
	for (size_t i = 0; i < n; i++)
		aco_destroy(made[i]);
}

START_TEST(unaligned_mappings)
{
	maps = unmaps = 0;
	is_unaligned = 1;
	ck_assert_uint_eq(make_many(320), MANY);
	is_unaligned = 0;
	/* each slab: one attempt, and one with room to align; the attempt goes
	   back, and what is below and above */
	ck_assert_int_ge(maps, 4);
	ck_assert_int_eq(unmaps * 2, maps * 3);
	destroy_many(MANY);
}
END_TEST

START_TEST(no_room_to_align)
{
	size_t n;

	is_unaligned = 1;
	allowed = 1;
	errno = 0;
	n = make_many(340);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_lt(n, MANY);
	is_unaligned = 0;
	allowed = 99;
	destroy_many(n);
	ck_assert_uint_eq(make_many(340), MANY);
	destroy_many(MANY);
}
END_TEST

/* It is used again. */
START_TEST(slabs_that_cannot_be_given_back)
{
	ck_assert_uint_eq(make_many(360), MANY);
	refuses_munmap = 1;
	destroy_many(MANY);
	maps = 0;
	ck_assert_uint_eq(make_many(360), MANY);
	ck_assert_int_eq(maps, 0);
	refuses_munmap = 0;
	unmaps = 0;
	destroy_many(MANY);
	ck_assert_int_ge(unmaps, 1);
}
END_TEST

/* The co is the last user of its stack, and has its save stack behind it. */
START_TEST(destroyed_after_its_stack)
{
	aco_share_stack_t *sstk = aco_share_stack_new(T_STACK_SIZE);
	aco_t *co = aco_create(t_main, sstk, 380, aco_exit, NULL);
	aco_t *next;

	ck_assert_ptr_nonnull(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(co);
	next = co_with(380);
	ck_assert_ptr_eq(next, co);
	aco_destroy(next);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("slab");
	TCase *tc = t_case(s, "slab");

	tcase_add_test(tc, unaligned_mappings);
	tcase_add_test(tc, no_room_to_align);
	tcase_add_test(tc, slabs_that_cannot_be_given_back);
	tcase_add_test(tc, destroyed_after_its_stack);
	return s;
}
