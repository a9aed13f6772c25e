/* SPDX-License-Identifier: Apache-2.0 */
/* A co whose stack is too small for the data: bugs.sh, aco_bugs(7). */
#include <aco.h>

static char text[2000];

static int depth(const char *p)
{
	char line[200];
	int inner = 0;

	snprintf(line, sizeof(line), "at %.40s", p);
	if (*p == '(')
		inner = 1 + depth(p + 1);
	return line[0] ? inner : 0;
}

static void parse(void)
{
	printf("%d deep\n", depth(aco_get_arg()));
	aco_exit();
}

int main(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk;
	aco_t *co;

	aco_overflow_report(1);
	memset(text, '(', sizeof(text) - 1);
	sstk = aco_share_stack_new(16384);
	co = aco_create(main_co, sstk, 0, parse, text);
	aco_resume(co);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return 0;
}
