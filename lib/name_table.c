/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_table.c - names of cos
 *
 * In a table by the address of the co: a pointer in each aco_t would be 76 MiB
 * for ten million cos, with names or without.  A co with a name has ACO_NAMED, so
 * that only those look into the table when they are destroyed.
 *
 *	     +----+----+---------+----+---------+---------+----+
 *	at:  |    |    | co name |    | co name | co name |    |  room places
 *	     +----+----+---------+----+---------+---------+----+
 *
 * A co lies at the first free place from the one that its address says.  At least
 * a quarter of the places is free.
 */
#include "internal.h"

#include <errno.h>

#define LEAST_ROOM ((size_t)16)
#define GOLDEN_RATIO 0x9e3779b97f4a7c15u /* of 2^64 */

/* A line that is to be written waits for other threads as long as this, which no
   thread needs that runs; the thread of a handler may hold the lock itself. */
#define TRIES 10000

struct aco_names aco_names;

static size_t first_place(const struct aco_names *n, const void *co)
{
	uint64_t mixed = (uintptr_t)co * (uint64_t)GOLDEN_RATIO;

	return (size_t)(mixed >> 32) & (n->room - 1);
}

static size_t next_place(const struct aco_names *n, size_t i)
{
	return (i + 1) & (n->room - 1);
}

/* Where co is, or else where it may be put. */
static struct aco_named *place_of(const struct aco_names *n, const void *co)
{
	size_t i = first_place(n, co);

	while (n->at[i].co && n->at[i].co != co)
		i = next_place(n, i);
	return &n->at[i];
}

static struct aco_named *find(const void *co)
{
	struct aco_named *named;

	if (!aco_names.room)
		return NULL;
	named = place_of(&aco_names, co);
	return named->co ? named : NULL;
}

/* To a table of so much room; -1: no memory.  Debuggers find the old one or the
   new one. */
static int move_to(size_t room)
{
	struct aco_names n = aco_names;
	struct aco_named *old = n.at;

	n.at = calloc(room, sizeof(*n.at));
	if (!n.at)
		return -1;
	n.room = room;
	for (size_t i = 0; i < aco_names.room; i++)
		if (old[i].co)
			*place_of(&n, old[i].co) = old[i];
	if (room < aco_names.room)
		aco_names.room = room;
	aco_names.at = n.at;
	aco_names.room = room;
	free(old);
	return 0;
}

static void set_count(size_t count)
{
	__atomic_store_n(&aco_names.count, count, __ATOMIC_RELAXED);
}

static int add(const aco_t *co, const char *name)
{
	struct aco_named *named;

	if (aco_names.count >= aco_names.room / 4 * 3 &&
	    move_to(aco_names.room ? 2 * aco_names.room : LEAST_ROOM) < 0)
		return -1;
	named = place_of(&aco_names, co);
	named->name = name;
	named->co = co;
	set_count(aco_names.count + 1);
	return 0;
}

/* Place i is free now.  A later one that would have been put there, had it been
   free, moves up, and leaves its own place free. */
static void close_gap(size_t i)
{
	struct aco_named *at = aco_names.at;
	size_t mask = aco_names.room - 1;
	size_t k = i;

	for (;;) {
		k = next_place(&aco_names, k);
		if (!at[k].co)
			break;
		if (((k - first_place(&aco_names, at[k].co)) & mask) >=
		    ((k - i) & mask)) {
			at[i] = at[k];
			i = k;
		}
	}
	at[i].co = NULL;
}

static void drop(struct aco_named *named)
{
	close_gap((size_t)(named - aco_names.at));
	set_count(aco_names.count - 1);
	if (aco_names.room > LEAST_ROOM && aco_names.count < aco_names.room / 8)
		move_to(aco_names.room / 2);
}

void aco_name_drop(const aco_t *co)
{
	int saved = errno;
	struct aco_named *named;

	aco_lock(ACO_LOCK_NAMES);
	named = find(co);
	if (named)
		drop(named);
	aco_unlock(ACO_LOCK_NAMES);
	errno = saved;
}

int aco_name_put(const aco_t *co, const char *name)
{
	struct aco_named *named;
	int result = 0;

	if (aco_fork_ready() < 0)
		return -1;
	aco_lock(ACO_LOCK_NAMES);
	named = find(co);
	if (named)
		named->name = name;
	else
		result = add(co, name);
	aco_unlock(ACO_LOCK_NAMES);
	return result;
}

const char *aco_name_find(const aco_t *co)
{
	const struct aco_named *named;
	const char *name;

	aco_lock(ACO_LOCK_NAMES);
	named = find(co);
	name = named ? named->name : NULL;
	aco_unlock(ACO_LOCK_NAMES);
	return name;
}

const char *aco_name_if_free(const void *co)
{
	const struct aco_named *named;
	const char *name = NULL;
	unsigned i;

	if (!co || !__atomic_load_n(&aco_names.count, __ATOMIC_RELAXED))
		return NULL;
	for (i = 0; i < TRIES; i++)
		if (aco_trylock(ACO_LOCK_NAMES) == 0)
			break;
	if (i == TRIES)
		return NULL;
	named = find(co);
	if (named)
		name = named->name;
	aco_unlock(ACO_LOCK_NAMES);
	return name;
}

ACO_AT_UNLOAD(1) static void unload(void)
{
	struct aco_named *at = aco_names.at;

	if (!aco_can_be_unloaded())
		return;
	aco_lock(ACO_LOCK_NAMES);
	aco_names.at = NULL;
	aco_names.room = 0;
	set_count(0);
	aco_unlock(ACO_LOCK_NAMES);
	free(at);
}
