/* SPDX-License-Identifier: Apache-2.0 */
/*
 * current.c - of the calling thread: its scheduler, the time, and which memory
 * moves while its task waits
 */
#include "internal.h"

ACO_IO_THREAD_LOCAL aco_io_t *aco_io_thread;

int64_t aco_io_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * (1000 * ACO_IO_MSEC) + t.tv_nsec;
}

int64_t aco_io_now(void)
{
	aco_io_t *io = aco_io_thread;

	return io && io->running ? io->now : aco_io_clock();
}

int64_t aco_io_after(int64_t ms)
{
	int64_t now = aco_io_now();

	if (ms < 0)
		return ACO_IO_NEVER;
	return ms < (INT64_MAX - 1 - now) / ACO_IO_MSEC ? now + ms * ACO_IO_MSEC
							: ACO_IO_NEVER;
}

aco_io_t *aco_io_current(void)
{
	return aco_io_thread;
}

static bool lies_on(const void *p, const aco_share_stack_t *stack)
{
	return (uintptr_t)p - (uintptr_t)stack->ptr < stack->sz;
}

bool aco_io_is_movable(const void *p)
{
	const aco_io_t *io = aco_io_thread;
	const struct inner *inner;

	if (!io || !io->running)
		return false;
	if (io->running->is_shared && lies_on(p, io->shared))
		return true;
	if (!is_on_the_way(io->running) &&
	    lies_on(p, aco_get_co()->share_stack))
		return true;
	for (inner = io->running->inner; inner; inner = inner->outer)
		if (lies_on(p, inner->co->share_stack))
			return true;
	return false;
}
