/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row.h - what each implementation provides: the rows that it measures
 *
 * Each implementation is a program of its own, because what is linked into a
 * process changes what the process measures (libaco switches the exception
 * state of libstdc++ where that library is there).  A program measures one row
 * and ends, so that each sample has an address space layout of its own.
 */
#ifndef BENCH_ROW_H
#define BENCH_ROW_H

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

/* The last row has no workload.  A row without run() leaves its result in
   bench_value when it is set up. */
extern const struct row bench_rows[];

/* The compiler of the implementation: BENCH_COMPILER. */
extern const char bench_compiler[];

#if defined(__clang__)
#define BENCH_COMPILER __VERSION__
#else
#define BENCH_COMPILER "gcc " __VERSION__
#endif

#ifdef __cplusplus
}
#endif

#endif /* BENCH_ROW_H */
