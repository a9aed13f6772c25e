/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clash.c - cos beside a library that has functions of the same names
 *
 * upgrade.sh links it with clash-old.c in several ways.
 */
#include <aco.h>

int old_library_works(void);

static void yields(void)
{
	int *left = aco_get_arg();

	for (; *left > 0; --*left)
		aco_yield();
	aco_exit();
}

int main(void)
{
	int left = 5;
	int resumes = 0;
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *co = aco_create(main_co, sstk, 0, yields, &left);

	for (; !co->is_end; resumes++) {
		aco_resume(co);
		if (!old_library_works() || aco_get_co() != main_co)
			return 1;
	}
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return resumes != 6;
}
