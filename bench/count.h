/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include "row.h"

/* Instructions of one operation, exactly; see count.c. */
double count_instructions(const struct row *row);

#endif /* BENCH_COUNT_H */
