/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.c - what tasks, groups, channels and queues do, as plainly as possible
 *
 * Tasks run in the order in which they became ready.  Queues are arrays, and
 * deadlines are searched for.  There are no stacks: a task that waits is an
 * operation that is continued when the task has been woken.
 */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE (-1)

struct list {
	int task[TASKS];
	int count;
};

struct mtask {
	bool is_cancelled, is_shielded, has_ended, waits;
	int group, steps, error;
	bool was_shielded; /* before group_destroy */
	int64_t deadline;
	struct list *in;
	struct step step;
};

struct mgroup {
	bool is_cancelled;
	int count;
	struct list waiting;
};

struct mchan {
	bool is_closed;
	int count, waits;
	int items_of_woken, places_of_woken; /* handed over, not taken yet */
	int items[8];
	struct list receivers, senders;
};

static uint32_t seed;
static int64_t now;
static struct mtask tasks[TASKS];
static int task_count;
static struct mgroup groups[GROUPS];
static bool is_doomed[GROUPS]; /* a task destroys it */
static bool is_closing;
static struct mchan chans[CHANS];
static struct list queues[QUEUES], ready;
static struct deadlines deadlines;

/* What an operation returns that has to wait. */
enum { WAITS = 1000000 };

static int failed(int error)
{
	errno = error;
	return -1;
}

/* ---- lists, waking ------------------------------------------------------- */

static void append(struct list *list, int task)
{
	list->task[list->count++] = task;
}

static void take_out(struct list *list, int task)
{
	int k = 0;

	for (int i = 0; i < list->count; i++)
		if (list->task[i] != task)
			list->task[k++] = list->task[i];
	list->count = k;
}

static void wake(int t, int error)
{
	struct mtask *task = &tasks[t];

	if (!task->waits)
		return;
	task->waits = false;
	task->deadline = NEVER;
	task->error = error;
	if (task->in)
		take_out(task->in, t);
	task->in = NULL;
	append(&ready, t);
}

static void wake_all(struct list *list, int error)
{
	while (list->count)
		wake(list->task[0], error);
}

static bool is_stopped(int t)
{
	return tasks[t].is_cancelled && !tasks[t].is_shielded;
}

static int wait_in(int t, struct list *list, int64_t deadline)
{
	if (is_stopped(t))
		return failed(ECANCELED);
	if (deadline >= 0 && deadline <= now)
		return failed(ETIMEDOUT);
	tasks[t].waits = true;
	tasks[t].deadline = deadline;
	tasks[t].in = list;
	if (list)
		append(list, t);
	return WAITS;
}

static int give_turn(int t)
{
	if (is_stopped(t))
		return failed(ECANCELED);
	append(&ready, t);
	tasks[t].error = 0;
	return WAITS;
}

static void cancel(int t)
{
	tasks[t].is_cancelled = true;
	if (!tasks[t].is_shielded)
		wake(t, ECANCELED);
}

/* ---- operations ---------------------------------------------------------- */

/* Each is called once more when the task has been woken. */
static int64_t deadline; /* of the operation that begins */
static int64_t deadlines_of[TASKS];

static int do_sleep(int t, bool is_woken)
{
	if (!is_woken && deadline >= 0 && deadline <= now)
		return give_turn(t);
	if (!is_woken)
		return wait_in(t, NULL, deadline);
	return tasks[t].error && tasks[t].error != ETIMEDOUT
		       ? failed(tasks[t].error)
		       : 0;
}

static int do_send(int t, bool is_woken)
{
	struct mchan *c = &chans[tasks[t].step.object];

	if (is_woken)
		c->waits--;
	if (is_woken && tasks[t].error)
		return failed(tasks[t].error);
	if (!is_woken && is_stopped(t))
		return failed(ECANCELED);
	if (is_woken)
		c->places_of_woken--;
	else if (!c->is_closed && c->count + c->places_of_woken ==
					  places(tasks[t].step.object)) {
		int result = wait_in(t, &c->senders, deadlines_of[t]);

		c->waits += result == WAITS;
		return result;
	}
	if (c->is_closed)
		return failed(EPIPE);
	c->items[c->count++] = tasks[t].step.n;
	if (c->receivers.count) {
		c->items_of_woken++;
		wake(c->receivers.task[0], 0);
	}
	return 0;
}

static int do_recv(int t, bool is_woken)
{
	struct mchan *c = &chans[tasks[t].step.object];
	int item;

	if (is_woken)
		c->waits--;
	if (is_woken && tasks[t].error)
		return failed(tasks[t].error);
	if (!is_woken && is_stopped(t))
		return failed(ECANCELED);
	if (is_woken)
		c->items_of_woken--;
	else if (c->count == c->items_of_woken && c->is_closed)
		return failed(EPIPE);
	else if (c->count == c->items_of_woken) {
		int result = wait_in(t, &c->receivers, deadlines_of[t]);

		c->waits += result == WAITS;
		return result;
	}
	item = c->items[0];
	memmove(c->items, c->items + 1, (size_t)--c->count * sizeof(int));
	if (c->senders.count) {
		c->places_of_woken++;
		wake(c->senders.task[0], 0);
	}
	return item;
}

static int do_unpark(const struct step *step)
{
	struct list *q = &queues[step->object];
	int n = step->n < 0 ? q->count : step->n, woken = 0;

	for (; woken < n && q->count; woken++)
		wake(q->task[0], 0);
	return woken;
}

static int start(int group)
{
	if (task_count == TASKS || is_closing)
		return 0;
	if (groups[group].is_cancelled)
		return failed(ECANCELED);
	tasks[task_count].group = group;
	tasks[task_count].deadline = NEVER;
	groups[group].count++;
	append(&ready, task_count);
	return ++task_count;
}

static int do_group_wait(int t, bool is_woken)
{
	struct mgroup *g = &groups[tasks[t].step.object];

	if (is_woken)
		return tasks[t].error ? failed(tasks[t].error) : 0;
	if (tasks[t].group == tasks[t].step.object)
		return failed(EDEADLK);
	if (!g->count)
		return is_stopped(t) ? failed(ECANCELED) : 0;
	return wait_in(t, &g->waiting, deadline);
}

/* The newest first. */
static int do_group_cancel(int group)
{
	groups[group].is_cancelled = true;
	for (int i = task_count; i-- > 0;)
		if (tasks[i].group == group && !tasks[i].has_ended)
			cancel(i);
	return 0;
}

static int do_group_destroy(int t, bool is_woken)
{
	int group = tasks[t].step.object;

	if (is_woken) {
		tasks[t].is_shielded = tasks[t].was_shielded;
	} else {
		if (group < tasks[t].group || !group || is_doomed[group])
			return 0; /* not done at all */
		if (tasks[t].group == group)
			return failed(EDEADLK);
		do_group_cancel(group);
		if (groups[group].count) {
			is_doomed[group] = true;
			tasks[t].was_shielded = tasks[t].is_shielded;
			tasks[t].is_shielded = true;
			return wait_in(t, &groups[group].waiting, NEVER);
		}
	}
	is_doomed[group] = false;
	groups[group].is_cancelled = false;
	return 0;
}

static int do_chan_close(int i)
{
	chans[i].is_closed = true;
	wake_all(&chans[i].receivers, EPIPE);
	wake_all(&chans[i].senders, EPIPE);
	return 0;
}

static int do_chan_destroy(int i)
{
	if (chans[i].waits)
		return failed(EBUSY);
	chans[i].is_closed = false;
	chans[i].count = 0;
	return 0;
}

static int do_cancel(int victim)
{
	if (victim >= task_count)
		return 0; /* not done at all */
	if (tasks[victim].has_ended)
		return failed(ESRCH);
	cancel(victim);
	return 0;
}

static int do_shield(int t, int on)
{
	int was = tasks[t].is_shielded;

	tasks[t].is_shielded = on;
	return was;
}

static int do_step(int t, bool is_woken)
{
	struct mtask *task = &tasks[t];
	const struct step *step = &task->step;

	switch (step->op) {
	case OP_YIELD:
		return is_woken ? 0 : give_turn(t);
	case OP_SLEEP:
		return do_sleep(t, is_woken);
	case OP_SEND:
		return do_send(t, is_woken);
	case OP_RECV:
		return do_recv(t, is_woken);
	case OP_PARK:
		if (!is_woken)
			return wait_in(t, &queues[step->object], deadline);
		return task->error ? failed(task->error) : 0;
	case OP_UNPARK:
		return do_unpark(step);
	case OP_CANCEL:
		return do_cancel(step->object);
	case OP_SHIELD:
		return do_shield(t, step->n);
	case OP_GO:
		return start(step->object);
	case OP_GROUP_WAIT:
		return do_group_wait(t, is_woken);
	case OP_GROUP_CANCEL:
		return do_group_cancel(step->object);
	case OP_GROUP_DESTROY:
		return do_group_destroy(t, is_woken);
	case OP_CHAN_CLOSE:
		return do_chan_close(step->object);
	case OP_CHAN_DESTROY:
		return do_chan_destroy(step->object);
	case OP_END:
		break;
	}
	abort();
}

/* ---- running ------------------------------------------------------------- */

static void end(int t)
{
	struct mgroup *g = &groups[tasks[t].group];

	tasks[t].has_ended = true;
	if (!--g->count)
		wake_all(&g->waiting, 0);
}

static void run(int t)
{
	struct mtask *task = &tasks[t];
	bool is_woken = task->steps > 0;
	int result, error;

	for (;; is_woken = false) {
		if (!is_woken) {
			is_closing |= is_closing_step(t, task->steps);
			task->step = decide(seed, t, task->steps++);
			if (task->step.op == OP_END)
				break;
			deadline = deadline_of(
				&deadlines, now,
				task->is_shielded && task->step.wait < 0
					? 3
					: task->step.wait);
			deadlines_of[t] = deadline;
		}
		errno = 0;
		result = do_step(t, is_woken);
		if (result == WAITS)
			return;
		error = result < 0 ? errno : 0;
		note(t, task->steps - 1, task->step.op, result, error);
		task->steps += steps_left_out(t, result, error);
	}
	end(t);
}

/* Of those that wait, the one with the first deadline. */
static int next_timer(void)
{
	int first = NONE;

	for (int i = 0; i < task_count; i++)
		if (tasks[i].waits && tasks[i].deadline >= 0 &&
		    (first == NONE ||
		     tasks[i].deadline < tasks[first].deadline))
			first = i;
	return first;
}

void model_run(uint32_t of)
{
	int t;

	seed = of;
	now = START;
	memset(tasks, 0, sizeof(tasks));
	memset(groups, 0, sizeof(groups));
	memset(is_doomed, 0, sizeof(is_doomed));
	memset(chans, 0, sizeof(chans));
	memset(queues, 0, sizeof(queues));
	memset(&ready, 0, sizeof(ready));
	memset(&deadlines, 0, sizeof(deadlines));
	is_closing = false;
	task_count = 0;
	start(0);
	for (;;) {
		while (ready.count) {
			t = ready.task[0];
			take_out(&ready, t);
			run(t);
		}
		t = next_timer();
		if (t == NONE)
			break;
		now = tasks[t].deadline;
		wake(t, ETIMEDOUT);
	}
	for (int i = 0; i < task_count; i++)
		if (!tasks[i].has_ended)
			abort(); /* decide() makes no such programs */
}
