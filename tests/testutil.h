/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testutil.h - what the test programs share
 *
 * Each program defines t_suite(); main() is in testutil.c.  A test case made
 * by t_case() finds a world prepared: a main co and a share stack.  What a test
 * makes by the t_... functions below is destroyed after it, in whatever state
 * it is then, so that a leak checker stays silent.
 */
#ifndef TESTUTIL_H
#define TESTUTIL_H

#include <aco.h>
#include <check.h>

Suite *t_suite(void);

/* A test case of s with the world below set up and torn down for each test. */
TCase *t_case(Suite *s, const char *name);

/* The tag of tests that compare whole stacks, padding and all; Valgrind does
   not want to see them. */
#define T_UNINITIALISED "uninitialised"

/* The tag of tests with a signal at each instruction, which take long under tools. */
#define T_STEPS "steps"

/* Called before each test of t_case(); a program that shares variables between
   its tests defines it, because they stay as they are where Check does not
   fork. */
void t_reset(void);

extern aco_t *t_main;	     /* a main co */
extern uint8_t t_flip_flags; /* in aco_t.flags of all that are made below */
extern aco_share_stack_t *t_sstk; /* with room for what Check needs to report */

#define T_STACK_SIZE ((size_t)64 << 10)

aco_share_stack_t *t_stack(size_t sz);
aco_t *t_main_co(void);
aco_t *t_co(aco_share_stack_t *sstk, aco_cofuncp_t fp, void *arg);
aco_t *t_co2(aco_share_stack_t *sstk, aco_cofuncp_t fp, void *arg,
	     size_t save_stack_sz, unsigned flags);

/* Destroy now one that the functions above made. */
void t_destroy(aco_t *co);

/* Resume co until it has ended; at most limit times. */
void t_finish(aco_t *co, int limit);

/* Frames of depth * at least 64 bytes below the caller's, then call fn. */
void t_deep(int depth, void (*fn)(void));

/*
 * Run fn(arg) in a child process: it must be killed by sig, and what it wrote
 * to standard error must be text, character by character, but that each %p
 * stands for the next pointer the child named by t_says().
 */
void t_expect_signal(int sig, void (*fn)(void *arg), void *arg,
		     const char *text);
void t_expect_abort(void (*fn)(void *arg), void *arg, const char *text);
void t_says(const void *ptr);

/* Run fn(arg) in a child process, which must not fail and must say nothing. */
void t_expect_ok(void (*fn)(void *arg), void *arg);

/* Fails the child, if it is one, in a way that t_expect_... notices. */
void t_child_assert(int ok, const char *what, int line);
#define t_child(expr) t_child_assert(!!(expr), #expr, __LINE__)

/* Bytes of this process: of address space, and in memory, without pages of files. */
struct t_memory {
	size_t total, resident;
};
struct t_memory t_memory(void);

/* xorshift: the same sequence on every machine, from any seed but 0. */
uint32_t t_random(uint32_t *state);

/* The compiler must not know that what it points at stays as it is. */
#define t_opaque(x) __asm__ volatile("" : "+r"(x) : : "memory")

#define T_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif /* TESTUTIL_H */
