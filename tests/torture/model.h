/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - what the manual pages say of cos, stacks and threads, without any
 * stack
 *
 * The model calls nothing of the library and knows none of its sources.  The
 * interpreter tells the model of each call; the model tells what the program
 * must see afterwards.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stddef.h>
#include <stdint.h>

/* As in aco_create(3). */
enum { M_SHARE_FPENV = 1, M_RETURN_EXITS = 2 };

/* As in aco_state(3). */
enum m_state { M_INIT, M_RUNNING, M_RESUMING, M_SUSPENDED, M_END };

enum m_kind { M_CO, M_MAIN, M_OWN /* a main co that the library has made */ };

struct m_words {
	uint16_t x87;
	uint32_t mxcsr;
};

/* A context can wait for a value; NULL is one, too. */
struct m_wait {
	int waits;
	void *value; /* what it gets when it goes on */
};

struct m_thread;

struct m_stack {
	int made, destroyed;
	int lost; /* in a child process: another thread had it */
	unsigned users;
	struct m_co *owner;
};

struct m_co {
	int made;
	enum m_kind kind;
	enum m_state state;
	unsigned flags;
	void *arg;
	struct m_stack *stack;
	struct m_co *main;
	struct m_co *resumer;
	struct m_thread *thread; /* of a main co: its own; NULL if that ended */
	unsigned cos;		 /* that were created with this main co */
	int away;		 /* its bytes are in its save stack */
	size_t saves, restores;
	struct m_words words; /* unless it shares those of its resumer */
	struct m_wait wait;
	const char *name;
};

struct m_thread {
	int alive;
	struct m_co own;
	struct m_co *running; /* NULL in the main context */
	struct m_co *main;    /* what stands for the main context, or NULL */
	struct m_words words; /* of the main context */
	struct m_words record;
	int recorded;
	struct m_wait wait;
};

/* What aco_stats() counts exactly. */
struct m_counts {
	size_t cos, stacks;
	uint64_t copies;
};

/* ---- what is no misuse ------------------------------------------------------ */

int m_is_lost(const struct m_co *co);
int m_can_resume(const struct m_thread *t, const struct m_co *co);
int m_can_yield_to(const struct m_thread *t, const struct m_co *co);
int m_can_destroy(const struct m_thread *t, const struct m_co *co);
int m_can_reset(const struct m_co *co);
int m_can_destroy_stack(const struct m_stack *s);
int m_can_name(const struct m_thread *t, const struct m_co *co);

/* ---- what a program sees ---------------------------------------------------- */

/* aco_get_co(), or NULL. */
struct m_co *m_current(const struct m_thread *t);

/* aco_state(), asked in thread t. */
enum m_state m_state(const struct m_thread *t, const struct m_co *co);

/* The control words that are in the processor. */
struct m_words *m_words(struct m_thread *t);

/* The co whose bytes have to move before co can run, or NULL. */
struct m_co *m_displaced(const struct m_co *co);

/* Whether a resume of co needs a main co of the library's own that is not there
   yet. */
int m_needs_own(const struct m_thread *t, const struct m_co *co);

/* Added to what was counted. */
void m_count_co(struct m_counts *c, const struct m_co *co);
void m_count_stack(struct m_counts *c, const struct m_stack *s);

/* ---- calls ------------------------------------------------------------------ */

void m_thread_start(struct m_thread *t, struct m_words words);
void m_thread_end(struct m_thread *t);
/* pthread_exit() inside a co. */
void m_thread_exit(struct m_thread *t);
/* In a child process, where only another thread goes on. */
void m_thread_lost(struct m_thread *t);
void m_thread_init(struct m_thread *t);
void m_create_main(struct m_thread *t, struct m_co *co, void *arg);
void m_create(struct m_thread *t, struct m_co *co, struct m_co *main,
	      struct m_stack *s, void *arg, unsigned flags);
void m_reset(struct m_thread *t, struct m_co *co, void *arg);
/* Returns the stack that this gives back, or NULL. */
struct m_stack *m_destroy(struct m_thread *t, struct m_co *co);
void m_set_name(struct m_co *co, const char *name);
void m_create_stack(struct m_stack *s);
void m_destroy_stack(struct m_stack *s);

/* The value, if the call passes one, reaches only a side that waits for it. */
void m_resume(struct m_thread *t, struct m_co *co, void *value);
void m_yield(struct m_thread *t, void *value);
void m_exit(struct m_thread *t, void *value);
void m_yield_to(struct m_thread *t, struct m_co *co);

/* The running context of t will wait for a value. */
struct m_wait *m_wait(struct m_thread *t);

#endif /* MODEL_H */
