/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probes.c - meets each probe of the library, and says which ones it meets
 *
 * Linked with a library that has probes, and run by gdb, which stops at each of
 * them; probes.sh compares what both write: for each, in the order in which they
 * are met, a line with its name and its first two arguments.
 */
#include <aco.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct line {
	const char *probe;
	uintptr_t a, b;
};

static struct line lines[200];
static size_t count;
static aco_t *main_co;

/* A probe that is met next, or that was met last. */
static struct line *meets(const char *probe, const void *a, uintptr_t b)
{
	struct line *l = &lines[count++];

	l->probe = probe;
	l->a = (uintptr_t)a;
	l->b = b;
	return l;
}

static void must(int ok, const char *what)
{
	if (ok)
		return;
	printf("%s: no\n", what);
	exit(1);
}

static void write_lines(const char *file)
{
	FILE *out = fopen(file, "w");

	must(out != NULL, file);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s 0x%lx 0x%lx\n", lines[i].probe,
			(unsigned long)lines[i].a, (unsigned long)lines[i].b);
	fprintf(out, "misuse aco_resume: the co is NULL\n");
	fclose(out);
}

/* ---- memory, until it runs out ------------------------------------------- */

static int runs_out;

static void *get(size_t sz, void *ctx)
{
	(void)ctx;
	return runs_out ? NULL : malloc(sz);
}

static void put(void *ptr, size_t sz, void *ctx)
{
	(void)sz;
	(void)ctx;
	free(ptr);
}

static const aco_allocator_t allocator = { get, put, NULL };

/* ---- what cos do ---------------------------------------------------------- */

static aco_t *create(aco_share_stack_t *stack, aco_cofuncp_t fp)
{
	aco_t *co = aco_create(main_co, stack, 0, fp, NULL);

	must(co != NULL, "aco_create");
	meets("co__create", co, (uintptr_t)fp);
	return co;
}

static void destroy(aco_t *co)
{
	meets("co__destroy", co, 0);
	aco_destroy(co);
}

static void start(aco_t *co)
{
	meets("co__start", co, 0);
	meets("co__resume", co, (uintptr_t)main_co);
	aco_resume(co);
}

static void go_on(aco_t *co)
{
	meets("co__resume", co, (uintptr_t)main_co);
	aco_resume(co);
}

static void wait_here(void)
{
	meets("co__yield", aco_co(), (uintptr_t)main_co);
	aco_yield();
}

/* At first with more on the stack than ever after, so that save stacks are large
   enough from then on. */
__attribute__((__noinline__)) static void wait_deep(void)
{
	volatile char more[400];

	more[0] = 0;
	wait_here();
	more[0] = 1;
}

static void leave(void)
{
	meets("co__exit", aco_co(), (uintptr_t)main_co);
	aco_exit();
}

/* ---- two cos that share a stack ------------------------------------------- */

static aco_t *first, *second;

/* How many bytes of co went out is known later, from its save stack. */
static struct line *of_first, *of_second;

static void goes_out(aco_t *co)
{
	struct line *l = meets("copy__out", co, 0);

	if (co == first)
		of_first = l;
	else
		of_second = l;
}

static void comes_in(aco_t *co)
{
	struct line *l = co == first ? of_first : of_second;

	l->b = co->save_stack.valid_sz;
	must(l->b != 0, "bytes in the save stack");
	meets("copy__in", co, l->b);
}

static void body_of_first(void)
{
	wait_deep();
	wait_here();
	leave();
}

static void body_of_second(void)
{
	wait_deep();
	wait_here();
	goes_out(second);
	comes_in(first);
	meets("co__yield_to", second, (uintptr_t)first);
	aco_yield_to(first);
}

static void share(void)
{
	aco_share_stack_t *stack = aco_share_stack_new(0);
	struct line *refused;

	must(stack != NULL, "aco_share_stack_new");
	meets("stack__map", stack, (uintptr_t)stack->ptr);
	first = create(stack, body_of_first);
	start(first);
	second = create(stack, body_of_second);

	runs_out = 1;
	refused = meets("save_stack__fail", first, 0);
	must(aco_try_resume(second) < 0, "no memory for a save stack");
	runs_out = 0;

	meets("save_stack__resize", first, 0);
	goes_out(first);
	start(second);
	meets("save_stack__resize", second, 0);
	goes_out(second);
	comes_in(first);
	refused->b = of_first->b;
	go_on(first);
	goes_out(first);
	comes_in(second);
	go_on(second);
	/* in its call: yields to first, which exits */
	go_on(second);

	meets("co__reset", first, (uintptr_t)body_of_first);
	must(aco_reset(first, body_of_first, NULL) == 0, "aco_reset");
	of_second->b = second->save_stack.valid_sz;
	destroy(first);
	destroy(second);
	meets("stack__destroy", stack, 0);
	aco_share_stack_destroy(stack);
	must(aco_share_stack_new(0) == stack, "a stack that was kept");
	meets("stack__cache_hit", stack, 0);
	aco_share_stack_cache_limit(0);
	meets("stack__destroy", stack, 0);
	meets("stack__unmap", stack, (uintptr_t)stack->ptr);
	aco_share_stack_destroy(stack);
}

/* ---- values, and stacks of other kinds ------------------------------------ */

static void body_of_third(void)
{
	meets("co__yield", aco_co(), (uintptr_t)main_co);
	aco_yield_value(NULL);
	meets("co__exit", aco_co(), (uintptr_t)main_co);
	aco_exit_value(NULL);
}

static void alone(void)
{
	static char mem[100000];
	aco_share_stack_t *stack = aco_share_stack_from(mem, sizeof(mem));
	aco_t *co;

	must(stack != NULL, "aco_share_stack_from");
	meets("stack__map", stack, (uintptr_t)mem);
	co = create(stack, body_of_third);
	meets("co__start", co, 0);
	meets("co__resume", co, (uintptr_t)main_co);
	aco_resume_value(co, NULL);
	meets("co__resume", co, (uintptr_t)main_co);
	aco_resume_value(co, NULL);
	destroy(co);
	meets("stack__destroy", stack, 0);
	meets("stack__unmap", stack, (uintptr_t)mem);
	aco_share_stack_destroy(stack);
}

/* ---- calls that fail ------------------------------------------------------- */

static void fail(void)
{
	meets("co__fail", NULL, EINVAL);
	must(!aco_create(main_co, NULL, 0, leave, NULL), "no stack");
	meets("stack__fail", (void *)UINTPTR_MAX, EINVAL);
	must(!aco_share_stack_new(SIZE_MAX), "too large a stack");
	runs_out = 1;
	meets("co__fail", NULL, ENOMEM);
	must(!aco_create(NULL, NULL, 0, NULL, NULL), "no memory");
}

int main(int argc, char **argv)
{
	must(argc == 2, "one argument");
	must(aco_set_allocator(&allocator) == 0, "aco_set_allocator");
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	must(main_co != NULL, "aco_create");
	meets("co__create", main_co, 0);
	share();
	alone();
	fail();
	destroy(main_co);
	write_lines(argv[1]);
	aco_resume(NULL); /* the last probe */
	return 0;
}
