/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overflow.c - a handler for SIGSEGV says which co has overflowed its stack
 *
 * The handler writes a line, and then does what would have been done without
 * it.  It runs on an alternate stack (thread.c), because there is no room on
 * that of the co.
 */
#define _GNU_SOURCE 1 /* REG_RSP */

#include "stacks.h"

#include <errno.h>
#include <signal.h>

#include "fault.h"
#include "tools.h"

/*
 * An action that the library's action has replaced.  Its handler may call
 * on_segv(), which then passes the signal on to the action below.  Actions are
 * never freed or changed, because a handler may be reading them in any thread.
 * So there is only one of each kind.
 */
struct action {
	struct sigaction sa;
	const struct action *below;
	const struct action *made_before;
};

static const struct action *replaced; /* the latest one */
static const struct action *all_made;
static size_t signal_frame; /* what the kernel may push, and leave free */

/*
 * A signal that finds no room on the stack becomes SIGSEGV without an address,
 * as does an access that no paging could make right.
 */
static int is_signal_without_room(const aco_share_stack_t *sstk,
				  const ucontext_t *uc)
{
	uintptr_t sp = aco_fault_sp(uc);

	if (!sstk->guard_page_enabled || aco_fault_is_general(uc))
		return 0;
	return sp - (uintptr_t)sstk->ptr <
		       __atomic_load_n(&signal_frame, __ATOMIC_RELAXED) ||
	       aco_is_in_guard(sstk, (const void *)sp);
}

static int is_overflow(const aco_share_stack_t *sstk, const siginfo_t *info,
		       const void *context)
{
	if (info->si_code == SI_KERNEL)
		return is_signal_without_room(sstk, context);
	return info->si_code > 0 && aco_is_in_guard(sstk, info->si_addr);
}

/* The co that overflows may be a resumer of the current co: a co becomes
   current while its resumer still runs. */
static void report(const siginfo_t *info, const void *context)
{
	const aco_t *co = aco_gtls_co;

	while (co && co->share_stack) {
		if (is_overflow(co->share_stack, info, context)) {
			aco_report_overflow_of(co);
			return;
		}
		co = aco_resumer_of(co);
	}
}

/* Do as without a handler: the fault repeats when the handler returns. */
static void take_default(int sig, const siginfo_t *info,
			 const struct sigaction *sa)
{
	if (sa->sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	/* a filter of system calls refuses it: the fault would come for ever */
	if (sigaction(sig, sa, NULL) < 0)
		abort();
	if (info->si_code <= 0 || info->si_code == SI_KERNEL)
		raise(sig); /* pending until this handler returns */
}

static int has_handler(const struct sigaction *sa)
{
	return sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN;
}

static void pass_on(const struct sigaction *sa, int sig, siginfo_t *info,
		    void *context)
{
	if (!has_handler(sa)) {
		take_default(sig, info, sa);
		return;
	}
	if (sa->sa_flags & (int)SA_RESETHAND)
		signal(sig, SIG_DFL);
	if (sa->sa_flags & SA_SIGINFO)
		sa->sa_sigaction(sig, info, context);
	else
		sa->sa_handler(sig);
}

/*
 * The action whose handler calls on_segv(), or NULL if the kernel does.  The
 * kernel leaves uc_link NULL; a context that on_segv() passes on has the action
 * there.  A variable in its place would stay wrong after a handler that jumps
 * out.
 */
static const struct action *caller(const ucontext_t *uc)
{
	const struct action *a = __atomic_load_n(&all_made, __ATOMIC_ACQUIRE);

	while (a && (const void *)a != uc->uc_link)
		a = a->made_before;
	return a;
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	static const struct action none = { .sa = { .sa_handler = SIG_DFL } };
	const struct action *from = caller(context), *next;
	ucontext_t *uc = context, *link = uc->uc_link;
	int saved = errno;

	if (__atomic_load_n(&aco_overflow_reporting, __ATOMIC_RELAXED) && !from)
		report(info, context);
	errno = saved;
	next = from ? from->below
		    : __atomic_load_n(&replaced, __ATOMIC_ACQUIRE);
	if (!next)
		next = &none;
	uc->uc_link = (ucontext_t *)(uintptr_t)next;
	pass_on(&next->sa, sig, info, context);
	uc->uc_link = link;
}

/* ---- the actions: under lock -------------------------------------------- */

/* The action that the handler of sa has replaced, the first time if it was
   installed several times. */
static const struct action *replaced_by(const struct sigaction *sa)
{
	const struct action *a = replaced;

	if (!has_handler(sa))
		return NULL; /* SIG_DFL and SIG_IGN call no other handler */
	while (a && a->sa.sa_handler != sa->sa_handler)
		a = a->below;
	return a ? a->below : replaced;
}

/* The kernel and sigaction(2) fill only as many bits of the mask as there are
   signals. */
static int is_same(const struct sigaction *a, const struct sigaction *b)
{
	return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags &&
	       !memcmp(&a->sa_mask, &b->sa_mask, (NSIG - 1) / 8);
}

static const struct action *action_for(const struct sigaction *sa)
{
	const struct action *below = replaced_by(sa), *a;
	static struct action first;
	struct action *new;

	for (a = all_made; a; a = a->made_before)
		if (a->below == below && is_same(&a->sa, sa))
			return a;
	/* Most programs need one action.  Leak checkers don't report it. */
	new = all_made ? malloc(sizeof(*new)) : &first;
	if (!new)
		return NULL;
	new->sa = *sa;
	aco_tools_defined(&new->sa, sizeof(new->sa));
	new->below = below;
	new->made_before = all_made;
	__atomic_store_n(&all_made, new, __ATOMIC_RELEASE);
	return new;
}

/* The mask, SA_NODEFER and SA_RESTART stay those of the replaced action. */
static int install(void)
{
	const struct action *a, *before = replaced;
	struct sigaction sa = { .sa_handler = SIG_DFL };

	if (sigaction(SIGSEGV, NULL, &sa) < 0)
		return -1;
	if (sa.sa_sigaction == on_segv)
		return 0;
	a = action_for(&sa);
	if (!a)
		return -1;
	__atomic_store_n(&replaced, a, __ATOMIC_RELEASE);
	__atomic_store_n(&signal_frame, aco_signal_frame(), __ATOMIC_RELAXED);
	sa.sa_sigaction = on_segv;
	sa.sa_flags &= SA_NODEFER | SA_RESTART;
	sa.sa_flags |= SA_SIGINFO | SA_ONSTACK;
	aco_tools_defined(&sa, sizeof(sa));
	if (sigaction(SIGSEGV, &sa, NULL) == 0)
		return 0;
	__atomic_store_n(&replaced, before, __ATOMIC_RELEASE);
	return -1;
}

/*
 * A handler that was installed after on_segv() stays, and may call on_segv().
 * The variable replaced keeps its value, because on_segv() may be running.  Where
 * the kernel refuses to take on_segv() back, it stays, and only passes signals on.
 */
static void uninstall(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };

	if (sigaction(SIGSEGV, NULL, &sa) == 0 && sa.sa_sigaction == on_segv)
		sigaction(SIGSEGV, &replaced->sa, NULL);
}

/* ---- on and off ----------------------------------------------------------- */

static int set_reporting(int on)
{
	int result = 0;

	aco_lock(ACO_LOCK_OVERFLOW);
	if (on)
		result = install();
	else
		uninstall();
	if (result == 0)
		__atomic_store_n(&aco_overflow_reporting, on, __ATOMIC_RELAXED);
	aco_unlock(ACO_LOCK_OVERFLOW);
	return result;
}

static int turn_on(void)
{
	int had_alt_stack = !!aco_thread.alt_stack;

	/* a tool is told of the alternate stack */
	aco_tools_process_ready();
	if (aco_fork_ready() == 0 && aco_thread_alt_stack_new() == 0 &&
	    set_reporting(1) == 0)
		return 0;
	if (!had_alt_stack)
		aco_thread_alt_stack_free();
	errno = ENOMEM;
	return -1;
}

/* If reporting was never on, fork(2) may not know of the lock. */
static int turn_off(void)
{
	return __atomic_load_n(&replaced, __ATOMIC_ACQUIRE) ? set_reporting(0)
							    : 0;
}

int aco_overflow_report(int on)
{
	return on ? turn_on() : turn_off();
}

/*
 * What the handler reads is not freed: it may be running, if this is exit(3).
 * aco_overflow_report() may be that of the shared library, where the process has
 * that, too.
 */
ACO_AT_UNLOAD(2) static void unload(void)
{
	if (aco_can_be_unloaded())
		turn_off();
}
