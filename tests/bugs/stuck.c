/* SPDX-License-Identifier: Apache-2.0 */
/* Cos that nobody resumes any more: bugs.sh, aco_bugs(7). */
#include <aco.h>

#define COS 6

static aco_t *cos[COS];
static aco_t *waiting; /* for the answer: room for one */
static int ended;

static void wait_for_answer(void)
{
	waiting = aco_get_co(); /* the bug: who waited here before? */
	aco_yield();
}

static void ask(void)
{
	wait_for_answer();
	ended++;
	aco_exit();
}

static void answer(void)
{
	aco_t *co = waiting;

	waiting = NULL;
	if (co)
		aco_resume(co);
}

static void report(void)
{
	printf("%d of %d have ended\n", ended, COS);
}

int main(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(0);

	for (int i = 0; i < COS; i++) {
		cos[i] = aco_create(main_co, sstk, 0, ask, NULL);
		aco_resume(cos[i]);
		if (i % 3 != 1)
			answer();
	}
	report();
	return 0;
}
