/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail.c - messages for misuse that can't go on, and of stack overflows
 *
 * The messages are put together by hand and go out in one write(2), unless they
 * are longer than any of the library's own: the caller may be on a 4 KiB stack,
 * where printf(3) would overflow, may hold any lock of the C library, and may
 * be a signal handler.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "tools.h"

#define LINE_MAX_LEN 256

struct line {
	char text[LINE_MAX_LEN];
	size_t len;
};

/* The signal that a failed write(2) has sent to its thread; or 0. */
static int signal_of_write(int err)
{
	switch (err) {
	case EPIPE:
		return SIGPIPE; /* nobody reads it */
	case EFBIG:
		return SIGXFSZ; /* RLIMIT_FSIZE */
	default:
		return 0;
	}
}

/* Returns 0 or the error. */
static int write_all(const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : 0;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Unless it was pending before, or is ignored. */
static void take_back(int sig, const sigset_t *before)
{
	const struct timespec now = { 0, 0 };
	sigset_t set;

	if (!sig || sigismember(before, sig))
		return;
	sigemptyset(&set);
	sigaddset(&set, sig);
	while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
		;
}

/*
 * What writes is about to die of another cause, which is not to be hidden by a
 * cancellation of the thread, nor by a signal for the state of standard error.
 */
static void flush(struct line *l)
{
	sigset_t set, mask, before;
	int state;

	aco_tools_defined(l->text, l->len);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &set, &mask);
	sigemptyset(&before);
	sigpending(&before);
	take_back(signal_of_write(write_all(l->text, l->len)), &before);
	l->len = 0;
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	pthread_setcancelstate(state, NULL);
}

static void add_char(struct line *l, char c)
{
	if (l->len == LINE_MAX_LEN)
		flush(l);
	l->text[l->len++] = c;
}

static void add(struct line *l, const char *s)
{
	while (*s)
		add_char(l, *s++);
}

static void add_ptr(struct line *l, uintptr_t p)
{
	char hex[2 * sizeof(p) + 1];
	char *s = hex + sizeof(hex) - 1;

	*s = '\0';
	do
		*--s = "0123456789abcdef"[p & 15];
	while (p >>= 4);
	add(l, "0x");
	add(l, s);
}

static void add_decimal(struct line *l, size_t n)
{
	char digits[3 * sizeof(n) + 1];
	char *s = digits + sizeof(digits) - 1;

	*s = '\0';
	do
		*--s = (char)('0' + n % 10);
	while (n /= 10);
	add(l, s);
}

static void put(struct line *l)
{
	add_char(l, '\n');
	flush(l);
}

void aco_must_abort(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
}

/* "libaco: <call>: <what>" of a line after which the process ends. */
static void begin_misuse(struct line *l, const char *call, const char *what)
{
	aco_must_abort();
	l->len = 0;
	add(l, "libaco: ");
	add(l, call);
	add(l, ": ");
	add(l, what);
}

ACO_NORETURN_ static void end_misuse(struct line *l, const void *co)
{
	add(l, ": co ");
	add_ptr(l, (uintptr_t)co);
	put(l);
	abort();
}

void aco_misuse(const char *call, const char *what, const void *co)
{
	struct line l;

	begin_misuse(&l, call, what);
	end_misuse(&l, co);
}

void aco_misuse_of(const char *call, const char *what, const void *it,
		   const char *is, const void *co)
{
	struct line l;

	begin_misuse(&l, call, what);
	add(&l, " ");
	add_ptr(&l, (uintptr_t)it);
	add(&l, " ");
	add(&l, is);
	end_misuse(&l, co);
}

void aco_alloc_failed_(const char *file, int line, const char *function)
{
	struct line l;

	aco_must_abort();
	l.len = 0;
	add(&l, "libaco: out of memory: ");
	add(&l, file);
	add(&l, ":");
	add_decimal(&l, (size_t)line);
	add(&l, ": ");
	add(&l, function);
	put(&l);
	abort();
}

void aco_report_return(const aco_t *co)
{
	struct line l;

	l.len = 0;
	add(&l, "libaco: return: the function ");
	add_ptr(&l, (uintptr_t)co->fp);
	add(&l, " returned without aco_exit(): co ");
	add_ptr(&l, (uintptr_t)co);
	put(&l);
	add(&l, "libaco: end a co with aco_exit(), or create it with "
		"ACO_RETURN_EXITS");
	put(&l);
}

void aco_report_overflow_of(const aco_t *co)
{
	struct line l;

	l.len = 0;
	add(&l, "libaco: stack overflow: co ");
	add_ptr(&l, (uintptr_t)co);
	add(&l, " on share stack ");
	add_ptr(&l, (uintptr_t)co->share_stack);
	add(&l, " of ");
	add_decimal(&l, co->share_stack->sz);
	add(&l, " bytes");
	put(&l);
}
