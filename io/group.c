/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group.c - groups, which end after their tasks
 */
#include "internal.h"

aco_io_group_t *aco_io_group_new(void)
{
	aco_io_group_t *group;

	if (!aco_io_thread) {
		errno = EPERM;
		return NULL;
	}
	group = calloc(1, sizeof(*group));
	if (group)
		group->io = aco_io_thread;
	return group;
}

aco_io_group_t *aco_io_group_self(void)
{
	const aco_io_t *io = aco_io_thread;
	aco_io_group_t *group = io && io->running ? io->running->group : NULL;

	return group && group != &io->own_group ? group : NULL;
}

static bool is_in(const aco_io_group_t *group)
{
	const aco_io_t *io = aco_io_thread;

	return io && io->running && io->running->group == group;
}

/* Woken by the end of the last task: group may have been freed since. */
int aco_io_group_wait(aco_io_group_t *group, int64_t deadline)
{
	if (!group)
		return fail(EINVAL);
	if (!running() || group->io != aco_io_thread)
		return fail(EPERM);
	if (is_in(group))
		return fail(EDEADLK);
	if (!group->count)
		return aco_io_take_turn(false);
	return aco_io_give_way(deadline, &group->waiting);
}

int aco_io_group_cancel(aco_io_group_t *group)
{
	aco_io_t *io = aco_io_thread;

	if (!io || (group && group->io != io))
		return fail(EPERM);
	if (!group)
		group = &io->own_group;
	/* The own group starts tasks again when there are none: so without any. */
	group->is_cancelled = group != &io->own_group || !aco_io_is_idle(io);
	for (struct task *task = group->tasks; task; task = task->group_next)
		aco_io_task_cancel(task);
	return 0;
}

/* Nobody adds tasks to a cancelled group: when it has none, it stays so. */
int aco_io_group_destroy(aco_io_group_t *group)
{
	if (!group)
		return fail(EINVAL);
	if (is_in(group))
		return fail(EDEADLK);
	if (group->count && !running())
		return -1;
	if (aco_io_group_cancel(group))
		return -1;
	if (group->count &&
	    aco_io_give_way_shielded(ACO_IO_NEVER, &group->waiting))
		return -1;
	free(group);
	return 0;
}
