/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-signals.c - signals at any moment, handlers on the stacks of cos
 *
 * The stack pointer is always valid and below everything live, so a handler
 * may run anywhere: a storm of them, while cos switch and are copied, changes
 * nothing.
 */
#define _GNU_SOURCE 1 /* REG_RSP */

#include "testutil.h"

#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

#define COS 12
#define STORM_SIGNALS 3000

static volatile sig_atomic_t signals;
static volatile sig_atomic_t on_share_stack;
static aco_share_stack_t *stacks[3];

static int is_on(const aco_share_stack_t *sstk, const char *p)
{
	const char *low = sstk->ptr;

	return p >= low && p < low + sstk->sz;
}

/* Writes much where it runs: whatever is live below sp would not survive. */
static void handler(int sig)
{
	volatile char mine[2000];
	const char *at = (const char *)(uintptr_t)mine;

	(void)sig;
	for (size_t i = 0; i < sizeof(mine); i++)
		mine[i] = 0x5a;
	signals++;
	for (size_t i = 0; i < T_LEN(stacks); i++)
		if (stacks[i] && is_on(stacks[i], at))
			on_share_stack++;
}

static void start_storm(void)
{
	const struct itimerval often = { { 0, 50 }, { 0, 50 } };
	struct sigaction sa = { .sa_handler = handler };

	sa.sa_flags = SA_RESTART;
	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void stop_storm(void)
{
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = SIG_IGN };

	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &sa, NULL);
}

static void fill(char *p, size_t sz, uint32_t seed)
{
	for (size_t i = 0; i < sz; i++)
		p[i] = (char)t_random(&seed);
}

static void check_fill(const char *p, size_t sz, uint32_t seed)
{
	for (size_t i = 0; i < sz; i++)
		if (p[i] != (char)t_random(&seed)) {
			stop_storm();
			ck_abort_msg("byte %zu of %zu has changed", i, sz);
		}
}

static void holds_bytes(void)
{
	unsigned long *steps = aco_get_arg();
	uint32_t seed = (uint32_t)(uintptr_t)steps | 1;

	for (;;) {
		size_t sz = 1 + t_random(&seed) % 300;
		uint32_t now = seed;
		char mine[sz];

		fill(mine, sz, now);
		aco_yield();
		check_fill(mine, sz, now);
		++*steps;
	}
}

struct nest {
	aco_t *co;
	unsigned long steps;
};

static void resumes_another(void)
{
	struct nest *nest = aco_get_arg();

	for (;;) {
		aco_resume(nest->co);
		nest->steps++;
		aco_yield();
	}
}

static void make_stacks(void)
{
	for (size_t i = 0; i < T_LEN(stacks); i++)
		stacks[i] = t_stack(T_STACK_SIZE);
}

/* As long as the storm lasts; what it is made of must not depend on time. */
static unsigned long run_through_storm(aco_t **co, size_t count)
{
	unsigned long rounds = 0;

	start_storm();
	while (signals < STORM_SIGNALS) {
		for (size_t i = 0; i < count; i++)
			aco_resume(co[i]);
		rounds++;
	}
	stop_storm();
	return rounds;
}

static void check_storm(int standalone)
{
	unsigned long steps[COS] = { 0 };
	aco_t *co[COS];
	size_t count = standalone ? 2 : COS;
	unsigned long rounds;

	make_stacks();
	for (size_t i = 0; i < count; i++)
		co[i] = t_co(stacks[standalone ? i : i % 2], holds_bytes,
			     &steps[i]);
	rounds = run_through_storm(co, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(steps[i], rounds - 1);
	/* else this would have tested nothing */
	ck_assert_int_gt(on_share_stack, 0);
}

START_TEST(storm_over_sharing_cos)
{
	check_storm(0);
}
END_TEST

START_TEST(storm_over_standalone_cos)
{
	check_storm(1);
}
END_TEST

START_TEST(storm_over_nested_cos)
{
	unsigned long steps[2] = { 0, 0 };
	struct nest one = { NULL, 0 };
	struct nest two = { NULL, 0 };
	unsigned long rounds;
	aco_t *co[3];

	make_stacks();
	one.co = t_co(stacks[0], holds_bytes, &steps[0]);
	two.co = t_co(stacks[1], resumes_another, &one);
	co[0] = t_co(stacks[2], resumes_another, &two);
	co[1] = t_co(stacks[0], holds_bytes, &steps[1]);
	co[2] = one.co;
	rounds = run_through_storm(co, 3);
	ck_assert_uint_eq(two.steps, rounds);
	ck_assert_uint_eq(one.steps, rounds);
	ck_assert_uint_eq(steps[0], 2 * rounds - 1);
	ck_assert_uint_eq(steps[1], rounds - 1);
}
END_TEST

/* ------------------------------------------------ one in another's place -- */

struct relay {
	aco_t *next; /* whom it yields to; NULL: the last */
	unsigned long steps;
};

static void holds_bytes_and_passes_on(void)
{
	struct relay *relay = aco_get_arg();
	uint32_t seed = (uint32_t)(uintptr_t)relay | 1;

	for (;;) {
		size_t sz = 1 + t_random(&seed) % 300;
		uint32_t now = seed;
		char mine[sz];

		fill(mine, sz, now);
		if (relay->next)
			aco_yield_to(relay->next);
		else
			aco_yield();
		check_fill(mine, sz, now);
		relay->steps++;
	}
}

/* The first one is to be resumed; count in turn on so many stacks. */
static void make_relays(struct relay *relays, aco_t **co, size_t count,
			size_t on)
{
	for (size_t i = 0; i < count; i++)
		co[i] = t_co2(stacks[i % on], holds_bytes_and_passes_on,
			      &relays[i], 0, i % 3 ? ACO_SHARE_FPENV : 0);
	for (size_t i = 0; i + 1 < count; i++)
		relays[i].next = co[i + 1];
}

START_TEST(storm_over_yield_to)
{
	struct relay relays[COS] = { { NULL, 0 } };
	unsigned long rounds;
	aco_t *co[COS];

	make_stacks();
	make_relays(relays, co, COS, (size_t)_i);
	rounds = run_through_storm(co, 1);
	for (size_t i = 0; i < COS; i++)
		ck_assert_uint_eq(relays[i].steps, rounds - 1);
	ck_assert_int_gt(on_share_stack, 0);
}
END_TEST

/* ----------------------------------------------- a handler that uses cos -- */

static aco_t *handlers_co;
static unsigned long handlers_steps;

static void resume_in_handler(int sig)
{
	(void)sig;
	aco_resume(handlers_co);
}

static void raises(void)
{
	for (;;) {
		raise(SIGUSR1);
		++*(unsigned long *)aco_get_arg();
		aco_yield();
	}
}

/* A synchronous signal: the handler is a function that its co calls. */
START_TEST(handler_on_a_cos_stack_resumes)
{
	struct sigaction sa = { .sa_handler = resume_in_handler };
	unsigned long steps = 0;
	aco_t *co = t_co(t_sstk, raises, &steps);

	handlers_co = t_co(t_stack(T_STACK_SIZE), holds_bytes, &handlers_steps);
	ck_assert_int_eq(sigaction(SIGUSR1, &sa, NULL), 0);
	for (int i = 0; i < 100; i++)
		aco_resume(co);
	ck_assert_uint_eq(steps, 100);
	ck_assert_uint_eq(handlers_steps, 99);
}
END_TEST

/* ---------------------------------------------------- one at a time, all -- */

/*
 * The trap flag raises SIGTRAP after each instruction.  The handler has a stack
 * of its own, looks at the stack pointer, and overwrites what any other handler
 * might have, which is a sharper test than a storm: the kernel aligns what it
 * pushes, and leaves gaps.
 */
#define MAIN_SIZE ((uintptr_t)128 << 10)

static unsigned long instructions;
static unsigned long wrong_sp;
static uintptr_t main_low; /* of what counts as the main stack */
static aco_t *asked;	   /* whose state is asked for each time, or NULL */
static unsigned states;	   /* a bit for each answer */

#if defined(__x86_64__)
#define SP_OF(uc) ((char *)(uc)->uc_mcontext.gregs[REG_RSP])
#define RED_ZONE 128
#define CHANGE_FLAGS(how)                                 \
	__asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"    \
			 "pushfq\n\t" how ", (%%rsp)\n\t" \
			 "popfq\n\t"                      \
			 "leaq 128(%%rsp), %%rsp"         \
			 :                                \
			 :                                \
			 : "memory", "cc")
#define TRAP_ON() CHANGE_FLAGS("orq $0x100")
#define TRAP_OFF() CHANGE_FLAGS("andq $~0x100")
#else
#define SP_OF(uc) ((char *)(uc)->uc_mcontext.gregs[REG_ESP])
#define RED_ZONE 0
#define CHANGE_FLAGS(how)                                      \
	__asm__ volatile("pushfl\n\t" how ", (%%esp)\n\tpopfl" \
			 :                                     \
			 :                                     \
			 : "memory", "cc")
#define TRAP_ON() CHANGE_FLAGS("orl $0x100")
#define TRAP_OFF() CHANGE_FLAGS("andl $~0x100")
#endif

static void on_trap(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	char *sp = SP_OF(uc);
	int valid = (uintptr_t)sp - main_low < MAIN_SIZE; /* may wrap */

	(void)sig;
	(void)info;
	instructions++;
	for (size_t i = 0; i < T_LEN(stacks); i++)
		valid |= is_on(stacks[i], sp);
	wrong_sp += !valid;
	if (valid)
		memset(sp - RED_ZONE - 256, 0x5a, 256);
	if (asked)
		states |= 1u << aco_state(asked);
}

static char trap_stack[65536];

static void catch_traps(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap };
	stack_t ss = { .ss_sp = trap_stack, .ss_size = sizeof(trap_stack) };

	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	ck_assert_int_eq(sigaltstack(&ss, NULL), 0);
	ck_assert_int_eq(sigaction(SIGTRAP, &sa, NULL), 0);
}

static void single_step(aco_t **co, size_t count)
{
	TRAP_ON();
	for (int k = 0; k < 6; k++)
		for (size_t i = 0; i < count; i++)
			if (!co[i]->is_end)
				aco_resume(co[i]);
	TRAP_OFF();
}

START_TEST(every_instruction_interrupted)
{
	unsigned long steps[4] = { 0 };
	struct nest nest = { NULL, 0 };
	aco_t *co[5];

	make_stacks();
	for (size_t i = 0; i < 4; i++)
		co[i] = t_co(stacks[i % 2], holds_bytes, &steps[i]);
	nest.co = co[0];
	co[4] = t_co(stacks[2], resumes_another, &nest);
	main_low = (uintptr_t)__builtin_frame_address(0) - MAIN_SIZE / 2;
	catch_traps();
	single_step(co, 5);
	ck_assert_uint_eq(steps[0], 11);
	ck_assert_uint_eq(steps[1], 5);
	ck_assert_uint_eq(nest.steps, 6);
	ck_assert_uint_gt(instructions, 1000);
	ck_assert_uint_eq(wrong_sp, 0);
}
END_TEST

START_TEST(every_instruction_of_yield_to_interrupted)
{
	struct relay relays[4] = { { NULL, 0 } };
	aco_t *co[4];

	make_stacks();
	make_relays(relays, co, 4, (size_t)_i);
	main_low = (uintptr_t)__builtin_frame_address(0) - MAIN_SIZE / 2;
	catch_traps();
	single_step(co, 1);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(relays[i].steps, 5);
	ck_assert_uint_gt(instructions, 1000);
	ck_assert_uint_eq(wrong_sp, 0);
}
END_TEST

static void exits(void)
{
	aco_exit();
}

static void exits_with_a_value(void)
{
	aco_exit_value(&states);
}

static void returns(void)
{
}

static void resumes_its_arg(void)
{
	aco_resume(aco_get_arg());
	aco_yield();
	aco_exit();
}

/* A handler may ask for states, which leads along the chain of resumers, while
   a co of the chain ends. */
START_TEST(every_instruction_of_an_exit_interrupted)
{
	static const aco_cofuncp_t ends[] = { exits, exits_with_a_value,
					      returns };
	aco_t *inner;

	make_stacks();
	inner = aco_create2(t_main, stacks[0], 0, ends[_i], NULL,
			    ACO_RETURN_EXITS);
	asked = t_co(stacks[2], resumes_its_arg, inner);
	main_low = (uintptr_t)__builtin_frame_address(0) - MAIN_SIZE / 2;
	catch_traps();
	single_step(&asked, 1);
	ck_assert_uint_gt(instructions, 100);
	ck_assert_uint_eq(wrong_sp, 0);
	ck_assert_uint_eq(states, 1u << ACO_STATE_INIT |
					  1u << ACO_STATE_RUNNING |
					  1u << ACO_STATE_RESUMING |
					  1u << ACO_STATE_SUSPENDED |
					  1u << ACO_STATE_END);
	aco_destroy(inner);
}
END_TEST

void t_reset(void)
{
	asked = NULL;
	states = 0;
	signals = 0;
	on_share_stack = 0;
	handlers_steps = 0;
	instructions = 0;
	wrong_sp = 0;
	memset(stacks, 0, sizeof(stacks));
}

Suite *t_suite(void)
{
	Suite *s = suite_create("signals");
	TCase *tc = t_case(s, "signals");

	tcase_add_test(tc, storm_over_sharing_cos);
	tcase_add_test(tc, storm_over_standalone_cos);
	tcase_add_test(tc, storm_over_nested_cos);
	tcase_add_loop_test(tc, storm_over_yield_to, 1, 4);
	tcase_add_test(tc, handler_on_a_cos_stack_resumes);

	tc = t_case(s, "steps");
	tcase_set_tags(tc, T_STEPS);
	tcase_add_test(tc, every_instruction_interrupted);
	tcase_add_loop_test(tc, every_instruction_of_yield_to_interrupted, 1,
			    4);
	tcase_add_loop_test(tc, every_instruction_of_an_exit_interrupted, 0, 3);
	return s;
}
