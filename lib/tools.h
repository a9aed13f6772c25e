/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools.h - what sanitizers, Valgrind and C++ runtimes are told
 *
 * The library finds out at run time which of them the process has.  Without any
 * of them the cost is one test of aco_tools per switch and per copy.
 */
#ifndef ACO_TOOLS_H
#define ACO_TOOLS_H

#include "internal.h"

/*
 * ACO_UNCHECKED marks functions that no sanitizer may check, also when the
 * library itself is compiled with one.  Such a function reads memory that
 * belongs to other code, or begins as a part of one co and ends as a part of
 * another co.  ThreadSanitizer keeps a list of calls for each co.  So between
 * the notice of a switch and the switch, all functions are ACO_UNCHECKED, or
 * inline even where nothing is optimised.
 */
#if !defined(__clang__)
#define ACO_UNCHECKED                                         \
	__attribute__((__noinline__, __no_sanitize_address__, \
		       __no_sanitize_thread__))
#elif __has_feature(thread_sanitizer) && \
	__has_attribute(__disable_sanitizer_instrumentation__)
/* with no_sanitize ThreadSanitizer still keeps that list */
#define ACO_UNCHECKED \
	__attribute__((__noinline__, __disable_sanitizer_instrumentation__))
#else
#define ACO_UNCHECKED                \
	__attribute__((__noinline__, \
		       __no_sanitize__("address", "memory", "thread")))
#endif

/* Of a symbol that is NULL where no object has it. */
#define WEAK __attribute__((__weak__))

enum {
	ACO_TOOL_ASAN = 1,
	ACO_TOOL_TSAN = 2,
	ACO_TOOL_VALGRIND = 4,
	ACO_TOOL_CXX = 8, /* the exception state of a C++ runtime */
	ACO_TOOL_MSAN = 16,
	ACO_TOOL_CXX_MORE = 32, /* and of others */
	ACO_TOOL_LSAN = 64	/* there is one without ASan, too */
};
#define ACO_TOOLS_CXX (ACO_TOOL_CXX | ACO_TOOL_CXX_MORE)
/* The tools that are told of a switch before and after it, and all that are
   told. */
#define ACO_TOOLS_STACK (ACO_TOOL_ASAN | ACO_TOOL_MSAN)
#define ACO_TOOLS_SWITCH (ACO_TOOLS_STACK | ACO_TOOL_TSAN | ACO_TOOL_CXX_MORE)
ACO_HIDDEN extern unsigned aco_tools;

/*
 * Set aco_tools, once in the process and before its first co or stack.  A
 * library that is being loaded may call this, too, in a constructor.
 */
ACO_HIDDEN void aco_tools_process_ready(void);

/* What a tool needs of each co lies before its aco_t; see co_alloc(). */
ACO_HIDDEN size_t aco_tools_record(void);

static inline size_t aco_tools_record_size(void)
{
	return aco_likely(!aco_tools) ? 0 : aco_tools_record();
}

ACO_HIDDEN void aco_tools_co_new(aco_t *co);
ACO_HIDDEN void aco_tools_co_free(aco_t *co); /* if there are tools */
/*@
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN void aco_tools_stack_new(aco_share_stack_t *sstk);
ACO_HIDDEN void aco_tools_stack_free(aco_share_stack_t *sstk);

/* ---- where new cos begin --------------------------------------------------- */

ACO_HIDDEN extern const char aco_entry[];

/* The same, but calls aco_tools_entered() first, on the new stack. */
ACO_HIDDEN extern const char aco_entry_tools[];
ACO_HIDDEN void aco_tools_entered(void);

/* The resume address of a new co. */
static inline void *aco_tools_entry(void)
{
	return (void *)(uintptr_t)(aco_tools ? aco_entry_tools : aco_entry);
}

/* ---- cxx.c --------------------------------------------------------------- */

/* Itanium C++ ABI, 2.2.2: the exceptions that are caught and in flight. */
struct aco_cxx_globals {
	void *caught;
	unsigned uncaught;
};

/* Look for C++ runtimes.  May be called by several threads, and takes the lock
   of the dynamic linker. */
ACO_HIDDEN void aco_cxx_find(void);

/* How many were found; called once, the others only later. */
ACO_HIDDEN unsigned aco_cxx_count(void);

/* Set aco_thread.cxx to the state of the calling thread in the first
   runtime. */
ACO_HIDDEN void aco_cxx_thread(void);

/* The size of the states of all other runtimes, and the exchange of these. */
ACO_HIDDEN size_t aco_cxx_more_size(void);
ACO_HIDDEN void aco_cxx_more_switch(struct aco_cxx_globals *from,
				    const struct aco_cxx_globals *to);

/* ---- switches ------------------------------------------------------------ */

/*
 * Before a switch.  The exception state of a context that does not run lies
 * right before its aco_t.
 * The thread has been through aco_cxx_thread(): the first resume of a co in a
 * thread goes the long way, because the resumer is another one.
 */
static inline void aco_tools_cxx(aco_t *from, aco_t *to)
{
	struct aco_cxx_globals *now = aco_thread.cxx;

	((struct aco_cxx_globals *)(void *)from)[-1] = *now;
	*now = ((struct aco_cxx_globals *)(void *)to)[-1];
}

/* The other notices before a switch and after it. */
ACO_HIDDEN void aco_tools_leave(aco_t *from, aco_t *to);
ACO_HIDDEN void aco_tools_back(aco_t *co);

/* All notices before a switch, and those after it, when from goes on. */
ACO_ALWAYS_INLINE void aco_tools_before_switch(aco_t *from, aco_t *to)
{
	if (aco_tools & ACO_TOOL_CXX) {
		if (!aco_thread.cxx)
			aco_cxx_thread();
		aco_tools_cxx(from, to);
	}
	if (aco_tools & ACO_TOOLS_SWITCH)
		aco_tools_leave(from, to);
}

static inline void aco_tools_after_switch(aco_t *from)
{
	if (aco_tools & ACO_TOOLS_STACK)
		aco_tools_back(from);
}

/* From a call with 1 to a call with 0 the library reads memory that no program
   may read. */
ACO_HIDDEN void aco_tools_suppress_errors(int on);

/* The sz bytes at p, which the library has computed or written, are
   initialised. */
ACO_HIDDEN void aco_tools_defined(const void *p, size_t sz);

/* So are the first n arguments of the next call, of a function of the program.
   MemorySanitizer would use its records of an earlier call for them. */
ACO_HIDDEN void aco_tools_defined_args(size_t n);

/*
 * The bytes of co are about to leave its stack, as many as its save stack now
 * says, or to be written to it.
 */
/*@
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN void aco_tools_copy_out(aco_t *co);
/*@
  assigns \nothing;
  exits \false;
*/
ACO_HIDDEN void aco_tools_copy_in(aco_t *co, void *to, size_t sz);
ACO_HIDDEN void aco_tools_move(const struct aco_move *move);

static inline void aco_tools_before_copy_out(aco_t *co)
{
	if (aco_unlikely(aco_tools & ~ACO_TOOLS_CXX))
		aco_tools_copy_out(co);
}

static inline void aco_tools_before_copy_in(aco_t *co, void *to, size_t sz)
{
	if (aco_unlikely(aco_tools & ~ACO_TOOLS_CXX))
		aco_tools_copy_in(co, to, sz);
}

/*
 * The same for a copy in that arch/ARCH/context.S makes.  This is called last
 * before the copy, because there may be frames where the bytes will lie.
 */
static inline void aco_tools_before_move(const struct aco_move *move)
{
	if (aco_unlikely(aco_tools & ACO_TOOL_MSAN))
		aco_tools_move(move);
}

#endif /* ACO_TOOLS_H */
