/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - what a benchmark program is made of
 *
 * Each implementation that is measured is a program of its own, because what is
 * linked into a process changes what it measures (libaco switches the exception
 * state of libstdc++ when that is there).  A program measures one row and ends,
 * so that each sample has an address space layout of its own; aco-bench runs
 * the programs in turn and does the statistics.
 *
 *	run-NAME list             its rows, WORKLOAD/IMPLEMENTATION
 *	run-NAME about            compiler and architecture
 *	run-NAME time ROW MS COS  "value=NUMBER unit=ns ..." for one operation
 *	run-NAME count ROW        instructions of one operation
 */
#ifndef BENCH_WORKER_H
#define BENCH_WORKER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct row {
	const char *workload;
	const char *impl;
	void (*setup)(const struct row *row); /* not timed */
	void (*run)(long n);		      /* n operations */
	size_t arg;			      /* of the workload */
	unsigned opt;			      /* of the implementation */
};

/* Ends with a row that has no workload; each program has its own. */
extern const struct row bench_rows[];

/* What compiled that: BENCH_COMPILER. */
extern const char bench_compiler[];

#if defined(__clang__)
#define BENCH_COMPILER __VERSION__
#else
#define BENCH_COMPILER "gcc " __VERSION__
#endif

/* The last argument of "time": how many cos to make where a row leaves that
   open. */
extern size_t bench_cos;

/* A row without run() leaves its result here. */
extern double bench_value;
extern const char *bench_unit;

/* More to print about this row, e.g. the bytes that were really copied. */
void bench_note(const char *key, size_t value);

/* The row can't be measured here: say why, end. */
void bench_skip(const char *why) __attribute__((__noreturn__));

/* ptr, or end because memory is missing. */
void *bench_need(void *ptr);

/* An execution stack for peers that leave this to their users, of the kinds
   that libaco has: with a guard its own mapping, else from malloc(). */
void *bench_stack_new(size_t sz, int guarded);
void bench_stack_free(void *stack, size_t sz, int guarded);

/* Nanoseconds since some time. */
double bench_now(void);

/* Bytes of this process in memory. */
size_t bench_resident(void);

/* Bytes that the machine has left for new memory. */
size_t bench_available(void);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_WORKER_H */
