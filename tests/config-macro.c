/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-macro.c - one half of test-config-macro: what aco.h makes of a
 * translation unit; NAME(x) is x with the suffix of this half
 */
#include "config-macro.h"

#include <stddef.h>

#if defined(ACO_CONFIG_SHARE_FPU_MXCSR_ENV)
#define NAME(x) x##_shared_env
#else
#define NAME(x) x##_plain
#endif

struct pair {
	int one, two;
};

aco_t *NAME(create)(aco_t *main_co, aco_share_stack_t *sstk, size_t sz,
		    aco_cofuncp_t fp, void *arg)
{
	aco_t *co;

	/* a comma in an argument is none between arguments */
	co = aco_create(main_co, sstk, sz, fp, &(struct pair){ 1, 2 });
	if (co)
		co->arg = arg;
	return co;
}

create_fn NAME(address)(void)
{
	return aco_create;
}

const size_t NAME(layout)[LAYOUT_FACTS] = {
	sizeof(aco_t),
	offsetof(aco_t, reg),
	offsetof(aco_t, arg),
	offsetof(aco_t, fp),
	offsetof(aco_t, main_co),
	offsetof(aco_t, share_stack),
	offsetof(aco_t, save_stack),
	sizeof(aco_save_stack_t),
	offsetof(aco_save_stack_t, ct_restore),
	sizeof(aco_share_stack_t),
	offsetof(aco_share_stack_t, sz),
	offsetof(aco_share_stack_t, owner),
	offsetof(aco_share_stack_t, align_retptr),
	offsetof(aco_share_stack_t, guard_page_enabled),
};
