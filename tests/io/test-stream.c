/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-stream.c - sockets and pipes: connections, reading and writing
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include "ioutil.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/un.h>

#define BIG ((size_t)4 << 20)

static int fds[2];
static struct sockaddr_in address;
static ssize_t results[4];
static int errors[4];
static char big[BIG];

static int connect_to(struct sockaddr_in *to)
{
	int fd = aco_io_socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(aco_io_connect(fd, (struct sockaddr *)to, sizeof(*to),
					ACO_IO_NEVER),
			 0);
	return fd;
}

static void close_both(void)
{
	aco_io_close(fds[0]);
	aco_io_close(fds[1]);
}

/* ---- connections --------------------------------------------------------- */

IO_TEST(accept_and_connect)
{
	int listener = io_listen(&address, 8);
	struct sockaddr_in from, mine;
	socklen_t len = sizeof(from), mine_len = sizeof(mine);

	io_fails(aco_io_accept(listener, NULL, NULL, 0), ETIMEDOUT);
	io_fails(aco_io_accept(listener, NULL, NULL, aco_io_after(SHORT)),
		 ETIMEDOUT);
	fds[0] = connect_to(&address);
	fds[1] = aco_io_accept(listener, (struct sockaddr *)&from, &len,
			       ACO_IO_NEVER);
	ck_assert_int_ge(fds[1], 0);
	ck_assert_int_ne(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fds[1], F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(
		getsockname(fds[0], (struct sockaddr *)&mine, &mine_len), 0);
	ck_assert_int_eq(from.sin_port, mine.sin_port);
	close_both();
	aco_io_close(listener);
}

/* Of several, one after the other, some of which have gone. */
IO_TEST(accept_several)
{
	const struct linger reset = { 1, 0 };
	int listener = io_listen(&address, 8), clients[6], n = 0;

	for (int i = 0; i < 6; i++)
		clients[i] = connect_to(&address);
	setsockopt(clients[2], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	aco_io_close(clients[2]);
	while ((fds[1] = aco_io_accept(listener, NULL, NULL,
				       aco_io_after(n < 5 ? LONG : SHORT))) >=
	       0) {
		n++;
		aco_io_close(fds[1]);
	}
	ck_assert_int_eq(errno, ETIMEDOUT);
	ck_assert_int_ge(n, 5);
	for (int i = 0; i < 6; i++)
		if (i != 2)
			aco_io_close(clients[i]);
	aco_io_close(listener);
}

IO_TEST(connection_refused)
{
	int fd = io_listen(&address, 1);

	aco_io_close(fd); /* its port is free now */
	fd = aco_io_socket(AF_INET, SOCK_STREAM, 0);
	io_fails(aco_io_connect(fd, (struct sockaddr *)&address,
				sizeof(address), ACO_IO_NEVER),
		 ECONNREFUSED);
	aco_io_close(fd);
	fd = aco_io_socket(AF_INET6, SOCK_STREAM, 0);
	if (fd >= 0) {
		io_fails(aco_io_connect(fd, (struct sockaddr *)&address, 1,
					ACO_IO_NEVER),
			 EINVAL);
		aco_io_close(fd);
	}
}

static void reads_one(void *unused)
{
	char c;

	(void)unused;
	results[0] = aco_io_read(fds[0], &c, 1, ACO_IO_NEVER);
	errors[0] = errno;
}

/* Another task that has begun to read is told first, and the kernel tells once. */
IO_TEST(connection_refused_to_a_reader)
{
	aco_io_close(io_listen(&address, 1)); /* its port is free now */
	fds[0] = aco_io_socket(AF_INET, SOCK_STREAM, 0);
	io_go(NULL, reads_one, NULL);
	io_fails(aco_io_connect(fds[0], (struct sockaddr *)&address,
				sizeof(address), ACO_IO_NEVER),
		 ENOTCONN);
	ck_assert_int_eq(results[0], -1);
	ck_assert_int_eq(errors[0], ECONNREFUSED);
	aco_io_close(fds[0]);
}

/* A full queue of connections: the kernel drops what comes, and says nothing. */
IO_TEST(connect_in_vain)
{
	int listener = io_listen(&address, 0), clients[8], n = 0;

	for (; n < 8; n++) {
		clients[n] = aco_io_socket(AF_INET, SOCK_STREAM, 0);
		if (aco_io_connect(clients[n], (struct sockaddr *)&address,
				   sizeof(address), aco_io_after(50)))
			break;
	}
	ck_assert_int_lt(n, 8);
	ck_assert_int_eq(errno, ETIMEDOUT);
	for (; n >= 0; n--)
		aco_io_close(clients[n]);
	aco_io_close(listener);
}

static struct sockaddr_un local;
static socklen_t local_len;

static void connects_locally(void *unused)
{
	int fd = aco_io_socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unused;
	results[1] = aco_io_connect(fd, (struct sockaddr *)&local, local_len,
				    ACO_IO_NEVER);
	aco_io_close(fd);
}

IO_TEST(a_local_queue_that_is_full)
{
	int listener = aco_io_socket(AF_UNIX, SOCK_STREAM, 0), clients[8];
	int n = 0, accepted;

	local = (struct sockaddr_un){ .sun_family = AF_UNIX };
	local_len = sizeof(local.sun_family);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&local, local_len),
			 0); /* the kernel finds a name */
	local_len = sizeof(local);
	getsockname(listener, (struct sockaddr *)&local, &local_len);
	ck_assert_int_eq(listen(listener, 0), 0);
	for (; n < 8; n++) {
		clients[n] = aco_io_socket(AF_UNIX, SOCK_STREAM, 0);
		if (aco_io_connect(clients[n], (struct sockaddr *)&local,
				   local_len, aco_io_after(SHORT)))
			break;
	}
	ck_assert_int_eq(errno, ETIMEDOUT);
	ck_assert_int_lt(n, 8);
	io_fails(aco_io_connect(clients[n], (struct sockaddr *)&local,
				local_len, 0),
		 ETIMEDOUT);
	/* sooner than it would ask again */
	io_fails(aco_io_connect(clients[n], (struct sockaddr *)&local,
				local_len, aco_io_now() + 1),
		 ETIMEDOUT);
	io_go(NULL, connects_locally, NULL);
	io_turns(2);
	ck_assert_int_eq(results[1], -9);
	for (int i = 0; i < n; i++) {
		accepted = aco_io_accept(listener, NULL, NULL, ACO_IO_NEVER);
		ck_assert_int_ge(accepted, 0);
		aco_io_close(accepted);
	}
	while (results[1] == -9)
		io_turns(1);
	ck_assert_int_eq(results[1], 0);
	for (; n >= 0; n--)
		aco_io_close(clients[n]);
	aco_io_close(listener);
}

/* The descriptors are used up, and then one is free. */
IO_TEST(no_more_descriptors)
{
	int listener = io_listen(&address, 8), clients[4], spare;
	struct rlimit old, none;

	for (int i = 0; i < 4; i++)
		clients[i] = connect_to(&address);
	spare = dup(listener);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ (rlim_t)spare + 1, old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 3; i++) {
		int error = (fds[1] = aco_io_accept(listener, NULL, NULL,
						    ACO_IO_NEVER)) < 0
				    ? errno
				    : 0;

		if (fds[1] >= 0 || error != EMFILE) {
			setrlimit(RLIMIT_NOFILE, &old);
			ck_abort_msg("accept: %d, errno %d", fds[1], error);
		}
	}
	close(spare);
	fds[1] = aco_io_accept(listener, NULL, NULL, ACO_IO_NEVER);
	setrlimit(RLIMIT_NOFILE, &old);
	ck_assert_int_eq(fds[1], spare);
	aco_io_close(fds[1]);
	/* None has been lost. */
	for (int i = 1; i < 4; i++) {
		fds[1] = aco_io_accept(listener, NULL, NULL, ACO_IO_NEVER);
		ck_assert_int_ge(fds[1], 0);
		aco_io_close(fds[1]);
	}
	for (int i = 0; i < 4; i++)
		aco_io_close(clients[i]);
	aco_io_close(listener);
}

/* ---- short reads --------------------------------------------------------- */

static void reads_pieces(void *unused)
{
	char buf[64];
	ssize_t n;

	(void)unused;
	results[0] = 0;
	while ((n = aco_io_read(fds[1], buf, sizeof(buf), ACO_IO_NEVER)) > 0)
		results[0] += n;
	errors[0] = n < 0 ? errno : 0;
	results[1] = 1;
}

/* What comes after a read that got less than it asked for. */
static void check_short_reads(void (*make)(int fd[2]))
{
	make(fds);
	results[1] = -9;
	io_go(NULL, reads_pieces, NULL);
	for (int i = 0; i < 30; i++) {
		io_put(fds[0], "abcdefg", (size_t)i % 7 + 1);
		if (i % 3)
			io_turns(1);
	}
	aco_io_close(fds[0]);
	while (results[1] == -9)
		io_turns(1);
	ck_assert_int_eq(errors[0], 0);
	ck_assert_int_eq(results[0], 4 * 28 + 1 + 2);
	aco_io_close(fds[1]);
}

static void make_pipe(int fd[2])
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	fd[0] = ends[1];
	fd[1] = ends[0];
}

IO_TEST(short_reads)
{
	check_short_reads(io_tcp_pair);
	check_short_reads(io_pair);
	check_short_reads(make_pipe);
}

/* Each read takes one of several that are there. */
static void check_pieces(int pieces, size_t size)
{
	char buf[64];

	/* The descriptor is registered, and its event has been seen. */
	io_fails(aco_io_read(fds[1], buf, sizeof(buf), aco_io_after(1)),
		 ETIMEDOUT);
	for (int i = 0; i < pieces; i++)
		io_put(fds[0], "datagram", size);
	for (int i = 0; i < pieces; i++)
		ck_assert_int_eq(aco_io_read(fds[1], buf, sizeof(buf),
					     aco_io_after(LONG)),
				 (ssize_t)size);
	io_fails(aco_io_read(fds[1], buf, sizeof(buf), 0), ETIMEDOUT);
	close_both();
}

IO_TEST(datagrams)
{
	socklen_t len = sizeof(address);
	const int kinds[] = { SOCK_DGRAM, SOCK_SEQPACKET };

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(
			socketpair(AF_UNIX, kinds[i] | SOCK_NONBLOCK, 0, fds),
			0);
		check_pieces(5, 8);
	}
	address = (struct sockaddr_in){ .sin_family = AF_INET };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 2; i++)
		fds[i] = aco_io_socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(fds[1], (struct sockaddr *)&address, len), 0);
	getsockname(fds[1], (struct sockaddr *)&address, &len);
	ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&address, len), 0);
	check_pieces(5, 8);
}

/* A packet of a pipe, and the counts of an eventfd. */
IO_TEST(pieces_of_other_kinds)
{
	uint64_t count = 1;
	char buf[64];

	if (pipe2(fds, O_NONBLOCK | O_DIRECT) == 0) {
		int swapped = fds[0];

		fds[0] = fds[1];
		fds[1] = swapped;
		check_pieces(5, 8);
	}
	fds[0] = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(aco_io_read(fds[0], buf, sizeof(buf), 0), 8);
	io_fails(aco_io_read(fds[0], buf, sizeof(buf), aco_io_after(1)),
		 ETIMEDOUT);
	count = 2;
	io_put(fds[0], &count, 8);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(
			aco_io_read(fds[0], buf, sizeof(buf), ACO_IO_NEVER), 8);
	aco_io_close(fds[0]);
}

/* Lines end the reads of a terminal, of which several may be there. */
IO_TEST(terminals)
{
	char name[64], buf[64];

	fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fds[0] < 0 || grantpt(fds[0]) || unlockpt(fds[0]) ||
	    ptsname_r(fds[0], name, sizeof(name)) ||
	    (fds[1] = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK)) < 0) {
		aco_io_close(fds[0]);
		return; /* there are none here */
	}
	io_fails(aco_io_read(fds[1], buf, sizeof(buf), aco_io_after(1)),
		 ETIMEDOUT);
	io_put(fds[0], "one\ntwo\nthree\n", 14);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 64, ACO_IO_NEVER), 4);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 64, aco_io_after(LONG)), 4);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 64, aco_io_after(LONG)), 6);
	close_both();
}

/* ---- ends of connections ------------------------------------------------- */

IO_TEST(half_closed)
{
	char buf[8];

	io_tcp_pair(fds);
	ck_assert_int_eq(aco_io_write(fds[0], "last", 4, ACO_IO_NEVER), 4);
	ck_assert_int_eq(shutdown(fds[0], SHUT_WR), 0);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 8, ACO_IO_NEVER), 4);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 8, ACO_IO_NEVER), 0);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 8, ACO_IO_NEVER), 0);
	/* The other direction goes on. */
	io_fails(aco_io_read(fds[0], buf, 8, aco_io_after(1)), ETIMEDOUT);
	ck_assert_int_eq(aco_io_write(fds[1], "answer", 6, ACO_IO_NEVER), 6);
	ck_assert_int_eq(aco_io_read(fds[0], buf, 8, ACO_IO_NEVER), 6);
	close_both();
}

/* The end comes with the data that the reader waits for. */
static void reads_four(void *unused)
{
	char buf[64];

	(void)unused;
	results[0] = aco_io_read(fds[1], buf, sizeof(buf), ACO_IO_NEVER);
	results[1] = aco_io_read(fds[1], buf, sizeof(buf), ACO_IO_NEVER);
	errors[1] = errno;
	results[2] = aco_io_read(fds[1], buf, sizeof(buf), ACO_IO_NEVER);
}

static void check_end(bool reset)
{
	const struct linger linger = { 1, 0 };

	results[2] = -9;
	io_tcp_pair(fds);
	io_go(NULL, reads_four, NULL);
	io_turns(3);
	io_put(fds[0], "four", 4);
	if (reset)
		setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger,
			   sizeof(linger));
	aco_io_close(fds[0]);
	while (results[2] == -9)
		io_turns(1);
	aco_io_close(fds[1]);
}

IO_TEST(end_with_data)
{
	check_end(false);
	ck_assert_int_eq(results[0], 4);
	ck_assert_int_eq(results[1], 0);
	ck_assert_int_eq(results[2], 0);
}

/* A reset may take the data with it. */
IO_TEST(reset_with_data)
{
	check_end(true);
	if (results[0] == 4) {
		ck_assert_int_eq(results[1], -1);
		ck_assert_int_eq(errors[1], ECONNRESET);
	} else {
		ck_assert_int_eq(results[0], -1);
		ck_assert_int_eq(results[1], 0);
	}
	ck_assert_int_eq(results[2], 0);
}

static void writes_much(void *unused)
{
	(void)unused;
	results[0] = aco_io_write(fds[0], big, BIG, ACO_IO_NEVER);
	errors[0] = errno;
}

/* No signal kills the process. */
IO_TEST(reset_under_a_writer)
{
	const struct linger linger = { 1, 0 };
	const int small = 65536; /* the kernel must not take everything */

	io_tcp_pair(fds);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	io_go(NULL, writes_much, NULL);
	io_turns(3);
	setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	aco_io_close(fds[1]);
	while (results[0] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], -1);
	ck_assert(errors[0] == ECONNRESET || errors[0] == EPIPE);
	io_fails(aco_io_write(fds[0], "x", 1, ACO_IO_NEVER), EPIPE);
	io_fails(aco_io_send(fds[0], "x", 1, MSG_MORE, ACO_IO_NEVER), EPIPE);
	aco_io_close(fds[0]);
}

/* Urgent data ends a read, too. */
IO_TEST(urgent_data)
{
	const int on = 1;
	char buf[64];
	size_t n = 0;

	io_tcp_pair(fds);
	setsockopt(fds[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	io_fails(aco_io_read(fds[1], buf, 64, aco_io_after(1)), ETIMEDOUT);
	for (int i = 0; i < 5; i++) {
		io_put(fds[0], "abc", 3);
		ck_assert_int_eq(send(fds[0], "!", 1, MSG_OOB), 1);
	}
	io_put(fds[0], "end", 3);
	while (n < 23) {
		ssize_t got = aco_io_read(fds[1], buf, 64, aco_io_after(LONG));

		ck_assert_int_gt(got, 0);
		n += (size_t)got;
	}
	close_both();
}

/* A raw socket has the protocol, but each read ends with a packet.  Only those
   who may make one run this.  All that have the same address get all packets, so each
   process has one of its own. */
IO_TEST(packets_of_tcp)
{
	static const char packet[20]; /* that TCP throws away */
	const struct sockaddr_in self = {
		.sin_family = AF_INET,
		.sin_addr.s_addr =
			htonl((INADDR_LOOPBACK | 1 << 23) + (uint32_t)getpid()),
	};
	int fd = aco_io_socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
	char buf[256];

	if (fd < 0)
		return;
	ck_assert(!bind(fd, (const struct sockaddr *)&self, sizeof(self)));
	ck_assert(!connect(fd, (const struct sockaddr *)&self, sizeof(self)));
	while (read(fd, buf, 256) > 0)
		; /* of anybody, before it had an address */
	io_fails(aco_io_read(fd, buf, 256, aco_io_after(1)), ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		io_put(fd, packet, sizeof(packet));
	io_turns(2);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(aco_io_read(fd, buf, 256, aco_io_after(LONG)),
				 40);
	aco_io_close(fd);
}

/* That there is no error, and no more to look at, is no word on the data. */
IO_TEST(what_lies_apart)
{
	const int from_start = 0;
	char buf[8];
	struct iovec v = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &v, .msg_iovlen = 1 };

	io_tcp_pair(fds);
	io_fails(aco_io_read(fds[1], buf, 8, aco_io_after(1)), ETIMEDOUT);
	io_put(fds[0], "abc", 3);
	io_turns(2);
	io_fails(aco_io_recvmsg(fds[1], &msg, MSG_ERRQUEUE, 0), ETIMEDOUT);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 8, aco_io_after(LONG)), 3);
	close_both();

	io_pair(fds);
	setsockopt(fds[1], SOL_SOCKET, SO_PEEK_OFF, &from_start, sizeof(int));
	io_fails(aco_io_read(fds[1], buf, 8, aco_io_after(1)), ETIMEDOUT);
	io_put(fds[0], "abc", 3);
	ck_assert_int_eq(aco_io_recvmsg(fds[1], &msg, MSG_PEEK, 0), 3);
	io_fails(aco_io_recvmsg(fds[1], &msg, MSG_PEEK, aco_io_after(1)),
		 ETIMEDOUT);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 8, aco_io_after(LONG)), 3);
	close_both();
}

/* Datagrams for a local socket that has no room for more. */
static void sends_locally(void *unused)
{
	struct iovec v = { "x", 1 };
	struct msghdr msg = { .msg_name = &local,
			      .msg_namelen = local_len,
			      .msg_iov = &v,
			      .msg_iovlen = 1 };

	(void)unused;
	results[0] = (int)aco_io_sendmsg(fds[0], &msg, 0, ACO_IO_NEVER);
}

IO_TEST(no_room_for_a_local_datagram)
{
	struct pollfd p = { .fd = aco_io_fd(aco_io_current()),
			    .events = POLLIN };
	bool sleeps = false;
	char c;

	local = (struct sockaddr_un){ .sun_family = AF_UNIX };
	local_len = sizeof(sa_family_t);
	fds[0] = aco_io_socket(AF_UNIX, SOCK_DGRAM, 0);
	fds[1] = aco_io_socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(fds[1], (struct sockaddr *)&local, local_len), 0);
	local_len = sizeof(local);
	ck_assert_int_eq(
		getsockname(fds[1], (struct sockaddr *)&local, &local_len), 0);
	while (sendto(fds[0], "x", 1, 0, (struct sockaddr *)&local,
		      local_len) == 1)
		;
	io_go(NULL, sends_locally, NULL);
	io_turns(3);
	/* It does not try again and again. */
	for (int i = 0; i < 5; i++) {
		sleeps = sleeps || poll(&p, 1, 0) == 0;
		io_turns(1);
	}
	ck_assert(sleeps);
	ck_assert_int_eq(results[0], -9);
	while (recv(fds[1], &c, 1, 0) == 1)
		;
	while (results[0] == -9)
		io_turns(1);
	ck_assert_int_eq(results[0], 1);
	close_both();
}

/* ---- one deadline for a request ------------------------------------------ */

static void reads_request(void *unused)
{
	int64_t deadline = aco_io_after(20);
	char c = 0;

	(void)unused;
	while ((results[0] = aco_io_read(fds[1], &c, 1, deadline)) == 1 &&
	       c != '\n')
		results[1]++;
	errors[0] = errno;
	results[2] = 1;
}

IO_TEST(slow_loris)
{
	io_tcp_pair(fds);
	results[1] = 0;
	io_go(NULL, reads_request, NULL);
	while (results[2] == -9) {
		io_put(fds[0], "x", 1);
		ck_assert_int_eq(aco_io_sleep(aco_io_after(1)), 0);
	}
	ck_assert_int_eq(results[0], -1);
	ck_assert_int_eq(errors[0], ETIMEDOUT);
	close_both();
}

/* ---- writing ------------------------------------------------------------- */

static uint32_t sum_of(const char *p, size_t n, uint32_t sum)
{
	while (n--)
		sum = sum * 31 + (unsigned char)*p++;
	return sum;
}

static size_t total;
static uint32_t sum;

static void reads_all(void *unused)
{
	char buf[5000];
	ssize_t n;

	(void)unused;
	total = sum = 0;
	while ((n = aco_io_read(fds[1], buf, sizeof(buf), ACO_IO_NEVER)) > 0) {
		sum = sum_of(buf, (size_t)n, sum);
		total += (size_t)n;
	}
	results[1] = n;
}

static void fill_big(void)
{
	uint32_t seed = 99;

	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)t_random(&seed);
}

static void check_big(void (*make)(int fd[2]))
{
	results[1] = -9;
	make(fds);
	io_go(NULL, reads_all, NULL);
	ck_assert_int_eq(aco_io_write(fds[0], big, BIG, ACO_IO_NEVER),
			 (ssize_t)BIG);
	aco_io_close(fds[0]);
	while (results[1] == -9)
		io_turns(1);
	ck_assert_int_eq(results[1], 0);
	ck_assert_uint_eq(total, BIG);
	ck_assert_uint_eq(sum, sum_of(big, BIG, 0));
	aco_io_close(fds[1]);
}

IO_TEST(big_buffers)
{
	fill_big();
	check_big(io_tcp_pair);
	check_big(io_pair);
	check_big(make_pipe);
}

IO_TEST(nobody_reads)
{
	io_pair(fds);
	io_fails(aco_io_write(fds[0], big, BIG, aco_io_after(SHORT)),
		 ETIMEDOUT);
	io_fails(aco_io_write(fds[0], big, BIG, 0), ETIMEDOUT);
	ck_assert_int_eq(aco_io_write(fds[0], big, 0, 0), 0);
	close_both();
}

/* A datagram without bytes is sent, too. */
IO_TEST(empty_datagram)
{
	char buf[8];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	ck_assert_int_eq(aco_io_write(fds[0], "", 0, ACO_IO_NEVER), 0);
	ck_assert_int_eq(aco_io_read(fds[1], buf, 8, 0), 0);
	close_both();
}

/* ---- recvmsg, sendmsg ---------------------------------------------------- */

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int))];
};

static void receives_fd(void *unused)
{
	union control control;
	char c = 0;
	struct iovec v = { &c, 1 };
	struct msghdr msg = { .msg_iov = &v,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *header;

	(void)unused;
	results[0] = aco_io_recvmsg(fds[1], &msg, MSG_CMSG_CLOEXEC,
				    ACO_IO_NEVER);
	header = CMSG_FIRSTHDR(&msg);
	if (results[0] == 1 && c == 'f' && header &&
	    header->cmsg_type == SCM_RIGHTS)
		memcpy(&errors[0], CMSG_DATA(header), sizeof(int));
}

IO_TEST(messages_with_descriptors)
{
	union control control = { .buf = "" };
	char f = 'f', c = 0;
	struct iovec v = { &f, 1 };
	struct msghdr msg = { .msg_iov = &v,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
	int passed[2];

	io_pair(fds);
	io_pair(passed);
	io_go(NULL, receives_fd, NULL);
	io_turns(2);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &passed[0], sizeof(int));
	ck_assert_int_eq(aco_io_sendmsg(fds[0], &msg, 0, ACO_IO_NEVER), 1);
	io_turns(3);
	ck_assert_int_eq(results[0], 1);
	ck_assert_int_gt(errors[0], 0);
	io_put(errors[0], "p", 1);
	io_get(passed[1], &c, 1);
	ck_assert_int_eq(c, 'p');
	close(errors[0]);
	close(passed[0]);
	close(passed[1]);
	close_both();
}

static void sends_message(void *unused)
{
	struct iovec v = { big, 100000 };
	struct msghdr msg = { .msg_iov = &v, .msg_iovlen = 1 };

	(void)unused;
	results[0] = 0;
	do
		results[1] = aco_io_sendmsg(fds[0], &msg, 0, ACO_IO_NEVER);
	while (results[1] > 0 && (results[0] += results[1]) < (ssize_t)BIG);
	results[2] = 1;
}

IO_TEST(messages_wait_for_room)
{
	size_t got = 0;

	io_pair(fds);
	io_go(NULL, sends_message, NULL);
	while (results[2] == -9) {
		ssize_t n = aco_io_read(fds[1], big, 10000, ACO_IO_NEVER);

		ck_assert_int_gt(n, 0);
		got += (size_t)n;
	}
	ck_assert_int_ge(results[0], (ssize_t)BIG);
	ck_assert_uint_gt(got, 0);
	close_both();
	io_fails(aco_io_sendmsg(fds[0], &(struct msghdr){ .msg_flags = 0 }, 0,
				0),
		 EBADF);
}

/* ---- sendfile ------------------------------------------------------------ */

static void sends_file(void *arg)
{
	int file = (int)(intptr_t)arg;
	int64_t offset = INT64_C(5) << 30;
	int64_t end = offset + (int64_t)BIG;
	ssize_t n;

	while (offset < end) {
		n = aco_io_sendfile(fds[0], file, &offset,
				    (size_t)(end - offset), ACO_IO_NEVER);
		if (n <= 0)
			break;
	}
	results[0] = offset == end;
	results[2] = aco_io_sendfile(fds[0], file, &offset, 10, ACO_IO_NEVER);
	aco_io_close(fds[0]);
}

/* The file has more than 4 GiB, most of which are a hole. */
IO_TEST(sendfile_beyond_4_gib)
{
	int file = io_file();
	const int64_t offset = INT64_C(5) << 30;

	fill_big();
	io_tcp_pair(fds);
	for (size_t at = 0; at < BIG; at += 1 << 20)
		ck_assert_int_eq(aco_io_pwrite(file, big + at, 1 << 20,
					       offset + (int64_t)at),
				 1 << 20);
	io_go(NULL, sends_file, (void *)(intptr_t)file);
	reads_all(NULL);
	ck_assert_int_eq(results[0], 1);
	ck_assert_int_eq(results[1], 0);
	ck_assert_int_eq(results[2], 0); /* the end of the file */
	ck_assert_uint_eq(total, BIG);
	ck_assert_uint_eq(sum, sum_of(big, BIG, 0));
	aco_io_close(fds[1]);
	close(file);
}

/* ---- fairness ------------------------------------------------------------ */

static long turns[2];
static bool unfair;

static void is_greedy(void *arg)
{
	int fd = open("/dev/zero", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	long *mine = &turns[(intptr_t)arg], *others = &turns[!(intptr_t)arg];
	char buf[64];

	for (int i = 0; i < 2000; i++) {
		if (aco_io_read(fd, buf, sizeof(buf), ACO_IO_NEVER) != 64)
			ck_abort_msg("errno %d", errno);
		if (++*mine > *others + 200)
			unfair = true;
	}
	aco_io_close(fd);
}

IO_TEST(always_ready)
{
	aco_io_group_t *group = io_group();

	turns[0] = turns[1] = 0;
	unfair = false;
	io_go(group, is_greedy, (void *)0);
	io_go(group, is_greedy, (void *)1);
	ck_assert_int_eq(aco_io_group_wait(group, ACO_IO_NEVER), 0);
	ck_assert(!unfair);
	ck_assert_int_eq(aco_io_group_destroy(group), 0);
}

void t_reset(void)
{
	for (int i = 0; i < 4; i++) {
		results[i] = -9;
		errors[i] = 0;
	}
}

Suite *t_suite(void)
{
	Suite *s = suite_create("io-stream");
	TCase *tc = io_case(s, "connections");

	io_add(tc, accept_and_connect);
	io_add(tc, accept_several);
	io_add(tc, connection_refused);
	io_add(tc, connection_refused_to_a_reader);
	io_add(tc, connect_in_vain);
	io_add(tc, a_local_queue_that_is_full);
	tc = io_case(s, "descriptors");
	tcase_set_tags(tc, IO_KERNEL);
	io_add(tc, no_more_descriptors);
	tc = io_case(s, "reading");
	io_add(tc, short_reads);
	io_add(tc, datagrams);
	io_add(tc, pieces_of_other_kinds);
	io_add(tc, terminals);
	io_add(tc, half_closed);
	io_add(tc, end_with_data);
	io_add(tc, reset_with_data);
	io_add(tc, urgent_data);
	io_add(tc, packets_of_tcp);
	io_add(tc, what_lies_apart);
	io_add(tc, slow_loris);
	tc = io_case(s, "writing");
	io_add(tc, reset_under_a_writer);
	io_add(tc, big_buffers);
	io_add(tc, nobody_reads);
	io_add(tc, empty_datagram);
	io_add(tc, messages_with_descriptors);
	io_add(tc, messages_wait_for_room);
	io_add(tc, no_room_for_a_local_datagram);
	io_add(tc, sendfile_beyond_4_gib);
	io_add(tc, always_ready);
	return s;
}
