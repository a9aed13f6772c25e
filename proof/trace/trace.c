/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - random operations on cos that share stacks, and all that is there
 * after each: compare.ml has the same from the proof's model
 *
 *	trace SEED COUNT
 *
 * Each operation, numbers in decimal, words in hexadecimal, from the top of a
 * stack down:
 *
 *	run WORD...              what the current co has written to its stack
 *	create CO STACK SIZE MEMORY | resume CO MEMORY | yield DEPTH |
 *	yield_to CO DEPTH MEMORY | exit | reset CO | destroy CO
 *	co I TEXT | stack I TEXT what has another text than it had
 *	done | no memory         the result
 *
 * MEMORY is 0 when the allocator has none to give.  Words are taken from memory
 * as the library leaves it, before it copies them.
 */
#include <aco.h>

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>

#define COS 14
#define STACKS 5
#define RED_WORDS (sizeof(void *) == 8 ? 16 : 0)
#define CALL_ROOM 8192 /* bytes for a call of the library */

#if defined(__i386__)
#define REGPARM __attribute__((__regparm__(3)))
#else
#define REGPARM
#endif

typedef uintptr_t word;

/* aco_t.state: aco/switch.h has the others. */
enum { SUSPENDED_INLINE = 5, END = 11 };

struct text {
	char *at;
	size_t sz, room;
};

static struct {
	aco_t *co;  /* NULL: not made, or destroyed */
	size_t own; /* words that the driver has put on its stack */
	struct text shown;
} cos[COS];

static struct {
	aco_share_stack_t *sstk;
	size_t height; /* in words */
	struct text shown;
} stacks[STACKS];

static aco_t *main_co;
static _Alignas(64) char main_stack[1 << 16];

/* stack.S */
int trace_call(void *sp, void (*fn)(void), void *arg);
int trace_inline(void *sp, aco_t *from, aco_t *to);
void trace_start(void);

/* ---- chance ---------------------------------------------------------------- */

static uint64_t seed;

static size_t below(size_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (size_t)((seed * 2685821657736338717u >> 33) % n);
}

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int percent(size_t n)
{
	return below(100) < n;
}

/* Mostly small numbers; up to most. */
static size_t some(size_t most)
{
	static const size_t limits[] = { 8, 8, 24, 24, 24, 100, 100, 300 };
	size_t limit = limits[below(8)], rare = below(400);

	if (rare < 12)
		limit = rare ? 2500 : most;
	return below(min(limit, most) + 1);
}

/* ---- memory ---------------------------------------------------------------- */

static int no_memory;
static size_t in_use;

static void *trace_alloc(size_t sz, void *ctx)
{
	void *ptr;

	(void)ctx;
	if (no_memory)
		return NULL;
	ptr = malloc(sz);
	if (!ptr)
		abort();
	in_use += sz;
	return memset(ptr, 0xa5, sz);
}

static void trace_free(void *ptr, size_t sz, void *ctx)
{
	(void)ctx;
	in_use -= sz;
	free(memset(ptr, 0x5a, sz));
}

/* ---- text ------------------------------------------------------------------ */

static char *more(struct text *t, size_t sz)
{
	if (t->sz + sz > t->room) {
		t->room = 2 * (t->sz + sz);
		t->at = realloc(t->at, t->room);
		if (!t->at)
			abort();
	}
	return t->at + t->sz;
}

static __attribute__((__format__(__printf__, 2, 3))) void
put(struct text *t, const char *format, ...)
{
	va_list args;
	char *at = more(t, 256);

	va_start(args, format);
	t->sz += (size_t)vsnprintf(at, 256, format, args);
	va_end(args);
}

static void put_word(struct text *t, word w)
{
	char *at = more(t, 20), *end = at;
	int shift = 0;

	while (w >> shift >> 4 && shift + 4 < (int)(8 * sizeof(w)))
		shift += 4;
	*end++ = ' ';
	for (; shift >= 0; shift -= 4)
		*end++ = "0123456789abcdef"[w >> shift & 15];
	t->sz += (size_t)(end - at);
}

/* Downwards from end. */
static void put_words(struct text *t, const void *end, size_t n)
{
	const word *at = end;

	while (n--)
		put_word(t, *--at);
}

/* now becomes shown; printed if it is another. */
static void show(const char *what, int i, struct text *shown, struct text *now)
{
	struct text before = *shown;

	if (now->sz == before.sz && !memcmp(now->at, before.at, now->sz))
		return;
	printf("%s %d%.*s\n", what, i, (int)now->sz, now->at);
	*shown = *now;
	*now = before;
}

/* ---- what is there --------------------------------------------------------- */

/* -1: the main co, or none. */
static int index_of(const aco_t *co)
{
	int i = COS - 1;

	while (i >= 0 && (!co || cos[i].co != co))
		i--;
	return i;
}

static int stack_of(const aco_t *co)
{
	int k = 0;

	while (stacks[k].sstk != co->share_stack)
		k++;
	return k;
}

static aco_t *current(void)
{
	aco_t *co = aco_get_co();

	return co == main_co ? NULL : co;
}

static int is_busy(const aco_t *co)
{
	return co->state >= ACO_FAST_RUNNING_ &&
	       co->state <= ACO_SHARING_RUNNING_;
}

static size_t depth_of(const aco_t *co)
{
	return (size_t)((word *)co->share_stack->align_retptr -
			(word *)co->reg[ACO_REG_IDX_SP]);
}

/* Words below the stack pointer that may be live. */
static size_t red_of(const aco_t *co, size_t depth)
{
	size_t room = stacks[stack_of(co)].height - depth;

	if (co->state != ACO_FAST_SUSPENDED_ && co->state != SUSPENDED_INLINE)
		return 0;
	return min(room, RED_WORDS);
}

static void put_co(struct text *t, int i)
{
	static const char *const states[] = { "init", "running", "resuming",
					      "suspended", "end" };
	const aco_t *co = cos[i].co;
	const aco_save_stack_t *s;

	if (!co) {
		put(t, " gone");
		return;
	}
	s = &co->save_stack;
	put(t, " %d %s", co->state, states[aco_state(co)]);
	if (is_busy(co))
		put(t, " of %d", index_of(co->resumer));
	put(t, " size %zu valid %zu", s->sz, s->valid_sz);
	if (s->valid_sz && s->valid_sz <= s->sz)
		put_words(t, (char *)s->ptr + s->valid_sz,
			  s->valid_sz / sizeof(word));
}

/* Of the stack of the current co, what the driver has put there. */
static void put_stack(struct text *t, int k)
{
	const aco_share_stack_t *sstk = stacks[k].sstk;
	const aco_t *owner = sstk->owner;
	int i = index_of(owner);
	size_t n;

	put(t, " owner %d users %zu", i, sstk->users);
	if (i < 0) {
		put(t, "%s", owner ? " that is destroyed" : "");
		return;
	}
	n = cos[i].own;
	if (owner != current()) {
		n = min(depth_of(owner), stacks[k].height);
		n += red_of(owner, n);
	}
	put(t, " words %zu", n);
	put_words(t, sstk->align_retptr, n);
}

static void show_all(void)
{
	static struct text t;
	int i;

	for (i = 0; i < COS; i++) {
		t.sz = 0;
		put_co(&t, i);
		show("co", i, &cos[i].shown, &t);
	}
	for (i = 0; i < STACKS; i++) {
		t.sz = 0;
		put_stack(&t, i);
		show("stack", i, &stacks[i].shown, &t);
	}
}

/* ---- switches -------------------------------------------------------------- */

/* The words of a co that is about to make room for another one, in place. */
static struct text leaving;
static size_t leaving_depth;

REGPARM int __real_aco_leave_place(aco_t *co, aco_t *to, void *move);
REGPARM int __wrap_aco_leave_place(aco_t *co, aco_t *to, void *move);

REGPARM int __wrap_aco_leave_place(aco_t *co, aco_t *to, void *move)
{
	leaving_depth = depth_of(co);
	leaving.sz = 0;
	put_words(&leaving, co->share_stack->align_retptr, leaving_depth);
	return __real_aco_leave_place(co, to, move);
}

/* Words for the stack of co, with as many zeros at the top as may matter, and
   below its stack pointer.  Returns the stack pointer. */
static void *write_stack(aco_t *co, int for_call)
{
	int i = index_of(co), k = stack_of(co);
	word *top = co->share_stack->align_retptr;
	size_t limit = stacks[k].height, zeros = below(9), red, n;

	if (for_call)
		limit -= CALL_ROOM / sizeof(word);
	n = some(limit);
	if (!for_call && co->state == ACO_FAST_RUNNING_ && limit < 5000 &&
	    percent(70))
		n = limit - below(20); /* where the stack cuts the red zone */
	while (for_call && (uintptr_t)(top - n) % 16)
		n = n ? n - 1 : 16 / sizeof(word) - 1;
	red = min(stacks[k].height - n, RED_WORDS);
	cos[i].own = n;
	for (size_t w = 0; w < n + red; w++) {
		word value = (word)below(1u << 30) << (sizeof(word) * 4);

		top[-1 - (ptrdiff_t)w] = w < zeros || percent(10) ? 0
								  : value + w;
	}
	if (!for_call && co->state == ACO_FAST_RUNNING_)
		cos[i].own += red;
	return top - n;
}

static void *stack_pointer(aco_t *co)
{
	return co ? write_stack(co, 1) : main_stack + sizeof(main_stack);
}

/* co, the current one before the call, was suspended: what was on its stack? */
static size_t print_run(const aco_t *co, int has_left)
{
	static struct text t;
	size_t depth = cos[index_of(co)].own;

	t.sz = 0;
	if (leaving.sz || leaving_depth) {
		printf("run%.*s\n", (int)leaving.sz, leaving.at);
		return leaving_depth;
	}
	if (has_left)
		depth = depth_of(co);
	put_words(&t, co->share_stack->align_retptr,
		  depth + (has_left ? red_of(co, depth) : 0));
	printf("run%.*s\n", (int)t.sz, t.at);
	return depth;
}

static const char *result;

/* The call, which may fail when memory is 0.  Returns the depth of the co that was
   current. */
static size_t call(void (*fn)(void), void *arg, int memory)
{
	aco_t *co = current();
	void *sp = stack_pointer(co);
	int ret;

	leaving.sz = leaving_depth = 0;
	no_memory = !memory;
	errno = 0;
	ret = trace_call(sp, fn, arg);
	no_memory = 0;
	result = "done";
	if (current() == co) {
		result = "no memory";
		if (ret != -1 || errno != ENOMEM)
			result = "failed";
	}
	if (!co || co->state == END)
		return 0;
	return print_run(co, current() != co);
}

/* co, or another that can go on. */
static int can_go_on(const aco_t *co, const aco_t *in_place)
{
	const aco_t *owner;

	if (!co || is_busy(co) || co->state == END)
		return 0;
	owner = co->share_stack->owner;
	return !owner || owner == in_place || !is_busy(owner);
}

/* -1: none can. */
static int pick(const aco_t *in_place)
{
	size_t first = below(COS), i;

	for (i = first; i < first + COS; i++)
		if (can_go_on(cos[i % COS].co, in_place))
			return (int)(i % COS);
	return -1;
}

typedef void (*call_t)(void);

static int resume(void)
{
	static const call_t ways[] = { (call_t)aco_resume,
				       (call_t)aco_resume_value,
				       (call_t)aco_try_resume };
	int i = pick(NULL), memory = !percent(30);

	if (i < 0)
		return 0;
	call(ways[memory ? below(3) : 2], cos[i].co, memory);
	printf("resume %d %d\n", i, memory);
	return 1;
}

static int yield(void)
{
	size_t depth;

	if (!current())
		return 0;
	depth = call(percent(50) ? (call_t)aco_yield : (call_t)aco_yield_value,
		     NULL, 1);
	printf("yield %zu\n", depth);
	return 1;
}

static int yield_inline(void)
{
	aco_t *co = current(), *to;
	void *sp;

	if (!co)
		return 0;
	sp = write_stack(co, 0);
	leaving.sz = leaving_depth = 0;
	to = co->resumer;
	co->state = co->state == ACO_FAST_RUNNING_ ? ACO_FAST_SUSPENDED_
						   : ACO_SHARING_SUSPENDED_;
	aco_gtls_co = to;
	trace_inline(sp, co, to);
	result = "done";
	printf("yield %zu\n", print_run(co, 1));
	return 1;
}

static int yield_to(void)
{
	aco_t *co = current();
	int i = pick(co), memory = !percent(30);
	size_t depth;

	if (!co || i < 0)
		return 0;
	depth = call((call_t)aco_yield_to, cos[i].co, memory);
	printf("yield_to %d %zu %d\n", i, depth, memory);
	return 1;
}

static int leave(void)
{
	if (!current())
		return 0;
	call(percent(50) ? (call_t)aco_exit : (call_t)aco_exit_value, NULL, 1);
	printf("exit\n");
	return 1;
}

/* ---- birth and death ------------------------------------------------------- */

static int create(void)
{
	static const size_t sizes[] = { 0, 0, 8, 44, 100, 200, 1024, 3000 };
	int i = (int)below(COS), k = (int)below(STACKS), memory = !percent(20);
	size_t sz = sizes[below(8)];

	if (cos[i].co)
		return 0;
	if (stacks[k].sstk->users) /* more that are alone */
		k = (int)below(STACKS);
	no_memory = !memory;
	errno = 0;
	cos[i].co = aco_create2(main_co, stacks[k].sstk, sz, trace_start, NULL,
				percent(50) ? ACO_SHARE_FPENV : 0);
	no_memory = 0;
	cos[i].own = 0;
	result = cos[i].co ? "done" : errno == ENOMEM ? "no memory" : "failed";
	printf("create %d %d %zu %d\n", i, k, sz, memory);
	return 1;
}

static int reset(void)
{
	int i = (int)below(COS);

	if (!cos[i].co || is_busy(cos[i].co))
		return 0;
	result = aco_reset(cos[i].co, trace_start, NULL) ? "failed" : "done";
	cos[i].own = 0;
	printf("reset %d\n", i);
	return 1;
}

static int destroy(void)
{
	int i = (int)below(COS);

	if (!cos[i].co || is_busy(cos[i].co))
		return 0;
	aco_destroy(cos[i].co);
	cos[i].co = NULL;
	result = "done";
	printf("destroy %d\n", i);
	return 1;
}

/* ---- all of it ------------------------------------------------------------- */

static int step(void)
{
	static const struct {
		size_t weight;
		int (*step)(void);
	} steps[] = { { 26, resume },	{ 12, yield }, { 17, yield_inline },
		      { 25, yield_to }, { 3, leave },  { 9, create },
		      { 2, reset },	{ 6, destroy } };
	size_t at = below(100), i = 0;

	while (at >= steps[i].weight)
		at -= steps[i++].weight;
	return steps[i].step();
}

/* Two guarded ones, one from malloc(3), two in memory that begins anywhere. */
static void make_stacks(void)
{
	static char memory[2][1 << 15];
	int k;

	printf("start %zu", sizeof(word));
	for (k = 0; k < STACKS; k++) {
		aco_share_stack_t *sstk;

		if (k < 3)
			sstk = aco_share_stack_new2(200000, k < 2);
		else
			sstk = aco_share_stack_from(memory[k - 3] + below(64),
						    20000 + below(4096));
		if (!sstk)
			abort();
		stacks[k].sstk = sstk;
		stacks[k].height = (size_t)((char *)sstk->align_retptr -
					    (char *)sstk->ptr) /
				   sizeof(word);
		printf(" %zu", stacks[k].height);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	static char buffer[1 << 16];
	aco_allocator_t allocator = { trace_alloc, trace_free, NULL };
	unsigned long count;

	if (argc != 3)
		return 2;
	seed = strtoull(argv[1], NULL, 10) * 11400714819323198485u + 1;
	count = strtoul(argv[2], NULL, 10);
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	if (aco_set_allocator(&allocator) < 0)
		return 2;
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	if (!main_co)
		return 2;
	make_stacks();
	while (count) {
		if (!step())
			continue;
		show_all();
		printf("%s\n", result);
		fflush(stdout); /* the next one may be the last */
		count--;
	}
	printf("end\n");
	return 0;
}
