/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torture.h - random programs of all calls, compared with a model
 *
 *	main.c    the command: makes programs, runs them in processes, shrinks one
 *	interp.c  runs a program, and looks at all that the library shows
 *	model.c   what has to be seen
 *	part.h    each switch, once inline and once by the exported functions
 *	throw.cc  exceptions in flight; no-throw.c where there is no C++
 *	exchange.c threads that run at the same time and hand cos to each other
 *	signals.c timers whose handlers scribble
 *	util.c    what they share
 *	fuzz.c    a program from libFuzzer
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- programs --------------------------------------------------------------- */

/* The head, then operations of four bytes: what, and three operands. */
#define HEAD 4
#define OP 4

/* In the first byte of the head. */
#define HEAD_THREADS 0x03   /* less one */
#define HEAD_WORLDS 0x0c    /* less one: worlds run at once, each with a part */
#define HEAD_ALLOCATOR 0x10 /* of the program's own */

struct figures {
	uint64_t operations, switches, signals, faults, cos, bytes, programs;
} __attribute__((__aligned__(8)));

/* A place that another process can read. */
extern struct figures *torture_figures;
extern int torture_trace;   /* say each operation on standard error */
extern int torture_signals; /* how often per second, 0: never */
extern int torture_aborts;  /* at a failure, for fuzzers; else _exit(1) */

/* Returns only if nothing was wrong. */
void torture_run(const unsigned char *program, size_t sz);

void torture_fail(const char *what, uintptr_t is, uintptr_t should)
	__attribute__((__noreturn__));
#define CHECK_EQ(what, is, should)                        \
	do {                                              \
		uintptr_t is_ = (uintptr_t)(is),          \
			  should_ = (uintptr_t)(should);  \
		if (is_ != should_)                       \
			torture_fail(what, is_, should_); \
	} while (0)

/* ---- part.h ----------------------------------------------------------------- */

enum call {
	CALL_RESUME,
	CALL_TRY_RESUME,
	CALL_RESUME_VALUE,
	CALL_YIELD,
	CALL_YIELD1,
	CALL_YIELD_VALUE,
	CALL_YIELD_TO,
	CALL_EXIT,
	CALL_EXIT1,
	CALL_EXIT_VALUE
};

struct aco_s;

/* A switch, on the stack of the context that leaves by it. */
struct change {
	enum call call;
	struct aco_s *co; /* where to, or the running one */
	void *value;
	void *got; /* what a call with a value returns */
	int result;
	uint32_t salt;
};

struct part {
	void (*change)(void *change);
	void (*hold)(void *change); /* with many values in registers */
	void (*tiny)(void);	    /* a function of cos with hardly a frame */
};
extern const struct part part_inline, part_func;

/* For tiny(): says what to do, and what id the frame has to keep. */
enum tiny { TINY_YIELD, TINY_EXIT, TINY_RETURN };
uintptr_t torture_enter(void);
enum tiny torture_tiny(uintptr_t id);

uint32_t torture_random(uint32_t *state);

/* ---- throw.cc --------------------------------------------------------------- */

/* Call fn(arg) while an exception is caught, or in flight. */
void torture_catch(void (*fn)(void *), void *arg, uintptr_t id);
void torture_unwind(void (*fn)(void *), void *arg, uintptr_t id);

/* ---- signals.c -------------------------------------------------------------- */

struct shooter {
	void *timers[2];
	void *stack;
	int on;
};
/* For the calling thread, until the other call. */
void torture_shoot(struct shooter *s);
void torture_hold_fire(struct shooter *s);

#ifdef __cplusplus
}
#endif

#endif /* TORTURE_H */
