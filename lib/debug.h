/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.h - where debuggers find everything, without the help of the program
 *
 *	aco_debug_ -> slabs     their pieces in use: cos, and save stacks
 *	           -> notes     of cos and share stacks that lie elsewhere
 *	           -> arenas    share stacks
 *	           -> threads   the current co of each
 *
 * Nothing is written for that when a co is made of a piece.  Which pieces are cos
 * can be told: a co has a share stack that is in one of the lists, and a save
 * stack is what the save_stack.ptr of a co says.
 */
#ifndef ACO_DEBUG_H
#define ACO_DEBUG_H

#include "internal.h"

/* ---- lists --------------------------------------------------------------- */

/* Where the first element is, and where in each element its members are; -1 ends
   them.  The order is that of the comments in debug.c. */
struct aco_debug_list {
	const void *first;
	int16_t at[8];
};

ACO_HIDDEN extern const struct aco_debug_list aco_debug_slabs;	/* slab.c */
ACO_HIDDEN extern const struct aco_debug_list aco_debug_arenas; /* arena.c */
ACO_HIDDEN extern const struct aco_debug_list
	aco_debug_threads; /* thread_list.c */

/* ---- note.c -------------------------------------------------------------- */

/*
 * A note lies behind what it is of, in the same block.  Its members are
 * complements, because what lies in a list is no leak to leak checkers.
 */
struct aco_note {
	uintptr_t next, prev;
	uintptr_t what; /* with ACO_NOTE_STACK added */
};

enum { ACO_NOTE_CO = 0, ACO_NOTE_STACK = 1 };

/* Lists of notes, each with a lock. */
ACO_HIDDEN extern uintptr_t aco_notes[ACO_NOTE_LISTS];

/* A block of sz bytes becomes one of so many when it has a note. */
/*@
  requires sz <= SIZE_MAX / 2 + SIZE_MAX / 4;
  assigns \nothing;
  exits \false;
*/
static inline size_t aco_noted_size(size_t sz)
{
	return ((sz + ACO_WORD - 1) & ~(size_t)(ACO_WORD - 1)) +
	       sizeof(struct aco_note);
}

/* Of the sz bytes at what, with the room that aco_noted_size() says.  Where the
   C library has no memory for what has to be done at a fork(2), there is none. */
/*@
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN void aco_note_add(void *what, size_t sz, unsigned kind);
/*@
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN void aco_note_drop(void *what, size_t sz);

/* ---- debug.c ------------------------------------------------------------- */

/* The bytes before each aco_t, before the first one is made.  Static programs have
   aco_debug_ by this call. */
ACO_HIDDEN void aco_debug_set_record(size_t sz);

#endif /* ACO_DEBUG_H */
