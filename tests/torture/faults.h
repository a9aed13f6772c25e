/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.h - what the library does when what it asks for is refused
 *
 *	faults.c            the command: runs each scenario with each fault in a
 *	                    process of its own, and compares what is left
 *	faults-inject.c     takes the place of the functions that can fail
 *	faults-scenarios.c  what is done with the library meanwhile
 *	faults-kernel.c     seccomp filters and limits, where the kernel refuses
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <aco.h>

/* ---- faults-inject.c -------------------------------------------------------- */

enum function {
	F_MALLOC,
	F_CALLOC,
	F_ALLOCATOR, /* of aco_set_allocator() */
	F_MMAP,
	F_MUNMAP,
	F_MPROTECT,
	F_MADVISE,
	F_KEY_CREATE,
	F_SETSPECIFIC,
	F_ATFORK,
	F_SIGALTSTACK,
	F_SIGACTION,
	F_THREAD, /* pthread_create(), by the scenario */
	F_ANY,	  /* each of these */
	FUNCTIONS
};

extern const char *const function_names[FUNCTIONS];

/* The call number at fails, or, if it is to persist, that one and all later. */
struct plan {
	enum function function;
	unsigned at;	/* from 1; 0: never */
	unsigned error; /* which one of those that it can fail with */
	int persists;
	int lies; /* says that it has done what it was asked to, and has not */
};

extern struct plan plan;
extern unsigned struck;	    /* how often it was carried out */
extern int no_guard_advice; /* as before Linux 6.13 */

/* Only the calls between count; each thread for itself. */
void faults_begin(void);
void faults_end(void);
void faults_end_of_thread(void);

#define LIB(call)                      \
	__extension__({                \
		faults_begin();        \
		__auto_type r_ = call; \
		faults_end();          \
		r_;                    \
	})
#define LIB_VOID(call)          \
	do {                    \
		faults_begin(); \
		call;           \
		faults_end();   \
	} while (0)

/* Whether the call that has begun last, or was refused since, was struck. */
int faults_struck_call(void);

/* Whether the scenario's own call is to fail. */
int faults_strike(enum function f);

/* How many errors a function can fail with; 0 if it can't lie, or can. */
unsigned faults_errors(enum function f);
int faults_can_lie(enum function f);

/* What the library has from elsewhere. */
struct holdings {
	size_t blocks;	  /* of malloc(3) */
	size_t mapped;	  /* bytes */
	size_t kept;	  /* of these: munmap(2) was refused */
	size_t alternate; /* of these: signal stacks that threads have left */
	size_t keys;
	size_t anonymous; /* bytes, as the kernel says */
};
struct holdings faults_holdings(void);

/* ---- faults-scenarios.c ----------------------------------------------------- */

struct scenario {
	const char *name;
	void (*run)(void);
	int is_alone; /* must be the first of the process to use the library */
	int is_limited; /* makes so many mappings that limits take long */
};
extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* Cos that exist before anything fails, and have to be intact afterwards. */
void bystanders_make(void);
void bystanders_check(void);
void bystanders_destroy(void);

/* ---- faults.c --------------------------------------------------------------- */

/* In shared memory. */
struct report {
	unsigned calls[FUNCTIONS]; /* in the first run */
	unsigned struck, reported, repeated;
	int may_abort; /* the call that runs now does, if it was refused memory */
	struct holdings left;
	char flaw[400];
	char where[100];
};
extern struct report *report;

/* Whether the kernel refuses, so that it is not known when and how often. */
extern int kernel_refuses;

/* Something was said to be done, and was not. */
extern int lied;

void flaw(const char *format, ...)
	__attribute__((__noreturn__, __format__(__printf__, 1, 2)));
#define MUST(x) \
	((x) ? (void)0 : flaw("%s:%d: not so: %s", __FILE__, __LINE__, #x))

/* A call has failed with errno, which has to be one of two.  1: call it again. */
int again(const char *call, int error, int other);

/* ---- faults-kernel.c -------------------------------------------------------- */

struct condition {
	const char *name;
	int (*run)(const struct scenario *s, const struct condition *c,
		   unsigned step); /* 0: not to be had here */
	int number, answer;
	unsigned steps, few; /* in all, and in a short run */
};
extern const struct condition conditions[];
extern const size_t condition_count;

#endif /* FAULTS_H */
