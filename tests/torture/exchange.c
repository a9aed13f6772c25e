/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.c - threads that run at the same time and hand cos to each other
 *
 * A group is a share stack with its cos, one or more.  One thread at a time has it:
 * resumes its cos, also from each other, makes and destroys some, and puts the group
 * where any thread may take it, also from within a co.  There is one queue with a
 * lock and one without.  So what one thread has made, another one uses and gives
 * back, and threads end whose cos go on.
 *
 * Which thread gets what is up to the scheduler, so there is no model: each context
 * looks after what is its own.  A round has a process for itself.
 */
#include <aco.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/wait.h>

#include "../regs.h"
#include "torture.h"
#include "util.h"

#define THREADS 4
#define HELD 3	  /* groups of a thread */
#define ITEMS 4	  /* cos of a group */
#define GROUPS 12 /* at a time */
#define DEPTH 5
#define CROWD (IN_TSAN ? 3 : 24)
#define PATIENCE 300 /* seconds until a round counts as hung */

/* The main co of a thread lives as long as the thread and its cos. */
struct home {
	aco_t *main;
	atomic_uint users;
};

struct item {
	aco_t *co;
	struct group *group;
	struct home *home;
	unsigned flags;
	void *arg;
	struct m_words words; /* unless it shares those of its resumer */
	struct m_wait wait;
	unsigned resumes;
	uint32_t salt;
	/* while it runs, or waits for another: */
	struct thread *thread;
	struct item *resumer; /* NULL: the main context */
	int last_thread;
	int started, ended;
	char label[2];
	const char *name; /* label, or NULL */
};

struct group {
	aco_share_stack_t *sstk;
	void *memory; /* of the program's own */
	struct item items[ITEMS];
	struct item *running; /* or waits for another */
	struct group *next;
};

struct thread {
	int number;
	uint32_t random;
	unsigned left; /* operations */
	struct home *home;
	struct group *held[HELD];
	struct item *running;
	struct m_words words, record;
	struct m_wait wait;
	aco_t *main; /* what stands for the main context, or NULL */
	aco_t *own;  /* a main co of the library's own, as far as it is known */
	int error;   /* what a co has left in errno, or 0 */
	int arrives; /* a switch has been made */
	struct figures figures;
	uint64_t moves;
	uint64_t copies; /* so many there were */
	struct shooter shooter;
	pthread_t pthread;
	struct thread *next_ended;
};

/* What another process can read. */
static struct report {
	struct figures figures;
	uint64_t moves;
} * report;

static struct {
	long seconds, operations, threads;
	unsigned long long seed;
	int quiet;
} options;

static size_t signal_frame;
static atomic_ullong copies_of_gone; /* cos that were destroyed */

/* ---- threads ---------------------------------------------------------------- */

static __thread struct thread *this_thread;
static uint64_t round_number;

static __attribute__((__noinline__)) struct thread *me(void)
{
	__asm__ volatile("");
	return this_thread;
}

void torture_where(void)
{
	struct thread *t = me();

	if (t)
		torture_say("FAILED in round ", (uintptr_t)round_number,
			    " thread ", (uintptr_t)t->number,
			    " with operations left ", (uintptr_t)t->left,
			    (char *)NULL);
}

static unsigned pick(struct thread *t, unsigned n)
{
	return torture_random(&t->random) / 16 % n;
}

/* ---- groups on their way ---------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change_of_groups = PTHREAD_COND_INITIALIZER;
static struct group *first;
static struct thread *first_ended;
static int closing;

static atomic_int groups, in_ring, waiting;

/* Any number of threads put and take; a cell says whose turn it is. */
#define CELLS 16 /* more than there are groups */
static struct cell {
	atomic_uint turn;
	struct group *group;
} ring[CELLS];
static atomic_uint ring_head, ring_tail;

static void make_ring(void)
{
	for (unsigned i = 0; i < CELLS; i++)
		atomic_init(&ring[i].turn, i);
}

static void wake(void)
{
	pthread_mutex_lock(&lock);
	pthread_cond_broadcast(&change_of_groups);
	pthread_mutex_unlock(&lock);
}

static void put_in_ring(struct group *g)
{
	unsigned n = atomic_fetch_add(&ring_tail, 1);
	struct cell *c = &ring[n % CELLS];

	/* the thread that has taken the last one from here leaves soon */
	while (atomic_load_explicit(&c->turn, memory_order_acquire) != n)
		sched_yield();
	c->group = g;
	atomic_store_explicit(&c->turn, n + 1, memory_order_release);
	atomic_fetch_add(&in_ring, 1);
	if (atomic_load(&waiting))
		wake();
}

static struct group *take_from_ring(void)
{
	unsigned n = atomic_load(&ring_head);
	struct cell *c = &ring[n % CELLS];
	struct group *g;

	if (atomic_load_explicit(&c->turn, memory_order_acquire) != n + 1 ||
	    !atomic_compare_exchange_strong(&ring_head, &n, n + 1))
		return NULL;
	g = c->group;
	atomic_store_explicit(&c->turn, n + CELLS, memory_order_release);
	atomic_fetch_sub(&in_ring, 1);
	return g;
}

static void put_in_list(struct group *g)
{
	pthread_mutex_lock(&lock);
	g->next = first;
	first = g;
	pthread_cond_broadcast(&change_of_groups);
	pthread_mutex_unlock(&lock);
}

static struct group *take_from_list(void)
{
	struct group *g;

	pthread_mutex_lock(&lock);
	g = first;
	if (g)
		first = g->next;
	pthread_mutex_unlock(&lock);
	return g;
}

static void put(struct group *g, unsigned how)
{
	CHECK_EQ("the running co of a group that is given away", g->running, 0);
	if (how & 1)
		put_in_ring(g);
	else
		put_in_list(g);
}

static struct group *take(unsigned how)
{
	struct group *g = how & 1 ? take_from_ring() : take_from_list();

	if (g)
		return g;
	return how & 1 ? take_from_list() : take_from_ring();
}

/* Until there may be a group. */
static void wait_for_groups(void)
{
	pthread_mutex_lock(&lock);
	atomic_fetch_add(&waiting, 1);
	while (!closing && !first && !atomic_load(&in_ring) &&
	       atomic_load(&groups) >= GROUPS)
		pthread_cond_wait(&change_of_groups, &lock);
	atomic_fetch_sub(&waiting, 1);
	pthread_mutex_unlock(&lock);
}

/* ---- making and destroying -------------------------------------------------- */

static void body(void);

static void leave_home(struct home *h)
{
	if (atomic_fetch_sub(&h->users, 1) > 1)
		return;
	aco_destroy(h->main);
	free(h);
}

static aco_cofuncp_t some_function(struct thread *t)
{
	static const aco_cofuncp_t bodies[] = { body, body, regs_entry };
	unsigned n = pick(t, 5);

	return n < 3 ? bodies[n] : parts[n - 3]->tiny;
}

static void start_again(struct thread *t, struct item *i)
{
	i->words = t->record;
	i->wait = (struct m_wait){ 0, NULL };
	i->started = i->ended = 0;
	i->resumes = 0;
	i->salt = torture_random(&t->random) | 1;
}

static void rename_co(struct thread *t, struct item *i)
{
	i->label[0] = 'a';
	i->name = pick(t, 2) ? i->label : NULL;
	aco_set_name(i->co, i->name);
}

static void create(struct thread *t, struct group *g)
{
	static const unsigned short save_sizes[] = { 0, 0, 64, 300 };
	struct item *i = g->items;

	while (i < g->items + ITEMS && i->co)
		i++;
	if (i == g->items + ITEMS)
		return;
	memset(i, 0, sizeof(*i));
	i->group = g;
	i->home = t->home;
	i->flags = pick(t, 4);
	i->arg = i;
	i->last_thread = t->number;
	start_again(t, i);
	i->co = aco_create2(t->home->main, g->sstk, save_sizes[pick(t, 4)],
			    some_function(t), i->arg, i->flags);
	torture_check(i->co != NULL, "aco_create2()");
	CHECK_EQ("the name of a new co", aco_get_name(i->co), NULL);
	if (pick(t, 4) == 0)
		rename_co(t, i);
	atomic_fetch_add(&t->home->users, 1);
	t->figures.cos++;
}

static void destroy(struct item *i)
{
	CHECK_EQ("the name of an old co", aco_get_name(i->co), i->name);
	atomic_fetch_add(&copies_of_gone, i->co->save_stack.ct_save +
						  i->co->save_stack.ct_restore);
	aco_destroy(i->co);
	leave_home(i->home);
	i->co = NULL;
}

static struct group *make_group(struct thread *t)
{
	static const size_t sizes[] = { 16384, 16384, 32768, 131072 };
	size_t sz = sizes[pick(t, 4)] + (SANITIZED ? 65536 : 0);
	struct group *g;

	if (atomic_fetch_add(&groups, 1) >= GROUPS) {
		atomic_fetch_sub(&groups, 1);
		return NULL;
	}
	g = (struct group *)calloc(1, sizeof(*g));
	torture_check(g != NULL, "memory");
	if (pick(t, 4) == 0) {
		sz += 4 * signal_frame;
		g->memory = malloc(sz);
		torture_check(g->memory != NULL, "memory");
		g->sstk = aco_share_stack_from(g->memory, sz);
	} else {
		g->sstk = aco_share_stack_new2(sz, (char)pick(t, 2));
	}
	torture_check(g->sstk != NULL, "a stack");
	do
		create(t, g);
	while (pick(t, 3) > 0);
	return g;
}

static void destroy_group(struct group *g, int stack_first)
{
	if (stack_first)
		aco_share_stack_destroy(g->sstk);
	for (struct item *i = g->items; i < g->items + ITEMS; i++)
		if (i->co)
			destroy(i);
	if (!stack_first)
		aco_share_stack_destroy(g->sstk);
	free(g->memory);
	free(g);
	atomic_fetch_sub(&groups, 1);
	wake();
}

/* Cos and stacks that another thread than the last one may have given back. */
static void crowd(struct thread *t)
{
	aco_share_stack_t *stacks[CROWD];
	aco_t *cos[CROWD];
	unsigned n = 1 + pick(t, CROWD), few = 1 + n / 4;
	unsigned named = pick(t, 2) ? 0 : n;

	for (unsigned i = 0; i < few; i++) {
		stacks[i] = aco_share_stack_new(pick(t, 2) ? 4096 : 65536);
		torture_check(stacks[i] != NULL, "one of many stacks");
		*(unsigned char *)stacks[i]->ptr = (unsigned char)(i + 1);
	}
	for (unsigned i = 0; i < n; i++) {
		cos[i] = aco_create(t->home->main, stacks[i % few], 0, body,
				    &cos[i]);
		torture_check(cos[i] != NULL, "one of many cos");
		if (i < named)
			aco_set_name(cos[i], "one of many");
	}
	for (unsigned i = 0; i < n; i++) {
		CHECK_EQ("arg of one of many cos", cos[i]->arg, &cos[i]);
		CHECK_EQ("whether one of many cos has a name",
			 aco_get_name(cos[i]) != NULL, i < named);
		aco_destroy(cos[i]);
	}
	for (unsigned i = 0; i < few; i++) {
		CHECK_EQ("a byte on one of many stacks",
			 *(unsigned char *)stacks[i]->ptr, i + 1);
		aco_share_stack_destroy(stacks[i]);
	}
}

/* ---- what each context checks ----------------------------------------------- */

static struct m_words *words_of(struct thread *t)
{
	struct item *i = t->running;

	while (i && i->flags & ACO_SHARE_FPENV)
		i = i->resumer;
	return i ? &i->words : &t->words;
}

static struct m_wait *wait_of(struct thread *t, struct item *i)
{
	return i ? &i->wait : &t->wait;
}

static void give(struct m_wait *w, void *value)
{
	w->value = w->waits ? value : NULL;
	w->waits = 0;
}

static void check_context(struct thread *t)
{
	struct m_words w = words_now(), *should = words_of(t);
	struct item *i = t->running;

	CHECK_EQ("the control word of the x87 unit", w.x87, should->x87);
	CHECK_EQ("MXCSR", w.mxcsr, should->mxcsr);
	if (!i) {
		CHECK_EQ("aco_get_co() in the main context", aco_get_co(),
			 t->main);
		return;
	}
	CHECK_EQ("the thread of a co", i->thread, t);
	CHECK_EQ("aco_get_co()", aco_get_co(), i->co);
	CHECK_EQ("aco_get_arg()", aco_get_arg(), i->arg);
	CHECK_EQ("the state of the running co", aco_state(i->co),
		 ACO_STATE_RUNNING);
	CHECK_EQ("the owner of its stack", i->group->sstk->owner, i->co);
}

/* A switch has led to self. */
static struct thread *arrive(struct item *self)
{
	struct thread *t = me();

	CHECK_EQ("a switch that nobody asked for", t->arrives, 1);
	t->arrives = 0;
	CHECK_EQ("the context that a switch leads to", t->running, self);
	if (!self && !t->main) {
		t->main = t->own = aco_get_co();
		torture_check(t->own && t->own != t->home->main && !t->own->arg,
			      "a main co of the library's own");
	}
	check_context(t);
	t->figures.switches++;
	t->figures.operations++;
	return t;
}

static void check_value(struct item *self, const struct change *c)
{
	if (c->call == CALL_RESUME_VALUE || c->call == CALL_YIELD_VALUE)
		CHECK_EQ("a value", c->got, wait_of(me(), self)->value);
}

static __attribute__((__noinline__)) size_t room(struct item *self)
{
	volatile char here = 0;
	size_t left;

	if (!self)
		return (size_t)1 << 16;
	left = (size_t)((uintptr_t)&here - (uintptr_t)self->group->sstk->ptr);
	return left < 2 * signal_frame ? 0 : left - 2 * signal_frame;
}

/* ---- switches --------------------------------------------------------------- */

static void expect_co(struct thread *t, struct item *to, struct item *resumer,
		      void *value)
{
	CHECK_EQ("aco_state() of a suspended co", aco_state(to->co),
		 to->started ? ACO_STATE_SUSPENDED : ACO_STATE_INIT);
	if (to->last_thread != t->number)
		t->moves++;
	to->last_thread = t->number;
	to->started = 1;
	to->resumes++;
	to->thread = t;
	to->resumer = resumer;
	to->group->running = to;
	give(&to->wait, value);
	t->running = to;
	t->arrives = 1;
}

/* self yields or exits. */
static void expect_resumer(struct thread *t, struct item *self, void *value)
{
	self->thread = NULL;
	self->group->running = NULL;
	t->running = self->resumer;
	give(wait_of(t, self->resumer), value);
	t->error = 0;
	t->arrives = 1;
}

static void resume(struct thread *t, struct item *self, struct item *to)
{
	static const enum call calls[] = { CALL_RESUME, CALL_RESUME,
					   CALL_TRY_RESUME, CALL_RESUME_VALUE };
	struct change c = { 0 };
	int error;

	c.call = calls[pick(t, 4)];
	c.co = to->co;
	if (c.call == CALL_RESUME_VALUE) {
		c.value = &t->held[pick(t, HELD)];
		wait_of(t, self)->waits = 1;
	}
	if (!self)
		t->main = to->home == t->home ? t->home->main : t->own;
	expect_co(t, to, self, c.value);
	make_change(&c, pick(t, 8), torture_random(&t->random));
	error = *errno_here();
	CHECK_EQ("aco_try_resume()", c.result, 0);
	CHECK_EQ("the thread of a context that waited", me(), t);
	if (t->error)
		CHECK_EQ("errno after a resume", error, t->error);
	arrive(self);
	check_value(self, &c);
}

static void yield(struct thread *t, struct item *self)
{
	static const enum call calls[] = { CALL_YIELD, CALL_YIELD, CALL_YIELD1,
					   CALL_YIELD_VALUE };
	struct change c = { 0 };

	c.call = calls[pick(t, 4)];
	c.co = self->co;
	if (c.call == CALL_YIELD_VALUE) {
		c.value = &t->held[pick(t, HELD)];
		self->wait.waits = 1;
	}
	expect_resumer(t, self, c.value);
	t->error = *errno_here() = 1 + (int)pick(t, 100);
	make_change(&c, pick(t, 8), torture_random(&t->random));
	arrive(self);
	check_value(self, &c);
}

static void yield_to(struct thread *t, struct item *self, struct item *to)
{
	struct change c = { .call = CALL_YIELD_TO };
	struct item *resumer = self->resumer;

	c.co = to->co;
	self->thread = NULL;
	self->group->running = NULL;
	expect_co(t, to, resumer, NULL);
	make_change(&c, pick(t, 8), torture_random(&t->random));
	CHECK_EQ("aco_yield_to()", c.result, 0);
	arrive(self);
}

static void end_co(struct thread *t, struct item *self)
{
	static const enum call calls[] = { CALL_EXIT, CALL_EXIT1,
					   CALL_EXIT_VALUE };
	struct change c = { 0 };

	c.call = calls[pick(t, 3)];
	c.co = self->co;
	if (c.call == CALL_EXIT_VALUE)
		c.value = &t->held[pick(t, HELD)];
	self->ended = 1;
	expect_resumer(t, self, c.value);
	t->error = *errno_here() = 1 + (int)pick(t, 100);
	make_change(&c, pick(t, 8), torture_random(&t->random));
	torture_fail("an exit that returned", 0, 0);
}

/* ---- operations ------------------------------------------------------------- */

/* A group that the thread has and whose cos all rest, or NULL. */
static struct group **some_group(struct thread *t)
{
	unsigned n = pick(t, HELD);

	for (unsigned i = 0; i < HELD; i++) {
		struct group **g = &t->held[(n + i) % HELD];

		if (*g && !(*g)->running)
			return g;
	}
	return NULL;
}

/* One that does not run, and has not ended unless that is asked for. */
static struct item *some_item(struct thread *t, struct group *g, int or_ended)
{
	unsigned n = pick(t, ITEMS);

	for (unsigned k = 0; k < ITEMS; k++) {
		struct item *i = &g->items[(n + k) % ITEMS];

		if (i->co && i != g->running && (or_ended || !i->ended))
			return i;
	}
	return NULL;
}

static void take_one(struct thread *t, struct item *self)
{
	struct group **g = t->held;
	int empty = 1;

	for (int i = 0; i < HELD; i++)
		empty &= !t->held[i];
	while (g < t->held + HELD && *g)
		g++;
	if (g == t->held + HELD)
		return;
	*g = take(pick(t, 2));
	if (*g)
		return;
	*g = make_group(t);
	if (!*g && empty && !self)
		wait_for_groups();
}

static void some_words(struct thread *t)
{
	struct m_words w;

	w.x87 = (uint16_t)(0x37f | pick(t, 4) << 10);
	w.mxcsr = 0x1f80u | pick(t, 4) << 13;
	*words_of(t) = set_words(w);
}

/* While others make and destroy: copies only grow, and there never are more than
   so many cos. */
static void look_at_counts(struct thread *t)
{
	aco_stats_t s = { 0 };

	CHECK_EQ("aco_stats()", aco_stats(&s), 0);
	torture_check(s.copies >= t->copies, "copies");
	torture_check(s.cos <= 1000 && s.cos_peak <= 2000, "the count of cos");
	torture_check(s.stacks <= 1000, "the count of stacks");
	t->copies = s.copies;
}

static void look(struct group *g)
{
	for (struct item *i = g->items; i < g->items + ITEMS; i++) {
		if (!i->co)
			continue;
		CHECK_EQ("is_end", i->co->is_end, i->ended);
		CHECK_EQ("arg", i->co->arg, i->arg);
		CHECK_EQ("share_stack", i->co->share_stack, g->sstk);
		CHECK_EQ("main_co", i->co->main_co, i->home->main);
		CHECK_EQ("aco_get_name()", aco_get_name(i->co), i->name);
	}
	if (g->items[0].co)
		torture_check(aco_stack_usage(g->items[0].co) <= g->sstk->sz,
			      "aco_stack_usage()");
}

/* What switches nothing.  Returns whether something has been done. */
static int other(struct thread *t, struct item *self, unsigned what)
{
	struct group **g = some_group(t);
	struct item *i = g ? some_item(t, *g, 1) : NULL;

	switch (what) {
	case 0:
		some_words(t);
		return 1;
	case 1:
		aco_share_stack_cache_limit((size_t)pick(t, 64) << 16);
		return 1;
	case 2:
	case 9:
	case 10:
		if (room(self) < ROOM + 4 * CROWD * sizeof(void *))
			return 0;
		crowd(t);
		return 1;
	}
	if (!g || (what > 10 && !pick(t, 8))) {
		take_one(t, self);
		return 1;
	}
	switch (what) {
	case 3:
		create(t, self && pick(t, 2) ? self->group : *g);
		return 1;
	case 4:
		if (i)
			destroy(i);
		return i != NULL;
	case 5:
		if (!i)
			return 0;
		CHECK_EQ("aco_reset()",
			 aco_reset(i->co, some_function(t), i->arg), 0);
		start_again(t, i);
		return 1;
	case 6:
		if (pick(t, 3))
			return 0;
		destroy_group(*g, (int)pick(t, 2));
		*g = NULL;
		return 1;
	case 7:
	case 8:
		look(*g);
		if (i && what == 8)
			rename_co(t, i);
		look_at_counts(t);
		return 1;
	default:
		put(*g, pick(t, 2));
		*g = NULL;
		return 1;
	}
}

/* ---- contexts --------------------------------------------------------------- */

enum what { SWITCHED, YIELDS, EXITS, NOTHING };

/* What leaves the context is up to the caller. */
static enum what act(struct thread *t, struct item *self)
{
	unsigned n = pick(t, 100);
	struct group **g;
	struct item *to;

	if (t->left == 0)
		return self ? YIELDS : EXITS;
	t->left--;
	if (n >= 80) {
		t->figures.operations += (uint64_t)other(t, self, n - 80);
		return NOTHING;
	}
	if (self && n >= 45)
		return n < 48 ? EXITS : YIELDS;
	if (self && n >= 35 && pick(t, 2)) {
		to = some_item(t, self->group, 0);
	} else {
		g = some_group(t);
		if (!g)
			return NOTHING;
		to = some_item(t, *g, 0);
	}
	if (!to)
		return NOTHING;
	if (self && n >= 35)
		yield_to(t, self, to);
	else
		resume(t, self, to);
	return SWITCHED;
}

static void run(struct item *self, const struct frame *f, int depth);

static __attribute__((__noinline__)) void deeper(struct item *self, int depth,
						 unsigned count, uint32_t salt)
{
	uintptr_t words[count + 1];
	struct frame f = { words, count + 1, salt | 1, 0, NULL };

	fill_frame(&f);
	run(self, &f, depth + 1);
	check_frame(&f);
}

static void go_deeper(struct thread *t, struct item *self, int depth)
{
	static const unsigned char counts[] = { 0, 2, 10, 100 };
	unsigned count = counts[pick(t, 4)];

	if (depth < DEPTH && room(self) > ROOM + count * 2 * sizeof(uintptr_t))
		deeper(self, depth, count, torture_random(&t->random));
}

/* Until the frame returns; that of depth 0 only at the end of the thread. */
static void run(struct item *self, const struct frame *f, int depth)
{
	uint32_t salt = self ? self->salt : 0;

	for (;;) {
		enum what what = act(me(), self);

		if (what == YIELDS)
			yield(me(), self);
		else if (what == EXITS && !self)
			return;
		else if (what == EXITS)
			end_co(me(), self);
		if (self)
			CHECK_EQ("the co whose frame it is", salt, self->salt);
		if (f)
			check_frame(f);
		check_context(me());
		if (pick(me(), 8) == 0)
			go_deeper(me(), self, depth);
		else if (depth > 0 && pick(me(), 8) == 0)
			return;
	}
}

static void body(void)
{
	struct item *self = me()->running;

	torture_check(self != NULL, "a co that starts by itself");
	CHECK_EQ("the first resume of a co", self->resumes, 1);
	arrive(self);
	run(self, NULL, 0);
	torture_fail("a function that returns", 0, 0);
}

REGS_ENTRY_ARG void regs_entered(uintptr_t sp)
{
	CHECK_EQ("alignment at the start of a co", (sp + sizeof(void *)) % 16,
		 0);
	body();
}

/* The id is the item. */
uintptr_t torture_enter(void)
{
	struct item *self = me()->running;

	CHECK_EQ("the first resume of a small co", self->resumes, 1);
	arrive(self);
	return (uintptr_t)self;
}

enum tiny torture_tiny(uintptr_t id)
{
	struct item *self = (struct item *)id;
	struct thread *t = me();

	CHECK_EQ("a word in a small frame", self, t->running);
	if (t->arrives)
		arrive(self);
	for (;;) {
		t = me();
		switch (act(t, self)) {
		case YIELDS:
			expect_resumer(t, self, NULL);
			return TINY_YIELD;
		case EXITS:
			self->ended = 1;
			expect_resumer(t, self, NULL);
			return self->flags & ACO_RETURN_EXITS ? TINY_RETURN
							      : TINY_EXIT;
		default:
			break;
		}
	}
}

/* ---- a round ---------------------------------------------------------------- */

static void *thread_main(void *arg)
{
	struct thread *t = (struct thread *)arg;

	this_thread = t;
	t->words = words_now();
	some_words(t);
	if (pick(t, 2))
		aco_thread_init(NULL);
	t->home = (struct home *)malloc(sizeof(*t->home));
	torture_check(t->home != NULL, "memory");
	atomic_init(&t->home->users, 1);
	t->home->main = aco_create(NULL, NULL, 0, NULL, NULL);
	torture_check(t->home->main != NULL, "a main co");
	t->record = t->words;
	torture_shoot(&t->shooter);
	run(NULL, NULL, 0);
	torture_hold_fire(&t->shooter);
	for (int i = 0; i < HELD; i++)
		if (t->held[i] && pick(t, 2)) {
			put(t->held[i], pick(t, 2));
			t->held[i] = NULL;
		}
	/* the others go on after its end */
	pthread_mutex_lock(&lock);
	t->next_ended = first_ended;
	first_ended = t;
	pthread_cond_broadcast(&change_of_groups);
	pthread_mutex_unlock(&lock);
	if (pick(t, 2))
		pthread_exit(NULL);
	return NULL;
}

static void start(int number, uint32_t seed)
{
	struct thread *t = (struct thread *)calloc(1, sizeof(*t));

	torture_check(t != NULL, "memory");
	t->number = number;
	t->random = seed * 2654435761u | 1;
	t->left = 500 + pick(t, 3000);
	if (pthread_create(&t->pthread, NULL, thread_main, t) != 0)
		abort();
}

static void join_one(void)
{
	struct thread *t;

	pthread_mutex_lock(&lock);
	while (!first_ended)
		pthread_cond_wait(&change_of_groups, &lock);
	t = first_ended;
	first_ended = t->next_ended;
	pthread_mutex_unlock(&lock);
	if (pthread_join(t->pthread, NULL) != 0)
		abort();
	for (int i = 0; i < HELD; i++)
		if (t->held[i])
			put(t->held[i], (unsigned)i);
	leave_home(t->home);
	report->figures.operations += t->figures.operations;
	report->figures.switches += t->figures.switches;
	report->figures.cos += t->figures.cos;
	report->moves += t->moves;
	free(t);
}

/* When all is destroyed, and all threads have ended. */
static void check_counts(void)
{
	aco_stats_t s = { 0 };

	CHECK_EQ("aco_stats() in the end", aco_stats(&s), 0);
	CHECK_EQ("cos in the end", s.cos, 0);
	CHECK_EQ("stacks in the end", s.stacks, 0);
	CHECK_EQ("bytes of save stacks in the end", s.save_bytes, 0);
	CHECK_EQ("copies in the end", s.copies, atomic_load(&copies_of_gone));
}

/* More threads than run at a time, one after the other. */
static void round_of(uint64_t seed)
{
	int at_once = 2 + (int)(seed % (THREADS - 1)), all = at_once * 4;
	struct group *g;

	if (options.threads)
		at_once = (int)options.threads;
	round_number = seed;
	make_ring();
	for (int i = 0; i < all; i++) {
		if (i >= at_once)
			join_one();
		start(i, (uint32_t)seed * 1000 + (uint32_t)i + 1);
	}
	pthread_mutex_lock(&lock);
	closing = 1;
	pthread_cond_broadcast(&change_of_groups);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < at_once; i++)
		join_one();
	while ((g = take(0)) != NULL)
		destroy_group(g, atomic_load(&groups) % 2);
	CHECK_EQ("groups that nobody has", atomic_load(&groups), 0);
	check_counts();
	report->figures.programs++;
}

/* ---- the command ------------------------------------------------------------ */

static const char usage[] =
	"usage: exchange [--seconds N] [--operations N] [--seed N] [--threads "
	"N]\n"
	"                [--signals HZ] [--quiet]\n"
	"\n"
	"Lets 2 to 4 threads, or N, hand cos to each other, in rounds, until "
	"the time is\n"
	"over or so many operations have run (default: 10 seconds).\n";

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void tell(const char *what, double since, int failures)
{
	const struct figures *f = &report->figures;

	printf("%s%.0f s: programs %llu, operations %llu, switches %llu, "
	       "signals %llu, cos %llu, moves %llu; failures: %d\n",
	       what, now() - since, (unsigned long long)f->programs,
	       (unsigned long long)f->operations,
	       (unsigned long long)f->switches, (unsigned long long)f->signals,
	       (unsigned long long)f->cos, (unsigned long long)report->moves,
	       failures);
	fflush(stdout);
}

static int round_fails(uint64_t seed)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0) {
		alarm(PATIENCE);
		round_of(seed);
		exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	if (status == 0)
		return 0;
	printf("FAILED: round %llu: ", (unsigned long long)seed);
	if (WIFSIGNALED(status))
		printf("ended by signal %d (%s)\n", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else
		printf("exit status %d\n", WEXITSTATUS(status));
	printf("--seed %llu begins with it, which need not fail each time\n",
	       (unsigned long long)seed);
	return 1;
}

static int run_rounds(void)
{
	double since = now(), told = since;
	uint64_t seed = options.seed;
	int failures = 0;

	do {
		failures += round_fails(seed++);
		if (!options.quiet && now() - told >= 10) {
			told = now();
			tell("", since, failures);
		}
	} while (
		!failures &&
		(!options.seconds || now() - since < (double)options.seconds) &&
		(!options.operations ||
		 report->figures.operations < (uint64_t)options.operations));
	tell("total: ", since, failures);
	return failures != 0;
}

static long number(const char *text, long most)
{
	return torture_number(text, most, usage);
}

static void parse(char **arg)
{
	for (; *arg; arg++) {
		const char *name = *arg;

		if (!strcmp(name, "--help")) {
			fputs(usage, stdout);
			exit(0);
		} else if (!strcmp(name, "--quiet")) {
			options.quiet = 1;
		} else if (!arg[1]) {
			number(NULL, 0);
		} else if (!strcmp(name, "--seconds")) {
			options.seconds = number(*++arg, 10000000);
		} else if (!strcmp(name, "--operations")) {
			options.operations = number(*++arg, 2000000000);
		} else if (!strcmp(name, "--seed")) {
			options.seed = (unsigned long)number(*++arg,
							     0x7fffffff);
		} else if (!strcmp(name, "--threads")) {
			options.threads = number(*++arg, 8);
		} else if (!strcmp(name, "--signals")) {
			torture_signals = (int)number(*++arg, 100000);
		} else {
			number(NULL, 0);
		}
	}
	if (!options.seconds && !options.operations)
		options.seconds = 10;
}

int main(int argc, char **argv)
{
	(void)argc;
	parse(argv + 1);
	signal_frame = getauxval(AT_MINSIGSTKSZ);
	if (signal_frame == 0)
		signal_frame = 4096;
	report = (struct report *)mmap(NULL, sizeof(*report),
				       PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	torture_figures = &report->figures;
	return run_rounds();
}
