/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.c - tasks: their start and end, waiting and waking, cancellation
 */
#include "internal.h"

/* ---- queues -------------------------------------------------------------- */

void aco_io_enqueue(struct queue *queue, struct task *task)
{
	task->next = NULL;
	task->prev = queue->tail;
	if (queue->tail)
		queue->tail->next = task;
	else
		queue->head = task;
	queue->tail = task;
	task->in = queue;
}

void aco_io_dequeue(struct task *task)
{
	if (task->prev)
		task->prev->next = task->next;
	else
		task->in->head = task->next;
	if (task->next)
		task->next->prev = task->prev;
	else
		task->in->tail = task->prev;
	task->in = NULL;
}

/* ---- identities ---------------------------------------------------------- */

aco_io_task_t aco_io_task_id(const struct task *task)
{
	const struct slot *slot = &task->group->io->slots[task->slot];

	return (aco_io_task_t)slot->generation << 32 | (task->slot + 1);
}

static int add_slots(aco_io_t *io)
{
	size_t count = io->slot_count ? io->slot_count / 2 * 3 : 64;
	struct slot *slots;

	if (count > UINT32_MAX)
		return fail(EAGAIN);
	slots = realloc(io->slots, count * sizeof(struct slot));
	if (!slots)
		return -1;
	io->slots = slots;
	for (size_t i = count; i-- > io->slot_count;) {
		slots[i] = (struct slot){ NULL, 1, io->free_slot };
		io->free_slot = (uint32_t)i + 1;
	}
	io->slot_count = count;
	return 0;
}

static int take_slot(aco_io_t *io, struct task *task)
{
	struct slot *slot;

	if (!io->free_slot && add_slots(io))
		return -1;
	task->slot = io->free_slot - 1;
	slot = &io->slots[task->slot];
	io->free_slot = slot->next_free;
	slot->task = task;
	return 0;
}

/* A slot whose generations are used up is left alone. */
static void leave_slot(aco_io_t *io, const struct task *task)
{
	struct slot *slot = &io->slots[task->slot];

	slot->task = NULL;
	if (!++slot->generation)
		return;
	slot->next_free = io->free_slot;
	io->free_slot = task->slot + 1;
}

static struct task *find(aco_io_task_t id)
{
	const aco_io_t *io = aco_io_thread;
	uint32_t i = (uint32_t)id - 1;

	if (i >= io->slot_count || io->slots[i].generation != id >> 32)
		return NULL;
	return io->slots[i].task;
}

/* ---- start and end ------------------------------------------------------- */

static void entry(void)
{
	aco_io_func_t fn = (aco_io_func_t)(uintptr_t)aco_get_arg();
	struct task *task = aco_io_thread->running;
	void *arg = task->arg;

	task->has_started = true;
	task->locals = NULL;
	fn(arg);
	aco_io_locals_end(task);
	aco_exit();
}

static aco_share_stack_t *stack_for(aco_io_t *io, bool is_shared)
{
	if (!is_shared)
		return aco_share_stack_new(io->stack_size);
	if (!io->shared)
		io->shared = aco_share_stack_new(io->stack_size);
	return io->shared;
}

static int make_co(aco_io_t *io, struct task *task, aco_io_func_t fn)
{
	aco_share_stack_t *stack = stack_for(io, task->is_shared);

	if (!stack)
		return -1;
	task->co = aco_create2(io->main_co, stack, 0, entry,
			       (void *)(uintptr_t)fn, ACO_SHARE_FPENV);
	if (task->co)
		return 0;
	if (!task->is_shared)
		aco_share_stack_destroy(stack);
	return -1;
}

static void free_co(struct task *task)
{
	aco_share_stack_t *stack = task->co->share_stack;

	aco_destroy(task->co);
	if (!task->is_shared)
		aco_share_stack_destroy(stack);
}

static void join(aco_io_group_t *group, struct task *task)
{
	task->group = group;
	task->group_next = group->tasks;
	if (group->tasks)
		group->tasks->group_link = &task->group_next;
	task->group_link = &group->tasks;
	group->tasks = task;
	group->count++;
}

static void leave(struct task *task)
{
	aco_io_group_t *group = task->group;

	*task->group_link = task->group_next;
	if (task->group_next)
		task->group_next->group_link = task->group_link;
	if (!--group->count)
		aco_io_wake_all(&group->waiting, 0);
}

static struct task *task_new(aco_io_t *io, aco_io_func_t fn, unsigned flags)
{
	struct task *task = calloc(1, sizeof(*task));

	if (!task)
		return NULL;
	task->is_shared = (flags & ACO_IO_SHARED) != 0;
	task->fd = -1;
	task->timer.deadline = INT64_MAX;
	task->since = (uint32_t)(io->now >> SINCE_SHIFT);
	/* So that no wait fails for lack of a place for its deadline. */
	if (!aco_io_heap_reserve(&io->heap, io->tasks + 1) &&
	    !make_co(io, task, fn)) {
		if (!take_slot(io, task))
			return task;
		free_co(task);
	}
	free(task);
	return NULL;
}

struct task *aco_io_start(aco_io_group_t *group, aco_io_func_t fn, void *arg,
			  unsigned flags)
{
	aco_io_t *io = group->io;
	struct task *task = task_new(io, fn, flags);

	if (!task)
		return NULL;
	task->arg = arg;
	task->is_cancelled = group->is_cancelled;
	join(group, task);
	io->tasks++;
	aco_io_enqueue(&io->ready, task);
	return task;
}

static int check_go(const aco_io_group_t *group, aco_io_func_t fn,
		    const void *arg, unsigned flags)
{
	if (group->io != aco_io_thread)
		return fail(EPERM);
	if (!fn || (flags & ~ACO_IO_SHARED))
		return fail(EINVAL);
	if (group->is_cancelled)
		return fail(ECANCELED);
	return aco_io_is_movable(arg) ? fail(EFAULT) : 0;
}

aco_io_task_t aco_io_go(aco_io_group_t *group, aco_io_func_t fn, void *arg,
			unsigned flags)
{
	aco_io_t *io = aco_io_thread;
	struct task *task;

	if (!io) {
		errno = EPERM;
		return 0;
	}
	if (!group)
		group = &io->own_group;
	if (check_go(group, fn, arg, flags))
		return 0;
	task = aco_io_start(group, fn, arg, flags);
	return task ? aco_io_task_id(task) : 0;
}

void aco_io_task_end(struct task *task)
{
	aco_io_t *io = task->group->io;

	aco_io_timer_remove(&io->heap, &task->timer);
	leave(task);
	leave_slot(io, task);
	io->tasks--;
	free_co(task);
	free(task);
}

void aco_io_task_forget(struct task *task)
{
	if (task->has_started)
		aco_io_locals_forget(task);
	free_co(task);
	free(task);
}

aco_io_task_t aco_io_self(void)
{
	const aco_io_t *io = aco_io_thread;

	return io && io->running ? aco_io_task_id(io->running) : 0;
}

/* ---- waiting ------------------------------------------------------------- */

/* The running task, if it may give way here; NULL with errno. */
static struct task *may_give_way(void)
{
	struct task *task = running();

	if (task && !is_on_the_way(task)) {
		errno = EDEADLK;
		return NULL;
	}
	if (task && is_stopped(task)) {
		errno = ECANCELED;
		return NULL;
	}
	return task;
}

/* A task that asks again and again whether something has happened must not keep
   those from running that make it happen.  What the caller looked at may be gone
   after that. */
static __attribute__((__noinline__)) int time_out(void)
{
	return aco_io_take_turn(false) ? -1 : fail(ETIMEDOUT);
}

int aco_io_give_way(int64_t deadline, struct queue *queue)
{
	struct task *task = may_give_way();

	if (!task)
		return -1;
	if (is_past(deadline))
		return time_out();
	return wait_here(task, deadline, queue);
}

int aco_io_give_way_shielded(int64_t deadline, struct queue *queue)
{
	struct task *task = running();
	bool was_shielded;
	int result;

	if (!task)
		return -1;
	was_shielded = task->is_shielded;
	task->is_shielded = true;
	result = aco_io_give_way(deadline, queue);
	task->is_shielded = was_shielded;
	return result;
}

void aco_io_wake(struct task *task, int error)
{
	if (task->state != TASK_WAITING)
		return;
	if (task->in)
		aco_io_dequeue(task);
	task->error = (uint8_t)error;
	task->state = TASK_READY;
	aco_io_enqueue(&task->group->io->ready, task);
}

int aco_io_wake_all(struct queue *queue, int error)
{
	int n = 0;

	for (; queue->head; n++)
		aco_io_wake(queue->head, error);
	return n;
}

int aco_io_yield(void)
{
	struct task *task = may_give_way();

	if (!task)
		return -1;
	task->state = TASK_READY;
	aco_io_enqueue(&aco_io_thread->ready, task);
	suspend(task);
	return 0;
}

int aco_io_take_turn(bool is_system_call)
{
	struct task *task = running();

	if (!task)
		return -1;
	if (has_turn(task))
		return 0;
	if (is_system_call && !is_stopped(task))
		aco_io_thread->ends_turn = true;
	return aco_io_yield();
}

int aco_io_sleep(int64_t deadline)
{
	if (running() && is_past(deadline))
		return aco_io_yield();
	return aco_io_give_way(deadline, NULL) && errno == ETIMEDOUT ? 0 : -1;
}

/* ---- cancellation -------------------------------------------------------- */

void aco_io_task_cancel(struct task *task)
{
	task->is_cancelled = true;
	if (!task->is_shielded)
		aco_io_wake(task, ECANCELED);
}

int aco_io_cancel(aco_io_task_t id)
{
	struct task *task;

	if (!aco_io_thread)
		return fail(EPERM);
	task = find(id);
	if (!task)
		return fail(ESRCH);
	aco_io_task_cancel(task);
	return 0;
}

int aco_io_shield(int on)
{
	struct task *task = running();
	int was_shielded;

	if (!task)
		return -1;
	was_shielded = task->is_shielded;
	task->is_shielded = on != 0;
	return was_shielded;
}

/* ---- names --------------------------------------------------------------- */

int aco_io_set_name(const char *name)
{
	struct task *task = running();

	if (!task)
		return -1;
	if (aco_io_is_movable(name))
		return fail(EFAULT);
	task->name = name;
	/* without memory for it, the dump alone shows it */
	aco_set_name(task->co, name);
	return 0;
}

const char *aco_io_get_name(void)
{
	const aco_io_t *io = aco_io_thread;

	return io && io->running ? io->running->name : NULL;
}
