/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.h - copying the live bytes of a co
 *
 * Small copies are the common case: one frame, a return address.  They are done
 * in place, because a call of memcpy costs as much as such a copy.
 */
#ifndef ACO_COPY_H
#define ACO_COPY_H

#include "probe.h"
#include "stacks.h"

#define ACO_SMALL_COPY 144

/*
 * The first thing that the function of a co does is to save the callee-saved
 * registers of its caller.  The entry frame has none worth keeping and sets
 * them to zero, so that the highest words of nearly every co are zero, and
 * needn't be kept: those that the inline switch changes are always among them.
 *
 *	align_retptr +----------------------+
 *	             | 0 ... 0              | ACO_ZEROS bytes
 *	             +----------------------+
 *	             | what waits elsewhere |
 *	 reg[SP]     +----------------------+
 */
#define ACO_ZEROS (ACO_ZERO_WORDS * sizeof(uintptr_t))

/*@
  // What is proved of the copies: see proof/frama.
  logic char *sp_of(aco_t *co) = (char *)co->reg[ACO_REG_IDX_SP];
  logic char *end_of(aco_t *co) = (char *)co->share_stack->align_retptr;
  logic char *low_of(aco_t *co) = (char *)co->share_stack->ptr;

  // A suspended co: its stack, from low to end, has its sp between them.
  predicate suspended(aco_t *co) =
    \valid(co) && \valid(co->share_stack) &&
    \separated(co, co->share_stack) &&
    \base_addr(sp_of(co)) == \base_addr(low_of(co)) &&
    \base_addr(end_of(co)) == \base_addr(low_of(co)) &&
    0 <= sp_of(co) - low_of(co) < end_of(co) - low_of(co) <= PTRDIFF_MAX &&
    (end_of(co) - sp_of(co)) % ACO_WORD == 0 &&
    \valid(low_of(co) + (0 .. end_of(co) - low_of(co) - 1)) &&
    \separated(co, low_of(co) + (0 .. end_of(co) - low_of(co) - 1)) &&
    \separated(co->share_stack,
               low_of(co) + (0 .. end_of(co) - low_of(co) - 1)) &&
    (end_of(co) - sp_of(co) > ACO_ZEROS ==>
      \valid_read((uintptr_t *)co->share_stack->align_retptr +
                  (-ACO_ZERO_WORDS .. -1)));

  // Its save stack is memory of its own.
  predicate has_save_stack(aco_t *co) =
    co->save_stack.sz <= SIZE_MAX / 4 * 3 + 8 &&
    \valid((char *)co->save_stack.ptr + (0 .. co->save_stack.sz - 1)) &&
    \separated((char *)co->save_stack.ptr + (0 .. co->save_stack.sz - 1),
               low_of(co) + (0 .. end_of(co) - low_of(co) - 1),
               co, co->share_stack);

  // It holds the sz bytes that belong on the stack, with or without the zeros.
  predicate fits(aco_t *co, integer sz) =
    co->save_stack.valid_sz <= co->save_stack.sz &&
    co->save_stack.valid_sz % ACO_WORD == 0 &&
    (co->save_stack.valid_sz == sz ||
     co->save_stack.valid_sz + ACO_ZEROS == sz);

  // Before a copy: two places that lie apart.
  predicate are_apart(void *to, void *from, integer sz) =
    \valid((char *)to + (0 .. sz - 1)) &&
    \valid_read((char *)from + (0 .. sz - 1)) &&
    \separated((char *)to + (0 .. sz - 1), (char *)from + (0 .. sz - 1));

  // After it: to has the bytes that from had.
  predicate is_copied{L1, L2}(void *to, void *from, integer sz) =
    \forall integer i; 0 <= i < sz ==>
      \at(((char *)to)[i], L2) == \at(((char *)from)[i], L1);
*/

/* Copy sz bytes, at least 32, between places that don't overlap, for cos with
   ACO_FLAG_WIDE; arch/x86_copy.c. */
/*@
  requires are_apart(to, from, sz) && 32 <= sz;
  assigns to[0 .. sz - 1];
  exits \false;
  ensures is_copied{Pre, Post}(to, from, sz);
*/
ACO_HIDDEN void aco_copy_wide(char *to, const char *from, size_t sz);

/*
 * sz is a multiple of a word, as every stack pointer is.  Where a suspended
 * stack pointer is a multiple of 16, as compilers keep it, so are all addresses
 * but those of the odd words at the high end: these moves are faster then.
 */
/*@
  requires sz % ACO_WORD == 0 && sz <= ACO_SMALL_COPY;
  requires are_apart(to, from, sz);
  assigns ((char *)to)[0 .. sz - 1];
  exits \false;
*/
ACO_VECTOR_TARGET static inline void aco_copy_small(void *to, const void *from,
						    size_t sz)
{
	const char *src = from;
	char *dst = to;

	if (ACO_WORD < 8 && sz / 4 % 2) {
		memcpy(dst + sz - 4, src + sz - 4, 4);
		sz -= 4;
	}
	if (aco_likely(sz / 8 % 2))
		memcpy(dst + sz - 8, src + sz - 8, 8);
	switch (sz / 16) {
	case 9:
		aco_copy_16(dst + 128, src + 128); /* fallthrough */
	case 8:
		aco_copy_16(dst + 112, src + 112); /* fallthrough */
	case 7:
		aco_copy_16(dst + 96, src + 96); /* fallthrough */
	case 6:
		aco_copy_16(dst + 80, src + 80); /* fallthrough */
	case 5:
		aco_copy_16(dst + 64, src + 64); /* fallthrough */
	case 4:
		aco_copy_16(dst + 48, src + 48); /* fallthrough */
	case 3:
		aco_copy_16(dst + 32, src + 32); /* fallthrough */
	case 2:
		aco_copy_16(dst + 16, src + 16); /* fallthrough */
	case 1:
		aco_copy_16(dst, src); /* fallthrough */
	case 0:
		break;
	default:
		__builtin_unreachable();
	}
}

/* Bytes from the stack pointer of a suspended co to its function's caller. */
/*@
  requires suspended(co);
  assigns \nothing;
  ensures \result == end_of(co) - sp_of(co);
  exits \false;
*/
static inline size_t aco_live_bytes(const aco_t *co)
{
	return (size_t)((char *)co->share_stack->align_retptr -
			(char *)co->reg[ACO_REG_IDX_SP]);
}

/*@
  requires live > ACO_ZEROS ==>
    \valid_read((uintptr_t *)end + (-ACO_ZERO_WORDS .. -1));
  assigns \nothing;
  ensures \result ==> live > ACO_ZEROS;
  exits \false;
*/
static inline int aco_has_zeros_below(const void *end, size_t live)
{
	const uintptr_t *word = end;
	uintptr_t any = 0;

	if (live <= ACO_ZEROS)
		return 0;
#pragma GCC unroll 8
	/*@
	  loop invariant 1 <= i <= ACO_ZERO_WORDS + 1;
	  loop assigns i, any;
	  loop variant ACO_ZERO_WORDS + 1 - i;
	*/
	for (int i = 1; i <= ACO_ZERO_WORDS; i++)
		any |= word[-i];
	return !any;
}

/*@
  requires \valid((char *)end + (-ACO_ZEROS .. -1));
  assigns ((char *)end)[-ACO_ZEROS .. -1];
  exits \false;
*/
static inline void aco_put_zeros_below(void *end)
{
	memset((char *)end - ACO_ZEROS, 0, ACO_ZEROS);
}

/* A save stack beyond this shrinks when a quarter of it would do. */
#define ACO_SHRINK_ABOVE 1024

/*
 * The common case of a copy out: of few bytes, with room for them, and no red
 * zone.  Returns 0, and nothing has happened, when it isn't that.  No compiler
 * inlines this function into one for processors without vectors.
 */
/*@
  requires suspended(out) && has_save_stack(out);
  assigns out->save_stack.valid_sz, out->save_stack.ct_save,
    out->save_stack.max_cpsz,
    ((char *)out->save_stack.ptr)[0 .. out->save_stack.sz - 1];
  ensures \result == 0 || \result == 1;
  ensures \result == 1 ==> fits(out, end_of(out) - sp_of(out));
  exits \false;
*/
ACO_VECTOR_TARGET static inline int aco_keep_small(aco_t *out)
{
	aco_save_stack_t *s = &out->save_stack;
	char *end = out->share_stack->align_retptr;
	size_t live = aco_live_bytes(out);
	size_t keep = live - (aco_has_zeros_below(end, live) ? ACO_ZEROS : 0);

	if (keep > ACO_SMALL_COPY || keep > s->sz || s->sz > ACO_SHRINK_ABOVE)
		return 0;
	ACO_PROBE2(copy__out, out, keep);
	aco_copy_small(s->ptr, out->reg[ACO_REG_IDX_SP], keep);
	s->valid_sz = keep;
	s->ct_save++;
	if (keep > s->max_cpsz)
		s->max_cpsz = keep;
	return 1;
}

/* The same of a copy out and a copy in: both cos suspended as "sharing". */
/*@
  requires suspended(out) && has_save_stack(out);
  requires suspended(in) && has_save_stack(in);
  requires in->share_stack == out->share_stack && \separated(in, out);
  requires fits(in, end_of(in) - sp_of(in));
  requires \separated(
    (char *)in->save_stack.ptr + (0 .. in->save_stack.sz - 1),
    (char *)out->save_stack.ptr + (0 .. out->save_stack.sz - 1), in, out);
  ensures \result == 0 || \result == 1;
  ensures \result == 1 ==> fits(out, end_of(out) - sp_of(out)) &&
    in->save_stack.valid_sz == 0;
*/
ACO_VECTOR_TARGET static inline int aco_swap_small(aco_t *out, aco_t *in)
{
	aco_save_stack_t *r = &in->save_stack;
	char *end = out->share_stack->align_retptr;
	size_t back = r->valid_sz;

	if (back > ACO_SMALL_COPY || !aco_keep_small(out))
		return 0;
	if (back < aco_live_bytes(in))
		aco_put_zeros_below(end);
	ACO_PROBE2(copy__in, in, back);
	aco_copy_small(in->reg[ACO_REG_IDX_SP], r->ptr, back);
	r->valid_sz = 0;
	r->ct_restore++;
	return 1;
}

#endif /* ACO_COPY_H */
