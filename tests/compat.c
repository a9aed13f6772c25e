/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compat.c - a program as one writes it for libaco 1.2.4
 *
 * Many cos on one share stack, each with data on its stack, resumed in turn;
 * uses the macros and the fields that such programs use.
 */
#include <aco.h>
#include <aco_assert_override.h>

#define COS 64
#define ROUNDS 10

struct task {
	int id;
	int seen;
};

static void work(void)
{
	struct task *task = aco_get_arg();
	char mine[200];
	int round;
	size_t i;

	for (round = 0; round < ROUNDS; round++) {
		memset(mine, task->id + round, sizeof(mine));
		aco_yield();
		for (i = 0; i < sizeof(mine); i++)
			assert(mine[i] == (char)(task->id + round));
		assert(aco_get_co()->arg == task);
		task->seen++;
	}
	aco_exit();
}

static void last_word(void)
{
	fprintf(stderr, "co %p returned\n", (void *)aco_get_co());
}

int main(void)
{
	struct task tasks[COS];
	aco_t *cos[COS];
	aco_t *main_co;
	aco_share_stack_t *sstk;
	int i, alive = COS;

	aco_thread_init(last_word);
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	assertptr(main_co);
	assert(aco_is_main_co(main_co));
	sstk = aco_share_stack_new(0);
	assertptr(sstk);
	for (i = 0; i < COS; i++) {
		tasks[i].id = i;
		tasks[i].seen = 0;
		cos[i] = aco_create(main_co, sstk, 0, work, &tasks[i]);
		assertalloc_ptr(cos[i]);
	}
	while (alive) {
		for (i = 0; i < COS; i++) {
			if (cos[i]->is_end)
				continue;
			aco_resume(cos[i]);
			alive -= cos[i]->is_end;
		}
	}
	for (i = 0; i < COS; i++) {
		assert(tasks[i].seen == ROUNDS);
		assert(cos[i]->save_stack.ct_save == ROUNDS);
		assert(cos[i]->save_stack.ct_restore == ROUNDS);
		assert(cos[i]->save_stack.max_cpsz > 200);
		aco_destroy(cos[i]);
	}
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	puts("ok");
	return 0;
}
