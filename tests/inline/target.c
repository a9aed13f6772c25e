/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.c - functions compiled for more than their file
 *
 * In a file compiled without AVX-512, a function with a target attribute may
 * keep values in zmm16-31 and k0-7.  gcc can't be told of those in this file,
 * so there the switch has to be a call that the compiler sees: through a
 * function pointer, or in a file with ACO_NO_INLINE.  clang is told always, and
 * also the inline path is right.
 *
 * TARGET_DIRECT makes gcc use the inline path nevertheless; that loses values,
 * and traps.sh checks that it does: this test sees what it is meant to see.
 * With clang it fails without "xmm16" ... in ACO_CLOBBER_XMM_16_31_.
 */
#include <aco.h>

#if defined(__AVX512F__)
#error "to be compiled without -mavx512f"
#endif

#define FOR_AVX512 __attribute__((__target__("avx512f"), __noinline__))

/* 64-byte vectors must not cross function boundaries in a file without them. */
typedef uint32_t vector __attribute__((__vector_size__(64)));

/* clang-format off */
#define MANY(_)                                                       \
	_(0) _(1) _(2) _(3) _(4) _(5) _(6) _(7) _(8) _(9) _(10) _(11) \
	_(12) _(13) _(14) _(15) _(16) _(17) _(18) _(19) _(20) _(21)   \
	_(22) _(23) _(24) _(25) _(26) _(27)
/* clang-format on */

#define LOAD(i) vector v##i = *(const vector *)in[i];
#define ROTATE(i) v##i += *(const vector *)in[31 - i];
#define STORE(i) *(vector *)out[i] = v##i;

typedef uint32_t lanes[16] __attribute__((__aligned__(64)));

/*
 * out[i] is in[i] + in[31 - i], and between load and store everything is live
 * while sw(arg) runs.
 */
#define DEFINE(name, sw)                                         \
	FOR_AVX512 static void name(const lanes *in, lanes *out) \
	{                                                        \
		MANY(LOAD)                                       \
		MANY(ROTATE)                                     \
		sw;                                              \
		MANY(STORE)                                      \
	}

/* volatile: the compiler does not know where they lead, so they are calls. */
static void (*volatile resume_ptr)(aco_t *) = aco_resume;
static void (*volatile yield_ptr)(void) = aco_yield;

DEFINE(over_resume_call, resume_ptr((aco_t *)aco_gtls_co->arg))
DEFINE(over_yield_call, yield_ptr())
#if defined(TARGET_DIRECT) || defined(__clang__)
DEFINE(over_resume, aco_resume((aco_t *)aco_gtls_co->arg))
DEFINE(over_yield, aco_yield())
#endif

static void fail(const char *what)
{
	fprintf(stderr, "target: values are lost over %s\n", what);
	exit(1);
}

static void check(void (*fn)(const lanes *, lanes *), uint32_t seed,
		  const char *what)
{
	static const int used = 28;
	lanes in[32];
	lanes out[32];
	int i, j;

	for (i = 0; i < 32; i++)
		for (j = 0; j < 16; j++)
			in[i][j] = seed * 2654435761u + (uint32_t)(i * 37 + j);
	fn((const lanes *)in, out);
	for (i = 0; i < used; i++)
		for (j = 0; j < 16; j++)
			if (out[i][j] != in[i][j] + in[31 - i][j])
				fail(what);
}

static int stop;

static void player(void)
{
	uint32_t seed = 1000;

	while (!stop) {
		check(over_yield_call, seed++, "a yield by pointer");
#if defined(TARGET_DIRECT) || defined(__clang__)
		check(over_yield, seed++, "an inline yield");
#endif
	}
	aco_exit();
}

int main(void)
{
	aco_share_stack_t *stack;
	aco_t *main_co, *co;
	uint32_t i;

	if (!__builtin_cpu_supports("avx512f"))
		return 77;
	aco_thread_init(NULL);
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	stack = aco_share_stack_new(0);
	co = aco_create(main_co, stack, 0, player, NULL);
	aco_resume(co);
	main_co->arg = co;
	for (i = 0; i < 1000; i++) {
		check(over_resume_call, i, "a resume by pointer");
#if defined(TARGET_DIRECT) || defined(__clang__)
		check(over_resume, i, "an inline resume");
#endif
	}
	stop = 1;
	while (!co->is_end)
		aco_resume(co);
	aco_destroy(co);
	aco_share_stack_destroy(stack);
	aco_destroy(main_co);
	return 0;
}
