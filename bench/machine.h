/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - stacks, memory, time and random order, for the implementations
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An execution stack for peers that leave stacks to their users.  It is of the
   kinds that libaco has: a guarded one is a mapping of its own, another one
   comes from malloc(). */
void *bench_stack_new(size_t sz, int guarded);
void bench_stack_free(void *stack, size_t sz, int guarded);

/* Nanoseconds since some time, by the clock that was chosen: time on the wall,
   or after bench_use_cpu_clock() CPU time of this thread. */
double bench_now(void);
void bench_use_cpu_clock(void);

/* A row hands its work to other threads, at_a_time of which do one operation
   each at the same time: CPU time is that of the process, by at_a_time. */
void bench_several_threads(size_t at_a_time);

/* "wall", "thread" (CPU time of the thread) or "process". */
const char *bench_clock(void);

/* Which way the library switches own control words on this processor, in a few
   words; NULL where there is no choice. */
const char *bench_control_words(void);

/* Bytes of this process in memory. */
size_t bench_resident(void);

/* Bytes that the machine has left for new memory, at most half of the address
   space. */
size_t bench_available(void);

/* Puts pointers into a random order, always the same one for the same n. */
void bench_shuffle(void **pointers, size_t n);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_MACHINE_H */
