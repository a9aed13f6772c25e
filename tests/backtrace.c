/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backtrace.c - from inside a co back to main; backtrace.sh runs it
 *
 *	main -> outer -> inner -> look()
 *
 *	backtrace walk       backtrace(3) in look()
 *	backtrace step       backtrace(3) at each instruction of some switches
 *	backtrace calls      the same of all calls that switch
 *	backtrace suspended  libunwind, from the reg[] of cos that don't run
 *	backtrace stop       nothing; for a debugger
 *
 * Compiled with HAVE_LIBUNWIND it uses that everywhere.
 */
#define _GNU_SOURCE 1 /* REG_RIP, dl_iterate_phdr */

#include <aco.h>

#include <pthread.h>
#include <signal.h>

#if defined(HAVE_LIBUNWIND)
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#endif

#define MAX_STACKS 3
#define ROUNDS 4

static void fail(const char *what, int line)
{
	fprintf(stderr, "backtrace.c:%d: %s\n", line, what);
	_exit(1);
}
#define CHECK(cond)                                         \
	do {                                                \
		if (!(cond))                                \
			fail("not true: " #cond, __LINE__); \
	} while (0)

#include "trap.h"
#include "walk.h"

aco_t *main_co;
aco_t *outer_co;
aco_t *inner_co;

/* ------------------------------------------------------------- one walk -- */

#if defined(HAVE_LIBUNWIND)
static struct walk walk_from(unw_context_t *uc, int flags)
{
	struct walk w = { 0, 0, 0, 1 };
	unw_cursor_t cursor;
	unw_word_t pc;
	int n = 0;
	int more;

	CHECK(unw_init_local2(&cursor, uc, flags) == 0);
	do {
		CHECK(unw_get_reg(&cursor, UNW_REG_IP, &pc) == 0);
		add_frame(&w, (const void *)(uintptr_t)pc);
		CHECK(++n < MAX_FRAMES);
		more = unw_step(&cursor);
	} while (more > 0);
	CHECK(more == 0);
	return w;
}

static size_t room_above_base(const aco_t *co)
{
	const aco_share_stack_t *sstk = co->share_stack;

	return (size_t)((char *)sstk->ptr + sstk->sz -
			(char *)sstk->align_retptr) -
	       sizeof(void *);
}

static struct walk walk(void)
{
	void *pc[MAX_FRAMES];
	unw_context_t uc;

	/* its own: not all the way on amd64, where it looks at what it takes
	   for the registers of an interrupted function */
	CHECK(backtrace(pc, MAX_FRAMES) > 2);
	CHECK(sizeof(void *) == 4 || room_above_base(inner_co) >= 176);
	CHECK(unw_getcontext(&uc) == 0);
	return walk_from(&uc, 0);
}
#else
static struct walk walk(void)
{
	return walk_without(NULL);
}
#endif

static int looks;
static int must_look;

SECTION(in_other) void look(void)
{
	struct walk w;

	looks++;
	if (!must_look)
		return;
	w = walk();
	CHECK(w.inner == 1);
	CHECK(w.outer == 1);
	CHECK(w.main);
	CHECK(w.order);
}

/* Frames of different sizes, full of what is no return address. */
#define FILL(words)                                \
	intptr_t junk[words];                      \
	intptr_t *hidden = junk;                   \
	for (int word = 0; word < (words); word++) \
		junk[word] = -8;                   \
	__asm__ volatile("" : "+r"(hidden) : : "memory")

SECTION(in_inner) void inner(void)
{
	FILL(30);
	for (int i = 0; i < ROUNDS; i++) {
		look();
		aco_yield();
	}
	look();
	__asm__ volatile("" : : "r"(hidden) : "memory");
	aco_exit();
}

SECTION(in_outer) void outer(void)
{
	FILL(5);
	while (!inner_co->is_end) {
		aco_resume(inner_co);
		aco_yield();
	}
	aco_exit();
}

/* ------------------------------------------ each instruction of a switch */

static int steps;
static int to_main;
static int astray; /* how many did not get where they must */
static const void *first_astray;

/*
 * The function that was interrupted is no sign: where it has an inline switch,
 * the stack may be that of the other already.
 */
static void on_trap(int sig, siginfo_t *info, void *context)
{
	const greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
	const void *pc = (void *)(uintptr_t)reg[REG_OF_PC];
	struct walk w = walk_without(pc);

	(void)sig;
	(void)info;
	CHECK(w.order);
	steps++;
	to_main += w.main > 0;
	if (!w.main && must_get_to_main(pc, (uintptr_t)reg[REG_OF_SP]) &&
	    !astray++)
		first_astray = pc;
}

static void prepare_steps(void)
{
	catch_traps(on_trap);
	find_objects();
	walk(); /* the first one loads a library */
}

static void check_steps(void)
{
	fprintf(stderr, "%d steps, %d to main, %d astray, first %p\n", steps,
		to_main, astray, first_astray);
	CHECK(steps > 100);
	CHECK(to_main > steps / 4 * 3);
	CHECK(astray == 0);
}

/* ------------------------------------------------------- suspended cos -- */

#if defined(HAVE_LIBUNWIND)
/* The registers of a suspended co, as a signal handler would see them. */
static void set_context(unw_context_t *uc, const aco_t *co)
{
	greg_t *reg = uc->uc_mcontext.gregs;

	memset(uc, 0, sizeof(*uc));
#if defined(__x86_64__)
	reg[REG_RIP] = (greg_t)co->reg[ACO_REG_IDX_RETADDR];
	reg[REG_RSP] = (greg_t)co->reg[ACO_REG_IDX_SP];
	reg[REG_RBP] = (greg_t)co->reg[ACO_REG_IDX_BP];
	reg[REG_RBX] = (greg_t)co->reg[3];
#else
	reg[REG_EIP] = (greg_t)co->reg[ACO_REG_IDX_RETADDR];
	reg[REG_ESP] = (greg_t)co->reg[ACO_REG_IDX_SP];
	reg[REG_EBP] = (greg_t)co->reg[ACO_REG_IDX_BP];
	reg[REG_ESI] = (greg_t)co->reg[3];
#endif
}

/* From where co will go on. */
static struct walk walk_co(const aco_t *co)
{
	unw_context_t uc;

	set_context(&uc, co);
	return walk_from(&uc, UNW_INIT_SIGNAL_FRAME);
}

static void look_at_suspended(void)
{
	struct walk w = walk_co(outer_co);

	CHECK(w.outer == 1 && !w.inner && !w.main);
	w = walk_co(inner_co);
	CHECK(w.inner == 1 && !w.outer && !w.main);
}
#else
static void look_at_suspended(void)
{
	exit(77);
}
#endif

/* ------------------------------------------------------ from main to look - */

/* Called in the main context; a place for a debugger to stop. */
SECTION(in_other) void all_suspended(int suspended)
{
	__asm__ volatile("");
	if (suspended)
		look_at_suspended();
}

/* The resumer on the lower stack: debuggers expect it on the higher one. */
static void make_cos(void)
{
	aco_share_stack_t *a = aco_share_stack_new(1 << 16);
	aco_share_stack_t *b = aco_share_stack_new(1 << 16);
	int a_is_low;

	CHECK(a && b);
	a_is_low = (uintptr_t)a->ptr < (uintptr_t)b->ptr;
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	CHECK(main_co);
	outer_co = aco_create(main_co, a_is_low ? a : b, 0, outer, NULL);
	inner_co = aco_create(main_co, a_is_low ? b : a, 0, inner, NULL);
	CHECK(outer_co && inner_co);
	stacks[0] = a;
	stacks[1] = b;
}

static void destroy_cos(void)
{
	aco_share_stack_t *a = outer_co->share_stack;
	aco_share_stack_t *b = inner_co->share_stack;

	aco_destroy(outer_co);
	aco_destroy(inner_co);
	aco_share_stack_destroy(a);
	aco_share_stack_destroy(b);
	aco_destroy(main_co);
}

/* ------------------------------------------------- all calls that switch -- */

/*
 *	main -> host -> guests, some on one stack and one on its own
 *
 * Each guest leaves as it is told, and any one that goes on after that yields.
 */
enum way { YIELD, YIELD1, YIELD_VALUE, YIELD_TO, EXIT, EXIT_VALUE, RETURN };
#define GUESTS 4

static aco_t *guests[GUESTS];
static enum way way;
static aco_t *target;

/* Whether the co goes on. */
static inline __attribute__((__always_inline__)) int leave(void)
{
	enum way now = way;

	way = YIELD;
	if (now == YIELD)
		aco_yield();
	else if (now == YIELD1)
		aco_yield1(aco_co());
	else if (now == YIELD_VALUE)
		aco_yield_value(&way);
	else if (now == YIELD_TO)
		CHECK(aco_yield_to(target) == 0);
	else if (now == EXIT)
		aco_exit();
	else if (now == EXIT_VALUE)
		aco_exit_value(&way);
	return now != RETURN;
}

SECTION(in_inner) void small_guest(void)
{
	while (leave())
		;
}

SECTION(in_inner) void large_guest(void)
{
	FILL(500);
	while (leave())
		;
	__asm__ volatile("" : : "r"(hidden) : "memory");
}

static inline __attribute__((__always_inline__)) void
have(aco_t *guest, enum way leaves, int call)
{
	way = leaves;
	if (call == 0)
		aco_resume(guest);
	else if (call == 1)
		CHECK(aco_try_resume(guest) == 0);
	else
		aco_resume_value(guest, &way);
}

SECTION(in_outer) void host(void)
{
	static const enum way ends[GUESTS] = { RETURN, EXIT_VALUE, EXIT, EXIT };

	for (int i = 0; i < 3 * GUESTS; i++)
		have(guests[i % GUESTS], YIELD, i / GUESTS);
	for (int i = 0; i < GUESTS; i++) {
		have(guests[i], YIELD1, 0);
		have(guests[i], YIELD_VALUE, 2);
		for (int k = 0; k < GUESTS; k++) {
			target = guests[k];
			if (target != guests[i])
				have(guests[i], YIELD_TO, 0);
		}
	}
	for (int i = 0; i < GUESTS; i++)
		have(guests[i], ends[i], 0);
	aco_exit();
}

static aco_t *make(aco_share_stack_t *sstk, aco_cofuncp_t fp)
{
	aco_t *co = aco_create2(main_co, sstk, 0, fp, NULL, ACO_RETURN_EXITS);

	CHECK(co);
	return co;
}

SECTION(in_main) void run_calls(void)
{
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	CHECK(main_co);
	for (int i = 0; i < MAX_STACKS; i++)
		CHECK((stacks[i] = aco_share_stack_new(1 << 16)));
	outer_co = make(stacks[0], host);
	for (int i = 0; i < GUESTS; i++)
		guests[i] = make(stacks[1 + i / 3],
				 i == 2 ? large_guest : small_guest);
	raise(SIGUSR1);
	aco_resume(outer_co);
	raise(SIGUSR1);
	CHECK(outer_co->is_end);
	aco_destroy(outer_co);
	for (int i = 0; i < GUESTS; i++) {
		CHECK(guests[i]->is_end);
		aco_destroy(guests[i]);
	}
	for (int i = 0; i < MAX_STACKS; i++)
		aco_share_stack_destroy(stacks[i]);
	aco_destroy(main_co);
}

/* ------------------------------------------------------------------ main -- */

/* In a thread it is the start of that where the walk ends. */
SECTION(in_main) void *run(void *mode)
{
	const char *what = mode;
	int step = !strcmp(what, "step");
	FILL(60);

	make_cos();
	must_look = !strcmp(what, "walk");
	for (int i = 0; !outer_co->is_end; i++) {
		if (step && i == 1)
			raise(SIGUSR1);
		aco_resume(outer_co);
		if (step && outer_co->is_end)
			raise(SIGUSR1);
		all_suspended(!strcmp(what, "suspended") && i < ROUNDS);
	}
	destroy_cos();
	return NULL;
}

SECTION(in_main) int main(int argc, char **argv)
{
	char *what = argc > 1 ? argv[1] : "walk";
	pthread_t thread;

	if (!strcmp(what, "step") || !strcmp(what, "calls"))
		prepare_steps();
	if (!strcmp(what, "calls"))
		run_calls();
	else
		run(what);
	if (!strcmp(what, "step") || !strcmp(what, "calls"))
		check_steps();
	if (!strcmp(what, "calls"))
		return 0;
	if (!strcmp(what, "walk")) {
		CHECK(!pthread_create(&thread, NULL, run, what));
		CHECK(!pthread_join(thread, NULL));
	}
	CHECK(looks >= ROUNDS + 1);
	return 0;
}
