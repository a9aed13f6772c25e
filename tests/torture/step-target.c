/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step-target.c - switches of each kind, for step.c to interrupt
 *
 *	step-target EVERY FIRST
 *
 *	main, or main -> outer -> a window -> guest
 *
 * A window is one resume of a guest, which leaves as it is told.  The handler of
 * the signals that come in it scribbles over all that a handler may, looks at the
 * states and at the current co, and walks the stack.  Afterwards registers, control
 * words, the bytes of frames, values and states must be right.
 *
 * EVERY takes one window in so many, from number FIRST on.  Compiles as C and C++;
 * in C++ half of the cos switch inside a catch block.
 */
#define _GNU_SOURCE 1 /* REG_RIP, dl_iterate_phdr */

#include <aco.h>

#include <errno.h>
#include <signal.h>

#if defined(__cplusplus)
#include <exception>
#endif

static const char *doing = "nothing yet";

static void fail(const char *what, int line)
{
	fprintf(stderr, "step-target.c:%d: %s, in: %s\n", line, what, doing);
	fflush(stderr);
	abort();
}
#define CHECK(cond)                                         \
	do {                                                \
		if (!(cond))                                \
			fail("not true: " #cond, __LINE__); \
	} while (0)

#define MAX_STACKS 4
#include "../walk.h"

#if defined(__cplusplus)
extern "C" {
#endif
#include "../regs.h"

REGS_ENTRY_ARG void regs_entered(uintptr_t sp)
{
	(void)sp;
	abort(); /* no guest begins in assembly */
}
#if defined(__cplusplus)
}
#endif

#include "step.h"

/* In C++ that clang compiles the inline switch has no unwind rules: aco(7). */
#if defined(__clang__) && defined(__cplusplus) && !defined(ACO_NO_INLINE)
#define WALKS 0
#else
#define WALKS 1
#endif

#if defined(__x86_64__)
#define RED_ZONE 128
#else
#define RED_ZONE 0
#endif

#define STACK ((size_t)1 << 16)

/* The places for stacks. */
enum { OF_OUTER, OF_ALONE, OF_OTHER, OF_MANY };

static aco_t *main_co;
static aco_t *outer_co;
static aco_t *resumer; /* where the windows are */
static int resumer_words;

/* ----------------------------------------------------------- control words -- */

/* Words number 0 are those of a new thread. */
#define WORDS 4
#define MXCSR_CONTROL 0xffc0u

SECTION(in_other) static uint32_t mxcsr_of(int n)
{
	return 0x1f80u | (uint32_t)n << 13 | (n & 1 ? 0x8000u : 0);
}

SECTION(in_other) static uint16_t x87_of(int n)
{
	return (uint16_t)(0x37f ^ n << 10 ^ (n & 2 ? 0x100 : 0));
}

SECTION(in_other) static void set_words(int n)
{
	uint32_t mxcsr = mxcsr_of(n);
	uint16_t x87 = x87_of(n);

	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
}

SECTION(in_other) static int words_are(int n)
{
	uint32_t mxcsr;
	uint16_t x87;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
	return (mxcsr & MXCSR_CONTROL) == mxcsr_of(n) && x87 == x87_of(n);
}

/* -------------------------------------------------------------- the tracer -- */

SECTION(in_other)
static uintptr_t mark_here(uintptr_t what, uintptr_t operand)
{
	__asm__ volatile("int3" : "+a"(what), "+d"(operand) : : "memory", "cc");
	return what;
}

/* So that compilers make no second one for one of the operands. */
static uintptr_t (*volatile mark)(uintptr_t what,
				  uintptr_t operand) = mark_here;

/* ---------------------------------------------------------------- handlers -- */

/* In a window each co is in these states, one after the other. */
#define MOST_STATES 3
static struct watch {
	const aco_t *co;
	int states[MOST_STATES];
	int n;
	int at; /* as seen last */
} watches[4];
static int watch_count;

/* And these are the current co. */
static const aco_t *currents[4];
static int current_count, current_at;

static enum step_mode mode;
static uintptr_t hits;
static uintptr_t walks, to_main;

/* Some signals alone may miss a state. */
static int may_follow(int from, int to)
{
	return to == from || to == from + 1 || mode == STEP_SOME;
}

static void look_at_state(struct watch *w)
{
	int state = (int)aco_state(w->co);
	int at = w->at;

	while (at < w->n && w->states[at] != state)
		at++;
	CHECK(at < w->n);
	CHECK(may_follow(w->at, at));
	w->at = at;
}

static void look_at_current(void)
{
	const aco_t *co = aco_get_co();
	int at = current_at;

	CHECK(co == aco_co());
	while (at < current_count && currents[at] != co)
		at++;
	CHECK(at < current_count);
	CHECK(may_follow(current_at, at));
	CHECK(aco_is_main_co(co) == (co == main_co));
	CHECK(aco_get_arg() == co->arg);
	current_at = at;
}

/*
 * What a walk must not begin in: see aco(7).  On i386 that is code without rules,
 * and what comes after "pop %ebp": clang says that ebp is still saved there, below
 * the stack pointer, where the handler writes.
 */
#define POP_EBP 0x5d

static int can_walk(const void *pc, uintptr_t sp)
{
#if defined(__i386__)
	return WALKS && has_rules(pc, sp) &&
	       ((const unsigned char *)pc)[-1] != POP_EBP;
#else
	(void)pc;
	(void)sp;
	return WALKS;
#endif
}

/* The function that was interrupted is no sign: see backtrace.c. */
static void look_at_stack(const void *pc, uintptr_t sp)
{
	struct walk w = walk_without(pc);

	walks++;
	to_main += w.main > 0;
	CHECK(w.order);
	CHECK(w.main || !must_get_to_main(pc, sp));
	if (w.main)
		CHECK(w.outer == (resumer == outer_co));
}

static void scribble(volatile uintptr_t *p, size_t words)
{
	for (size_t i = 0; i < words; i++)
		p[i] = (uintptr_t)-1 / 0xff * (0xa5 + hits % 16);
}

#if defined(__SSE2__)
#define CLOBBER_VECTORS \
	, "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"
#else
#define CLOBBER_VECTORS
#endif

static void scribble_over_registers(void)
{
	set_words((int)(hits % WORDS));
	__asm__ volatile("fld1\n\tfld1\n\tfld1\n\tfld1\n\t"
			 "fld1\n\tfld1\n\tfld1\n\tfld1"
			 :
			 :
			 : "memory");
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\t"
			 "pcmpeqd %%xmm1, %%xmm1\n\t"
			 "pcmpeqd %%xmm2, %%xmm2\n\t"
			 "pcmpeqd %%xmm3, %%xmm3\n\t"
			 "pcmpeqd %%xmm4, %%xmm4\n\t"
			 "pcmpeqd %%xmm5, %%xmm5\n\t"
			 "pcmpeqd %%xmm6, %%xmm6\n\t"
			 "pcmpeqd %%xmm7, %%xmm7"
			 :
			 :
			 : "memory" CLOBBER_VECTORS);
#if defined(__x86_64__)
	__asm__ volatile("xorl %%r8d, %%r8d\n\tnotq %%r8\n\t"
			 "movq %%r8, %%rax\n\tmovq %%r8, %%rbx\n\t"
			 "movq %%r8, %%rcx\n\tmovq %%r8, %%rdx\n\t"
			 "movq %%r8, %%rsi\n\tmovq %%r8, %%rdi\n\t"
			 "movq %%r8, %%r9\n\tmovq %%r8, %%r10\n\t"
			 "movq %%r8, %%r11\n\tmovq %%r8, %%r12\n\t"
			 "movq %%r8, %%r13\n\tmovq %%r8, %%r14\n\t"
			 "movq %%r8, %%r15"
			 :
			 :
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9",
			   "r10", "r11", "r12", "r13", "r14", "r15", "cc",
			   "memory");
#else
	__asm__ volatile("movl $-1, %%eax\n\tmovl %%eax, %%ecx\n\t"
			 "movl %%eax, %%edx\n\tmovl %%eax, %%esi\n\t"
			 "movl %%eax, %%edi"
			 :
			 :
			 : "eax", "ecx", "edx", "esi", "edi", "cc", "memory");
#endif
}

/*
 * Below what was interrupted all is free.  A handler that runs there uses some of
 * it, and so does the kernel; one that runs elsewhere leaves it all.
 */
#define BELOW 256 /* words */

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
	const void *pc = (void *)(uintptr_t)reg[REG_OF_PC];
	uintptr_t sp = (uintptr_t)reg[REG_OF_SP];
	int saved = errno;
	uintptr_t here[2 * BELOW];

	(void)sig;
	(void)info;
	hits++;
	errno = EDOM;
	if ((uintptr_t)here - sp < STACK || sp - (uintptr_t)here < STACK)
		scribble(here, 2 * BELOW);
	else
		scribble((uintptr_t *)(sp - RED_ZONE) - BELOW, BELOW);
	for (int i = 0; i < watch_count; i++)
		look_at_state(&watches[i]);
	look_at_current();
	if (can_walk(pc, sp))
		look_at_stack(pc, sp);
	scribble_over_registers();
	errno = saved;
}

static void catch_signals(int flags)
{
	static char stack[1 << 16];
	stack_t ss;
	struct sigaction sa;

	memset(&ss, 0, sizeof(ss));
	ss.ss_sp = stack;
	ss.ss_size = sizeof(stack);
	CHECK(sigaltstack(&ss, NULL) == 0);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO | flags;
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
}

/* ------------------------------------------------------------------ guests -- */

enum way {
	YIELD,
	YIELD1,
	YIELD_VALUE,
	YIELD_TO,
	EXIT,
	EXIT1,
	EXIT_VALUE,
	RETURN,
	WAYS
};
static const char *const way_names[] = { "yield",      "yield1", "yield value",
					 "yield to",   "exit",	 "exit1",
					 "exit value", "return" };

enum guest_number { ALONE, OTHER, SMALL, SMALL2, LARGE, LARGE2, GUESTS };
static const char *const guest_names[] = { "alone",  "other", "small",
					   "small2", "large", "large2" };

struct guest {
	aco_t *co;
	struct regs regs;
	int number;
	int words; /* its own, if it has such */
	int returns;
	int in_catch;
	enum way left; /* how it was suspended last */
	void *gets;    /* what it must get then */
};
static struct guest guests[GUESTS];

/* For the guest that goes on next. */
static enum way order;
static struct guest *order_to;
static char sent_in, sent_out;

SECTION(in_other) static int has_own_words(const struct guest *g)
{
	return !(g->co->flags & ACO_SHARE_FPENV);
}

SECTION(in_other) static void check_words(const struct guest *g)
{
	CHECK(words_are(has_own_words(g) ? g->words : resumer_words));
}

SECTION(in_other) static void change_words(struct guest *g)
{
	if (!has_own_words(g))
		return;
	g->words = (g->words + 1 + g->number) % WORDS;
	set_words(g->words);
}

SECTION(in_other) static void fill_registers(struct regs *regs, uintptr_t with)
{
	for (int i = 0; i < REGS_COUNT; i++)
		regs->in[i] = with * 0x01010101u + (uintptr_t)i;
}

SECTION(in_other) static void check_registers(const struct regs *regs)
{
	CHECK(memcmp(regs->in, regs->out, sizeof(regs->in)) == 0);
	CHECK(!(regs->flags & REGS_DIRECTION_FLAG));
}

SECTION(in_other) static void check_catch(int is_inside)
{
#if defined(__cplusplus)
	CHECK((std::current_exception() != nullptr) == is_inside);
#else
	(void)is_inside;
#endif
}

/* One that goes on after that, untold, yields. */
SECTION(in_inner) static void leave(void *arg)
{
	struct guest *me = (struct guest *)arg;
	enum way way = order;
	void *got = NULL;

	order = YIELD;
	me->left = way;
	me->gets = NULL;
	change_words(me);
	if (way == YIELD)
		aco_yield();
	else if (way == YIELD1)
		aco_yield1(me->co);
	else if (way == YIELD_VALUE)
		got = aco_yield_value(&sent_out);
	else if (way == YIELD_TO)
		CHECK(aco_yield_to(order_to->co) == 0);
	else if (way == EXIT)
		aco_exit();
	else if (way == EXIT1)
		aco_exit1(me->co);
	else if (way == EXIT_VALUE)
		aco_exit_value(&sent_out);
	else
		me->returns = 1;
	CHECK(got == me->gets);
	CHECK(aco_get_co() == me->co);
	check_words(me);
	check_catch(me->in_catch);
}

static inline __attribute__((__always_inline__)) void stay(struct guest *me)
{
	while (!me->returns) {
		fill_registers(&me->regs, (uintptr_t)me->number + 1);
		regs_call(&me->regs, leave, me);
		check_registers(&me->regs);
	}
}

/* What a frame holds: few words, because each takes some steps. */
static inline uintptr_t word_of(const struct guest *me, size_t i)
{
	return ((uintptr_t)me->number + 2) * 0x1010101u + i;
}

static inline __attribute__((__always_inline__)) void
be(struct guest *me, uintptr_t *frame, size_t words, size_t stride)
{
	CHECK(me->co == aco_get_co());
	me->words = 0;
	me->returns = 0;
	me->in_catch = 0;
	check_words(me);
	check_catch(0);
	for (size_t i = 0; i < words; i += stride)
		frame[i] = word_of(me, i);
	__asm__ volatile("" : "+r"(frame) : : "memory");
#if defined(__cplusplus)
	if (me->number % 2) {
		try {
			throw me->number;
		} catch (int) {
			me->in_catch = 1;
			stay(me);
		}
	}
#endif
	stay(me);
	for (size_t i = 0; i < words; i += stride)
		CHECK(frame[i] == word_of(me, i));
}

SECTION(in_inner) static void small(void)
{
	uintptr_t frame[5];

	be((struct guest *)aco_get_arg(), frame, 5, 1);
}

/* More than the library moves by small copies, and than long ones begin with. */
#define LARGE_WORDS (1600 / sizeof(uintptr_t))

SECTION(in_inner) static void large(void)
{
	uintptr_t frame[LARGE_WORDS];

	be((struct guest *)aco_get_arg(), frame, LARGE_WORDS, 31);
}

static aco_cofuncp_t function_of(int number)
{
	return number >= LARGE ? large : small;
}

/* Control words: all cos have their own, all share them, or every other one. */
enum sharing { OWN, SHARED, MIXED, SHARINGS };

static unsigned flags_of(int number, enum sharing sharing)
{
	if (sharing == SHARED || (sharing == MIXED && number % 2))
		return ACO_RETURN_EXITS | ACO_SHARE_FPENV;
	return ACO_RETURN_EXITS;
}

static void make_guests(enum sharing sharing)
{
	static const int place[GUESTS] = { OF_ALONE, OF_OTHER, OF_MANY,
					   OF_MANY,  OF_MANY,  OF_MANY };

	for (int i = 0; i < GUESTS; i++) {
		guests[i].number = i;
		guests[i].co = aco_create2(main_co, stacks[place[i]], 0,
					   function_of(i), &guests[i],
					   flags_of(i, sharing));
		CHECK(guests[i].co);
	}
}

static void destroy_guests(void)
{
	for (int i = 0; i < GUESTS; i++)
		aco_destroy(guests[i].co);
}

/* --------------------------------------------------------------- scenarios -- */

/* Where a co has been suspended: four ways to go on. */
enum before { FRESH, AT_YIELD, AT_VALUE, AT_YIELD_TO, BEFORES };
static const char *const before_names[] = { "fresh", "at yield", "at value",
					    "at yield to" };

enum call { RESUME, TRY, RESUME_VALUE, CALLS };
static const char *const call_names[] = { "resume", "try", "resume value" };

struct scenario {
	struct guest *who;
	enum before before;
	struct guest *owner; /* of the stack of who, or NULL: any */
	enum call call;
	enum way leaves;
	struct guest *to; /* of YIELD_TO */
	enum before to_before;
};

static int is_exit(enum way way)
{
	return way == EXIT || way == EXIT1 || way == EXIT_VALUE;
}

static enum step_kind kind_of(const struct scenario *s)
{
	if (s->leaves == YIELD_TO)
		return s->to->co->share_stack == s->who->co->share_stack
			       ? STEP_IN_PLACE
			       : STEP_TO;
	if (is_exit(s->leaves))
		return STEP_EXIT;
	if (s->leaves == RETURN)
		return STEP_RETURN;
	if (s->before == FRESH)
		return STEP_START;
	if (s->call == RESUME_VALUE || s->leaves == YIELD_VALUE)
		return STEP_VALUE;
	return s->owner ? STEP_COPY : STEP_SWITCH;
}

static void describe(const struct scenario *s, enum sharing sharing,
		     int onstack)
{
	static char text[256];

	snprintf(text, sizeof(text),
		 "%s %s %s, owner %s, %s%s%s%s%s; %s, words %d, %s stack",
		 call_names[s->call], guest_names[s->who->number],
		 before_names[s->before],
		 s->owner ? guest_names[s->owner->number] : "any",
		 way_names[s->leaves], s->to ? " " : "",
		 s->to ? guest_names[s->to->number] : "", s->to ? " " : "",
		 s->to ? before_names[s->to_before] : "",
		 resumer == outer_co ? "in a co" : "in main", (int)sharing,
		 onstack ? "alternate" : "same");
	doing = text;
}

static void bring(struct guest *g, enum before before)
{
	static const enum way leaves[] = { RETURN, YIELD, YIELD_VALUE,
					   YIELD_TO };
	int helper = g->number >= SMALL ? g->number ^ 1 : !g->number;

	CHECK(aco_reset(g->co, function_of(g->number), g) == 0);
	if (before == FRESH)
		return;
	if (before == AT_YIELD_TO) {
		order_to = &guests[helper];
		CHECK(aco_reset(order_to->co, function_of(helper), order_to) ==
		      0);
	}
	order = leaves[before];
	aco_resume(g->co);
}

static struct watch *watch(const aco_t *co, int n, int a, int b, int c)
{
	struct watch *w = &watches[watch_count++];

	w->co = co;
	w->states[0] = a;
	w->states[1] = b;
	w->states[2] = c;
	w->n = n;
	w->at = 0;
	return w;
}

static void watch_guest(const struct guest *g, enum before before, int end)
{
	watch(g->co, 3, before == FRESH ? ACO_STATE_INIT : ACO_STATE_SUSPENDED,
	      ACO_STATE_RUNNING, end);
}

static void set_watches(const struct scenario *s)
{
	int ends = is_exit(s->leaves) || s->leaves == RETURN;

	watch_count = 0;
	watch(resumer, 3, ACO_STATE_RUNNING, ACO_STATE_RESUMING,
	      ACO_STATE_RUNNING);
	if (resumer != main_co)
		watch(main_co, 1, ACO_STATE_RESUMING, 0, 0);
	watch_guest(s->who, s->before,
		    ends ? ACO_STATE_END : ACO_STATE_SUSPENDED);
	if (s->to)
		watch_guest(s->to, s->to_before, ACO_STATE_SUSPENDED);
	current_count = 0;
	current_at = 0;
	currents[current_count++] = resumer;
	currents[current_count++] = s->who->co;
	if (s->to)
		currents[current_count++] = s->to->co;
	currents[current_count++] = resumer;
}

static void prepare(const struct scenario *s)
{
	bring(s->who, s->before);
	if (s->to)
		bring(s->to, s->to_before);
	if (s->owner) {
		bring(s->owner, AT_YIELD);
		if (s->owner == s->to)
			bring(s->to, s->to_before);
	}
	set_watches(s);
	order = s->leaves;
	order_to = s->to;
	if (s->call == RESUME_VALUE && s->before == AT_VALUE)
		s->who->gets = &sent_in;
	hits = 0;
}

static void *result;

SECTION(in_other) static void call(void *arg)
{
	const struct scenario *s = (const struct scenario *)arg;

	result = NULL;
	if (s->call == RESUME)
		aco_resume(s->who->co);
	else if (s->call == TRY)
		CHECK(aco_try_resume(s->who->co) == 0);
	else
		result = aco_resume_value(s->who->co, &sent_in);
}

static void check(const struct scenario *s)
{
	int sends = s->call == RESUME_VALUE &&
		    (s->leaves == YIELD_VALUE || s->leaves == EXIT_VALUE);

	CHECK(result == (sends ? &sent_out : NULL));
	CHECK(words_are(resumer_words));
	CHECK(aco_get_co() == resumer);
	check_catch(0);
	for (int i = 0; i < watch_count; i++) {
		struct watch *w = &watches[i];

		CHECK((int)aco_state(w->co) == w->states[w->n - 1]);
		CHECK(mode == STEP_SOME || w->at == w->n - 1);
	}
}

/* What a guest finds when it is continued, and its frame when it returns. */
static void finish(const struct guest *g)
{
	if (!g || g->co->is_end)
		return;
	order = RETURN;
	aco_resume(g->co);
	CHECK(g->co->is_end);
}

SECTION(in_other) static void window(struct scenario *s)
{
	static struct regs regs;
	unsigned char frame[256];
	uintptr_t reply;

	do {
		memset(frame, 0x5a, sizeof(frame));
		fill_registers(&regs, 0x80);
		prepare(s);
		mode = (enum step_mode)mark(STEP_BEGIN, kind_of(s));
		regs_call(&regs, call, s);
		reply = mark(STEP_END, 0);
		CHECK(hits == reply / 2);
		check_registers(&regs);
		check(s);
		__asm__ volatile("" : : "r"(frame) : "memory");
		for (size_t i = 0; i < sizeof(frame); i++)
			CHECK(frame[i] == 0x5a);
		finish(s->who);
		finish(s->to);
		finish(s->owner);
	} while (reply % 2);
}

/* ------------------------------------------------------------- all of them -- */

static unsigned long every, until;
static enum sharing sharing_now;
static int onstack_now;

static void take(struct scenario s)
{
	if (until--)
		return;
	until = every - 1;
	describe(&s, sharing_now, onstack_now);
	window(&s);
}

/* Each way in with each kind of resume, and each way out. */
static void ways_of(struct guest *who, struct guest *owner)
{
	struct scenario s = {
		who, AT_YIELD, owner, RESUME, YIELD, NULL, FRESH
	};

	for (int before = FRESH; before < BEFORES; before++)
		for (int call = RESUME; call < CALLS; call++) {
			s.before = (enum before)before;
			s.call = (enum call)call;
			s.leaves = call == RESUME_VALUE ? YIELD_VALUE : YIELD;
			take(s);
		}
	s.before = AT_YIELD;
	for (int way = YIELD1; way < WAYS; way++) {
		s.leaves = (enum way)way;
		s.call = way == EXIT_VALUE ? RESUME_VALUE : RESUME;
		if (way != YIELD_TO)
			take(s);
	}
}

static void yields_to(struct guest *who, struct guest *owner)
{
	struct scenario s = { who,	AT_YIELD, owner, RESUME,
			      YIELD_TO, NULL,	  FRESH };

	for (int to = OTHER; to < GUESTS; to++)
		for (int before = FRESH; before < BEFORES; before++) {
			s.to = &guests[to];
			s.to_before = (enum before)before;
			if (s.to != who)
				take(s);
		}
}

/* Lazy linking, the first save stacks, and a current co. */
static void warm_up(void)
{
	for (int i = 0; i < GUESTS; i++) {
		bring(&guests[i], AT_VALUE);
		bring(&guests[i], AT_YIELD_TO);
		finish(&guests[i]);
	}
}

static void all_of(struct guest *who, struct guest *owner)
{
	ways_of(who, owner);
	yields_to(who, owner);
}

static void run_windows(void)
{
	for (int sharing = OWN; sharing < SHARINGS; sharing++) {
		sharing_now = (enum sharing)sharing;
		make_guests(sharing_now);
		warm_up();
		all_of(&guests[ALONE], NULL);
		all_of(&guests[SMALL], NULL);
		all_of(&guests[SMALL], &guests[SMALL2]);
		all_of(&guests[SMALL], &guests[LARGE]);
		all_of(&guests[LARGE], &guests[SMALL]);
		all_of(&guests[LARGE], &guests[LARGE2]);
		destroy_guests();
	}
}

SECTION(in_outer) static void outer(void)
{
	set_words(resumer_words);
	run_windows();
	aco_exit();
}

SECTION(in_main) static void run(int flags)
{
	onstack_now = flags;
	catch_signals(flags);
	resumer = main_co;
	resumer_words = 3;
	set_words(resumer_words);
	run_windows();
	resumer = outer_co;
	resumer_words = 2;
	CHECK(aco_reset(outer_co, outer, NULL) == 0);
	aco_resume(outer_co);
	CHECK(outer_co->is_end);
	CHECK(words_are(3));
}

static unsigned long number(const char *text)
{
	return text ? strtoul(text, NULL, 10) : 0;
}

SECTION(in_main) int main(int argc, char **argv)
{
	CHECK(argc == 3 && number(argv[1]) > 0);
	every = number(argv[1]);
	until = number(argv[2]);
	find_objects();
	CHECK(walk_without(NULL).main); /* the first one loads a library */
	aco_thread_init(NULL);
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	CHECK(main_co);
	for (int i = 0; i < MAX_STACKS; i++)
		CHECK((stacks[i] = aco_share_stack_new(STACK)));
	outer_co = aco_create(main_co, stacks[OF_OUTER], 0, outer, NULL);
	CHECK(outer_co);
	run(0);
	run(SA_ONSTACK);
	aco_destroy(outer_co);
	for (int i = 0; i < MAX_STACKS; i++)
		aco_share_stack_destroy(stacks[i]);
	aco_destroy(main_co);
	mark(STEP_WALKS, walks);
	mark(STEP_TO_MAIN, to_main);
	return 0;
}
