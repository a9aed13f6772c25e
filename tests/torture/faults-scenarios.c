/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults-scenarios.c - what is done with the library while something is refused
 *
 * Each call that fails has to say so with an errno that its page names, and to have
 * changed nothing; then it is called again, see again().  A scenario ends with
 * nothing left.  It takes part in all that its cos do: who has run how often, and
 * what lies in their frames.
 */
#include "faults.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define KIB ((size_t)1024)
#define HAS_ROOM (sizeof(void *) > 4) /* of addresses */

/* ---- cos -------------------------------------------------------------------- */

struct member {
	aco_t *co;
	aco_share_stack_t *stack;
	int owns_stack;
	int depth;	     /* of calls, of about 200 bytes each */
	int resumed;	     /* so often, by main */
	int noticed;	     /* by itself */
	int broken;	     /* bytes of its frames */
	aco_t *gives_way_to; /* instead of yielding */
	int last;	     /* time that it gives way */
};

static aco_t *main_co;

static int shallow(struct member *m)
{
	aco_t *to = m->gives_way_to;

	m->noticed++;
	if (!to) {
		aco_yield();
		return 0;
	}
	m->gives_way_to = NULL;
	faults_begin();
	if (aco_yield_to(to) < 0) {
		int error = errno;

		faults_end();
		MUST(aco_get_co() == m->co);
		MUST(aco_state(m->co) == ACO_STATE_RUNNING);
		m->noticed--;
		if (again("aco_yield_to", error, ENOMEM))
			m->gives_way_to = to;
		else
			aco_yield();
	}
	return m->gives_way_to != NULL;
}

__attribute__((__noinline__)) static void deeper(struct member *m, int depth)
{
	volatile unsigned char frame[160];
	unsigned char seed = (unsigned char)((uintptr_t)m / 8 + depth);

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (unsigned char)(seed + i);
	if (depth > 0)
		deeper(m, depth - 1);
	else
		while (shallow(m))
			continue;
	faults_end();
	for (size_t i = 0; i < sizeof(frame); i++)
		m->broken += frame[i] != (unsigned char)(seed + i);
}

static void work(void)
{
	struct member *m = aco_get_arg();

	faults_end();
	while (m->noticed < m->last || !m->last)
		deeper(m, m->depth);
	aco_exit();
}

/* ---- calls that can fail ---------------------------------------------------- */

static aco_t *a_main(void)
{
	aco_t *co;

	do
		co = LIB(aco_create(NULL, NULL, 0, NULL, NULL));
	while (!co && again("aco_create", errno, ENOMEM));
	if (co)
		MUST(aco_is_main_co(co) && !co->main_co);
	return co;
}

/* The kernel can't read there, either. */
static int is_forbidden(const char *p)
{
	static int fds[2] = { -1, -1 };

	if (fds[0] < 0)
		MUST(pipe(fds) == 0);
	return write(fds[1], p, 1) < 0 && errno == EFAULT;
}

static aco_share_stack_t *a_stack(size_t sz, char guard)
{
	aco_share_stack_t *sstk;

	do
		sstk = LIB(aco_share_stack_new2(sz, guard));
	while (!sstk && again("aco_share_stack_new2", errno, ENOMEM));
	if (!sstk)
		return NULL;
	MUST(sstk->sz >= (sz ? sz : 2048 * KIB));
	MUST(!sstk->owner && !sstk->users);
	MUST(sstk->guard_page_enabled == guard);
	((volatile char *)sstk->ptr)[0] = 1; /* it is there */
	((volatile char *)sstk->ptr)[0] = 0;
	if (guard && !lied)
		MUST(is_forbidden((char *)sstk->ptr - 1) &&
		     is_forbidden((char *)sstk->ptr - 64 * KIB));
	return sstk;
}

static aco_share_stack_t *a_stack_from(void *mem, size_t sz)
{
	aco_share_stack_t *sstk;

	do
		sstk = LIB(aco_share_stack_from(mem, sz));
	while (!sstk && again("aco_share_stack_from", errno, ENOMEM));
	return sstk;
}

/* On m->stack, which may be missing. */
static int enters(struct member *m, size_t save_stack_sz)
{
	size_t users;

	if (!main_co || !m->stack)
		return 0;
	for (;;) {
		users = m->stack->users;
		m->co = LIB(aco_create2(main_co, m->stack, save_stack_sz, work,
					m, (uintptr_t)m / 64 % 2));
		if (m->co)
			break;
		MUST(m->stack->users == users);
		if (!again("aco_create2", errno, ENOMEM))
			return 0;
	}
	MUST(m->stack->users == users + 1);
	MUST(aco_state(m->co) == ACO_STATE_INIT);
	MUST(m->co->arg == m && m->co->share_stack == m->stack);
	MUST(m->co->save_stack.sz == save_stack_sz);
	m->noticed = m->resumed = m->broken = 0;
	return 1;
}

static int resume(struct member *m)
{
	int noticed = m->noticed, error;
	aco_share_stack_t *stack;
	aco_t *owner, *here;
	struct aco_s was;

	if (!m->co || aco_is_end(m->co))
		return 0;
	stack = m->stack;
	owner = stack->owner;
	here = aco_get_co();
	for (;;) {
		was = *m->co;
		if (LIB(aco_try_resume(m->co)) == 0)
			break;
		error = errno;
		MUST(stack->owner == owner && aco_get_co() == here);
		MUST(m->noticed == noticed);
		MUST(memcmp(&was, m->co, sizeof(was)) == 0);
		if (!again("aco_try_resume", error, ENOMEM))
			return 0;
	}
	m->resumed++;
	MUST(m->broken == 0);
	return 1;
}

/* All of it, in whatever state it is. */
static void leaves(struct member *m)
{
	if (m->co)
		LIB_VOID(aco_destroy(m->co));
	if (m->owns_stack && m->stack)
		LIB_VOID(aco_share_stack_destroy(m->stack));
	memset(m, 0, sizeof(*m));
}

static void begin(void)
{
	main_co = a_main();
}

static void end(void)
{
	if (main_co)
		LIB_VOID(aco_destroy(main_co));
	main_co = NULL;
	LIB_VOID(aco_share_stack_cache_limit(0));
	LIB_VOID(aco_share_stack_cache_limit(32 << 20));
}

/* ---- bystanders ------------------------------------------------------------- */

static struct member bystanders[6];
static aco_share_stack_t *bystanders_stack;
static aco_t *bystanders_main;

void bystanders_make(void)
{
	struct member *m = bystanders;

	begin();
	bystanders_main = main_co;
	bystanders_stack = a_stack(64 * KIB, 1);
	for (size_t i = 0; i < LEN(bystanders); i++, m++) {
		m->owns_stack = i < 3;
		m->stack = i < 2    ? a_stack(64 * KIB, 1)
			   : i == 2 ? a_stack(0, 0)
				    : bystanders_stack;
		m->depth = (int)i * 5;
		MUST(enters(m, i == 4 ? 300 : 0));
	}
	bystanders_check();
}

/* Those that share a stack need memory once each, which they have by then. */
void bystanders_check(void)
{
	aco_t *others = main_co;

	if (!bystanders_main)
		return;
	main_co = bystanders_main;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < LEN(bystanders); i++) {
			MUST(resume(&bystanders[i]));
			MUST(bystanders[i].noticed == bystanders[i].resumed);
		}
	main_co = others;
}

void bystanders_destroy(void)
{
	if (!bystanders_main)
		return;
	for (size_t i = 0; i < LEN(bystanders); i++)
		leaves(&bystanders[i]);
	LIB_VOID(aco_share_stack_destroy(bystanders_stack));
	main_co = bystanders_main;
	bystanders_main = NULL;
	end();
}

/* ---- scenarios -------------------------------------------------------------- */

/* One co, from its birth to its end, and all that can be asked. */
static void one(void)
{
	struct member m = { .depth = 3, .last = 3, .owns_stack = 1 };

	LIB_VOID(aco_thread_init(NULL));
	begin();
	m.stack = a_stack(0, 1);
	if (enters(&m, 64)) {
		while (resume(&m) && !aco_is_end(m.co)) {
			LIB_VOID(aco_prefetch(m.co));
			MUST(aco_state(m.co) == ACO_STATE_SUSPENDED);
			MUST(LIB(aco_stack_usage(m.co)) > 4 * 160);
			MUST(m.noticed == m.resumed);
		}
		MUST(m.noticed == 3 || kernel_refuses);
	}
	if (m.co) {
		MUST(LIB(aco_reset(m.co, work, &m)) == 0);
		MUST(LIB(aco_reset(m.co, NULL, &m)) == -1 && errno == EINVAL);
	}
	MUST(LIB(aco_constant("ACO_STATE_END")) == ACO_STATE_END);
	MUST(LIB(aco_version()) != NULL);
	MUST(LIB(aco_share_stack_new((size_t)-1)) == NULL && errno == EINVAL);
	leaves(&m);
	end();
}

/* Stacks of all origins, so many that arenas are added. */
static void stacks(void)
{
	static const struct {
		size_t sz;
		char guard;
	} kinds[] = { { 64 << 10, 1 },
		      { 4096, 1 },
		      { 100000, 0 },
		      { 64 << 10, 1 },
		      { 300000, 1 } };
	static struct member crew[24];
	static char memory[16384];
	size_t huge = HAS_ROOM ? (size_t)64 << 20 : (size_t)8 << 20;
	size_t i;

	begin();
	for (i = 0; i < LEN(crew); i++) {
		struct member *m = &crew[i];

		m->depth = (int)i % 10;
		m->owns_stack = 1;
		if (i == 1)
			m->stack = a_stack(huge, 1);
		else if (i == 8)
			m->stack = a_stack_from(memory, sizeof(memory));
		else
			m->stack = a_stack(kinds[i % LEN(kinds)].sz,
					   kinds[i % LEN(kinds)].guard);
		if (enters(m, 0))
			resume(m);
	}
	/* every third one leaves and another one takes its place */
	for (i = 0; i < LEN(crew); i += 3) {
		leaves(&crew[i]);
		crew[i].owns_stack = 1;
		crew[i].stack = a_stack(5000 * i, 1);
		if (enters(&crew[i], 0))
			resume(&crew[i]);
	}
	for (i = 0; i < LEN(crew); i++)
		if (crew[i].co && resume(&crew[i]))
			MUST(crew[i].noticed == crew[i].resumed);
	for (i = 0; i < LEN(crew); i++)
		leaves(&crew[i * 7 % LEN(crew)]);
	end();
}

/* Save stacks come, grow and shrink. */
static void sharing(void)
{
	static const int depths[] = { 0, 1, 3, 8, 9, 60, 400, 2, 1 };
	static struct member crew[5];
	aco_share_stack_t *stack;
	size_t i, round;

	begin();
	stack = a_stack(1024 * KIB, 1);
	for (i = 0; i < LEN(crew); i++) {
		crew[i].stack = stack;
		enters(&crew[i], i * 100);
	}
	for (round = 0; round < LEN(depths); round++)
		for (i = 0; i < LEN(crew); i++) {
			crew[i].depth = depths[round] * (int)(i + 1) / 2;
			if (round == 4 && crew[i].co && crew[(i + 1) % 5].co)
				crew[i].gives_way_to = crew[(i + 1) % 5].co;
			resume(&crew[i]);
			crew[i].gives_way_to = NULL;
		}
	for (i = 0; i < LEN(crew); i++) {
		resume(&crew[i]);
		MUST(crew[i].broken == 0);
	}
	if (stack) /* first the stack, then its cos */
		LIB_VOID(aco_share_stack_destroy(stack));
	for (i = 0; i < LEN(crew); i++)
		leaves(&crew[i]);
	end();
}

/* Destroyed stacks are kept, used again, pushed out and given back. */
static void cache(void)
{
	static const size_t limits[] = { 32 << 20, 400000, 0, 2 << 20 };
	aco_share_stack_t *there[12];
	size_t i, round;

	begin();
	for (round = 0; round < LEN(limits); round++) {
		LIB_VOID(aco_share_stack_cache_limit(limits[round]));
		for (size_t again_ = 0; again_ < 2; again_++) {
			for (i = 0; i < LEN(there); i++)
				there[i] = a_stack(round * 7777 + i % 4 * 20000,
						   1);
			for (i = 0; i < LEN(there); i++)
				if (there[i])
					LIB_VOID(aco_share_stack_destroy(
						there[i]));
		}
	}
	end();
}

/* Pieces by the thousands: slabs come and go, and so do their pages. */
static void slabs(void)
{
	size_t n = HAS_ROOM ? 9000 : 1500, i;
	struct member *crew = calloc(n, sizeof(*crew));
	aco_share_stack_t *stack;

	if (!crew && kernel_refuses)
		return;
	MUST(crew);
	begin();
	stack = a_stack(32 * KIB, 1);
	for (i = 0; i < n; i++) {
		crew[i].stack = stack;
		if (!enters(&crew[i], i % 7 ? 370 : i % 3 * 100))
			break;
		if (i % 300 == 0)
			resume(&crew[i]);
	}
	for (i = 0; i < n; i += 2)
		leaves(&crew[i]);
	for (i = 0; i < n; i += 20) {
		crew[i].stack = stack;
		if (enters(&crew[i], 370))
			resume(&crew[i]);
	}
	for (i = n; i-- > 0;)
		leaves(&crew[i]);
	if (stack)
		LIB_VOID(aco_share_stack_destroy(stack));
	free(crew);
	end();
}

/* ---- threads ---------------------------------------------------------------- */

/* The main context of a thread without a main co of its own. */
static void *resumes_a_foreign(void *member)
{
	struct member *m = member;

	resume(m);
	resume(m);
	faults_end_of_thread();
	return NULL;
}

static void *has_cos(void *arg)
{
	aco_t *of_others = main_co;
	struct member m = { .depth = 2, .owns_stack = 1 };

	(void)arg;
	begin();
	m.stack = a_stack(20000, 1);
	if (enters(&m, 0))
		resume(&m);
	leaves(&m);
	m.owns_stack = 1;
	m.stack = a_stack(20000, 1);
	if (enters(&m, 100))
		resume(&m);
	leaves(&m);
	if (main_co)
		LIB_VOID(aco_destroy(main_co));
	main_co = of_others;
	faults_end_of_thread();
	return NULL;
}

static void in_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	int error;

	do
		error = faults_strike(F_THREAD)
				? EAGAIN
				: pthread_create(&thread, NULL, run, arg);
	while (error && again("pthread_create", error, EAGAIN));
	if (!error)
		MUST(pthread_join(thread, NULL) == 0);
}

static void threads(void)
{
	struct member m = { .depth = 2 };

	begin();
	m.stack = a_stack(64 * KIB, 1);
	if (enters(&m, 0))
		in_thread(resumes_a_foreign, &m);
	in_thread(has_cos, NULL);
	if (m.co) {
		in_thread(resumes_a_foreign, &m);
		resume(&m);
		MUST(m.noticed == m.resumed);
	}
	in_thread(has_cos, NULL);
	m.owns_stack = 1;
	leaves(&m);
	end();
}

/* ---- reports of overflows --------------------------------------------------- */

static void plain(int sig)
{
	(void)sig;
}

static int is_reported(void)
{
	struct sigaction sa;

	return sigaction(SIGSEGV, NULL, &sa) == 0 &&
	       (sa.sa_flags & SA_ONSTACK) && sa.sa_handler != plain;
}

/* Whether there is an alternate stack, which the kernel would use. */
static int has_alternate(void)
{
	stack_t ss = { .ss_flags = SS_DISABLE };

	return sigaltstack(NULL, &ss) == 0 && !(ss.ss_flags & SS_DISABLE);
}

static void turn_on(void)
{
	int was_reported = is_reported(), had_alternate = has_alternate();

	while (LIB(aco_overflow_report(1)) < 0) {
		int error = errno;

		MUST(is_reported() == was_reported || kernel_refuses);
		/* one that can't be taken away from the kernel stays */
		MUST(has_alternate() == had_alternate || kernel_refuses ||
		     lied || plan.persists);
		if (!again("aco_overflow_report", error, ENOMEM))
			return;
	}
	if (lied)
		return;
	MUST(is_reported());
	MUST(has_alternate());
}

static void overflows(void)
{
	faults_begin();
	memset(__builtin_alloca(100000), 1, 100000);
	aco_exit();
}

/* The process ends, and not by an alarm, whatever is refused. */
static void overflow(void)
{
	struct member m = { .owns_stack = 1 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		begin();
		m.stack = a_stack(10000, 1);
		if (main_co && m.stack)
			m.co = LIB(aco_create(main_co, m.stack, 0, overflows,
					      NULL));
		alarm(60);
		if (m.co)
			LIB(aco_try_resume(m.co));
		raise(SIGSEGV);
		_exit(1);
	}
	if (pid < 0 && kernel_refuses)
		return;
	MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
	MUST(WIFSIGNALED(status));
	MUST(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGABRT);
}

static void *reports_here(void *arg)
{
	int alone = arg == NULL;

	if (alone)
		LIB_VOID(aco_thread_init(NULL)); /* without, if it must */
	turn_on();
	has_cos(NULL);
	return NULL;
}

static void reports(void)
{
	begin();
	turn_on();
	overflow();
	in_thread(reports_here, NULL);
	MUST(LIB(aco_overflow_report(0)) == 0);
	signal(SIGSEGV, plain);
	turn_on();
	in_thread(reports_here, &main_co);
	turn_on();
	/* without an order to do so, reports just stop */
	MUST(LIB(aco_overflow_report(0)) == 0);
	signal(SIGSEGV, SIG_DFL);
	if (!plan.lies && !kernel_refuses && !plan.at)
		MUST(!is_reported());
	end();
}

/* ---- fork ------------------------------------------------------------------- */

static void in_child(struct member *m)
{
	plan.at = 0;
	alarm(60); /* for a lock that stays locked */
	resume(m);
	leaves(m);
	for (int i = 0; i < 3; i++) {
		aco_share_stack_t *sstk = LIB(aco_share_stack_new(50000));

		MUST(sstk || kernel_refuses);
		if (sstk)
			LIB_VOID(aco_share_stack_destroy(sstk));
	}
	aco_share_stack_cache_limit(0);
	_exit(0);
}

static void forks(void)
{
	struct member m = { .depth = 2, .owns_stack = 1 };
	int status;
	pid_t pid;

	begin();
	m.stack = a_stack(64 * KIB, 1);
	if (enters(&m, 0) && resume(&m)) {
		pid = fork();
		if (pid == 0)
			in_child(&m);
		if (pid > 0) {
			MUST(waitpid(pid, &status, 0) == pid);
			MUST(status == 0);
		}
		MUST(pid > 0 || kernel_refuses);
		resume(&m);
	}
	leaves(&m);
	end();
}

/* ---- an allocator of the program's own -------------------------------------- */

static void *give(size_t sz, void *ctx)
{
	MUST(ctx == &bystanders);
	return faults_strike(F_ALLOCATOR) ? NULL : malloc(sz);
}

static void take_back(void *ptr, size_t sz, void *ctx)
{
	MUST(ctx == &bystanders && sz > 0);
	free(ptr);
}

static void allocator(void)
{
	static const aco_allocator_t a = { give, take_back, &bystanders };

	/* the first time, as long as there is no co */
	if (LIB(aco_set_allocator(&a)) < 0)
		MUST(errno == EBUSY);
	sharing();
	one();
	threads();
}

/* ---- calls that abort for want of memory ------------------------------------ */

/* So does aco_resume(), where aco_try_resume() fails. */
static void must(void)
{
	static struct member crew[3];
	aco_share_stack_t *stack;

	begin();
	stack = a_stack(64 * KIB, 1);
	for (size_t i = 0; i < LEN(crew); i++) {
		crew[i].stack = stack;
		crew[i].depth = (int)i * 20;
		enters(&crew[i], 0);
	}
	for (size_t i = 0; i < 3 * LEN(crew); i++) {
		struct member *m = &crew[i % LEN(crew)];

		if (!m->co)
			continue;
		report->may_abort = 1;
		if (i % 2)
			LIB_VOID(aco_resume(m->co));
		else
			LIB(aco_resume_value(m->co, m));
		report->may_abort = 0;
		m->resumed++;
		MUST(m->noticed == m->resumed && !m->broken);
	}
	for (size_t i = 0; i < LEN(crew); i++)
		leaves(&crew[i]);
	if (stack)
		LIB_VOID(aco_share_stack_destroy(stack));
	end();
}

/* ---- values ----------------------------------------------------------------- */

static void returns_values(void)
{
	char *v = aco_get_arg();

	for (int i = 0; i < 3; i++)
		v = (char *)aco_yield_value(v) + 1;
	aco_yield1(aco_get_co());
	if (v)
		aco_exit_value(v);
	aco_exit1(aco_get_co());
}

static void values(void)
{
	static char place[10];
	struct member m = { .owns_stack = 1 };
	char *v = place;

	begin();
	m.stack = a_stack(0, 0);
	if (main_co && m.stack) {
		do
			m.co = LIB(aco_create(main_co, m.stack, 0,
					      returns_values, v));
		while (!m.co && again("aco_create", errno, ENOMEM));
	}
	if (m.co) {
		report->may_abort = 1;
		for (int i = 0; i < 3; i++)
			v = LIB(aco_resume_value(m.co, v));
		MUST(v == place + 2);
		MUST(LIB(aco_resume_value(m.co, v)) == NULL);
		MUST(LIB(aco_resume_value(m.co, v)) == place + 3);
		report->may_abort = 0;
		MUST(aco_is_end(m.co));
	}
	leaves(&m);
	end();
}

/* ---- names, and what is counted --------------------------------------------- */

static void is_named(aco_t *co, const char *name)
{
	for (;;) {
		LIB_VOID(aco_set_name(co, name));
		if (aco_get_name(co))
			break;
		if (!again("aco_set_name", errno, ENOMEM))
			return;
	}
	MUST(aco_get_name(co) == name);
}

static void names(void)
{
	static const char *const by[] = { "one", "two", "three" };
	static struct member crew[60];
	aco_share_stack_t *stack;
	aco_stats_t stats;
	size_t i;

	MUST(LIB(aco_stats(&stats)) == 0);
	MUST(LIB(aco_stats(NULL)) == -1 && errno == EINVAL);
	begin();
	stack = a_stack(32 * KIB, 1);
	for (i = 0; i < LEN(crew); i++) {
		crew[i].stack = stack;
		if (enters(&crew[i], 0))
			is_named(crew[i].co, by[i % 3]);
	}
	for (i = 0; i < LEN(crew); i++) {
		const char *name = crew[i].co ? aco_get_name(crew[i].co) : NULL;

		MUST(name == by[i % 3] || kernel_refuses);
		if (i % 5 == 0 && crew[i].co)
			LIB_VOID(aco_set_name(crew[i].co, NULL));
		leaves(&crew[i]);
	}
	if (stack)
		LIB_VOID(aco_share_stack_destroy(stack));
	end();
}

const struct scenario scenarios[] = {
	{ "one", one, 0, 0 },
	{ "stacks", stacks, 0, 0 },
	{ "sharing", sharing, 0, 0 },
	{ "cache", cache, 0, 0 },
	{ "slabs", slabs, 0, 1 },
	{ "threads", threads, 0, 0 },
	{ "reports", reports, 0, 0 },
	{ "forks", forks, 0, 0 },
	{ "allocator", allocator, 1, 0 },
	{ "must", must, 0, 0 },
	{ "names", names, 0, 0 },
	{ "values", values, 0, 0 },
};
const size_t scenario_count = LEN(scenarios);
