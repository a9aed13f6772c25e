/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h - the memory of cos and of save stacks
 *
 *	aco_mem_alloc()                           aco_mem_free()
 *	        |                                       |
 *	        |  <-- the thread's magazines: <--------'
 *	        |      a few pieces of each size        | full
 *	        |                                       |
 *	        '- slab.c: pieces of one size  <--------'
 *
 * That is so for up to ACO_PIECE_MAX bytes.  malloc(3) has what is larger, and
 * everything where tools watch it, or where this code may be unloaded; an
 * allocator of the program has all.
 */
#ifndef ACO_MEMORY_H
#define ACO_MEMORY_H

#include "internal.h"

/* Pieces are multiples of this, and aligned to it, as malloc(3) does it. */
#define ACO_PIECE_UNIT ((size_t)16)
#define ACO_PIECE_MAX ((size_t)512)
#define ACO_PIECE_CLASSES (ACO_PIECE_MAX / ACO_PIECE_UNIT)

/* sz is 1 to ACO_PIECE_MAX. */
static inline unsigned aco_piece_class(size_t sz)
{
	return (unsigned)((sz - 1) / ACO_PIECE_UNIT);
}

/* A piece while it is free: the first word. */
struct aco_piece {
	struct aco_piece *next;
};

/* Free pieces of one size, for one thread. */
struct aco_magazine {
	struct aco_piece *first;
	size_t count;
};
#define ACO_MAGAZINE_MAX 64

/* ---- slab.c -------------------------------------------------------------- */

/* Up to *count pieces, linked in the order of their addresses; stores how many
   there are.  NULL with ENOMEM. */
ACO_HIDDEN struct aco_piece *aco_slab_get(unsigned size_class, size_t *count);

/* Give linked pieces back, of whichever thread. */
ACO_HIDDEN void aco_slab_put(unsigned size_class, struct aco_piece *first);

/* ---- memory.c ------------------------------------------------------------ */

/* What the two functions below do not do in place. */
ACO_HIDDEN void *aco_mem_alloc_slow(size_t sz);
ACO_HIDDEN void aco_mem_free_slow(void *ptr, size_t sz);

/* What the thread has at hand, or NULL. */
static inline void *aco_mem_at_hand(size_t sz)
{
	struct aco_magazine *m = aco_thread.magazines;
	struct aco_piece *piece;

	if (aco_unlikely(!m || sz > ACO_PIECE_MAX))
		return NULL;
	m += aco_piece_class(sz);
	piece = m->first;
	if (aco_likely(piece)) {
		m->first = piece->next;
		m->count--;
	}
	return piece;
}

/* Memory as malloc(3) gives it; NULL with ENOMEM.  sz is not 0. */
/*@
  requires 0 < sz;
  assigns \nothing;
  exits \false;
  ensures \result == \null || \valid((char *)\result + (0 .. sz - 1));
*/
static inline void *aco_mem_alloc(size_t sz)
{
	void *ptr = aco_mem_at_hand(sz);

	return aco_likely(ptr) ? ptr : aco_mem_alloc_slow(sz);
}

/* 1, or 0 when the thread has no room for it. */
static inline int aco_mem_to_hand(void *ptr, size_t sz)
{
	struct aco_piece *piece = ptr;
	struct aco_magazine *m = aco_thread.magazines;

	if (aco_unlikely(!m || sz > ACO_PIECE_MAX))
		return 0;
	m += aco_piece_class(sz);
	if (aco_unlikely(m->count >= ACO_MAGAZINE_MAX))
		return 0;
	piece->next = m->first;
	m->first = piece;
	m->count++;
	return 1;
}

/* Free it; sz is what it was allocated with. */
/*@
  assigns \nothing;
  exits \false;
*/
static inline void aco_mem_free(void *ptr, size_t sz)
{
	if (aco_unlikely(!aco_mem_to_hand(ptr, sz)))
		aco_mem_free_slow(ptr, sz);
}

/* ---- cos ----------------------------------------------------------------- */

/*
 * The same for cos, main cos included, which debuggers have to find: what is no
 * piece has a note behind it (debug.h).
 */
ACO_HIDDEN void *aco_mem_alloc_co_slow(size_t sz);
ACO_HIDDEN void aco_mem_free_co_slow(void *ptr, size_t sz);

static inline void *aco_mem_alloc_co(size_t sz)
{
	void *ptr = aco_mem_at_hand(sz);

	return aco_likely(ptr) ? ptr : aco_mem_alloc_co_slow(sz);
}

static inline void aco_mem_free_co(void *ptr, size_t sz)
{
	if (aco_unlikely(!aco_mem_to_hand(ptr, sz)))
		aco_mem_free_co_slow(ptr, sz);
}

#endif /* ACO_MEMORY_H */
