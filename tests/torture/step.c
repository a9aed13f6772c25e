/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step.c - traces step-target.c, and interrupts it at each instruction
 *
 *	step [--apart N] [--every N] [--first N] [--seconds N] PROGRAM
 *
 * The program marks windows, each of which holds some switches.  At each
 * instruction of a window it gets a signal, and goes on when the handler has
 * returned.  With --apart it repeats the window N times, with signals at every Nth
 * instruction only: at 0, N, 2 N ..., then at 1, N + 1 ...  So no signal makes up
 * for what the one before has spoiled, and none comes before it has done harm.
 *
 * What is right afterwards the program itself knows.  If it says that something is
 * not, or dies, the instruction that was interrupted last is printed.
 *
 * Of the windows of the program it takes one in so many (--every), from number
 * --first on.  With --seconds it goes on with others until the time is over, and
 * only some have signals apart.
 *
 * It traces programs of its own architecture.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "step.h"

#define INTERRUPT SIGUSR1

/* A window that takes more does not end. */
#define MAX_STEPS 2000000
/* Seconds for the code between two stops, which takes far less than one. */
#define PATIENCE 300

#if defined(__x86_64__)
#define REG(name) offsetof(struct user, regs.r##name)
#define ORIGINAL_AX offsetof(struct user, regs.orig_rax)
#else
#define REG(name) offsetof(struct user, regs.e##name)
#define ORIGINAL_AX offsetof(struct user, regs.orig_eax)
#endif

static pid_t pid;
static unsigned long apart; /* 0: no such rounds */
static unsigned long every = 997, first, seconds;
static uintptr_t mark_pc;

static struct {
	uint64_t windows, steps, signals, walks, to_main;
	uint64_t kinds[STEP_KIND_COUNT];
} figures;

static const char *const kind_names[] = {
#define STEP_NAME(name, text) text,
	STEP_KINDS(STEP_NAME)
#undef STEP_NAME
};

/* What is being done, for the report of a failure. */
static struct {
	enum step_kind kind;
	enum step_mode mode;
	unsigned long step, signals;
	uintptr_t pc; /* interrupted last */
} now;

/* ------------------------------------------------------------- the report -- */

/* pc as a file and an offset in it, which addr2line(1) takes. */
static void print_place(uintptr_t pc)
{
	char name[64], line[4096];
	uintptr_t start, end, offset;
	int at;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	f = fopen(name, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line,
			   "%" SCNxPTR "-%" SCNxPTR " %*s %" SCNxPTR
			   " %*s %*s %n",
			   &start, &end, &offset, &at) != 3 ||
		    pc < start || pc >= end)
			continue;
		line[strcspn(line, "\n")] = 0;
		fprintf(stderr, ", %s+0x%" PRIxPTR, line + at,
			pc - start + offset);
	}
	if (f)
		fclose(f);
}

static void give_up(const char *what)
{
	fprintf(stderr, "step: %s, in a window of kind %s (%s), ", what,
		kind_names[now.kind],
		now.mode == STEP_EACH ? "signals at each instruction"
				      : "signals apart");
	fprintf(stderr, "the last one at instruction %lu, 0x%" PRIxPTR,
		now.step, now.pc);
	print_place(now.pc);
	fprintf(stderr, "; --every %lu --first %lu\n", every, first);
	kill(pid, SIGKILL);
	exit(1);
}

static void on_alarm(int sig)
{
	static const char text[] = "step: the program does not go on\n";

	(void)sig;
	kill(pid, SIGKILL);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

/* ------------------------------------------------------------------ ptrace -- */

static uintptr_t peek(size_t reg)
{
	errno = 0;
	return (uintptr_t)ptrace(PTRACE_PEEKUSER, pid, (void *)reg, NULL);
}

static void poke(size_t reg, uintptr_t value)
{
	if (ptrace(PTRACE_POKEUSER, pid, (void *)reg, (void *)value) != 0)
		give_up("ptrace can't write a register");
}

enum stop {
	STOP_TRAP, /* a step, an int3, or the first instruction of a handler */
	STOP_SYSCALL, /* a system call begins or ends */
	STOP_EXIT
};
static int exit_status;

/* The last word of the kernel before the end of the program is no stop of it. */
static enum stop ended(int status)
{
	static char text[64];

	if (WIFSIGNALED(status)) {
		snprintf(text, sizeof(text), "the program died by signal %d",
			 WTERMSIG(status));
		give_up(text);
	}
	exit_status = WEXITSTATUS(status);
	return STOP_EXIT;
}

/* Go on, with that signal, until the next stop. */
static enum stop go(int how, int sig)
{
	static char text[64];
	int status;

	if (ptrace((enum __ptrace_request)how, pid, NULL,
		   (void *)(intptr_t)sig) != 0)
		give_up("ptrace can't go on");
	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	if (!WIFSTOPPED(status))
		return ended(status);
	if (WSTOPSIG(status) == (SIGTRAP | 0x80))
		return STOP_SYSCALL;
	if (WSTOPSIG(status) == SIGTRAP)
		return STOP_TRAP;
	snprintf(text, sizeof(text), "the program got signal %d at 0x%" PRIxPTR,
		 WSTOPSIG(status), peek(REG(ip)));
	give_up(text);
	return STOP_EXIT;
}

static int is_return_of_handler(void)
{
	uintptr_t call = peek(ORIGINAL_AX);

#if defined(SYS_sigreturn)
	if (call == SYS_sigreturn)
		return 1;
#endif
	return call == SYS_rt_sigreturn;
}

static void trap_only(enum stop stop)
{
	if (stop == STOP_EXIT)
		give_up("the program has ended");
}

/*
 * One signal, here.  The first stop is at the first instruction of the handler; the
 * last one is here again, as a step of rt_sigreturn(2) alone.
 */
static void interrupt(void)
{
	now.pc = peek(REG(ip));
	trap_only(go(PTRACE_SINGLESTEP, INTERRUPT));
	if (peek(REG(ip)) == now.pc)
		give_up("the signal was not delivered");
	do
		trap_only(go(PTRACE_SYSCALL, 0));
	while (!is_return_of_handler());
	trap_only(go(PTRACE_SINGLESTEP, 0));
	if (peek(REG(ip)) != now.pc)
		give_up("the handler has not returned to where it came");
	now.signals++;
}

/* ----------------------------------------------------------------- windows -- */

static void answer(uintptr_t value)
{
	poke(REG(ax), value);
}

static int at_mark(void)
{
	return peek(REG(ip)) == mark_pc;
}

/* Step through a window, with a signal at every so many instructions from number
   first on.  Returns the number of instructions. */
static unsigned long step_through(unsigned long apart, unsigned long first)
{
	unsigned long n;

	alarm(PATIENCE);
	trap_only(go(PTRACE_SINGLESTEP, 0)); /* away from the mark */
	for (n = 0; !at_mark(); n++) {
		now.step = n;
		if (n % apart == first)
			interrupt();
		trap_only(go(PTRACE_SINGLESTEP, 0));
		if (n > MAX_STEPS)
			give_up("the window does not end");
	}
	if (peek(REG(ax)) != STEP_END)
		give_up("the program stops elsewhere");
	return n;
}

static void end(int again)
{
	figures.signals += now.signals;
	answer(now.signals * 2 + (again != 0));
}

static void begin(enum step_kind kind, enum step_mode mode)
{
	if (!at_mark() || peek(REG(ax)) != STEP_BEGIN)
		give_up("the program stops elsewhere");
	now.kind = kind;
	now.mode = mode;
	now.signals = 0;
	answer(mode);
}

/* Where a window begins; on return where it has ended for the last time. */
static void window(void)
{
	enum step_kind kind = (enum step_kind)peek(REG(dx));
	unsigned long steps, rounds, n;

	if (kind >= STEP_KIND_COUNT)
		give_up("no kind of window");
	begin(kind, STEP_EACH);
	steps = step_through(1, 0);
	rounds = steps < apart ? steps : apart;
	figures.windows++;
	figures.steps += steps;
	figures.kinds[kind] += steps;
	end(rounds > 0);
	for (n = 0; n < rounds; n++) {
		trap_only(go(PTRACE_CONT, 0));
		begin(kind, STEP_SOME);
		step_through(apart, n);
		end(n + 1 < rounds);
	}
}

static void run(void)
{
	while (go(PTRACE_CONT, 0) != STOP_EXIT) {
		alarm(PATIENCE);
		mark_pc = peek(REG(ip));
		switch (peek(REG(ax))) {
		case STEP_BEGIN:
			window();
			break;
		case STEP_WALKS:
			figures.walks += peek(REG(dx));
			break;
		case STEP_TO_MAIN:
			figures.to_main += peek(REG(dx));
			break;
		default:
			give_up("the program stops elsewhere");
		}
	}
}

static void print_figures(void)
{
	printf("total: windows %" PRIu64 ", steps %" PRIu64 ", signals %" PRIu64
	       ", walks %" PRIu64 ", to-main %" PRIu64,
	       figures.windows, figures.steps, figures.signals, figures.walks,
	       figures.to_main);
	for (int i = 0; i < STEP_KIND_COUNT; i++)
		printf(", %s %" PRIu64, kind_names[i], figures.kinds[i]);
	puts(", failures 0");
}

/* -------------------------------------------------------------------- main -- */

static void usage(void)
{
	fputs("usage: step [--apart N] [--every N] [--first N] [--seconds N] "
	      "PROGRAM\n",
	      stderr);
	exit(2);
}

/* As the child; status 77 where that is not permitted. */
static void be_traced(const char *program)
{
	char number[2][24];

	snprintf(number[0], sizeof(number[0]), "%lu", every);
	snprintf(number[1], sizeof(number[1]), "%lu", first);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(77);
	execl(program, program, number[0], number[1], (char *)NULL);
	perror(program);
	_exit(2);
}

static void start(const char *program)
{
	int status;

	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid == 0)
		be_traced(program);
	if (waitpid(pid, &status, 0) != pid)
		exit(2);
	if (!WIFSTOPPED(status))
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) != 0) {
		kill(pid, SIGKILL);
		exit(77);
	}
}

static void run_once(const char *program)
{
	start(program);
	run();
	if (exit_status != 0) {
		fprintf(stderr, "step: status %d\n", exit_status);
		exit(1);
	}
}

/* Other windows each time; those of so many runs are all. */
#define NEXT 389
#define APART_IN 3

static void run_for(const char *program)
{
	unsigned long wanted = apart;
	time_t end = time(NULL) + (time_t)seconds;

	for (unsigned n = 0; n == 0 || time(NULL) < end; n++) {
		apart = n % APART_IN == 1 ? wanted : 0;
		run_once(program);
		first = (first + NEXT) % every;
	}
}

static unsigned long number(const char *text, unsigned long least)
{
	char *end;
	unsigned long n = text ? strtoul(text, &end, 10) : 0;

	if (!text || *text < '0' || *text > '9' || *end || n < least ||
	    n > 1000000000)
		usage();
	return n;
}

int main(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "--apart") == 0)
			apart = number(argv[i + 1], 1);
		else if (strcmp(argv[i], "--every") == 0)
			every = number(argv[i + 1], 1);
		else if (strcmp(argv[i], "--first") == 0)
			first = number(argv[i + 1], 0);
		else if (strcmp(argv[i], "--seconds") == 0)
			seconds = number(argv[i + 1], 1);
		else
			usage();
	}
	if (i + 1 != argc)
		usage();
	first %= every;
	signal(SIGALRM, on_alarm);
	if (seconds)
		run_for(argv[i]);
	else
		run_once(argv[i]);
	print_figures();
	return 0;
}
