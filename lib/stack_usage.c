/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_usage.c - how deep a stack has been used
 */
#include "stacks.h"
#include "state.h"

/*
 * The bytes from the lowest word that is not 0 to the base.  New memory is
 * zeros, and reading it takes no memory: the kernel maps the same page of zeros
 * wherever nothing was written.  To ask the kernel which pages exist would be
 * faster.  But the kernel counts whole pages, and takes pages that are swapped
 * out for untouched.
 */
ACO_UNCHECKED static size_t touched(const aco_share_stack_t *sstk)
{
	const uintptr_t *base = (const void *)aco_stack_base(sstk);
	const uintptr_t *p =
		(const void *)(((uintptr_t)sstk->ptr + sizeof(*p) - 1) &
			       ~(sizeof(*p) - 1));

	while (p < base && *p == 0)
		p++;
	return (size_t)(base - p) * sizeof(*p);
}

/*
 * Memory that a deep call of a sharing co has touched is given back to the
 * kernel once the call has returned.  The co knows how much of it was copied.
 */
static size_t copied(const aco_t *co)
{
	size_t sz = co->save_stack.max_cpsz;

	return sz ? sz + sizeof(void *) : 0;
}

size_t aco_stack_usage(const aco_t *co)
{
	size_t sz;

	if (!co)
		aco_misuse("aco_stack_usage", "the co is NULL", co);
	if (aco_is_main(co))
		return 0;
	if (aco_is_destroyed(co->share_stack))
		return copied(co);
	aco_tools_suppress_errors(1);
	sz = touched(co->share_stack);
	aco_tools_suppress_errors(0);
	/* to Valgrind the place where a loop ends is a part of its result */
	aco_tools_defined(&sz, sizeof(sz));
	return sz > copied(co) ? sz : copied(co);
}
