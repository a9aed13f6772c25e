/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail.c - messages for misuse that can't go on, and of stack overflows
 *
 * The messages are put together by hand and go out in one write(2), unless they
 * are longer than any of the library's own.  The caller may be on a 4 KiB
 * stack, where printf(3) would overflow, may hold any lock of the C library,
 * and may be a signal handler.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>

#include "probe.h"
#include "tools.h"

#define LINE_MAX_LEN 256

struct line {
	char text[LINE_MAX_LEN];
	size_t len;
};

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

/* Consume the signal that a failed write(2) has sent to this thread, unless it
   was pending before.  There is none if it is ignored. */
static void take_back(int sig, const sigset_t *before)
{
	const struct timespec now = { 0, 0 };
	sigset_t set;

	if (sigismember(before, sig))
		return;
	sigemptyset(&set);
	sigaddset(&set, sig);
	while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
		;
}

/*
 * The process is about to die of another cause, which is not to be hidden by a
 * cancellation of the thread, nor by a signal for the state of standard error.
 */
static void flush(struct line *l)
{
	sigset_t set, mask, before;
	int state, err;

	aco_tools_defined(l->text, l->len);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &set, &mask);
	sigemptyset(&before);
	sigpending(&before);
	err = write_all(l->text, l->len);
	l->len = 0;
	if (err == EPIPE) /* a pipe without a reader */
		take_back(SIGPIPE, &before);
	if (err == EFBIG) /* RLIMIT_FSIZE */
		take_back(SIGXFSZ, &before);
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

static void add_number(struct line *l, uintptr_t n, unsigned base)
{
	char digits[3 * sizeof(n) + 1];
	char *s = digits + sizeof(digits) - 1;

	*s = '\0';
	do
		*--s = "0123456789abcdef"[n % base];
	while (n /= base);
	add(l, s);
}

/* The format is one of printf(3) with no conversions but %s, %p and %zu. */
__attribute__((__format__(__printf__, 1, 2))) static void
put_line(const char *format, ...)
{
	struct line l;
	va_list args;

	l.len = 0;
	va_start(args, format);
	for (const char *s = format; *s; s++)
		if (*s != '%') {
			add_char(&l, *s);
		} else if (*++s == 's') {
			add(&l, va_arg(args, const char *));
		} else if (*s == 'p') {
			add(&l, "0x");
			add_number(&l, (uintptr_t)va_arg(args, void *), 16);
		} else {
			add_number(&l, va_arg(args, size_t), 10);
			s++; /* the z of %zu */
		}
	va_end(args);
	add_char(&l, '\n');
	flush(&l);
}

/* Of a name: so many bytes, which are enough to tell cos apart. */
#define NAME_MAX_LEN 64

struct label {
	char text[NAME_MAX_LEN + sizeof(" \"\"")];
};

/* How many bytes of s are a control character, of ASCII or, in UTF-8, of those that
   Latin-1 has beside them; or 0. */
static size_t control_len(const char *s)
{
	unsigned char c = (unsigned char)s[0];

	if (c < ' ' || c == 0x7f)
		return 1;
	return c == 0xc2 && ((unsigned char)s[1] & 0xe0) == 0x80 ? 2 : 0;
}

/* What follows the address of a co: its name, or nothing.  No character of it
   ends the line, or does something to a terminal. */
static const char *label(struct label *l, const void *co)
{
	const char *name = aco_name_if_free(co);
	char *to = l->text;

	if (!name)
		return "";
	*to++ = ' ';
	*to++ = '"';
	for (size_t i = 0, len; i < NAME_MAX_LEN && name[i]; i += len) {
		len = control_len(name + i);
		*to++ = len ? '?' : name[i];
		len += !len;
	}
	*to++ = '"';
	*to = '\0';
	return l->text;
}

void aco_must_abort(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
}

void aco_misuse(const char *call, const char *what, const void *co)
{
	struct label l;

	ACO_PROBE3(misuse, call, what, co);
	aco_must_abort();
	put_line("libaco: %s: %s: co %p%s", call, what, co, label(&l, co));
	abort();
}

void aco_misuse_of(const char *call, const char *what, const void *it,
		   const char *is, const void *co)
{
	struct label l;

	ACO_PROBE3(misuse, call, is, co);
	aco_must_abort();
	put_line("libaco: %s: %s %p %s: co %p%s", call, what, it, is, co,
		 label(&l, co));
	abort();
}

void aco_alloc_failed_(const char *file, int line, const char *function)
{
	aco_must_abort();
	put_line("libaco: out of memory: %s:%zu: %s", file, (size_t)line,
		 function);
	abort();
}

void aco_report_return(const aco_t *co)
{
	struct label l;

	put_line("libaco: return: the function %p returned without "
		 "aco_exit(): co %p%s",
		 (void *)(uintptr_t)co->fp, (const void *)co, label(&l, co));
	put_line("libaco: end a co with aco_exit(), or create it with "
		 "ACO_RETURN_EXITS");
}

void aco_report_overflow_of(const aco_t *co)
{
	const aco_share_stack_t *sstk = co->share_stack;
	struct label l;

	put_line("libaco: stack overflow: co %p%s on share stack %p of %zu "
		 "bytes",
		 (const void *)co, label(&l, co), (const void *)sstk, sstk->sz);
}
