/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share_stack.c - execution stacks
 */
#include "internal.h"

#include <errno.h>

#include "tools.h"

#define DEFAULT_SIZE ((size_t)2 << 20)
#define MIN_SIZE ((size_t)4096)

/* What the entry frame takes at the top, and what alignment may cost. */
#define HOUSEKEEPING ((size_t)64)

/*
 * Wide enough that an ordinary large frame can't jump it.  i386 has too little
 * address space to be generous.
 */
#if defined(__x86_64__)
#define GUARD_SIZE ((size_t)64 << 10)
#else
#define GUARD_SIZE ((size_t)16 << 10)
#endif

/*
 *	map                     ptr                              map + map_sz
 *	 | guard, no access      | usable, sz bytes                |
 */
static int map_guarded(aco_share_stack_t *sstk, size_t sz)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t guard = (GUARD_SIZE + page - 1) & ~(page - 1);
	size_t map_sz;
	char *map;

	sz = (sz + page - 1) & ~(page - 1);
	map_sz = guard + sz;
	map = mmap(NULL, map_sz, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1,
		   0);
	if (map == MAP_FAILED)
		return -1;
	/* a huge page would make a stack of one frame 2 MiB resident */
	madvise(map, map_sz, MADV_NOHUGEPAGE);
	if (mprotect(map, guard, PROT_NONE) < 0) {
		munmap(map, map_sz);
		return -1;
	}
	sstk->map = map;
	sstk->map_sz = map_sz;
	sstk->ptr = map + guard;
	sstk->sz = sz;
	sstk->guard_page_enabled = 1;
	return 0;
}

static int alloc_unguarded(aco_share_stack_t *sstk, size_t sz)
{
	sstk->ptr = malloc(sz);
	sstk->sz = sz;
	return sstk->ptr ? 0 : -1;
}

/* The picture is in internal.h. */
static void lay_out_top(aco_share_stack_t *sstk)
{
	uintptr_t end = (uintptr_t)sstk->ptr + sstk->sz;
	char *base = (char *)((end - 16) & ~(uintptr_t)15);

	memcpy(base, &sstk, sizeof(sstk));
	sstk->align_retptr = base - sizeof(void *);
}

aco_share_stack_t *aco_share_stack_new2(size_t sz, char guard)
{
	aco_share_stack_t *sstk;

	if (sz > SIZE_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	if (sz == 0)
		sz = DEFAULT_SIZE;
	if (sz < MIN_SIZE)
		sz = MIN_SIZE;
	sz += HOUSEKEEPING;
	aco_process_ready();

	sstk = calloc(1, sizeof(*sstk));
	if (!sstk)
		return NULL;
	if ((guard ? map_guarded(sstk, sz) : alloc_unguarded(sstk, sz)) < 0) {
		free(sstk);
		errno = ENOMEM; /* EAGAIN where memory is locked */
		return NULL;
	}
	lay_out_top(sstk);
	aco_tools_stack_new(sstk);
	return sstk;
}

aco_share_stack_t *aco_share_stack_new(size_t sz)
{
	return aco_share_stack_new2(sz, 1);
}

void aco_share_stack_destroy(aco_share_stack_t *sstk)
{
	if (!sstk)
		aco_misuse("aco_share_stack_destroy", "the share stack is NULL",
			   NULL);
	if (sstk->users > 0)
		aco_misuse("aco_share_stack_destroy",
			   "the share stack still has cos", sstk->owner);
	aco_tools_stack_free(sstk);
	if (sstk->map_sz)
		munmap(sstk->map, sstk->map_sz);
	else
		free(sstk->ptr);
	free(sstk);
}
