/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redzone.c - live bytes below the stack pointer, and losing a stack for
 * oneself
 *
 * On amd64 a function that calls nothing may keep data in the 128 bytes below
 * its stack pointer.  The inline path has two cures, and each has a test here:
 *
 *   below_sp        Nothing live lies below reg[SP]: the slow-path call is
 *                   never a tail call, so no function that switches is a leaf.
 *                   Fails (gcc -O2 -mtune=k8) without the empty asm after
 *                   aco_resume_function_() and aco_yield_function_() in
 *                   aco/switch.h.
 *   demote_*, edge  A co that was suspended inline and then loses its stack
 *                   takes the 128 bytes along.  Fails without
 *                   ACO_SUSPENDED_INLINE in red_zone(), edge without the clamp.
 *
 * and, on both architectures, of add_user() and aco_demote():
 *
 *   demote_*        A second user comes when the first was never started, is
 *                   suspended, runs, or has resumed another.  Each fails
 *                   without its case in aco_demote(), or without the call of
 *                   it.
 *   reuse           The stack of a co that was destroyed forgets it.  Fails
 *                   without the bookkeeping in remove_user(); so do the others,
 *                   which expect to be fast again when alone again.
 */
#include <aco.h>

#include <stddef.h>

#include "probe.h"

#define NOINLINE __attribute__((__noinline__))

/* As in the library; see survive.c. */
enum { FAST_SUSPENDED = 1, FAST_RUNNING = 6 };

static const char *test;
static aco_t *main_co;

#define CHECK(cond)                                              \
	do {                                                     \
		if (!(cond)) {                                   \
			fprintf(stderr,                          \
				"redzone: %s: line %d: failed: " \
				"%s\n",                          \
				test, __LINE__, #cond);          \
			exit(1);                                 \
		}                                                \
	} while (0)

static void *must(void *ptr)
{
	CHECK(ptr != NULL);
	return ptr;
}

/* Control words are shared, so that switch_by_hand() needn't care. */
static aco_t *co_on(aco_share_stack_t *stack, aco_cofuncp_t fp, void *arg)
{
	return (aco_t *)must(
		aco_create2(main_co, stack, 0, fp, arg, ACO_SHARE_FPENV));
}

static aco_share_stack_t *stack_new(size_t sz)
{
	return (aco_share_stack_t *)must(aco_share_stack_new(sz));
}

/* Writes all over its stack, and stays until it is resumed again. */
static void scribbler(void)
{
	for (;;) {
		volatile unsigned char rubbish[2048];
		size_t i;

		for (i = 0; i < sizeof(rubbish); i++)
			rubbish[i] = 0x5a;
		aco_yield();
	}
}

/* ------------------------------------------------------- by the compiler -- */

/*
 * The shapes that compilers make leaf functions of.  What they save of the
 * registers, with moves and not pushes, belongs to the caller.
 */
static NOINLINE void leaf_bare(void *unused)
{
	(void)unused;
	aco_yield();
}

static NOINLINE void leaf_resume(void *co)
{
	aco_resume((aco_t *)co);
}

static volatile unsigned long sink;

static NOINLINE void leaf_array(void *arg)
{
	volatile unsigned long words[10];
	unsigned long sum = 0;
	unsigned i;

	for (i = 0; i < 10; i++)
		words[i] = (unsigned long)arg + i;
	aco_yield();
	for (i = 0; i < 10; i++)
		sum += words[i];
	sink = sum - 10 * (unsigned long)arg;
}

static NOINLINE void leaf_loop(void *arg)
{
	volatile unsigned long left = (unsigned long)arg;

	while (left--)
		aco_yield();
}

static const unsigned long values[8] = { 0xdead, 0xbeef, 0xf00d, 0xcafe,
					 0x1234, 0x5678, 0x9abc, 0xdef0 };

/* Yields 1 + 1 + 3 = 5 times, then for ever. */
static void leaf_player(void)
{
	for (;;) {
		CHECK(probe(leaf_bare, NULL, values) == 0);
		CHECK(probe(leaf_array, (void *)7ul, values) == 0);
		CHECK(sink == 45);
		CHECK(probe(leaf_loop, (void *)3ul, values) == 0);
	}
}

/* No call of the library looks there, but code that walks or copies stacks
   may. */
static void overwrite_below(aco_t *co)
{
	char *sp = (char *)co->reg[ACO_REG_IDX_SP];

	memset(sp - 128, 0xa5, 128);
}

static void below_sp(void)
{
	aco_share_stack_t *stack = stack_new(0);
	aco_t *co = co_on(stack, leaf_player, NULL);
	int i;

	for (i = 0; i < 40; i++) {
		aco_resume(co);
		overwrite_below(co);
	}
	aco_destroy(co);
	aco_share_stack_destroy(stack);
}

/* The same of a co that waits for another. */
static void below_inner(void)
{
	for (;;) {
		overwrite_below((aco_t *)aco_get_arg());
		aco_yield();
	}
}

static void below_outer(void)
{
	for (;;) {
		CHECK(probe(leaf_resume, aco_get_arg(), values) == 0);
		aco_yield();
	}
}

static void below_sp_resuming(void)
{
	aco_share_stack_t *stack = stack_new(0);
	aco_share_stack_t *stack2 = stack_new(0);
	aco_t *outer = co_on(stack, below_outer, NULL);
	aco_t *inner = co_on(stack2, below_inner, outer);
	int i;

	outer->arg = inner;
	for (i = 0; i < 40; i++)
		aco_resume(outer);
	aco_destroy(inner);
	aco_destroy(outer);
	aco_share_stack_destroy(stack2);
	aco_share_stack_destroy(stack);
}

/* -------------------------------------------------------------- by hand -- */

/*
 * long switch_by_hand(aco_t *from, aco_t *to, char *sp)
 *
 * Fills the 128 bytes below the stack pointer, suspends from as the inline path
 * does, continues to, and returns how many of the bytes are lost: what the
 * worst compiler could make of aco_yield() in a leaf function.  With sp not
 * NULL it suspends there, as a co that has used up its stack would.
 */
extern long switch_by_hand(aco_t *from, aco_t *to, char *sp)
	__attribute__((__visibility__("hidden")));

#if defined(__x86_64__)
__asm__(".text\n"
	".globl switch_by_hand\n"
	".hidden switch_by_hand\n"
	".type switch_by_hand, @function\n"
	"switch_by_hand:\n\t"
	"pushq %rbx\n\t"
	"pushq %rbp\n\t"
	"pushq %r12\n\t"
	"pushq %r13\n\t"
	"pushq %r14\n\t"
	"pushq %r15\n\t"
	"movq %rsp, %rax\n\t"
	"testq %rdx, %rdx\n\t"
	"cmovzq %rsp, %rdx\n\t"
	"movq %rdx, %rsp\n\t"
	"pushq %rax\n\t"
	"pushq %rcx\n\t"
	/* the lowest bytes may be out of the stack's bounds */
	"movl $16, %ecx\n\t"
	"cmpq %rax, %rdx\n\t"
	"je 1f\n\t"
	"movl $4, %ecx\n"
	"1:\tmovl %ecx, (%rsp)\n\t"
	"xorl %eax, %eax\n"
	"2:\tsubq $8, %rax\n\t"
	"movq %rax, (%rsp,%rax)\n\t"
	"decl %ecx\n\t"
	"jnz 2b\n\t"
	/* ACO_JUMP_ of aco/arch/amd64.h from here to the landing */
	"leaq 3f(%rip), %rax\n\t"
	"movq %rax, (%rdi)\n\t"
	"movq %rsp, 8(%rdi)\n\t"
	"movq %rbp, 16(%rdi)\n\t"
	"movq 8(%rsi), %rsp\n\t"
	"movq 16(%rsi), %rbp\n\t"
	"movq %rsi, %rdi\n\t"
	"jmp *(%rdi)\n"
	"3:\tendbr64\n\t"
	"movl (%rsp), %ecx\n\t"
	"xorl %eax, %eax\n\t"
	"xorl %edx, %edx\n"
	"4:\tsubq $8, %rdx\n\t"
	"cmpq %rdx, (%rsp,%rdx)\n\t"
	"je 5f\n\t"
	"addl $8, %eax\n"
	"5:\tdecl %ecx\n\t"
	"jnz 4b\n\t"
	"popq %rcx\n\t"
	"popq %rsp\n\t"
	"popq %r15\n\t"
	"popq %r14\n\t"
	"popq %r13\n\t"
	"popq %r12\n\t"
	"popq %rbp\n\t"
	"popq %rbx\n\t"
	"ret\n\t"
	".size switch_by_hand, . - switch_by_hand\n");
#endif

/*
 * aco_yield() and aco_resume() with something in the red zone.  Where there is
 * none, or when the co is not fast, the ordinary ones.
 */
static void yield_full(void)
{
#if defined(__x86_64__)
	aco_t *co = aco_gtls_co;

	if (co->state == FAST_RUNNING) {
		co->state = FAST_SUSPENDED;
		aco_gtls_co = co->resumer;
		CHECK(switch_by_hand(co, co->resumer, NULL) == 0);
		return;
	}
#endif
	aco_yield();
}

static void resume_full(aco_t *co)
{
#if defined(__x86_64__)
	aco_t *from = aco_gtls_co;

	if (co->state == FAST_SUSPENDED && co->resumer == from) {
		co->state = FAST_RUNNING;
		aco_gtls_co = co;
		CHECK(switch_by_hand(from, co, NULL) == 0);
		return;
	}
#endif
	aco_resume(co);
}

static void full_player(void)
{
	for (;;) {
		CHECK(probe(leaf_bare, NULL, values) == 0);
		yield_full();
	}
}

/* Words of zero at the top of a stack are not copied; see copy.h. */
static size_t zeros_at(const void *top)
{
	size_t words = sizeof(void *) == 8 ? 5 : 3;
	size_t i;

	for (i = 1; i <= words; i++)
		if (((const uintptr_t *)top)[-(ptrdiff_t)i])
			return 0;
	return words * sizeof(uintptr_t);
}

/* co is suspended with a full red zone; others use its stack. */
static void expect_survival(aco_t *co, aco_share_stack_t *stack)
{
	aco_t *second = co_on(stack, scribbler, NULL);
	size_t largest = co->save_stack.max_cpsz;
	aco_t *third;
	size_t live;
	int i;

	CHECK(co->state != FAST_SUSPENDED);
	live = (size_t)((char *)stack->align_retptr -
			(char *)co->reg[ACO_REG_IDX_SP]);
	live -= zeros_at(stack->align_retptr);
	aco_resume(second);
	CHECK(stack->owner == second);
	/* a red zone is copied, and not counted */
	CHECK(co->save_stack.max_cpsz == (live > largest ? live : largest));
	third = co_on(stack, scribbler, NULL);
	aco_resume(third);
	aco_resume(second);
	for (i = 0; i < 5; i++) {
		aco_resume(co);
		CHECK(co->state != FAST_SUSPENDED);
		aco_resume(i & 1 ? second : third);
	}
	aco_destroy(second);
	aco_destroy(third);
}

/* Alone again: the next slow resume notices. */
static void expect_regained(aco_t *co)
{
	CHECK(co->state != FAST_SUSPENDED);
	aco_resume(co);
	CHECK(co->state == FAST_SUSPENDED);
	CHECK(co->share_stack->sole_user == co);
	aco_resume(co);
	CHECK(co->state == FAST_SUSPENDED);
}

static void demote_init(void)
{
	aco_share_stack_t *stack = stack_new(0);
	aco_t *co = co_on(stack, full_player, NULL);
	aco_t *second = co_on(stack, scribbler, NULL);

	aco_resume(co);
	CHECK(co->state != FAST_SUSPENDED);
	aco_resume(second);
	CHECK(second->state != FAST_SUSPENDED);
	aco_resume(co);
	aco_resume(co);
	aco_destroy(second);
	expect_regained(co);
	aco_destroy(co);
	aco_share_stack_destroy(stack);
}

static void demote_suspended(void)
{
	aco_share_stack_t *stack = stack_new(0);
	aco_t *co = co_on(stack, full_player, NULL);
	int i;

	for (i = 2; i < 8; i++) {
		int j;

		for (j = 0; j < i; j++)
			aco_resume(co);
		CHECK(co->state == FAST_SUSPENDED);
		expect_survival(co, stack);
		expect_regained(co);
	}
	aco_destroy(co);
	aco_share_stack_destroy(stack);
}

/* The co itself makes the second user. */
static void makes_second(void)
{
	aco_t *co = aco_gtls_co;
	aco_t **second = (aco_t **)aco_get_arg();

	aco_yield();
	CHECK(co->state == FAST_RUNNING);
	*second = co_on(co->share_stack, scribbler, NULL);
	CHECK(co->state != FAST_RUNNING);
	for (;;) {
		CHECK(probe(leaf_bare, NULL, values) == 0);
		CHECK(probe(leaf_array, (void *)7ul, values) == 0);
		yield_full();
	}
}

static void demote_running(void)
{
	aco_share_stack_t *stack = stack_new(0);
	aco_t *second = NULL;
	aco_t *co = co_on(stack, makes_second, &second);
	int i;

	aco_resume(co);
	for (i = 0; i < 10; i++) {
		aco_resume(co);
		CHECK(co->state != FAST_SUSPENDED);
		aco_resume(second);
	}
	aco_destroy(second);
	expect_regained(co);
	aco_destroy(co);
	aco_share_stack_destroy(stack);
}

/* The inner co makes a second user on the stack of the one that resumed it. */
static struct {
	aco_t *outer, *inner, *second;
} chain;

static void chain_inner(void)
{
	aco_yield();
	aco_yield();
	chain.second = co_on(chain.outer->share_stack, scribbler, NULL);
	CHECK(chain.outer->state != FAST_RUNNING);
	for (;;)
		aco_yield();
}

static void chain_outer(void)
{
	for (;;) {
		resume_full(chain.inner);
		CHECK(probe(leaf_resume, chain.inner, values) == 0);
		yield_full();
	}
}

static void demote_resuming(void)
{
	aco_share_stack_t *stack = stack_new(0);
	aco_share_stack_t *stack2 = stack_new(0);
	int i;

	chain.outer = co_on(stack, chain_outer, NULL);
	chain.inner = co_on(stack2, chain_inner, NULL);
	aco_resume(chain.outer);
	CHECK(chain.outer->state == FAST_SUSPENDED);
	for (i = 0; i < 10; i++) {
		aco_resume(chain.outer);
		CHECK(chain.outer->state != FAST_SUSPENDED);
		aco_resume(chain.second);
	}
	aco_destroy(chain.second);
	expect_regained(chain.outer);
	aco_destroy(chain.outer);
	aco_destroy(chain.inner);
	aco_share_stack_destroy(stack);
	aco_share_stack_destroy(stack2);
}

static void reuse(void)
{
	aco_share_stack_t *stack = stack_new(0);
	int i;

	for (i = 0; i < 3; i++) {
		aco_t *co = co_on(stack, full_player, NULL);

		CHECK(stack->sole_user == NULL && stack->owner == NULL);
		aco_resume(co);
		aco_resume(co);
		CHECK(co->state == FAST_SUSPENDED);
		CHECK(stack->sole_user == co && stack->owner == co);
		aco_destroy(co);
		CHECK(stack->sole_user == NULL && stack->owner == NULL);
	}
	aco_share_stack_destroy(stack);
}

/* Less than 128 bytes are left of the stack: the guard must not be copied. */
static void edge_player(void)
{
#if defined(__x86_64__)
	aco_t *co = aco_gtls_co;
	char *low = (char *)co->share_stack->ptr;

	aco_yield();
	for (;;) {
		if (co->state != FAST_RUNNING) {
			aco_yield();
			continue;
		}
		co->state = FAST_SUSPENDED;
		aco_gtls_co = co->resumer;
		CHECK(switch_by_hand(co, co->resumer, low + 16 + 48) == 0);
	}
#else
	for (;;)
		aco_yield();
#endif
}

static void edge(void)
{
	aco_share_stack_t *stack = stack_new(4096);
	aco_t *co = co_on(stack, edge_player, NULL);

	aco_resume(co);
	aco_resume(co);
	CHECK(co->state == FAST_SUSPENDED);
	expect_survival(co, stack);
	expect_regained(co);
	aco_destroy(co);
	aco_share_stack_destroy(stack);
}

/* Under a sanitizer, Valgrind or libstdc++ no co is fast: nothing to test. */
static int is_fast_here(void)
{
	aco_share_stack_t *stack = stack_new(0);
	aco_t *co = co_on(stack, scribbler, NULL);
	int fast;

	aco_resume(co);
	fast = co->state == FAST_SUSPENDED;
	aco_destroy(co);
	aco_share_stack_destroy(stack);
	return fast;
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "below_sp", below_sp },
		{ "below_sp_resuming", below_sp_resuming },
		{ "demote_init", demote_init },
		{ "demote_suspended", demote_suspended },
		{ "demote_running", demote_running },
		{ "demote_resuming", demote_resuming },
		{ "reuse", reuse },
		{ "edge", edge },
	};
	size_t i;

	aco_thread_init(NULL);
	main_co = (aco_t *)must(aco_create(NULL, NULL, 0, NULL, NULL));
	test = "is_fast_here";
	if (!is_fast_here())
		return 77;
	for (i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		test = tests[i].name;
		tests[i].run();
	}
	aco_destroy(main_co);
	return 0;
}
