/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mixed.c - what one path suspends, the other continues
 *
 * Cos are resumed and yield at random by the inline path and by functions,
 * each time with random values in all callee-saved registers.  Some resume
 * another in turn, which main resumes as well: a yield goes to the last one who
 * resumed.  Or they yield to any other that is suspended.  Some share a stack,
 * and now and then one loses its stack for itself and regains it.  mixed.sh
 * links parts of two compilers together.
 *
 * Fails, among others, when the landing of the function path does not reload
 * reg[3], and without the comparison of the resumer in aco/switch.h.
 *
 * Environment: ACO_TEST_SWITCHES (8,000,000), ACO_TEST_SEED.
 */
#include <aco.h>

#include "mixed.h"
#include "probe.h"

#define COUNT_OF(a) (sizeof(a) / sizeof(*(a)))

static const struct mixed_part *const parts[] = {
	&mixed_inline,
	&mixed_func,
#if defined(MIXED_OTHER)
	&mixed_inline_other,
	&mixed_func_other,
#endif
};

enum { COS = 10, VALUES = 8 };

struct player {
	aco_t *co;
	struct player *inner;	  /* whom it resumes */
	unsigned suspended_by;	  /* index into parts */
	unsigned resumer_left_by; /* the same of the other direction */
};

static struct player players[COS];
static unsigned long switches, limit = 8000000;
static unsigned long in_place; /* yields to another user of the stack */
static uint64_t state = 88172645463325252u;
/* [who suspended][who continued] */
static unsigned long pairs[COUNT_OF(parts)][COUNT_OF(parts)];

static unsigned long any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned long)state;
}

static void fail(const char *what, unsigned part)
{
	fprintf(stderr, "mixed: switch %lu: %s: %s\n", switches,
		parts[part]->name, what);
	exit(1);
}

static void any_values(unsigned long *v)
{
	int i;

	for (i = 0; i < VALUES; i++)
		v[i] = any();
}

static void resume(struct player *p)
{
	unsigned long v[VALUES];
	unsigned by = any() % COUNT_OF(parts);
	aco_t *self = aco_get_co();
	int way = (int)(any() % 4);
	int ok;

	any_values(v);
	pairs[p->suspended_by][by]++;
	switches++;
	p->resumer_left_by = by;
	if (way == 0)
		ok = !probe(parts[by]->resume_value, p->co, v);
	else if (way == 1)
		ok = !probe(parts[by]->resume_bare, p->co, v);
	else
		ok = parts[by]->resume_busy(p->co, v);
	if (!ok)
		fail("a register is lost over a resume", by);
	if (self && aco_get_co() != self)
		fail("a yield went to another co", by);
}

static void yield(struct player *p)
{
	unsigned long v[VALUES];
	unsigned by = any() % COUNT_OF(parts);
	int way = (int)(any() % 4);
	int ok;

	any_values(v);
	p->suspended_by = by;
	pairs[p->resumer_left_by][by]++;
	switches++;
	if (way == 0)
		ok = !probe(parts[by]->yield_value, p, v);
	else if (way == 1)
		ok = !probe(parts[by]->yield_bare, NULL, v);
	else
		ok = parts[by]->yield_busy(v);
	if (!ok)
		fail("a register is lost over a yield", by);
}

/* Cos that share a stack resume no other, so none waits on a stack that
   another one needs. */
static int is_suspended(const struct player *p)
{
	return aco_state(p->co) == ACO_STATE_SUSPENDED ||
	       aco_state(p->co) == ACO_STATE_INIT;
}

static void yield_to(struct player *p, struct player *to)
{
	unsigned long v[VALUES];
	unsigned by = any() % COUNT_OF(parts);
	int bare = any() & 1;
	int ok;

	any_values(v);
	pairs[to->suspended_by][by]++;
	p->suspended_by = by;
	to->resumer_left_by = p->resumer_left_by;
	in_place += to->co->share_stack == p->co->share_stack;
	switches++;
	if (bare)
		ok = !probe(parts[by]->yield_to_bare, to->co, v);
	else
		ok = parts[by]->yield_to_busy(to->co, v);
	if (!ok)
		fail("a register is lost over a yield to another", by);
}

static void leave(struct player *p)
{
	struct player *to = &players[any() % COS];

	if ((any() & 1) && is_suspended(to))
		yield_to(p, to);
	else
		yield(p);
}

static void play(void)
{
	struct player *p = (struct player *)aco_get_arg();

	while (switches < limit) {
		if (p->inner && (any() & 1))
			resume(p->inner);
		else
			leave(p);
		if (aco_get_co() != p->co)
			fail("not the current co", p->suspended_by);
	}
	while (p->inner && !p->inner->co->is_end)
		resume(p->inner);
	aco_exit();
}

/* Others, with their own control words and without, alone and sharing. */
static void create(aco_t *main_co, aco_share_stack_t **stack)
{
	static const struct {
		int stack;
		unsigned flags;
		int inner;
	} plan[COS] = {
		{ 0, ACO_SHARE_FPENV, -1 },
		{ 1, 0, -1 },
		{ 2, ACO_SHARE_FPENV, 6 },
		{ 3, 0, 7 },
		{ 4, ACO_SHARE_FPENV, -1 },
		{ 4, ACO_SHARE_FPENV, -1 },
		{ 5, ACO_SHARE_FPENV, -1 },
		{ 6, 0, -1 },
		{ 4, 0, -1 },
		{ 4, 0, -1 },
	};
	int i;

	for (i = 0; i < COS; i++) {
		struct player *p = &players[i];
		int s = plan[i].stack;

		if (!stack[s])
			stack[s] = aco_share_stack_new(0);
		p->co = aco_create2(main_co, stack[s], 0, play, p,
				    plan[i].flags);
		if (!p->co)
			fail("no memory", 0);
		if (plan[i].inner >= 0)
			p->inner = &players[plan[i].inner];
	}
}

/* A guest on the stack of a co takes away its being alone, for a moment. */
static void visit(aco_t *main_co, struct player *p)
{
	aco_t *guest = aco_create(main_co, p->co->share_stack, 0, play, p);

	if (!guest)
		fail("no memory", 0);
	if (any() & 1)
		resume(p);
	aco_destroy(guest);
}

static void report(void)
{
	unsigned i, j;

	for (i = 0; i < COUNT_OF(parts); i++) {
		for (j = 0; j < COUNT_OF(parts); j++) {
			printf("%9lu", pairs[i][j]);
			if (pairs[i][j] < limit / 64)
				fail("hardly used", i);
		}
		printf("  left by %s\n", parts[i]->name);
	}
	printf("%9lu  yields to another user of the stack\n", in_place);
	if (in_place < limit / 64)
		fail("hardly any yields to another user of the stack", 0);
}

int main(void)
{
	aco_share_stack_t *stack[COS] = { NULL };
	const char *s = getenv("ACO_TEST_SWITCHES");
	aco_t *main_co;
	int i;

	if (s)
		limit = strtoul(s, NULL, 0);
	s = getenv("ACO_TEST_SEED");
	if (s)
		state ^= strtoul(s, NULL, 0);
	aco_thread_init(NULL);
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	create(main_co, stack);
	while (switches < limit) {
		struct player *p = &players[any() % COS];

		if (any() % 64)
			resume(p);
		else
			visit(main_co, p);
	}
	for (i = 0; i < COS; i++)
		while (!players[i].co->is_end)
			resume(&players[i]);
	report();
	for (i = 0; i < COS; i++)
		aco_destroy(players[i].co);
	for (i = 0; i < COS; i++)
		if (stack[i])
			aco_share_stack_destroy(stack[i]);
	aco_destroy(main_co);
	return 0;
}
