/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.c - names of hosts, by the C library's getaddrinfo(3) in a thread
 */
#define _GNU_SOURCE 1

#include "internal.h"

#include <netdb.h>

struct lookup {
	char *node, *service; /* copies: the caller's may move, or be gone */
	struct addrinfo hints, *found;
	bool has_hints;
	int result, error;
};

static void look_up(void *arg)
{
	struct lookup *l = arg;

	l->result = getaddrinfo(l->node, l->service,
				l->has_hints ? &l->hints : NULL, &l->found);
	l->error = errno;
}

static void lookup_free(void *arg)
{
	struct lookup *l = arg;

	if (l->found)
		freeaddrinfo(l->found);
	free(l->node);
	free(l->service);
	free(l);
}

static struct lookup *lookup_new(const char *node, const char *service,
				 const struct addrinfo *hints)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->node = node ? strdup(node) : NULL;
	l->service = service ? strdup(service) : NULL;
	if ((node && !l->node) || (service && !l->service)) {
		lookup_free(l);
		return NULL;
	}
	if (hints) {
		l->has_hints = true;
		l->hints = *hints;
	}
	return l;
}

int aco_io_getaddrinfo(const char *node, const char *service,
		       const struct addrinfo *hints, struct addrinfo **res,
		       int64_t deadline)
{
	struct lookup *l;
	bool given_up;
	int result;

	if (!res) {
		errno = EINVAL;
		return EAI_SYSTEM;
	}
	if (aco_io_take_turn(true))
		return EAI_SYSTEM;
	l = lookup_new(node, service, hints);
	if (!l)
		return EAI_MEMORY;
	if (aco_io_pool_call(look_up, l, lookup_free, deadline, &given_up)) {
		int error = errno;

		if (!given_up)
			lookup_free(l);
		errno = error;
		return EAI_SYSTEM;
	}
	result = l->result;
	*res = l->found;
	l->found = NULL;
	if (result == EAI_SYSTEM)
		errno = l->error;
	lookup_free(l);
	return result;
}
