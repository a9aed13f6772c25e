/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lto.c - two files that ask the header for different things, under -flto
 *
 * Compiled three times: with LTO_MAIN, with LTO_TAKES the addresses of the
 * functions that the header gives a body or a macro, and with neither, for a
 * file that wants the plain functions.  The linker sees all bodies and must not
 * lend one file's to the other.
 */
#include <aco.h>

void takes(aco_t *main_co);
void wants(aco_t *main_co);
void plain_yield(void);
void plain_resume(aco_t *co);

#if defined(LTO_MAIN)
static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "FAIL: lto: %s\n", what);
	exit(1);
}

int main(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);

	check(main_co != NULL, "no main co");
	takes(main_co);
	wants(main_co);
	return 0;
}
#else
static unsigned short words(void)
{
	unsigned short cw;

	__asm__ __volatile__("fnstcw %0" : "=m"(cw));
	return cw;
}

static void set_words(unsigned short cw)
{
	__asm__ __volatile__("fldcw %0" : : "m"(cw));
}

/* Rounds up for itself, or for its resumer, too. */
static void rounds_up(void)
{
	set_words(words() | 0x800);
	aco_yield();
	aco_exit();
}

/* Whether a co that aco_create() makes here has control words of its own. */
static int has_own_words(aco_t *main_co)
{
	unsigned short before = words();
	aco_share_stack_t *stack = aco_share_stack_new(0);
	aco_t *co = aco_create(main_co, stack, 0, rounds_up, NULL);
	int own;

	aco_assertptr(co);
	aco_resume(co);
	own = words() == before;
	set_words(before);
	aco_resume(co);
	aco_destroy(co);
	aco_share_stack_destroy(stack);
	return own;
}

#if defined(LTO_TAKES)
void *volatile taken[3];

void takes(aco_t *main_co)
{
	taken[0] = (void *)(uintptr_t)aco_create;
	taken[1] = (void *)(uintptr_t)aco_resume;
	taken[2] = (void *)(uintptr_t)aco_yield;
	if (has_own_words(main_co)) {
		fputs("FAIL: lto: own words, and shared ones were asked for\n",
		      stderr);
		exit(1);
	}
}
#else
/* lto.sh looks at the instructions of these two. */
__attribute__((__noinline__, __used__)) void plain_yield(void)
{
	aco_yield();
	__asm__ __volatile__("");
}

__attribute__((__noinline__, __used__)) void plain_resume(aco_t *co)
{
	aco_resume(co);
	__asm__ __volatile__("");
}

void wants(aco_t *main_co)
{
	if (!has_own_words(main_co)) {
		fputs("FAIL: lto: shared words, and own ones were asked for\n",
		      stderr);
		exit(1);
	}
}
#endif
#endif
