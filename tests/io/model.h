/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - random programs of tasks, which the library and a model both run
 *
 * What a task does at each step depends on nothing but the seed, its number and
 * the step.  Both runs note what each step came to, in the order in which the
 * steps end.  The notes must be the same.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define TASKS 60 /* that a program starts at most */
#define STEPS 40 /* of a task at most; fewer than it may make in a turn */
#define GROUPS 4 /* the first is the scheduler's own */
#define CHANS 3
#define QUEUES 3
#define NEVER ((int64_t)-1)
#define MS INT64_C(1000000)
#define LAST_MS 20000	  /* of a program */
#define START (1000 * MS) /* of the clock */

enum op {
	OP_YIELD,
	OP_SLEEP,
	OP_SEND,
	OP_RECV,
	OP_PARK,
	OP_UNPARK,
	OP_CANCEL,
	OP_SHIELD,
	OP_GO,
	OP_GROUP_WAIT,
	OP_GROUP_CANCEL,
	OP_GROUP_DESTROY,
	OP_CHAN_CLOSE,
	OP_CHAN_DESTROY,
	OP_END,
};

struct step {
	enum op op;
	int object; /* a group, channel, queue or task */
	int n;	    /* of tasks to unpark, items, or whether to shield */
	int wait;   /* milliseconds to the deadline; -1: none, 0: past */
	bool is_shared;
};

struct step decide(uint32_t seed, int task, int step);

/* The first task begins to cancel all: no others are started any more. */
bool is_closing_step(int task, int step);

/* Places of channel i. */
int places(int i);

/*
 * Deadlines of which no two are the same, as nothing says who is woken first then.
 * Each run has its own.
 */
struct deadlines {
	bool is_used[LAST_MS]; /* milliseconds from START */
};
int64_t deadline_of(struct deadlines *d, int64_t now, int wait);

/* Steps that a task leaves out when one has come to this: it goes home soon when it
   was cancelled. */
int steps_left_out(int task, int result, int error);

/* Result and error of a step of a task; both runs call it. */
void note(int task, int step, enum op op, int result, int error);

/* Runs the program by the model. */
void model_run(uint32_t seed);

#endif /* MODEL_H */
