/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clash-old.c - a library with functions and variables of libaco's names
 *
 * It stands for one that carries a copy of another libaco: its structures are
 * others, and with any function but its own it can do nothing.
 */
#include <stddef.h>

typedef struct {
	int ours;
	int resumes;
} aco_t;

__thread aco_t *aco_gtls_co;
void aco_thread_init(void (*last_word)(void));
aco_t *aco_create(aco_t *main_co, void *share_stack, size_t save_stack_sz,
		  void (*fp)(void), void *arg);
void aco_resume(aco_t *co);
void aco_destroy(aco_t *co);

static int threads;

void aco_thread_init(void (*last_word)(void))
{
	threads += !last_word;
}

aco_t *aco_create(aco_t *main_co, void *share_stack, size_t save_stack_sz,
		  void (*fp)(void), void *arg)
{
	static aco_t co;

	if (main_co || share_stack || save_stack_sz || fp || arg)
		return NULL;
	co.ours = 1;
	return &co;
}

void aco_resume(aco_t *co)
{
	co->resumes++;
	aco_gtls_co = co;
}

void aco_destroy(aco_t *co)
{
	co->ours = 0;
	aco_gtls_co = NULL;
}

__attribute__((__visibility__("default"))) int old_library_works(void);

/* Each call must end above, whatever else has a function of its name. */
int old_library_works(void)
{
	int before = threads;
	aco_t *co;

	aco_thread_init(NULL);
	if (threads != before + 1)
		return 0;
	co = aco_create(NULL, NULL, 0, NULL, NULL);
	if (!co || co->ours != 1)
		return 0;
	before = co->resumes;
	aco_resume(co);
	if (co->resumes != before + 1 || aco_gtls_co != co)
		return 0;
	aco_destroy(co);
	return co->ours == 0 && !aco_gtls_co;
}
