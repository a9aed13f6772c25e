/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.c - the answers of a benchmark program, see protocol.h
 */
#include "protocol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

size_t bench_cos;
double bench_value;
const char *bench_unit = "ns";

static char notes[256];

void bench_note(const char *key, size_t value)
{
	size_t len = strlen(notes);

	snprintf(notes + len, sizeof(notes) - len, " %s=%zu", key, value);
}

void bench_print_answer(const char *clock)
{
	printf("value=%.4f unit=%s", bench_value, bench_unit);
	if (strcmp(bench_unit, "ns") == 0)
		printf(" clock=%s", clock);
	printf("%s\n", notes);
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
