/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.c - a shared object that switches inline, loaded with dlopen(3)
 *
 * plugin-host.c loads it; that program may use libaco itself, or not know of
 * it.
 */
#include <aco.h>

#include "plugin.h"

/* Position-independent, and something of each kind is live. */
static int counted[3];

static void counter(void)
{
	int *count = (int *)aco_get_arg();
	double half = 0.5;

	for (;;) {
		half += 1;
		++*count;
		aco_yield();
		if (half != *count + 0.5)
			*count = -1000000;
	}
}

int plugin_run(int rounds)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *alone = aco_share_stack_new(0);
	aco_share_stack_t *shared = aco_share_stack_new(0);
	aco_t *co[3];
	int i;

	co[0] = aco_create(main_co, alone, 0, counter, &counted[0]);
	co[1] = aco_create(main_co, shared, 0, counter, &counted[1]);
	co[2] = aco_create(main_co, shared, 0, counter, &counted[2]);
	counted[0] = counted[1] = counted[2] = 0;
	for (i = 0; i < rounds; i++)
		aco_resume(co[i % 3]);
	for (i = 0; i < 3; i++)
		aco_destroy(co[i]);
	aco_share_stack_destroy(alone);
	aco_share_stack_destroy(shared);
	aco_destroy(main_co);
	return counted[0] + counted[1] + counted[2];
}

void plugin_resume(void *co)
{
	aco_resume((aco_t *)co);
}

void plugin_yield(void)
{
	aco_yield();
}

/*
 * Leaves something of the library's own behind in the calling thread: a main
 * context without a main co.
 */
struct plugin_guest {
	aco_t *main_co, *co;
	aco_share_stack_t *stack;
};

void *plugin_guest_new(void)
{
	struct plugin_guest *g = (struct plugin_guest *)malloc(sizeof(*g));

	g->main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	g->stack = aco_share_stack_new(0);
	g->co = aco_create(g->main_co, g->stack, 0, counter, &counted[0]);
	return g;
}

void plugin_guest_run(void *guest)
{
	aco_resume(((struct plugin_guest *)guest)->co);
}

void plugin_guest_free(void *guest)
{
	struct plugin_guest *g = (struct plugin_guest *)guest;

	aco_destroy(g->co);
	aco_share_stack_destroy(g->stack);
	aco_destroy(g->main_co);
	free(g);
}
