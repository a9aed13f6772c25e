/* SPDX-License-Identifier: Apache-2.0 */
/* Two cos, each of which waits for the other: bugs.sh, aco_bugs(7). */
#include <aco.h>

struct lock {
	aco_t *holder;
};
static struct lock accounts;
static struct lock journal;

static void lock(struct lock *l)
{
	while (l->holder)
		aco_yield();
	l->holder = aco_get_co();
}

static void unlock(struct lock *l)
{
	l->holder = NULL;
}

static void transfer(void)
{
	lock(&accounts);
	aco_yield(); /* waits for the disk */
	lock(&journal);
	unlock(&journal);
	unlock(&accounts);
	aco_exit();
}

static void audit(void)
{
	lock(&journal);
	aco_yield();
	lock(&accounts); /* the bug: the other way round */
	unlock(&accounts);
	unlock(&journal);
	aco_exit();
}

static void report(int done)
{
	puts(done ? "done" : "no progress");
}

int main(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *a = aco_create(main_co, sstk, 0, transfer, NULL);
	aco_t *b = aco_create(main_co, sstk, 0, audit, NULL);

	for (int turn = 0; turn < 1000 && !(a->is_end && b->is_end); turn++) {
		if (!a->is_end)
			aco_resume(a);
		if (!b->is_end)
			aco_resume(b);
	}
	report(a->is_end && b->is_end);
	return 0;
}
