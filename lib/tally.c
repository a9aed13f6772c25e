/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.c - what threads have counted is added to what stays
 *
 * Under ACO_LOCK_THREADS.  Below the locks, because the child of a fork does this
 * for the threads that it does not have.  count.c says what is counted.
 */
#include "internal.h"

struct aco_tally aco_tally;

void aco_tally_copies(struct aco_thread *t)
{
	aco_tally.copies += t->copies;
	aco_tally.copied_bytes += t->copied_bytes;
	t->copies = 0;
	t->copied_bytes = 0;
}

void aco_tally_give_back(struct aco_thread *t, unsigned kind)
{
	size_t n = t->left[kind];

	t->left[kind] = 0;
	if (kind == ACO_COS) {
		n += t->cos_left;
		t->cos_left = 0;
	}
	aco_tally.given[kind] -= n;
	t->taken[kind] = t->taken[kind] > n ? t->taken[kind] - n : 0;
}

void aco_tally_all(struct aco_thread *t)
{
	for (unsigned kind = 0; kind < ACO_KINDS; kind++)
		aco_tally_give_back(t, kind);
	aco_tally.save_bytes += t->save_bytes;
	t->save_bytes = 0;
	aco_tally_copies(t);
}
