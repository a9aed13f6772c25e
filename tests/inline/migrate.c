/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate.c - a co that goes on in another thread suspends itself there
 *
 * Compilers take the address of a thread-local variable for constant within a
 * function.  One that was computed before a switch is the old thread's after
 * it, and the next switch of the function would suspend the co that runs
 * there.  So two threads take turns at resuming the same cos, and the one that
 * waits does so inside a co of its own, a parker, which the wrong variable
 * would name:
 *
 *	thread 0: main --+-- parker 0      waits for its turn
 *	thread 1: main --+-- parker 1      gives the turn away, waits
 *	                 +-- traveller 0 --+-- child
 *	                 +-- traveller 1 ...
 *
 * Nothing here has thread-local variables of its own: here() is a system call.
 * Ends with 0, or with a message and 1.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* syscall under -std=c99 */
#endif
#include <aco.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOINLINE __attribute__((__noinline__))
#define COUNT_OF(a) (sizeof(a) / sizeof(*(a)))

#define TURNS 100

static NOINLINE long here(void)
{
	return syscall(SYS_gettid);
}

/* Not exit(): the other thread waits on a stack that may be wrong, too. */
__attribute__((__cold__, __noreturn__)) NOINLINE static void
fail(const char *what, int line)
{
	fprintf(stderr, "migrate: line %d: failed: %s\n", line, what);
	_exit(1);
}

#define CHECK(cond)                            \
	do {                                   \
		if (!(cond))                   \
			fail(#cond, __LINE__); \
	} while (0)

/* ------------------------------------------------------------- the turns -- */

struct side {
	sem_t turn;
	long thread;
	aco_t *main_co;
	aco_t *parker;
	aco_share_stack_t *stack;
};

static struct side sides[2];
static struct side *running;  /* whose turn it is */
static unsigned long arrived; /* how often a traveller or child went on */

static NOINLINE void wait_for_turn(struct side *side)
{
	while (sem_wait(&side->turn))
		;
	running = side;
}

static NOINLINE void give_turn(struct side *side)
{
	CHECK(!sem_post(&side->turn));
}

/* The other side has this one's parker in its hands as long as it runs. */
static void park(void)
{
	struct side *me = (struct side *)aco_get_arg();
	struct side *other = &sides[me == &sides[0]];

	for (;;) {
		CHECK(here() == me->thread);
		give_turn(other);
		wait_for_turn(me);
		CHECK(here() == me->thread);
		aco_yield();
	}
}

/* -------------------------------------------------------- the travellers -- */

#if defined(__cplusplus)
/* Links libstdc++, beside which switches take a way of their own. */
static NOINLINE void need_libstdcxx(void)
{
	try {
		throw 1;
	} catch (int) {
	}
}
#else
static void need_libstdcxx(void)
{
}
#endif

/* Called by each co when it goes on. */
static NOINLINE void note(aco_t *self)
{
	CHECK(here() == running->thread);
	CHECK(aco_get_co() == self);
	need_libstdcxx();
	arrived++;
}

static void in_sequence(void)
{
	aco_t *self = aco_get_co();

	for (;;) {
		note(self);
		aco_yield();
		note(self);
		aco_yield();
		note(self);
		aco_yield();
	}
}

static void in_a_loop(void)
{
	aco_t *self = aco_get_co();
	unsigned i;

	for (;;) {
		note(self);
		for (i = 0; i < 7; i++) {
			aco_yield();
			note(self);
		}
		aco_yield();
	}
}

/* Nothing but switches: no call makes the compiler save what it keeps. */
static void with_nothing_between(void)
{
	for (;;) {
		arrived++;
		aco_yield();
		arrived++;
		aco_yield();
		arrived++;
		aco_yield();
	}
}

static inline __attribute__((__always_inline__)) void step(aco_t *self,
							   unsigned i)
{
	if (i & 1) {
		note(self);
		aco_yield();
	} else {
		arrived++;
		aco_yield();
	}
}

static void in_branches(void)
{
	aco_t *self = aco_get_co();
	unsigned i;

	for (i = 0;; i++) {
		step(self, i);
		if (i & 2)
			step(self, i >> 2);
		else
			step(self, i >> 3);
	}
}

/* More values than registers, so that what is kept lies in memory. */
static void under_pressure(void)
{
	aco_t *self = aco_get_co();
	unsigned long v[20];
	volatile unsigned long one = 1;
	unsigned long sum;
	unsigned i;

	for (;;) {
		for (i = 0; i < COUNT_OF(v); i++)
			v[i] = one << i;
		note(self);
		aco_yield();
		note(self);
		for (i = 0; i < COUNT_OF(v); i++)
			v[i] += one;
		aco_yield();
		sum = 0;
		for (i = 0; i < COUNT_OF(v); i++)
			sum += v[i];
		CHECK(sum == (1ul << COUNT_OF(v)) - 1 + COUNT_OF(v));
	}
}

/* The child goes on in the thread of its resumer, and finds it. */
static void as_child(void)
{
	aco_t *self = aco_get_co();

	for (;;) {
		note(self);
		aco_yield();
		note(self);
		aco_yield();
		aco_yield();
	}
}

static void with_a_child(void)
{
	aco_t *self = aco_get_co();
	aco_t *child = (aco_t *)aco_get_arg();
	unsigned i;

	for (;;) {
		note(self);
		aco_resume(child);
		note(self);
		aco_yield();
		aco_resume(child);
		aco_resume(child);
		note(self);
		aco_yield();
		for (i = 0; i < 5; i++) {
			aco_resume(child);
			if (i & 1)
				aco_yield();
		}
	}
}

static void resumes_in_a_loop(void)
{
	aco_t *child = (aco_t *)aco_get_arg();

	for (;;) {
		arrived++;
		aco_resume(child);
		aco_yield();
		aco_resume(child);
	}
}

static const struct {
	aco_cofuncp_t fp;
	int has_child;
} bodies[] = {
	{ in_sequence, 0 },	     { in_a_loop, 0 },
	{ with_nothing_between, 0 }, { in_branches, 0 },
	{ under_pressure, 0 },	     { with_a_child, 1 },
	{ resumes_in_a_loop, 1 },
};

/* Alone on its stack or not, with own control words or not. */
struct traveller {
	aco_t *co;
	aco_t *child;
	aco_share_stack_t *stack;
	aco_share_stack_t *child_stack;
};

static struct traveller travellers[COUNT_OF(bodies) * 4];

static aco_t *create(aco_t *main_co, aco_share_stack_t *stack, aco_cofuncp_t fp,
		     void *arg, unsigned flags)
{
	aco_t *co = aco_create2(main_co, stack, 0, fp, arg, flags);

	CHECK(co);
	return co;
}

static aco_share_stack_t *create_stack(void)
{
	aco_share_stack_t *stack = aco_share_stack_new(0);

	CHECK(stack);
	return stack;
}

/* Two with the same body follow each other on the same stack. */
static void create_travellers(aco_t *main_co)
{
	struct traveller *t;
	unsigned i;

	for (i = 0; i < COUNT_OF(travellers); i++) {
		unsigned flags = i & 1 ? ACO_SHARE_FPENV : 0;

		t = &travellers[i];
		if ((i & 3) == 3)
			t->stack = t[-1].stack;
		else
			t->stack = create_stack();
		if (bodies[i / 4].has_child) {
			t->child_stack = create_stack();
			t->child = create(main_co, t->child_stack, as_child,
					  NULL, flags);
		}
		t->co = create(main_co, t->stack, bodies[i / 4].fp, t->child,
			       flags);
	}
}

static void destroy_travellers(void)
{
	struct traveller *t;
	unsigned i;

	for (i = 0; i < COUNT_OF(travellers); i++) {
		t = &travellers[i];
		aco_destroy(t->co);
		if (t->child) {
			aco_destroy(t->child);
			aco_share_stack_destroy(t->child_stack);
		}
	}
	for (i = 0; i < COUNT_OF(travellers); i++)
		if ((i & 3) != 3)
			aco_share_stack_destroy(travellers[i].stack);
}

/* ----------------------------------------------------------- the threads -- */

static void begin(struct side *me)
{
	me->thread = here();
	me->main_co = create(NULL, NULL, NULL, NULL, 0);
	me->stack = create_stack();
	me->parker = create(me->main_co, me->stack, park, me, 0);
}

static void end(struct side *me)
{
	aco_destroy(me->parker);
	aco_share_stack_destroy(me->stack);
	aco_destroy(me->main_co);
}

/*
 * One to three times: the first time a thread resumes a co that came from the
 * other is a call of the library, and those that follow are inline.
 */
static void resume_all(struct side *me, unsigned turn)
{
	unsigned i, k;

	for (i = 0; i < COUNT_OF(travellers); i++) {
		aco_t *co = travellers[i].co;

		for (k = 0; k <= (turn + i) % 3; k++) {
			aco_resume(co);
			CHECK(here() == me->thread);
			CHECK(running == me);
			CHECK(aco_is_main_co(aco_get_co()));
			CHECK(aco_state(co) == ACO_STATE_SUSPENDED);
		}
	}
}

static void *take_turns(void *arg)
{
	struct side *me = (struct side *)arg;
	unsigned turn;

	for (turn = 0; turn < TURNS; turn++) {
		resume_all(me, turn);
		aco_resume(me->parker);
		CHECK(here() == me->thread);
	}
	return NULL;
}

static void *other_thread(void *arg)
{
	struct side *me = (struct side *)arg;

	begin(me);
	wait_for_turn(me);
	take_turns(me);
	end(me);
	return NULL;
}

int main(void)
{
	pthread_t thread;

	CHECK(!sem_init(&sides[0].turn, 0, 0));
	CHECK(!sem_init(&sides[1].turn, 0, 0));
	begin(&sides[0]);
	create_travellers(sides[0].main_co);
	running = &sides[0];
	CHECK(!pthread_create(&thread, NULL, other_thread, &sides[1]));
	take_turns(&sides[0]);
	/* the other's last turn is over: it waits in its parker */
	give_turn(&sides[1]);
	CHECK(!pthread_join(thread, NULL));
	destroy_travellers();
	end(&sides[0]);
	printf("migrate: %lu steps\n", arrived);
	return 0;
}
