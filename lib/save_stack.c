/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save_stack.c - the copying protocol of share stacks
 *
 * The owner of a share stack is the co whose bytes lie on it.  Yielding copies
 * nothing: bytes move only when another user of the stack is resumed.
 *
 *	share stack, owner A suspended      A's save stack     B's save stack
 *
 *	align_retptr +------------+
 *	             |  A's bytes | -- copied out -->  [A....]
 *	A's reg[SP]  +------------+
 *	                                   B's bytes lie   <-- copied in --
 *[B..] below align_retptr after that
 */
#include "internal.h"

#include <errno.h>

#include "copy.h"
#include "tools.h"

/* A save stack beyond this shrinks when a quarter of it would do. */
#define SHRINK_ABOVE 1024

/* Whole words, and at least as much as malloc hands out anyway. */
static size_t round_up(size_t sz)
{
	return (sz + 7) & ~(size_t)7;
}

/*
 * The size to allocate for a save stack that has to hold need bytes.  The
 * first allocation fits exactly, as most cos suspend at one depth; those that
 * go on growing get room ahead.
 */
static size_t new_size(const aco_save_stack_t *s, size_t need)
{
	size_t ahead = s->sz + s->sz / 2;

	return round_up(need > s->sz && need < ahead ? ahead : need);
}

static int has_room(const aco_save_stack_t *s, size_t need)
{
	if (need > s->sz)
		return 0;
	return s->sz <= SHRINK_ABOVE || need > s->sz / 4;
}

/*
 * Give the save stack of co room for need bytes, or take away what a deep call
 * left behind.  What it holds is stale: the bytes lie on the share stack.
 */
__attribute__((__noinline__)) static int resize(aco_t *co, size_t need)
{
	aco_save_stack_t *s = &co->save_stack;
	size_t sz;
	void *ptr;

	if ((co->flags & ACO_ONE_PIECE) && need <= s->sz)
		return 0; /* can't shrink */
	sz = new_size(s, need);
	ptr = malloc(sz);
	if (!ptr)
		return need <= s->sz ? 0 : -1;
	if (!(co->flags & ACO_ONE_PIECE))
		free(s->ptr);
	co->flags &= ~ACO_ONE_PIECE & 0x7f;
	s->ptr = ptr;
	s->sz = sz;
	return 0;
}

/*
 * A co that was suspended inline may have live bytes below its stack pointer,
 * as far as the red zone of the ABI reaches and the stack goes.
 */
static size_t red_zone(const aco_t *co)
{
#if defined(__x86_64__)
	size_t room = (size_t)((char *)co->reg[ACO_REG_IDX_SP] -
			       (char *)co->share_stack->ptr);

	if (co->state == ACO_SUSPENDED_INLINE)
		return room < 128 ? room : 128;
#endif
	(void)co;
	return 0;
}

static size_t live_bytes(const aco_t *co)
{
	return (size_t)((char *)co->share_stack->align_retptr -
			(char *)co->reg[ACO_REG_IDX_SP]);
}

static int copy_out(aco_t *co)
{
	aco_save_stack_t *s = &co->save_stack;
	size_t live = live_bytes(co);
	size_t below = red_zone(co);

	if (aco_unlikely(!has_room(s, live + below)) &&
	    resize(co, live + below) < 0)
		return -1;
	aco_tools_before_copy_out(co);
	aco_copy(s->ptr, (char *)co->reg[ACO_REG_IDX_SP] - below, live + below);
	s->valid_sz = live + below;
	s->ct_save++;
	if (live > s->max_cpsz)
		s->max_cpsz = live;
	return 0;
}

static void copy_in(aco_t *co)
{
	aco_save_stack_t *s = &co->save_stack;
	char *to = (char *)co->share_stack->align_retptr - s->valid_sz;

	aco_tools_before_copy_in(co, to, s->valid_sz);
	if (co->state == ACO_INIT)
		return; /* it has no bytes yet */
	aco_copy(to, s->ptr, s->valid_sz);
	s->valid_sz = 0;
	s->ct_restore++;
}

int aco_make_present(aco_t *co)
{
	aco_share_stack_t *sstk = co->share_stack;

	if (sstk->owner && copy_out(sstk->owner) < 0)
		return -1;
	copy_in(co);
	sstk->owner = co;
	return 0;
}
