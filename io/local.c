/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local.c - variables of which each task has its own value
 */
#include "internal.h"

struct local {
	struct local *next;
	const aco_io_key_t *key;
	void *value;
};

static struct local *find(const aco_io_key_t *key)
{
	const aco_io_t *io = aco_io_thread;
	struct local *local;

	if (!io || !io->running)
		return NULL;
	local = io->running->locals;
	while (local && local->key != key)
		local = local->next;
	return local;
}

int aco_io_set_local(const aco_io_key_t *key, void *value)
{
	struct task *task = running();
	struct local *local;

	if (!task)
		return -1;
	if (!key)
		return fail(EINVAL);
	if (aco_io_is_movable(key))
		return fail(EFAULT);
	local = find(key);
	if (!local) {
		local = malloc(sizeof(*local));
		if (!local)
			return -1;
		local->key = key;
		local->next = task->locals;
		task->locals = local;
	}
	local->value = value;
	return 0;
}

void *aco_io_get_local(const aco_io_key_t *key)
{
	const struct local *local = find(key);

	return local ? local->value : NULL;
}

void aco_io_locals_forget(struct task *task)
{
	struct local *local;

	while ((local = task->locals)) {
		task->locals = local->next;
		free(local);
	}
}

/* Before the task ends, so that destroy() may wait. */
void aco_io_locals_end(struct task *task)
{
	struct local *local;

	while ((local = task->locals)) {
		struct local end = *local;

		task->locals = end.next;
		free(local);
		if (end.value && end.key->destroy)
			end.key->destroy(end.value);
	}
}
