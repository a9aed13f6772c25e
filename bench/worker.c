/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - the main program of each benchmark program, see worker.h
 */
#include "worker.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "count.h"

#define GUARD_SIZE 65536

size_t bench_cos;
double bench_value;
const char *bench_unit = "ns";

static char notes[256];

void bench_note(const char *key, size_t value)
{
	size_t len = strlen(notes);

	snprintf(notes + len, sizeof(notes) - len, " %s=%zu", key, value);
}

void bench_skip(const char *why)
{
	printf("skip %s\n", why);
	fflush(stdout);
	_exit(0);
}

void *bench_need(void *ptr)
{
	if (!ptr)
		bench_skip(strerror(errno ? errno : ENOMEM));
	return ptr;
}

void *bench_stack_new(size_t sz, int guarded)
{
	char *map;

	if (!guarded)
		return bench_need(malloc(sz));
	map = mmap(NULL, sz + GUARD_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1,
		   0);
	if (map == MAP_FAILED || mprotect(map, GUARD_SIZE, PROT_NONE) < 0)
		bench_need(NULL);
	return map + GUARD_SIZE;
}

void bench_stack_free(void *stack, size_t sz, int guarded)
{
	if (guarded)
		munmap((char *)stack - GUARD_SIZE, sz + GUARD_SIZE);
	else
		free(stack);
}

size_t bench_resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t total, resident;

	if (!f || fscanf(f, "%zu %zu", &total, &resident) != 2)
		bench_skip("/proc/self/statm is not there");
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

size_t bench_available(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long long kb = 0;
	char line[100];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1)
			break;
	if (!kb)
		bench_skip("/proc/meminfo is not there");
	fclose(f);
	/* and what is left of the address space */
	return kb > SIZE_MAX / 2 / 1024 ? SIZE_MAX / 2 : (size_t)kb * 1024;
}

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_run(const struct row *row, long n)
{
	double start = bench_now();

	row->run(n);
	return bench_now() - start;
}

/*
 * Nanoseconds of one operation: double the number until a run lasts long enough
 * (which warms up as well), then time a run of that length.
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
	printf("%s, %zu bits\n", bench_compiler, sizeof(void *) * 8);
}

static void time_row(const struct row *row, double ms)
{
	row->setup(row);
	if (row->run)
		bench_value = time_one(row, ms * 1e6);
	printf("value=%.4f unit=%s%s\n", bench_value, bench_unit, notes);
}

static void count_row(const struct row *row)
{
	if (!row->run)
		bench_skip("nothing to count");
	printf("value=%.2f unit=instructions\n", count_instructions(row));
}

/* Leaves by _exit(): what the row has made would take long to take apart. */
int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "list") == 0 && argc == 2) {
		list();
	} else if (strcmp(what, "about") == 0 && argc == 2) {
		about();
	} else if (strcmp(what, "time") == 0 && argc == 5) {
		bench_cos = strtoul(argv[4], NULL, 10);
		time_row(find_row(argv[2]), strtod(argv[3], NULL));
	} else if (strcmp(what, "count") == 0 && argc == 3) {
		count_row(find_row(argv[2]));
	} else {
		fputs("usage: list | about | time ROW MS COS | count ROW\n",
		      stderr);
		return 2;
	}
	fflush(stdout);
	_exit(0);
}
