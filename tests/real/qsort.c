/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qsort.c - functions of the C library that call back: qsort, qsort_r, bsearch,
 * tsearch and twalk_r, whose callbacks yield
 *
 * A qsort() of up to 1024 bytes has its copy on the stack, a larger one in the
 * heap: both occur.  What is sorted lies on the stack, too.
 */
#define _GNU_SOURCE 1
#include "real.h"

#include <search.h>

#define MOST 200

static struct real_unit *plain_unit;

/* qsort() has no argument for the comparator. */
static struct real_unit *self(void)
{
	return real_yields == REAL_PLAIN ? plain_unit : aco_get_arg();
}

static int compare(const void *a, const void *b)
{
	struct real_unit *u = self();
	int before = *(const int *)a, other = *(const int *)b;

	real_yield_sometimes(u, 8);
	REQUIRE(before == *(const int *)a && other == *(const int *)b);
	u->done++;
	return (before > other) - (before < other);
}

/* Words of 24 bytes, by their end. */
static int compare_words(const void *a, const void *b, void *arg)
{
	struct real_unit *u = arg;
	int order = strcmp((const char *)a + 12, (const char *)b + 12);

	real_yield_sometimes(u, 8);
	u->done++;
	return order ? order : memcmp(a, b, 24);
}

static void sort_words(struct real_unit *u, int n)
{
	char words[MOST][24];

	for (int i = 0; i < n; i++)
		snprintf(words[i], sizeof(words[i]), "%011u %010u",
			 (unsigned)real_random(&u->random),
			 (unsigned)real_random(&u->random) % 50);
	qsort_r(words, n, sizeof(words[0]), compare_words, u);
	for (int i = 0; i < n; i++)
		real_hash(u, words[i], strlen(words[i]));
}

static void visit(const void *node, VISIT when, void *arg)
{
	struct real_unit *u = arg;

	real_yield_sometimes(u, 4);
	if (when == postorder || when == leaf)
		real_hash(u, *(const int *const *)node, sizeof(int));
}

static void ignore(void *node)
{
	(void)node;
	real_yield();
}

static void work(struct real_unit *u)
{
	int n = 10 + real_random(&u->random) % (MOST - 10);
	int numbers[MOST];
	void *tree = NULL;

	if (real_yields == REAL_PLAIN)
		plain_unit = u;
	for (int i = 0; i < n; i++) {
		numbers[i] = real_random(&u->random) % 1000;
		tsearch(&numbers[i], &tree, compare);
	}
	twalk_r(tree, visit, u);
	tdestroy(tree, ignore);

	qsort(numbers, n, sizeof(numbers[0]), compare);
	real_hash(u, numbers, n * sizeof(numbers[0]));
	for (int i = 1; i < n; i++)
		REQUIRE(numbers[i - 1] <= numbers[i]);
	for (int i = 0; i < n; i += 7) {
		int *found = bsearch(&numbers[i], numbers, n,
				     sizeof(numbers[0]), compare);

		REQUIRE(found && *found == numbers[i]);
	}
	sort_words(u, n);
}

const struct real_program real_program = {
	.name = "qsort",
	.counts = "comparisons",
	.units = 300,
	.stack = 32768,
	.work = work,
};
