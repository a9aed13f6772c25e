/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aco.h - stackful asymmetric coroutines
 *
 * A coroutine (co) is a function with a stack of its own that can suspend
 * itself in the middle and be continued later.  "Asymmetric" means that each
 * direction has a call of its own: aco_resume() enters a co, aco_yield() goes
 * back to its resumer.
 *
 *   main co         stands for the stack a thread already has
 *   share stack     an execution stack, used by one or more cos
 *   standalone co   the only user of its share stack; its bytes never move
 *   sharing co      one of several users; while another user runs on the share
 *                   stack, its live bytes are in its private save stack
 *   resumer         the co that last resumed a co; aco_yield() returns to it
 *
 * Failures: if the system has no memory or mappings left, or an argument is
 * invalid, a call with an error result returns NULL or -1 and sets errno, and
 * nothing has changed.  After any other misuse the library writes one line
 * "libaco: <call>: <what is wrong>: co 0x..." to standard error, with the name
 * of a co that has one, and calls abort(3).
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

/* clang's second stack belongs to the thread: cos would overwrite each other's
   variables there. */
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
	size_t valid_sz;   /* bytes that it holds now: from reg[SP] on, or from
			      a red zone below it, without words of zero at the
			      top of the stack */
	size_t max_cpsz;   /* largest copy so far, in bytes */
	size_t ct_save;	   /* copies out of the share stack */
	size_t ct_restore; /* copies back in */
} aco_save_stack_t;

/*
 * A share stack, made by aco_share_stack_new2() or aco_share_stack_from().
 * Programs may read the fields of the first part; the others belong to the
 * library.
 */
struct aco_share_stack_s {
	void *ptr;	    /* lowest usable byte */
	size_t sz;	    /* usable bytes from there up */
	aco_t *owner;	    /* the co whose bytes lie on the stack, or NULL */
	void *align_retptr; /* the return address of a co's function */
	char guard_page_enabled;

	uint8_t origin; /* where the memory comes from */
	uint16_t slot;	/* in its arena */
	unsigned valgrind_id;
	size_t users;	  /* cos created on the stack and not destroyed */
	aco_t *sole_user; /* a user in one of the "fast" states, or NULL */
	aco_share_stack_t *next; /* in a list of destroyed stacks */
};

/*
 * A coroutine, made by aco_create(), never by the program.  Programs may read
 * reg, arg, fp, is_end, main_co, share_stack and save_stack, and write arg.  No
 * compile-time macro changes the layout.
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

	/* With 64-bit pointers is_end is the highest byte of resumer: it is 0
	   in each address, and a co that has ended has no resumer any more.
	   With 32-bit pointers the two lie beside each other. */
	__extension__ union {
		aco_t *resumer;	 /* the last one, until the co ends */
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

/* What debuggers read. */
struct aco_debug;
extern struct aco_debug aco_debug_;

/*
 * Whether aco_resume() and aco_yield() are inlined: where the compiler can be
 * told which registers a switch changes.
 *
 * In such a file the two functions have other symbols than elsewhere, by which
 * the library exports them, too.  With -flto the body that one file has for a
 * symbol may serve the calls of another file, which was compiled for more
 * registers, or with ACO_NO_INLINE.
 */
#if !defined(ACO_NO_INLINE) && !defined(ACO_BUILDING_) && defined(__GNUC__) && \
	defined(ACO_ARCH_INLINES_)
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
 * Prepare the calling thread: record its floating-point control words.  Cos
 * that the thread creates afterwards start with them.  Optional: the first
 * aco_create() of a thread does the same.  A last_word that is not NULL becomes
 * the thread's protector: the library calls it when the function of a co
 * returns without aco_exit().  NULL keeps the present protector.  Costs a few
 * instructions.
 */
void aco_thread_init(aco_cofuncp_t last_word);

/* --------------------------------------------------------- share stacks -- */

/* aco_share_stack_new2(sz, 1). */
aco_share_stack_t *aco_share_stack_new(size_t sz);

/*
 * Make an execution stack with at least sz bytes for the program: 0 means 2
 * MiB, values below 4096 mean 4096.  The library adds room for the frame of one
 * signal, and for the dynamic linker at the first call of a function.  If guard
 * is not 0, the size is rounded up to whole pages or more, and a guard of 64 KiB
 * lies below them, on which an overflow faults.
 * Returns NULL with ENOMEM (no memory, or no mapping left: before Linux 6.13 a
 * guarded stack takes two of vm.max_map_count) or EINVAL (sz overflows).
 * A guarded stack costs no system call if it takes the place of a destroyed one,
 * and no lock if the thread destroyed that one last; otherwise it costs one system
 * call, and a few stacks cost some more.
 */
aco_share_stack_t *aco_share_stack_new2(size_t sz, char guard);

/*
 * Make a share stack from the sz bytes of memory at mem.  The memory belongs to
 * the caller, and must stay readable and writable until the share stack is
 * destroyed, which does not free it.  The library needs up to 200 bytes at the
 * top, adds no room for signals and first calls, and makes no guard.
 * Returns NULL with ENOMEM, or EINVAL (mem is NULL, sz is less than 4096 or
 * reaches beyond the end of the address space).  Costs one allocation.
 */
aco_share_stack_t *aco_share_stack_from(void *mem, size_t sz);

/*
 * Give a share stack back.  If cos of the stack still exist, it is only marked
 * as destroyed: the cos can't be resumed any more, and the aco_destroy() of the
 * last one gives the stack back.  The library does not touch memory of the
 * caller after this call.  Aborts if sstk is NULL or destroyed, or if one of
 * its cos runs or waits for a co that it has resumed.
 * The library keeps a guarded stack of up to 4 MiB for the next one of about
 * its size, see aco_share_stack_cache_limit().
 */
void aco_share_stack_destroy(aco_share_stack_t *sstk);

/*
 * Limit the bytes of destroyed guarded stacks that the library keeps for reuse.
 * The full size of each stack counts, used or not.  Without this call the limit
 * is 32 MiB.  The call gives all kept stacks back; with 0 the library keeps
 * none afterwards.
 */
void aco_share_stack_cache_limit(size_t bytes);

/* --------------------------------------------------------------- memory -- */

/* Functions that allocate and free memory; see aco_set_allocator(). */
typedef struct {
	void *(*alloc)(size_t size, void *ctx); /* returns NULL: no memory */
	void (*free)(void *ptr, size_t size, void *ctx);
	void *ctx;
} aco_allocator_t;

/*
 * Take the memory of all cos, main cos included, and of their save stacks from
 * allocator, which is copied.  alloc returns memory that is aligned like that
 * of malloc(3); free gets it back with the size that alloc was asked for.  The
 * library calls both in any thread and on any stack.  Call aco_set_allocator()
 * before the process makes its first co, and before other threads use the
 * library.
 * Returns 0, or -1 with EBUSY (the process has made a co before) or EINVAL
 * (allocator, alloc or free is NULL).
 */
int aco_set_allocator(const aco_allocator_t *allocator);

/* ------------------------------------------------------------- lifetime -- */

/* Flags of aco_create2(). */
#define ACO_SHARE_FPENV 1u  /* do not switch floating-point control words */
#define ACO_RETURN_EXITS 2u /* returning from fp ends the co */

/*
 * If main_co is NULL, make a main co for the calling thread: arg and fp are
 * recorded, share_stack and save_stack_sz are ignored.  Otherwise make a co
 * that runs fp on share_stack when it is first resumed, where aco_get_arg()
 * returns arg.  If main_co is an ordinary co, the new co belongs to the main co
 * of that one.
 * save_stack_sz is the initial size of the save stack in bytes.  The save stack
 * grows when it must; with 0 the first copy decides.  The call never writes to
 * the share stack.
 * Returns NULL with ENOMEM, or EINVAL (NULL or misaligned argument, destroyed
 * share stack, sizes that overflow, unknown flags).
 * Costs one allocation, of which the thread mostly has the memory at hand.
 */
aco_t *aco_create(aco_t *main_co, aco_share_stack_t *share_stack,
		  size_t save_stack_sz, aco_cofuncp_t fp, void *arg);

/* aco_create() with flags: ACO_SHARE_FPENV, ACO_RETURN_EXITS, or both. */
aco_t *aco_create2(aco_t *main_co, aco_share_stack_t *share_stack,
		   size_t save_stack_sz, aco_cofuncp_t fp, void *arg,
		   unsigned flags);

/*
 * Free a co that was never started, is suspended or has ended, or a main co of
 * the calling thread or of a thread that has ended.  The call does not release
 * what a suspended co holds (memory, locks, C++ objects).  A main co must
 * outlive the cos that were created with it.
 * Aborts if co is NULL, is running, has resumed another co and waits for it
 * (main cos included), or is the library's own main co.
 */
void aco_destroy(aco_t *co);

/*
 * Prepare a co that was never started, is suspended or has ended to start again
 * at its next resume: with fp and arg, and with the floating-point control
 * words that aco_create() would give it now.  The co keeps its share stack,
 * main co, flags, save stack, statistics and name.  The call does not release
 * what a suspended co holds.
 * Returns 0, or -1 with EINVAL (co is NULL, misaligned or a main co, its share
 * stack is destroyed, or fp is NULL).  Aborts if co is running, or has resumed
 * another co and waits for it.
 * Allocates nothing.
 */
int aco_reset(aco_t *co, aco_cofuncp_t fp, void *arg);

/* ------------------------------------------------------------ switching -- */

/*
 * Start or continue co; returns when co yields or exits.  Any co may resume any
 * other that is not running and has another share stack.  The call keeps the
 * callee-saved registers and, unless co was created with ACO_SHARE_FPENV, the
 * floating-point control words.
 * Aborts if co is NULL, a main co, running or ended, if a running co uses the
 * same share stack, if the share stack is destroyed, and where aco_try_resume()
 * fails with ENOMEM.
 * Costs two copies of live stack bytes if another co owns the share stack,
 * otherwise none.
 */
void aco_resume(aco_t *co) ACO_INLINED_AS_("aco_resume_inline_");

/*
 * As aco_resume(), but returns 0, or -1 with nothing changed: ENOMEM (no memory
 * to make room on the share stack, or for a main co of the library's own) or
 * EINVAL (co is NULL or misaligned).
 */
int aco_try_resume(aco_t *co);

/*
 * Suspend the running co and go on in its resumer.  Returns when the co is
 * resumed again.  Copies nothing.  Aborts outside a co.
 */
void aco_yield(void) ACO_INLINED_AS_("aco_yield_inline_");

/* As aco_yield(); aborts if co is not the running co. */
void aco_yield1(aco_t *co);

/*
 * Suspend the running co and go on in co at once.  co inherits the resumer of
 * the caller: when co yields or exits, the resumer goes on.  Both cos may use
 * one share stack.  The call keeps callee-saved registers and floating-point
 * control words as aco_yield() does.
 * Returns 0 when the caller is continued, or -1 with nothing changed: ENOMEM
 * (no memory for the bytes of a co that must make room) or EINVAL (co is NULL
 * or misaligned).
 * Aborts outside a co, and if co is a main co, running or ended, if another
 * running co uses its share stack, or if the share stack is destroyed.
 * Costs one switch where aco_yield() and aco_resume() take two, and two copies
 * of live stack bytes if another co owns the share stack of co.
 */
int aco_yield_to(aco_t *co);

/*
 * Fetch the memory of co into the processor's cache: what each switch of co reads,
 * and a save stack of up to 128 bytes that was given to aco_create().  A program
 * with more cos than the cache holds calls it for a co that it will resume after
 * some others, about eight.  The call waits for nothing and changes nothing; co
 * may be NULL.
 * Costs four instructions.
 */
void aco_prefetch(const aco_t *co);

/*
 * End the running co (is_end becomes 1), release its share stack and go on in
 * its resumer.  Aborts outside a co.
 */
void aco_exit(void) ACO_NORETURN_;

/* As aco_exit(); aborts if co is not the running co. */
void aco_exit1(aco_t *co) ACO_NORETURN_;

/*
 * As aco_resume(), aco_yield() and aco_exit(), with a pointer each way:
 * aco_yield_value() returns the pointer given to aco_resume_value(), and
 * aco_resume_value() the one given to aco_yield_value() or aco_exit_value().  A
 * pointer is lost if the other side waits in another call, or if the co only
 * starts: pass it as arg then.  A call returns NULL if another call continued
 * it.
 */
void *aco_resume_value(aco_t *co, void *v);
void *aco_yield_value(void *v);
void aco_exit_value(void *v) ACO_NORETURN_;

/* ------------------------------------------------------------ questions -- */

/*
 * The running co.  In the main context: NULL until the thread first resumes a
 * co; afterwards the main_co of the co that it last resumed or, if that belongs
 * to another thread, a main co of the library's own.
 */
aco_t *aco_get_co(void);
aco_t *aco_co(void);

/* aco_get_co()->arg.  Aborts if aco_get_co() is NULL. */
void *aco_get_arg(void);

/* 1 for a main co, 0 for any other co.  Aborts if co is NULL. */
int aco_is_main_co(const aco_t *co);

/*
 * The state of co.  A main co is RESUMING while it waits for a co, otherwise
 * RUNNING.  A co that runs or waits in another thread is RUNNING.
 * Aborts if co is NULL.  For a running co it walks along the chain of resumes.
 */
typedef enum {
	ACO_STATE_INIT,	     /* never started, or not since aco_reset() */
	ACO_STATE_RUNNING,   /* the running co */
	ACO_STATE_RESUMING,  /* has resumed another one and waits for it */
	ACO_STATE_SUSPENDED, /* can be resumed */
	ACO_STATE_END	     /* has ended */
} aco_state_t;
aco_state_t aco_state(const aco_t *co);

/* 1 if co has ended, otherwise 0: co->is_end for languages that cannot read the
   field.  Aborts if co is NULL. */
int aco_is_end(const aco_t *co);

/*
 * The value of a flag of aco_create2() or of an aco_state_t by its name, as in
 * "ACO_STATE_END", for languages that have no header.  Returns -1 with EINVAL
 * if there is none.
 */
int aco_constant(const char *name);

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
#define aco_create(main_co, share_stack, save_stack_sz, fp, arg)  \
	aco_create2(main_co, share_stack, save_stack_sz, fp, arg, \
		    ACO_SHARE_FPENV)
#else
#define aco_create(...) aco_create2(__VA_ARGS__, ACO_SHARE_FPENV)
#endif
#endif

/* ------------------------------------------------------------ debugging -- */

/*
 * If on is not 0, report overflows of guarded share stacks from now on: write
 * "libaco: stack overflow: co 0x... on share stack 0x... of N bytes" to
 * standard error before the signal takes effect.  For that the library installs
 * a handler for SIGSEGV, which calls the earlier handler, and makes an
 * alternate signal stack for each thread: for the calling thread now, for other
 * threads at their first aco_create() or aco_thread_init().  If on is 0, remove
 * the handler.
 * A handler that the program installs later must call the old one, or the
 * program must call aco_overflow_report(1) again after that.
 * Returns 0, or -1 with ENOMEM and nothing changed.
 */
int aco_overflow_report(int on);

/*
 * Name co, which may be a main co, for lines on standard error and for
 * debuggers; or take its name away, if name is NULL.  The string is not copied:
 * it must not change and stay until co is destroyed or gets another name.
 * Without memory for a name co has none, and errno is ENOMEM.
 * Aborts if co is NULL or has been destroyed.
 * Costs a lock and a place in a table, which is two pointers in a table of twice
 * that size, more or less; cos without a name cost nothing.
 */
void aco_set_name(aco_t *co, const char *name);

/* The name of co, or NULL.  Aborts if co is NULL.  Costs a lock if co has a
   name. */
const char *aco_get_name(const aco_t *co);

/* Counts of this process, for aco_stats(). */
typedef struct {
	uint64_t cos;	      /* made and not destroyed, ended ones included */
	uint64_t cos_peak;    /* no more than so many at once */
	uint64_t stacks;      /* made and not given back */
	uint64_t stacks_peak; /* no more than so many at once */
	uint64_t stacks_cached; /* destroyed, and kept for reuse */
	uint64_t save_bytes;	/* in the save stacks of all cos: their sizes */
	uint64_t copies;	/* to share stacks and away from them, */
	uint64_t copied_bytes;	/* and how much */
	uint64_t reserved[16];	/* 0; later versions may count more */
} aco_stats_t;

/*
 * Store the counts in *stats.  Cos are those of aco_create(), main cos included.
 * What other threads make, destroy and copy during the call may count or not.
 * A peak is at least the true one; it is that, if one thread makes and
 * destroys all, up to 64 cos, and one size of stacks; see aco_stats(3).
 * Returns 0, or -1 with EINVAL (stats is NULL).
 * Costs a lock and a walk through the threads that use the library.
 */
int aco_stats(aco_stats_t *stats);

/*
 * The number of bytes of the share stack of co that have been used, from the
 * first stack pointer to the deepest byte that is not 0.  A share stack of this
 * size would have been large enough.  All users of the stack count, and so do
 * bytes that malloc(3) left in a stack without a guard.  0 for a main co.
 * Aborts if co is NULL.
 * Reads the unused part of the stack: about 0.3 ms for each MiB the first time.
 */
size_t aco_stack_usage(const aco_t *co);

/* ----------------------------------------------------------- assertions -- */

#define aco_likely(x) (__builtin_expect(!!(x), 1))
#define aco_unlikely(x) (__builtin_expect(!!(x), 0))

/* Call abort(3) unless x is true, even if NDEBUG is defined. */
#define aco_assert(x) (aco_likely(x) ? (void)0 : abort())
#define aco_assertptr(ptr) aco_assert((ptr) != NULL)

/* The same for allocations, with a line on standard error that names it. */
#define aco_assertalloc_bool(x)  \
	(aco_likely(x) ? (void)0 \
		       : aco_alloc_failed_(__FILE__, __LINE__, __func__))
#define aco_assertalloc_ptr(ptr) aco_assertalloc_bool((ptr) != NULL)

/* Only for the two macros above. */
void aco_alloc_failed_(const char *file, int line,
		       const char *function) ACO_NORETURN_;

#if defined(ACO_INLINE_SWITCH_)
#include "aco/switch.h"
#endif

#ifdef __cplusplus
}
#endif

#endif /* ACO_H */
