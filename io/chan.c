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
	size_t waits; /* of tasks that have given way in a call */
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
		chan->count = count;
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
		result = aco_io_take_turn();
	chan->waits--;
	return result;
}

static int wait_in(aco_io_chan_t *chan, struct queue *queue, int64_t deadline)
{
	int result;

	chan->waits++;
	result = aco_io_give_way(deadline, queue);
	chan->waits--;
	return result;
}

/*
 * A task that is woken for an item, or a free place, may find that another one
 * took it: then it waits on.  One that is cancelled meanwhile still takes it.
 */
int aco_io_chan_send(aco_io_chan_t *chan, const void *item, int64_t deadline)
{
	if (begin(chan))
		return -1;
	while (!chan->is_closed && chan->used == chan->count)
		if (wait_in(chan, &chan->senders, deadline))
			return -1;
	if (chan->is_closed)
		return fail(EPIPE);
	if (chan->size) /* else item may be NULL */
		memcpy(item_at(chan, chan->first + chan->used), item,
		       chan->size);
	chan->used++;
	if (chan->receivers.head)
		aco_io_wake(chan->receivers.head, 0);
	return 0;
}

int aco_io_chan_recv(aco_io_chan_t *chan, void *item, int64_t deadline)
{
	if (begin(chan))
		return -1;
	while (!chan->used) {
		if (chan->is_closed)
			return fail(EPIPE);
		if (wait_in(chan, &chan->receivers, deadline))
			return -1;
	}
	if (chan->size)
		memcpy(item, item_at(chan, chan->first), chan->size);
	chan->first = (chan->first + 1) % chan->count;
	chan->used--;
	if (chan->senders.head)
		aco_io_wake(chan->senders.head, 0);
	return 0;
}

void aco_io_chan_close(aco_io_chan_t *chan)
{
	if (!chan)
		return;
	chan->is_closed = true;
	aco_io_wake_all(&chan->receivers, 0);
	aco_io_wake_all(&chan->senders, 0);
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
