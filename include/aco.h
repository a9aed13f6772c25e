/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aco.h - stackful asymmetric coroutines
 *
 * A coroutine (co) is a function with a stack of its own that can suspend
 * itself in the middle and be continued later.  "Asymmetric" means that there
 * are two ways to go: aco_resume() enters a co, aco_yield() goes back to its
 * resumer.
 *
 *   main co         stands for the stack a thread already has
 *   share stack     an execution stack, used by one or more cos
 *   standalone co   the only user of its share stack; its bytes never move
 *   sharing co      one of several users: its live bytes wait in a private
 *                   save stack while another user runs on the share stack
 *   resumer         the co that last resumed a co; aco_yield() returns to it
 *
 * Failures: when the system has no memory or mappings, or an argument is
 * impossible, a call that can say so returns NULL or -1 with errno set and
 * nothing has changed.  Misuse after which nothing sensible can follow writes
 * one line "libaco: <call>: <what is wrong>: co 0x..." to standard error and
 * calls abort(3).
 */
#ifndef ACO_H
#define ACO_H

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#include "aco/arch/amd64.h"
#elif defined(__i386__)
#include "aco/arch/i386.h"
#else
#error "libaco supports amd64 and i386 only (x32 is neither)"
#endif

/* clang's second stack belongs to the thread, and cos would share it. */
#if defined(__has_feature)
#if __has_feature(safe_stack)
#error "cos do not work with -fsanitize=safe-stack, see aco(7)"
#endif
#endif

#define ACO_VERSION_MAJOR 2
#define ACO_VERSION_MINOR 0
#define ACO_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aco_s aco_t;
typedef struct aco_share_stack_s aco_share_stack_t;
typedef void (*aco_cofuncp_t)(void);

/* Where a suspended co goes on: indices into aco_t.reg. */
#define ACO_REG_IDX_RETADDR 0
#define ACO_REG_IDX_SP 1
#define ACO_REG_IDX_BP 2

/*
 * The bytes of a sharing co while another co uses its share stack.  Programs
 * may read these fields; the library alone writes them.
 */
typedef struct {
	void *ptr;	   /* NULL as long as nothing is allocated */
	size_t sz;	   /* bytes that ptr has room for */
	size_t valid_sz;   /* bytes that wait there now: from reg[SP] on, but
			      for words of zero at the top of the stack */
	size_t max_cpsz;   /* largest copy so far, in bytes */
	size_t ct_save;	   /* copies out of the share stack */
	size_t ct_restore; /* copies back in */
} aco_save_stack_t;

/*
 * A share stack.  Made by aco_share_stack_new2() and aco_share_stack_from();
 * programs may read the fields of the first part, the rest belongs to the
 * library.
 */
struct aco_share_stack_s {
	void *ptr;	    /* lowest usable byte */
	size_t sz;	    /* usable bytes from there up */
	aco_t *owner;	    /* the co whose bytes lie on the stack, or NULL */
	void *align_retptr; /* the return address of a co's function */
	char guard_page_enabled;

	uint8_t origin; /* of the memory */
	uint16_t slot;	/* in its arena */
	unsigned valgrind_id;
	size_t users; /* cos created on the stack and not destroyed */
	aco_t *sole_user; /* a user in one of the "fast" states, or NULL */
	aco_share_stack_t *next; /* when it is destroyed */
};

/*
 * A coroutine.  Made by aco_create(), never by the program.  Programs may read
 * reg, arg (also write it), fp, is_end, main_co, share_stack and save_stack.
 * No compile-time macro changes the layout.
 */
struct aco_s {
	/* A suspended co: resume address, stack pointer, frame pointer, and
	   one callee-saved register.  Everything else lies on its stack, at or
	   above the stack pointer. */
	void *reg[4];

	/* Floating-point control words while the co does not run. */
	uint32_t fp_control;
	uint16_t fp_control_2;
	uint8_t state;
	uint8_t flags;

	/* One word on amd64: addresses have no bit in the byte of is_end, and a
	   co that has ended has no resumer any more.  On i386 resumer and
	   is_end lie beside each other. */
	__extension__ union {
		aco_t *resumer;	 /* who resumed it last; until it ends */
		uint64_t thread; /* in a main co: the number of its thread */
		__extension__ struct {
			unsigned char unused_[7];
			unsigned char is_end; /* 1 once the co has ended */
		};
	};
	aco_share_stack_t *share_stack;
	void *arg;
	aco_t *main_co; /* NULL in a main co */
	aco_cofuncp_t fp;
	aco_save_stack_t save_stack;
};

/* The co that runs in this thread; read it with aco_get_co(). */
extern __thread aco_t *aco_gtls_co
	__attribute__((__tls_model__("initial-exec")));

/*
 * Whether aco_resume() and aco_yield() are inlined: where the compiler can be
 * told which registers a switch changes.
 *
 * In such a file the two functions have other symbols than elsewhere, by which
 * the library exports them, too.  With -flto the body that one file has for a
 * symbol may serve the calls of another file, which was compiled for more
 * registers, or with ACO_NO_INLINE.
 */
#if !defined(ACO_NO_INLINE) && !defined(ACO_BUILDING_) && \
	defined(__GNUC__) && defined(ACO_ARCH_INLINES_)
#define ACO_INLINE_SWITCH_
#define ACO_INLINED_AS_(symbol) __asm__(symbol)
#else
#define ACO_INLINED_AS_(symbol)
#endif

#if defined(__GNUC__)
#define ACO_NORETURN_ __attribute__((__noreturn__))
#else
#define ACO_NORETURN_
#endif

/* -------------------------------------------------------------- threads -- */

/*
 * Prepare the calling thread: record its floating-point control words as those
 * that cos created from here on start with.  Optional: the first aco_create()
 * of a thread does the same.  A last_word that is not NULL becomes the thread's
 * protector callback, called when the function of a co returns without
 * aco_exit(); NULL leaves the one there is.  A few instructions.
 */
void aco_thread_init(aco_cofuncp_t last_word);

/* --------------------------------------------------------- share stacks -- */

/* aco_share_stack_new2(sz, 1). */
aco_share_stack_t *aco_share_stack_new(size_t sz);

/*
 * Make an execution stack of which the program may use at least sz bytes: 0
 * means 2 MiB, less than 4096 means 4096.  What the kernel takes for the frame
 * of one signal, and the dynamic linker for the first call of a function, comes
 * on top.  With guard not 0 the size is rounded up to whole pages and
 * inaccessible pages lie below them, so that an overflow faults.
 * Returns NULL with ENOMEM (no memory, or no mapping left: before Linux 6.13 a
 * guarded stack takes two of vm.max_map_count) or EINVAL (sz overflows).
 * A guarded stack costs no system call when a destroyed one serves again, else
 * one, and some more for many together.
 */
aco_share_stack_t *aco_share_stack_new2(size_t sz, char guard);

/*
 * A share stack in the sz bytes of memory at mem, which stays the caller's: it
 * has to be there, and to be writable, until the share stack is destroyed,
 * which leaves it alone.  The library needs up to 200 bytes at the top, and
 * nothing comes on top for signals and first calls.  No guard.
 * Returns NULL with ENOMEM, or EINVAL (mem is NULL, sz is less than
 * 4096 or reaches beyond the end of the address space).  Costs one allocation.
 */
aco_share_stack_t *aco_share_stack_from(void *mem, size_t sz);

/*
 * Give a share stack back.  While cos created on it exist it is only marked: the
 * aco_destroy() of the last one gives it back, and until then they can't be
 * resumed.  Memory of the caller's is not touched after this call.  Aborts for
 * NULL, for one that is destroyed, and when one of its cos runs or waits for a
 * co that it has resumed.
 * A guarded one of up to 4 MiB is kept for the next of about its size, see
 * aco_share_stack_cache_limit().
 */
void aco_share_stack_destroy(aco_share_stack_t *sstk);

/*
 * Destroyed guarded stacks may keep so many bytes of memory for reuse: the sum
 * of their sizes, used or not.  32 MiB without this call.  What is kept at the
 * call is given back at once; with 0 nothing will be kept.
 */
void aco_share_stack_cache_limit(size_t bytes);

/* --------------------------------------------------------------- memory -- */

/* Where memory comes from, instead of malloc(3); see aco_set_allocator(). */
typedef struct {
	void *(*alloc)(size_t size, void *ctx); /* NULL: there is none */
	void (*free)(void *ptr, size_t size, void *ctx);
	void *ctx;
} aco_allocator_t;

/*
 * Have the memory of all cos, main cos included, and of their save stacks from
 * allocator, which is copied.  alloc returns memory aligned as malloc(3)'s is;
 * free gets it back with the size that alloc was asked for.  Both are called in
 * any thread and on any stack.  Call it before the first co of the process is
 * made, and before other threads use the library.
 * Returns 0, or -1 with EBUSY (a co was made before) or EINVAL (allocator,
 * alloc or free is NULL).
 */
int aco_set_allocator(const aco_allocator_t *allocator);

/* ------------------------------------------------------------- lifetime -- */

/* Flags of aco_create2(). */
#define ACO_SHARE_FPENV 1u  /* do not switch the control words */
#define ACO_RETURN_EXITS 2u /* returning from fp is aco_exit() */

/*
 * Make a co.  With main_co NULL: a main co for the calling thread (arg and fp
 * are recorded, the rest is unused).  Otherwise a co that runs fp on
 * share_stack when it is first resumed, with arg for aco_get_arg().
 * If main_co is not a main co, its own main co is taken.
 * save_stack_sz is a hint, in bytes, for the save stack (0: whatever turns out
 * to be needed), which grows when it must.  Never writes to the share stack.
 * Returns NULL with ENOMEM, or EINVAL (NULL or misaligned argument,
 * destroyed share stack, sizes that overflow, unknown flags).
 * Costs one allocation.
 */
aco_t *aco_create(aco_t *main_co, aco_share_stack_t *share_stack,
		  size_t save_stack_sz, aco_cofuncp_t fp, void *arg);

/* aco_create() with flags: ACO_SHARE_FPENV, ACO_RETURN_EXITS, or both. */
aco_t *aco_create2(aco_t *main_co, aco_share_stack_t *share_stack,
		   size_t save_stack_sz, aco_cofuncp_t fp, void *arg,
		   unsigned flags);

/*
 * Free a main co of the calling thread or of a thread that has ended, or a co
 * that is not running: never started, suspended or ended.  What a suspended co holds
 * (memory, locks, C++ objects) is not released.  A main co has to outlive the
 * cos created with it.
 * Aborts for NULL, for a running co, for one (main cos included) that has
 * resumed another and waits for it, and for the library's own main co.
 */
void aco_destroy(aco_t *co);

/*
 * Make a co that is not running (never started, suspended or ended) start again
 * when it is next resumed: with fp and arg, and the control words that
 * aco_create() would give it now.  Its share stack, main co and flags stay, and
 * so does its save stack with the statistics.  What it holds is not released.
 * Returns 0, or -1 with EINVAL when co is NULL, misaligned or a main co, its
 * share stack is destroyed, or fp is NULL.  Aborts for a co that is running or
 * has resumed another and waits.
 * Allocates nothing.
 */
int aco_reset(aco_t *co, aco_cofuncp_t fp, void *arg);

/* ------------------------------------------------------------ switching -- */

/*
 * Start or continue co; returns when it yields or exits.  Any co may resume any
 * other that is not running, on another share stack.  Callee-saved registers
 * and, unless co was created with ACO_SHARE_FPENV, the floating-point control
 * words are on return what they were at the call.
 * Aborts when co is NULL, a main co, running or ended, when a co that is
 * running uses the same share stack, when that is destroyed, and where
 * aco_try_resume() fails with ENOMEM.
 * Costs two copies of live stack bytes when another co owns the share stack,
 * else none.
 */
void aco_resume(aco_t *co) ACO_INLINED_AS_("aco_resume_inline_");

/*
 * As aco_resume(), but returns 0, or -1 with nothing changed: ENOMEM when there
 * is no memory to make room on the share stack or for a main co of the
 * library's own, EINVAL when co is NULL or misaligned.
 */
int aco_try_resume(aco_t *co);

/*
 * Suspend the running co and go on in its resumer.  Returns when the co is
 * resumed again.  Copies nothing.  Aborts outside a co.
 */
void aco_yield(void) ACO_INLINED_AS_("aco_yield_inline_");

/* aco_yield() with the running co named; aborts when co is not that. */
void aco_yield1(aco_t *co);

/*
 * Suspend the running co and go on in co at once, which inherits the resumer:
 * to that one, co is now the one that it has resumed.  Returns 0 when the
 * caller is continued, or -1 with nothing changed: ENOMEM when there is no
 * memory for the bytes of a co that must make room, EINVAL when co is NULL or
 * misaligned.  Both may use one share stack.  Callee-saved registers and
 * control words are as with aco_yield().
 * Aborts outside a co, and when co is a main co, running or ended, or when
 * another co that is running uses its share stack or that is destroyed.
 * Costs one switch where aco_yield() and aco_resume() take two, and two copies
 * of live stack bytes when another co owns the share stack of co.
 */
int aco_yield_to(aco_t *co);

/*
 * End the running co (is_end becomes 1), release its share stack and go on in
 * its resumer.  Aborts outside a co.
 */
void aco_exit(void) ACO_NORETURN_;

/* aco_exit() with the running co named; aborts when co is not that. */
void aco_exit1(aco_t *co) ACO_NORETURN_;

/*
 * aco_resume(), aco_yield() and aco_exit() with a pointer each way: what resume
 * sends, yield returns; what yield or exit sends, resume returns.  Where the
 * other side is in another call it gets nothing, and where it was left by
 * another call this one returns NULL.  What is sent to a co that starts is
 * lost: that one has its arg.
 */
void *aco_resume_value(aco_t *co, void *v);
void *aco_yield_value(void *v);
void aco_exit_value(void *v) ACO_NORETURN_;

/* ------------------------------------------------------------ questions -- */

/*
 * The running co.  NULL in a thread that has resumed nothing; in the main
 * context after that, the main_co of the co last resumed from there, or a main
 * co of the library's own where that belongs to another thread.
 */
aco_t *aco_get_co(void);
aco_t *aco_co(void);

/* aco_get_co()->arg.  Aborts where aco_get_co() is NULL. */
void *aco_get_arg(void);

/* 1 for a main co, 0 for any other.  Aborts for NULL. */
int aco_is_main_co(const aco_t *co);

/*
 * What co is doing.  A main co is RESUMING while it waits for a co, else
 * RUNNING; so is a co that another thread runs, whatever it does there.
 * Aborts for NULL.  Costs a walk along the chain of resumes for a co that runs.
 */
typedef enum {
	ACO_STATE_INIT,	     /* never started, or not since aco_reset() */
	ACO_STATE_RUNNING,   /* the running co */
	ACO_STATE_RESUMING,  /* has resumed another one and waits for it */
	ACO_STATE_SUSPENDED, /* can be resumed */
	ACO_STATE_END	     /* has called aco_exit() */
} aco_state_t;
aco_state_t aco_state(const aco_t *co);

/* The library's version at run time, as in "2.0.0"; a constant string. */
const char *aco_version(void);

/*
 * In a program compiled with -DACO_CONFIG_SHARE_FPU_MXCSR_ENV, a call of
 * aco_create() by its name asks for ACO_SHARE_FPENV.  &aco_create is the plain
 * function, which does not: use aco_create2() through pointers.  Nothing else
 * changes, so such objects mix freely with others.
 */
#if defined(ACO_CONFIG_SHARE_FPU_MXCSR_ENV) && !defined(ACO_BUILDING_)
/*
 * An inline function would not do: -flto gives its body to other files, too.
 * Commas may be part of arguments; C++98 has no macros for that.
 */
#if defined(__cplusplus) && __cplusplus < 201103L
#define aco_create(main_co, share_stack, save_stack_sz, fp, arg) \
	aco_create2(main_co, share_stack, save_stack_sz, fp, arg, ACO_SHARE_FPENV)
#else
#define aco_create(...) aco_create2(__VA_ARGS__, ACO_SHARE_FPENV)
#endif
#endif

/* ------------------------------------------------------------ debugging -- */

/*
 * With on not 0, from here on the overflow of a guarded share stack writes
 * "libaco: stack overflow: co 0x... on share stack 0x... of N bytes" to
 * standard error before the signal takes its course.  That takes a handler for
 * SIGSEGV in the process, which passes on to the one before, and an alternate
 * signal stack in each thread: the calling thread has one afterwards, others
 * get theirs with their first aco_create() or aco_thread_init().  With on 0 the
 * handler is taken away.  A handler that the program installs later either
 * calls the old one, or this is called again after it, which puts the library's
 * in place once more.  Returns 0, or -1 with ENOMEM and nothing changed.
 */
int aco_overflow_report(int on);

/*
 * How many bytes of its share stack have been used, counted from where the
 * stack pointer begins to the deepest byte that is not 0: as size of a share
 * stack they would have sufficed.  Of the stack, not of the co alone: all its
 * users count, and on a stack without a guard what malloc(3) left there.  0 for
 * a main co.  Aborts for NULL.
 * Reads all that was never used: about 0.3 ms a MiB, the first time.
 */
size_t aco_stack_usage(const aco_t *co);

/* ----------------------------------------------------------- assertions -- */

#define aco_likely(x) (__builtin_expect(!!(x), 1))
#define aco_unlikely(x) (__builtin_expect(!!(x), 0))

/* Never compiled out, whatever NDEBUG says: abort(3) unless true. */
#define aco_assert(x) (aco_likely(x) ? (void)0 : abort())
#define aco_assertptr(ptr) aco_assert((ptr) != NULL)

/* The same for allocations: say on standard error where it failed, abort. */
#define aco_assertalloc_bool(x)  \
	(aco_likely(x) ? (void)0 \
		       : aco_alloc_failed_(__FILE__, __LINE__, __func__))
#define aco_assertalloc_ptr(ptr) aco_assertalloc_bool((ptr) != NULL)

/* For the two above alone. */
void aco_alloc_failed_(const char *file, int line,
		       const char *function) ACO_NORETURN_;

#if defined(ACO_INLINE_SWITCH_)
#include "aco/switch.h"
#endif

#ifdef __cplusplus
}
#endif

#endif /* ACO_H */
