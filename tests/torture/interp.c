/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interp.c - runs a program of four-byte operations, each in the context that
 * the one before has led to
 *
 * A world has its own cos, stacks and one to four threads, of which one runs at
 * a time, so that the same program always does the same.  Several worlds run at
 * once.
 *
 * An operation that would be misuse is left out, and so is one for which the
 * stack has no room.  After each operation everything that the library shows is
 * compared with the model.  A switch is told to the model where it arrives.
 */
#include <aco.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../regs.h"
#include "model.h"
#include "torture.h"
#include "util.h"

#define COS 20
#define STACKS 8
#define THREADS 4
#define WORLDS 4
#define DEPTH 8

#define THROW_ROOM ((size_t)(SANITIZED ? 64 : 16) << 10)

/* pthread_exit(3) of musl unwinds nothing */
#if defined(__GLIBC__)
#define UNWINDS 1
#else
#define UNWINDS 0
#endif

#define RED_ZONE 128
#define CROWD (IN_TSAN ? 4 : 64) /* of one operation */
#define CROWD_OF_STACKS 12

struct context {
	struct frame frames[DEPTH];
	int depth;
};

struct stack {
	aco_share_stack_t *sstk;
	struct m_stack m;
	size_t asked;
	int guard;
	char *memory; /* of the program's own, and what lies around it */
	size_t sz;
};

struct slot {
	aco_t *co;
	struct m_co m;
	struct stack *stack;
	struct context context;
	aco_cofuncp_t fp;
	int exits_by_return;
	uintptr_t id;
	size_t max_copy;
};

struct thread {
	struct world *world;
	struct m_thread m;
	aco_t *own; /* as far as it has been seen */
	struct context context;
	pthread_t pthread;
	sem_t baton;
	struct shooter shooter;
	int fail_in; /* this allocation fails; 0: none */
	int failed;
};

/* A switch that the model does not know yet. */
struct pending {
	enum { NOTHING, ENTER, YIELD, END, TO } kind;
	struct slot *co;
	void *value;
	size_t back; /* bytes that leave the save stack of co */
};

struct world {
	const unsigned char *ops, *end;
	int number;
	uint64_t counter;
	uint32_t random;
	struct slot cos[COS];
	struct stack stacks[STACKS];
	struct thread threads[THREADS];
	struct thread *current;
	struct thread *ended; /* to be joined */
	struct pending pending;
	struct figures figures;
	struct counts {
		uint64_t copies_of_gone; /* cos that were destroyed */
		uint64_t copied_bytes;
		size_t most_cos, most_stacks;
	} counts;
	int unwinding; /* a thread ends inside a co */
	unsigned to_unwind;
	int child; /* a process that ends after so many operations, or 0 */
	int misreturns;
};

int torture_trace;

static int own_allocator; /* it can't be taken back */
static int several_worlds;
static pthread_key_t end_key;
static size_t in_use;
static size_t signal_frame;
static aco_stats_t before; /* the program */

/* ---- threads ---------------------------------------------------------------- */

static __thread struct thread *this_thread;

/* The compiler must not know that the answer was the same before a switch. */
static __attribute__((__noinline__)) struct thread *me(void)
{
	__asm__ volatile("");
	return this_thread;
}

void torture_where(void)
{
	struct thread *t = me();

	if (t)
		torture_say("FAILED in world ", (uintptr_t)t->world->number,
			    " at operation ", (uintptr_t)t->world->counter,
			    " thread ", (uintptr_t)(t - t->world->threads),
			    (char *)NULL);
}

/* ---- the program's own allocator -------------------------------------------- */

#define EXTRA 16 /* keeps the alignment */

static void *give_memory(size_t sz, void *ctx)
{
	struct thread *t = me();
	char *ptr;

	(void)ctx;
	if (t && t->fail_in && --t->fail_in == 0) {
		t->failed++;
		t->world->figures.faults++;
		return NULL;
	}
	ptr = malloc(sz + EXTRA);
	if (!ptr)
		abort();
	memset(ptr, 0xa5, sz + EXTRA);
	memcpy(ptr, &sz, sizeof(sz));
	__atomic_add_fetch(&in_use, sz, __ATOMIC_RELAXED);
	return ptr + EXTRA;
}

static void take_memory(void *ptr, size_t sz, void *ctx)
{
	char *block = (char *)ptr - EXTRA;
	size_t asked;

	(void)ctx;
	memcpy(&asked, block, sizeof(asked));
	CHECK_EQ("the size of memory that comes back", sz, asked);
	__atomic_sub_fetch(&in_use, sz, __ATOMIC_RELAXED);
	memset(block, 0x5a, sz + EXTRA);
	free(block);
}

/* ---- what is on the stacks -------------------------------------------------- */

static struct slot *slot_of(struct m_co *m)
{
	return (struct slot *)((char *)m - offsetof(struct slot, m));
}

static struct stack *stack_of(struct m_stack *m)
{
	return (struct stack *)((char *)m - offsetof(struct stack, m));
}

static struct slot *running(struct thread *t)
{
	return t->m.running ? slot_of(t->m.running) : NULL;
}

static struct context *context(struct thread *t)
{
	return t->m.running ? &slot_of(t->m.running)->context : &t->context;
}

static void check_frames(const struct context *c)
{
	for (int i = 0; i < c->depth; i++)
		check_frame(&c->frames[i]);
}

/* Bytes between here and the lowest address of the running stack. */
static __attribute__((__noinline__)) size_t room(struct thread *t)
{
	volatile char here = 0;
	struct slot *s = running(t);
	size_t left;

	if (!s)
		return (size_t)1 << 18;
	left = (size_t)((uintptr_t)&here - (uintptr_t)s->stack->sstk->ptr);
	return left < 2 * signal_frame ? 0 : left - 2 * signal_frame;
}

/* ---- what the library shows ------------------------------------------------- */

static void check_current(struct thread *t)
{
	struct m_co *m = m_current(&t->m);
	aco_t *co = aco_get_co();

	if (!m) {
		CHECK_EQ("aco_get_co() before the first resume", co, 0);
		return;
	}
	if (m->kind == M_OWN) {
		torture_check(co != NULL, "a main co of the library's own");
		if (!t->own)
			t->own = co;
		CHECK_EQ("aco_get_co() in the main context", co, t->own);
		CHECK_EQ("its argument", aco_get_arg(), 0);
		CHECK_EQ("its name", aco_get_name(co), m->name);
	} else {
		CHECK_EQ("aco_get_co()", co, slot_of(m)->co);
		CHECK_EQ("aco_get_arg()", aco_get_arg(), m->arg);
	}
	CHECK_EQ("aco_co()", aco_co(), co);
	CHECK_EQ("aco_is_main_co()", aco_is_main_co(co), m->kind != M_CO);
}

static void check_words(struct thread *t)
{
	struct m_words w = words_now(), *should = m_words(&t->m);

	CHECK_EQ("the control word of the x87 unit", w.x87, should->x87);
	CHECK_EQ("MXCSR", w.mxcsr, should->mxcsr);
}

static const aco_state_t states[] = {
	[M_INIT] = ACO_STATE_INIT,	   [M_RUNNING] = ACO_STATE_RUNNING,
	[M_RESUMING] = ACO_STATE_RESUMING, [M_SUSPENDED] = ACO_STATE_SUSPENDED,
	[M_END] = ACO_STATE_END,
};

static void check_co(struct thread *t, struct slot *s)
{
	const struct m_co *m = &s->m;
	const aco_t *co = s->co;
	const aco_save_stack_t *save = &co->save_stack;

	CHECK_EQ("aco_state()", aco_state(co), states[m_state(&t->m, m)]);
	CHECK_EQ("is_end", co->is_end, m->kind == M_CO && m->state == M_END);
	CHECK_EQ("arg", co->arg, m->arg);
	CHECK_EQ("fp", co->fp, s->fp);
	CHECK_EQ("aco_get_name()", aco_get_name(co), m->name);
	if (m->kind == M_MAIN) {
		CHECK_EQ("main_co of a main co", co->main_co, 0);
		CHECK_EQ("share_stack of a main co", co->share_stack, 0);
		return;
	}
	CHECK_EQ("main_co", co->main_co, slot_of(m->main)->co);
	CHECK_EQ("share_stack", co->share_stack, s->stack->sstk);
	CHECK_EQ("ct_save", save->ct_save, m->saves);
	CHECK_EQ("ct_restore", save->ct_restore, m->restores);
	CHECK_EQ("whether the save stack holds bytes", save->valid_sz != 0,
		 m->away);
	torture_check(save->valid_sz <= save->sz, "valid_sz > sz");
	torture_check(!save->ptr == !save->sz, "a save stack without bytes");
	/* a red zone, which may come with the bytes, does not count */
	torture_check(save->max_cpsz >= s->max_copy &&
			      save->max_cpsz + RED_ZONE >= save->valid_sz,
		      "max_cpsz");
	CHECK_EQ("max_cpsz of a co that was never copied", save->max_cpsz != 0,
		 m->saves != 0);
	s->max_copy = save->max_cpsz;
}

static void check_all(struct thread *t)
{
	struct world *w = t->world;

	check_current(t);
	check_words(t);
	for (int i = 0; i < COS; i++)
		if (w->cos[i].m.made && !m_is_lost(&w->cos[i].m))
			check_co(t, &w->cos[i]);
	for (int i = 0; i < STACKS; i++) {
		struct stack *s = &w->stacks[i];

		if (s->m.made && !s->m.destroyed && !s->m.lost)
			CHECK_EQ("owner", s->sstk->owner,
				 s->m.owner ? slot_of(s->m.owner)->co : NULL);
	}
}

/* ---- switches --------------------------------------------------------------- */

static size_t valid_bytes(const struct m_co *m)
{
	return m ? slot_of((struct m_co *)m)->co->save_stack.valid_sz : 0;
}

/* Tell the model of the switch that has led here, which is where it has to
   lead. */
static void arrive(struct context *here)
{
	struct thread *t = me();
	struct world *w = t->world;
	struct pending p = w->pending;
	struct m_co *displaced = NULL;

	CHECK_EQ("the thread that runs", t, w->current);
	w->pending.kind = NOTHING;
	t->fail_in = 0;
	if (p.kind == ENTER || p.kind == TO)
		displaced = m_displaced(&p.co->m);
	switch (p.kind) {
	case NOTHING:
		torture_fail("a switch that nobody asked for", 0, 0);
	case ENTER:
		m_resume(&t->m, &p.co->m, p.value);
		break;
	case YIELD:
		m_yield(&t->m, p.value);
		break;
	case END:
		m_exit(&t->m, p.value);
		break;
	case TO:
		m_yield_to(&t->m, &p.co->m);
		break;
	}
	w->figures.switches++;
	w->figures.bytes += valid_bytes(displaced);
	w->counts.copied_bytes += valid_bytes(displaced) + p.back;
	CHECK_EQ("the context that a switch leads to", here, context(t));
	check_all(t);
	if (here->depth > 0)
		check_frame(&here->frames[here->depth - 1]);
	if (w->counter % 8 == 0)
		check_frames(here);
}

static void expect(struct world *w, int kind, struct slot *co, void *value)
{
	CHECK_EQ("a switch that did not arrive", w->pending.kind, NOTHING);
	w->pending.kind = kind;
	w->pending.co = co;
	w->pending.value = value;
	w->pending.back = co ? valid_bytes(&co->m) : 0;
}

/* Whether the call could not have failed for want of memory. */
static int needs_no_memory(struct thread *t, struct slot *to)
{
	struct m_co *m = m_displaced(&to->m);
	aco_share_stack_t *sstk = to->stack->sstk;
	aco_t *owner;

	if (m_needs_own(&t->m, &to->m))
		return 0;
	if (!m)
		return 1;
	if (m == t->m.running) /* its stack pointer is not known */
		return 0;
	owner = slot_of(m)->co;
	return owner->save_stack.sz >=
	       (uintptr_t)sstk->align_retptr + 256 -
		       (uintptr_t)owner->reg[ACO_REG_IDX_SP];
}

/* After a call that reports lack of memory. */
static void check_no_memory(struct thread *t, struct slot *to)
{
	struct world *w = t->world;

	CHECK_EQ("errno without memory", *errno_here(), ENOMEM);
	torture_check(t->failed > 0, "ENOMEM though there was memory");
	torture_check(!needs_no_memory(t, to), "ENOMEM where none was needed");
	torture_check(w->pending.kind == TO || w->pending.kind == ENTER,
		      "a switch that failed has switched");
	w->pending.kind = NOTHING;
	t->fail_in = 0;
	check_all(t);
}

/* ---- operations ------------------------------------------------------------- */

/* Names and counts have what would be resumes, so that the bytes of the others
   stay what they are in corpus/. */
enum op {
	OP_RESUME,
	OP_NAME,
	OP_STATS,
	OP_YIELD,
	OP_YIELD_TO,
	OP_EXIT,
	OP_DEEPER,
	OP_RETURN,
	OP_CREATE,
	OP_CREATE_MAIN,
	OP_DESTROY,
	OP_RESET,
	OP_STACK,
	OP_STACK_DESTROY,
	OP_CACHE,
	OP_WORDS,
	OP_THREAD_INIT,
	OP_INVALID,
	OP_PASS,
	OP_THREAD,
	OP_LOOK,
	OP_THROW,
	OP_ARG,
	OP_PREFETCH,
	OP_CONSTANT,
	OP_CROWD,
	OP_THREAD_EXIT,
	OP_FORK,
	OPS
};

/* Their shares of 256, and names for traces. */
static const struct {
	unsigned char share;
	const char *name;
} table[OPS] = {
	[OP_RESUME] = { 64, ": resume co " },
	[OP_NAME] = { 3, ": name co " },
	[OP_STATS] = { 1, ": stats " },
	[OP_YIELD] = { 52, ": yield " },
	[OP_YIELD_TO] = { 26, ": yield to co " },
	[OP_EXIT] = { 7, ": exit " },
	[OP_DEEPER] = { 14, ": call, words " },
	[OP_RETURN] = { 12, ": return to depth " },
	[OP_CREATE] = { 20, ": create co " },
	[OP_CREATE_MAIN] = { 2, ": create main co " },
	[OP_DESTROY] = { 8, ": destroy co " },
	[OP_RESET] = { 5, ": reset co " },
	[OP_STACK] = { 5, ": make stack " },
	[OP_STACK_DESTROY] = { 3, ": destroy stack " },
	[OP_CACHE] = { 1, ": limit of kept stacks " },
	[OP_WORDS] = { 6, ": set control words " },
	[OP_THREAD_INIT] = { 1, ": init thread " },
	[OP_INVALID] = { 3, ": invalid call " },
	[OP_PASS] = { 5, ": pass to thread " },
	[OP_THREAD] = { 2, ": start or end thread " },
	[OP_LOOK] = { 3, ": look at co " },
	[OP_THROW] = { 4, ": throw " },
	[OP_ARG] = { 1, ": set arg of co " },
	[OP_PREFETCH] = { 1, ": prefetch co " },
	[OP_CONSTANT] = { 1, ": constant " },
	[OP_CROWD] = { 4, ": make and destroy " },
	[OP_THREAD_EXIT] = { 1, ": pthread_exit() in co " },
	[OP_FORK] = { 1, ": fork " },
};

static unsigned char decode[256];

static void make_decode(void)
{
	int n = 0;

	for (int op = 0; op < OPS; op++)
		for (int i = 0; i < table[op].share; i++)
			decode[n++] = (unsigned char)op;
	if (n != 256)
		torture_fail("the sum of the shares", (uintptr_t)n, 256);
}

/* It happens; operand and how are for the reader of a trace. */
static void count(struct world *w, enum op op, uintptr_t operand, unsigned how)
{
	w->figures.operations++;
	if (!torture_trace)
		return;
	torture_say("", (uintptr_t)w->counter, ": world ", (uintptr_t)w->number,
		    " thread ", (uintptr_t)(w->current - w->threads), " co ",
		    w->current->m.running
			    ? (uintptr_t)(running(w->current) - w->cos)
			    : (uintptr_t)99,
		    table[op].name, operand, ", ", (uintptr_t)how,
		    (char *)NULL);
}

/* The first co from number on that may be used like that. */
#define FIND_CO(w, number, s, condition)                                  \
	do {                                                              \
		struct slot *found_ = NULL;                               \
		for (int i_ = 0; i_ < COS && !found_; i_++) {             \
			(s) = &(w)->cos[((number) + (unsigned)i_) % COS]; \
			if (condition)                                    \
				found_ = (s);                             \
		}                                                         \
		(s) = found_;                                             \
	} while (0)

static struct stack *find_stack(struct world *w, unsigned number, int made)
{
	for (unsigned i = 0; i < STACKS; i++) {
		struct stack *s = &w->stacks[(number + i) % STACKS];

		if (s->m.made == made &&
		    !(made && (s->m.destroyed || s->m.lost)))
			return s;
	}
	return NULL;
}

static void *some_value(struct world *w)
{
	return (void *)(uintptr_t)torture_random(&w->random);
}

/* A new one for each start, from which the slot is known. */
static uintptr_t some_id(struct world *w, const struct slot *s)
{
	return (uintptr_t)torture_random(&w->random) / 32 * 32 +
	       (uintptr_t)(s - w->cos);
}

static struct slot *arrive_in_co(void)
{
	struct world *w = me()->world;
	struct slot *s = w->pending.co;

	torture_check(s && (w->pending.kind == ENTER || w->pending.kind == TO),
		      "a co that starts by itself");
	CHECK_EQ("the state of a co that starts", s->m.state, M_INIT);
	s->context.depth = 0;
	arrive(&s->context);
	return s;
}

static void run(struct context *c);
static void end_thread(void *arg);
static void words_body(void);

/* The function of a co with frames. */
static void body(void)
{
	struct slot *s = arrive_in_co();

	run(&s->context);
	torture_check(s->exits_by_return || me()->world->misreturns,
		      "a function that returns");
}

/* The same, if a function was called as the ABI says. */
REGS_ENTRY_ARG void regs_entered(uintptr_t sp)
{
	CHECK_EQ("alignment at the start of a co", (sp + sizeof(void *)) % 16,
		 0);
	body();
}

static void misaligned(struct world *w, aco_t **co, aco_share_stack_t **sstk)
{
	struct slot *s;
	struct stack *st = find_stack(w, 0, 1);

	FIND_CO(w, 0, s, s->m.made);
	*co = s ? (aco_t *)((char *)s->co + 1) : NULL;
	*sstk = st ? (aco_share_stack_t *)((char *)st->sstk + 1) : NULL;
}

#define EINVAL_FROM(what, call)                                    \
	do {                                                       \
		*errno_here() = 0;                                 \
		torture_check((call), what "");                    \
		CHECK_EQ("errno of " what, *errno_here(), EINVAL); \
	} while (0)

static void invalid_create(struct world *w, unsigned a)
{
	aco_share_stack_t *bad_stack;
	struct slot *main;
	struct stack *s = find_stack(w, a, 1);
	aco_t *bad_co;

	FIND_CO(w, a, main, main->m.made && main->m.kind == M_MAIN);
	misaligned(w, &bad_co, &bad_stack);
	if (!main || !s)
		return;
	EINVAL_FROM("unknown flags", !aco_create2(main->co, s->sstk, 0, body,
						  NULL, 4 << a % 29));
	EINVAL_FROM("unknown flags of a main co",
		    !aco_create2(NULL, NULL, 0, NULL, NULL, 1u << 31));
	EINVAL_FROM("a co without stack",
		    !aco_create(main->co, NULL, 0, body, NULL));
	EINVAL_FROM("a co without function",
		    !aco_create(main->co, s->sstk, 0, NULL, NULL));
	EINVAL_FROM("a misaligned main co",
		    !aco_create(bad_co, s->sstk, 0, body, NULL));
	EINVAL_FROM("a misaligned stack",
		    !aco_create(main->co, bad_stack, 0, body, NULL));
	EINVAL_FROM("a large save stack",
		    !aco_create(main->co, s->sstk, SIZE_MAX / 2 + 1 + a, body,
				NULL));
	for (int i = 0; i < STACKS; i++)
		if (w->stacks[i].m.made && w->stacks[i].m.destroyed)
			EINVAL_FROM("a destroyed stack",
				    !aco_create(main->co, w->stacks[i].sstk, 0,
						body, NULL));
}

static void invalid(struct world *w, unsigned a)
{
	struct thread *t = w->current;
	aco_share_stack_t *bad_stack;
	aco_t *bad_co;
	char byte;

	misaligned(w, &bad_co, &bad_stack);
	invalid_create(w, a);
	EINVAL_FROM("a large stack",
		    !aco_share_stack_new2(SIZE_MAX / 2 + 1 + a, a & 1));
	EINVAL_FROM("a stack from nothing", !aco_share_stack_from(NULL, 65536));
	EINVAL_FROM("a small stack", !aco_share_stack_from(&byte, a % 4096));
	EINVAL_FROM("a stack over the end",
		    !aco_share_stack_from(&byte, SIZE_MAX - a));
	EINVAL_FROM("a resume of NULL", aco_try_resume(NULL) == -1);
	EINVAL_FROM("counts to NULL", aco_stats(NULL) == -1);
	EINVAL_FROM("a reset of NULL", aco_reset(NULL, body, NULL) == -1);
	if (bad_co) {
		EINVAL_FROM("a resume of a misaligned co",
			    aco_try_resume(bad_co) == -1);
		EINVAL_FROM("a reset of a misaligned co",
			    aco_reset(bad_co, body, NULL) == -1);
	}
	for (int i = 0; i < COS; i++) {
		struct slot *s = &w->cos[i];

		if (!s->m.made)
			continue;
		if (s->m.kind == M_MAIN)
			EINVAL_FROM("a reset of a main co",
				    aco_reset(s->co, body, NULL) == -1);
		else if (m_can_reset(&s->m) && s->m.stack->destroyed)
			EINVAL_FROM("a reset without stack",
				    aco_reset(s->co, body, NULL) == -1);
		else if (m_can_reset(&s->m))
			EINVAL_FROM("a reset without function",
				    aco_reset(s->co, NULL, NULL) == -1);
	}
	if (t->m.running) {
		EINVAL_FROM("a yield to NULL", aco_yield_to(NULL) == -1);
		if (bad_co)
			EINVAL_FROM("a yield to a misaligned co",
				    aco_yield_to(bad_co) == -1);
	}
}

static aco_cofuncp_t some_function(unsigned a)
{
	switch (a % 6) {
	case 4:
	case 5:
		return words_body;
	case 0:
		return parts[0]->tiny;
	case 1:
		return parts[1]->tiny;
	case 2:
		return regs_entry;
	default:
		return body;
	}
}

static const size_t stack_sizes[] = {
	4096, 4096, 8192, 16384, 16384, 65536, 65536, 262144,
};

static const unsigned short save_sizes[] = { 0, 0, 0, 1, 64, 128, 300, 5000 };

static void create(struct thread *t, const unsigned char *op)
{
	struct world *w = t->world;
	struct slot *s, *main;
	struct stack *st = find_stack(w, op[1], 1);
	unsigned flags = op[2] & 3;
	void *arg = some_value(w);
	size_t save = save_sizes[op[3] % 8];
	aco_t *co;

	FIND_CO(w, op[2] / 4, s, !s->m.made);
	/* an ordinary co may stand for its main co */
	FIND_CO(w, op[3], main,
		main->m.made && (main->m.kind == M_MAIN || op[2] & 0x80));
	if (!s || !main || !st)
		return;
	count(w, OP_CREATE, (uintptr_t)(s - w->cos), flags);
	memset(s, 0, sizeof(*s));
	s->fp = some_function(op[1] / 8);
	if (own_allocator && op[3] >= 0xe0 && t->m.recorded)
		t->fail_in = 1;
	t->failed = 0;
	*errno_here() = 0;
	if (!flags && op[3] & 0x10)
		co = aco_create(main->co, st->sstk, save, s->fp, arg);
	else
		co = aco_create2(main->co, st->sstk, save, s->fp, arg, flags);
	t->fail_in = 0;
	if (t->failed) {
		CHECK_EQ("a co without memory", co, 0);
		CHECK_EQ("its errno", *errno_here(), ENOMEM);
		return;
	}
	torture_check(co != NULL, "aco_create2()");
	m_create(&t->m, &s->m, &main->m, &st->m, arg, flags);
	s->co = co;
	s->stack = st;
	s->exits_by_return = !!(flags & M_RETURN_EXITS);
	s->id = some_id(w, s);
	torture_check(co->save_stack.sz >= save,
		      "the first size of a save stack");
	w->figures.cos++;
}

static void create_main(struct thread *t, const unsigned char *op)
{
	struct world *w = t->world;
	struct slot *s;
	void *arg = some_value(w);
	int mains = 0;

	for (int i = 0; i < COS; i++)
		mains += w->cos[i].m.made && w->cos[i].m.kind == M_MAIN;
	FIND_CO(w, op[1], s, !s->m.made);
	if (!s || mains >= 6)
		return;
	count(w, OP_CREATE_MAIN, (uintptr_t)(s - w->cos), op[2] & 1);
	memset(s, 0, sizeof(*s));
	/* what a main co ignores, it also may get */
	s->fp = op[2] & 2 ? body : NULL;
	s->co = aco_create2(NULL,
			    w->stacks[0].m.made ? w->stacks[0].sstk : NULL,
			    op[2], s->fp, arg, op[2] & 1 ? 0 : M_SHARE_FPENV);
	torture_check(s->co != NULL, "a main co");
	m_create_main(&t->m, &s->m, arg);
}

#define AROUND 256
#define AROUND_BYTE 0x6b

/* Memory of the program's own: nothing outside may change. */
static void check_around(const struct stack *s)
{
	for (size_t i = 0; i < AROUND; i++) {
		CHECK_EQ("a byte below a stack", (unsigned char)s->memory[i],
			 AROUND_BYTE);
		CHECK_EQ("a byte above a stack",
			 (unsigned char)s->memory[AROUND + s->sz + i],
			 AROUND_BYTE);
	}
}

/* The library has given the stack back. */
static void forget_stack(struct stack *s)
{
	if (s->memory) {
		for (size_t i = 0; i < s->sz; i++)
			CHECK_EQ("a byte of memory that was given back",
				 (unsigned char)s->memory[AROUND + i],
				 AROUND_BYTE);
		check_around(s);
		free(s->memory);
	}
	s->memory = NULL;
	s->sstk = NULL;
}

static void destroy(struct thread *t, struct slot *s)
{
	struct m_stack *gone = m_destroy(&t->m, &s->m);

	t->world->counts.copies_of_gone += s->m.saves + s->m.restores;
	aco_destroy(s->co);
	s->co = NULL;
	if (gone)
		forget_stack(stack_of(gone));
}

static void reset(struct thread *t, const unsigned char *op)
{
	struct world *w = t->world;
	struct slot *s;
	void *arg = some_value(w);

	FIND_CO(w, op[1], s, m_can_reset(&s->m) && !s->m.stack->destroyed);
	if (!s)
		return;
	count(w, OP_RESET, (uintptr_t)(s - w->cos), 0);
	s->fp = some_function(op[2]);
	s->id = some_id(w, s);
	CHECK_EQ("aco_reset()", aco_reset(s->co, s->fp, arg), 0);
	m_reset(&t->m, &s->m, arg);
}

static void make_stack(struct world *w, const unsigned char *op)
{
	struct stack *s = find_stack(w, op[1], 0);
	int from = op[2] % 4 == 0;

	if (!s)
		return;
	count(w, OP_STACK, (uintptr_t)(s - w->stacks), op[2]);
	memset(s, 0, sizeof(*s));
	s->asked = stack_sizes[op[2] / 4 % 8] + (SANITIZED ? 65536 : 0);
	s->guard = op[2] % 4 > 1;
	if (from) {
		s->sz = s->asked + 3 * signal_frame + 4096 + op[3] % 64;
		s->memory = malloc(s->sz + 2 * AROUND);
		if (!s->memory)
			abort();
		memset(s->memory, AROUND_BYTE, s->sz + 2 * AROUND);
		s->sstk = aco_share_stack_from(s->memory + AROUND, s->sz);
		s->guard = 0;
	} else if (s->guard && op[3] & 1) {
		s->sstk = aco_share_stack_new(s->asked);
	} else {
		s->sstk = aco_share_stack_new2(s->asked, s->guard ? 1 : 0);
	}
	torture_check(s->sstk != NULL, "a stack");
	m_create_stack(&s->m);
	torture_check(s->sstk->sz >= s->asked, "the size of a stack");
	CHECK_EQ("guard_page_enabled", !!s->sstk->guard_page_enabled, s->guard);
	if (from) {
		CHECK_EQ("ptr", s->sstk->ptr, s->memory + AROUND);
		CHECK_EQ("sz", s->sstk->sz, s->sz);
	}
}

static void destroy_stack(struct stack *s)
{
	aco_share_stack_destroy(s->sstk);
	m_destroy_stack(&s->m);
	if (s->memory) {
		check_around(s);
		memset(s->memory, AROUND_BYTE, s->sz + 2 * AROUND);
	}
	if (!s->m.made)
		forget_stack(s);
}

static void destroy_some_stack(struct world *w, unsigned number)
{
	for (unsigned i = 0; i < STACKS; i++) {
		struct stack *s = &w->stacks[(number + i) % STACKS];

		if (!m_can_destroy_stack(&s->m))
			continue;
		count(w, OP_STACK_DESTROY, (uintptr_t)(s - w->stacks), 0);
		destroy_stack(s);
		return;
	}
}

/* Random, but a program may have them: no exception that is raised traps. */
static void some_words(struct thread *t, const unsigned char *op)
{
	static const uint16_t precision[] = { 0, 2, 3, 3 };
	struct m_words w;

	w.x87 = (uint16_t)(0x37f & ~0x300 & ~(op[2] & 5));
	w.x87 |= (uint16_t)(precision[op[1] & 3] << 8 | (op[1] >> 2 & 3) << 10);
	w.mxcsr = (0x1f80u | (op[1] >> 4 & 3u) << 13 |
		   (op[1] >> 6 & 1u) << 15) &
		  ~((op[2] >> 4 & 5u) << 7);
	if (op[1] & 0x80)
		w.mxcsr |= 0x40; /* denormals are zero */
	*m_words(&t->m) = set_words(w);
}

/* What can be seen of a co that is suspended: its frames, if its bytes lie on
   the stack. */
static void look(struct slot *s, unsigned how)
{
	size_t usage;

	if (s->m.kind != M_CO) {
		CHECK_EQ("aco_stack_usage() of a main co",
			 aco_stack_usage(s->co), 0);
		return;
	}
	CHECK_EQ("aco_is_end()", aco_is_end(s->co), s->m.state == M_END);
	if (s->m.stack->destroyed)
		return;
	if (s->m.state == M_SUSPENDED && s->m.stack->owner == &s->m) {
		check_frames(&s->context);
		torture_check(
			(char *)s->co->reg[ACO_REG_IDX_SP] >=
					(char *)s->stack->sstk->ptr &&
				(char *)s->co->reg[ACO_REG_IDX_SP] <=
					(char *)s->stack->sstk->align_retptr,
			"the stack pointer of a suspended co");
	}
	if (how % 4 != 0 || s->stack->asked > 2 * 65536)
		return;
	usage = aco_stack_usage(s->co);
	torture_check(usage <= s->stack->sstk->sz, "aco_stack_usage() > sz");
	if (s->m.state == M_SUSPENDED && s->m.stack->owner == &s->m &&
	    s->context.depth > 0 &&
	    !s->context.frames[s->context.depth - 1].cxx) {
		struct frame *f = &s->context.frames[s->context.depth - 1];

		torture_check(usage > (uintptr_t)s->stack->sstk->align_retptr -
					      (uintptr_t)f->words,
			      "aco_stack_usage() of a deep co");
	}
}

/* ---- names and counts ------------------------------------------------------- */

/* Those that a line does not show as they are: an empty one, and a long one with
   control characters. */
static const char *const names[] = {
	"a", "",
	"\x7f 0123456789 0123456789 0123456789\t0123456789 0123456789 n",
	"worker 7"
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static void set_name(struct thread *t, const unsigned char *op)
{
	const char *name = op[3] % 4 ? names[op[3] / 4 % NAMES] : NULL;
	struct m_co *m = m_current(&t->m);
	struct slot *s;

	if (op[1] >= 0xe0 && m) { /* perhaps one of the library's own */
		count(t->world, OP_NAME, COS, op[3]);
		aco_set_name(aco_co(), name);
		m_set_name(m, name);
		return;
	}
	FIND_CO(t->world, op[1], s, m_can_name(&t->m, &s->m));
	if (!s)
		return;
	count(t->world, OP_NAME, (uintptr_t)(s - t->world->cos), op[3]);
	aco_set_name(s->co, name);
	m_set_name(&s->m, name);
}

/* What there is in a world, and more cos and stacks for a moment. */
static struct m_counts count_all(struct world *w, size_t cos, size_t stacks)
{
	struct m_counts c = { cos, stacks, w->counts.copies_of_gone };

	for (int i = 0; i < COS; i++)
		m_count_co(&c, &w->cos[i].m);
	for (int i = 0; i < STACKS; i++)
		m_count_stack(&c, &w->stacks[i].m);
	if (w->counts.most_cos < c.cos)
		w->counts.most_cos = c.cos;
	if (w->counts.most_stacks < c.stacks)
		w->counts.most_stacks = c.stacks;
	return c;
}

static aco_stats_t stats(void)
{
	aco_stats_t s = { 0 };

	CHECK_EQ("aco_stats()", aco_stats(&s), 0);
	return s;
}

/* Of worlds that run at once, each only knows what is there at least. */
static void check_stats(struct world *w)
{
	struct m_counts c = count_all(w, 0, 0);
	uint64_t save_bytes = 0, copied_bytes = w->counts.copied_bytes;
	aco_stats_t s = stats();

	torture_check(s.cos_peak >= w->counts.most_cos, "cos_peak");
	torture_check(s.stacks_peak >= w->counts.most_stacks, "stacks_peak");
	torture_check(s.copies >= before.copies + c.copies, "copies");
	torture_check(s.copied_bytes >= before.copied_bytes + copied_bytes,
		      "copied_bytes");
	if (several_worlds)
		return;
	for (int i = 0; i < COS; i++)
		if (w->cos[i].m.made)
			save_bytes += w->cos[i].co->save_stack.sz;
	CHECK_EQ("the count of cos", s.cos, c.cos);
	CHECK_EQ("the count of stacks", s.stacks, c.stacks);
	CHECK_EQ("the sum of the sizes of save stacks", s.save_bytes,
		 save_bytes);
	CHECK_EQ("the count of copies", s.copies - before.copies, c.copies);
	CHECK_EQ("the count of copied bytes",
		 s.copied_bytes - before.copied_bytes, copied_bytes);
}

/* After the program: nothing is left. */
static void check_last_stats(const struct world *w, int count)
{
	uint64_t copies = before.copies, copied_bytes = before.copied_bytes;
	aco_stats_t s = stats();

	for (int i = 0; i < count; i++) {
		copies += w[i].counts.copies_of_gone;
		copied_bytes += w[i].counts.copied_bytes;
	}
	CHECK_EQ("cos in the end", s.cos, 0);
	CHECK_EQ("stacks in the end", s.stacks, 0);
	CHECK_EQ("bytes of save stacks in the end", s.save_bytes, 0);
	CHECK_EQ("copies in the end", s.copies, copies);
	CHECK_EQ("copied bytes in the end", s.copied_bytes, copied_bytes);
}

/* Many cos at once, or stacks, for a moment. */
static void crowd_of_cos(struct thread *t, const unsigned char *op)
{
	struct world *w = t->world;
	struct stack *st = find_stack(w, op[1], 1);
	aco_t *cos[CROWD];
	struct slot *main;
	unsigned n = op[1] % CROWD, rounds = IN_TSAN ? 0 : op[2] / 16;
	size_t save = save_sizes[op[3] % 7];
	int named = op[3] >= 0xc0;

	FIND_CO(w, op[3], main, main->m.made && main->m.kind == M_MAIN);
	if (!main || !st || room(t) < ROOM + sizeof(cos))
		return;
	count(w, OP_CROWD, n, 0);
	count_all(w, n, 0);
	do {
		for (unsigned i = 0; i < n; i++) {
			struct m_co unseen;

			cos[i] = aco_create(main->co, st->sstk, save, body,
					    &cos[i]);
			torture_check(cos[i] != NULL, "one of many cos");
			m_create(&t->m, &unseen, &main->m, &st->m, NULL, 0);
			m_destroy(&t->m, &unseen);
			if (named && i % 4)
				aco_set_name(cos[i], names[i % NAMES]);
		}
		for (unsigned i = 0; i < n; i++) {
			CHECK_EQ("arg of one of many cos", cos[i]->arg,
				 &cos[i]);
			CHECK_EQ("state of one of many cos", aco_state(cos[i]),
				 ACO_STATE_INIT);
		}
		for (unsigned i = 0; i < n; i++) {
			unsigned k = op[2] & 8 ? n - 1 - i : i;

			CHECK_EQ("name of one of many cos",
				 aco_get_name(cos[k]),
				 named && k % 4 ? names[k % NAMES] : NULL);
			aco_destroy(cos[k]);
		}
	} while (rounds-- > 0);
}

static void crowd_of_stacks(struct thread *t, const unsigned char *op)
{
	aco_share_stack_t *stacks[CROWD_OF_STACKS];
	unsigned n = op[1] % CROWD_OF_STACKS;
	size_t sz = stack_sizes[op[3] % 8];

	if (room(t) < ROOM + sizeof(stacks))
		return;
	count(t->world, OP_CROWD, n, 1);
	count_all(t->world, 0, n);
	for (unsigned i = 0; i < n; i++) {
		stacks[i] = aco_share_stack_new(sz);
		torture_check(stacks[i] != NULL, "one of many stacks");
		/* the lowest byte, and so a page, is its own */
		*(unsigned char *)stacks[i]->ptr = (unsigned char)(i + 1);
	}
	for (unsigned i = 0; i < n; i++) {
		CHECK_EQ("a byte on one of many stacks",
			 *(unsigned char *)stacks[i]->ptr, i + 1);
		*(unsigned char *)stacks[i]->ptr = 0;
	}
	for (unsigned i = 0; i < n; i++)
		aco_share_stack_destroy(stacks[op[2] & 8 ? n - 1 - i : i]);
}

static void constants(void)
{
	CHECK_EQ("ACO_SHARE_FPENV", aco_constant("ACO_SHARE_FPENV"),
		 M_SHARE_FPENV);
	CHECK_EQ("ACO_RETURN_EXITS", aco_constant("ACO_RETURN_EXITS"),
		 M_RETURN_EXITS);
	CHECK_EQ("ACO_STATE_END", aco_constant("ACO_STATE_END"), ACO_STATE_END);
	EINVAL_FROM("a constant that there is not", aco_constant("M") == -1);
	torture_check(aco_version()[0] == '2', "aco_version()");
}

/* ---- threads of a world ----------------------------------------------------- */

static void wait_for_baton(struct thread *t)
{
	struct world *w = t->world;

	while (sem_wait(&t->baton) != 0)
		CHECK_EQ("errno of sem_wait()", errno, EINTR);
	w->current = t;
	if (w->ended) {
		/* its thread-specific data is gone before the next operation */
		if (pthread_join(w->ended->pthread, NULL) != 0)
			abort();
		sem_destroy(&w->ended->baton);
		w->ended = NULL;
	}
}

static void pass_baton(struct thread *from, struct thread *to)
{
	if (sem_post(&to->baton) != 0)
		abort();
	wait_for_baton(from);
}

/* Also in a co: the chain of the thread stays as it is. */
static void pass(struct thread *t, unsigned number)
{
	struct world *w = t->world;

	for (unsigned i = 0; i < THREADS; i++) {
		struct thread *to = &w->threads[(number + i) % THREADS];

		if (to == t || !to->m.alive)
			continue;
		count(w, OP_PASS, (uintptr_t)(to - w->threads), 0);
		pass_baton(t, to);
		check_all(t);
		return;
	}
}

static void *thread_main(void *arg);

static void start_thread(struct thread *t)
{
	pthread_attr_t attr;

	if (sem_init(&t->baton, 0, 0) != 0 || pthread_attr_init(&attr) != 0 ||
	    pthread_attr_setstacksize(&attr, (size_t)1 << 20) != 0)
		abort();
	memset(&t->context, 0, sizeof(t->context));
	t->own = NULL;
	m_thread_start(&t->m, words_now());
	if (pthread_create(&t->pthread, &attr, thread_main, t) != 0)
		abort();
	pthread_attr_destroy(&attr);
}

/* Returns whether the calling thread has to end. */
static int start_or_end(struct thread *t, const unsigned char *op)
{
	struct world *w = t->world;
	struct thread *other = &w->threads[op[1] % THREADS];

	if (t->m.running || w->child)
		return 0;
	if (other == t && t != w->threads) {
		count(w, OP_THREAD, (uintptr_t)(t - w->threads), 1);
		return t->context.depth == 0;
	}
	if (!other->m.alive) {
		count(w, OP_THREAD, (uintptr_t)(other - w->threads), 0);
		start_thread(other);
		/* a new thread has the control words of its creator */
	}
	return 0;
}

/* ---- contexts --------------------------------------------------------------- */

static void check_value(struct thread *t, struct change *c)
{
	if (c->call == CALL_RESUME_VALUE || c->call == CALL_YIELD_VALUE)
		CHECK_EQ("a value", c->got, m_wait(&t->m)->value);
}

static int resume(struct thread *t, struct context *c, const unsigned char *op)
{
	static const unsigned char calls[8] = {
		CALL_RESUME,	   CALL_RESUME,	      CALL_RESUME,
		CALL_RESUME,	   CALL_TRY_RESUME,   CALL_TRY_RESUME,
		CALL_RESUME_VALUE, CALL_RESUME_VALUE,
	};
	struct world *w = t->world;
	struct change change = { 0 };
	struct slot *s;

	FIND_CO(w, op[1], s, m_can_resume(&t->m, &s->m));
	if (!s)
		return 0;
	change.call = (enum call)calls[op[2] >> 3 & 7];
	change.co = s->co;
	count(w, OP_RESUME, (uintptr_t)(s - w->cos), op[2]);
	t->failed = 0;
	if (own_allocator && op[3] >= 0xd0) {
		change.call = CALL_TRY_RESUME;
		t->fail_in = 1;
	}
	if (change.call == CALL_RESUME_VALUE) {
		change.value = some_value(w);
		m_wait(&t->m)->waits = 1;
	}
	expect(w, ENTER, s, change.value);
	*errno_here() = 0;
	make_change(&change, op[2], op[3] + (uint32_t)w->counter);
	t = me();
	if (change.result == 0) {
		arrive(c);
		check_value(t, &change);
		return 1;
	}
	CHECK_EQ("aco_try_resume()", change.result, -1);
	check_no_memory(t, s);
	return 1;
}

static void yield(struct thread *t, struct context *c, const unsigned char *op)
{
	static const unsigned char calls[8] = {
		CALL_YIELD, CALL_YIELD,	 CALL_YIELD,	   CALL_YIELD,
		CALL_YIELD, CALL_YIELD1, CALL_YIELD_VALUE, CALL_YIELD_VALUE,
	};
	struct world *w = t->world;
	struct change change = { 0 };

	change.call = (enum call)calls[op[2] >> 3 & 7];
	change.co = running(t)->co;
	count(w, OP_YIELD, (uintptr_t)change.call, op[2]);
	if (change.call == CALL_YIELD_VALUE) {
		change.value = some_value(w);
		m_wait(&t->m)->waits = 1;
	}
	expect(w, YIELD, NULL, change.value);
	make_change(&change, op[2], op[3] + (uint32_t)w->counter);
	arrive(c);
	check_value(me(), &change);
}

static void yield_to(struct thread *t, struct context *c,
		     const unsigned char *op)
{
	struct world *w = t->world;
	struct change change = { .call = CALL_YIELD_TO };
	struct slot *s;

	FIND_CO(w, op[1], s, m_can_yield_to(&t->m, &s->m));
	if (!s)
		return;
	change.co = s->co;
	count(w, OP_YIELD_TO, (uintptr_t)(s - w->cos), op[2]);
	t->failed = 0;
	if (own_allocator && op[3] >= 0xd0)
		t->fail_in = 1;
	expect(w, TO, s, NULL);
	*errno_here() = 0;
	make_change(&change, op[2], op[3] + (uint32_t)w->counter);
	if (change.result == 0) {
		arrive(c);
		return;
	}
	CHECK_EQ("aco_yield_to()", change.result, -1);
	check_no_memory(me(), s);
}

/* Returns where the function of the co shall return. */
static void end_co(struct thread *t, const unsigned char *op)
{
	static const unsigned char calls[4] = {
		CALL_EXIT,
		CALL_EXIT,
		CALL_EXIT1,
		CALL_EXIT_VALUE,
	};
	struct world *w = t->world;
	struct slot *s = running(t);
	struct change change = { 0 };

	count(w, OP_EXIT, (uintptr_t)(s - w->cos), op[2]);
	if (s->exits_by_return && s->context.depth == 0 && op[1] & 1) {
		expect(w, END, NULL, NULL);
		return;
	}
	change.call = (enum call)calls[op[2] >> 3 & 3];
	change.co = s->co;
	if (change.call == CALL_EXIT_VALUE)
		change.value = some_value(w);
	expect(w, END, NULL, change.value);
	make_change(&change, op[2], op[3]);
	torture_fail("an exit that returned", 0, 0);
}

/* At each return, and when the end of the thread unwinds the frame. */
static void leave_frame(struct frame **f)
{
	struct world *w = me()->world;

	if (!w->unwinding)
		return;
	check_frame(*f);
	torture_check(w->to_unwind > 0, "a frame that is unwound twice");
	w->to_unwind--;
}

/* A frame with words that the other contexts must not change. */
static __attribute__((__noinline__)) void deeper(struct context *c,
						 unsigned count, uint32_t salt)
{
	uintptr_t words[count + 1];
	jmp_buf jump;
	__attribute__((__cleanup__(leave_frame))) struct frame *f =
		&c->frames[c->depth];
	int depth = c->depth + 1;

	f->words = words;
	f->count = count + 1;
	f->salt = salt | 1;
	f->cxx = 0;
	f->jump = &jump;
	fill_frame(f);
	c->depth = depth;
	if (setjmp(jump) == 0)
		run(c);
	CHECK_EQ("the depth of calls", c->depth, depth);
	check_frame(f);
	c->depth--;
}

static void call_run(void *c)
{
	run((struct context *)c);
}

static __attribute__((__noinline__)) void throwing(struct context *c,
						   const unsigned char *op)
{
	struct frame *f = &c->frames[c->depth];

	memset(f, 0, sizeof(*f));
	f->cxx = 1;
	c->depth++;
	if (op[1] & 1)
		torture_catch(call_run, c, op[2] + 1u);
	else
		torture_unwind(call_run, c, op[2] + 1u);
	c->depth--;
}

/* Back by one frame or, by longjmp(3), by more. */
static void jump_back(struct context *c, unsigned frames)
{
	int to = c->depth - 1;

	for (; frames > 0 && to > 0; frames--, to--)
		if (c->frames[to].cxx || c->frames[to - 1].cxx)
			return;
	if (to == c->depth - 1 || c->frames[to].cxx)
		return;
	for (int i = c->depth - 1; i >= to; i--)
		check_frame(&c->frames[i]);
	c->depth = to + 1;
	longjmp(*c->frames[to].jump, 1);
}

static const unsigned short frame_words[] = { 0, 1, 3, 10, 10, 40, 150, 900 };

static int go_deeper(struct thread *t, struct context *c,
		     const unsigned char *op)
{
	unsigned words = frame_words[op[1] % 8] + op[2] % 8u;

	if (c->depth == DEPTH || room(t) < ROOM + words * sizeof(uintptr_t) * 2)
		return 0;
	count(t->world, OP_DEEPER, words, (unsigned)c->depth);
	deeper(c, words, op[3] + (uint32_t)t->world->counter);
	return 1;
}

/* ---- ends of threads -------------------------------------------------------- */

/* Unwinding takes room on each stack of the chain, and it must not meet frames of
   C++ that catch all, nor those that nothing is known of. */
static int can_unwind(struct thread *t)
{
	if (!UNWINDS || IN_TSAN || t == t->world->threads || t->world->child ||
	    room(t) < THROW_ROOM)
		return 0;
	for (const struct m_co *m = t->m.running; m->kind == M_CO;
	     m = m->resumer) {
		const struct slot *s = slot_of((struct m_co *)m);
		uintptr_t sp = (uintptr_t)s->co->reg[ACO_REG_IDX_SP];

		if (s->fp == words_body)
			return 0;
		if (m != t->m.running && sp - (uintptr_t)s->stack->sstk->ptr <
						 THROW_ROOM + 2 * signal_frame)
			return 0;
		for (int i = 0; i < s->context.depth; i++)
			if (s->context.frames[i].cxx)
				return 0;
	}
	for (int i = 0; i < t->context.depth; i++)
		if (t->context.frames[i].cxx)
			return 0;
	return 1;
}

/* aco(7), "Threads": the stacks of the chain are unwound, and its cos have ended. */
static void exit_thread(struct thread *t)
{
	struct world *w = t->world;

	if (!t->m.running || !can_unwind(t))
		return;
	count(w, OP_THREAD_EXIT, (uintptr_t)(running(t) - w->cos), 0);
	w->to_unwind = (unsigned)t->context.depth;
	for (const struct m_co *m = t->m.running; m->kind == M_CO;
	     m = m->resumer)
		w->to_unwind +=
			(unsigned)slot_of((struct m_co *)m)->context.depth;
	w->unwinding = 1;
	pthread_exit(NULL);
}

/* ---- child processes -------------------------------------------------------- */

#define LINES 400

/* Of the calling thread alone, in the middle of what it does. */
static pid_t start_child(struct thread *t, int fd[2])
{
	const struct rlimit none = { 0, 0 };
	struct world *w = t->world;
	pid_t pid;

	torture_check(pipe(fd) == 0, "pipe()");
	pid = fork();
	torture_check(pid >= 0, "fork()");
	if (pid > 0) {
		close(fd[1]);
		return pid;
	}
	close(fd[0]);
	alarm(60);
	setrlimit(RLIMIT_CORE, &none);
	for (int i = 0; i < THREADS; i++)
		if (&w->threads[i] != t && w->threads[i].m.alive)
			m_thread_lost(&w->threads[i].m);
	w->child = 1 << 30;
	return 0;
}

/* What the child has written, and how it has ended. */
static void end_child(pid_t pid, int fd, const char *lines, int sig)
{
	char text[LINES];
	size_t len = 0;
	int status;

	for (;;) {
		ssize_t n = read(fd, text + len, sizeof(text) - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	close(fd);
	while (waitpid(pid, &status, 0) < 0)
		CHECK_EQ("errno of waitpid()", errno, EINTR);
	if (strcmp(text, lines) != 0)
		(void)!write(2, text, len);
	torture_check(strcmp(text, lines) == 0, "what a child writes");
	CHECK_EQ("the end of a child", status, sig);
}

/* The child goes on with the program, in the co that has called fork(). */
static void fork_here(struct thread *t, unsigned operations)
{
	int fd[2];
	pid_t pid = start_child(t, fd);

	if (pid == 0) {
		t->world->child = 1 + (int)operations;
		check_all(t);
		return;
	}
	end_child(pid, fd[0], "", 0);
}

/* As a line shows it: 64 bytes, without control characters. */
static size_t put_name(char *at, const char *name)
{
	char *to = at;

	if (!name)
		return 0;
	*to++ = ' ';
	*to++ = '"';
	for (int i = 0; i < 64 && name[i]; i++)
		*to++ = strchr("\t\x7f", name[i]) ? '?' : name[i];
	*to++ = '"';
	*to = '\0';
	return (size_t)(to - at);
}

static volatile int no_end = 1;

static __attribute__((__noinline__)) int recurse(volatile char *above)
{
	volatile char frame[500];

	frame[0] = *above;
	return no_end ? recurse(frame) + frame[0] : 0;
}

/* aco_overflow_report(3) */
static void overflow_here(struct thread *t, int report)
{
	struct slot *s = running(t);
	const aco_share_stack_t *sstk = s->stack->sstk;
	char lines[LINES] = "";
	volatile char here = 1;
	int fd[2];
	pid_t pid;

	pid = start_child(t, fd);
	if (pid == 0) {
		dup2(fd[1], 2);
		if (report && aco_overflow_report(1) != 0)
			_exit(1);
		_exit(recurse(&here));
	}
	if (report) {
		size_t len = torture_line(lines, "libaco: stack overflow: co ",
					  (uintptr_t)s->co, (char *)NULL);

		len += put_name(lines + len, s->m.name);
		len += torture_line(lines + len, " on share stack ",
				    (uintptr_t)sstk, " of ",
				    (uintptr_t)sstk->sz, (char *)NULL);
		memcpy(lines + len, " bytes\n", sizeof(" bytes\n"));
	}
	end_child(pid, fd[0], lines, SIGSEGV);
}

#define LAST_WORD "a last word\n"

static void last_word(void)
{
	(void)!write(2, LAST_WORD, sizeof(LAST_WORD) - 1);
}

/* aco_thread_init(3), "The protector".  Returns whether the function of the co has to
   return. */
static int misreturn_here(struct thread *t, int protector)
{
	struct slot *s = running(t);
	char lines[LINES] = LAST_WORD;
	int fd[2];
	pid_t pid;

	count(t->world, OP_FORK, 2, (unsigned)protector);
	pid = start_child(t, fd);
	if (pid == 0) {
		dup2(fd[1], 2);
		if (protector)
			aco_thread_init(last_word);
		t->world->misreturns = 1;
		return 1;
	}
	if (!protector) {
		static const char second[] =
			"\nlibaco: end a co with aco_exit(), or create it with "
			"ACO_RETURN_EXITS\n";
		size_t len = torture_line(
			lines, "libaco: return: the function ",
			(uintptr_t)s->fp, " returned without aco_exit(): co ",
			(uintptr_t)s->co, (char *)NULL);

		len += put_name(lines + len, s->m.name);
		memcpy(lines + len, second, sizeof(second));
	}
	end_child(pid, fd[0], lines, SIGABRT);
	check_all(t);
	return 0;
}

/* ThreadSanitizer does not follow a fork of one of many threads; other tools have
   something to say of a death. */
static int can_fork(struct thread *t)
{
	return !IN_TSAN && !torture_aborts && !t->world->child &&
	       !(SANITIZED && several_worlds) &&
	       room(t) > ROOM + (size_t)4 * LINES;
}

static int may_die(struct thread *t)
{
	return t->m.running && !SANITIZED && !torture_in_valgrind();
}

static int may_misreturn(struct thread *t, const unsigned char *op)
{
	return op[1] % 4 == 0 && can_fork(t) && may_die(t) &&
	       !running(t)->exits_by_return;
}

static void do_fork(struct thread *t, const unsigned char *op)
{
	if (!can_fork(t) || op[3] & 1)
		return;
	if (op[1] % 4 == 1 && may_die(t) && running(t)->stack->guard) {
		count(t->world, OP_FORK, 1, op[2] & 1);
		overflow_here(t, op[2] & 1);
	} else {
		count(t->world, OP_FORK, 0, op[2]);
		fork_here(t, op[2]);
	}
}

/* An operation that switches nothing. */
static void other(struct thread *t, enum op o, const unsigned char *op)
{
	struct world *w = t->world;
	struct slot *s;

	switch (o) {
	case OP_CREATE:
		create(t, op);
		break;
	case OP_CREATE_MAIN:
		create_main(t, op);
		break;
	case OP_DESTROY:
		FIND_CO(w, op[1], s, m_can_destroy(&t->m, &s->m));
		if (!s)
			return;
		count(w, o, (uintptr_t)(s - w->cos), 0);
		destroy(t, s);
		break;
	case OP_RESET:
		reset(t, op);
		break;
	case OP_STACK:
		make_stack(w, op);
		break;
	case OP_STACK_DESTROY:
		destroy_some_stack(w, op[1]);
		break;
	case OP_CACHE:
		count(w, o, op[1], 0);
		aco_share_stack_cache_limit((size_t)op[1] << 16);
		break;
	case OP_WORDS:
		count(w, o, op[1], op[2]);
		some_words(t, op);
		break;
	case OP_THREAD_INIT:
		count(w, o, 0, 0);
		aco_thread_init(NULL);
		m_thread_init(&t->m);
		break;
	case OP_INVALID:
		/* a call that fails may be the first of the thread, or not */
		if (!t->m.recorded)
			return;
		count(w, o, op[1], 0);
		invalid(w, op[1]);
		break;
	case OP_PASS:
		pass(t, op[1]);
		return;
	case OP_LOOK:
		FIND_CO(w, op[1], s, s->m.made && !m_is_lost(&s->m));
		if (!s)
			return;
		count(w, o, (uintptr_t)(s - w->cos), op[2]);
		look(s, op[2]);
		break;
	case OP_ARG:
		FIND_CO(w, op[1], s, s->m.made && !m_is_lost(&s->m));
		if (!s)
			return;
		count(w, o, (uintptr_t)(s - w->cos), 0);
		s->m.arg = s->co->arg = some_value(w);
		break;
	case OP_NAME:
		set_name(t, op);
		break;
	case OP_STATS:
		count(w, o, 0, 0);
		check_stats(w);
		return;
	case OP_PREFETCH:
		count(w, o, op[1] % COS, 0);
		aco_prefetch(w->cos[op[1] % COS].co);
		break;
	case OP_CONSTANT:
		count(w, o, 0, 0);
		constants();
		break;
	case OP_THREAD_EXIT:
		exit_thread(t);
		return;
	case OP_FORK:
		do_fork(t, op);
		break;
	case OP_CROWD:
		if (op[2] & 1)
			crowd_of_stacks(t, op);
		else
			crowd_of_cos(t, op);
		break;
	default:
		return;
	}
	check_all(t);
}

/* At the end of the program: cos yield or exit until no one runs. */
static const unsigned char wind_up[2][OP] = { { 0, 0, 0, 0 }, { 0, 0, 1, 0 } };

static const unsigned char *next_op(struct world *w, enum op *o)
{
	const unsigned char *op = w->ops;

	w->counter++;
	if (w->child && (--w->child == 0 || w->end - op < OP))
		_exit(0);
	if (w->end - op < OP) {
		*o = w->counter & 1 ? OP_YIELD : OP_EXIT;
		return wind_up[w->counter >> 1 & 1];
	}
	w->ops += OP;
	*o = (enum op)decode[op[0]];
	return op;
}

/* Operations in one frame of a context, until it returns. */
static void run(struct context *c)
{
	for (;;) {
		struct thread *t = me();
		struct world *w = t->world;
		enum op o;
		const unsigned char *op = next_op(w, &o);

		if (!t->m.running) {
			if (op == wind_up[0] || op == wind_up[1])
				return;
			if (o == OP_YIELD || o == OP_YIELD_TO || o == OP_EXIT)
				o = OP_RESUME;
		}
		switch (o) {
		case OP_RESUME:
			resume(t, c, op);
			break;
		case OP_YIELD:
			yield(t, c, op);
			break;
		case OP_YIELD_TO:
			yield_to(t, c, op);
			break;
		case OP_EXIT:
			end_co(t, op);
			return;
		case OP_DEEPER:
			go_deeper(t, c, op);
			break;
		case OP_RETURN:
			if (c->depth == 0)
				break;
			count(w, o, (uintptr_t)c->depth, op[1]);
			if (op[1] % 4 == 0)
				jump_back(c, 1 + op[2] % 4u);
			return;
		case OP_THROW:
			if (c->depth == DEPTH || room(t) < THROW_ROOM)
				break;
			count(w, o, op[2], op[1]);
			throwing(c, op);
			break;
		case OP_THREAD:
			if (start_or_end(t, op))
				return;
			check_all(t);
			break;
		case OP_FORK:
			if (c->depth == 0 && may_misreturn(t, op)) {
				if (misreturn_here(t, op[2] & 1))
					return;
				break;
			}
			/* fall through */
		default:
			other(t, o, op);
		}
	}
}

/* ---- cos without frames ----------------------------------------------------- */

uintptr_t torture_enter(void)
{
	struct slot *s = arrive_in_co();

	return s->id;
}

/* What switches nothing, and then what the function of the co shall do. */
enum tiny torture_tiny(uintptr_t id)
{
	struct thread *t = me();
	struct slot *s;

	s = &t->world->cos[id % 32 % COS];
	CHECK_EQ("a word in a small frame", id, s->id);
	if (t->world->pending.kind != NOTHING)
		arrive(&s->context);
	for (;;) {
		struct world *w = t->world;
		enum op o;
		const unsigned char *op = next_op(w, &o);

		switch (o) {
		case OP_RESUME:
			resume(t, &s->context, op);
			t = me();
			break;
		case OP_YIELD:
			if (op[2] & HOW_REGS) {
				yield(t, &s->context, op);
				t = me();
				break;
			}
			count(w, o, 0, 0);
			expect(w, YIELD, NULL, NULL);
			return TINY_YIELD;
		case OP_YIELD_TO:
			yield_to(t, &s->context, op);
			t = me();
			break;
		case OP_EXIT:
			count(w, o, (uintptr_t)(s - w->cos), 0);
			expect(w, END, NULL, NULL);
			return s->exits_by_return && op[1] & 1 ? TINY_RETURN
							       : TINY_EXIT;
		case OP_FORK:
			if (s->fp != words_body && may_misreturn(t, op)) {
				if (misreturn_here(t, op[2] & 1))
					return TINY_RETURN;
				break;
			}
			/* fall through */
		default:
			other(t, o, op);
		}
	}
}

/* ---- cos with a few words --------------------------------------------------- */

/*
 * Words right below the return address of a co's function, of which the library
 * need not keep those that are zero.  In assembly, because compilers put saved
 * registers there.
 */
#define WORDS 7

#if defined(__x86_64__)
#define FIRST_ARGUMENT
#define WORDS_BODY                    \
	"subq $56, %rsp\n\t"          \
	"movq %rsp, %rdi\n\t"         \
	"call torture_words_enter\n"  \
	"1:\tmovq %rsp, %rdi\n\t"     \
	"call torture_words_next\n\t" \
	"call *%rax\n\t"              \
	"jmp 1b"
#else
#define FIRST_ARGUMENT __attribute__((__regparm__(1)))
#define WORDS_BODY                    \
	"subl $28, %esp\n\t"          \
	"movl %esp, %eax\n\t"         \
	"call torture_words_enter\n"  \
	"1:\tmovl %esp, %eax\n\t"     \
	"call torture_words_next\n\t" \
	"call *%eax\n\t"              \
	"jmp 1b"
#endif

FIRST_ARGUMENT __attribute__((__used__, __visibility__("hidden"))) void
torture_words_enter(uintptr_t *words);
FIRST_ARGUMENT __attribute__((__used__, __visibility__("hidden"))) aco_cofuncp_t
torture_words_next(uintptr_t *words);

__attribute__((__naked__)) static void words_body(void)
{
	__asm__(WORDS_BODY);
}

/* From the id: which of the words are zero. */
static uintptr_t word_of(uintptr_t id, unsigned i)
{
	uint32_t s = (uint32_t)(id >> 5) * 2654435761u | 1;

	if (i == 0)
		return id;
	if (id & 32 || (id >> 6 & 3) == i % 4)
		return 0;
	s ^= i;
	return torture_random(&s) * (uintptr_t)0xc2b2ae35;
}

FIRST_ARGUMENT void torture_words_enter(uintptr_t *words)
{
	uintptr_t id = torture_enter();

	for (unsigned i = 0; i < WORDS; i++)
		words[i] = word_of(id, i);
}

FIRST_ARGUMENT aco_cofuncp_t torture_words_next(uintptr_t *words)
{
	enum tiny what;

	for (unsigned i = 1; i < WORDS; i++)
		CHECK_EQ("a word at the top of a stack", words[i],
			 word_of(words[0], i));
	what = torture_tiny(words[0]);
	for (unsigned i = 1; i < WORDS; i++)
		CHECK_EQ("a word at the top of a stack", words[i],
			 word_of(words[0], i));
	return what == TINY_YIELD ? aco_yield : aco_exit;
}

/* ---- worlds ----------------------------------------------------------------- */

/* A destructor of thread-specific data, so that it also runs when a co has called
   pthread_exit(). */
static void end_thread(void *arg)
{
	struct thread *t = (struct thread *)arg;
	struct world *w = t->world;

	if (w->unwinding) {
		CHECK_EQ("frames that were not unwound", w->to_unwind, 0);
		m_thread_exit(&t->m);
		w->unwinding = 0;
		torture_check(!t->m.main || aco_get_co() != NULL,
			      "the main co at the end of a thread");
	}
	CHECK_EQ("the running co at the end of a thread", t->m.running, NULL);
	for (int i = 0; i < COS; i++)
		if (w->cos[i].m.made && w->cos[i].m.kind == M_MAIN &&
		    w->cos[i].m.thread == &t->m)
			w->cos[i].m.thread = NULL;
	m_thread_end(&t->m);
	torture_hold_fire(&t->shooter);
	w->ended = t;
	/* the last one has nobody to join it but the first */
	if (sem_post(&w->threads[0].baton) != 0)
		abort();
}

static void destroy_all(struct thread *t)
{
	struct world *w = t->world;

	for (int mains = 0; mains < 2; mains++)
		for (int i = 0; i < COS; i++) {
			struct slot *s = &w->cos[i];

			if (s->m.made && (s->m.kind == M_MAIN) == mains)
				destroy(t, s);
		}
	for (int i = 0; i < STACKS; i++)
		if (w->stacks[i].m.made)
			destroy_stack(&w->stacks[i]);
	check_all(t);
	check_stats(w);
}

static void *thread_main(void *arg)
{
	struct thread *t = (struct thread *)arg;
	struct world *w = t->world;

	this_thread = t;
	if (t != w->threads && pthread_setspecific(end_key, t) != 0)
		abort();
	torture_shoot(&t->shooter);
	wait_for_baton(t);
	check_all(t);
	run(&t->context);
	if (t != w->threads)
		return NULL;
	/* the others have to come to their ends, too */
	w->ops = w->end;
	for (int i = 1; i < THREADS; i++)
		while (w->threads[i].m.alive)
			pass_baton(t, &w->threads[i]);
	destroy_all(t);
	torture_hold_fire(&t->shooter);
	return NULL;
}

/* So that most programs do much. */
static void furnish(struct world *w)
{
	static const unsigned char stacks[][OP] = {
		{ 0, 0, 14, 0 },
		{ 0, 1, 18, 0 },
		{ 0, 2, 20, 0 },
		{ 0, 3, 21, 1 },
	};
	static const unsigned char main[OP] = { 0, 0, 3, 0 };

	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++)
		make_stack(w, stacks[i]);
	create_main(&w->threads[0], main);
}

static void *first_thread(void *arg)
{
	struct thread *t = (struct thread *)arg;
	struct world *w = t->world;

	this_thread = t;
	w->current = t;
	furnish(w);
	sem_post(&t->baton);
	return thread_main(arg);
}

static void start_world(struct world *w, int threads)
{
	for (int i = 0; i < THREADS; i++)
		w->threads[i].world = w;
	if (sem_init(&w->threads[0].baton, 0, 0) != 0)
		abort();
	m_thread_start(&w->threads[0].m, words_now());
	for (int i = 1; i < threads; i++)
		start_thread(&w->threads[i]);
	if (pthread_create(&w->threads[0].pthread, NULL, first_thread,
			   &w->threads[0]) != 0)
		abort();
}

static void end_world(struct world *w)
{
	if (pthread_join(w->threads[0].pthread, NULL) != 0)
		abort();
	sem_destroy(&w->threads[0].baton);
	torture_figures->operations += w->figures.operations;
	torture_figures->switches += w->figures.switches;
	torture_figures->faults += w->figures.faults;
	torture_figures->cos += w->figures.cos;
	torture_figures->bytes += w->figures.bytes;
}

static struct world worlds[WORLDS];

void torture_run(const unsigned char *program, size_t sz)
{
	static const aco_allocator_t allocator = { give_memory, take_memory,
						   NULL };
	const unsigned char head = sz >= HEAD ? program[0] : 0;
	size_t ops = sz >= HEAD ? (sz - HEAD) / OP : 0;
	int count = 1 + (head & HEAD_WORLDS) / 4;

	static int has_key;

	if (!has_key && pthread_key_create(&end_key, end_thread) != 0)
		abort();
	has_key = 1;
	several_worlds = count > 1;
	make_decode();
	signal_frame = getauxval(AT_MINSIGSTKSZ);
	if (signal_frame == 0)
		signal_frame = 4096;
	if (head & HEAD_ALLOCATOR && !own_allocator)
		own_allocator = aco_set_allocator(&allocator) == 0;
	memset(worlds, 0, sizeof(worlds));
	before = stats();
	for (int i = 0; i < count; i++) {
		struct world *w = &worlds[i];

		w->number = i;
		w->random = 0x12345678u + (unsigned)i;
		w->ops = program + (sz >= HEAD ? HEAD : 0) +
			 ops * (size_t)i / (size_t)count * OP;
		w->end = program + (sz >= HEAD ? HEAD : 0) +
			 ops * (size_t)(i + 1) / (size_t)count * OP;
		start_world(w, 1 + (head & HEAD_THREADS));
	}
	for (int i = 0; i < count; i++)
		end_world(&worlds[i]);
	torture_figures->programs++;
	check_last_stats(worlds, count);
	CHECK_EQ("memory of cos that nobody has given back",
		 __atomic_load_n(&in_use, __ATOMIC_RELAXED), 0);
}
