/* SPDX-License-Identifier: Apache-2.0 */
/*
 * survive.c - nothing that a compiler keeps across a switch is lost
 *
 * One program for all compilers and options, C99 to C++26; matrix.sh builds and
 * runs it.  The main context and cos of every kind run the functions of
 * survive-bodies.h, in an order and with values that a seed gives.
 *
 *	main --+-- standalone, own control words
 *	       +-- standalone, control words shared
 *	       +-- two cos that share a stack
 *	       +-- standalone --+-- standalone
 *	       +-- sharing    --+-- standalone, control words shared
 *
 * Environment: ACO_TEST_ROUNDS, ACO_TEST_SEED.
 * Ends with 0, or with a message and 1; 77 when the processor lacks what the
 * program was compiled for.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sigaction and setitimer under -std=c99 */
#endif
#include <aco.h>

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/time.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

/* Frames of a size that is not known are a case of their own in C++, too. */
#if defined(__cplusplus)
#pragma GCC diagnostic ignored "-Wvla"
#endif

#define NOINLINE __attribute__((__noinline__))
#define COUNT_OF(a) (sizeof(a) / sizeof(*(a)))

/* As in the library; programs compiled without the inline path lack them. */
#define FAST_SUSPENDED 1
#define FAST_RUNNING 6
#if defined(ACO_SWITCH_H) && (ACO_FAST_SUSPENDED_ != FAST_SUSPENDED || \
			      ACO_FAST_RUNNING_ != FAST_RUNNING)
#error "the state values have changed"
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAVE_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAVE_SANITIZER 1
#endif
#endif

static unsigned long switches;

__attribute__((__cold__, __noreturn__)) NOINLINE static void
fail(const char *what, const char *function, int line)
{
	fprintf(stderr, "survive: line %d: %s: failed: %s\n", line, function,
		what);
	exit(1);
}

#define CHECK(cond)                                      \
	do {                                             \
		if (!(cond))                             \
			fail(#cond, __func__, __LINE__); \
	} while (0)

/* A value that the compiler does not know and can't compute again. */
#define KEEP(type, name, value)                \
	type name;                             \
	do {                                   \
		volatile type cell_ = (value); \
		name = cell_;                  \
	} while (0)

/* The memory behind ptr may be read and written here. */
static inline void hide(void *ptr)
{
	__asm__ __volatile__("" : "+r"(ptr) : : "memory");
}

/* ---------------------------------------------------------------- values -- */

static uint32_t scramble(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

static NOINLINE unsigned long mix(unsigned seed, size_t i)
{
	return scramble(seed ^ scramble((uint32_t)i + 0x9e3779b9u));
}

static NOINLINE uint64_t mix64(unsigned seed, size_t i)
{
	return (uint64_t)mix(seed, i) << 32 | mix(seed, i + 1000);
}

static double as_double(unsigned long v)
{
	return (double)v * 0.25;
}

/* More bits than a double has. */
static long double as_long_double(unsigned long v)
{
	return (long double)v * 4294967296.0L * 0.5L + (long double)(v | 1);
}

static unsigned long loop_sum_expected(unsigned seed, unsigned n)
{
	unsigned long a = mix(seed, 0);
	unsigned long b = mix(seed, 1);
	unsigned long c = mix(seed, 2);
	unsigned long d = mix(seed, 3);
	unsigned long e = mix(seed, 4);
	unsigned i;

	for (i = 0; i < n; i++) {
		a += b ^ i;
		b = c - a;
		c ^= d + i;
		d += e;
		e = (e << 3) ^ a;
	}
	return a ^ b ^ c ^ d ^ e;
}

static void fill(void *ptr, size_t n, unsigned seed)
{
	unsigned char *p = (unsigned char *)ptr;
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (unsigned char)(scramble(seed) >> (i & 15)) ^
		       (unsigned char)i;
}

static int is_filled(const void *ptr, size_t n, unsigned seed)
{
	const unsigned char *p = (const unsigned char *)ptr;
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] != (unsigned char)((unsigned char)(scramble(seed) >>
							    (i & 15)) ^
					    (unsigned char)i))
			return 0;
	return 1;
}

struct aligned {
	unsigned long word[8];
} __attribute__((__aligned__(64)));

static int is_aligned(const void *ptr)
{
	return ((uintptr_t)ptr & 63) == 0;
}

struct big {
	unsigned char bytes[120];
};
struct small {
	int a, b;
};
struct pair {
	double a, b;
};

/* clang warns of vectors that the target has no registers for. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#elif defined(__SSE2__)
#define VECTOR_BYTES 16
#endif

#if defined(VECTOR_BYTES)
typedef uint32_t vector __attribute__((__vector_size__(VECTOR_BYTES)));
#define LANES (VECTOR_BYTES / 4)

static inline vector as_vector(unsigned long v)
{
	vector r;
	unsigned i;

	for (i = 0; i < LANES; i++)
		r[i] = (uint32_t)v * (i + 1);
	return r;
}

/* v and w after v += w, w ^= v. */
static inline int is_vector_pair(vector v, vector w, unsigned long from_v,
				 unsigned long from_w)
{
	unsigned i;

	for (i = 0; i < LANES; i++) {
		uint32_t b = (uint32_t)from_w * (i + 1);
		uint32_t a = (uint32_t)from_v * (i + 1) + b;

		if (v[i] != a || w[i] != (b ^ a))
			return 0;
	}
	return 1;
}
#endif

#if defined(__AVX512F__)
static inline void in_mask_register(__mmask16 *mask)
{
	__asm__ __volatile__("" : "+k"(*mask));
}

static NOINLINE int is_min_max(vector min, vector max, unsigned long x,
			       unsigned long y)
{
	unsigned i;

	for (i = 0; i < LANES; i++) {
		uint32_t a = (uint32_t)x * (i + 1);
		uint32_t b = (uint32_t)y * (i + 1);

		if (min[i] != (a < b ? a : b) || max[i] != (a < b ? b : a))
			return 0;
	}
	return 1;
}
#endif

__attribute__((__noreturn__)) NOINLINE static void jump(jmp_buf env, int value)
{
	longjmp(env, value);
}

#if defined(__cplusplus)
struct failure {
	explicit failure(unsigned s) : seed(s) {}
	unsigned seed;
};
#endif

/* --------------------------------------------------------- control words -- */

struct fpenv {
	unsigned mxcsr;
	unsigned short fpucw;
};

static struct fpenv get_fpenv(void)
{
	struct fpenv e = { 0, 0 };

	__asm__ __volatile__("fnstcw %0" : "=m"(e.fpucw));
#if defined(__SSE__)
	__asm__ __volatile__("stmxcsr %0" : "=m"(e.mxcsr));
#endif
	return e;
}

static void set_fpenv(struct fpenv e)
{
	__asm__ __volatile__("fldcw %0" : : "m"(e.fpucw));
#if defined(__SSE__)
	__asm__ __volatile__("ldmxcsr %0" : : "m"(e.mxcsr));
#endif
}

static void set_rounding(unsigned rounding)
{
	struct fpenv e = get_fpenv();

	e.fpucw = (unsigned short)((e.fpucw & ~0xc00u) | rounding << 10);
	e.mxcsr = (e.mxcsr & ~0x6000u) | rounding << 13;
	set_fpenv(e);
}

static int has_rounding(unsigned rounding)
{
	struct fpenv e = get_fpenv();

#if defined(__SSE__)
	if ((e.mxcsr >> 13 & 3) != rounding)
		return 0;
#endif
	return (e.fpucw >> 10 & 3) == rounding;
}

/* ------------------------------------------------------- both directions -- */

/* aco_gtls_co and not aco_get_co(): a call would spoil the leaf functions. */
#define SWITCH() aco_resume((aco_t *)aco_gtls_co->arg)
#define BODY(name) resume_##name
#include "survive-bodies.h"

#define SWITCH() aco_yield()
#define BODY(name) yield_##name
#include "survive-bodies.h"

/* ----------------------------------------------------------- the players -- */

static int stop;

/* arg: NULL, or the co that this one resumes. */
static void player(void)
{
	aco_t *co = aco_gtls_co;
	aco_t *inner = (aco_t *)co->arg;
	unsigned seed = (unsigned)((uintptr_t)co >> 4);

	while (!stop) {
		seed = (unsigned)mix(seed, 7);
		CHECK(aco_gtls_co == co);
		if (inner && (seed & 2))
			resume_run(seed);
		else
			yield_run(seed);
		switches++;
	}
	while (inner && !inner->is_end)
		aco_resume(inner);
	aco_exit();
}

enum { PLAYERS = 8, FROM_MAIN = 6 };

struct world {
	aco_t *main_co;
	aco_t *co[PLAYERS]; /* main resumes the first FROM_MAIN */
	aco_share_stack_t *stack[PLAYERS];
};

static aco_t *add(struct world *w, int i, int stack, unsigned flags, aco_t *arg)
{
	if (!w->stack[stack])
		w->stack[stack] = aco_share_stack_new(0);
	CHECK(w->stack[stack] != NULL);
	w->co[i] = aco_create2(w->main_co, w->stack[stack], 0, player, arg,
			       flags);
	CHECK(w->co[i] != NULL);
	return w->co[i];
}

static void create(struct world *w)
{
	aco_t *inner;

	memset(w, 0, sizeof(*w));
	w->main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	CHECK(w->main_co != NULL);
	add(w, 0, 0, 0, NULL);
	add(w, 1, 1, ACO_SHARE_FPENV, NULL);
	add(w, 2, 2, 0, NULL);
	add(w, 3, 2, 0, NULL);
	inner = add(w, 6, 3, 0, NULL);
	add(w, 4, 4, 0, inner);
	inner = add(w, 7, 5, ACO_SHARE_FPENV, NULL);
	add(w, 5, 2, 0, inner);
}

static void destroy(struct world *w)
{
	int i;

	for (i = 0; i < PLAYERS; i++)
		aco_destroy(w->co[i]);
	for (i = 0; i < PLAYERS; i++)
		if (w->stack[i])
			aco_share_stack_destroy(w->stack[i]);
	aco_destroy(w->main_co);
}

static unsigned from_env(const char *name, unsigned otherwise)
{
	const char *s = getenv(name);

	return s ? (unsigned)strtoul(s, NULL, 0) : otherwise;
}

static void play(struct world *w, unsigned rounds, unsigned seed)
{
	unsigned i;

	/* from here on aco_gtls_co is the main co, whose arg SWITCH() reads */
	aco_resume(w->co[0]);
	CHECK(aco_get_co() == w->main_co);
	for (i = 0; i < rounds; i++) {
		seed = (unsigned)mix(seed, i);
		w->main_co->arg = w->co[seed % FROM_MAIN];
		resume_run(seed);
		switches++;
	}
	stop = 1;
	for (i = 0; i < FROM_MAIN; i++)
		while (!w->co[i]->is_end)
			aco_resume(w->co[i]);
}

/* ------------------------------------------------------------- witnesses -- */

/* In this program and not in a library: linker symbols around its text. */
extern char __executable_start[];
extern char etext[];

static int is_in_program(const void *address)
{
	uintptr_t a = (uintptr_t)address;

	return a >= (uintptr_t)__executable_start && a < (uintptr_t)etext;
}

/* dlsym() does not find it in a static program. */
#if defined(__cplusplus)
#define C_SYMBOL extern "C"
#else
#define C_SYMBOL extern
#endif
C_SYMBOL __attribute__((__weak__)) void *__cxa_get_globals(void);

/* Not in a process with a sanitizer, Valgrind or libstdc++. */
static int is_fast_expected(void)
{
#if defined(HAVE_SANITIZER)
	return 0;
#else
	const char *preload = getenv("LD_PRELOAD");

	/* the function: glibc 2.43 has a macro, too, which is C11 */
	if (preload && (strstr)(preload, "vgpreload"))
		return 0;
	return !__cxa_get_globals &&
	       dlsym(RTLD_DEFAULT, "__cxa_get_globals") == NULL;
#endif
}

static void witness_player(void)
{
	int *state = (int *)aco_get_arg();

	aco_yield();
	aco_yield();
	*state = aco_gtls_co->state;
	aco_exit();
}

/*
 * That the path meant is the path taken: a co alone on its stack is fast in a
 * C program and never in a C++ one (fails when the library does not look for
 * libstdc++), and the inline path leaves an address of this program in reg.
 */
static void check_witness(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *stack = aco_share_stack_new(0);
	int running = -1;
	aco_t *co = aco_create(main_co, stack, 0, witness_player, &running);

#if defined(__cplusplus)
	/* a static program has the runtime only if it needs that */
	try {
		throw 1;
	} catch (int) {
		CHECK(!is_fast_expected());
	}
#endif
	aco_resume(co); /* the first one is never fast, the yield may be */
	CHECK((co->state == FAST_SUSPENDED) == is_fast_expected());
	aco_resume(co);
#if defined(ACO_SWITCH_H)
	if (is_fast_expected())
		CHECK(is_in_program(co->reg[ACO_REG_IDX_RETADDR]));
#elif !defined(ACO_TEST_STATIC)
	CHECK(!is_in_program(co->reg[ACO_REG_IDX_RETADDR]));
#endif
	(void)is_in_program;
	aco_resume(co);
	CHECK(co->is_end);
	CHECK((running == FAST_RUNNING) == is_fast_expected());
	aco_destroy(co);
	aco_share_stack_destroy(stack);
	aco_destroy(main_co);
}

/* --------------------------------------------------------------- signals -- */

static volatile sig_atomic_t signals;

/* Writes over what is not protected below the stack pointer. */
static void on_alarm(int sig)
{
	volatile unsigned char rubbish[512];
	unsigned i;

	(void)sig;
	for (i = 0; i < sizeof(rubbish); i++)
		rubbish[i] = 0xa5;
	signals = signals + 1;
}

static void storm(long usec)
{
	struct sigaction sa;
	struct itimerval it;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_alarm;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	it.it_interval.tv_sec = 0;
	it.it_interval.tv_usec = (suseconds_t)usec;
	it.it_value = it.it_interval;
	setitimer(ITIMER_REAL, &it, NULL);
}

static int processor_lacks(void)
{
#if defined(__AVX512F__)
	return !__builtin_cpu_supports("avx512f");
#elif defined(__AVX__)
	return !__builtin_cpu_supports("avx");
#else
	return 0;
#endif
}

int main(void)
{
	struct world w;

	if (processor_lacks())
		return 77;
	aco_thread_init(NULL);
	check_witness();
	storm(300);
	create(&w);
	play(&w, from_env("ACO_TEST_ROUNDS", 3000),
	     from_env("ACO_TEST_SEED", 1));
	destroy(&w);
	storm(0);
	printf("survive: %lu rounds, %ld signals\n", switches, (long)signals);
	return 0;
}
