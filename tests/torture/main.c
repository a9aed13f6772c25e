/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - makes random programs and runs them in child processes; shrinks one
 * that fails
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "torture.h"
#include "util.h"

#define MAX_OPS 20000
#define MAX_SIZE (HEAD + MAX_OPS * OP)
#define BATCH 40      /* programs of one process */
#define PATIENCE 120  /* seconds until a program counts as hung */
#define SHRINKING 120 /* seconds */

static const char usage[] =
	"usage: torture [--seconds N] [--operations N] [--seed N] [--length "
	"N]\n"
	"               [--jobs N] [--signals HZ] [--quiet] [--no-shrink]\n"
	"       torture --replay FILE [--trace] [--abort] [--signals HZ]\n"
	"\n"
	"Runs random programs of N operations (--length, default 2000) of all "
	"calls of\n"
	"libaco, compared with a model, until the time is over or so many "
	"operations\n"
	"have run (default: 10 seconds).  A program that fails is made as "
	"short as it\n"
	"still fails, and printed.  --replay runs the bytes of a file, or of - "
	"for\n"
	"standard input.\n";

static struct {
	long seconds, operations, length, jobs;
	unsigned long long seed;
	int quiet, no_shrink;
	const char *replay;
} options = { .length = 2000, .jobs = 1 };

/* What a child says of itself. */
struct report {
	struct figures figures;
	uint64_t seed; /* of the program that runs */
};

static struct report *reports;
static const char *command;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- programs --------------------------------------------------------------- */

static uint64_t mix(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* The allocator is one for all programs of a process. */
static size_t make_program(uint64_t seed, int allocator, unsigned char *p)
{
	uint64_t s = seed;
	size_t sz = HEAD + (size_t)options.length * OP;

	for (size_t i = 0; i < sz; i += 4) {
		uint64_t r = mix(&s);

		for (size_t k = 0; k < 4; k++)
			p[i + k] = (unsigned char)(r >> 8 * k);
	}
	/* half of them with one thread, half of them alone */
	if (p[1] & 1)
		p[0] &= (unsigned char)~HEAD_THREADS;
	if (p[1] & 2)
		p[0] &= (unsigned char)~HEAD_WORLDS;
	p[0] &= (unsigned char)~HEAD_ALLOCATOR;
	if (allocator)
		p[0] |= HEAD_ALLOCATOR;
	return sz;
}

/* ---- processes -------------------------------------------------------------- */

static void child_of_batch(struct report *r, uint64_t seed, double deadline)
{
	static unsigned char program[MAX_SIZE];

	torture_figures = &r->figures;
	for (uint64_t i = 0; i < BATCH && now() < deadline; i++) {
		r->seed = seed + i;
		alarm(PATIENCE);
		torture_run(program,
			    make_program(seed + i, seed / BATCH % 2, program));
	}
	_exit(0);
}

static pid_t start(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) {
			perror("waitpid");
			exit(1);
		}
	return status;
}

/* Whether a program fails; with a trace, it says what it does. */
static int fails(const unsigned char *program, size_t sz, int trace)
{
	pid_t pid = start();

	if (pid == 0) {
		torture_figures = &reports[options.jobs].figures;
		torture_trace = trace;
		alarm(10);
		if (!trace && !freopen("/dev/null", "w", stderr))
			_exit(2);
		torture_run(program, sz);
		_exit(0);
	}
	return status_of(pid) != 0;
}

static void say_end(int status)
{
	if (WIFSIGNALED(status))
		printf("ended by signal %d (%s)\n", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else
		printf("exit status %d\n", WEXITSTATUS(status));
}

/* ---- shrinking -------------------------------------------------------------- */

/* Delete ranges of operations as long as it fails. */
static size_t shrink(unsigned char *p, size_t sz)
{
	static unsigned char q[MAX_SIZE];
	double deadline = now() + SHRINKING;
	size_t range = (sz - HEAD) / OP / 2;

	while (range > 0 && now() < deadline) {
		int shorter = 0;

		for (size_t at = HEAD; at < sz && now() < deadline;) {
			size_t cut = range * OP;

			if (cut > sz - at)
				cut = sz - at;
			memcpy(q, p, at);
			memcpy(q + at, p + at + cut, sz - at - cut);
			if (fails(q, sz - cut, 0)) {
				sz -= cut;
				memcpy(p, q, sz);
				shorter = 1;
			} else {
				at += cut;
			}
		}
		if (range == 1 && shorter)
			continue;
		range /= 2;
	}
	return sz;
}

/* What libtool has put into .libs needs its wrapper to find the library. */
static void show_command(void)
{
	const char *libs = strstr(command, ".libs/");

	if (libs)
		printf("%.*s%s", (int)(libs - command), command,
		       libs + strlen(".libs/"));
	else
		printf("%s", command);
	if (torture_signals)
		printf(" --signals %d", torture_signals);
	printf(" --trace --replay -\n");
}

/* Octal numbers, because printf(1) of each shell knows them. */
static void show(const unsigned char *p, size_t sz)
{
	printf("%zu operations; they run again with:\nprintf '",
	       (sz - HEAD) / OP);
	for (size_t i = 0; i < sz; i++)
		printf("\\%o", p[i]);
	printf("' | ");
	show_command();
	fflush(stdout);
	fails(p, sz, 1);
}

static void explain(uint64_t seed, uint64_t batch, int status)
{
	static unsigned char p[MAX_SIZE];
	size_t sz = make_program(seed, batch / BATCH % 2, p);
	int again = 0;

	printf("FAILED: seed %llu, in the process of seed %llu: ",
	       (unsigned long long)seed, (unsigned long long)batch);
	say_end(status);
	if (options.no_shrink)
		return;
	for (int i = 0; i < 5 && !again; i++)
		again = fails(p, sz, 0);
	if (!again) {
		printf("alone it does not fail: --seed %llu --length %ld runs "
		       "what came before\n",
		       (unsigned long long)batch, options.length);
		return;
	}
	sz = shrink(p, sz);
	if (p[0] & (HEAD_THREADS | HEAD_WORLDS)) {
		unsigned char head = p[0];

		p[0] &= HEAD_ALLOCATOR;
		if (!fails(p, sz, 0))
			p[0] = head;
	}
	show(p, sz);
}

/* ---- figures ---------------------------------------------------------------- */

static struct figures sum(void)
{
	struct figures f = { 0 };

	for (long i = 0; i < options.jobs; i++) {
		const struct figures *g = &reports[i].figures;

		f.operations += g->operations;
		f.switches += g->switches;
		f.signals += g->signals;
		f.faults += g->faults;
		f.cos += g->cos;
		f.bytes += g->bytes;
		f.programs += g->programs;
	}
	return f;
}

static void tell(const char *what, double since, int failures)
{
	struct figures f = sum();

	printf("%s%.0f s: programs %llu, operations %llu, switches %llu, "
	       "signals "
	       "%llu, "
	       "faults %llu, cos %llu, bytes copied %llu; failures: %d\n",
	       what, now() - since, (unsigned long long)f.programs,
	       (unsigned long long)f.operations, (unsigned long long)f.switches,
	       (unsigned long long)f.signals, (unsigned long long)f.faults,
	       (unsigned long long)f.cos, (unsigned long long)f.bytes,
	       failures);
	fflush(stdout);
}

static int run_batches(void)
{
	pid_t pids[64] = { 0 };
	uint64_t batches[64] = { 0 };
	uint64_t next = options.seed;
	double since = now(), told = since, deadline;
	int failures = 0, busy = 0, status;

	deadline = since + (options.seconds ? (double)options.seconds : 1e9);
	for (;;) {
		int more = !failures && now() < deadline &&
			   (!options.operations ||
			    sum().operations < (uint64_t)options.operations);

		for (long i = 0; i < options.jobs && more; i++) {
			if (pids[i])
				continue;
			batches[i] = next;
			next += BATCH;
			pids[i] = start();
			if (pids[i] == 0)
				child_of_batch(&reports[i], batches[i],
					       deadline);
			busy++;
		}
		if (!busy)
			break;
		pid_t pid = waitpid(-1, &status, 0);

		for (long i = 0; i < options.jobs; i++) {
			if (pids[i] != pid)
				continue;
			pids[i] = 0;
			busy--;
			if (status == 0 || failures++)
				continue;
			explain(reports[i].seed, batches[i], status);
		}
		if (!options.quiet && now() - told >= 10) {
			told = now();
			tell("", since, failures);
		}
	}
	tell("total: ", since, failures);
	return failures != 0;
}

/* ---- main ------------------------------------------------------------------- */

static int replay(void)
{
	static unsigned char program[MAX_SIZE];
	FILE *f = strcmp(options.replay, "-") ? fopen(options.replay, "rb")
					      : stdin;
	size_t sz;

	if (!f) {
		perror(options.replay);
		return 2;
	}
	sz = fread(program, 1, sizeof(program), f);
	torture_figures = &reports[0].figures;
	torture_run(program, sz);
	if (!options.quiet)
		tell("total: ", now(), 0);
	return 0;
}

static long number(const char *text, long most)
{
	return torture_number(text, most, usage);
}

static void parse(char **arg)
{
	for (; *arg; arg++) {
		const char *name = *arg;

		if (!strcmp(name, "--help")) {
			fputs(usage, stdout);
			exit(0);
		} else if (!strcmp(name, "--trace")) {
			torture_trace = 1;
		} else if (!strcmp(name, "--abort")) {
			torture_aborts = 1;
		} else if (!strcmp(name, "--quiet")) {
			options.quiet = 1;
		} else if (!strcmp(name, "--no-shrink")) {
			options.no_shrink = 1;
		} else if (!arg[1]) {
			number(NULL, 0);
		} else if (!strcmp(name, "--replay")) {
			options.replay = *++arg;
		} else if (!strcmp(name, "--seconds")) {
			options.seconds = number(*++arg, 10000000);
		} else if (!strcmp(name, "--operations")) {
			options.operations = number(*++arg, 2000000000);
		} else if (!strcmp(name, "--seed")) {
			options.seed = (unsigned long)number(*++arg,
							     0x7fffffff);
		} else if (!strcmp(name, "--length")) {
			options.length = number(*++arg, MAX_OPS);
		} else if (!strcmp(name, "--jobs")) {
			options.jobs = number(*++arg, 64);
		} else if (!strcmp(name, "--signals")) {
			torture_signals = (int)number(*++arg, 100000);
		} else {
			number(NULL, 0);
		}
	}
	if (!options.jobs || !options.length)
		number(NULL, 0);
	if (!options.seconds && !options.operations)
		options.seconds = 10;
}

int main(int argc, char **argv)
{
	(void)argc;
	command = argv[0];
	parse(argv + 1);
	reports = mmap(NULL, sizeof(*reports) * (size_t)(options.jobs + 1),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	if (reports == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	return options.replay ? replay() : run_batches();
}
