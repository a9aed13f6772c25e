/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtual.c - a clock that goes on only while the scheduler waits
 */
#include "virtual.h"

#include <sys/epoll.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __real_epoll_wait(int fd, struct epoll_event *events, int n, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int n, int timeout);

bool virtual_on;
int64_t virtual_now;
int virtual_waits, virtual_looks;

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	if (!virtual_on || id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, t);
	t->tv_sec = (time_t)(virtual_now / SECOND);
	t->tv_nsec = (long)(virtual_now % SECOND);
	return 0;
}

/* Where nothing is there, the time passes at once. */
int __wrap_epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
	int result;

	virtual_waits++;
	virtual_looks += timeout == 0;
	if (!virtual_on || timeout < 0)
		return __real_epoll_wait(fd, events, n, timeout);
	result = __real_epoll_wait(fd, events, n, 0);
	if (result == 0)
		virtual_now += timeout * MS;
	return result;
}
