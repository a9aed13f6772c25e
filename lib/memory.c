/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - where cos and save stacks come from: magazines, malloc(3), or the
 * program's allocator
 */
#include "memory.h"

#include <errno.h>

#include "debug.h"
#include "tools.h"

/* Without alloc: the library's own way. */
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

static void *alloc_elsewhere(size_t sz)
{
	void *ptr;

	aco_tools_defined_args(2);
	ptr = allocator.alloc(sz, allocator.ctx);
	if (!ptr)
		errno = ENOMEM;
	return ptr;
}

static void free_elsewhere(void *ptr, size_t sz)
{
	aco_tools_defined_args(3);
	allocator.free(ptr, sz, allocator.ctx);
}

/* ---- magazines ----------------------------------------------------------- */

#define MAGAZINES_SIZE (ACO_PIECE_CLASSES * sizeof(struct aco_magazine))
_Static_assert(MAGAZINES_SIZE <= ACO_PIECE_MAX, "they are a piece themselves");

/* A library that goes away could not take the magazines of other threads with it:
   they are theirs alone, and at exit(3) such threads may go on. */
static int stays(void)
{
	static signed char known; /* 1: yes, -1: no */
	signed char is = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (!is) {
		is = aco_can_be_unloaded() ? -1 : 1;
		__atomic_store_n(&known, is, __ATOMIC_RELAXED);
	}
	return is > 0;
}

/* Tools are to see each allocation. */
static int has_pieces(size_t sz)
{
	return sz <= ACO_PIECE_MAX && !(aco_tools & ~ACO_TOOLS_CXX) && stays();
}

static void release_magazines(void)
{
	struct aco_magazine *m = aco_thread.magazines;
	struct aco_piece *self = (struct aco_piece *)(void *)m;
	unsigned i;

	if (!m)
		return;
	aco_thread.magazines = NULL;
	aco_thread.had_magazines = 1;
	for (i = 0; i < ACO_PIECE_CLASSES; i++)
		aco_slab_put(i, m[i].first);
	self->next = NULL;
	aco_slab_put(aco_piece_class(MAGAZINES_SIZE), self);
}

/* NULL: the thread does without. */
static struct aco_magazine *make_magazines(void)
{
	int saved = errno;
	size_t one = 1;
	void *m;

	if (aco_thread.had_magazines ||
	    aco_thread_register_exit(ACO_RELEASE_MEMORY, release_magazines) <
		    0 ||
	    !aco_thread.is_listed) /* what it counts would be lost */
		goto none;
	m = aco_slab_get(aco_piece_class(MAGAZINES_SIZE), &one);
	if (!m)
		goto none;
	memset(m, 0, MAGAZINES_SIZE);
	aco_thread.magazines = m;
	return m;

none:
	errno = saved;
	return NULL;
}

/* Half of what fits, so that a thread that goes to and fro stays away from the
   slabs. */
#define HALF (ACO_MAGAZINE_MAX / 2)

static void *get_piece(size_t sz)
{
	unsigned size_class = aco_piece_class(sz);
	struct aco_magazine *m = aco_thread.magazines;
	struct aco_piece *piece;
	size_t count;

	if (!m)
		m = make_magazines();
	count = m ? HALF : 1;
	piece = aco_slab_get(size_class, &count);
	if (m && piece) {
		m[size_class].first = piece->next;
		m[size_class].count = count - 1;
	}
	return piece;
}

static void put_piece(struct aco_piece *piece, size_t sz)
{
	unsigned size_class = aco_piece_class(sz);
	struct aco_magazine *m = aco_thread.magazines;
	struct aco_piece *last = piece;
	unsigned i;

	piece->next = NULL;
	if (m) {
		/* it and the first half stay, as they were used last */
		m += size_class;
		piece->next = m->first;
		m->first = piece;
		m->count = HALF;
		for (i = 1; i < HALF; i++)
			last = last->next;
		piece = last->next;
		last->next = NULL;
	}
	aco_slab_put(size_class, piece);
}

/* ---- all ways ------------------------------------------------------------ */

static int is_piece(size_t sz)
{
	return !allocator.alloc && has_pieces(sz);
}

void *aco_mem_alloc_slow(size_t sz)
{
	if (aco_unlikely(!__atomic_load_n(&used, __ATOMIC_RELAXED)))
		__atomic_store_n(&used, 1, __ATOMIC_RELAXED);
	if (allocator.alloc)
		return alloc_elsewhere(sz);
	return has_pieces(sz) ? get_piece(sz) : malloc(sz);
}

void aco_mem_free_slow(void *ptr, size_t sz)
{
	if (allocator.alloc)
		free_elsewhere(ptr, sz);
	else if (has_pieces(sz))
		put_piece(ptr, sz);
	else
		free(ptr);
}

void *aco_mem_alloc_co_slow(size_t sz)
{
	void *ptr;

	if (is_piece(sz))
		return aco_mem_alloc_slow(sz);
	ptr = aco_mem_alloc_slow(aco_noted_size(sz));
	if (ptr)
		aco_note_add(ptr, sz, ACO_NOTE_CO);
	return ptr;
}

void aco_mem_free_co_slow(void *ptr, size_t sz)
{
	if (!is_piece(sz)) {
		aco_note_drop(ptr, sz);
		sz = aco_noted_size(sz);
	}
	aco_mem_free_slow(ptr, sz);
}
