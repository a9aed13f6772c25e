/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unload-io-plugin.c - a shared object that uses libaco-io
 *
 * unload-host.c loads it, and closes it again.
 */
#include <aco_io.h>

#include <errno.h>
#include <netdb.h>

#include "unload-plugin.h"

static int ran;

static void add(void *arg)
{
	(void)arg;
	aco_assert(aco_io_sleep(aco_io_after(1)) == 0);
	ran++;
}

static void look_up(void *arg)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found = NULL;

	(void)arg;
	/* given up at once */
	aco_assert(aco_io_getaddrinfo("127.0.0.1", NULL, &hints, &found, 0) ==
		   EAI_SYSTEM);
	aco_assert(errno == ETIMEDOUT);
	ran++;
}

static void run(aco_io_func_t fn)
{
	aco_io_t *io = aco_io_new(NULL);

	aco_assertptr(io);
	ran = 0;
	for (unsigned i = 0; i < 4; i++)
		aco_assert(aco_io_go(NULL, fn, NULL, i & ACO_IO_SHARED) != 0);
	while (aco_io_run(io) || aco_io_destroy(io))
		aco_assert(errno == EBUSY);
	aco_assert(ran == 4);
}

void plugin_run(void)
{
	run(add);
}

void plugin_give_up(void)
{
	run(look_up);
}
