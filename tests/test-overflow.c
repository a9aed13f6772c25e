/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-overflow.c - aco_overflow_report()
 *
 * Each test has the child process that it needs, which mostly dies.
 */
#include "testutil.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#define REPORT \
	"libaco: stack overflow: co %%p on share stack %%p of %zu bytes\n"

static void report_on(void)
{
	t_child(aco_overflow_report(1) == 0);
}

/* The report of a co on sstk, as t_expect_signal() wants it, and more. */
static const char *report_of(const aco_share_stack_t *sstk, const char *more)
{
	static char text[256];

	snprintf(text, sizeof(text), REPORT "%s", sstk->sz, more);
	return text;
}

/* Compilers warn of what we want. */
static volatile int goes_on = 1;

__attribute__((__noinline__)) static void overflow(int depth)
{
	char frame[256];
	char *p = frame;

	t_opaque(p);
	p[0] = (char)depth;
	if (goes_on)
		overflow(depth + 1);
	t_opaque(p);
}

static void overflows(void)
{
	overflow(0);
}

static void yields(void)
{
	for (;;)
		aco_yield();
}

static void says_co_and_stack(const aco_t *co)
{
	t_says(co);
	t_says(co->share_stack);
}

static aco_t *overflowing(aco_share_stack_t *sstk)
{
	aco_t *co = t_co(sstk, overflows, NULL);

	says_co_and_stack(co);
	return co;
}

/* ----------------------------------------------------------- who it was */

static void standalone(void *arg)
{
	(void)arg;
	report_on();
	aco_resume(overflowing(t_sstk));
}

START_TEST(names_a_standalone_co)
{
	t_expect_signal(SIGSEGV, standalone, NULL, report_of(t_sstk, ""));
}
END_TEST

/* Other code has had an alternate stack of its own, and has taken it away. */
static void without_alt_stack(void *again)
{
	const stack_t none = { .ss_flags = SS_DISABLE };

	report_on();
	t_child(sigaltstack(&none, NULL) == 0);
	if (again)
		report_on();
	else
		aco_thread_init(NULL);
	aco_resume(overflowing(t_sstk));
}

START_TEST(alternate_stack_that_was_taken_away)
{
	t_expect_signal(SIGSEGV, without_alt_stack, NULL,
			report_of(t_sstk, ""));
	t_expect_signal(SIGSEGV, without_alt_stack, t_sstk,
			report_of(t_sstk, ""));
}
END_TEST

static void sharing(void *arg)
{
	aco_t *other = t_co(t_sstk, yields, NULL);
	aco_t *co = overflowing(t_sstk);

	(void)arg;
	report_on();
	aco_resume(other);
	aco_resume(co);
}

START_TEST(names_the_running_one_of_sharing_cos)
{
	t_expect_signal(SIGSEGV, sharing, NULL, report_of(t_sstk, ""));
}
END_TEST

static void resumes_its_arg(void)
{
	aco_resume(aco_get_arg());
	aco_yield();
}

static void resumes_its_arg_and_overflows(void)
{
	aco_resume(aco_get_arg());
	overflow(0);
}

static void inner(void *outer_stack)
{
	report_on();
	aco_resume(t_co(outer_stack, resumes_its_arg, overflowing(t_sstk)));
}

static void outer(void *inner_stack)
{
	aco_t *co = t_co(t_sstk, resumes_its_arg_and_overflows,
			 t_co(inner_stack, yields, NULL));

	says_co_and_stack(co);
	report_on();
	aco_resume(co);
}

START_TEST(names_the_right_one_of_nested_cos)
{
	aco_share_stack_t *other = t_stack(2 * T_STACK_SIZE);

	t_expect_signal(SIGSEGV, inner, other, report_of(t_sstk, ""));
	t_expect_signal(SIGSEGV, outer, other, report_of(t_sstk, ""));
}
END_TEST

/* Call fn with that many bytes left on the stack of the running co. */
__attribute__((__noinline__)) static void call_near_the_end(size_t left,
							    void (*fn)(void))
{
	const char *low = aco_co()->share_stack->ptr;
	char here;
	volatile char *p = __builtin_alloca((size_t)(&here - low) - left);

	*p = 1;
	fn();
}

static size_t left;
static aco_t *next;

static void resumes_next(void)
{
	aco_resume(next);
}

/* It is no longer the running co when the switch has no room left. */
static void resumes_near_the_end(void)
{
	call_near_the_end(left, resumes_next);
	overflow(0);
}

static void resuming(void *inner_stack)
{
	aco_t *co = t_co(t_sstk, resumes_near_the_end, NULL);

	next = t_co(inner_stack, yields, NULL);
	aco_resume(next); /* by now the dynamic linker has done its work */
	says_co_and_stack(co);
	report_on();
	aco_resume(co);
}

START_TEST(names_a_co_that_resumes_another)
{
	aco_share_stack_t *other = t_stack(0);

	for (left = 48; left < 400; left += 16)
		t_expect_signal(SIGSEGV, resuming, other,
				report_of(t_sstk, ""));
}
END_TEST

static void *runs_in_thread(void *co)
{
	aco_thread_init(NULL);
	aco_resume(co);
	return NULL;
}

static void in_thread(void *arg)
{
	pthread_t thread;

	(void)arg;
	report_on();
	t_child(!pthread_create(&thread, NULL, runs_in_thread,
				overflowing(t_sstk)));
	pthread_join(thread, NULL);
}

static void *turns_on_and_runs(void *co)
{
	report_on();
	aco_resume(co);
	return NULL;
}

static void on_in_thread(void *arg)
{
	pthread_t thread;

	(void)arg;
	report_on();
	t_child(!pthread_create(&thread, NULL, turns_on_and_runs,
				overflowing(t_sstk)));
	pthread_join(thread, NULL);
}

START_TEST(names_a_co_in_another_thread)
{
	t_expect_signal(SIGSEGV, in_thread, NULL, report_of(t_sstk, ""));
	t_expect_signal(SIGSEGV, on_in_thread, NULL, report_of(t_sstk, ""));
}
END_TEST

/* ------------------------------------------------ a signal without room */

static void does_nothing(int sig)
{
	(void)sig;
}

static void signals(void)
{
	kill(getpid(), SIGUSR1);
}

static void signals_near_the_end(void)
{
	call_near_the_end(400, signals);
}

static void signal_without_room(void *arg)
{
	struct sigaction sa = { .sa_handler = does_nothing };
	aco_t *co = t_co(t_sstk, signals_near_the_end, NULL);

	(void)arg;
	says_co_and_stack(co);
	t_child(sigaction(SIGUSR1, &sa, NULL) == 0);
	signals(); /* as above: the dynamic linker */
	report_on();
	aco_resume(co);
}

START_TEST(signal_that_finds_no_room)
{
	t_expect_signal(SIGSEGV, signal_without_room, NULL,
			report_of(t_sstk, ""));
}
END_TEST

static size_t room;

static void signals_and_overflows(void)
{
	call_near_the_end(room, signals);
	overflow(0);
}

static void signal_with_little_room(void *arg)
{
	aco_t *co = t_co(t_sstk, signals_and_overflows, NULL);

	(void)arg;
	says_co_and_stack(co);
	t_child(signal(SIGUSR1, does_nothing) != SIG_ERR);
	signals();
	report_on();
	aco_resume(co);
}

/* One that finds room after all is survived, and then there is an overflow. */
START_TEST(signal_that_finds_little_room)
{
	size_t enough = getauxval(AT_MINSIGSTKSZ) + 2048;

	for (room = 400; room < enough; room += 48)
		t_expect_signal(SIGSEGV, signal_with_little_room, NULL,
				report_of(t_sstk, ""));
}
END_TEST

/* As when a frame has been made and not yet touched.  No call, nor anything
   else that takes stack. */
static void signals_in_guard(void)
{
	uintptr_t sp = (uintptr_t)aco_co()->share_stack->ptr - 1024;
	long call = SYS_kill;

#if defined(__x86_64__)
	__asm__ volatile("mov %%rsp, %%rbx\n\tmov %1, %%rsp\n\t"
			 "syscall\n\tmov %%rbx, %%rsp"
			 : "+a"(call)
			 : "r"(sp), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rbx", "rcx", "r11", "memory");
#else
	__asm__ volatile("mov %%esp, %%esi\n\tmov %1, %%esp\n\t"
			 "int $0x80\n\tmov %%esi, %%esp"
			 : "+a"(call)
			 : "d"(sp), "b"(getpid()), "c"(SIGUSR1)
			 : "esi", "memory");
#endif
}

static void signal_in_guard(void *arg)
{
	aco_t *co = t_co(t_sstk, signals_in_guard, NULL);

	(void)arg;
	says_co_and_stack(co);
	t_child(signal(SIGUSR1, does_nothing) != SIG_ERR);
	report_on();
	aco_resume(co);
}

START_TEST(signal_that_comes_in_the_guard)
{
	t_expect_signal(SIGSEGV, signal_in_guard, NULL, report_of(t_sstk, ""));
}
END_TEST

/* ---------------------------------------------------------- no overflow */

static void follows_null(void)
{
	volatile char *p = NULL;

	t_opaque(p);
	*p = 1;
}

/* The signal has no address. */
static void does_what_it_may_not(void)
{
	__asm__ volatile("hlt");
}

static void does_so_near_the_end(void)
{
	if (aco_co() && !aco_is_main_co(aco_co()))
		call_near_the_end(400, does_what_it_may_not);
	does_what_it_may_not();
}

static void raises(void)
{
	kill(getpid(), SIGSEGV);
}

static void in_main(void *fn)
{
	aco_resume(t_co(t_sstk, yields, NULL));
	report_on();
	((aco_cofuncp_t)fn)();
}

static void in_co(void *fn)
{
	report_on();
	aco_resume(t_co(t_sstk, (aco_cofuncp_t)fn, NULL));
}

/* Not at all a co: what has not resumed one has no running co. */
static void without_cos(void *fn)
{
	report_on();
	((aco_cofuncp_t)fn)();
}

static sigjmp_buf out;

static void jumps_out(int sig)
{
	(void)sig;
	siglongjmp(out, 1);
}

/* What the kernel says of later signals still has traces of it. */
static void survive_what_it_may_not(void)
{
	struct sigaction sa = { .sa_handler = jumps_out };

	t_child(sigaction(SIGSEGV, &sa, NULL) == 0);
	if (sigsetjmp(out, 1) == 0)
		does_what_it_may_not();
	t_child(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
}

static void once_more(void *fn)
{
	survive_what_it_may_not();
	in_co(fn);
}

static void without_room_after(void *arg)
{
	survive_what_it_may_not();
	signal_without_room(arg);
}

START_TEST(after_a_fault_without_address)
{
	t_expect_signal(SIGSEGV, without_room_after, NULL,
			report_of(t_sstk, ""));
	t_expect_signal(SIGSEGV, once_more, (void *)does_so_near_the_end, "");
}
END_TEST

START_TEST(other_faults_pass_in_silence)
{
	aco_cofuncp_t fn[] = { follows_null, does_so_near_the_end, raises };

	for (size_t i = 0; i < T_LEN(fn); i++) {
		t_expect_signal(SIGSEGV, in_main, (void *)fn[i], "");
		t_expect_signal(SIGSEGV, in_co, (void *)fn[i], "");
		t_expect_signal(SIGSEGV, without_cos, (void *)fn[i], "");
	}
}
END_TEST

static void touches_guard_of_another(void)
{
	const aco_share_stack_t *sstk = aco_get_arg();

	((volatile char *)sstk->ptr)[-1] = 1;
}

static void wild_pointer(void *sstk)
{
	report_on();
	aco_resume(t_co(t_sstk, touches_guard_of_another, sstk));
}

START_TEST(guard_of_another_stack)
{
	t_expect_signal(SIGSEGV, wild_pointer, t_stack(0), "");
}
END_TEST

static void ignored(void *arg)
{
	(void)arg;
	signal(SIGSEGV, SIG_IGN);
	report_on();
	kill(getpid(), SIGSEGV);
	kill(getpid(), SIGSEGV);
	aco_resume(overflowing(t_sstk));
}

START_TEST(ignored_stays_ignored)
{
	t_expect_signal(SIGSEGV, ignored, NULL, report_of(t_sstk, ""));
}
END_TEST

/* ------------------------------------------ the handler there was before */

static void say(const char *text)
{
	t_child(write(STDERR_FILENO, text, strlen(text)) ==
		(ssize_t)strlen(text));
}

static void says_and_resets(int sig)
{
	say("plain\n");
	signal(sig, SIG_DFL);
}

static void *expected_address;

static void says_info_and_resets(int sig, siginfo_t *info, void *context)
{
	sigset_t mask;

	t_child(sig == SIGSEGV);
	t_child(context != NULL);
	t_child(!expected_address || info->si_addr == expected_address);
	t_child(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
	t_child(sigismember(&mask, SIGUSR1) == 1);
	t_child(sigismember(&mask, SIGUSR2) == 0);
	t_child(sigismember(&mask, SIGSEGV) == 0); /* SA_NODEFER */
	say("info\n");
	signal(sig, SIG_DFL);
}

static void install_plain(int flags)
{
	struct sigaction sa = { .sa_handler = says_and_resets };

	sa.sa_flags = flags;
	t_child(sigaction(SIGSEGV, &sa, NULL) == 0);
}

static void install_info(void)
{
	struct sigaction sa = { .sa_sigaction = says_info_and_resets };

	sigaddset(&sa.sa_mask, SIGUSR1);
	sa.sa_flags = SA_SIGINFO | SA_NODEFER;
	t_child(sigaction(SIGSEGV, &sa, NULL) == 0);
}

static void plain_before(void *overflow)
{
	install_plain(0);
	if (overflow)
		standalone(NULL);
	in_co((void *)follows_null);
}

static void info_before(void *overflow)
{
	install_info();
	if (overflow)
		standalone(NULL);
	expected_address = (char *)t_sstk->ptr - 1;
	in_co((void *)follows_null);
}

static void wrong_pointer(void *arg)
{
	aco_share_stack_t *other = t_stack(0);

	(void)arg;
	install_info();
	expected_address = (char *)other->ptr - 1;
	wild_pointer(other);
}

START_TEST(handler_of_before_is_called)
{
	t_expect_signal(SIGSEGV, plain_before, NULL, "plain\n");
	t_expect_signal(SIGSEGV, plain_before, t_sstk,
			report_of(t_sstk, "plain\n"));
	t_expect_signal(SIGSEGV, info_before, t_sstk,
			report_of(t_sstk, "info\n"));
	t_expect_signal(SIGSEGV, wrong_pointer, NULL, "info\n");
}
END_TEST

static void only_says(int sig)
{
	(void)sig;
	say("once\n");
}

static void once_before(void *arg)
{
	struct sigaction sa = { .sa_handler = only_says };

	(void)arg;
	sa.sa_flags = (int)SA_RESETHAND;
	t_child(sigaction(SIGSEGV, &sa, NULL) == 0);
	in_co((void *)follows_null);
}

START_TEST(handler_for_one_time)
{
	t_expect_signal(SIGSEGV, once_before, NULL, "once\n");
}
END_TEST

static void survives(void)
{
	volatile int n = 0;

	if (sigsetjmp(out, 1) < 1)
		follows_null();
	if (n++ == 0 && sigsetjmp(out, 1) < 1)
		overflow(0);
	errno = EDOM;
	aco_yield();
	signal(SIGSEGV, SIG_DFL); /* in the place of ours */
	overflow(0);
}

static void jumped_out(void *arg)
{
	struct sigaction sa = { .sa_handler = jumps_out };
	aco_t *co = t_co(t_sstk, survives, NULL);

	(void)arg;
	says_co_and_stack(co);
	t_child(sigaction(SIGSEGV, &sa, NULL) == 0);
	report_on();
	aco_resume(co);
	aco_resume(co);
}

START_TEST(handler_that_jumps_out)
{
	t_expect_signal(SIGSEGV, jumped_out, NULL, report_of(t_sstk, ""));
}
END_TEST

static void *fixed_page;

static void fixes(int sig)
{
	(void)sig;
	errno = EPERM;
	mprotect(fixed_page, 4096, PROT_READ | PROT_WRITE);
}

static void writes_page(void)
{
	errno = EDOM;
	*(volatile char *)fixed_page = 1;
	t_child(errno == EPERM); /* the handler's own affair */
	aco_yield();
	overflow(0);
}

static void fixed(void *arg)
{
	struct sigaction sa = { .sa_handler = fixes };
	aco_t *co = t_co(t_sstk, writes_page, NULL);

	(void)arg;
	fixed_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	t_child(fixed_page != MAP_FAILED);
	t_child(sigaction(SIGSEGV, &sa, NULL) == 0);
	report_on();
	aco_resume(co);
	say("fixed\n");
	sa.sa_handler = SIG_DFL;
	t_child(aco_overflow_report(0) == 0);
	t_child(sigaction(SIGSEGV, &sa, NULL) == 0);
	report_on();
	says_co_and_stack(co);
	aco_resume(co);
}

START_TEST(handler_that_goes_on)
{
	char text[300];

	snprintf(text, sizeof(text), "fixed\n%s", report_of(t_sstk, ""));
	t_expect_signal(SIGSEGV, fixed, NULL, text);
}
END_TEST

static void checks_errno(int sig)
{
	(void)sig;
	_exit(errno == EDOM ? 0 : 2);
}

static void overflows_with_errno(void)
{
	errno = EDOM;
	overflow(0);
}

/* The report can't be written. */
static void without_stderr(void *arg)
{
	struct sigaction sa = { .sa_handler = checks_errno };

	(void)arg;
	close(STDERR_FILENO);
	t_child(sigaction(SIGSEGV, &sa, NULL) == 0);
	report_on();
	aco_resume(t_co(t_sstk, overflows_with_errno, NULL));
}

START_TEST(errno_is_left_alone)
{
	t_expect_ok(without_stderr, NULL);
}
END_TEST

static void *cancelled_and_runs(void *co)
{
	report_on();
	pthread_cancel(pthread_self());
	aco_resume(co);
	return NULL;
}

static void in_cancelled_thread(void *arg)
{
	pthread_t thread;

	(void)arg;
	t_child(!pthread_create(&thread, NULL, cancelled_and_runs,
				overflowing(t_sstk)));
	pthread_join(thread, NULL);
}

START_TEST(report_does_not_end_a_cancelled_thread)
{
	t_expect_signal(SIGSEGV, in_cancelled_thread, NULL,
			report_of(t_sstk, ""));
}
END_TEST

static void stderr_to_nobody(void)
{
	int fd[2];

	t_child(pipe(fd) == 0);
	t_child(dup2(fd[1], STDERR_FILENO) == STDERR_FILENO);
	close(fd[0]);
}

static void report_to_nobody(void *arg)
{
	stderr_to_nobody();
	standalone(arg);
}

static void checks_sigpipe(int sig)
{
	sigset_t set;

	(void)sig;
	if (sigpending(&set) < 0 || sigismember(&set, SIGPIPE))
		_exit(2);
	if (pthread_sigmask(SIG_BLOCK, NULL, &set) ||
	    sigismember(&set, SIGPIPE))
		_exit(3);
	_exit(0);
}

static void handler_without_sigpipe(void *arg)
{
	signal(SIGSEGV, checks_sigpipe);
	report_to_nobody(arg);
}

/* One that the program has blocked, and is waiting, stays. */
static void checks_own_sigpipe(int sig)
{
	sigset_t set;

	(void)sig;
	_exit(sigpending(&set) || !sigismember(&set, SIGPIPE));
}

static void handler_with_own_sigpipe(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	t_child(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	raise(SIGPIPE);
	signal(SIGSEGV, checks_own_sigpipe);
	report_to_nobody(arg);
}

START_TEST(report_that_nobody_reads)
{
	t_expect_signal(SIGSEGV, report_to_nobody, NULL, "");
	t_expect_ok(handler_without_sigpipe, NULL);
	t_expect_ok(handler_with_own_sigpipe, NULL);
}
END_TEST

/* -------------------------------------------------------------- on, off */

static void off_again(void *arg)
{
	struct sigaction sa;

	(void)arg;
	install_info();
	t_child(aco_overflow_report(0) == 0); /* nothing to do */
	report_on();
	report_on();
	t_child(aco_overflow_report(0) == 0);
	t_child(sigaction(SIGSEGV, NULL, &sa) == 0);
	t_child(sa.sa_sigaction == says_info_and_resets);
	t_child((sa.sa_flags & ~0x4000000) == (SA_SIGINFO | SA_NODEFER));
	signal(SIGSEGV, SIG_DFL);
	aco_resume(t_co(t_sstk, overflows, NULL));
}

START_TEST(off_restores_the_handler)
{
	t_expect_signal(SIGSEGV, off_again, NULL, "");
}
END_TEST

/* ------------------------------------------- handlers that come after ours */

static struct sigaction ours;

static void calls_ours(int sig, siginfo_t *info, void *context)
{
	say("top\n");
	ours.sa_sigaction(sig, info, context);
}

static void install_on_top(void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction sa = { .sa_sigaction = handler };

	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	t_child(sigaction(SIGSEGV, &sa, &ours) == 0);
}

static int is_on_top(void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction now;

	t_child(sigaction(SIGSEGV, NULL, &now) == 0);
	return now.sa_sigaction == handler;
}

static void off(void)
{
	t_child(aco_overflow_report(0) == 0);
}

/* After the program's handler, which does not know of ours. */
static void plain_after(void *with_off)
{
	report_on();
	install_plain(SA_ONSTACK);
	if (with_off)
		off();
	report_on();
	report_on();
	aco_resume(overflowing(t_sstk));
}

START_TEST(on_again_after_a_handler)
{
	const char *text = report_of(t_sstk, "plain\n");

	t_expect_signal(SIGSEGV, plain_after, NULL, text);
	t_expect_signal(SIGSEGV, plain_after, t_sstk, text);
}
END_TEST

/* A library has put the default back, and forgotten a handler with it. */
static void default_after(void *with_off)
{
	install_plain(SA_ONSTACK);
	report_on();
	signal(SIGSEGV, SIG_DFL);
	if (with_off)
		off();
	report_on();
	aco_resume(overflowing(t_sstk));
}

START_TEST(on_again_after_the_default)
{
	t_expect_signal(SIGSEGV, default_after, NULL, report_of(t_sstk, ""));
	t_expect_signal(SIGSEGV, default_after, t_sstk, report_of(t_sstk, ""));
}
END_TEST

static void another_on_top(void *arg)
{
	(void)arg;
	install_plain(SA_ONSTACK);
	report_on();
	install_on_top(calls_ours);
	aco_resume(overflowing(t_sstk));
}

static void another_on_top_and_off(void *arg)
{
	(void)arg;
	install_plain(SA_ONSTACK);
	report_on();
	install_on_top(calls_ours);
	off();
	t_child(is_on_top(calls_ours));
	aco_resume(t_co(t_sstk, overflows, NULL));
}

START_TEST(handler_installed_on_top)
{
	char text[300];

	snprintf(text, sizeof(text), "top\n%s", report_of(t_sstk, "plain\n"));
	t_expect_signal(SIGSEGV, another_on_top, NULL, text);
	t_expect_signal(SIGSEGV, another_on_top_and_off, NULL, "top\nplain\n");
}
END_TEST

/* The handlers call each other, each of them once. */
static void on_again_on_top(void *arg)
{
	(void)arg;
	install_plain(SA_ONSTACK);
	report_on();
	install_on_top(calls_ours);
	report_on();
	aco_resume(overflowing(t_sstk));
}

static void second_calls_ours(int sig, siginfo_t *info, void *context)
{
	say("second\n");
	ours.sa_sigaction(sig, info, context);
}

static void two_on_top(void *first_once_more)
{
	install_plain(SA_ONSTACK);
	report_on();
	install_on_top(calls_ours);
	report_on();
	install_on_top(second_calls_ours);
	report_on();
	if (first_once_more) {
		install_on_top(calls_ours);
		report_on();
	}
	aco_resume(overflowing(t_sstk));
}

START_TEST(on_again_above_a_handler_that_calls_ours)
{
	t_expect_signal(SIGSEGV, on_again_on_top, NULL,
			report_of(t_sstk, "top\nplain\n"));
	t_expect_signal(SIGSEGV, two_on_top, NULL,
			report_of(t_sstk, "second\ntop\nplain\n"));
	t_expect_signal(SIGSEGV, two_on_top, t_sstk,
			report_of(t_sstk, "top\nplain\n"));
}
END_TEST

static void on_off_on_top(void *on)
{
	install_plain(SA_ONSTACK);
	report_on();
	install_on_top(calls_ours);
	report_on();
	off();
	t_child(is_on_top(calls_ours));
	if (on)
		report_on();
	aco_resume(on ? overflowing(t_sstk) : t_co(t_sstk, overflows, NULL));
}

START_TEST(off_below_a_handler_that_calls_ours)
{
	t_expect_signal(SIGSEGV, on_off_on_top, t_sstk,
			report_of(t_sstk, "top\nplain\n"));
	t_expect_signal(SIGSEGV, on_off_on_top, NULL, "top\ntop\nplain\n");
}
END_TEST

static int jumped;

static void jumps_and_calls_ours(int sig, siginfo_t *info, void *context)
{
	if (jumped++ < 2)
		siglongjmp(out, 1);
	calls_ours(sig, info, context);
}

static void overflows_again_and_again(void)
{
	sigsetjmp(out, 1);
	overflow(0);
}

/* Nothing of what the handler knows of a signal is left for the next. */
static void jumps_from_top(void *arg)
{
	aco_t *co = t_co(t_sstk, overflows_again_and_again, NULL);

	(void)arg;
	report_on();
	install_on_top(jumps_and_calls_ours);
	report_on();
	for (int i = 0; i < 3; i++)
		says_co_and_stack(co);
	aco_resume(co);
}

START_TEST(handler_on_top_that_jumps_out)
{
	char text[1024] = "";

	for (int i = 0; i < 3; i++)
		strcat(text, report_of(t_sstk, ""));
	strcat(text, "top\n");
	t_expect_signal(SIGSEGV, jumps_from_top, NULL, text);
}
END_TEST

/* ----------------------------------------------------- alternate stacks */

static char own_alt_stack[1 << 16];

static int is_mapped(void *ptr)
{
	unsigned char vec;

	return mincore(ptr, 4096, &vec) == 0;
}

static void *looks_at_alt_stack(void *want_own)
{
	stack_t ss = { .ss_sp = own_alt_stack,
		       .ss_size = sizeof(own_alt_stack) };

	if (want_own)
		t_child(sigaltstack(&ss, NULL) == 0);
	aco_thread_init(NULL);
	aco_thread_init(NULL);
	t_child(sigaltstack(NULL, &ss) == 0);
	t_child(!(ss.ss_flags & SS_DISABLE));
	t_child((ss.ss_sp == own_alt_stack) == !!want_own);
	t_child(want_own || is_mapped(ss.ss_sp));
	return ss.ss_sp;
}

/* Threads that were ready before, and never call the library again. */
static void *has_none(void *arg)
{
	stack_t ss;

	aco_thread_init(NULL);
	t_child(sigaltstack(NULL, &ss) == 0);
	t_child(ss.ss_flags & SS_DISABLE);
	return arg;
}

static void alt_stacks(void *arg)
{
	pthread_t thread;
	void *ptr;

	(void)arg;
	t_child(!pthread_create(&thread, NULL, has_none, NULL));
	t_child(!pthread_join(thread, NULL));
	report_on();
	t_child(!pthread_create(&thread, NULL, looks_at_alt_stack, NULL));
	t_child(!pthread_join(thread, &ptr));
	t_child(!is_mapped(ptr));
	t_child(!pthread_create(&thread, NULL, looks_at_alt_stack, &ptr));
	t_child(!pthread_join(thread, &ptr));
	t_child(ptr == own_alt_stack);
	t_child(aco_overflow_report(0) == 0);
	t_child(!pthread_create(&thread, NULL, has_none, NULL));
	t_child(!pthread_join(thread, NULL));
}

START_TEST(each_thread_has_an_alternate_stack)
{
	t_expect_ok(alt_stacks, NULL);
}
END_TEST

Suite *t_suite(void)
{
	Suite *s = suite_create("overflow");
	TCase *tc = t_case(s, "overflow");

	tcase_add_test(tc, names_a_standalone_co);
	tcase_add_test(tc, alternate_stack_that_was_taken_away);
	tcase_add_test(tc, names_the_running_one_of_sharing_cos);
	tcase_add_test(tc, names_the_right_one_of_nested_cos);
	tcase_add_test(tc, names_a_co_that_resumes_another);
	tcase_add_test(tc, names_a_co_in_another_thread);
	tcase_add_test(tc, signal_that_finds_no_room);
	tcase_add_test(tc, signal_that_finds_little_room);
	tcase_add_test(tc, signal_that_comes_in_the_guard);
	tcase_add_test(tc, after_a_fault_without_address);
	tcase_add_test(tc, other_faults_pass_in_silence);
	tcase_add_test(tc, guard_of_another_stack);
	tcase_add_test(tc, ignored_stays_ignored);
	tcase_add_test(tc, handler_of_before_is_called);
	tcase_add_test(tc, handler_for_one_time);
	tcase_add_test(tc, handler_that_jumps_out);
	tcase_add_test(tc, handler_that_goes_on);
	tcase_add_test(tc, errno_is_left_alone);
	tcase_add_test(tc, report_does_not_end_a_cancelled_thread);
	tcase_add_test(tc, report_that_nobody_reads);
	tcase_add_test(tc, off_restores_the_handler);
	tcase_add_test(tc, on_again_after_a_handler);
	tcase_add_test(tc, on_again_after_the_default);
	tcase_add_test(tc, handler_installed_on_top);
	tcase_add_test(tc, on_again_above_a_handler_that_calls_ours);
	tcase_add_test(tc, off_below_a_handler_that_calls_ours);
	tcase_add_test(tc, handler_on_top_that_jumps_out);
	tcase_add_test(tc, each_thread_has_an_alternate_stack);
	return s;
}
