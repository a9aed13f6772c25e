/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-model.c - random programs, run by the library and by a model
 *
 *	test-model [STEPS [SEED]]
 *
 * runs programs of so many steps in all, from SEED on; ACO_IO_MODEL_STEPS says
 * how many where there is no argument.  Linked with the static library, as the
 * time is virtual.
 */
#include "model.h"
#include "virtual.h"

#include <aco_io.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STEPS 150000

/* ---- programs ------------------------------------------------------------ */

static uint32_t mixed(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352dU;
	x ^= x >> 15;
	x *= 0x846ca68bU;
	return x ^ x >> 16;
}

/* How often each is done. */
static const struct {
	enum op op;
	int weight;
} weights[] = {
	{ OP_YIELD, 8 },	{ OP_SLEEP, 10 },	 { OP_SEND, 18 },
	{ OP_RECV, 18 },	{ OP_PARK, 12 },	 { OP_UNPARK, 10 },
	{ OP_CANCEL, 2 },	{ OP_SHIELD, 4 },	 { OP_GO, 10 },
	{ OP_GROUP_WAIT, 5 },	{ OP_GROUP_CANCEL, 1 },	 { OP_CHAN_CLOSE, 1 },
	{ OP_CHAN_DESTROY, 3 }, { OP_GROUP_DESTROY, 2 }, { OP_END, 1 },
};

static enum op choose_op(uint32_t random)
{
	int sum = 0;

	for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++)
		sum += weights[i].weight;
	random %= (uint32_t)sum;
	for (size_t i = 0;; i++) {
		if (random < (uint32_t)weights[i].weight)
			return weights[i].op;
		random -= (uint32_t)weights[i].weight;
	}
}

static int objects(enum op op)
{
	switch (op) {
	case OP_SEND:
	case OP_RECV:
	case OP_CHAN_CLOSE:
	case OP_CHAN_DESTROY:
		return CHANS;
	case OP_PARK:
	case OP_UNPARK:
		return QUEUES;
	case OP_CANCEL:
		return TASKS;
	default:
		return GROUPS;
	}
}

/*
 * The first task has only waits with a deadline, and at last it cancels what is
 * left.  Those that are shielded have deadlines, too, and a group is destroyed from
 * one before it: so all come to their end.
 */
bool is_closing_step(int task, int step)
{
	return task == 0 && step >= STEPS - GROUPS;
}

struct step decide(uint32_t seed, int task, int step)
{
	uint32_t random = mixed(seed * 2654435761U + (uint32_t)task * 65537U +
				(uint32_t)step);
	uint32_t more = mixed(random + 1), waits = mixed(random + 2);
	struct step s = { .op = choose_op(random) };

	if (step >= STEPS)
		return (struct step){ .op = OP_END };
	if (is_closing_step(task, step))
		return (struct step){ .op = OP_GROUP_CANCEL,
				      .object = STEPS - 1 - step };
	if (task == 0 && (s.op == OP_END || step < 6))
		s.op = OP_GO;
	s.object = (int)(more % (uint32_t)objects(s.op));
	s.n = (int)(more >> 8) % 4 - (s.op == OP_UNPARK);
	s.is_shared = more >> 30 & 1;
	if (s.op == OP_SHIELD)
		s.n = s.n == 0;
	s.wait = (int)(waits % 7) - 1;
	if (task == 0 && s.wait < 0)
		s.wait = 4;
	/* The scheduler's own group can't be waited for, and ends last. */
	if ((s.op == OP_GROUP_CANCEL || s.op == OP_GROUP_WAIT) && s.object == 0)
		s.object = 1;
	return s;
}

int steps_left_out(int task, int result, int error)
{
	return task && result < 0 && error == ECANCELED ? 8 : 0;
}

int places(int i)
{
	return i + 1;
}

int64_t deadline_of(struct deadlines *d, int64_t now, int wait)
{
	int64_t ms = (now - START) / MS + wait;

	if (wait <= 0)
		return wait < 0 ? NEVER : 0;
	while (ms < LAST_MS && d->is_used[ms])
		ms++;
	if (ms == LAST_MS)
		abort(); /* a longer program than thought */
	d->is_used[ms] = true;
	return START + ms * MS;
}

/* ---- notes --------------------------------------------------------------- */

struct entry {
	int task, step;
	enum op op;
	int result, error;
};

static struct entry entries[TASKS * (STEPS + 2)];
static size_t entry_count, compared;
static bool compares;
static uint32_t seed;

static void print(const char *who, const struct entry *e)
{
	fprintf(stderr, "  %s: task %d, step %d, operation %d: %d, %s\n", who,
		e->task, e->step, e->op, e->result, strerror(e->error));
}

static void differ(const struct entry *model)
{
	fprintf(stderr, "seed %" PRIu32 ", note %zu:\n", seed, compared);
	if (compared < entry_count)
		print("library", &entries[compared]);
	else
		fprintf(stderr, "  library: has ended\n");
	if (model)
		print("model", model);
	else
		fprintf(stderr, "  model: has ended\n");
	exit(1);
}

void note(int task, int step, enum op op, int result, int error)
{
	const struct entry e = { task, step, op, result, error };

	if (!compares) {
		entries[entry_count++] = e;
		return;
	}
	if (compared == entry_count ||
	    memcmp(&entries[compared], &e, sizeof(e)) != 0)
		differ(&e);
	compared++;
}

/* ---- the library's run --------------------------------------------------- */

static unsigned kind; /* 0: own stacks, 1: shared, 2: both */
static aco_io_task_t ids[TASKS];
static int task_count, group_of[TASKS];
static bool is_closing;
static aco_io_group_t *groups[GROUPS];
static bool is_doomed[GROUPS];
static aco_io_chan_t *chans[CHANS];
static aco_io_queue_t queues[QUEUES];
static struct deadlines deadlines;

static void die(const char *what)
{
	fprintf(stderr, "seed %" PRIu32 ": %s: %s\n", seed, what,
		strerror(errno));
	exit(1);
}

static void task(void *arg);

static int start(const struct step *step)
{
	unsigned flags = kind == 2 ? step->is_shared : kind;
	aco_io_task_t id;

	if (task_count == TASKS || is_closing)
		return 0;
	id = aco_io_go(groups[step->object], task, (void *)(intptr_t)task_count,
		       flags ? ACO_IO_SHARED : 0);
	if (!id)
		return -1;
	ids[task_count] = id;
	group_of[task_count] = step->object;
	return ++task_count;
}

static int destroy_group(int own, int group)
{
	int result;

	if (group < own || !group || is_doomed[group])
		return 0;
	if (group != own)
		is_doomed[group] = true;
	result = aco_io_group_destroy(groups[group]);
	if (group == own)
		return result;
	is_doomed[group] = false;
	groups[group] = aco_io_group_new();
	return result;
}

static void chan_new(int i)
{
	chans[i] = aco_io_chan_new(sizeof(int), (size_t)places(i));
	if (!chans[i])
		die("a channel");
}

static int destroy_chan(int i)
{
	if (aco_io_chan_destroy(chans[i]))
		return -1;
	chan_new(i);
	return 0;
}

static int close_chan(int i)
{
	aco_io_chan_close(chans[i]);
	return 0;
}

static int receive(int i, int64_t deadline)
{
	int item = -5;

	return aco_io_chan_recv(chans[i], &item, deadline) ? -1 : item;
}

static int do_step(const struct step *step, int own, int64_t deadline)
{
	int i = step->object;

	switch (step->op) {
	case OP_YIELD:
		return aco_io_yield();
	case OP_SLEEP:
		return aco_io_sleep(deadline);
	case OP_SEND:
		return aco_io_chan_send(chans[i], &step->n, deadline);
	case OP_RECV:
		return receive(i, deadline);
	case OP_PARK:
		return aco_io_park(&queues[i], deadline);
	case OP_UNPARK:
		return aco_io_unpark(&queues[i], step->n);
	case OP_CANCEL:
		return i < task_count ? aco_io_cancel(ids[i]) : 0;
	case OP_SHIELD:
		return aco_io_shield(step->n);
	case OP_GO:
		return start(step);
	case OP_GROUP_WAIT:
		return aco_io_group_wait(groups[i], deadline);
	case OP_GROUP_CANCEL:
		return aco_io_group_cancel(groups[i]);
	case OP_GROUP_DESTROY:
		return destroy_group(own, i);
	case OP_CHAN_CLOSE:
		return close_chan(i);
	case OP_CHAN_DESTROY:
		return destroy_chan(i);
	case OP_END:
		break;
	}
	abort();
}

static void task(void *arg)
{
	int number = (int)(intptr_t)arg, result, error;
	bool is_shielded = false;
	int64_t deadline;
	struct step s;

	for (int step = 0;; step++) {
		is_closing |= is_closing_step(number, step);
		s = decide(seed, number, step);
		if (s.op == OP_END)
			return;
		if (is_shielded && s.wait < 0)
			deadline = deadline_of(&deadlines, aco_io_now(), 3);
		else
			deadline = deadline_of(&deadlines, aco_io_now(),
					       s.wait);
		errno = 0;
		result = do_step(&s, group_of[number], deadline);
		if (s.op == OP_SHIELD)
			is_shielded = s.n;
		error = result < 0 ? errno : 0;
		note(number, step, s.op, result, error);
		step += steps_left_out(number, result, error);
	}
}

static void library_run(void)
{
	const struct step first = { .object = 0 };
	aco_io_t *io;

	virtual_now = START;
	io = aco_io_new(NULL);
	if (!io)
		die("aco_io_new");
	is_closing = false;
	task_count = 0;
	memset(is_doomed, 0, sizeof(is_doomed));
	memset(queues, 0, sizeof(queues));
	memset(&deadlines, 0, sizeof(deadlines));
	for (int i = 1; i < GROUPS; i++)
		groups[i] = aco_io_group_new();
	for (int i = 0; i < CHANS; i++)
		chan_new(i);
	if (start(&first) < 0 || aco_io_run(io))
		die("aco_io_run");
	for (int i = 1; i < GROUPS; i++)
		if (aco_io_group_destroy(groups[i]))
			die("aco_io_group_destroy");
	for (int i = 0; i < CHANS; i++)
		if (aco_io_chan_destroy(chans[i]))
			die("aco_io_chan_destroy");
	if (aco_io_destroy(io))
		die("aco_io_destroy");
}

/* ---- main ---------------------------------------------------------------- */

static size_t run_one(void)
{
	entry_count = compared = 0;
	compares = false;
	library_run();
	compares = true;
	model_run(seed);
	if (compared < entry_count)
		differ(NULL);
	return entry_count;
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno)
		return n;
	fprintf(stderr, "usage: test-model [STEPS [SEED]]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	const char *env = getenv("ACO_IO_MODEL_STEPS");
	unsigned long steps = env ? number(env) : DEFAULT_STEPS;

	if (argc > 3)
		number("");
	if (argc > 1)
		steps = number(argv[1]);
	seed = argc > 2 ? (uint32_t)number(argv[2]) : 1;
	virtual_on = true;
	for (size_t done = 0; done < steps; seed++) {
		kind = seed % 3;
		done += run_one();
	}
	return 0;
}
