/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split-stack.c - cos whose stacks gcc's -fsplit-stack makes grow
 *
 * limits.sh runs it.  The state of split stacks belongs to the thread, and the
 * program exchanges it with each switch, as aco(7) says.
 */
#include <aco.h>

#define COS 3
#define DEPTH 500 /* of 500 bytes each; the stacks begin with 64 KiB */

/* libgcc */
#define CONTEXT 10
void *__splitstack_makecontext(size_t sz, void *context[CONTEXT], size_t *got);
void __splitstack_getcontext(void *context[CONTEXT]);
void __splitstack_setcontext(void *context[CONTEXT]);
void __splitstack_releasecontext(void *context[CONTEXT]);

#define NO_SPLIT __attribute__((__no_split_stack__, __noinline__))

struct task {
	void *split[CONTEXT];
	aco_t *co;
	int depth;
	int sum;
};

static void *main_split[CONTEXT];

NO_SPLIT static void resume(struct task *t)
{
	__splitstack_getcontext(main_split);
	__splitstack_setcontext(t->split);
	aco_resume(t->co);
}

NO_SPLIT static void yield(struct task *t)
{
	__splitstack_getcontext(t->split);
	__splitstack_setcontext(main_split);
	aco_yield();
}

NO_SPLIT static void leave(struct task *t)
{
	__splitstack_getcontext(t->split);
	__splitstack_setcontext(main_split);
	aco_exit();
}

static int __attribute__((__noinline__)) deep(struct task *t, int depth)
{
	char mine[500];

	memset(mine, depth, sizeof(mine));
	__asm__ volatile("" : : "r"(mine) : "memory");
	if (depth % 7 == 0)
		yield(t);
	if (depth == 0)
		return 1;
	return deep(t, depth - 1) + (mine[7] == (char)depth);
}

static void work(void)
{
	struct task *t = aco_get_arg();

	t->sum = deep(t, t->depth);
	leave(t);
}

int main(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	struct task task[COS];
	int alive = COS;

	for (int i = 0; i < COS; i++) {
		struct task *t = &task[i];
		size_t sz;
		void *mem = __splitstack_makecontext(1 << 16, t->split, &sz);

		t->depth = DEPTH + i;
		t->co = aco_create(main_co, aco_share_stack_from(mem, sz), 0,
				   work, t);
		aco_assertptr(t->co);
	}
	while (alive > 0) {
		for (int i = 0; i < COS; i++) {
			if (task[i].co->is_end)
				continue;
			resume(&task[i]);
			alive -= task[i].co->is_end;
		}
	}
	for (int i = 0; i < COS; i++) {
		aco_share_stack_t *sstk = task[i].co->share_stack;

		aco_assert(task[i].sum == task[i].depth + 1);
		aco_destroy(task[i].co);
		aco_share_stack_destroy(sstk);
		__splitstack_releasecontext(task[i].split);
	}
	aco_destroy(main_co);
	return 0;
}
