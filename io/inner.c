/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inner.c - cos of a task's own, in which it waits, too
 *
 *	scheduler        task's co              generator
 *	-------------    -------------------    ----------------
 *	aco_try_resume > aco_io_resume()      > aco_io_read()
 *	              .- sees inner_waits    <- inner_waits, yields
 *	others run  <-'  and yields
 *	...
 *	aco_try_resume > resumes it again     > ...has read
 *	                 aco_io_resume()     <- aco_yield()
 *	                 returns
 */
#include "internal.h"

/* There is no memory for the stack of a co in whose wait the task stands: what
   that wait ended with is not to be lost. */
static void wait_for_memory(struct task *task)
{
	uint8_t error = task->error;

	aco_io_give_way_shielded(aco_io_thread->now + RETRY_AFTER, NULL);
	task->error = error;
}

int aco_io_resume(aco_t *co)
{
	aco_io_t *io = aco_io_thread;
	struct task *task = io ? io->running : NULL;
	struct inner inner = { co, task ? task->inner : NULL };
	int result;

	/* In a co that does not lead back there is no waiting in others, either. */
	if (!task || !is_on_the_way(task))
		return aco_try_resume(co);
	task->inner = &inner;
	result = aco_try_resume(co);
	while (!result && task->inner_waits) {
		task->inner = inner.outer;
		/* The scheduler's next, or that of an outer aco_io_resume(). */
		task->inner_waits = inner.outer != NULL;
		aco_yield();
		while (task->inner = &inner, aco_try_resume(co)) {
			task->inner = inner.outer;
			wait_for_memory(task);
		}
	}
	task->inner = inner.outer;
	return result;
}
