/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of the library know of each other
 */
#ifndef ACO_INTERNAL_H
#define ACO_INTERNAL_H

#include "aco.h"
#include "thunks.h"

#include <pthread.h>

#define ACO_HIDDEN __attribute__((__visibility__("hidden")))

#define NOINLINE __attribute__((__noinline__))

/*
 * For exported functions that return after a switch, maybe on another thread.
 * None of them uses the address of aco_gtls_co after it; one that -flto inlined
 * into a caller's loop would.
 */
#define ACO_SWITCHES NOINLINE

/*
 * Values of aco_t.state.  "Fast" is a co that the code of aco/switch.h may
 * switch: the only user and the owner of its share stack, with nobody else to
 * tell.  "Lone" is the same in a process with libstdc++, whose exception state
 * has to be switched, too.  "Sharing" is a user of a stack that has others,
 * with nobody else to tell: that code may suspend it, as this copies nothing.
 * A co that has resumed another and waits stays running: it is told apart by
 * not being aco_gtls_co.  Each is a constant to store, never or-ed together.
 */
enum {
	ACO_INIT = 0, /* never started: reg leads to the entry frame */
	ACO_FAST_SUSPENDED = 1,
	ACO_LONE_SUSPENDED = 2,
	ACO_SHARING_SUSPENDED = 3,
	ACO_SUSPENDED = 4,
	ACO_SUSPENDED_INLINE = 5, /* was fast or lone: may have a red zone */
	ACO_FAST_RUNNING = 6,
	ACO_LONE_RUNNING = 7,
	ACO_SHARING_RUNNING = 8,
	ACO_RUNNING = 9,
	ACO_RETURNED = 10, /* fp returned without aco_exit(); about to abort */
	ACO_END = 11,
	ACO_MAIN = 12 /* stands for a thread's own stack */
};

static inline int aco_is_resumable(const aco_t *co)
{
	return co->state <= ACO_SUSPENDED_INLINE;
}

/* Runs, or waits for a co that it has resumed. */
static inline int aco_is_running(const aco_t *co)
{
	return co->state >= ACO_FAST_RUNNING && co->state <= ACO_RUNNING;
}

/* aco_t.reg has public names for the other three. */
#define ACO_REG_IDX_BX 3

/*
 * Bits of aco_t.flags: those of aco_create2(), one for the processor, one
 * for a save stack that is one piece with the co, and one for a save stack that
 * was and has become too small.  (That save_stack.ptr is co + 1 proves nothing:
 * a separate block may lie right there.)  The last one is that of a main co
 * which lies farther into its block than others.
 */
#define ACO_PUBLIC_FLAGS (ACO_SHARE_FPENV | ACO_RETURN_EXITS)
#define ACO_HAS_SSE 4u
#define ACO_ONE_PIECE 8u
#define ACO_OUTGROWN 16u
#define ACO_MAIN_FAR 32u

#define ACO_IS_ALIGNED(ptr) (((uintptr_t)(ptr) & (sizeof(void *) - 1)) == 0)

/* ---- arch/: the assembly switch ---------------------------------------- */

/*
 * Suspend the running context into from->reg and continue the one in to->reg.
 * Returns 0 when from is continued.  The second one switches the control words
 * as well.  land is aco_switch_landing, which the caller can address without
 * upsetting the return predictor on i386.
 */
#if defined(__x86_64__)
#define ACO_REGPARM
#else
#define ACO_REGPARM __attribute__((__regparm__(3)))
#endif
ACO_HIDDEN ACO_REGPARM int aco_switch(aco_t *from, aco_t *to, const char *land);
ACO_HIDDEN ACO_REGPARM int aco_switch_fpenv(aco_t *from, aco_t *to,
					    const char *land);
ACO_HIDDEN extern const char aco_switch_landing[];

/*
 * As aco_switch(), with aco_value_landing, but returns what whoever continues
 * from stores where its stack pointer is, in reg; NULL if nothing.
 */
ACO_HIDDEN ACO_REGPARM void *aco_switch_value(aco_t *from, aco_t *to,
					      const char *land);
ACO_HIDDEN extern const char aco_value_landing[];

/* The control words alone, as in aco_switch_fpenv(). */
static inline void aco_exchange_words(aco_t *from, const aco_t *to)
{
	if (from->flags & ACO_HAS_SSE)
		__asm__ volatile("stmxcsr %0\n\tldmxcsr %1"
				 : "=m"(from->mxcsr)
				 : "m"(to->mxcsr));
	__asm__ volatile("fnstcw %0\n\tfldcw %1"
			 : "=m"(from->fpucw)
			 : "m"(to->fpucw));
}

/* What has to be written to a share stack: words of a save stack, and zeros
   above them. */
struct aco_move {
	void *end; /* of both */
	const void *from;
	size_t words;
	size_t zeros;
};

/*
 * As aco_switch(), but to uses the stack that from runs on.  Once from has all
 * its registers on it, it calls aco_leave_place(), and returns -1 if that does.
 */
ACO_HIDDEN ACO_REGPARM int aco_switch_in_place(aco_t *from, aco_t *to);
ACO_HIDDEN ACO_REGPARM int aco_leave_place(aco_t *from, aco_t *to,
					   struct aco_move *move);

/* Where new cos begin; the second one where a tool wants to hear of it. */
ACO_HIDDEN extern const char aco_entry[];
ACO_HIDDEN extern const char aco_entry_tools[];

/* Where the function of a co returns to, in both. */
ACO_HIDDEN extern const char aco_entry_return[];

/* Where backtraces end that have nowhere to go. */
ACO_HIDDEN extern const char aco_no_resumer[];

/* Called by the entry frame when the function of the running co returns. */
ACO_HIDDEN void aco_returned(void) ACO_NORETURN_;

/* ---- thread.c ----------------------------------------------------------- */

/* What each thread has beside aco_gtls_co. */
struct aco_thread {
	aco_t *own_main; /* made by the library, freed when the thread ends */
	void *alt_stack; /* the same; for the handler of overflow.c */
	aco_cofuncp_t last_word;
	uint64_t number; /* no other thread's; 0: not ready yet */
	void *cxx;	 /* the exception state of a C++ runtime */
	uint32_t mxcsr;	 /* what new cos start with */
	uint16_t fpucw;
	uint8_t ready;
	uint8_t has_sse;
};
ACO_HIDDEN extern __thread struct aco_thread aco_thread
	__attribute__((__tls_model__("initial-exec")));

/* Find out who else is in the process; keys.  Once. */
ACO_HIDDEN void aco_process_ready(void);

/* Prepare the thread unless it is. */
ACO_HIDDEN void aco_thread_ready(void);

/* After fork(2), in the child: what other threads were doing never ends. */
ACO_HIDDEN void aco_thread_alone(void);

/* Make the main co of the library's own for this thread, which has none; NULL
   with ENOMEM. */
ACO_HIDDEN aco_t *aco_thread_own_main(void);

/*
 * What struct aco_thread holds of the calling thread shall be freed at its end;
 * -1 with ENOMEM when that can't be had.
 */
ACO_HIDDEN int aco_thread_notice_end(void);

/* ---- fork.c ------------------------------------------------------------- */

/* Before the first lock is taken; -1: no memory. */
ACO_HIDDEN int aco_fork_ready(void);

/* Not 0 in a thread that is forking and holds all locks of the library. */
ACO_HIDDEN extern __thread unsigned aco_forking
	__attribute__((__tls_model__("initial-exec")));

static inline void aco_lock(pthread_mutex_t *lock)
{
	if (!aco_forking)
		pthread_mutex_lock(lock);
}

/* 0 when it has been taken. */
static inline int aco_trylock(pthread_mutex_t *lock)
{
	return aco_forking ? 0 : pthread_mutex_trylock(lock);
}

static inline void aco_unlock(pthread_mutex_t *lock)
{
	if (!aco_forking)
		pthread_mutex_unlock(lock);
}

/* ---- unload.c ----------------------------------------------------------- */

/* 0: this code stays until the process ends. */
ACO_HIDDEN int aco_can_be_unloaded(void);

/* ---- overflow.c --------------------------------------------------------- */

/* An alternate stack for the calling thread, if overflows are reported. */
ACO_HIDDEN void aco_overflow_thread_ready(void);
ACO_HIDDEN void aco_overflow_thread_end(void);
ACO_HIDDEN void aco_overflow_unload(void);

/* All of overflow.c, for fork(2). */
ACO_HIDDEN void aco_overflow_lock(void);
ACO_HIDDEN void aco_overflow_unlock(void);

/* ---- coroutine.c -------------------------------------------------------- */

/* own: the library's own of the calling thread. */
ACO_HIDDEN aco_t *aco_main_new(aco_cofuncp_t fp, void *arg, unsigned flags,
			       int own);
ACO_HIDDEN void aco_main_free(aco_t *co);

/*
 * Who resumed co, also in the instructions in which it ends and is still the
 * current one: the byte of is_end is no part of an address.
 */
static inline aco_t *aco_resumer_of(const aco_t *co)
{
#if defined(__x86_64__)
	return (aco_t *)(uintptr_t)(co->thread & (UINT64_MAX >> 8));
#else
	return co->resumer;
#endif
}

/* co is a main co of the calling thread. */
static inline int aco_is_main_here(const aco_t *co)
{
	return co->thread == aco_thread.number;
}

/* Who co goes back to when the main context resumes it; NULL: the main co of
   the library's own is not made yet. */
static inline aco_t *aco_main_of(const aco_t *co)
{
	return aco_is_main_here(co->main_co) ? co->main_co
					     : aco_thread.own_main;
}

/* ---- switch.c ----------------------------------------------------------- */

/*
 * A switch in two steps.  The first checks, keeps the books and returns whom to
 * suspend; the second, aco_go(), suspends from and continues to, and tells of
 * it who wants to know.  co is the one of both that is not the resumer: whether
 * the control words are switched is its property.
 */
ACO_HIDDEN aco_t *aco_prepare_resume(aco_t *co, const char *call);
ACO_HIDDEN aco_t *aco_prepare_yield(const char *call);
ACO_HIDDEN aco_t *aco_prepare_exit(aco_t *co, const char *call);
ACO_HIDDEN int aco_go(aco_t *from, aco_t *to, const aco_t *co);

/* Or abort. */
ACO_HIDDEN void aco_check_resumable(const aco_t *co, const char *call);
ACO_HIDDEN void aco_check_running(const aco_t *co, const char *call);

/* What else they are made of. */
ACO_HIDDEN int aco_take_stack(aco_t *co, const char *call);
ACO_HIDDEN int aco_running_state(aco_t *co);
ACO_HIDDEN int aco_suspended_state(const aco_t *co);

/* ---- memory.c ----------------------------------------------------------- */

/* Memory as malloc(3) gives it; NULL with ENOMEM. */
ACO_HIDDEN void *aco_mem_alloc(size_t sz);

/* Free it; sz is what it was allocated with. */
ACO_HIDDEN void aco_mem_free(void *ptr, size_t sz);

/* ---- save_stack.c ------------------------------------------------------- */

/*
 * Give co the share stack: the owner's bytes out, its own in.  Returns -1 with
 * ENOMEM, and nothing changed, when the owner's save stack can't grow.
 */
ACO_HIDDEN int aco_make_present(aco_t *co);

/* The two halves of it, the second without the copying. */
ACO_HIDDEN int aco_copy_out(aco_t *co);
ACO_HIDDEN void aco_copy_in_later(aco_t *co, struct aco_move *move);

/* Unless it is one piece with co. */
ACO_HIDDEN void aco_save_stack_free(aco_t *co);

/* ---- share_stack.c ------------------------------------------------------ */

/*
 * The top of a share stack.  The processor wants the stack pointer 16-byte
 * aligned where a function is called, on both architectures.
 *
 *	         high addresses
 *	       +---------------------------+
 *	       | aco_no_resumer + 1        | where a walk ends, see arch/link.h
 *	       +---------------------------+
 *	       | address of the share stack| for whoever walks the stack
 *	 base  +---------------------------+ 16-byte aligned; where sp begins
 *	       | return into the entry     | align_retptr; the same for every co
 *	       +---------------------------+   of the stack, so never copied
 *	       | frame of the co's function|
 *	       :                           :
 *	 reg[SP]                             when suspended: lowest live byte
 */
static inline char *aco_stack_base(const aco_share_stack_t *sstk)
{
	return (char *)sstk->align_retptr + sizeof(void *);
}

/*
 * Its owner runs, waits for a co that it has resumed, or is in the protector:
 * its bytes can't be moved away, and nobody else's can lie there.
 */
static inline int aco_is_in_use(const aco_share_stack_t *sstk)
{
	const aco_t *owner = sstk->owner;

	return owner && (aco_is_running(owner) || owner->state == ACO_RETURNED);
}

/*
 * What aco_share_stack_t.users of a destroyed stack is more than the number of
 * its users.  Where there are some, it waits for the last of them, without an
 * owner and with none of them "fast": no switch but a resume that has to make
 * its co the owner meets it.  Its memory may be gone, if it was the caller's.
 */
#define ACO_DESTROYED (SIZE_MAX / 2 + 1)

static inline int aco_is_destroyed(const aco_share_stack_t *sstk)
{
	return sstk->users >= ACO_DESTROYED;
}

/* Destroyed, and without users now. */
ACO_HIDDEN void aco_stack_free(aco_share_stack_t *sstk);

/* The most that the kernel takes of a stack for a signal, red zone included. */
ACO_HIDDEN size_t aco_signal_frame(void);

/* Whether an access of addr is caught by the guard of the stack. */
ACO_HIDDEN int aco_is_in_guard(const aco_share_stack_t *sstk, const void *addr);

/* Another user comes, or the stack goes: co, whatever it does, is fast no
   more. */
ACO_HIDDEN void aco_demote(aco_t *co);

/* ---- fail.c ------------------------------------------------------------- */

/* From here on the thread is not cancelled: it would end, and the process go
   on. */
ACO_HIDDEN void aco_must_abort(void);

/* "libaco: <call>: <what>: co 0x..." on standard error, then abort(). */
ACO_HIDDEN __attribute__((__cold__)) void
aco_misuse(const char *call, const char *what, const void *co) ACO_NORETURN_;

/* "libaco: <call>: <what> <it> <is>: co 0x...", where it is an address. */
ACO_HIDDEN __attribute__((__cold__)) void
aco_misuse_of(const char *call, const char *what, const void *it,
	      const char *is, const void *co) ACO_NORETURN_;

/* The two lines of the protector; without the abort. */
ACO_HIDDEN void aco_report_return(const aco_t *co);

ACO_HIDDEN void aco_report_overflow_of(const aco_t *co);

#endif /* ACO_INTERNAL_H */
