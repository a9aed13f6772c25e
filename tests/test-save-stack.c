/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-save-stack.c - the copying of sharing cos, and its statistics
 */
#include "testutil.h"

static void yields_for_ever(void)
{
	for (;;)
		aco_yield();
}

static void exits_at_once(void)
{
	aco_exit();
}

static void check_statistics(const aco_t *co, size_t saved, size_t restored)
{
	ck_assert_uint_eq(co->save_stack.ct_save, saved);
	ck_assert_uint_eq(co->save_stack.ct_restore, restored);
}

/* ------------------------------------------------------------ statistics -- */

static void yields_deep_and_shallow(void)
{
	for (;;) {
		t_deep(100, aco_yield);
		aco_yield();
	}
}

START_TEST(none_for_standalone_cos)
{
	aco_t *one = t_co(t_sstk, yields_deep_and_shallow, NULL);
	aco_t *two = t_co(t_stack(T_STACK_SIZE), yields_deep_and_shallow, NULL);

	for (int i = 0; i < 100; i++) {
		aco_resume(one);
		aco_resume(two);
	}
	check_statistics(one, 0, 0);
	check_statistics(two, 0, 0);
	ck_assert_uint_eq(one->save_stack.max_cpsz, 0);
	ck_assert_uint_eq(two->save_stack.max_cpsz, 0);
	ck_assert_uint_eq(one->save_stack.valid_sz, 0);
}
END_TEST

START_TEST(exact_for_two_in_turn)
{
	aco_t *one = t_co(t_sstk, yields_for_ever, NULL);
	aco_t *two = t_co(t_sstk, yields_for_ever, NULL);

	for (size_t i = 0; i < 50; i++) {
		aco_resume(one);
		check_statistics(one, i, i);
		check_statistics(two, i, i ? i - 1 : 0);
		aco_resume(two);
		check_statistics(one, i + 1, i);
		check_statistics(two, i, i);
	}
}
END_TEST

START_TEST(none_when_the_owner_is_resumed_again)
{
	aco_t *one = t_co(t_sstk, yields_for_ever, NULL);
	aco_t *two = t_co(t_sstk, yields_for_ever, NULL);

	aco_resume(one);
	aco_resume(two);
	aco_resume(one);
	for (int i = 0; i < 20; i++)
		aco_resume(one);
	check_statistics(one, 1, 1);
	check_statistics(two, 1, 0);
}
END_TEST

/* What has ended or never ran has nothing to be copied. */
START_TEST(none_for_the_dead_and_the_unborn)
{
	aco_t *dead = t_co(t_sstk, exits_at_once, NULL);
	aco_t *unborn = t_co(t_sstk, exits_at_once, NULL);
	aco_t *co = t_co(t_sstk, yields_for_ever, NULL);

	aco_resume(dead);
	aco_resume(co);
	check_statistics(dead, 0, 0);
	check_statistics(co, 0, 0);
	aco_resume(unborn);
	check_statistics(unborn, 0, 0);
	check_statistics(co, 1, 0);
	aco_resume(co);
	check_statistics(co, 1, 1);
}
END_TEST

/* The bytes that live below the caller: at least frame, not much more. */
static void yields_below_frame(void)
{
	size_t frame = (size_t)aco_get_arg();
	volatile char *p = __builtin_alloca(frame);

	for (;;) {
		p[0] = p[frame - 1] = 1;
		aco_yield();
	}
}

#define FRAME_COUNT 4
static const size_t frames[FRAME_COUNT] = { 64, 1000, 10000, 50000 };

START_TEST(max_cpsz_is_what_was_copied)
{
	aco_t *big = t_co(t_sstk, yields_below_frame, (void *)frames[_i]);
	aco_t *small = t_co(t_sstk, yields_for_ever, NULL);

	aco_resume(big);
	aco_resume(small);
	ck_assert_uint_ge(big->save_stack.max_cpsz, frames[_i]);
	ck_assert_uint_lt(big->save_stack.max_cpsz, frames[_i] + 512);
	ck_assert_uint_ge(big->save_stack.sz, frames[_i]);
	ck_assert_uint_eq(big->save_stack.valid_sz, big->save_stack.max_cpsz);
	aco_resume(big);
	ck_assert_uint_eq(big->save_stack.valid_sz, 0);
	ck_assert_uint_gt(small->save_stack.max_cpsz, 0);
	ck_assert_uint_lt(small->save_stack.max_cpsz, 512);
}
END_TEST

START_TEST(max_cpsz_never_goes_down)
{
	aco_t *co = t_co(t_sstk, yields_deep_and_shallow, NULL);
	aco_t *other = t_co(t_sstk, yields_for_ever, NULL);
	size_t max;

	aco_resume(co);
	aco_resume(other);
	max = co->save_stack.max_cpsz;
	ck_assert_uint_gt(max, 6400);
	aco_resume(co);
	aco_resume(other);
	ck_assert_uint_eq(co->save_stack.max_cpsz, max);
	ck_assert_uint_lt(co->save_stack.valid_sz, max);
}
END_TEST

/* A frame of *arg bytes. */
static void yields_below_any_frame(void)
{
	const size_t *sz = aco_get_arg();

	for (;;) {
		char mine[*sz];
		char *p = mine;

		t_opaque(p);
		aco_yield();
	}
}

/* Few bytes, and room for them: copied where the co is resumed. */
START_TEST(max_cpsz_of_small_copies)
{
	static const size_t sizes[] = { 8, 40, 72, 8, 56, 88, 8 };
	size_t frame = sizes[0];
	aco_t *co = t_co2(t_sstk, yields_below_any_frame, &frame, 600, 0);
	aco_t *other = t_co2(t_sstk, yields_for_ever, NULL, 600, 0);
	size_t rises = 0;
	size_t max = 0;

	for (size_t i = 0; i < T_LEN(sizes); i++) {
		frame = sizes[i];
		aco_resume(co);
		aco_resume(other);
		if (co->save_stack.valid_sz > max) {
			max = co->save_stack.valid_sz;
			rises++;
		}
		ck_assert_uint_eq(co->save_stack.max_cpsz, max);
	}
	ck_assert_uint_ge(rises, 3);
	ck_assert_uint_lt(co->save_stack.valid_sz, max);
	ck_assert_uint_le(max, 600);
}
END_TEST

/* ------------------------------------------------------------ the memory -- */

static const size_t hints[] = { 0, 1, 15, 16, 63, 64, 65, 127, 1000, 100000 };

/* Fills frames of growing size, and finds them as they were. */
static void grows(void)
{
	for (size_t sz = 16; sz < 40000; sz += sz / 3) {
		char mine[sz];

		memset(mine, (int)sz, sz);
		aco_yield();
		for (size_t i = 0; i < sz; i++)
			if (mine[i] != (char)sz)
				ck_abort_msg("size %zu, byte %zu", sz, i);
	}
	aco_exit();
}

START_TEST(grows_from_every_hint)
{
	aco_t *one = t_co2(t_sstk, grows, NULL, hints[_i], 0);
	aco_t *two = t_co2(t_sstk, grows, NULL, hints[_i], 0);

	while (!one->is_end) {
		aco_resume(one);
		aco_resume(two);
	}
	ck_assert_int_eq(two->is_end, 1);
	ck_assert_uint_gt(one->save_stack.max_cpsz, 25000);
}
END_TEST

/* Nothing is allocated for a co before it has to be copied. */
START_TEST(nothing_before_the_first_copy)
{
	aco_t *one = t_co(t_sstk, yields_for_ever, NULL);
	aco_t *two = t_co(t_sstk, yields_for_ever, NULL);

	aco_resume(one);
	ck_assert_uint_eq(one->save_stack.sz, 0);
	aco_resume(two);
	ck_assert_uint_ge(one->save_stack.sz, one->save_stack.valid_sz);
	ck_assert_uint_eq(two->save_stack.sz, 0);
}
END_TEST

static void deep_once(void)
{
	t_deep(400, aco_yield);
	for (;;)
		aco_yield();
}

START_TEST(shrinks_after_a_deep_call)
{
	/* frames are larger with a sanitizer */
	aco_share_stack_t *sstk = t_stack(4 * T_STACK_SIZE);
	aco_t *co = t_co(sstk, deep_once, NULL);
	aco_t *other = t_co(sstk, yields_for_ever, NULL);

	aco_resume(co);
	aco_resume(other);
	ck_assert_uint_gt(co->save_stack.sz, 400 * 64);
	for (int i = 0; i < 20; i++) {
		aco_resume(co);
		aco_resume(other);
	}
	ck_assert_uint_lt(co->save_stack.sz, 400 * 64 / 4);
}
END_TEST

static void very_deep_once(void)
{
	t_deep(4000, aco_yield);
	for (;;)
		aco_yield();
}

static size_t resident_pages(const aco_share_stack_t *sstk)
{
	static unsigned char in_memory[2048];
	size_t pages = sstk->sz / 4096;
	size_t n = 0;

	ck_assert_uint_le(pages, sizeof(in_memory));
	ck_assert_int_eq(mincore(sstk->ptr, pages * 4096, in_memory), 0);
	for (size_t i = 0; i < pages; i++)
		n += in_memory[i] & 1;
	return n;
}

/* Large stacks come from elsewhere. */
static const size_t trimmed[] = { 1 << 20, 6 << 20 };

START_TEST(share_stack_shrinks_after_a_very_deep_call)
{
	aco_share_stack_t *sstk = t_stack(trimmed[_i]);
	aco_t *co = t_co(sstk, very_deep_once, NULL);
	aco_t *other = t_co(sstk, yields_for_ever, NULL);
	size_t deep;

	aco_resume(co);
	aco_resume(other);
	deep = resident_pages(sstk);
	ck_assert_uint_gt(deep, 4000 * 64 / 4096);
	for (int i = 0; i < 3; i++) {
		aco_resume(co);
		aco_resume(other);
	}
	ck_assert_uint_lt(resident_pages(sstk), 8);
}
END_TEST

/* It may be painted, to see how much of it the cos use. */
START_TEST(memory_of_the_caller_does_not_shrink)
{
	const size_t sz = 1 << 20;
	char *mem = mmap(NULL, sz, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	aco_share_stack_t *sstk;
	aco_t *co, *other;

	ck_assert_ptr_ne(mem, MAP_FAILED);
	memset(mem, 0x5a, sz);
	sstk = aco_share_stack_from(mem, sz);
	ck_assert_ptr_nonnull(sstk);
	co = aco_create(t_main, sstk, 0, very_deep_once, NULL);
	other = aco_create(t_main, sstk, 0, yields_for_ever, NULL);
	for (int i = 0; i < 3; i++) {
		aco_resume(co);
		aco_resume(other);
	}
	ck_assert_uint_lt(co->save_stack.sz, 4000 * 64 / 4);
	ck_assert_int_eq(mem[0], 0x5a);
	ck_assert_uint_eq(resident_pages(sstk), sz / 4096);
	aco_destroy(co);
	aco_destroy(other);
	aco_share_stack_destroy(sstk);
	ck_assert_int_eq(mem[0], 0x5a);
	munmap(mem, sz);
}
END_TEST

/* -------------------------------------------------------- a shadow model -- */

#define MODEL_COS 60
#define MODEL_STACKS 3
#define MODEL_STEPS 30000
#define MODEL_MAX 5000

/* What a co believes to lie on its stack; kept far from any share stack. */
static struct shadow {
	char *at;	/* where the co's bytes lie when it is present */
	size_t sz;	/* how many */
	uint32_t seed;	/* from which they were made */
	unsigned steps; /* yields so far */
} shadows[MODEL_COS];

static uint32_t model_random = 2463534242u;

static void fill(char *p, size_t sz, uint32_t seed)
{
	for (size_t i = 0; i < sz; i++)
		p[i] = (char)t_random(&seed);
}

static void check_fill(const char *p, size_t sz, uint32_t seed)
{
	for (size_t i = 0; i < sz; i++)
		if (p[i] != (char)t_random(&seed))
			ck_abort_msg("byte %zu of %zu has changed", i, sz);
}

/* A frame of sz bytes that outlives a yield, above rest more such frames. */
__attribute__((__noinline__)) static void live(struct shadow *s, int rest)
{
	size_t sz = 1 + t_random(&model_random) % MODEL_MAX;
	uint32_t seed = t_random(&model_random);
	char mine[sz];

	fill(mine, sz, seed);
	if (rest > 0)
		live(s, rest - 1);
	s->at = mine;
	s->sz = sz;
	s->seed = seed;
	s->steps++;
	aco_yield();
	if (s->at != mine || s->sz != sz || s->seed != seed)
		ck_abort_msg("locals have changed");
	check_fill(mine, sz, seed);
}

static void lives(void)
{
	struct shadow *s = aco_get_arg();

	for (;;)
		live(s, (int)(t_random(&model_random) % 10));
}

/* While it waits, its bytes are in the save stack, or in place. */
static void check_at_rest(const aco_t *co, const struct shadow *s)
{
	const char *sp = co->reg[ACO_REG_IDX_SP];
	const char *at = s->at;

	if (co->share_stack->owner != co)
		at = (char *)co->save_stack.ptr + (s->at - sp);
	check_fill(at, s->sz, s->seed);
}

START_TEST(contents_stay)
{
	static const size_t hint[] = { 0, 1, 200, 20000 };
	aco_share_stack_t *sstk[MODEL_STACKS];
	aco_t *co[MODEL_COS];
	unsigned steps = 0;

	memset(shadows, 0, sizeof(shadows));
	for (size_t i = 0; i < MODEL_STACKS; i++)
		sstk[i] = t_stack(128 << 10);
	for (size_t i = 0; i < MODEL_COS; i++)
		co[i] = t_co2(sstk[i % MODEL_STACKS], lives, &shadows[i],
			      hint[i % T_LEN(hint)], 0);
	for (int i = 0; i < MODEL_STEPS; i++) {
		size_t next = t_random(&model_random) % MODEL_COS;

		aco_resume(co[next]);
		next = t_random(&model_random) % MODEL_COS;
		if (shadows[next].steps)
			check_at_rest(co[next], &shadows[next]);
	}
	for (size_t i = 0; i < MODEL_COS; i++)
		steps += shadows[i].steps;
	ck_assert_uint_eq(steps, MODEL_STEPS);
}
END_TEST

/* Whether all of the sz bytes are zero. */
static int are_zero(const char *p, size_t sz)
{
	while (sz > 0 && p[sz - 1] == 0)
		sz--;
	return sz == 0;
}

/* From the stack pointer to the top, but for zeros there, and nothing else. */
START_TEST(every_live_byte_is_copied)
{
	aco_t *co = t_co(t_sstk, lives, &shadows[0]);
	aco_t *other = t_co(t_sstk, yields_for_ever, NULL);

	for (int i = 0; i < 200; i++) {
		size_t sz, valid_sz;
		char *sp;
		char *copy;

		aco_resume(co);
		sp = co->reg[ACO_REG_IDX_SP];
		sz = (size_t)((char *)t_sstk->align_retptr - sp);
		copy = malloc(sz);
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, sp, sz);
		aco_resume(other);
		valid_sz = co->save_stack.valid_sz;
		ck_assert_uint_le(valid_sz, sz);
		ck_assert(are_zero(copy + valid_sz, sz - valid_sz));
		ck_assert(!memcmp(co->save_stack.ptr, copy, valid_sz));
		free(copy);
	}
}
END_TEST

/*
 * Words of zero at the top needn't be copied, but have to come back; and so has
 * one that is not zero, wherever it lies.  The highest frame holds saved registers
 * and zeros.  A function below it yields and never returns, so no compiler, at no
 * level, needs the highest frame again.
 */
__attribute__((__noinline__)) static void yields_below(volatile char *frame)
{
	for (;;) {
		t_opaque(frame);
		aco_yield();
	}
}

static void holds_idle_frame(void)
{
	volatile char idle[300] = { 0 };

	yields_below(idle);
}

/* Few enough bytes for the short way, but at -O0. */
static void holds_small_idle_frame(void)
{
	volatile char idle[5 * sizeof(uintptr_t)] = { 0 };

	yields_below(idle);
}

#define MAX_WORDS 12
static const struct {
	aco_cofuncp_t fp;
	int words;
} idle_frames[] = { { holds_idle_frame, MAX_WORDS },
		    { holds_small_idle_frame, 5 } };

START_TEST(zeros_at_the_top_come_back)
{
	int words = idle_frames[_i].words;
	size_t sz = (size_t)words * sizeof(uintptr_t);
	aco_t *co = t_co(t_sstk, idle_frames[_i].fp, NULL);
	aco_t *other = t_co(t_sstk, idle_frames[_i].fp, NULL);
	uintptr_t *top = (uintptr_t *)t_sstk->align_retptr - words;

	aco_resume(co);
	for (int i = 0; i <= words; i++) {
		uintptr_t want[MAX_WORDS] = { 0 };

		if (i < words)
			want[i] = (uintptr_t)1 << i;
		memcpy(top, want, sz);
		aco_resume(other);
		memset(top, 0xff, sz);
		aco_resume(co);
		ck_assert(!memcmp(top, want, sz));
	}
}
END_TEST

#if defined(ACO_SWITCH_H)
/* It saves all registers: a compiler saves fewer for a call that does not return. */
static void saves_registers(void)
{
	volatile char idle[300] = { 0 };
	volatile char *frame = idle;

	for (;;) {
		t_opaque(frame);
		aco_yield();
	}
}

/* The registers that a co's function saves first are zero, and not kept. */
START_TEST(zeros_at_the_top_are_not_kept)
{
	const size_t zeros = (sizeof(void *) == 8 ? 5 : 3) * sizeof(void *);
	aco_t *co = t_co(t_sstk, saves_registers, NULL);
	aco_t *other = t_co(t_sstk, saves_registers, NULL);
	size_t live;

	aco_resume(co);
	live = (size_t)((char *)t_sstk->align_retptr -
			(char *)co->reg[ACO_REG_IDX_SP]);
	if (co->state != ACO_SHARING_SUSPENDED_)
		return; /* Valgrind is watching */
	aco_resume(other);
	ck_assert_uint_eq(co->save_stack.valid_sz, live - zeros);
}
END_TEST
#endif

/* Every size at which the copying may change its way. */
static size_t small_frame;

static void holds_small_frame(void)
{
	for (;;) {
		size_t sz = small_frame;
		char mine[sz];
		uint32_t seed = (uint32_t)sz + 1;

		fill(mine, sz, seed);
		aco_yield();
		check_fill(mine, sz, seed);
	}
}

START_TEST(small_copies_of_every_size)
{
	aco_t *one = t_co(t_sstk, holds_small_frame, NULL);
	aco_t *two = t_co(t_sstk, holds_small_frame, NULL);

	for (small_frame = 1; small_frame < 600; small_frame++) {
		aco_resume(one);
		aco_resume(two);
	}
	check_statistics(one, 599, 598);
}
END_TEST

/* The bit of aco_t.flags by which copies go by moves of 32 bytes. */
#define FLAG_WIDE 128

/* The library copies in the way that suits the maker of the processor: both are
   right on each that can do both. */
static void copies_other_way(void)
{
	__builtin_cpu_init();
	t_flip_flags = __builtin_cpu_supports("avx") ? FLAG_WIDE : 0;
}

static void copies_this_way(void)
{
	t_flip_flags = 0;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("save-stack");
	TCase *tc = t_case(s, "statistics");

	tcase_add_test(tc, none_for_standalone_cos);
	tcase_add_test(tc, exact_for_two_in_turn);
	tcase_add_test(tc, none_when_the_owner_is_resumed_again);
	tcase_add_test(tc, none_for_the_dead_and_the_unborn);
	tcase_add_loop_test(tc, max_cpsz_is_what_was_copied, 0, FRAME_COUNT);
	tcase_add_test(tc, max_cpsz_never_goes_down);
	tcase_add_test(tc, max_cpsz_of_small_copies);

	tc = t_case(s, "memory");
	tcase_add_loop_test(tc, grows_from_every_hint, 0, T_LEN(hints));
	tcase_add_test(tc, nothing_before_the_first_copy);
	tcase_add_test(tc, shrinks_after_a_deep_call);
	tcase_add_loop_test(tc, share_stack_shrinks_after_a_very_deep_call, 0,
			    T_LEN(trimmed));
	tcase_add_test(tc, memory_of_the_caller_does_not_shrink);

	tc = t_case(s, "contents");
	tcase_add_test(tc, contents_stay);
	tcase_add_test(tc, small_copies_of_every_size);

	tc = t_case(s, "contents, other copies");
	tcase_add_checked_fixture(tc, copies_other_way, copies_this_way);
	tcase_add_test(tc, contents_stay);
	tcase_add_test(tc, small_copies_of_every_size);

	tc = t_case(s, "bytes");
	tcase_set_tags(tc, T_UNINITIALISED);
	tcase_add_test(tc, every_live_byte_is_copied);
	tcase_add_loop_test(tc, zeros_at_the_top_come_back, 0,
			    T_LEN(idle_frames));
#if defined(ACO_SWITCH_H)
	tcase_add_test(tc, zeros_at_the_top_are_not_kept);
#endif
	return s;
}
