/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtual.h - a clock that goes on only while the scheduler waits
 *
 * For programs linked with the static library, --wrap=clock_gettime and
 * --wrap=epoll_wait.
 */
#ifndef VIRTUAL_H
#define VIRTUAL_H

#include <stdbool.h>
#include <stdint.h>

extern bool virtual_on;
extern int64_t virtual_now; /* in nanoseconds */
extern int virtual_waits;   /* calls of epoll_wait(2)... */
extern int virtual_looks;   /* ...of which so many did not wait */

#endif /* VIRTUAL_H */
