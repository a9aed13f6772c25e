/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - the main program of each benchmark program, see protocol.h
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "count.h"
#include "machine.h"
#include "protocol.h"
#include "row.h"

static double time_run(const struct row *row, long n)
{
	double start = bench_now();

	row->run(n);
	return bench_now() - start;
}

/*
 * Nanoseconds of one operation.  The number of operations is doubled until a
 * run lasts long enough, which warms up as well; the next run of that length
 * counts.
 */
static double time_one(const struct row *row, double min_ns)
{
	long n = 1;

	while (time_run(row, n) < min_ns)
		n *= 2;
	return time_run(row, n) / (double)n;
}

static const struct row *find_row(const char *name)
{
	const struct row *row;
	size_t len;

	for (row = bench_rows; row->workload; row++) {
		len = strlen(row->workload);
		if (strncmp(name, row->workload, len) == 0 &&
		    name[len] == '/' && strcmp(name + len + 1, row->impl) == 0)
			return row;
	}
	fprintf(stderr, "no such row: %s\n", name);
	exit(2);
}

static void list(void)
{
	const struct row *row;

	for (row = bench_rows; row->workload; row++)
		printf("%s/%s\n", row->workload, row->impl);
}

static void about(void)
{
	const char *words = bench_control_words();

	printf("%s, %zu bits\n", bench_compiler, sizeof(void *) * 8);
	if (words)
		printf("own control words: %s\n", words);
}

static void time_row(const struct row *row, double ms)
{
	row->setup(row);
	if (row->run)
		bench_value = time_one(row, ms * 1e6);
	bench_print_answer(bench_clock());
}

static void count_row(const struct row *row)
{
	if (!row->run)
		bench_skip("nothing to count");
	printf("value=%.2f unit=instructions\n", count_instructions(row));
}

static __attribute__((__noreturn__)) void usage(void)
{
	fputs("usage: list | about | order N | time ROW MS COS wall|cpu | "
	      "count ROW COS\n",
	      stderr);
	exit(2);
}

static double positive(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0))
		usage();
	return value;
}

/* The numbers are those of elements of an array. */
static void print_order(size_t n)
{
	char *base = bench_need(malloc(n));
	void **order = bench_need(calloc(n, sizeof(*order)));
	size_t i;

	for (i = 0; i < n; i++)
		order[i] = base + i;
	bench_shuffle(order, n);
	for (i = 0; i < n; i++)
		printf("%td\n", (char *)order[i] - base);
}

static void choose_clock(const char *name)
{
	if (strcmp(name, "cpu") == 0)
		bench_use_cpu_clock();
	else if (strcmp(name, "wall") != 0)
		usage();
#ifdef SEVERAL_THREADS
	/* in each of its rows two threads run in turn */
	bench_several_threads(1);
#endif
}

/* The end is _exit(), because freeing what the row has made would take long. */
int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "list") == 0 && argc == 2) {
		list();
	} else if (strcmp(what, "about") == 0 && argc == 2) {
		about();
	} else if (strcmp(what, "order") == 0 && argc == 3) {
		print_order((size_t)positive(argv[2]));
	} else if (strcmp(what, "time") == 0 && argc == 6) {
		choose_clock(argv[5]);
		bench_cos = (size_t)positive(argv[4]);
		time_row(find_row(argv[2]), positive(argv[3]));
	} else if (strcmp(what, "count") == 0 && argc == 4) {
		bench_cos = (size_t)positive(argv[3]);
		count_row(find_row(argv[2]));
	} else {
		usage();
	}
	fflush(stdout);
	_exit(0);
}
