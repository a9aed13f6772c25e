/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl_aco.c - libaco
 *
 * This file is compiled several times: as other programs are (IMPL "aco"), with
 * ACO_NO_INLINE ("aco-call"), by clang ("aco-clang"), and for a process that
 * has libstdc++ ("aco-c++").  Each program measures shared and own control
 * words.
 */
#include <aco.h>

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "machine.h"
#include "protocol.h"
#include "row.h"

typedef aco_share_stack_t stk_t;
typedef aco_t task_t;
typedef aco_cofuncp_t body_t;

#define BODY(name) static void name(void)
#define SELF NULL
#define SHARES_STACKS 1

#define task_resume(task) aco_resume(task)
#define task_yield(self) aco_yield()
#define task_exit(self) aco_exit()

#define pass_resume(task) aco_resume(task)
#define pass_yield(self) aco_yield()
#define pass_to(self, task) aco_yield_to(task)

static stk_t *stk_new(size_t sz, int guarded);
static task_t *task_new(stk_t *stk, body_t body);
static void task_free(task_t *task);
static void stk_free(stk_t *stk);

#include "workload.h"

#define DEEP_FRAME (1024 * KB)

static __thread aco_t *main_co;
static size_t save_stack_size;

/* The library switches the state of C++ exceptions where it finds this
   function. */
static void check_process(void)
{
	int is_cxx = dlsym(RTLD_DEFAULT, "__cxa_get_globals") != NULL;

	if (is_cxx != (strcmp(IMPL, "aco-c++") == 0))
		bench_skip(is_cxx ? "libstdc++ is in the process"
				  : "libstdc++ is not in the process");
}

static stk_t *stk_new(size_t sz, int guarded)
{
	return bench_need(aco_share_stack_new2(sz, guarded != 0));
}

static void stk_free(stk_t *stk)
{
	aco_share_stack_destroy(stk);
}

static task_t *task_new(stk_t *stk, body_t body)
{
	if (!main_co) {
		check_process();
		aco_thread_init(NULL);
		main_co = bench_need(aco_create(NULL, NULL, 0, NULL, NULL));
	}
	return bench_need(aco_create2(main_co, stk, save_stack_size, body, NULL,
				      the_row->opt));
}

static void task_free(task_t *task)
{
	aco_destroy(task);
}

/* How much is copied of a co that waits in body with frame_size bytes. */
static size_t probe(body_t body)
{
	stk_t *stk = stk_new(BIG_STACK, 1);
	task_t *a = task_new(stk, body);
	task_t *b = task_new(stk, body);
	size_t copied;

	aco_resume(a);
	aco_resume(b);
	copied = a->save_stack.max_cpsz;
	aco_destroy(a);
	aco_destroy(b);
	aco_share_stack_destroy(stk);
	return copied;
}

/*
 * Finds the body, and its frame_size, of which as many bytes are copied as
 * wanted.  Frames have sizes in steps of 16, and no frame is smaller than that
 * of an empty function, so the result says how many bytes are copied.
 */
static body_t find_frame(size_t wanted, size_t *copied)
{
	*copied = probe(body_loop);
	if (*copied + 15 >= wanted)
		return body_loop;
	frame_size = 16;
	*copied = probe(body_frame);
	if (*copied < wanted)
		frame_size += (wanted - *copied + 8) / 16 * 16;
	*copied = probe(body_frame);
	if (*copied + 15 < wanted || *copied > wanted + 64)
		bench_skip("found no frame of that size");
	return body_frame;
}

/* Makes and starts n cos on one stack. */
static void make_sharing(size_t n, body_t body)
{
	size_t i;

	the_stack = stk_new(BIG_STACK, 1);
	alloc_tasks(n);
	for (i = 0; i < n; i++) {
		tasks[i] = task_new(the_stack, body);
		aco_resume(tasks[i]);
	}
}

static void setup_share(const struct row *row)
{
	size_t copied;
	body_t body;

	the_row = row;
	body = find_frame(row->arg, &copied);
	make_sharing(2, body);
	run_turn(4);
	if (tasks[0]->save_stack.max_cpsz != copied ||
	    tasks[1]->save_stack.max_cpsz != copied)
		bench_skip("the two copy different sizes");
	bench_note("copied", copied);
}

/*
 * Finds a body with 120 bytes of frame, to which each way of suspending adds
 * what it puts on the stack.  body_loop shows how much that is, because its
 * frame is only the word that keeps the stack aligned.
 */
static body_t frame_of_120(size_t *copied)
{
	size_t least = probe(body_loop);

	return find_frame(least - sizeof(void *) + 120, copied);
}

static void setup_scale(const struct row *row)
{
	size_t copied;
	body_t body;

	the_row = row;
	body = frame_of_120(&copied);
	save_stack_size = copied;
	make_sharing(row->arg, body);
	bench_note("copied", copied);
}

/* As the clients of a server wake their cos. */
static void setup_random(const struct row *row)
{
	setup_scale(row);
	bench_shuffle((void **)tasks, n_tasks);
}

#ifdef WITH_PREFETCH
/* Measured: with fewer the memory arrives too late, and more gain nothing. */
#ifndef AHEAD
#define AHEAD 8
#endif

static inline void task_prefetch(const task_t *task)
{
	aco_prefetch(task);
}

/* A server knows which cos it resumes next where one call of the kernel has told
   of several clients. */
static void run_turn_prefetch(long n)
{
	size_t i = next_task;

	while (n-- > 0) {
		task_prefetch(tasks[i + AHEAD]);
		task_resume(tasks[i]);
		if (++i == n_tasks)
			i = 0;
	}
	next_task = i;
}

/* The first tasks stand once more behind the last one. */
static void repeat_first_tasks(void)
{
	size_t i;

	tasks = bench_need(realloc(tasks, (n_tasks + AHEAD) * sizeof(*tasks)));
	for (i = 0; i < AHEAD; i++)
		tasks[n_tasks + i] = tasks[i];
}

static void setup_random_prefetch(const struct row *row)
{
	setup_random(row);
	repeat_first_tasks();
}

static void setup_random_own_prefetch(const struct row *row)
{
	setup_random_own(row);
	repeat_first_tasks();
}
#endif

enum { SIZE_GIVEN, SIZE_0 };

/* Resident bytes of each co with its handle, when all cos are suspended. */
static void setup_memory(const struct row *row)
{
	size_t copied, before;
	body_t body;

	the_row = row;
	body = frame_of_120(&copied);
	if (row->arg == SIZE_GIVEN)
		save_stack_size = copied;
	before = bench_resident();
	make_sharing(bench_cos, body);
	bench_value = (double)(bench_resident() - before) / (double)bench_cos;
	bench_unit = "bytes";
	bench_note("copied", copied);
	bench_note("cos", bench_cos);
}

/*
 * Resident bytes of each co that is left when nine of ten are destroyed in
 * random order.  The array of handles is not counted.
 */
static void setup_memory_back(const struct row *row)
{
	size_t before = bench_resident();
	size_t n_left = bench_cos / 10 + 1, made, left, i;

	setup_random(&(struct row){ .arg = bench_cos, .opt = row->opt });
	before += n_tasks * sizeof(*tasks);
	made = bench_resident();
	for (i = n_left; i < n_tasks; i++)
		aco_destroy(tasks[i]);
	left = bench_resident();
	bench_value = ((double)left - (double)before) / (double)n_left;
	bench_unit = "bytes";
	bench_note("cos", bench_cos);
	bench_note("made", made);
	bench_note("left", left);
}

/* A call with a large frame, which the co leaves when it is resumed. */
static NOINLINE void yield_deep(void)
{
	char *frame = (char *)alloca(DEEP_FRAME);

	memset(frame, 1, DEEP_FRAME);
	KEEP(frame);
	aco_yield();
	KEEP(frame);
}

BODY(body_deep_once)
{
	yield_deep();
	for (;;)
		aco_yield();
}

/*
 * Resident bytes that two cos on one stack add: while one of them waits in a
 * deep call, or as many resumes later as the argument says, when that co has
 * left the call.
 */
static void setup_memory_deep(const struct row *row)
{
	size_t before = bench_resident();
	size_t i;

	the_row = row;
	the_stack = stk_new(2 * DEEP_FRAME, 1);
	alloc_tasks(2);
	tasks[0] = task_new(the_stack, body_deep_once);
	tasks[1] = task_new(the_stack, body_loop);
	for (i = 0; i < 2 + row->arg; i++)
		aco_resume(tasks[i % 2]);
	bench_value = (double)(bench_resident() - before);
	bench_unit = "bytes";
}

/* There are so many cos that the caches hold no more of a co when its turn
   comes again. */
static void setup_wake(const struct row *row)
{
	size_t copied;
	body_t body;

	the_row = row;
	body = find_frame(row->arg, &copied);
	save_stack_size = copied;
	if ((copied + sizeof(aco_t) + 64) > bench_available() / bench_cos)
		bench_skip("there is not enough memory for so many");
	make_sharing(bench_cos, body);
	bench_note("copied", copied);
	bench_note("cos", bench_cos);
}

#ifdef WITH_CONTROL_WORDS
/* What a switch to a co and the one back do to the control words. */
struct control_words {
	uint32_t mxcsr;
	uint16_t fpucw;
};

static void exchange(struct control_words *from, const struct control_words *to)
{
	__asm__ volatile("stmxcsr %0\n\tfnstcw %1\n\tldmxcsr %2\n\tfldcw %3"
			 : "=m"(from->mxcsr), "=m"(from->fpucw)
			 : "m"(to->mxcsr), "m"(to->fpucw));
}

static void run_control_words(long n)
{
	struct control_words here = { 0x1f80, 0x37f };
	struct control_words there = here;

	while (n-- > 0) {
		exchange(&here, &there);
		exchange(&there, &here);
	}
}

/* Processors differ in whether stores or loads of control words are slow. */
static void exchange_unequal(struct control_words *from,
			     const struct control_words *to)
{
	__asm__ volatile("stmxcsr %0\n\tfnstcw %1"
			 : "=m"(from->mxcsr), "=m"(from->fpucw));
	if (from->mxcsr != to->mxcsr)
		__asm__ volatile("ldmxcsr %0" : : "m"(to->mxcsr));
	if (from->fpucw != to->fpucw)
		__asm__ volatile("fldcw %0" : : "m"(to->fpucw));
}

static void run_control_words_compared(long n)
{
	struct control_words here = { 0x1f80, 0x37f };
	struct control_words there = here;

	while (n-- > 0) {
		exchange_unequal(&here, &there);
		exchange_unequal(&there, &here);
	}
}
#endif

/* Makes as many cos as --cos says, each on its own guarded stack, and suspends
   them. */
static void make_guarded(const struct row *row)
{
	size_t i;

	the_row = row;
	alloc_tasks(bench_cos);
	for (i = 0; i < bench_cos; i++) {
		tasks[i] = task_new(stk_new(BIG_STACK, 1), body_loop);
		aco_resume(tasks[i]);
	}
	bench_note("cos", bench_cos);
}

static sigjmp_buf after_fault;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(after_fault, 1);
}

static int faults(volatile char *p)
{
	if (sigsetjmp(after_fault, 1))
		return 1;
	*p = 1;
	return 0;
}

/* Touches the first and the last byte of the guards of up to 1,000 stacks. */
static void prove_guards(void)
{
	size_t guard = 64 * KB, i, proved = 0;

	signal(SIGSEGV, on_fault);
	for (i = 0; i < bench_cos; i += bench_cos / 1000 + 1, proved++) {
		char *low = (char *)tasks[i]->share_stack->ptr;

		if (!faults(low - 1) || !faults(low - guard))
			bench_skip("a stack has no guard");
	}
	signal(SIGSEGV, SIG_DFL);
	bench_note("guards", proved);
}

static void setup_guarded_memory(const struct row *row)
{
	size_t before = bench_resident();

	make_guarded(row);
	bench_value = (double)(bench_resident() - before) / (double)bench_cos;
	bench_unit = "bytes";
	prove_guards();
}

static void setup_guarded_create(const struct row *row)
{
	double start = bench_now();

	make_guarded(row);
	bench_value = (bench_now() - start) / (double)bench_cos;
}

/* All threads do n operations at the same time.  So the value is the time that
   one operation takes in each of them. */
static void *create_new_thread(void *n)
{
	run_create_new((long)(intptr_t)n);
	return NULL;
}

static void run_create_new_threads(long n)
{
	pthread_t threads[16];
	size_t i;

	for (i = 0; i < the_row->arg; i++)
		if (pthread_create(&threads[i], NULL, create_new_thread,
				   (void *)(intptr_t)n))
			bench_skip("no more threads");
	for (i = 0; i < the_row->arg; i++)
		pthread_join(threads[i], NULL);
}

static void setup_create_new_threads(const struct row *row)
{
	the_row = row;
	bench_several_threads(row->arg);
}

/* Two cos on one stack continue each other. */
static void setup_pass_share(const struct row *row)
{
	stk_t *stk;

	the_row = row;
	stk = stk_new(BIG_STACK, 1);
	setup_pass_on(stk, stk);
	run_pass(4);
	bench_note("copied", tasks[0]->save_stack.max_cpsz);
}

static void body_value(void)
{
	void *v = NULL;

	for (;;)
		v = aco_yield_value(v);
}

static void run_value(long n)
{
	aco_t *co = tasks[0];
	void *v = co;

	while (n-- > 0)
		v = aco_resume_value(co, v);
	KEEP(v);
}

static void setup_value(const struct row *row)
{
	the_row = row;
	make_tasks(1, body_value);
}

static void run_reset(long n)
{
	aco_t *co = tasks[0];

	while (n-- > 0) {
		aco_reset(co, body_short, NULL);
		aco_resume(co);
	}
}

static void setup_reset(const struct row *row)
{
	the_row = row;
	make_tasks(1, body_short);
}

const char bench_compiler[] = BENCH_COMPILER;

/* clang-format off */
#define ROWS(impl, opt)                                                      \
	ROWS_SWITCH(impl, opt),                                              \
	ROWS_TURN_MANY(impl, opt),                                           \
	ROWS_RANDOM_OWN(impl, opt),                                          \
	ROWS_MEMORY_OWN(impl, opt),                                          \
	ROWS_PASS(impl, opt),                                                \
	{ "yield-to-share", impl, setup_pass_share, run_pass, 0, opt },      \
	{ "value", impl, setup_value, run_value, 0, opt },                   \
	ROWS_SHARE(impl, opt),                                               \
	ROWS_CREATE_NEW(impl, opt),                                          \
	{ "create-new-4", impl, setup_create_new_threads,                    \
	  run_create_new_threads, 4, opt },                                  \
	ROWS_CREATE_REUSE(impl, opt),                                        \
	{ "reset", impl, setup_reset, run_reset, 0, opt },                   \
	{ "scale-100", impl, setup_scale, run_turn, 100, opt },              \
	{ "scale-1000", impl, setup_scale, run_turn, 1000, opt },            \
	{ "scale-10000", impl, setup_scale, run_turn, 10000, opt },          \
	{ "scale-100000", impl, setup_scale, run_turn, 100000, opt },        \
	{ "scale-1000000", impl, setup_scale, run_turn, 1000000, opt },      \
	{ "scale-10000000", impl, setup_scale, run_turn, 10000000, opt },    \
	{ "random-10000", impl, setup_random, run_turn, 10000, opt },        \
	{ "random-100000", impl, setup_random, run_turn, 100000, opt },      \
	{ "random-1000000", impl, setup_random, run_turn, 1000000, opt },    \
	{ "random-10000000", impl, setup_random, run_turn, 10000000, opt },  \
	{ "memory-back", impl, setup_memory_back, NULL, 0, opt },            \
	{ "memory-given", impl, setup_memory, NULL, SIZE_GIVEN, opt },       \
	{ "memory-0", impl, setup_memory, NULL, SIZE_0, opt },               \
	{ "memory-deep", impl, setup_memory_deep, NULL, 0, opt },            \
	{ "memory-left", impl, setup_memory_deep, NULL, 4, opt },           \
	{ "guarded-memory", impl, setup_guarded_memory, NULL, 0, opt },      \
	{ "guarded-create", impl, setup_guarded_create, NULL, 0, opt },      \
	{ "guarded-turn", impl, make_guarded, run_turn, 0, opt }

#define ROWS_WAKE(impl, opt)                                                 \
	{ "wake-8", impl, setup_wake, run_turn, 8, opt },                    \
	{ "wake-24", impl, setup_wake, run_turn, 24, opt },                  \
	{ "wake-56", impl, setup_wake, run_turn, 56, opt },                  \
	{ "wake-120", impl, setup_wake, run_turn, 120, opt },                \
	{ "wake-136", impl, setup_wake, run_turn, 136, opt },                \
	{ "wake-488", impl, setup_wake, run_turn, 488, opt },                \
	{ "wake-1000", impl, setup_wake, run_turn, 1000, opt },              \
	{ "wake-2000", impl, setup_wake, run_turn, 2000, opt },              \
	{ "wake-8000", impl, setup_wake, run_turn, 8000, opt }

#define ROW_PREFETCH(workload, setup, arg)                                   \
	{ workload, "aco-shared-prefetch", setup, run_turn_prefetch, arg,    \
	  ACO_SHARE_FPENV }

const struct row bench_rows[] = {
	ROWS(IMPL "-shared", ACO_SHARE_FPENV),
	ROWS_WAKE(IMPL "-shared", ACO_SHARE_FPENV),
#ifdef WITH_PREFETCH
	ROW_PREFETCH("random-own-10000", setup_random_own_prefetch, 10000),
	ROW_PREFETCH("random-own-100000", setup_random_own_prefetch, 100000),
	ROW_PREFETCH("random-own-1000000", setup_random_own_prefetch, 1000000),
	ROW_PREFETCH("random-10000", setup_random_prefetch, 10000),
	ROW_PREFETCH("random-100000", setup_random_prefetch, 100000),
	ROW_PREFETCH("random-1000000", setup_random_prefetch, 1000000),
	ROW_PREFETCH("random-10000000", setup_random_prefetch, 10000000),
#endif
	ROWS(IMPL "-own", 0),
#ifdef WITH_CONTROL_WORDS
	{ "switch", "control-words", setup_one, run_control_words, 0, 0 },
	{ "switch", "control-words-compared", setup_one,
	  run_control_words_compared, 0, 0 },
#endif
	ROWS_END
};
/* clang-format on */
