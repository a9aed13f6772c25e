/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - two timers for a thread: the handler of one runs on the stack of
 * the co, that of the other on the alternate stack
 *
 * Under Valgrind both run on the stack of the co.  Valgrind (3.19) keeps one current
 * stack for all threads.  If another thread runs while a handler is on an alternate
 * stack, it takes the next frame on the stack of the co for a switch, and reports that
 * the frame is not accessible.  To register the alternate stack makes this worse: then
 * a frame is lost each time.
 */
#include <aco.h>

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#include "torture.h"
#include "util.h"

#if !defined(RUNNING_ON_VALGRIND)
#define RUNNING_ON_VALGRIND 0
#endif

#define HERE SIGUSR1
#define ELSEWHERE SIGUSR2
#define ALTERNATE_SIZE ((size_t)1 << 17)

int torture_signals;

#if !defined(sigev_notify_thread_id)
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* All that a handler may: its own frame, the registers of vectors, the control
   words, and questions that a handler may ask. */
static void handler(int sig)
{
	volatile unsigned char frame[384];
	int saved = errno;
	uint32_t mxcsr = 0x1f80 | ((uint32_t)sig & 3) << 13;
	uint16_t x87 = (uint16_t)(0x37f ^ (sig & 3) << 10);
	aco_t *co = aco_get_co();

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (unsigned char)(0xc0 + sig);
	/* ThreadSanitizer calls handlers like functions, some time later */
	if (!IN_TSAN)
		__asm__ volatile("ldmxcsr %0; fldcw %1"
				 :
				 : "m"(mxcsr), "m"(x87));
	if (co) {
		aco_state_t s = aco_state(co);

		if (s > ACO_STATE_END)
			torture_fail("a state, asked in a handler", s, 0);
	}
	for (size_t i = 0; i < sizeof(frame); i++)
		if (frame[i] != (unsigned char)(0xc0 + sig))
			torture_fail("the frame of a handler", frame[i], 0);
	__atomic_add_fetch(&torture_figures->signals, 1, __ATOMIC_RELAXED);
	errno = saved;
}

static void install(int sig, int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sa.sa_flags = SA_RESTART | flags;
	sigaddset(&sa.sa_mask, HERE);
	sigaddset(&sa.sa_mask, ELSEWHERE);
	if (sigaction(sig, &sa, NULL) != 0)
		abort();
}

static void start(void **timer, int sig, long interval)
{
	struct sigevent event;
	/* Newer AddressSanitizers think that it is larger on i386: with 8 bytes for
	   seconds. */
	union {
		struct itimerspec spec;
		char room[4 * sizeof(int64_t)];
	} period = { .room = { 0 } };
	timer_t id;

	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = sig;
	event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &id) != 0)
		abort();
	period.spec.it_interval = (struct timespec){ 0, interval };
	period.spec.it_value = period.spec.it_interval;
	if (timer_settime(id, 0, &period.spec, NULL) != 0)
		abort();
	*timer = id;
}

void torture_shoot(struct shooter *s)
{
	stack_t ss;

	if (!torture_signals)
		return;
	s->stack = malloc(ALTERNATE_SIZE);
	if (!s->stack)
		abort();
	memset(&ss, 0, sizeof(ss));
	ss.ss_sp = s->stack;
	ss.ss_size = ALTERNATE_SIZE;
	if (sigaltstack(&ss, NULL) != 0)
		abort();
	install(HERE, 0);
	install(ELSEWHERE, RUNNING_ON_VALGRIND ? 0 : SA_ONSTACK);
	/* not in step with each other */
	start(&s->timers[0], HERE, 2 * (1000000000L / torture_signals) - 37);
	start(&s->timers[1], ELSEWHERE,
	      2 * (1000000000L / torture_signals) + 53);
	s->on = 1;
}

void torture_hold_fire(struct shooter *s)
{
	stack_t ss;

	if (!s->on)
		return;
	for (int i = 0; i < 2; i++)
		timer_delete((timer_t)s->timers[i]);
	memset(&ss, 0, sizeof(ss));
	ss.ss_flags = SS_DISABLE;
	/* what is pending has been delivered when this returns */
	if (sigaltstack(&ss, NULL) != 0)
		abort();
	free(s->stack);
	s->on = 0;
}
