/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - stacks, memory and time, for the implementations
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

/* Nanoseconds since some time. */
double bench_now(void);

/* Bytes of this process in memory. */
size_t bench_resident(void);

/* Bytes that the machine has left for new memory, at most half of the address
   space. */
size_t bench_available(void);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_MACHINE_H */
