/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.h - what the driver asks of a program, and what the program answers
 *
 *	run-NAME list             its rows, WORKLOAD/IMPLEMENTATION
 *	run-NAME about            compiler and architecture; then a line for each
 *	                          thing more that times depend on
 *	run-NAME time ROW MS COS CLOCK
 *	                          "value=NUMBER unit=UNIT clock=CLOCK KEY=NUMBER"
 *	run-NAME order N          numbers below N, in the order of random rows
 *	run-NAME count ROW COS    "value=NUMBER unit=instructions"
 *
 * CLOCK is "wall" or "cpu".  An answer of a time names the clock that has
 * measured it, "wall", "thread" or "process", and as many keys as the row has.
 *
 * A program that can't measure a row answers "skip REASON".  The driver
 * (driver/) runs the programs in turn and does the statistics.
 */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* COS: how many cos to make where a row leaves that open. */
extern size_t bench_cos;

/* The answer to "time", of one operation. */
extern double bench_value;
extern const char *bench_unit;

/* Adds KEY=NUMBER, e.g. the bytes that were really copied. */
void bench_note(const char *key, size_t value);

void bench_print_answer(const char *clock);

/* The row can't be measured here: the program says why, and ends. */
void bench_skip(const char *why) __attribute__((__noreturn__));

/* ptr; where it is NULL, the row is skipped because memory is missing. */
void *bench_need(void *ptr);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_PROTOCOL_H */
