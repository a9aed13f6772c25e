/* SPDX-License-Identifier: Apache-2.0 */
/*
 * announce.c - a program that tells sanitizers of its switches, as 1.2.4 wanted
 *
 * sanitizers.sh runs it.  With ANNOUNCE the calls are there in spite of the
 * version, which is a mistake for the tool to find: the library tells it, too.
 */
#include <aco.h>

#if ACO_VERSION_MAJOR < 2 || defined(ANNOUNCE)

/* <sanitizer/common_interface_defs.h>, <sanitizer/tsan_interface.h> */
#if defined(TSAN)
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);

static void *main_fiber;
static void *co_fiber;

static void before_resume(aco_t *co)
{
	(void)co;
	if (!main_fiber) {
		main_fiber = __tsan_get_current_fiber();
		co_fiber = __tsan_create_fiber(0);
	}
	__tsan_switch_to_fiber(co_fiber, 0);
}

static void before_leave(void)
{
	__tsan_switch_to_fiber(main_fiber, 0);
}
#else
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t sz);

static void before_resume(aco_t *co)
{
	static void *fake;

	__sanitizer_start_switch_fiber(&fake, co->share_stack->ptr,
				       co->share_stack->sz);
}

/* The mistake is found before. */
static void before_leave(void)
{
}
#endif

#else
#define before_resume(co) (void)(co)
#define before_leave() (void)0
#endif

static int resumes;

static void counts(void)
{
	for (int i = 0; i < 3; i++) {
		resumes++;
		before_leave();
		aco_yield();
	}
	before_leave();
	aco_exit();
}

int main(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *co = aco_create(main_co, sstk, 0, counts, NULL);

	while (!co->is_end) {
		before_resume(co);
		aco_resume(co);
	}
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return resumes != 3;
}
