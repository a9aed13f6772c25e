/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.c - each call that the library makes is refused once
 *
 * A run is a process: a scenario in which one call of one function fails, or that
 * call and all later ones; then the same scenario with nothing in its way, which has
 * to succeed; then what is left is compared with what two runs without a fault
 * leave.
 */
#include "faults.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PATIENCE 120 /* seconds until a run counts as hung */

static const char usage[] = "usage: faults [--quick] [--scenario NAME] "
			    "[--function NAME] [--verbose]\n"
			    "       faults --kernel [--quick] [--scenario "
			    "NAME] [--condition NAME]\n"
			    "              [--verbose]\n"
			    "\n"
			    "Refuses each call of malloc(3), mmap(2) and so on "
			    "that the library makes, in\n"
			    "each scenario, once and for good, with each "
			    "errno.  --kernel lets the kernel\n"
			    "refuse: by seccomp filters, and by limits.  "
			    "--quick takes a part of all runs.\n";

static struct {
	int quick, kernel, verbose;
	const char *scenario, *function, *condition;
} options;

struct report *report;
int kernel_refuses, lied;

static struct {
	unsigned long runs, faults, reported, repeated, failures;
} sum, sums[FUNCTIONS];

/* ---- in the process of a run ------------------------------------------------ */

void flaw(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(report->flaw, sizeof(report->flaw), format, args);
	va_end(args);
	_exit(1);
}

/* What persists goes on for two more calls, which have to fail in the same way. */
int again(const char *call, int error, int allowed)
{
	static int tries;

	if (error != allowed)
		flaw("%s fails with %s, which its page does not name", call,
		     strerror(error));
	report->reported++;
	if (kernel_refuses)
		return 0;
	if (!faults_struck_call())
		flaw("%s fails, and nothing was refused", call);
	if (plan.persists && ++tries < 3)
		return 1;
	tries = 0;
	plan.at = 0;
	report->repeated++;
	return 1;
}

struct variant {
	const char *name;
	int bystanders, no_guard_advice;
};

static const struct variant variants[] = {
	{ "beside other cos", 1, 0 },
	{ "first of all", 0, 0 },
	{ "beside other cos, without MADV_GUARD_INSTALL", 1, 1 },
	{ "first of all, without MADV_GUARD_INSTALL", 0, 1 },
};

/* Under AddressSanitizer, which has mappings of its own, and looks for leaks. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((__weak__));

static void look_for_leaks(void)
{
	aco_stats_t stats;

	MUST(aco_stats(&stats) == 0);
	MUST(!stats.cos && !stats.stacks && !stats.stacks_cached);
	MUST(!stats.save_bytes);
	report->left = faults_holdings();
	if (!__lsan_do_recoverable_leak_check)
		return;
	report->left.anonymous = 0;
	if (!report->left.kept && __lsan_do_recoverable_leak_check())
		flaw("LeakSanitizer has found something");
}

static void inject(const struct scenario *s, const struct variant *v,
		   const struct plan *p)
{
	no_guard_advice = v->no_guard_advice;
	if (v->bystanders)
		bystanders_make();
	memset(report->calls, 0, sizeof(report->calls));
	plan = *p;
	lied = p->lies;
	s->run();
	report->struck = struck;
	memset(&plan, 0, sizeof(plan));
	bystanders_check();
	s->run();
	bystanders_check();
	bystanders_destroy();
	look_for_leaks();
}

static int let_kernel_refuse(const struct scenario *s,
			     const struct condition *c, unsigned step)
{
	if (!s->is_alone)
		bystanders_make();
	if (!c->run(s, c, step))
		return 0;
	kernel_refuses = 0;
	bystanders_check();
	s->run();
	bystanders_check();
	bystanders_destroy();
	look_for_leaks();
	return 1;
}

/* ---- runs ------------------------------------------------------------------- */

static pid_t start(void)
{
	static const struct rlimit none;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("faults: fork");
		exit(2);
	}
	if (pid > 0)
		return pid;
	alarm(PATIENCE);
	mallopt(M_ARENA_MAX, 1); /* else it depends on when threads meet */
	setrlimit(RLIMIT_CORE, &none);
	if (!options.verbose && !freopen("/dev/null", "w", stderr))
		_exit(3);
	return 0;
}

#define IS_LEFT_OUT 77

/* How a run has ended: 0, IS_LEFT_OUT, or 1 with the flaw in the report. */
static int finish(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid) {
		perror("faults: waitpid");
		exit(2);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == IS_LEFT_OUT)
		return IS_LEFT_OUT;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	    report->may_abort) {
		report->reported++;
		report->struck++; /* if it was not noted before */
		report->may_abort = 2;
		return 0;
	}
	if (status && !report->flaw[0])
		snprintf(report->flaw, sizeof(report->flaw),
			 WIFSIGNALED(status) ? "killed by signal %d"
					     : "ended with status %d",
			 WIFSIGNALED(status) ? WTERMSIG(status)
					     : WEXITSTATUS(status));
	return status != 0;
}

/* Compare what is left with what is left without a fault. */
static int leaks(const struct holdings *without, int look_at_maps)
{
	const struct holdings *left = &report->left;

	if (report->may_abort)
		return 0;
	if (left->blocks > without->blocks || left->keys > without->keys ||
	    left->mapped > without->mapped + left->kept ||
	    (look_at_maps &&
	     left->anonymous > without->anonymous + left->kept)) {
		snprintf(report->flaw, sizeof(report->flaw),
			 "left: %zu blocks (without a fault %zu), %zu keys "
			 "(%zu), "
			 "%zu bytes mapped (%zu and %zu not given back), "
			 "%zu in the maps (%zu)",
			 left->blocks, without->blocks, left->keys,
			 without->keys, left->mapped, without->mapped,
			 left->kept, left->anonymous, without->anonymous);
		return 1;
	}
	return 0;
}

static void count(unsigned long *runs, int failed, enum function f,
		  const char *what)
{
	++*runs;
	sum.faults += report->struck;
	sum.reported += report->reported;
	sum.repeated += report->repeated;
	sums[f].faults += report->struck;
	sums[f].reported += report->reported;
	sums[f].failures += failed != 0;
	sum.failures += failed != 0;
	if (failed)
		printf("FAIL: %s: %s\n", what, report->flaw);
	fflush(stdout);
}

/* ---- each call -------------------------------------------------------------- */

/* 0: the scenario has not so many calls. */
static int run_plan(const struct scenario *s, const struct variant *v,
		    const struct plan *p, const struct holdings *without)
{
	char what[200];
	int failed;
	pid_t pid = start();

	if (pid == 0) {
		inject(s, v, p);
		_exit(0);
	}
	failed = finish(pid) || leaks(without, !p->lies);
	snprintf(what, sizeof(what), "%s, %s: %s number %u%s%s, error %u",
		 s->name, v->name, function_names[p->function], p->at,
		 p->persists ? " and later ones" : "",
		 p->lies ? " do nothing" : "", p->error);
	if (options.verbose)
		printf("%s: %u\n", what, report->struck);
	if (failed || report->struck)
		count(&sum.runs, failed, p->function, what);
	if (failed || report->struck)
		sums[p->function].runs++;
	return failed || report->struck;
}

/* In a short run not each call of a thousand, and after a failure no more. */
static void run_plans(const struct scenario *s, const struct variant *v,
		      struct plan p, const struct holdings *without)
{
	unsigned long failures = sum.failures;

	for (p.at = 1; sum.failures < failures + 3;
	     p.at += options.quick && p.at > 4 ? p.at : 1)
		if (!run_plan(s, v, &p, without))
			break;
}

static void run_function(const struct scenario *s, const struct variant *v,
			 enum function f, const struct holdings *without)
{
	struct plan p = { .function = f };
	unsigned errors = options.quick ? 1 : faults_errors(f);

	for (p.error = 0; p.error < errors; p.error++)
		for (p.persists = 0; p.persists < (p.error ? 1 : 2);
		     p.persists++)
			run_plans(s, v, p, without);
	p.error = 0;
	p.lies = 1;
	for (p.persists = 0; faults_can_lie(f) && p.persists < 2; p.persists++)
		run_plans(s, v, p, without);
}

/* Two runs without a fault: what they leave, and which functions they call. */
static int run_without(const struct scenario *s, const struct variant *v,
		       struct holdings *left)
{
	static const struct plan none;
	pid_t pid = start();
	int failed;

	if (pid == 0) {
		inject(s, v, &none);
		_exit(0);
	}
	failed = finish(pid);
	*left = report->left;
	if (failed)
		count(&sum.runs, failed, F_ANY, s->name);
	return !failed;
}

static void run_scenario(const struct scenario *s)
{
	size_t n = sizeof(variants) / sizeof(*variants);
	unsigned calls[FUNCTIONS];
	struct holdings without;

	for (size_t i = 0; i < n; i++) {
		if (s->is_alone && variants[i].bystanders)
			continue;
		if (options.quick && !s->is_alone &&
		    i != (size_t)(s - scenarios + 1) % n)
			continue;
		if (!run_without(s, &variants[i], &without))
			continue;
		memcpy(calls, report->calls, sizeof(calls));
		calls[F_ANY] = 1;
		for (enum function f = 0; f < FUNCTIONS; f++)
			if (calls[f] &&
			    (!options.function ||
			     !strcmp(options.function, function_names[f])))
				run_function(s, &variants[i], f, &without);
	}
}

/* ---- the kernel refuses ------------------------------------------------------ */

static int run_condition(const struct scenario *s, const struct condition *c,
			 unsigned step, struct holdings *without)
{
	char what[200];
	int failed;
	pid_t pid = start();

	if (pid == 0)
		_exit(let_kernel_refuse(s, c, step) ? 0 : IS_LEFT_OUT);
	failed = finish(pid);
	if (failed == IS_LEFT_OUT)
		return 0;
	if (c == conditions) /* which refuses nothing */
		*without = report->left;
	/* what was said to be an action of SIGSEGV is noted as one */
	if (!c->answer)
		report->left.blocks = without->blocks;
	failed = failed || leaks(without, 0);
	report->struck = report->reported;
	snprintf(what, sizeof(what), "%s, %s, step %u", s->name, c->name, step);
	if (options.verbose)
		printf("%s: %u\n", what, report->reported);
	count(&sum.runs, failed, F_ANY, what);
	return 1;
}

static void run_conditions(const struct condition *c, struct holdings *without)
{
	unsigned long faults = sum.faults, runs = sum.runs;

	if (c != conditions && options.condition &&
	    !strstr(c->name, options.condition))
		return;
	for (size_t i = 0; i < scenario_count; i++) {
		const struct scenario *s = &scenarios[i];
		unsigned steps = options.quick ? c->few : c->steps, step;

		if (options.scenario && strcmp(options.scenario, s->name))
			continue;
		if (c->steps > 2 &&
		    (s->is_limited || (options.quick && i % 4 != 1)))
			continue;
		for (step = 0; step < steps; step++)
			if (!run_condition(s, c, c->steps / steps * step,
					   &without[i]))
				break;
	}
	printf("%s: runs %lu, refusals reported %lu%s\n", c->name,
	       sum.runs - runs, sum.faults - faults,
	       sum.runs == runs ? " (not to be had here)" : "");
}

/* ---- the command -------------------------------------------------------------- */

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick"))
			options.quick = 1;
		else if (!strcmp(argv[i], "--kernel"))
			options.kernel = 1;
		else if (!strcmp(argv[i], "--verbose"))
			options.verbose = 1;
		else if (!strcmp(argv[i], "--scenario") && i + 1 < argc)
			options.scenario = argv[++i];
		else if (!strcmp(argv[i], "--function") && i + 1 < argc)
			options.function = argv[++i];
		else if (!strcmp(argv[i], "--condition") && i + 1 < argc)
			options.condition = argv[++i];
		else {
			fputs(usage, stderr);
			exit(2);
		}
	}
}

static void inject_everywhere(void)
{
	for (size_t i = 0; i < scenario_count; i++)
		if (!options.scenario ||
		    !strcmp(options.scenario, scenarios[i].name)) {
			unsigned long runs = sum.runs, faults = sum.faults;

			run_scenario(&scenarios[i]);
			printf("scenario %s: runs %lu, faults %lu\n",
			       scenarios[i].name, sum.runs - runs,
			       sum.faults - faults);
		}
	for (enum function f = 0; f < FUNCTIONS; f++)
		printf("function %s: runs %lu, faults %lu, reported %lu, "
		       "failures %lu\n",
		       function_names[f], sums[f].runs, sums[f].faults,
		       sums[f].reported, sums[f].failures);
}

int main(int argc, char **argv)
{
	static struct holdings without[100];

	parse(argc, argv);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED) {
		perror("faults: mmap");
		return 2;
	}
	if (options.kernel)
		for (size_t i = 0; i < condition_count; i++)
			run_conditions(&conditions[i], without);
	else
		inject_everywhere();
	printf("total: runs %lu, faults %lu, reported %lu, repeated %lu, "
	       "failures %lu\n",
	       sum.runs, sum.faults, sum.reported, sum.repeated, sum.failures);
	return sum.failures > 0 || sum.runs == 0;
}
