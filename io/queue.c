/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.c - queues in which tasks wait for other tasks
 */
#include "internal.h"

_Static_assert(sizeof(struct queue) == sizeof(aco_io_queue_t), "same layout");

/* Programs keep a struct queue in an object of another type. */
static struct queue *queue_of(aco_io_queue_t *queue)
{
	return (struct queue *)(void *)queue->private_;
}

int aco_io_park(aco_io_queue_t *queue, int64_t deadline)
{
	if (!queue)
		return fail(EINVAL);
	if (aco_io_is_movable(queue))
		return fail(EFAULT);
	return aco_io_give_way(deadline, queue_of(queue));
}

int aco_io_unpark(aco_io_queue_t *queue, int n)
{
	struct queue *q;
	int woken = 0;

	if (!queue)
		return fail(EINVAL);
	q = queue_of(queue);
	if (n < 0)
		return aco_io_wake_all(q, 0);
	for (; woken < n && q->head; woken++)
		aco_io_wake(q->head, 0);
	return woken;
}
