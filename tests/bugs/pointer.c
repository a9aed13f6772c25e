/* SPDX-License-Identifier: Apache-2.0 */
/* A pointer to a local variable of a sharing co: bugs.sh, aco_bugs(7). */
#include <aco.h>

struct request {
	int number;
	int answer;
};
static struct request *asked;

static void client(void)
{
	struct request request = { 42, 0 };

	asked = &request; /* the bug */
	aco_yield();
	printf("the answer is %d\n", request.answer);
	aco_exit();
}

static void server(void)
{
	char log[80];

	printf("asked for %d\n", asked->number);
	asked->answer = 2 * asked->number;
	snprintf(log, sizeof(log), "answered %p", (void *)asked);
	aco_yield();
	puts(log);
	aco_exit();
}

int main(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *c = aco_create(main_co, sstk, 0, client, NULL);
	aco_t *s = aco_create(main_co, sstk, 0, server, NULL);

	aco_resume(c);
	aco_resume(s);
	aco_resume(c);
	aco_resume(s);
	aco_destroy(s);
	aco_destroy(c);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return 0;
}
