/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin-host.c - loads plugin.c, whose path is the argument
 *
 * PLUGIN_LINKED: this program is linked with libaco, too, and switches cos
 * together with the plugin.
 */
#if defined(PLUGIN_LINKED)
#include <aco.h>
#endif

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *handle;

static void fail(const char *what)
{
	const char *why = dlerror();

	fprintf(stderr, "plugin-host: %s: %s\n", what, why ? why : "failed");
	exit(1);
}

/* ISO C has no conversion between data and functions; POSIX has. */
static void find(const char *name, void *fn)
{
	void *p = dlsym(handle, name);

	if (!p)
		fail(name);
	memcpy(fn, &p, sizeof(p));
}

static void load(const char *path)
{
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		fail("dlopen");
}

static void run(void)
{
	int (*plugin_run)(int);

	find("plugin_run", &plugin_run);
	if (plugin_run(30000) != 30000)
		fail("plugin_run");
}

static void *run_in_thread(void *unused)
{
	run();
	return unused;
}

static void join(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, arg) || pthread_join(t, NULL))
		fail("thread");
}

/*
 * A thread ends that has a main co of the library's own, and the library was
 * to be unloaded before.  Fails unless libaco stays (-z nodelete): the
 * destructor of the thread-specific value is its code.
 */
static void *guest_of_other_thread(void *guest)
{
	void (*guest_run)(void *);
	void (*guest_free)(void *);

	find("plugin_guest_run", &guest_run);
	find("plugin_guest_free", &guest_free);
	guest_run(guest);
	guest_run(guest);
	guest_free(guest);
	dlclose(handle);
	return NULL;
}

static void unload_before_thread_ends(void)
{
	void *(*guest_new)(void);

	find("plugin_guest_new", &guest_new);
	join(guest_of_other_thread, guest_new());
}

#if defined(PLUGIN_LINKED)
static void (*plugin_resume)(void *);
static void (*plugin_yield)(void);
static int count;

static void together_player(void)
{
	for (;;) {
		count++;
		if (count & 1)
			plugin_yield();
		else
			aco_yield();
	}
}

/* What one object suspends, the other continues. */
static void together(void)
{
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *stack = aco_share_stack_new(0);
	aco_t *co = aco_create(main_co, stack, 0, together_player, NULL);
	int i;

	find("plugin_resume", &plugin_resume);
	find("plugin_yield", &plugin_yield);
	for (i = 0; i < 30000; i++)
		if (i % 3)
			plugin_resume(co);
		else
			aco_resume(co);
	if (count != i)
		fail("together");
	aco_destroy(co);
	aco_share_stack_destroy(stack);
	aco_destroy(main_co);
}
#endif

int main(int argc, char **argv)
{
	if (argc != 2)
		return 99;
	load(argv[1]);
	run();
	join(run_in_thread, NULL);
#if defined(PLUGIN_LINKED)
	together();
#endif
	unload_before_thread_ends();
	load(argv[1]);
	run();
	dlclose(handle);
	return 0;
}
