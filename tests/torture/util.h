/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util.h - what the programs of the torture share
 */
#ifndef UTIL_H
#define UTIL_H

#include <setjmp.h>

#include "model.h"
#include "torture.h"

#if !defined(__has_feature)
#define __has_feature(name) 0
#endif
/* With ThreadSanitizer of gcc each new co takes some hundred microseconds. */
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define IN_TSAN 1
#else
#define IN_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED IN_TSAN
#endif

/* Bytes below a frame that the deepest operation takes, without signals. */
#define ROOM ((size_t)(SANITIZED ? 24 : 4) << 10)

/* The program says on standard error where it is. */
void torture_where(void);

/* A line of texts and numbers, by turns, and NULL at the end: small stacks have no
   room for printf(3). */
void torture_say(const char *what, ...);
size_t torture_line(char *line, const char *what, ...); /* without a newline */

/* The number of an option, up to most; or usage, and the end. */
long torture_number(const char *text, long most, const char *usage);

void torture_check(int ok, const char *what);

/* The control words in the processor, without flags, which belong to nobody. */
struct m_words words_now(void);
struct m_words set_words(struct m_words w); /* what they are then */

int torture_in_valgrind(void);

/* The compiler must not know that the answer was the same before a switch. */
int *errno_here(void) __attribute__((__noinline__));

/* Words on a stack that nobody else may change. */
struct frame {
	uintptr_t *words;
	unsigned count;
	uint32_t salt;
	int cxx; /* frames of C++: no longjmp() over them */
	jmp_buf *jump;
};
void fill_frame(struct frame *f);
void check_frame(const struct frame *f);

/* Inline, and by the exported functions. */
extern const struct part *const parts[2];

/* How a switch is made: bits of an operand. */
enum {
	HOW_FUNC = 1, /* else inline */
	HOW_REGS = 2, /* with random callee-saved registers */
	HOW_HOLD = 4, /* with values of the compiler's */
};

void make_change(struct change *c, unsigned how, uint32_t salt);

#endif /* UTIL_H */
