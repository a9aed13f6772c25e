/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - four threads steal work from each other: cos that go on anywhere
 *
 * A unit of work is a share stack, or two, with all the cos on it, which at any
 * time one worker has: in his queue, or running.  All start in the queue of the
 * first worker.  Those that are "restless" never run on one thread twice in a
 * row, so that there is something to see however the threads are scheduled.
 *
 * Each co keeps bytes in its frame, has a rounding mode of its own, and counts
 * on how many threads it has been.  sanitizers.sh runs this, too.
 */
#include <aco.h>

#include <fenv.h>
#include <pthread.h>
#include <sched.h>

#define WORKERS 4
#define UNITS 60
#define COS 3 /* of a unit */
#define ROUNDS 500

struct co {
	aco_t *co;
	int id;
	int rounds;
	int moves;
};

struct unit {
	aco_share_stack_t *stack[COS];
	struct co co[COS];
	aco_t *first; /* of a nested one: that resumes the other two */
	int restless;
	int last_worker;
	struct unit *next;
};

struct queue {
	pthread_mutex_t lock;
	struct unit *top;
};

static struct unit units[UNITS];
static struct queue queues[WORKERS];
static int unfinished = UNITS;
static pthread_barrier_t start;
static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD,
			     FE_TOWARDZERO };

static void fail(const char *what, int line)
{
	fprintf(stderr, "pool.c:%d: not true: %s\n", line, what);
	_exit(1);
}
#define CHECK(cond) ((cond) ? (void)0 : fail(#cond, __LINE__))

/* Not inlined, and with an effect as far as the compiler knows. */
__attribute__((__noinline__)) static pthread_t this_thread(void)
{
	__asm__ volatile("");
	return pthread_self();
}

/* ----------------------------------------------------------- what cos do -- */

static void fill(unsigned char *p, size_t sz, unsigned seed)
{
	for (size_t i = 0; i < sz; i++)
		p[i] = (unsigned char)(seed * 31 + i);
}

static void check_fill(const unsigned char *p, size_t sz, unsigned seed)
{
	for (size_t i = 0; i < sz; i++)
		CHECK(p[i] == (unsigned char)(seed * 31 + i));
}

/* Deeper, and back up after a yield. */
__attribute__((__noinline__)) static void step(int depth, struct co *self)
{
	unsigned char frame[100];
	unsigned seed = (unsigned)(self->id + depth);

	fill(frame, sizeof(frame), seed);
	if (depth > 0)
		step(depth - 1, self);
	else
		aco_yield();
	check_fill(frame, sizeof(frame), seed);
}

static void works(void)
{
	struct co *self = aco_get_arg();
	int mode = modes[self->id % 4];

	fesetround(mode);
	for (self->rounds = 0; self->rounds < ROUNDS; self->rounds++) {
		pthread_t here = this_thread();

		step((self->id + self->rounds) % 6, self);
		self->moves += !pthread_equal(here, this_thread());
		CHECK(fegetround() == mode);
		CHECK(aco_get_arg() == self);
	}
	aco_exit();
}

static void resumes_others(void)
{
	struct unit *u = aco_get_arg();

	for (int i = 1; i < COS; i++)
		while (!u->co[i].co->is_end) {
			aco_resume(u->co[i].co);
			aco_yield();
		}
	aco_exit();
}

/* --------------------------------------------------------------- workers -- */

static void put(struct queue *q, struct unit *u)
{
	pthread_mutex_lock(&q->lock);
	u->next = q->top;
	q->top = u;
	pthread_mutex_unlock(&q->lock);
}

/* The first one that worker me may have. */
static struct unit *take(struct queue *q, int me)
{
	struct unit **link = &q->top;
	struct unit *u;

	pthread_mutex_lock(&q->lock);
	while ((u = *link) && u->restless && u->last_worker == me)
		link = &u->next;
	if (u)
		*link = u->next;
	pthread_mutex_unlock(&q->lock);
	return u;
}

static struct unit *take_or_steal(int me)
{
	struct unit *u = NULL;

	for (int i = 0; i < WORKERS && !u; i++)
		u = take(&queues[(me + i) % WORKERS], me);
	return u;
}

/* Each of its cos once; 0 when all have ended. */
static int run(struct unit *u)
{
	int alive = 0;

	if (u->first) {
		aco_resume(u->first);
		return !u->first->is_end;
	}
	for (int i = 0; i < COS; i++)
		if (!u->co[i].co->is_end) {
			aco_resume(u->co[i].co);
			alive += !u->co[i].co->is_end;
		}
	return alive;
}

static void *work(void *arg)
{
	int me = (int)(intptr_t)arg;
	aco_t *main_co = NULL;
	struct unit *u;

	if (me % 2) /* the others get the library's own */
		main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	pthread_barrier_wait(&start);
	while (__atomic_load_n(&unfinished, __ATOMIC_ACQUIRE)) {
		u = take_or_steal(me);
		if (!u) {
			sched_yield();
			continue;
		}
		u->last_worker = me;
		if (run(u))
			put(&queues[me], u);
		else
			__atomic_sub_fetch(&unfinished, 1, __ATOMIC_RELEASE);
		CHECK(fegetround() == FE_TONEAREST);
	}
	if (main_co)
		aco_destroy(main_co);
	return NULL;
}

/* ------------------------------------------------------------------ main -- */

/*
 * Of three kinds: all cos on one stack; each on its own; and nested, where the
 * first resumes the others, which share a stack.
 */
static void make_unit(struct unit *u, int n, aco_t *main_co)
{
	int kind = n % 3;

	u->restless = n / 3 % 2;
	u->last_worker = -1;
	for (int i = 0; i < COS; i++) {
		int own = kind == 1 || i == 0 || (kind == 2 && i == 1);

		if (own)
			u->stack[i] = aco_share_stack_new(64 << 10);
		u->co[i].id = n * COS + i;
		u->co[i].co = aco_create(main_co,
					 own ? u->stack[i]
					     : u->co[i - 1].co->share_stack,
					 0, works, &u->co[i]);
		CHECK(u->co[i].co);
	}
	if (kind != 2)
		return;
	aco_destroy(u->co[0].co);
	u->first = aco_create(main_co, u->stack[0], 0, resumes_others, u);
	CHECK(u->first);
	u->co[0].co = u->first;
}

static void check_unit(struct unit *u)
{
	for (int i = 0; i < COS; i++) {
		CHECK(u->co[i].co->is_end);
		if (u->co[i].co == u->first)
			continue;
		CHECK(u->co[i].rounds == ROUNDS);
		CHECK(!u->restless || u->co[i].moves == ROUNDS);
	}
}

static void destroy_unit(struct unit *u)
{
	for (int i = 0; i < COS; i++)
		aco_destroy(u->co[i].co);
	for (int i = 0; i < COS; i++)
		if (u->stack[i])
			aco_share_stack_destroy(u->stack[i]);
}

int main(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	pthread_t thread[WORKERS];

	CHECK(!pthread_barrier_init(&start, NULL, WORKERS));
	for (int i = 0; i < WORKERS; i++)
		CHECK(!pthread_mutex_init(&queues[i].lock, NULL));
	for (int i = 0; i < UNITS; i++) {
		make_unit(&units[i], i, main_co);
		put(&queues[0], &units[i]);
	}
	for (int i = 0; i < WORKERS; i++)
		CHECK(!pthread_create(&thread[i], NULL, work,
				      (void *)(intptr_t)i));
	for (int i = 0; i < WORKERS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	for (int i = 0; i < UNITS; i++) {
		check_unit(&units[i]);
		destroy_unit(&units[i]);
	}
	aco_destroy(main_co);
	return 0;
}
