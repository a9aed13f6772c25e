/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real.h - a real program is split into units of work, whose results are
 * compared: all units one after the other by plain calls, and each unit in a co
 *
 * A unit yields wherever the program calls back or would wait; in the plain calls
 * a yield does nothing.  What a unit has seen goes into its digest.  So it must
 * not depend on the order of the units.
 */
#ifndef REAL_H
#define REAL_H

#include <aco.h>
#include <stdbool.h>

/* In the heap: other cos and the main context look at it. */
struct real_unit {
	unsigned id;
	uint64_t random; /* real_random(); begins with what --seed and id say */
	uint64_t digest;
	unsigned long done; /* of what the program counts */
	aco_t *co;
	unsigned place; /* among those that have not ended */
};

struct real_program {
	const char *name, *counts; /* "zlib", "streams" */
	unsigned units;		   /* without --units */
	size_t stack;		   /* bytes */
	bool rounds; /* each unit has a rounding mode, as its result shows */
	void (*begin)(struct real_unit *all, unsigned count);
	void (*work)(struct real_unit *u);
	void (*plain)(struct real_unit *u); /* NULL: work */
	void (*end)(unsigned count);
};

extern const struct real_program real_program;

/* How a unit yields: not at all, to the main context, to another unit at once. */
extern enum real_yields { REAL_PLAIN, REAL_YIELD, REAL_HAND_ON } real_yields;

void real_hand_on(void);
void real_hash(struct real_unit *u, const void *bytes, size_t len);
uint32_t real_random(uint64_t *state);
__attribute__((__noreturn__)) void real_fail(const char *what, const char *file,
					     int line);

#define REQUIRE(cond) ((cond) ? (void)0 : real_fail(#cond, __FILE__, __LINE__))

static inline void real_yield(void)
{
	if (real_yields == REAL_YIELD)
		aco_yield();
	else if (real_yields == REAL_HAND_ON)
		real_hand_on();
}

/* One time in n, by the program's own count: as often in each run. */
static inline void real_yield_sometimes(struct real_unit *u, unsigned n)
{
	if (real_random(&u->random) % n == 0)
		real_yield();
}

#endif /* REAL_H */
