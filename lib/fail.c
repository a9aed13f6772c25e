/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail.c - messages for misuse that can't go on, and of stack overflows
 *
 * The messages are put together by hand and go out in one write(2): the caller
 * may be on a 4 KiB stack, where printf(3) would overflow, may hold any lock of
 * the C library, and may be a signal handler.
 */
#include "internal.h"

#include <errno.h>

#define LINE_MAX_LEN 256

struct line {
	char text[LINE_MAX_LEN];
	size_t len;
};

static void add(struct line *l, const char *s)
{
	/* one byte stays free for the newline */
	while (*s && l->len < LINE_MAX_LEN - 1)
		l->text[l->len++] = *s++;
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
	const char *s = l->text;

	l->text[l->len++] = '\n';
	while (l->len > 0) {
		ssize_t n = write(STDERR_FILENO, s, l->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		s += n;
		l->len -= (size_t)n;
	}
}

void aco_misuse(const char *call, const char *what, const void *co)
{
	struct line l = { .len = 0 };

	add(&l, "libaco: ");
	add(&l, call);
	add(&l, ": ");
	add(&l, what);
	add(&l, ": co ");
	add_ptr(&l, (uintptr_t)co);
	put(&l);
	abort();
}

void aco_misuse_of(const char *call, const char *what, const void *it,
		   const char *is, const void *co)
{
	struct line l = { .len = 0 };

	add(&l, "libaco: ");
	add(&l, call);
	add(&l, ": ");
	add(&l, what);
	add(&l, " ");
	add_ptr(&l, (uintptr_t)it);
	add(&l, " ");
	add(&l, is);
	add(&l, ": co ");
	add_ptr(&l, (uintptr_t)co);
	put(&l);
	abort();
}

void aco_report_return(const aco_t *co)
{
	struct line l = { .len = 0 };

	add(&l, "libaco: return: the function ");
	add_ptr(&l, (uintptr_t)co->fp);
	add(&l, " returned without aco_exit(): co ");
	add_ptr(&l, (uintptr_t)co);
	put(&l);
	l.len = 0;
	add(&l, "libaco: end a co with aco_exit(), or create it with "
		"ACO_RETURN_EXITS");
	put(&l);
}

void aco_report_overflow_of(const aco_t *co)
{
	struct line l = { .len = 0 };

	add(&l, "libaco: stack overflow: co ");
	add_ptr(&l, (uintptr_t)co);
	add(&l, " on share stack ");
	add_ptr(&l, (uintptr_t)co->share_stack);
	add(&l, " of ");
	add_decimal(&l, co->share_stack->sz);
	add(&l, " bytes");
	put(&l);
}
