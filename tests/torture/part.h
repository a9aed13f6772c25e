/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part.h - the switches; part-inline.c and part-func.c compile it differently
 */
#include <aco.h>

#include "torture.h"

static void change(void *arg)
{
	struct change *c = (struct change *)arg;

	switch (c->call) {
	case CALL_RESUME:
		aco_resume(c->co);
		break;
	case CALL_TRY_RESUME:
		c->result = aco_try_resume(c->co);
		break;
	case CALL_RESUME_VALUE:
		c->got = aco_resume_value(c->co, c->value);
		break;
	case CALL_YIELD:
		aco_yield();
		break;
	case CALL_YIELD1:
		aco_yield1(c->co);
		break;
	case CALL_YIELD_VALUE:
		c->got = aco_yield_value(c->value);
		break;
	case CALL_YIELD_TO:
		c->result = aco_yield_to(c->co);
		break;
	case CALL_EXIT:
		aco_exit();
	case CALL_EXIT1:
		aco_exit1(c->co);
	case CALL_EXIT_VALUE:
		aco_exit_value(c->value);
	}
}

/* More values than there are registers, all needed afterwards. */
static void hold(void *arg)
{
	struct change *c = (struct change *)arg;
	uint32_t s = c->salt, t = c->salt;
	uint32_t a = torture_random(&s), b = torture_random(&s);
	uint32_t d = torture_random(&s), e = torture_random(&s);
	uint32_t f = torture_random(&s), g = torture_random(&s);
	uint32_t h = torture_random(&s), i = torture_random(&s);

	switch (c->call) {
	case CALL_RESUME:
		aco_resume(c->co);
		break;
	case CALL_YIELD:
		aco_yield();
		break;
	default:
		change(c);
	}
	CHECK_EQ("a value that the caller held", a, torture_random(&t));
	CHECK_EQ("a value that the caller held", b, torture_random(&t));
	CHECK_EQ("a value that the caller held", d, torture_random(&t));
	CHECK_EQ("a value that the caller held", e, torture_random(&t));
	CHECK_EQ("a value that the caller held", f, torture_random(&t));
	CHECK_EQ("a value that the caller held", g, torture_random(&t));
	CHECK_EQ("a value that the caller held", h, torture_random(&t));
	CHECK_EQ("a value that the caller held", i, torture_random(&t));
}

static void tiny(void)
{
	uintptr_t id = torture_enter();

	for (;;) {
		switch (torture_tiny(id)) {
		case TINY_YIELD:
			aco_yield();
			break;
		case TINY_EXIT:
			aco_exit();
		case TINY_RETURN:
			return;
		}
	}
}

const struct part PART = { change, hold, tiny };
