/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regs.h - what C can't look at: regs-amd64.S and regs-i386.S
 */
#ifndef REGS_H
#define REGS_H

#include <stdint.h>

#if defined(__x86_64__)
#define REGS_COUNT 6 /* rbx rbp r12 r13 r14 r15 */
#define REGS_ENTRY_ARG
#else
#define REGS_COUNT 4 /* ebx esi edi ebp */
#define REGS_ENTRY_ARG __attribute__((__regparm__(1)))
#endif

/* The layout is known to the assembly. */
struct regs {
	uintptr_t in[REGS_COUNT];
	uintptr_t out[REGS_COUNT];
	uintptr_t flags;
};

#define REGS_DIRECTION_FLAG 0x400u

/* Load all callee-saved registers from regs->in, call fn(arg), store what they
   are then in regs->out, and the flags. */
void regs_call(struct regs *regs, void (*fn)(void *arg), void *arg);

/* Goes on in regs_entered(), with the stack pointer as it is at entry. */
void regs_entry(void);
REGS_ENTRY_ARG void regs_entered(uintptr_t sp);

#endif /* REGS_H */
