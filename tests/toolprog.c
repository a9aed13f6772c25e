/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toolprog.c - what the test scripts run under sanitizers and Valgrind
 *
 * Sharing, standalone and nested cos with live data in frames that have
 * redzones; cos destroyed or reset while they are suspended, and one whose
 * stack holds the only pointer to memory.  "overflow", "leak", "freed",
 * "destroyed" (use of a stack that is), "uninitialised" and "in-place" (the
 * same in a co that another has yielded to) do what the name says, for the tool
 * to find; "misuse" is for the library to find.  "guards" wants each guard to
 * be a mapping.
 */
#include <aco.h>
#include <pthread.h>

#ifdef WITH_VALGRIND
#include <valgrind/memcheck.h>
#endif

#define COS 8
#define ROUNDS 50

static int failures;

static __attribute__((noinline)) void fill(char *buf, size_t sz, int value)
{
	size_t i;

	for (i = 0; i < sz; i++)
		buf[i] = (char)value;
}

static __attribute__((noinline)) int is_filled(const char *buf, size_t sz,
					       int value)
{
	size_t i;

	for (i = 0; i < sz; i++)
		if (buf[i] != (char)value)
			return 0;
	return 1;
}

/* The compiler doesn't know which element it is, so the array is there as a
   whole: clang makes variables of elements that it knows. */
static volatile int somewhere = 99;

/* What a tool remembers of arguments and results isn't there any more, or is
   wrong, after a call of code that it doesn't know. */
struct pair {
	long a, b;
};

static struct pair mix(struct pair p, struct pair q)
{
	p.b |= q.b;
	return p;
}

/* The compiler can't know that it does nothing. */
static struct pair (*volatile pass)(struct pair p, struct pair q) = mix;

static __attribute__((noinline)) void mislead(void)
{
	volatile char unset[2000];
	struct pair *p = malloc(sizeof(*p));

	unset[somewhere] = 0;
	pass(*p, *p);
	free(p);
}

/* The library has the memory of cos from here. */
static int allocations;

static void *give(size_t sz, void *ctx)
{
	void *p = malloc(sz);

	if (!sz || ctx != &allocations)
		failures++;
	allocations++;
	mislead();
	return p;
}

static void take_back(void *ptr, size_t sz, void *ctx)
{
	if (!ptr || !sz || ctx != &allocations)
		failures++;
	allocations--;
	free(ptr);
}

/* Where the next pause leads, if not to the resumer. */
static aco_t *next_co;

static void pause_co(void)
{
	aco_t *to = next_co;

	next_co = NULL;
	mislead();
	if (to && !to->is_end && to != aco_co()) {
		if (aco_yield_to(to) != 0)
			failures++;
	} else if (to) {
		aco_yield();
	} else if (aco_yield_value(to) == &failures) {
		failures++;
	}
}

static __attribute__((noinline)) void deep(int depth, int value)
{
	char buf[61];

	fill(buf, sizeof(buf), value);
	if (depth > 0)
		deep(depth - 1, value + 1);
	else
		pause_co();
	failures += !is_filled(buf, sizeof(buf), value);
}

static void work(void)
{
	int id = *(int *)aco_get_arg();
	int round;

	for (round = 0; round < ROUNDS; round++)
		deep((id + round) % 7, id + round);
	aco_exit();
}

static void nest(void)
{
	aco_t *inner = aco_get_arg();

	while (!inner->is_end) {
		if (aco_try_resume(inner) != 0)
			failures++;
		aco_yield();
	}
	aco_exit();
}

/* Its arg is memory that was allocated outside: LeakSanitizer puts up with all
   that is allocated on a stack that it doesn't know. */
static void hold(void)
{
	char *volatile only = aco_get_arg();

	aco_co()->arg = NULL;
	aco_yield();
	free(only);
	aco_exit();
}

static void overflow(void)
{
	char buf[16];
	volatile int n = *(int *)aco_get_arg();

	fill(buf, sizeof(buf), 1);
	aco_yield();
	buf[n] = 2;
	failures += is_filled(buf, sizeof(buf), 3);
	aco_exit();
}

/* What it branches on has been copied out and in. */
static void branches(void)
{
	volatile char buf[100];

	buf[somewhere] = 0;
	aco_yield();
	if (buf[50])
		failures++;
	aco_exit();
}

static void goes_there(void)
{
	aco_t *to = aco_get_arg();

	if (to && aco_yield_to(to) != 0)
		failures++;
	aco_exit();
}

static void branch_on_garbage(aco_t *main_co, aco_share_stack_t *sstk,
			      int in_place)
{
	aco_t *a = aco_create(main_co, sstk, 0, branches, NULL);
	aco_t *b = aco_create(main_co, sstk, 0, goes_there,
			      in_place ? a : NULL);

	aco_resume(a);
	aco_resume(b);
	if (!in_place)
		aco_resume(a);
	aco_destroy(a);
	aco_destroy(b);
}

/* Most of its frames is never written to. */
static __attribute__((noinline)) void measure(int depth)
{
	volatile char buf[200];

	buf[somewhere] = 1;
	if (depth > 0)
		measure(depth - 1);
	else if (aco_stack_usage(aco_co()) < 100)
		failures++;
	buf[0] = 1;
}

/* Deeper than what the dynamic linker needs for the first call. */
static void measures(void)
{
	measure(0);
	measure(30);
	aco_yield();
	aco_exit();
}

/* Each in turn on one or two stacks; with ring, they yield to each other. */
static void share(aco_t *main_co, aco_share_stack_t *sstk,
		  aco_share_stack_t *sstk2, int ring)
{
	int ids[COS], i, alive = COS;
	aco_t *cos[COS];

	for (i = 0; i < COS; i++) {
		ids[i] = i;
		cos[i] = aco_create(main_co, i % 3 ? sstk : sstk2,
				    (size_t)i * 64, work, &ids[i]);
		aco_assertptr(cos[i]);
	}
	while (alive > 1) {
		for (i = 1; i < COS; i++) {
			if (cos[i]->is_end)
				continue;
			next_co = ring ? cos[i % (COS - 1) + 1] : NULL;
			mislead();
			if (i % 2)
				aco_resume(cos[i]);
			else if (aco_resume_value(cos[i], cos[i]) == &failures)
				failures++;
		}
		for (alive = 0, i = 0; i < COS; i++)
			alive += !cos[i]->is_end;
		aco_resume(cos[0]); /* destroyed while it is suspended */
		if (cos[0]->is_end)
			break;
	}
	/* reads where no program may: below its stack pointer */
	if (aco_stack_usage(cos[0]) < sizeof(ids))
		failures++;
	for (i = 0; i < COS; i++)
		aco_destroy(cos[i]);
}

static void run_nested(aco_t *main_co, aco_share_stack_t *a,
		       aco_share_stack_t *b)
{
	int id = 3;
	aco_t *inner = aco_create(main_co, a, 0, work, &id);
	aco_t *outer = aco_create(main_co, b, 0, nest, inner);

	while (!outer->is_end)
		aco_resume(outer);
	aco_destroy(outer);
	aco_destroy(inner);
}

/* By itself and by another, with the stack for itself. */
static void run_measured(aco_t *main_co, aco_share_stack_t *sstk)
{
	aco_t *co = aco_create(main_co, sstk, 0, measures, NULL);

	aco_resume(co);
	if (aco_stack_usage(co) < 100)
		failures++;
	aco_resume(co);
	aco_destroy(co);
}

/* By no other function: little lies between its caller and the stack pointer of
   the co. */
static void (*volatile plain_yield)(void) = aco_yield;

static __attribute__((noinline)) void use_stack(size_t sz)
{
	char buf[1000];

	fill(buf, sz, 1);
	failures += !is_filled(buf, sz, 1);
}

/* What code that jumps to a function, or has it inlined, may write to. */
static void lies_deep(void)
{
	char buf[500];

	fill(buf, sizeof(buf), 2);
	plain_yield();
#if defined(WITH_VALGRIND) && defined(__x86_64__)
	/* before the next call, which lets the red zone be accessed */
	char *sp;

	__asm__ volatile("movq %%rsp, %0" : "=r"(sp));
	failures += VALGRIND_CHECK_MEM_IS_ADDRESSABLE(sp - 128, 128) != 0;
#endif
	failures += !is_filled(buf, sizeof(buf), 2);
	aco_exit();
}

static void lies_high(void)
{
	use_stack(1000);
	plain_yield();
	aco_exit();
}

/* A co is copied to where another one has been and is no more. */
static void come_back_below(aco_t *main_co, aco_share_stack_t *sstk)
{
	aco_t *deep_co = aco_create(main_co, sstk, 0, lies_deep, NULL);
	aco_t *high_co = aco_create(main_co, sstk, 0, lies_high, NULL);

	aco_resume(deep_co);
	aco_resume(high_co);
	aco_resume(deep_co);
	aco_destroy(high_co);
	aco_destroy(deep_co);
}

static void suspend_deep(void)
{
	deep(5, 1);
	aco_exit();
}

/* Lives that end while they are suspended, one after the other. */
static void live_again(aco_t *main_co, aco_share_stack_t *sstk, int lives)
{
	aco_t *co = aco_create(main_co, sstk, 0, suspend_deep, NULL);

	while (lives-- > 0) {
		aco_resume(co);
		if (lives % 3 == 0)
			aco_resume(co);
		if (lives % 2 == 0) {
			failures += aco_reset(co, suspend_deep, NULL) < 0;
			continue;
		}
		aco_destroy(co);
		co = aco_create(main_co, sstk, 0, suspend_deep, NULL);
	}
	aco_destroy(co);
}

/* As many programs end: the stack goes, and then its cos. */
static void stack_goes_first(aco_t *main_co, char guard)
{
	aco_share_stack_t *sstk = aco_share_stack_new2(1 << 16, guard);
	aco_t *one = aco_create(main_co, sstk, 0, suspend_deep, NULL);
	aco_t *two = aco_create(main_co, sstk, 0, suspend_deep, NULL);

	aco_resume(one);
	aco_resume(two);
	aco_share_stack_destroy(sstk);
	failures += aco_stack_usage(one) == 0;
	failures += aco_reset(two, suspend_deep, NULL) == 0;
	aco_destroy(one);
	aco_destroy(two);
}

/* The memory of a stack belongs to the program again, with what is in it. */
static void memory_comes_back(aco_t *main_co)
{
	size_t i, sz = 1 << 16, used = 0;
	char *mem = calloc(1, sz);
	aco_share_stack_t *sstk = aco_share_stack_from(mem, sz);
	aco_t *co = aco_create(main_co, sstk, 0, suspend_deep, NULL);

	aco_resume(co);
	aco_share_stack_destroy(sstk);
	for (i = 0; i < sz; i++)
		used += mem[i] != 0;
	failures += used == 0;
	memset(mem, 1, sz);
	aco_destroy(co);
	free(mem);
}

/* Kilobytes of address space. */
static long address_space(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	failures += !f || fscanf(f, "%ld", &pages) != 1;
	if (f)
		fclose(f);
	return pages * 4;
}

/* What a tool keeps for each life goes with it. */
static void live_often(aco_t *main_co, aco_share_stack_t *sstk)
{
	long before;

	live_again(main_co, sstk, 100);
	before = address_space();
	live_again(main_co, sstk, 300);
	failures += address_space() - before > 20000;
}

/* Whether what lies below the stack is a mapping without access. */
static int has_mapped_guard(const aco_share_stack_t *sstk)
{
	unsigned long below = (unsigned long)(uintptr_t)sstk->ptr - 1;
	unsigned long start, end;
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], access[8];
	int has = 0;

	aco_assertptr(f);
	while (!has && fgets(line, sizeof(line), f))
		has = sscanf(line, "%lx-%lx %7s", &start, &end, access) == 3 &&
		      start <= below && below < end && access[0] == '-';
	fclose(f);
	return has;
}

/* More than a tool that keeps a list of its own may have room for. */
static void many_guards(void)
{
	aco_share_stack_t *sstk[100];
	int i;

	for (i = 0; i < 100; i++) {
		sstk[i] = aco_share_stack_new2(4096, 1);
		aco_assertptr(sstk[i]);
		failures += !has_mapped_guard(sstk[i]);
	}
	for (i = 0; i < 100; i++)
		aco_share_stack_destroy(sstk[i]);
}

static aco_t *first_co(void)
{
	const aco_allocator_t allocator = { give, take_back, &allocations };

	mislead();
	if (aco_overflow_report(1) != 0 || aco_overflow_report(0) != 0 ||
	    aco_set_allocator(&allocator) != 0)
		failures++;
	return aco_create(NULL, NULL, 0, NULL, NULL);
}

static void *first_stack(void *arg)
{
	aco_share_stack_destroy(aco_share_stack_new(1 << 16));
	return arg;
}

static void *first_main_co(void *arg)
{
	aco_destroy(aco_create(NULL, NULL, 0, NULL, NULL));
	return arg;
}

/* Reports have just been turned on, perhaps by another thread. */
static void *first_report(void *arg)
{
	if (aco_overflow_report(1) != 0)
		abort();
	return first_main_co(arg);
}

static void ends(void)
{
	aco_exit();
}

/* A switch asks each C++ runtime that the threads have found. */
static void *first_switch(void *arg)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(1 << 16);
	aco_t *co = aco_create(main_co, sstk, 0, ends, NULL);

	aco_resume(co);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return arg;
}

/* The first of the process are made by two threads at a time. */
static void begin_in_two_threads(void *(*make_first)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, make_first, NULL))
		abort();
	make_first(NULL);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	aco_t *main_co, *holder;
	aco_share_stack_t *a, *b, *held;
	volatile char *in_stack;
	int past = 16;

	if (!strcmp(what, "threads"))
		begin_in_two_threads(first_stack);
	if (!strcmp(what, "cos")) {
		begin_in_two_threads(first_main_co);
		return 0;
	}
	if (!strcmp(what, "switches")) {
		begin_in_two_threads(first_switch);
		return 0;
	}
	if (!strcmp(what, "reports")) {
		begin_in_two_threads(first_report);
		return aco_overflow_report(0) != 0;
	}
	main_co = first_co();
	a = aco_share_stack_new2(1 << 16, 1);
	b = aco_share_stack_new2(1 << 16, 0);
	held = strcmp(what, "exit") ? b : a;
	holder = aco_create(main_co, held, 0, hold, malloc(100));
	in_stack = a->ptr;
	aco_prefetch(holder);
	aco_prefetch(NULL);

	run_measured(main_co, a);
	share(main_co, a, a, 0);
	share(main_co, a, a, 1);
	share(main_co, a, b, 1);
	run_nested(main_co, a, b);
	come_back_below(main_co, a);
	live_often(main_co, a);
	stack_goes_first(main_co, 0);
	stack_goes_first(main_co, 1);
	memory_comes_back(main_co);
	if (!strcmp(what, "guards"))
		many_guards();
	aco_resume(holder);
	if (!strcmp(what, "overflow")) {
		aco_t *co = aco_create(main_co, a, 0, overflow, &past);

		aco_resume(co);
		aco_resume(co);
	}
	if (!strcmp(what, "uninitialised"))
		branch_on_garbage(main_co, a, 0);
	if (!strcmp(what, "in-place"))
		branch_on_garbage(main_co, a, 1);
	if (!strcmp(what, "misuse")) {
		mislead();
		aco_yield(); /* never returns */
	}
	if (!strcmp(what, "leak")) {
		aco_destroy(holder); /* and with it the only pointer */
		holder = NULL;
	}
	if (!strcmp(what, "exit"))
		exit(failures != 0); /* everything is still reachable */
	if (holder) {
		aco_resume(holder);
		aco_destroy(holder);
	}
	aco_share_stack_destroy(a);
	aco_share_stack_destroy(b);
	if (!strcmp(what, "destroyed"))
		*in_stack = 1;
	aco_destroy(main_co);
	return failures != 0 || allocations != 0;
}
