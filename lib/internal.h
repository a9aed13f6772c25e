/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of the library know of each other
 *
 * Beside this: state.h, what a co does; memory.h, the memory of cos; stacks.h,
 * execution stacks; tools.h, sanitizers, Valgrind and C++ runtimes;
 * switch_impl.h, the parts of a switch; arch.h, the processor.
 */
#ifndef ACO_INTERNAL_H
#define ACO_INTERNAL_H

#include "aco.h"
#include "arch.h"

#include <pthread.h>

#define ACO_HIDDEN __attribute__((__visibility__("hidden")))
#define ACO_THREAD_LOCAL __thread __attribute__((__tls_model__("initial-exec")))

#define NOINLINE __attribute__((__noinline__))
#define COLD __attribute__((__cold__, __noinline__))
#define ACO_ALWAYS_INLINE static inline __attribute__((__always_inline__))

/* Indices into aco_t.reg have public names but for this one. */
#define ACO_REG_IDX_BX 3

/* Bits of aco_t.flags.  aco_create2() takes the first ones; the control words of
   the processor may need another (struct aco_control). */
enum {
	ACO_PUBLIC_FLAGS = ACO_SHARE_FPENV | ACO_RETURN_EXITS,
	ACO_SAVE_EMBEDDED = 8,	/* the save stack lies behind the aco_t */
	ACO_SAVE_OUTGROWN = 16, /* it did, and has become too small */
	ACO_MAIN_FAR = 16, /* a main co, without one: farther into its block */
	ACO_NAMED = 32	   /* name_table.c has a name for it */
};

#define ACO_IS_ALIGNED(ptr) (((uintptr_t)(ptr) & (sizeof(void *) - 1)) == 0)

/* ---- tls.c: what each thread has beside aco_gtls_co ---------------------- */

/* What is released when a thread ends, in this order. */
enum {
	ACO_RELEASE_MAIN,
	ACO_RELEASE_MEMORY,
	ACO_RELEASE_STACK,
	ACO_RELEASE_ALT_STACK,
	ACO_RELEASE_LISTED,
	ACO_RELEASES
};

/* What is counted while it exists: count.c. */
enum { ACO_COS, ACO_STACKS, ACO_KINDS };

struct aco_thread {
	struct aco_magazine *magazines; /* memory.c */
	struct aco_keeper *keeper;	/* stack_cache.c */
	aco_t *own_main;		/* made by the library: coroutine.c */
	size_t mains; /* made by the program, and not destroyed */
	void (*release[ACO_RELEASES])(void);
	void *alt_stack; /* for signals; freed when the thread ends */
	aco_cofuncp_t last_word;
	size_t cos_left; /* to be made of pieces at hand; the rest: count.c */
	size_t save_bytes;
	size_t copies, copied_bytes;
	size_t left[ACO_KINDS], taken[ACO_KINDS];
	uint64_t number; /* no other thread's; 0: not ready yet */
	void *cxx;	 /* the exception state of a C++ runtime */
	struct aco_control control;
	uint8_t ready;
	uint8_t looked_for_keeper;
	uint8_t had_magazines; /* a thread that ends gets none again */
	uint8_t is_listed;
	uint8_t was_listed; /* nor does it come back into the list */
	int tid;
	aco_t **current;		/* &aco_gtls_co */
	struct aco_thread *next, *prev; /* in aco_threads */
};
ACO_HIDDEN extern ACO_THREAD_LOCAL struct aco_thread aco_thread;

/* ---- thread_list.c ------------------------------------------------------- */

/*
 * The threads that use the library, under ACO_LOCK_THREADS: from their first
 * aco_thread_init() until they end, but for one of whose end the C library can't
 * tell.  Debuggers find them here.
 */
ACO_HIDDEN extern struct aco_thread *aco_threads;
ACO_HIDDEN void aco_thread_link(struct aco_thread *t);
ACO_HIDDEN void aco_thread_unlink(struct aco_thread *t);

/* Threads that are about to set the key of thread.c. */
ACO_HIDDEN extern unsigned aco_thread_key_users;

/* After fork(2), in the child: what other threads were doing never ends. */
ACO_HIDDEN void aco_thread_alone(void);

/* ---- thread.c ------------------------------------------------------------ */

/* Prepare the thread unless it is. */
static inline void aco_thread_ready(void)
{
	if (aco_unlikely(!aco_thread.ready))
		aco_thread_init(NULL);
}

/*
 * When the calling thread ends, release[i] is called.  Returns -1 with ENOMEM when
 * the C library has no key for that.
 */
ACO_HIDDEN int aco_thread_register_exit(unsigned i, void (*release)(void));

/* An alternate signal stack for the calling thread, unless the program has given
   it one.  -1: no memory. */
ACO_HIDDEN int aco_thread_alt_stack_new(void);
ACO_HIDDEN void aco_thread_alt_stack_free(void);

/* Set by aco_overflow_report(), for all threads and handlers.  While it is, each
   thread gets an alternate stack when it is prepared. */
ACO_HIDDEN extern int aco_overflow_reporting;

/* ---- unload.c ------------------------------------------------------------ */

/* 0: this code stays until the process ends. */
ACO_HIDDEN int aco_can_be_unloaded(void);

/*
 * A function that takes back what its file has left with the C library, the
 * kernel or malloc(3), if this code can be unloaded.  It runs when the plugin is
 * closed, and at exit(3).  Then other threads may go on with their cos, and the
 * calling thread may be in a co or in a handler.  Each file has its own, because
 * a linker takes only the files of an archive that are asked for.  The greater
 * number runs first.
 */
#define ACO_AT_UNLOAD(order) __attribute__((__destructor__(100 + (order))))

/* ---- lock.c: all locks of the library ------------------------------------ */

/* A thread that holds one takes only later ones, or tries. */
enum {
	ACO_LOCK_SHARDS = 0, /* of stack_cache.c, one for each shard */
	ACO_SHARDS = 16,
	ACO_LOCK_ARENA = ACO_LOCK_SHARDS + ACO_SHARDS,
	ACO_LOCK_SLABS,
	ACO_LOCK_THREADS,
	ACO_LOCK_NAMES,
	ACO_LOCK_OVERFLOW,
	ACO_LOCK_NOTES, /* of note.c, one for each list */
	ACO_NOTE_LISTS = 16,
	ACO_LOCK_NOTES_END = ACO_LOCK_NOTES + ACO_NOTE_LISTS - 1,
	ACO_LOCKS
};

struct aco_lock {
	pthread_mutex_t mutex;
} __attribute__((__aligned__(64)));
ACO_HIDDEN extern struct aco_lock aco_locks[ACO_LOCKS];

/* Before the first lock is taken; -1: no memory. */
ACO_HIDDEN int aco_fork_ready(void);

/* Not 0 in a thread that is forking and holds all locks. */
ACO_HIDDEN extern ACO_THREAD_LOCAL unsigned aco_forking;

static inline void aco_lock(unsigned lock)
{
	if (!aco_forking)
		pthread_mutex_lock(&aco_locks[lock].mutex);
}

/* 0 when it has been taken. */
static inline int aco_trylock(unsigned lock)
{
	return aco_forking ? 0 : pthread_mutex_trylock(&aco_locks[lock].mutex);
}

static inline void aco_unlock(unsigned lock)
{
	if (!aco_forking)
		pthread_mutex_unlock(&aco_locks[lock].mutex);
}

/* ---- coroutine.c: the main cos of the library's own ---------------------- */

/* Make that of the calling thread, which has none; NULL with ENOMEM. */
ACO_HIDDEN aco_t *aco_own_main_new(void);

/* co is a main co of the calling thread. */
static inline int aco_is_main_here(const aco_t *co)
{
	return co->thread == aco_thread.number;
}

/* The main co that co yields to when it was resumed from the main context of
   this thread; NULL: the one of the library's own is not made yet. */
static inline aco_t *aco_main_here(const aco_t *co)
{
	return aco_is_main_here(co->main_co) ? co->main_co
					     : aco_thread.own_main;
}

/*
 * The resumer of co, also in the instructions in which co ends and is still the
 * current one: the byte of is_end is no part of an address.
 */
static inline aco_t *aco_resumer_of(const aco_t *co)
{
	return (aco_t *)(uintptr_t)(co->thread & (UINT64_MAX >> 8));
}

/* ---- save_stack.c -------------------------------------------------------- */

/*
 * Make co the owner of its share stack: the bytes of the last owner go out, its
 * own come in.  Returns -1 with ENOMEM, and nothing changed, when the save stack
 * of the last owner can't grow.
 */
ACO_HIDDEN int aco_switch_owner(aco_t *co);

/* What has to be written to a share stack: words of a save stack, and zeros
   above them. */
struct aco_move {
	void *end; /* of both */
	const void *from;
	size_t words;
	size_t zeros;
};

/* The two halves of aco_switch_owner(), the second without the copying. */
ACO_HIDDEN int aco_copy_out(aco_t *co);
ACO_HIDDEN void aco_copy_in_later(aco_t *co, struct aco_move *move);

/* Free the save stack of co unless it is embedded. */
/*@
  requires \valid_read(co) && co->save_stack.sz <= SIZE_MAX / 4 * 3 + 8;
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN void aco_save_stack_free(aco_t *co);

/* ---- tally.c ------------------------------------------------------------- */

/* What threads have counted that are no more; under ACO_LOCK_THREADS. */
struct aco_tally {
	size_t given[ACO_KINDS], most[ACO_KINDS]; /* to all threads */
	size_t save_bytes;
	uint64_t copies, copied_bytes;
};
ACO_HIDDEN extern struct aco_tally aco_tally;

/* What t has left of a kind, its counts of copies, and all that it has goes
   there. */
ACO_HIDDEN void aco_tally_give_back(struct aco_thread *t, unsigned kind);
ACO_HIDDEN void aco_tally_copies(struct aco_thread *t);
ACO_HIDDEN void aco_tally_all(struct aco_thread *t);

/* ---- count.c ------------------------------------------------------------- */

/* A thread that has more left gives it back. */
#define ACO_MOST_LEFT 64

/* One of a kind is there now; or it is gone. */
/*@
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN void aco_count_made(unsigned kind);
ACO_HIDDEN void aco_count_gone(unsigned kind);

/* Save stacks have so many bytes more, and so many less. */
/*@
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN void aco_count_save_bytes(size_t more, size_t less);

/* Those of copies are about to be too large for a word. */
ACO_HIDDEN void aco_count_fold_copies(void);

static inline void aco_count_copied(size_t copies, size_t bytes)
{
	struct aco_thread *t = &aco_thread;

	aco_add(&t->copies, copies);
	aco_add(&t->copied_bytes, bytes);
	if (ACO_WORD < 8 && aco_unlikely(t->copied_bytes > SIZE_MAX / 2))
		aco_count_fold_copies();
}

/* ---- name_table.c -------------------------------------------------------- */

/*
 * The cos that have names, a table of room places under ACO_LOCK_NAMES: those
 * where co is not NULL, in any order.  Debuggers read it.
 */
struct aco_named {
	const aco_t *co;
	const char *name;
};
struct aco_names {
	struct aco_named *at;
	size_t room;
	size_t count; /* of the places that are taken */
};
ACO_HIDDEN extern struct aco_names aco_names;

/* -1: no memory for it. */
ACO_HIDDEN int aco_name_put(const aco_t *co, const char *name);

/* NULL when there is none. */
ACO_HIDDEN const char *aco_name_find(const aco_t *co);

/* co, which has a name, goes away, or its name does. */
ACO_HIDDEN void aco_name_drop(const aco_t *co);

/* The name, or NULL, of whatever is said to be a co, also in a signal handler,
   and where a lock is held: it may be missing then. */
ACO_HIDDEN const char *aco_name_if_free(const void *co);

/* ---- fail.c -------------------------------------------------------------- */

/* From here on the thread is not cancelled: it would end, and the process go
   on. */
ACO_HIDDEN void aco_must_abort(void);

/* "libaco: <call>: <what>: co 0x..." on standard error, with the name of a co
   that has one, then abort(). */
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
