/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-enomem.c - every allocation and mapping fails once
 *
 * Linked with the static library and -Wl,--wrap for each call that can fail.
 * A step is run again and again with the first, second, third ... of those
 * calls failing, until it gets through without: each failure has to show as
 * ENOMEM, change nothing, and go away when the call is repeated.  Where the
 * library can do without, as without an advice, the step has to succeed.
 */
#include "testutil.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/wait.h>

void *__real_malloc(size_t sz);
void *__real_calloc(size_t n, size_t sz);
void *__real_mmap(void *at, size_t sz, int prot, int flags, int fd, off_t off);
int __real_munmap(void *at, size_t sz);
int __real_mprotect(void *at, size_t sz, int prot);
int __real_madvise(void *at, size_t sz, int advice);
void __real_free(void *ptr);
unsigned long __real_getauxval(unsigned long type);
int __real_pthread_atfork(void (*before)(void), void (*in_parent)(void),
			  void (*in_child)(void));
int __real_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __real_pthread_key_delete(pthread_key_t key);
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __real_sigaction(int sig, const struct sigaction *sa,
		     struct sigaction *old);
int __real_sigaltstack(const stack_t *ss, stack_t *old);

void *__wrap_malloc(size_t sz);
void *__wrap_calloc(size_t n, size_t sz);
void *__wrap_mmap(void *at, size_t sz, int prot, int flags, int fd, off_t off);
int __wrap_munmap(void *at, size_t sz);
int __wrap_mprotect(void *at, size_t sz, int prot);
int __wrap_madvise(void *at, size_t sz, int advice);
void __wrap_free(void *ptr);
unsigned long __wrap_getauxval(unsigned long type);
int __wrap_pthread_atfork(void (*before)(void), void (*in_parent)(void),
			  void (*in_child)(void));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __wrap_pthread_key_delete(pthread_key_t key);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_sigaction(int sig, const struct sigaction *sa,
		     struct sigaction *old);
int __wrap_sigaltstack(const stack_t *ss, stack_t *old);

/* The library's list of threads. */
extern void *aco_threads;

static int armed;     /* only calls between arm() and disarm() count */
static int countdown; /* the call that makes it 0 fails */
static enum { NONE, REPORTED, DISPENSABLE } failed;

static int no_guard_advice; /* as before Linux 6.13 */
static int no_frame_size;   /* as before Linux 5.14 */
static int keeps_stacks;    /* destroyed ones, with their mappings */
static int keeps_notes;	    /* of handlers */
static void (*at_the_same_time)(void);
static size_t mapped; /* bytes, beginning anywhere */
static int allocated; /* blocks, likewise */
static int keys;
static int loaded; /* before that, nothing can be kept from forks */
static int mallocs;
static int mallocs_before_atfork = -1; /* the first one, of the library */

static int fails_as(int how)
{
	if (!armed || countdown <= 0 || --countdown > 0)
		return 0;
	failed = how;
	errno = ENOMEM;
	return 1;
}

static int may_fail; /* whichever call, without a report */

static int fails(void)
{
	return fails_as(may_fail ? DISPENSABLE : REPORTED);
}

/* Blocks without headers between them, as some allocators make them. */
static char *arena_next;
static char arena[4096] __attribute__((__aligned__(16)));
static void *arena_freed[4];
static size_t arena_frees;

void __wrap_free(void *ptr)
{
	allocated -= ptr != NULL;
	if ((char *)ptr < arena || (char *)ptr >= arena + sizeof(arena))
		__real_free(ptr);
	else
		arena_freed[arena_frees++] = ptr;
}

void *__wrap_malloc(size_t sz)
{
	char *ptr = arena_next;

	mallocs++;
	if (ptr)
		arena_next += sz;
	else
		ptr = fails() ? NULL : __real_malloc(sz);
	allocated += ptr != NULL;
	return ptr;
}

void *__wrap_calloc(size_t n, size_t sz)
{
	void *ptr = fails() ? NULL : __real_calloc(n, sz);

	allocated += ptr != NULL;
	return ptr;
}

void *__wrap_mmap(void *at, size_t sz, int prot, int flags, int fd, off_t off)
{
	void *ptr;

	if (fails())
		return MAP_FAILED;
	ptr = __real_mmap(at, sz, prot, flags, fd, off);
	if (ptr != MAP_FAILED)
		mapped += sz;
	return ptr;
}

int __wrap_munmap(void *at, size_t sz)
{
	if (fails_as(DISPENSABLE))
		return -1;
	mapped -= sz;
	return __real_munmap(at, sz);
}

int __wrap_madvise(void *at, size_t sz, int advice)
{
	if (no_guard_advice && advice == 102) {
		errno = EINVAL;
		return -1;
	}
	return fails_as(DISPENSABLE) ? -1 : __real_madvise(at, sz, advice);
}

int __wrap_mprotect(void *at, size_t sz, int prot)
{
	return fails() ? -1 : __real_mprotect(at, sz, prot);
}

unsigned long __wrap_getauxval(unsigned long type)
{
	if (no_frame_size && type == AT_MINSIGSTKSZ)
		return 0;
	return __real_getauxval(type);
}

int __wrap_pthread_atfork(void (*before)(void), void (*in_parent)(void),
			  void (*in_child)(void))
{
	if (at_the_same_time)
		at_the_same_time();
	if (mallocs_before_atfork < 0)
		mallocs_before_atfork = mallocs;
	return !loaded || fails()
		       ? ENOMEM
		       : __real_pthread_atfork(before, in_parent, in_child);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
	int result;

	if (at_the_same_time)
		at_the_same_time();
	result = fails() ? EAGAIN : __real_pthread_key_create(key, destroy);
	keys += result == 0;
	return result;
}

int __wrap_pthread_key_delete(pthread_key_t key)
{
	keys--;
	return __real_pthread_key_delete(key);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	return fails() ? ENOMEM : __real_pthread_setspecific(key, value);
}

static int filtered; /* system calls, which refuses the next two */

int __wrap_sigaction(int sig, const struct sigaction *sa, struct sigaction *old)
{
	return filtered && fails() ? -1 : __real_sigaction(sig, sa, old);
}

int __wrap_sigaltstack(const stack_t *ss, stack_t *old)
{
	return filtered && fails() ? -1 : __real_sigaltstack(ss, old);
}

/*
 * Run try(), which returns 0 for success: once with each of its calls failing,
 * at last with none, or, where it can't be repeated, until it has succeeded.
 * Returns how many failures were reported.
 */
static int fail_until(int (*try)(void), int stop_at_success)
{
	int n, reported = 0, result, blocks;
	size_t before = mapped;

	for (n = 1;; n++) {
		countdown = n;
		failed = NONE;
		errno = 0;
		blocks = allocated;
		armed = 1;
		result = try();
		armed = 0;
		blocks = allocated - blocks; /* those of Check don't count */
		if (result == 0 && (failed == NONE || stop_at_success))
			break;
		if (result == 0 && (failed == DISPENSABLE || keeps_stacks))
			continue;
		ck_assert_int_eq(result, -1);
		ck_assert_int_eq(errno, ENOMEM);
		if (!keeps_stacks)
			ck_assert_uint_eq(mapped, before);
		if (!keeps_notes)
			ck_assert_int_eq(blocks, 0);
		ck_assert_int_eq(failed, REPORTED);
		reported++;
	}
	return reported;
}

static int fail_each(int (*try)(void))
{
	return fail_until(try, 0);
}

static size_t stack_size;
static char stack_guard;

static int new_stack(void)
{
	aco_share_stack_t *sstk = aco_share_stack_new2(stack_size, stack_guard);

	if (!sstk)
		return -1;
	aco_share_stack_destroy(sstk);
	return 0;
}

START_TEST(share_stacks)
{
	static const struct {
		size_t sz;
		char guard;
		int failures, without_guard_advice;
	} stacks[] = {
		{ 1 << 16, 0, 2, 2 },	/* the record, the memory */
		{ 1 << 16, 1, 1, 2 },	/* the arena; its guard */
		{ 128 << 20, 1, 2, 3 }, /* the record, the mapping; its guard */
	};

	stack_size = stacks[_i].sz;
	stack_guard = stacks[_i].guard;
	ck_assert_int_eq(fail_each(new_stack), stacks[_i].failures);
	no_guard_advice = 1;
	ck_assert_int_eq(fail_each(new_stack), stacks[_i].without_guard_advice);
	no_guard_advice = 0;
}
END_TEST

static int from_memory(void)
{
	static char mem[8192];
	aco_share_stack_t *sstk = aco_share_stack_from(mem, sizeof(mem));

	if (!sstk)
		return -1;
	aco_share_stack_destroy(sstk);
	return 0;
}

START_TEST(share_stack_from)
{
	ck_assert_int_eq(fail_each(from_memory), 1);
}
END_TEST

/* In a process that has none. */
START_TEST(first_share_stack)
{
	stack_size = 1 << 16;
	stack_guard = 1;
	/* at its second attempt it knows of forks */
	ck_assert_int_eq(fail_each(new_stack), 1);
	aco_share_stack_cache_limit(0);
}
END_TEST

static void once_more(void)
{
	countdown = 1;
}

/* Nothing is kept yet, and no lock taken. */
START_TEST(first_limit)
{
	size_t before = mapped; /* scripts/coverage maps counters */

	stack_size = 1 << 16;
	stack_guard = 1;
	at_the_same_time = once_more;
	armed = 1;
	ck_assert_int_eq(new_stack(), -1);
	at_the_same_time = NULL;
	countdown = 1;
	armed = 1;
	aco_share_stack_cache_limit(200000);
	armed = 0;
	ck_assert_int_eq(failed, REPORTED);
	failed = NONE;
	ck_assert_int_eq(new_stack(), 0);
	ck_assert_uint_gt(mapped, before);
	aco_share_stack_cache_limit(0);
	ck_assert_uint_eq(mapped, before);
}
END_TEST

/* One that the C library can't keep from forks is in no list, which debuggers
   alone notice. */
START_TEST(first_share_stack_without_a_note)
{
	stack_size = 1 << 16;
	stack_guard = 0;
	may_fail = 1;
	countdown = 3; /* the stack, its record, and pthread_atfork(3) */
	armed = 1;
	ck_assert_int_eq(new_stack(), 0);
	armed = 0;
	may_fail = 0;
	ck_assert_int_eq(failed, DISPENSABLE);
	ck_assert_int_eq(new_stack(), 0);
}
END_TEST

static void another_thread(void)
{
	at_the_same_time = NULL;
	ck_assert_int_eq(new_stack(), 0);
}

/* Another thread is as far as this one: both want to hear of forks. */
START_TEST(first_share_stack_in_two_threads)
{
	int status;
	pid_t pid;

	stack_size = 1 << 16;
	stack_guard = 1;
	at_the_same_time = another_thread;
	ck_assert_int_eq(new_stack(), 0);
	ck_assert(!at_the_same_time);
	pid = fork();
	alarm(60);
	if (pid == 0)
		_exit(new_stack());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(new_stack(), 0);
	aco_share_stack_cache_limit(0);
	alarm(0);
}
END_TEST

/* Check itself allocates, so it is not asked between the two calls: the thread sets
   what fails for the process. */
static void run_thread(void *(*fn)(void *arg), void *arg)
{
	pthread_t thread;

	t_child(pthread_create(&thread, NULL, fn, arg) == 0);
	t_child(pthread_join(thread, NULL) == 0);
}

static void *live(void *arg)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *co = aco_create(main_co, sstk, 0, aco_exit, NULL);

	aco_resume(co);
	t_child(co->is_end && aco_threads);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
	return arg;
}

static void live_in_thread(void)
{
	run_thread(live, NULL);
	t_child(!aco_threads);
}

/* Another thread uses the library, the first of all; and in the middle of that the
   process forks: the child can do the same. */
static void fork_and_live(void)
{
	int status;
	pid_t pid;

	at_the_same_time = NULL;
	pid = fork();
	if (pid == 0) {
		alarm(60);
		live_in_thread();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	live_in_thread();
}

/* The child has no thread that has used the library. */
static void *fork_here(void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(aco_threads != NULL);
	t_child(waitpid(pid, &status, 0) == pid);
	t_child(status == 0 && aco_threads);
	return arg;
}

/*
 * When the library was loaded.  The handlers of an allocator that registers some at
 * its first call are the older ones, so fork(2) has the library's locks before the
 * allocator is locked.
 */
START_TEST(first_of_all_the_allocator)
{
	ck_assert_int_gt(mallocs_before_atfork, 0);
}
END_TEST

START_TEST(first_threads_at_the_same_time)
{
	int before = keys;

	at_the_same_time = fork_and_live;
	live_in_thread();
	ck_assert(!at_the_same_time);
	ck_assert_int_eq(keys, before + 1);
	live(NULL);
	run_thread(fork_here, NULL);
}
END_TEST

/* What comes on top of a stack is as large as where the kernel says it. */
START_TEST(kernel_that_is_silent_about_signals)
{
	size_t frame = __real_getauxval(AT_MINSIGSTKSZ);
	aco_share_stack_t *sstk;

	if (!frame)
		return;
	no_frame_size = 1;
	sstk = aco_share_stack_new2(10000, 0);
	/* on amd64 the dynamic linker saves the same registers */
	ck_assert_uint_ge(sstk->sz, 10000 + frame * sizeof(void *) / 4);
	ck_assert_uint_lt(sstk->sz, 10000 + 2 * frame + 4096);
	aco_share_stack_destroy(sstk);
	no_frame_size = 0;
}
END_TEST

/* A mapping that can't be given back is used again. */
START_TEST(unmapping)
{
	size_t before = mapped;
	aco_share_stack_t *sstk = aco_share_stack_new(3 << 20);
	void *ptr = sstk->ptr;

	aco_share_stack_destroy(aco_share_stack_new(3 << 20)); /* the keeper */
	/* that of an arena comes after an advice */
	countdown = sizeof(void *) > 4 ? 2 : 1;
	armed = 1;
	aco_share_stack_destroy(sstk);
	armed = 0;
	ck_assert_int_eq(failed, DISPENSABLE);
	failed = NONE;
	if (sizeof(void *) > 4) {
		sstk = aco_share_stack_new(3 << 20);
		ck_assert_ptr_eq(sstk->ptr, ptr);
		aco_share_stack_destroy(sstk);
		ck_assert_uint_eq(mapped, before);
	}
}
END_TEST

static void nothing(void)
{
	aco_exit();
}

static int new_main(void)
{
	aco_t *co = aco_create(NULL, NULL, 0, NULL, NULL);

	if (!co)
		return -1;
	aco_destroy(co);
	return 0;
}

static int new_co(void)
{
	size_t users = t_sstk->users;
	aco_t *co = aco_create(t_main, t_sstk, 100, nothing, NULL);

	if (!co) {
		if (t_sstk->users != users)
			errno = EFAULT;
		return -1;
	}
	aco_destroy(co);
	return 0;
}

START_TEST(creation)
{
	ck_assert_int_eq(fail_each(new_main), 1);
	ck_assert_int_eq(fail_each(new_co), 1);
}
END_TEST

static int name_main(void)
{
	aco_set_name(t_main, "main");
	if (aco_get_name(t_main))
		return 0;
	return -1;
}

/* One more name than there is room for: then there is no memory for a larger
   table, and the names that there are stay. */
START_TEST(names)
{
	aco_t *co[50];
	int failures = 0;

	for (size_t i = 0; i < T_LEN(co); i++) {
		failures += fail_each(name_main);
		ck_assert_str_eq(aco_get_name(t_main), "main");
		aco_set_name(t_main, NULL);
		co[i] = aco_create(NULL, NULL, 0, NULL, NULL);
		aco_set_name(co[i], "other");
	}
	ck_assert_int_eq(failures, 4); /* tables of 16 to 128 places */
	for (size_t i = 0; i < T_LEN(co); i++) {
		ck_assert_str_eq(aco_get_name(co[i]), "other");
		aco_destroy(co[i]);
	}
}
END_TEST

#define SHARERS 5

static aco_t *sharers[SHARERS];
static int progress[SHARERS];
static size_t next_sharer;

static void remember(void)
{
	int *mine = aco_get_arg();
	int id = (int)(mine - progress);
	volatile char bytes[300];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(id * 7 + (int)i);
	for (;;) {
		++*mine;
		aco_yield();
		for (i = 0; i < sizeof(bytes); i++)
			if (bytes[i] != (char)(id * 7 + (int)i))
				*mine = -1000000;
	}
}

static int resume_next(void)
{
	size_t i = next_sharer;
	int before = progress[i];
	aco_t *owner = t_sstk->owner;

	if (aco_try_resume(sharers[i]) == 0) {
		next_sharer = (i + 1) % SHARERS;
		return 0;
	}
	/* nothing has changed */
	armed = 0;
	if (progress[i] != before || t_sstk->owner != owner ||
	    aco_get_co() == sharers[i])
		errno = EFAULT;
	return -1;
}

START_TEST(save_stacks)
{
	int failures = 0, round;
	size_t i;

	for (i = 0; i < SHARERS; i++) {
		progress[i] = 0;
		sharers[i] = t_co(t_sstk, remember, &progress[i]);
	}
	next_sharer = 0;
	for (round = 0; round < 3 * SHARERS; round++)
		failures += fail_each(resume_next);
	/* each save stack was missing once */
	ck_assert_int_eq(failures, SHARERS);
	for (i = 0; i < SHARERS; i++)
		ck_assert_int_eq(progress[i], 3);
}
END_TEST

/*
 * Cos come, go on and go, at random and on stacks of their own or together;
 * every call that any of it makes fails once.  Each co looks after its frames.
 */
#define ACTORS 12
#define STEPS 600

static struct actor {
	aco_t *co;
	aco_share_stack_t *own; /* or NULL for a co on t_sstk */
	int resumed, noticed, broken;
} actors[ACTORS];
static struct actor *actor;
static uint32_t chance;

__attribute__((__noinline__)) static void act_deeper(struct actor *a, int depth,
						     int seed)
{
	volatile char frame[120];
	size_t i;

	for (i = 0; i < sizeof(frame); i++)
		frame[i] = (char)(seed + (int)i);
	if (depth > 0) {
		act_deeper(a, depth - 1, seed + 1);
	} else {
		a->noticed++;
		aco_yield();
	}
	for (i = 0; i < sizeof(frame); i++)
		a->broken += frame[i] != (char)(seed + (int)i);
}

static void act(void)
{
	struct actor *a = aco_get_arg();

	for (;;)
		act_deeper(a, a->noticed * 7 % 20, (int)(a - actors));
}

static int actor_enters(void)
{
	struct actor *a = actor;
	aco_share_stack_t *own = NULL;

	if (chance % 2) {
		own = aco_share_stack_new(chance % 60000);
		if (!own)
			return -1;
	}
	a->co = aco_create(t_main, own ? own : t_sstk, chance % 3 * 100, act,
			   a);
	if (!a->co) {
		armed = 0;
		if (own)
			aco_share_stack_destroy(own);
		errno = ENOMEM;
		return -1;
	}
	a->own = own;
	return 0;
}

static int actor_goes_on(void)
{
	if (aco_try_resume(actor->co) < 0)
		return -1;
	actor->resumed++;
	return 0;
}

static int actor_leaves(void)
{
	struct actor *a = actor;

	aco_destroy(a->co);
	if (a->own)
		aco_share_stack_destroy(a->own);
	memset(a, 0, sizeof(*a));
	return 0;
}

START_TEST(scenario)
{
	uint32_t state = 17 + (uint32_t)_i;
	int failures = 0, step;
	size_t i;

	no_guard_advice = _i % 2;
	keeps_stacks = _i % 3 > 0;
	aco_share_stack_cache_limit(keeps_stacks ? 200000 : 0);
	for (step = 0; step < STEPS; step++) {
		chance = t_random(&state);
		actor = &actors[chance % ACTORS];
		chance /= ACTORS;
		if (!actor->co)
			failures += fail_until(actor_enters, 1);
		else if (chance % 8)
			failures += fail_until(actor_goes_on, 1);
		else
			failures += fail_until(actor_leaves, 1);
		ck_assert_int_eq(actor->noticed, actor->resumed);
	}
	ck_assert_int_gt(failures, STEPS / (keeps_stacks ? 20 : 10));
	for (i = 0; i < ACTORS; i++) {
		actor = &actors[i];
		if (!actor->co)
			continue;
		aco_resume(actor->co);
		ck_assert_int_eq(actor->noticed, actor->resumed + 1);
		ck_assert_int_eq(actor->broken, 0);
		actor_leaves();
	}
	no_guard_advice = 0;
	keeps_stacks = 0;
}
END_TEST

/* A save stack that happens to lie right behind its co, and the three words by
   which debuggers find it, is freed, too. */
START_TEST(adjacent_save_stack)
{
	aco_t *co, *other = t_co(t_sstk, remember, &progress[1]);
	void *saved;

	arena_next = arena;
	co = aco_create(t_main, t_sstk, 0, remember, &progress[0]);
	aco_resume(co);
	aco_resume(other);
	arena_next = NULL;
	saved = co->save_stack.ptr;
	ck_assert_ptr_eq(saved, (void **)(co + 1) + 3);
	aco_destroy(co);
	ck_assert_uint_eq(arena_frees, 2);
	ck_assert_ptr_eq(arena_freed[0], saved);
	ck_assert_ptr_eq(arena_freed[1], co);
}
END_TEST

/* One yields to another; main sees who has run last. */
static aco_t *receiver;
static int passed, refused;

static void passes(void)
{
	aco_t *self = aco_co();
	volatile char bytes[300];
	int result;

	for (;;) {
		memset((char *)bytes, 77, sizeof(bytes));
		passed = -1;
		result = aco_yield_to(receiver);
		if (result == 0)
			continue;
		/* nothing has changed */
		refused++;
		if (aco_co() != self || bytes[299] != 77 ||
		    aco_state(self) != ACO_STATE_RUNNING ||
		    aco_state(receiver) == ACO_STATE_RUNNING)
			errno = EFAULT;
		aco_yield();
	}
}

static void receives(void)
{
	for (;;) {
		passed = 0;
		aco_yield();
	}
}

static aco_t *passer;

static int pass(void)
{
	return aco_try_resume(passer) < 0 ? -1 : passed;
}

/* The one that goes, or a third one, has no save stack yet. */
START_TEST(yield_to)
{
	aco_t *third;
	int failures = 0;

	refused = 0;
	passer = t_co(_i ? t_stack(T_STACK_SIZE) : t_sstk, passes, NULL);
	receiver = t_co(t_sstk, receives, NULL);
	third = t_co(t_sstk, receives, NULL);
	if (_i)
		aco_resume(third);
	for (int i = 0; i < 3; i++)
		failures += fail_each(pass);
	ck_assert_int_eq(refused, 1);
	ck_assert_int_eq(failures, _i ? 1 : 2);
	aco_resume(third);
}
END_TEST

static aco_t *foreign;

static int resume_foreign(void)
{
	return aco_try_resume(foreign);
}

static int begin(void)
{
	void *before = aco_threads;

	aco_thread_init(NULL);
	t_child((aco_threads == before) == (failed != NONE));
	return 0;
}

/* A thread that can't be told of its end is not in the list, until it can be.
   One without a main co gets one of the library's own. */
static void *foreign_thread(void *arg)
{
	(void)arg;
	may_fail = 1;
	fail_until(begin, 1);
	may_fail = 0;
	/* its end, and the co */
	ck_assert_int_eq(fail_each(resume_foreign), 2);
	return NULL;
}

START_TEST(own_main_co)
{
	void *before = aco_threads;

	for (int i = 0; i < 2; i++) {
		foreign = t_co(t_sstk, nothing, NULL);
		run_thread(foreign_thread, NULL);
		ck_assert_int_eq(foreign->is_end, 1);
		ck_assert_ptr_eq(aco_threads, before);
	}
}
END_TEST

void t_reset(void)
{
	aco_share_stack_cache_limit(0);
}

static void *resume_in_thread(void *co)
{
	aco_resume(co);
	return NULL;
}

/* Check itself allocates, hence no assertions of it while calls may fail. */
static int report_overflows(void)
{
	int result = aco_overflow_report(1);
	struct sigaction sa;
	stack_t ss;

	t_child(__real_sigaction(SIGSEGV, NULL, &sa) == 0);
	t_child(__real_sigaltstack(NULL, &ss) == 0);
	t_child((sa.sa_handler == SIG_DFL) == (result < 0));
	t_child(ss.ss_flags == (result < 0 ? SS_DISABLE : 0));
	return result;
}

/* The key and its value; once there is a key, its value and the stack.  A filter
   refuses the question for a stack, the stack, the question for the action, and
   the action. */
START_TEST(overflow_report)
{
	if (_i)
		run_thread(resume_in_thread, t_co(t_sstk, nothing, NULL));
	filtered = _i == 2;
	ck_assert_int_eq(fail_each(report_overflows), filtered ? 6 : 2);
	filtered = 0;
	ck_assert_int_eq(aco_overflow_report(0), 0);
}
END_TEST

static void plain(int sig)
{
	(void)sig;
}

static void other(int sig)
{
	(void)sig;
}

static int report_on_top(void)
{
	int result = aco_overflow_report(1);
	struct sigaction sa;

	t_child(__real_sigaction(SIGSEGV, NULL, &sa) == 0);
	t_child((sa.sa_handler == plain) == (result < 0));
	return result;
}

/* A note of the program's own handler, after that of the default. */
START_TEST(overflow_report_on_top)
{
	ck_assert_int_eq(aco_overflow_report(1), 0);
	ck_assert(signal(SIGSEGV, plain) != SIG_ERR);
	ck_assert_int_eq(fail_each(report_on_top), 1);
	ck_assert_int_eq(aco_overflow_report(0), 0);
	signal(SIGSEGV, SIG_DFL);
}
END_TEST

static void *report_on_top_here(void *failures)
{
	*(int *)failures = fail_each(report_on_top);
	return NULL;
}

/*
 * The same where the thread has no alternate stack: the value of the key and
 * the stack can fail, too, and the stack is given back for want of a note.
 */
START_TEST(overflow_report_on_top_in_a_thread)
{
	int failures;

	ck_assert_int_eq(aco_overflow_report(1), 0);
	ck_assert(signal(SIGSEGV, plain) != SIG_ERR);
	run_thread(report_on_top_here, &failures);
	ck_assert_int_eq(failures, 3);
	ck_assert_int_eq(aco_overflow_report(0), 0);
	signal(SIGSEGV, SIG_DFL);
}
END_TEST

static int report_after_each(void)
{
	if (signal(SIGSEGV, plain) == SIG_ERR || aco_overflow_report(1) < 0)
		return -1;
	if (signal(SIGSEGV, other) == SIG_ERR || aco_overflow_report(1) < 0)
		return -1;
	return aco_overflow_report(0);
}

static struct sigaction called_next;
static volatile int calls;
static int called_twice;

static void calls_next(int sig, siginfo_t *info, void *context)
{
	calls++;
	called_next.sa_sigaction(sig, info, context);
}

static int report_on_top_of_calls_next(void)
{
	int result = aco_overflow_report(1);

	if (result < 0) {
		calls = 0;
		raise(SIGSEGV);
		called_twice += calls != 1;
	}
	return result;
}

/* What was noted is kept for the next time, and does not count before. */
START_TEST(overflow_report_on_top_of_one_that_calls_it)
{
	struct sigaction sa = { .sa_sigaction = calls_next,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };

	ck_assert(signal(SIGSEGV, plain) != SIG_ERR);
	ck_assert_int_eq(aco_overflow_report(1), 0);
	ck_assert_int_eq(sigaction(SIGSEGV, &sa, &called_next), 0);
	filtered = keeps_notes = 1;
	ck_assert_int_eq(fail_each(report_on_top_of_calls_next), 4);
	filtered = keeps_notes = 0;
	ck_assert_int_eq(called_twice, 0);
	ck_assert_int_eq(aco_overflow_report(0), 0);
	signal(SIGSEGV, SIG_DFL);
}
END_TEST

static void *reports_here(void *countdown_at_end)
{
	if (aco_overflow_report(1) < 0)
		return countdown_at_end;
	countdown = *(int *)countdown_at_end;
	filtered = 1;
	armed = 1; /* for what the library does at the end of the thread */
	return NULL;
}

/* A signal may still come there, so the stack of the thread stays. */
START_TEST(alternate_stack_that_cannot_be_taken_back)
{
	int refused = _i;
	size_t before;

	ck_assert_int_eq(aco_overflow_report(1), 0);
	before = mapped;
	failed = NONE;
	run_thread(reports_here, &refused);
	armed = filtered = 0;
	ck_assert_int_eq(failed, _i ? REPORTED : NONE);
	ck_assert_uint_eq(mapped - before, _i ? 64 << 10 : 0);
	failed = NONE;
	ck_assert_int_eq(aco_overflow_report(0), 0);
}
END_TEST

/* What is needed for the handlers there are, is allocated once. */
START_TEST(overflow_report_again_and_again)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(report_after_each(), 0);
	ck_assert_int_eq(fail_each(report_after_each), 0);
	signal(SIGSEGV, SIG_DFL);
	ck_assert_int_eq(aco_overflow_report(0), 0);
}
END_TEST

static void overflows(void)
{
	char *low = aco_co()->share_stack->ptr;

	low[-1] = 1;
	aco_exit();
}

static void overflow_beside_a_filter(void *arg)
{
	aco_t *co = t_co(t_sstk, overflows, NULL);

	(void)arg;
	t_says(co);
	t_says(t_sstk);
	t_child(aco_overflow_report(1) == 0);
	alarm(60);
	filtered = 1;
	countdown = 1;
	armed = 1;
	aco_resume(co);
}

/* Without the default the fault would come again for ever. */
START_TEST(overflow_report_without_a_default)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "libaco: stack overflow: co %%p on share stack %%p of %zu "
		 "bytes\n",
		 t_sstk->sz);
	t_expect_abort(overflow_beside_a_filter, NULL, text);
}
END_TEST

/* More than the least signal frame is left, and less than one with AVX-512. */
static void is_signalled_near_the_end(void)
{
	const char *low = aco_co()->share_stack->ptr;
	char here;
	volatile char *p = __builtin_alloca((size_t)(&here - low) - 2600);

	*p = 1;
	kill(getpid(), SIGUSR1);
	aco_exit();
}

static void ignores(int sig)
{
	(void)sig;
}

static void signal_without_room(void *arg)
{
	aco_t *co = t_co(t_sstk, is_signalled_near_the_end, NULL);

	(void)arg;
	t_says(co);
	t_says(t_sstk);
	signal(SIGUSR1, ignores);
	kill(getpid(), SIGUSR1); /* the dynamic linker needs more, once */
	t_child(aco_overflow_report(1) == 0);
	aco_resume(co);
}

/* The report doesn't depend on what the kernel says of signal frames. */
START_TEST(overflow_report_of_a_signal)
{
	char text[200];

	if (__real_getauxval(AT_MINSIGSTKSZ) < 3200)
		return;
	snprintf(text, sizeof(text),
		 "libaco: stack overflow: co %%p on share stack %%p of %zu "
		 "bytes\n",
		 t_sstk->sz);
	no_frame_size = 1;
	t_expect_signal(SIGSEGV, signal_without_room, NULL, text);
	no_frame_size = 0;
}
END_TEST

/* The library's own memory for cos seldom asks the system: see test-pieces.c. */
static void *take_block(size_t sz, void *ctx)
{
	(void)ctx;
	return malloc(sz);
}

static void free_block(void *ptr, size_t sz, void *ctx)
{
	(void)sz;
	(void)ctx;
	free(ptr);
}

Suite *t_suite(void)
{
	static const aco_allocator_t blocks = { take_block, free_block, NULL };
	Suite *s = suite_create("enomem");
	TCase *tc = tcase_create("first");

	loaded = 1;
	aco_set_allocator(&blocks);
	tcase_add_test(tc, first_of_all_the_allocator);
	tcase_add_test(tc, kernel_that_is_silent_about_signals);
	tcase_add_test(tc, first_share_stack);
	tcase_add_test(tc, first_limit);
	tcase_add_test(tc, first_share_stack_without_a_note);
	tcase_add_test(tc, first_share_stack_in_two_threads);
	tcase_add_test(tc, first_threads_at_the_same_time);
	suite_add_tcase(s, tc);

	tc = t_case(s, "enomem");

	tcase_add_loop_test(tc, share_stacks, 0, 3);
	tcase_add_test(tc, share_stack_from);
	tcase_add_test(tc, unmapping);
	tcase_add_test(tc, creation);
	tcase_add_test(tc, names);
	tcase_add_test(tc, save_stacks);
	tcase_add_loop_test(tc, scenario, 0, 6);
	tcase_add_test(tc, adjacent_save_stack);
	tcase_add_loop_test(tc, yield_to, 0, 2);
	tcase_add_test(tc, own_main_co);
	tcase_add_loop_test(tc, overflow_report, 0, 3);
	tcase_add_test(tc, overflow_report_on_top);
	tcase_add_test(tc, overflow_report_on_top_in_a_thread);
	tcase_add_test(tc, overflow_report_on_top_of_one_that_calls_it);
	tcase_add_loop_test(tc, alternate_stack_that_cannot_be_taken_back, 0,
			    3);
	tcase_add_test(tc, overflow_report_again_and_again);
	tcase_add_test(tc, overflow_report_without_a_default);
	tcase_add_test(tc, overflow_report_of_a_signal);
	return s;
}
