/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slab.c - pieces of memory of one size, cut from slabs
 *
 *	 a mapping of SLAB bytes, aligned to SLAB
 *	+--------+-------+-------+-    -+-------+
 *	| header | piece | piece |  ... | piece |
 *	+--------+-------+-------+-    -+-------+
 *
 * A piece has no header of its own: for ten million cos those of malloc(3), and
 * what it rounds up, are 76 MiB for each 8 bytes.  The header of the slab has a
 * bit for each piece.  The lowest free piece is taken first, so that what is in
 * use gathers at low addresses.  Pages on which no piece is in use go back to the
 * kernel, and in the end the slab.
 */
#include "memory.h"

#include <errno.h>
#include <stddef.h>

#include "debug.h"
#include "stacks.h"

/* As large as a huge page; smaller where address space is scarce. */
#define SLAB ((size_t)(ACO_WORD == 8 ? 2 << 20 : 256 << 10))
#define PAGES (SLAB / ACO_PAGE)
#define BITS 32u /* of a word of a set */

struct slab {
	struct slab *next, *prev; /* in a list of those with free pieces, */
	struct slab *next_of_all, *prev_of_all; /* and in that of all */
	uint32_t begin;				/* where the first piece lies */
	uint32_t size;				/* of a piece */
	uint32_t count;				/* of pieces */
	uint32_t free;				/* of these */
	uint32_t lowest; /* no word of is_free before it has a bit */
	uint32_t put;	 /* pieces, since pages were last given back: */
	uint32_t put_low, put_high;	 /* on these pages, and between */
	uint32_t is_clean[PAGES / BITS]; /* pages that hold nothing */
	uint32_t is_free[];
};

static struct slab *available[ACO_PIECE_CLASSES]; /* those with free pieces */
static unsigned slabs[ACO_PIECE_CLASSES];	  /* how many there are */
static struct slab *all;

const struct aco_debug_list aco_debug_slabs = {
	&all,
	{ offsetof(struct slab, next_of_all), offsetof(struct slab, begin),
	  offsetof(struct slab, size), offsetof(struct slab, count),
	  offsetof(struct slab, is_free), -1 }
};

/* ---- sets of bits -------------------------------------------------------- */

static int has(const uint32_t *set, size_t i)
{
	return set[i / BITS] >> (i % BITS) & 1;
}

static void add(uint32_t *set, size_t i)
{
	set[i / BITS] |= 1u << (i % BITS);
}

/* The first n, to an empty set. */
static void add_first(uint32_t *set, size_t n)
{
	memset(set, 0xff, n / BITS * sizeof(*set));
	if (n % BITS)
		set[n / BITS] = (1u << (n % BITS)) - 1;
}

static void drop(uint32_t *set, size_t i)
{
	set[i / BITS] &= ~(1u << (i % BITS));
}

/* ---- lists --------------------------------------------------------------- */

static void link_slab(struct slab *s, unsigned size_class)
{
	s->prev = NULL;
	s->next = available[size_class];
	if (s->next)
		s->next->prev = s;
	available[size_class] = s;
}

static void unlink_slab(struct slab *s, unsigned size_class)
{
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		available[size_class] = s->next;
}

static void add_to_all(struct slab *s)
{
	s->prev_of_all = NULL;
	s->next_of_all = all;
	if (all)
		all->prev_of_all = s;
	all = s;
}

static void drop_from_all(struct slab *s)
{
	if (s->next_of_all)
		s->next_of_all->prev_of_all = s->prev_of_all;
	if (s->prev_of_all)
		s->prev_of_all->next_of_all = s->next_of_all;
	else
		all = s->next_of_all;
}

/* ---- mappings ------------------------------------------------------------ */

static char *map(size_t sz)
{
	char *at = mmap(NULL, sz, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* The kernel puts a mapping right below the one before, where there is room: so
   only the first has to be aligned. */
static char *map_aligned(void)
{
	char *at = map(SLAB);
	size_t below;

	if (!at || (uintptr_t)at % SLAB == 0)
		return at;
	munmap(at, SLAB);
	at = map(2 * SLAB);
	if (!at)
		return NULL;
	below = -(uintptr_t)at % SLAB;
	if (below)
		munmap(at, below);
	munmap(at + below + SLAB, SLAB - below);
	return at + below;
}

/* A huge page would be too much for a program with a few cos. */
static struct slab *new_slab(unsigned size_class)
{
	size_t size = (size_class + 1) * ACO_PIECE_UNIT;
	size_t most = SLAB / size;
	size_t head = sizeof(struct slab) +
		      (most / BITS + 1) * sizeof(uint32_t);
	struct slab *s = (struct slab *)(void *)map_aligned();

	if (!s)
		return NULL;
	if (slabs[size_class]++ == 0)
		madvise(s, SLAB, MADV_NOHUGEPAGE);
	s->begin = (uint32_t)((head + size - 1) / size * size);
	s->size = (uint32_t)size;
	s->count = (uint32_t)((SLAB - s->begin) / size);
	s->free = s->count;
	s->put_low = PAGES - 1;
	add_first(s->is_free, s->count);
	add_first(s->is_clean, PAGES);
	link_slab(s, size_class);
	add_to_all(s);
	return s;
}

/* Unless it is the only one, which the next piece would bring back. */
static void drop_slab(struct slab *s, unsigned size_class)
{
	if (!s->next && !s->prev)
		return;
	unlink_slab(s, size_class);
	drop_from_all(s);
	if (munmap(s, SLAB) == 0) {
		slabs[size_class]--;
		return;
	}
	link_slab(s, size_class); /* one mapping too many */
	add_to_all(s);
}

/* ---- pages --------------------------------------------------------------- */

static int is_unused(const struct slab *s, size_t page)
{
	size_t low = page * ACO_PAGE, high = low + ACO_PAGE - 1;
	size_t i, last;

	if (low < s->begin || has(s->is_clean, page))
		return 0;
	last = (high - s->begin) / s->size;
	for (i = (low - s->begin) / s->size; i <= last && i < s->count; i++)
		if (!has(s->is_free, i))
			return 0;
	return 1;
}

static void give_pages_back(struct slab *s)
{
	size_t page = s->put_low, end;

	for (; page <= s->put_high; page = end + 1) {
		for (end = page; end <= s->put_high && is_unused(s, end); end++)
			add(s->is_clean, end);
		if (end > page)
			madvise((char *)s + page * ACO_PAGE,
				(end - page) * ACO_PAGE, MADV_DONTNEED);
	}
	s->put = 0;
	s->put_low = PAGES - 1;
	s->put_high = 0;
}

/* ---- pieces -------------------------------------------------------------- */

static struct aco_piece *take(struct slab *s)
{
	size_t n, at;

	while (!s->is_free[s->lowest])
		s->lowest++;
	n = s->lowest * BITS + (unsigned)__builtin_ctz(s->is_free[s->lowest]);
	drop(s->is_free, n);
	s->free--;
	if (s->put)
		s->put--;
	at = s->begin + n * s->size;
	drop(s->is_clean, at / ACO_PAGE);
	drop(s->is_clean, (at + s->size - 1) / ACO_PAGE);
	return (struct aco_piece *)(void *)((char *)s + at);
}

/* Before pages go back, as many pieces have to come as an eighth of those that are
   in use: so what is lost of a slab with a few is not much more than these. */
static int is_time(const struct slab *s)
{
	return s->put >= (s->count - s->free) / 8 + 32;
}

/* A piece that was put reaches from at over one page, or two. */
static void note_pages(struct slab *s, size_t at)
{
	uint32_t low = (uint32_t)(at / ACO_PAGE);
	uint32_t high = (uint32_t)((at + s->size - 1) / ACO_PAGE);

	s->put++;
	if (low < s->put_low)
		s->put_low = low;
	if (high > s->put_high)
		s->put_high = high;
}

static void put(struct aco_piece *piece, unsigned size_class)
{
	struct slab *s = (struct slab *)((uintptr_t)piece & ~(SLAB - 1));
	size_t at = (size_t)((char *)piece - (char *)s);
	size_t n = (at - s->begin) / s->size;

	add(s->is_free, n);
	note_pages(s, at);
	if (n / BITS < s->lowest)
		s->lowest = (uint32_t)(n / BITS);
	if (s->free++ == 0)
		link_slab(s, size_class);
	if (s->free == s->count)
		drop_slab(s, size_class);
	else if (is_time(s))
		give_pages_back(s);
}

struct aco_piece *aco_slab_get(unsigned size_class, size_t *count)
{
	struct aco_piece *first = NULL, **end = &first;
	size_t most = *count, n;
	int saved = errno;
	struct slab *s;

	if (aco_fork_ready() < 0)
		return NULL;
	aco_lock(ACO_LOCK_SLABS);
	s = available[size_class];
	if (!s)
		s = new_slab(size_class);
	for (n = 0; s && n < most && s->free; n++) {
		*end = take(s);
		end = &(*end)->next;
	}
	*end = NULL;
	if (s && !s->free)
		unlink_slab(s, size_class);
	aco_unlock(ACO_LOCK_SLABS);
	*count = n;
	errno = first ? saved : ENOMEM;
	return first;
}

void aco_slab_put(unsigned size_class, struct aco_piece *first)
{
	int saved = errno;
	struct aco_piece *next;

	if (!first)
		return;
	aco_lock(ACO_LOCK_SLABS);
	for (; first; first = next) {
		next = first->next;
		put(first, size_class);
	}
	aco_unlock(ACO_LOCK_SLABS);
	errno = saved;
}
