/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aco/switch.h - the switch that aco.h inlines; include aco.h, not this
 *
 * The code below switches cos in these states in place:
 *
 *	fast      the only user of its share stack, in a process without
 *	          sanitizers, Valgrind and C++ runtimes: only registers change
 *	fast_cxx  the same beside a C++ runtime: a function of the library
 *	          exchanges the exception state before the switch
 *	sharing   one of several users of its share stack: it suspends itself
 *	          like a fast co, but a function has to resume it, which copies
 *
 * The library's functions do everything else, and everything in a program that
 * was compiled with -DACO_NO_INLINE.  The two ways mix freely, because the
 * suspended form is the same.
 *
 * The compiler is told that the switch changes every register, so it saves
 * what is live and nothing else.  No call or ret is split between two stacks,
 * which keeps the processor's return predictor right.
 *
 *	suspended    reg[0] resume address (the label in ACO_JUMP_)
 *	             reg[1] stack pointer    nothing was pushed
 *	             reg[2] frame pointer
 *	             reg[3] rbx, esi         only where clang compiled it
 *	at the label the register of ACO_TO_ is the co that is continued, which
 *	             suspended itself there
 *
 * What is inlined here is ABI.  The instructions and the offsets that they use
 * are in aco/arch; lib/layout.c asserts the offsets.
 */
#ifndef ACO_SWITCH_H
#define ACO_SWITCH_H

#if !defined(ACO_H)
#error "include <aco.h>"
#endif

/* The values of aco_t.state that the code below tests and stores; lib/state.h
   has the others. */
#define ACO_FAST_SUSPENDED_ 1
#define ACO_FAST_CXX_SUSPENDED_ 2
#define ACO_SHARING_SUSPENDED_ 3
#define ACO_FAST_RUNNING_ 6
#define ACO_FAST_CXX_RUNNING_ 7
#define ACO_SHARING_RUNNING_ 8

/*
 * Exchanges the exception state of the C++ runtime.  The callers look for their
 * cos again after the call, and pass them in the order of the registers in which
 * the switch wants them.  So C programs, which never come here, need no
 * instruction for it.
 */
void aco_switch_cxx_(aco_t *to, aco_t *from);

#define ACO_INLINE_                                                         \
	extern __inline__ __attribute__((__gnu_inline__, __always_inline__, \
					 __no_instrument_function__))

/* gcc counts lines, and moves a long text less than it might. */
#if !defined(__clang__) && __GNUC__ >= 9
#define ACO_ONE_INSTRUCTION_ __inline__
#else
#define ACO_ONE_INSTRUCTION_
#endif

/*
 * Only these three functions read and write the current co.  A compiler that saw
 * plain accesses might compute the address of aco_gtls_co once for a function
 * and keep it over a switch, after which another thread may run the function.
 * Here it can keep the offset from the thread's base, which is the same in all
 * threads.
 */
ACO_INLINE_ intptr_t aco_tls_offset_(void)
{
	intptr_t off;

	__asm__ ACO_ONE_INSTRUCTION_(ACO_TLS_OFFSET_ : "=r"(off));
	return off;
}

#if defined(ACO_THREAD_BASE_)
ACO_INLINE_ aco_t *aco_current_(intptr_t off)
{
	return *(aco_t * ACO_THREAD_BASE_ *)off;
}

ACO_INLINE_ void aco_set_current_(intptr_t off, aco_t *co)
{
	*(aco_t * ACO_THREAD_BASE_ *)off = co;
}
#else
ACO_INLINE_ aco_t *aco_current_(intptr_t off)
{
	aco_t *co;

	__asm__ __volatile__(ACO_LOAD_CURRENT_ : "=r"(co) : "r"(off));
	return co;
}

ACO_INLINE_ void aco_set_current_(intptr_t off, aco_t *co)
{
	__asm__ __volatile__(ACO_STORE_CURRENT_ : : "r"(co), "r"(off));
}
#endif

#if !defined(ACO_BUILDING_)

/* The functions of the library, whose symbols the inline versions leave free. */
void aco_resume_function_(aco_t *co) __asm__("aco_resume");
void aco_yield_function_(void) __asm__("aco_yield");

/* Suspend from, continue to: both are variables. */
#define ACO_SWITCH_(text, from, to)                         \
	__asm__ __volatile__(text                           \
			     : ACO_FROM_(from), ACO_TO_(to) \
			     :                              \
			     : ACO_CLOBBER_)

/*
 * For each comparison of a state but the first: the compiler reads it from
 * memory again.  So the first one, which nearly always holds, is one instruction
 * without a register.
 */
ACO_INLINE_ int aco_is_now_(aco_t *co, int state)
{
	__asm__("" : "+m"(co->state));
	return co->state == state;
}

ACO_INLINE_ void aco_resume(aco_t *co)
{
	intptr_t off = aco_tls_offset_();
	aco_t *from = aco_current_(off);
	aco_t *to = co;

	if (aco_likely(co && co->resumer == from &&
		       co->state == ACO_FAST_SUSPENDED_)) {
		co->state = ACO_FAST_RUNNING_;
	} else if (co && co->resumer == from &&
		   aco_is_now_(co, ACO_FAST_CXX_SUSPENDED_)) {
		co->state = ACO_FAST_CXX_RUNNING_;
		aco_switch_cxx_(to, from);
		from = aco_current_(off);
	} else {
		aco_resume_function_(co);
		/* not a tail call: this is no leaf function, which might have
		   a red zone */
		__asm__ __volatile__("");
		return;
	}
	aco_set_current_(off, to);
	if (to->flags & ACO_SHARE_FPENV)
		ACO_SWITCH_(ACO_JUMP_, from, to);
	else
		ACO_SWITCH_(ACO_EXCHANGE_CONTROL_ ACO_JUMP_, from, to);
}

ACO_INLINE_ void aco_yield(void)
{
	intptr_t off = aco_tls_offset_();
	aco_t *from = aco_current_(off);
	aco_t *to;

	if (aco_likely(from && from->state == ACO_FAST_RUNNING_)) {
		to = from->resumer;
		from->state = ACO_FAST_SUSPENDED_;
	} else if (from && aco_is_now_(from, ACO_SHARING_RUNNING_)) {
		to = from->resumer;
		from->state = ACO_SHARING_SUSPENDED_;
	} else if (from && aco_is_now_(from, ACO_FAST_CXX_RUNNING_)) {
		to = from->resumer;
		from->state = ACO_FAST_CXX_SUSPENDED_;
		aco_switch_cxx_(to, from);
		from = aco_current_(off);
		to = from->resumer;
	} else {
		aco_yield_function_();
		__asm__ __volatile__("");
		return;
	}
	aco_set_current_(off, to);
	if (from->flags & ACO_SHARE_FPENV)
		ACO_SWITCH_(ACO_JUMP_, from, to);
	else
		ACO_SWITCH_(ACO_EXCHANGE_CONTROL_ ACO_JUMP_, from, to);
}

#if defined(__SSE__)
ACO_INLINE_ void aco_prefetch(const aco_t *co)
{
	ACO_PREFETCH_(co);
}
#endif

#endif /* !ACO_BUILDING_ */

#endif /* ACO_SWITCH_H */
