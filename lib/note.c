/* SPDX-License-Identifier: Apache-2.0 */
/*
 * note.c - lists of the cos and share stacks that lie in blocks of malloc(3) or of
 * the program's allocator
 */
#include "debug.h"

#include <errno.h>

uintptr_t aco_notes[ACO_NOTE_LISTS];

/* Spread, as threads that make cos at the same time would wait for each other. */
static unsigned list_of(const void *what)
{
	return (uint32_t)((uintptr_t)what / 64) * 2654435769u >> 28;
}
_Static_assert(ACO_NOTE_LISTS == 1 << (32 - 28), "as list_of() has it");

static struct aco_note *note_of(void *what, size_t sz)
{
	char *end = (char *)what + aco_noted_size(sz);

	return (struct aco_note *)(void *)(end - sizeof(struct aco_note));
}

static uintptr_t hide(struct aco_note *note)
{
	return note ? ~(uintptr_t)note : 0;
}

static struct aco_note *show(uintptr_t hidden)
{
	return hidden ? (struct aco_note *)~hidden : NULL;
}

static void link_note(struct aco_note *note, uintptr_t *list)
{
	struct aco_note *next = show(*list);

	note->prev = hide(NULL);
	note->next = *list;
	if (next)
		next->prev = hide(note);
	*list = hide(note);
}

static void unlink_note(const struct aco_note *note, uintptr_t *list)
{
	struct aco_note *next = show(note->next), *prev = show(note->prev);

	if (next)
		next->prev = note->prev;
	if (prev)
		prev->next = note->next;
	else
		*list = note->next;
}

void aco_note_add(void *what, size_t sz, unsigned kind)
{
	struct aco_note *note = note_of(what, sz);
	unsigned list = list_of(what);
	int saved = errno;

	note->what = 0;
	if (aco_fork_ready() < 0) {
		errno = saved;
		return;
	}
	note->what = ~((uintptr_t)what + kind);
	aco_lock(ACO_LOCK_NOTES + list);
	link_note(note, &aco_notes[list]);
	aco_unlock(ACO_LOCK_NOTES + list);
}

void aco_note_drop(void *what, size_t sz)
{
	const struct aco_note *note = note_of(what, sz);
	unsigned list = list_of(what);

	if (!note->what)
		return;
	aco_lock(ACO_LOCK_NOTES + list);
	unlink_note(note, &aco_notes[list]);
	aco_unlock(ACO_LOCK_NOTES + list);
}
