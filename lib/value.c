/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c - a pointer that goes with a switch
 *
 * Whoever waits in one of the calls below has ACO_TAKES_VALUE set.  Only then
 * is a pointer sent, in the variable of the thread, and taken as soon as the
 * switch is over.  So that is NULL at all other times: what one of the plain
 * calls continues, or what begins, leaves nothing behind for others to find.
 */
#include "internal.h"

static void send(const aco_t *to, void *v)
{
	if (to->flags & ACO_TAKES_VALUE)
		aco_thread.value = v;
}

/*
 * A function of its own: to the compiler the address of a thread's variable is
 * constant, and after the switch this may be another thread.
 */
__attribute__((__noinline__)) static void *take(aco_t *self)
{
	void *v = aco_thread.value;

	aco_thread.value = NULL;
	self->flags &= ~ACO_TAKES_VALUE & 0x7f;
	return v;
}

void *aco_resume_value(aco_t *co, void *v)
{
	aco_t *self = aco_prepare_resume(co, "aco_resume_value");

	send(co, v);
	self->flags |= ACO_TAKES_VALUE;
	aco_go(self, co, co);
	return take(self);
}

void *aco_yield_value(void *v)
{
	aco_t *self = aco_prepare_yield("aco_yield_value");

	send(self->resumer, v);
	self->flags |= ACO_TAKES_VALUE;
	aco_go(self, self->resumer, self);
	return take(self);
}

void aco_exit_value(void *v)
{
	aco_t *self = aco_prepare_exit("aco_exit_value");

	send(self->resumer, v);
	aco_go(self, self->resumer, self);
	__builtin_unreachable();
}
