/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unload-host.c - loads unload-plugin.c and closes it while the process goes on
 *
 * Arguments: the path of the plugin, and the name of a test below.  Without any it
 * prints their names; with "io", those for unload-io-plugin.c.
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path;
static void *handle;

#define CHECK(cond)                                                \
	do {                                                       \
		if (!(cond)) {                                     \
			fprintf(stderr,                            \
				"unload-host: line %d: not true: " \
				"%s\n",                            \
				__LINE__, #cond);                  \
			_exit(1);                                  \
		}                                                  \
	} while (0)

static void load(void)
{
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CHECK(handle);
}

/* Or all tests would pass. */
static void unload(void)
{
	CHECK(dlclose(handle) == 0);
	CHECK(!dlopen(path, RTLD_NOW | RTLD_NOLOAD));
}

static void call(const char *name)
{
	void *p = dlsym(handle, name);
	void (*fn)(void);

	CHECK(p);
	memcpy(&fn, &p, sizeof(p));
	fn();
}

static void report(int on)
{
	void *p = dlsym(handle, "plugin_report");
	void (*fn)(int);

	CHECK(p);
	memcpy(&fn, &p, sizeof(p));
	fn(on);
}

/* ---- a thread that goes on ----------------------------------------------- */

static sem_t done, go_on;
static int reporting;

static void *uses_and_waits(void *arg)
{
	if (reporting)
		report(1);
	call("plugin_resume");
	call("plugin_resume");
	sem_post(&done);
	sem_wait(&go_on);
	return arg;
}

static pthread_t thread_that_used_it(void)
{
	pthread_t thread;

	CHECK(sem_init(&done, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
	load();
	call("plugin_make");
	CHECK(!pthread_create(&thread, NULL, uses_and_waits, NULL));
	sem_wait(&done);
	return thread;
}

static void thread_ends(void)
{
	pthread_t thread = thread_that_used_it();

	call("plugin_destroy");
	unload();
	sem_post(&go_on);
	CHECK(!pthread_join(thread, NULL));
}

static void thread_with_alternate_stack_ends(void)
{
	reporting = 1;
	thread_ends();
}

/* ---- again and again ----------------------------------------------------- */

static void *makes(void *arg)
{
	call("plugin_make");
	return arg;
}

/* So this thread gets a main co of the library's own. */
static void make_in_another_thread(void)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, makes, NULL));
	CHECK(!pthread_join(thread, NULL));
}

static void live(const char *use)
{
	load();
	make_in_another_thread();
	call("plugin_resume");
	call(use);
	call("plugin_destroy");
	unload();
}

static void keys_do_not_run_out(void)
{
	for (int i = 0; i < PTHREAD_KEYS_MAX + 10; i++)
		live("plugin_resume");
}

static long pages(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long n = 0;

	CHECK(file && fscanf(file, "%ld", &n) == 1);
	fclose(file);
	return n;
}

static void memory_is_given_back(void)
{
	long before;

	live("plugin_use_stacks");
	before = pages();
	for (int i = 0; i < 10; i++)
		live("plugin_use_stacks");
	CHECK(pages() < before + 256);
}

/* The thread has what a thread keeps of the library, and the library that it is
   told to use is another one each time. */
static void *uses_again_and_again(void *arg)
{
	for (;;) {
		sem_wait(&go_on);
		if (!handle)
			return arg;
		call("plugin_make");
		call("plugin_resume");
		call("plugin_destroy");
		sem_post(&done);
	}
}

static void memory_of_another_thread_is_given_back(void)
{
	pthread_t thread;
	long before = 0;

	CHECK(sem_init(&done, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
	CHECK(!pthread_create(&thread, NULL, uses_again_and_again, NULL));
	for (int i = 0; i < 10; i++) {
		load();
		sem_post(&go_on);
		sem_wait(&done);
		unload();
		if (i == 0)
			before = pages();
	}
	CHECK(pages() < before + 256);
	handle = NULL;
	sem_post(&go_on);
	CHECK(!pthread_join(thread, NULL));
}

/* ---- signals and fork ---------------------------------------------------- */

static struct sigaction action(void)
{
	struct sigaction sa;

	CHECK(sigaction(SIGSEGV, NULL, &sa) == 0);
	return sa;
}

static void handler_and_alternate_stack_go(void)
{
	stack_t ss;

	load();
	report(1);
	CHECK(action().sa_handler != SIG_DFL);
	unload();
	CHECK(action().sa_handler == SIG_DFL);
	CHECK(sigaltstack(NULL, &ss) == 0 && (ss.ss_flags & SS_DISABLE));
}

static void says_nothing(int sig)
{
	(void)sig;
}

static void later_handler_stays(void)
{
	load();
	report(1);
	signal(SIGSEGV, says_nothing);
	unload();
	CHECK(action().sa_handler == says_nothing);
}

static void fork_once(void)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void forks(void)
{
	live("plugin_use_stacks");
	fork_once();
}

/* ---- exit(3), which calls the same destructors --------------------------- */

static void exits_while_loaded(void)
{
	thread_that_used_it();
	reporting = 1;
	report(1);
	call("plugin_use_stacks");
	exit(0);
}

static void exits_in_handler(int sig)
{
	stack_t ss;

	(void)sig;
	CHECK(sigaltstack(NULL, &ss) == 0 && (ss.ss_flags & SS_ONSTACK));
	exit(0);
}

/* On the alternate stack. */
static void exits_from_handler(void)
{
	signal(SIGSEGV, exits_in_handler);
	load();
	call("plugin_make");
	report(1);
	call("plugin_fault");
	_exit(1);
}

static void exits_in_a_co(void)
{
	load();
	make_in_another_thread();
	call("plugin_exit_in_co");
	_exit(1);
}

static void *lives_on(void *arg)
{
	for (int i = 0;; i++) {
		call("plugin_use_stacks");
		call("plugin_resume");
		if (i == 10)
			sem_post(&done);
	}
	return arg;
}

static void exits_while_a_thread_runs(void)
{
	pthread_t thread;

	CHECK(sem_init(&done, 0, 0) == 0);
	load();
	report(1);
	call("plugin_make");
	CHECK(!pthread_create(&thread, NULL, lives_on, NULL));
	sem_wait(&done);
	exit(0);
}

/* ---- libaco-io, with unload-io-plugin.c ----------------------------------- */

static void io_without_threads(void)
{
	for (int i = 0; i < 10; i++) {
		load();
		call("plugin_run");
		unload();
		fork_once();
	}
}

/* Their threads go on, in the library. */
static void io_calls_given_up(void)
{
	for (int i = 0; i < 100; i++) {
		load();
		call("plugin_give_up");
		unload();
	}
	fork_once();
}

static void *runs_and_waits(void *arg)
{
	call("plugin_run");
	sem_post(&done);
	sem_wait(&go_on);
	return arg;
}

static void io_thread_ends(void)
{
	pthread_t thread;

	CHECK(sem_init(&done, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
	load();
	CHECK(!pthread_create(&thread, NULL, runs_and_waits, NULL));
	sem_wait(&done);
	unload();
	sem_post(&go_on);
	CHECK(!pthread_join(thread, NULL));
}

/* ---- beside the shared library ------------------------------------------- */

static void *handler_of_segv(void)
{
	struct sigaction sa;
	void *p;

	CHECK(sigaction(SIGSEGV, NULL, &sa) == 0);
	memcpy(&p, &sa.sa_handler, sizeof(p));
	return p;
}

/*
 * The dynamic linker leads the calls of the plugin to the shared library of the
 * process.  The end of the copy in the plugin is not the end of that one's reports.
 */
static void shared_library_goes_on(void)
{
	void *shared = dlopen(getenv("ACO_SHARED"), RTLD_NOW | RTLD_GLOBAL);
	int (*report_by)(int);
	void *p, *handler;

	CHECK(shared);
	p = dlsym(shared, "aco_overflow_report");
	CHECK(p);
	memcpy(&report_by, &p, sizeof(p));
	CHECK(report_by(1) == 0);
	handler = handler_of_segv();
	CHECK(handler);
	load();
	call("plugin_make");
	call("plugin_destroy");
	unload();
	CHECK(handler_of_segv() == handler);
	CHECK(report_by(0) == 0);
	CHECK(!handler_of_segv());
}

struct test {
	const char *name;
	void (*fn)(void);
};

static const struct test io_tests[] = {
	{ "io_without_threads", io_without_threads },
	{ "io_calls_given_up", io_calls_given_up },
	{ "io_thread_ends", io_thread_ends },
	{ NULL, NULL },
};

static const struct test shared_tests[] = {
	{ "shared_library_goes_on", shared_library_goes_on },
	{ NULL, NULL },
};

static const struct test core_tests[] = {
	{ "thread_ends", thread_ends },
	{ "thread_with_alternate_stack_ends",
	  thread_with_alternate_stack_ends },
	{ "keys_do_not_run_out", keys_do_not_run_out },
	{ "memory_is_given_back", memory_is_given_back },
	{ "memory_of_another_thread_is_given_back",
	  memory_of_another_thread_is_given_back },
	{ "handler_and_alternate_stack_go", handler_and_alternate_stack_go },
	{ "later_handler_stays", later_handler_stays },
	{ "forks", forks },
	{ "exits_while_loaded", exits_while_loaded },
	{ "exits_from_handler", exits_from_handler },
	{ "exits_in_a_co", exits_in_a_co },
	{ "exits_while_a_thread_runs", exits_while_a_thread_runs },
	{ NULL, NULL },
};

/* Without a name: prints those there are. */
static bool run(const struct test *test, const char *name)
{
	for (; test->name; test++)
		if (!name) {
			puts(test->name);
		} else if (!strcmp(name, test->name)) {
			test->fn();
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		run(argc == 2 ? io_tests : core_tests, NULL);
		return 0;
	}
	path = argv[1];
	return run(core_tests, argv[2]) || run(io_tests, argv[2]) ||
			       run(shared_tests, argv[2])
		       ? 0
		       : 99;
}
