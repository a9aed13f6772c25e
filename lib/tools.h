/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools.h - what sanitizers, Valgrind and libstdc++ want to hear
 *
 * The library finds out at run time who is there; without any of them the cost
 * is one test of aco_tools per switch and per copy.
 */
#ifndef ACO_TOOLS_H
#define ACO_TOOLS_H

#include "internal.h"

enum {
	ACO_TOOL_ASAN = 1,
	ACO_TOOL_TSAN = 2,
	ACO_TOOL_VALGRIND = 4,
	ACO_TOOL_CXX = 8 /* the exception state of libstdc++ */
};
ACO_HIDDEN extern unsigned aco_tools;

/* Sets aco_tools; before the first co of the process. */
ACO_HIDDEN void aco_tools_find(void);

/* What a sanitizer needs of each co lies before its aco_t; see co_alloc(). */
ACO_HIDDEN size_t aco_tools_record_size(void);

ACO_HIDDEN void aco_tools_co_new(aco_t *co);
ACO_HIDDEN void aco_tools_co_free(aco_t *co);
ACO_HIDDEN void aco_tools_stack_new(aco_share_stack_t *sstk);
ACO_HIDDEN void aco_tools_stack_free(aco_share_stack_t *sstk);

/* The resume address of a new co. */
static inline void *aco_tools_entry(void)
{
	return (void *)(uintptr_t)(aco_tools ? aco_entry_tools : aco_entry);
}

/* What aco_entry_tools calls first, on the new stack. */
ACO_HIDDEN void aco_tools_entered(void);

/* The switch, with everything that has to be told before and after. */
ACO_HIDDEN int aco_tools_switch(aco_t *from, aco_t *to, const aco_t *co);

/* sz live bytes of co are about to leave or to be written to its stack. */
ACO_HIDDEN void aco_tools_copy_out(aco_t *co, size_t sz);
ACO_HIDDEN void aco_tools_copy_in(aco_t *co, size_t sz);

static inline void aco_tools_before_copy_out(aco_t *co, size_t sz)
{
	if (aco_unlikely(aco_tools))
		aco_tools_copy_out(co, sz);
}

static inline void aco_tools_before_copy_in(aco_t *co, size_t sz)
{
	if (aco_unlikely(aco_tools))
		aco_tools_copy_in(co, sz);
}

#endif /* ACO_TOOLS_H */
