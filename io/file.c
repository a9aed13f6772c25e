/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - regular files, which the kernel never calls "not ready"
 */
#define _GNU_SOURCE 1

#include "internal.h"

#include <sys/uio.h>

_Static_assert(sizeof(off_t) == sizeof(int64_t), "_FILE_OFFSET_BITS=64");

struct transfer {
	int fd, error;
	bool is_write;
	char *buf;
	size_t len;
	int64_t offset;
	ssize_t result;
};

static void transfer(void *arg)
{
	struct transfer *t = arg;

	t->result = t->is_write ? pwrite(t->fd, t->buf, t->len, t->offset)
				: pread(t->fd, t->buf, t->len, t->offset);
	t->error = errno;
}

/* A thread can't use a buffer that moves: it gets a copy, behind the struct. */
static struct transfer *transfer_new(const struct transfer *from)
{
	bool is_movable = aco_io_is_movable(from->buf);
	size_t extra = is_movable ? from->len : 0;
	struct transfer *t;

	if (extra > SSIZE_MAX - sizeof(*t)) {
		errno = EINVAL;
		return NULL;
	}
	t = malloc(sizeof(*t) + extra);
	if (!t)
		return NULL;
	*t = *from;
	if (is_movable)
		t->buf = (char *)(t + 1);
	if (is_movable && t->is_write)
		memcpy(t->buf, from->buf, t->len);
	return t;
}

static ssize_t by_thread(const struct transfer *from)
{
	struct transfer *t = transfer_new(from);
	ssize_t result;
	int error;

	if (!t)
		return -1;
	if (aco_io_offload(transfer, t)) {
		free(t);
		return -1;
	}
	result = t->result;
	error = t->error;
	if (result > 0 && !t->is_write && t->buf != from->buf)
		memcpy(from->buf, t->buf, (size_t)result);
	free(t);
	return result < 0 ? fail(error) : result;
}

/* What is cached: then at most one piece is missing, up to the end of the file. */
static ssize_t read_cached(const struct transfer *t)
{
#ifdef RWF_NOWAIT /* then there is preadv2(), too */
	struct iovec v = { t->buf, t->len };

	return preadv2(t->fd, &v, 1, t->offset, RWF_NOWAIT);
#else
	(void)t;
	return fail(EOPNOTSUPP);
#endif
}

static bool needs_thread(int error)
{
	return error == EAGAIN || error == EOPNOTSUPP || error == ENOSYS;
}

ssize_t aco_io_pread(int fd, void *buf, size_t len, int64_t offset)
{
	struct transfer t = {
		.fd = fd, .buf = buf, .len = len, .offset = offset
	};
	ssize_t got = 0, n;

	if (aco_io_take_turn(true))
		return -1;
	if (offset < 0) /* -1 would be the offset of the file, for preadv2(2) */
		return fail(EINVAL);
	while ((n = read_cached(&t)) > 0 && (size_t)n < t.len) {
		t.buf += n;
		t.len -= (size_t)n;
		t.offset += n;
		got += n;
	}
	if (n < 0 && needs_thread(errno))
		n = by_thread(&t);
	if (n < 0)
		return got ? got : -1;
	return got + n;
}

ssize_t aco_io_pwrite(int fd, const void *buf, size_t len, int64_t offset)
{
	struct transfer t = { .fd = fd,
			      .is_write = true,
			      .buf = (char *)buf,
			      .len = len,
			      .offset = offset };

	return by_thread(&t);
}
