/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-faults.c - each call of a scenario that can fail does so once
 *
 * Linked with the static libraries and --wrap for what can fail: memory,
 * descriptors, threads, and the resume of a task.  The scenario is run with the
 * first, the second, ... of those calls failing, until it gets through without.
 * Where a failure is reported, the call is repeated; nothing may be lost, and
 * nothing left allocated.  The time is virtual.
 */
#define _GNU_SOURCE 1

#include "ioutil.h"
#include "virtual.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/uio.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd,
		  off_t off);
int __real_aco_try_resume(aco_t *co);
ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __real_send(int fd, const void *buf, size_t n, int flags);
int __real_epoll_create1(int flags);
int __real_epoll_ctl(int ep, int op, int fd, struct epoll_event *event);
int __real_eventfd(unsigned count, int flags);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __real_signalfd(int fd, const sigset_t *set, int flags);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd,
		  off_t off);
int __wrap_aco_try_resume(aco_t *co);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
ssize_t __wrap_send(int fd, const void *buf, size_t n, int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_ctl(int ep, int op, int fd, struct epoll_event *event);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_signalfd(int fd, const sigset_t *set, int flags);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg);
ssize_t __wrap_preadv2(int fd, const struct iovec *v, int n, off_t offset,
		       int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *v, int n, int64_t offset,
			  int flags);

static _Atomic int allocated;  /* blocks of all threads */
static __thread bool is_armed; /* in the thread of the test */
static int calls, fails_at, fails_for, injected;
static int resumes_to_fail, polls_to_interrupt, transfers;
static int threads_to_start = 1000000;
static bool only_inner; /* resumes by tasks, not by the scheduler */

/* Is this the call that fails? */
static bool fails(int error)
{
	if (!is_armed)
		return false;
	calls++;
	if (calls < fails_at || calls >= fails_at + fails_for)
		return false;
	injected++;
	errno = error;
	return true;
}

void *__wrap_malloc(size_t size)
{
	void *p = fails(ENOMEM) ? NULL : __real_malloc(size);

	allocated += p != NULL;
	return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p = fails(ENOMEM) ? NULL : __real_calloc(n, size);

	allocated += p != NULL;
	return p;
}

void *__wrap_realloc(void *old, size_t size)
{
	void *p = fails(ENOMEM) ? NULL : __real_realloc(old, size);

	allocated += p && !old;
	return p;
}

void __wrap_free(void *p)
{
	allocated -= p != NULL;
	__real_free(p);
}

char *__wrap_strdup(const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = __wrap_malloc(size);

	return copy ? memcpy(copy, s, size) : NULL;
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off)
{
	return fails(ENOMEM) ? MAP_FAILED
			     : __real_mmap(at, size, prot, flags, fd, off);
}

int __wrap_aco_try_resume(aco_t *co)
{
	if (resumes_to_fail && (!only_inner || aco_get_co()->main_co)) {
		resumes_to_fail--;
		errno = ENOMEM;
		return -1;
	}
	return fails(ENOMEM) ? -1 : __real_aco_try_resume(co);
}

int __wrap_epoll_create1(int flags)
{
	return fails(EMFILE) ? -1 : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
	return fails(ENOMEM) ? -1 : __real_epoll_ctl(ep, op, fd, event);
}

int __wrap_eventfd(unsigned count, int flags)
{
	return fails(ENFILE) ? -1 : __real_eventfd(count, flags);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (polls_to_interrupt) {
		polls_to_interrupt--;
		errno = EINTR;
		return -1;
	}
	return __real_poll(fds, n, timeout);
}

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return fails(ENFILE) ? -1 : __real_accept4(fd, addr, len, flags);
}

int __wrap_signalfd(int fd, const sigset_t *set, int flags)
{
	return fails(EMFILE) ? -1 : __real_signalfd(fd, set, flags);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg)
{
	if (fails(EAGAIN) || !threads_to_start)
		return EAGAIN;
	threads_to_start--;
	return __real_pthread_create(thread, attr, fn, arg);
}

/* Each third one is interrupted, which nobody must notice. */
static bool is_interrupted(void)
{
	if (!is_armed || ++transfers % 3)
		return false;
	errno = EINTR;
	return true;
}

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	return is_interrupted() ? -1 : __real_read(fd, buf, n);
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	return is_interrupted() ? -1 : __real_write(fd, buf, n);
}

ssize_t __wrap_send(int fd, const void *buf, size_t n, int flags)
{
	return is_interrupted() ? -1 : __real_send(fd, buf, n, flags);
}

/* No file is in the page cache. */
ssize_t __wrap_preadv2(int fd, const struct iovec *v, int n, off_t offset,
		       int flags)
{
	return __wrap_preadv64v2(fd, v, n, offset, flags);
}

ssize_t __wrap_preadv64v2(int fd, const struct iovec *v, int n, int64_t offset,
			  int flags)
{
	(void)fd, (void)v, (void)n, (void)offset, (void)flags;
	errno = EAGAIN;
	return -1;
}

/* ---- the scenario -------------------------------------------------------- */

static int wrong; /* the first line where something is */
static int excused;

/* A call that failed may be repeated if another failure was injected. */
static bool again(bool has_failed, int line)
{
	if (!has_failed)
		return false;
	if (excused == injected) {
		if (!wrong)
			wrong = line;
		return false;
	}
	excused = injected;
	return true;
}

#define TRY(result, is_good) \
	do                   \
		errno = 0;   \
	while (((result), again(!(is_good), __LINE__)))

#define EXPECT(expr)                      \
	do                                \
		if (!(expr) && !wrong)    \
			wrong = __LINE__; \
	while (0)

#define WORKERS 70 /* more than the tables have places for at first */

static aco_io_t *io;
static aco_io_group_t *group;
static aco_io_chan_t *chan;
static int sum, posts, offloaded, generated;
static int fds[2];
static const aco_io_key_t key = { NULL };
static struct sockaddr_in address;

static void receives(void *unused)
{
	int x = 0, result = -1;

	(void)unused;
	TRY(result = aco_io_chan_recv(chan, &x, aco_io_after(1000000)),
	    result == 0);
	sum += x;
}

static void has_workers(void)
{
	aco_io_task_t task = 0;
	int result = -1;

	TRY(group = aco_io_group_new(), group);
	TRY(chan = aco_io_chan_new(sizeof(int), 2), chan);
	for (int i = 0; i < WORKERS; i++)
		TRY(task = aco_io_go(group, receives, NULL,
				     i % 4 ? ACO_IO_SHARED : 0),
		    task);
	for (int i = 0; i < WORKERS; i++)
		TRY(result = aco_io_chan_send(chan, &i, ACO_IO_NEVER),
		    result == 0);
	TRY(result = aco_io_group_wait(group, ACO_IO_NEVER), result == 0);
	EXPECT(sum == WORKERS * (WORKERS - 1) / 2);
	EXPECT(aco_io_chan_destroy(chan) == 0);
	EXPECT(aco_io_group_destroy(group) == 0);
}

static void reads(void *unused)
{
	ssize_t n = -1;
	char c = 0;

	(void)unused;
	TRY(n = aco_io_read(fds[0], &c, 1, aco_io_after(1000000)), n == 1);
	EXPECT(c == 'x');
	sum++;
}

static void reads_and_writes(void)
{
	struct pollfd p = { .events = POLLIN };
	aco_io_task_t task = 0;
	ssize_t n = -1;

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	TRY(task = aco_io_go(NULL, reads, NULL, io_flags), task);
	TRY(n = aco_io_sleep(aco_io_after(1)), n == 0);
	TRY(n = aco_io_write(fds[1], "x", 1, ACO_IO_NEVER), n == 1);
	sum = 0;
	while (!sum && !wrong)
		TRY(n = aco_io_sleep(aco_io_after(1)), n == 0);
	p.fd = fds[1];
	TRY(n = aco_io_poll(&p, 1, aco_io_after(2)), n == 0);
	EXPECT(dup2(fds[1], 200) == 200);
	p.fd = 200;
	TRY(n = aco_io_poll(&p, 1, aco_io_after(2)), n == 0);
	TRY(n = aco_io_wait(200, ACO_IO_READ, aco_io_after(2)),
	    n == -1 && errno == ETIMEDOUT);
	close(200);
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

static int listener;

static void connects(void *unused)
{
	int fd = aco_io_socket(AF_INET, SOCK_STREAM, 0), result = -1;

	(void)unused;
	/* After a failure another socket has to try. */
	while ((result = aco_io_connect(fd, (struct sockaddr *)&address,
					sizeof(address), ACO_IO_NEVER)),
	       again(result != 0, __LINE__)) {
		aco_io_close(fd);
		fd = aco_io_socket(AF_INET, SOCK_STREAM, 0);
	}
	EXPECT(result == 0);
	sum++;
	aco_io_close(fd);
}

static void accepts(void)
{
	socklen_t len = sizeof(address);
	aco_io_task_t task = 0;
	int fd = -1, result = -1;

	listener = aco_io_socket(AF_INET, SOCK_STREAM, 0);
	address = (struct sockaddr_in){ .sin_family = AF_INET };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(bind(listener, (struct sockaddr *)&address, len) == 0);
	EXPECT(listen(listener, 8) == 0);
	EXPECT(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
	sum = 0;
	TRY(task = aco_io_go(NULL, connects, NULL, io_flags), task);
	TRY(fd = aco_io_accept(listener, NULL, NULL, ACO_IO_NEVER), fd >= 0);
	aco_io_close(fd);
	while (!sum && !wrong)
		TRY(result = aco_io_sleep(aco_io_after(1)), result == 0);
	aco_io_close(listener);
}

static void counts(void *arg)
{
	(*(int *)arg)++;
}

static void uses_threads(void)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST };
	struct addrinfo *res = NULL;
	int file, result = -1;
	char buf[8] = "";
	ssize_t n = -1;

	is_armed = false; /* Check allocates */
	file = io_file();
	is_armed = true;
	TRY(result = aco_io_offload(counts, &offloaded), result == 0);
	EXPECT(offloaded == 1);
	TRY(result = aco_io_getaddrinfo("127.0.0.1", "80", &hints, &res,
					ACO_IO_NEVER),
	    result == 0);
	EXPECT(res != NULL);
	if (res)
		freeaddrinfo(res);
	TRY(n = aco_io_pwrite(file, "bytes", 5, 10), n == 5);
	TRY(n = aco_io_pread(file, buf, 8, 10), n == 5);
	EXPECT(!memcmp(buf, "bytes", 5));
	close(file);
}

static void waits_for_signal(void)
{
	sigset_t set;
	int result = -1;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	kill(getpid(), SIGUSR1);
	TRY(result = aco_io_sigwait(&set, ACO_IO_NEVER), result == SIGUSR1);
}

static void posts_tasks(void)
{
	int result = -1;

	for (int i = 0; i < 3; i++)
		TRY(result = aco_io_post(io, counts, &posts,
					 i ? ACO_IO_SHARED : 0),
		    result == 0);
	while (posts < 3 && !wrong)
		TRY(result = aco_io_sleep(aco_io_after(1)), result == 0);
	EXPECT(posts == 3);
}

/* Nested in another, it waits, and is resumed when there is memory. */
static void generates(void)
{
	int result = -1;

	for (int i = 0; i < 3; i++) {
		TRY(result = aco_io_sleep(aco_io_after(1)), result == 0);
		generated++;
		aco_yield();
	}
	aco_exit();
}

static void generates_nested(void)
{
	aco_t *co = aco_get_arg();
	int result = -1;

	for (int i = 0; i < 3; i++) {
		TRY(result = aco_io_resume(co), result == 0);
		TRY(result = aco_io_yield(), result == 0);
		aco_yield();
	}
	TRY(result = aco_io_resume(co), result == 0);
	EXPECT(co->is_end);
	aco_exit();
}

static aco_share_stack_t *stacks[2];

static void has_generators(void)
{
	aco_t *main_co = aco_get_co()->main_co, *co = NULL, *outer = NULL;
	int result = -1;

	for (int i = 0; i < 2; i++)
		TRY(stacks[i] = aco_share_stack_new(0), stacks[i]);
	TRY(co = aco_create(main_co, stacks[0], 0, generates, NULL), co);
	TRY(outer = aco_create(main_co, stacks[1], 0, generates_nested, co),
	    outer);
	for (int i = 0; i < 3; i++) {
		TRY(result = aco_io_resume(outer), result == 0);
		EXPECT(!outer->is_end && generated == i + 1);
	}
	TRY(result = aco_io_resume(outer), result == 0);
	EXPECT(outer->is_end);
	aco_destroy(outer);
	aco_destroy(co);
	for (int i = 0; i < 2; i++)
		aco_share_stack_destroy(stacks[i]);
}

static void (*const parts[])(void) = {
	has_workers,	  reads_and_writes, accepts,	    uses_threads,
	waits_for_signal, posts_tasks,	    has_generators,
};

static void runs_part(void *arg)
{
	int result = -1;

	is_armed = true;
	TRY(result = aco_io_set_local(&key, &sum), result == 0);
	parts[(intptr_t)arg]();
	EXPECT(aco_io_get_local(&key) == &sum);
	is_armed = false;
}

/* Threads of the pool, which are detached, free it when they end. */
static void wait_for_threads(int blocks)
{
	while (allocated > blocks)
		sched_yield();
}

static void run_scenario(int part)
{
	aco_io_task_t task = 0;
	int fds_before = io_open_fds();
	int before = allocated;

	sum = posts = offloaded = generated = 0;
	calls = injected = excused = wrong = 0;
	is_armed = true;
	TRY(io = aco_io_new(NULL), io);
	TRY(task = aco_io_go(NULL, runs_part, (void *)(intptr_t)part, io_flags),
	    task);
	EXPECT(aco_io_run(io) == 0);
	EXPECT(aco_io_destroy(io) == 0);
	is_armed = false;
	ck_assert_msg(!wrong, "line %d, when call %d fails", wrong, fails_at);
	wait_for_threads(before);
	ck_assert_int_eq(allocated, before);
	ck_assert_int_eq(io_open_fds(), fds_before);
}

static void run_with_failures(int part, int in_a_row)
{
	fails_for = 0;
	run_scenario(part); /* what stays allocated is there */
	fails_for = in_a_row;
	fails_at = 0;
	do {
		fails_at++;
		run_scenario(part);
	} while (injected);
	ck_assert_int_gt(fails_at, 3);
}

START_TEST(each_call)
{
	sigset_t set;

	aco_share_stack_cache_limit(0); /* which would keep some blocks */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	virtual_on = true;
	virtual_now = INT64_C(5000000000);
	for (int kind = 0; kind < 2; kind++) {
		io_flags = kind ? ACO_IO_SHARED : 0;
		run_with_failures(_i, 1);
		run_with_failures(_i, 3);
	}
	virtual_on = false;
}
END_TEST

/* ---- without memory, without spinning ------------------------------------ */

#define FAILURES 7

static int64_t start_time;

static void begin_virtual(int kind)
{
	virtual_on = true;
	virtual_now = start_time = INT64_C(5000000000);
	virtual_waits = virtual_looks = 0;
	io_flags = kind ? ACO_IO_SHARED : 0;
	io = aco_io_new(NULL);
	ck_assert_ptr_nonnull(io);
	sum = posts = 0;
}

static void check_calm(void)
{
	/* Some milliseconds each time, and hardly a look that does not wait. */
	ck_assert(virtual_now - start_time >= FAILURES * INT64_C(2000000));
	ck_assert_int_le(virtual_waits, FAILURES + 5);
	ck_assert_int_le(virtual_looks, 3);
	ck_assert_int_eq(aco_io_destroy(io), 0);
	virtual_on = false;
}

static void counts_sum(void *unused)
{
	(void)unused;
	sum++;
}

START_TEST(a_task_without_memory)
{
	begin_virtual(_i);
	io_go(NULL, counts_sum, NULL);
	resumes_to_fail = FAILURES;
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_eq(sum, 1);
	check_calm();
}
END_TEST

/* The end of a wait is not lost, and others go on meanwhile. */
static aco_io_queue_t queue;

static void parks(void *unused)
{
	(void)unused;
	EXPECT(aco_io_park(&queue, ACO_IO_NEVER) == 0);
	sum++;
}

static void wakes(void *unused)
{
	(void)unused;
	EXPECT(aco_io_yield() == 0);
	EXPECT(aco_io_unpark(&queue, 1) == 1);
	/* The next that is resumed is the one that was woken. */
	resumes_to_fail = 1;
	EXPECT(aco_io_sleep(aco_io_after(1)) == 0);
	EXPECT(sum == 0);
	EXPECT(aco_io_sleep(aco_io_after(100)) == 0);
	EXPECT(sum == 1);
}

START_TEST(others_go_on)
{
	begin_virtual(_i);
	wrong = 0;
	io_go(NULL, parks, NULL);
	io_go(NULL, wakes, NULL);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_msg(!wrong, "line %d", wrong);
	ck_assert_int_eq(sum, 1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
	virtual_on = false;
}
END_TEST

START_TEST(a_post_without_memory)
{
	begin_virtual(_i);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(aco_io_post(io, counts, &posts, io_flags), 0);
	calls = injected = 0;
	fails_at = 1;
	fails_for = FAILURES;
	is_armed = true;
	ck_assert_int_eq(aco_io_run(io), 0);
	is_armed = false;
	ck_assert_int_eq(posts, 3);
	ck_assert_int_eq(injected, FAILURES);
	check_calm();
}
END_TEST

/* A generator whose resume fails again and again, in a task that is resumed each
   time: what the generator's wait came to is still there then. */
static void waits_in_generator(void)
{
	EXPECT(aco_io_park(&queue, ACO_IO_NEVER) == 0);
	EXPECT(!resumes_to_fail);
	sum++;
	EXPECT(aco_io_park(&queue, ACO_IO_NEVER) == -1 && errno == ECANCELED);
	EXPECT(!resumes_to_fail);
	sum++;
	aco_exit();
}

static void resumes_one(void *unused)
{
	aco_share_stack_t *stack = aco_share_stack_new(0);
	aco_t *co = aco_create(aco_get_co()->main_co, stack, 0,
			       waits_in_generator, NULL);

	(void)unused;
	EXPECT(aco_io_resume(co) == 0);
	EXPECT(co->is_end);
	aco_destroy(co);
	aco_share_stack_destroy(stack);
}

static aco_io_task_t with_generator;

static void lets_it_fail(void *arg)
{
	EXPECT(aco_io_yield() == 0);
	resumes_to_fail = FAILURES;
	if (arg)
		EXPECT(aco_io_cancel(with_generator) == 0);
	else
		EXPECT(aco_io_unpark(&queue, 1) == 1);
}

START_TEST(a_generator_without_memory)
{
	begin_virtual(_i);
	wrong = 0;
	only_inner = true;
	with_generator = io_go(NULL, resumes_one, NULL);
	io_go(NULL, lets_it_fail, NULL);
	while (sum < 1)
		ck_assert_int_ge(aco_io_step(io, ACO_IO_NEVER), -1);
	start_time = virtual_now;
	virtual_waits = virtual_looks = 0;
	io_go(NULL, lets_it_fail, &sum);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_msg(!wrong, "line %d", wrong);
	ck_assert_int_eq(sum, 2);
	only_inner = false;
	check_calm();
}
END_TEST

/* ---- threads ------------------------------------------------------------- */

static void offloads(void *unused)
{
	(void)unused;
	EXPECT(aco_io_offload(counts, &offloaded) == 0);
	sum++;
}

/* The threads there are have more to do; without one the call fails. */
IO_TEST(no_more_threads)
{
	wrong = sum = offloaded = 0;
	threads_to_start = 0;
	io_fails(aco_io_offload(counts, &offloaded), EAGAIN);
	threads_to_start = 1;
	for (int i = 0; i < 4; i++)
		io_go(NULL, offloads, NULL);
	while (sum < 4)
		io_turns(1);
	threads_to_start = 1000000;
	ck_assert_msg(!wrong, "line %d", wrong);
	ck_assert_int_eq(offloaded, 4);
}

/* ---- signals ------------------------------------------------------------- */

/* A signal interrupts poll(2) even where that does not wait. */
IO_TEST(interrupted_looks)
{
	struct pollfd p = { .events = POLLOUT };

	io_pair(fds);
	p.fd = fds[0];
	polls_to_interrupt = 2;
	ck_assert_int_eq(aco_io_wait(fds[0], ACO_IO_WRITE, 0), ACO_IO_WRITE);
	ck_assert_int_eq(polls_to_interrupt, 0);
	polls_to_interrupt = 2;
	ck_assert_int_eq(aco_io_poll(&p, 1, ACO_IO_NEVER), 1);
	ck_assert_int_eq(polls_to_interrupt, 0);
	close(fds[0]);
	close(fds[1]);
}

/* ---- time ---------------------------------------------------------------- */

/* Tasks that time out do so at their deadline; the scheduler looks no more often
   than there are deadlines, and a few times besides. */
static int64_t woken_at[3];

static void sleeps_long(void *arg)
{
	static const int64_t ms[3] = { 3000, 1, INT64_C(90000000000) };
	intptr_t i = (intptr_t)arg;

	EXPECT(aco_io_sleep(aco_io_after(ms[i])) == 0);
	woken_at[i] = virtual_now;
	EXPECT(virtual_now == start_time + ms[i] * 1000000);
}

/* epoll_wait(2) counts in milliseconds: the rest of one is not spun through. */
static void sleeps_little(void *unused)
{
	(void)unused;
	EXPECT(aco_io_sleep(aco_io_now() + 1) == 0);
	EXPECT(aco_io_sleep(aco_io_now() + 1500000) == 0);
}

START_TEST(parts_of_a_millisecond)
{
	begin_virtual(_i);
	wrong = 0;
	io_go(NULL, sleeps_little, NULL);
	for (int i = 0; i < 5; i++)
		ck_assert_int_ge(aco_io_step(io, virtual_now + 1000000), -1);
	ck_assert_int_eq(aco_io_destroy(io), 0);
	ck_assert_msg(!wrong, "line %d", wrong);
	virtual_on = false;
}
END_TEST

/* A deadline further than epoll_wait(2) can count is waited for in parts. */
START_TEST(long_deadlines)
{
	begin_virtual(_i);
	wrong = 0;
	for (intptr_t i = 0; i < 2; i++)
		io_go(NULL, sleeps_long, (void *)i);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_int_le(virtual_waits, 6);
	virtual_now = start_time;
	virtual_waits = 0;
	io_go(NULL, sleeps_long, (void *)2);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_msg(!wrong, "line %d", wrong);
	ck_assert_int_le(virtual_waits, 45);
	ck_assert_int_eq(aco_io_destroy(io), 0);
	virtual_on = false;
}
END_TEST

/* The time that a task computes is not added to what others wait. */
static void computes(void *unused)
{
	(void)unused;
	virtual_now += INT64_C(2900000000);
}

START_TEST(time_that_tasks_take)
{
	begin_virtual(_i);
	wrong = 0;
	io_go(NULL, sleeps_long, (void *)0);
	io_go(NULL, computes, NULL);
	ck_assert_int_eq(aco_io_run(io), 0);
	ck_assert_msg(!wrong, "line %d", wrong);
	ck_assert_int_eq(aco_io_destroy(io), 0);
	virtual_on = false;
}
END_TEST

void t_reset(void)
{
	resumes_to_fail = polls_to_interrupt = 0;
	virtual_on = is_armed = only_inner = false;
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-faults");
	TCase *tc = io_case(s, "faults");

	tcase_add_loop_test(tc, each_call, 0, (int)T_LEN(parts));
	tc = io_case(s, "memory");
	io_add(tc, a_task_without_memory);
	io_add(tc, others_go_on);
	io_add(tc, a_post_without_memory);
	io_add(tc, a_generator_without_memory);
	tc = io_case(s, "threads");
	io_add(tc, no_more_threads);
	tc = io_case(s, "signals");
	io_add(tc, interrupted_looks);
	tc = io_case(s, "time");
	io_add(tc, parts_of_a_millisecond);
	io_add(tc, long_deadlines);
	io_add(tc, time_that_tasks_take);
	return s;
}
