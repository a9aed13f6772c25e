/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx-host.c - a C program that loads a C++ library; cxx.sh runs it
 *
 *	cxx-host LIBRARY...      before the first co; then all of cxx.cc in each
 *	cxx-host short LIBRARY   the same, found while there is no memory
 *	cxx-host late LIBRARY    with a co suspended; then what is safe
 */
#include <aco.h>
#include <dlfcn.h>
#include <errno.h>

static int has_no_memory;

extern void *__libc_malloc(size_t sz);
void *malloc(size_t sz);

/* For everybody in the process. */
void *malloc(size_t sz)
{
	if (!has_no_memory)
		return __libc_malloc(sz);
	errno = ENOMEM;
	return NULL;
}

static void *handle; /* of the last one */

static void *function(const char *library, const char *name)
{
	void *f;

	handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	f = handle ? dlsym(handle, name) : NULL;

	if (f)
		return f;
	fprintf(stderr, "cxx-host: %s\n", dlerror());
	exit(1);
}

static void calls_its_arg(void)
{
	void (*f)(void);

	aco_yield();
	*(void **)&f = aco_get_arg();
	f();
	aco_exit();
}

/* The arg of the co is what is loaded while it is suspended. */
static void call_late(const char *library)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *co = aco_create(main_co, sstk, 0, calls_its_arg, NULL);

	aco_resume(co);
	co->arg = function(library, "cxx_throw_and_catch");
	aco_resume(co);
	aco_assert(co->is_end);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
}

static void yields_once(void)
{
	aco_yield();
	aco_exit();
}

/* A C++ runtime is unloaded whose state is to be switched. */
static void go_on_without(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *sstk = aco_share_stack_new(0);
	aco_t *co = aco_create(main_co, sstk, 0, yields_once, NULL);

	dlclose(handle);
	aco_resume(co);
	aco_resume(co);
	aco_assert(co->is_end);
	aco_destroy(co);
	aco_share_stack_destroy(sstk);
	aco_destroy(main_co);
}

static int call_all(int (*cxx_main)(int, char **))
{
	char name[] = "cxx-host";
	char *args[] = { name, NULL };

	return cxx_main(1, args);
}

int main(int argc, char **argv)
{
	int (*cxx_main[4])(int, char **);
	int i, is_short;

	if (argc < 2 || argc > 4)
		return 99;
	if (!strcmp(argv[1], "late")) {
		call_late(argv[2]);
		return 0;
	}
	is_short = !strcmp(argv[1], "short");
	argc -= is_short;
	argv += is_short;
	for (i = 1; i < argc; i++)
		*(void **)&cxx_main[i] = function(argv[i], "cxx_main");
	has_no_memory = is_short;
	aco_thread_init(NULL);
	has_no_memory = 0;
	for (i = 1; i < argc; i++)
		if (call_all(cxx_main[i]) != 0)
			return i;
	go_on_without();
	return 0;
}
