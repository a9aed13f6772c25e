/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.c - deadlines in a heap, in which each timer has four children
 */
#include "internal.h"

int aco_io_heap_reserve(struct heap *heap, size_t timers)
{
	size_t size = heap->size ? heap->size : 64;
	struct timer **p;

	if (timers <= heap->size)
		return 0;
	while (size < timers)
		size += size / 2;
	p = realloc(heap->timers, size * sizeof(struct timer *));
	if (!p)
		return -1;
	heap->timers = p;
	heap->size = (uint32_t)size;
	return 0;
}

static void put(struct heap *heap, uint32_t i, struct timer *timer)
{
	heap->timers[i] = timer;
	timer->at = i + 1;
}

/* Both find the place of timer, from the free place i on. */
static void move_up(struct heap *heap, uint32_t i, struct timer *timer)
{
	while (i && heap->timers[(i - 1) / 4]->key > timer->key) {
		put(heap, i, heap->timers[(i - 1) / 4]);
		i = (i - 1) / 4;
	}
	put(heap, i, timer);
}

static void move_down(struct heap *heap, uint32_t i, struct timer *timer)
{
	for (;;) {
		uint32_t child = 4 * i + 1, least = child;

		if (child >= heap->used)
			break;
		for (uint32_t k = child + 1; k < child + 4 && k < heap->used;
		     k++)
			if (heap->timers[k]->key < heap->timers[least]->key)
				least = k;
		if (heap->timers[least]->key >= timer->key)
			break;
		put(heap, i, heap->timers[least]);
		i = least;
	}
	put(heap, i, timer);
}

/* The heap has room for a timer of each task. */
void aco_io_timer_set(struct heap *heap, struct timer *timer, int64_t deadline)
{
	timer->deadline = deadline;
	if (!timer->at) {
		timer->key = deadline;
		move_up(heap, heap->used++, timer);
	} else if (deadline < timer->key) {
		timer->key = deadline;
		move_up(heap, timer->at - 1, timer);
	}
}

void aco_io_timer_remove(struct heap *heap, struct timer *timer)
{
	uint32_t i = timer->at - 1;
	struct timer *last;

	if (!timer->at)
		return;
	timer->at = 0;
	last = heap->timers[--heap->used];
	if (last == timer)
		return;
	if (last->key < timer->key)
		move_up(heap, i, last);
	else
		move_down(heap, i, last);
}

void aco_io_timers_run(struct heap *heap, int64_t now,
		       void (*fire)(struct timer *timer))
{
	while (heap->used && heap->timers[0]->key <= now) {
		struct timer *timer = heap->timers[0];

		if (timer->key == timer->deadline) {
			aco_io_timer_remove(heap, timer);
			fire(timer);
		} else if (timer->deadline == INT64_MAX) {
			aco_io_timer_remove(heap, timer);
		} else {
			/* Due or not: the deadlines of others may be before. */
			timer->key = timer->deadline;
			move_down(heap, 0, timer);
		}
	}
}

int64_t aco_io_timers_next(const struct heap *heap)
{
	return heap->used ? heap->timers[0]->key : -1;
}
