/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chan.c - channels
 *
 * Items are in the heap, in a ring, and never copied to the stack of a task that
 * sleeps, as that may not be in its place.
 */
#include "internal.h"

struct aco_io_chan_s {
	struct queue receivers, senders;
	size_t size, count; /* of items */
	size_t used, first;
	size_t ready, room; /* of items and places, those not handed over */
	size_t waits;	    /* of tasks that have given way in a call */
	bool is_closed;
	char items[] __attribute__((__aligned__(16)));
};

aco_io_chan_t *aco_io_chan_new(size_t size, size_t count)
{
	aco_io_chan_t *chan;
	size_t bytes;

	if (!count || __builtin_mul_overflow(size, count, &bytes) ||
	    bytes > SIZE_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	chan = calloc(1, sizeof(*chan) + bytes);
	if (chan) {
		chan->size = size;
		chan->count = chan->room = count;
	}
	return chan;
}

static char *item_at(aco_io_chan_t *chan, size_t i)
{
	return chan->items + i % chan->count * chan->size;
}

/* Outside tasks there is no turn, and nothing to wait with. */
static int begin(aco_io_chan_t *chan)
{
	int result = 0;

	if (!chan)
		return fail(EINVAL);
	chan->waits++;
	if (aco_io_self())
		result = aco_io_take_turn(false);
	chan->waits--;
	return result;
}

/*
 * An item, or a place, for which tasks wait is handed over to the first of them.  That
 * one takes it when it runs, even if it is cancelled meanwhile.  If others could take it
 * before, a task that is always the first to run would leave nothing to the rest.
 */
static int take(aco_io_chan_t *chan, size_t *n, struct queue *queue,
		int64_t deadline)
{
	int result;

	if (*n) {
		--*n;
		return 0;
	}
	chan->waits++;
	result = aco_io_give_way(deadline, queue);
	chan->waits--;
	return result;
}

static void give(size_t *n, struct queue *queue)
{
	if (queue->head)
		aco_io_wake(queue->head, 0);
	else
		++*n;
}

int aco_io_chan_send(aco_io_chan_t *chan, const void *item, int64_t deadline)
{
	if (begin(chan))
		return -1;
	if (!chan->is_closed &&
	    take(chan, &chan->room, &chan->senders, deadline))
		return -1;
	if (chan->is_closed)
		return fail(EPIPE);
	if (chan->size) /* else item may be NULL */
		memcpy(item_at(chan, chan->first + chan->used), item,
		       chan->size);
	chan->used++;
	give(&chan->ready, &chan->receivers);
	return 0;
}

int aco_io_chan_recv(aco_io_chan_t *chan, void *item, int64_t deadline)
{
	if (begin(chan))
		return -1;
	if (!chan->ready && chan->is_closed)
		return fail(EPIPE);
	if (take(chan, &chan->ready, &chan->receivers, deadline))
		return -1;
	if (chan->size)
		memcpy(item, item_at(chan, chan->first), chan->size);
	chan->first = (chan->first + 1) % chan->count;
	chan->used--;
	give(&chan->room, &chan->senders);
	return 0;
}

/* Where a task waits to receive, all items there are have been handed over. */
void aco_io_chan_close(aco_io_chan_t *chan)
{
	if (!chan)
		return;
	chan->is_closed = true;
	aco_io_wake_all(&chan->receivers, EPIPE);
	aco_io_wake_all(&chan->senders, EPIPE);
}

int aco_io_chan_destroy(aco_io_chan_t *chan)
{
	if (!chan)
		return 0;
	if (chan->waits)
		return fail(EBUSY);
	free(chan);
	return 0;
}
