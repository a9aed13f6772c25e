/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap.h - a handler at each instruction: raise(SIGUSR1) begins that, and ends it
 *
 * The handler runs on a stack of its own.  CHECK() is that of the program.
 */
#ifndef TRAP_H
#define TRAP_H

#include <signal.h>
#include <string.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100

/* What changes the flags in place would change the stack pointer, too, and the
   compiler's unwind rules would not know. */
static void toggle_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_EFL] ^= TRAP_FLAG;
}

static void catch_traps(void (*on_trap)(int, siginfo_t *, void *))
{
	static char stack[1 << 16];
	stack_t ss;
	struct sigaction sa;

	memset(&ss, 0, sizeof(ss));
	ss.ss_sp = stack;
	ss.ss_size = sizeof(stack);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_trap;
	sa.sa_flags = SA_ONSTACK | SA_SIGINFO;
	CHECK(sigaltstack(&ss, NULL) == 0);
	CHECK(sigaction(SIGTRAP, &sa, NULL) == 0);
	sa.sa_sigaction = toggle_trap;
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
}

#endif /* TRAP_H */
