/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - where cos and save stacks come from
 */
#include "internal.h"

#include <errno.h>

#include "tools.h"

/* Without alloc: malloc(3). */
static aco_allocator_t allocator;

/* Whether memory was allocated: it must be freed by the same allocator. */
static unsigned char used;

int aco_set_allocator(const aco_allocator_t *a)
{
	if (!a || !a->alloc || !a->free) {
		errno = EINVAL;
		return -1;
	}
	if (__atomic_load_n(&used, __ATOMIC_RELAXED)) {
		errno = EBUSY;
		return -1;
	}
	allocator = *a;
	return 0;
}

/* Rare, and out of the way of the common path. */
COLD static void *alloc_elsewhere(size_t sz)
{
	void *ptr;

	aco_tools_defined_args(2);
	ptr = allocator.alloc(sz, allocator.ctx);
	if (!ptr)
		errno = ENOMEM;
	return ptr;
}

COLD static void free_elsewhere(void *ptr, size_t sz)
{
	aco_tools_defined_args(3);
	allocator.free(ptr, sz, allocator.ctx);
}

void *aco_mem_alloc(size_t sz)
{
	if (aco_unlikely(!__atomic_load_n(&used, __ATOMIC_RELAXED)))
		__atomic_store_n(&used, 1, __ATOMIC_RELAXED);
	if (aco_likely(!allocator.alloc))
		return malloc(sz);
	return alloc_elsewhere(sz);
}

void aco_mem_free(void *ptr, size_t sz)
{
	if (aco_likely(!allocator.alloc))
		free(ptr);
	else
		free_elsewhere(ptr, sz);
}
