/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_memory.c - the memory of stacks, from where it comes and back
 */
#include "probe.h"
#include "stacks.h"

#include <errno.h>
#include <sys/auxv.h>

#include "debug.h"

/*@
  assigns \nothing;
  exits \false;
  ensures \result == \null || \valid(\result) && \result->ptr == mem &&
    \result->sz == sz && !\result->guard_page_enabled;
*/
static aco_share_stack_t *new_record(void *mem, size_t sz, int origin)
{
	aco_share_stack_t *sstk = calloc(1, aco_noted_size(sizeof(*sstk)));

	if (!sstk)
		return NULL;
	sstk->ptr = mem;
	sstk->sz = sz;
	sstk->origin = (uint8_t)origin;
	aco_note_add(sstk, sizeof(*sstk), ACO_NOTE_STACK);
	return sstk;
}

/*@
  assigns \nothing;
  exits \false;
*/
static void free_record(aco_share_stack_t *sstk)
{
	if (sstk)
		aco_note_drop(sstk, sizeof(*sstk));
	free(sstk);
}

aco_share_stack_t *aco_stack_get_caller(void *mem, size_t sz)
{
	aco_share_stack_t *sstk = new_record(mem, sz, ACO_ORIGIN_CALLER);

	if (sstk)
		ACO_PROBE3(stack__map, sstk, mem, sz);
	return sstk;
}

aco_share_stack_t *aco_stack_get_unguarded(size_t sz)
{
	aco_share_stack_t *sstk;
	void *mem = malloc(sz);

	if (!mem)
		return NULL;
	sstk = new_record(mem, sz, ACO_ORIGIN_MALLOC);
	if (sstk)
		ACO_PROBE3(stack__map, sstk, mem, sz);
	else
		free(mem);
	return sstk;
}

/*
 *	map                     ptr                     ptr + sz
 *	 | guard, no access      | usable, sz bytes      |
 */
/*@
  requires 0 < pages && pages * ACO_PAGE <= SIZE_MAX - ACO_GUARD_SIZE;
  assigns \nothing;
  ensures \result == \null || \result->sz == pages * ACO_PAGE;
  ensures \result == \null || is_memory(\result);
*/
static aco_share_stack_t *mapping_get(size_t pages)
{
	size_t sz = pages * ACO_PAGE;
	aco_share_stack_t *sstk = new_record(NULL, sz, ACO_ORIGIN_MAPPING);
	char *map = sstk ? aco_map(ACO_GUARD_SIZE + sz) : NULL;

	if (map && aco_map_guard(map) == 0) {
		sstk->ptr = map + ACO_GUARD_SIZE;
		return sstk;
	}
	if (map)
		munmap(map, ACO_GUARD_SIZE + sz);
	free_record(sstk);
	return NULL;
}

static void mapping_put(aco_share_stack_t *sstk)
{
	char *map = (char *)sstk->ptr - ACO_GUARD_SIZE;

	/* The kernel has joined it with its neighbours and can't part them,
	   because that would be one mapping too many. */
	if (munmap(map, ACO_GUARD_SIZE + sstk->sz) < 0)
		madvise(sstk->ptr, sstk->sz, MADV_DONTNEED);
	free_record(sstk);
}

aco_share_stack_t *aco_stack_get(size_t pages, unsigned size_class)
{
	if (size_class == ACO_STACK_CLASSES)
		return mapping_get(pages);
	if (aco_arena_has(size_class))
		return aco_arena_get(size_class);
	return mapping_get(aco_class_pages(size_class));
}

/* As free(3), it leaves errno alone: the kernel refuses to take back what is
   locked. */
void aco_stack_give_back(aco_share_stack_t *sstk)
{
	int saved = errno;

	ACO_PROBE3(stack__unmap, sstk, sstk->ptr, sstk->sz);
	switch (sstk->origin) {
	case ACO_ORIGIN_ARENA:
		aco_arena_put(sstk);
		break;
	case ACO_ORIGIN_MAPPING:
		mapping_put(sstk);
		break;
	case ACO_ORIGIN_MALLOC:
		free(sstk->ptr);
		free_record(sstk);
		break;
	default:
		free_record(sstk);
	}
	errno = saved;
}

/*
 * The kernel says how large the frame of a signal gets at most, and leaves the
 * red zone alone: 3.3 KiB with AVX-512, 11.6 KiB with AMX.  Before Linux 5.14 it
 * is silent; the vector registers are what varies.
 */
#define SIGNAL_CONTEXT ((size_t)1024)

size_t aco_signal_frame(void)
{
	size_t sz = getauxval(AT_MINSIGSTKSZ);

	if (!sz)
		sz = aco_vector_registers() + SIGNAL_CONTEXT;
	return sz + ACO_RED_ZONE;
}
