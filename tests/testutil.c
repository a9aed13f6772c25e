/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testutil.c - what the test programs share
 */
#include "testutil.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Slow machines, busy ones and emulators included; a test that hangs ends, too, and
   before scripts/patient ends the program, which says less. */
#define TIMEOUT_SECONDS 300

#define MAX_OBJECTS 20000
#define MAX_TEXT 2048
#define MAX_PTRS 16

aco_t *t_main;
aco_share_stack_t *t_sstk;

static aco_t *made_cos[MAX_OBJECTS];
static size_t made_co_count;
static aco_t *mains[16];
static size_t main_count;
static aco_share_stack_t *stacks[256];
static size_t stack_count;
uint8_t t_flip_flags;

aco_share_stack_t *t_stack(size_t sz)
{
	aco_share_stack_t *sstk = aco_share_stack_new(sz);

	ck_assert_ptr_nonnull(sstk);
	ck_assert_uint_lt(stack_count, T_LEN(stacks));
	stacks[stack_count++] = sstk;
	return sstk;
}

aco_t *t_main_co(void)
{
	aco_t *co = aco_create(NULL, NULL, 0, NULL, NULL);

	ck_assert_ptr_nonnull(co);
	ck_assert_uint_lt(main_count, T_LEN(mains));
	co->flags ^= t_flip_flags;
	mains[main_count++] = co;
	return co;
}

aco_t *t_co2(aco_share_stack_t *sstk, aco_cofuncp_t fp, void *arg,
	     size_t save_stack_sz, unsigned flags)
{
	aco_t *co = aco_create2(t_main, sstk, save_stack_sz, fp, arg, flags);

	ck_assert_ptr_nonnull(co);
	ck_assert_uint_lt(made_co_count, MAX_OBJECTS);
	co->flags ^= t_flip_flags;
	made_cos[made_co_count++] = co;
	return co;
}

aco_t *t_co(aco_share_stack_t *sstk, aco_cofuncp_t fp, void *arg)
{
	return t_co2(sstk, fp, arg, 0, 0);
}

void t_destroy(aco_t *co)
{
	for (size_t i = 0; i < made_co_count; i++) {
		if (made_cos[i] != co)
			continue;
		made_cos[i] = made_cos[--made_co_count];
		aco_destroy(co);
		return;
	}
	ck_abort_msg("t_destroy: not one of t_co()");
}

void t_finish(aco_t *co, int limit)
{
	while (!co->is_end && limit-- > 0)
		aco_resume(co);
	ck_assert_msg(co->is_end, "the co has not ended");
}

__attribute__((__weak__)) void t_reset(void)
{
}

static void world_set_up(void)
{
	t_reset();
	aco_thread_init(NULL);
	t_main = t_main_co();
	t_sstk = t_stack(T_STACK_SIZE);
}

static void world_tear_down(void)
{
	while (made_co_count)
		aco_destroy(made_cos[--made_co_count]);
	while (stack_count)
		aco_share_stack_destroy(stacks[--stack_count]);
	while (main_count)
		aco_destroy(mains[--main_count]);
}

TCase *t_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, TIMEOUT_SECONDS);
	tcase_add_checked_fixture(tc, world_set_up, world_tear_down);
	suite_add_tcase(s, tc);
	return tc;
}

__attribute__((__noinline__)) void t_deep(int depth, void (*fn)(void))
{
	char frame[64];
	char *p = frame;

	memset(frame, depth, sizeof(frame));
	t_opaque(p);
	if (depth > 0)
		t_deep(depth - 1, fn);
	else
		fn();
	t_opaque(p);
	/* ck_assert_...() would write a file for each frame */
	if (p[0] != (char)depth || p[63] != (char)depth)
		ck_abort_msg("frame %d of t_deep() has changed", depth);
}

uint32_t t_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* ------------------------------------------------------- child processes -- */

/* What the child tells its parent; in memory that both see. */
struct told {
	const void *ptr[MAX_PTRS];
	size_t count;
};

static struct told *told;

void t_says(const void *ptr)
{
	if (told && told->count < MAX_PTRS)
		told->ptr[told->count++] = ptr;
}

void t_child_assert(int ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "line %d: not true: %s\n", line, what);
	_exit(1);
}

/* From the page tables.  What is in statm is counted by each processor for itself, and
   from Linux 6.2 on may lack some of that: two pages of each processor for each one that
   there is, a megabyte where there are 128. */
static size_t anonymous_bytes(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[128];
	size_t kib = 0;

	while (f && !kib && fgets(line, sizeof(line), f))
		sscanf(line, "Anonymous: %zu", &kib);
	if (f)
		fclose(f);
	return kib * 1024;
}

/* Without pages of files: the child of a fork(2) begins without those of programs and
   libraries, and gets as many at a time as the kernel has at hand. */
struct t_memory t_memory(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t exact = anonymous_bytes();
	size_t of_files;
	struct t_memory m;

	t_child(f && fscanf(f, "%zu %zu %zu", &m.total, &m.resident,
			    &of_files) == 3);
	fclose(f);
	m.resident -= of_files;
	m.total *= (size_t)sysconf(_SC_PAGESIZE);
	m.resident *= (size_t)sysconf(_SC_PAGESIZE);
	if (exact)
		m.resident = exact;
	return m;
}

static void run_child(int err, void (*fn)(void *arg), void *arg)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGALRM, SIG_DFL); /* Check's handler kills the test, too */
	dup2(err, STDERR_FILENO);
	fn(arg);
	_exit(0);
}

static void read_all(int fd, char *buf, size_t sz)
{
	size_t len = 0;

	while (len < sz - 1) {
		ssize_t n = read(fd, buf + len, sz - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
}

static int in_child(void (*fn)(void *arg), void *arg, char *err, size_t sz)
{
	int status;
	int fd[2];
	pid_t pid;

	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(told, MAP_FAILED);
	ck_assert_int_eq(pipe(fd), 0);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		run_child(fd[1], fn, arg);
	close(fd[1]);
	read_all(fd[0], err, sz);
	close(fd[0]);
	while (waitpid(pid, &status, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	return status;
}

static void expand(const char *text, char *buf, size_t sz)
{
	size_t used = 0;
	size_t len = 0;

	buf[0] = '\0';
	for (; *text && len < sz - 32; text++) {
		if (text[0] != '%' || text[1] != 'p') {
			buf[len++] = *text;
			buf[len] = '\0';
			continue;
		}
		ck_assert_msg(used < told->count, "a %%p and no t_says()");
		len += (size_t)sprintf(
			buf + len, "0x%llx",
			(unsigned long long)(uintptr_t)told->ptr[used++]);
		text++;
	}
}

void t_expect_signal(int sig, void (*fn)(void *arg), void *arg,
		     const char *text)
{
	char expected[MAX_TEXT];
	char err[MAX_TEXT];
	int status = in_child(fn, arg, err, sizeof(err));

	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == sig,
		      "wait status %#x instead of signal %d; stderr: %s",
		      (unsigned)status, sig, err);
	expand(text, expected, sizeof(expected));
	ck_assert_str_eq(err, expected);
	munmap(told, sizeof(*told));
	told = NULL;
}

void t_expect_abort(void (*fn)(void *arg), void *arg, const char *text)
{
	t_expect_signal(SIGABRT, fn, arg, text);
}

void t_expect_ok(void (*fn)(void *arg), void *arg)
{
	char err[MAX_TEXT];
	int status = in_child(fn, arg, err, sizeof(err));

	ck_assert_msg(status == 0, "wait status %#x; stderr: %s",
		      (unsigned)status, err);
	ck_assert_str_eq(err, "");
	munmap(told, sizeof(*told));
	told = NULL;
}

/* ------------------------------------------------------------------ main -- */

int main(void)
{
	SRunner *runner = srunner_create(t_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
