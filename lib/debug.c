/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.c - what debuggers read first
 *
 * It is exported, so that they find it without debug information.  gdb/aco.py
 * knows the versions of it.
 */
#include "debug.h"

#include <stddef.h>

static const struct aco_debug_list notes = {
	aco_notes,
	{ offsetof(struct aco_note, next), offsetof(struct aco_note, what), -1 }
};

struct aco_debug {
	uint32_t version;
	uint32_t record;   /* bytes before each aco_t, in its piece or block */
	uint32_t word;	   /* of a stack: its size, */
	uint32_t zeros;	   /* how many at the top a save stack may leave out, */
	uint32_t red_zone; /* and bytes that may lie below the stack pointer */
	uint32_t note_lists;
	/* next, begin, size, count, is_free */
	const struct aco_debug_list *slabs;
	/* next, what */
	const struct aco_debug_list *notes;
	/* next, fresh, stacks */
	const struct aco_debug_list *arenas;
	/* next, current, own_main, number, tid */
	const struct aco_debug_list *threads;
	const struct aco_names *names;
};

struct aco_debug aco_debug_ = {
	.version = 1,
	.word = ACO_WORD,
	.zeros = ACO_ZERO_WORDS,
	.red_zone = ACO_RED_ZONE,
	.note_lists = ACO_NOTE_LISTS,
	.slabs = &aco_debug_slabs,
	.notes = &notes,
	.arenas = &aco_debug_arenas,
	.threads = &aco_debug_threads,
	.names = &aco_names,
};

void aco_debug_set_record(size_t sz)
{
	uint32_t *record = &aco_debug_.record;

	if (__atomic_load_n(record, __ATOMIC_RELAXED) != sz)
		__atomic_store_n(record, (uint32_t)sz, __ATOMIC_RELAXED);
}
