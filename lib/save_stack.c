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

/*@
  requires sz <= SIZE_MAX - SLACK;
  assigns \nothing;
  exits \false;
  ensures \result == (sz < LONG_COPY ? sz : sz + SLACK);
*/
static size_t block_size(size_t sz)
{
	return sz < LONG_COPY ? sz : sz + SLACK;
}

/* The address of the block, right before what lies in it.  (Contracts alone: to
   Frama-C a pointer in memory has no bytes.) */
/*@
  requires \valid(ptr + (-sizeof(block) .. -1));
  assigns ptr[-sizeof(block) .. -1];
  exits \false;
*/
static void put_block(char *ptr, char *block)
{
	memcpy(ptr - sizeof(block), &block, sizeof(block));
}

/*@
  assigns \nothing;
  exits \false;
*/
static char *block_of(const char *ptr)
{
	char *block;

	memcpy(&block, ptr - sizeof(block), sizeof(block));
	return block;
}

/*@
  requires 0 < sz <= SIZE_MAX - SLACK;
  assigns \nothing;
  exits \false;
  ensures \result == \null || \valid((char *)\result + (0 .. sz - 1));
*/
static void *ptr_new(size_t sz, const char *alike)
{
	char *block = aco_mem_alloc(block_size(sz));
	char *ptr = block;

	if (!block || sz < LONG_COPY)
		return block;
	ptr += sizeof(block);
	ptr += (uintptr_t)(alike - ptr) % LINE;
	put_block(ptr, block);
	return ptr;
}

void aco_save_stack_free(aco_t *co)
{
	aco_save_stack_t *s = &co->save_stack;
	char *block = s->ptr;

	if (!block || (co->flags & ACO_SAVE_EMBEDDED))
		return;
	if (s->sz >= LONG_COPY)
		block = block_of(block);
	aco_mem_free(block, block_size(s->sz));
}

/* A deep call that used so much more has a lot of the share stack resident. */
#define TRIM_ABOVE ((size_t)64 << 10)

/*
 * The size to allocate for a save stack that has to hold need bytes.  The
 * first allocation fits exactly, as most cos suspend at one depth; those that
 * go on growing get room ahead.
 */
/*@
  requires \valid_read(s) && need <= SIZE_MAX / 2;
  assigns \nothing;
  exits \false;
  ensures \result % 8 == 0;
  ensures need <= \result <= need + need / 2 + 7;
*/
static size_t new_size(const aco_save_stack_t *s, size_t need)
{
	size_t sz = need;

	if (need > s->sz && need < s->sz + s->sz / 2)
		sz = s->sz + s->sz / 2;
	/* whole words, and at least as much as malloc hands out anyway */
	return (sz + 7) / 8 * 8;
}

/*@
  requires \valid_read(s);
  assigns \nothing;
  exits \false;
  ensures \result ==> need <= s->sz;
*/
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
/*@
  logic integer room_of(aco_t *co) = (sp_of(co) - low_of(co)) / 8 * 8;
  logic integer red_zone_of(aco_t *co) =
    co->state != ACO_SUSPENDED_INLINE ? 0 :
    room_of(co) < ACO_RED_ZONE ? room_of(co) : ACO_RED_ZONE;
*/
/*@
  requires suspended(co);
  assigns \nothing;
  exits \false;
  ensures \result == red_zone_of(co);
  ensures \result <= ACO_RED_ZONE && \result % 8 == 0;
  ensures \result <= sp_of(co) - low_of(co);
*/
static size_t red_zone(const aco_t *co)
{
	size_t most = ACO_RED_ZONE, room;

	if (!most || co->state != ACO_SUSPENDED_INLINE)
		return 0;
	room = (size_t)((char *)co->reg[ACO_REG_IDX_SP] -
			(char *)co->share_stack->ptr);
	return room < most ? room / 8 * 8 : most;
}

/*
 * Where what can be given back of its share stack ends: below its bytes, and
 * below us if co is suspending itself, so that we run there.
 */
/*@
  requires suspended(co);
  assigns \nothing;
  exits \false;
  ensures \base_addr(\result) == \base_addr(low_of(co));
  ensures 0 <= \result - low_of(co) <= sp_of(co) - low_of(co);
*/
static char *unused_end(const aco_t *co)
{
	if (aco_is_running(co))
		return (char *)__builtin_frame_address(0) - ACO_PAGE;
	return (char *)co->reg[ACO_REG_IDX_SP] - red_zone(co);
}

/* For co_free(): how much room there is behind co. */
/*@
  requires \valid_read(co);
  requires \valid((char *)(co + 1) + (0 .. sizeof(size_t) - 1));
  assigns ((char *)(co + 1))[0 .. sizeof(size_t) - 1];
  exits \false;
*/
static void keep_first_size(aco_t *co)
{
	memcpy(co + 1, &co->save_stack.sz, sizeof(size_t));
}

/*
 * Give the save stack of co room for need bytes, or take away what a deep call
 * left behind.  What it holds is stale: the bytes lie on the share stack.
 */
/*@
  requires suspended(co) && has_save_stack(co);
  requires 0 < need <= SIZE_MAX / 2;
  requires (co->flags & ACO_SAVE_EMBEDDED) ==>
    \valid((char *)(co + 1) + (0 .. sizeof(size_t) - 1));
  assigns co->save_stack.ptr, co->save_stack.sz, co->flags,
    ((char *)(co + 1))[0 .. sizeof(size_t) - 1],
    low_of(co)[0 .. sp_of(co) - low_of(co) - 1];
  exits \false;
  ensures \result == 0 || \result == -1;
  ensures \result == 0 ==> need <= co->save_stack.sz && has_save_stack(co);
  ensures suspended(co);
  ensures \result == -1 ==> co->save_stack == \old(co->save_stack);
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
	if (!ptr) {
		if (need > s->sz)
			ACO_PROBE2(save_stack__fail, co, need);
		return need <= s->sz ? 0 : -1;
	}
	ACO_PROBE3(save_stack__resize, co, s->sz, sz);
	aco_count_save_bytes(sz, s->sz);
	if (s->sz > sz + TRIM_ABOVE)
		aco_map_trim(co->share_stack, unused_end(co));
	aco_save_stack_free(co);
	if (co->flags & ACO_SAVE_EMBEDDED) {
		keep_first_size(co);
		co->flags ^= ACO_SAVE_EMBEDDED | ACO_SAVE_OUTGROWN;
	}
	s->ptr = ptr;
	s->sz = sz;
	/*@ admit \separated((char *)ptr + (0 .. sz - 1), co, co->share_stack,
	      low_of(co) + (0 .. end_of(co) - low_of(co) - 1)); */
	return 0;
}

/* From so many bytes on wide moves are faster than a call of memcpy(3). */
#define WIDE_FROM 256

/* memcpy(3) of bytes of co, or what is faster. */
/*@
  requires are_apart(to, from, sz) && \valid_read(co);
  assigns ((char *)to)[0 .. sz - 1];
  exits \false;
  ensures is_copied{Pre, Post}(to, from, sz);
*/
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
	//@ admit piece == ACO_COPY_PIECE;
	if (ACO_COPY_PIECE && sz > ACO_COPY_PIECE && sz <= ACO_COPY_IN_PIECES) {
		/*@
		  loop invariant 0 < sz <= \at(sz, Pre);
		  loop invariant to == (char *)\at(to, Pre) +
		    (\at(sz, Pre) - sz);
		  loop invariant from == (char *)\at(from, Pre) +
		    (\at(sz, Pre) - sz);
		  loop invariant is_copied{Pre, Here}(\at(to, Pre),
		    \at(from, Pre), \at(sz, Pre) - sz);
		  loop invariant is_copied{Pre, Here}(\at(from, Pre),
		    \at(from, Pre), \at(sz, Pre));
		  loop assigns to, from, sz,
		    ((char *)\at(to, Pre))[0 .. \at(sz, Pre) - 1];
		  loop variant sz;
		*/
		for (; sz > piece; sz -= piece) {
			memcpy(to, from, piece);
			to = (char *)to + piece;
			from = (const char *)from + piece;
		}
	}
	/*@ assert to == (char *)\at(to, Pre) + (\at(sz, Pre) - sz) &&
	      from == (char *)\at(from, Pre) + (\at(sz, Pre) - sz); */
	/*@ assert is_copied{Pre, Here}(\at(to, Pre), \at(from, Pre),
	      \at(sz, Pre) - sz); */
	memcpy(to, from, sz);
}

/* Bytes that needn't be kept: see copy.h.  Valgrind calls looking at them a
   use of undefined values. */
/*@
  requires suspended(co) && live == end_of(co) - sp_of(co);
  assigns \nothing;
  exits \false;
  ensures \result == 0 || \result == ACO_ZEROS < live;
*/
ACO_ALWAYS_INLINE size_t zeros(const aco_t *co, size_t live)
{
	if ((aco_tools & ~ACO_TOOLS_CXX) ||
	    !aco_has_zeros_below(co->share_stack->align_retptr, live))
		return 0;
	return ACO_ZEROS;
}

/* Inlined into aco_switch_owner(), though aco_copy_out() is the same. */
/*@
  requires suspended(co) && has_save_stack(co);
  requires (co->flags & ACO_SAVE_EMBEDDED) ==>
    \valid((char *)(co + 1) + (0 .. sizeof(size_t) - 1));
  ensures \result == 0 || \result == -1;
  ensures \result == 0 ==> co->save_stack.valid_sz <= co->save_stack.sz;
*/
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
	//@ assert fits(co, live + below);
	aco_tools_before_copy_out(co);
	ACO_PROBE2(copy__out, co, s->valid_sz);
	copy(s->ptr, from, s->valid_sz, co);
	s->ct_save++;
	if (keep > s->max_cpsz)
		s->max_cpsz = keep;
	return 0;
}

/* On the share stack, where what is in its save stack belongs. */
/*@
  requires \valid_read(co) && (co->state == ACO_INIT || suspended(co));
  assigns \nothing;
  exits \false;
  ensures \result % ACO_WORD == 0;
  ensures co->state == ACO_INIT ==> \result == 0;
  ensures co->state != ACO_INIT ==>
    \result == end_of(co) - sp_of(co) + red_zone_of(co);
*/
static size_t bytes_of(const aco_t *co)
{
	if (co->state == ACO_INIT)
		return 0; /* it has none yet */
	return aco_live_bytes(co) + red_zone(co);
}

/*@
  requires (co->state == ACO_INIT || suspended(co)) && has_save_stack(co);
  requires \valid(co) && \valid_read(co->share_stack);
  requires co->state == ACO_INIT ==> co->save_stack.valid_sz == 0;
  requires co->state != ACO_INIT ==>
    fits(co, end_of(co) - sp_of(co) + red_zone_of(co));
  assigns co->save_stack.valid_sz, co->save_stack.ct_restore,
    low_of(co)[0 .. end_of(co) - low_of(co) - 1];
  exits \false;
*/
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
	ACO_PROBE2(copy__in, co, s->valid_sz);
	copy(to, s->ptr, s->valid_sz, co);
	s->valid_sz = 0;
	s->ct_restore++;
}

int aco_copy_out(aco_t *co)
{
	return copy_out(co);
}

/*@
  requires (co->state == ACO_INIT || suspended(co)) && has_save_stack(co);
  requires \valid(co) && \valid_read(co->share_stack);
  requires \valid(move) && \separated(move, co, co->share_stack);
  requires co->state == ACO_INIT ==> co->save_stack.valid_sz == 0;
  requires co->state != ACO_INIT ==>
    fits(co, end_of(co) - sp_of(co) + red_zone_of(co));
  assigns *move, co->save_stack.valid_sz, co->save_stack.ct_restore;
  exits \false;
  ensures co->state != ACO_INIT ==>
    (move->words + move->zeros) * sizeof(void *) ==
      \old(end_of(co) - sp_of(co) + red_zone_of(co));
*/
void aco_copy_in_later(aco_t *co, struct aco_move *move)
{
	aco_save_stack_t *s = &co->save_stack;
	size_t sz = bytes_of(co);

	move->end = co->share_stack->align_retptr;
	move->from = s->ptr;
	move->words = s->valid_sz / sizeof(void *);
	//@ assert (sz - s->valid_sz) % ACO_WORD == 0;
	move->zeros = (sz - s->valid_sz) / sizeof(void *);
	if (sz == 0)
		return;
	ACO_PROBE2(copy__in, co, s->valid_sz);
	s->valid_sz = 0;
	s->ct_restore++;
}

int aco_switch_owner(aco_t *co)
{
	aco_share_stack_t *sstk = co->share_stack;
	size_t copies = co->state != ACO_INIT;
	size_t bytes = co->save_stack.valid_sz;

	if (sstk->owner) {
		if (copy_out(sstk->owner) < 0)
			return -1;
		copies++;
		bytes += sstk->owner->save_stack.valid_sz;
	}
	copy_in(co);
	sstk->owner = co;
	aco_count_copied(copies, bytes);
	return 0;
}
