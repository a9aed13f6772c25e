/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unload-plugin.c - a shared object that contains the static library
 *
 * unload-host.c loads it, and closes it again.
 */
#include <aco.h>

#include <signal.h>

#include "unload-plugin.h"

static aco_t *main_co;
static aco_t *co;
static aco_share_stack_t *stack;

static void yields(void)
{
	for (;;)
		aco_yield();
}

void plugin_make(void)
{
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	stack = aco_share_stack_new(1 << 18);
	aco_assertptr(main_co);
	aco_assertptr(stack);
	co = aco_create(main_co, stack, 0, yields, NULL);
	aco_assertptr(co);
}

/* Another thread than the one above gets a main co of the library's own. */
void plugin_resume(void)
{
	aco_resume(co);
}

void plugin_destroy(void)
{
	aco_destroy(co);
	aco_share_stack_destroy(stack);
	aco_destroy(main_co);
}

/* The bytes stay in the cache. */
void plugin_use_stacks(void)
{
	aco_share_stack_t *stacks[16];

	for (int i = 0; i < 16; i++) {
		stacks[i] = aco_share_stack_new(1 << 18);
		aco_assertptr(stacks[i]);
		memset(stacks[i]->ptr, 1, 1 << 18);
	}
	for (int i = 0; i < 16; i++)
		aco_share_stack_destroy(stacks[i]);
}

void plugin_report(int on)
{
	aco_assert(aco_overflow_report(on) == 0);
}

static void faults(void)
{
	raise(SIGSEGV);
	aco_exit();
}

/* In a co, where the handler takes the alternate stack. */
void plugin_fault(void)
{
	aco_t *faulty = aco_create(main_co, stack, 0, faults, NULL);

	aco_assertptr(faulty);
	aco_resume(faulty);
}

static void exits(void)
{
	exit(0);
}

void plugin_exit_in_co(void)
{
	aco_t *last = aco_create(main_co, stack, 0, exits, NULL);

	aco_assertptr(last);
	aco_resume(last);
}

/* The last of the plugin's code that runs.  At exit(3) another thread may still
   use the variables above. */
__attribute__((__destructor__)) static void use_at_the_end(void)
{
	aco_share_stack_t *last_stack;
	aco_t *last_main, *last;

	if (!main_co)
		return;
	last_main = aco_create(NULL, NULL, 0, NULL, NULL);
	last_stack = aco_share_stack_new(1 << 18);
	aco_assertptr(last_main);
	aco_assertptr(last_stack);
	last = aco_create(last_main, last_stack, 0, yields, NULL);
	aco_assertptr(last);
	aco_resume(last);
	aco_destroy(last);
	aco_share_stack_destroy(last_stack);
	aco_destroy(last_main);
}
