/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigwait.c - signals; between two waits they stay pending, as they are blocked
 */
#include "internal.h"

#include <sys/signalfd.h>

int aco_io_sigwait(const sigset_t *set, int64_t deadline)
{
	struct signalfd_siginfo info;
	int fd, result, error;

	if (!set)
		return fail(EINVAL);
	if (!running())
		return -1;
	fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -1;
	aco_io_fd_forget(fd, FD_NONBLOCKING);
	result = aco_io_read(fd, &info, sizeof(info), deadline) < 0
			 ? -1
			 : (int)info.ssi_signo;
	error = errno;
	aco_io_close(fd);
	return result < 0 ? fail(error) : result;
}
