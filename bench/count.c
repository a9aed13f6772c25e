/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count.c - instructions of one operation, by single steps
 *
 * A child process runs the row, and its parent steps the child.  Cachegrind
 * can't count these instructions, because libaco takes another path under
 * Valgrind.  Counters of the processor are missing in most virtual machines.
 */
#include "count.h"

#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol.h"

/* Few, because a copy of 8,000 bytes may be 8,000 steps. */
#define OPS 4
#define WARM_UP 4

#if defined(__x86_64__)
#define IP_OFFSET offsetof(struct user, regs.rip)
#else
#define IP_OFFSET offsetof(struct user, regs.eip)
#endif

/* The child runs OPS operations between its first two stops, and twice as many
   between the second and the third: the difference leaves out what each part
   does besides. */
static void be_counted(const struct row *row)
{
	row->setup(row);
	row->run(WARM_UP);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(1);
	raise(SIGSTOP);
	row->run(OPS);
	raise(SIGSTOP);
	row->run(2 * OPS);
	raise(SIGSTOP);
	_exit(0);
}

static int is_stopped_by(pid_t child, int sig)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == sig;
}

/*
 * Steps the child until it stops itself.  A string instruction with a repeat
 * prefix takes as many steps as it has repetitions, and counts as one.
 */
static long steps_to_stop(pid_t child)
{
	long steps = 0, ip = 0, last_ip;

	for (;;) {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0)
			bench_skip("single steps are not allowed");
		if (!is_stopped_by(child, SIGTRAP))
			return steps;
		last_ip = ip;
		ip = ptrace(PTRACE_PEEKUSER, child, (void *)IP_OFFSET, NULL);
		steps += ip != last_ip;
	}
}

double count_instructions(const struct row *row)
{
	pid_t child = fork();
	long once, twice;

	if (child == 0)
		be_counted(row);
	if (child < 0 || !is_stopped_by(child, SIGSTOP))
		bench_skip("no process that can be stepped");
	once = steps_to_stop(child);
	twice = steps_to_stop(child);
	ptrace(PTRACE_KILL, child, NULL, NULL);
	return (double)(twice - once) / OPS;
}
