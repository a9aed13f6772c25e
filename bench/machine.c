/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.c - stacks, memory, time and random order, see machine.h
 */
#include "machine.h"

#ifdef WITH_CONTROL_WORDS
#include <aco.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

#define GUARD_SIZE 65536

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

#ifdef WITH_CONTROL_WORDS
/* The library chooses by the processor, and notes it in each co. */
const char *bench_control_words(void)
{
	aco_t *co = aco_create(NULL, NULL, 0, NULL, NULL);
	int compares = co && (co->flags & ACO_FLAG_COMPARES_);

	if (co)
		aco_destroy(co);
	return compares ? "loaded where they differ" : "always loaded";
}
#else
const char *bench_control_words(void)
{
	return NULL;
}
#endif

/* From the page tables; 0: the kernel does not tell. */
static size_t resident_exactly(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kb = 0;
	char line[100];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Rss: %lu kB", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return (size_t)kb * 1024;
}

/* In statm, from Linux 6.2 on, 32 pages of each processor or more may be missing. */
size_t bench_resident(void)
{
	size_t total, resident = resident_exactly();
	FILE *f;

	if (resident)
		return resident;
	f = fopen("/proc/self/statm", "r");
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
	return kb > SIZE_MAX / 2 / 1024 ? SIZE_MAX / 2 : (size_t)kb * 1024;
}

/* Knuth's linear congruential generator, of which the upper bits are used.
   impl_go.go has the same function. */
void bench_shuffle(void **pointers, size_t n)
{
	uint64_t x = 1;
	void *pointer;
	size_t i;

	for (; n > 1; n--) {
		x = x * 6364136223846793005U + 1442695040888963407U;
		i = (size_t)((x >> 33) % n);
		pointer = pointers[i];
		pointers[i] = pointers[n - 1];
		pointers[n - 1] = pointer;
	}
}

static clockid_t the_clock = CLOCK_MONOTONIC;
static size_t threads_at_a_time = 1;

void bench_use_cpu_clock(void)
{
	the_clock = CLOCK_THREAD_CPUTIME_ID;
}

void bench_several_threads(size_t at_a_time)
{
	if (the_clock == CLOCK_MONOTONIC)
		return;
	the_clock = CLOCK_PROCESS_CPUTIME_ID;
	threads_at_a_time = at_a_time;
}

const char *bench_clock(void)
{
	switch (the_clock) {
	case CLOCK_THREAD_CPUTIME_ID:
		return "thread";
	case CLOCK_PROCESS_CPUTIME_ID:
		return "process";
	default:
		return "wall";
	}
}

double bench_now(void)
{
	struct timespec t;

	clock_gettime(the_clock, &t);
	return ((double)t.tv_sec * 1e9 + (double)t.tv_nsec) /
	       (double)threads_at_a_time;
}
