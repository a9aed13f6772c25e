/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-small-stack.c - what is asked for is what the program may use
 *
 * The dynamic linker and the kernel use the stack of a co as well: to find a
 * function at its first call, and for the frame of a signal.  The program is
 * linked so that first calls do that; each function that is called for it is
 * called nowhere else.  Each test is a child process, which has called nothing.
 */
#include "testutil.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#define ASKED ((size_t)4096)

/* Of what was asked for, to the frames that the test can't do without. */
#define LEFT ((size_t)384)

static char *base_of(const aco_share_stack_t *sstk)
{
	return (char *)sstk->align_retptr + sizeof(void *);
}

/* ------------------------------------------------------- at the deepest -- */

static void (*at_the_deepest)(void);
static size_t depth;
static int handled;

static size_t depth_of(const void *frame)
{
	return (size_t)(base_of(aco_co()->share_stack) - (const char *)frame);
}

__attribute__((__noinline__)) static void note_and_go(void)
{
	depth = depth_of(__builtin_frame_address(0));
	at_the_deepest();
}

/* All but LEFT bytes of the ASKED are in use when that is called. */
static void goes_deep(void)
{
	size_t sz = ASKED - LEFT - depth_of(__builtin_frame_address(0));
	volatile char *p = __builtin_alloca(sz);

	for (size_t i = 0; i < sz; i++)
		p[i] = 'x';
	note_and_go();
	for (size_t i = 0; i < sz; i++)
		t_child(p[i] == 'x');
	aco_exit();
}

static void calls_for_the_first_time(void)
{
	sched_yield();
}

static void is_signalled(void)
{
	kill(getpid(), SIGUSR1);
}

static void only_counts(int sig)
{
	(void)sig;
	handled++;
}

static void calls_and_counts(int sig)
{
	(void)sig;
	getppid();
	handled++;
}

/* ------------------------------------------------------------- the stack -- */

static aco_share_stack_t *guarded(void)
{
	return aco_share_stack_new2(ASKED, 1);
}

/*
 * Memory with a guard, of the size that a stack without one has: who writes
 * below the stack would write to the heap there.
 */
static aco_share_stack_t *as_unguarded(void)
{
	enum { PAGE = 4096 };
	aco_share_stack_t *sstk = aco_share_stack_new2(ASKED, 0);
	size_t sz = sstk->sz;
	char *map = mmap(NULL, PAGE + sz, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	t_child(map != MAP_FAILED);
	t_child(mprotect(map, PAGE, PROT_NONE) == 0);
	aco_share_stack_destroy(sstk);
	return aco_share_stack_from(map + PAGE, sz);
}

static aco_share_stack_t *(*const stacks[])(void) = { guarded, as_unguarded };

static void run_deep(int i)
{
	aco_share_stack_t *sstk = stacks[i]();
	aco_t *co;

	t_child(sstk);
	co = aco_create(t_main, sstk, 0, goes_deep, NULL);
	t_child(co);
	aco_resume(co);
	t_child(co->is_end);
	t_child(depth > ASKED - LEFT && depth < ASKED);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
}

/* ----------------------------------------------------------------- tests -- */

static void first_call(void *i)
{
	at_the_deepest = calls_for_the_first_time;
	run_deep((int)(intptr_t)i);
}

START_TEST(room_for_a_first_call)
{
	t_expect_ok(first_call, (void *)(intptr_t)_i);
}
END_TEST

static void signalled(int i, void (*handler)(int sig))
{
	signal(SIGUSR1, handler);
	at_the_deepest = is_signalled;
	run_deep(i);
	t_child(handled == 1);
}

static void signal_frame(void *i)
{
	signalled((int)(intptr_t)i, only_counts);
}

START_TEST(room_for_a_signal)
{
	t_expect_ok(signal_frame, (void *)(intptr_t)_i);
}
END_TEST

static void signal_and_first_call(void *i)
{
	signalled((int)(intptr_t)i, calls_and_counts);
}

START_TEST(room_for_both)
{
	t_expect_ok(signal_and_first_call, (void *)(intptr_t)_i);
}
END_TEST

/* ---------------------------------------------- the largest signal frame -- */

#if defined(__x86_64__)

#define ARCH_REQ_XCOMP_PERM 0x1023
#define TILE_DATA 18

/* 0 where there are no tile registers. */
static int use_tiles(void)
{
	static struct {
		unsigned char palette, start_row, reserved[14];
		uint16_t columns[16];
		unsigned char rows[16];
	} config = { .palette = 1, .columns = { 64 }, .rows = { 16 } };
	static char rows[16][64];
	long stride = sizeof(rows[0]);

	if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA))
		return 0;
	memset(rows, 1, sizeof(rows));
	__asm__ volatile("ldtilecfg %0" : : "m"(config));
	__asm__ volatile("tileloadd (%0,%1,1), %%tmm0"
			 :
			 : "r"(rows), "r"(stride)
			 : "memory");
	return 1;
}

static void signal_with_tiles(void *i)
{
	if (use_tiles())
		signal_and_first_call(i);
}

START_TEST(room_for_tile_registers)
{
	t_expect_ok(signal_with_tiles, (void *)(intptr_t)_i);
}
END_TEST

#endif

/* ------------------------------------------------------------- all sizes -- */

static void calls_once(void)
{
	getpgrp();
	aco_exit();
}

static void signals_once(void)
{
	is_signalled();
	aco_exit();
}

static size_t usage_of(aco_cofuncp_t fp)
{
	static size_t sz = 200 << 10;
	aco_t *co = aco_create(t_main, aco_share_stack_new(sz += 40 << 10), 0,
			       fp, NULL);

	t_child(co);
	aco_resume(co);
	return aco_stack_usage(co);
}

static void measure_and_compare(void *arg)
{
	static const size_t sizes[] = { 1,     4096,   4097, 8000,
					65536, 100000, 0,    5 << 20 };
	size_t more;

	(void)arg;
	signal(SIGUSR1, only_counts);
	more = usage_of(calls_once) + usage_of(signals_once);
	for (size_t i = 0; i < 2 * T_LEN(sizes); i++) {
		size_t asked = sizes[i / 2];
		aco_share_stack_t *sstk = aco_share_stack_new2(asked,
							       (char)(i % 2));
		size_t room = (size_t)(base_of(sstk) - (char *)sstk->ptr);

		if (asked < 4096)
			asked = asked ? 4096 : 2 << 20;
		t_child(room >= asked + more);
		aco_share_stack_destroy(sstk);
	}
}

START_TEST(room_in_stacks_of_any_size)
{
	t_expect_ok(measure_and_compare, NULL);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("small stack");
	TCase *tc = t_case(s, "small stack");

	tcase_add_loop_test(tc, room_for_a_first_call, 0, T_LEN(stacks));
	tcase_add_loop_test(tc, room_for_a_signal, 0, T_LEN(stacks));
	tcase_add_loop_test(tc, room_for_both, 0, T_LEN(stacks));
#if defined(__x86_64__)
	tcase_add_loop_test(tc, room_for_tile_registers, 0, T_LEN(stacks));
#endif
	tcase_add_test(tc, room_in_stacks_of_any_size);
	return s;
}
