/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.c - walks along frame pointers; profilers.sh runs it
 *
 *	main -> host -> guests, some on one stack and one on its own
 *
 * A profiler that follows frame pointers starts with the one of the code that its
 * signal has interrupted.  This does so at each instruction that main, the cos and
 * the library execute, by the trap flag.  Program and library have to be compiled
 * with -fno-omit-frame-pointer.
 *
 * Each step of a walk must stay on the stack where the walk began, go up, and end
 * with a frame pointer of zero where the co begins, or in main.
 */
#define _GNU_SOURCE 1 /* REG_RIP */

#include <aco.h>

#define GUESTS 4
#define MAX_STACKS 3

#if defined(__x86_64__)
#define REG_OF_PC REG_RIP
#define REG_OF_BP REG_RBP
#else
#define REG_OF_PC REG_EIP
#define REG_OF_BP REG_EBP
#endif

static void fail(const char *what, int line)
{
	fprintf(stderr, "frames.c:%d: %s\n", line, what);
	_exit(1);
}
#define CHECK(cond)                                         \
	do {                                                \
		if (!(cond))                                \
			fail("not true: " #cond, __LINE__); \
	} while (0)

#include "trap.h"

/* ------------------------------------------------------------- one walk -- */

struct frame {
	const struct frame *next;
	const void *ret;
};

static aco_share_stack_t *stacks[MAX_STACKS];
static const struct frame *main_frame;
static const char *main_bottom; /* below all that main calls */

/* The ends of the stack that has this address; a walk in main ends before the
   high one. */
static int find_stack(const char *p, const char **low, const char **high)
{
	for (int i = 0; i < MAX_STACKS; i++) {
		*low = stacks[i]->ptr;
		*high = *low + stacks[i]->sz;
		if (p >= *low && p < *high)
			return 1;
	}
	*low = main_bottom;
	*high = (const char *)(main_frame + 1);
	return p >= *low && p < *high;
}

enum end { AT_ENTRY, IN_MAIN, ASTRAY, ENDS };

/* Reads nothing that does not lie on the stack of the first frame. */
static enum end walk(const struct frame *f, int *frames)
{
	const char *low;
	const char *high;

	*frames = 0;
	if (f && !find_stack((const char *)f, &low, &high))
		return ASTRAY;
	while (f && f != main_frame) {
		const struct frame *next;

		if ((uintptr_t)f % sizeof(f) || (const char *)f < low ||
		    (const char *)f > high - sizeof(*f))
			return ASTRAY;
		next = f->next;
		if (next && next <= f)
			return ASTRAY;
		f = next;
		++*frames;
	}
	return f ? IN_MAIN : AT_ENTRY;
}

/* ----------------------------------------------------- each instruction -- */

static int steps;
static int ends[ENDS];
static const void *first_astray;

extern const char __executable_start, etext;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	const greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
	const char *pc = (const char *)(uintptr_t)reg[REG_OF_PC];
	enum end end;
	int frames;

	(void)sig;
	(void)info;
	/* Other libraries may use the register as they like. */
	if (pc < &__executable_start || pc >= &etext)
		return;
	end = walk((const struct frame *)(uintptr_t)reg[REG_OF_BP], &frames);
	steps++;
	if (end == ASTRAY && !ends[ASTRAY])
		first_astray = pc;
	ends[end]++;
}

/* ------------------------------------------------------------------ cos -- */

enum way { YIELD, YIELD_VALUE, YIELD_TO, EXIT };

static aco_t *host_co;
static aco_t *guests[GUESTS];
static enum way way;
static aco_t *target;

/* From where each walk is known: look, leave, deep, guest. */
static __attribute__((__noinline__)) void look(void)
{
	int frames;

	CHECK(walk(__builtin_frame_address(0), &frames) == AT_ENTRY);
	CHECK(frames == 4);
}

static __attribute__((__noinline__)) void leave(void)
{
	enum way now = way;

	look();
	way = YIELD;
	if (now == YIELD)
		aco_yield();
	else if (now == YIELD_VALUE)
		aco_yield_value(&way);
	else if (now == YIELD_TO)
		CHECK(aco_yield_to(target) == 0);
	else
		aco_exit();
	look();
	__asm__ volatile(""); /* no tail call */
}

/* A frame of its own size, full of what is no frame pointer. */
static __attribute__((__noinline__)) void deep(int words)
{
	uintptr_t junk[words];
	uintptr_t *hidden = junk;

	for (int i = 0; i < words; i++)
		junk[i] = (uintptr_t)-8;
	__asm__ volatile("" : "+r"(hidden) : : "memory");
	leave();
	__asm__ volatile("" : : "r"(hidden) : "memory");
}

static void guest(void)
{
	int words = *(int *)aco_get_arg();

	for (;;)
		deep(words);
}

static __attribute__((__noinline__)) void have(aco_t *co, enum way leaves)
{
	way = leaves;
	if (leaves == YIELD_VALUE)
		aco_resume_value(co, &way);
	else
		aco_resume(co);
	__asm__ volatile("");
}

static void host(void)
{
	for (int i = 0; i < 3 * GUESTS; i++)
		have(guests[i % GUESTS], YIELD);
	for (int i = 0; i < GUESTS; i++) {
		have(guests[i], YIELD_VALUE);
		for (int k = 0; k < GUESTS; k++) {
			target = guests[k];
			if (target != guests[i])
				have(guests[i], YIELD_TO);
		}
	}
	for (int i = 0; i < GUESTS; i++)
		have(guests[i], EXIT);
	aco_exit();
}

/* ----------------------------------------------------------------- main -- */

static __attribute__((__noinline__)) void run(void)
{
	raise(SIGUSR1);
	aco_resume(host_co);
	raise(SIGUSR1);
	CHECK(host_co->is_end);
}

int main(int argc, char **argv)
{
	static int words[GUESTS] = { 1, 40, 500, 3 };
	int flags = argc > 1 ? ACO_SHARE_FPENV : 0;
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);

	(void)argv;
	main_frame = __builtin_frame_address(0);
	main_bottom = (const char *)main_frame - (1 << 16);
	for (int i = 0; i < MAX_STACKS; i++)
		CHECK((stacks[i] = aco_share_stack_new(1 << 16)));
	host_co = aco_create2(main_co, stacks[0], 0, host, NULL, flags);
	CHECK(host_co);
	for (int i = 0; i < GUESTS; i++) {
		guests[i] = aco_create2(main_co, stacks[1 + i / 3], 0, guest,
					&words[i], flags);
		CHECK(guests[i]);
	}
	catch_traps(on_trap);
	run();
	fprintf(stderr,
		"%d steps: %d end at an entry, %d in main, %d astray, first "
		"%p\n",
		steps, ends[AT_ENTRY], ends[IN_MAIN], ends[ASTRAY],
		first_astray);
	CHECK(ends[AT_ENTRY] > 5000);
	CHECK(ends[IN_MAIN] > 20);
	CHECK(ends[ASTRAY] == 0);
	return 0;
}
