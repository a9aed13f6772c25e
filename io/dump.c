/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.c - a line for each task
 *
 * A line is put together before it is written, in one piece, where it fits in.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdarg.h>

struct line {
	char text[512];
	size_t len;
};

__attribute__((__format__(__printf__, 2, 3))) static void
add(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->len, room, format, args);
	va_end(args);
	if (n > 0)
		line->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void put(const struct line *line, int fd)
{
	size_t done = 0;

	while (done < line->len) {
		ssize_t n = write(fd, line->text + done, line->len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return;
	}
}

static double seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

static int64_t waits_for(int64_t now, const struct task *task)
{
	uint32_t units = (uint32_t)(now >> SINCE_SHIFT) - task->since;

	return (int64_t)units << SINCE_SHIFT;
}

static void add_wait(struct line *line, int64_t now, const struct task *task)
{
	static const char *const events[] = { "", "read", "write",
					      "read or write" };

	if (task->state != TASK_WAITING) {
		add(line, " %s",
		    task->state == TASK_READY ? "ready" : "running");
		return;
	}
	add(line, " waits for %.3f s", seconds(waits_for(now, task)));
	if (task->fd >= 0)
		add(line, " to %s %d", events[task->events & 3], task->fd);
	if (task->timer.deadline != INT64_MAX)
		add(line, " until in %.3f s",
		    seconds(task->timer.deadline - now));
}

static void add_task(struct line *line, const struct task *task)
{
	add(line, "task %" PRIx64, aco_io_task_id(task));
	if (task->name)
		add(line, " %.200s", task->name);
	add(line, " %p co %p%s%s%s", task->co->arg, (void *)task->co,
	    task->is_shared ? " shared" : "",
	    task->is_cancelled ? " cancelled" : "",
	    task->is_shielded ? " shielded" : "");
}

/* Outside tasks the scheduler may have looked at the clock long ago. */
static int64_t time_for(const aco_io_t *io)
{
	return io->running ? io->now : aco_io_clock();
}

void aco_io_dump(const aco_io_t *io, int fd)
{
	int64_t now = io ? time_for(io) : 0;

	for (size_t i = 0; io && i < io->slot_count; i++) {
		const struct task *task = io->slots[i].task;
		struct line line = { .len = 0 };

		if (!task)
			continue;
		add_task(&line, task);
		add_wait(&line, now, task);
		add(&line, "\n");
		put(&line, fd);
	}
}
