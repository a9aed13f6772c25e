/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.c - the sum of what count.c counts
 */
#include "stacks.h"

#include <errno.h>

static size_t load(const size_t *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

/* What other threads do meanwhile may make a sum less than nothing. */
static size_t or_none(size_t sum)
{
	return sum > SIZE_MAX / 2 ? 0 : sum;
}

static void add_up(aco_stats_t *stats)
{
	size_t there[ACO_KINDS];
	size_t save_bytes = aco_tally.save_bytes;

	memcpy(there, aco_tally.given, sizeof(there));
	stats->copies = aco_tally.copies;
	stats->copied_bytes = aco_tally.copied_bytes;
	for (const struct aco_thread *t = aco_threads; t; t = t->next) {
		there[ACO_COS] -= load(&t->left[ACO_COS]) + load(&t->cos_left);
		there[ACO_STACKS] -= load(&t->left[ACO_STACKS]);
		save_bytes += load(&t->save_bytes);
		stats->copies += load(&t->copies);
		stats->copied_bytes += load(&t->copied_bytes);
	}
	stats->cos = or_none(there[ACO_COS]);
	stats->stacks = or_none(there[ACO_STACKS]);
	stats->save_bytes = or_none(save_bytes);
	stats->cos_peak = aco_tally.most[ACO_COS];
	stats->stacks_peak = aco_tally.most[ACO_STACKS];
}

/* To count.c, the stacks of keepers are in use. */
int aco_stats(aco_stats_t *stats)
{
	size_t in_keepers = aco_stack_keepers_count();
	int is_locked;

	if (!stats) {
		errno = EINVAL;
		return -1;
	}
	memset(stats, 0, sizeof(*stats));
	/* where fork(2) can't be told of the lock, no thread is listed */
	is_locked = aco_fork_ready() == 0;
	if (is_locked)
		aco_lock(ACO_LOCK_THREADS);
	add_up(stats);
	if (is_locked)
		aco_unlock(ACO_LOCK_THREADS);
	stats->stacks -= in_keepers < stats->stacks ? in_keepers
						    : stats->stacks;
	stats->stacks_cached = aco_stack_cache_count() + in_keepers;
	return 0;
}
