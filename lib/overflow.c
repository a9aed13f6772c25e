/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overflow.c - says which co has overflowed its stack
 *
 * The handler only talks, and then does what would have been done without it.
 * It needs an alternate stack, because there is no room on that of the co; each
 * thread has its own, unless the program has given it one.
 */
#define _GNU_SOURCE 1 /* REG_RSP */

#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <ucontext.h>

/* For what the kernel pushes, this handler, and the one it passes on to. */
#define ALT_STACK_SIZE ((size_t)64 << 10)

#if defined(__x86_64__)
#define REG_OF_SP REG_RSP
#else
#define REG_OF_SP REG_ESP
#endif
#define TRAP_GENERAL_PROTECTION 13

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int installed; /* ours, maybe with another one on top that calls it */
static volatile sig_atomic_t reporting;
static struct sigaction previous;
static size_t signal_frame; /* what the kernel may push */

/*
 * A signal that finds no room on the stack becomes SIGSEGV without an address,
 * as does an access that no paging could make right.
 */
static int is_signal_without_room(const aco_share_stack_t *sstk,
				  const ucontext_t *uc)
{
	const greg_t *reg = uc->uc_mcontext.gregs;
	uintptr_t room = (uintptr_t)reg[REG_OF_SP] - (uintptr_t)sstk->ptr;

	return sstk->guard_page_enabled &&
	       reg[REG_TRAPNO] != TRAP_GENERAL_PROTECTION &&
	       room < signal_frame;
}

static int is_overflow(const aco_share_stack_t *sstk, const siginfo_t *info,
		       const void *context)
{
	if (info->si_code == SI_KERNEL)
		return is_signal_without_room(sstk, context);
	return info->si_code > 0 && aco_is_in_guard(sstk, info->si_addr);
}

/* Not always the running co: it is that already when its resumer leaves. */
static void report(const siginfo_t *info, const void *context)
{
	const aco_t *co = aco_gtls_co;

	while (co && co->share_stack) {
		if (is_overflow(co->share_stack, info, context)) {
			aco_report_overflow_of(co);
			return;
		}
		co = co->resumer;
	}
}

/* As if there were no handler: on return the fault repeats. */
static void take_default(int sig, const siginfo_t *info)
{
	if (previous.sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	sigaction(sig, &previous, NULL);
	if (info->si_code <= 0 || info->si_code == SI_KERNEL)
		raise(sig); /* which waits for our return */
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
	const struct sigaction now = previous;

	if (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN) {
		take_default(sig, info);
		return;
	}
	if (now.sa_flags & (int)SA_RESETHAND)
		signal(sig, SIG_DFL);
	if (now.sa_flags & SA_SIGINFO)
		now.sa_sigaction(sig, info, context);
	else
		now.sa_handler(sig);
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	if (reporting)
		report(info, context);
	errno = saved;
	pass_on(sig, info, context);
}

/* The mask and whether it may be interrupted by itself are those of before. */
static void install(void)
{
	struct sigaction sa;

	signal_frame = getauxval(AT_MINSIGSTKSZ);
	if (!signal_frame)
		signal_frame = 2048; /* where it could not vary */
	sigaction(SIGSEGV, NULL, &previous);
	sa = previous;
	sa.sa_sigaction = on_segv;
	sa.sa_flags &= SA_NODEFER | SA_RESTART;
	sa.sa_flags |= SA_SIGINFO | SA_ONSTACK;
	sigaction(SIGSEGV, &sa, NULL);
	installed = 1;
}

/* A handler that was installed after ours stays, and may call it. */
static void uninstall(void)
{
	struct sigaction sa;

	sigaction(SIGSEGV, NULL, &sa);
	if (sa.sa_sigaction != on_segv)
		return;
	sigaction(SIGSEGV, &previous, NULL);
	installed = 0;
}

static int has_alt_stack(void)
{
	stack_t ss;

	return sigaltstack(NULL, &ss) == 0 && !(ss.ss_flags & SS_DISABLE);
}

static int make_alt_stack(void)
{
	stack_t ss = { .ss_size = ALT_STACK_SIZE };

	if (aco_thread.alt_stack || has_alt_stack())
		return 0;
	if (aco_thread_notice_end() < 0)
		return -1;
	ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (ss.ss_sp == MAP_FAILED) {
		errno = ENOMEM;
		return -1;
	}
	sigaltstack(&ss, NULL);
	aco_thread.alt_stack = ss.ss_sp;
	return 0;
}

void aco_overflow_thread_ready(void)
{
	int saved = errno;

	if (reporting)
		make_alt_stack();
	errno = saved;
}

void aco_overflow_thread_end(void)
{
	const stack_t none = { .ss_flags = SS_DISABLE };
	void *ptr = aco_thread.alt_stack;
	stack_t ss;

	if (!ptr)
		return;
	aco_thread.alt_stack = NULL;
	if (sigaltstack(NULL, &ss) == 0 && ss.ss_sp == ptr)
		sigaltstack(&none, NULL);
	munmap(ptr, ALT_STACK_SIZE);
}

int aco_overflow_report(int on)
{
	if (on && make_alt_stack() < 0)
		return -1;
	pthread_mutex_lock(&lock);
	if (on && !installed)
		install();
	else if (!on && installed)
		uninstall();
	reporting = !!on;
	pthread_mutex_unlock(&lock);
	return 0;
}
