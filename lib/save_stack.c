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
 *	             |  A's bytes |  -- copied out -->  [A....]
 *	A's reg[SP]  +------------+
 *
 *	align_retptr +------------+
 *	             |  B's bytes |                   <-- copied in --   [B..]
 *	B's reg[SP]  +------------+
 */
#include "copy.h"
#include "memory.h"
#include "state.h"

#include <errno.h>

/*
 * Copies of so many bytes and more are faster between places that lie alike in
 * their cache lines; from there on the block of a save stack is larger.
 *
 *	block         ptr, as the co's bytes modulo LINE
 *	 | ... | block | sz bytes           |
 */
#define LONG_COPY 1536
#define LINE 64
#define SLACK (LINE + sizeof(void *))

static size_t block_size(size_t sz)
{
	return sz < LONG_COPY ? sz : sz + SLACK;
}

static void *ptr_new(size_t sz, const char *alike)
{
	char *block = aco_mem_alloc(block_size(sz));
	char *ptr = block;

	if (!block || sz < LONG_COPY)
		return block;
	ptr += sizeof(block);
	ptr += (uintptr_t)(alike - ptr) & (LINE - 1);
	memcpy(ptr - sizeof(block), &block, sizeof(block));
	return ptr;
}

void aco_save_stack_free(aco_t *co)
{
	aco_save_stack_t *s = &co->save_stack;
	char *block = s->ptr;

	if (!block || (co->flags & ACO_SAVE_EMBEDDED))
		return;
	if (s->sz >= LONG_COPY)
		memcpy(&block, (char *)s->ptr - sizeof(block), sizeof(block));
	aco_mem_free(block, block_size(s->sz));
}

/* A deep call that used so much more has a lot of the share stack resident. */
#define TRIM_ABOVE ((size_t)64 << 10)

/*
 * The size to allocate for a save stack that has to hold need bytes.  The
 * first allocation fits exactly, as most cos suspend at one depth; those that
 * go on growing get room ahead.
 */
static size_t new_size(const aco_save_stack_t *s, size_t need)
{
	size_t ahead = s->sz + s->sz / 2;
	size_t sz = need > s->sz && need < ahead ? ahead : need;

	/* whole words, and at least as much as malloc hands out anyway */
	return (sz + 7) & ~(size_t)7;
}

static int has_room(const aco_save_stack_t *s, size_t need)
{
	if (need > s->sz)
		return 0;
	return s->sz <= ACO_SHRINK_ABOVE || need > s->sz / 4;
}

/*
 * A co that was suspended inline may have live bytes below its stack pointer,
 * as far as the red zone of the ABI reaches and the stack goes: whole words,
 * wherever the caller's memory begins.
 */
static size_t red_zone(const aco_t *co)
{
	size_t most = ACO_RED_ZONE, room;

	if (!most || co->state != ACO_SUSPENDED_INLINE)
		return 0;
	room = (size_t)((char *)co->reg[ACO_REG_IDX_SP] -
			(char *)co->share_stack->ptr);
	return room < most ? room & ~(size_t)7 : most;
}

/*
 * Where what can be given back of its share stack ends: below its bytes, and
 * below us if co is suspending itself, so that we run there.
 */
static char *unused_end(const aco_t *co)
{
	if (aco_is_running(co))
		return (char *)__builtin_frame_address(0) - ACO_PAGE;
	return (char *)co->reg[ACO_REG_IDX_SP] - red_zone(co);
}

/*
 * Give the save stack of co room for need bytes, or take away what a deep call
 * left behind.  What it holds is stale: the bytes lie on the share stack.
 */
NOINLINE static int resize(aco_t *co, size_t need)
{
	aco_save_stack_t *s = &co->save_stack;
	size_t sz;
	void *ptr;

	if ((co->flags & ACO_SAVE_EMBEDDED) && need <= s->sz)
		return 0; /* can't shrink */
	sz = new_size(s, need);
	ptr = ptr_new(sz, co->reg[ACO_REG_IDX_SP]);
	if (!ptr)
		return need <= s->sz ? 0 : -1;
	if (s->sz > sz + TRIM_ABOVE)
		aco_map_trim(co->share_stack, unused_end(co));
	aco_save_stack_free(co);
	if (co->flags & ACO_SAVE_EMBEDDED) {
		memcpy(co + 1, &s->sz, sizeof(s->sz)); /* for co_free() */
		co->flags ^= ACO_SAVE_EMBEDDED | ACO_SAVE_OUTGROWN;
	}
	s->ptr = ptr;
	s->sz = sz;
	return 0;
}

/* From so many bytes on wide moves are faster than a call of memcpy(3). */
#define WIDE_FROM 256

/* memcpy(3) of bytes of co, or what is faster. */
ACO_ALWAYS_INLINE void copy(void *to, const void *from, size_t sz,
			    const aco_t *co)
{
	size_t piece = ACO_COPY_PIECE;

	if ((co->flags & ACO_FLAG_WIDE) && sz >= WIDE_FROM &&
	    sz <= ACO_COPY_WIDE_UP_TO) {
		aco_copy_wide(to, from, sz);
		return;
	}
	/* the compiler would know better than to call it, for a constant */
	__asm__("" : "+r"(piece));
	if (ACO_COPY_PIECE && sz > ACO_COPY_PIECE && sz <= ACO_COPY_IN_PIECES) {
		for (; sz > piece; sz -= piece) {
			memcpy(to, from, piece);
			to = (char *)to + piece;
			from = (const char *)from + piece;
		}
	}
	memcpy(to, from, sz);
}

/* Bytes that needn't be kept: see copy.h.  Valgrind calls looking at them a
   use of undefined values. */
ACO_ALWAYS_INLINE size_t zeros(const aco_t *co, size_t live)
{
	if ((aco_tools & ~ACO_TOOLS_CXX) ||
	    !aco_has_zeros_below(co->share_stack->align_retptr, live))
		return 0;
	return ACO_ZEROS;
}

/* Inlined into aco_switch_owner(), though aco_copy_out() is the same. */
ACO_ALWAYS_INLINE int copy_out(aco_t *co)
{
	aco_save_stack_t *s = &co->save_stack;
	size_t below = red_zone(co);
	size_t live = aco_live_bytes(co);
	size_t keep = live - zeros(co, live);
	const char *from = (char *)co->reg[ACO_REG_IDX_SP] - below;

	if (aco_unlikely(!has_room(s, below + keep)) &&
	    resize(co, below + keep) < 0)
		return -1;
	s->valid_sz = below + keep;
	aco_tools_before_copy_out(co);
	copy(s->ptr, from, s->valid_sz, co);
	s->ct_save++;
	if (keep > s->max_cpsz)
		s->max_cpsz = keep;
	return 0;
}

/* On the share stack, where what is in its save stack belongs. */
static size_t bytes_of(const aco_t *co)
{
	if (co->state == ACO_INIT)
		return 0; /* it has none yet */
	return aco_live_bytes(co) + red_zone(co);
}

static void copy_in(aco_t *co)
{
	aco_save_stack_t *s = &co->save_stack;
	char *end = co->share_stack->align_retptr;
	size_t sz = bytes_of(co);
	char *to = end - sz;

	aco_tools_before_copy_in(co, to, sz);
	if (sz == 0)
		return;
	if (s->valid_sz < sz)
		aco_put_zeros_below(end);
	copy(to, s->ptr, s->valid_sz, co);
	s->valid_sz = 0;
	s->ct_restore++;
}

int aco_copy_out(aco_t *co)
{
	return copy_out(co);
}

void aco_copy_in_later(aco_t *co, struct aco_move *move)
{
	aco_save_stack_t *s = &co->save_stack;
	size_t sz = bytes_of(co);

	move->end = co->share_stack->align_retptr;
	move->from = s->ptr;
	move->words = s->valid_sz / sizeof(void *);
	move->zeros = (sz - s->valid_sz) / sizeof(void *);
	if (sz == 0)
		return;
	s->valid_sz = 0;
	s->ct_restore++;
}

int aco_switch_owner(aco_t *co)
{
	aco_share_stack_t *sstk = co->share_stack;

	if (sstk->owner && copy_out(sstk->owner) < 0)
		return -1;
	copy_in(co);
	sstk->owner = co;
	return 0;
}
