/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping.c - what the kernel is asked for: memory without and with a guard
 */
#include "stacks.h"

#include <errno.h>

#include "tools.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#define NO_ADVICE 0x7fffffff

char *aco_map(size_t sz)
{
	void *map = mmap(
		NULL, sz, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	/* a huge page would make a stack of one frame 2 MiB resident */
	madvise(map, sz, MADV_NOHUGEPAGE);
	return map;
}

/* QEMU's user mode takes any advice for a hint that can be ignored. */
static int advice_is_heard(void)
{
	static signed char known; /* 1: yes, -1: no */
	signed char heard = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (aco_unlikely(!heard)) {
		heard = madvise(NULL, 0, NO_ADVICE) < 0 ? 1 : -1;
		__atomic_store_n(&known, heard, __ATOMIC_RELAXED);
	}
	return heard > 0;
}

/*
 * The first way leaves the mapping in one piece; the second makes two of it,
 * and their number is limited.  Older kernels don't know the first, and no
 * kernel knows it for locked memory.  Valgrind (3.27) keeps a list of the pages
 * that the first way guards, with room for those of 31 stacks, and aborts.
 */
int aco_map_guard(char *at)
{
	if (!(aco_tools & ACO_TOOL_VALGRIND) && advice_is_heard() &&
	    madvise(at, ACO_GUARD_SIZE, MADV_GUARD_INSTALL) == 0)
		return 0;
	return mprotect(at, ACO_GUARD_SIZE, PROT_NONE);
}

void aco_map_trim(aco_share_stack_t *sstk, const char *end)
{
	size_t sz = (size_t)(end - (char *)sstk->ptr) / ACO_PAGE * ACO_PAGE;
	int saved = errno;

	//@ assert sz % ACO_PAGE == 0 && sz <= end - (char *)sstk->ptr;

	if (sstk->origin == ACO_ORIGIN_ARENA ||
	    sstk->origin == ACO_ORIGIN_MAPPING)
		madvise(sstk->ptr, sz, MADV_DONTNEED);
	errno = saved;
}
