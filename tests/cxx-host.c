/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx-host.c - a C program that loads a C++ library; cxx.sh runs it
 *
 *	cxx-host LIBRARY        before the first co; then all of cxx.cc, in it
 *	cxx-host LIBRARY late   with a co suspended; then what is safe
 */
#include <aco.h>
#include <dlfcn.h>

static void *function(const char *library, const char *name)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	void *f = handle ? dlsym(handle, name) : NULL;

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

int main(int argc, char **argv)
{
	char name[] = "cxx-host";
	char *args[] = { name, NULL };
	int (*cxx_main)(int, char **);

	if (argc > 2) {
		call_late(argv[1]);
		return 0;
	}
	*(void **)&cxx_main = function(argv[1], "cxx_main");
	return cxx_main(1, args);
}
