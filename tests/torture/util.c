/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util.c - what the programs of the torture share
 */
#include <aco.h>

#include <errno.h>
#include <stdarg.h>

#include "../regs.h"
#include "torture.h"
#include "util.h"

struct figures *torture_figures;
int torture_aborts;

const struct part *const parts[2] = {
#if defined(TORTURE_INLINE_ONLY)
	&part_inline, &part_inline
#else
	&part_inline, &part_func
#endif
};

/* ---- words ------------------------------------------------------------------ */

uint32_t torture_random(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

static char *put_text(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	return at;
}

static char *put_number(char *at, uintptr_t n)
{
	char digits[24];
	int i = 0;

	if (n >= 1000000) {
		at = put_text(at, "0x");
		do
			digits[i++] = "0123456789abcdef"[n & 15];
		while (n >>= 4);
	} else {
		do
			digits[i++] = (char)('0' + n % 10);
		while (n /= 10);
	}
	while (i > 0)
		*at++ = digits[--i];
	return at;
}

static size_t make_line(char *line, const char *what, va_list args)
{
	char *at = line;

	for (; what; what = va_arg(args, const char *)) {
		at = put_text(at, what);
		at = put_number(at, va_arg(args, uintptr_t));
	}
	*at = '\0';
	return (size_t)(at - line);
}

size_t torture_line(char *line, const char *what, ...)
{
	va_list args;
	size_t len;

	va_start(args, what);
	len = make_line(line, what, args);
	va_end(args);
	return len;
}

void torture_say(const char *what, ...)
{
	char line[200];
	va_list args;
	size_t len;

	va_start(args, what);
	len = make_line(line, what, args);
	va_end(args);
	line[len++] = '\n';
	(void)!write(2, line, len);
}

void torture_fail(const char *what, uintptr_t is, uintptr_t should)
{
	char line[200], *at = line;

	torture_where();
	at = put_text(put_text(at, what), ": is ");
	at = put_text(put_number(at, is), ", should be ");
	at = put_text(put_number(at, should), "\n");
	(void)!write(2, line, (size_t)(at - line));
	if (torture_aborts)
		abort();
	_exit(1);
}

void torture_check(int ok, const char *what)
{
	if (!ok)
		torture_fail(what, 0, 1);
}

/* The bits that the processor keeps: that of Valgrind knows how to round, and no
   more. */
static struct m_words kept = { 0xffff, 0xffffffff };

/* MemorySanitizer does not know what assembly writes. */
struct m_words words_now(void)
{
	struct m_words w = { 0, 0 };

	__asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(w.x87), "=m"(w.mxcsr));
	w.x87 &= kept.x87;
	w.mxcsr &= kept.mxcsr & ~0x3fu; /* the flags belong to nobody */
	return w;
}

struct m_words set_words(struct m_words w)
{
	__asm__ volatile("fldcw %0; ldmxcsr %1" : : "m"(w.x87), "m"(w.mxcsr));
	w.x87 &= kept.x87;
	w.mxcsr &= kept.mxcsr;
	return w;
}

int torture_in_valgrind(void)
{
	return kept.mxcsr != 0xffffffff;
}

static void try_words(struct m_words other)
{
	struct m_words now;

	set_words(other);
	now = words_now();
	kept.x87 &= (uint16_t) ~(now.x87 ^ other.x87);
	kept.mxcsr &= ~(now.mxcsr ^ other.mxcsr);
}

__attribute__((__constructor__)) static void find_kept(void)
{
	const struct m_words before = words_now();

	try_words((struct m_words){ 0xf7f, 0xffc0 });
	try_words((struct m_words){ 0x40, 0 });
	set_words(before);
}

/* ---- what another context must not change ----------------------------------- */

int *errno_here(void)
{
	__asm__ volatile("");
	return &errno;
}

void fill_frame(struct frame *f)
{
	uint32_t s = f->salt;

	for (unsigned i = 0; i < f->count; i++)
		f->words[i] = torture_random(&s) * (uintptr_t)0x9e3779b1;
}

void check_frame(const struct frame *f)
{
	uint32_t s = f->salt;

	for (unsigned i = 0; i < f->count; i++)
		CHECK_EQ("a word in a frame", f->words[i],
			 torture_random(&s) * (uintptr_t)0x9e3779b1);
}

void make_change(struct change *c, unsigned how, uint32_t salt)
{
	const struct part *part = parts[how & HOW_FUNC];
	void (*fn)(void *) = how & HOW_HOLD ? part->hold : part->change;
	struct regs regs = { 0 };

	c->salt = salt | 1;
	if (!(how & HOW_REGS)) {
		fn(c);
		return;
	}
	for (int i = 0; i < REGS_COUNT; i++)
		regs.in[i] = torture_random(&salt) * (uintptr_t)0x85ebca6b;
	regs_call(&regs, fn, c);
	for (int i = 0; i < REGS_COUNT; i++)
		CHECK_EQ("a callee-saved register", regs.out[i], regs.in[i]);
	torture_check(!(regs.flags & REGS_DIRECTION_FLAG),
		      "the direction flag");
}

long torture_number(const char *text, long most, const char *usage)
{
	char *end;
	long n;

	errno = 0;
	n = text ? strtol(text, &end, 0) : -1;
	if (!text || errno || *end || end == text || n < 0 || n > most) {
		fputs(usage, stderr);
		exit(2);
	}
	return n;
}
