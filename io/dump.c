/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.c - a line for each task
 */
#include "internal.h"

#include <inttypes.h>

static double seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

static int64_t waits_for(const aco_io_t *io, const struct task *task)
{
	uint32_t units = (uint32_t)(io->now >> SINCE_SHIFT) - task->since;

	return (int64_t)units << SINCE_SHIFT;
}

static void print_wait(const aco_io_t *io, const struct task *task, int fd)
{
	static const char *const events[] = { "", "read", "write",
					      "read or write" };

	if (task->state != TASK_WAITING) {
		dprintf(fd, " %s",
			task->state == TASK_READY ? "ready" : "running");
		return;
	}
	dprintf(fd, " waits for %.3f s", seconds(waits_for(io, task)));
	if (task->fd >= 0)
		dprintf(fd, " to %s %d", events[task->events & 3], task->fd);
	if (task->timer.deadline != INT64_MAX)
		dprintf(fd, " until in %.3f s",
			seconds(task->timer.deadline - io->now));
}

void aco_io_dump(const aco_io_t *io, int fd)
{
	for (size_t i = 0; io && i < io->slot_count; i++) {
		const struct task *task = io->slots[i].task;

		if (!task)
			continue;
		dprintf(fd, "task %" PRIx64, aco_io_task_id(task));
		if (task->name)
			dprintf(fd, " %s", task->name);
		dprintf(fd, " %p co %p%s%s%s", task->co->arg, (void *)task->co,
			task->is_shared ? " shared" : "",
			task->is_cancelled ? " cancelled" : "",
			task->is_shielded ? " shielded" : "");
		print_wait(io, task, fd);
		dprintf(fd, "\n");
	}
}
